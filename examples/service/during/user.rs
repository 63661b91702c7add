//! Users while their rows are being sealed: read sealed or not, and written sealed.

use oubliette::columns::{MaybeSealed, OnPlaintext};
use oubliette::personal::{Email, Name, PersonalData, Text};
use oubliette::{CustomerId, Field, Held};
use sqlx::{FromRow, PgConnection};

use crate::service::{App, Error};
pub use after::{ACCOUNT, NEWSLETTER, User};
use after::{EMAIL, NAME, NEWS_EMAIL, PASSWORD, PHONE};

#[path = "../after/user.rs"]
#[allow(dead_code)]
mod after;

/// What the users of `after` find beside them: not this service's `App`, which has other methods of the same names.
mod service {
    pub use crate::service::Error;

    pub struct App {
        pub vault: oubliette::Vault,
    }
}

#[derive(FromRow)]
struct Row {
    id: i64,
    no: Option<CustomerId>,
    name: MaybeSealed<Name>,
    email: MaybeSealed<Email>,
    phone: Option<MaybeSealed<Text>>,
    password: MaybeSealed<Text>,
    news_no: Option<CustomerId>,
    news_email: Option<MaybeSealed<Email>>,
}

impl App {
    fn after(&self) -> service::App {
        service::App { vault: self.vault.clone() }
    }

    pub async fn next_id(&self, db: &mut PgConnection) -> Result<i64, Error> {
        self.after().next_id(db).await
    }

    /// Locks the row for the transaction, so that what is saved is what was read and changed: by a request, or by the job
    /// that seals the rows.
    pub async fn user(&self, db: &mut PgConnection, id: i64) -> Result<User, Error> {
        // Not prepared once for all: PostgreSQL refuses a prepared `*` after a column was added.
        let select = sqlx::query_as("SELECT * FROM users WHERE id = $1 FOR UPDATE").persistent(false).bind(id);
        let Row { id, no, name, email, phone, password, news_no, news_email } =
            select.fetch_optional(db).await?.ok_or(Error::NoSession)?;
        // A plaintext row has no numbers yet. They are written if the row is saved, and wasted, which costs nothing, if
        // it is only read.
        let no = self.number(no).await?;
        let news_no = if news_email.is_some() { Some(self.number(news_no).await?) } else { news_no };
        Ok(User {
            id,
            no,
            name: self.open(no, NAME, &name)?,
            email: self.open(no, EMAIL, &email)?,
            phone: phone.map(|phone| self.open(no, PHONE, &phone)).transpose()?,
            password: self.open(no, PASSWORD, &password)?,
            news_no,
            news_email: match news_no.zip(news_email) {
                Some((no, email)) => Held::Kept(self.open(no, NEWS_EMAIL, &email)?),
                None => Held::Absent,
            },
        })
    }

    async fn number(&self, known: Option<CustomerId>) -> Result<CustomerId, Error> {
        match known {
            Some(number) => Ok(number),
            None => Ok(self.vault.enroll_async().await?),
        }
    }

    fn open<T: PersonalData + std::str::FromStr>(
        &self,
        no: CustomerId,
        field: Field<T>,
        value: &MaybeSealed<T>,
    ) -> Result<T, Error> {
        Ok(value.open(&self.vault, no, field, OnPlaintext::Accept)?)
    }

    pub async fn user_id_of(&self, db: &mut PgConnection, email: &Email) -> Result<Option<i64>, Error> {
        let sealed = self.after().user_id_of(&mut *db, email).await?;
        let plain = sqlx::query_scalar("SELECT id FROM users WHERE lower(email) = lower($1)");
        let plain = plain.bind(email.expose_personal_data()).fetch_optional(db).await?;
        Ok(sealed.or(plain))
    }

    pub async fn save(&self, db: &mut PgConnection, row: &User) -> Result<(), Error> {
        self.after().save(db, row).await
    }

    pub async fn delete(&self, db: &mut PgConnection, id: i64) -> Result<(), Error> {
        self.after().delete(db, id).await
    }
}
