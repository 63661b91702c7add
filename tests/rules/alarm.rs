//! Copies that are used, and what a single value may do: refuse itself and raise an alarm, and nothing more.

use oubliette::journal::Reason;
use oubliette::{KeyStoreError, OpenError, Sealed, UnlockError, Vault};

use super::support::*;

/// A vault whose copy went on by itself for a while, and rows that the copy sealed: of a customer of both, and of one that the copy enrolled.
struct Twins {
    scratch: Scratch,
    vault: Vault,
    copy: Vault,
    alice: Row,
    rows: [Row; 2],
}

type Row = (oubliette::CustomerId, Sealed<oubliette::personal::Email>);

impl Twins {
    /// `says_so`: the copy was unlocked as one.
    fn new(says_so: bool) -> Twins {
        let scratch = Scratch::new();
        let vault = scratch.vault().create(key()).unwrap();
        let alice = enroll(&vault);
        vault.copy_to(scratch.join("copy")).unwrap();
        let known = reserved(&vault);
        let copy = at(&scratch.join("copy"));
        let copy = if says_so { copy.as_copy() } else { copy }.unlock(key()).unwrap();
        let new = std::iter::repeat_with(|| enroll(&copy)).find(|row| row.0 > known).unwrap();
        // Ahead of the original by far, with the keys of everybody who is in both.
        for _ in 0..8 {
            let _ = copy.shred([copy.enroll().unwrap()]).unwrap();
        }
        // Past its first lease a process puts a witness into what it seals.
        std::thread::sleep(LEASE * 3);
        let rows = [(alice.0, seal(&copy, alice.0)), new];
        Twins { scratch, vault, copy, alice, rows }
    }

    /// The vault is as if nothing had happened, for those who use it and for those who come.
    fn is_well(&self) {
        let newcomer = self.scratch.vault().unlock(key()).unwrap();
        for vault in [&self.vault, &newcomer] {
            assert!(vault.open(self.alice.0, EMAIL, &self.alice.1).is_ok());
            let (bob, b) = enroll(vault);
            assert!(vault.open(bob, EMAIL, &b).is_ok());
            let _ = vault.shred([bob]).unwrap();
            assert!(matches!(vault.open(bob, EMAIL, &b), Err(OpenError::Shredded { .. })));
            let health = vault.health();
            assert!(health.ready && health.trouble.is_none(), "{health:?}");
        }
        let _ = newcomer.sweep().unwrap();
        assert!(self.scratch.vault().add_missing_purposes().unlock(key()).is_ok());
    }
}

/// Whatever somebody puts into the application's tables, the vault goes on: values of an unmarked copy, of other vaults, changed at each byte, cut
/// off. Each is refused by itself; the whole flood causes one commit.
#[test]
fn no_data_in_a_table_stops_the_vault() {
    let twins = Twins::new(false);
    let (vault, alice) = (&twins.vault, twins.alice.0);
    // What it commits by itself is done by then.
    let _ = vault.sweep().unwrap();
    let before = vault.generation().unwrap();
    let mut flood: Vec<(oubliette::CustomerId, Vec<u8>)> = Vec::new();
    for (customer, sealed) in twins.rows.iter().chain([&twins.alice]) {
        let bytes = sealed.as_bytes();
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 0x81;
            flood.push((*customer, changed));
        }
        flood.push((*customer, bytes[..bytes.len() - 1].to_vec()));
    }
    let foreign = at(&twins.scratch.join("foreign")).create(key()).unwrap();
    flood.extend((0..20).map(|_| enroll(&foreign)).map(|(_, sealed)| (alice, sealed.as_bytes().to_vec())));
    let authentic = twins.rows.iter().map(|(customer, sealed)| (*customer, sealed.as_bytes().to_vec()));
    flood.extend(authentic.clone().cycle().take(60));
    for (customer, bytes) in &flood {
        let Ok(sealed) = Sealed::from_bytes(bytes.clone()) else { continue };
        let opened = vault.open(*customer, EMAIL, &sealed);
        assert!(matches!(&opened, Err(error) if !matches!(error, OpenError::KeyStore(_))), "{opened:?}");
        let keys = vault.customer(*customer);
        assert!(keys.open(EMAIL, &sealed).is_err());
        assert!(vault.open(alice, EMAIL, &twins.alice.1).is_ok(), "refused alone");
    }
    for (customer, sealed) in &twins.rows {
        let refused = vault.open(*customer, EMAIL, sealed);
        assert!(matches!(refused, Err(OpenError::NotOfThisHistory { .. })), "{refused:?}");
    }
    eventually("the alarm is written", || vault.generation().unwrap() > before);
    let _ = vault.sweep().unwrap();
    assert_eq!(vault.generation().unwrap(), before + 1, "one commit");
    let health = vault.health();
    assert!(health.ready && health.alarm.is_some(), "{health:?}");
    twins.is_well();
    assert!(twins.scratch.vault().unlock(key()).unwrap().health().alarm.is_some(), "whoever comes is told");
}

