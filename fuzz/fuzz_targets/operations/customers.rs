//! Values sealed and opened, customers shredded.

use oubliette::personal::Text;
use oubliette::{CustomerId, OpenError, SealError, ShredError};

use super::model::*;
use super::replaced::tree_of;

impl World {
    pub(crate) fn seal(&mut self, process: usize, customer: usize, purpose: usize, by_handle: bool) {
        let text = format!("note {} of {customer}", self.values.len());
        let value: Text = text.parse().unwrap();
        let id = self.customers[customer].id;
        let sealed = if by_handle {
            self.keys(process, customer).seal(FIELDS[purpose], &value)
        } else {
            self.processes[process].1.seal(id, FIELDS[purpose], &value)
        };
        match sealed {
            Ok(sealed) => {
                self.seen_alive(process, customer, purpose);
                self.values.push(Value { customer, purpose, sealed, text });
            }
            Err(SealError::Shredded { .. }) => self.seen_shredded(customer, purpose),
            Err(SealError::NotEnrolled { .. }) => assert!(self.may_not_know(customer)),
            Err(SealError::KeyStore(error)) => self.excuse(&error),
            Err(error) => panic!("{error:?}"),
        }
    }

    pub(crate) fn open(&mut self, process: usize, value: usize, by_handle: bool) {
        let (customer, purpose) = (self.values[value].customer, self.values[value].purpose);
        let id = self.customers[customer].id;
        let opened = if by_handle {
            self.keys(process, customer).open(FIELDS[purpose], &self.values[value].sealed)
        } else {
            self.processes[process].1.open(id, FIELDS[purpose], &self.values[value].sealed)
        };
        self.opened(process, value, opened);
    }

    pub(crate) fn opened(&mut self, process: usize, value: usize, opened: Result<Text, OpenError>) {
        let (customer, purpose) = (self.values[value].customer, self.values[value].purpose);
        match opened {
            Ok(text) => {
                assert_eq!(text.expose_personal_data(), self.values[value].text);
                if let Some(Keys::GivenUp { since, by }) = self.trees.get(&tree_of(&self.values[value].sealed)) {
                    let by_another = *by != self.processes[process].0;
                    assert!(by_another && self.now - since < LEASE, "a value of a retired tree opens");
                }
                self.seen_alive(process, customer, purpose);
            }
            Err(OpenError::Shredded { .. }) => self.seen_shredded(customer, purpose),
            Err(OpenError::NotEnrolled { .. }) => assert!(self.may_not_know(customer)),
            Err(OpenError::KeyStore(error)) => self.excuse(&error),
            // The trees that were retired first make room, and are then forgotten.
            Err(OpenError::Retired { .. } | OpenError::OtherVault { .. }) => {
                let tree = tree_of(&self.values[value].sealed);
                assert!(self.trees.contains_key(&tree), "nobody gave this tree up");
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    pub(crate) fn bulk(&mut self, process: usize) {
        let rows: Vec<usize> = (0..self.values.len()).collect();
        let customers = &self.customers;
        let values = &self.values;
        let opened: Vec<_> = self.processes[process]
            .1
            .each_customer(rows, |row| customers[values[*row].customer].id)
            .map(|(row, keys)| (row, keys.open(FIELDS[values[row].purpose], &values[row].sealed)))
            .collect();
        for (row, opened) in opened {
            self.opened(process, row, opened);
        }
    }

    /// A process used this customer's keys.
    pub(crate) fn seen_alive(&mut self, process: usize, customer: usize, purpose: usize) {
        let state = &mut self.customers[customer].states[purpose];
        match *state {
            State::Alive => {}
            State::Perhaps { since } => {
                if !self.faulty && self.now - since >= LEASE {
                    *state = State::Alive;
                }
            }
            State::Shredded { since, by } => {
                let by_another = by != self.processes[process].0;
                assert!(by_another && self.now - since < LEASE, "a shredded customer's value opens");
            }
        }
    }

    pub(crate) fn seen_shredded(&mut self, customer: usize, purpose: usize) {
        let state = &mut self.customers[customer].states[purpose];
        match *state {
            State::Alive => panic!("a living customer is said to be shredded"),
            State::Perhaps { .. } => *state = State::Shredded { since: self.now, by: usize::MAX },
            State::Shredded { .. } => {}
        }
    }

    pub(crate) fn shred(&mut self, process: usize, customers: &[usize], purpose: Option<usize>) {
        let ids: Vec<CustomerId> = customers.iter().map(|customer| self.customers[*customer].id).collect();
        let vault = &self.processes[process].1;
        let outcome = match purpose {
            None => vault.shred(ids.iter().copied()),
            Some(purpose) => vault.shredding(ids.as_slice()).purpose(PURPOSES[purpose]).run(),
        };
        let purposes = purpose.map_or(0..2, |purpose| purpose..purpose + 1);
        if let Ok(shredded) = &outcome {
            for customer in customers {
                let was = |purpose| self.customers[*customer].states[purpose];
                let before = purposes.clone().all(|purpose| matches!(was(purpose), State::Shredded { .. }));
                let alive = purposes.clone().any(|purpose| was(purpose) == State::Alive);
                let told = shredded.already_shredded().contains(&self.customers[*customer].id);
                assert!(!(before && !told) && !(alive && told), "already shredded or not");
            }
            assert!(shredded.commit().is_wiped_here());
        }
        for customer in customers {
            for purpose in purposes.clone() {
                self.shredded(process, *customer, purpose, outcome.as_ref().map(|_| ()));
            }
        }
        match outcome {
            Err(
                ShredError::NothingHappened(error) | ShredError::Unknown(error) | ShredError::OldCopyRemains(error),
            ) => self.excuse(&error),
            Err(error) => panic!("{error:?}"),
            Ok(_) => {}
        }
    }

    pub(crate) fn shred_through(&mut self, process: usize, last: usize) {
        let id = self.customers[last].id;
        let outcome = self.processes[process].1.shredding(..=id).run();
        if matches!(outcome, Err(ShredError::TooNew { .. })) {
            return;
        }
        for customer in 0..self.customers.len() {
            if self.customers[customer].id <= id {
                for purpose in 0..2 {
                    self.shredded(process, customer, purpose, outcome.as_ref().map(|_| ()));
                }
            }
        }
        match outcome {
            Err(
                ShredError::NothingHappened(error) | ShredError::Unknown(error) | ShredError::OldCopyRemains(error),
            ) => self.excuse(&error),
            Err(error) => panic!("{error:?}"),
            Ok(_) => {}
        }
    }

    pub(crate) fn shredded(
        &mut self,
        process: usize,
        customer: usize,
        purpose: usize,
        outcome: Result<(), &ShredError>,
    ) {
        let state = &mut self.customers[customer].states[purpose];
        let is_shredded = matches!(state, State::Shredded { .. });
        match outcome {
            Ok(()) | Err(ShredError::OldCopyRemains(_)) if !is_shredded => {
                *state = State::Shredded { since: self.now, by: self.processes[process].0 };
            }
            Err(ShredError::Unknown(_)) if !is_shredded => *state = State::Perhaps { since: self.now },
            _ => {}
        }
    }
}
