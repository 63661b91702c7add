//! Versions of the root key: a token that is away, full, or another one; copies; what was put back; old versions that are kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use oubliette::store::{Memory, RootStore};
use oubliette::testing::MemoryToken;
use oubliette::{
    ChangeError, CreateError, KeyStoreError, OpenError, RootKey, ShredError, UnlockError, Vault, VaultBuilder,
    recovery::Recovery,
    root_keys::{KeySeries, KeyVersion, PassphraseCost, RootKeyError, VersionPolicy, VersionState, WrapperError},
};

use super::support::*;

fn each(token: &MemoryToken) -> RootKey {
    RootKey::versions(token.clone(), VersionPolicy::with_each_shred())
}

fn mirrored(scratch: &Scratch) -> VaultBuilder {
    scratch.vault().mirror(scratch.join("mirror"))
}

fn is_destroyed<T: std::fmt::Debug>(unlocked: Result<T, UnlockError>) {
    assert!(matches!(&unlocked, Err(UnlockError::KeyStore(KeyStoreError::RootKeyDestroyed { .. }))), "{unlocked:?}");
}

/// One disk error must not lose all: with one place and nothing kept no version begins, and the shred that asked for it did not happen.
#[test]
fn one_place_begins_no_version_unless_somebody_says_so() {
    let (scratch, token) = (Scratch::new(), MemoryToken::new());
    let vault = scratch.vault().create(each(&token)).unwrap();
    let (alice, a) = enroll(&vault);
    let refused = vault.shred([alice]);
    let ShredError::NothingHappened(KeyStoreError::RootKey(error)) = refused.unwrap_err() else { panic!() };
    assert!(matches!(*error, RootKeyError::OnePlace), "{error:?}");
    assert!(vault.open(alice, EMAIL, &a).is_ok());
    vault.attach_mirror(scratch.join("mirror"), &mut |_, _| ()).unwrap();
    let _ = vault.shred([alice]).unwrap();
    assert_eq!(token.keys(), 1);
}

/// A token that is plugged out is noticed at the lease, although nothing changed; plugged in again the vault goes on by itself. What is asked
/// meanwhile did not happen.
#[test]
fn a_token_that_is_away_ends_in_one_lease_and_comes_back() {
    let (scratch, token) = (Scratch::new(), MemoryToken::new());
    let vault = mirrored(&scratch).create(each(&token)).unwrap();
    let (alice, a) = enroll(&vault);
    let _ = vault.sweep().unwrap();
    token.take_away();
    std::thread::sleep(LEASE * 3);
    let refused = vault.open(alice, EMAIL, &a);
    assert!(
        matches!(&refused, Err(OpenError::KeyStore(error)) if told(error).contains("token is away")),
        "{refused:?}"
    );
    assert!(!vault.health().ready && !vault.health().can_open);
    assert!(matches!(vault.shred([alice]), Err(ShredError::NothingHappened(_))));
    assert!(mirrored(&scratch).unlock(each(&token)).is_err());
    token.put_back();
    eventually("it goes on", || vault.open(alice, EMAIL, &a).is_ok());
    let _ = vault.shred([alice]).unwrap();
    assert!(matches!(vault.open(alice, EMAIL, &a), Err(OpenError::Shredded { .. })));
}

/// A full token refuses the shred, which did not happen; and so does one that is taken away in its midst, or says that it was not forgotten yet.
#[test]
fn a_full_token_refuses_and_nothing_happened() {
    let (scratch, token) = (Scratch::new(), MemoryToken::new());
    let vault = mirrored(&scratch).create(each(&token)).unwrap();
    let (alice, a) = enroll(&vault);
    token.room_for(1);
    assert!(matches!(vault.shred([alice]), Err(ShredError::NothingHappened(_))));
    assert!(vault.open(alice, EMAIL, &a).is_ok() && vault.enroll().is_ok());
    token.room_for(2);
    let _ = vault.shred([alice]).unwrap();
    assert_eq!(token.keys(), 1);
}

/// Another token is plugged in, which knows nothing of this vault: no wrong key, and nothing is wiped for good.
#[test]
fn another_token_is_told_apart() {
    let (scratch, token) = (Scratch::new(), MemoryToken::new());
    mirrored(&scratch).create(each(&token)).unwrap().close().unwrap();
    let other = mirrored(&scratch).unlock(each(&MemoryToken::new()));
    let Err(UnlockError::KeyStore(KeyStoreError::RootKey(error))) = &other else { panic!("{other:?}") };
    assert!(matches!(**error, RootKeyError::OtherToken), "{error:?}");
    let bytes = mirrored(&scratch).unlock(key());
    assert!(matches!(bytes, Err(UnlockError::KeyStore(KeyStoreError::WrongRootKey))), "{bytes:?}");
    assert!(mirrored(&scratch).unlock(each(&token)).is_ok());
}

