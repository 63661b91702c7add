//! The command as an operator runs it: the real binary, on real vaults.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod doctor;
mod help;
mod inventory;
mod journal;
mod mirror;
mod reindex;
mod replay;
mod rotate;
mod running;
mod secrets;
mod shred;
mod status;
mod support;
