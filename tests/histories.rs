//! Histories made up at random, against a model and against an adversary who has everything that was ever written; with the
//! life of a column, its tokens and its key trees.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_in_result)]

mod attack;
mod game;
#[path = "histories/model.rs"]
mod model;
mod renewal;
