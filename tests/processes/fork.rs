//! Forked children: no nonce and no number is drawn twice, and no lock of the parent's is waited for.
#![allow(clippy::cast_possible_truncation)]

use std::collections::HashSet;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use oubliette::personal::Text;
use oubliette::{CustomerId, Field, KeyStoreError, OpenError, Outcome, Purpose, RootKey, SealError, Vault};
use rand::Rng;

use super::alone;

const ORDERS: Purpose = Purpose::new("orders");
const NOTE: Field<Text> = ORDERS.field("note");
const SEALS: usize = 300;
const NUMBERS: usize = 20;
/// Where a sealed value has its nonce.
const NONCE: std::ops::Range<usize> = 22..34;

#[derive(Clone, Copy, Debug)]
enum How {
    /// libc's, with its handlers.
    Fork,
    /// The system call alone, which nothing in user space notices.
    RawClone,
}

/// Runs `work` in a child, which writes down its result; a child that hangs is killed by its alarm.
fn in_child(how: How, work: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    // SAFETY: a copy of this process; the child ends by `_exit`.
    let child = match how {
        How::Fork => unsafe { libc::fork() },
        How::RawClone => unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) as i32 },
    };
    assert!(child >= 0);
    if child == 0 {
        // SAFETY: neither touches memory.
        unsafe { libc::alarm(30) };
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        let well = done.is_ok_and(|bytes| writer.write_all(&bytes).is_ok());
        // SAFETY: ends the child without the test harness's exit handlers.
        unsafe { libc::_exit(i32::from(!well)) };
    }
    drop(writer);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    let mut status = -1;
    // SAFETY: `status` outlives the call.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "{how:?}: the child failed, or hung and was killed");
    bytes
}

fn vault(dir: &tempfile::TempDir) -> Vault {
    Vault::at(dir.path().join("vault")).purposes([ORDERS]).create(RootKey::bytes([7; 32])).unwrap()
}

/// Waits for what a vault does by itself, such as reserving the next block of numbers: a child that is forked in the middle
/// of it is told to unlock the vault again.
fn settle(vault: &Vault) {
    vault.sweep().unwrap();
}

fn note() -> Text {
    "a note".parse().unwrap()
}

/// Nonces drawn for one customer's field, then numbers.
fn draw(vault: &Vault, customer: CustomerId) -> Vec<u8> {
    let mut drawn = Vec::new();
    let keys = vault.customer(customer);
    for round in 0..SEALS {
        let sealed = if round % 2 == 0 { vault.seal(customer, NOTE, &note()) } else { keys.seal(NOTE, &note()) };
        drawn.extend_from_slice(&sealed.unwrap().as_bytes()[NONCE]);
    }
    for _ in 0..NUMBERS {
        drawn.extend_from_slice(&vault.enroll().unwrap().to_stored().to_be_bytes());
    }
    drawn
}

fn distinct(draws: &[Vec<u8>]) {
    let (mut nonces, mut numbers) = (HashSet::<[u8; 12]>::new(), HashSet::<[u8; 8]>::new());
    for drawn in draws {
        assert_eq!(drawn.len(), SEALS * 12 + NUMBERS * 8);
        let (first, second) = drawn.split_at(SEALS * 12);
        nonces.extend(first.as_chunks::<12>().0.iter().copied());
        numbers.extend(second.as_chunks::<8>().0.iter().copied());
    }
    assert_eq!(nonces.len(), SEALS * draws.len(), "a nonce was drawn twice");
    assert_eq!(numbers.len(), NUMBERS * draws.len(), "a number was issued twice");
}

#[test]
fn parent_and_children_draw_no_nonce_and_no_number_twice() {
    let _alone = alone();
    for how in [How::Fork, How::RawClone] {
        let dir = tempfile::tempdir().unwrap();
        let vault = vault(&dir);
        let customer = vault.enroll().unwrap();
        let keys = vault.customer(customer);
        let mut draws = vec![draw(&vault, customer)];
        let sealed = keys.seal(NOTE, &note()).unwrap();
        // The control: the thread's generator does repeat itself.
        rand::rng().next_u64();
        let repeated = in_child(how, || rand::rng().next_u64().to_be_bytes().to_vec());
        assert_eq!(repeated, rand::rng().next_u64().to_be_bytes(), "the control does not show the danger");
        for _ in 0..2 {
            settle(&vault);
            draws.push(in_child(how, || {
                assert!(matches!(keys.open(NOTE, &sealed), Err(OpenError::KeyStore(KeyStoreError::Forked))));
                assert!(matches!(keys.seal(NOTE, &note()), Err(SealError::KeyStore(KeyStoreError::Forked))));
                let mut drawn = draw(&vault, customer);
                assert!(vault.open(customer, NOTE, &sealed).is_ok());
                // A grandchild, whose parent has a vault of its own by now.
                settle(&vault);
                let more = in_child(how, || draw(&vault, customer));
                vault.clone().close().unwrap();
                assert!(matches!(vault.open(customer, NOTE, &sealed), Err(OpenError::KeyStore(KeyStoreError::Closed))));
                drawn.extend(more);
                drawn
            }));
            draws.push(draw(&vault, customer));
        }
        let each = SEALS * 12 + NUMBERS * 8;
        let draws: Vec<Vec<u8>> = draws.iter().flat_map(|drawn| drawn.chunks(each).map(<[u8]>::to_vec)).collect();
        assert_eq!(draws.len(), 7);
        distinct(&draws);
        assert!(keys.open(NOTE, &sealed).is_ok(), "the parent is unaffected");
        let _ = vault.shred([customer]).unwrap();
        vault.close().unwrap();
    }
}

