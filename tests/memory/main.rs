//! When `shred` returns, nothing is left in this process's memory from which the customer could be derived.
//!
//! All writable mappings are searched for every secret on the customer's path, as bytes, as words, as HMAC midstates and
//! as AES round keys, eight bytes at a time. A child process computes them, and hands them over masked, so that neither
//! the test nor its needles are found.

#![cfg(all(target_os = "linux", target_endian = "little", feature = "testing"))]
// A test that fails should panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::host_endian_bytes)]

mod customers;
#[path = "../rules/hangs.rs"]
mod hangs;
mod needles;
mod nodes;
mod primitives;
mod search;
mod wiping;

use std::sync::{Mutex, MutexGuard, PoisonError};

use customers::{Customers, Idle};
use hangs::{CALLS, Call, Hangs};
use needles::{Source, needles};
use oubliette::personal::Email;
use oubliette::store::{Directory, Memory};
use oubliette::{Field, Index, OpenError, Purpose, RootKey, Vault, bits, search::Epoch};
use search::Needles;

const ORDERS: Purpose = Purpose::new("orders");
const NEWS: Purpose = Purpose::new("newsletter");
const EMAIL: Field<Email> = ORDERS.field("email");
const NEWS_EMAIL: Field<Email> = NEWS.field("email");
const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(32));
/// That of vaults in memory of the `testing` feature, so that one child serves all.
const ROOT_KEY: [u8; 32] = [0x5a; 32];
/// What a handle keeps of a customer.
const KEYED: [&str; 2] = ["customer key, inner midstate", "customer key, outer midstate"];
/// One test at a time: each would find the others' secrets.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
#[ignore = "the child process of the other tests"]
fn in_a_child_process() {
    needles::compute();
}

/// Not a field's key itself, which AES in software does not keep: its round keys.
fn expect_found(needles: &Needles, labels: &[&str]) {
    let found = needles.find();
    for label in labels {
        assert!(found.has(label), "the search does not see {label}, which is in memory");
    }
}

/// The search sees what is there, in whatever form.
fn check_search(needles: &Needles) {
    let planted: Vec<_> =
        needles.labels().into_iter().map(|label| zeroize::Zeroizing::new(needles.plant(label))).collect();
    let found = needles.find();
    for label in needles.labels() {
        assert!(found.has(label), "{label}");
    }
    drop(planted);
}

/// Two shreds: the first of a tree that is still a seed, the second of one that has pages, in the same leaf.
fn shred_leaves_nothing(vault: &Vault, source: &Source<'_>) {
    let mut customers = Customers::enroll(vault);
    let mut gone = Vec::new();
    for root in ["root seed", "root page key"] {
        let victim = customers.victim();
        let keys = vault.customer(victim);
        let idle = customers.use_keys(vault);
        keys.open(EMAIL, &customers.rows[customers.victim].1).unwrap();
        let needles = ["orders", "newsletter"].map(|purpose| needles(source, purpose, victim));
        expect_found(&needles[0], &[root, KEYED[0], KEYED[1], "field key, round keys", "record salt"]);
        expect_found(&needles[1], &[root]);
        // Nodes that were derived stay with the snapshot; below a page of leaves there are none.
        if root == "root seed" {
            expect_found(&needles[0], &["level 1", "level 2", "level 3", "level 4"]);
        }

        assert!(vault.shred([victim]).unwrap().commit().is_wiped_here());
        for needles in &needles {
            needles.find().expect_nothing(&format!("right after a shred ({root})"));
        }
        gone.push(victim);
        customers.check_survivors(vault, &gone);
        let error = keys.open(EMAIL, &customers.rows[customers.victim].1).unwrap_err();
        assert!(matches!(error, OpenError::Shredded { .. }), "{error:?}");
        idle.end();
        vault.refresh().unwrap();
        for needles in &needles {
            needles.find().expect_nothing(&format!("after survivors were opened ({root})"));
        }
        customers.victim -= 1;
    }
}

