//! What this process writes down, of its own commits.

use crate::error::KeyStoreError;
use crate::journal::{Event, Journal, Results, SeriesName};
use crate::root_record::Record;
use crate::vault::commit::{CommitError, Done, Draft};
use crate::vault::journal::Entries;
use crate::vault::process::Process;

impl Process {
    /// The journal, if there is one and it is open.
    pub(crate) fn open_file(&self) -> Option<&Journal> {
        self.journal.open_file()
    }

    /// Writes down the one intent of a commit, within its plan. A plan that runs again finds it written.
    pub(crate) fn intend_once(
        &self,
        draft: &mut Draft<'_>,
        entries: &mut Entries,
        intent: impl FnOnce() -> Result<Event, KeyStoreError>,
    ) -> Result<(), KeyStoreError> {
        let intents = if entries.is_empty() { vec![intent()?] } else { Vec::new() };
        self.journal.intend(&self.commits, draft, entries, intents)
    }

    /// Writes down what the one intent of a commit came to.
    pub(crate) fn conclude<T>(&self, entries: &mut Entries, done: &Result<Done<T>, CommitError>, results: &Results) {
        self.journal.conclude_each(&self.commits, entries, done, |_| results.clone());
    }

    /// What the journal does not say yet of the root key, it says now. On the thread that commits.
    pub(crate) fn tell_root_key(&self) {
        self.journal.tell_root_key(&self.commits, &self.known);
    }

    /// Before a copy gets a key of its own: that is what opens it for as long as it is there.
    pub(in crate::vault) fn write_down_copy(&self, record: &Record, series: SeriesName) -> Result<(), KeyStoreError> {
        // A copy of a copy is no business of the vault's.
        if self.settings.is_copy { Ok(()) } else { self.journal.write_down_copy(record, series) }
    }
}
