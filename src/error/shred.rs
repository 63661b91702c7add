//! Errors of shreds.

use super::{KeyStoreError, Outcome};
use crate::customer::CustomerId;

/// Why a shred did not, or not certainly, happen. What is true differs by variant.
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
    /// Everybody up to a number was to be shredded in one purpose: who is enrolled later, under a number that was reserved before, could never have
    /// anything sealed in it. Nothing happened. Name the customers.
    #[error(
        "everybody up to a number is shredded in all purposes, never in one; nobody was shredded; name the customers instead"
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
    /// another place: whoever gets it, with the root key, can still read them. Call again until it succeeds. The cause says
    /// [`NotInEveryPlace`](KeyStoreError::NotInEveryPlace) if a place has nothing but the older record: should the first one be
    /// lost before that place is written, the shred is undone.
    #[error("shredded, but an older copy of the root record remains; call again until this succeeds")]
    OldCopyRemains(#[source] KeyStoreError),
    /// It is not known whether it happened. Call again: a shred that finds its work done makes sure of it.
    #[error("it is not known whether the shred is durable; call again")]
    Unknown(#[source] KeyStoreError),
}

impl ShredError {
    /// What to do about it. Whoever tries again shreds them; twice is no error.
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
