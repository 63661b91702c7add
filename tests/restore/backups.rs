//! Last night's root record, pages, or both are put back.

use std::path::Path;
use std::time::Duration;

use oubliette::personal::Email;
use oubliette::{
    CreateError, CustomerId, KeyStoreError, OpenError, Purpose, Sealed, ShredError, UnlockError, Vault,
    recovery::{RecoverError, Recovery},
};

use super::support::*;

/// A day in the life of a vault, with what the application and its backups have of it.
struct Day {
    scratch: Scratch,
    /// Shredded after the backup.
    alice: (CustomerId, Sealed<Email>),
    /// Alive; the second value was sealed after the backup, with a witness of the time.
    bob: [(CustomerId, Sealed<Email>); 2],
    /// Enrolled after the backup.
    carol: (CustomerId, Sealed<Email>),
    /// Shredded before the backup.
    dave: (CustomerId, Sealed<Email>),
    generation: u64,
    running: Vault,
}

impl Day {
    fn new() -> Day {
        let scratch = Scratch::new();
        let running = scratch.vault().next_root_key(new_key()).create(key()).unwrap();
        let (alice, bob, dave) = (enroll(&running), enroll(&running), enroll(&running));
        let _ = running.shred([dave.0]).unwrap();
        copy(&scratch.join("main"), &scratch.join("last-night"));
        let _ = running.shred([alice.0]).unwrap();
        // Until a number comes that last night's record does not know of.
        let known = reserved_at(&scratch.join("last-night"));
        let carol = std::iter::repeat_with(|| enroll(&running)).find(|row| row.0 > known).unwrap();
        // Past its first lease a process puts a witness into what it seals.
        std::thread::sleep(LEASE * 3);
        let late = (bob.0, seal(&running, bob.0));
        let generation = running.generation().unwrap();
        Day { scratch, alice, bob: [bob, late], carol, dave, generation, running }
    }

    fn main(&self) -> std::path::PathBuf {
        self.scratch.join("main")
    }

    fn put_back(&self, part: &str) {
        restore(&self.scratch.join("last-night").join(part), &self.main().join(part));
    }

    fn recovery(&self) -> Recovery {
        Recovery::beyond(self.generation, self.carol.0).shredded([self.alice.0])
    }

    /// What is true of a vault that was recovered.
    fn is_mended(&self, vault: &Vault) {
        for gone in [&self.alice, &self.dave] {
            let opened = vault.open(gone.0, EMAIL, &gone.1);
            assert!(matches!(opened, Err(OpenError::Shredded { .. })), "{opened:?}");
        }
        for alive in self.bob.iter().chain([&self.carol]) {
            let opened = vault.open(alive.0, EMAIL, &alive.1);
            assert!(opened.is_ok(), "{opened:?}");
        }
        for _ in 0..10 {
            let number = vault.enroll().unwrap();
            assert!(number > self.carol.0, "{number} was issued before");
            let sealed = seal(vault, number);
            assert!(vault.open(number, EMAIL, &sealed).is_ok());
        }
        assert!(vault.generation().unwrap() > self.generation);
    }

    /// Mends it, and looks at everything that must hold afterwards.
    fn recover(&self) {
        let same = self.scratch.vault().recover(key(), self.recovery(), key());
        assert!(matches!(same, Err(RecoverError::SameKey)), "{same:?}");
        let recovered = self.scratch.vault().recover(key(), self.recovery(), new_key()).unwrap();
        self.is_mended(&recovered);
        let old = self.scratch.vault().unlock(key());
        assert!(matches!(old, Err(UnlockError::KeyStore(KeyStoreError::WrongRootKey))), "{old:?}");
        let again = self.scratch.vault().highest_number_known(self.carol.0).unlock(new_key()).unwrap();
        self.is_mended(&again);
        // The process that ran all the time was given both keys, and goes on by itself.
        eventually("the running process adopts it", || self.running.health().ready);
        self.is_mended(&self.running);
        // What is sealed from now on proves things again.
        std::thread::sleep(LEASE * 3);
        let sealed = seal(&again, self.bob[0].0);
        assert!(recovered.open(self.bob[0].0, EMAIL, &sealed).is_ok());
    }
}

fn reserved_at(at: &Path) -> CustomerId {
    reserved(&super::support::at(at).unlock(key()).unwrap())
}

