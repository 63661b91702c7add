//! Reading from the file what stands behind an entry, for a process that has read it before.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};

use super::anchor::Anchor;
use super::chain::Lines;
use super::disk::open_plain;
use super::entries::Entries;
use super::entry::Entry;
use super::error::{JournalError, KnownFrom};
use super::file::Journal;
use super::state::State;
use super::sync::lock;

impl Journal {
    /// The entries after entry `n`. Each is checked: its place in the chain, its signature, and that the file still has
    /// every entry that this process has read.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn entries_after(
        &self,
        n: u64,
    ) -> Result<impl Iterator<Item = Result<Entry, JournalError>> + use<>, JournalError> {
        let state = lock(&self.state);
        Ok(self
            .entries_from(&state, n, n)?
            .knowing(state.known())
            .filter(move |entry| entry.as_ref().map_or(true, |entry| entry.n > n)))
    }

    /// At most so many entries after entry `n`. They are checked together: this process has read them before, or the
    /// signature of the last covers the others. A last line that is still being written is left out.
    ///
    /// # Errors
    /// [`JournalError`]. To find the line that is damaged, use [`entries_after`](Journal::entries_after).
    pub fn next_after(&self, n: u64, most: usize) -> Result<Vec<Entry>, JournalError> {
        let state = lock(&self.state);
        let known = state.known();
        let mut entries = self.entries_from(&state, n, u64::MAX)?.knowing(known);
        drop(state);
        let mut found: Vec<Entry> = Vec::new();
        while found.len() < most {
            match entries.next() {
                Some(Ok(entry)) if entry.n > n => found.push(entry),
                Some(Ok(_)) => {}
                None | Some(Err(JournalError::Torn { .. })) => break,
                Some(Err(error)) => return Err(error),
            }
        }
        let is_signed = |last: &Entry| entries.followed().is_signed(last.line().as_bytes());
        match found.last() {
            Some(last) if last.n != known.n && !is_signed(last) => {
                Err(JournalError::Damaged { line: entries.followed().lines(), what: super::error::Damage::Changed })
            }
            _ => Ok(found),
        }
    }

    /// From a place at or before entry `n + 1`; signatures are checked behind entry `trusted`.
    fn entries_from(&self, state: &State, n: u64, trusted: u64) -> Result<Entries<BufReader<File>>, JournalError> {
        let io = |error| JournalError::io(&self.path, error);
        let (chain, offset) = state.before(n);
        let mut file = open_plain(&self.path).map_err(io)?;
        file.seek(SeekFrom::Start(offset)).map_err(io)?;
        Ok(Entries::from(self.path.clone(), Lines::new(BufReader::new(file)), chain, trusted))
    }

    /// Looks for an entry that the root record names among those that this process has read.
    pub(super) fn has(&self, state: &State, anchor: Anchor) -> Result<(), JournalError> {
        let other = JournalError::OtherHistory { n: anchor.n, known_from: KnownFrom::RootRecord };
        if let Some(is_there) = state.has(anchor) {
            return if is_there { Ok(()) } else { Err(other) };
        }
        for entry in self.entries_from(state, anchor.n - 1, anchor.n - 1)? {
            let found = entry?.anchor();
            if found.n == anchor.n && found != anchor {
                return Err(other);
            }
            // One that lies in a gap is known to be missing.
            if found.n >= anchor.n {
                break;
            }
        }
        Ok(())
    }
}
