//! Field-level encryption of customers' personal data, with crypto-shredding.

#![cfg_attr(docsrs, feature(doc_cfg))]
// A test that fails should panic.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod customer;
mod field;
pub mod personal;
pub mod store;

pub use customer::{CustomerId, InvalidCustomerId};
pub use field::{Field, InvalidName, Placed, Purpose};
