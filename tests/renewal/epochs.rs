//! Epochs: begun by one process and used by all, retired for good.

use std::collections::HashSet;

use hmac::{KeyInit, Mac};
use oubliette::testing::Stop;
use oubliette::testing::TestVault;
use oubliette::{ChangeError, Token, Vault, search::Epoch};
use sha2::{Digest, Sha256};

use super::attack::decoder::{self, Key, PAGE_TEXT, Record, child, keystream, xor};
use super::*;

fn epoch(number: u8) -> Epoch {
    Epoch::new(number).unwrap()
}

#[test]
fn a_new_epoch_is_written_and_both_are_queried_until_the_old_one_is_retired() {
    let vault = Vault::in_memory([ORDERS, NEWS]);
    let second = vault.second().unwrap();
    let alice = email("alice@example.com");
    let old = vault.token(BY_EMAIL, &alice).unwrap();
    let elsewhere = vault.token(BY_NEWS_EMAIL, &alice).unwrap();

    let begun = vault.begin_epoch(BY_EMAIL).unwrap();
    assert_eq!(begun.0, epoch(1));
    let new = vault.token(BY_EMAIL, &alice).unwrap();
    assert_eq!(new.epoch(), epoch(1));
    assert_ne!(new.as_bytes()[1..], old.as_bytes()[1..]);
    assert_eq!(vault.tokens(BY_EMAIL, &alice).unwrap(), [new, old]);
    let epochs = vault.epochs(BY_EMAIL).unwrap();
    assert_eq!((epochs.current, epochs.live), (epoch(1), vec![epoch(1), epoch(0)]));

    // Another process follows within the lease.
    vault.advance(std::time::Duration::from_secs(2));
    assert_eq!(second.token(BY_EMAIL, &alice).unwrap(), new);

    for (bad, refused) in [(1, "current"), (2, "not begun")] {
        match (refused, vault.retire_epoch(BY_EMAIL, epoch(bad))) {
            ("current", Err(ChangeError::CurrentEpoch { .. }))
            | ("not begun", Err(ChangeError::EpochNotBegun { .. })) => {}
            (_, other) => panic!("{other:?}"),
        }
    }
    let retired = vault.retire_epoch(BY_EMAIL, epoch(0)).unwrap();
    assert!(retired.is_wiped_here());
    assert_eq!(vault.tokens(BY_EMAIL, &alice).unwrap(), [new]);
    assert_eq!(vault.token(BY_NEWS_EMAIL, &alice).unwrap(), elsewhere, "another index is as it was");
    vault.advance(std::time::Duration::from_secs(2));
    assert_eq!(second.tokens(BY_EMAIL, &alice).unwrap(), [new]);
    // A second call is no error, and writes all copies again.
    assert!(vault.retire_epoch(BY_EMAIL, epoch(0)).unwrap().generation() > retired.generation() - 1);
}

#[test]
fn there_are_128_epochs_and_no_more() {
    let vault = Vault::in_memory([ORDERS]);
    for number in 1..128 {
        assert_eq!(vault.begin_epoch(BY_EMAIL).unwrap().0, epoch(number));
        let _ = vault.retire_epoch(BY_EMAIL, epoch(number - 1)).unwrap();
    }
    let generation = vault.generation().unwrap();
    assert!(matches!(vault.begin_epoch(BY_EMAIL), Err(ChangeError::EpochsExhausted)));
    assert_eq!(vault.generation().unwrap(), generation, "nothing was written");
    assert_eq!(vault.tokens(BY_EMAIL, &email("alice@example.com")).unwrap().len(), 1);
}

/// A store that stops at each step of a commit in turn: then the epoch has begun once, or not at all.
#[test]
fn a_crash_begins_an_epoch_once_or_not_at_all() {
    for at in 1..40 {
        let vault = Vault::in_memory([ORDERS]);
        vault.steps().stop_at(at, Stop::Die { torn: at % 2 == 0 });
        let begun = vault.begin_epoch(BY_EMAIL);
        let finished = vault.steps().taken() < at;
        vault.steps().reset();
        let reopened = vault.second().unwrap();
        let current = reopened.epochs(BY_EMAIL).unwrap().current;
        match begun {
            Ok(begun) => assert_eq!(current, begun.0),
            Err(ChangeError::NothingHappened(_)) => assert_eq!(current, Epoch::FIRST),
            Err(ChangeError::Unknown(_) | ChangeError::OldCopyRemains(_)) => assert!(current <= epoch(1)),
            Err(other) => panic!("{other:?}"),
        }
        if finished {
            return;
        }
    }
    panic!("a commit has fewer steps");
}

/// An attacker with every page ever written, the current record and its key. Each 32 bytes found are tried as a page's
/// key, as the key of an epoch, and as a seed at every level above it.
fn can_make(vault: &TestVault, token: Token<Email>, value: &str) -> bool {
    makes(vault, vault.memory().records_written().last().unwrap(), token, value)
}

