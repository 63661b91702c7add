//! What a store can say went wrong.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A store's failure: what, where, and what to do. Cheap to clone.
///
/// ```
/// use oubliette::store::{Problem, StoreError};
///
/// let error = StoreError::new(Problem::ReadOnly, "/var/lib/shop/privacy/root");
/// assert_eq!((error.problem(), error.location()), (Problem::ReadOnly, "/var/lib/shop/privacy/root"));
/// ```
#[derive(Clone)]
pub struct StoreError {
    problem: Problem,
    location: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// The kinds of trouble a store can be in.
///
/// [`StoreError`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Problem {
    /// The file or service could not be read or written; see the source.
    Io,
    /// No space is left.
    Full,
    /// The medium is read-only.
    ReadOnly,
    /// There is nothing here, where a vault was expected.
    Missing,
    /// Others than the owner may read it.
    TooOpen,
    /// It belongs to another user.
    ForeignOwner,
    /// There is something here that this crate did not write.
    NotAVault,
    /// The content is damaged: truncated or changed.
    Damaged,
    /// Written by a newer version of this crate.
    NewerFormat,
    /// The pages there are another vault's.
    OtherVault,
    /// A page of that name with other bytes exists.
    PageExists,
    /// A root record was written there before.
    Occupied,
    /// The same place, or a copy of it, is named twice.
    PlaceTwice,
    /// A place that was not opened, and that nothing here leads to.
    UnknownPlace,
    /// More mirrors than [`MAX_MIRRORS`](super::MAX_MIRRORS).
    TooManyMirrors,
    /// Another process held a lock for too long.
    Busy,
    /// A read did not come back in time.
    NoAnswer,
    /// A fault asked for by a test.
    Injected,
}

impl Problem {
    fn advice(self) -> &'static str {
        match self {
            Problem::Io => "could not be read or written; look at the cause, then try again",
            Problem::Full => "no space is left; nothing was lost: free some and try again",
            Problem::ReadOnly => "is read-only; remount it writable, or open the vault where it is",
            Problem::Missing => "does not exist; check the path, and that its disk is mounted",
            Problem::TooOpen => {
                "is open to others than its owner: to its group, or to everybody; make it private with chmod 700 (files 600)"
            }
            Problem::ForeignOwner => "belongs to another user; run as its owner, or chown it",
            Problem::NotAVault => "holds something else than a vault; choose an empty directory",
            Problem::Damaged => "is damaged; restore it from a mirror, and do not delete anything until then",
            Problem::NewerFormat => "was written by a newer version of oubliette; upgrade this program",
            Problem::OtherVault => "holds another vault's pages; check where the pages are said to be",
            Problem::PageExists => "is taken by other content; report this as a bug",
            Problem::Occupied => "already holds a root record; choose an empty directory",
            Problem::PlaceTwice => {
                "is in use already, or is a copy of what is; give each mirror a directory of its own"
            }
            Problem::UnknownPlace => "is not among the places opened; name it as a mirror",
            Problem::TooManyMirrors => "is one mirror too many",
            Problem::Busy => "is held by another process; try again, and look for a stuck process if it lasts",
            Problem::NoAnswer => "did not answer in time; look at its disk, mount or server",
            Problem::Injected => "failed on request of a test",
        }
    }
}

impl StoreError {
    /// A failure of kind `problem` at `location` (a path, an address; never personal data).
    #[must_use]
    pub fn new(problem: Problem, location: impl Into<String>) -> StoreError {
        StoreError { problem, location: location.into(), source: None }
    }

    /// The same with its cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
        self.source = Some(source.into().into());
        self
    }

    /// A failure of a file operation; a full disk, a read-only mount and a missing file are told apart.
    #[must_use]
    pub fn io(path: &Path, error: std::io::Error) -> StoreError {
        use std::io::ErrorKind;
        let problem = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Problem::Full,
            ErrorKind::ReadOnlyFilesystem => Problem::ReadOnly,
            ErrorKind::NotFound => Problem::Missing,
            _ => Problem::Io,
        };
        StoreError::new(problem, PathBuf::from(path).display().to_string()).caused_by(error)
    }

    /// The kind of trouble.
    #[must_use]
    pub fn problem(&self) -> Problem {
        self.problem
    }

    /// Which file or service.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.location, self.problem.advice())
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}

crate::journal::message::debug_as_message!(StoreError);
