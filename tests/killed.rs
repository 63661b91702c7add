//! Processes that are really killed, on real files; this test binary runs itself as the other process.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "killed/at_once.rs"]
mod at_once;
mod attack;
#[path = "killed/bystander.rs"]
mod bystander;
#[path = "killed/child.rs"]
mod child;
