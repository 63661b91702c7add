//! One row, opened by its table's declaration.

use oubliette::personal::{Json, Phone};
use oubliette::testing::assert_no_plaintext;
use oubliette::{CustomerId, KeyStoreError, Limits, OpenError, Outcome, Vault, fields::FieldInfo};
use oubliette_register::access::{AccessError, Binding, Cell, Readers, Table};
use serde_json::{Value, json};

use super::shop::{NEWS_EMAIL, NEWSLETTER, ORDERS, PHONE, Row, Taste, User, alice, bob, users, vault};

fn readers() -> Readers {
    Readers::new().reading::<Json<Taste>>()
}

fn open(vault: &Vault, table: &Table, numbers: &[CustomerId], row: &Row) -> Result<Value, AccessError> {
    let document = table.open_row(vault, &readers(), numbers.iter().copied(), |column| row.get(column))?;
    assert_eq!(format!("{document:?}"), "Document(redacted)");
    Ok(parsed(document.expose_personal_data()))
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_row_is_shown_by_purpose() {
    let vault = vault();
    let alice = alice(&vault);
    let row = alice.seal(&vault).unwrap().row();
    let numbers = [alice.no, alice.news_no.unwrap()];
    let shown = open(&vault, &users(), &numbers, &row).unwrap();
    let expected = json!({
        "in_clear": {"id": 17, "plan": "gold"},
        "opened": {
            "orders": {
                "name": "Alice Ní Bhriain", "email": "alice@example.com", "phone": "+33612345678",
                "address": {"country": "FR", "lines": ["12 rue de la Paix", "75002 Paris"]}, "note": "rings twice",
            },
            "newsletter": {"news": "alice@example.org", "taste": {"colour": "ultramarine"}},
        },
    });
    assert_eq!(shown, expected);
    // Columns of tokens were never asked for, and NULL is shown.
    let mut row = row;
    row.set("phone", Cell::Null);
    assert_eq!(open(&vault, &users(), &numbers, &row).unwrap()["opened"]["orders"]["phone"], Value::Null);
}

#[test]
fn a_row_under_other_names_of_columns() {
    let vault = vault();
    let alice = alice(&vault);
    let mut row = alice.seal(&vault).unwrap().row();
    for (column, name) in [("no", "customer_no"), ("id", "uid"), ("phone", "tel")] {
        let cell = row.0.remove(column).unwrap();
        row.0.insert(name, cell);
    }
    let table = users().renamed("no", "customer_no").renamed("id", "uid").renamed("phone", "tel");
    let shown = open(&vault, &table, &[alice.no], &row).unwrap();
    assert_eq!((&shown["in_clear"]["uid"], &shown["opened"]["orders"]["tel"]), (&json!(17), &json!("+33612345678")));
    assert_eq!(shown["opened"]["orders"]["note"], "rings twice");
}

#[test]
fn of_another_s_row_only_what_is_theirs_is_shown() {
    let vault = vault();
    let (alice, bob) = (alice(&vault), bob(&vault));
    // Bob pays, Alice gets the newsletter: one row, two people.
    let mut row = bob.seal(&vault).unwrap().row();
    let hers = vault.seal(alice.news_no.unwrap(), NEWS_EMAIL, &"alice@example.org".parse().unwrap()).unwrap();
    row.set("news_no", Cell::Integer(alice.news_no.unwrap().to_stored()));
    row.set("news", Cell::bytes(hers.as_bytes()));
    let shown = open(&vault, &users(), &[alice.no, alice.news_no.unwrap()], &row).unwrap();
    assert_eq!(shown, json!({"opened": {"newsletter": {"news": "alice@example.org", "taste": null}}}));
    let shown = open(&vault, &users(), &[bob.no, bob.news_no.unwrap()], &row).unwrap();
    assert_eq!(shown["opened"]["orders"]["email"], "bob@example.net");
    assert!(shown["opened"].get("newsletter").is_none(), "{shown}");
    assert_eq!(open(&vault, &users(), &[vault.enroll().unwrap()], &row).unwrap(), json!({}));
    assert_eq!(open(&vault, &users(), &[], &row).unwrap(), json!({}));
}

#[test]
fn a_value_beside_no_number_says_itself_whose_it_is() {
    let vault = vault();
    let (alice, bob) = (alice(&vault), bob(&vault));
    let mut row = alice.seal(&vault).unwrap().row();
    // The number was cleared at a withdrawal, and the value forgotten.
    row.set("news_no", Cell::Null);
    let numbers = [alice.no, alice.news_no.unwrap()];
    assert_eq!(open(&vault, &users(), &numbers, &row).unwrap()["opened"]["newsletter"]["news"], "alice@example.org");
    let shown = open(&vault, &users(), &[alice.no, bob.news_no.unwrap()], &row).unwrap();
    assert!(shown["opened"].get("newsletter").is_none());
    // It says that it is Bob's, and is not.
    let mut lies = row.bytes("news");
    lies[9..14].copy_from_slice(&bob.news_no.unwrap().to_stored().to_be_bytes()[3..]);
    row.set("news", Cell::bytes(lies));
    let error = open(&vault, &users(), &[bob.news_no.unwrap()], &row).unwrap_err();
    assert!(matches!(&error, AccessError::Open { source: OpenError::NotAuthentic { .. }, .. }), "{error:?}");
}

#[test]
fn what_was_shredded_is_said_to_be() {
    let vault = vault();
    let alice = alice(&vault);
    let row = alice.seal(&vault).unwrap().row();
    let numbers = [alice.no, alice.news_no.unwrap()];
    let _ = vault.shredding([alice.news_no.unwrap()]).purpose(NEWSLETTER).run().unwrap();
    let shown = open(&vault, &users(), &numbers, &row).unwrap();
    assert_eq!(shown["shredded"], json!({"newsletter": ["news", "taste"]}));
    assert_eq!(shown["opened"].as_object().unwrap().len(), 1);
    let _ = vault.shred(numbers).unwrap();
    let shown = open(&vault, &users(), &numbers, &row).unwrap();
    assert_eq!(
        shown,
        json!({
            "in_clear": {"id": 17, "plan": "gold"},
            "shredded": {"orders": ["name", "email", "phone", "address", "note"], "newsletter": ["news", "taste"]},
        })
    );
}

#[test]
fn a_type_that_is_not_known_is_named_before_anything_is_read() {
    let vault = vault();
    let alice = alice(&vault);
    let unread = |_: &str| -> Cell { panic!("nothing was to be read") };
    let error = users().open_row(&vault, &Readers::new(), [alice.no], unread).unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, AccessError::UnknownType { label: "taste", tag: "shop.taste", .. }), "{message}");
    for part in ["field taste of newsletter", "users.taste", "shop.taste", ".reading::<T>()"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_purpose_that_is_not_unlocked_is_the_same_error_as_elsewhere() {
    let vault = vault();
    let alice = alice(&vault);
    let row = alice.seal(&vault).unwrap().row();
    let orders_only = vault.builder().purposes([ORDERS]).unlock(oubliette::testing::TestVault::root_key());
    let orders_only = orders_only.unwrap();
    let error = open(&orders_only, &users(), &[alice.no], &row).unwrap_err();
    let AccessError::Open { source: OpenError::PurposeNotUnlocked { purpose: "newsletter" }, .. } = error else {
        panic!("{error:?}");
    };
}

#[test]
fn what_does_not_open_is_an_error_and_never_left_out() {
    let vault = vault();
    let (alice, bob) = (alice(&vault), bob(&vault));
    let row = alice.seal(&vault).unwrap().row();
    let numbers = [alice.no, alice.news_no.unwrap()];
    let refused = |table: &Table, column: &'static str, cell: Cell| {
        let mut row = row.clone();
        row.set(column, cell);
        let error = open(&vault, table, &numbers, &row).unwrap_err();
        assert_eq!(error.outcome(), Outcome::Investigate);
        let message = format!("{error} {error:?}");
        assert_no_plaintext(message.as_bytes(), ["alice@", "rings twice", "ultramarine", "plaintext@example"]);
        error
    };
    let mut bytes = row.bytes("name");
    *bytes.last_mut().unwrap() ^= 1;
    let error = refused(&users(), "name", Cell::bytes(bytes));
    assert!(
        matches!(&error, AccessError::Open { column, source: OpenError::NotAuthentic { .. }, .. } if column == "name")
    );
    // Bob's, in Alice's row.
    let bobs = vault.seal(bob.no, PHONE, &"+33687654321".parse::<Phone>().unwrap()).unwrap();
    let error = refused(&users(), "phone", Cell::bytes(bobs.as_bytes()));
    assert!(matches!(&error, AccessError::Open { source: OpenError::OtherCustomer { .. }, .. }), "{error:?}");
    // Of one column, in another; of one purpose, in another.
    let error = refused(&users(), "phone", Cell::bytes(row.bytes("name")));
    assert!(matches!(&error, AccessError::Open { source: OpenError::NotAuthentic { .. }, .. }), "{error:?}");
    let mut moved = row.clone();
    moved.set("news_no", Cell::Integer(alice.no.to_stored()));
    moved.set("news", Cell::bytes(row.bytes("name")));
    let error = open(&vault, &users(), &numbers, &moved).unwrap_err();
    assert!(matches!(&error, AccessError::Open { source: OpenError::OtherPurpose { .. }, .. }), "{error:?}");
    for (cell, plain) in [
        (Cell::text("plaintext@example.com"), true),
        (Cell::bytes(*b"plaintext@example.com"), true),
        (Cell::Integer(7), true),
        (Cell::text("obl1.AAAA"), false),
        (Cell::bytes(row.bytes("name")[..40].to_vec()), false),
        (Cell::bytes([[0xf9].as_slice(), &[0; 100]].concat()), false),
    ] {
        match refused(&users(), "email", cell) {
            AccessError::NotSealed { table, column } if plain => assert_eq!((&*table, &*column), ("users", "email")),
            AccessError::Unreadable { column, .. } if !plain => assert_eq!(column, "email"),
            error => panic!("{error:?}"),
        }
    }
    for cell in [Cell::Integer(0), Cell::Integer(-1), Cell::text("17"), Cell::Integer(1 << 40)] {
        assert!(matches!(refused(&users(), "no", cell), AccessError::Number { column, .. } if column == "no"));
    }
}

