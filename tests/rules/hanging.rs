//! Stores that hang: what a lease covers is wiped all the same, and a mirror that hangs stops nothing but commits.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use oubliette::store::{
    Directory, LockError, Mark, PageName, PageStore, PlaceId, RootCopy, RootLock, RootStore, StoreError, StoredPage,
    Usage,
};
use oubliette::{KeyStoreError, OpenError, ShredError, Vault};

use super::support::*;

/// A directory of which a place, or all pages, hang for as long as their gate is locked.
#[derive(Clone)]
struct Gated {
    inner: Directory,
    gates: Arc<Vec<(PlaceId, Mutex<()>)>>,
    pages: Arc<Mutex<()>>,
}

fn pass(gate: &Mutex<()>) {
    drop(gate.lock().unwrap_or_else(PoisonError::into_inner));
}

impl Gated {
    fn over(inner: Directory) -> Gated {
        let gates = inner.places().into_iter().map(|place| (place, Mutex::new(()))).collect();
        Gated { inner, gates: Arc::new(gates), pages: Arc::default() }
    }

    fn gate(&self, nth: usize) -> &Mutex<()> {
        &self.gates[nth].1
    }

    fn enter(&self, place: PlaceId) {
        self.gates.iter().filter(|(gated, _)| *gated == place).for_each(|(_, gate)| pass(gate));
    }

    fn open(&self) -> Vault {
        Vault::on(self.clone(), self.clone())
            .purposes([ORDERS, NEWS])
            .patience(Duration::from_millis(500))
            .wait_for_lock(Duration::from_millis(500))
            .unlock(key())
            .unwrap()
    }
}

impl RootStore for Gated {
    fn places(&self) -> Vec<PlaceId> {
        self.inner.places()
    }

    fn read(&self, place: PlaceId) -> Vec<RootCopy> {
        self.enter(place);
        self.inner.read(place)
    }

    fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
        places.iter().for_each(|place| self.enter(*place));
        self.inner.lock(places, wait)
    }

    fn follow(&self, list: &[PlaceId]) {
        self.inner.follow(list);
    }
}

impl PageStore for Gated {
    fn put(&self, mark: &Mark, pages: &[StoredPage]) -> Result<(), StoreError> {
        self.inner.put(mark, pages)
    }

    fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError> {
        pass(&self.pages);
        self.inner.get(name)
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        self.inner.mark()
    }

    fn replace_mark(&self, mark: &Mark) -> Result<(), StoreError> {
        self.inner.replace_mark(mark)
    }

    fn sweep(&self, live: &HashSet<PageName>, generation: u64, keep: Duration) -> Result<Usage, StoreError> {
        self.inner.sweep(live, generation, keep)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        self.inner.usage()
    }
}

fn mirrored(scratch: &Scratch) -> Gated {
    scratch.vault().mirror(scratch.join("mirror")).create(key()).unwrap().close().unwrap();
    Gated::over(Directory::at(scratch.join("main")).mirror(scratch.join("mirror")).open().unwrap())
}

/// Waits until what the vault does by itself, a refill of numbers, is done: a commit that has begun when a store begins to hang waits for it.
fn settle(vault: &Vault) {
    vault.sweep().unwrap();
}

/// The first place hangs: a read of it never comes back. The process stops in one lease, and holds nothing any more.
#[test]
fn a_read_that_hangs_wipes_in_one_lease() {
    let scratch = Scratch::new();
    let store = mirrored(&scratch);
    let vault = store.open();
    let (alice, a) = enroll(&vault);
    let handle = vault.customer(alice);
    assert!(handle.open(EMAIL, &a).is_ok());
    settle(&vault);
    let hung = store.gate(0).lock().unwrap();
    let begun = Instant::now();
    eventually("it wipes", || !vault.health().can_open);
    let taken = begun.elapsed();
    assert!(taken < LEASE * 4, "{taken:?}");
    for opened in [vault.open(alice, EMAIL, &a), handle.open(EMAIL, &a)] {
        assert!(matches!(opened, Err(OpenError::KeyStore(KeyStoreError::LeaseLost { .. }))), "{opened:?}");
    }
    let refused = vault.shred([alice]);
    assert!(matches!(refused, Err(ShredError::NothingHappened(_))), "told, and not left waiting: {refused:?}");
    drop(hung);
    eventually("it goes on", || vault.open(alice, EMAIL, &a).is_ok());
    assert!(handle.open(EMAIL, &a).is_ok());
    let _ = vault.shred([alice]).unwrap();
}

