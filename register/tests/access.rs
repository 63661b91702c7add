//! What is held on somebody, and who must not learn it. The bodies on a database are shared: `databases/tests/access` runs
//! them on PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[macro_use]
#[path = "register/each.rs"]
mod each;
#[macro_use]
#[allow(dead_code, unused_macros)] // shared by several test programs, each of which uses a part
#[path = "register/sqlite.rs"]
mod sqlite;

use sqlite::Db;

#[path = "access/held.rs"]
mod held;
#[allow(dead_code)] // shared by several test programs, each of which uses a part
#[path = "access/literal.rs"]
mod literal;
#[path = "access/rows.rs"]
mod rows;
#[path = "access/shop.rs"]
mod shop;
#[allow(dead_code)] // shared by several test programs, each of which uses a part
#[path = "register/support.rs"]
mod support;
#[path = "access/table.rs"]
mod table;
