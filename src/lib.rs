//! Field-level encryption of customers' personal data, with crypto-shredding.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod clock;
mod customer;
mod field;
mod fork;
mod nonce;
pub mod personal;
pub mod store;

pub use customer::{CustomerId, InvalidCustomerId};
pub use field::{Field, InvalidName, Placed, Purpose};
