//! Rules 1, 6 and 14: who says that the key store was rolled back, and who says that someone was shredded.

use std::time::Duration;

use oubliette::testing::TestVault;
use oubliette::{KeyStoreError, OpenError, SealError, UnlockError, Vault};

use super::support::*;

fn is_rolled_back(error: &KeyStoreError) -> bool {
    matches!(error, KeyStoreError::RolledBack { .. })
}

/// Values sealed from now on carry a witness of what the vault is now.
fn outlive_the_first_lease(vault: &TestVault) {
    // Read several times a lease, as the vault's thread does: a lease that was never lost.
    for _ in 0..10 {
        vault.advance(Duration::from_millis(250));
        vault.refresh().unwrap();
    }
}

/// A number that another process issued a moment ago is no sign of anything, however many such numbers come at once.
#[test]
fn numbers_issued_elsewhere_a_moment_ago_prove_nothing() {
    let first = Vault::in_memory([ORDERS, NEWS]);
    let second = first.second().unwrap();
    for _ in 0..10 {
        let (customer, sealed) = enroll(&first);
        second.open(customer, EMAIL, &sealed).unwrap();
        second.seal(first.enroll().unwrap(), EMAIL, &email("b@example.com")).unwrap();
    }
    // Whoever supplies unknown numbers does not make the known ones unknown.
    for _ in 0..3 {
        let unknown = second.seal(number(1 << 39), EMAIL, &email("x@example.com"));
        assert!(matches!(unknown, Err(SealError::NotEnrolled { .. })));
        let (customer, sealed) = enroll(&first);
        second.open(customer, EMAIL, &sealed).unwrap();
    }
}

/// Root record and pages are restored under a running process: it notices by itself, since what it held is not in the
/// new history, and writes that down, so that a process which never saw more refuses too.
#[test]
fn what_a_running_process_notices_all_refuse() {
    let vault = Vault::in_memory([ORDERS, NEWS]);
    let (alice, a) = enroll(&vault);
    let last_night = vault.memory().snapshot();
    let _ = vault.shred([alice]).unwrap();
    vault.memory().restore(&last_night);
    let ignorant = vault.second().unwrap();
    assert!(ignorant.open(alice, EMAIL, &a).is_ok(), "it cannot know yet");
    assert!(is_rolled_back(&vault.refresh().unwrap_err()));
    ignorant.refresh().unwrap();
    assert!(matches!(ignorant.open(alice, EMAIL, &a), Err(OpenError::KeyStore(error)) if is_rolled_back(&error)));
    assert!(matches!(vault.second(), Err(UnlockError::KeyStore(error)) if is_rolled_back(&error)), "a new process too");
    assert!(!ignorant.health().ready && !vault.health().ready);
}

/// The same in the middle of a commit: the one that notices under the lock commits nothing else.
#[test]
fn a_commit_notices_it_too_and_all_refuse() {
    let vault = Vault::in_memory([ORDERS, NEWS]);
    let (alice, _) = enroll(&vault);
    let (bob, b) = enroll(&vault);
    let last_night = vault.memory().snapshot();
    let _ = vault.shred([alice]).unwrap();
    vault.memory().restore(&last_night);
    let error = vault.shred([bob]).unwrap_err();
    assert!(told(&error).contains("was rolled back"), "{}", told(&error));
    let second = vault.second();
    assert!(matches!(second, Err(UnlockError::KeyStore(error)) if is_rolled_back(&error)));
    assert!(matches!(vault.open(bob, EMAIL, &b), Err(OpenError::KeyStore(error)) if is_rolled_back(&error)));
}

/// A handle keeps a derived key for the length of a request; it refuses with all others.
#[test]
fn handles_refuse_with_all_others() {
    let vault = Vault::in_memory([ORDERS, NEWS]);
    let (alice, a) = enroll(&vault);
    let (bob, _) = enroll(&vault);
    let last_night = vault.memory().snapshot();
    let _ = vault.shred([bob]).unwrap();
    vault.memory().restore(&last_night);
    let ignorant = vault.second().unwrap();
    let keys = ignorant.customer(alice);
    assert!(keys.open(EMAIL, &a).is_ok());
    assert!(vault.refresh().is_err());
    ignorant.refresh().unwrap();
    assert!(matches!(keys.open(EMAIL, &a), Err(OpenError::KeyStore(error)) if is_rolled_back(&error)));
    let sealed = keys.seal(EMAIL, &email("a@example.com"));
    assert!(matches!(sealed, Err(SealError::KeyStore(error)) if is_rolled_back(&error)));
    let fresh = ignorant.customer(alice).seal(EMAIL, &email("a@example.com"));
    assert!(matches!(fresh, Err(SealError::KeyStore(error)) if is_rolled_back(&error)));
}

