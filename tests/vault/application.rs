//! The vault as an application meets it.

use std::time::Duration;

use oubliette::personal::{Email, Name};
use oubliette::testing::TestVault;
use oubliette::{Field, KeyStoreError, OpenError, Outcome, Purpose, SealError, ShredError, UnlessShredded, Vault};

const ORDERS: Purpose = Purpose::new("orders");
const NEWS: Purpose = Purpose::new("newsletter");
const EMAIL: Field<Email> = ORDERS.field("email");
const NAME: Field<Name> = ORDERS.field("name");
const NEWS_EMAIL: Field<Email> = NEWS.field("email");

fn email(text: &str) -> Email {
    text.parse().unwrap()
}

fn vault() -> TestVault {
    Vault::in_memory([ORDERS, NEWS])
}

#[test]
fn seals_opens_and_shreds() {
    let vault = vault();
    let (alice, bob) = (vault.enroll().unwrap(), vault.enroll().unwrap());
    assert_ne!(alice, bob);
    let a = vault.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    let b = vault.seal(bob, EMAIL, &email("bob@example.com")).unwrap();
    assert_eq!(vault.open(alice, EMAIL, &a).unwrap().expose_personal_data(), "alice@example.com");
    let keys = vault.customer(alice);
    assert_eq!(keys.open(EMAIL, &a).unwrap().expose_personal_data(), "alice@example.com");

    let shredded = vault.shred([alice]).unwrap();
    assert!(shredded.already_shredded().is_empty() && shredded.commit().is_wiped_here());
    assert_eq!(shredded.newly_shredded(), 2, "once a purpose");
    for opened in [vault.open(alice, EMAIL, &a), keys.open(EMAIL, &a)] {
        let error = opened.unwrap_err();
        assert!(matches!(error, OpenError::Shredded { .. }), "{error:?}");
        assert_eq!(error.outcome(), Outcome::Erased);
    }
    assert!(vault.open(alice, EMAIL, &a).unless_shredded().unwrap().is_none());
    assert!(matches!(vault.seal(alice, EMAIL, &email("a@example.com")), Err(SealError::Shredded { .. })));
    assert!(matches!(keys.seal(EMAIL, &email("a@example.com")), Err(SealError::Shredded { .. })));
    assert_eq!(vault.open(bob, EMAIL, &b).unwrap().expose_personal_data(), "bob@example.com");
    assert_eq!(vault.shred([alice, bob]).unwrap().already_shredded(), [alice]);
}

#[test]
fn mix_ups_are_told_apart() {
    let vault = vault();
    let (alice, bob) = (vault.enroll().unwrap(), vault.enroll().unwrap());
    let a = vault.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    assert!(matches!(vault.open(bob, EMAIL, &a), Err(OpenError::OtherCustomer { found, .. }) if found == alice));
    assert!(
        matches!(vault.open(alice, NEWS_EMAIL, &a), Err(OpenError::OtherPurpose { found, .. }) if found == "orders")
    );
    let other: Field<Email> = ORDERS.field("other");
    assert!(matches!(vault.open(alice, other, &a), Err(OpenError::NotAuthentic { .. })));
    let as_name = oubliette::Sealed::from_bytes(a.as_bytes()).unwrap();
    assert!(matches!(vault.open(alice, NAME, &as_name), Err(OpenError::NotAuthentic { .. })));
    assert!(matches!(vault.open(alice, EMAIL.within(b"row"), &a), Err(OpenError::NotAuthentic { .. })));
    assert!(matches!(vault.open(alice, EMAIL.within(b""), &a), Err(OpenError::NotAuthentic { .. })));
    let elsewhere = Vault::in_memory([ORDERS, NEWS]);
    let also_alice = elsewhere.enroll().unwrap();
    assert!(matches!(elsewhere.open(also_alice, EMAIL, &a), Err(OpenError::OtherVault { .. })));
}

#[test]
fn nobody_unknown_is_shredded_and_all_or_none() {
    let vault = vault();
    let alice = vault.enroll().unwrap();
    let a = vault.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    let unknown = oubliette::CustomerId::from_stored(1 << 30).unwrap();
    assert!(matches!(vault.shred([alice, unknown]), Err(ShredError::NotEnrolled { customer }) if customer == unknown));
    assert_eq!(vault.shred([unknown]).unwrap_err().outcome(), Outcome::Investigate);
    assert!(vault.open(alice, EMAIL, &a).is_ok(), "all or nothing");
    assert!(matches!(vault.seal(unknown, EMAIL, &email("x@example.com")), Err(SealError::NotEnrolled { .. })));
}

