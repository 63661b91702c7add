//! Rule 17: pages are loaded ahead, with progress, within the room that they have; and a large vault stays within it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oubliette::personal::Email;
use oubliette::store::{LockError, Memory, PlaceId, RootCopy, RootLock, RootStore, StoreError};
use oubliette::{CustomerId, KeyStoreError, Sealed, Vault, VaultBuilder, status::LoadedPages};

use super::refreshed::Watched;
use super::support::*;

type Row = (CustomerId, Sealed<Email>);

/// Numbers up to `customers`, one shredded in each 256, and a neighbour of each with a value.
fn made(customers: usize) -> (Memory, Vault, Vec<Row>) {
    let memory = Memory::new();
    let builder = Vault::on(memory.clone(), memory.clone()).purposes([ORDERS, NEWS]).lease(Duration::from_secs(60));
    let vault = builder.create(key()).unwrap();
    let all: Vec<_> = (0..customers).map(|_| vault.enroll().unwrap()).collect();
    let rows = all.iter().skip(1).step_by(256).map(|id| (*id, seal(&vault, *id))).collect();
    let _ = vault
        .shredding(all.iter().step_by(256).copied().collect::<oubliette::ShredTarget>())
        .purpose(ORDERS)
        .run()
        .unwrap();
    (memory, vault, rows)
}

fn open(memory: &Memory) -> (VaultBuilder, Watched) {
    let pages = Watched::over(memory);
    (Vault::on(pages.clone(), memory.clone()).purposes([ORDERS]), pages)
}

fn go_on(_: LoadedPages) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn all_pages_are_loaded_ahead() {
    let (memory, _, rows) = made(256 * 600);
    let (builder, pages) = open(&memory);
    let vault = builder.unlock(key()).unwrap();
    pages.reads.store(0, Ordering::Relaxed);
    pages.rounds.store(0, Ordering::Relaxed);
    let mut seen: Vec<LoadedPages> = Vec::new();
    let loaded = vault
        .load_pages(|loaded| {
            seen.push(loaded);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(loaded.is_complete() && !loaded.is_full, "{loaded:?}");
    // What the vault's own thread reads beside it is counted by the store alone.
    let read = pages.reads.swap(0, Ordering::Relaxed);
    assert!((loaded.read..loaded.read + 20).contains(&read), "{loaded:?}, {read}");
    assert!(loaded.read >= 600 && loaded.resident >= 600, "{loaded:?}");
    // Some hundred a round: 600 leaves, and what is above them.
    let rounds = pages.rounds.load(Ordering::Relaxed);
    assert!(rounds <= 10, "{rounds}");
    assert!(seen.is_sorted_by(|a, b| a.share <= b.share && a.resident <= b.resident), "{seen:?}");
    assert!(seen.len() as u64 > rounds && seen.last() == Some(&loaded), "{seen:?}");
    for (customer, sealed) in &rows {
        assert!(vault.open(*customer, EMAIL, sealed).is_ok());
    }
    assert_eq!(vault.load_pages(go_on).unwrap().read, 0, "they are there");
    assert_eq!(pages.reads.load(Ordering::Relaxed), 0);
}

/// It can be broken off, and holds nothing while progress is told: whoever shreds then waits for nobody.
#[test]
fn loading_is_in_nobodys_way() {
    let (memory, _, rows) = made(256 * 40);
    let vault = open(&memory).0.unlock(key()).unwrap();
    let loaded = vault.load_pages(|_| ControlFlow::Break(())).unwrap();
    assert!(loaded.read == 0 && !loaded.is_complete(), "{loaded:?}");
    let mut gone = Vec::new();
    let loaded = vault.load_pages(|_| {
        let (customer, _) = rows[gone.len()];
        gone.push(customer);
        assert!(vault.shred([customer]).unwrap().commit().is_wiped_here());
        ControlFlow::Continue(())
    });
    assert!(loaded.unwrap().is_complete() && gone.len() > 1);
    for (customer, sealed) in &rows {
        assert_eq!(vault.open(*customer, EMAIL, sealed).is_err(), gone.contains(customer));
    }
}

/// A page is lost: whoever is behind it is missed, all others are loaded.
#[test]
fn a_page_that_is_lost_keeps_no_other_from_being_loaded() {
    let (memory, _, rows) = made(256 * 40);
    let whole = memory.snapshot();
    let mut lost_leaves = 0;
    for name in memory.page_names() {
        memory.restore(&whole);
        let (builder, pages) = open(&memory);
        let vault = builder.unlock(key()).unwrap();
        assert!(memory.lose_page(&name));
        let loaded = vault.load_pages(go_on);
        pages.reads.store(0, Ordering::Relaxed);
        let opened = rows.iter().filter(|row| vault.open(row.0, EMAIL, &row.1).is_ok()).count();
        // The root was read when it was unlocked.
        match opened {
            40 => assert!(loaded.is_ok()),
            39 => {
                lost_leaves += 1;
                assert!(matches!(loaded, Err(KeyStoreError::PageDamaged { .. })), "{loaded:?}");
                assert!(pages.reads.load(Ordering::Relaxed) <= 2, "nobody else's");
            }
            _ => assert!(opened == 0 && loaded.is_err(), "{opened}: {loaded:?}"),
        }
    }
    assert_eq!(lost_leaves, 40);
}

/// Bytes in which so many pages are kept, and an eighth for what is derived.
pub fn room_for(pages: usize) -> usize {
    pages * 8441 / 7 * 8
}

/// A quarter of a million customers, in every 256 of whom somebody was shredded: 1 000 pages. With room for 200, what is in memory stays within it whatever is loaded,
/// opened, and shredded elsewhere; and what was loaded is not let go at the next occasion.
#[test]
fn a_large_vault_stays_within_its_room() {
    const MOST: usize = 200;
    let (memory, other, rows) = made(1 << 18);
    let vault = open(&memory).0.most_tree_memory(room_for(MOST)).unlock(key()).unwrap();
    let within = |what: &str| {
        let resident = vault.status().unwrap().resident_pages;
        // What a commit or a change elsewhere reads beyond it is a path.
        assert!(resident <= MOST + 10, "{resident} after {what}");
        resident
    };
    let loaded = vault.load_pages(go_on).unwrap();
    assert!(loaded.is_full && !loaded.is_complete() && loaded.share > 0.0, "{loaded:?}");
    let resident = within("loading");
    // `status` itself reads a path.
    assert!(resident <= MOST - MOST / 8 + 5, "{resident}: room is left for what is read as it is needed");
    assert!(loaded.resident > MOST / 2, "{loaded:?}: what there is room for is loaded");
    vault.refresh().unwrap();
    assert!(within("a refresh") > MOST / 2, "it was not loaded in vain");
    for (nth, (customer, sealed)) in rows.iter().enumerate().step_by(7) {
        if nth % 5 == 0 {
            let _ = other.shred([*customer]).unwrap();
            vault.refresh().unwrap();
            within("a shred elsewhere");
        }
        assert_eq!(vault.open(*customer, EMAIL, sealed).is_ok(), nth % 5 != 0);
    }
    within("opening");
}

/// A record whose lock tells how many pages were read under it.
struct Timed {
    memory: Memory,
    pages: Watched,
    under_lock: Arc<AtomicU64>,
}

struct TimedLock<'l> {
    lock: Box<dyn RootLock + 'l>,
    of: &'l Timed,
    before: u64,
}

impl RootStore for Timed {
    fn places(&self) -> Vec<PlaceId> {
        self.memory.places()
    }

    fn read(&self, place: PlaceId) -> Vec<RootCopy> {
        self.memory.read(place)
    }

    fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
        let lock = self.memory.lock(places, wait)?;
        Ok(Box::new(TimedLock { lock, of: self, before: self.pages.reads.load(Ordering::Relaxed) }))
    }

    /// As a server that other processes wait for.
    fn never_hangs(&self) -> bool {
        true
    }
}

