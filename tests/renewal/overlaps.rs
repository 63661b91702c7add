//! What happens while an epoch or a key tree is given up: other jobs, other processes, slow stores, failing ones.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oubliette::store::*;
use oubliette::testing::{Steps, Stop};
use oubliette::{ChangeError, OpenError, Outcome, RootKey, Vault, search::Epoch};

use super::*;

type Hook = Box<dyn FnOnce() + Send>;

/// A store of an application's own: in memory, replicated or not, that does something once when a page is read, or
/// panics after it has written.
#[derive(Clone)]
struct Own {
    memory: Memory,
    at_a_read: Arc<Mutex<Option<Hook>>>,
    panics: Arc<AtomicUsize>,
    replicated: bool,
}

impl Own {
    fn new(replicated: bool) -> Own {
        Own { memory: Memory::new(), at_a_read: Arc::default(), panics: Arc::default(), replicated }
    }

    fn create(&self) -> Vault {
        self.builder().create(RootKey::bytes([1; 32])).unwrap()
    }

    /// A process that has loaded no page yet.
    fn unlock(&self) -> Vault {
        self.builder().unlock(RootKey::bytes([1; 32])).unwrap()
    }

    fn builder(&self) -> oubliette::VaultBuilder {
        Vault::on(self.clone(), self.clone()).purposes([ORDERS]).lease(Duration::from_millis(300))
    }

    fn at_a_read(&self, hook: impl FnOnce() + Send + 'static) {
        *self.at_a_read.lock().unwrap() = Some(Box::new(hook));
    }
}

impl PageStore for Own {
    fn put(&self, mark: &Mark, pages: &[StoredPage]) -> Result<(), StoreError> {
        self.memory.put(mark, pages)
    }

    fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError> {
        let hook = self.at_a_read.lock().unwrap().take();
        if let Some(hook) = hook {
            hook();
        }
        self.memory.get(name)
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        self.memory.mark()
    }

    fn replace_mark(&self, mark: &Mark) -> Result<(), StoreError> {
        self.memory.replace_mark(mark)
    }

    fn sweep(&self, live: &HashSet<PageName>, generation: u64, keep: Duration) -> Result<Usage, StoreError> {
        self.memory.sweep(live, generation, keep)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        self.memory.usage()
    }
}

impl RootStore for Own {
    fn read(&self, place: PlaceId) -> Vec<RootCopy> {
        self.memory.read(place)
    }

    fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
        Ok(Box::new(OwnLock(self.memory.lock(places, wait)?, &self.panics)))
    }

    fn places(&self) -> Vec<PlaceId> {
        self.memory.places()
    }

    fn is_replicated(&self) -> bool {
        self.replicated
    }
}

struct OwnLock<'o>(Box<dyn RootLock + 'o>, &'o AtomicUsize);

impl RootLock for OwnLock<'_> {
    fn write(&mut self, place: PlaceId, slot: usize, record: &[u8]) -> Result<(), StoreError> {
        let before = self.0.write(place, slot, record);
        let left = self.1.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        assert!(left != Ok(1), "a bug of the store's, after it has written");
        before
    }
}

