//! Random operations on one vault that several processes share, with faults, against a map of customers to alive or
//! shredded.

#![no_main]

use std::collections::BTreeMap;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use oubliette::personal::Text;
use oubliette::store::{Problem, Snapshot, Stop};
use oubliette::testing::TestVault;
use oubliette::{
    CustomerId, CustomerKeys, Epoch, EpochError, Field, Index, KeyStoreError, OpenError, Outcome, Purpose,
    PurposeError, ResealError, SealError, Sealed, ShredError, Token, TokenError, UnlockError, Vault, bits,
};

const PURPOSES: [Purpose; 2] = [Purpose::new("orders"), Purpose::new("newsletter")];
const FIELDS: [Field<Text>; 2] = [PURPOSES[0].field("note"), PURPOSES[1].field("note")];
const BY_NOTE: Index<Text> = FIELDS[0].index("exact", bits(64));
/// The lease of a vault in memory, in milliseconds.
const LEASE: u64 = 1000;
const MOST_PROCESSES: usize = 3;

#[derive(Arbitrary, Debug)]
enum Operation {
    Enroll { process: u8 },
    Seal { process: u8, customer: u8, purpose: bool, by_handle: bool },
    Open { process: u8, value: u8, by_handle: bool },
    OpenElsewhere { process: u8, value: u8, customer: u8, purpose: bool },
    Shred { process: u8, customers: Vec<u8>, purpose: Option<bool> },
    ShredThrough { process: u8, customer: u8 },
    ShredUnknown { process: u8, customer: u8, number: i64 },
    Advance { millis: u16 },
    Refresh { process: u8 },
    Sweep { process: u8 },
    Status { process: u8 },
    Bulk { process: u8 },
    Rotate { process: u8, purpose: bool },
    Reseal { process: u8, value: u8, by_handle: bool },
    Retire { process: u8, purpose: bool },
    Token { process: u8 },
    BeginEpoch { process: u8 },
    RetireEpoch { process: u8, epoch: u8 },
    StartProcess,
    EndProcess,
    LoseStore,
    FillDisk,
    Fail { step: u8, once: bool },
    Die { step: u8 },
    FindStore,
    Snapshot,
    RestoreRecord,
    RestorePages,
    Tamper { value: u8, at: u8, xor: u8 },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Alive,
    /// A shred answered "unknown" then.
    Perhaps {
        since: u64,
    },
    Shredded {
        since: u64,
        by: usize,
    },
}

/// Keys other than a customer's: a replaced tree's, an epoch's.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Keys {
    /// A call to give them up answered "unknown".
    Perhaps,
    GivenUp {
        since: u64,
        by: usize,
    },
}

struct Customer {
    id: CustomerId,
    enrolled: u64,
    /// A state a purpose.
    states: [State; 2],
}

struct Value {
    customer: usize,
    purpose: usize,
    sealed: Sealed<Text>,
    text: String,
}

struct World {
    /// Each with handles that it keeps.
    processes: Vec<(usize, TestVault, Vec<(usize, CustomerKeys)>)>,
    started: usize,
    customers: Vec<Customer>,
    values: Vec<Value>,
    /// Trees that were given up, by their ids.
    trees: BTreeMap<String, Keys>,
    /// Epochs that were given up.
    epochs: BTreeMap<u8, Keys>,
    /// The token of one text in each epoch.
    tokens: BTreeMap<u8, Token<Text>>,
    /// Milliseconds.
    now: u64,
    /// The store may fail: errors are no findings until it was found again.
    faulty: bool,
    then: Option<(Snapshot, u64)>,
}

impl World {
    fn new() -> World {
        let vault = Vault::in_memory(PURPOSES);
        World {
            processes: vec![(0, vault, Vec::new())],
            started: 1,
            customers: Vec::new(),
            values: Vec::new(),
            trees: BTreeMap::new(),
            epochs: BTreeMap::new(),
            tokens: BTreeMap::new(),
            now: 0,
            faulty: false,
            then: None,
        }
    }

    fn process(&self, which: u8) -> usize {
        usize::from(which) % self.processes.len()
    }

    fn customer(&self, which: u8) -> Option<usize> {
        (!self.customers.is_empty()).then(|| usize::from(which) % self.customers.len())
    }

    /// An error of the key store: only while it fails, and never one that wakes somebody.
    fn excuse(&self, error: &KeyStoreError) {
        assert!(self.faulty, "{error:?} without a fault");
        assert_eq!(error.outcome(), Outcome::TryAgain, "{error:?}");
    }

