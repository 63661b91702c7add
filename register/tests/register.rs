//! The register over real SQLite files. The bodies are shared: `databases/tests/register` runs them on PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[macro_use]
#[path = "register/each.rs"]
mod each;
#[macro_use]
#[allow(dead_code)] // shared by several test programs, each of which uses a part
#[path = "register/sqlite.rs"]
mod sqlite;

use sqlite::Db;

#[path = "register/agreement.rs"]
mod agreement;
#[path = "register/erase.rs"]
mod erase;
#[path = "register/files.rs"]
mod files;
#[path = "register/forged.rs"]
mod forged;
#[path = "register/grants.rs"]
mod grants;
#[path = "register/history.rs"]
mod history;
#[path = "register/killed.rs"]
mod killed;
#[path = "register/merge.rs"]
mod merge;
#[path = "register/random.rs"]
mod random;
#[path = "register/requests.rs"]
mod requests;
#[path = "register/restore.rs"]
mod restore;
#[path = "register/support.rs"]
mod support;
#[path = "register/sweep.rs"]
mod sweep;
#[path = "register/withdraw.rs"]
mod withdraw;
#[path = "register/wrong.rs"]
mod wrong;
