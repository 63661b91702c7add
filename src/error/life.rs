//! Errors of a vault's life: created, unlocked, under a new root key, recovered.

use super::{KeyStoreError, Outcome};
use crate::journal::SeriesName;
use crate::store::PlaceId;

/// Why a vault was not created.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// There is a vault already. Nothing was changed.
    #[error("there is a vault here already; `unlock` it, or choose another place")]
    Exists,
    /// No purposes were given, or one twice, or more than fit.
    #[error("give `purposes` between 1 and 22 different purposes")]
    Purposes,
    /// The lease is outside its bounds.
    #[error("a lease lies between 100 milliseconds and one minute")]
    Lease,
    /// The key store could not be used.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
}

impl CreateError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            CreateError::Exists | CreateError::Purposes | CreateError::Lease => Outcome::Investigate,
            CreateError::KeyStore(error) => error.outcome(),
        }
    }
}

/// Why a vault was not unlocked.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum UnlockError {
    /// The vault has no key tree for a purpose, and `add_missing_purposes` was not asked for. Nothing was changed.
    #[error("the vault does not know the purpose {purpose:?}; is it misspelt? If it is new, `add_missing_purposes`")]
    UnknownPurpose {
        /// The purpose.
        purpose: &'static str,
    },
    /// The vault is at a lower generation than was demanded: it was rolled back.
    #[error(
        "the vault is at generation {have}, and {demanded} or more was demanded: an older key store was restored; put the newest one back"
    )]
    BehindDemand {
        /// The vault's generation.
        have: u64,
        /// The generation demanded.
        demanded: u64,
    },
    /// The journal could not be opened, or its end is missing; it says what to do. Nothing was changed.
    #[error("the vault's journal could not be opened")]
    Journal(#[source] crate::journal::JournalError),
    /// The key store could not be used.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
}

impl UnlockError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            UnlockError::UnknownPurpose { .. } | UnlockError::BehindDemand { .. } => Outcome::Investigate,
            UnlockError::Journal(error) => error.outcome(),
            UnlockError::KeyStore(error) => error.outcome(),
        }
    }
}

/// Why the root key was not rotated.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RotateError {
    /// The new root key is the current one. Nothing happened.
    #[error("nothing happened: the new root key is the current one; give another")]
    SameKey,
    /// The root key has no versions; or the vault was opened as a copy, which begins none. Nothing happened.
    #[error("the root key has no versions here; `rotate_root_key` moves to another one")]
    NoVersions,
    /// Nothing happened.
    #[error("the root key was not rotated")]
    NothingHappened(#[source] KeyStoreError),
    /// The vault is under the new root key, but an older copy of the record, under the old one, remains.
    #[error("rotated, but an older copy of the root record remains; rotate or shred again to overwrite it")]
    OldCopyRemains(#[source] KeyStoreError),
    /// It is not known whether it happened; keep both keys, and unlock with both.
    #[error("it is not known whether the root key was rotated; keep both, and unlock with both")]
    Unknown(#[source] KeyStoreError),
}

impl RotateError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            RotateError::SameKey | RotateError::NoVersions => Outcome::Investigate,
            RotateError::NothingHappened(cause) | RotateError::OldCopyRemains(cause) | RotateError::Unknown(cause) => {
                cause.outcome()
            }
        }
    }
}

