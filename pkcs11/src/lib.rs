#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod error;
mod fixed;
mod module;
mod objects;
mod series;
mod token;

pub use error::TokenError;
pub use fixed::FixedKey;
pub use token::{Token, TokenBuilder};
