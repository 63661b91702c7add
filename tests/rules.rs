//! The rules of the design, each with a test that fails without it. Those that need to look inside are unit tests beside
//! the code: pages (5, 13), the root record (16), nonces and clocks (10, 11), fork (12), retired trees (14). Beside them, what a
//! restore does to a vault, and the limits of readers.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "rules/alarm.rs"]
mod alarm;
#[path = "rules/commit.rs"]
mod commit;
#[cfg(target_os = "linux")]
#[path = "rules/fork.rs"]
mod fork;
#[path = "rules/hanging.rs"]
mod hanging;
#[path = "rules/hangs.rs"]
mod hangs;
#[path = "rules/hung_commits.rs"]
mod hung_commits;
#[path = "rules/in_order.rs"]
mod in_order;
#[path = "rules/lease.rs"]
mod lease;
#[path = "rules/loading.rs"]
mod loading;
#[path = "rules/marks.rs"]
mod marks;
#[path = "rules/mirrors.rs"]
mod mirrors;
#[path = "rules/numbers.rs"]
mod numbers;
#[path = "rules/pages.rs"]
mod pages;
#[cfg(unix)]
#[path = "rules/places.rs"]
mod places;
#[cfg(unix)]
#[path = "rules/processes.rs"]
mod processes;
#[cfg(unix)]
#[path = "rules/promotions.rs"]
mod promotions;
#[path = "rules/refreshed.rs"]
mod refreshed;
#[path = "rules/support.rs"]
mod support;
#[path = "rules/tokens.rs"]
mod tokens;
#[path = "rules/versions.rs"]
mod versions;
#[path = "rules/witness.rs"]
mod witness;

#[cfg(feature = "derive")]
mod reader;
mod restore;
