//! Several tokens: any one opens, a version begins and ends in all, and a list that only an operator changes.

use oubliette::store::Problem;
use oubliette::testing::MemoryToken;
use oubliette::testing::{Steps, Stop};
use oubliette::{
    ChangeError, CreateError, KeyStoreError, OpenError, RootKey, ShredError, UnlockError, Vault, VaultBuilder,
    root_keys::{KeySeries, VersionPolicy},
};

use super::support::*;

const EACH: fn() -> VersionPolicy = VersionPolicy::with_each_shred;

fn keys<const N: usize>(tokens: [(&str, &MemoryToken); N], policy: VersionPolicy) -> RootKey {
    RootKey::versions_in(tokens.map(|(name, token)| (name, Box::new(token.clone()) as Box<dyn KeySeries>)), policy)
}

fn mirrored(scratch: &Scratch) -> VaultBuilder {
    scratch.vault().mirror(scratch.join("mirror"))
}

fn tokens() -> (Scratch, MemoryToken, MemoryToken) {
    (Scratch::new(), MemoryToken::new(), MemoryToken::new())
}

fn counts(tokens: [&MemoryToken; 2]) -> [(usize, usize); 2] {
    tokens.map(|token| (token.keys(), token.marks()))
}

/// The shred did not happen, for this reason.
fn refused(vault: &Vault, (alice, a): &Row, why: &str) {
    let answer = vault.shred([*alice]);
    let Err(ShredError::NothingHappened(error)) = &answer else { panic!("{answer:?}") };
    assert!(told(error).contains(why), "{}", told(error));
    assert!(vault.open(*alice, EMAIL, a).is_ok());
}

type Row = (oubliette::CustomerId, oubliette::Sealed<oubliette::personal::Email>);

/// What lay here opens with what that token has, whoever minds no marks.
fn opens_then(scratch: &Scratch, then: &str, key: RootKey, (alice, a): &Row) -> bool {
    let unlocked = at(&scratch.join(then)).as_copy().unlock(key);
    unlocked.is_ok_and(|vault| vault.open(*alice, EMAIL, a).is_ok())
}

#[test]
fn any_one_opens_and_a_shred_needs_all() {
    let (scratch, desk, safe) = tokens();
    let vault = mirrored(&scratch).create(keys([("desk", &desk), ("safe", &safe)], EACH())).unwrap();
    let (alice, bob) = (enroll(&vault), enroll(&vault));
    let _ = vault.shred([bob.0]).unwrap();
    assert_eq!(counts([&desk, &safe]), [(1, 1); 2]);
    for (away, name) in [(&desk, "desk"), (&safe, "safe")] {
        away.take_away();
        refused(&vault, &alice, &format!("token \"{name}\" cannot be used"));
        refused(&vault, &alice, "rotating to the tokens that are left");
        assert_eq!(counts([&desk, &safe]), [(1, 1); 2], "no key is left behind");
        let other = mirrored(&scratch).unlock(keys([("safe", &safe), ("desk", &desk)], EACH())).unwrap();
        let carol = enroll(&other);
        assert!(other.open(carol.0, EMAIL, &carol.1).is_ok());
        away.put_back();
    }
    // One that was not given is as one that is away.
    let alone = mirrored(&scratch).unlock(keys([("safe", &safe)], EACH())).unwrap();
    refused(&alone, &alice, "token \"desk\", which the root record lists, was not given");
    let _ = vault.shred([alice.0]).unwrap();
    alone.refresh().unwrap();
    assert!(matches!(alone.open(alice.0, EMAIL, &alice.1), Err(OpenError::Shredded { .. })));
    assert_eq!(counts([&desk, &safe]), [(1, 1); 2]);
    desk.take_away();
    safe.take_away();
    assert!(mirrored(&scratch).unlock(keys([("desk", &desk), ("safe", &safe)], EACH())).is_err());
}