fn rolled_back<T: std::fmt::Debug>(result: Result<T, UnlockError>) {
    match result {
        Err(UnlockError::KeyStore(error @ KeyStoreError::RolledBack { .. })) => {
            let text = told(&error);
            assert!(text.contains("was rolled back") && text.contains("recover"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

fn refuses(vault: &Vault, day: &Day) -> bool {
    let opened = vault.open(day.bob[0].0, EMAIL, &day.bob[0].1);
    matches!(opened, Err(OpenError::KeyStore(KeyStoreError::RolledBack { .. })))
}

/// Root record and pages, under a running process: it notices within a lease, and then everybody refuses.
#[test]
fn both_are_put_back_under_a_running_process() {
    let day = Day::new();
    day.put_back("root");
    day.put_back("pages");
    std::thread::sleep(LEASE);
    assert!(refuses(&day.running, &day), "noticed within a lease");
    assert!(day.running.enroll().is_err(), "no number is issued twice");
    assert!(matches!(
        day.running.shred([day.bob[0].0]),
        Err(ShredError::NothingHappened(KeyStoreError::RolledBack { .. }))
    ));
    let health = day.running.health();
    assert!(!health.ready && matches!(health.trouble, Some(KeyStoreError::RolledBack { .. })));
    rolled_back(day.scratch.vault().unlock(key()));
    day.recover();
}

/// Root record and pages, while nothing runs: what the caller demands refuses, and what a value tells raises an alarm, each alone.
#[test]
fn both_are_put_back_while_nothing_runs() {
    let day = Day::new();
    day.running.clone().close().unwrap();
    let back = || {
        copy(&day.scratch.join("last-night"), &day.main());
    };
    back();
    let demanded = day.scratch.vault().demand_generation(day.generation).unlock(key());
    assert!(matches!(demanded, Err(UnlockError::BehindDemand { .. })), "{demanded:?}");
    rolled_back(day.scratch.vault().highest_number_known(day.carol.0).unlock(key()));

    // A value of a number that was never issued, and one whose witness was never reached.
    for proof in [&day.carol, &day.bob[1]] {
        back();
        let ignorant = day.scratch.vault().unlock(key()).unwrap();
        let bystander = day.scratch.vault().unlock(key()).unwrap();
        assert!(ignorant.open(day.bob[0].0, EMAIL, &day.bob[0].1).is_ok(), "nothing tells yet");
        let told = ignorant.open(proof.0, EMAIL, &proof.1);
        assert!(matches!(told, Err(OpenError::NotOfThisHistory { .. })), "{told:?}");
        let is_alarmed = |vault: &Vault| vault.health().alarm.is_some();
        eventually("all are told", || is_alarmed(&bystander) && is_alarmed(&ignorant));
        assert!(is_alarmed(&day.scratch.vault().unlock(key()).unwrap()));
        assert!(ignorant.open(day.bob[0].0, EMAIL, &day.bob[0].1).is_ok(), "that value alone is refused");
    }
    let recovered = day.scratch.vault().recover(key(), day.recovery(), new_key()).unwrap();
    day.is_mended(&recovered);
}

/// The root record alone, while nothing runs: the mark beside the pages tells, before a number is issued.
#[test]
fn the_root_record_alone_is_put_back() {
    let day = Day::new();
    day.put_back("root");
    rolled_back(day.scratch.vault().unlock(key()));
    eventually("the running process notices too", || refuses(&day.running, &day));
    day.recover();
}

/// The right files are put in the place of the wrong ones: nothing else is needed.
#[test]
fn the_wrong_backup_is_put_back_and_the_right_one_after_it() {
    let day = Day::new();
    copy(&day.main(), &day.scratch.join("now"));
    day.put_back("root");
    day.put_back("pages");
    eventually("noticed", || refuses(&day.running, &day));
    for part in ["pages", "root"] {
        restore(&day.scratch.join("now").join(part), &day.main().join(part));
    }
    eventually("all is well", || day.running.health().ready);
    assert!(matches!(day.running.open(day.alice.0, EMAIL, &day.alice.1), Err(OpenError::Shredded { .. })));
    assert!(day.running.open(day.carol.0, EMAIL, &day.carol.1).is_ok());
    assert!(day.scratch.vault().unlock(key()).is_ok());
}

/// The pages alone: nothing of a tree that was shredded since opens, and nobody is called shredded for it.
#[test]
fn the_pages_alone_are_put_back() {
    let day = Day::new();
    copy(&day.main(), &day.scratch.join("now"));
    day.running.clone().close().unwrap();
    let half = day.scratch.vault().unlock(key()).unwrap();
    day.put_back("pages");
    let root = contents(&day.main().join("root"));
    let unlocked = day.scratch.vault().unlock(key());
    let Err(UnlockError::KeyStore(error)) = unlocked else { panic!("{unlocked:?}") };
    let text = told(&error);
    assert!(matches!(error, KeyStoreError::PageDamaged { .. }), "{error:?}");
    assert!(text.contains("missing") && text.contains("restore"), "{text}");
    for (customer, sealed) in &day.bob {
        // It may still have the files open that are gone.
        let opened = half.open(*customer, EMAIL, sealed);
        assert!(
            matches!(opened, Ok(_) | Err(OpenError::KeyStore(KeyStoreError::PageDamaged { .. }))),
            "a page that is gone is not a person who is gone: {opened:?}"
        );
    }
    assert!(half.sweep().is_err());
    let recovered = day.scratch.vault().recover(key(), day.recovery(), new_key());
    assert!(matches!(recovered, Err(RecoverError::KeyStore(KeyStoreError::PageDamaged { .. }))), "{recovered:?}");
    assert_eq!(contents(&day.main().join("root")), root, "the root record is as it was");
    restore(&day.scratch.join("now").join("pages"), &day.main().join("pages"));
    let vault = day.scratch.vault().unlock(key()).unwrap();
    assert!(vault.open(day.bob[0].0, EMAIL, &day.bob[0].1).is_ok());
    assert!(matches!(vault.open(day.alice.0, EMAIL, &day.alice.1), Err(OpenError::Shredded { .. })));
}

/// Slots as they are before the first commit, beside the pages of later ones: `unlock` must not say that there is no vault, upon
/// which somebody might make one.
#[test]
fn empty_slots_are_put_back() {
    let day = Day::new();
    day.running.clone().close().unwrap();
    let empty = day.scratch.join("empty");
    oubliette::store::Directory::at(&empty).create().unwrap();
    for slot in ["root/slot-a", "root/slot-b"] {
        std::fs::copy(empty.join(slot), day.main().join(slot)).unwrap();
    }
    rolled_back(day.scratch.vault().unlock(key()));
    let made = day.scratch.vault().create(key());
    assert!(matches!(made, Err(CreateError::KeyStore(KeyStoreError::RolledBack { .. }))), "{made:?}");
    // Where nothing was ever written there is none.
    let none = oubliette::Vault::at(&empty).purposes([ORDERS]).unlock(key());
    assert!(matches!(none, Err(UnlockError::KeyStore(KeyStoreError::NoVault))), "{none:?}");
}

/// A recovery that asks for what it cannot do changes nothing, so that it can be called again.
#[test]
fn a_recovery_that_is_refused_changes_nothing() {
    let day = Day::new();
    day.running.clone().close().unwrap();
    copy(&day.scratch.join("last-night"), &day.main());
    let before = contents(&day.main());
    let misspelt = Purpose::new("oders");
    let elsewhere = day.recovery().shredded_purpose(misspelt, [day.bob[0].0]);
    for (purposes, recovery) in [(vec![ORDERS, misspelt], day.recovery()), (vec![ORDERS], elsewhere)] {
        let recovered = Vault::at(day.main()).purposes(purposes).recover(key(), recovery, new_key());
        assert!(matches!(recovered, Err(RecoverError::UnknownPurpose { purpose: "oders" })), "{recovered:?}");
    }
    let beyond = Recovery::beyond(1 << 41, day.carol.0).shredded([day.alice.0]);
    let recovered = day.scratch.vault().recover(key(), beyond, new_key());
    assert!(matches!(recovered, Err(RecoverError::OutOfRange)), "{recovered:?}");
    let recovered = day.scratch.vault().recover(new_key(), day.recovery(), key());
    assert!(matches!(recovered, Err(RecoverError::KeyStore(KeyStoreError::WrongRootKey))), "{recovered:?}");
    assert_eq!(contents(&day.main()), before);
    day.is_mended(&day.scratch.vault().recover(key(), day.recovery(), new_key()).unwrap());
}

/// What a value told is kept in the record, so that a recovery told less than that still goes on above it.
#[test]
fn a_recovery_goes_on_above_what_was_told() {
    let day = Day::new();
    day.running.clone().close().unwrap();
    copy(&day.scratch.join("last-night"), &day.main());
    let vault = day.scratch.vault().unlock(key()).unwrap();
    let proven = vault.open(day.bob[1].0, EMAIL, &day.bob[1].1);
    assert!(matches!(proven, Err(OpenError::NotOfThisHistory { .. })), "{proven:?}");
    vault.close().unwrap();
    let low = Recovery::beyond(1, day.carol.0).shredded([day.alice.0]);
    let vault = day.scratch.vault().recover(key(), low, new_key()).unwrap();
    let opened = vault.open(day.bob[1].0, EMAIL, &day.bob[1].1);
    assert!(opened.is_ok(), "{opened:?}");
}

/// A copy of a running vault, opened in place of the lost one.
#[test]
fn a_copy_is_opened_in_place_of_the_lost_vault() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let (alice, a) = enroll(&vault);
    let (bob, b) = enroll(&vault);
    let _ = vault.shred([alice]).unwrap();
    let writer = vault.clone();
    let busy = std::thread::spawn(move || {
        for _ in 0..30 {
            let (customer, _) = enroll(&writer);
            let _ = writer.shred([customer]).unwrap();
        }
    });
    for n in 0..3 {
        std::thread::sleep(Duration::from_millis(30));
        vault.copy_to(scratch.join(&format!("copy{n}"))).unwrap();
    }
    busy.join().unwrap();
    assert!(vault.copy_to(scratch.join("copy0")).is_err(), "never over something");
    vault.copy_to(scratch.join("latest")).unwrap();
    vault.close().unwrap();
    std::fs::remove_dir_all(scratch.join("main")).unwrap();
    for name in ["copy0", "copy1", "copy2", "latest"] {
        copy(&scratch.join(name), &scratch.join("main"));
        let vault = scratch.vault().unlock(key()).unwrap();
        assert!(matches!(vault.open(alice, EMAIL, &a), Err(OpenError::Shredded { .. })), "{name}");
        assert!(vault.open(bob, EMAIL, &b).is_ok(), "{name}");
        vault.enroll().unwrap();
        let _ = vault.shred([bob]).unwrap();
        assert!(matches!(vault.open(bob, EMAIL, &b), Err(OpenError::Shredded { .. })));
        vault.close().unwrap();
    }
}