/// Several processes: each finds the version that another one began, and whoever was shredded is gone in all. Nothing but the newest record
/// opens, in either order of restores.
#[test]
fn what_is_put_back_does_not_open() {
    let (scratch, token) = (Scratch::new(), MemoryToken::new());
    let vault = mirrored(&scratch).create(each(&token)).unwrap();
    let second = mirrored(&scratch).unlock(each(&token)).unwrap();
    let (alice, a) = enroll(&vault);
    let (bob, b) = enroll(&second);
    let _ = vault.sweep().unwrap();
    copy(&scratch.join("main"), &scratch.join("then"));
    vault.shred([alice]).unwrap().commit().wait_until_effective_everywhere();
    assert!(matches!(second.open(alice, EMAIL, &a), Err(OpenError::Shredded { .. })));
    let _ = second.shred([second.enroll().unwrap()]).unwrap();
    assert!(vault.open(bob, EMAIL, &b).is_ok());
    assert_eq!((token.keys(), token.marks()), (1, 1));
    for vault in [vault, second] {
        let _ = vault.sweep().unwrap();
        vault.close().unwrap();
    }
    let put_back = |place: &str| {
        for slot in ["slot-a", "slot-b"] {
            let then = scratch.join("then/root").join(slot);
            std::fs::copy(then, scratch.join(place).join("root").join(slot)).unwrap();
        }
    };
    // A mirror that shows something older is a damaged copy, and is written anew.
    put_back("mirror");
    let vault = mirrored(&scratch).unlock(each(&token)).unwrap();
    assert!(vault.open(bob, EMAIL, &b).is_ok());
    let _ = vault.shred([vault.enroll().unwrap()]).unwrap();
    let _ = vault.sweep().unwrap();
    vault.close().unwrap();
    copy(&scratch.join("main"), &scratch.join("now"));
    copy(&scratch.join("mirror"), &scratch.join("now-mirror"));
    put_back("main");
    put_back("mirror");
    is_destroyed(mirrored(&scratch).unlock(each(&token)));
    is_destroyed(mirrored(&scratch).as_copy().unlock(each(&token)));
    restore(&scratch.join("now/root"), &scratch.join("main/root"));
    restore(&scratch.join("now-mirror/root"), &scratch.join("mirror/root"));
    let vault = mirrored(&scratch).unlock(each(&token)).unwrap();
    assert!(vault.open(bob, EMAIL, &b).is_ok());
}

/// Older versions may be kept for a while: then an older record is refused by unlocking, and opens for a recovery alone, which destroys them.
#[test]
fn a_version_that_is_kept_is_for_recovery_alone() {
    let (scratch, token) = (Scratch::new(), MemoryToken::new());
    let policy = VersionPolicy::with_each_shred().keep_older(Duration::from_secs(3600));
    let kept = || RootKey::versions(token.clone(), policy);
    let vault = scratch.vault().create(kept()).unwrap();
    let ((alice, a), (bob, b)) = (enroll(&vault), enroll(&vault));
    let _ = vault.sweep().unwrap();
    copy(&scratch.join("main"), &scratch.join("then"));
    let _ = vault.shred([alice]).unwrap();
    let seen = vault.generation().unwrap();
    vault.close().unwrap();
    assert_eq!(token.keys(), 2, "the older one is kept");
    copy(&scratch.join("then"), &scratch.join("main"));
    is_destroyed(scratch.vault().unlock(kept()));
    let recovery = || Recovery::beyond(seen, number(1000)).shredded([alice]);
    let vault = scratch.vault().recover(kept(), recovery(), kept()).unwrap();
    assert!(vault.open(bob, EMAIL, &b).is_ok());
    assert!(matches!(vault.open(alice, EMAIL, &a), Err(OpenError::Shredded { .. })));
    vault.close().unwrap();
    // Those that are kept have their time still, and open for nobody but a recovery.
    assert_eq!(token.keys(), 3);
    copy(&scratch.join("main"), &scratch.join("now"));
    copy(&scratch.join("then"), &scratch.join("main"));
    is_destroyed(scratch.vault().unlock(kept()));
    copy(&scratch.join("now"), &scratch.join("main"));
    assert!(scratch.vault().unlock(kept()).is_ok());
}

