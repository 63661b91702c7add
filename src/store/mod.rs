//! Where pages and the root record are kept.
//!
//! Two traits, since their duties differ. A [`PageStore`] keeps many immutable encrypted pages, which need not be
//! forgotten but must be as fresh as the root record. A [`RootStore`] keeps the one small record that must be
//! forgotten when it is superseded. [`Directory`] is both, in files; [`Memory`] is both, for tests.
//!
//! A store knows no keys: to it pages and records are bytes.
//!
//! The traits, and the types that they speak in, are for whoever writes a store, and have no examples here: [`Memory`] is the shortest
//! store, and the suite in [`conformance`] tells whether another one keeps its duties.

pub mod conformance;
mod directory;
mod error;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod media;
mod memory;
mod pages;
mod roots;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod steps;

pub use directory::{Directory, DirectoryBuilder, MAX_MIRRORS};
pub use error::{Problem, StoreError};
#[cfg(any(test, feature = "testing"))]
pub(crate) use media::Media;
pub use memory::Memory;
pub use pages::{Mark, PageName, PageStore, StoredPage, Usage};
pub use roots::{
    Changed, CopyContent, LockError, NotWritten, OrderedRead, PlaceId, RootCopy, RootLock, RootStore, StoreName,
    WholeCommit,
};
#[cfg(any(test, feature = "testing"))]
pub(crate) use steps::Steps;

/// Size of every stored page, in bytes.
pub const PAGE_BYTES: usize = 8281;
/// Size of every root record, in bytes.
pub const RECORD_BYTES: usize = 3776;