/// Sign-up, withdrawal, and a new consent under a new number.
#[test]
fn a_withdrawn_consent_is_given_anew() {
    let vault = vault();
    let (orders, news) = (vault.enroll().unwrap(), vault.enroll().unwrap());
    let order = vault.seal(orders, EMAIL, &email("alice@example.com")).unwrap();
    let letter = vault.seal(news, NEWS_EMAIL, &email("alice@example.com")).unwrap();
    let _ = vault.shredding([news]).purpose(NEWS).run().unwrap();
    assert!(matches!(vault.open(news, NEWS_EMAIL, &letter), Err(OpenError::Shredded { .. })));
    assert!(vault.open(orders, EMAIL, &order).is_ok());
    let error = vault.seal(news, NEWS_EMAIL, &email("alice@example.com")).unwrap_err();
    assert!(error.to_string().contains("new number"), "{error}");
    let again = vault.enroll().unwrap();
    let letter_again = vault.seal(again, NEWS_EMAIL, &email("alice@example.com")).unwrap();
    assert!(vault.open(again, NEWS_EMAIL, &letter_again).is_ok());
    assert!(matches!(vault.open(news, NEWS_EMAIL, &letter), Err(OpenError::Shredded { .. })), "old data stays gone");
}

#[test]
fn a_second_process_stops_within_the_lease() {
    let first = vault();
    let alice = first.enroll().unwrap();
    let second = first.second().unwrap();
    let a = first.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    assert!(second.open(alice, EMAIL, &a).is_ok(), "an unknown number causes one re-read");
    let keys = second.customer(alice);
    assert!(keys.open(EMAIL, &a).is_ok());
    let _ = first.shred([alice]).unwrap();
    first.advance(Duration::from_secs(1));
    assert!(matches!(second.open(alice, EMAIL, &a), Err(OpenError::Shredded { .. })));
    assert!(matches!(keys.open(EMAIL, &a), Err(OpenError::Shredded { .. })));
}