/// With one in the safe: shreds, sweeps and copies of today go on, no version begins, and what was shredded is out of reach once it was there.
#[test]
fn a_token_is_brought_at_intervals() {
    let (scratch, desk, safe) = tokens();
    let key = || keys([("desk", &desk), ("safe", &safe)], VersionPolicy::by_hand());
    let vault = mirrored(&scratch).create(key()).unwrap();
    let alice = enroll(&vault);
    let _ = vault.sweep().unwrap();
    vault.close().unwrap();
    copy(&scratch.join("main"), &scratch.join("then"));
    safe.take_away();
    let vault = mirrored(&scratch).unlock(key()).unwrap();
    let _ = vault.shred([alice.0]).unwrap();
    let _ = vault.shred([alice.0]).unwrap();
    let _ = vault.sweep().unwrap();
    assert!(vault.health().ready);
    let told = vault.status().unwrap().older_root_key;
    assert!(told.is_none(), "{told:?}");
    assert!(matches!(vault.begin_root_key_version(), Err(ChangeError::NothingHappened(_))));
    safe.put_back();
    let attack = |token: &MemoryToken, name| {
        opens_then(&scratch, "then", keys([(name, &token.without_marks())], EACH()), &alice)
    };
    assert!(attack(&desk, "desk") && attack(&safe, "safe"));
    vault.begin_root_key_version().unwrap();
    assert!(!attack(&desk, "desk") && !attack(&safe, "safe"));
    assert_eq!(counts([&desk, &safe]), [(1, 1); 2]);
}

/// One could not destroy its key, and went back into the safe: nobody is told `Ok` before it was there again and did.
#[test]
fn a_token_that_comes_back_with_old_keys_destroys_them_first() {
    let (scratch, desk, safe) = tokens();
    let steps = Steps::new();
    let all = || keys([("desk", &desk), ("safe", &safe)], EACH());
    let stepped: [(&str, Box<dyn KeySeries>); 2] =
        [("desk", Box::new(desk.clone())), ("safe", Box::new(safe.seen_by(&steps)))];
    let vault = mirrored(&scratch).create(RootKey::versions_in(stepped, EACH())).unwrap();
    let alice = enroll(&vault);
    // Making and marking the new one are two steps, then this.
    steps.stop_at(3, Stop::FailFrom(Problem::Io));
    let answer = vault.shred([alice.0]);
    assert!(matches!(answer, Err(ShredError::OldCopyRemains(_))), "{answer:?}");
    assert_eq!((desk.keys(), safe.keys()), (1, 2));
    safe.take_away();
    vault.close().unwrap();
    let vault = mirrored(&scratch).unlock(all()).unwrap();
    for _ in 0..2 {
        let answer = vault.shred([alice.0]);
        let Err(ShredError::OldCopyRemains(error)) = &answer else { panic!("{answer:?}") };
        assert!(told(error).contains("token \"safe\""), "{}", told(error));
    }
    assert!(told(&vault.status().unwrap().older_root_key.unwrap()).contains("token \"safe\""));
    assert!(!vault.health().ready && vault.health().can_open);
    safe.put_back();
    let _ = vault.shred([alice.0]).unwrap();
    assert_eq!(counts([&desk, &safe]), [(1, 1); 2]);
    assert!(vault.status().unwrap().older_root_key.is_none() && vault.health().ready);
}

