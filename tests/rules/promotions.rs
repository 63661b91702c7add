//! A mirror that is promoted: what that can do, and what is refused. The machines are those of `places`.

use std::fs;

use oubliette::store::{Directory, PlaceId};
use oubliette::testing::{Steps, Stop};
use oubliette::{KeyStoreError, OpenError, ShredError, UnlockError, VaultBuilder, recovery::RecoverError};

use super::places::{Machine, id, mirrored};
use super::support::*;

/// What a promotion cannot do: a process that still sees the old first place goes on there. It is an operator's word that there is none. As
/// soon as that process sees the new one, it follows.
#[test]
fn a_promotion_does_not_reach_who_still_sees_the_old_place() {
    let scratch = Scratch::new();
    mirrored(&scratch);
    let (a, b) = (Machine::of(&scratch, "a"), Machine::of(&scratch, "b"));
    for place in ["main", "mirror"] {
        a.sees(place);
    }
    b.sees("mirror");
    let old = a.at("main").mirror(a.path("mirror")).unlock(key()).unwrap();
    let (alice, sealed) = enroll(&old);
    a.loses("mirror");
    std::thread::sleep(LEASE * 2);
    let main = id(scratch.join("main"));
    // A false word.
    let new = b.at("mirror").promote(key(), [main]).unwrap();
    let _ = new.shred([alice]).unwrap();
    std::thread::sleep(LEASE * 3);
    assert!(old.open(alice, EMAIL, &sealed).is_ok(), "nothing tells it");
    assert!(matches!(old.shred([alice]), Err(ShredError::NothingHappened(_))), "but it cannot commit by itself");
    a.sees("mirror");
    eventually("it follows", || matches!(old.open(alice, EMAIL, &sealed), Err(OpenError::Shredded { .. })));
    assert_eq!(old.status().unwrap().unlisted, [main]);
    let (bob, _) = enroll(&old);
    let _ = new.shred([bob]).unwrap();
}

/// The first place is lost with a commit under way, of which the mirror knows nothing; the mirror is promoted; the place is plugged in again.
/// It is neither compared nor written, and nobody is told that histories diverged.
#[test]
fn a_lost_place_that_comes_back_with_an_unfinished_commit_is_left_alone() {
    let scratch = Scratch::new();
    mirrored(&scratch);
    let steps = Steps::new();
    let layout = Directory::at(scratch.join("main")).mirror(scratch.join("mirror")).steps(&steps);
    let vault = VaultBuilder::in_directory(layout).purposes([ORDERS, NEWS]).unlock(key()).unwrap();
    let (alice, sealed) = enroll(&vault);
    let before = fs::read(scratch.join("mirror/root/slot-a")).unwrap();
    // Two slots of the base, the pages, the mark, and then the first slot of the new record.
    let in_first = |step: u64| {
        steps.stop_at(step, Stop::Die { torn: false });
        let _ = vault.shred([alice]);
        let slots = ["slot-a", "slot-b"].map(|slot| fs::read(scratch.join("main/root").join(slot)).unwrap());
        slots[0] != slots[1]
    };
    // The first step at which the main directory has it and the mirror does not.
    let reached = (1..60).find(|step| {
        let unfinished = in_first(*step);
        if !unfinished {
            steps.reset();
        }
        unfinished && fs::read(scratch.join("mirror/root/slot-a")).unwrap() == before
    });
    assert!(reached.is_some());
    drop(vault);
    fs::rename(scratch.join("main"), scratch.join("away")).unwrap();
    let main = id(scratch.join("away"));
    let vault = at(&scratch.join("mirror")).promote(key(), [main]).unwrap();
    assert!(vault.open(alice, EMAIL, &sealed).is_ok(), "nobody was told that she is shredded");
    vault.close().unwrap();
    fs::rename(scratch.join("away"), scratch.join("main")).unwrap();
    let left = contents(&scratch.join("main"));
    for builder in
        [at(&scratch.join("mirror")).mirror(scratch.join("main")), scratch.vault().mirror(scratch.join("mirror"))]
    {
        let vault = builder.unlock(key()).unwrap();
        assert!(vault.open(alice, EMAIL, &sealed).is_ok());
        assert_eq!(vault.status().unwrap().unlisted, [main]);
        vault.enroll().unwrap();
        assert_eq!(contents(&scratch.join("main")), left);
        vault.close().unwrap();
    }
}

