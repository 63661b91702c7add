//! Errors of what follows a column through its life: tokens, epochs, new key trees.

use crate::error::{KeyStoreError, OpenError, Outcome, SealError};
use crate::index::Epoch;
use crate::journal::KeyTreeId;

/// Why no token was made.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The index's purpose was not among those the vault was unlocked with.
    #[error("purpose {purpose:?} is not unlocked; name it in `purposes` when unlocking")]
    PurposeNotUnlocked {
        /// The purpose.
        purpose: &'static str,
    },
    /// The vault was created before there were indexes.
    #[error("the vault has no key tree for indexes yet; unlock it once with `add_missing_purposes`")]
    NoIndexes,
    /// The key store could not be used.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
}

impl TokenError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            TokenError::PurposeNotUnlocked { .. } | TokenError::NoIndexes => Outcome::Investigate,
            TokenError::KeyStore(error) => error.outcome(),
        }
    }
}

/// Why an epoch of an index was not, or not certainly, begun or retired. What is true differs by variant.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EpochError {
    /// The epoch is the one that tokens are made in. Nothing happened.
    #[error("epoch {epoch} is the current one; begin another, renew the tokens, then retire this one")]
    Current {
        /// The epoch.
        epoch: Epoch,
    },
    /// The epoch has not begun. Nothing happened.
    #[error("epoch {epoch} has not begun")]
    NotBegun {
        /// The epoch.
        epoch: Epoch,
    },
    /// All 128 epochs were used. Nothing happened.
    #[error("all 128 epochs of this index were used; declare a new index under another label")]
    Exhausted,
    /// No index can be used, for this reason. Nothing happened.
    #[error(transparent)]
    NoIndex(TokenError),
    /// Nothing happened.
    #[error("nothing happened")]
    NothingHappened(#[source] KeyStoreError),
    /// The epoch is retired, durably, but an older copy of the root record could not be overwritten: whoever gets it,
    /// with the root key, still has the epoch's key. Call again until it succeeds.
    #[error("retired, but an older copy of the root record remains; call again until this succeeds")]
    OldCopyRemains(#[source] KeyStoreError),
    /// The epoch has begun, but a place could not be written. No process makes tokens in it until every place has it, which the next
    /// commit that reaches them all brings about. Do not begin another.
    #[error(
        "the epoch has begun, but is not in every place yet, and makes no tokens until it is; do not begin another"
    )]
    NotInEveryPlace(#[source] KeyStoreError),
    /// It is not known whether it happened. To retire, call again; before you begin another epoch, ask `epochs`.
    #[error("it is not known whether it happened; to retire, call again; before you begin another epoch, ask `epochs`")]
    Unknown(#[source] KeyStoreError),
}

impl EpochError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            EpochError::Current { .. } | EpochError::NotBegun { .. } | EpochError::Exhausted => Outcome::Investigate,
            EpochError::NoIndex(error) => error.outcome(),
            EpochError::NothingHappened(cause)
            | EpochError::OldCopyRemains(cause)
            | EpochError::NotInEveryPlace(cause)
            | EpochError::Unknown(cause) => cause.outcome(),
        }
    }
}

/// Why a purpose's key tree was not, or not certainly, replaced or retired. What is true differs by variant.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PurposeError {
    /// The purpose was not among those the vault was unlocked with. Nothing happened.
    #[error("purpose {purpose:?} is not unlocked; name it in `purposes` when unlocking")]
    PurposeNotUnlocked {
        /// The purpose.
        purpose: &'static str,
    },
    /// The tree named as the new one is not of this purpose, or was retired so long ago that another tree took its room. Nothing happened.
    #[error("{tree} is not a key tree of this purpose; take it from `rotate_purpose` or `status`")]
    UnknownTree {
        /// The tree.
        tree: KeyTreeId,
    },
    /// The root record exists in one place only, and the new tree with it: losing that place would lose all that was
    /// moved. Nothing happened.
    #[error("the root record is in one place only; attach a mirror before the old key tree is retired")]
    OnePlace,
    /// Nothing happened.
    #[error("nothing happened")]
    NothingHappened(#[source] KeyStoreError),
    /// The trees are retired, durably, but an older copy of the root record could not be overwritten: whoever gets it,
    /// with the root key, still has their keys. Call again until it succeeds.
    #[error("retired, but an older copy of the root record remains; call again until this succeeds")]
    OldCopyRemains(#[source] KeyStoreError),
    /// The new tree is made, but a place could not be written. No process seals under it until every place has it, which the next
    /// commit that reaches them all brings about. Do not make another.
    #[error("the key tree is made, but is not in every place yet, and seals nothing until it is; do not make another")]
    NotInEveryPlace(#[source] KeyStoreError),
    /// It is not known whether it happened. To retire, call again; before you make another tree, ask `status`.
    #[error("it is not known whether it happened; to retire, call again; before you make another tree, ask `status`")]
    Unknown(#[source] KeyStoreError),
}

impl PurposeError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            PurposeError::PurposeNotUnlocked { .. } | PurposeError::UnknownTree { .. } | PurposeError::OnePlace => {
                Outcome::Investigate
            }
            PurposeError::NothingHappened(cause)
            | PurposeError::OldCopyRemains(cause)
            | PurposeError::NotInEveryPlace(cause)
            | PurposeError::Unknown(cause) => cause.outcome(),
        }
    }
}

/// Why a value was not sealed anew. The value given is unchanged.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ResealError {
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It was opened, and could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl ResealError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            ResealError::Open(error) => error.outcome(),
            ResealError::Seal(error) => error.outcome(),
        }
    }
}

impl From<KeyStoreError> for ResealError {
    fn from(error: KeyStoreError) -> ResealError {
        ResealError::Open(error.into())
    }
}

crate::journal::message::debug_as_message!(TokenError, EpochError, PurposeError, ResealError);
