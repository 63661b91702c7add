//! F1 to F12: a store whose commits are seen before they are durable, and become so in order. Whoever goes by what is only seen has it settled first, but for a commit
//! that is built upon it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oubliette::store::{
    Changed, CopyContent, LockError, Mark, Memory, NotWritten, OrderedRead, PageName, PageStore, PlaceId, Problem,
    RootCopy, RootLock, RootStore, StoreError, StoreName, StoredPage, Usage, WholeCommit,
};
use oubliette::{KeyStoreError, OpenError, ShredError, Vault};

use super::support::*;

/// What a crash leaves is what was there at the last flush.
#[derive(Clone)]
struct Logged {
    memory: Memory,
    together: StoreName,
    log: Arc<Mutex<Log>>,
}

struct Log {
    on_disk: Memory,
    is_flushed: bool,
    /// No flush comes back: the disk hangs, or the standby is away, or follows another one.
    is_stuck: bool,
    /// Whether all is on the standbys nobody can tell without asking them.
    never_tells: bool,
    /// How often what was read under the lock was settled.
    settled: u32,
    in_one_step: u32,
}

impl Logged {
    fn new() -> Logged {
        let memory = Memory::new();
        let on_disk = memory.snapshot();
        let log = Log { on_disk, is_flushed: true, is_stuck: false, never_tells: false, settled: 0, in_one_step: 0 };
        Logged { memory, together: StoreName::new(), log: Arc::new(Mutex::new(log)) }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flush(&self) -> Result<(), StoreError> {
        let mut log = self.log();
        if log.is_stuck {
            return Err(StoreError::new(Problem::NoAnswer, "the log"));
        }
        (log.on_disk, log.is_flushed) = (self.memory.snapshot(), true);
        Ok(())
    }

    fn is_stuck(&self, is_stuck: bool) {
        self.log().is_stuck = is_stuck;
    }

    /// Since the last call: settled, and in one step.
    fn counts(&self) -> [u32; 2] {
        let mut log = self.log();
        [std::mem::take(&mut log.settled), std::mem::take(&mut log.in_one_step)]
    }

    /// The server goes down, and comes back.
    fn crash(&self) {
        let mut log = self.log();
        self.memory.restore(&log.on_disk);
        (log.is_flushed, log.is_stuck) = (true, false);
    }

    /// As another process, which reads the record when it is told to.
    fn unlock(&self) -> Vault {
        Vault::on(self.clone(), self.clone()).purposes([ORDERS]).unlock(key()).unwrap()
    }
}

impl PageStore for Logged {
    fn put(&self, mark: &Mark, pages: &[StoredPage]) -> Result<(), StoreError> {
        self.memory.put(mark, pages)?;
        self.flush()
    }

    fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError> {
        self.memory.get(name)
    }

    fn together(&self) -> Option<StoreName> {
        Some(self.together)
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        self.memory.mark()
    }

    fn replace_mark(&self, mark: &Mark) -> Result<(), StoreError> {
        self.memory.replace_mark(mark)?;
        self.flush()
    }

    fn sweep(&self, live: &HashSet<PageName>, generation: u64, keep: Duration) -> Result<Usage, StoreError> {
        let swept = self.memory.sweep(live, generation, keep)?;
        self.flush().map(|()| swept)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        self.memory.usage()
    }
}

impl RootStore for Logged {
    fn places(&self) -> Vec<PlaceId> {
        self.memory.places()
    }

    /// It has nothing flushed.
    fn read(&self, place: PlaceId) -> Vec<RootCopy> {
        self.memory.read(place)
    }

    fn reads_are_durable(&self) -> bool {
        false
    }

    fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
        Ok(Box::new(Turn { lock: self.memory.lock(places, wait)?, store: self }))
    }

    fn is_replicated(&self) -> bool {
        true
    }

    fn lagging(&self, wait: Duration) -> Result<Vec<String>, StoreError> {
        self.memory.lagging(wait)
    }
}

struct Turn<'l> {
    lock: Box<dyn RootLock + 'l>,
    store: &'l Logged,
}

impl RootLock for Turn<'_> {
    fn write(&mut self, place: PlaceId, slot: usize, record: &[u8]) -> Result<(), StoreError> {
        self.lock.write(place, slot, record)?;
        self.store.log().is_flushed = false;
        self.store.flush()
    }

    fn read_in_order(&mut self, place: PlaceId) -> Option<OrderedRead> {
        let log = self.store.log();
        let is_settled = log.is_flushed && !log.never_tells;
        Some(OrderedRead { copies: self.store.memory.read(place), is_settled, newer: None })
    }

    fn settle(&mut self) -> Result<(), StoreError> {
        self.store.log().settled += 1;
        self.store.flush()
    }

    fn together(&self) -> Option<StoreName> {
        Some(self.store.together)
    }

    fn write_with_pages(&mut self, step: &WholeCommit<'_>) -> Result<(), NotWritten> {
        let WholeCommit { place, record, mark, pages, .. } = *step;
        self.store.memory.put(mark, pages).map_err(NotWritten::Nothing)?;
        self.lock.write(place, 0, record).map_err(NotWritten::Unknown)?;
        {
            let mut log = self.store.log();
            log.in_one_step += 1;
            log.is_flushed = false;
        }
        self.store.flush().map_err(NotWritten::Unknown)
    }
}