#[test]
fn a_context_is_bound_as_the_record_binds_it() {
    let vault = vault();
    let alice = alice(&vault);
    let row = alice.seal(&vault).unwrap().row();
    let open = |table: &Table, row: &Row| open(&vault, table, &[alice.no], row);
    // The record's `i32` has four bytes, and eight were not what it bound.
    let error = open(&Table::new("users", User::FIELDS), &row).unwrap_err();
    assert!(
        matches!(&error, AccessError::Open { column, source: OpenError::NotAuthentic { .. }, .. } if column == "note")
    );
    let mut other = row.clone();
    other.set("id", Cell::Integer(18));
    let error = open(&users(), &other).unwrap_err();
    assert!(matches!(&error, AccessError::Open { column, .. } if column == "note"), "{error:?}");
    for cell in [Cell::Null, Cell::Integer(1 << 40), Cell::text("17")] {
        other.set("id", cell);
        let error = open(&users(), &other).unwrap_err();
        assert!(matches!(&error, AccessError::Context { column, .. } if column == "note"), "{error:?}");
    }
}

#[test]
fn a_lost_lease_and_a_key_store_that_went_back_stop_it() {
    let vault = vault();
    let alice = alice(&vault);
    let row = alice.seal(&vault).unwrap().row();
    vault.lose_store();
    let error = open(&vault, &users(), &[alice.no], &row).unwrap_err();
    assert_eq!(error.outcome(), Outcome::TryAgain, "{error:?}");
    vault.find_store();
    assert!(open(&vault, &users(), &[alice.no], &row).is_ok());

    // Sealed by a vault that has known of more commits than this one's key store has now.
    let before = vault.memory().snapshot();
    let _ = vault.shred([vault.enroll().unwrap()]).unwrap();
    for _ in 0..10 {
        vault.advance(std::time::Duration::from_millis(250));
        vault.refresh().unwrap();
    }
    let later = alice.seal(&vault).unwrap().row();
    vault.memory().restore(&before);
    let older = vault.second().unwrap();
    let error = open(&older, &users(), &[alice.no], &later).unwrap_err();
    // A value alone is refused by itself, and raises an alarm.
    assert!(matches!(&error, AccessError::Open { source: OpenError::NotOfThisHistory { .. }, .. }), "{error:?}");
    assert!(older.health().alarm.is_some() && open(&older, &users(), &[alice.no], &row).is_ok());
    // The process that held the later state proves it, and then everything is refused.
    assert!(vault.refresh().is_err());
    older.refresh().unwrap();
    let error = open(&older, &users(), &[alice.no], &row).unwrap_err();
    let AccessError::Open { source: OpenError::KeyStore(KeyStoreError::RolledBack { .. }), .. } = error else {
        panic!("{error:?}");
    };
}

