//! Breaches: what the report says was readable is what an attacker reads, no less and no more. The bodies on a database are
//! shared: `databases/tests/databases.rs` runs them on PostgreSQL. Not packaged, since the attacker is the vault's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_in_result)]

#[path = "../../tests/attack/mod.rs"]
mod attack;
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
#[allow(dead_code)] // shared by several test programs, each of which uses a part
#[path = "register/support.rs"]
mod support;
#[path = "breach/world.rs"]
mod world;

use sqlite::Db;

#[path = "breach/leaks.rs"]
mod leaks;
#[path = "breach/report.rs"]
mod report;
#[path = "breach/service.rs"]
mod service;
#[path = "breach/truth.rs"]
mod truth;
#[path = "breach/versions.rs"]
mod versions;
