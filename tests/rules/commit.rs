//! Rules 2, 3, 12 and 16: what is written, when nothing may be, and what is true after an error.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use oubliette::store::{Directory, Problem};
use oubliette::testing::{Steps, Stop};
use oubliette::{KeyStoreError, OpenError, Purpose, ShredError, UnlockError, Vault, VaultBuilder};

use super::support::*;

fn slot(scratch: &Scratch, which: &str) -> PathBuf {
    scratch.join("main").join("root").join(which)
}

fn stepped(scratch: &Scratch, steps: &Steps) -> VaultBuilder {
    VaultBuilder::in_directory(Directory::at(scratch.join("main")).mirror(scratch.join("mirror")).steps(steps))
        .purposes([ORDERS, NEWS])
        .lease(Duration::from_secs(60))
}

/// Two versions of a record, one after the other: the older, the newer, and a vault that stands at the newer.
fn two_versions(scratch: &Scratch) -> (Vec<u8>, Vec<u8>) {
    let vault = scratch.vault().create(key()).unwrap();
    vault.enroll().unwrap();
    let older = fs::read(slot(scratch, "slot-a")).unwrap();
    let _ = vault.shred([number(1)]).unwrap();
    vault.close().unwrap();
    (older, fs::read(slot(scratch, "slot-a")).unwrap())
}

/// The checksum of a slot is for torn writes; whoever forges a slot makes it right.
fn with_checksum(mut slot: Vec<u8>) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let at = slot.len() - 32;
    let sum = Sha256::digest(&slot[..at]);
    slot[at..].copy_from_slice(&sum);
    slot
}

fn refused(scratch: &Scratch) -> KeyStoreError {
    let before = contents(&scratch.join("main"));
    let unlocked = scratch.vault().unlock(key());
    assert_eq!(contents(&scratch.join("main")), before, "nothing was written");
    match unlocked {
        Err(UnlockError::KeyStore(error)) => error,
        other => panic!("{other:?}"),
    }
}

type IsRight = fn(&KeyStoreError) -> bool;

/// Rule 2: a newer record that does not authenticate is not passed over for an older one that does.
#[test]
fn never_an_older_record_because_the_newer_is_bad() {
    let scratch = Scratch::new();
    let (older, newer) = two_versions(&scratch);
    let mut forged = newer.clone();
    forged[3000] ^= 1;
    let bad_newest: [(Vec<u8>, IsRight); 3] = [
        (
            with_checksum(forged),
            |error| matches!(error, KeyStoreError::NotAuthentic { location } if location.contains("slot-b")),
        ),
        // A newer version of the record, and of the slot around it.
        (
            with_checksum([&newer[..8], &[9], &newer[9..]].concat()),
            |error| matches!(error, KeyStoreError::NewerFormat { location } if location.contains("slot-b")),
        ),
        (with_checksum([&newer[..7], &[9], &newer[8..]].concat()), |error| {
            told(error).contains("newer version") && told(error).contains("slot-b")
        }),
    ];
    for (bad, is_right) in bad_newest {
        fs::write(slot(&scratch, "slot-a"), &older).unwrap();
        fs::write(slot(&scratch, "slot-b"), bad).unwrap();
        let error = refused(&scratch);
        assert!(is_right(&error), "{error:?}");
        assert_eq!(error.outcome(), oubliette::Outcome::Investigate, "{error:?}");
    }
}

