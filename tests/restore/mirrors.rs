//! Mirrors that were left behind, restored, parted, or are all that is left.

use std::fs;

use oubliette::{KeyStoreError, OpenError, RootKey, ShredError, UnlockError, Vault, VaultBuilder};

use super::support::*;

fn both(scratch: &Scratch) -> VaultBuilder {
    scratch.vault().mirror(scratch.join("mirror"))
}

/// The mirror, once the main directory is lost.
fn promoted(scratch: &Scratch) -> Vault {
    let at_mirror = || at(&scratch.join("mirror"));
    let Err(UnlockError::KeyStore(KeyStoreError::FirstPlaceAway { place, .. })) = at_mirror().unlock(key()) else {
        panic!("a mirror does not decide")
    };
    at_mirror().promote(key(), [place]).unwrap()
}

fn slots(scratch: &Scratch, place: &str) -> [Vec<u8>; 2] {
    ["slot-a", "slot-b"].map(|slot| fs::read(scratch.join(place).join("root").join(slot)).unwrap())
}

/// The mirror's disk was away, or last night's copy of it was put back: opening brings it forward, pages too, so that it
/// can stand alone.
#[test]
fn a_mirror_from_last_night_is_brought_forward() {
    let scratch = Scratch::new();
    let vault = both(&scratch).create(key()).unwrap();
    let (alice, a) = enroll(&vault);
    let (bob, b) = enroll(&vault);
    copy(&scratch.join("mirror"), &scratch.join("last-night"));
    let _ = vault.shred([alice]).unwrap();
    vault.enroll().unwrap();
    vault.close().unwrap();
    copy(&scratch.join("last-night"), &scratch.join("mirror"));
    assert_ne!(slots(&scratch, "mirror"), slots(&scratch, "main"));
    let before = slots(&scratch, "main");
    both(&scratch).unlock(key()).unwrap().close().unwrap();
    assert_eq!(slots(&scratch, "main"), before, "forward, never back");
    assert_eq!(slots(&scratch, "mirror"), before);
    fs::rename(scratch.join("main"), scratch.join("lost")).unwrap();
    let alone = promoted(&scratch);
    assert!(matches!(alone.open(alice, EMAIL, &a), Err(OpenError::Shredded { .. })));
    assert!(alone.open(bob, EMAIL, &b).is_ok());
}

/// So does a commit of a process that runs all the time.
#[test]
fn a_mirror_put_back_under_a_running_process_is_brought_forward_by_the_next_commit() {
    let scratch = Scratch::new();
    let vault = both(&scratch).create(key()).unwrap();
    let (alice, a) = enroll(&vault);
    let (bob, _) = enroll(&vault);
    copy(&scratch.join("mirror"), &scratch.join("last-night"));
    let _ = vault.shred([alice]).unwrap();
    restore(&scratch.join("last-night"), &scratch.join("mirror"));
    std::thread::sleep(LEASE);
    assert!(matches!(vault.open(alice, EMAIL, &a), Err(OpenError::Shredded { .. })), "the newest copy counts");
    let _ = vault.shred([bob]).unwrap();
    assert_eq!(slots(&scratch, "mirror"), slots(&scratch, "main"));
}

/// A copy so old that its descent cannot be told is not overwritten.
#[test]
fn a_mirror_too_old_to_tell_is_left_alone() {
    let scratch = Scratch::new();
    let vault = both(&scratch).create(key()).unwrap();
    copy(&scratch.join("mirror"), &scratch.join("old"));
    for round in 0..257u32 {
        let mut bytes = [9; 32];
        bytes[..4].copy_from_slice(&round.to_be_bytes());
        vault.rotate_root_key(RootKey::bytes(bytes)).unwrap();
    }
    vault.rotate_root_key(key()).unwrap();
    vault.close().unwrap();
    copy(&scratch.join("old"), &scratch.join("mirror"));
    refuses_and_writes_nothing(&scratch);
}

fn refuses_and_writes_nothing(scratch: &Scratch) {
    let before = (contents(&scratch.join("main")), contents(&scratch.join("mirror")));
    for builder in [both(scratch), at(&scratch.join("mirror")).mirror(scratch.join("main"))] {
        let unlocked = builder.unlock(key());
        let Err(UnlockError::KeyStore(error)) = unlocked else { panic!("{unlocked:?}") };
        assert!(matches!(error, KeyStoreError::Diverged { .. }), "{error:?}");
        let text = told(&error);
        assert!(text.contains("main/root/slot") && text.contains("mirror/root/slot"), "names both: {text}");
    }
    assert_eq!((contents(&scratch.join("main")), contents(&scratch.join("mirror"))), before);
}

