//! The restore drills of DRILLS.md: a vault in real directories, a journal file and a SQLite file, each alone, in pairs and
//! together put back to last night's copy. The bodies are shared: `databases/tests/drills` runs them on PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[macro_use]
#[path = "register/each.rs"]
mod each;
#[macro_use]
#[path = "register/sqlite.rs"]
#[allow(dead_code, unused_macros)] // shared with the register's own tests
mod sqlite;

use sqlite::Db;

#[path = "drills/restored.rs"]
mod restored;
#[path = "drills/shop.rs"]
mod shop;
#[path = "register/support.rs"]
#[allow(dead_code)] // shared with the register's own tests
mod support;
