//! Values of another purpose than the record's: a consent withdrawn leaves the rest.

use oubliette::{OpenError, Outcome, SealError};

use super::*;

#[test]
fn an_order_page_opens_after_the_newsletter_was_withdrawn() {
    let vault = vault();
    let user = alice(&vault);
    let row = user.seal(&vault).unwrap();
    let _ = vault.shredding([user.news_no.unwrap()]).purpose(NEWSLETTER).run().unwrap();
    let opened = row.open(&vault).unwrap();
    assert_eq!(opened, User { news: Held::Shredded, ..user.clone() });
    // Written back, it is gone from the row, and then was never there.
    let again = opened.seal(&vault).unwrap();
    assert!(again.news.is_none() && again.news_idx.is_none());
    assert_eq!(again.open(&vault).unwrap().news, Held::Absent);
    // The value itself can no longer be sealed under that number, but under a new one.
    let error = user.seal(&vault).unwrap_err();
    assert!(matches!(error, SealError::InColumn { column: "news", .. }) && error.outcome() == Outcome::Erased);
    let anew = User { news_no: Some(vault.enroll().unwrap()), ..user };
    assert_eq!(anew.seal(&vault).unwrap().open(&vault).unwrap(), anew);
}

#[test]
fn a_value_goes_by_its_purpose_s_own_number() {
    let vault = vault();
    let user = alice(&vault);
    let row = user.seal(&vault).unwrap();
    assert_eq!(row.news.as_ref().unwrap().customer(), user.news_no.unwrap());
    // Shredding the record's own number in that purpose does not reach it.
    let _ = vault.shredding([user.no]).purpose(NEWSLETTER).run().unwrap();
    assert_eq!(row.open(&vault).unwrap(), user);
}

#[test]
fn beside_an_absent_number_a_value_is_absent() {
    let vault = vault();
    let mut row = alice(&vault).seal(&vault).unwrap();
    row.news_no = None;
    assert_eq!(row.open(&vault).unwrap().news, Held::Absent);
}

#[test]
fn only_a_shred_makes_a_value_shredded() {
    let vault = vault();
    let user = alice(&vault);
    let row = user.seal(&vault).unwrap();
    let mut tampered = row.clone();
    let mut bytes = tampered.news.take().unwrap().into_bytes();
    *bytes.last_mut().unwrap() ^= 1;
    tampered.news = Some(bytes.try_into().unwrap());
    assert!(matches!(tampered.open(&vault), Err(OpenError::NotAuthentic { at, .. }) if at.purpose == "newsletter"));
    // A service that was not unlocked with the purpose is told so.
    let orders_only = vault.builder().purposes([ORDERS]).unlock(TestVault::root_key()).unwrap();
    let opened = row.open(&orders_only);
    assert!(matches!(opened, Err(OpenError::PurposeNotUnlocked { purpose: "newsletter" })), "{opened:?}");
}

/// Without a number of its own, another purpose goes by the record's.
#[derive(Debug, PartialEq, Personal)]
#[personal(purpose = ORDERS, sealed = SealedReader)]
struct Reader {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = EMAIL)]
    email: Held<Email>,
    #[personal(seal = NEWS_EMAIL)]
    news: Held<Email>,
}

#[test]
fn without_a_number_of_its_own_the_record_s_is_used() {
    let vault = vault();
    let no = vault.enroll().unwrap();
    let email = || Held::Kept("alice@example.com".parse().unwrap());
    let reader = Reader { no, email: email(), news: email() };
    let row = reader.seal(&vault).unwrap();
    assert_eq!(row.open(&vault).unwrap(), reader);
    let _ = vault.shredding([no]).purpose(NEWSLETTER).run().unwrap();
    assert_eq!(row.open(&vault).unwrap(), Reader { no, email: email(), news: Held::Shredded });
    // A field of the record's own purpose may be `Held` too: what is shown of somebody erased is the application's choice.
    let _ = vault.shred([no]).unwrap();
    assert_eq!(row.open(&vault).unwrap(), Reader { no, email: Held::Shredded, news: Held::Shredded });
}
