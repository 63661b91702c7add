//! Errors: one enum an operation, and the three outcomes they sort into.

#[cfg(feature = "derive")]
mod record;
mod renewal;

use std::sync::Arc;
use std::time::Duration;

use crate::customer::CustomerId;
use crate::root_key::RootKeyError;
use crate::store::{PlaceId, Problem, StoreError};

#[cfg(feature = "derive")]
pub use record::SealRecordError;
pub use renewal::{EpochError, PurposeError, ResealError, TokenError};

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

/// Why the key store could not be used. Cheap to clone, since one cause may answer many calls.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// The store failed; it says where, and what to do.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// There is no vault here.
    #[error("there is no vault here; check the path, or `create` it the first time")]
    NoVault,
    /// The record is not encrypted under this root key. Nothing was changed.
    #[error("this is not the vault's root key; a passphrase mistyped, or one from before a rotation?")]
    WrongRootKey,
    /// The root key could not be used.
    #[error("the root key could not be used")]
    RootKey(#[source] Arc<RootKeyError>),
    /// The newest root record does not authenticate under the root key that it commits to. Nothing was written.
    #[error("the root record in {location} is damaged or was tampered with; nothing was written: compare the mirrors")]
    NotAuthentic {
        /// The copy's location.
        location: String,
    },
    /// The root record or a page was written by a newer version of this crate.
    #[error("{location} was written by a newer version of oubliette; upgrade this program")]
    NewerFormat {
        /// Its location.
        location: String,
    },
    /// All copies of the root record are damaged.
    #[error("no copy of the root record is readable ({location}); restore root and pages together from a mirror")]
    RecordDamaged {
        /// Where the copies are.
        location: String,
    },
    /// Two copies of the root record are no versions of one history. Nothing was written.
    #[error("{one} and {other} hold diverging histories; find out which is right, and detach the other place")]
    Diverged {
        /// One copy.
        one: String,
        /// The other.
        other: String,
    },
    /// A page that must exist is missing or damaged. This never means that someone was shredded.
    #[error(
        "page {page} is {problem}; restore it from a mirror or a backup of the pages, and delete nothing until then"
    )]
    PageDamaged {
        /// The page's name.
        page: String,
        /// What is wrong with it, and the customers below it.
        problem: String,
    },
    /// The key store is older than something it once wrote: it was restored from a backup. Everything is refused until
    /// [`recover`](crate::VaultBuilder::recover).
    #[error(
        "the key store went back in time: generation {seen} was seen, and the one at generation {have} does not \
         come after it; whoever was shredded since is readable again. Put the newest root and pages back, or call \
         `recover` with those shredded since"
    )]
    RolledBack {
        /// The generation the store has now.
        have: u64,
        /// The lowest generation that is known to have existed since.
        seen: u64,
    },
    /// A place that the root record lists is not among those opened, or the reverse. Values can be opened; nothing can
    /// be committed until all places are there.
    #[error("place {place} is {problem}; commits are refused until it is there, or detached")]
    PlaceMissing {
        /// Its id, kept in its `root/place` file.
        place: PlaceId,
        /// What is wrong.
        problem: &'static str,
    },
    /// Another process held the commit lock all the while.
    #[error(
        "another process was committing for all of {waited:?}; try again, and look for a stuck process if it lasts"
    )]
    Busy {
        /// How long this call waited.
        waited: Duration,
    },
    /// The root record could not be confirmed within its lease, so this process must not use what it knows.
    #[error(
        "the root record was last confirmed {since:?} ago, and the lease is {lease:?}; is the key store reachable?"
    )]
    LeaseLost {
        /// Time since it was last confirmed.
        since: Duration,
        /// The vault's lease.
        lease: Duration,
        /// Why it could not be confirmed, if that is known.
        #[source]
        source: Option<Box<KeyStoreError>>,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Randomness,
    /// A limit of the format is reached.
    #[error("the vault is full: {what}")]
    Full {
        /// Which limit.
        what: &'static str,
    },
    /// The vault was closed.
    #[error("the vault was closed")]
    Closed,
    /// The process was forked while the vault was busy; open it again in the child.
    #[error("this process was forked while the vault was busy; unlock the vault again in it")]
    Forked,
    /// A bug in this crate.
    #[error("internal inconsistency ({0}); please report this")]
    Bug(&'static str),
}

impl KeyStoreError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            KeyStoreError::Store(error) => match error.problem() {
                Problem::TooOpen
                | Problem::ForeignOwner
                | Problem::NotAVault
                | Problem::Damaged
                | Problem::NewerFormat
                | Problem::PageExists
                | Problem::PlaceTwice => Outcome::Investigate,
                _ => Outcome::TryAgain,
            },
            KeyStoreError::RootKey(_)
            | KeyStoreError::PlaceMissing { .. }
            | KeyStoreError::Busy { .. }
            | KeyStoreError::Randomness
            | KeyStoreError::Closed
            | KeyStoreError::Forked => Outcome::TryAgain,
            KeyStoreError::LeaseLost { source, .. } => {
                source.as_ref().map_or(Outcome::TryAgain, |source| source.outcome())
            }
            KeyStoreError::NoVault
            | KeyStoreError::WrongRootKey
            | KeyStoreError::NotAuthentic { .. }
            | KeyStoreError::NewerFormat { .. }
            | KeyStoreError::RecordDamaged { .. }
            | KeyStoreError::Diverged { .. }
            | KeyStoreError::PageDamaged { .. }
            | KeyStoreError::RolledBack { .. }
            | KeyStoreError::Full { .. }
            | KeyStoreError::Bug(_) => Outcome::Investigate,
        }
    }
}

