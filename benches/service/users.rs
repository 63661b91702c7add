//! Users as `examples/service` has them, and people of eight fields: in plain columns, in sealed ones, and in a group.

use std::path::Path;

use oubliette::personal::{Address, Email, Name, Phone, Text, serialize_exposed};
use oubliette::{CustomerId, Field, Group, Held, Index, Members, Personal, Purpose, Vault, bits};
use serde::{Serialize, Serializer};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{FromRow, SqliteConnection, SqlitePool};

use crate::common::ours::{self, ORDERS};
use crate::eight::{self, SealedApart, SealedGrouped};
use crate::pages::{Error, Variant, hash_of_session, session};

pub const NEWSLETTER: Purpose = Purpose::new("newsletter");
const NAME: Field<Name> = ORDERS.field("user name");
const EMAIL: Field<Email> = ORDERS.field("user email");
const PHONE: Field<Text> = ORDERS.field("phone as typed");
const PASSWORD: Field<Text> = ORDERS.field("password hash");
const NEWS_EMAIL: Field<Email> = NEWSLETTER.field("email");
const BY_EMAIL: Index<Email> = EMAIL.index("unique", bits(128));
const CONTACT: Group = ORDERS.group("user contact");

/// A user, and what a list needs of one: the same fields in a column each, and in a group.
macro_rules! records {
    ($user:ident, $sealed_user:ident, $listed:ident, $sealed_listed:ident, $sealed:tt, {$($column:tt)*}) => {
        records!(@of $user, $sealed_user, $sealed, {
            #[personal(plain)]
            id: i64,
        }, {
            #[personal(seal = PASSWORD, text)]
            password: Text,
            #[personal(customer = NEWSLETTER)]
            news_no: Option<CustomerId>,
            #[personal(seal = NEWS_EMAIL, text)]
            news_email: Held<Email>,
            $($column)*
        }, {, index(email_idx = BY_EMAIL)});
        records!(@of $listed, $sealed_listed, $sealed, {}, {$($column)*}, {});
    };
    (@of $user:ident, $sealed_user:ident, {$($sealed:tt)*}, {$($before:tt)*}, {$($after:tt)*}, {$($index:tt)*}) => {
        #[derive(Personal)]
        #[personal(purpose = ORDERS, sealed = $sealed_user, derive(sqlx::FromRow), bind = sqlx::Sqlite)]
        struct $user {
            $($before)*
            #[personal(customer)]
            no: CustomerId,
            #[personal(seal = NAME, $($sealed)*)]
            name: Name,
            #[personal(seal = EMAIL, $($sealed)* $($index)*)]
            email: Email,
            #[personal(seal = PHONE, $($sealed)*)]
            phone: Option<Text>,
            $($after)*
        }
    };
}

records!(ApartUser, SealedApartUser, ApartListed, SealedApartListed, { text }, {});
records!(GroupedUser, SealedGroupedUser, GroupedListed, SealedGroupedListed, { group = CONTACT }, {
    #[personal(group = CONTACT)]
    contact: Members,
});

#[derive(Serialize)]
pub struct Profile {
    #[serde(serialize_with = "serialize_exposed")]
    name: Name,
    #[serde(serialize_with = "serialize_exposed")]
    email: Email,
    #[serde(serialize_with = "serialize_exposed")]
    phone: Option<Text>,
    #[serde(serialize_with = "serialize_exposed")]
    newsletter: Option<Email>,
}

#[derive(Serialize)]
pub struct Listed {
    #[serde(serialize_with = "serialize_exposed")]
    name: Name,
    #[serde(serialize_with = "serialize_exposed")]
    email: Email,
    #[serde(serialize_with = "serialize_exposed")]
    phone: Option<Text>,
}

#[derive(Serialize)]
pub struct Person {
    #[serde(serialize_with = "serialize_exposed")]
    name: Name,
    #[serde(serialize_with = "serialize_exposed")]
    email: Email,
    #[serde(serialize_with = "serialize_exposed")]
    phone: Phone,
    // As text, as the plain column has it.
    #[serde(serialize_with = "as_text")]
    address: Address,
    #[serde(serialize_with = "serialize_exposed")]
    company: Name,
    #[serde(serialize_with = "serialize_exposed")]
    born: Text,
    #[serde(serialize_with = "serialize_exposed")]
    iban: Text,
    #[serde(serialize_with = "serialize_exposed")]
    note: Text,
}

fn as_text<S: Serializer>(address: &Address, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(address.expose_personal_data())
}

macro_rules! to_pages {
    ($user:ty, $listed:ty, $person:ty) => {
        impl From<$user> for Profile {
            fn from(user: $user) -> Profile {
                // Opened with the rest, as in the example.
                drop(user.password);
                Profile { name: user.name, email: user.email, phone: user.phone, newsletter: user.news_email.kept() }
            }
        }

        impl From<$listed> for Listed {
            fn from(user: $listed) -> Listed {
                Listed { name: user.name, email: user.email, phone: user.phone }
            }
        }

        impl From<$person> for Person {
            fn from(row: $person) -> Person {
                let (name, email, phone, address) = (row.name, row.email, row.phone, row.address);
                Person {
                    name,
                    email,
                    phone,
                    address,
                    company: row.company,
                    born: row.born,
                    iban: row.iban,
                    note: row.note,
                }
            }
        }
    };
}

