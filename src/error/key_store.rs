//! Why the key store could not be used: what every operation can fail with.

use std::sync::Arc;
use std::time::Duration;

use super::Outcome;
use crate::root_key::RootKeyError;
use crate::store::{PlaceId, Problem, StoreError};

/// Why the key store could not be used. Cheap to clone, since one cause may answer many calls.
///
/// ```
/// use oubliette::{KeyStoreError, Outcome};
///
/// fn answer(error: &KeyStoreError) -> u16 {
///     match error {
///         KeyStoreError::RolledBack { have, seen } => {
///             eprintln!("page somebody: at generation {have}, and {seen} was seen: replay the journal");
///             500
///         }
///         error if error.outcome() == Outcome::TryAgain => 503, // a lease lost, a disk full, a server away
///         error => {
///             eprintln!("page somebody: {error}");
///             500
///         }
///     }
/// }
/// # assert_eq!(answer(&KeyStoreError::RolledBack { have: 7, seen: 9 }), 500);
/// ```
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// The store failed; it says where, and what to do.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// There is no vault here.
    #[error(
        "there is no vault here; check the path, and that its disk is mounted. A new one is made by `create`, and never in the place of one that was lost"
    )]
    NoVault,
    /// The record is not encrypted under this root key. Nothing was changed.
    #[error("this is not the vault's root key: was the passphrase mistyped, or is it from before a rotation?")]
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
    /// Two copies of the root record belong to different histories. Nothing was written.
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
    /// [`recover`](crate::VaultBuilder::recover), or `replay` where there is a journal.
    #[error(
        "the key store was rolled back: generation {seen} was seen, and the one at generation {have} does not \
         come after it; whoever was shredded since is readable again. Put the newest root and pages back; or `replay` \
         the journal; or `recover` with those shredded since"
    )]
    RolledBack {
        /// The generation the store has now.
        have: u64,
        /// The lowest generation that is known to have existed since.
        seen: u64,
    },
    /// The pages are another vault's. Nothing happened.
    #[error("the pages are another vault's; check the path that is given for them (`pages_at`)")]
    PagesOfAnotherVault,
    /// The pages belong to a copy of the vault, unlocked [as one](crate::VaultBuilder::as_copy). Nothing happened.
    #[error(
        "the pages belong to a copy of the vault, as in a staging system or a drill; check the path that is given for them, or unlock the copy \
         as a copy"
    )]
    PagesOfCopy,
    /// The mark beside the pages is damaged or forged. Nothing happened. If the root record is known to be the newest,
    /// [`clear_alarm`](crate::VaultBuilder::clear_alarm) makes a new mark.
    #[error(
        "the mark beside the pages is damaged or forged, and it alone tells whether the key store was restored. Find out; then put the pages \
         back from a mirror or, if the root record is the newest, clear the alarm"
    )]
    MarkNotAuthentic,
    /// The root record is under a version of the root key that was destroyed, or that a later, complete version superseded: an older record was
    /// put back, or this is a copy.
    #[error(
        "{location}: this root record's version of the root key was destroyed or superseded: an older record was put back, or this is a copy. \
         Put the newest record back; or `recover`, if older versions are kept"
    )]
    RootKeyDestroyed {
        /// Where the record is.
        location: String,
    },
    /// The root record lists a place that was not opened, or a place was opened that it does not list. Values can be
    /// opened; nothing can be committed until both agree.
    #[error("place {place} is {problem}; commits are refused until it is there, or detached")]
    PlaceMissing {
        /// Its id, kept in its `root/place` file.
        place: PlaceId,
        /// What is wrong.
        problem: &'static str,
    },
    /// The first place, which decides, cannot be read: nothing is opened, sealed or committed without it, however many mirrors there are.
    #[error(
        "place {place}, which is the first and decides, cannot be read; bring it back. If it is lost for good and nobody uses it any \
         more, promote a mirror"
    )]
    FirstPlaceAway {
        /// Its id, kept in its `root/place` file.
        place: PlaceId,
        /// Why it cannot be read.
        #[source]
        source: Arc<StoreError>,
    },
    /// The first place, which decides, has an older record than a mirror: it was put back from a backup. The vault tries by itself to
    /// bring it forward, in a commit.
    #[error(
        "place {place}, which is the first and decides, has an older record than a mirror; it is being brought forward: try again"
    )]
    FirstPlaceBehind {
        /// Its id.
        place: PlaceId,
    },
    /// The first place, which decides, cannot be detached.
    #[error("place {place} is the first and decides; hand over to another place before it is detached")]
    FirstPlace {
        /// Its id.
        place: PlaceId,
    },
    /// What was written has not reached this place. Until it has, nothing is sealed or numbered under it, and losing the first place
    /// would lose it.
    #[error("place {place} could not be written; the next commit that reaches every place completes it")]
    NotInEveryPlace {
        /// The place that lacks it.
        place: PlaceId,
        /// Why.
        #[source]
        source: Arc<StoreError>,
    },
    /// The root record is under a new version of the root key, and the version before is not destroyed yet: a server that may be promoted lacks
    /// the new record, and would open nothing without the old version. The vault tries again by itself.
    #[error(
        "the version of the root key before this one is not destroyed yet: a server that may be promoted lacks the newest root record ({}). Bring \
         it back, or tell the store that it is never promoted; the vault tries again by itself",
        lagging.join(", ")
    )]
    NotOnEveryServer {
        /// Which, as the store names them.
        lagging: Vec<String>,
    },
    /// What this needs was made a moment ago, and is not known to be durable in every place yet.
    #[error("what this needs was made a moment ago and is not durable in every place yet; try again")]
    NotDurableYet,
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
    /// The vault keeps a journal, and this must be written into it. Nothing happened.
    #[error(
        "the vault keeps a journal, and this must be written down: open the vault with `VaultBuilder::journal`, at the \
         path where its journal lies"
    )]
    NeedsJournal,
    /// The vault was opened to look only, by [`unlock_read_only`](crate::VaultBuilder::unlock_read_only). Nothing happened.
    #[error("the vault was opened to look only: unlock it by `VaultBuilder::unlock` to change something")]
    ReadOnly,
    /// The journal could not be read or written; it says what to do. What was to be written down before it was done was
    /// not done.
    #[error("the journal could not be used, and nothing was done")]
    Journal(#[source] Arc<crate::journal::JournalError>),
    /// Only the vault writes such an event down, beside the commit that it tells of. Nothing was written.
    #[error("only the vault writes such an event down, beside the commit that it tells of; nothing was written")]
    VaultsOwn,
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness; try again")]
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
    /// This process is a forked child, and the handle is its parent's: take a new one from the vault. If the vault itself
    /// answers this, it was busy at the moment of the fork, and may refuse for good: unlock it anew.
    #[error(
        "this process was forked: take a new handle from the vault or, if the vault itself says this, unlock it anew"
    )]
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
                | Problem::OtherVault
                | Problem::PageExists
                | Problem::PlaceTwice => Outcome::Investigate,
                _ => Outcome::TryAgain,
            },
            KeyStoreError::RootKey(error) => error.outcome(),
            KeyStoreError::PlaceMissing { .. }
            | KeyStoreError::FirstPlaceAway { .. }
            | KeyStoreError::FirstPlaceBehind { .. }
            | KeyStoreError::NotInEveryPlace { .. }
            | KeyStoreError::NotOnEveryServer { .. }
            | KeyStoreError::NotDurableYet
            | KeyStoreError::Busy { .. }
            | KeyStoreError::Randomness
            | KeyStoreError::Closed
            | KeyStoreError::Forked => Outcome::TryAgain,
            KeyStoreError::LeaseLost { source, .. } => {
                source.as_ref().map_or(Outcome::TryAgain, |source| source.outcome())
            }
            KeyStoreError::Journal(error) => error.outcome(),
            KeyStoreError::VaultsOwn => Outcome::Investigate,
            KeyStoreError::NoVault
            | KeyStoreError::FirstPlace { .. }
            | KeyStoreError::NeedsJournal
            | KeyStoreError::ReadOnly
            | KeyStoreError::WrongRootKey
            | KeyStoreError::NotAuthentic { .. }
            | KeyStoreError::NewerFormat { .. }
            | KeyStoreError::RecordDamaged { .. }
            | KeyStoreError::Diverged { .. }
            | KeyStoreError::PageDamaged { .. }
            | KeyStoreError::RolledBack { .. }
            | KeyStoreError::RootKeyDestroyed { .. }
            | KeyStoreError::PagesOfAnotherVault
            | KeyStoreError::PagesOfCopy
            | KeyStoreError::MarkNotAuthentic
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

impl From<crate::journal::JournalError> for KeyStoreError {
    fn from(error: crate::journal::JournalError) -> KeyStoreError {
        KeyStoreError::Journal(Arc::new(error))
    }
}

impl From<RootKeyError> for KeyStoreError {
    fn from(error: RootKeyError) -> KeyStoreError {
        KeyStoreError::RootKey(Arc::new(error))
    }
}

crate::journal::message::debug_as_message!(KeyStoreError);