#[test]
fn a_shred_in_a_directory_leaves_nothing() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault");
    let vault = Vault::at(&path).purposes([ORDERS, NEWS]).create(RootKey::bytes(ROOT_KEY)).unwrap();
    shred_leaves_nothing(&vault, &Source::Directory(&path));
}

#[test]
fn a_shred_in_memory_leaves_nothing() {
    let _alone = alone();
    let memory = Memory::new();
    let builder = Vault::on(memory.clone(), memory.clone()).purposes([ORDERS, NEWS]);
    let vault = builder.create(RootKey::bytes(ROOT_KEY)).unwrap();
    shred_leaves_nothing(&vault, &Source::Memory(&memory));
}

/// An epoch that is retired, from a tree of indexes that has pages by then.
#[test]
fn a_retired_epoch_leaves_nothing() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault");
    let vault = Vault::at(&path).purposes([ORDERS, NEWS]).create(RootKey::bytes(ROOT_KEY)).unwrap();
    let mut idle = Idle::default();
    for begins in [false, true] {
        let v = vault.clone();
        idle.start(move |pause| {
            let email: Email = "victim@example.com".parse().unwrap();
            v.token(BY_EMAIL, &email).unwrap();
            if begins {
                v.begin_epoch(BY_EMAIL).unwrap();
            }
            v.tokens(BY_EMAIL, &email).unwrap();
            pause.idle();
        });
    }
    let retired = needles(&Source::Directory(&path), needles::INDEXES, needles::epoch(0));
    expect_found(&retired, &["root page key", "customer key", "record salt"]);
    // The key of an epoch is nowhere but in the page of its index, and during a call.
    assert!(!retired.find().has("index key"));
    let current = vault.token(BY_EMAIL, &"victim@example.com".parse().unwrap()).unwrap();
    assert!(vault.retire_epoch(BY_EMAIL, Epoch::FIRST).unwrap().is_wiped_here());
    retired.find().expect_nothing("right after an epoch was retired");
    idle.end();
    vault.refresh().unwrap();
    assert_eq!(vault.tokens(BY_EMAIL, &"victim@example.com".parse().unwrap()).unwrap(), [current]);
    retired.find().expect_nothing("after tokens were made again");
}

/// Another process shreds, and this one sees it: the pages that it keeps lead to nobody who is gone, and those that it lets go of leave nothing.
/// Both are in this process's memory.
#[test]
fn a_shred_elsewhere_leaves_nothing() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault");
    let other = Vault::at(&path).purposes([ORDERS, NEWS]).create(RootKey::bytes(ROOT_KEY)).unwrap();
    let mut customers = Customers::enroll(&other);
    // Pages in three leaves, so that there is something to keep.
    let mut gone = vec![customers.ids[10], customers.ids[310], customers.ids[590]];
    let _ = other.shred(gone.clone()).unwrap();
    let vault = Vault::at(&path).purposes([ORDERS, NEWS]).unlock(RootKey::bytes(ROOT_KEY)).unwrap();
    for _ in 0..2 {
        let victim = customers.victim();
        vault.preload(customers.ids.iter().copied()).unwrap();
        let keys = vault.customer(victim);
        let idle = customers.use_keys(&vault);
        keys.open(EMAIL, &customers.rows[customers.victim].1).unwrap();
        let needles = ["orders", "newsletter"].map(|purpose| needles(&Source::Directory(&path), purpose, victim));
        expect_found(
            &needles[0],
            &[
                "root page key",
                "level 3 page key",
                "level 4 page key",
                "customer key",
                KEYED[0],
                "field key, round keys",
            ],
        );

        assert!(other.shred([victim]).unwrap().commit().is_wiped_here());
        vault.refresh().unwrap();
        for needles in &needles {
            needles.find().expect_nothing("after a shred elsewhere was seen");
        }
        gone.push(victim);
        customers.check_survivors(&vault, &gone);
        idle.end();
        for needles in &needles {
            needles.find().expect_nothing("after survivors were opened");
        }
        customers.victim -= 1;
    }
}

