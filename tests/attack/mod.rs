//! An adversary who has everything that was ever written, and reads it with a decoder of its own.
//!
//! It shares no code with the crate: what it knows of the formats is written down here again.
#![allow(dead_code, unused_imports)] // each test uses a part

pub mod decoder;
pub mod directory;
pub mod search;

pub use search::{Attacker, Effort, Loot};
