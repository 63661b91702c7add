//! The mark beside the pages: it names its vault, and is believed only if that vault made it.

use std::fs;

use oubliette::journal::Reason;
use oubliette::store::{Directory, Mark, PageStore, Problem};
use oubliette::{
    CreateError, KeyStoreError, ShredError, UnlockError, Vault, VaultBuilder,
    recovery::{RecoverError, Recovery},
};

use super::support::*;

fn mark_of(scratch: &Scratch, name: &str) -> Mark {
    Directory::at(scratch.join(name)).open().unwrap().mark().unwrap()
}

fn with_pages(scratch: &Scratch, root: &str, pages: &str) -> VaultBuilder {
    at(&scratch.join(root)).pages_at(scratch.join(pages).join("pages"))
}

fn why() -> Reason {
    Reason::new("it was looked at").unwrap()
}

/// `pages_at` mistyped: the other vault is not touched, and goes on.
#[test]
fn another_vaults_pages_are_left_alone() {
    let scratch = Scratch::new();
    let (ours, theirs) =
        (at(&scratch.join("ours")).create(key()).unwrap(), at(&scratch.join("theirs")).create(key()).unwrap());
    let rows = [enroll(&ours), enroll(&theirs)];
    for _ in 0..4 {
        let _ = ours.shred([ours.enroll().unwrap()]).unwrap();
    }
    let _ = theirs.shred([theirs.enroll().unwrap()]).unwrap();
    for vault in [&ours, &theirs] {
        let _ = vault.sweep().unwrap();
    }
    let before = contents(&scratch.join("theirs"));
    let mistyped = || with_pages(&scratch, "ours", "theirs");
    let is_told = |error: KeyStoreError| assert!(matches!(error, KeyStoreError::PagesOfAnotherVault), "{error:?}");
    match mistyped().unlock(key()) {
        Err(UnlockError::KeyStore(error)) => is_told(error),
        other => panic!("{other:?}"),
    }
    match mistyped().recover(key(), Recovery::beyond(9, rows[0].0), new_key()) {
        Err(RecoverError::KeyStore(error)) => is_told(error),
        other => panic!("{other:?}"),
    }
    match mistyped().clear_alarm(key(), why()) {
        Err(RecoverError::KeyStore(error)) => is_told(error),
        other => panic!("{other:?}"),
    }
    let created = with_pages(&scratch, "new", "theirs").create(key());
    assert!(matches!(created, Err(CreateError::KeyStore(_))), "{created:?}");
    assert_eq!(contents(&scratch.join("theirs")), before, "not touched");
    for (vault, (customer, sealed), name) in [(&ours, &rows[0], "ours"), (&theirs, &rows[1], "theirs")] {
        assert!(vault.open(*customer, EMAIL, sealed).is_ok());
        assert!(at(&scratch.join(name)).unlock(key()).unwrap().open(*customer, EMAIL, sealed).is_ok());
        let _ = vault.shred([*customer]).unwrap();
    }
}

/// Two new vaults were given the same directory for their pages, before either had any: whoever commits first has it, and the other one is
/// told at its first commit. Its sweeps take nothing away.
#[test]
fn two_new_vaults_do_not_share_pages() {
    let scratch = Scratch::new();
    let create = |root: &str| with_pages(&scratch, root, "shared").create(key()).unwrap();
    let (first, second) = (create("one"), create("two"));
    let (alice, a) = enroll(&first);
    let bob = first.enroll().unwrap();
    let _ = first.shred([bob]).unwrap();
    let refused = second.enroll();
    let is_told =
        |error: &KeyStoreError| matches!(error, KeyStoreError::Store(error) if error.problem() == Problem::OtherVault);
    assert!(matches!(&refused, Err(error) if is_told(error)), "{refused:?}");
    let refused = second.shred([number(1)]);
    assert!(matches!(refused, Err(ShredError::NothingHappened(_) | ShredError::NotEnrolled { .. })), "{refused:?}");
    let swept = second.sweep();
    assert!(matches!(swept, Err(KeyStoreError::PagesOfAnotherVault)), "{swept:?}");
    assert!(first.open(alice, EMAIL, &a).is_ok());
    assert!(with_pages(&scratch, "one", "shared").unlock(key()).unwrap().open(alice, EMAIL, &a).is_ok());
    let unlocked = with_pages(&scratch, "two", "shared").unlock(key());
    assert!(matches!(unlocked, Err(UnlockError::KeyStore(KeyStoreError::PagesOfAnotherVault))), "{unlocked:?}");
}

