//! A purpose's key tree is replaced: what opens, what is moved, what is given up.

use std::time::Duration;

use oubliette::testing::Stop;
use oubliette::{ChangeError, Error, OpenError, RootKey, SealError, Vault};

use super::attack::decoder::Value;
use super::attack::{Attacker, Effort, Loot};
use super::*;

#[test]
fn old_values_open_until_they_are_moved_and_the_tree_given_up() {
    let vault = Vault::in_memory([ORDERS, NEWS]);
    let second = vault.second().unwrap();
    let (alice, bob) = (vault.enroll().unwrap(), vault.enroll().unwrap());
    let old = vault.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    let left = vault.seal(alice, EMAIL.within(b"row 2"), &email("alice@example.org")).unwrap();
    let news = vault.seal(alice, NEWS_EMAIL, &email("alice@example.com")).unwrap();
    let shredded = vault.seal(bob, EMAIL, &email("bob@example.com")).unwrap();
    let _ = vault.shredding([bob]).purpose(ORDERS).run().unwrap();

    let keys = vault.customer(alice);
    keys.open(EMAIL, &old).unwrap();
    assert!(!vault.needs_reseal(&old).unwrap());
    assert!(vault.reseal(alice, EMAIL, &old).unwrap().is_none());
    let rotated = vault.rotate_purpose(ORDERS).unwrap();
    assert!(vault.needs_reseal(&old).unwrap() && !vault.needs_reseal(&news).unwrap());
    assert!(keys.open(EMAIL, &old).is_ok() && vault.open(alice, EMAIL, &old).is_ok());

    let moved = keys.reseal(EMAIL, &old).unwrap().unwrap();
    assert_eq!(vault.reseal(alice, EMAIL, &old).unwrap().map(|_| ()), Some(()));
    assert!(!vault.needs_reseal(&moved).unwrap());
    assert!(!vault.needs_reseal(&keys.seal(EMAIL, &email("a@example.com")).unwrap()).unwrap(), "handles moved on");
    // Who was shredded in the old tree is so in the new one from the start.
    for opened in [vault.open(bob, EMAIL, &shredded).err(), vault.reseal(bob, EMAIL, &shredded).err().map(open_error)] {
        assert!(matches!(opened, Some(OpenError::Shredded { .. })), "{opened:?}");
    }
    assert!(matches!(vault.seal(bob, EMAIL, &email("b@example.com")), Err(SealError::Shredded { .. })));
    vault.advance(Duration::from_secs(2));
    assert!(!vault.needs_reseal(&second.seal(alice, EMAIL, &email("a@example.com")).unwrap()).unwrap());

    let status = vault.status().unwrap();
    let orders: Vec<_> = status.purposes.iter().filter(|tree| tree.purpose == "orders").collect();
    assert_eq!(
        orders.iter().map(|tree| (tree.active, tree.retired, tree.shredded)).collect::<Vec<_>>(),
        [(false, false, 1), (true, false, 1)]
    );
    assert_eq!(orders[1].tree, rotated.0);
    assert_eq!(orders[1].tree.to_string().parse(), Ok(orders[1].tree));

    let retired = vault.retire_replaced(ORDERS, rotated.0).unwrap();
    assert_eq!(retired.0, [orders[0].tree]);
    assert!(retired.1.is_wiped_here());
    let opened = vault.open(alice, EMAIL.within(b"row 2"), &left);
    assert!(matches!(opened, Err(OpenError::Retired { .. })), "{opened:?}");
    assert!(matches!(keys.open(EMAIL, &old), Err(OpenError::Retired { .. })));
    assert!(vault.open(alice, EMAIL, &moved).is_ok() && vault.open(alice, NEWS_EMAIL, &news).is_ok());
    assert!(matches!(vault.open(bob, EMAIL, &shredded), Err(OpenError::Shredded { .. })), "the active tree says so");
    assert_eq!(vault.retire_replaced(ORDERS, rotated.0).unwrap().0.len(), 1, "twice is no error");
}

