//! Fields that the application seals with others in one column.

use oubliette::personal::{Email, Text};
use oubliette::{Field, Group, Index, Members, Sealed, Token, Vault, bits};
use oubliette_register::Subject;
use rusqlite::params;
use serde_json::json;

use crate::shop::{DATABASE, RULES, Shop};
use crate::support::{NEWS_EMAIL, ORDERS};

const CONTACT: Group = ORDERS.group("contact");
const EMAIL: Field<Email> = ORDERS.field("email");
const NOTE: Field<Text> = ORDERS.field("note");
const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(64));

const GROUPED: &str = r#"
[[tables]]
table = "customers"
number = "no"
purpose = "orders"
numbers = { newsletter = "news_no" }
plain = ["id"]
[[tables.columns]]
column = "contact"
group = "contact"
label = "email"
type = "email"
context = "id"
index = { column = "email_idx", label = "exact", bits = 64 }
[[tables.columns]]
column = "contact"
group = "contact"
label = "note"
type = "text"
context = "id"
[[tables.columns]]
column = "news"
purpose = "newsletter"
label = "email"
type = "email"
"#;

/// Alice and Bob, whose emails and notes are in one column.
fn shop() -> Shop {
    let shop = Shop::new();
    shop.connection().execute_batch("ALTER TABLE customers ADD contact BLOB").unwrap();
    for id in ["alice", "bob"] {
        shop.customer(id);
    }
    shop.application(|vault, register, connection| {
        for (row, id) in [(1_i64, "alice"), (2, "bob")] {
            let keys = register.in_transaction(connection).keys(&Subject::new(id).unwrap(), ORDERS).unwrap();
            let email: Email = format!("{id}@grouped.example").parse().unwrap();
            let mut members = Members::new();
            members.put(EMAIL, &email);
            members.put(NOTE, &format!("{id} rings twice").parse().unwrap());
            let sealed = keys.seal_group(CONTACT.within(&row.to_be_bytes()), &members).unwrap();
            let token = vault.token(BY_EMAIL, &email).unwrap();
            let update = "UPDATE customers SET contact = ?, email_idx = ?, email = NULL WHERE id = ?";
            connection.execute(update, params![sealed, token, row]).unwrap();
        }
    });
    shop.configure("", DATABASE, RULES, GROUPED);
    shop
}

fn email_of(shop: &Shop, vault: &Vault, row: i64) -> (Sealed<Members>, Option<u8>, String) {
    let select = "SELECT no, contact, email_idx FROM customers WHERE id = ?";
    let (no, sealed, token): (i64, Sealed<Members>, Token<Email>) =
        shop.connection().query_row(select, [row], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    let keys = vault.customer(oubliette::CustomerId::from_stored(no).unwrap());
    let email = keys.open_member(CONTACT.within(&row.to_be_bytes()), EMAIL, &sealed).unwrap().unwrap();
    (sealed, Some(token.epoch().number()), email.expose_personal_data().to_owned())
}

#[test]
fn each_field_is_exported_by_its_label() {
    let shop = shop();
    let (code, document) = shop.world.json(&["export", "alice"]);
    assert_eq!(code, 0, "{document:#}");
    let opened = &document["tables"][0]["rows"][0]["opened"]["orders"];
    assert_eq!(*opened, json!({"contact.email": "alice@grouped.example", "contact.note": "alice rings twice"}));
    // One that the configuration lacks is not left out in silence.
    let start =
        GROUPED.find("[[tables.columns]]\ncolumn = \"contact\"\ngroup = \"contact\"\nlabel = \"note\"").unwrap();
    let end = GROUPED.find("[[tables.columns]]\ncolumn = \"news\"").unwrap();
    let without = format!("{}{}", &GROUPED[..start], &GROUPED[end..]);
    shop.configure("", DATABASE, RULES, &without);
    let (code, document) = shop.world.json(&["export", "alice"]);
    let row = &document["tables"][0]["rows"][0];
    assert_eq!(
        (code, &row["opened"]["orders"]),
        (5, &json!({"contact.email": "alice@grouped.example"})),
        "{document:#}"
    );
    assert!(row["damaged"]["contact"].as_str().unwrap().contains("\"note\""), "{document:#}");
    let _ = NEWS_EMAIL;
}

#[test]
fn groups_are_reindexed_and_resealed() {
    let shop = shop();
    let world = &shop.world;
    world.run(&["rotate", "index", "customers.contact.email", "--yes"]).ends(0);
    let (code, checked) = world.json(&["reindex", "--check"]);
    assert_eq!((code, &checked["checked"][0]["remaining"][0]["rows"]), (1, &json!(2)), "{checked:#}");
    world.run(&["reindex", "customers.contact.email"]).ends(0);
    world.run(&["reindex", "--check"]).ends(0);
    let (_, rotated) = world.json(&["rotate", "purpose", "orders", "--yes"]);
    world.run(&["retire", "tree", "orders", rotated["tree"].as_str().unwrap(), "--yes"]).ends(77);
    world.run(&["reindex", "--reseal"]).ends(0);
    world.run(&["reindex", "--reseal", "--check"]).ends(0);
    world.run(&["retire", "tree", "orders", rotated["tree"].as_str().unwrap(), "--yes"]).ends(0);
    let vault = world.vault();
    let (_, epoch, email) = email_of(&shop, &vault, 2);
    assert_eq!((epoch, email.as_str()), (Some(1), "bob@grouped.example"));
    world.run(&["reindex", "customers.contact"]).ends(64);
}

#[test]
fn entries_of_one_group_must_agree() {
    let shop = shop();
    let wrong = GROUPED.replacen(
        "context = \"id\"\n[[tables.columns]]\ncolumn = \"news\"",
        "[[tables.columns]]\ncolumn = \"news\"",
        1,
    );
    assert_ne!(wrong, GROUPED);
    shop.configure("", DATABASE, RULES, &wrong);
    let ran = shop.world.run(&["export", "alice"]).ends(78);
    assert!(ran.err.contains("customers.contact") && ran.err.contains("`context`"), "{ran:?}");
}