/// The parent's threads hold any lock there is at the moment of the fork; in the child they do not exist.
#[test]
fn a_child_forked_in_the_middle_of_commits_does_not_hang() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(&dir);
    let customer = vault.enroll().unwrap();
    let sealed = vault.seal(customer, NOTE, &note()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let busy: Vec<_> = (0..3)
        .map(|_| {
            let (vault, stop) = (vault.clone(), stop.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let number = vault.enroll().unwrap();
                    vault.customer(number).seal(NOTE, &note()).unwrap();
                    let _ = vault.shred([number]).unwrap();
                }
            })
        })
        .collect();
    let keys = vault.customer(customer);
    keys.open(NOTE, &sealed).unwrap();
    let mut opened = 0;
    for _ in 0..40 {
        std::thread::sleep(std::time::Duration::from_millis(7));
        let (vault, keys) = (vault.clone(), keys.clone());
        let result = in_child(How::Fork, || {
            let result = match vault.open(customer, NOTE, &sealed) {
                Ok(_) => 1,
                Err(error) => {
                    assert_eq!(error.outcome(), Outcome::TryAgain, "{error:?}");
                    0
                }
            };
            assert!(keys.open(NOTE, &sealed).is_err());
            // All that it inherited.
            drop((keys, vault));
            // What a child does that is refused.
            let anew = Vault::at(dir.path().join("vault")).purposes([ORDERS]).unlock(RootKey::bytes([7; 32])).unwrap();
            assert!(anew.open(customer, NOTE, &sealed).is_ok());
            anew.close().unwrap();
            vec![result]
        });
        opened += u32::from(result[0]);
    }
    stop.store(true, Ordering::Relaxed);
    busy.into_iter().for_each(|thread| thread.join().unwrap());
    // A busy vault may refuse: how often depends on the machine. One that waited for the parent's locks never ends.
    assert!(opened >= 20, "only {opened} of 40 children could use the vault");
    assert!(keys.open(NOTE, &sealed).is_ok());
}

#[test]
fn a_child_that_only_drops_the_vault_does_nothing() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(&dir);
    let customer = vault.enroll().unwrap();
    let keys = vault.customer(customer);
    let sealed = keys.seal(NOTE, &note()).unwrap();
    for how in [How::Fork, How::RawClone] {
        let (inherited, inherited_keys) = (vault.clone(), keys.clone());
        let threads = in_child(how, || {
            drop((inherited, inherited_keys));
            // The last ones, as the child sees it.
            // SAFETY: the originals are never used again in this process.
            drop(unsafe { (std::ptr::read(&raw const vault), std::ptr::read(&raw const keys)) });
            vec![std::fs::read_dir("/proc/self/task").unwrap().count() as u8]
        });
        assert_eq!(threads, [1], "{how:?}: the child started a thread");
    }
    assert!(keys.open(NOTE, &sealed).is_ok());
    vault.close().unwrap();
}

/// The audit's thread is the parent's, and its lock may be held for ever: a child opens nothing unseen, and hangs on
/// nothing.
#[test]
fn a_child_opens_nothing_that_its_parent_would_have_to_write_down() {
    use oubliette::Limits;
    use oubliette::audit::{Audit, AuditError, Batch, Openings};

    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(&dir);
    let customer = vault.enroll().unwrap();
    let sealed = vault.seal(customer, NOTE, &note()).unwrap();
    let counted = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let start = || {
        let counted = counted.clone();
        let count = move |batch: &Batch| {
            counted.fetch_add(batch.openings().iter().map(Openings::count).sum(), Ordering::SeqCst);
            Ok(())
        };
        Audit::to(count).start().unwrap()
    };
    let audit = start();
    let reader = |audit: &Audit| {
        let reader = vault.reader(Limits::nothing().purpose(ORDERS));
        reader.audited(audit, "a".parse().unwrap(), "b".parse().unwrap())
    };
    let inherited = reader(&audit);
    inherited.open(customer, NOTE, &sealed).unwrap();
    settle(&vault);
    for how in [How::Fork, How::RawClone] {
        let done = in_child(how, || {
            let forked = |error: OpenError| matches!(error, OpenError::NotAudited { source: AuditError::Forked, .. });
            assert!(forked(inherited.open(customer, NOTE, &sealed).unwrap_err()));
            assert!(forked(inherited.customer(customer).open(NOTE, &sealed).unwrap_err()));
            assert!(matches!(audit.flush(), Err(AuditError::Forked)));
            drop(inherited.clone());
            let of_child = start();
            reader(&of_child).open(customer, NOTE, &sealed).unwrap();
            of_child.flush().unwrap();
            b"done".to_vec()
        });
        assert_eq!(done, b"done");
    }
    audit.flush().unwrap();
    assert_eq!(counted.load(Ordering::SeqCst), 1, "the parent's own");
}
