//! What is written otherwise in SQLite's SQL.

/// A column of bytes.
pub const BYTES: &str = "BLOB";

pub fn bytes(bytes: &[u8]) -> String {
    format!("X'{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// A column of bytes as hexadecimal digits.
pub fn hex(column: &str) -> String {
    format!("lower(hex({column}))")
}

/// What must hold for foreign keys to be looked at.
pub const FOREIGN_KEYS: &str = "PRAGMA foreign_keys = ON";

/// On every row of a table, an insert into another.
pub fn trigger(table: &str, insert: &str) -> String {
    format!("CREATE TRIGGER broken AFTER INSERT ON {table} BEGIN {insert}; END")
}
