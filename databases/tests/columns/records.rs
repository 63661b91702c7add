//! Records through the derives of sqlx and diesel, which reach the sealed twin with their attributes.

use diesel::prelude::*;
use oubliette::personal::{Email, Name};
use oubliette::testing::TestVault;
use oubliette::{CustomerId, Field, Group, Held, Index, Members, Personal, Purpose, Vault, bits};
use sqlx::AssertSqlSafe;

const ORDERS: Purpose = Purpose::new("orders");
const NEWSLETTER: Purpose = Purpose::new("newsletter");
const EMAIL: Field<Email> = ORDERS.field("email");
const NAME: Field<Name> = ORDERS.field("name");
const NEWS_EMAIL: Field<Email> = NEWSLETTER.field("email");
const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(32));
const BIRTH_NAME: Field<Name> = ORDERS.field("birth name");
const CONTACT: Group = ORDERS.group("contact");

diesel::table! {
    users (uid) {
        uid -> BigInt,
        no -> BigInt,
        email -> Binary,
        idx -> Binary,
        name -> Nullable<Text>,
        news -> Nullable<Binary>,
        more -> Binary,
    }
}

const TABLE: &str = "CREATE TABLE users (uid INTEGER PRIMARY KEY, no INTEGER NOT NULL UNIQUE, email BLOB NOT NULL,
    idx BLOB NOT NULL, name TEXT, news BLOB, more BLOB NOT NULL) STRICT";

#[derive(Clone, Debug, PartialEq, Personal)]
#[personal(
    purpose = ORDERS,
    sealed = SealedUser,
    derive(Clone, Debug, PartialEq, sqlx::FromRow),
    derive(Queryable, Selectable, Insertable, AsChangeset),
    bind = sqlx::Sqlite,
    attr(diesel(table_name = users, check_for_backend(diesel::sqlite::Sqlite), treat_none_as_null = true))
)]
struct User {
    #[personal(plain, attr(sqlx(rename = "uid"), diesel(column_name = uid)))]
    id: i64,
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = EMAIL, index(email_idx = BY_EMAIL, attr(sqlx(rename = "idx"), diesel(column_name = idx))))]
    email: Email,
    #[personal(seal = NAME, text, context = id)]
    name: Option<Name>,
    #[personal(seal = NEWS_EMAIL)]
    news: Held<Email>,
    #[personal(seal = BIRTH_NAME, group = CONTACT)]
    birth_name: Option<Name>,
    #[personal(group = CONTACT, context = id, attr(sqlx(rename = "more"), diesel(column_name = more)))]
    contact: Members,
}

fn users(vault: &Vault) -> Vec<User> {
    let user = |id, name: Option<&str>, news| User {
        id,
        no: vault.enroll().unwrap(),
        email: "alice@example.com".parse().unwrap(),
        name: name.map(|name| name.parse().unwrap()),
        news,
        birth_name: name.map(|_| "Byrne".parse().unwrap()),
        contact: Members::new(),
    };
    vec![user(1, Some("Alice Martin"), Held::Kept("news@example.com".parse().unwrap())), user(2, None, Held::Absent)]
}

fn vault() -> TestVault {
    Vault::in_memory([ORDERS, NEWSLETTER])
}

#[test]
fn rows_of_diesel_are_twins() {
    let (vault, mut database) = (vault(), SqliteConnection::establish(":memory:").unwrap());
    diesel::sql_query(TABLE).execute(&mut database).unwrap();
    let all = users(&vault);
    let rows: Vec<SealedUser> = all.iter().map(|user| user.seal(&vault).unwrap()).collect();
    assert_eq!(rows.clone().insert_into(users::table).execute(&mut database), Ok(2));
    let tokens = vault.tokens(BY_EMAIL, &all[0].email).unwrap();
    let mut query = users::table.select(SealedUser::as_select()).order(users::uid).into_boxed();
    query = query.filter(users::idx.eq_any(tokens));
    let read: Vec<SealedUser> = query.load(&mut database).unwrap();
    assert_eq!(read, rows);
    assert_eq!(SealedUser::open_all(&read, &vault).collect::<Result<Vec<_>, _>>().unwrap(), all);

    // Withdrawn: what is written back has no trace of it.
    let _ = vault.shredding([all[0].no]).purpose(NEWSLETTER).run().unwrap();
    let withdrawn = read[0].open(&vault).unwrap();
    assert_eq!(withdrawn.news, Held::Shredded);
    let row = withdrawn.seal(&vault).unwrap();
    diesel::update(users::table.find(1)).set(&row).execute(&mut database).unwrap();
    assert_eq!(users::table.select(users::news.is_null()).order(users::uid).first(&mut database), Ok(true));
}

#[tokio::test]
async fn rows_of_sqlx_are_twins() {
    let vault = vault();
    assert_eq!(SealedUser::COLUMNS.to_string(), "uid, no, email, idx, name, news, more");
    let options = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1);
    let database = options.connect("sqlite::memory:").await.unwrap();
    sqlx::query(TABLE).execute(&database).await.unwrap();
    let all = users(&vault);
    for user in &all {
        let columns = SealedUser::COLUMNS;
        let insert = format!("INSERT INTO users ({columns}) VALUES ({})", columns.marks());
        let upsert = format!("{insert} ON CONFLICT (uid) DO UPDATE SET {}", columns.excluded("uid"));
        let row = user.seal(&vault).unwrap();
        for sql in [insert, upsert] {
            row.bind(sqlx::query(AssertSqlSafe(sql))).execute(&database).await.unwrap();
        }
    }
    let rows: Vec<SealedUser> = sqlx::query_as("SELECT * FROM users ORDER BY uid").fetch_all(&database).await.unwrap();
    assert_eq!(SealedUser::open_all(rows, &vault).collect::<Result<Vec<_>, _>>().unwrap(), all);
}