/// Rule 2: two records of one generation, or an older one that the newer does not descend from: stop, write nothing.
#[test]
fn diverged_copies_stop_everything() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    vault.enroll().unwrap();
    copy(&scratch.join("main"), &scratch.join("older"));
    let _ = vault.shred([number(1)]).unwrap();
    vault.close().unwrap();
    let ours = fs::read(slot(&scratch, "slot-a")).unwrap();
    // The same vault goes another way from the older state.
    copy(&scratch.join("older"), &scratch.join("main"));
    let vault = scratch.vault().unlock(key()).unwrap();
    let _ = vault.shredding([number(1)]).purpose(NEWS).run().unwrap();
    let one = fs::read(slot(&scratch, "slot-a")).unwrap();
    vault.enroll().unwrap();
    vault.close().unwrap();
    let two = fs::read(slot(&scratch, "slot-a")).unwrap();
    for theirs in [one, two] {
        for pair in [[&ours, &theirs], [&theirs, &ours]] {
            fs::write(slot(&scratch, "slot-a"), pair[0]).unwrap();
            fs::write(slot(&scratch, "slot-b"), pair[1]).unwrap();
            let error = refused(&scratch);
            assert!(matches!(error, KeyStoreError::Diverged { .. }), "{error:?}");
            let text = told(&error);
            assert!(text.contains("slot-a") && text.contains("slot-b"), "names both: {text}");
        }
    }
}

/// Rule 2: opening finishes what a killed commit left, whichever copy it left.
#[test]
fn opening_repairs() {
    let scratch = Scratch::new();
    let (older, newer) = two_versions(&scratch);
    for (stale, good) in [("slot-a", "slot-b"), ("slot-b", "slot-a")] {
        for left in [older.clone(), newer[..1000].to_vec(), Vec::new()] {
            fs::write(slot(&scratch, stale), left).unwrap();
            fs::write(slot(&scratch, good), &newer).unwrap();
            scratch.vault().unlock(key()).unwrap().close().unwrap();
            assert_eq!(fs::read(slot(&scratch, stale)).unwrap(), newer, "{stale}");
            assert_eq!(fs::read(slot(&scratch, good)).unwrap(), newer);
        }
    }
}

/// Rule 3: a shred that finds its work done writes and syncs every copy all the same: the shred that did it may have
/// been killed before it synced, and what this process reads may be in memory only.
#[test]
fn a_shred_that_finds_its_work_done_writes_and_syncs_every_copy() {
    let (scratch, steps) = (Scratch::new(), Steps::new());
    let vault = stepped(&scratch, &steps).create(key()).unwrap();
    let (alice, _) = enroll(&vault);
    let generation = vault.shred([alice]).unwrap().commit().generation();
    steps.reset();
    let again = vault.shred([alice]).unwrap();
    assert_eq!((again.already_shredded(), again.commit().generation()), (&[alice][..], generation));
    let log = steps.log();
    for which in ["slot-a", "slot-b"] {
        for what in ["write", "sync"] {
            let done = log.iter().filter(|line| line.starts_with(what) && line.ends_with(which)).count();
            assert!(done >= 2, "{what} {which} in both places: {log:?}");
        }
    }
}

/// Rule 3: whatever single write or sync fails, the answer is true, and to call again until it succeeds is enough.
#[test]
fn after_any_failed_step_the_answer_is_true_and_a_second_call_mends_it() {
    let (scratch, steps) = (Scratch::new(), Steps::new());
    let vault = stepped(&scratch, &steps).create(key()).unwrap();
    let mut seen = [0; 4];
    for step in 1.. {
        let (alice, a) = enroll(&vault);
        let (bob, b) = enroll(&vault);
        // Behind a refill of numbers, should one be under way.
        vault.sweep().unwrap();
        let stored = |place: &str| fs::read(scratch.join(place).join("root").join("slot-a")).unwrap();
        let before = stored("main");
        steps.stop_at(step, Stop::FailFrom(Problem::Io));
        let shredded = vault.shred([alice]);
        let reached = steps.taken() >= step;
        steps.reset();
        let is_old = |slot: &PathBuf| fs::read(slot).unwrap() == before;
        let slots: Vec<PathBuf> = ["main", "mirror"]
            .iter()
            .flat_map(|place| ["slot-a", "slot-b"].map(|slot| scratch.join(place).join("root").join(slot)))
            .collect();
        match shredded {
            Ok(_) => {
                assert!(!slots.iter().any(is_old));
                seen[0] += 1;
            }
            Err(ShredError::NothingHappened(_)) => {
                assert!(slots.iter().all(is_old), "step {step}: nothing happened");
                assert!(vault.open(alice, EMAIL, &a).is_ok());
                seen[1] += 1;
            }
            Err(ShredError::OldCopyRemains(_)) => {
                assert!(!slots.iter().all(is_old));
                assert!(matches!(vault.open(alice, EMAIL, &a), Err(OpenError::Shredded { .. })));
                seen[2] += 1;
            }
            Err(ShredError::Unknown(_)) => seen[3] += 1,
            Err(other) => panic!("{other:?}"),
        }
        let _ = vault.shred([alice]).unwrap();
        assert!(!slots.iter().any(is_old), "step {step}: an old copy after success");
        assert!(matches!(vault.open(alice, EMAIL, &a), Err(OpenError::Shredded { .. })));
        assert!(vault.open(bob, EMAIL, &b).is_ok());
        if !reached {
            break;
        }
    }
    let [ok, nothing, old_copy, unknown] = seen;
    assert!(ok >= 1 && nothing >= 3 && old_copy >= 3 && unknown >= 1, "every answer occurs: {seen:?}");
}