/// A copy that the vault makes has a series of its own: it opens as long as its own key is there, and nothing that is done in it harms the vault. One
/// that was made otherwise and says that it is a copy makes and destroys no key.
#[test]
fn copies_destroy_no_key_of_the_vault() {
    let (scratch, token) = (Scratch::new(), MemoryToken::new());
    let vault = mirrored(&scratch).create(each(&token)).unwrap();
    let mirror = vault.status().unwrap().places[1];
    let ((alice, a), (bob, b)) = (enroll(&vault), enroll(&vault));
    let _ = vault.sweep().unwrap();
    vault.copy_to(scratch.join("copy")).unwrap();
    copy(&scratch.join("main"), &scratch.join("raw"));
    assert_eq!(token.keys(), 2);
    let raw = at(&scratch.join("raw")).as_copy().unlock(each(&token)).unwrap();
    raw.detach_mirror(mirror).unwrap();
    let _ = raw.shred([bob]).unwrap();
    assert!(matches!(raw.begin_root_key_version(), Err(ChangeError::NoVersions)));
    assert!(vault.open(bob, EMAIL, &b).is_ok() && vault.health().ready);
    raw.close().unwrap();
    let _ = vault.shred([alice]).unwrap();
    assert_eq!(token.keys(), 2, "the vault's, and the copy's");
    // The raw one is under a version that is gone. The other one stands in for the vault, if that is lost.
    is_destroyed(at(&scratch.join("raw")).as_copy().unlock(each(&token)));
    let one_place = RootKey::versions(token.clone(), VersionPolicy::with_each_shred().allow_one_place());
    let instead = at(&scratch.join("copy")).unlock(one_place).unwrap();
    assert!(instead.open(alice, EMAIL, &a).is_ok(), "a copy is a copy");
    instead.detach_mirror(mirror).unwrap();
    let _ = instead.shred([bob]).unwrap();
    assert_eq!(token.keys(), 2);
    assert!(vault.open(bob, EMAIL, &b).is_ok());
}

/// From a passphrase to versions and back. What is left behind is the operator's to destroy, as of every root key.
#[test]
fn a_vault_moves_to_versions_and_away() {
    let (scratch, token) = (Scratch::new(), MemoryToken::new());
    let cheap = || RootKey::passphrase_at_cost("six words", PassphraseCost { memory_kib: 8192, passes: 1, lanes: 1 });
    let vault = mirrored(&scratch).create(cheap()).unwrap();
    let (alice, a) = enroll(&vault);
    assert!(matches!(vault.begin_root_key_version(), Err(ChangeError::NoVersions)));
    vault.rotate_root_key(each(&token)).unwrap();
    for _ in 0..3 {
        vault.begin_root_key_version().unwrap();
        assert_eq!(token.keys(), 1);
    }
    assert!(mirrored(&scratch).unlock(cheap()).is_err());
    assert!(mirrored(&scratch).unlock(each(&token)).unwrap().open(alice, EMAIL, &a).is_ok());
    vault.rotate_root_key(each(&token)).unwrap();
    assert_eq!((token.keys(), token.marks()), (1, 1), "to the series that it is in: its next version");
    vault.rotate_root_key(key()).unwrap();
    assert_eq!(token.keys(), 1);
    assert!(vault.open(alice, EMAIL, &a).is_ok());
    assert!(mirrored(&scratch).unlock(key()).is_ok());
}

/// A version that begins with age, and one that begins by hand alone.
#[test]
fn policies_say_when_the_next_begins() {
    let token = MemoryToken::new();
    for (policy, begins) in [
        (VersionPolicy::after(Duration::ZERO), true),
        (VersionPolicy::after(Duration::from_secs(3600)), false),
        (VersionPolicy::by_hand(), false),
        (VersionPolicy::with_each_shred(), true),
    ] {
        let memory = Memory::new();
        let key = RootKey::versions(token.clone(), policy.allow_one_place());
        let vault = Vault::on(memory.clone(), memory.clone()).purposes([ORDERS]).create(key).unwrap();
        let recipe = |memory: &Memory| match &memory.read(memory.places()[0])[0].content {
            oubliette::store::CopyContent::Intact(record) => record[57..600].to_vec(),
            other => panic!("{other:?}"),
        };
        let before = recipe(&memory);
        let _ = vault.shred([vault.enroll().unwrap()]).unwrap();
        assert_eq!(recipe(&memory) != before, begins, "{policy:?}");
        let before = recipe(&memory);
        vault.begin_root_key_version().unwrap();
        assert_ne!(recipe(&memory), before);
    }
}

