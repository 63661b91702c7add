//! Field-level encryption of customers' personal data, with crypto-shredding.

#![cfg_attr(docsrs, feature(doc_cfg))]
// A test that fails should panic.
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
mod clock;
mod customer;
mod derivation;
mod error;
mod events;
mod field;
mod fork;
mod key_tree;
mod nonce;
pub mod personal;
mod root_key;
mod root_record;
mod sealed;
mod secret;
pub mod store;
mod sync;
#[cfg(any(test, feature = "testing"))]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod vault;
#[cfg(test)]
mod vectors;
mod witness;

pub use customer::{CustomerId, InvalidCustomerId};
pub use error::{
    Belongs, CreateError, EnrollError, KeyStoreError, OpenError, Outcome, RecoverError, RotateError, SealError,
    ShredError, UnlessShredded, UnlockError,
};
pub use field::{Field, InvalidName, Placed, Purpose};
pub use root_key::{KeyWrapper, PassphraseCost, RootKey, RootKeyError, WrapperError};
pub use sealed::{ParseError, Sealed};
pub use vault::{
    CustomerKeys, EachCustomer, Health, Pending, PurposeStatus, Recovery, Shredded, Status, Vault, VaultBuilder,
};
