//! SQLite.

use sqlx::sqlite::SqlitePoolOptions;

#[path = "bodies.rs"]
#[allow(clippy::duplicate_mod)] // the same tests, with another database’s types
mod bodies;

pub type Db = sqlx::Sqlite;
pub const BYTES: &str = "BLOB";
pub const TOKEN: &str = "BLOB";
pub const NUMBERED: bool = false;

pub async fn pool() -> sqlx::Pool<Db> {
    // A database in memory lives in its one connection.
    SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap()
}

tests!();

/// SQLite holds bytes in a column of text, if they are bound as bytes.
#[tokio::test]
async fn a_column_of_text_may_hold_sealed_bytes() {
    use oubliette::columns::{MaybeSealed, OnPlaintext};
    use oubliette_databases::shop::{self, ALICE, EMAIL};

    let (vault, pool) = (shop::vault(), pool().await);
    let alice = vault.enroll().unwrap();
    let sealed = vault.seal(alice, EMAIL, &shop::email(ALICE)).unwrap();
    sqlx::query(shop::MEMBERS).execute(&pool).await.unwrap();
    sqlx::query("INSERT INTO members VALUES (?, ?)").bind(alice).bind(&sealed).execute(&pool).await.unwrap();
    let found: MaybeSealed<_> = sqlx::query_scalar("SELECT email FROM members").fetch_one(&pool).await.unwrap();
    assert_eq!(found.sealed(), Some(&sealed));
    assert_eq!(found.open(&vault, alice, EMAIL, OnPlaintext::Refuse).unwrap(), shop::email(ALICE));
    for bad in shop::bad_bytes(sealed.as_bytes()) {
        sqlx::query("UPDATE members SET email = ?").bind(bad).execute(&pool).await.unwrap();
        let read = sqlx::query_scalar::<_, MaybeSealed<oubliette::personal::Email>>("SELECT email FROM members");
        shop::typed::<oubliette::ParseError>(&read.fetch_one(&pool).await.unwrap_err());
    }
}
