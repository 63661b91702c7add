//! Real files: a store that stops at every step, processes that are killed, damage, full disks and other processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(feature = "testing")]
mod attack;
#[cfg(feature = "testing")]
mod crash;
#[cfg(feature = "testing")]
mod directory_store;
#[path = "disk/directory_vault.rs"]
mod directory_vault;
#[cfg(feature = "testing")]
mod killed;