/// Rule 12: a commit waits for another process's, boundedly, and says so; readers do not wait at all.
#[test]
fn waiting_for_the_lock_is_bounded_and_readers_go_on() {
    let scratch = Scratch::new();
    let vault = scratch.vault().wait_for_lock(Duration::from_millis(1500)).create(key()).unwrap();
    let (alice, a) = enroll(&vault);
    let lock = fs::File::options().write(true).open(scratch.join("main").join("root").join("lock")).unwrap();
    lock.lock().unwrap();
    let started = Instant::now();
    let shredding = vault.shredding([alice]).start();
    let opener = vault.clone();
    let reads = std::thread::spawn(move || {
        let (mut reads, mut slowest) = (0, Duration::ZERO);
        while started.elapsed() < Duration::from_millis(1200) {
            let before = Instant::now();
            opener.open(alice, EMAIL, &a).unwrap();
            slowest = slowest.max(before.elapsed());
            reads += 1;
            std::thread::sleep(Duration::from_millis(10));
        }
        (reads, slowest)
    });
    let error = block_on(shredding).unwrap_err();
    let waited = started.elapsed();
    assert!(matches!(&error, ShredError::NothingHappened(KeyStoreError::Busy { .. })), "{error:?}");
    assert!(told(&error).contains("another process was committing"), "{}", told(&error));
    assert!(waited >= Duration::from_millis(1400) && waited < Duration::from_secs(6), "{waited:?}");
    let (reads, slowest) = reads.join().unwrap();
    assert!(reads > 10 && slowest < LEASE * 2, "{reads} reads, the slowest {slowest:?}");
    lock.unlock().unwrap();
    let _ = vault.shred([alice]).unwrap();
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            std::task::Poll::Ready(value) => return value,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

/// Rule 16: a full record refuses a new tree, and no shred.
#[test]
fn a_full_record_refuses_a_tree_and_never_a_shred() {
    let names: Vec<&'static str> = (0..23).map(|n| &*format!("purpose {n:02} {}", "x".repeat(21)).leak()).collect();
    let all: Vec<Purpose> = names.iter().map(|name| Purpose::try_new(name).unwrap()).collect();
    let scratch = Scratch::new();
    let at = || Vault::at(scratch.join("main"));
    assert!(at().purposes(all.clone()).create(key()).is_err(), "not at once");
    let vault = at().purposes(all[..22].iter().copied()).create(key()).unwrap();
    let alice = vault.enroll().unwrap();
    vault.close().unwrap();
    let before = contents(&scratch.join("main"));
    let error = at().purposes(all).add_missing_purposes().unlock(key()).unwrap_err();
    assert!(matches!(error, UnlockError::KeyStore(KeyStoreError::Full { .. })), "{error:?}");
    assert!(error.to_string().contains("22"), "{error}");
    assert_eq!(contents(&scratch.join("main")), before);
    let vault = at().purposes([Purpose::try_new(names[0]).unwrap()]).unlock(key()).unwrap();
    assert_eq!(vault.shred([alice]).unwrap().newly_shredded(), 22, "in every tree");
}
