//! Access and portability, over a register and the application's tables.

use oubliette::personal::{Email, Json};
use oubliette::testing::assert_no_plaintext;
use oubliette::{CustomerId, OpenError, Outcome, Personal};
use oubliette_register::access::{AccessError, Document, Table};
use oubliette_register::inventory::{Declaration, Difference, Inventory};
use oubliette_register::{Basis, DeclaredTables, Grant, RegisterError, Rules};
use serde_json::{Value, json};

use crate::Db;
use crate::literal::BYTES;
use crate::shop::{self, Taste, User, users};
use crate::support::*;
use crate::table;

/// What an application declares that has forgotten a purpose.
#[allow(dead_code)] // for its columns
#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedContact)]
struct Contact {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = EMAIL, text)]
    email: Email,
}

fn inventory() -> Inventory {
    Inventory::of("Shop SAS")
        .table(users())
        .purpose(
            Declaration::of(ORDERS)
                .why("to deliver what was ordered")
                .basis(Basis::Contract)
                .kept("three years after the last order")
                .recipient("DHL"),
        )
        .purpose(
            Declaration::of(NEWSLETTER)
                .why("to send the newsletter")
                .basis(Basis::Consent)
                .kept("until withdrawn")
                .nobody_receives_it(),
        )
}

fn declared() -> DeclaredTables {
    DeclaredTables::of(inventory()).reading::<Json<Taste>>()
}

fn parsed(document: &Document) -> Value {
    serde_json::from_str(document.expose_personal_data()).unwrap()
}

/// Alice and Bob, with grants and a row each.
macro_rules! alice_and_bob {
    ($shop:ident, $db:ident) => {{
        on!($db, $shop.register, create_tables()).unwrap();
        table::create(&mut $db).await;
        let mut users = Vec::new();
        for (name, user) in [("alice", shop::alice(&$shop.vault)), ("bob", shop::bob(&$shop.vault))] {
            let no = on!($db, $shop.register, grant(&who(name), contract())).unwrap().number;
            let news_no = Some(on!($db, $shop.register, grant(&who(name), consent())).unwrap().number);
            let user = User { no, news_no, ..user };
            table::insert(&mut $db, &user.seal(&$shop.vault).unwrap()).await;
            users.push(user);
        }
        let bob = users.pop().unwrap();
        (users.pop().unwrap(), bob)
    }};
}

async fn told(db: &mut Db) -> Vec<String> {
    let events = db.ask("SELECT event AS answer FROM oubliette_outbox").await;
    events.into_iter().filter(|event| event.contains("accessed")).collect()
}

