//! How soon one instance hears of what another one did.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use oubliette::Vault;
use oubliette::store::{
    LockError, Mark, PageName, PageStore, PlaceId, RootCopy, RootLock, RootStore, StoreError, StoredPage, Usage,
};
use oubliette_postgres::{ConfirmReads, PostgresStore, PostgresStoreBuilder};

use super::server::{Server, shared};
use super::support::*;

/// The record is read every 15 seconds: what is seen earlier was told.
const LONG: Duration = Duration::from_secs(60);

/// From the end of a shred on `vault` until `other` refuses.
fn delay(vault: &Vault, other: &Vault) -> Duration {
    let alice = customer(vault);
    wait_for("the other to know her", || other.open(alice.0, NOTE, &alice.1).is_ok());
    vault.shred([alice.0]).unwrap();
    let done = Instant::now();
    while other.open(alice.0, NOTE, &alice.1).is_ok() {
        assert!(done.elapsed() < LONG / 4, "seen by nobody");
        std::thread::sleep(Duration::from_micros(100));
    }
    done.elapsed()
}

#[test]
fn a_shred_is_told_at_once() {
    let builder = fresh(shared());
    let vault = create(&builder, LONG);
    let other = unlock(&builder);
    let delays: Vec<Duration> = (0..20).map(|_| delay(&vault, &other)).collect();
    // The machine that runs the tests has more to do.
    assert!(delays.iter().min().unwrap() < &Duration::from_millis(50), "{delays:?}");
    assert!(delays.iter().max().unwrap() < &Duration::from_secs(5), "{delays:?}");
}

const LISTENS: &str = "query LIKE 'LISTEN%'";

/// What was written while nobody listened is read when somebody does again.
#[test]
fn a_lost_connection_is_made_anew_and_what_was_missed_is_read() {
    let server = Server::start(&[]);
    let builder = fresh(&server);
    let vault = create(&builder, LONG);
    let other = unlock(&builder);
    assert!(delay(&vault, &other) < LONG / 4);
    for _ in 0..3 {
        let alice = customer(&vault);
        wait_for("the other to know her", || other.open(alice.0, NOTE, &alice.1).is_ok());
        wait_for("both to listen", || {
            server.sql(&format!("SELECT count(*) FROM pg_stat_activity WHERE {LISTENS}")) == "2"
        });
        assert_eq!(server.terminate(LISTENS), 2);
        vault.shred([alice.0]).unwrap();
        let done = Instant::now();
        while opens(&other, &alice) {
            assert!(done.elapsed() < LONG / 4, "seen by nobody");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Nothing depends on it: a role may be kept from connecting as often as it wants, say.
#[test]
fn without_notices_it_is_seen_within_the_lease() {
    let server = Server::start(&[]);
    let builder = fresh(&server);
    let vault = create(&builder, LEASE);
    let other = unlock(&builder);
    let stop = Arc::new(AtomicUsize::new(0));
    let ended = std::thread::scope(|scope| {
        let cutting = scope.spawn(|| {
            let mut ended = 0;
            while stop.load(Ordering::Acquire) == 0 {
                ended += server.terminate(LISTENS);
            }
            ended
        });
        for _ in 0..5 {
            let delay = delay(&vault, &other);
            assert!(delay < LEASE, "{delay:?}");
        }
        stop.store(1, Ordering::Release);
        cutting.join().unwrap()
    });
    assert!(ended > 0);
}

#[test]
fn watching_ends_when_nobody_wants_to_hear_or_the_store_is_gone() {
    let builder = fresh(shared());
    let store = builder.open().unwrap();
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    // Once at the beginning, and once for a write; then no more.
    let left = AtomicUsize::new(1);
    store.watch(Box::new(move || {
        tell.lock().unwrap().send(()).unwrap();
        left.fetch_sub(1, Ordering::AcqRel) > 0
    }));
    let second = Duration::from_secs(10);
    told.recv_timeout(second).unwrap();
    let write = || store.lock(&store.places(), second).unwrap().write(store.places()[0], 0, &[1; 3776]).unwrap();
    write();
    told.recv_timeout(second).unwrap();
    write();
    assert!(told.recv_timeout(second).is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Disconnected));

    let gone = Arc::new(());
    let kept = gone.clone();
    store.watch(Box::new(move || Arc::strong_count(&kept) > 0));
    drop(store);
    wait_for("the thread to end", || Arc::strong_count(&gone) == 1);
}

/// A store that tells of nothing.
#[derive(Clone)]
struct Deaf(PostgresStore);

impl PageStore for Deaf {
    fn put(&self, mark: &Mark, pages: &[StoredPage]) -> Result<(), StoreError> {
        self.0.put(mark, pages)
    }

    fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(name)
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        self.0.mark()
    }

    fn replace_mark(&self, mark: &Mark) -> Result<(), StoreError> {
        self.0.replace_mark(mark)
    }

    fn sweep(&self, live: &HashSet<PageName>, generation: u64, keep: Duration) -> Result<Usage, StoreError> {
        self.0.sweep(live, generation, keep)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        self.0.usage()
    }
}

impl RootStore for Deaf {
    fn places(&self) -> Vec<PlaceId> {
        self.0.places()
    }

    fn read(&self, place: PlaceId) -> Vec<RootCopy> {
        self.0.read(place)
    }

    fn lock(&self, places: &[PlaceId], wait: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
        self.0.lock(places, wait)
    }

    fn can_write(&self, place: PlaceId) -> Result<(), StoreError> {
        self.0.can_write(place)
    }
}

/// `cargo test -p oubliette-postgres measured -- --ignored --nocapture`
#[test]
#[ignore = "it measures"]
fn measured() {
    let server = Server::start(&["-c", "fsync=on"]);
    let measure = |builder: &PostgresStoreBuilder, hears: bool| {
        let vault = create(builder, LEASE);
        let store = builder.open().unwrap();
        let other = if hears { Vault::on(store.clone(), store) } else { Vault::on(Deaf(store.clone()), Deaf(store)) };
        let other = other.purposes([ORDERS]).unlock(root_key()).unwrap();
        let mut shreds = Vec::new();
        let mut delays: Vec<Duration> = (0..200)
            .map(|round| {
                // Not in step with the reads.
                std::thread::sleep(Duration::from_millis(round * 37 % 250));
                let begun = Instant::now();
                vault.shred([vault.enroll().unwrap()]).unwrap();
                shreds.push(begun.elapsed());
                delay(&vault, &other)
            })
            .collect();
        delays.sort_unstable();
        shreds.sort_unstable();
        println!(
            "notices: {hears}; until another refuses p50 {:?} p99 {:?} max {:?}; a shred takes p50 {:?} p99 {:?}",
            delays[100], delays[198], delays[199], shreds[100], shreds[198]
        );
    };
    for confirm in [ConfirmReads::Never, ConfirmReads::Always] {
        let store = fresh(&server).confirm_reads(confirm).open().unwrap();
        let read = |_| {
            let begun = Instant::now();
            drop(store.read(store.places()[0]));
            begun.elapsed()
        };
        let mut reads: Vec<Duration> = (0..200).map(read).collect();
        reads.sort_unstable();
        println!("a read of the record, confirmed {confirm:?}: p50 {:?} p99 {:?}", reads[100], reads[198]);
    }
    measure(&fresh(&server), true);
    measure(&fresh(&server), false);
}
