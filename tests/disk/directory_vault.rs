//! The embedded default end to end: real files, real threads, real processes.

use std::time::Duration;

use oubliette::personal::Email;
use oubliette::{CreateError, Field, KeyStoreError, OpenError, Purpose, RootKey, UnlockError, Vault};

const ORDERS: Purpose = Purpose::new("orders");
const NEWS: Purpose = Purpose::new("newsletter");
const EMAIL: Field<Email> = ORDERS.field("email");

fn key() -> RootKey {
    RootKey::bytes([7; 32])
}

fn email(text: &str) -> Email {
    text.parse().unwrap()
}

#[test]
fn a_vault_outlives_its_process_and_forgets_across_instances() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("privacy");
    assert!(matches!(Vault::at(&path).purposes([ORDERS]).unlock(key()), Err(UnlockError::KeyStore(_))));
    let vault = Vault::at(&path).purposes([ORDERS]).create(key()).unwrap();
    let (alice, bob) = (vault.enroll().unwrap(), vault.enroll().unwrap());
    let a = vault.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    let b = vault.seal(bob, EMAIL, &email("bob@example.com")).unwrap();
    assert!(matches!(Vault::at(&path).purposes([ORDERS]).create(key()), Err(CreateError::Exists)));
    let wrong = Vault::at(&path).purposes([ORDERS]).unlock(RootKey::bytes([8; 32]));
    assert!(matches!(wrong, Err(UnlockError::KeyStore(KeyStoreError::WrongRootKey))));
    let unknown = Vault::at(&path).purposes([ORDERS, NEWS]).unlock(key());
    assert!(matches!(unknown, Err(UnlockError::UnknownPurpose { purpose: "newsletter" })));

    let other = Vault::at(&path).purposes([ORDERS]).unlock(key()).unwrap();
    assert!(other.open(alice, EMAIL, &a).is_ok());
    let shredded = vault.shred([alice]).unwrap();
    assert!(matches!(vault.open(alice, EMAIL, &a), Err(OpenError::Shredded { .. })));
    shredded.commit().wait_until_effective_everywhere();
    assert!(matches!(other.open(alice, EMAIL, &a), Err(OpenError::Shredded { .. })));
    assert!(other.open(bob, EMAIL, &b).is_ok());
    let status = other.status().unwrap();
    assert_eq!((status.purposes[0].shredded, status.purposes[0].pages), (1, 5));
    assert_eq!((status.pages.pages, status.superseded), (5, 0));
    vault.shred([vault.enroll().unwrap()]).unwrap();
    let status = vault.status().unwrap();
    assert_eq!((status.pages.pages, status.superseded), (10, 5), "the path was written anew");
    drop(other);
    vault.close().unwrap();

    let again = Vault::at(&path).purposes([ORDERS, NEWS]).add_missing_purposes().unlock(key()).unwrap();
    assert!(matches!(again.open(alice, EMAIL, &a), Err(OpenError::Shredded { .. })));
    assert!(again.open(bob, EMAIL, &b).is_ok());
    let status = again.status().unwrap();
    assert_eq!(status.purposes[1].shredded, 2, "a new purpose starts with those shredded in every tree");
}

#[test]
fn a_passphrase_is_rotated_to_bytes_under_a_running_process() {
    let dir = tempfile::tempdir().unwrap();
    let cost = oubliette::root_keys::PassphraseCost { memory_kib: 8192, passes: 1, lanes: 1 };
    let old = || RootKey::passphrase_at_cost("correct horse battery staple", cost);
    let lease = Duration::from_millis(200);
    let vault = Vault::at(dir.path().join("v")).purposes([ORDERS]).lease(lease).create(old()).unwrap();
    let alice = vault.enroll().unwrap();
    let a = vault.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    let told = Vault::at(dir.path().join("v")).purposes([ORDERS]).next_root_key(key()).unlock(old()).unwrap();
    let untold = Vault::at(dir.path().join("v")).purposes([ORDERS]).unlock(old()).unwrap();
    vault.rotate_root_key(key()).unwrap();
    std::thread::sleep(lease * 2);
    assert!(vault.open(alice, EMAIL, &a).is_ok());
    told.open(alice, EMAIL, &a).unwrap();
    let error = untold.open(alice, EMAIL, &a).unwrap_err();
    assert!(matches!(error, OpenError::KeyStore(KeyStoreError::WrongRootKey)), "{error:?}");
    assert!(matches!(
        Vault::at(dir.path().join("v")).purposes([ORDERS]).unlock(old()),
        Err(UnlockError::KeyStore(KeyStoreError::WrongRootKey))
    ));
}

