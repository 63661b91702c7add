//! Random operations on several instances of one vault, with time passing and a store that fails, against a map of who
//! is alive and who is shredded for which purpose.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use oubliette::personal::Text;
use oubliette::store::Problem;
use oubliette::testing::Stop;
use oubliette::testing::TestVault;
use oubliette::{CustomerId, Field, OpenError, Outcome, Purpose, SealError, Sealed, ShredError, Shredded, Vault};
use proptest::prelude::*;
use proptest::sample::Index;

const PURPOSES: [Purpose; 2] = [Purpose::new("orders"), Purpose::new("newsletter")];
const LEASE: u64 = 1000;

fn note(purpose: usize) -> Field<Text> {
    PURPOSES[purpose].field("note")
}

#[derive(Clone, Debug)]
enum Op {
    Enroll(Index),
    Seal(Index, Index, usize),
    Open(Index, Index),
    Shred(Index, Vec<Index>, Option<usize>),
    ShredUnknown(Index, Index),
    Pass(u64),
    Refresh(Index),
    Sweep(Index),
    Join,
    Leave(Index),
    Break(u64, Stop),
    Mend,
}

fn stop() -> impl Strategy<Value = Stop> {
    prop_oneof![Just(Stop::Fail(Problem::Io)), Just(Stop::FailFrom(Problem::Full)), Just(Stop::Die { torn: false }),]
}

