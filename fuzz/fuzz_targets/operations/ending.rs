//! Going back in time, and the end, at which everything must be as the model says.

use oubliette::{KeyStoreError, OpenError, UnlockError};

use super::model::*;

impl World {
    /// Half a key store from before, and then the whole one of now: what was restored must be noticed, or open nothing
    /// that is shredded; and the vault as it was must be as if nothing had happened.
    pub(crate) fn go_back(&mut self, record: bool) {
        let Some((then, generation)) = self.then.take() else { return };
        if self.faulty {
            return;
        }
        let vault = &self.processes[0].1;
        let memory = vault.memory();
        let now = memory.snapshot();
        let mark = oubliette::store::PageStore::mark(memory).unwrap().generation;
        if record {
            memory.restore_record(&then);
        } else {
            memory.restore_pages(&then);
        }
        let second = vault.second();
        if record && mark >= generation + 2 {
            assert!(matches!(second, Err(UnlockError::KeyStore(KeyStoreError::RolledBack { .. }))), "{second:?}");
        }
        if let (Ok(second), false) = (&second, record) {
            for value in &self.values {
                let customer = &self.customers[value.customer];
                let opened = second.open(customer.id, FIELDS[value.purpose], &value.sealed);
                if matches!(customer.states[value.purpose], State::Shredded { .. }) {
                    assert!(opened.is_err(), "pages alone bring nobody back");
                } else {
                    // A page from before is missing or open, never a reason to say shredded.
                    let perhaps = customer.states[value.purpose] != State::Alive;
                    assert!(perhaps || !matches!(opened, Err(OpenError::Shredded { .. })));
                }
            }
        }
        drop(second);
        memory.restore(&now);
    }

    /// At the end the store is well and a lease has passed: everything must be as the model says, in every process and
    /// in a new one.
    pub(crate) fn settle(&mut self) {
        self.processes[0].1.find_store();
        self.faulty = false;
        self.advance(2 * LEASE);
        let new = self.processes[0].1.second().unwrap();
        self.processes.push((self.started, new, Vec::new()));
        for process in 0..self.processes.len() {
            for value in 0..self.values.len() {
                self.open(process, value, false);
                self.open(process, value, true);
            }
            // Without a thread, the record is read when something asks for it.
            self.processes[process].1.refresh().unwrap();
            // Only a commit tells that commits succeed again, and here is no thread that would try one.
            assert!(self.processes[process].1.health().can_open);
        }
    }
}
