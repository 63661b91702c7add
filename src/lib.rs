//! Field-level encryption of customers' personal data, with crypto-shredding.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod customer;
mod field;
pub mod personal;
pub mod store;

pub use customer::{CustomerId, InvalidCustomerId};
pub use field::{Field, InvalidName, Placed, Purpose};
