//! Errors: one enum an operation, and the three outcomes they sort into.

mod key_store;
mod life;
#[cfg(feature = "derive")]
mod record;
mod renewal;
mod shred;
mod values;

use crate::customer::CustomerId;

pub use key_store::KeyStoreError;
pub use life::{CreateError, RecoverError, RotateError, UnlockError};
#[cfg(feature = "derive")]
pub use record::SealRecordError;
pub use renewal::{EpochError, PurposeError, ResealError, TokenError};
pub use shred::ShredError;
pub use values::{EnrollError, OpenError, SealError, UnlessShredded};

/// What to do about a value that could not be opened or sealed.
///
/// [`OpenError::outcome`] and its siblings sort every error, so that a handler needs three arms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The customer was shredded: the value is gone for good. HTTP 410.
    Erased,
    /// The key store cannot be reached or is busy; nothing is wrong with the value. HTTP 503.
    TryAgain,
    /// Tampering, a mix-up of values, damage, or a key store that went back in time. HTTP 500, and wake somebody.
    Investigate,
}

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
