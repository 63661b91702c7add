//! PostgreSQL.

#[path = "bodies.rs"]
#[allow(clippy::duplicate_mod)] // the same tests, with another database’s types
mod bodies;

pub type Db = sqlx::Postgres;
pub const UUID: &str = "UUID";
pub const UUID_PARAMETER: &str = "CAST(? AS uuid)";
pub const BYTES: &str = "BYTEA";
pub const TOKEN: &str = "BYTEA";
pub const NARROW: &str = "VARCHAR(100)";
pub const NUMBERED: bool = true;
pub const LOCK: &str = " FOR UPDATE";
pub const BEGIN: &str = "BEGIN";

pub async fn pool() -> sqlx::Pool<Db> {
    sqlx::PgPool::connect(&oubliette_databases::postgres()).await.unwrap()
}

tests!(#[ignore = "starts a PostgreSQL server of its own; `.ci/run databases` runs it"]);
