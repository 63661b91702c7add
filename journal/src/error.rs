//! What can be wrong with a journal.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::ids::VaultName;
use super::key::{PublicKey, SignError};
use super::outcome::Outcome;

/// Why a journal could not be read, checked or written.
///
/// Lines count from 1. Cheap to clone, since one cause may answer many calls.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// There is no journal here.
    #[error("there is no journal at {path}; check the path, or put the journal back from its copy")]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// There is a file here already. Nothing was changed.
    #[error("there is a file at {path} already; open it, or choose another path")]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// Another process held the journal for the whole wait. Nothing was written.
    #[error(
        "another process has been writing {path} for {waited:?}, and nothing was written; try again, and look for \
         a stuck process"
    )]
    Busy {
        /// The path.
        path: PathBuf,
        /// How long this call waited.
        waited: Duration,
    },
    /// The file could not be read or written. Nothing was added to it.
    #[error("{path} could not be read or written; look at the cause, then try again")]
    Io {
        /// The path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Arc<io::Error>,
    },
    /// Writing failed half-way and could not be undone: the entries may be there or may be missing. The next writer
    /// finds out.
    #[error(
        "writing to {path} failed half-way, and the new entries may be there or may be missing; look at the \
         cause, then try again"
    )]
    Unsure {
        /// The path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Arc<io::Error>,
    },
    /// The end is missing: the journal was cut off, or replaced by an older copy of itself.
    #[error(
        "the journal ends at entry {have}, but entry {known} was written: the end was cut off, or an older copy was put in \
         its place. Put the newest copy back. If there is none, `accept_journal_loss` goes on without those entries \
         and records the gap"
    )]
    CutOff {
        /// The number of the last entry that is there; 0 if there is none.
        have: u64,
        /// The number of an entry that was written.
        known: u64,
    },
    /// The last line is not complete: cut off, or left by a writer that was killed.
    #[error(
        "line {line} is not complete ({bytes} bytes without a line feed): it was cut off, or a writer was killed. \
         Open the vault with this journal, which repairs and records it, and check again"
    )]
    Torn {
        /// The line.
        line: u64,
        /// Its bytes.
        bytes: u64,
    },
    /// A line is not what was written there.
    #[error("line {line}: {what}. Put back an undamaged copy of the journal, and keep this one as evidence")]
    Damaged {
        /// The line, from 1 on.
        line: u64,
        /// What is wrong with it.
        what: Damage,
    },
    /// The file beside the journal that says how far it has come is damaged.
    #[error(
        "{path} {what}, so it does not show whether the journal's end is missing. Check without it, against a receipt or \
         an anchor; the vault's next entry writes it anew"
    )]
    Head {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The journal is of another vault, or was signed by another key.
    #[error("the journal belongs to the vault {found} with the key {key}; give the path and the key of one vault")]
    OtherVault {
        /// The vault that the journal names.
        found: VaultName,
        /// The key that it names.
        key: PublicKey,
    },
    /// An entry differs from the one that was written under its number. The journal has two histories: for instance,
    /// somebody wrote on in an older copy.
    #[error(
        "entry {n} is not the one that {known_from} names: this journal is another history, such as an older copy that \
         was written on. Keep this file, find the right journal, and put it in place"
    )]
    OtherHistory {
        /// The entry.
        n: u64,
        /// Where the right entry is named: in the root record, the head or a receipt.
        known_from: KnownFrom,
    },
    /// A line was signed by the vault, but says what this version does not know.
    #[error("line {line} was written by a newer version of oubliette; upgrade this program")]
    NewerFormat {
        /// The line.
        line: u64,
    },
    /// An event does not fit into a line. Nothing was written.
    #[error("the event has {bytes} bytes and does not fit into a line; make its lists or texts shorter")]
    TooLong {
        /// The size.
        bytes: usize,
    },
    /// The event contradicts itself or the journal. Nothing was written.
    #[error("the event cannot be written: {0}; report this as a bug")]
    Unwritable(&'static str),
    /// The vault could not sign. Nothing was written.
    #[error("the vault could not sign the entry")]
    Signing(#[source] SignError),
}

/// What is wrong with a line.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The line does not have the form of an entry.
    #[error("this is no entry of a journal: {0}")]
    Form(&'static str),
    /// Its signature does not fit: something in it was changed, or it was never signed by this vault.
    #[error("the signature does not fit: the entry was changed, or was not written by this vault")]
    Changed,
    /// Entries before it are missing.
    #[error("entries {from} to {to} are missing before it: they were dropped")]
    Dropped {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// The vault wrote this entry, but not in this place.
    #[error("entry {n} stands where entry {expected} belongs: entries were reordered or repeated")]
    Reordered {
        /// The entry.
        n: u64,
        /// The one that belongs there.
        expected: u64,
    },
    /// The vault wrote this entry after a different one: the entry belongs to another journal, or to another history of
    /// this one.
    #[error("entry {n} does not follow from the one before: it belongs to another journal of this vault")]
    Spliced {
        /// The entry.
        n: u64,
    },
    /// The vault wrote this entry, and it contradicts itself or those before it.
    #[error("the entry contradicts those before it: {0}")]
    Contradiction(&'static str),
}

/// Where it is written that an entry must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KnownFrom {
    /// The root record.
    RootRecord,
    /// The head, beside the journal.
    Head,
    /// A receipt.
    Receipt,
    /// An anchor that was given.
    Anchor,
    /// This process read or wrote it.
    Memory,
}

impl fmt::Display for KnownFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KnownFrom::RootRecord => "the root record",
            KnownFrom::Head => "the head file",
            KnownFrom::Receipt => "a receipt",
            KnownFrom::Anchor => "an anchor",
            KnownFrom::Memory => "this process",
        })
    }
}

