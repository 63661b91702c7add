//! A store that begins to hang in the middle of a commit, at each of its calls: behind the look whether it answers at all.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use oubliette::store::Directory;
use oubliette::{CustomerId, Sealed, Vault};

use super::hangs::{CALLS, Call, Hangs};
use super::support::{EMAIL, NEWS, ORDERS, Scratch, enroll, eventually, key, told};

/// Long enough for many vaults at once on a busy machine.
const LEASE: Duration = Duration::from_secs(1);
/// A call of a commit is waited for three times as long, and three seconds at least.
const PATIENCE: Duration = Duration::from_millis(750);
/// Beside that: leases that a busy machine may take for one, and a second commit that finds out what came of the first.
const SLACK: Duration = Duration::from_secs(8);

struct World {
    store: Hangs,
    vault: Vault,
    alice: (CustomerId, Sealed<oubliette::personal::Email>),
    bob: CustomerId,
    _scratch: Scratch,
}

fn open(store: &Hangs) -> Vault {
    let builder = Vault::on(store.clone(), store.clone()).purposes([ORDERS, NEWS]);
    builder.patience(PATIENCE).wait_for_lock(PATIENCE).unlock(key()).unwrap()
}

impl World {
    /// A vault that has pages, none of which is in memory but the first.
    fn new() -> World {
        let scratch = Scratch::new();
        let before = scratch.vault().lease(LEASE).mirror(scratch.join("mirror")).create(key()).unwrap();
        let people: Vec<_> = (0..3).map(|_| enroll(&before)).collect();
        let _ = before.shred([people[0].0]).unwrap();
        before.close().unwrap();
        let directory = Directory::at(scratch.join("main")).mirror(scratch.join("mirror")).open().unwrap();
        let store = Hangs::over(directory);
        let vault = open(&store);
        World { store, vault, alice: people[1].clone(), bob: people[2].0, _scratch: scratch }
    }

    /// Begins a commit in which that call hangs, and gives who waits for it.
    fn hang(&self, call: Call, all: bool) -> JoinHandle<Result<(), String>> {
        let (vault, bob) = (self.vault.clone(), self.bob);
        if call == Call::NewerThan {
            // What this process does not know yet. Its reading thread may ask first, on a thread of its own.
            let other = open(&self.store);
            let carol = other.enroll().unwrap();
            self.store.arm(call, all);
            let _ = other.shred([carol]).unwrap();
        } else {
            self.store.arm(call, all);
        }
        let commit = std::thread::spawn(move || match call {
            Call::Mark | Call::Sweep => vault.sweep().map(drop).map_err(|error| told(&error)),
            _ => vault.shred([bob]).map(drop).map_err(|error| told(&error)),
        });
        eventually(&format!("{call:?} hangs"), || self.store.is_hung());
        commit
    }

    fn can_open_alice(&self) -> bool {
        self.vault.open(self.alice.0, EMAIL, &self.alice.1).is_ok()
    }
}

fn answers_within(thread: &JoinHandle<Result<(), String>>, most: Duration, what: &str) {
    let begun = Instant::now();
    while !thread.is_finished() {
        assert!(begun.elapsed() < most, "{what}: not within {most:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The mount is gone: nothing comes back. What the lease covers is wiped at its end (`memory` looks), whoever waits for the commit is answered, and the
/// vault goes on by itself when the store does.
#[test]
fn a_store_that_hangs_within_a_commit_is_not_waited_for_beyond_the_lease() {
    std::thread::scope(|scope| CALLS.map(|call| scope.spawn(move || gives_up(call))).map(|_| ()));
}

fn gives_up(call: Call) {
    let world = World::new();
    assert!(world.can_open_alice());
    let commit = world.hang(call, true);
    let begun = Instant::now();
    eventually("the lease ends", || !world.vault.health().can_open);
    assert!(begun.elapsed() < LEASE * 4, "{call:?}: {:?}", begun.elapsed());
    answers_within(&commit, PATIENCE * 2 + SLACK, &format!("{call:?}"));
    let answer = commit.join().unwrap();
    // Once the record is written, only the lock is left to be given back.
    assert!(call == Call::Unlock || call == Call::NewerThan || answer.is_err(), "{call:?}: {answer:?}");
    assert!(!world.vault.health().ready && !world.can_open_alice(), "{call:?}");
    // The next is told at once, and leaves no second thread behind the first.
    let begun = Instant::now();
    let refused = world.vault.shred([world.bob]).unwrap_err();
    assert!(begun.elapsed() < PATIENCE * 2 + SLACK, "{call:?}: {refused:?}");
    world.store.let_go();
    eventually("it goes on by itself", || world.can_open_alice() && world.vault.health().ready);
    let _ = world.vault.shred([world.bob]).unwrap();
    assert!(world.can_open_alice());
}

/// That call alone hangs, as on a disk that can be read: values are opened and sealed, and commits are refused in a stated time.
#[test]
fn a_call_that_hangs_within_a_commit_stops_commits_alone() {
    // Most of the time is waiting.
    std::thread::scope(|scope| CALLS.map(|call| scope.spawn(move || stops_commits_alone(call))).map(|_| ()));
}

fn stops_commits_alone(call: Call) {
    let world = World::new();
    assert!(world.can_open_alice());
    let commit = world.hang(call, false);
    let until = Instant::now() + LEASE * 3;
    while Instant::now() < until {
        assert!(world.can_open_alice() && world.vault.health().can_open, "{call:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    // A sweep moves what there is, and takes as long as that takes.
    if call != Call::Sweep {
        answers_within(&commit, PATIENCE * 3 + SLACK, &format!("{call:?}"));
        // What others put may have been asked for by the thread that reads, whose own thread it is that hangs.
        assert!(!world.vault.health().ready || call == Call::NewerThan, "{call:?}");
    }
    world.store.let_go();
    let answer = commit.join().unwrap();
    let is_late = matches!(call, Call::Sweep | Call::Unlock | Call::NewerThan);
    assert!(answer.is_err() || is_late, "{call:?}: {answer:?}");
    eventually("it goes on by itself", || world.vault.health().ready);
    let _ = world.vault.shred([world.bob]).unwrap();
    assert!(world.can_open_alice());
}

/// `close` ends what is under way, and does not wait for a call that hangs.
#[test]
fn close_does_not_wait_for_a_call_that_hangs() {
    std::thread::scope(|scope| {
        for (call, all) in CALLS.into_iter().flat_map(|call| [(call, true), (call, false)]) {
            scope.spawn(move || closes(call, all));
        }
    });
}

fn closes(call: Call, all: bool) {
    let world = World::new();
    let commit = world.hang(call, all);
    let vault = world.vault.clone();
    let closed = std::thread::spawn(move || vault.close().map_err(|error| told(&error)));
    answers_within(&closed, PATIENCE * 3 + SLACK, &format!("close, {call:?}, all: {all}"));
    answers_within(&commit, PATIENCE * 3 + SLACK, &format!("{call:?}"));
    assert!(!world.can_open_alice());
    world.store.let_go();
    let late = open(&world.store);
    let _ = late.shred([world.bob]).unwrap();
    assert!(late.open(world.alice.0, EMAIL, &world.alice.1).is_ok());
}