/// An operator's word that can be seen to be wrong is refused, and changes nothing.
#[test]
fn what_is_not_lost_is_not_given_up() {
    let scratch = Scratch::new();
    mirrored(&scratch);
    let (main, mirror) = (id(scratch.join("main")), id(scratch.join("mirror")));
    let before = (contents(&scratch.join("main")), contents(&scratch.join("mirror")));
    let promote = |builder: VaultBuilder, lost: &[PlaceId]| builder.promote(key(), lost.iter().copied()).unwrap_err();
    let at_mirror = || at(&scratch.join("mirror"));
    let named = promote(at_mirror().mirror(scratch.join("main")), &[main]);
    assert!(matches!(named, RecoverError::NotLost { place } if place == main), "{named:?}");
    assert!(matches!(promote(at_mirror(), &[mirror]), RecoverError::NotLost { place } if place == mirror));
    // The one that is named is not the one that is lost; and none is.
    let error = promote(at_mirror(), &[PlaceId([9; 8])]);
    assert!(matches!(error, RecoverError::FirstIsThere { place } if place == main), "{error:?}");
    let error = promote(at_mirror(), &[]);
    assert!(
        matches!(error, RecoverError::KeyStore(KeyStoreError::FirstPlaceAway { place, .. }) if place == main),
        "{error:?}"
    );
    assert!(matches!(promote(scratch.vault().mirror(scratch.join("mirror")), &[mirror]), RecoverError::NotLost { .. }));
    assert_eq!((contents(&scratch.join("main")), contents(&scratch.join("mirror"))), before);
    let wrong = at_mirror().promote(new_key(), [main]).unwrap_err();
    assert!(matches!(wrong, RecoverError::KeyStore(KeyStoreError::WrongRootKey)), "{wrong:?}");
    let demanded = at_mirror().demand_generation(2).promote(key(), [main]).unwrap_err();
    assert!(
        matches!(demanded, RecoverError::Unlock(UnlockError::BehindDemand { have: 1, demanded: 2 })),
        "{demanded:?}"
    );
    assert_eq!((contents(&scratch.join("main")), contents(&scratch.join("mirror"))), before);
}

/// A mirror that was rolled back is promoted, and refused all the same: the generation that a promotion leaves out does not cover the mark.
#[test]
fn a_promotion_does_not_hide_a_rollback() {
    let scratch = Scratch::new();
    mirrored(&scratch);
    let vault = scratch.vault().mirror(scratch.join("mirror")).unlock(key()).unwrap();
    let (alice, _) = enroll(&vault);
    copy(&scratch.join("mirror/root"), &scratch.join("old"));
    let _ = vault.shred([alice]).unwrap();
    let _ = vault.shred([vault.enroll().unwrap()]).unwrap();
    vault.close().unwrap();
    let main = id(scratch.join("main"));
    fs::remove_dir_all(scratch.join("main")).unwrap();
    restore(&scratch.join("old"), &scratch.join("mirror/root"));
    let refused = at(&scratch.join("mirror")).promote(key(), [main]).unwrap_err();
    assert!(matches!(refused, RecoverError::KeyStore(KeyStoreError::RolledBack { .. })), "{refused:?}");
    let refused = at(&scratch.join("mirror")).unlock(key()).unwrap_err();
    assert!(
        matches!(refused, UnlockError::KeyStore(KeyStoreError::RolledBack { .. })),
        "it is the first place now: {refused:?}"
    );
    let recovery = oubliette::recovery::Recovery::beyond(9, number(2000)).shredded([alice]);
    let vault = at(&scratch.join("mirror")).recover(key(), recovery, new_key()).unwrap();
    assert!(vault.enroll().is_ok());
}
