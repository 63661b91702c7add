//! The directory store on a real file system: crashes at every step, damage, permissions, other processes.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "directory_store/basics.rs"]
mod basics;
#[path = "directory_store/crashes.rs"]
mod crashes;
#[cfg(unix)]
#[path = "directory_store/damage.rs"]
mod damage;
#[cfg(target_os = "linux")]
#[path = "directory_store/media.rs"]
mod media;
#[path = "directory_store/processes.rs"]
mod processes;
#[path = "directory_store/support.rs"]
mod support;
#[path = "directory_store/sweeps.rs"]
mod sweeps;
