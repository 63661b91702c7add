//! Throw-away database servers for tests, and the table that the tests of all databases fill.
//!
//! One server a test binary, started when the first test asks for it, and a database of its own for each test. They are
//! made of what is installed: PostgreSQL's and MariaDB's programs, whose own users run them when the tests run as root.
//! A test that cannot start its server fails.

mod mariadb;
mod postgres;
mod server;
pub mod shop;

pub use mariadb::mariadb;
pub use postgres::postgres;

/// Tested here and not in the vault's own package, since its snippets need the database crates.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// What it shows beside: the same with rusqlite, records, a web service.
#[cfg(doctest)]
#[doc = include_str!("../../examples/README.md")]
pub struct Examples;
