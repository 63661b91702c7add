//! What an operator reads at three in the morning: which file, what is wrong, what to do; and nothing was changed.

use std::fs;
use std::path::Path;

use oubliette::store::{Directory, Problem};
use oubliette::testing::{Steps, Stop};
use oubliette::{KeyStoreError, OpenError, Outcome, ShredError, UnlockError, Vault, VaultBuilder};

use super::support::*;

fn closed(scratch: &Scratch) {
    let vault = scratch.vault().create(key()).unwrap();
    let (alice, _) = enroll(&vault);
    let _ = vault.shred([alice]).unwrap();
    vault.close().unwrap();
}

/// Unlocking fails, says this, and changes nothing.
fn told_when_unlocking(scratch: &Scratch, words: &[&str]) -> KeyStoreError {
    let before = contents(&scratch.join("main"));
    let unlocked = scratch.vault().unlock(key());
    assert_eq!(contents(&scratch.join("main")), before, "nothing was changed");
    let Err(UnlockError::KeyStore(error)) = unlocked else { panic!("{unlocked:?}") };
    let text = told(&error);
    for word in words {
        assert!(text.contains(word), "{word:?} in: {text}");
    }
    error
}

fn damaged(path: &Path, damage: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    damage(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn each_damage_is_named_and_nothing_is_changed() {
    let scratch = Scratch::new();
    closed(&scratch);
    copy(&scratch.join("main"), &scratch.join("whole"));
    let whole = || copy(&scratch.join("whole"), &scratch.join("main"));
    let root = scratch.join("main").join("root");
    let pages = scratch.join("main").join("pages");

    let before = contents(&scratch.join("main"));
    let wrong = scratch.vault().unlock(new_key());
    assert!(matches!(wrong, Err(UnlockError::KeyStore(KeyStoreError::WrongRootKey))), "{wrong:?}");
    assert_eq!(contents(&scratch.join("main")), before);

    let damages: [fn(&mut Vec<u8>); 3] = [|bytes| bytes.truncate(1000), |bytes| bytes[2000] ^= 1, Vec::clear];
    for damage in damages {
        whole();
        ["slot-a", "slot-b"].iter().for_each(|slot| damaged(&root.join(slot), damage));
        let error = told_when_unlocking(&scratch, &["root/slot-", "root record", "mirror"]);
        assert_eq!(error.outcome(), Outcome::Investigate);
        let created = scratch.vault().create(key());
        assert!(created.is_err(), "a damaged vault is not replaced by a new one");
    }

    whole();
    fs::remove_file(root.join("place")).unwrap();
    told_when_unlocking(&scratch, &["root/place"]);
    assert!(scratch.vault().create(key()).is_err() && scratch.vault().unlock(key()).is_err());

    whole();
    damaged(&root.join("place"), |bytes| bytes[9] ^= 1);
    told_when_unlocking(&scratch, &["root/place", "damaged"]);

    whole();
    fs::remove_file(pages.join("mark")).unwrap();
    told_when_unlocking(&scratch, &["pages/mark"]);

    whole();
    damaged(&pages.join("mark"), |bytes| bytes.iter_mut().for_each(|byte| *byte ^= 1));
    told_when_unlocking(&scratch, &["pages/mark", "damaged"]);

    whole();
    let files: Vec<_> =
        contents(&pages).into_keys().filter(|path| path.to_string_lossy().ends_with(".pages")).collect();
    files.iter().for_each(|file| fs::remove_file(file).unwrap());
    let error = told_when_unlocking(&scratch, &["page", "missing", "mirror"]);
    assert!(matches!(error, KeyStoreError::PageDamaged { .. }), "{error:?}");

    whole();
    fs::remove_dir_all(&pages).unwrap();
    told_when_unlocking(&scratch, &["pages", "does not exist"]);

    fs::remove_dir_all(scratch.join("main")).unwrap();
    let missing = scratch.vault().unlock(key()).unwrap_err();
    assert!(told(&missing).contains("main") && !told(&missing).contains("create"), "{}", told(&missing));
    assert!(!scratch.join("main").exists(), "a mistyped path makes nothing");
}

#[cfg(unix)]
#[test]
fn a_directory_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    closed(&scratch);
    for (path, mode) in [("root", 0o755), ("pages", 0o750), ("root/slot-a", 0o644)] {
        let path = scratch.join("main").join(path);
        let private = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = told_when_unlocking(&scratch, &[&path.to_string_lossy(), "chmod"]);
        assert_eq!(error.outcome(), Outcome::Investigate, "waiting does not help");
        fs::set_permissions(&path, private).unwrap();
    }
    assert!(scratch.vault().unlock(key()).is_ok());
}

/// A read-only mount, and a full disk: what is there is read; a commit says why it cannot be.
#[test]
fn a_medium_that_cannot_be_written_is_still_read() {
    for (problem, words) in [(Problem::ReadOnly, "read-only"), (Problem::Full, "no space")] {
        let scratch = Scratch::new();
        closed(&scratch);
        let vault = scratch.vault().unlock(key()).unwrap();
        let (bob, b) = enroll(&vault);
        vault.close().unwrap();
        // One copy was left behind by a killed commit, which cannot be repaired now.
        damaged(&scratch.join("main").join("root").join("slot-b"), |bytes| bytes.truncate(100));
        let before = contents(&scratch.join("main"));
        let steps = Steps::new();
        steps.stop_at(1, Stop::FailFrom(problem));
        let vault = VaultBuilder::in_directory(Directory::at(scratch.join("main")).steps(&steps))
            .purposes([ORDERS, NEWS])
            .unlock(key())
            .unwrap();
        assert!(vault.open(bob, EMAIL, &b).is_ok());
        assert!(vault.seal(bob, EMAIL, &email("b@example.com")).is_ok());
        let error = vault.shred([bob]).unwrap_err();
        assert!(matches!(error, ShredError::NothingHappened(_)), "{error:?}");
        assert!(told(&error).contains(words) && told(&error).contains("main"), "{}", told(&error));
        let error = vault.enroll().unwrap_err();
        assert!(told(&error).contains(words), "{}", told(&error));
        assert!(vault.open(bob, EMAIL, &b).is_ok(), "still alive");
        vault.close().unwrap();
        let after = contents(&scratch.join("main"));
        assert!(before.iter().all(|(path, sum)| after.get(path) == Some(sum)), "nothing that was there changed");
        let vault = scratch.vault().unlock(key()).unwrap();
        let _ = vault.shred([bob]).unwrap();
        assert!(matches!(vault.open(bob, EMAIL, &b), Err(OpenError::Shredded { .. })));
    }
}

/// Something else lies where the vault should be.
#[test]
fn a_directory_of_something_else_is_left_alone() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("main")).unwrap();
    fs::write(scratch.join("main").join("thesis.txt"), "ten years of work").unwrap();
    let before = contents(&scratch.join("main"));
    let error = scratch.vault().create(key()).unwrap_err();
    assert!(told(&error).contains("thesis.txt") && told(&error).contains("empty directory"), "{}", told(&error));
    let _: UnlockError = Vault::at(scratch.join("main")).purposes([ORDERS]).unlock(key()).unwrap_err();
    assert_eq!(contents(&scratch.join("main")), before);
}
