//! MariaDB, whose usual collation takes `Alice` and `alice` for the same.

#[path = "bodies.rs"]
#[allow(clippy::duplicate_mod)] // the same tests, with another database’s types
mod bodies;
#[path = "keys.rs"]
#[allow(clippy::duplicate_mod)] // as above
mod keys;
#[path = "plain.rs"]
#[allow(clippy::duplicate_mod)] // as above
mod plain;
#[path = "statements.rs"]
#[allow(clippy::duplicate_mod)] // as above
mod statements;

pub type Db = sqlx::MySql;
pub const UUID: &str = "CHAR(36)";
pub const UUID_PARAMETER: &str = "?";
pub const BYTES: &str = "VARBINARY(1000)";
pub const TOKEN: &str = "VARBINARY(33)";
pub const NARROW: &str = "VARCHAR(100)";
pub const NAME_OF_NATIVE_UUID: &str = "UUID";
pub const NUMBERS_ARE_EXACT: bool = true;
pub const NO_CASE: &str = "COLLATE utf8mb4_general_ci";
pub const NO_CASE_FIRST: &[&str] = &[];
pub const DECIMAL: &str = "DECIMAL(14, 0)";
pub const FRACTION: &str = "DECIMAL(14, 1)";
pub const JSONS: &[&str] = &["JSON", "TEXT"];
pub const TYPED: bool = false;
pub const STATEMENTS_OF: &str = "MySQL and MariaDB:";
pub const NUMBERED: bool = false;
pub const LOCK: &str = " FOR UPDATE";
pub const BEGIN: &str = "START TRANSACTION";

pub async fn pool() -> sqlx::Pool<Db> {
    sqlx::MySqlPool::connect(&oubliette_databases::mariadb()).await.unwrap()
}

tests!(#[ignore = "starts a MariaDB server of its own; `.ci/run databases` runs it"]);

/// Without its strict mode the server cuts off what is too long, and says so to nobody.
#[tokio::test]
#[ignore = "starts a MariaDB server of its own; `.ci/run databases` runs it"]
async fn a_value_that_the_server_cuts_off_is_not_committed() {
    use oubliette_jobs::{self as jobs, JobError};

    let options = sqlx::mysql::MySqlPoolOptions::new().after_connect(|connection, _| {
        Box::pin(async move {
            sqlx::query("SET sql_mode = ''").execute(connection).await?;
            Ok(())
        })
    });
    let pool = options.connect(&oubliette_databases::mariadb()).await.unwrap();
    let vault = oubliette_databases::shop::vault();
    bodies::plaintext_shop(&pool, NARROW, 30).await;
    let stopped = jobs::sqlx::run(&pool, &vault, &bodies::backfill().batch(10), |_| bodies::GO_ON).await.unwrap_err();
    assert!(matches!(&stopped, JobError::ReadBack { column, .. } if column == "email"), "{stopped:?}");
    bodies::assert_untouched(&pool, 30).await;
}
