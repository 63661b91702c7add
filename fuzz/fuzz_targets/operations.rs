//! Random operations on one vault that several processes share, with faults, against a map of customers to alive or
//! shredded.

#![no_main]

#[path = "operations/customers.rs"]
mod customers;
#[path = "operations/ending.rs"]
mod ending;
#[path = "operations/model.rs"]
mod model;
#[path = "operations/replaced.rs"]
mod replaced;

use libfuzzer_sys::fuzz_target;

use oubliette::store::Problem;
use oubliette::testing::Stop;
use oubliette::{ChangeError, CustomerId, KeyStoreError, OpenError, Sealed, ShredError, UnlockError, search::Epoch};

use model::*;
use replaced::{given_up, tree_of};

impl World {
    fn run(&mut self, operation: Operation) {
        match operation {
            Operation::Enroll { process } => match self.processes[self.process(process)].1.enroll() {
                Ok(id) => {
                    assert!(self.customers.iter().all(|customer| customer.id != id), "issued twice");
                    self.customers.push(Customer { id, enrolled: self.now, states: [State::Alive; 2] });
                }
                Err(error) => self.excuse(&error),
            },
            Operation::Seal { process, customer, purpose, by_handle } => {
                if let Some(customer) = self.customer(customer) {
                    self.seal(self.process(process), customer, purpose.into(), by_handle);
                }
            }
            Operation::Open { process, value, by_handle } => {
                if !self.values.is_empty() {
                    self.open(self.process(process), usize::from(value) % self.values.len(), by_handle);
                }
            }
            Operation::OpenElsewhere { process, value, customer, purpose } => {
                let (process, purpose) = (self.process(process), usize::from(purpose));
                let (Some(customer), false) = (self.customer(customer), self.values.is_empty()) else { return };
                let value = &self.values[usize::from(value) % self.values.len()];
                if (value.customer, value.purpose) == (customer, purpose) {
                    return;
                }
                let id = self.customers[customer].id;
                match self.processes[process].1.open(id, FIELDS[purpose], &value.sealed) {
                    Err(OpenError::OtherCustomer { .. }) => assert_ne!(value.customer, customer),
                    Err(OpenError::OtherPurpose { .. }) => assert_ne!(value.purpose, purpose),
                    // Forgotten, to make room.
                    Err(OpenError::OtherVault { .. }) => assert!(self.trees.contains_key(&tree_of(&value.sealed))),
                    Err(OpenError::KeyStore(error)) => self.excuse(&error),
                    other => panic!("{other:?}"),
                }
            }
            Operation::Shred { process, customers, purpose } => {
                let customers: Vec<usize> = customers.iter().filter_map(|which| self.customer(*which)).collect();
                self.shred(self.process(process), &customers, purpose.map(usize::from));
            }
            Operation::ShredThrough { process, customer } => {
                if let Some(customer) = self.customer(customer) {
                    self.shred_through(self.process(process), customer);
                }
            }
            Operation::ShredUnknown { process, customer, number } => {
                let Ok(unknown) = CustomerId::from_stored(number) else { return };
                if unknown.to_stored() < 1 << 30 {
                    return;
                }
                let known = self.customer(customer).map(|customer| self.customers[customer].id);
                match self.processes[self.process(process)].1.shred(known.into_iter().chain([unknown])) {
                    Err(ShredError::NotEnrolled { customer }) => assert_eq!(customer, unknown),
                    Err(ShredError::NothingHappened(error)) => self.excuse(&error),
                    other => panic!("{other:?}"),
                }
            }
            Operation::Advance { millis } => self.advance(millis.into()),
            Operation::Refresh { process } => {
                if let Err(error) = self.processes[self.process(process)].1.refresh() {
                    self.excuse(&error);
                }
            }
            Operation::Sweep { process } => {
                // A vault keeps superseded pages for two leases at least, since others still read them; one in memory
                // keeps them for no time at all.
                self.advance(2 * LEASE);
                if let Err(error) = self.processes[self.process(process)].1.sweep() {
                    self.excuse(&error);
                }
                // What was kept of before may be gone now.
                self.then = None;
            }
            Operation::Status { process } => match self.processes[self.process(process)].1.status() {
                Ok(status) => {
                    // Another process may know more.
                    let shredded = |customer: &Customer| matches!(customer.states[0], State::Shredded { .. });
                    let perhaps = self.customers.iter().any(|c| matches!(c.states[0], State::Perhaps { .. }));
                    let fresh = self.customers.iter().all(|customer| match customer.states[0] {
                        State::Shredded { since, .. } => self.now - since >= LEASE,
                        _ => true,
                    });
                    if fresh && !perhaps {
                        let least = self.customers.iter().filter(|customer| shredded(customer)).count() as u64;
                        let active =
                            status.purposes.iter().find(|tree| tree.active && tree.purpose == PURPOSES[0].name());
                        assert!(active.unwrap().shredded >= least);
                    }
                }
                Err(error) => self.excuse(&error),
            },
            Operation::Bulk { process } => self.bulk(self.process(process)),
            Operation::Rotate { process, purpose } => {
                let rotated = self.processes[self.process(process)].1.rotate_purpose(PURPOSES[usize::from(purpose)]);
                match rotated {
                    // Room for 22 trees, as long as none was given up.
                    Ok(_) | Err(ChangeError::NothingHappened(KeyStoreError::Full { .. })) => {}
                    Err(error) => self.excuse_change(error),
                }
            }
            Operation::Reseal { process, value, by_handle } => {
                if !self.values.is_empty() {
                    self.reseal(self.process(process), usize::from(value) % self.values.len(), by_handle);
                }
            }
            Operation::Retire { process, purpose } => self.retire(self.process(process), usize::from(purpose)),
            Operation::Token { process } => self.token(self.process(process)),
            Operation::BeginEpoch { process } => match self.processes[self.process(process)].1.begin_epoch(BY_NOTE) {
                Ok(_) | Err(ChangeError::EpochsExhausted) => {}
                Err(error) => self.excuse_change(error),
            },
            Operation::RetireEpoch { process, epoch } => {
                let Some(epoch) = Epoch::new(epoch % 8) else { return };
                let process = self.process(process);
                let state = match self.processes[process].1.retire_epoch(BY_NOTE, epoch) {
                    Ok(_) => Keys::GivenUp { since: self.now, by: self.processes[process].0 },
                    Err(ChangeError::OldCopyRemains(error)) => {
                        self.excuse(&error);
                        Keys::GivenUp { since: self.now, by: self.processes[process].0 }
                    }
                    Err(ChangeError::Unknown(error)) => {
                        self.excuse(&error);
                        Keys::Perhaps
                    }
                    Err(ChangeError::CurrentEpoch { .. } | ChangeError::EpochNotBegun { .. }) => return,
                    Err(error) => return self.excuse_change(error),
                };
                given_up(self.epochs.entry(epoch.number()).or_insert(state), state);
            }
            Operation::StartProcess => {
                if self.processes.len() < MOST_PROCESSES {
                    match self.processes[0].1.second() {
                        Ok(vault) => {
                            self.processes.push((self.started, vault, Vec::new()));
                            self.started += 1;
                        }
                        Err(UnlockError::KeyStore(error)) => self.excuse(&error),
                        Err(error) => panic!("{error:?}"),
                    }
                }
            }
            Operation::EndProcess => {
                if self.processes.len() > 1 {
                    self.processes.remove(0);
                }
            }
            Operation::LoseStore => {
                self.processes[0].1.lose_store();
                self.now += 3_600_000;
                self.faulty = true;
            }
            Operation::FillDisk => {
                self.processes[0].1.fill_disk();
                self.faulty = true;
            }
            Operation::Fail { step, once } => {
                let stop = if once { Stop::Fail(Problem::Io) } else { Stop::FailFrom(Problem::Io) };
                self.processes[0].1.steps().stop_at(u64::from(step % 16) + 1, stop);
                self.faulty = true;
            }
            Operation::Die { step } => {
                self.processes[0].1.steps().stop_at(u64::from(step % 16) + 1, Stop::Die { torn: false });
                self.faulty = true;
            }
            Operation::FindStore => {
                self.processes[0].1.find_store();
                self.faulty = false;
            }
            Operation::Snapshot => {
                // What the store is at, not what this process last heard of.
                let vault = &self.processes[0].1;
                let read = vault.refresh().and_then(|()| vault.generation());
                if let (false, Ok(generation)) = (self.faulty, read) {
                    self.then = Some((self.processes[0].1.memory().snapshot(), generation));
                }
            }
            Operation::RestoreRecord => self.go_back(true),
            Operation::RestorePages => self.go_back(false),
            Operation::Tamper { value, at, xor } => {
                if self.values.is_empty() || xor == 0 {
                    return;
                }
                let value = &self.values[usize::from(value) % self.values.len()];
                let mut bytes = value.sealed.as_bytes().to_vec();
                let at = usize::from(at) % bytes.len();
                bytes[at] ^= xor;
                if let Ok(sealed) = Sealed::from_bytes(bytes) {
                    let id = self.customers[value.customer].id;
                    let opened = self.processes[0].1.open(id, FIELDS[value.purpose], &sealed);
                    if let Err(OpenError::KeyStore(error)) = &opened {
                        self.excuse(error);
                    }
                    assert!(opened.is_err());
                }
            }
        }
    }
}

fuzz_target!(|operations: Vec<Operation>| {
    let mut world = World::new();
    for operation in operations.into_iter().take(200) {
        world.run(operation);
    }
    world.settle();
});
