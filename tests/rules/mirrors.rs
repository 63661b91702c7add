//! Rule 4: mirrors cannot undo a shred.

use std::fs;

use oubliette::{KeyStoreError, OpenError, ShredError, UnlockError, Vault};

use super::support::*;

fn mirrored(scratch: &Scratch) -> Vault {
    scratch.vault().mirror(scratch.join("mirror")).create(key()).unwrap()
}

fn slots(scratch: &Scratch) -> Vec<Vec<u8>> {
    let of =
        |place: &str| ["slot-a", "slot-b"].map(|slot| fs::read(scratch.join(place).join("root").join(slot)).unwrap());
    [of("main"), of("mirror")].concat()
}

#[test]
fn a_mirror_is_attached_written_by_every_commit_and_detached() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let (alice, a) = enroll(&vault);
    let (bob, b) = enroll(&vault);
    let _ = vault.shred([alice]).unwrap();
    assert!(vault.status().unwrap().has_no_mirror());
    let mut told = Vec::new();
    let place = vault.attach_mirror(scratch.join("mirror"), &mut |done, all| told.push((done, all))).unwrap();
    assert_eq!(told.last().map(|(done, all)| done == all), Some(true));
    assert!(!vault.status().unwrap().has_no_mirror());
    assert!(slots(&scratch).windows(2).all(|pair| pair[0] == pair[1]), "one record everywhere");
    let _ = vault.shred([bob]).unwrap();
    assert!(slots(&scratch).windows(2).all(|pair| pair[0] == pair[1]), "after a shred as well");
    vault.close().unwrap();
    // A mirror alone opens nothing, since it may have been left behind; promoted, it opens what is left and nothing else.
    fs::rename(scratch.join("main"), scratch.join("away")).unwrap();
    copy(&scratch.join("mirror"), &scratch.join("copy"));
    let copied = || at(&scratch.join("copy"));
    let Err(UnlockError::KeyStore(KeyStoreError::FirstPlaceAway { place: own, .. })) = copied().unlock(key()) else {
        panic!("a mirror does not decide")
    };
    let alone = copied().promote(key(), [own]).unwrap();
    assert!(matches!(alone.open(alice, EMAIL, &a), Err(OpenError::Shredded { .. })));
    assert!(matches!(alone.open(bob, EMAIL, &b), Err(OpenError::Shredded { .. })));
    alone.close().unwrap();
    fs::rename(scratch.join("away"), scratch.join("main")).unwrap();
    let vault = scratch.vault().unlock(key()).unwrap();
    assert_eq!(vault.status().unwrap().places[1], place, "found by itself");
    let path = vault.detach_mirror(place).unwrap();
    assert_eq!(path, Some(scratch.join("mirror").join("root")), "where an old record still lies");
    assert_eq!(vault.status().unwrap().places.len(), 1);
    assert!(vault.enroll().is_ok());
}

/// A commit writes every place that the record lists, or none.
#[test]
fn a_commit_without_one_of_its_places_is_refused() {
    let scratch = Scratch::new();
    let vault = mirrored(&scratch);
    let (alice, a) = enroll(&vault);
    vault.close().unwrap();
    let before = contents(&scratch.join("main"));

    let without = scratch.vault().unlock(key()).unwrap();
    assert!(without.open(alice, EMAIL, &a).is_ok(), "reading needs one place");
    let error = without.shred([alice]).unwrap_err();
    assert!(matches!(&error, ShredError::NothingHappened(KeyStoreError::PlaceMissing { .. })), "{error:?}");
    assert!(told(&error).contains("detached"), "says what to do: {}", told(&error));
    assert_eq!(contents(&scratch.join("main")), before, "nothing was written");
    without.close().unwrap();

    // Named, but away: the same.
    fs::rename(scratch.join("mirror"), scratch.join("away")).unwrap();
    let away = scratch.vault().mirror(scratch.join("mirror")).unlock(key()).unwrap();
    assert!(away.open(alice, EMAIL, &a).is_ok());
    let error = away.shred([alice]).unwrap_err();
    assert!(matches!(&error, ShredError::NothingHappened(_)), "{error:?}");
    assert!(told(&error).contains("mirror"), "names the place: {}", told(&error));
    assert_eq!(contents(&scratch.join("main")), before);
    // It comes back while the vault runs.
    fs::rename(scratch.join("away"), scratch.join("mirror")).unwrap();
    let _ = away.shred([alice]).unwrap();
    assert!(slots(&scratch).windows(2).all(|pair| pair[0] == pair[1]));
}

/// A directory that is a vault's, but not one of this vault's places, is never written to.
#[test]
fn a_place_that_the_record_does_not_list_is_not_written() {
    let scratch = Scratch::new();
    let vault = mirrored(&scratch);
    let (alice, a) = enroll(&vault);
    let place = vault.status().unwrap().places[1];
    vault.detach_mirror(place).unwrap();
    vault.close().unwrap();
    let before = contents(&scratch.join("mirror"));
    let vault = scratch.vault().mirror(scratch.join("mirror")).unlock(key()).unwrap();
    assert!(vault.open(alice, EMAIL, &a).is_ok());
    let _ = vault.shred([alice]).unwrap();
    assert_eq!(contents(&scratch.join("mirror")), before);
    // Nor is it attached again before it is emptied.
    let refused = vault.attach_mirror(scratch.join("mirror"), &mut |_, _| ()).unwrap_err();
    assert!(told(&refused).contains("already holds a root record"), "{}", told(&refused));
    assert_eq!(contents(&scratch.join("mirror")), before);
}

/// Another vault's directory as a mirror: nothing is opened, nothing is written, in either.
#[test]
fn another_vaults_directory_is_no_mirror() {
    let scratch = Scratch::new();
    scratch.vault().create(key()).unwrap().close().unwrap();
    at(&scratch.join("mirror")).create(key()).unwrap().close().unwrap();
    let before = (contents(&scratch.join("main")), contents(&scratch.join("mirror")));
    let unlocked = scratch.vault().mirror(scratch.join("mirror")).unlock(key());
    let Err(UnlockError::KeyStore(error)) = unlocked else { panic!("{unlocked:?}") };
    assert!(matches!(error, KeyStoreError::Diverged { .. }), "{error:?}");
    assert_eq!((contents(&scratch.join("main")), contents(&scratch.join("mirror"))), before);
}

/// A detachment that fails changes nothing: the mirror is written as before.
#[test]
fn a_mirror_that_could_not_be_detached_stays_in_use() {
    let scratch = Scratch::new();
    mirrored(&scratch).close().unwrap();
    let steps = oubliette::testing::Steps::new();
    let layout = oubliette::store::Directory::at(scratch.join("main")).mirror(scratch.join("mirror")).steps(&steps);
    let vault = oubliette::VaultBuilder::in_directory(layout).purposes([ORDERS, NEWS]).unlock(key()).unwrap();
    let (alice, _) = enroll(&vault);
    let place = vault.status().unwrap().places[1];
    // The first write, of what the commit is based on.
    steps.stop_at(1, oubliette::testing::Stop::FailFrom(oubliette::store::Problem::Full));
    vault.detach_mirror(place).unwrap_err();
    steps.reset();
    let _ = vault.shred([alice]).unwrap();
    assert!(slots(&scratch).windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(vault.status().unwrap().places.len(), 2);
}