fn open_error(error: Error) -> OpenError {
    match error {
        Error::Open(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_shred_covers_replaced_trees_too() {
    let vault = Vault::in_memory([ORDERS]);
    let alice = vault.enroll().unwrap();
    let old = vault.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    let _ = vault.rotate_purpose(ORDERS).unwrap();
    let new = vault.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    let _ = vault.shred([alice]).unwrap();
    for sealed in [old, new] {
        assert!(matches!(vault.open(alice, EMAIL, &sealed), Err(OpenError::Shredded { .. })));
    }
}

#[test]
fn those_shredded_are_told_among_others() {
    let vault = Vault::in_memory([ORDERS, NEWS]);
    let all: Vec<CustomerId> = (0..40).map(|_| vault.enroll().unwrap()).collect();
    let _ = vault.shredding([all[3], all[30]]).purpose(NEWS).run().unwrap();
    let _ = vault.shred([all[7]]).unwrap();
    assert_eq!(vault.shredded_among(NEWS, all.iter().rev().copied()).unwrap(), [all[3], all[7], all[30]]);
    assert_eq!(vault.shredded_among(ORDERS, all).unwrap(), [number(8)]);
    assert!(matches!(vault.shredded_among(Purpose::new("x"), [number(1)]), Err(OpenError::PurposeNotUnlocked { .. })));
}

/// 22 trees fit; a purpose can be rotated for ever, since retired ones make room.
#[test]
fn retired_trees_make_room() {
    let vault = Vault::in_memory([ORDERS, NEWS]);
    let alice = vault.enroll().unwrap();
    let first = vault.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    let mut newest = None;
    for _ in 0..20 {
        newest = Some(vault.rotate_purpose(ORDERS).unwrap().0);
    }
    let full = vault.rotate_purpose(ORDERS);
    assert!(matches!(full, Err(ChangeError::NothingHappened(oubliette::KeyStoreError::Full { .. }))), "{full:?}");
    assert!(vault.open(alice, EMAIL, &first).is_ok(), "nothing was given up for it");
    assert_eq!(vault.retire_replaced(ORDERS, newest.unwrap()).unwrap().0.len(), 20);
    for _ in 0..3 {
        let _ = vault.rotate_purpose(ORDERS).unwrap();
    }
    let sealed = vault.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    assert!(vault.second().unwrap().open(alice, EMAIL, &sealed).is_ok());
}

/// Of retired trees the one that was retired first goes, whenever it was made; and new purposes find room too.
#[test]
fn the_tree_retired_first_goes_first() {
    let vault = Vault::in_memory([ORDERS, NEWS]);
    let alice = vault.enroll().unwrap();
    let sealed = vault.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    let give_up = |purpose| {
        let new = vault.rotate_purpose(purpose).unwrap().0;
        let _ = vault.retire_replaced(purpose, new).unwrap();
    };
    (0..19).for_each(|_| give_up(NEWS));
    give_up(ORDERS);
    give_up(NEWS);
    assert!(matches!(vault.open(alice, EMAIL, &sealed), Err(OpenError::Retired { .. })), "retired a moment ago");
    let third = Purpose::new("third");
    let more = vault.builder().purposes([ORDERS, NEWS, third]).add_missing_purposes();
    let more = more.unlock(oubliette::testing::TestVault::root_key()).unwrap();
    assert_eq!(more.status().unwrap().purposes.len(), 22);
    let _ = more.seal(alice, third.field("email"), &email("alice@example.com")).unwrap();
}

/// A store that stops at each step of a commit in turn: one new tree, or none.
#[test]
fn a_crash_replaces_a_tree_once_or_not_at_all() {
    for at in 1..40 {
        let vault = Vault::in_memory([ORDERS]);
        let alice = vault.enroll().unwrap();
        let sealed = vault.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
        vault.steps().stop_at(at, Stop::Die { torn: at % 2 == 0 });
        let rotated = vault.rotate_purpose(ORDERS);
        let finished = vault.steps().taken() < at;
        vault.steps().reset();
        let reopened = vault.second().unwrap();
        let trees = reopened.status().unwrap().purposes.len();
        match rotated {
            Ok(_) => assert_eq!(trees, 2),
            Err(ChangeError::NothingHappened(_)) => assert_eq!(trees, 1),
            Err(ChangeError::Unknown(_) | ChangeError::OldCopyRemains(_)) => assert!(trees <= 2),
            Err(other) => panic!("{other:?}"),
        }
        assert!(reopened.open(alice, EMAIL, &sealed).is_ok());
        if finished {
            return;
        }
    }
    panic!("a commit has fewer steps");
}

/// Rule 9: a tree is given up only once the record, and so the tree that replaced it, exists in two places.
#[test]
fn with_one_place_no_tree_is_given_up() {
    let scratch = tempfile::tempdir().unwrap();
    let at = scratch.path().join("privacy");
    let vault = Vault::at(&at).purposes([ORDERS]).create(RootKey::bytes([7; 32])).unwrap();
    let alice = vault.enroll().unwrap();
    let sealed = vault.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    let new = vault.rotate_purpose(ORDERS).unwrap().0;
    assert!(matches!(vault.retire_replaced(ORDERS, new), Err(ChangeError::OnePlace)));
    assert!(vault.open(alice, EMAIL, &sealed).is_ok());
    vault.attach_mirror(scratch.path().join("mirror"), &mut |_, _| ()).unwrap();
    assert_eq!(vault.retire_replaced(ORDERS, new).unwrap().0.len(), 1);
    assert!(matches!(vault.open(alice, EMAIL, &sealed), Err(OpenError::Retired { .. })));
    vault.close().unwrap();

    let vault = Vault::at(&at).mirror(scratch.path().join("mirror")).purposes([ORDERS]);
    let vault = vault.unlock(RootKey::bytes([7; 32])).unwrap();
    assert!(matches!(vault.open(alice, EMAIL, &sealed), Err(OpenError::Retired { .. })), "it is durable");
}

#[test]
fn tokens_do_not_depend_on_the_tree_of_the_purpose() {
    let vault = Vault::in_memory([ORDERS]);
    let before = vault.token(BY_EMAIL, &email("alice@example.com")).unwrap();
    let new = vault.rotate_purpose(ORDERS).unwrap().0;
    let _ = vault.retire_replaced(ORDERS, new).unwrap();
    assert_eq!(vault.token(BY_EMAIL, &email("alice@example.com")).unwrap(), before);
    assert!(vault.token(PHONE.index("exact", bits(32)), &"+33612345678".parse().unwrap()).is_ok());
}

/// What an attacker opens who has every page and value ever written, the current record and its key: an index a value.
fn opened(vault: &oubliette::testing::TestVault, values: &[&oubliette::Sealed<Email>]) -> Vec<usize> {
    let memory = vault.memory();
    let loot = Loot {
        pages: memory.pages_put().into_iter().map(|page| page.bytes).collect(),
        records: memory.records_written().pop().into_iter().collect(),
        root_keys: vec![[0x5a; 32]],
        values: values.iter().map(|sealed| Value::read(sealed.as_bytes(), None)).collect(),
        fields: vec![("email", "obl.email")],
    };
    Attacker::new(&loot, Effort::Exhaustive).run().into_keys().collect()
}

#[test]
fn what_was_left_under_a_retired_tree_is_gone_for_whoever_has_every_byte_ever_written() {
    let vault = Vault::in_memory([ORDERS]);
    let customers: Vec<CustomerId> = (0..3).map(|_| vault.enroll().unwrap()).collect();
    let seal = |customer| vault.seal(customer, EMAIL, &email("alice@example.com")).unwrap();
    let old: Vec<_> = customers.iter().map(|customer| seal(*customer)).collect();
    // So that the old tree has pages, which the attacker keeps.
    let _ = vault.shred([customers[2]]).unwrap();
    let first = vault.rotate_purpose(ORDERS).unwrap().0;
    let new = vault.reseal(customers[0], EMAIL, &old[0]).unwrap().unwrap();
    let values = [&old[0], &old[1], &old[2], &new];
    assert_eq!(opened(&vault, &values), [0, 1, 3], "the control: all but the shredded");
    let _ = vault.retire_replaced(ORDERS, first).unwrap();
    assert_eq!(opened(&vault, &values), [3]);
    let second = vault.rotate_purpose(ORDERS).unwrap().0;
    let _ = vault.retire_replaced(ORDERS, second).unwrap();
    assert!(opened(&vault, &values).is_empty());
}

/// The test above is able to fail.
#[cfg(planted)]
#[test]
fn a_planted_bug_by_which_a_retired_tree_stays_is_seen() {
    use oubliette::planted::{Bug, plant};
    let vault = Vault::in_memory([ORDERS]);
    let customer = vault.enroll().unwrap();
    let value = vault.seal(customer, EMAIL, &email("alice@example.com")).unwrap();
    let new = vault.rotate_purpose(ORDERS).unwrap().0;
    plant(Some(Bug::StaleRootKey));
    let _ = vault.retire_replaced(ORDERS, new);
    plant(None);
    assert_eq!(opened(&vault, &[&value]), [0]);
}

/// Killed at each step in turn, and called again by a process that starts after: then the old tree is given up.
#[test]
fn a_crash_while_a_tree_is_given_up_is_finished_by_the_next_call() {
    for at in 1..40 {
        let vault = Vault::in_memory([ORDERS]);
        let alice = vault.enroll().unwrap();
        let old = vault.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
        let new = vault.rotate_purpose(ORDERS).unwrap().0;
        vault.steps().stop_at(at, Stop::Die { torn: at % 2 == 0 });
        let retired = vault.retire_replaced(ORDERS, new);
        let finished = vault.steps().taken() < at;
        vault.steps().reset();
        assert!(retired.is_ok() || !finished);
        let reopened = vault.second().unwrap();
        let after = reopened.open(alice, EMAIL, &old);
        match &retired {
            Ok(_) => assert!(matches!(after, Err(OpenError::Retired { .. }))),
            Err(ChangeError::NothingHappened(_)) => assert!(after.is_ok()),
            Err(_) => assert!(matches!(after, Ok(_) | Err(OpenError::Retired { .. })), "{after:?}"),
        }
        assert!(reopened.retire_replaced(ORDERS, new).is_ok());
        assert!(opened(&reopened, &[&old]).is_empty());
        if finished {
            return;
        }
    }
    panic!("a commit has fewer steps");
}