/// A mirror hangs: values are opened and sealed as before; shreds are refused in time, and told why.
#[test]
fn a_mirror_that_hangs_stops_commits_alone() {
    let scratch = Scratch::new();
    let store = mirrored(&scratch);
    let vault = store.open();
    let (alice, a) = enroll(&vault);
    assert!(vault.health().ready, "{:?}", vault.health());
    settle(&vault);
    let hung = store.gate(1).lock().unwrap();
    eventually("it is told", || !vault.health().ready);
    let until = Instant::now() + LEASE * 5;
    while Instant::now() < until {
        assert!(vault.open(alice, EMAIL, &a).is_ok());
        assert!(vault.health().can_open);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(vault.seal(alice, EMAIL, &email("a@example.com")).is_ok());
    let refused = vault.shred([alice]).unwrap_err();
    assert!(matches!(refused, ShredError::NothingHappened(_)), "{refused:?}");
    assert!(told(&refused).contains("did not answer in time"), "{}", told(&refused));
    // A process that starts now reads, too.
    let late = store.open();
    assert!(late.open(alice, EMAIL, &a).is_ok() && !late.health().ready);
    drop(hung);
    eventually("it is ready by itself", || vault.health().ready);
    let _ = vault.shred([alice]).unwrap();
}

/// The same on the real file system: a pipe in the place of a mirror's slot, which nobody writes to.
#[cfg(target_os = "linux")]
#[test]
fn a_mirror_whose_file_hangs_is_as_one_that_is_away() {
    let scratch = Scratch::new();
    let builder = scratch.vault().mirror(scratch.join("mirror")).patience(Duration::from_millis(300));
    let vault = builder.wait_for_lock(Duration::from_millis(300)).create(key()).unwrap();
    let (alice, a) = enroll(&vault);
    settle(&vault);
    let (slot, away) = (scratch.join("mirror/root/slot-b"), scratch.join("away"));
    std::fs::rename(&slot, &away).unwrap();
    assert!(std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&slot).status().unwrap().success());
    eventually("it is told", || !vault.health().ready);
    std::thread::sleep(LEASE * 3);
    assert!(vault.open(alice, EMAIL, &a).is_ok() && vault.health().can_open);
    let refused = vault.shred([alice]).unwrap_err();
    assert!(told(&refused).contains("did not answer in time"), "{}", told(&refused));
    // Whoever waits there is let go.
    let write = std::fs::OpenOptions::new().write(true).open(&slot).unwrap();
    std::fs::rename(&away, &slot).unwrap();
    drop(write);
    eventually("it goes on by itself", || vault.health().ready);
    let _ = vault.shred([alice]).unwrap();
}

/// A page that hangs: who waits for it holds neither a snapshot nor a handle's lock, so that the others go on, and shreds need not wait for it.
#[test]
fn whoever_waits_for_a_page_is_in_nobodys_way() {
    let scratch = Scratch::new();
    let store = mirrored(&scratch);
    let before = store.open();
    let rows: Vec<_> = (0..3).map(|_| enroll(&before)).collect();
    let _ = before.shred([rows[0].0]).unwrap();
    before.close().unwrap();
    let vault = store.open();
    let handle = vault.customer(rows[1].0);
    std::thread::scope(|scope| {
        let hung = store.pages.lock().unwrap();
        let waits: Vec<_> = [true, false]
            .map(|by_handle| {
                let (vault, handle, rows) = (&vault, &handle, &rows);
                scope.spawn(move || match by_handle {
                    true => handle.open(EMAIL, &rows[1].1),
                    false => vault.open(rows[2].0, EMAIL, &rows[2].1),
                })
            })
            .into();
        std::thread::sleep(LEASE * 2);
        assert!(waits.iter().all(|thread| !thread.is_finished()), "they need pages");
        // What a lease that runs out does: nothing is in its way.
        let main = store.gate(0).lock().unwrap();
        let begun = Instant::now();
        eventually("it wipes", || !vault.health().can_open);
        assert!(begun.elapsed() < LEASE * 4, "{:?}", begun.elapsed());
        drop(main);
        drop(hung);
        for waited in waits {
            assert!(waited.join().unwrap().is_ok());
        }
    });
}