/// The lost one opens what lay here before, and nothing of what comes after; the list changes by a rotation alone.
#[test]
fn a_lost_token_is_given_up_and_another_one_added() {
    let (scratch, desk, lost) = tokens();
    let vault = mirrored(&scratch).create(keys([("desk", &desk), ("safe", &lost)], EACH())).unwrap();
    let (alice, bob) = (enroll(&vault), enroll(&vault));
    let _ = vault.sweep().unwrap();
    copy(&scratch.join("main"), &scratch.join("then"));
    vault.close().unwrap();
    let left = || keys([("desk", &desk)], EACH());
    let vault = mirrored(&scratch).unlock(left()).unwrap();
    refused(&vault, &alice, "give it up by rotating");
    vault.rotate_root_key(left()).unwrap();
    assert_eq!(counts([&desk, &lost]), [(1, 1); 2]);
    let _ = vault.shred([alice.0]).unwrap();
    assert!(opens_then(&scratch, "then", keys([("safe", &lost)], EACH()), &alice), "what it held opens older records");
    assert!(!opens_then(&scratch, "then", keys([("desk", &desk.without_marks())], EACH()), &alice));
    let _ = vault.sweep().unwrap();
    copy(&scratch.join("main"), &scratch.join("now"));
    assert!(!opens_then(&scratch, "now", keys([("safe", &lost)], EACH()), &bob));

    // Another one in its place is not in the list by its name alone.
    let new = MemoryToken::new();
    let both = || keys([("new", &new), ("desk", &desk)], EACH());
    let other = mirrored(&scratch).unlock(both()).unwrap();
    refused(&other, &bob, "token \"new\" is not in the root record's list");
    other.rotate_root_key(both()).unwrap();
    assert_eq!(counts([&desk, &new]), [(1, 1); 2]);
    refused(&vault, &bob, "token \"new\", which the root record lists, was not given");
    let _ = other.shred([bob.0]).unwrap();
    assert_eq!(counts([&desk, &new]), [(1, 1); 2]);
    drop((vault, other));
    // The wrong one is plugged in, under the right name: the right one has the keys still.
    let empty = MemoryToken::new();
    let vault = mirrored(&scratch).unlock(keys([("desk", &desk), ("new", &empty)], EACH())).unwrap();
    let carol = enroll(&vault);
    refused(&vault, &carol, "is it another token?");
    assert_eq!((desk.keys(), empty.keys()), (1, 0));
}

/// What was given up comes back into the list: its old keys are destroyed before that is answered.
#[test]
fn a_token_that_was_given_up_and_comes_back_forgets_what_it_held() {
    let (scratch, desk, safe) = tokens();
    let both = || keys([("desk", &desk), ("safe", &safe)], EACH());
    let vault = mirrored(&scratch).create(both()).unwrap();
    let alice = enroll(&vault);
    let _ = vault.sweep().unwrap();
    copy(&scratch.join("main"), &scratch.join("then"));
    vault.rotate_root_key(keys([("desk", &desk)], EACH())).unwrap();
    let _ = vault.shred([alice.0]).unwrap();
    assert!(opens_then(&scratch, "then", keys([("safe", &safe)], EACH()), &alice));
    vault.rotate_root_key(both()).unwrap();
    assert!(!opens_then(&scratch, "then", keys([("safe", &safe.without_marks())], EACH()), &alice));
    assert_eq!(counts([&desk, &safe]), [(1, 1); 2]);
}