/// The alarm was a false one: an operator says so, with the same root key, and everybody goes on, those who run included. What it was raised for opens.
/// Numbers that the copy issued are not issued to anybody else.
#[test]
fn a_false_alarm_is_cleared_with_the_same_root_key() {
    let twins = Twins::new(false);
    let highest = twins.rows[1].0;
    for (customer, sealed) in &twins.rows {
        assert!(twins.vault.open(*customer, EMAIL, sealed).is_err());
    }
    eventually("it is written", || twins.scratch.vault().unlock(key()).unwrap().health().alarm.is_some());
    let why = || Reason::new("a row of the staging system, found by its id").unwrap();
    let cleared = twins.scratch.vault().highest_number_known(highest).clear_alarm(key(), why()).unwrap();
    eventually("those who run are told", || twins.vault.health().alarm.is_none());
    twins.is_well();
    for vault in [&cleared, &twins.vault] {
        assert_eq!(vault.health().alarm, None);
        assert!(vault.open(twins.rows[0].0, EMAIL, &twins.rows[0].1).is_ok());
        assert!(vault.open(highest, EMAIL, &twins.rows[1].1).is_ok());
        assert!(vault.enroll().unwrap() > highest, "not issued again");
    }
    // Later states of the copy are above what was cleared: the next such value raises an alarm again.
    for _ in 0..3 {
        cleared.enroll().unwrap();
    }
    assert_eq!(cleared.health().alarm, None);
}

/// A refusal of everything is cleared in the same way, if it was a false one.
#[test]
fn a_false_refusal_is_cleared_too() {
    let scratch = Scratch::new();
    let running = scratch.vault().create(key()).unwrap();
    let (alice, a) = enroll(&running);
    copy(&scratch.join("main"), &scratch.join("then"));
    let (bob, b) = enroll(&running);
    for _ in 0..3 {
        let _ = running.shred([running.enroll().unwrap()]).unwrap();
    }
    restore(&scratch.join("then/root"), &scratch.join("main/root"));
    eventually("it refuses", || running.open(alice, EMAIL, &a).is_err());
    let refused = scratch.vault().unlock(key());
    assert!(matches!(refused, Err(UnlockError::KeyStore(KeyStoreError::RolledBack { .. }))), "{refused:?}");
    let why = Reason::new("nobody was shredded since, as the desk knows").unwrap();
    let cleared = scratch.vault().highest_number_known(bob).clear_alarm(key(), why).unwrap();
    eventually("it goes on", || running.health().ready);
    for vault in [&cleared, &running, &scratch.vault().unlock(key()).unwrap()] {
        assert!(vault.open(alice, EMAIL, &a).is_ok() && vault.open(bob, EMAIL, &b).is_ok());
        let _ = vault.shred([vault.enroll().unwrap()]).unwrap();
    }
}

/// A copy that is used says so: production tells what it sealed, without an alarm. The copy opens what its original sealed since.
#[test]
fn what_a_copy_seals_is_told_apart() {
    let twins = Twins::new(true);
    let later = enroll(&twins.vault);
    std::thread::sleep(LEASE * 3);
    let newer = (twins.alice.0, seal(&twins.vault, twins.alice.0));
    for (customer, sealed) in &twins.rows {
        for refused in [
            twins.vault.open(*customer, EMAIL, sealed),
            twins.vault.customer(*customer).open(EMAIL, sealed),
            twins.vault.customer(*customer).open(EMAIL, sealed),
        ] {
            assert!(matches!(refused, Err(OpenError::SealedInCopy { .. })), "{refused:?}");
        }
        assert!(twins.copy.open(*customer, EMAIL, sealed).is_ok());
        // The bit is authenticated: without it the value is none.
        let mut bytes = sealed.as_bytes().to_vec();
        bytes[0] ^= 1;
        let refused = twins.vault.open(*customer, EMAIL, &Sealed::from_bytes(bytes).unwrap());
        assert!(matches!(refused, Err(OpenError::NotAuthentic { .. } | OpenError::NotEnrolled { .. })), "{refused:?}");
    }
    for (customer, sealed) in [&twins.alice, &newer, &later] {
        assert!(twins.copy.open(*customer, EMAIL, sealed).is_ok());
    }
    let beyond = reserved(&twins.copy).max(reserved(&twins.vault));
    let beyond = std::iter::repeat_with(|| enroll(&twins.vault)).find(|row| row.0 > beyond).unwrap();
    let refused = twins.copy.open(beyond.0, EMAIL, &beyond.1);
    assert!(matches!(refused, Err(OpenError::NotEnrolled { .. })), "{refused:?}");
    for vault in [&twins.vault, &twins.copy] {
        assert!(vault.health().ready && vault.health().alarm.is_none(), "{:?}", vault.health());
    }
    twins.is_well();
}

