//! What a vault writes down: before each commit that forgets or moves keys its intent, and after it the outcome.
//!
//! Without the feature `journal`, or without a journal, all that remains is to refuse what must be written down.

#[cfg(feature = "journal")]
mod again;
#[cfg(feature = "journal")]
mod because;
#[cfg(feature = "journal")]
mod book;
#[cfg(feature = "journal")]
mod builder;
#[cfg(feature = "journal")]
mod finish;
#[cfg(not(feature = "journal"))]
mod none;
#[cfg(feature = "journal")]
mod opening;
#[cfg(feature = "journal")]
mod receipt;
#[cfg(feature = "journal")]
mod replay;
mod shreds;
#[cfg(feature = "journal")]
mod signing;
#[cfg(feature = "journal")]
mod writing;

use std::time::SystemTime;

use crate::customer::CustomerId;
use crate::error::KeyStoreError;
use crate::index::{Epoch, IndexName};
use crate::key_tree::Ranges;
use crate::store::PlaceId;
use crate::vault::engine::{CommitError, Draft};
use crate::vault::process::{Done, Process};
use crate::vault::status::KeyTreeId;

#[cfg(feature = "journal")]
pub(super) use again::Again;
#[cfg(feature = "journal")]
pub use because::Because;
#[cfg(feature = "journal")]
pub(crate) use book::{Book, Chosen, Entries, Noted};
#[cfg(not(feature = "journal"))]
pub(crate) use none::{Book, Chosen, Entries};
#[cfg(feature = "journal")]
pub use receipt::Circumstances;
pub(crate) use shreds::Paper;
#[cfg(feature = "journal")]
pub(crate) use signing::VaultSigner;

/// Why something is done, in the application's words.
#[cfg(feature = "journal")]
pub(crate) type Why = Option<crate::journal::Reason>;
/// Nobody can ask.
#[cfg(not(feature = "journal"))]
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Why(());

/// What a commit does that must be written down.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "journal"), allow(dead_code))] // then all that counts is that there is one
pub(crate) enum Deed {
    Shred { whom: Ranges, purpose: Option<&'static str>, why: Why },
    ShredThrough { last: CustomerId, why: Why },
    RotateRootKey,
    RotatePurpose { purpose: &'static str },
    RetireReplaced { purpose: &'static str, new: KeyTreeId },
    BeginEpoch { index: IndexName, epoch: Epoch },
    RetireEpoch { index: IndexName, epoch: Epoch },
    Recover { seen: u64, highest_number: CustomerId },
    AddPurposes { purposes: Vec<String> },
    Places { attached: Vec<PlaceId>, detached: Vec<PlaceId> },
}

/// What came of a deed, beyond that it was done.
#[derive(Clone, Debug, Default)]
#[cfg_attr(not(feature = "journal"), allow(dead_code))]
pub(crate) struct Fruit {
    pub(crate) newly: Option<u64>,
    pub(crate) already: Option<u64>,
    pub(crate) tree: Option<KeyTreeId>,
    pub(crate) trees: Vec<KeyTreeId>,
    pub(crate) epoch: Option<Epoch>,
    pub(crate) effective_at: Option<SystemTime>,
}

/// What a shred has in the journal, for a receipt.
#[cfg(feature = "journal")]
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) whom: crate::vault::shred::Whom,
    pub(crate) purpose: Option<crate::field::Purpose>,
    pub(crate) why: Why,
    pub(crate) at: SystemTime,
    pub(crate) noted: Vec<Noted>,
}

impl Process {
    /// Writes down the one deed of a commit, within its plan. A plan that runs again finds it written.
    pub(crate) fn intend_once(
        &self,
        draft: &mut Draft<'_>,
        entries: &mut Entries,
        deed: impl FnOnce() -> Deed,
    ) -> Result<(), KeyStoreError> {
        let deeds = if entries.is_empty() { vec![deed()] } else { Vec::new() };
        self.intend(draft, entries, deeds)
    }

    /// Writes down what the one deed of a commit came to.
    pub(crate) fn conclude<T>(&self, entries: &mut Entries, done: &Result<Done<T>, CommitError>, fruit: &Fruit) {
        self.conclude_each(entries, done, |_| fruit.clone());
    }
}