/// Why the keys of a series in a token were not destroyed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SeriesError {
    /// The root key given is not in a token; or the vault was opened as a copy, which destroys no keys. Nothing happened.
    #[error("no key was destroyed: the root key given is not in a token, or the vault was opened as a copy")]
    NoVersions,
    /// The root record names this series: without its key nothing opens. Nothing happened.
    #[error("no key was destroyed: the root record is under the series {series}; rotate to another root key first")]
    InUse {
        /// The series.
        series: SeriesName,
    },
    /// The token has nothing of this series. Nothing happened.
    #[error("the token has no series {series}: is it another token, or was it destroyed before?")]
    NotThere {
        /// The series.
        series: SeriesName,
    },
    /// The series is another vault's, by its name. Nothing happened.
    #[error("no key was destroyed: the series {series} is not this vault's; another vault may need it")]
    OfAnotherVault {
        /// The series.
        series: SeriesName,
    },
    /// Nothing happened.
    #[error("no key was destroyed")]
    NothingHappened(#[source] KeyStoreError),
    /// Keys of the series may be left. Call again; with a journal, the next to unlock the vault with this token does it.
    #[error("keys of the series may be left; try again")]
    Unfinished(#[source] KeyStoreError),
}

impl SeriesError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            SeriesError::NoVersions
            | SeriesError::InUse { .. }
            | SeriesError::NotThere { .. }
            | SeriesError::OfAnotherVault { .. } => Outcome::Investigate,
            SeriesError::NothingHappened(cause) | SeriesError::Unfinished(cause) => cause.outcome(),
        }
    }
}

/// Why a mirror was not promoted.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PromoteError {
    /// A place named as lost can be read here, or is the one that is to take over. Nothing happened.
    #[error(
        "nothing happened: place {place} can be read here, so it is not lost; to make another place the first, hand over"
    )]
    NotLost {
        /// The place.
        place: PlaceId,
    },
    /// The first place, which decides, is not named as lost. Nothing happened.
    #[error(
        "nothing happened: the first place, {place}, is not named as lost; if it is lost, name it, and otherwise hand over"
    )]
    FirstIsThere {
        /// The place.
        place: PlaceId,
    },
    /// The vault could not be unlocked. Nothing happened, unless it had been rolled back: then the mirror is promoted, and refused until it is
    /// recovered.
    #[error(transparent)]
    Unlock(UnlockError),
    /// The key store could not be used. If it failed while committing, promote again.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
}

impl PromoteError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            PromoteError::NotLost { .. } | PromoteError::FirstIsThere { .. } => Outcome::Investigate,
            PromoteError::Unlock(error) => error.outcome(),
            PromoteError::KeyStore(error) => error.outcome(),
        }
    }
}

impl From<UnlockError> for PromoteError {
    fn from(error: UnlockError) -> PromoteError {
        match error {
            UnlockError::KeyStore(error) => PromoteError::KeyStore(error),
            error => PromoteError::Unlock(error),
        }
    }
}

/// Why a vault that was rolled back was not recovered.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// The new root key is the current one. Recovery must move to a new one, since the record that was restored is
    /// still under the old.
    #[error("recover needs a new root key: the restored record is readable with the current one")]
    SameKey,
    /// Journal entries that were written after the restored record are missing: whoever they shredded would be readable
    /// again. Nothing happened.
    #[error(
        "entries {from} to {to} are missing from the journal, and whoever they shredded would be readable again: look for \
         a copy that has them. To go on without, `accept_journal_loss`, and shred whom else you know of"
    )]
    GapInJournal {
        /// The first that is missing.
        from: u64,
        /// The last.
        to: u64,
    },
    /// A generation or number beyond what the format can hold. Nothing happened.
    #[error("nothing happened: generations and customer numbers lie below 2^40")]
    OutOfRange,
    /// A purpose, in the list or among those to unlock, is not one of this vault's. Nothing happened.
    #[error("nothing happened: the vault does not know the purpose {purpose:?}; is it misspelt?")]
    UnknownPurpose {
        /// The purpose.
        purpose: &'static str,
    },
    /// The key store could not be used. If it failed while committing, unlock to see the state.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
}

impl RecoverError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            RecoverError::SameKey
            | RecoverError::GapInJournal { .. }
            | RecoverError::OutOfRange
            | RecoverError::UnknownPurpose { .. } => Outcome::Investigate,
            RecoverError::KeyStore(error) => error.outcome(),
        }
    }
}

crate::journal::message::debug_as_message!(
    CreateError,
    UnlockError,
    RotateError,
    SeriesError,
    PromoteError,
    RecoverError
);