fn is_shredded(vault: &Vault, row: &(oubliette::CustomerId, oubliette::Sealed<oubliette::personal::Email>)) -> bool {
    match vault.open(row.0, EMAIL, &row.1) {
        Ok(_) => false,
        Err(OpenError::Shredded { .. }) => true,
        Err(other) => panic!("{other:?}"),
    }
}

fn created(store: &Logged) -> Vault {
    created_with(store, Duration::from_secs(60))
}

fn created_with(store: &Logged, lease: Duration) -> Vault {
    Vault::on(store.clone(), store.clone()).purposes([ORDERS]).lease(lease).create(key()).unwrap()
}

/// Somebody else's commit that is seen and not flushed: it was not answered.
fn leave_seen(store: &Logged, vault: &Vault, customer: oubliette::CustomerId) {
    store.is_stuck(true);
    let unclear = vault.shred([customer]).unwrap_err();
    assert!(matches!(unclear, ShredError::Unknown(_)), "{unclear:?}");
    store.is_stuck(false);
    store.counts();
}

#[test]
fn a_commit_in_one_step_is_built_upon_what_is_only_seen() {
    let store = Logged::new();
    let (one, rows) = (created(&store), 4);
    let rows: Vec<_> = (0..rows).map(|_| enroll(&one)).collect();
    let other = store.unlock();
    leave_seen(&store, &one, rows[0].0);
    // A crash takes it: nobody was answered, and nobody is told that the vault went back in time.
    store.crash();
    for vault in [&one, &other] {
        vault.refresh().unwrap();
        assert!(!is_shredded(vault, &rows[0]));
    }
    leave_seen(&store, &one, rows[0].0);
    let _ = other.shred([rows[1].0]).unwrap();
    assert_eq!(store.counts(), [0, 1], "its base was not settled first");
    // Both are durable with the second one.
    store.crash();
    one.refresh().unwrap();
    assert!(is_shredded(&one, &rows[0]) && is_shredded(&one, &rows[1]) && !is_shredded(&one, &rows[2]));
    // Two upon each other, and a crash takes both.
    leave_seen(&store, &one, rows[2].0);
    leave_seen(&store, &other, rows[3].0);
    for vault in [&one, &other] {
        // The second time nothing is new.
        (0..2).for_each(|_| vault.refresh().unwrap());
        assert!(is_shredded(vault, &rows[2]) && is_shredded(vault, &rows[3]), "what is seen is obeyed");
    }
    store.crash();
    for vault in [&one, &other, &store.unlock()] {
        vault.refresh().unwrap();
        assert!(!is_shredded(vault, &rows[2]) && !is_shredded(vault, &rows[3]));
    }
    let _ = one.shred([rows[2].0, rows[3].0]).unwrap();
}

/// A refusal, and whatever takes more than one step, come after a flush, or not at all.
#[test]
fn whatever_else_goes_by_it_has_it_settled_first() {
    let store = Logged::new();
    let one = created(&store);
    let rows: Vec<_> = (0..3).map(|_| enroll(&one)).collect();
    let other = store.unlock();
    let refuse = || other.shred([number(1_000_000)]).unwrap_err();

    leave_seen(&store, &one, rows[0].0);
    store.is_stuck(true);
    assert!(matches!(refuse(), ShredError::NothingHappened(KeyStoreError::Store(_))), "the record may vanish");
    store.is_stuck(false);
    store.counts();
    assert!(matches!(refuse(), ShredError::NotEnrolled { .. }));
    assert_eq!(store.counts(), [1, 0]);
    assert!(matches!(refuse(), ShredError::NotEnrolled { .. }));
    assert_eq!(store.counts(), [0, 0], "it is known to be durable");

    leave_seen(&store, &one, rows[1].0);
    store.is_stuck(true);
    let seen = store.mark().unwrap();
    assert!(other.rotate_root_key(new_key()).is_err());
    assert_eq!(store.mark().unwrap(), seen, "nothing was written");
    store.is_stuck(false);
    store.counts();
    other.rotate_root_key(new_key()).unwrap();
    assert_eq!(store.counts(), [1, 0]);
    store.crash();
    other.refresh().unwrap();
    assert!(is_shredded(&other, &rows[0]) && is_shredded(&other, &rows[1]) && !is_shredded(&other, &rows[2]));
}

