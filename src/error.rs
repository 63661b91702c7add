//! Errors: one enum an operation, and the three outcomes they sort into.

mod key_store;
mod life;
#[cfg(feature = "derive")]
mod record;
mod renewal;
mod shred;
mod values;

use crate::customer::CustomerId;

pub(crate) use crate::journal::Outcome;
pub use key_store::KeyStoreError;
pub use life::{CreateError, RecoverError, RotateError, UnlockError};
#[cfg(feature = "derive")]
pub use record::SealRecordError;
pub use renewal::{EpochError, PurposeError, ResealError, TokenError};
pub use shred::ShredError;
pub use values::{EnrollError, OpenError, SealError, UnlessShredded};

/// Where a value belongs, for messages: nothing of it is secret or personal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Belongs {
    /// The customer asked for.
    pub customer: CustomerId,
    /// The field's purpose.
    pub purpose: &'static str,
    /// The field's label.
    pub label: &'static str,
}

impl std::fmt::Display for Belongs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "customer {}, {}/{}", self.customer, self.purpose, self.label)
    }
}
