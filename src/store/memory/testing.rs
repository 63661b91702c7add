//! What tests do to a store in memory behind the vault's back.

use super::{Content, Memory};
use crate::store::{PageName, Steps, StoredPage};

#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
impl Memory {
    /// Counts steps and stops where a test says: one a page put and one for the mark; one for a sweep; two each time a record
    /// is written, after the first of which it is there.
    #[must_use]
    pub fn steps(self, steps: &Steps) -> Memory {
        self.state().steps = Some(steps.clone());
        self
    }

    /// From now on keeps a copy of everything written.
    #[must_use]
    pub fn recording(self) -> Memory {
        self.state().history.get_or_insert_default();
        self
    }

    /// Every page put since [`recording`](Memory::recording), in order: with the records, what an adversary with every backup has.
    #[must_use]
    pub fn pages_put(&self) -> Vec<StoredPage> {
        self.state().history.clone().unwrap_or_default().pages
    }

    /// Every root record written since [`recording`](Memory::recording), in order; one that was written again is not counted twice.
    #[must_use]
    pub fn records_written(&self) -> Vec<Vec<u8>> {
        self.state().history.clone().unwrap_or_default().records
    }

    /// A copy that shares nothing with this one: the state now, to go back to.
    ///
    /// ```
    /// use oubliette::{Field, OpenError, Purpose, Vault, personal::Email};
    /// const EMAIL: Field<Email> = Purpose::new("orders").field("email");
    ///
    /// let vault = Vault::in_memory([EMAIL.purpose()]);
    /// let last_night = vault.memory().snapshot();
    /// vault.shred([vault.enroll()?])?;
    /// vault.memory().restore(&last_night); // somebody puts the backup back
    /// assert!(vault.refresh().is_err(), "the shred of today is known here");
    /// # Ok::<(), oubliette::Error>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Memory {
        let copy = Memory::at(self.shared.place);
        copy.state().content = self.content();
        copy
    }

    // By a copy: a memory may be put back to itself.
    fn content(&self) -> Content {
        self.state().content.clone()
    }

    /// Goes back in time, root record and pages.
    pub fn restore(&self, then: &Memory) {
        let then = then.content();
        self.state().content = then;
    }

    /// Goes back in time with the root record alone.
    pub fn restore_record(&self, then: &Memory) {
        let then = then.content();
        self.state().content.record = then.record;
    }

    /// Goes back in time with the pages and the mark alone.
    pub fn restore_pages(&self, then: &Memory) {
        let then = then.content();
        let mut state = self.state();
        state.content.pages = then.pages;
        state.content.mark = then.mark;
    }

    /// Changes the root record behind the vault's back; false if there is none.
    pub fn tamper_record(&self, tamper: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.state().content.record.as_mut().map(|record| tamper(record)).is_some()
    }

    /// Changes a page behind the vault's back; false if there is none of that name.
    pub fn tamper_page(&self, name: &PageName, tamper: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.state().content.pages.get_mut(name).map(|page| tamper(&mut page.bytes)).is_some()
    }

    /// Loses a page; false if there is none of that name.
    pub fn lose_page(&self, name: &PageName) -> bool {
        self.state().content.pages.remove(name).is_some()
    }

    /// The name of every page, superseded ones too.
    #[must_use]
    pub fn page_names(&self) -> Vec<PageName> {
        self.state().content.pages.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;
    use crate::store::{CopyContent, Mark, PAGE_BYTES, PageStore, Problem, RECORD_BYTES, RootStore, StoreError};
    use crate::testing::Stop;

    fn page(n: u8) -> StoredPage {
        StoredPage { name: PageName([n; 16]), bytes: vec![n; PAGE_BYTES] }
    }

    fn at(generation: u64) -> Mark {
        Mark { generation, vault: [1; 16], proof: [2; 32] }
    }

    fn write(memory: &Memory, n: u8) -> Result<(), StoreError> {
        let places = memory.places();
        memory.lock(&places, Duration::ZERO).unwrap().write(places[0], 0, &vec![n; RECORD_BYTES])
    }

    fn first_byte(memory: &Memory) -> Option<u8> {
        match &memory.read(memory.places()[0])[0].content {
            CopyContent::Intact(record) => Some(record[0]),
            _ => None,
        }
    }

    #[test]
    fn goes_back_in_time_whole_or_in_part() {
        let memory = Memory::new();
        let commit = |n: u8| {
            memory.put(&at(n.into()), &[page(n)]).unwrap();
            write(&memory, n).unwrap();
        };
        let state = || (first_byte(&memory), memory.mark().unwrap().generation, memory.page_names().len());
        commit(1);
        let then = memory.snapshot();
        commit(2);
        let now = memory.snapshot();
        memory.restore_record(&then);
        assert_eq!(state(), (Some(1), 2, 2));
        memory.restore(&now);
        memory.restore_pages(&then);
        assert_eq!(state(), (Some(2), 1, 1));
        memory.restore(&then);
        assert_eq!(state(), (Some(1), 1, 1));
    }

    #[test]
    fn records_all_that_was_ever_written() {
        let memory = Memory::new().recording();
        memory.put(&at(1), &[page(1), page(2)]).unwrap();
        write(&memory, 1).unwrap();
        memory.sweep(&HashSet::new(), 1, Duration::ZERO).unwrap();
        write(&memory, 2).unwrap();
        assert_eq!(memory.pages_put(), [page(1), page(2)]);
        assert_eq!(memory.records_written(), [vec![1; RECORD_BYTES], vec![2; RECORD_BYTES]]);
        assert!(Memory::new().pages_put().is_empty());
    }

    #[test]
    fn can_be_tampered_with() {
        let memory = Memory::new();
        assert!(!memory.tamper_record(|_| ()) && !memory.lose_page(&page(1).name));
        memory.put(&at(1), &[page(1)]).unwrap();
        write(&memory, 1).unwrap();
        assert!(memory.tamper_record(|record| record.truncate(5)));
        assert!(matches!(memory.read(memory.places()[0])[0].content, CopyContent::Damaged));
        assert!(memory.tamper_page(&page(1).name, |bytes| bytes[0] ^= 1));
        assert_ne!(memory.get(&page(1).name).unwrap().unwrap(), page(1).bytes);
        assert!(memory.lose_page(&page(1).name));
        assert_eq!(memory.get(&page(1).name).unwrap(), None);
    }

    #[test]
    fn stops_where_it_is_told() {
        let steps = Steps::new();
        let memory = Memory::new().steps(&steps);
        write(&memory, 1).unwrap();
        assert_eq!(steps.taken(), 2);
        steps.stop_at(1, Stop::Fail(Problem::Full));
        assert!(matches!(write(&memory, 2), Err(error) if error.problem() == Problem::Full));
        assert_eq!(first_byte(&memory), Some(1));
        steps.stop_at(2, Stop::Fail(Problem::Io));
        write(&memory, 3).unwrap_err();
        assert_eq!(first_byte(&memory), Some(3), "written, and not known to be durable");
        steps.stop_at(1, Stop::Die { torn: false });
        write(&memory, 4).unwrap_err();
        assert!(steps.died() && memory.mark().is_err());
        let copies = memory.read(memory.places()[0]);
        assert!(matches!(copies[0].content, CopyContent::Unreachable(_)));
        steps.reset();
        assert_eq!(first_byte(&memory), Some(3));
    }
}