fn op() -> impl Strategy<Value = Op> {
    let index = any::<Index>;
    let whom = || proptest::collection::vec(index(), 1..4);
    prop_oneof![
        3 => index().prop_map(Op::Enroll),
        5 => (index(), index(), 0..2_usize).prop_map(|(at, who, purpose)| Op::Seal(at, who, purpose)),
        8 => (index(), index()).prop_map(|(at, value)| Op::Open(at, value)),
        4 => (index(), whom(), proptest::option::of(0..2_usize))
            .prop_map(|(at, whom, purpose)| Op::Shred(at, whom, purpose)),
        1 => (index(), index()).prop_map(|(at, who)| Op::ShredUnknown(at, who)),
        4 => prop_oneof![Just(1), Just(300), Just(999), Just(1000), Just(2500)].prop_map(Op::Pass),
        2 => index().prop_map(Op::Refresh),
        1 => index().prop_map(Op::Sweep),
        1 => Just(Op::Join),
        1 => index().prop_map(Op::Leave),
        2 => (1..12_u64, stop()).prop_map(|(step, stop)| Op::Break(step, stop)),
        3 => Just(Op::Mend),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Alive,
    /// Since when; others may go on for a lease.
    Shredded(u64),
    /// A shred said that it does not know.
    Unclear(u64),
}

type Key = (CustomerId, usize);

struct Instance {
    vault: TestVault,
    /// Whom it shredded or saw shredded: never alive again for it.
    dead: BTreeSet<Key>,
}

struct Model {
    instances: Vec<Instance>,
    lives: BTreeMap<Key, Life>,
    customers: Vec<CustomerId>,
    values: Vec<(Key, String, Sealed<Text>)>,
    now: u64,
    broken: bool,
    /// What was to be shredded in one commit whose outcome is unclear: all of it or nothing.
    unclear: Vec<Vec<Key>>,
}

impl Model {
    fn new() -> Model {
        let vault = Vault::in_memory(PURPOSES);
        let first = Instance { vault, dead: BTreeSet::new() };
        Model {
            instances: vec![first],
            lives: BTreeMap::new(),
            customers: Vec::new(),
            values: Vec::new(),
            now: 0,
            broken: false,
            unclear: Vec::new(),
        }
    }

    fn at(&self, index: &Index) -> usize {
        index.index(self.instances.len())
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Enroll(at) => self.enroll(self.at(&at)),
            Op::Break(step, stop) => {
                self.broken = true;
                self.instances[0].vault.steps().stop_at(step, stop);
            }
            Op::Mend => self.mend(),
            Op::Pass(time) => self.pass(time),
            Op::Refresh(at) => {
                let done = self.instances[self.at(&at)].vault.refresh();
                assert!(done.is_ok() || self.broken, "{done:?}");
            }
            Op::Sweep(at) => {
                let done = self.instances[self.at(&at)].vault.sweep();
                assert!(done.is_ok() || self.broken, "{done:?}");
                // Superseded pages are kept for no time here, and for longer than a lease in real life.
                self.pass(LEASE);
            }
            Op::Join => {
                if let Ok(vault) = self.instances[0].vault.second() {
                    self.instances.push(Instance { vault, dead: BTreeSet::new() });
                } else {
                    assert!(self.broken);
                }
            }
            Op::Leave(at) if self.instances.len() > 1 => drop(self.instances.remove(self.at(&at))),
            Op::Leave(_) => {}
            _ if self.customers.is_empty() => {}
            Op::Seal(at, who, purpose) => self.seal(self.at(&at), *who.get(&self.customers), purpose),
            Op::Shred(at, whom, purpose) => {
                let whom: BTreeSet<CustomerId> = whom.iter().map(|who| *who.get(&self.customers)).collect();
                self.shred(self.at(&at), &whom, purpose);
            }
            Op::ShredUnknown(at, who) => {
                let unknown = CustomerId::from_stored(1 << 39).unwrap();
                let whom = [*who.get(&self.customers), unknown];
                match self.instances[self.at(&at)].vault.shred(whom).unwrap_err() {
                    ShredError::NotEnrolled { customer } => assert_eq!(customer, unknown),
                    ShredError::NothingHappened(_) => assert!(self.broken),
                    error => panic!("{error:?}"),
                }
            }
            Op::Open(_, _) if self.values.is_empty() => {}
            Op::Open(at, value) => self.open(self.at(&at), value.index(self.values.len())),
        }
    }

    fn mend(&mut self) {
        self.broken = false;
        self.instances[0].vault.steps().reset();
    }

    fn pass(&mut self, time: u64) {
        self.now += time;
        self.instances[0].vault.advance(Duration::from_millis(time));
    }

    fn enroll(&mut self, at: usize) {
        match self.instances[at].vault.enroll() {
            Ok(customer) => {
                assert!(!self.customers.contains(&customer), "{customer} is issued twice");
                self.customers.push(customer);
                self.lives.extend((0..2).map(|purpose| ((customer, purpose), Life::Alive)));
            }
            Err(error) => assert!(self.broken, "{error:?}"),
        }
    }

    /// An instance worked with a customer's key: may it still?
    fn was_alive(&self, at: usize, key: Key) {
        let by = match self.lives[&key] {
            Life::Alive | Life::Unclear(_) => u64::MAX,
            Life::Shredded(since) => since + LEASE,
        };
        assert!(self.now < by, "{key:?} lives beyond the lease");
        assert!(!self.instances[at].dead.contains(&key), "{key:?} is back from the dead");
    }

    fn was_dead(&mut self, at: usize, key: Key) {
        match self.lives[&key] {
            Life::Alive => panic!("{key:?} is lost"),
            Life::Unclear(since) => drop(self.lives.insert(key, Life::Shredded(since))),
            Life::Shredded(_) => {}
        }
        self.instances[at].dead.insert(key);
    }

    fn seal(&mut self, at: usize, customer: CustomerId, purpose: usize) {
        let text = format!("value {} of {customer} in {purpose}", self.values.len());
        let key = (customer, purpose);
        match self.instances[at].vault.seal(customer, note(purpose), &text.parse().unwrap()) {
            Ok(sealed) => {
                self.was_alive(at, key);
                self.values.push((key, text, sealed));
            }
            Err(SealError::Shredded { .. }) => self.was_dead(at, key),
            Err(error) => {
                assert!(self.broken, "{error:?}");
                assert_eq!(error.outcome(), Outcome::TryAgain, "{error:?}");
            }
        }
    }

    fn open(&mut self, at: usize, value: usize) {
        let ((customer, purpose), text, sealed) = &self.values[value];
        let key = (*customer, *purpose);
        match self.instances[at].vault.open(*customer, note(*purpose), sealed) {
            Ok(opened) => {
                assert_eq!(opened.expose_personal_data(), text);
                self.was_alive(at, key);
            }
            Err(OpenError::Shredded { .. }) => self.was_dead(at, key),
            Err(error) => {
                assert!(self.broken, "{error:?}");
                assert_eq!(error.outcome(), Outcome::TryAgain, "{error:?}");
            }
        }
    }

    fn shred(&mut self, at: usize, whom: &BTreeSet<CustomerId>, purpose: Option<usize>) {
        let vault = &self.instances[at].vault;
        let done = match purpose {
            None => vault.shred(whom.iter().copied()),
            Some(purpose) => vault
                .shredding(whom.iter().copied().collect::<oubliette::ShredTarget>())
                .purpose(PURPOSES[purpose])
                .run(),
        };
        let purposes = purpose.map_or(0..2, |purpose| purpose..purpose + 1);
        let keys: Vec<Key> = whom.iter().flat_map(|who| purposes.clone().map(|purpose| (*who, purpose))).collect();
        match done {
            Ok(shredded) => {
                self.check_report(&shredded, whom, purposes, &keys);
                keys.iter().for_each(|key| self.set_shredded(at, *key));
            }
            Err(ShredError::OldCopyRemains(_)) => {
                assert!(self.broken);
                keys.iter().for_each(|key| self.set_shredded(at, *key));
            }
            // Which is taken by its word: whoever lives is to be found alive.
            Err(ShredError::NothingHappened(error)) => assert!(self.broken, "{error:?}"),
            Err(ShredError::Unknown(error)) => {
                assert!(self.broken, "{error:?}");
                let alive: Vec<Key> = keys.into_iter().filter(|key| self.lives[key] == Life::Alive).collect();
                self.lives.extend(alive.iter().map(|key| (*key, Life::Unclear(self.now))));
                self.unclear.push(alive);
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    fn set_shredded(&mut self, at: usize, key: Key) {
        if !matches!(self.lives[&key], Life::Shredded(_)) {
            self.lives.insert(key, Life::Shredded(self.now));
        }
        // A commit that was unclear is no more, when a later one names one of its people.
        self.unclear.iter_mut().for_each(|group| group.retain(|other| *other != key));
        self.instances[at].dead.insert(key);
    }

    fn check_report(
        &self,
        shredded: &Shredded,
        whom: &BTreeSet<CustomerId>,
        purposes: std::ops::Range<usize>,
        keys: &[Key],
    ) {
        if keys.iter().any(|key| matches!(self.lives[key], Life::Unclear(_))) || self.broken {
            return;
        }
        let was_dead = |key: &Key| matches!(self.lives[key], Life::Shredded(_));
        let already: Vec<CustomerId> =
            whom.iter().copied().filter(|who| purposes.clone().all(|purpose| was_dead(&(*who, purpose)))).collect();
        assert_eq!(shredded.already_shredded(), already);
        assert_eq!(shredded.newly_shredded(), keys.iter().filter(|key| !was_dead(key)).count() as u64);
        assert!(shredded.commit().is_wiped_here());
    }

    /// When all is mended and a lease has passed, everybody agrees, exactly.
    fn settle(&mut self) {
        self.mend();
        self.pass(LEASE);
        self.run(Op::Join);
        for at in 0..self.instances.len() {
            for value in 0..self.values.len() {
                self.open(at, value);
            }
            for key in self.lives.keys().copied().collect::<Vec<_>>() {
                self.seal(at, key.0, key.1);
            }
        }
        for group in &self.unclear {
            let dead = |key: &&Key| matches!(self.lives[*key], Life::Shredded(_));
            let count = group.iter().filter(dead).count();
            assert!(count == 0 || count == group.len(), "one commit happened by half: {group:?}");
        }
        let status = self.instances[0].vault.status().unwrap();
        for (purpose, status) in status.purposes.iter().enumerate() {
            let dead = self.lives.iter().filter(|(key, life)| key.1 == purpose && matches!(life, Life::Shredded(_)));
            assert_eq!(status.shredded, dead.count() as u64);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn the_vault_agrees_with_a_map(ops in proptest::collection::vec(op(), 1..80)) {
        let mut model = Model::new();
        ops.into_iter().for_each(|op| model.run(op));
        model.settle();
    }
}

/// The model sees what it is there to see (`.ci/planted`).
#[cfg(planted)]
#[test]
fn planted_bugs_are_seen() {
    use oubliette::planted::{Bug, plant};
    use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

    for bug in [Bug::StaleRootKey, Bug::SeedLeft, Bug::OneTreeOnly, Bug::ReusedPageKey] {
        let config =
            ProptestConfig { failure_persistence: None, max_shrink_iters: 0, ..ProptestConfig::with_cases(300) };
        let found = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)).run(
            &proptest::collection::vec(op(), 1..80),
            |ops| {
                let mut model = Model::new();
                plant(Some(bug));
                ops.into_iter().for_each(|op| model.run(op));
                plant(None);
                model.settle();
                Ok(())
            },
        );
        plant(None);
        assert!(found.is_err(), "{bug:?} passes for a sound vault");
    }
}
