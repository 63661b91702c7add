//! Long jobs over real SQLite files: from plaintext to sealed, new key trees, new epochs, new labels, and what a shred
//! leaves to clean up; with writers at work meanwhile, and processes that are killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod backfill;
mod columns;
mod groups;
mod killed;
mod parsed;
mod renewal;
mod rows;
mod support;
mod time;
mod tokens;
mod unique;
