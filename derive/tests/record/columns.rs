//! A record's columns: what is stored, what comes back, and the list of them.

use oubliette::testing::assert_no_plaintext;
use oubliette::{
    OpenError, Outcome, SealError, UnlessShredded,
    fields::{FieldInfo, FieldKind},
};

use super::*;

#[test]
fn a_record_comes_back_as_it_was() {
    let vault = vault();
    let user = alice(&vault);
    let row = user.seal(&vault).unwrap();
    assert_eq!(row.open(&vault).unwrap(), user);
    assert_eq!((row.no, row.news_no, row.id), (user.no, user.news_no, user.id));
    // Each is what the vault's own calls make.
    assert_eq!(vault.open(user.no, EMAIL, &row.email).unwrap(), user.email);
    assert_eq!(vault.open(user.no, NOTE.within(user.id.as_bytes()), &row.note).unwrap(), user.note);
    assert_eq!(
        vault.open(user.news_no.unwrap(), NEWS_EMAIL, row.news.as_ref().unwrap()).unwrap().expose_personal_data(),
        "alice@example.org"
    );
    assert_eq!(row.email_idx, vault.token(BY_EMAIL, &user.email).unwrap());
    assert_eq!(row.phone_idx, Some(vault.token(BY_PHONE, user.phone.as_ref().unwrap()).unwrap()));
    assert_eq!(row.news_idx, Some(vault.token(BY_NEWS_EMAIL, user.news.as_ref().kept().unwrap()).unwrap()));
    let stored = serde_json::to_vec(&row).unwrap();
    assert_no_plaintext(&stored, ["alice@", "33612345678", "rings twice"]);
}

#[test]
fn none_and_absent_stay_null() {
    let vault = vault();
    let user = User { phone: None, news: Held::Absent, news_no: None, ..alice(&vault) };
    let row = user.seal(&vault).unwrap();
    assert!(row.phone.is_none() && row.phone_idx.is_none() && row.news.is_none() && row.news_idx.is_none());
    assert_eq!(row.open(&vault).unwrap(), user);
}

#[test]
fn a_context_is_the_row_s_own() {
    let vault = vault();
    let user = alice(&vault);
    let mut row = user.seal(&vault).unwrap();
    row.id = Uuid::from_u128(8);
    let opened = row.open(&vault);
    assert!(matches!(&opened, Err(OpenError::NotAuthentic { at, .. }) if at.label == "note"), "{opened:?}");
}

#[test]
fn another_customer_s_row_does_not_open() {
    let vault = vault();
    let (user, other) = (alice(&vault), alice(&vault));
    let mut row = user.seal(&vault).unwrap();
    row.no = other.no;
    assert!(matches!(row.open(&vault), Err(OpenError::OtherCustomer { found, .. }) if found == user.no));
    let mut row = user.seal(&vault).unwrap();
    row.phone = other.seal(&vault).unwrap().phone;
    assert!(matches!(row.open(&vault), Err(OpenError::OtherCustomer { at, .. }) if at.label == "phone"));
    let mut row = user.seal(&vault).unwrap();
    row.news = other.seal(&vault).unwrap().news;
    assert!(matches!(row.open(&vault), Err(OpenError::OtherCustomer { at, .. }) if at.purpose == "newsletter"));
}

#[test]
fn a_shredded_customer_s_record_is_erased() {
    let vault = vault();
    let user = alice(&vault);
    let row = user.seal(&vault).unwrap();
    let _ = vault.shred([user.no]).unwrap();
    let error = row.open(&vault).unwrap_err();
    assert!(matches!(error, OpenError::Shredded { .. }), "{error:?}");
    assert!(row.open(&vault).unless_shredded().unwrap().is_none());
    let error = user.seal(&vault).unwrap_err();
    assert_eq!(error.outcome(), Outcome::Erased);
    let SealError::InColumn { column: "email", source } = error else { panic!("{error:?}") };
    assert!(matches!(*source, SealError::Shredded { .. }));
}

#[test]
fn an_error_names_the_column_and_no_value() {
    let orders_only = Vault::in_memory([ORDERS]);
    let user = User { news_no: None, ..alice(&orders_only) };
    let error = user.seal(&orders_only).unwrap_err();
    assert!(matches!(error, SealError::NoCustomer { column: "news", purpose: "newsletter" }), "{error:?}");
    assert_eq!(error.outcome(), Outcome::Investigate);
    let text = format!("{error} {error:?}");
    assert!(!text.contains("alice"), "{text}");

    let user = User { news_no: Some(user.no), ..user };
    let error = user.seal(&orders_only).unwrap_err();
    let SealError::InColumn { column: "news", source } = error else { panic!("{error:?}") };
    assert!(matches!(*source, SealError::PurposeNotUnlocked { .. }));
}

#[test]
fn an_unreachable_store_is_no_absence() {
    let vault = vault();
    let row = alice(&vault).seal(&vault).unwrap();
    vault.lose_store();
    assert_eq!(row.open(&vault).unwrap_err().outcome(), Outcome::TryAgain);
    assert_eq!(alice_again(&row).seal(&vault).unwrap_err().outcome(), Outcome::TryAgain);
    vault.find_store();
    assert!(row.open(&vault).is_ok());
}

fn alice_again(row: &SealedUser) -> User {
    User {
        no: row.no,
        news_no: None,
        id: row.id,
        email: "alice@example.com".parse().unwrap(),
        phone: None,
        news: Held::Shredded,
        note: "rings twice".parse().unwrap(),
    }
}

#[test]
fn columns_are_data() {
    let columns: Vec<&str> = User::FIELDS.iter().map(|field| field.column).collect();
    assert_eq!(
        columns,
        ["no", "news_no", "id", "email", "email_idx", "phone", "phone_idx", "news", "news_idx", "note"],
        "every column of the twin"
    );
    let find = |column| User::FIELDS.iter().find(|field| field.column == column).map(|field: &FieldInfo| field.kind);
    assert!(matches!(find("no"), Some(FieldKind::Customer { purpose, own: true, .. }) if purpose == ORDERS));
    assert!(matches!(find("news_no"), Some(FieldKind::Customer { purpose, own: false, .. }) if purpose == NEWSLETTER));
    assert_eq!(find("id"), Some(FieldKind::Plain));
    match find("news") {
        Some(FieldKind::Sealed { purpose, label, tag, context: None, .. }) => {
            assert_eq!((purpose, label, tag.as_str()), (NEWSLETTER, "email", "obl.email"));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(find("note"), Some(FieldKind::Sealed { context: Some("id"), label: "note", .. })));
    match find("phone_idx") {
        Some(FieldKind::Token { of, purpose, label, bits, .. }) => {
            assert_eq!((of, purpose, label, bits.get()), ("phone", ORDERS, "exact", 16));
        }
        other => panic!("{other:?}"),
    }
}
