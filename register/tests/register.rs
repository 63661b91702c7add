//! The register, access, disclosure, the inventory and the drills, over real SQLite files and vaults in real directories. Most
//! bodies are shared: `databases/tests/databases.rs` runs them on PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

// What the tests stand on.
#[macro_use]
#[path = "register/each.rs"]
mod each;
#[allow(dead_code)] // shared with `breach`, which uses another part
#[path = "access/literal.rs"]
mod literal;
#[path = "access/shop.rs"]
mod shop;
#[macro_use]
#[path = "register/sqlite.rs"]
mod sqlite;
#[path = "drills/stage.rs"]
mod stage;
#[path = "register/support.rs"]
mod support;
#[path = "access/table.rs"]
mod table;

use sqlite::Db;

// Who may have what: grants, requests, erasure, what a restore brings back.
#[path = "register/agreement.rs"]
mod agreement;
#[path = "register/attacks.rs"]
mod attacks;
#[path = "register/by_number.rs"]
mod by_number;
#[path = "register/damaged.rs"]
mod damaged;
#[path = "register/desk.rs"]
mod desk;
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
#[path = "register/interrupted.rs"]
mod interrupted;
#[path = "register/killed.rs"]
mod killed;
#[path = "register/looks.rs"]
mod looks;
#[path = "register/merge.rs"]
mod merge;
#[path = "register/random.rs"]
mod random;
#[path = "register/requests.rs"]
mod requests;
#[path = "register/restore.rs"]
mod restore;
#[path = "register/sweep.rs"]
mod sweep;
#[path = "register/withdraw.rs"]
mod withdraw;
#[path = "register/wrong.rs"]
mod wrong;

// What is held on somebody, who must not learn it, and who may be handed it.
#[path = "access/audited.rs"]
mod audited;
#[path = "access/disclosed.rs"]
mod disclosed;
#[cfg(feature = "age")]
#[path = "access/encrypted.rs"]
mod encrypted;
#[path = "access/grouped.rs"]
mod grouped;
#[path = "access/held.rs"]
mod held;
#[path = "access/rows.rs"]
mod rows;

// What of it is declared.
mod inventory;

// The restore drills of DRILLS.md.
#[path = "drills/restored.rs"]
mod restored;

// All of it in one history after the other.
#[cfg(planted)]
#[path = "walk/planted.rs"]
mod planted;
mod walk;