#[test]
fn a_closed_vault_leaves_nothing() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault");
    let vault = Vault::at(&path).purposes([ORDERS, NEWS]).create(RootKey::bytes(ROOT_KEY)).unwrap();
    let customers = Customers::enroll(&vault);
    let _ = vault.shred([customers.ids[10]]).unwrap();
    let idle = customers.use_keys(&vault);
    let needles = needles(&Source::Directory(&path), "orders", customers.victim());
    check_search(&needles);
    expect_found(&needles, &["root page key", "level 3 page key", "level 4", KEYED[0], "field key, round keys"]);
    vault.close().unwrap();
    needles.find().expect_nothing("after close, with handles alive");
    idle.end();
    needles.find().expect_nothing("after the last clone was dropped");
}

/// The key that signs lies in what is held of the record, and nowhere else: not on stacks of threads that signed, not after
/// the vault was closed.
#[test]
fn the_key_that_signs_is_wiped() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault");
    let builder = Vault::at(&path).purposes([ORDERS, NEWS]).journal(dir.path().join("journal"));
    let vault = builder.create(RootKey::bytes(ROOT_KEY)).unwrap();
    let customers = Customers::enroll(&vault);
    let needles = needles(&Source::Directory(&path), needles::SIGNING, customers.victim());
    check_search(&needles);
    let mut idle = Idle::default();
    let (v, ids) = (vault.clone(), customers.ids.clone());
    idle.start(move |pause| {
        let shredded = v.shred([ids[1], ids[2]]).unwrap();
        let whose = oubliette::journal::Whose::new("customer 4711").unwrap();
        drop(v.receipt(&shredded, whose, &oubliette::ReceiptContext::new()).unwrap());
        let _ = v.public_key().unwrap();
        pause.idle();
    });
    let found = needles.find();
    assert!(found.has("signing seed"), "the search does not see what is in memory");
    for label in needles.labels().into_iter().filter(|label| *label != "signing seed") {
        assert!(!found.has(label), "{label} was left by a signature");
    }
    let shown = format!("{vault:?} {:?}", vault.shredding([]).reason(oubliette::journal::Reason::new("why").unwrap()));
    assert!(shown.len() < 200, "{shown}");
    vault.close().unwrap();
    needles.find().expect_nothing("after close, with a thread that signed");
    idle.end();
}

#[test]
fn a_dropped_vault_leaves_nothing() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault");
    let vault = Vault::at(&path).purposes([ORDERS, NEWS]).create(RootKey::bytes(ROOT_KEY)).unwrap();
    let customers = Customers::enroll(&vault);
    customers.use_keys(&vault).end();
    let needles = needles(&Source::Directory(&path), "orders", customers.victim());
    expect_found(&needles, &["root seed"]);
    drop(vault);
    // The vault's thread ends by itself.
    std::thread::sleep(std::time::Duration::from_millis(500));
    needles.find().expect_nothing("after the last clone was dropped");
}

#[test]
fn a_lost_lease_leaves_nothing() {
    let _alone = alone();
    let vault = Vault::in_memory([ORDERS, NEWS]);
    let customers = Customers::enroll(&vault);
    let idle = customers.use_keys(&vault);
    let needles = needles(&Source::Memory(vault.memory()), "orders", customers.victim());
    // The store, which is this process's memory here, still has the record; it is encrypted under the root key.
    let needles = needles.without(&["record salt", "sealed root entry"]);
    expect_found(&needles, &["root seed", KEYED[0], KEYED[1], "field key, round keys"]);
    vault.lose_store();
    assert!(vault.open(customers.victim(), EMAIL, &customers.rows[customers.victim].1).is_err());
    needles.find().expect_nothing("after the lease was lost");
    vault.find_store();
    customers.check_survivors(&vault, &[]);
    idle.end();
}