/// Each place went on by itself: no copy is right by itself, so nothing is opened and nothing written.
#[test]
fn parted_places_stop_everything() {
    let scratch = Scratch::new();
    let vault = both(&scratch).create(key()).unwrap();
    let (alice, _) = enroll(&vault);
    let places = vault.status().unwrap().places;
    vault.close().unwrap();
    let main = at(&scratch.join("main")).unlock(key()).unwrap();
    main.detach_mirror(places[1]).unwrap();
    // A false word: the main directory is not lost.
    let mirror = at(&scratch.join("mirror")).promote(key(), [places[0]]).unwrap();
    for alone in [main, mirror] {
        let _ = alone.shred([alice]).unwrap();
        alone.close().unwrap();
    }
    refuses_and_writes_nothing(&scratch);
}

/// The two come apart while a process runs on both: it stops too, and its commits write nothing.
#[test]
fn a_running_process_stops_at_parted_places() {
    let scratch = Scratch::new();
    let vault = both(&scratch).create(key()).unwrap();
    let (alice, a) = enroll(&vault);
    let places = vault.status().unwrap().places;
    copy(&scratch.join("mirror"), &scratch.join("elsewhere"));
    let _ = vault.shredding([alice]).purpose(NEWS).run().unwrap();
    at(&scratch.join("elsewhere")).promote(key(), [places[0]]).unwrap().close().unwrap();
    restore(&scratch.join("elsewhere").join("root"), &scratch.join("mirror").join("root"));
    eventually("it stops", || {
        matches!(vault.open(alice, EMAIL, &a), Err(OpenError::KeyStore(KeyStoreError::Diverged { .. })))
    });
    let before = (contents(&scratch.join("main").join("root")), contents(&scratch.join("mirror").join("root")));
    let error = vault.shred([alice]).unwrap_err();
    assert!(matches!(error, ShredError::NothingHappened(KeyStoreError::Diverged { .. })), "{error:?}");
    let after = (contents(&scratch.join("main").join("root")), contents(&scratch.join("mirror").join("root")));
    assert_eq!(before, after);
}

/// The first disk burnt: promote the mirror, go on, and mirror again.
#[test]
fn the_first_place_is_lost() {
    let scratch = Scratch::new();
    let vault = both(&scratch).create(key()).unwrap();
    let (alice, a) = enroll(&vault);
    let (bob, b) = enroll(&vault);
    let _ = vault.shred([alice]).unwrap();
    vault.close().unwrap();
    fs::remove_dir_all(scratch.join("main")).unwrap();
    let error = both(&scratch).unlock(key()).unwrap_err();
    assert!(told(&error).contains("main"), "names what is lost: {}", told(&error));

    let vault = promoted(&scratch);
    assert!(vault.open(bob, EMAIL, &b).is_ok());
    assert!(vault.status().unwrap().has_no_mirror());
    let _ = vault.shred([bob]).unwrap();
    vault.attach_mirror(scratch.join("new"), &mut |_, _| ()).unwrap();
    vault.close().unwrap();

    // In whatever order they are named.
    let vault = at(&scratch.join("new")).mirror(scratch.join("mirror")).unlock(key()).unwrap();
    for (customer, sealed) in [(alice, &a), (bob, &b)] {
        assert!(matches!(vault.open(customer, EMAIL, sealed), Err(OpenError::Shredded { .. })));
    }
    assert!(vault.enroll().is_ok());
}

/// A mirror that is detached keeps what it had; put back beside the vault it changes nothing.
#[test]
fn a_detached_mirror_cannot_undo_a_shred() {
    let scratch = Scratch::new();
    let vault = both(&scratch).create(key()).unwrap();
    let (alice, a) = enroll(&vault);
    let mirror = vault.status().unwrap().places[1];
    vault.detach_mirror(mirror).unwrap();
    let _ = vault.shred([alice]).unwrap();
    vault.close().unwrap();
    let reopened: Vault = both(&scratch).unlock(key()).unwrap();
    assert!(matches!(reopened.open(alice, EMAIL, &a), Err(OpenError::Shredded { .. })));
    // It is named, and not used: R11.
    let before = contents(&scratch.join("mirror"));
    let _ = reopened.shred([alice]).unwrap();
    assert_eq!(contents(&scratch.join("mirror")), before);
}
