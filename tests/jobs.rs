//! Long jobs over real SQLite files: from plaintext to sealed, new key trees, new epochs, new labels, and what a shred
//! leaves to clean up; with writers at work meanwhile, and processes that are killed.
#![cfg(all(feature = "testing", feature = "rusqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "jobs/backfill.rs"]
mod backfill;
#[path = "jobs/killed.rs"]
mod killed;
#[path = "jobs/renewal.rs"]
mod renewal;
#[path = "jobs/rows.rs"]
mod rows;
#[path = "jobs/support.rs"]
mod support;
#[path = "jobs/unique.rs"]
mod unique;