/// Who comes upon a primary that was deposed sees an old record. That proves nothing, since such a one cannot settle it; a record that is settled does.
#[test]
fn only_what_is_settled_proves_a_rollback() {
    let store = Logged::new();
    let vault = created(&store);
    let rows: Vec<_> = (0..3).map(|_| enroll(&vault)).collect();
    let old = store.memory.snapshot();
    let _ = vault.shred([rows[0].0]).unwrap();
    store.memory.restore(&old);
    store.log().is_flushed = false;
    store.is_stuck(true);
    store.counts();
    let refused = vault.shred([rows[1].0]).unwrap_err();
    assert!(matches!(&refused, ShredError::NothingHappened(KeyStoreError::Store(_))), "{refused:?}");
    assert_eq!(store.counts(), [1, 0], "no alarm is written there either");
    assert!(!is_shredded(&vault, &rows[1]), "it goes on by what it has");
    store.is_stuck(false);
    let refused = vault.shred([rows[1].0]).unwrap_err();
    assert!(matches!(&refused, ShredError::NothingHappened(KeyStoreError::RolledBack { .. })), "{refused:?}");
}

/// As [`Logged`], but that a read has all flushed, and a look has not; it tells when somebody says so.
#[derive(Clone)]
struct Telling {
    logged: Logged,
    tells: Arc<Mutex<Option<Changed>>>,
    looks: Arc<AtomicUsize>,
}

impl Telling {
    fn tell(&self) {
        let tells = self.tells.lock().unwrap();
        assert!(tells.as_ref().expect("it is listened to")());
    }
}

impl RootStore for Telling {
    fn places(&self) -> Vec<PlaceId> {
        self.logged.places()
    }

    fn read(&self, place: PlaceId) -> Vec<RootCopy> {
        let copies = self.logged.read(place);
        match self.logged.flush() {
            Ok(()) => copies,
            Err(error) => {
                let location = "the log".to_owned();
                vec![RootCopy { location, place, content: CopyContent::Unreachable(error) }]
            }
        }
    }

    fn read_seen(&self, place: PlaceId) -> Option<OrderedRead> {
        self.looks.fetch_add(1, Ordering::AcqRel);
        let is_settled = self.logged.log().is_flushed;
        Some(OrderedRead { copies: self.logged.read(place), is_settled, newer: None })
    }

    fn never_hangs(&self) -> bool {
        true
    }

    fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
        self.logged.lock(places, wait)
    }

    fn watch(&self, changed: Changed) {
        *self.tells.lock().unwrap() = Some(changed);
    }
}

/// F4: a shred that is told of is obeyed as soon as it is seen. Nothing is flushed for that, and it proves nothing: it may be lost.
#[test]
fn what_is_told_of_is_obeyed_without_a_flush_and_proves_nothing() {
    let store = Logged::new();
    let vault = created(&store);
    let rows: Vec<_> = (0..3).map(|_| enroll(&vault)).collect();
    let telling = Telling { logged: store.clone(), tells: Arc::default(), looks: Arc::default() };
    let told = Vault::on(store.clone(), telling.clone()).purposes([ORDERS]).unlock(key()).unwrap();
    leave_seen(&store, &vault, rows[0].0);
    telling.tell();
    wait_until(|| is_shredded(&told, &rows[0]));
    assert!(!store.log().is_flushed && telling.looks.load(Ordering::Acquire) >= 1);
    // The lease is long: it was the look that told.
    assert!(!is_shredded(&told, &rows[1]));
    // The server goes down before anybody's flush. That is no rollback, and she is back: nobody was answered.
    store.crash();
    telling.tell();
    wait_until(|| !is_shredded(&told, &rows[0]));
    told.shred([rows[1].0]).unwrap();
    // What was durable and is gone is one. A look says nothing of it: a read does, which flushes.
    let durable = store.memory.snapshot();
    let _ = told.shred([rows[2].0]).unwrap();
    store.memory.restore(&durable);
    store.log().is_flushed = false;
    store.is_stuck(true);
    telling.tell();
    std::thread::sleep(Duration::from_millis(300));
    assert!(is_shredded(&told, &rows[2]), "it goes on by what it has");
    store.is_stuck(false);
    telling.tell();
    wait_until(|| {
        let gone_back = told.open(rows[2].0, EMAIL, &rows[2].1);
        matches!(gone_back, Err(OpenError::KeyStore(KeyStoreError::RolledBack { .. })))
    });
}

fn wait_until(mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(10), "waited in vain");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Old trees are given up once the record itself says that the new one is durable. So it must be, whoever says so.
#[test]
fn a_record_that_is_to_say_what_is_durable_has_it_settled() {
    let store = Logged::new();
    let one = created_with(&store, Duration::from_secs(2));
    let row = enroll(&one);
    let (other, third) = (store.unlock(), store.unlock());
    store.log().never_tells = true;
    let rotated = one.rotate_purpose(ORDERS).unwrap();
    // By one who knows no more to be durable than what was there before, and so does the third.
    leave_seen(&store, &other, row.0);
    third.retire_replaced(ORDERS, rotated.0).unwrap();
    assert_eq!(store.counts(), [1, 2], "the first of two commits settled its base");
}
