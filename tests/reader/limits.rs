use std::sync::Arc;

use oubliette::personal::{Email, Name, Text};
use oubliette::{
    CustomerId, Error, Field, Held, Limits, OpenError, Outcome, Personal, Purpose, Reader, SealError, Sealed, Vault,
};

use super::{Alice, EMAIL, NAME, NEWS, NEWS_EMAIL, ORDERS};

fn refused<T>(opened: Result<T, OpenError>, purpose: &str, label: &str) {
    match opened {
        Err(error @ OpenError::NotAllowed { at }) => {
            assert_eq!((at.purpose, at.label), (purpose, label));
            assert_eq!(error.outcome(), Outcome::Investigate);
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("opened outside the limits"),
    }
}

#[test]
fn opens_what_is_allowed_and_names_what_is_not() {
    let alice = Alice::new();
    let reader = alice.vault.reader(Limits::nothing().field(EMAIL));
    assert!(reader.open(alice.number, EMAIL, &alice.email).is_ok());
    assert!(reader.customer(alice.number).open(EMAIL, &alice.email).is_ok());
    refused(reader.open(alice.number, NAME, &alice.name), "orders", "name");
    refused(reader.customer(alice.number).open(NAME, &alice.name), "orders", "name");
    refused(reader.open(alice.number, NEWS_EMAIL, &alice.news_email), "newsletter", "email");
    for (_, keys) in reader.each_customer([alice.number; 3], |number| *number) {
        assert!(keys.open(EMAIL, &alice.email).is_ok());
        refused(keys.open(NAME, &alice.name), "orders", "name");
    }

    let reader = alice.vault.reader(Limits::nothing().purpose(ORDERS));
    assert!(reader.open(alice.number, NAME, &alice.name).is_ok());
    refused(reader.open(alice.number, NEWS_EMAIL, &alice.news_email), "newsletter", "email");
    refused(alice.vault.reader(Limits::nothing()).open(alice.number, EMAIL, &alice.email), "orders", "email");
}

/// The limits go by the field that is asked for, and the keys by the same field: a value cannot be passed off.
#[test]
fn a_value_cannot_be_passed_off_as_one_that_is_allowed() {
    let alice = Alice::new();
    let reader = alice.vault.reader(Limits::nothing().field(EMAIL));
    let name_as_email: Sealed<Email> = Sealed::from_bytes(alice.name.as_bytes()).unwrap();
    let news_as_email: Sealed<Email> = Sealed::from_bytes(alice.news_email.as_bytes()).unwrap();
    let email_as_name: Sealed<Name> = Sealed::from_bytes(alice.email.as_bytes()).unwrap();
    for keys in [alice.vault.customer(alice.number), reader.customer(alice.number)] {
        assert!(matches!(keys.open(EMAIL, &name_as_email), Err(OpenError::NotAuthentic { .. })));
        assert!(matches!(keys.open(EMAIL, &news_as_email), Err(OpenError::OtherPurpose { .. })));
    }
    // The same label with another type is another field, and so is one made at run time under another label.
    const EMAIL_AS_NAME: Field<Name> = ORDERS.field("email");
    refused(reader.open(alice.number, EMAIL_AS_NAME, &email_as_name), "orders", "email");
    let label: &'static str = String::from("name").leak();
    refused(reader.open(alice.number, ORDERS.try_field(label).unwrap(), &alice.name), "orders", "name");
    // The same names from elsewhere are the same field: pointers are a shortcut, not the rule.
    let purpose = Purpose::try_new(String::from("orders").leak()).unwrap();
    let again: Field<Email> = purpose.try_field(String::from("email").leak()).unwrap();
    assert!(reader.open(alice.number, again, &alice.email).is_ok());
}

#[test]
fn contexts_neither_widen_nor_narrow() {
    let alice = Alice::new();
    const NOTE: Field<Text> = ORDERS.field("note");
    let note = alice.vault.seal(alice.number, NOTE.within(b"order 7"), &"rings twice".parse().unwrap()).unwrap();
    let reader = alice.vault.reader(Limits::nothing().field(NOTE));
    assert!(reader.open(alice.number, NOTE.within(b"order 7"), &note).is_ok());
    assert!(matches!(reader.open(alice.number, NOTE, &note), Err(OpenError::NotAuthentic { .. })));
    let reader = alice.vault.reader(Limits::nothing().field(EMAIL));
    refused(reader.open(alice.number, NOTE.within(b"order 7"), &note), "orders", "note");
}

#[test]
fn seals_only_if_said_and_within_the_same_limits() {
    let alice = Alice::new();
    let address: Email = "a@example.com".parse().unwrap();
    let not_allowed = |sealed: Result<Sealed<Email>, SealError>| {
        assert!(
            matches!(&sealed, Err(error @ SealError::NotAllowed { .. }) if error.outcome() == Outcome::Investigate)
        );
    };
    let reader = alice.vault.reader(Limits::nothing().purpose(ORDERS));
    not_allowed(reader.seal(alice.number, EMAIL, &address));
    not_allowed(reader.customer(alice.number).seal(EMAIL, &address));
    for (_, keys) in reader.each_customer([alice.number], |number| *number) {
        not_allowed(keys.seal(EMAIL, &address));
        let moved = keys.reseal(EMAIL, &alice.email);
        assert!(matches!(moved, Err(Error::Seal(SealError::NotAllowed { .. }))));
    }
    let writer = alice.vault.reader(Limits::nothing().purpose(ORDERS).with_sealing());
    let sealed = writer.seal(alice.number, EMAIL, &address).unwrap();
    assert!(alice.vault.open(alice.number, EMAIL, &sealed).is_ok());
    assert!(writer.customer(alice.number).seal(EMAIL, &address).is_ok());
    assert!(writer.customer(alice.number).reseal(EMAIL, &alice.email).unwrap().is_none());
    not_allowed(writer.seal(alice.number, NEWS_EMAIL, &address));
    not_allowed(writer.customer(alice.number).seal(NEWS_EMAIL, &address));
}

#[test]
fn narrowing_takes_away_and_never_gives_back() {
    let alice = Alice::new();
    let orders = alice.vault.reader(Limits::nothing().purpose(ORDERS));
    let email = orders.narrowed(Limits::nothing().field(EMAIL).field(NEWS_EMAIL).with_sealing());
    assert!(email.open(alice.number, EMAIL, &alice.email).is_ok());
    refused(email.open(alice.number, NAME, &alice.name), "orders", "name");
    refused(email.open(alice.number, NEWS_EMAIL, &alice.news_email), "newsletter", "email");
    assert!(email.seal(alice.number, EMAIL, &"a@example.com".parse().unwrap()).is_err());
    let wider = email.narrowed(Limits::nothing().purpose(ORDERS).purpose(NEWS));
    refused(wider.open(alice.number, NAME, &alice.name), "orders", "name");
    assert!(orders.open(alice.number, NAME, &alice.name).is_ok(), "the wider one is as it was");
}

#[test]
fn shredded_is_told_only_of_what_is_allowed() {
    let alice = Alice::new();
    let reader = alice.vault.reader(Limits::nothing().field(EMAIL));
    let keys = reader.customer(alice.number);
    assert!(keys.open(EMAIL, &alice.email).is_ok());
    let _ = alice.vault.shred([alice.number]).unwrap();
    assert!(matches!(keys.open(EMAIL, &alice.email), Err(OpenError::Shredded { .. })));
    assert!(matches!(reader.open(alice.number, EMAIL, &alice.email), Err(OpenError::Shredded { .. })));
    refused(reader.open(alice.number, NAME, &alice.name), "orders", "name");
}

#[test]
fn a_reader_of_a_closed_vault_opens_nothing() {
    let place = tempfile::tempdir().unwrap();
    let vault = Vault::at(place.path().join("v")).purposes([ORDERS]);
    let vault = vault.create(oubliette::RootKey::bytes([7; 32])).unwrap();
    let number = vault.enroll().unwrap();
    let sealed = vault.seal(number, EMAIL, &"alice@example.com".parse().unwrap()).unwrap();
    let reader = vault.reader(Limits::nothing().purpose(ORDERS));
    vault.close().unwrap();
    assert!(matches!(reader.open(number, EMAIL, &sealed), Err(OpenError::KeyStore(_))));
}

#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedCustomer)]
struct Customer {
    #[personal(customer)]
    number: CustomerId,
    #[personal(seal = EMAIL)]
    email: Email,
    #[personal(seal = NAME)]
    name: Option<Name>,
    #[personal(seal = NEWS_EMAIL)]
    news_email: Held<Email>,
}

fn record(alice: &Alice) -> SealedCustomer {
    let customer = Customer {
        number: alice.number,
        email: "alice@example.com".parse().unwrap(),
        name: Some("Alice Ní Bhriain".parse().unwrap()),
        news_email: Held::Kept("alice@example.com".parse().unwrap()),
    };
    customer.seal(&alice.vault).unwrap()
}

#[test]
fn a_record_opens_whole_or_not_at_all() {
    let alice = Alice::new();
    let row = record(&alice);
    let all = alice.vault.reader(Limits::nothing().columns(Customer::FIELDS));
    let opened = row.open(&all).unwrap();
    assert!(opened.name.is_some() && opened.news_email.kept().is_some());
    assert_eq!(opened.number, alice.number);
    assert_eq!(opened.email.expose_personal_data(), "alice@example.com");

    let orders = alice.vault.reader(Limits::nothing().purpose(ORDERS));
    refused(row.open(&orders), "newsletter", "email");
    refused(row.open(&alice.vault.reader(Limits::nothing().field(NAME))), "orders", "email");
    let rows = [record(&alice), record(&alice)];
    for opened in SealedCustomer::open_all(&rows, &orders) {
        refused(opened, "newsletter", "email");
    }
    assert!(SealedCustomer::open_all(&rows, &all).all(|opened| opened.is_ok()));
}

#[test]
fn records_still_open_with_whatever_is_a_vault() {
    let alice = Alice::new();
    let row = record(&alice);
    let vault: Vault = (*alice.vault).clone();
    let shared = Arc::new(vault.clone());
    assert!(row.open(&alice.vault).is_ok() && row.open(&vault).is_ok() && row.open(&shared).is_ok());
    let reader = Arc::new(vault.reader(Limits::nothing().purpose(ORDERS).purpose(NEWS)));
    assert!(row.open(&reader).is_ok() && row.open(&&*reader).is_ok());
    assert_eq!(SealedCustomer::open_all([row], &shared).filter(Result::is_ok).count(), 1);
}

#[test]
fn a_reader_says_what_it_allows_and_crosses_threads() {
    fn is_send_and_sync<T: Send + Sync + Clone + 'static>(_: &T) {}
    let alice = Alice::new();
    let reader: Reader = alice.vault.reader(Limits::nothing().purpose(NEWS).field(EMAIL));
    is_send_and_sync(&reader);
    assert_eq!(format!("{reader:?}"), "Reader([Limits(newsletter, orders/email, sealing: false)], audits: 0)");
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (reader, number, email, name) = (reader.clone(), alice.number, alice.email.clone(), alice.name.clone());
            std::thread::spawn(move || {
                assert!(reader.open(number, EMAIL, &email).is_ok());
                refused(reader.open(number, NAME, &name), "orders", "name");
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