impl JournalError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            JournalError::Busy { .. }
            | JournalError::Io { .. }
            | JournalError::Unsure { .. }
            | JournalError::Torn { .. } => Outcome::TryAgain,
            JournalError::Signing(error) => error.outcome(),
            JournalError::Missing { .. }
            | JournalError::Exists { .. }
            | JournalError::CutOff { .. }
            | JournalError::Damaged { .. }
            | JournalError::Head { .. }
            | JournalError::OtherVault { .. }
            | JournalError::OtherHistory { .. }
            | JournalError::NewerFormat { .. }
            | JournalError::TooLong { .. }
            | JournalError::Unwritable(_) => Outcome::Investigate,
        }
    }

    /// The line concerned, if it is one.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        match self {
            JournalError::Torn { line, .. }
            | JournalError::Damaged { line, .. }
            | JournalError::NewerFormat { line } => Some(*line),
            _ => None,
        }
    }

    pub(super) fn io(path: &Path, error: io::Error) -> JournalError {
        if error.kind() == io::ErrorKind::NotFound {
            return JournalError::Missing { path: path.to_owned() };
        }
        JournalError::Io { path: path.to_owned(), source: Arc::new(error) }
    }
}

/// Why a receipt is not accepted.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The text does not have the form of a receipt.
    #[error("this is no receipt: {0}; get the document again, as it was issued")]
    Form(&'static str),
    /// It was written by a newer version of this crate.
    #[error("the receipt has format {format}, which a newer version of oubliette wrote; upgrade this program")]
    NewerFormat {
        /// Its format.
        format: u64,
    },
    /// The receipt names a different key from the one that it was checked with.
    #[error("the receipt names the key {found}, which is not the key that was given; check with the vault's own key")]
    OtherKey {
        /// The key that it names.
        found: PublicKey,
    },
    /// Its signature does not fit: something in it was changed, or it was never signed by this vault.
    #[error("the signature does not fit: the receipt was changed, or was not issued by this vault")]
    Changed,
    /// The vault signed it, but its commitment is not that of the person whom it names.
    #[error("the receipt names another person than the one it commits to; report this as a bug")]
    Commitment,
    /// A content that cannot be written as a receipt.
    #[error("the receipt cannot be issued: {0}")]
    Content(&'static str),
    /// The vault could not sign it.
    #[error("the vault could not sign the receipt")]
    Signing(#[source] SignError),
}

impl ReceiptError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            ReceiptError::Signing(error) => error.outcome(),
            ReceiptError::Form(_)
            | ReceiptError::NewerFormat { .. }
            | ReceiptError::OtherKey { .. }
            | ReceiptError::Changed
            | ReceiptError::Commitment
            | ReceiptError::Content(_) => Outcome::Investigate,
        }
    }
}

crate::message::debug_as_message!(JournalError, Damage, ReceiptError);
