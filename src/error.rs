//! Errors: one enum an operation, and the three outcomes they sort into.

mod any;
mod key_store;
mod life;
#[cfg(feature = "derive")]
mod record;
mod renewal;
mod shred;
mod values;

pub(crate) use crate::journal::Outcome;
pub use any::Error;
pub use key_store::KeyStoreError;
pub use life::{CreateError, PromoteError, RecoverError, RotateError, SeriesError, UnlockError};
#[cfg(feature = "derive")]
pub use record::SealRecordError;
pub use renewal::{EpochError, PurposeError, ResealError, TokenError};
pub use shred::ShredError;
pub use values::{EnrollError, OpenError, SealError, UnlessShredded};
