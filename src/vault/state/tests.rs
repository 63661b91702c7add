//! What is known, without a store, a vault or a thread: a clock that is moved by hand, and records that are made up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use zeroize::Zeroizing;

use super::{Customers, Handle, Known, Places, READS_A_LEASE, Reserved, RollbackProof, Scope, VaultState};
use crate::clock::{Clock, ManualClock, Moment};
use crate::customer::CustomerId;
use crate::derivation::TreeId;
use crate::error::KeyStoreError;
use crate::journal::VaultName;
use crate::key_tree::Resident;
use crate::root_record::{Finding, Record, RecordId, example};
use crate::store::PlaceId;
use crate::sync::{Mutex, lock};
use crate::witness::Witness;

const LEASE: Duration = Duration::from_secs(1);

/// What the places were told to follow.
#[derive(Clone, Default)]
struct Followed(Arc<Mutex<Vec<Vec<PlaceId>>>>);

impl Places for Followed {
    fn open(&self) -> Vec<PlaceId> {
        vec![PlaceId([0x99; 8])]
    }

    fn follow(&self, list: &[PlaceId]) {
        lock(&self.0).push(list.to_vec());
    }
}

struct Test {
    known: Arc<Known>,
    clock: Arc<ManualClock>,
    followed: Followed,
}

impl Test {
    fn new() -> Test {
        let (clock, followed) = (ManualClock::new(Duration::ZERO), Followed::default());
        let scope = Scope { vault: Some(example().clear.vault), ..Scope::default() };
        let known = Known::nothing(Clock::Manual(clock.clone()), scope, followed.clone());
        Test { known, clock, followed }
    }

    fn advance(&self, part_of_a_lease: u32) {
        self.clock.advance(LEASE / part_of_a_lease);
    }

    /// Reads this record now.
    fn read(&self, record: Record, durable: u64) -> Result<(), KeyStoreError> {
        self.known.install(self.known.now(), state(record), durable)
    }

    fn generation(&self) -> Option<u64> {
        self.known.snapshot().map(|state| state.facts.clear.generation)
    }
}

fn id(generation: u64) -> RecordId {
    RecordId([generation as u8; 16])
}

/// The record of a generation, as one history has it.
fn record(generation: u64) -> Record {
    let mut record = example();
    (record.clear.generation, record.clear.id, record.clear.parent) = (generation, id(generation), id(generation - 1));
    record.ring = (1..=generation).rev().map(|generation| id(generation).short()).collect();
    record.settled = generation - 1;
    record
}

/// A record of another history.
fn foreign(generation: u64) -> Record {
    let mut record = record(generation);
    record.clear.id = RecordId([0xee; 16]);
    record.ring = vec![[0xee; 3]; usize::try_from(generation).unwrap()];
    record
}

fn state(record: Record) -> Arc<VaultState> {
    Arc::new(VaultState::load(record, Zeroizing::new(Vec::new()), None, &Resident::of_pages(16)))
}

fn witness(generation: u64) -> u64 {
    Witness { generation, id: id(generation).short() }.packed()
}

#[test]
fn what_is_read_is_known_for_a_lease() {
    let test = Test::new();
    assert!(!test.known.is_fresh() && test.generation().is_none());
    assert!(matches!(test.known.state(), Err(KeyStoreError::LeaseLost { source: None, .. })));
    let sent = test.known.now();
    test.advance(4);
    test.known.install(sent, state(record(5)), 5).unwrap();
    assert!(test.known.is_fresh() && test.generation() == Some(5));
    assert_eq!(test.known.remaining(), LEASE * 3 / 4, "from before it was read");
    assert!(test.known.is_issued(CustomerId::new(64).unwrap()) && !test.known.is_issued(CustomerId::new(65).unwrap()));
    assert_eq!(test.known.wipe_if_lapsed(), Some(LEASE * 3 / 4));
    test.clock.advance(LEASE * 3 / 4);
    assert!(!test.known.is_fresh() && test.generation() == Some(5), "until somebody looks");
    assert_eq!(test.known.wipe_if_lapsed(), Some(Duration::ZERO));
    assert_eq!((test.generation(), test.known.wipe_if_lapsed()), (None, None));
    assert!(matches!(test.known.state(), Err(KeyStoreError::LeaseLost { since, lease: LEASE, .. }) if since == LEASE));
}

