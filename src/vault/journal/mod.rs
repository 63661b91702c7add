//! What a vault writes down: before each commit that forgets or moves keys its intent, and after it the outcome. Of a
//! vault without a journal all that remains is to refuse what must be written down.

mod root_key;
mod signing;
mod writer;

use crate::error::KeyStoreError;
use crate::index::IndexName;
use crate::journal::{self, Label};

pub(crate) use signing::VaultSigner;
pub(super) use signing::public_key;
pub(crate) use writer::{Entries, IntentEntry, JournalChoice, JournalWriter};

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