#[test]
fn many_threads_enroll_seal_open_and_shred() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::at(dir.path().join("v")).purposes([ORDERS]).create(key()).unwrap();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let vault = vault.clone();
            std::thread::spawn(move || {
                let mut numbers = Vec::new();
                for round in 0..20 {
                    let id = vault.enroll().unwrap();
                    let keys = vault.customer(id);
                    let sealed = keys.seal(EMAIL, &email("someone@example.com")).unwrap();
                    assert!(vault.open(id, EMAIL, &sealed).is_ok());
                    if round % 2 == 0 {
                        let _ = vault.shred([id]).unwrap();
                        assert!(matches!(keys.open(EMAIL, &sealed), Err(OpenError::Shredded { .. })));
                    } else {
                        assert!(keys.open(EMAIL, &sealed).is_ok());
                    }
                    numbers.push(id);
                }
                numbers
            })
        })
        .collect();
    let mut all: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 160);
    assert_eq!(vault.status().unwrap().purposes[0].shredded, 80);
}

/// Every file below a directory, with its content.
fn content(directory: &std::path::Path) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut files = std::collections::BTreeMap::new();
    let mut left = vec![directory.to_path_buf()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    files
}

#[test]
fn a_vault_that_is_opened_to_look_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let builder = || Vault::at(at("v")).mirror(at("m")).purposes([ORDERS]).journal(at("journal"));
    let lease = Duration::from_millis(200);
    let vault = builder().lease(lease).create(key()).unwrap();
    let (alice, bob) = (vault.enroll().unwrap(), vault.enroll().unwrap());
    let b = vault.seal(bob, EMAIL, &email("bob@example.com")).unwrap();
    vault.shred([alice]).unwrap();
    vault.close().unwrap();
    // One copy is damaged, one place lags: whoever opens it to work repairs both.
    let slot = at("v/root/slot-a");
    let mut bytes = std::fs::read(&slot).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&slot, &bytes).unwrap();
    let before = content(dir.path());

    let looks = builder().unlock_read_only(key()).unwrap();
    assert!(looks.open(bob, EMAIL, &b).is_ok());
    assert_eq!(looks.status().unwrap().purposes[0].shredded, 1);
    assert!(looks.journal_after(0, 10).unwrap().len() >= 3);
    let read_only = |error: &KeyStoreError| matches!(error, KeyStoreError::ReadOnly);
    let refused = looks.shred([bob]).unwrap_err();
    assert!(matches!(&refused, oubliette::ShredError::NothingHappened(cause) if read_only(cause)), "{refused:?}");
    let refused = looks.rotate_root_key(RootKey::bytes([8; 32])).unwrap_err();
    assert!(matches!(&refused, oubliette::ChangeError::NothingHappened(cause) if read_only(cause)), "{refused:?}");
    assert!(looks.attach_mirror(at("third"), &mut |_, _| ()).is_err());
    assert!(looks.sweep().is_err() && looks.enroll().is_err());
    // Longer than a lag is waited for before it is repaired.
    std::thread::sleep(lease * 6);
    assert!(looks.open(bob, EMAIL, &b).is_ok(), "it goes on reading");
    looks.close().unwrap();
    let after = content(dir.path());
    let paths: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changed: Vec<_> = paths.into_iter().filter(|path| before.get(*path) != after.get(*path)).collect();
    assert!(changed.is_empty(), "what only looks wrote {changed:?}");

    builder().unlock(key()).unwrap().close().unwrap();
    assert_ne!(std::fs::read(&slot).unwrap(), bytes, "what works repairs");
    // No journal is begun, and no vault is made.
    assert!(Vault::at(at("v")).mirror(at("m")).journal(at("other")).unlock_read_only(key()).is_err());
    assert!(!at("other").exists());
    assert!(Vault::at(at("nowhere")).unlock_read_only(key()).is_err() && !at("nowhere").exists());
}