/// Once a copy has committed as one, nobody uses it by mistake as if it were none; whoever lets it take the original's place says so.
#[test]
fn a_used_copy_is_not_taken_for_the_vault() {
    let twins = Twins::new(true);
    let place = twins.scratch.join("copy");
    let plain = at(&place).unlock(key());
    assert!(matches!(plain, Err(UnlockError::KeyStore(KeyStoreError::PagesOfCopy))), "{plain:?}");
    assert!(at(&place).as_copy().unlock(key()).is_ok());
    twins.copy.close().unwrap();
    let why = Reason::new("the original is lost, and this is what is left").unwrap();
    let instead = at(&place).clear_alarm(key(), why).unwrap();
    assert!(instead.open(twins.alice.0, EMAIL, &twins.alice.1).is_ok());
    drop(instead);
    assert!(at(&place).unlock(key()).is_ok());
}

/// The word said by mistake of the vault itself does no lasting harm: the next commit of whoever uses it as what it is puts that right.
#[test]
fn a_vault_called_a_copy_by_mistake_goes_on() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let (alice, a) = enroll(&vault);
    let mistaken = scratch.vault().as_copy().unlock(key()).unwrap();
    let sealed = seal(&mistaken, alice);
    let _ = mistaken.shred([mistaken.enroll().unwrap()]).unwrap();
    let refused = scratch.vault().unlock(key());
    assert!(matches!(refused, Err(UnlockError::KeyStore(KeyStoreError::PagesOfCopy))), "{refused:?}");
    mistaken.close().unwrap();
    assert!(vault.open(alice, EMAIL, &a).is_ok());
    let _ = vault.shred([vault.enroll().unwrap()]).unwrap();
    let again = scratch.vault().unlock(key()).unwrap();
    assert!(matches!(again.open(alice, EMAIL, &sealed), Err(OpenError::SealedInCopy { .. })));
    // Not lost: it opens where it was sealed, to be sealed anew.
    assert!(scratch.vault().as_copy().unlock(key()).unwrap().open(alice, EMAIL, &sealed).is_ok());
}

/// A value may name a generation as high as its maker likes: it brings the vault no nearer to its last one, and stands in the way of no recovery.
#[test]
fn an_alarm_does_not_use_generations_up() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let (alice, a) = enroll(&vault);
    vault.copy_to(scratch.join("copy")).unwrap();
    let beyond = oubliette::recovery::Recovery::beyond((1 << 40) - (3 << 20), number(1000));
    let copy = at(&scratch.join("copy")).recover(key(), beyond, new_key()).unwrap();
    std::thread::sleep(LEASE * 3);
    let stray = seal(&copy, alice);
    assert!(matches!(vault.open(alice, EMAIL, &stray), Err(OpenError::NotOfThisHistory { .. })));
    eventually("it is written", || scratch.vault().unlock(key()).unwrap().health().alarm.is_some());
    let cleared = scratch.vault().clear_alarm(key(), Reason::new("a copy that was recovered").unwrap()).unwrap();
    assert!(cleared.generation().unwrap() < 1 << 24);
    assert!(cleared.open(alice, EMAIL, &a).is_ok());
    assert!(cleared.open(alice, EMAIL, &stray).is_err(), "still refused, alone");
    eventually("and tells again", || scratch.vault().unlock(key()).unwrap().health().alarm.is_some());
    drop((cleared, vault));
    let recovery = oubliette::recovery::Recovery::beyond(9, alice);
    let recovered = scratch.vault().recover(key(), recovery, new_key()).unwrap();
    assert!(recovered.generation().unwrap() < 1 << 24 && recovered.open(alice, EMAIL, &a).is_ok());
}