    fn may_not_know(&self, customer: usize) -> bool {
        // Within a lease, a process may not have heard of a number yet.
        self.faulty || self.now - self.customers[customer].enrolled < LEASE
    }

    fn run(&mut self, operation: Operation) {
        match operation {
            Operation::Enroll { process } => match self.processes[self.process(process)].1.enroll() {
                Ok(id) => {
                    assert!(self.customers.iter().all(|customer| customer.id != id), "issued twice");
                    self.customers.push(Customer { id, enrolled: self.now, states: [State::Alive; 2] });
                }
                Err(oubliette::EnrollError::KeyStore(error)) => self.excuse(&error),
                Err(error) => panic!("{error:?}"),
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
                    Ok(_) | Err(PurposeError::NothingHappened(KeyStoreError::Full { .. })) => {}
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
                Ok(_) | Err(EpochError::Exhausted) => {}
                Err(error) => self.excuse_epoch(error),
            },
            Operation::RetireEpoch { process, epoch } => {
                let Some(epoch) = Epoch::new(epoch % 8) else { return };
                let process = self.process(process);
                let state = match self.processes[process].1.retire_epoch(BY_NOTE, epoch) {
                    Ok(_) => Keys::GivenUp { since: self.now, by: self.processes[process].0 },
                    Err(EpochError::OldCopyRemains(error)) => {
                        self.excuse(&error);
                        Keys::GivenUp { since: self.now, by: self.processes[process].0 }
                    }
                    Err(EpochError::Unknown(error)) => {
                        self.excuse(&error);
                        Keys::Perhaps
                    }
                    Err(EpochError::Current { .. } | EpochError::NotBegun { .. }) => return,
                    Err(error) => return self.excuse_epoch(error),
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

    fn excuse_change(&self, error: PurposeError) {
        match error {
            PurposeError::NothingHappened(error)
            | PurposeError::OldCopyRemains(error)
            | PurposeError::Unknown(error) => self.excuse(&error),
            error => panic!("{error:?}"),
        }
    }

    fn excuse_epoch(&self, error: EpochError) {
        match error {
            EpochError::NothingHappened(error)
            | EpochError::OldCopyRemains(error)
            | EpochError::Unknown(error)
            | EpochError::NoIndex(TokenError::KeyStore(error)) => self.excuse(&error),
            error => panic!("{error:?}"),
        }
    }

    fn reseal(&mut self, process: usize, value: usize, by_handle: bool) {
        let Value { customer, purpose, sealed, text } = &self.values[value];
        let (customer, purpose, sealed, text) = (*customer, *purpose, sealed.clone(), text.clone());
        let id = self.customers[customer].id;
        let resealed = if by_handle {
            self.keys(process, customer).reseal(FIELDS[purpose], &sealed)
        } else {
            self.processes[process].1.reseal(id, FIELDS[purpose], &sealed)
        };
        match resealed {
            Ok(None) => {}
            Ok(Some(sealed)) => {
                self.seen_alive(process, customer, purpose);
                self.values.push(Value { customer, purpose, sealed, text });
            }
            Err(ResealError::Open(error)) => self.opened(process, value, Err(error)),
            Err(ResealError::Seal(SealError::Shredded { .. })) => self.seen_shredded(customer, purpose),
            Err(ResealError::Seal(SealError::KeyStore(error))) => self.excuse(&error),
            Err(error) => panic!("{error:?}"),
        }
    }

    fn retire(&mut self, process: usize, purpose: usize) {
        let by = self.processes[process].0;
        let vault = &self.processes[process].1;
        let trees = match vault.status() {
            Ok(status) => status.purposes,
            Err(error) => return self.excuse(&error),
        };
        let new = trees.iter().find(|tree| tree.active && tree.purpose == PURPOSES[purpose].name()).unwrap().tree;
        match vault.retire_replaced(PURPOSES[purpose], new) {
            Ok(retired) => {
                for tree in retired.trees() {
                    let state = Keys::GivenUp { since: self.now, by };
                    given_up(self.trees.entry(tree.to_string()).or_insert(state), state);
                }
            }
            Err(error) => {
                if !matches!(error, PurposeError::NothingHappened(_)) {
                    for value in self.values.iter().filter(|value| value.purpose == purpose) {
                        self.trees.entry(tree_of(&value.sealed)).or_insert(Keys::Perhaps);
                    }
                }
                self.excuse_change(error);
            }
        }
    }

    fn token(&mut self, process: usize) {
        let (by, vault, _) = &self.processes[process];
        let tokens = vault.tokens(BY_NOTE, &"what is searched".parse().unwrap());
        let tokens = match tokens {
            Ok(tokens) => tokens,
            Err(TokenError::KeyStore(error)) => return self.excuse(&error),
            Err(error) => panic!("{error:?}"),
        };
        assert!(tokens.is_sorted_by(|a, b| a.epoch() > b.epoch()) && !tokens.is_empty());
        for token in tokens {
            let epoch = token.epoch().number();
            assert_eq!(*self.tokens.entry(epoch).or_insert(token), token, "the same in every process");
            if let Some(Keys::GivenUp { since, by: whom }) = self.epochs.get(&epoch) {
                assert!(whom != by && self.now - since < LEASE, "a token of a retired epoch");
            }
        }
    }

    fn advance(&mut self, millis: u64) {
        self.processes[0].1.advance(Duration::from_millis(millis));
        self.now += millis;
    }

    fn keys(&mut self, process: usize, customer: usize) -> CustomerKeys {
        let id = self.customers[customer].id;
        let (_, vault, kept) = &mut self.processes[process];
        match kept.iter().find(|(whose, _)| *whose == customer) {
            Some((_, keys)) => keys.clone(),
            None => {
                let keys = vault.customer(id);
                kept.push((customer, keys.clone()));
                keys
            }
        }
    }

    fn seal(&mut self, process: usize, customer: usize, purpose: usize, by_handle: bool) {
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

    fn open(&mut self, process: usize, value: usize, by_handle: bool) {
        let (customer, purpose) = (self.values[value].customer, self.values[value].purpose);
        let id = self.customers[customer].id;
        let opened = if by_handle {
            self.keys(process, customer).open(FIELDS[purpose], &self.values[value].sealed)
        } else {
            self.processes[process].1.open(id, FIELDS[purpose], &self.values[value].sealed)
        };
        self.opened(process, value, opened);
    }

    fn opened(&mut self, process: usize, value: usize, opened: Result<Text, OpenError>) {
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

    fn bulk(&mut self, process: usize) {
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
    fn seen_alive(&mut self, process: usize, customer: usize, purpose: usize) {
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

    fn seen_shredded(&mut self, customer: usize, purpose: usize) {
        let state = &mut self.customers[customer].states[purpose];
        match *state {
            State::Alive => panic!("a living customer is said to be shredded"),
            State::Perhaps { .. } => *state = State::Shredded { since: self.now, by: usize::MAX },
            State::Shredded { .. } => {}
        }
    }

    fn shred(&mut self, process: usize, customers: &[usize], purpose: Option<usize>) {
        let ids: Vec<CustomerId> = customers.iter().map(|customer| self.customers[*customer].id).collect();
        let vault = &self.processes[process].1;
        let outcome = match purpose {
            None => vault.shred(ids.iter().copied()),
            Some(purpose) => vault.shred_purpose(PURPOSES[purpose], ids.iter().copied()),
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
            assert!(shredded.is_wiped_here());
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

    fn shred_through(&mut self, process: usize, last: usize) {
        let id = self.customers[last].id;
        let outcome = self.processes[process].1.shred_through(id);
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

    fn shredded(&mut self, process: usize, customer: usize, purpose: usize, outcome: Result<(), &ShredError>) {
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

    /// Half a key store from before, and then the whole one of now: what was restored must be noticed, or open nothing
    /// that is shredded; and the vault as it was must be as if nothing had happened.
    fn go_back(&mut self, record: bool) {
        let Some((then, generation)) = self.then.take() else { return };
        if self.faulty {
            return;
        }
        let vault = &self.processes[0].1;
        let memory = vault.memory();
        let now = memory.snapshot();
        let mark = oubliette::store::PageStore::mark(memory).unwrap();
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
    fn settle(&mut self) {
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
            assert!(self.processes[process].1.health().ready);
        }
    }
}

fn tree_of(sealed: &Sealed<Text>) -> String {
    sealed.as_bytes()[1..9].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What was given up stays so from the first time on.
fn given_up(state: &mut Keys, now: Keys) {
    if *state == Keys::Perhaps {
        *state = now;
    }
}

fuzz_target!(|operations: Vec<Operation>| {
    let mut world = World::new();
    for operation in operations.into_iter().take(200) {
        world.run(operation);
    }
    world.settle();
});
