//! SQLite's way to write bytes, and the register with its connection to itself.

/// A column of bytes.
pub const BYTES: &str = "BLOB";

pub fn bytes(bytes: &[u8]) -> String {
    format!("X'{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// What must hold for foreign keys to be looked at.
#[allow(dead_code)]
pub const FOREIGN_KEYS: &str = "PRAGMA foreign_keys = ON";

/// On every row of a table, an insert into another.
#[allow(dead_code)]
pub fn trigger(table: &str, insert: &str) -> String {
    format!("CREATE TRIGGER broken AFTER INSERT ON {table} BEGIN {insert}; END")
}

#[allow(unused_macros)]
macro_rules! apart {
    ($db:expr, $register:expr, $call:ident($($argument:expr),* $(,)?)) => {
        $register.alone(&mut $db.connection).$call($($argument),*)
    };
}