impl From<StoreError> for KeyStoreError {
    fn from(error: StoreError) -> KeyStoreError {
        if error.problem() == Problem::NewerFormat {
            return KeyStoreError::NewerFormat { location: error.location().to_owned() };
        }
        KeyStoreError::Store(Arc::new(error))
    }
}

impl From<RootKeyError> for KeyStoreError {
    fn from(error: RootKeyError) -> KeyStoreError {
        KeyStoreError::RootKey(Arc::new(error))
    }
}

/// Why a vault was not created.
#[derive(Debug, thiserror::Error)]
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

/// Why a vault was not unlocked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnlockError {
    /// The vault has no key tree for a purpose, and `add_missing_purposes` was not asked for. Nothing was changed.
    #[error("the vault does not know the purpose {purpose:?}; is it misspelt? If it is new, `add_missing_purposes`")]
    UnknownPurpose {
        /// The purpose.
        purpose: &'static str,
    },
    /// The vault is at a lower generation than was demanded: it went back in time.
    #[error("the vault is at generation {have}, and at least {demanded} was demanded: an older key store was restored")]
    BehindDemand {
        /// The vault's generation.
        have: u64,
        /// The generation demanded.
        demanded: u64,
    },
    /// It would be created, and that failed.
    #[error(transparent)]
    Create(CreateError),
    /// The key store could not be used.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
}

/// Why no customer number was issued.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnrollError {
    /// All 2^40 - 1 numbers are issued.
    #[error("all customer numbers are issued")]
    Exhausted,
    /// The key store could not be used.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
}

impl EnrollError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            EnrollError::Exhausted => Outcome::Investigate,
            EnrollError::KeyStore(error) => error.outcome(),
        }
    }
}

/// Why a value was not sealed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The customer was shredded in this purpose. Consent given anew needs a new number: `enroll` again.
    #[error("{at} was shredded; for consent given anew, `enroll` a new number")]
    Shredded {
        /// Where the value belongs.
        at: Belongs,
    },
    /// The vault never issued this number.
    #[error("{at}: the vault never issued this number; take it from `enroll`")]
    NotEnrolled {
        /// Where the value belongs.
        at: Belongs,
    },
    /// The field's purpose was not among those the vault was unlocked with.
    #[error("purpose {purpose:?} is not unlocked; name it in `purposes` when unlocking")]
    PurposeNotUnlocked {
        /// The purpose.
        purpose: &'static str,
    },
    /// The value has more bytes than a field may hold.
    #[error("{at}: the value has {bytes} bytes, and a field holds 16 MiB at most")]
    TooLarge {
        /// Where the value belongs.
        at: Belongs,
        /// Its size.
        bytes: usize,
    },
    /// The key store could not be used.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
}

impl SealError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            SealError::Shredded { .. } => Outcome::Erased,
            SealError::NotEnrolled { .. } | SealError::PurposeNotUnlocked { .. } | SealError::TooLarge { .. } => {
                Outcome::Investigate
            }
            SealError::KeyStore(error) => error.outcome(),
        }
    }
}