#[test]
fn a_read_that_comes_in_late_takes_nothing_back() {
    let test = Test::new();
    test.read(record(5), 5).unwrap();
    test.advance(10);
    let sent = test.known.now();
    test.advance(10);
    // A commit of this process, while a read is under way.
    test.read(record(6), 6).unwrap();
    test.advance(10);
    test.known.install(sent, state(record(5)), 5).unwrap();
    assert_eq!((test.generation(), test.known.durable()), (Some(6), 6));
    // It was merely seen, and a read that was sent before that does not know of it.
    let sent = test.known.now();
    test.advance(10);
    test.read(record(7), 6).unwrap();
    test.known.install(sent, state(record(6)), 6).unwrap();
    assert_eq!((test.generation(), test.known.durable()), (Some(7), 6));
    // One that was sent later and does not see it: it vanished.
    test.advance(10);
    test.read(record(6), 6).unwrap();
    assert_eq!(test.generation(), Some(6));
}

#[test]
fn a_late_read_brings_nothing_back_that_was_wiped() {
    let test = Test::new();
    test.read(record(5), 5).unwrap();
    let sent = test.known.now();
    test.advance(10);
    test.read(record(6), 6).unwrap();
    test.known.wipe();
    test.known.install(sent, state(record(5)), 5).unwrap();
    assert!(test.generation().is_none() && !test.known.is_fresh());
    test.read(record(6), 6).unwrap();
    assert!(test.generation() == Some(6) && test.known.is_fresh());
}

#[test]
fn what_is_durable_only_grows() {
    let test = Test::new();
    test.read(record(5), 4).unwrap();
    assert_eq!((test.known.durable(), test.known.latest_durable().unwrap().generation), (4, 4));
    let changes = test.known.changes();
    // The first slot alone was read this time: it proves less, and takes nothing back.
    test.read(record(5), 3).unwrap();
    assert_eq!((test.known.durable(), test.known.changes()), (4, changes));
    test.known.wipe();
    assert_eq!(test.known.durable(), 4, "a lost lease forgets no fact");
    test.read(record(9), 9).unwrap();
    assert_eq!(test.known.durable(), 9);
}

#[test]
fn a_tree_that_becomes_durable_is_a_change() {
    let test = Test::new();
    let with_tree_of = |made| {
        let mut record = record(7);
        record.trees[2].made = made;
        record
    };
    test.read(with_tree_of(7), 6).unwrap();
    let handle = Handle::register(&test.known, Customers::One(CustomerId::MIN));
    let changes = test.known.changes();
    test.read(with_tree_of(7), 6).unwrap();
    assert_eq!(test.known.changes(), changes, "the same keys");
    test.read(with_tree_of(7), 7).unwrap();
    assert!(test.known.changes() > changes, "handles seal under the tree before it");
    drop(handle);
}

#[test]
fn a_witness_is_a_lease_old_and_durable() {
    let test = Test::new();
    for step in 0..8 {
        // Each is known to be durable when the next one is read.
        test.read(record(10 + step), 9 + step).unwrap();
        let expected = step.checked_sub(u64::from(READS_A_LEASE)).map_or(0, |before| witness(9 + before));
        assert_eq!(test.known.witness_to_seal(), expected, "step {step}");
        test.advance(READS_A_LEASE);
    }
    test.known.wipe();
    assert_eq!(test.known.witness_to_seal(), 0, "a first lease again");
    assert_eq!(test.known.latest_durable().unwrap().generation, 16);
    test.known.remember_proven(Witness { generation: 3, id: id(3).short() });
    assert!(test.known.is_proven(witness(3)) && test.known.is_proven(0) && !test.known.is_proven(witness(4)));
}

/// Else each open of a table in which they alternate would write to what all processors read.
#[test]
fn witnesses_of_many_generations_are_proven_at_the_same_time() {
    let known = Test::new().known;
    let of = |generation: u64| Witness { generation, id: id(generation).short() };
    (1..=256).for_each(|generation| known.remember_proven(of(generation)));
    assert!((1..=256).all(|generation| known.is_proven(of(generation).packed())));
    known.remember_proven(of(257));
    assert!(known.is_proven(of(257).packed()) && !known.is_proven(of(1).packed()), "the one a ring before it");
    assert!(!known.is_proven(Witness { id: [9; 3], ..of(257) }.packed()), "the id counts");
}

#[test]
fn readers_are_waited_for() {
    let test = Test::new();
    let nothing = Duration::ZERO;
    test.read(record(5), 5).unwrap();
    assert!(test.known.wait_for_readers(nothing));
    let reader = test.known.snapshot().unwrap();
    test.read(record(6), 6).unwrap();
    assert!(!test.known.wait_for_readers(nothing), "of the one before");
    let newer = test.known.snapshot().unwrap();
    assert!(!test.known.wait_for_readers(Duration::from_millis(1)));
    drop(reader);
    assert!(test.known.wait_for_readers(nothing), "those of the one that is current hold up nobody");
    test.known.wipe();
    assert!(!newer.drop_signal().was_dropped() && !test.known.wait_for_readers(nothing));
    drop(newer);
    assert!(test.known.wait_for_readers(nothing));
}

