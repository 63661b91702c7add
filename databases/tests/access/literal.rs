//! What is written otherwise in PostgreSQL's SQL.

/// A column of bytes.
pub const BYTES: &str = "BYTEA";

pub fn bytes(bytes: &[u8]) -> String {
    format!("'\\x{}'::bytea", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// A column of bytes as hexadecimal digits.
pub fn hex(column: &str) -> String {
    format!("encode({column}, 'hex')")
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
