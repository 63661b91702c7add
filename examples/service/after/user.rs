//! Users, and the table they are in.

use oubliette::personal::{Email, Name, Text};
use oubliette::{CustomerId, Field, Held, Index, Personal, Purpose, bits};
use sqlx::PgConnection;

use super::service::{App, Error};

pub const ACCOUNT: Purpose = Purpose::new("account");
pub const NEWSLETTER: Purpose = Purpose::new("newsletter");
pub const NAME: Field<Name> = ACCOUNT.field("name");
pub const EMAIL: Field<Email> = ACCOUNT.field("email");
pub const PHONE: Field<Text> = ACCOUNT.field("phone as typed");
pub const PASSWORD: Field<Text> = ACCOUNT.field("password hash");
pub const NEWS_EMAIL: Field<Email> = NEWSLETTER.field("email");
/// So many bits that no two emails have the same token: the column is UNIQUE.
pub const BY_EMAIL: Index<Email> = EMAIL.index("unique", bits(128));

/// The newsletter has a number of its own, new for each consent: one that was shredded never comes back.
#[derive(Personal)]
#[personal(purpose = ACCOUNT, sealed = SealedUser, derive(sqlx::FromRow))]
#[rustfmt::skip] // a line a column
pub struct User {
    #[personal(plain)] pub id: i64,
    #[personal(customer)] pub no: CustomerId,
    #[personal(seal = NAME, text)] pub name: Name,
    #[personal(seal = EMAIL, text, index(email_idx = BY_EMAIL))] pub email: Email,
    #[personal(seal = PHONE, text)] pub phone: Option<Text>,
    #[personal(seal = PASSWORD, text)] pub password: Text,
    #[personal(customer = NEWSLETTER)] pub news_no: Option<CustomerId>,
    #[personal(seal = NEWS_EMAIL, text)] pub news_email: Held<Email>,
}

impl App {
    pub async fn next_id(&self, db: &mut PgConnection) -> Result<i64, Error> {
        Ok(sqlx::query_scalar("SELECT nextval('users_id_seq')").fetch_one(db).await?)
    }

    /// Locks the row for the transaction, so that what is saved is what was read and changed.
    pub async fn user(&self, db: &mut PgConnection, id: i64) -> Result<User, Error> {
        // Not prepared once for all: PostgreSQL refuses a prepared `*` after a column was added.
        let select = sqlx::query_as("SELECT * FROM users WHERE id = $1 FOR UPDATE").persistent(false).bind(id);
        Ok(SealedUser::open(&select.fetch_optional(db).await?.ok_or(Error::NoSession)?, &self.vault)?)
    }

    pub async fn user_id_of(&self, db: &mut PgConnection, email: &Email) -> Result<Option<i64>, Error> {
        let tokens: Vec<_> = self.vault.tokens(BY_EMAIL, email)?.iter().map(|t| t.as_bytes().to_vec()).collect();
        let select = sqlx::query_scalar("SELECT id FROM users WHERE email_idx = ANY($1)").bind(tokens);
        Ok(select.fetch_optional(db).await?)
    }

    pub async fn save(&self, db: &mut PgConnection, row: &User) -> Result<(), Error> {
        let row = row.seal(&self.vault)?;
        let save = "INSERT INTO users (id, name, email, phone, password, news_email, no, email_idx, news_no)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id)
            DO UPDATE SET name = $2, email = $3, phone = $4, news_email = $6, no = $7, email_idx = $8, news_no = $9";
        sqlx::query(save)
            .bind(row.id)
            .bind(&row.name)
            .bind(&row.email)
            .bind(&row.phone)
            .bind(&row.password)
            .bind(&row.news_email)
            .bind(row.no)
            .bind(row.email_idx)
            .bind(row.news_no)
            .execute(db)
            .await?;
        Ok(())
    }

    pub async fn delete(&self, db: &mut PgConnection, id: i64) -> Result<(), Error> {
        sqlx::query("DELETE FROM users WHERE id = $1").bind(id).execute(db).await?;
        Ok(())
    }
}