impl RootLock for TimedLock<'_> {
    fn write(&mut self, place: PlaceId, slot: usize, record: &[u8]) -> Result<(), StoreError> {
        self.lock.write(place, slot, record)
    }
}

impl Drop for TimedLock<'_> {
    fn drop(&mut self) {
        let read = self.of.pages.reads.load(Ordering::Relaxed) - self.before;
        self.of.under_lock.fetch_add(read, Ordering::Relaxed);
    }
}

/// Others wait for the lock: so the pages that a shred rewrites are read before, a level in one question; and one by one under the lock only where there is
/// no room for them.
#[test]
fn what_a_shred_needs_is_read_before_the_lock() {
    let (memory, _, rows) = made(256 * 300);
    let shred = |most: usize, of: &[Row]| {
        let (pages, under_lock) = (Watched::over(&memory), Arc::<AtomicU64>::default());
        let timed = Timed { memory: memory.clone(), pages: pages.clone(), under_lock: under_lock.clone() };
        let builder = Vault::on(pages.clone(), timed).purposes([ORDERS]);
        let vault = builder.most_tree_memory(room_for(most)).unlock(key()).unwrap();
        [&pages.reads, &pages.rounds, &under_lock].iter().for_each(|counter| counter.store(0, Ordering::Relaxed));
        let _ = vault.shred(of.iter().map(|row| row.0)).unwrap();
        for row in of {
            assert!(matches!(vault.open(row.0, EMAIL, &row.1), Err(oubliette::OpenError::Shredded { .. })));
        }
        [pages.reads, pages.rounds, under_lock].map(|counter| counter.load(Ordering::Relaxed))
    };
    let [reads, rounds, under_lock] = shred(8192, &rows[..100]);
    assert!(reads >= 100 && rounds <= 6, "{reads} in {rounds}");
    assert_eq!(under_lock, 0);
    let [reads, _, under_lock] = shred(30, &rows[100..200]);
    assert!(under_lock >= 100 && reads >= under_lock, "{under_lock} of {reads}");
}