/// A read that began before a commit may have found the record that the commit replaced, and hold its keys: nothing of it is installed yet.
#[test]
fn a_read_that_is_under_way_is_waited_for_as_a_reader() {
    let (test, nothing) = (Test::new(), Duration::ZERO);
    test.read(record(7), 7).unwrap();
    let reading = test.known.begin_read();
    let found = state(record(7));
    test.known.install(test.known.now(), state(record(8)), 8).unwrap();
    assert!(!test.known.wait_for_readers(Duration::from_millis(1)), "it holds what it found");
    drop((found, reading));
    assert!(test.known.wait_for_readers(nothing));
    // However often the record is read, nothing piles up.
    (0..1000).for_each(|_| drop(test.known.begin_read()));
    assert!(lock(&test.known.installing).len() <= 2);
}

#[test]
fn the_same_snapshot_without_loaded_pages_leaves_keys_and_lease_alone() {
    let test = Test::new();
    let first = state(record(5));
    test.known.install(test.known.now(), first.clone(), 5).unwrap();
    let (changes, left) = (test.known.changes(), test.known.remaining());
    let bare = first.without_loaded().unwrap();
    test.known.replace_by_bare(bare);
    assert!(!Arc::ptr_eq(&test.known.snapshot().unwrap(), &first));
    assert_eq!((test.known.changes(), test.known.remaining()), (changes, left));
    // Made of one that is not current any more: it is dropped.
    let bare = first.without_loaded().unwrap();
    test.read(record(6), 6).unwrap();
    test.known.replace_by_bare(bare);
    assert_eq!(test.generation(), Some(6));
}

#[test]
fn what_is_refused_stays_so_until_the_record_is_put_right() {
    let test = Test::new();
    test.read(record(9), 9).unwrap();
    let held = test.known.latest_durable();
    assert!(test.known.proof_against(&record(10), held).is_none());
    let (proof, seen) = test.known.proof_against(&record(7), held).unwrap();
    assert!(matches!(proof, RollbackProof::Held(witness) if witness.generation == 9) && seen == 9);
    let error = test.known.refuse(proof, 7, seen);
    assert!(matches!(error, KeyStoreError::RolledBack { have: 7, seen: 9 }));
    assert!(test.generation().is_none() && !test.known.is_fresh());
    assert!(matches!(test.known.state(), Err(KeyStoreError::RolledBack { .. })), "and says why");
    // Also if it is read by one who knew nothing before, and by a read that was under way.
    assert_eq!(test.known.proof_against(&record(7), None).unwrap().1, 9);
    assert!(matches!(test.read(record(7), 7), Err(KeyStoreError::RolledBack { have: 7, seen: 9 })));
    assert!(test.known.proof_against(&foreign(12), None).is_some(), "a later one of another history");
    assert!(test.generation().is_none());
    // The right one is back.
    assert!(test.known.proof_against(&record(9), None).is_none());
    test.known.end_refusal();
    test.read(record(9), 9).unwrap();
    assert!(test.known.state().is_ok() && test.known.trouble().is_none());
}

#[test]
fn a_marked_record_is_held_and_refused_and_witnesses_nothing() {
    let test = Test::new();
    test.read(record(5), 5).unwrap();
    let mut marked = record(6);
    marked.add_finding(Finding::RolledBack(8));
    let changes = test.known.changes();
    test.read(marked, 6).unwrap();
    assert!(test.known.is_fresh() && test.generation() == Some(6));
    assert!(matches!(test.known.state(), Err(KeyStoreError::RolledBack { have: 6, seen: 8 })));
    assert!(test.known.changes() > changes, "what was opened before is looked at again");
    assert_eq!(test.known.latest_durable().unwrap().generation, 5);
}

#[test]
fn a_read_that_fails_ends_nothing_before_the_lease_does() {
    let test = Test::new();
    test.read(record(5), 5).unwrap();
    let error = KeyStoreError::Randomness;
    assert!(!test.known.failed_to_read(&error));
    assert!(test.known.state().is_ok() && test.known.trouble().is_some());
    test.advance(1);
    assert!(test.known.failed_to_read(&error) && test.generation().is_none());
    assert!(matches!(test.known.lapsed(), KeyStoreError::LeaseLost { source: Some(_), .. }));
    test.read(record(5), 5).unwrap();
    assert!(test.known.trouble().is_none() && test.known.is_fresh());
}

#[test]
fn after_it_was_closed_nothing_is_installed() {
    let test = Test::new();
    test.read(record(5), 5).unwrap();
    let first = test.known.snapshot().unwrap();
    test.known.close();
    assert!(matches!(test.read(record(6), 6), Err(KeyStoreError::Closed)));
    test.known.revoke(KeyStoreError::Closed);
    test.known.replace_by_bare(first.without_loaded().unwrap());
    assert!(test.generation().is_none() && matches!(test.known.state(), Err(KeyStoreError::Closed)));
}

