//! Rule 9: what was given up before a key store was restored is given up again.

use oubliette::testing::TestVault;
use oubliette::{
    OpenError, RootKey, Vault,
    recovery::{RecoverError, Recovery},
    search::Epoch,
};

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
    let _ = vault.shredding([bob]).purpose(ORDERS).run().unwrap();
    let token = vault.token(BY_EMAIL, &email("alice@example.com")).unwrap();
    let backup = vault.memory().snapshot();

    let new = vault.rotate_purpose(ORDERS).unwrap().0;
    let retired = vault.retire_replaced(ORDERS, new).unwrap();
    for _ in 0..2 {
        let _ = vault.begin_epoch(BY_EMAIL).unwrap();
    }
    let _ = vault.retire_epoch(BY_EMAIL, Epoch::FIRST).unwrap();
    let seen = vault.generation().unwrap();
    vault.memory().restore(&backup);

    let recovery = Recovery::beyond(seen, bob)
        .retired(retired.0.iter().copied())
        .epoch_begun(BY_EMAIL, Epoch::new(2).unwrap())
        .epoch_retired(BY_EMAIL, Epoch::FIRST);
    let mended = vault.builder().recover(TestVault::root_key(), recovery, new_key()).unwrap();
    assert!(matches!(mended.open(alice, EMAIL, &old), Err(OpenError::Retired { .. })), "given up again");
    assert!(matches!(mended.open(bob, EMAIL, &gone), Err(OpenError::Shredded { .. })), "in the new tree too");
    let sealed = mended.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    assert!(mended.open(alice, EMAIL, &sealed).is_ok(), "the purpose has a tree again");
    let epochs = mended.epochs(BY_EMAIL).unwrap();
    assert_eq!(epochs.live.iter().map(|epoch| epoch.number()).collect::<Vec<_>>(), [3], "1 and 2 are lost");
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
    let new = vault.rotate_purpose(ORDERS).unwrap().0;
    let _ = vault.retire_replaced(ORDERS, new).unwrap();
    let seen = vault.generation().unwrap();
    vault.memory().restore(&backup);
    let mended = vault.builder().recover(TestVault::root_key(), Recovery::beyond(seen, alice), new_key()).unwrap();
    assert!(mended.open(alice, EMAIL, &old).is_ok());
}

#[test]
fn a_retired_epoch_that_was_current_in_the_restored_record_is_followed_by_another() {
    let vault = Vault::in_memory([ORDERS]);
    let backup = vault.memory().snapshot();
    let before = vault.token(BY_EMAIL, &email("alice@example.com")).unwrap();
    let _ = vault.begin_epoch(BY_EMAIL).unwrap();
    let written = vault.token(BY_EMAIL, &email("alice@example.com")).unwrap();
    let _ = vault.retire_epoch(BY_EMAIL, Epoch::FIRST).unwrap();
    let seen = vault.generation().unwrap();
    let recover = |recovery| {
        vault.memory().restore(&backup);
        let mended = vault.builder().recover(TestVault::root_key(), recovery, new_key()).unwrap();
        mended.tokens(BY_EMAIL, &email("alice@example.com")).unwrap()
    };
    let told = recover(Recovery::beyond(seen, number(1)).epoch_retired(BY_EMAIL, Epoch::FIRST));
    assert_eq!(told.iter().map(|token| token.epoch().number()).collect::<Vec<_>>(), [1]);
    assert_ne!(told, [written], "its key is new: tokens must be renewed");
    // And in the other order, with the epoch that had begun.
    let last = Epoch::new(1).unwrap();
    for recovery in [
        Recovery::beyond(seen, number(1)).epoch_retired(BY_EMAIL, Epoch::FIRST).epoch_begun(BY_EMAIL, last),
        Recovery::beyond(seen, number(1)).epoch_begun(BY_EMAIL, last).epoch_retired(BY_EMAIL, Epoch::FIRST),
    ] {
        let told = recover(recovery);
        assert_eq!(told.iter().map(|token| token.epoch().number()).collect::<Vec<_>>(), [2]);
    }
    let told = recover(Recovery::beyond(seen, number(1)).epoch_begun(BY_EMAIL, Epoch::FIRST));
    assert_eq!(told, [before], "what the restored record knows is as it was");
}

#[test]
fn an_index_of_an_unknown_purpose_is_not_passed_over() {
    let vault = Vault::in_memory([ORDERS]);
    let seen = vault.generation().unwrap() + 5;
    const MISSPELT: Index<Email> = Purpose::new("ordres").field::<Email>("email").index("exact", bits(64));
    let recovery = Recovery::beyond(seen, number(1)).epoch_retired(MISSPELT, Epoch::FIRST);
    let recovered = vault.builder().recover(TestVault::root_key(), recovery, new_key());
    assert!(matches!(recovered, Err(RecoverError::UnknownPurpose { purpose: "ordres" })), "{recovered:?}");
}

/// In a full record too, and in whatever order they are given.
#[test]
fn trees_are_given_up_again_in_a_full_record() {
    for newest_first in [false, true] {
        let vault = Vault::in_memory([ORDERS, NEWS]);
        let alice = vault.enroll().unwrap();
        for _ in 0..20 {
            let _ = vault.rotate_purpose(ORDERS).unwrap();
        }
        let backup = vault.memory().snapshot();
        let mut trees: Vec<_> = vault.status().unwrap().purposes.iter().map(|tree| tree.tree).collect();
        trees.remove(1); // the newsletter's
        if newest_first {
            trees.reverse();
        }
        let seen = vault.generation().unwrap() + 5;
        vault.memory().restore(&backup);
        let recovery = Recovery::beyond(seen, alice).retired(trees);
        let mended = vault.builder().recover(TestVault::root_key(), recovery, new_key()).unwrap();
        let status = mended.status().unwrap();
        let orders: Vec<_> = status.purposes.iter().filter(|tree| tree.purpose == "orders").collect();
        assert_eq!(orders.iter().filter(|tree| !tree.retired).count(), 1);
    }
}

/// A program that unlocks one purpose only recovers all of the vault.
#[test]
fn a_purpose_that_is_not_unlocked_gets_its_new_tree_too() {
    let vault = Vault::in_memory([ORDERS, NEWS]);
    let alice = vault.enroll().unwrap();
    let old = vault.seal(alice, NEWS_EMAIL, &email("alice@example.com")).unwrap();
    let backup = vault.memory().snapshot();
    let new = vault.rotate_purpose(NEWS).unwrap().0;
    let retired = vault.retire_replaced(NEWS, new).unwrap();
    let seen = vault.generation().unwrap();
    vault.memory().restore(&backup);
    let recovery = Recovery::beyond(seen, alice).retired(retired.0.iter().copied());
    let mended = vault.builder().purposes([ORDERS]).recover(TestVault::root_key(), recovery, new_key()).unwrap();
    drop(mended);
    let vault = vault.builder().unlock(new_key()).unwrap();
    assert!(matches!(vault.open(alice, NEWS_EMAIL, &old), Err(OpenError::Retired { .. })));
    assert!(vault.seal(alice, NEWS_EMAIL, &email("alice@example.com")).is_ok());
}