/// A fire takes one token and one place, the first or the other. Whoever has what is left opens all, shreds nobody, and goes on once both are given up:
/// nothing that was answered is lost, and what burnt opens nothing that comes after.
#[cfg(unix)]
#[test]
fn a_token_and_a_place_are_lost_together() {
    use std::fs;

    use oubliette::store::{Directory, RootStore};

    for burns in ["mirror", "main"] {
        let (scratch, desk, lost) = tokens();
        let both = || keys([("desk", &desk), ("safe", &lost)], EACH());
        let vault = mirrored(&scratch).create(both()).unwrap();
        let (alice, bob, carol) = (enroll(&vault), enroll(&vault), enroll(&vault));
        let _ = vault.shred([alice.0]).unwrap();
        vault.close().unwrap();
        let [main, burnt] = ["main", burns].map(|place| Directory::at(scratch.join(place)).open().unwrap().places()[0]);
        fs::rename(scratch.join(burns), scratch.join("burnt")).unwrap();
        lost.take_away();
        let policy = || EACH().allow_one_place();
        let left = || keys([("desk", &desk)], policy());
        let vault = if burns == "main" {
            at(&scratch.join("mirror")).promote(left(), [burnt]).unwrap()
        } else {
            let vault = mirrored(&scratch).unlock(left()).unwrap();
            refused(&vault, &bob, "");
            // The one must be given up before the other can be.
            assert!(matches!(vault.rotate_root_key(left()), Err(ChangeError::NothingHappened(_))));
            vault.detach_mirror(burnt).unwrap();
            vault
        };
        assert!(matches!(vault.open(alice.0, EMAIL, &alice.1), Err(OpenError::Shredded { .. })));
        refused(&vault, &bob, "give it up by rotating");
        vault.rotate_root_key(left()).unwrap();
        let _ = vault.shred([bob.0]).unwrap();
        assert!(matches!(vault.open(bob.0, EMAIL, &bob.1), Err(OpenError::Shredded { .. })));
        assert!(vault.open(carol.0, EMAIL, &carol.1).is_ok());
        // A new place in its stead, so that one disk is no end again.
        vault.attach_mirror(scratch.join("new"), &mut |_, _| {}).unwrap();
        let _ = vault.shred([carol.0]).unwrap();
        vault.close().unwrap();
        // What the fire left of both was found: it has what was there that day, and no more.
        lost.put_back();
        let found = at(&scratch.join("burnt")).as_copy();
        let then = match burns {
            "main" => found.unlock(keys([("safe", &lost)], policy())).unwrap(),
            _ => found.promote(keys([("safe", &lost)], policy()), [main]).unwrap(),
        };
        assert!(matches!(then.open(alice.0, EMAIL, &alice.1), Err(OpenError::Shredded { .. })));
        assert!(then.open(bob.0, EMAIL, &bob.1).is_ok());
        let now = if burns == "main" { "mirror" } else { "main" };
        assert!(at(&scratch.join(now)).as_copy().unlock(keys([("safe", &lost)], policy())).is_err());
    }
}

#[test]
fn from_one_token_to_two_and_back() {
    let (scratch, desk, safe) = tokens();
    let alone = || RootKey::versions(desk.clone(), EACH());
    let both = || keys([("desk", &desk), ("safe", &safe)], EACH());
    let vault = mirrored(&scratch).create(alone()).unwrap();
    let alice = enroll(&vault);
    let unlocked = mirrored(&scratch).unlock(both());
    let Err(UnlockError::KeyStore(error)) = &unlocked else { panic!("{unlocked:?}") };
    assert!(told(error).contains("by one token alone"), "{}", told(error));
    vault.rotate_root_key(both()).unwrap();
    assert_eq!(counts([&desk, &safe]), [(1, 1); 2]);
    assert!(mirrored(&scratch).unlock(both()).unwrap().open(alice.0, EMAIL, &alice.1).is_ok());
    assert!(mirrored(&scratch).unlock(alone()).is_err());
    vault.rotate_root_key(alone()).unwrap();
    let _ = vault.shred([alice.0]).unwrap();
    assert_eq!(counts([&desk, &safe]), [(1, 1); 2]);
}

/// More than the record has room for, and names that are none, are refused before there is a vault.
#[test]
fn what_does_not_fit_is_refused() {
    let (scratch, one, two) = tokens();
    let long = "n".repeat(33);
    for bad in [
        keys([], EACH()),
        keys([("", &one)], EACH()),
        keys([("a", &one), ("a", &two)], EACH()),
        keys([(long.as_str(), &one)], EACH()),
    ] {
        let made = mirrored(&scratch).create(bad);
        assert!(matches!(made, Err(CreateError::KeyStore(KeyStoreError::RootKey(_)))), "{made:?}");
        assert_eq!(one.keys(), 0);
    }
    let many = (0..9).map(|n| (format!("token {n}"), Box::new(MemoryToken::new()) as Box<dyn KeySeries>));
    let made = mirrored(&scratch).create(RootKey::versions_in(many, EACH()));
    let Err(CreateError::KeyStore(error)) = &made else { panic!("{made:?}") };
    assert!(told(error).contains("bytes; 1 to 472 fit"), "{}", told(error));
}