#[test]
fn a_table_that_is_not_well_declared_is_refused() {
    let vault = vault();
    let alice = alice(&vault);
    let row = alice.seal(&vault).unwrap().row();
    for table in [
        Table::new("", User::FIELDS),
        users().renamed("nothing", "x"),
        users().binding("id", Binding::Integer(3)),
        Table::new("users", &[] as &[FieldInfo]),
    ] {
        let error = open(&vault, &table, &[alice.no], &row).unwrap_err();
        assert!(matches!(error, AccessError::Invalid { .. }), "{error:?}");
    }
}

#[test]
fn a_reader_opens_a_row_within_its_limits() {
    let vault = vault();
    let alice = alice(&vault);
    let row = alice.seal(&vault).unwrap().row();
    let open = |limits: Limits| {
        let reader = vault.reader(limits);
        users().open_row(&reader, &readers(), [alice.no, alice.news_no.unwrap()], |column| row.get(column))
    };
    assert!(open(Limits::nothing().purpose(ORDERS).purpose(NEWSLETTER)).is_ok());
    assert!(open(Limits::nothing().columns(User::FIELDS)).is_ok());
    for limits in
        [Limits::nothing(), Limits::nothing().purpose(NEWSLETTER), Limits::nothing().purpose(ORDERS).field(NEWS_EMAIL)]
    {
        let error = open(limits).unwrap_err();
        assert!(matches!(error, AccessError::Open { source: OpenError::NotAllowed { .. }, .. }), "{error:?}");
    }
}