/// A refresh waits for readers of the old snapshot, and must not be one of them.
#[test]
fn a_refresh_does_not_wait_for_itself() {
    let first = vault();
    let alice = first.enroll().unwrap();
    let second = first.builder().patience(Duration::from_secs(30)).unlock(TestVault::root_key()).unwrap();
    let _ = first.shred([alice]).unwrap();
    let begun = std::time::Instant::now();
    second.refresh().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_lost_lease_fails_closed() {
    let vault = vault();
    let alice = vault.enroll().unwrap();
    let a = vault.seal(alice, EMAIL, &email("alice@example.com")).unwrap();
    let keys = vault.customer(alice);
    assert!(keys.open(EMAIL, &a).is_ok());
    vault.lose_store();
    for error in [vault.open(alice, EMAIL, &a).unwrap_err(), keys.open(EMAIL, &a).unwrap_err()] {
        assert!(matches!(error, OpenError::KeyStore(KeyStoreError::LeaseLost { .. })), "{error:?}");
        assert_eq!(error.outcome(), Outcome::TryAgain);
    }
    assert_eq!(keys.seal(EMAIL, &email("a@example.com")).unwrap_err().outcome(), Outcome::TryAgain);
    assert!(!vault.health().ready);
    assert_eq!(vault.shred([alice]).unwrap_err().outcome(), Outcome::TryAgain);
    assert_eq!(vault.enroll().unwrap_err().outcome(), Outcome::TryAgain);
    vault.find_store();
    assert!(vault.open(alice, EMAIL, &a).is_ok());
    assert!(keys.open(EMAIL, &a).is_ok());
    // Only a commit tells that commits succeed again. With a thread of the vault's, it tries by itself.
    let health = vault.health();
    assert!(health.can_open && !health.ready && health.trouble.is_some(), "{health:?}");
    let _ = vault.shred([alice]).unwrap();
    let health = vault.health();
    assert!(health.ready && health.can_open && health.trouble.is_none(), "{health:?}");
}

#[test]
fn bulk_gives_each_row_its_keys() {
    let vault = vault();
    let customers: Vec<_> = (0..1000).map(|_| vault.enroll().unwrap()).collect();
    let rows: Vec<_> = customers
        .iter()
        .map(|id| (*id, vault.seal(*id, EMAIL, &email(&format!("c{id}@example.com"))).unwrap()))
        .collect();
    let _ = vault.shred([customers[10], customers[500]]).unwrap();
    let (mut opened, mut gone) = (0, 0);
    for ((id, sealed), keys) in vault.each_customer(&rows, |row| row.0) {
        match keys.open(EMAIL, sealed).unless_shredded().unwrap() {
            Some(email) => {
                assert_eq!(email.expose_personal_data(), format!("c{id}@example.com"));
                opened += 1;
            }
            None => gone += 1,
        }
    }
    assert_eq!((opened, gone), (998, 2));
}

/// Keys that are there already skip the look at the snapshot, and none of what it would say.
#[test]
fn in_bulk_and_by_a_handle_mix_ups_are_told_apart_as_well() {
    let vault = vault();
    let [alice, bob] = [(); 2].map(|()| vault.enroll().unwrap());
    let sealed = [alice, bob].map(|id| vault.seal(id, EMAIL, &email("a@example.com")).unwrap());
    let news = vault.seal(bob, NEWS_EMAIL, &email("a@example.com")).unwrap();
    let nobody = oubliette::CustomerId::from_stored(1 << 39).unwrap();
    let rows = [alice, bob, nobody].map(|id| (id, vault.customer(id)));
    let in_bulk = vault.each_customer([alice, bob, nobody, bob, alice], |id| *id);
    for (id, keys) in in_bulk.chain(rows) {
        if id == nobody {
            let error = keys.seal(EMAIL, &email("a@example.com")).unwrap_err();
            assert!(matches!(error, SealError::NotEnrolled { .. }), "{error:?}");
            continue;
        }
        let (own, other) = if id == alice { (&sealed[0], &sealed[1]) } else { (&sealed[1], &sealed[0]) };
        for _ in 0..2 {
            keys.open(EMAIL, own).unwrap();
            keys.open(NAME, &keys.seal(NAME, &"Alice".parse().unwrap()).unwrap()).unwrap();
            assert!(matches!(keys.open(EMAIL, other), Err(OpenError::OtherCustomer { .. })));
            let error = keys.open(NEWS_EMAIL, own).unwrap_err();
            assert!(matches!(&error, OpenError::OtherPurpose { found, .. } if found == "orders"), "{error:?}");
            let other: Field<Email> = ORDERS.field("other");
            assert!(matches!(keys.open(other, own), Err(OpenError::NotAuthentic { .. })));
        }
        if id == bob {
            keys.open(NEWS_EMAIL, &news).unwrap();
            assert!(matches!(keys.open(EMAIL, &news), Err(OpenError::OtherPurpose { .. })));
        }
    }
}

/// Values under a key tree that was replaced are opened in bulk, too, and new ones are sealed under the newest.
#[test]
fn bulk_knows_trees_that_were_replaced() {
    let vault = vault();
    let ids: Vec<_> = (0..4).map(|_| vault.enroll().unwrap()).collect();
    let old: Vec<_> = ids.iter().map(|id| vault.seal(*id, EMAIL, &email("a@example.com")).unwrap()).collect();
    let rows: Vec<_> = ids.iter().zip(&old).collect();
    let mut all = vault.each_customer(&rows, |(id, _)| **id);
    let ((_, sealed), keys) = all.next().unwrap();
    keys.open(EMAIL, sealed).unwrap();
    vault.rotate_purpose(ORDERS).unwrap();
    let _ = vault.shred([ids[2]]).unwrap();
    for ((id, sealed), keys) in std::iter::once((&rows[0], keys)).chain(all) {
        for _ in 0..2 {
            let opened = keys.open(EMAIL, sealed);
            let new = keys.reseal(EMAIL, sealed);
            if **id == ids[2] {
                assert!(matches!(opened, Err(OpenError::Shredded { .. })) && new.is_err());
                assert!(matches!(keys.seal(EMAIL, &email("b@example.com")), Err(SealError::Shredded { .. })));
            } else {
                opened.unwrap();
                let new = new.unwrap().expect("it is under the old tree");
                keys.open(EMAIL, &new).unwrap();
                assert!(keys.reseal(EMAIL, &new).unwrap().is_none());
            }
        }
    }
}

#[test]
fn going_back_in_time_is_noticed() {
    let vault = vault();
    let alice = vault.enroll().unwrap();
    let before = vault.memory().snapshot();
    let bob = vault.enroll().unwrap();
    let b = vault.seal(bob, EMAIL, &email("bob@example.com")).unwrap();
    let _ = vault.shred([alice]).unwrap();
    vault.memory().restore_record(&before);
    assert!(matches!(vault.second(), Err(oubliette::UnlockError::KeyStore(KeyStoreError::RolledBack { .. }))));
    vault.advance(Duration::from_secs(2));
    let error = vault.open(bob, EMAIL, &b).unwrap_err();
    assert!(matches!(error, OpenError::KeyStore(KeyStoreError::RolledBack { .. })), "{error:?}");
    assert_eq!(error.outcome(), Outcome::Investigate);
}

/// Re-reads for unknown numbers are rate-limited, so not having heard of a number proves nothing: a vault was once said
/// to have gone back, for every process, because two customers signed up at another process in a quarter of a lease.
#[test]
fn a_number_that_another_process_has_just_issued_proves_no_restore() {
    let first = vault();
    let second = first.second().unwrap();
    for _ in 0..4 {
        let customer = first.enroll().unwrap();
        let sealed = first.seal(customer, EMAIL, &email("new@example.com")).unwrap();
        second.open(customer, EMAIL, &sealed).unwrap();
    }
    assert!(first.health().ready && second.health().ready);
}
