//! What is done, what the model knows, and what of it a process may not know yet.

use std::collections::BTreeMap;
use std::time::Duration;

use arbitrary::Arbitrary;
use oubliette::personal::Text;
use oubliette::store::Memory;
use oubliette::testing::TestVault;
use oubliette::{CustomerId, CustomerKeys, Field, Index, KeyStoreError, Outcome, Purpose, Sealed, Token, Vault, bits};

pub(crate) const PURPOSES: [Purpose; 2] = [Purpose::new("orders"), Purpose::new("newsletter")];
pub(crate) const FIELDS: [Field<Text>; 2] = [PURPOSES[0].field("note"), PURPOSES[1].field("note")];
pub(crate) const BY_NOTE: Index<Text> = FIELDS[0].index("exact", bits(64));
/// The lease of a vault in memory, in milliseconds.
pub(crate) const LEASE: u64 = 1000;
pub(crate) const MOST_PROCESSES: usize = 3;

#[derive(Arbitrary, Debug)]
pub(crate) enum Operation {
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
pub(crate) enum State {
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
pub(crate) enum Keys {
    /// A call to give them up answered "unknown".
    Perhaps,
    GivenUp {
        since: u64,
        by: usize,
    },
}

pub(crate) struct Customer {
    pub(crate) id: CustomerId,
    pub(crate) enrolled: u64,
    /// A state a purpose.
    pub(crate) states: [State; 2],
}

pub(crate) struct Value {
    pub(crate) customer: usize,
    pub(crate) purpose: usize,
    pub(crate) sealed: Sealed<Text>,
    pub(crate) text: String,
}

pub(crate) struct World {
    /// Each with handles that it keeps.
    pub(crate) processes: Vec<(usize, TestVault, Vec<(usize, CustomerKeys)>)>,
    pub(crate) started: usize,
    pub(crate) customers: Vec<Customer>,
    pub(crate) values: Vec<Value>,
    /// Trees that were given up, by their ids.
    pub(crate) trees: BTreeMap<String, Keys>,
    /// Epochs that were given up.
    pub(crate) epochs: BTreeMap<u8, Keys>,
    /// The token of one text in each epoch.
    pub(crate) tokens: BTreeMap<u8, Token<Text>>,
    /// Milliseconds.
    pub(crate) now: u64,
    /// The store may fail: errors are no findings until it was found again.
    pub(crate) faulty: bool,
    pub(crate) then: Option<(Memory, u64)>,
}

impl World {
    pub(crate) fn new() -> World {
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

    pub(crate) fn process(&self, which: u8) -> usize {
        usize::from(which) % self.processes.len()
    }

    pub(crate) fn customer(&self, which: u8) -> Option<usize> {
        (!self.customers.is_empty()).then(|| usize::from(which) % self.customers.len())
    }

    /// An error of the key store: only while it fails, and never one that wakes somebody.
    pub(crate) fn excuse(&self, error: &KeyStoreError) {
        assert!(self.faulty, "{error:?} without a fault");
        assert_eq!(error.outcome(), Outcome::TryAgain, "{error:?}");
    }

    pub(crate) fn may_not_know(&self, customer: usize) -> bool {
        // Within a lease, a process may not have heard of a number yet.
        self.faulty || self.now - self.customers[customer].enrolled < LEASE
    }

    pub(crate) fn advance(&mut self, millis: u64) {
        self.processes[0].1.advance(Duration::from_millis(millis));
        self.now += millis;
    }

    pub(crate) fn keys(&mut self, process: usize, customer: usize) -> CustomerKeys {
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
}
