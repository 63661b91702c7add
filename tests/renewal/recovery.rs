//! Rule 9: what was given up before a key store was restored is given up again.

use oubliette::testing::TestVault;
use oubliette::{Epoch, OpenError, Recovery, RootKey, Vault};

use super::*;

fn new_key() -> RootKey {
    RootKey::bytes([9; 32])
}

#[test]
fn recover_gives_up_again_what_was_retired_since() {
    let vault = Vault::in_memory([ORDERS, NEWS]);
    let (alice, bob) = (vault.enroll().unwrap(), vault.enroll().unwrap());
    let old = vault.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    let gone = vault.seal(bob, EMAIL, &email("bob@example.com")).unwrap();
    let _ = vault.shred_purpose(ORDERS, [bob]).unwrap();
    let token = vault.token(BY_EMAIL, &email("alice@example.com")).unwrap();
    let backup = vault.memory().snapshot();

    let _ = vault.rotate_purpose(ORDERS).unwrap();
    let retired = vault.retire_replaced(ORDERS).unwrap();
    for _ in 0..2 {
        let _ = vault.begin_epoch(BY_EMAIL).unwrap();
    }
    let _ = vault.retire_epoch(BY_EMAIL, Epoch::FIRST).unwrap();
    let seen = vault.generation().unwrap();
    vault.memory().restore(&backup);

    let recovery = Recovery::beyond(seen, bob)
        .retired(retired.trees().iter().copied())
        .epoch_begun(BY_EMAIL, Epoch::new(2).unwrap())
        .epoch_retired(BY_EMAIL, Epoch::FIRST);
    let mended = vault.builder().recover(TestVault::root_key(), recovery, new_key()).unwrap();
    assert!(matches!(mended.open(alice, EMAIL, &old), Err(OpenError::Retired { .. })), "given up again");
    assert!(matches!(mended.open(bob, EMAIL, &gone), Err(OpenError::Shredded { .. })), "in the new tree too");
    let sealed = mended.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    assert!(mended.open(alice, EMAIL, &sealed).is_ok(), "the purpose has a tree again");
    let epochs = mended.epochs(BY_EMAIL).unwrap();
    assert_eq!(epochs.live.iter().map(|epoch| epoch.number()).collect::<Vec<_>>(), [2, 1]);
    let again = mended.tokens(BY_EMAIL, &email("alice@example.com")).unwrap();
    assert!(!again.contains(&token));
}

#[test]
fn without_being_told_recover_brings_it_back() {
    // The control: the restored record still has the keys, so the list is what gives them up.
    let vault = Vault::in_memory([ORDERS]);
    let alice = vault.enroll().unwrap();
    let old = vault.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    let backup = vault.memory().snapshot();
    let _ = vault.rotate_purpose(ORDERS).unwrap();
    let _ = vault.retire_replaced(ORDERS).unwrap();
    let seen = vault.generation().unwrap();
    vault.memory().restore(&backup);
    let mended = vault.builder().recover(TestVault::root_key(), Recovery::beyond(seen, alice), new_key()).unwrap();
    assert!(mended.open(alice, EMAIL, &old).is_ok());
}

#[test]
fn a_retired_epoch_that_was_current_in_the_restored_record_is_followed_by_the_next() {
    let vault = Vault::in_memory([ORDERS]);
    let backup = vault.memory().snapshot();
    let _ = vault.begin_epoch(BY_EMAIL).unwrap();
    let _ = vault.retire_epoch(BY_EMAIL, Epoch::FIRST).unwrap();
    let written = vault.token(BY_EMAIL, &email("alice@example.com")).unwrap();
    let seen = vault.generation().unwrap();
    vault.memory().restore(&backup);
    let recovery = Recovery::beyond(seen, number(1)).epoch_retired(BY_EMAIL, Epoch::FIRST);
    let mended = vault.builder().recover(TestVault::root_key(), recovery, new_key()).unwrap();
    assert_eq!(mended.tokens(BY_EMAIL, &email("alice@example.com")).unwrap(), [written], "found as before");
}

/// A program that unlocks one purpose only recovers all of the vault.
#[test]
fn a_purpose_that_is_not_unlocked_gets_its_new_tree_too() {
    let vault = Vault::in_memory([ORDERS, NEWS]);
    let alice = vault.enroll().unwrap();
    let old = vault.seal(alice, NEWS_EMAIL, &email("alice@example.com")).unwrap();
    let backup = vault.memory().snapshot();
    let _ = vault.rotate_purpose(NEWS).unwrap();
    let retired = vault.retire_replaced(NEWS).unwrap();
    let seen = vault.generation().unwrap();
    vault.memory().restore(&backup);
    let recovery = Recovery::beyond(seen, alice).retired(retired.trees().iter().copied());
    let mended = vault.builder().purposes([ORDERS]).recover(TestVault::root_key(), recovery, new_key()).unwrap();
    drop(mended);
    let vault = vault.builder().unlock(new_key()).unwrap();
    assert!(matches!(vault.open(alice, NEWS_EMAIL, &old), Err(OpenError::Retired { .. })));
    assert!(vault.seal(alice, NEWS_EMAIL, &email("alice@example.com")).is_ok());
}
