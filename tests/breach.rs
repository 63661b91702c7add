//! Breaches: what the report says was readable is what an attacker reads, no less and no more.
#![cfg(all(feature = "register", feature = "testing", feature = "derive"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod attack;
#[path = "breach/register.rs"]
mod register;
#[path = "breach/truth.rs"]
mod truth;