/// Why a value was not opened.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The value is of another customer: the commonest real bug, told from its clear bytes.
    #[error("{at}: the value was sealed for customer {found}; was it copied between rows?")]
    OtherCustomer {
        /// Where it was expected to belong.
        at: Belongs,
        /// The customer it names.
        found: CustomerId,
    },
    /// The value is of another purpose of this vault.
    #[error("{at}: the value was sealed for the purpose {found:?}; was it copied between columns?")]
    OtherPurpose {
        /// Where it was expected to belong.
        at: Belongs,
        /// The purpose it names.
        found: String,
    },
    /// The value is of no key tree of this vault: of another vault, or of one whose key store was lost.
    #[error("{at}: the value was sealed by another vault")]
    OtherVault {
        /// Where it was expected to belong.
        at: Belongs,
    },
    /// The vault never issued this number.
    #[error("{at}: the vault never issued this number; take it from `enroll`")]
    NotEnrolled {
        /// Where it was expected to belong.
        at: Belongs,
    },
    /// The customer was shredded in this purpose: the value is gone for good.
    #[error("{at} was shredded: the value is gone for good")]
    Shredded {
        /// Where it belonged.
        at: Belongs,
    },
    /// The value is of a key tree that was given up; it should have been sealed anew before.
    #[error("{at}: the key tree it was sealed under was retired; it is gone for good")]
    Retired {
        /// Where it belonged.
        at: Belongs,
    },
    /// The value was changed, or sealed as another field, type or context. One answer for all of these.
    #[error("{at}: not authentic: tampered with, or sealed as another field or within another context")]
    NotAuthentic {
        /// Where it was expected to belong.
        at: Belongs,
    },
    /// Authentic, but no value of the field's type.
    #[error("{at}: authentic, but not a value of this type; was the type changed without changing its tag?")]
    InvalidContent {
        /// Where it belongs.
        at: Belongs,
    },
    /// The field's purpose was not among those the vault was unlocked with.
    #[error("purpose {purpose:?} is not unlocked; name it in `purposes` when unlocking")]
    PurposeNotUnlocked {
        /// The purpose.
        purpose: &'static str,
    },
    /// The key store could not be used, or went back in time.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
}

impl OpenError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            OpenError::Shredded { .. } | OpenError::Retired { .. } => Outcome::Erased,
            OpenError::OtherCustomer { .. }
            | OpenError::OtherPurpose { .. }
            | OpenError::OtherVault { .. }
            | OpenError::NotEnrolled { .. }
            | OpenError::NotAuthentic { .. }
            | OpenError::InvalidContent { .. }
            | OpenError::PurposeNotUnlocked { .. } => Outcome::Investigate,
            OpenError::KeyStore(error) => error.outcome(),
        }
    }
}

/// Turns "shredded" into `None`, like an optional row.
pub trait UnlessShredded<T> {
    /// `Ok(None)` if the customer was shredded; any other error stays one.
    ///
    /// # Errors
    /// Every [`OpenError`] but [`OpenError::Shredded`].
    fn unless_shredded(self) -> Result<Option<T>, OpenError>;
}

impl<T> UnlessShredded<T> for Result<T, OpenError> {
    fn unless_shredded(self) -> Result<Option<T>, OpenError> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(OpenError::Shredded { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Why a shred did not, or not certainly, happen. What is true differs by variant.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShredError {
    /// A number was never issued. Nothing happened to any of them.
    #[error("customer {customer} was never issued; nobody was shredded")]
    NotEnrolled {
        /// The number.
        customer: CustomerId,
    },
    /// `shred_through` would reach numbers that are still being issued. Nothing happened.
    #[error("numbers from {newest} on are still being issued; shred through a lower one")]
    TooNew {
        /// The first of the newest block.
        newest: u64,
    },
    /// The purpose was not among those the vault was unlocked with. Nothing happened.
    #[error("purpose {purpose:?} is not unlocked; name it in `purposes` when unlocking")]
    PurposeNotUnlocked {
        /// The purpose.
        purpose: &'static str,
    },
    /// Nothing happened.
    #[error("nobody was shredded")]
    NothingHappened(#[source] KeyStoreError),
    /// The shred is committed and durable, but an older copy of the root record could not be overwritten: whoever gets
    /// it, with the root key, can still read them. Call again until it succeeds.
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
            ShredError::NotEnrolled { .. } | ShredError::TooNew { .. } | ShredError::PurposeNotUnlocked { .. } => {
                Outcome::Investigate
            }
            ShredError::NothingHappened(error) | ShredError::OldCopyRemains(error) | ShredError::Unknown(error) => {
                error.outcome()
            }
        }
    }
}

/// Why the root key was not rotated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotateError {
    /// The new root key is the current one. Nothing happened.
    #[error("the new root key is the current one")]
    SameKey,
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

/// Why a vault that went back in time was not recovered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// The new root key is the current one. Recovery must move to a new one, since the record that was restored is
    /// still under the old.
    #[error("recover needs a new root key: the restored record is readable with the current one")]
    SameKey,
    /// A generation or number beyond what the format can hold. Nothing happened.
    #[error("a generation and a customer number lie below 2^40")]
    OutOfRange,
    /// A purpose, in the list or among those to unlock, is not one of this vault's. Nothing happened.
    #[error("the vault does not know the purpose {purpose:?}; nothing happened")]
    UnknownPurpose {
        /// The purpose.
        purpose: &'static str,
    },
    /// The key store could not be used. If it failed while committing, unlock to see the state.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
}
