//! What the benches share: the designs compared, the vaults they run on, and the stopwatch.

// Each bench is a crate of its own and uses a part of this.
#![allow(dead_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

pub mod baseline;
pub mod ours;
pub mod race;
pub mod stored_key;