/// A read of the record hangs, as on a mount whose server is gone. No thread of the vault's comes back to wipe, but the one that waits for no
/// store. Handles are alive, and a thread waits for what it asked for.
#[test]
fn a_lease_that_runs_out_while_a_read_hangs_leaves_nothing() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault");
    let lease = std::time::Duration::from_millis(500);
    let builder = Vault::at(&path).purposes([ORDERS, NEWS]).lease(lease);
    let vault = builder.create(RootKey::bytes(ROOT_KEY)).unwrap();
    let customers = Customers::enroll(&vault);
    let _ = vault.shred([customers.ids[10]]).unwrap();
    let mut idle = customers.use_keys(&vault);
    let keys = vault.customer(customers.victim());
    keys.open(EMAIL, &customers.rows[customers.victim].1).unwrap();
    let needles = needles(&Source::Directory(&path), "orders", customers.victim());
    expect_found(&needles, &["root page key", KEYED[0], "field key, round keys"]);

    // Whoever opens a pipe waits for somebody who writes.
    let (slot, away, pipe) = (path.join("root/slot-a"), dir.path().join("slot-a"), dir.path().join("pipe"));
    assert!(std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&pipe).status().unwrap().success());
    // A read that finds a slot missing looks again a few times. All the while there is one, which has read the other slot.
    let v = vault.clone();
    idle.start(move |pause| {
        pause.ready.send(()).unwrap();
        while v.refresh().is_ok() {}
    });
    std::fs::rename(&slot, &away).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    std::fs::rename(&pipe, &slot).unwrap();
    std::thread::sleep(lease * 3);
    assert!(!vault.health().can_open);
    needles.find().expect_nothing("a lease after a read began to hang");

    let write = std::fs::OpenOptions::new().write(true).open(&slot).unwrap();
    std::fs::rename(&away, &slot).unwrap();
    drop(write);
    let deadline = std::time::Instant::now() + lease * 20;
    while vault.open(customers.victim(), EMAIL, &customers.rows[customers.victim].1).is_err() {
        assert!(std::time::Instant::now() < deadline, "it goes on by itself");
        std::thread::sleep(lease / 5);
    }
    idle.end();
}

/// A store begins to hang in the middle of a commit, which works with everybody's keys. Whatever call it is, when the lease has run out nothing is
/// left but what the store itself was given: encrypted pages, an encrypted record.
#[test]
fn a_lease_that_runs_out_while_a_commit_hangs_leaves_nothing() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault");
    let lease = std::time::Duration::from_millis(500);
    let vault = Vault::at(&path).purposes([ORDERS, NEWS]).lease(lease).create(RootKey::bytes(ROOT_KEY)).unwrap();
    let customers = Customers::enroll(&vault);
    let mut next = customers.ids.iter().copied();
    // Pages of three leaves.
    let _ = vault.shred([next.next().unwrap(), customers.ids[310], customers.ids[590]]).unwrap();
    vault.close().unwrap();
    for call in CALLS.into_iter().filter(|call| *call != Call::NewerThan) {
        let store = Hangs::over(Directory::at(&path).open().unwrap());
        let builder = Vault::on(store.clone(), store.clone()).purposes([ORDERS, NEWS]);
        let vault = builder.unlock(RootKey::bytes(ROOT_KEY)).unwrap();
        let idle = customers.use_keys(&vault);
        let needles = needles(&Source::Directory(&path), "orders", customers.victim());
        let needles = needles.without(&["record salt", "sealed root entry"]);
        if call == CALLS[0] {
            expect_found(&needles, &["root page key", KEYED[0], "field key, round keys"]);
        }

        store.arm(call, true);
        let (v, other) = (vault.clone(), next.next().unwrap());
        let commit = std::thread::spawn(move || match call {
            Call::Mark | Call::Sweep => drop(v.sweep()),
            _ => drop(v.shred([other])),
        });
        while !store.is_hung() {
            std::thread::sleep(lease / 50);
        }
        // One that began before the lease ended is waited for as long as a second, if that is longer.
        let end = std::time::Duration::from_secs(1) + lease;
        std::thread::sleep(end);
        assert!(!vault.health().can_open && store.is_hung(), "{call:?}");
        needles.find().expect_nothing(&format!("a lease after a commit began to hang ({call:?})"));
        store.let_go();
        commit.join().unwrap();
        idle.end();
        // It may not know yet that the store is back.
        let _ = vault.close();
    }
}