#[test]
fn a_vault_is_not_made_without_its_token() {
    let (scratch, token) = (Scratch::new(), MemoryToken::new());
    token.take_away();
    assert!(matches!(mirrored(&scratch).create(each(&token)), Err(CreateError::KeyStore(KeyStoreError::RootKey(_)))));
    token.put_back();
    assert!(mirrored(&scratch).create(each(&token)).is_ok());
}

/// A recovery that fails, or that is of the wrong backup, destroys nothing that the newest record needs, however old its version is by then; nor
/// does the repair that comes before it.
#[test]
fn a_recovery_that_comes_to_nothing_destroys_nothing() {
    let (scratch, token) = (Scratch::new(), MemoryToken::new());
    let kept = || {
        let policy = VersionPolicy::with_each_shred().keep_older(Duration::from_secs(2));
        RootKey::versions(token.clone(), policy)
    };
    let vault = mirrored(&scratch).create(kept()).unwrap();
    let (alice, bob) = (enroll(&vault), enroll(&vault));
    let _ = vault.sweep().unwrap();
    copy(&scratch.join("main"), &scratch.join("older"));
    for _ in 0..70 {
        vault.enroll().unwrap();
    }
    let _ = vault.sweep().unwrap();
    copy(&scratch.join("mirror"), &scratch.join("old-mirror"));
    let _ = vault.shred([alice.0]).unwrap();
    let seen = vault.generation().unwrap();
    let _ = vault.sweep().unwrap();
    vault.close().unwrap();
    for place in ["main", "mirror"] {
        copy(&scratch.join(place), &scratch.join("now").join(place));
    }
    std::thread::sleep(Duration::from_millis(2500));
    // The first place is behind its mirror, and both are of before: bringing it forward is a repair.
    copy(&scratch.join("older"), &scratch.join("main"));
    copy(&scratch.join("old-mirror"), &scratch.join("mirror"));
    let recovery = || Recovery::beyond(seen, number(1000)).shredded([alice.0]);
    let misspelt =
        Vault::at(scratch.join("main")).mirror(scratch.join("mirror")).purposes([oubliette::Purpose::new("oders")]);
    assert!(misspelt.recover(kept(), recovery(), kept()).is_err());
    for place in ["main", "mirror"] {
        copy(&scratch.join("now").join(place), &scratch.join(place));
    }
    let vault = mirrored(&scratch).unlock(kept()).unwrap();
    assert!(vault.open(bob.0, EMAIL, &bob.1).is_ok());
    assert!(matches!(vault.open(alice.0, EMAIL, &alice.1), Err(OpenError::Shredded { .. })));
}

/// A disk is lost: its place can be given up, with one left, and then a shred says what is missing. With a new mirror it goes on.
#[test]
fn a_place_can_be_given_up_with_one_left() {
    let (scratch, token) = (Scratch::new(), MemoryToken::new());
    let vault = mirrored(&scratch).create(each(&token)).unwrap();
    let (alice, a) = enroll(&vault);
    let _ = vault.sweep().unwrap();
    let mirror = vault.status().unwrap().places[1];
    std::fs::rename(scratch.join("mirror"), scratch.join("lost")).unwrap();
    vault.detach_mirror(mirror).unwrap();
    assert!(matches!(vault.shred([alice]), Err(ShredError::NothingHappened(KeyStoreError::RootKey(_)))));
    assert!(!vault.health().ready && vault.health().can_open);
    assert!(vault.open(alice, EMAIL, &a).is_ok() && vault.enroll().is_ok());
    vault.attach_mirror(scratch.join("new"), &mut |_, _| ()).unwrap();
    let _ = vault.shred([alice]).unwrap();
    assert_eq!(token.keys(), 1);
    assert!(vault.health().ready);
}

