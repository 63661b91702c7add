//! SQLite, in a file: a database in memory has one connection, and nobody to wait for.

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};

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

pub type Db = sqlx::Sqlite;
pub const UUID: &str = "TEXT";
pub const UUID_PARAMETER: &str = "?";
pub const BYTES: &str = "BLOB";
pub const TOKEN: &str = "BLOB";
/// A column that is too narrow for a sealed value: SQLite knows none, so it is one with a rule.
pub const NARROW: &str = "TEXT CHECK (length(email) < 100)";
pub const NAME_OF_NATIVE_UUID: &str = "TEXT";
pub const NUMBERS_ARE_EXACT: bool = false;
pub const NO_CASE: &str = "COLLATE NOCASE";
pub const NO_CASE_FIRST: &[&str] = &[];
pub const DECIMAL: &str = "NUMERIC";
pub const FRACTION: &str = "NUMERIC";
pub const JSONS: &[&str] = &["JSON", "TEXT"];
pub const TYPED: bool = false;
pub const STATEMENTS_OF: &str = "SQLite:";
pub const NUMBERED: bool = false;
pub const LOCK: &str = "";
pub const BEGIN: &str = "BEGIN IMMEDIATE";

pub async fn pool() -> sqlx::Pool<Db> {
    let file = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    let options = SqliteConnectOptions::new().filename(&file).journal_mode(SqliteJournalMode::Wal);
    let options = options.busy_timeout(std::time::Duration::from_secs(30));
    // The file goes when the process does.
    std::mem::forget(file);
    SqlitePoolOptions::new().max_connections(4).connect_with(options).await.unwrap()
}

tests!();
