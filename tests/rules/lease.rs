//! Rule 10: what a process may do when its lease has run out, and what it still holds then.

use std::time::{Duration, Instant};

use oubliette::{KeyStoreError, OpenError, Outcome, Vault};

use super::support::*;

/// A handle that slept through its lease wakes up with a key in it. What that key decrypts must not be given out.
#[test]
fn a_handle_that_outslept_its_lease_gives_out_nothing_of_the_shredded() {
    let first = Vault::in_memory([ORDERS, NEWS]);
    let (alice, a) = enroll(&first);
    let second = first.second().unwrap();
    let keys = second.customer(alice);
    assert!(keys.open(EMAIL, &a).is_ok());
    let _ = first.shred([alice]).unwrap();
    assert!(keys.open(EMAIL, &a).is_ok(), "within the lease it may");
    first.advance(Duration::from_secs(2));
    let error = keys.open(EMAIL, &a).unwrap_err();
    assert!(matches!(error, OpenError::Shredded { .. }), "{error:?}");
}

/// The same for a bulk run, which has its rows' keys from before.
#[test]
fn a_bulk_run_that_outslept_its_lease_gives_out_nothing_of_the_shredded() {
    let first = Vault::in_memory([ORDERS, NEWS]);
    let rows: Vec<_> = (0..10).map(|_| enroll(&first)).collect();
    let second = first.second().unwrap();
    let mut each = second.each_customer(&rows, |row| row.0);
    let ((_, sealed), keys) = each.next().unwrap();
    assert!(keys.open(EMAIL, sealed).is_ok());
    let _ = first.shred(rows.iter().map(|row| row.0)).unwrap();
    first.advance(Duration::from_secs(2));
    for ((_, sealed), keys) in each {
        assert!(matches!(keys.open(EMAIL, sealed), Err(OpenError::Shredded { .. })));
    }
    assert!(matches!(keys.open(EMAIL, sealed), Err(OpenError::Shredded { .. })));
}

/// When the lease runs out and the store is away, keys go at once; when it was away only for the process (it slept),
/// what it reserved goes too: a copy of the machine may hand out the same numbers.
#[test]
fn a_lost_lease_drops_the_block_of_numbers() {
    let vault = Vault::in_memory([ORDERS]);
    // Blocks double: 1, 2 to 3, 4 to 7, so that after the fifth number the process holds more.
    for _ in 0..5 {
        vault.enroll().unwrap();
    }
    let reserved = reserved(&vault);
    assert!(reserved > number(5), "it holds a block");
    vault.advance(Duration::from_secs(2));
    let next = vault.enroll().unwrap();
    assert!(next > reserved, "{next} was reserved before the lease was lost");
}

#[test]
fn a_lost_store_drops_the_block_of_numbers_and_keys() {
    let vault = Vault::in_memory([ORDERS]);
    let mut rows: Vec<_> = (0..5).map(|_| enroll(&vault)).collect();
    let (alice, a) = rows.remove(0);
    let reserved = reserved(&vault);
    let keys = vault.customer(alice);
    assert!(keys.open(EMAIL, &a).is_ok());
    vault.lose_store();
    let error = keys.open(EMAIL, &a).unwrap_err();
    assert!(matches!(error, OpenError::KeyStore(KeyStoreError::LeaseLost { .. })), "{error:?}");
    assert!(vault.enroll().is_err());
    vault.find_store();
    assert!(keys.open(EMAIL, &a).is_ok());
    assert!(vault.enroll().unwrap() > reserved);
}

/// The store is unmounted under a running vault: nothing opens a lease later, and all is well when it is back.
#[test]
fn a_store_that_goes_away_and_comes_back() {
    let scratch = Scratch::new();
    let vault = scratch.vault().patience(Duration::from_millis(50)).create(key()).unwrap();
    let (alice, a) = enroll(&vault);
    let keys = vault.customer(alice);
    assert!(keys.open(EMAIL, &a).is_ok());
    std::fs::rename(scratch.join("main"), scratch.join("away")).unwrap();
    let gone = Instant::now();
    let (mut last, mut error) = (Duration::ZERO, None);
    while gone.elapsed() < LEASE * 3 {
        let asked = gone.elapsed();
        match keys.open(EMAIL, &a) {
            Ok(_) => last = asked,
            Err(other) => error = Some(other),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(last <= LEASE, "opened {last:?} after the store was gone");
    let error = error.unwrap();
    let OpenError::KeyStore(KeyStoreError::LeaseLost { lease, .. }) = &error else { panic!("{error:?}") };
    assert_eq!((*lease, error.outcome()), (LEASE, Outcome::TryAgain));
    assert!(told(&error).contains("main"), "names what is away: {}", told(&error));
    let health = vault.health();
    assert!(!health.ready && health.trouble.is_some() && health.lease_left.is_zero());
    assert!(vault.enroll().is_err() && keys.seal(EMAIL, &email("a@example.com")).is_err());
    std::fs::rename(scratch.join("away"), scratch.join("main")).unwrap();
    eventually("it recovers by itself", || vault.health().ready);
    assert!(keys.open(EMAIL, &a).is_ok() && vault.enroll().is_ok());
}

/// A store that tells of changes: a shred in another process is known at once, however long the lease is.
#[test]
fn a_store_may_tell_of_changes() {
    let memory = oubliette::store::Memory::new();
    let at = || Vault::on(memory.clone(), memory.clone()).purposes([ORDERS]).lease(Duration::from_secs(60));
    let vault = at().create(key()).unwrap();
    let other = at().unlock(key()).unwrap();
    let (alice, a) = enroll(&vault);
    assert!(other.open(alice, EMAIL, &a).is_ok());
    let begun = std::time::Instant::now();
    let _ = vault.shred([alice]).unwrap();
    eventually("the other knows", || {
        matches!(other.open(alice, EMAIL, &a), Err(oubliette::OpenError::Shredded { .. }))
    });
    assert!(begun.elapsed() < Duration::from_secs(10), "a quarter of a lease is fifteen seconds");
    // Nobody is told who is gone.
    drop(other);
    vault.enroll().unwrap();
}
