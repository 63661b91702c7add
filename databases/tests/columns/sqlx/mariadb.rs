//! MariaDB.

#[path = "bodies.rs"]
#[allow(clippy::duplicate_mod)] // the same tests, with another database’s types
mod bodies;

pub type Db = sqlx::MySql;
pub const BYTES: &str = "VARBINARY(1000)";
pub const TOKEN: &str = "VARBINARY(33)";
pub const NUMBERED: bool = false;

pub async fn pool() -> sqlx::Pool<Db> {
    sqlx::MySqlPool::connect(&oubliette_databases::mariadb()).await.unwrap()
}

tests!(#[ignore = "starts a MariaDB server of its own; `.ci/run databases` runs it"]);
