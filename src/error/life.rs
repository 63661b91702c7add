//! Errors of how a vault is opened: created, unlocked, recovered.

use super::{KeyStoreError, Outcome};
use crate::store::PlaceId;

/// Why a vault was not created.
///
/// ```
/// use oubliette::{CreateError, Purpose, RootKey, Vault};
/// const ORDERS: Purpose = Purpose::new("orders");
/// # let place = tempfile::tempdir()?;
/// # let directory = place.path().join("privacy");
///
/// let create = || Vault::at(&directory).purposes([ORDERS]).create(RootKey::bytes([7; 32]));
/// create()?.close()?;
/// assert!(matches!(create(), Err(CreateError::Exists))); // the second time `unlock`: no vault is ever replaced
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// ```
/// use oubliette::{KeyStoreError, UnlockError, Purpose, RootKey, Vault};
/// const ORDERS: Purpose = Purpose::new("orders");
/// # let place = tempfile::tempdir()?;
/// # let directory = place.path().join("privacy");
///
/// match Vault::at(&directory).purposes([ORDERS]).unlock(RootKey::bytes([7; 32])) {
///     Ok(vault) => vault.close()?,
///     // Never answered by `create`: a path that is misspelt, or a disk that is not mounted, would become a new, empty vault.
///     Err(UnlockError::KeyStore(KeyStoreError::NoVault)) => eprintln!("no vault here: is the disk mounted?"),
///     Err(UnlockError::UnknownPurpose { purpose }) => eprintln!("{purpose} is new or misspelt"),
///     Err(error) => eprintln!("{error}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

/// Why a vault that was rolled back was not recovered, or a mirror was not promoted.
///
/// ```no_run
/// use oubliette::{RootKey, Vault, recovery::RecoverError, store::PlaceId};
///
/// fn promote(mirror: &str, key: RootKey, lost: PlaceId) -> Result<Vault, RecoverError> {
///     Vault::at(mirror).promote(key, [lost]).inspect_err(|error| match error {
///         RecoverError::NotLost { place } => eprintln!("{place} is there: hand over to the mirror instead"),
///         RecoverError::FirstIsThere { place } => eprintln!("name the first place, {place}, if it is lost too"),
///         _ => {} // the key store's own error, or the journal's, says what to do
///     })
/// }
/// ```
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
    /// The vault could not be unlocked to promote a mirror. Nothing happened, unless it had been rolled back: then the mirror is promoted, and
    /// refused until it is recovered.
    #[error(transparent)]
    Unlock(UnlockError),
    /// The key store could not be used. If it failed while committing: promote again, and of a recovery, unlock to see the state.
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
            | RecoverError::UnknownPurpose { .. }
            | RecoverError::NotLost { .. }
            | RecoverError::FirstIsThere { .. } => Outcome::Investigate,
            RecoverError::Unlock(error) => error.outcome(),
            RecoverError::KeyStore(error) => error.outcome(),
        }
    }
}

impl From<UnlockError> for RecoverError {
    fn from(error: UnlockError) -> RecoverError {
        match error {
            UnlockError::KeyStore(error) => RecoverError::KeyStore(error),
            error => RecoverError::Unlock(error),
        }
    }
}

crate::journal::message::debug_as_message!(CreateError, UnlockError, RecoverError);
