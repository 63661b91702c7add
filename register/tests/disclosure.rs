//! Handing data of a customer to somebody else: with a grant, written down, and to nobody but the recipient. The bodies are
//! shared: `databases/tests/access` runs them on PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[macro_use]
#[path = "register/each.rs"]
mod each;
#[allow(dead_code)] // shared by several test programs, each of which uses a part
#[path = "access/literal.rs"]
mod literal;
#[macro_use]
#[allow(dead_code, unused_macros)] // shared by several test programs, each of which uses a part
#[path = "register/sqlite.rs"]
mod sqlite;

use sqlite::Db;

#[path = "access/audited.rs"]
mod audited;
#[path = "access/disclosed.rs"]
mod disclosed;
#[cfg(feature = "age")]
#[path = "access/encrypted.rs"]
mod encrypted;
#[allow(dead_code)] // shared by several test programs, each of which uses a part
#[path = "access/shop.rs"]
mod shop;
#[path = "register/support.rs"]
#[allow(dead_code)] // shared by several test programs, each of which uses a part
mod support;
#[path = "access/table.rs"]
mod table;