/// A mark that somebody made up, however high, is damage and no verdict: nothing is written, and once the right file is back all is well.
#[test]
fn a_forged_mark_brands_nothing() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let (alice, a) = enroll(&vault);
    let _ = vault.shred([vault.enroll().unwrap()]).unwrap();
    vault.close().unwrap();
    let path = scratch.join("main/pages/mark");
    let (good, mark) = (fs::read(&path).unwrap(), mark_of(&scratch, "main"));
    let store = Directory::at(scratch.join("main")).open().unwrap();
    let last = u64::MAX;
    for forged in [
        Mark { generation: mark.generation + 5, ..mark },
        Mark { generation: last, ..mark },
        Mark { proof: [0; 32], ..mark },
        Mark { generation: 0, ..mark },
        Mark { generation: 0, proof: [0; 32], ..mark },
    ] {
        store.replace_mark(&forged).unwrap();
        let root = contents(&scratch.join("main/root"));
        let refused = scratch.vault().unlock(key());
        assert!(
            matches!(refused, Err(UnlockError::KeyStore(KeyStoreError::MarkNotAuthentic))),
            "{forged:?}: {refused:?}"
        );
        assert_eq!(contents(&scratch.join("main/root")), root, "nothing is written down");
    }
    fs::write(&path, &good).unwrap();
    assert!(scratch.vault().unlock(key()).unwrap().open(alice, EMAIL, &a).is_ok());
    // An older mark of its own is authentic and proves less: that is what a commit that was killed, or old pages, leave.
    let vault = scratch.vault().unlock(key()).unwrap();
    let _ = vault.shred([vault.enroll().unwrap()]).unwrap();
    vault.close().unwrap();
    fs::write(&path, &good).unwrap();
    assert!(scratch.vault().unlock(key()).unwrap().open(alice, EMAIL, &a).is_ok());
}

/// With no good mark left nothing goes on by itself; an operator who looked has a new one made, and so has one who recovers.
#[test]
fn a_mark_that_is_no_good_is_made_anew_on_an_operators_word() {
    for forged in [true, false] {
        for recovers in [true, false] {
            let scratch = Scratch::new();
            let vault = scratch.vault().mirror(scratch.join("mirror")).create(key()).unwrap();
            let (alice, a) = enroll(&vault);
            let _ = vault.shred([vault.enroll().unwrap()]).unwrap();
            vault.close().unwrap();
            let mark = mark_of(&scratch, "main");
            for place in ["main", "mirror"] {
                let path = scratch.join(place).join("pages/mark");
                if forged {
                    let store = Directory::at(scratch.join(place)).open().unwrap();
                    store.replace_mark(&Mark { generation: u64::MAX, ..mark }).unwrap();
                } else {
                    let mut bytes = fs::read(&path).unwrap();
                    bytes[20] ^= 1;
                    bytes[512 + 20] ^= 1;
                    fs::write(path, bytes).unwrap();
                }
            }
            let builder = || scratch.vault().mirror(scratch.join("mirror"));
            assert!(builder().unlock(key()).is_err());
            let (mended, now): (Vault, _) = if recovers {
                let recovery = Recovery::beyond(mark.generation, alice);
                (builder().recover(key(), recovery, new_key()).unwrap(), new_key())
            } else {
                (builder().clear_alarm(key(), why()).unwrap(), key())
            };
            assert!(mended.open(alice, EMAIL, &a).is_ok());
            let _ = mended.shred([mended.enroll().unwrap()]).unwrap();
            let again = builder().unlock(now).unwrap();
            assert!(again.open(alice, EMAIL, &a).is_ok() && again.health().ready);
        }
    }
}