/// The same with another record.
fn makes(vault: &TestVault, record: &[u8], token: Token<Email>, value: &str) -> bool {
    let pages = vault.memory().pages_put();
    let record = Record::read(record, &[0x5a; 32]).unwrap();
    let name = [&b"\x06orders\x05email\x09obl.email\x05exact"[..], &64_u16.to_be_bytes()].concat();
    let hash = Sha256::digest([&b"oubliette/1/place-of-index"[..], &name].concat());
    let place = [hash[0] | 0x80, hash[1], hash[2], hash[3], token.epoch().number()];
    let tree: [u8; 8] = record.text[2860..2868].try_into().unwrap();
    assert_eq!(record.text[2859], 1, "there is a tree of indexes");
    let is_key_of_epoch = |key: &Key| {
        let index: Key = decoder::expand(key, &[b"oubliette/1/index", &name]);
        let mut mac = hmac::Hmac::<Sha256>::new_from_slice(&index).unwrap();
        mac.update(value.as_bytes());
        mac.finalize().into_bytes()[..8] == token.as_bytes()[1..]
    };
    let mut todo: Vec<Key> = record.text.windows(32).map(|window| window.try_into().unwrap()).collect();
    let mut seen = HashSet::new();
    while let Some(key) = todo.pop() {
        if key == [0; 32] || !seen.insert(key) {
            continue;
        }
        for from in 0..=5 {
            let steps = (from + 1..).zip(&place[usize::from(from)..]);
            if is_key_of_epoch(&steps.fold(key, |key, (level, byte)| child(&key, &tree, level, *byte))) {
                return true;
            }
        }
        let (aes, name) = decoder::page(&key);
        for page in pages.iter().filter(|page| page.name.0 == name) {
            let text = xor(&page.bytes[PAGE_TEXT], &keystream(&aes, PAGE_TEXT.len()));
            todo.extend(text[64..].chunks_exact(32).map(|key| <Key>::try_from(key).unwrap()));
        }
    }
    false
}

#[test]
fn a_retired_epoch_makes_no_token_for_whoever_has_every_byte_ever_written() {
    let vault = Vault::in_memory([ORDERS]);
    let alice = email("alice@example.com");
    let old = vault.token(BY_EMAIL, &alice).unwrap();
    assert!(can_make(&vault, old, "alice@example.com"), "the control: it can before");
    let new = vault.begin_epoch(BY_EMAIL).map(|_| vault.token(BY_EMAIL, &alice).unwrap()).unwrap();
    assert!(can_make(&vault, old, "alice@example.com") && can_make(&vault, new, "alice@example.com"));
    let _ = vault.retire_epoch(BY_EMAIL, Epoch::FIRST).unwrap();
    assert!(!can_make(&vault, old, "alice@example.com"));
    assert!(can_make(&vault, new, "alice@example.com"), "the current one still works");

    // And whoever copied an older record as well, with its key, still makes the tokens of before, but none of an epoch
    // that began since.
    let stolen = vault.memory().records_written()[0].clone();
    assert!(makes(&vault, &stolen, old, "alice@example.com"));
    assert!(!makes(&vault, &stolen, new, "alice@example.com"));
}

/// The test above is able to fail: a record that keeps the key of what was shredded.
#[cfg(planted)]
#[test]
fn a_planted_bug_by_which_a_retired_epoch_still_makes_tokens_is_seen() {
    use oubliette::planted::{Bug, plant};
    let alice = email("alice@example.com");
    let vault = Vault::in_memory([ORDERS]);
    let old = vault.token(BY_EMAIL, &alice).unwrap();
    let _ = vault.begin_epoch(BY_EMAIL).unwrap();
    plant(Some(Bug::StaleRootKey));
    let _ = vault.retire_epoch(BY_EMAIL, Epoch::FIRST);
    plant(None);
    assert!(can_make(&vault, old, "alice@example.com"));
}

/// Killed at each step in turn, and called again by a process that starts after: then the epoch is retired.
#[test]
fn a_crash_while_an_epoch_is_retired_is_finished_by_the_next_call() {
    for at in 1..40 {
        let vault = Vault::in_memory([ORDERS]);
        let old = vault.token(BY_EMAIL, &email("alice@example.com")).unwrap();
        let _ = vault.begin_epoch(BY_EMAIL).unwrap();
        vault.steps().stop_at(at, Stop::Die { torn: at % 2 == 0 });
        let retired = vault.retire_epoch(BY_EMAIL, Epoch::FIRST);
        let finished = vault.steps().taken() < at;
        vault.steps().reset();
        let reopened = vault.second().unwrap();
        let live = reopened.epochs(BY_EMAIL).unwrap().live.len();
        match &retired {
            Ok(_) => assert_eq!(live, 1),
            Err(ChangeError::NothingHappened(_)) => assert_eq!(live, 2),
            Err(ChangeError::Unknown(_) | ChangeError::OldCopyRemains(_)) => assert!(live == 1 || live == 2),
            Err(other) => panic!("{other:?}"),
        }
        assert!(reopened.retire_epoch(BY_EMAIL, Epoch::FIRST).is_ok());
        assert!(!can_make(&reopened, old, "alice@example.com"));
        if finished {
            return;
        }
    }
    panic!("a commit has fewer steps");
}