#[test]
fn numbers_are_wasted_when_another_may_have_them() {
    let test = Test::new();
    let refill = |numbers: std::ops::Range<u64>| {
        let drops = test.known.numbers().drops();
        test.known.numbers().refill(Reserved { numbers, shredded: Arc::new([]) }, test.known.now(), drops);
    };
    let take = || {
        let now = test.known.now();
        test.known.numbers_at(now).take(now).map(|taken| taken.number.get())
    };
    test.read(record(5), 5).unwrap();
    refill(33..65);
    assert_eq!(take(), Some(33));
    test.read(record(6), 6).unwrap();
    assert_eq!(take(), Some(34), "a commit of others takes none");
    // A machine that was resumed from a snapshot: its lease need not have run out.
    let wall = Clock::Manual(test.clock.clone()).wall();
    test.clock.set_wall(wall + 500_000_000);
    assert!(test.known.is_fresh());
    assert_eq!(take(), None);
    test.read(record(6), 6).unwrap();
    refill(65..97);
    let mut all_of_an_age = record(7);
    all_of_an_age.shredded_through = 65;
    test.read(all_of_an_age, 7).unwrap();
    assert_eq!(take(), None, "a shred by age overtook them");
    refill(97..129);
    let mut recovered = record(8);
    (recovered.shredded_through, recovered.floor) = (65, 8);
    test.read(recovered, 8).unwrap();
    assert_eq!(take(), None, "an operator said which count as issued");
    refill(129..161);
    test.known.wipe();
    assert_eq!(take(), None, "with the lease");
}

#[test]
fn places_follow_the_record() {
    let test = Test::new();
    let (first, second, other) = (PlaceId([0x55; 8]), PlaceId([0x56; 8]), PlaceId([0x99; 8]));
    assert!(test.known.scope().list.is_empty());
    test.read(record(5), 5).unwrap();
    assert_eq!(test.known.scope().list, [first, second]);
    assert_eq!(test.known.scope().unlisted, [other], "open, and not listed");
    let mut detached = record(6);
    detached.places = vec![second];
    test.read(detached, 6).unwrap();
    test.known.wipe();
    assert_eq!((test.known.scope().list, test.known.scope().unlisted), (vec![second], vec![other, first]));
    assert_eq!(*lock(&test.followed.0), [vec![first, second], vec![second]]);
    let mut elsewhere = record(7);
    elsewhere.clear.vault = VaultName::from_bytes([0x12; 16]);
    assert!(test.known.is_of_this_vault(&record(7)) && !test.known.is_of_this_vault(&elsewhere));
}

/// Whoever finds the lease running finds all that came before: the count of changes too.
#[test]
fn each_loss_of_keys_is_counted() {
    let test = Test::new();
    let seen = AtomicU64::new(test.known.changes());
    let changed = || {
        let now = test.known.changes();
        seen.swap(now, Ordering::Relaxed) != now
    };
    test.read(record(5), 5).unwrap();
    assert!(changed(), "the first one");
    test.read(record(6), 6).unwrap();
    assert!(!changed(), "the same keys");
    let mut shredded = record(7);
    shredded.trees.truncate(2);
    test.read(shredded, 7).unwrap();
    assert!(changed());
    test.known.wipe();
    assert!(changed());
}

#[test]
fn a_tree_is_unknown_as_of_one_record() {
    let (test, [one, other]) = (Test::new(), [TreeId([1; 8]), TreeId([2; 8])]);
    let (then, now) = (state(record(5)), state(record(6)));
    let unknown = &test.known.unknown_trees;
    unknown.add(&then, one);
    assert!(unknown.contains(&then, one) && !unknown.contains(&then, other));
    assert!(!unknown.contains(&now, one), "it may have been made since");
    unknown.add(&now, other);
    assert!(unknown.contains(&now, other) && !unknown.contains(&now, one) && !unknown.contains(&then, one));
    for made_up in 0..3000_u64 {
        unknown.add(&now, TreeId(made_up.to_be_bytes()));
    }
    assert!(!unknown.contains(&now, other), "not more than so many are kept");
}

#[test]
fn a_moment_is_told_in_which_it_was_confirmed() {
    let test = Test::new();
    let before: Moment = test.known.now();
    assert!(!test.known.was_confirmed_since(before));
    test.advance(10);
    test.read(record(5), 5).unwrap();
    assert!(test.known.was_confirmed_since(before) && !test.known.was_confirmed_since(test.known.now()));
    assert_eq!(test.known.last_lease(), LEASE);
}
