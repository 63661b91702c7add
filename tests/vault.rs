//! The vault as an application meets it: called, awaited, and used by many threads at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "vault/application.rs"]
mod application;
#[cfg(all(feature = "testing", feature = "tracing"))]
#[path = "vault/events.rs"]
mod events;
#[cfg(feature = "testing")]
#[path = "vault/group.rs"]
mod group;
#[path = "vault/mistakes.rs"]
mod mistakes;
#[path = "vault/overlap.rs"]
mod overlap;
#[path = "vault/pending.rs"]
mod pending;
#[cfg(all(feature = "derive", feature = "rusqlite"))]
#[path = "vault/record.rs"]
mod record;