#[test]
fn a_store_of_ones_own_says_whether_it_is_replicated() {
    for replicated in [false, true] {
        let vault = Own::new(replicated).create();
        let new = vault.rotate_purpose(ORDERS).unwrap().0;
        match vault.retire_replaced(ORDERS, new) {
            Ok(_) => assert!(replicated),
            Err(ChangeError::OnePlace) => assert!(!replicated),
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// Another job replaced the tree again: what was moved to the first new tree is not given up with the old one.
#[test]
fn only_what_was_replaced_by_the_tree_named_is_given_up() {
    let vault = Vault::in_memory([ORDERS]);
    let alice = vault.enroll().unwrap();
    let other = vault.second().unwrap();
    let old = vault.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    let first = vault.rotate_purpose(ORDERS).unwrap();
    vault.advance(Duration::from_secs(2));
    let moved = vault.reseal(alice, EMAIL, &old).unwrap().unwrap();
    let second = other.rotate_purpose(ORDERS).unwrap();

    assert_eq!(vault.retire_replaced(ORDERS, first.0).unwrap().0.len(), 1);
    assert!(matches!(vault.open(alice, EMAIL, &old), Err(OpenError::Retired { .. })));
    assert!(vault.open(alice, EMAIL, &moved).is_ok());
    assert_eq!(vault.retire_replaced(ORDERS, second.0).unwrap().0.len(), 2);
    assert!(matches!(vault.open(alice, EMAIL, &moved), Err(OpenError::Retired { .. })));
    // Within its lease a process may still take the first one for the newest. With it all that it had replaced was given up: that is
    // done already, and no error.
    let active = other.status().unwrap().purposes.into_iter().find(|tree| tree.active).unwrap();
    assert_eq!(active.tree, second.0);
    assert_eq!(other.retire_replaced(ORDERS, first.0).unwrap().0.len(), 2);

    // A tree of another vault, and one of another purpose, name nothing.
    let vault = Vault::in_memory([ORDERS, NEWS]);
    let news = vault.rotate_purpose(NEWS).unwrap().0;
    assert!(matches!(vault.retire_replaced(ORDERS, news), Err(ChangeError::UnknownTree { .. })));
    assert!(matches!(vault.retire_replaced(ORDERS, first.0), Err(ChangeError::UnknownTree { .. })));
}

/// With a copy that cannot be overwritten, whoever follows the advice to call again must not use up epochs and trees.
#[test]
fn what_begins_is_done_even_if_an_old_copy_remains() {
    let (scratch, steps) = (tempfile::tempdir().unwrap(), Steps::new());
    let at = Directory::at(scratch.path().join("main")).mirror(scratch.path().join("mirror")).steps(&steps);
    let vault = oubliette::VaultBuilder::in_directory(at).purposes([ORDERS]).lease(Duration::from_millis(300));
    let vault = vault.create(RootKey::bytes([1; 32])).unwrap();
    // The sync of the last slot.
    let fail_last = |last: u64| steps.stop_at(last, Stop::Fail(Problem::Io));
    steps.reset();
    let _ = vault.begin_epoch(BY_EMAIL).unwrap();
    let last = steps.taken();
    fail_last(last);
    assert_eq!(vault.begin_epoch(BY_EMAIL).unwrap().0.number(), 2);
    steps.reset();
    // The record says now that the epoch is durable, so that the retirement is one commit.
    let _ = vault.rotate_purpose(ORDERS).unwrap();
    fail_last(last);
    let retired = vault.retire_epoch(BY_EMAIL, Epoch::FIRST);
    assert!(matches!(retired, Err(ChangeError::OldCopyRemains(_))), "{retired:?}");
    steps.reset();
    let _ = vault.rotate_purpose(ORDERS).unwrap();
    let last = steps.taken();
    fail_last(last);
    let new = vault.rotate_purpose(ORDERS).unwrap().0;
    steps.reset();
    assert_eq!(vault.status().unwrap().purposes.last().map(|tree| tree.tree), Some(new));
}

#[test]
fn after_an_unknown_outcome_one_is_told_what_is() {
    let mut unknown = 0;
    for at in 1..20 {
        let vault = Vault::in_memory([ORDERS]);
        vault.steps().stop_at(at, Stop::Die { torn: false });
        let begun = vault.begin_epoch(BY_EMAIL);
        vault.steps().reset();
        unknown += u32::from(matches!(begun, Err(ChangeError::Unknown(_))));
        vault.advance(Duration::from_secs(2));
        let there = vault.second().unwrap().epochs(BY_EMAIL).unwrap();
        assert_eq!(vault.epochs(BY_EMAIL).unwrap(), there);
    }
    assert!(unknown > 0);
}

#[test]
fn a_list_of_customers_may_take_its_time() {
    let vault = Vault::in_memory([ORDERS]);
    let (alice, bob) = (vault.enroll().unwrap(), vault.enroll().unwrap());
    let mut wiped = Vec::new();
    let slow = [bob, alice].into_iter().inspect(|_| wiped.push(vault.shred([alice]).unwrap().commit().is_wiped_here()));
    assert_eq!(vault.shredded_among(ORDERS, slow).unwrap(), [alice], "shredded while the list was read");
    assert_eq!(wiped, [true, true]);
}

/// Reading a page takes longer than it takes to retire the epoch: no token of it comes out.
#[test]
fn a_token_that_took_its_time_is_not_one_of_a_retired_epoch() {
    let store = Own::new(true);
    let vault = store.create();
    let _ = vault.begin_epoch(BY_EMAIL).unwrap();
    vault.close().unwrap();
    let vault = store.unlock();
    let other = vault.clone();
    store.at_a_read(move || {
        let retired = std::thread::spawn(move || other.retire_epoch(BY_EMAIL, Epoch::FIRST).unwrap());
        std::thread::sleep(Duration::from_millis(1500));
        assert!(retired.is_finished(), "retired while the page was read");
    });
    let tokens = vault.tokens(BY_EMAIL, &email("alice@example.com")).unwrap();
    assert_eq!(tokens.iter().map(|token| token.epoch().number()).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_handle_that_was_overtaken_says_retired() {
    let store = Own::new(true);
    let vault = store.create();
    let (alice, bob) = (vault.enroll().unwrap(), vault.enroll().unwrap());
    let sealed = vault.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    let new = vault.rotate_purpose(ORDERS).unwrap().0;
    // So that there are pages to read, and the record says that the tree is durable.
    let _ = vault.shred([bob]).unwrap();
    vault.close().unwrap();
    let vault = store.unlock();
    let keys = vault.customer(alice);
    let other = vault.clone();
    store.at_a_read(move || {
        let before = other.generation().unwrap();
        let retiring = other.clone();
        std::thread::spawn(move || retiring.retire_replaced(ORDERS, new));
        while other.generation().unwrap() == before {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    for _ in 0..2 {
        match keys.open(EMAIL, &sealed) {
            Err(OpenError::Retired { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// A call that panics is a call that failed, and is told as that.
#[test]
fn a_store_that_panics_is_one_whose_call_failed() {
    let store = Own::new(true);
    let vault = store.create();
    let new = vault.rotate_purpose(ORDERS).unwrap().0;
    let panics = |nth| store.panics.store(nth, Ordering::SeqCst);
    // What the commit is based on is written again first.
    panics(1);
    assert!(matches!(vault.retire_replaced(ORDERS, new), Err(ChangeError::NothingHappened(_))));
    assert_eq!(vault.retire_replaced(ORDERS, new).unwrap().0.len(), 1);
    panics(1);
    assert!(matches!(vault.begin_epoch(BY_EMAIL), Err(ChangeError::NothingHappened(_))));
    // Then its own record: it is found, and settled by the second try.
    panics(2);
    assert_eq!(vault.begin_epoch(BY_EMAIL).unwrap().0.number(), 1);
    assert_eq!(vault.epochs(BY_EMAIL).unwrap().current.number(), 1);
}

/// No process seals under a tree, or makes tokens in an epoch, once it was given up.
#[test]
fn giving_up_waits_for_the_other_processes() {
    let store = Own::new(true);
    let (vault, other) = (store.create(), store.unlock());
    let alice = vault.enroll().unwrap();
    let new = vault.rotate_purpose(ORDERS).unwrap().0;
    let begun = std::time::Instant::now();
    let _ = vault.retire_replaced(ORDERS, new).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300));
    let sealed = other.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    assert!(vault.open(alice, EMAIL, &sealed).is_ok());
}

#[test]
fn resealing_what_is_not_ones_own_is_told() {
    let vault = Vault::in_memory([ORDERS, NEWS]);
    let (alice, bob) = (vault.enroll().unwrap(), vault.enroll().unwrap());
    let sealed = vault.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    for refused in [
        vault.reseal(bob, EMAIL, &sealed).map(|_| ()),
        vault.reseal(alice, NEWS_EMAIL, &sealed).map(|_| ()),
        vault.customer(bob).reseal(EMAIL, &sealed).map(|_| ()),
    ] {
        assert_eq!(refused.unwrap_err().outcome(), Outcome::Investigate);
    }
}

/// A value whose encoding is the application's code, and takes as long as that likes.
struct Slow<'v>(&'v dyn Fn());

impl oubliette::personal::PersonalData for Slow<'_> {
    const TAG: oubliette::personal::TypeTag = oubliette::personal::TypeTag::new("slow");
    const PADDING: oubliette::personal::Padding = oubliette::personal::Padding::steps_of(16);

    fn encode(&self, out: &mut oubliette::personal::Plaintext) {
        (self.0)();
        out.extend(b"slow");
    }

    fn decode(bytes: &[u8]) -> Result<Self, oubliette::personal::Invalid> {
        if bytes == b"slow" { Ok(Slow(&|| ())) } else { Err(oubliette::personal::Invalid::Content) }
    }
}

/// The tree is replaced and given up while a value is encoded: it is sealed under the one that is there then. And while that
/// takes longer than the lease, with a handle that has derived its keys, everybody else goes on.
#[test]
fn a_value_that_is_slow_to_encode_is_never_sealed_under_a_tree_that_is_gone() {
    let store = Own::new(true);
    let vault = store.create();
    let alice = vault.enroll().unwrap();
    let keys = vault.customer(alice);
    let field = ORDERS.field::<Slow<'_>>("slow");
    let _ = keys.seal(field, &Slow(&|| ())).unwrap();
    let overtake = || {
        let new = vault.rotate_purpose(ORDERS).unwrap().0;
        let _ = vault.retire_replaced(ORDERS, new).unwrap();
        vault.refresh().expect("a handle that is in use holds nobody up");
        assert!(vault.seal(alice, EMAIL, &email("alice@example.com")).is_ok());
    };
    for by_handle in [false, true] {
        let value = Slow(&overtake);
        let sealed = if by_handle { keys.seal(field, &value) } else { vault.seal(alice, field, &value) }.unwrap();
        assert!(vault.open(alice, field, &sealed).is_ok() && keys.open(field, &sealed).is_ok());
        assert!(!vault.needs_reseal(&sealed).unwrap());
    }
}

/// A mirror cannot be written when a tree, an epoch and a block of numbers are made: the answer says so, and nothing uses them before
/// the mirror has them.
#[test]
fn what_is_not_in_every_place_is_not_used() {
    let (scratch, steps) = (tempfile::tempdir().unwrap(), Steps::new());
    let layout = || Directory::at(scratch.path().join("main")).mirror(scratch.path().join("mirror"));
    let at = |layout| oubliette::VaultBuilder::in_directory(layout).purposes([ORDERS]).lease(Duration::from_secs(20));
    let vault = at(layout().steps(&steps)).create(RootKey::bytes([1; 32])).unwrap();
    let other = at(layout()).unlock(RootKey::bytes([1; 32])).unwrap();
    let (alice, value) = (vault.enroll().unwrap(), email("alice@example.com"));
    let old = vault.seal(alice, EMAIL, &value).unwrap();
    // The last steps are writes and syncs of the mirror's two slots. A sweep waits for numbers that are being reserved.
    let _ = vault.sweep().unwrap();
    steps.reset();
    let _ = vault.begin_epoch(BY_EMAIL).unwrap();
    let with_pages = steps.taken();
    steps.reset();
    let _ = vault.rotate_purpose(ORDERS).unwrap();
    let without = steps.taken();
    let moved = vault.reseal(alice, EMAIL, &old).unwrap().unwrap();

    steps.stop_at(without - 2, Stop::Fail(Problem::Io));
    let made = vault.rotate_purpose(ORDERS);
    let Err(ChangeError::NotInEveryPlace(cause)) = &made else { panic!("{made:?}") };
    let place = vault.status().unwrap().places[1];
    assert!(
        matches!(cause, oubliette::KeyStoreError::NotInEveryPlace { place: found, .. } if *found == place),
        "{cause:?}"
    );
    for vault in [&vault, &other] {
        vault.refresh().unwrap();
        let sealed = vault.seal(alice, EMAIL, &value).unwrap();
        let newest = vault.status().unwrap().purposes.into_iter().find(|tree| tree.active).unwrap();
        assert!(vault.needs_reseal(&sealed).unwrap(), "sealed under the tree before {}", newest.tree);
        let keys = vault.customer(alice);
        assert!(vault.needs_reseal(&keys.seal(EMAIL, &value).unwrap()).unwrap(), "with a handle, too");
        assert!(!vault.needs_reseal(&moved).unwrap() || keys.open(EMAIL, &moved).is_ok());
    }
    // Whoever commits next makes it count, and handles that are held move to it.
    let keys = other.customer(alice);
    let _ = keys.seal(EMAIL, &value).unwrap();
    let bob = vault.enroll().unwrap();
    let _ = vault.shred([bob]).unwrap();
    other.refresh().unwrap();
    for sealed in [vault.seal(alice, EMAIL, &value).unwrap(), keys.seal(EMAIL, &value).unwrap()] {
        assert!(!vault.needs_reseal(&sealed).unwrap());
    }

    let before = vault.token(BY_EMAIL, &value).unwrap();
    let _ = vault.sweep().unwrap();
    steps.stop_at(with_pages - 2, Stop::Fail(Problem::Io));
    let begun = vault.begin_epoch(BY_EMAIL);
    assert!(matches!(begun, Err(ChangeError::NotInEveryPlace(_))), "{begun:?}");
    for vault in [&vault, &other] {
        vault.refresh().unwrap();
        assert_eq!(vault.token(BY_EMAIL, &value).unwrap(), before, "in the epoch before");
        assert_eq!(vault.tokens(BY_EMAIL, &value).unwrap().len(), 3, "but it is found whoever makes it");
    }
    let _ = vault.shred([vault.enroll().unwrap()]).unwrap();
    assert_eq!(vault.token(BY_EMAIL, &value).unwrap().epoch().number(), 2);
}
