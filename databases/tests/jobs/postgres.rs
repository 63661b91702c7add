//! PostgreSQL.

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

pub type Db = sqlx::Postgres;
pub const UUID: &str = "UUID";
pub const UUID_PARAMETER: &str = "CAST(? AS uuid)";
pub const BYTES: &str = "BYTEA";
pub const TOKEN: &str = "BYTEA";
pub const NARROW: &str = "VARCHAR(100)";
pub const NAME_OF_NATIVE_UUID: &str = "UUID";
pub const NUMBERS_ARE_EXACT: bool = true;
pub const NO_CASE: &str = "COLLATE no_case";
pub const NO_CASE_FIRST: &[&str] =
    &["CREATE COLLATION no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"];
pub const DECIMAL: &str = "NUMERIC";
pub const FRACTION: &str = "NUMERIC(14, 1)";
pub const JSONS: &[&str] = &["JSONB", "JSON", "TEXT"];
pub const TYPED: bool = true;
pub const STATEMENTS_OF: &str = "PostgreSQL (each";
pub const NUMBERED: bool = true;
pub const LOCK: &str = " FOR UPDATE";
pub const BEGIN: &str = "BEGIN";

pub async fn pool() -> sqlx::Pool<Db> {
    sqlx::PgPool::connect(&oubliette_databases::postgres()).await.unwrap()
}

tests!(#[ignore = "starts a PostgreSQL server of its own; `.ci/run databases` runs it"]);