to_pages!(ApartUser, ApartListed, eight::Apart);
to_pages!(GroupedUser, GroupedListed, eight::Grouped);

const SESSIONS: &str = "CREATE TABLE sessions (hash BLOB PRIMARY KEY, user_id BIGINT NOT NULL, begun TEXT NOT NULL)";
const PASSWORD_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdA$VQOdCUwzmKdwk8IkwDPNMKQIoqsMzHjMvSA31KjC7eg";

/// As many connections as clients.
async fn database(at: &Path, tables: &str, users: i64) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(at).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
    let db = SqlitePoolOptions::new().max_connections(4).connect_with(options).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("{tables}; {SESSIONS}"))).execute(&db).await.unwrap();
    let mut fill = db.begin().await.unwrap();
    for id in 1..=users {
        let insert = sqlx::query("INSERT INTO sessions VALUES (?, ?, datetime('now'))");
        insert.bind(hash_of_session(&session(id))).bind(id).execute(&mut *fill).await.unwrap();
    }
    fill.commit().await.unwrap();
    db
}

/// What a user has, in the order of the plain table.
struct Made {
    name: String,
    email: String,
    phone: Option<String>,
    /// Every second one wants the newsletter.
    news_email: Option<String>,
}

fn made(id: i64) -> Made {
    let email = format!("siobhan.{id}@example.com");
    Made {
        name: format!("Siobhán Ní Bhriain {id}"),
        phone: (id % 4 != 0).then(|| format!("01 23 45 {:02} {:02}", id / 100 % 100, id % 100)),
        news_email: (id % 2 == 0).then(|| email.clone()),
        email,
    }
}

#[derive(Clone)]
pub struct Plain(SqlitePool);

#[derive(FromRow)]
struct PlainUser {
    name: String,
    email: String,
    phone: Option<String>,
    password: String,
    news_email: Option<String>,
}

#[derive(Serialize)]
pub struct PlainProfile {
    name: String,
    email: String,
    phone: Option<String>,
    newsletter: Option<String>,
}

#[derive(Serialize, FromRow)]
pub struct PlainListed {
    name: String,
    email: String,
    phone: Option<String>,
}

#[derive(Serialize, FromRow)]
pub struct PlainPerson {
    name: String,
    email: String,
    phone: String,
    address: String,
    company: String,
    born: String,
    iban: String,
    note: String,
}

impl Plain {
    pub async fn open(at: &Path, users: i64) -> Plain {
        let people = format!("CREATE TABLE people (id INTEGER PRIMARY KEY, {})", eight::COLUMNS);
        let tables =
            "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, phone TEXT,
            password TEXT NOT NULL, news_email TEXT)";
        let db = database(at, &format!("{tables}; {people}"), users).await;
        let mut fill = db.begin().await.unwrap();
        for id in 1..=users {
            let Made { name, email, phone, news_email } = made(id);
            let insert = sqlx::query("INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)").bind(id).bind(name).bind(email);
            insert.bind(phone).bind(PASSWORD_HASH).bind(news_email).execute(&mut *fill).await.unwrap();
            let row = eight::plain(ours::customer(id));
            let insert = sqlx::query("INSERT INTO people VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)").bind(id).bind(row.no);
            let insert = insert.bind(row.name).bind(row.email).bind(row.phone).bind(row.address).bind(row.company);
            insert.bind(row.born).bind(row.iban).bind(row.note).execute(&mut *fill).await.unwrap();
        }
        fill.commit().await.unwrap();
        Plain(db)
    }
}

impl Variant for Plain {
    type Profile = PlainProfile;
    type Listed = PlainListed;
    type Person = PlainPerson;

    fn db(&self) -> &SqlitePool {
        &self.0
    }

    async fn user(&self, db: &mut SqliteConnection, id: i64) -> Result<PlainProfile, Error> {
        let select = sqlx::query_as("SELECT * FROM users WHERE id = ?").bind(id);
        let user: PlainUser = select.fetch_optional(db).await?.ok_or(Error::NoSession)?;
        drop(user.password);
        Ok(PlainProfile { name: user.name, email: user.email, phone: user.phone, newsletter: user.news_email })
    }

    async fn users(&self, after: i64, rows: i64) -> Result<Vec<PlainListed>, Error> {
        let select = "SELECT name, email, phone FROM users WHERE id > ? ORDER BY id LIMIT ?";
        Ok(sqlx::query_as(select).bind(after).bind(rows).fetch_all(&self.0).await?)
    }

    async fn people(&self, after: i64, rows: i64) -> Result<Vec<PlainPerson>, Error> {
        let select = "SELECT name, email, phone, address, company, born, iban, note FROM people
            WHERE id > ? ORDER BY id LIMIT ?";
        Ok(sqlx::query_as(select).bind(after).bind(rows).fetch_all(&self.0).await?)
    }
}