/// A token that is full is not filled by what fails for other reasons; and a version that is due by age alone stops nothing.
#[test]
fn what_fails_leaves_no_keys() {
    let token = MemoryToken::new();
    let (memory, steps) = (Memory::new(), oubliette::testing::Steps::new());
    let stores = memory.clone().steps(&steps);
    let key = RootKey::versions(token.clone(), VersionPolicy::with_each_shred().allow_one_place());
    let vault = Vault::on(stores.clone(), stores).purposes([ORDERS]).create(key).unwrap();
    let customers: Vec<_> = (0..4).map(|_| vault.enroll().unwrap()).collect();
    let _ = vault.sweep().unwrap();
    for customer in &customers {
        steps.stop_at(1, oubliette::testing::Stop::FailFrom(oubliette::store::Problem::Full));
        assert!(vault.shred([*customer]).is_err());
        steps.reset();
        assert_eq!(token.keys(), 1);
    }
    let _ = vault.shred(customers).unwrap();
    assert_eq!(token.keys(), 1);
    let token = MemoryToken::new();
    let key = RootKey::versions(token.clone(), VersionPolicy::after(Duration::ZERO));
    let memory = Memory::new();
    let vault = Vault::on(memory.clone(), memory).purposes([ORDERS]).create(key).unwrap();
    token.room_for(1);
    let alice = vault.enroll().unwrap();
    let _ = vault.sweep().unwrap();
    let _ = vault.shred([alice]).unwrap();
}

/// Another process moves the vault to the key that this one was given as its next: it follows, however many versions there were before.
#[test]
fn the_next_root_key_is_not_forgotten_over_versions() {
    let (scratch, token) = (Scratch::new(), MemoryToken::new());
    let vault = mirrored(&scratch).next_root_key(new_key()).create(each(&token)).unwrap();
    let other = mirrored(&scratch).unlock(each(&token)).unwrap();
    let (alice, a) = enroll(&vault);
    let _ = vault.shred([vault.enroll().unwrap()]).unwrap();
    other.rotate_root_key(new_key()).unwrap();
    std::thread::sleep(LEASE * 3);
    assert!(vault.open(alice, EMAIL, &a).is_ok());
}

/// A token that another process uses just before it is listed: it shreds between this one's read of the record and its question for
/// the record's key.
#[derive(Clone)]
struct Raced {
    token: MemoryToken,
    other: Vault,
    /// How many times it does.
    left: Arc<AtomicUsize>,
}

impl KeySeries for Raced {
    fn create(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        self.token.create(series, version)
    }
    fn wrap(&self, series: &[u8; 16], version: KeyVersion, secret: &[u8; 32]) -> Result<Vec<u8>, WrapperError> {
        self.token.wrap(series, version, secret)
    }
    fn unwrap(
        &self,
        series: &[u8; 16],
        version: KeyVersion,
        wrapped: &[u8],
        secret: &mut [u8; 32],
    ) -> Result<(), WrapperError> {
        self.token.unwrap(series, version, wrapped, secret)
    }
    fn complete(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        self.token.complete(series, version)
    }
    fn unmark(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        self.token.unmark(series, version)
    }
    fn series(&self) -> Result<Vec<[u8; 16]>, WrapperError> {
        self.token.series()
    }
    #[allow(clippy::unwrap_in_result)] // a test that fails should panic
    fn list(&self, series: &[u8; 16]) -> Result<Vec<VersionState>, WrapperError> {
        if self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok() {
            let _ = self.other.shred([self.other.enroll().unwrap()]).unwrap();
        }
        self.token.list(series)
    }
    fn destroy(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        self.token.destroy(series, version)
    }
}

/// Whose record was replaced while the token was asked reads again: once, when the record was found as it was before, and however often in a row.
#[test]
fn a_version_that_ends_between_two_questions_is_no_alarm() {
    let (scratch, token) = (Scratch::new(), MemoryToken::new());
    let builder = || mirrored(&scratch).lease(Duration::from_secs(60)).patience(Duration::from_secs(60));
    let other = builder().create(each(&token)).unwrap();
    let (bob, b) = enroll(&other);
    let raced = Raced { token, other: other.clone(), left: Arc::default() };
    let key = RootKey::versions(raced.clone(), VersionPolicy::with_each_shred());
    // It commits nothing itself: the other one would wait for it.
    let vault = builder().unlock(key).unwrap();
    for times in [1, 8] {
        let before = other.generation().unwrap();
        raced.left.store(times, Ordering::Release);
        vault.refresh().unwrap();
        assert!(raced.left.load(Ordering::Acquire) == 0 && other.generation().unwrap() > before);
        assert!(vault.open(bob, EMAIL, &b).is_ok());
    }
}
