//! The store stops at every step of every kind of commit: it dies, whole or torn, it fails once, it fails for good.
//! Afterwards there is the old state or the new, nobody who lives is lost, nobody shredded is back, and what the caller
//! was told is true.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod attack;
#[path = "crash/commits.rs"]
mod commits;
#[path = "crash/places.rs"]
mod places;
#[path = "crash/stage.rs"]
mod stage;
#[path = "crash/twice.rs"]
mod twice;
