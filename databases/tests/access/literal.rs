//! PostgreSQL's way to write bytes, and the register with connections to itself.

/// A column of bytes.
pub const BYTES: &str = "BYTEA";

pub fn bytes(bytes: &[u8]) -> String {
    format!("'\\x{}'::bytea", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// They always are.
pub const FOREIGN_KEYS: &str = "SELECT 1";

/// On every row of a table, an insert into another.
pub fn trigger(table: &str, insert: &str) -> String {
    format!(
        "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {insert}; RETURN NEW; END $$; \
         CREATE TRIGGER broken AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION broken()"
    )
}

macro_rules! apart {
    ($db:expr, $register:expr, $call:ident($($argument:expr),* $(,)?)) => {
        $register.alone_postgres(&$db.pool).$call($($argument),*).await
    };
}