/// A value from the branch that was lost raises an alarm in a process that never saw that branch, and is refused, it alone; a value that
/// does not authenticate tells nothing, whatever its clear bytes claim.
#[test]
fn an_authentic_witness_of_a_fork_raises_an_alarm_and_a_forged_one_does_not() {
    let vault = Vault::in_memory([ORDERS, NEWS]);
    let (alice, _) = enroll(&vault);
    let (bob, _) = enroll(&vault);
    let last_night = vault.memory().snapshot();
    let _ = vault.shred([bob]).unwrap();
    outlive_the_first_lease(&vault);
    let witness = seal(&vault, alice);
    for overtaken in [false, true] {
        // The restored vault goes on, past the generation of the witness or not.
        vault.memory().restore(&last_night);
        let restored = vault.second().unwrap();
        if overtaken {
            while restored.generation().unwrap() < vault.generation().unwrap() + 2 {
                restored.enroll().unwrap();
            }
        }
        let mut forged = witness.as_bytes().to_vec();
        *forged.last_mut().unwrap() ^= 1;
        let forged = oubliette::Sealed::from_bytes(forged).unwrap();
        let (carol, c) = enroll(&restored);
        assert!(matches!(restored.open(alice, EMAIL, &forged), Err(OpenError::NotAuthentic { .. })));
        assert_eq!(restored.health().alarm, None);
        let seen = vault.generation().unwrap();
        for _ in 0..2 {
            let refused = restored.open(alice, EMAIL, &witness);
            let told = matches!(refused, Err(OpenError::NotOfThisHistory { seen: told, .. }) if told == seen);
            assert!(told, "{refused:?}");
            assert!(restored.open(carol, EMAIL, &c).is_ok(), "that value alone");
        }
        let second = vault.second().unwrap();
        assert_eq!([restored.health().alarm, second.health().alarm], [Some(seen); 2]);
        assert!(restored.health().ready && second.open(carol, EMAIL, &c).is_ok());
    }
}

/// Without a proof nothing is written: a number from the application's tables may be a mistake, and a mistake must not
/// stop every process until somebody recovers a vault that is well.
#[test]
fn a_number_that_was_never_issued_refuses_this_unlock_only() {
    let vault = Vault::in_memory([ORDERS]);
    let (alice, a) = enroll(&vault);
    let unlocked = vault.builder().highest_number_known(number(1_000_000)).unlock(TestVault::root_key());
    assert!(matches!(unlocked, Err(UnlockError::KeyStore(error)) if is_rolled_back(&error)));
    assert!(vault.builder().highest_number_known(alice).unlock(TestVault::root_key()).is_ok());
    assert!(vault.second().unwrap().open(alice, EMAIL, &a).is_ok());
    let generation = vault.generation().unwrap();
    let behind = vault.builder().demand_generation(generation + 1).unlock(TestVault::root_key());
    assert!(matches!(behind, Err(UnlockError::BehindDemand { .. })));
    assert!(vault.builder().demand_generation(generation).unlock(TestVault::root_key()).is_ok());
}

/// Rule 6: every commit leaves a mark beside the pages. Two generations below it, nothing is unlocked and no number
/// issued; one below is what a commit leaves that was killed before it wrote the record.
#[test]
fn a_record_two_below_the_mark_is_refused() {
    let vault = Vault::in_memory([ORDERS]);
    let (alice, _) = enroll(&vault);
    let (bob, _) = enroll(&vault);
    let before = vault.memory().snapshot();
    let _ = vault.shred([alice]).unwrap();
    let one_later = vault.memory().snapshot();
    vault.memory().restore_record(&before);
    let restored = vault.second().unwrap();
    assert!(restored.enroll().is_ok(), "it may have been a commit that was killed");
    vault.memory().restore(&one_later);
    let _ = vault.shred([bob]).unwrap();
    vault.memory().restore_record(&before);
    assert!(matches!(vault.second(), Err(UnlockError::KeyStore(error)) if is_rolled_back(&error)));
}

/// Rule 14: each answer before those that come after it.
#[test]
fn who_says_shredded() {
    let vault = Vault::in_memory([ORDERS, NEWS]);
    let (alice, a) = enroll(&vault);
    let (bob, b) = enroll(&vault);
    let _ = vault.shred([alice]).unwrap();
    let other_vault = Vault::in_memory([ORDERS, NEWS]);
    let foreign = seal(&other_vault, other_vault.enroll().unwrap());
    let mut damaged = a.as_bytes().to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let damaged = oubliette::Sealed::from_bytes(damaged).unwrap();
    // Whose number it carries comes before who was shredded, on either side.
    assert!(matches!(vault.open(bob, EMAIL, &a), Err(OpenError::OtherCustomer { found, .. }) if found == alice));
    assert!(matches!(vault.open(alice, EMAIL, &b), Err(OpenError::OtherCustomer { found, .. }) if found == bob));
    // So does whose tree it is of.
    assert!(matches!(vault.open(alice, NEWS_EMAIL, &a), Err(OpenError::OtherPurpose { .. })));
    assert!(matches!(vault.open(alice, EMAIL, &foreign), Err(OpenError::OtherVault { .. })));
    // Shredded before authentic: nothing is left to tell with.
    assert!(matches!(vault.open(alice, EMAIL, &damaged), Err(OpenError::Shredded { .. })));
    // No context is not an empty one, and neither opens the other.
    let empty = vault.seal(bob, EMAIL.within(b""), &email("bob@example.com")).unwrap();
    assert!(vault.open(bob, EMAIL.within(b""), &empty).is_ok());
    assert!(matches!(vault.open(bob, EMAIL, &empty), Err(OpenError::NotAuthentic { .. })));
    assert!(matches!(vault.open(bob, EMAIL.within(b""), &b), Err(OpenError::NotAuthentic { .. })));
    // The same through a handle.
    let keys = vault.customer(alice);
    assert!(matches!(keys.open(EMAIL, &b), Err(OpenError::OtherCustomer { .. })));
    assert!(matches!(keys.open(NEWS_EMAIL, &a), Err(OpenError::OtherPurpose { .. })));
    assert!(matches!(keys.open(EMAIL, &damaged), Err(OpenError::Shredded { .. })));
}
