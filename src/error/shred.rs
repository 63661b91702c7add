//! Errors of shreds.

use super::{KeyStoreError, Outcome};
use crate::customer::CustomerId;

/// Why a shred did not, or not certainly, happen. What is true differs by variant.
///
/// ```
/// use oubliette::{CustomerId, ShredError, Shredded, Vault};
///
/// /// `None`: call again later, as often as it takes. Shredding twice is no error.
/// fn forget(vault: &Vault, customer: CustomerId) -> Result<Option<Shredded>, ShredError> {
///     match vault.shred([customer]) {
///         Ok(shredded) => Ok(Some(shredded)),
///         // Shredded, but a copy of the older root record can still be read; or perhaps not shredded at all.
///         Err(ShredError::OldCopyRemains(_) | ShredError::Unknown(_)) => Ok(None),
///         Err(error) => Err(error),
///     }
/// }
/// # let vault = Vault::in_memory([oubliette::Purpose::new("orders")]);
/// # assert!(forget(&vault, vault.enroll()?)?.is_some());
/// # Ok::<(), oubliette::Error>(())
/// ```
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ShredError {
    /// A number was never issued. Nothing happened to any of them.
    #[error("customer {customer} was never issued; nobody was shredded")]
    NotEnrolled {
        /// The number.
        customer: CustomerId,
    },
    /// Everybody up to a number was to be shredded, and numbers up to it are still being issued. Nothing happened.
    #[error("numbers from {newest} on are still being issued; shred through a lower one")]
    TooNew {
        /// The first of the newest block.
        newest: u64,
    },
    /// Everybody up to a number was to be shredded in one purpose only. Nothing happened: a number reserved before and issued later could never be
    /// used in that purpose. Name the customers instead.
    #[error(
        "nobody was shredded: everybody up to a number can be shredded in all purposes only; name the customers instead"
    )]
    OnlyInAllPurposes,
    /// The purpose was not among those the vault was unlocked with. Nothing happened.
    #[error("purpose {purpose:?} is not unlocked; name it in `purposes` when unlocking")]
    PurposeNotUnlocked {
        /// The purpose.
        purpose: &'static str,
    },
    /// Nothing happened.
    #[error("nobody was shredded")]
    NothingHappened(#[source] KeyStoreError),
    /// The shred is committed and durable in the first place, but an older copy of the root record could not be overwritten, there or in
    /// another place: whoever gets that copy, with the root key, can still read the shredded customers' values. Call again until it succeeds.
    /// The cause is [`NotInEveryPlace`](KeyStoreError::NotInEveryPlace) if a place has only the older record: losing the first place
    /// before that one is written undoes the shred.
    #[error("shredded, but an older copy of the root record remains; call again until this succeeds")]
    OldCopyRemains(#[source] KeyStoreError),
    /// It is not known whether it happened. Call again: a shred that finds its work done makes sure of it.
    #[error("it is not known whether the shred is durable; call again")]
    Unknown(#[source] KeyStoreError),
}

impl ShredError {
    /// What to do about it. Trying again shreds them; shredding twice is no error.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            ShredError::NotEnrolled { .. }
            | ShredError::TooNew { .. }
            | ShredError::OnlyInAllPurposes
            | ShredError::PurposeNotUnlocked { .. } => Outcome::Investigate,
            ShredError::NothingHappened(error) | ShredError::OldCopyRemains(error) | ShredError::Unknown(error) => {
                error.outcome()
            }
        }
    }
}

crate::journal::message::debug_as_message!(ShredError);