/// A variant with a vault: the tables of its records, and handlers that open them.
macro_rules! sealed {
    ($variant:ident, $sealed_user:ident, $sealed_listed:ident, $sealed_person:ident, $tables:literal, $user:expr, $person:expr) => {
        #[derive(Clone)]
        pub struct $variant {
            db: SqlitePool,
            vault: Vault,
        }

        impl $variant {
            pub async fn open(at: &Path, vault: &Vault, users: i64) -> $variant {
                let db = database(at, $tables, users).await;
                let mut fill = db.begin().await.unwrap();
                for id in 1..=users {
                    let news_no = made(id).news_email.map(|_| ours::customer(users + id));
                    let user: $sealed_user = $user(id, made(id), news_no).seal(vault).unwrap();
                    let columns = $sealed_user::COLUMNS;
                    let insert = format!("INSERT INTO users ({columns}) VALUES ({})", columns.marks());
                    let insert = user.bind(sqlx::query(sqlx::AssertSqlSafe(insert)));
                    insert.execute(&mut *fill).await.unwrap();
                    let person: $sealed_person = $person(&eight::plain(ours::customer(id))).seal(vault).unwrap();
                    let columns = $sealed_person::COLUMNS;
                    let insert = format!("INSERT INTO people ({columns}) VALUES ({})", columns.marks());
                    person.bind(sqlx::query(sqlx::AssertSqlSafe(insert))).execute(&mut *fill).await.unwrap();
                }
                fill.commit().await.unwrap();
                $variant { db, vault: vault.clone() }
            }
        }

        impl Variant for $variant {
            type Profile = Profile;
            type Listed = Listed;
            type Person = Person;

            fn db(&self) -> &SqlitePool {
                &self.db
            }

            async fn user(&self, db: &mut SqliteConnection, id: i64) -> Result<Profile, Error> {
                let select = sqlx::query_as("SELECT * FROM users WHERE id = ?").bind(id);
                let user: $sealed_user = select.fetch_optional(db).await?.ok_or(Error::NoSession)?;
                Ok(user.open(&self.vault)?.into())
            }

            async fn users(&self, after: i64, rows: i64) -> Result<Vec<Listed>, Error> {
                let select = format!("SELECT {} FROM users WHERE id > ? ORDER BY id LIMIT ?", $sealed_listed::COLUMNS);
                let select = sqlx::query_as(sqlx::AssertSqlSafe(select)).bind(after).bind(rows);
                let rows: Vec<$sealed_listed> = select.fetch_all(&self.db).await?;
                $sealed_listed::open_all(&rows, &self.vault).map(|row| Ok(row?.into())).collect()
            }

            async fn people(&self, after: i64, rows: i64) -> Result<Vec<Person>, Error> {
                let select = format!("SELECT {} FROM people WHERE no > ? ORDER BY no LIMIT ?", $sealed_person::COLUMNS);
                let select = sqlx::query_as(sqlx::AssertSqlSafe(select)).bind(after).bind(rows);
                let rows: Vec<$sealed_person> = select.fetch_all(&self.db).await?;
                $sealed_person::open_all(&rows, &self.vault).map(|row| Ok(row?.into())).collect()
            }
        }
    };
}

sealed!(
    Apart,
    SealedApartUser,
    SealedApartListed,
    SealedApart,
    "CREATE TABLE users (id INTEGER PRIMARY KEY, no BIGINT NOT NULL UNIQUE, name TEXT NOT NULL, email TEXT NOT NULL,
         email_idx BLOB NOT NULL UNIQUE, phone TEXT, password TEXT NOT NULL, news_no BIGINT UNIQUE, news_email TEXT);
     CREATE TABLE people (no INTEGER PRIMARY KEY, name, email, email_idx, phone, address, company, born, iban, note)",
    |id, made: Made, news_no| ApartUser {
        id,
        no: ours::customer(id),
        name: made.name.parse().unwrap(),
        email: made.email.parse().unwrap(),
        phone: made.phone.map(|phone| phone.parse().unwrap()),
        password: PASSWORD_HASH.parse().unwrap(),
        news_no,
        news_email: made.news_email.map_or(Held::Absent, |email| Held::Kept(email.parse().unwrap())),
    },
    eight::apart
);
sealed!(
    Grouped,
    SealedGroupedUser,
    SealedGroupedListed,
    SealedGrouped,
    "CREATE TABLE users (id INTEGER PRIMARY KEY, no BIGINT NOT NULL UNIQUE, contact BLOB NOT NULL,
         email_idx BLOB NOT NULL UNIQUE, password TEXT NOT NULL, news_no BIGINT UNIQUE, news_email TEXT);
     CREATE TABLE people (no INTEGER PRIMARY KEY, contact, email_idx)",
    |id, made: Made, news_no| GroupedUser {
        id,
        no: ours::customer(id),
        name: made.name.parse().unwrap(),
        email: made.email.parse().unwrap(),
        phone: made.phone.map(|phone| phone.parse().unwrap()),
        password: PASSWORD_HASH.parse().unwrap(),
        news_no,
        news_email: made.news_email.map_or(Held::Absent, |email| Held::Kept(email.parse().unwrap())),
        contact: Members::new(),
    },
    eight::grouped
);
