//! Field-level encryption of customers' personal data, with crypto-shredding.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::unwrap_in_result
    )
)]

mod cipher;
mod customer;
mod derivation;
mod field;
mod key_tree;
pub mod personal;
mod sealed;
mod secret;
pub mod store;
mod witness;

pub use customer::{CustomerId, InvalidCustomerId};
pub use field::{Field, InvalidName, Placed, Purpose};
pub use sealed::{ParseError, Sealed};
