//! What a vault writes down: before each commit that forgets or moves keys its intent, and after it the outcome. Of a
//! vault without a journal all that remains is to refuse what must be written down.

mod builder;
mod finish;
mod journal_writer;
mod opening;
mod receipt;
mod replay;
mod replay_set;
mod root_key;
mod shreds;
mod signing;
mod with_reason;
mod writing;

use std::time::SystemTime;

use crate::error::KeyStoreError;
use crate::index::IndexName;
use crate::journal::{self, Label, Reason};

pub(crate) use journal_writer::{Entries, IntentEntry, JournalChoice, JournalWriter};
pub use receipt::ReceiptContext;
pub(super) use replay::forgotten;
pub(super) use replay_set::ReplaySet;
pub(crate) use shreds::ShredEntries;
pub(crate) use signing::VaultSigner;
pub use with_reason::WithReason;

/// What a shred has in the journal, for a receipt.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) target: crate::vault::operations::ShredTarget,
    pub(crate) purpose: Option<crate::field::Purpose>,
    pub(crate) why: Option<Reason>,
    pub(crate) at: SystemTime,
    pub(crate) entries: Vec<IntentEntry>,
}

/// An index, as an entry names it.
pub(crate) fn index_name(name: IndexName) -> Result<journal::IndexName, KeyStoreError> {
    let [purpose, field, tag, index] = name.parts();
    Ok(journal::IndexName {
        purpose: label(purpose)?,
        field: label(field)?,
        tag: label(tag)?,
        label: label(index)?,
        bits: name.bits.get(),
    })
}

/// Names that were checked, as an entry has them.
pub(crate) fn labels<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Result<Vec<Label>, KeyStoreError> {
    names.into_iter().map(|name| label(name.as_ref())).collect()
}

fn label(text: &str) -> Result<Label, KeyStoreError> {
    Label::new(text).map_err(|_| KeyStoreError::Bug("a name that no entry can hold"))
}