bodies! {
    async fn one_call_gives_all_that_is_held() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let (alice, _) = alice_and_bob!(shop, db);
        let until = at("2027-01-01T00:00:00Z");
        on!(db, shop.register, grant(&who("alice"), contract().to("DHL").until(until))).unwrap();
        db.sql("INSERT INTO oubliette_requests (id, subject_id, kind, received_at, due_at, state) \
                SELECT id, id, 'access', 1769853600000, 1772359200000, 'open' FROM oubliette_subjects").await;
        db.sql("INSERT INTO oubliette_disclosures (id, subject_id, recipient, purpose, fields, encrypted, at) \
                SELECT 7, id, 'DHL', 'orders', '[\"name\"]', 1, 1769853600000 FROM oubliette_subjects \
                WHERE subject = 'alice'").await;
        let document = on!(db, shop.register, access(&declared(), &who("alice"))).unwrap();
        assert!(!format!("{document:?}").contains("alice"));
        let answer = parsed(&document);
        let expected = json!([{
            "table": "users",
            "rows": [{
                "in_clear": {"id": 17, "plan": "gold"},
                "opened": {
                    "orders": {
                        "name": "Alice Ní Bhriain", "email": "alice@example.com", "phone": "+33612345678",
                        "address": {"country": "FR", "lines": ["12 rue de la Paix", "75002 Paris"]},
                        "note": "rings twice",
                    },
                    "newsletter": {"news": "alice@example.org", "taste": {"colour": "ultramarine"}},
                },
            }],
        }]);
        assert_eq!(answer["tables"], expected);
        assert_eq!((&answer["subject"], &answer["at"]), (&json!("alice"), &json!("2026-01-31T10:00:00Z")));
        let orders = &answer["purposes"][1];
        assert_eq!(orders["why"], "to deliver what was ordered");
        assert_eq!(orders["recipients"], json!(["DHL"]));
        assert_eq!(orders["kept"], "three years after the last order");
        let mut grants = orders["grants"].as_array().unwrap().clone();
        grants.sort_by_key(|grant| grant["recipient"].to_string());
        let grant = |recipient: Value, until: Value| json!({
            "basis": "contract", "recipient": recipient, "since": "2026-01-31T10:00:00Z", "until": until,
            "ended": null, "why": null, "evidence": null,
        });
        assert_eq!(grants, [grant("DHL".into(), "2027-01-01T00:00:00Z".into()), grant(Value::Null, Value::Null)]);
        let news = &answer["purposes"][0];
        assert_eq!(news["grants"][0]["evidence"]["how"], "sign-up form");
        assert_eq!(news["numbers"][0]["number"], alice.news_no.unwrap().to_stored());
        assert_eq!(answer["disclosures"], json!([{
            "at": "2026-01-31T10:00:00Z", "recipient": "DHL", "purpose": "orders", "fields": ["name"],
            "form": "encrypted to the recipient",
        }]));
        assert_eq!(answer["requests"][0]["due"], "2026-03-01T10:00:00Z");
        assert_eq!(answer["requests"].as_array().unwrap().len(), 1);
        assert!(!document.expose_personal_data().contains("bob"), "nothing of Bob's");
        // It is written down, by number.
        let told = told(&mut db).await;
        assert_eq!(told.len(), 1);
        for part in [alice.no, alice.news_no.unwrap()] {
            assert!(told[0].contains(&part.to_string()), "{told:?}");
        }
        assert_no_plaintext(told[0].as_bytes(), table::plaintexts(&alice));
    }

    async fn what_was_shredded_is_said_to_be() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let (alice, bob) = alice_and_bob!(shop, db);
        let _ = shop.vault.shredding([alice.news_no.unwrap()]).purpose(NEWSLETTER).run().unwrap();
        let answer = parsed(&on!(db, shop.register, access(&declared(), &who("alice"))).unwrap());
        let row = &answer["tables"][0]["rows"][0];
        assert_eq!(row["shredded"], json!({"newsletter": ["news", "taste"]}));
        assert_eq!(row["opened"]["orders"]["email"], "alice@example.com");
        let _ = shop.vault.shred([bob.no, bob.news_no.unwrap()]).unwrap();
        let answer = parsed(&on!(db, shop.register, access(&declared(), &who("bob"))).unwrap());
        assert_eq!(answer["tables"][0]["rows"][0]["shredded"]["orders"].as_array().unwrap().len(), 3);
    }

    // What nobody declared cannot be shown, and an answer that leaves it out says so.
    async fn a_purpose_without_a_declared_column_is_named() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let (alice, _) = alice_and_bob!(shop, db);
        let whole = on!(db, shop.register, access(&declared(), &who("alice"))).unwrap();
        assert!(whole.not_shown().is_empty() && parsed(&whole).get("not_shown").is_none());
        let undeclared = DeclaredTables::in_tables([Table::new("users", Contact::FIELDS)]);
        let answer = on!(db, shop.register, access(&undeclared, &who("alice"))).unwrap();
        assert_eq!(answer.not_shown(), ["newsletter"]);
        let said = parsed(&answer)["not_shown"].clone();
        assert_eq!((&said[0]["purpose"], &said[0]["numbers"]), (&json!("newsletter"), &json!([alice.news_no.unwrap()])));
        assert_eq!(said.as_array().unwrap().len(), 1);
        let portable = on!(db, shop.register, portable(&undeclared, &who("alice"))).unwrap();
        assert_eq!((portable.not_shown(), &parsed(&portable)["not_shown"]), (&["newsletter".to_owned()][..], &said));
        // No table at all, and everything is named.
        let nothing = on!(db, shop.register, access(&DeclaredTables::in_tables([]), &who("alice"))).unwrap();
        assert_eq!(nothing.not_shown(), ["newsletter", "orders"]);
        // Nothing is held for it any more.
        own_transaction!(db, shop.register, withdraw(&who("alice"), NEWSLETTER, why("unsubscribed"))).unwrap();
        let answer = on!(db, shop.register, access(&undeclared, &who("alice"))).unwrap();
        assert!(answer.not_shown().is_empty() && parsed(&answer).get("not_shown").is_none());
        // It waits for a hold's end, and is held.
        on!(db, shop.register, hold(&who("bob"), None, why("case 7"), at("2026-06-01T00:00:00Z"))).unwrap();
        own_transaction!(db, shop.register, withdraw(&who("bob"), NEWSLETTER, why("unsubscribed"))).unwrap();
        let answer = on!(db, shop.register, access(&undeclared, &who("bob"))).unwrap();
        assert_eq!(answer.not_shown(), ["newsletter"]);
        // Its consent is over: there is nothing of it to be taken along.
        assert!(on!(db, shop.register, portable(&undeclared, &who("bob"))).unwrap().not_shown().is_empty());
    }

    async fn what_does_not_open_is_an_error_and_is_not_written_down() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let (alice, bob) = alice_and_bob!(shop, db);
        // Bob's name in Alice's row.
        let name = format!("(SELECT name FROM users WHERE no = {})", bob.no);
        db.sql(&format!("UPDATE users SET name = {name} WHERE no = {}", alice.no)).await;
        let error = on!(db, shop.register, access(&declared(), &who("alice"))).unwrap_err();
        assert!(matches!(&error, AccessError::Open { column, source: OpenError::OtherCustomer { .. }, .. } if column == "name"));
        assert_eq!(error.outcome(), Outcome::Investigate);
        // A type that nobody said how to read, a table that is not there, a column that is misspelt.
        let error = on!(db, shop.register, access(&DeclaredTables::of(inventory()), &who("bob"))).unwrap_err();
        assert!(matches!(error, AccessError::UnknownType { label: "taste", .. }));
        for table in [Table::new("customers", User::FIELDS), users().renamed("plan", "plam")] {
            let declared = DeclaredTables::in_tables([table]).reading::<Json<Taste>>();
            let error = on!(db, shop.register, access(&declared, &who("bob"))).unwrap_err();
            assert!(matches!(&error, AccessError::Register(RegisterError::Database(_))), "{error:?}");
        }
        let twice = DeclaredTables::in_tables([users(), users()]).reading::<Json<Taste>>();
        assert!(matches!(on!(db, shop.register, access(&twice, &who("bob"))), Err(AccessError::Invalid { .. })));
        let error = on!(db, shop.register, access(&declared(), &who("carol"))).unwrap_err();
        assert!(matches!(error, AccessError::Register(RegisterError::UnknownSubject)));
        assert_eq!(told(&mut db).await, [""; 0], "what was not given was not written down");
        on!(db, shop.register, access(&declared(), &who("bob"))).unwrap();
        assert_eq!(told(&mut db).await.len(), 1);
        let document = rolled_back!(db, shop.register, access(&declared(), &who("bob"))).unwrap();
        assert!(document.len() > 100 && told(&mut db).await.len() == 1);
    }

    async fn names_are_quoted_and_never_sql() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let (alice, _) = alice_and_bob!(shop, db);
        let quote = if BYTES == "BLOB" { '`' } else { '"' };
        let quoted = |name: &str| format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")));
        let (table_name, column) = ("us`e\"rs; DROP TABLE users; --", "pl\"a`n' OR '1'='1");
        db.sql(&format!("ALTER TABLE users RENAME TO {}", quoted(table_name))).await;
        db.sql(&format!("ALTER TABLE {} RENAME COLUMN plan TO {}", quoted(table_name), quoted(column))).await;
        let table = Table::new(table_name, User::FIELDS).renamed("plan", column);
        let table = table.binding("id", oubliette_register::access::Binding::Integer(4));
        let declared = DeclaredTables::in_tables([table]).reading::<Json<Taste>>();
        let answer = parsed(&on!(db, shop.register, access(&declared, &who("alice"))).unwrap());
        assert_eq!(answer["tables"][0]["table"], table_name);
        assert_eq!(answer["tables"][0]["rows"][0]["in_clear"][column], "gold");
        assert_eq!(answer["tables"][0]["rows"].as_array().unwrap().len(), 1);
        let _: CustomerId = alice.no;
    }

    async fn only_consent_and_contract_are_taken_along() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let _ = alice_and_bob!(shop, db);
        let portable = on!(db, shop.register, portable(&declared(), &who("alice"))).unwrap();
        assert_eq!(portable.expose_personal_data().lines().count(), 1);
        let row = parsed(&portable)["tables"][0]["rows"][0].clone();
        assert_eq!((&row["in_clear"]["plan"], &row["opened"]["newsletter"]["news"]), (&json!("gold"), &json!("alice@example.org")));
        // The contract has ended, and what is left of it is kept because a law says so.
        let law = Grant::on(ORDERS, Basis::LegalObligation);
        on!(db, shop.register, grant(&who("alice"), law)).unwrap();
        db.sql("UPDATE oubliette_grants SET ended_at = 1769853600000 WHERE basis = 'contract' \
                AND subject_id = (SELECT id FROM oubliette_subjects WHERE subject = 'alice')").await;
        let expected = json!([{"opened": {"newsletter": {"news": "alice@example.org", "taste": {"colour": "ultramarine"}}}}]);
        let answer = parsed(&on!(db, shop.register, portable(&declared(), &who("alice"))).unwrap());
        assert_eq!(answer["tables"][0]["rows"], expected);
        // Nor does a consent that is for a recipient, or has run out, make it portable.
        let until = at("2026-02-28T00:00:00Z");
        on!(db, shop.register, grant(&who("alice"), contract().until(until))).unwrap();
        on!(db, shop.register, grant(&who("alice"), contract().to("DHL"))).unwrap();
        let answer = parsed(&on!(db, shop.register, portable(&declared(), &who("alice"))).unwrap());
        assert!(answer["tables"][0]["rows"][0]["opened"].get("orders").is_some());
        shop.set_now("2026-02-28T00:00:00Z");
        let answer = parsed(&on!(db, shop.register, portable(&declared(), &who("alice"))).unwrap());
        assert_eq!(answer["tables"][0]["rows"], expected);
        // Bob is as he was.
        let answer = parsed(&on!(db, shop.register, portable(&declared(), &who("bob"))).unwrap());
        assert_eq!(answer["tables"][0]["rows"][0]["opened"]["orders"]["email"], "bob@example.net");
    }

    async fn live_grants_are_counted_beside_what_is_declared() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let _ = alice_and_bob!(shop, db);
        on!(db, shop.register, grant(&who("alice"), contract().to("Advertiser"))).unwrap();
        on!(db, shop.register, grant(&who("carol"), contract().until(at("2026-02-01T00:00:00Z")))).unwrap();
        let live = on!(db, shop.register, live_grants()).unwrap();
        let shown = inventory().to_markdown_with(&live);
        assert!(shown.contains("| Live grants | 1 on contract, for Advertiser; 3 on contract |")
            || shown.contains("| Live grants | 3 on contract; 1 on contract, for Advertiser |"), "{shown}");
        assert!(shown.contains("| Grants counted at | 2026-01-31T10:00:00Z |"), "{shown}");
        let found = inventory().differences(&live);
        assert!(matches!(&found[0], Difference::UnknownRecipient { recipient, .. } if recipient == "Advertiser"), "{found:?}");
        assert!(matches!(&found[1], Difference::NoGrants { recipient, .. } if recipient == "DHL"), "{found:?}");
        shop.set_now("2026-02-01T00:00:00Z");
        let live = on!(db, shop.register, live_grants()).unwrap();
        assert!(inventory().to_markdown_with(&live).contains("2 on contract"));
    }
}
