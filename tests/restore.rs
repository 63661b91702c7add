//! Restore drills with real directories: what a backup that was put back, a lost disk or a damaged file does to a vault,
//! and what mends it.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "restore/backups.rs"]
mod backups;
#[path = "restore/damage.rs"]
mod damage;
#[path = "restore/mirrors.rs"]
mod mirrors;
#[path = "rules/support.rs"]
#[allow(dead_code)] // shared by two test programs, each of which uses a part
mod support;
