//! Data handed to somebody else in clear: what it takes, what is written down, and what is left of a failure.

use jiff::ToSpan;
use oubliette::personal::{Email, Json, Text};
use oubliette::testing::Stop;
use oubliette::testing::assert_no_plaintext;
use oubliette::{Field, OpenError, Outcome};
use oubliette_register::access::{AccessError, Document};
use oubliette_register::{DeclaredTables, Disclosure, DisclosureError, Keep, RegisterError, Rules, Subject};
use serde_json::{Value, json};

use crate::Db;
use crate::literal::{FOREIGN_KEYS, trigger};
use crate::shop::{self, ADDRESS, NAME, Taste, User, users};
use crate::support::*;
use crate::table;

pub fn declared() -> DeclaredTables {
    DeclaredTables::in_tables([users()]).reading::<Json<Taste>>()
}

pub fn parsed(document: &Document) -> Value {
    serde_json::from_str(document.expose_personal_data()).unwrap()
}

/// Alice, with grants and a row; and Bob.
macro_rules! customers {
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
pub(crate) use customers;

/// All that is written down about disclosures: the register's rows, then the journal's events.
pub async fn written(db: &mut Db) -> Vec<String> {
    let mut all = db
        .ask(
            "SELECT recipient || ' ' || purpose || ' ' || fields || ' ' || CAST(encrypted AS TEXT) AS answer \
             FROM oubliette_disclosures ORDER BY at, purpose",
        )
        .await;
    all.extend(told(db, "disclosed").await);
    all
}

/// Events of a kind, in the outbox and in the journal's table.
pub async fn told(db: &mut Db, kind: &str) -> Vec<String> {
    let kind = format!("%\"kind\":\"{kind}\"%");
    let lines =
        db.ask(&format!("SELECT line AS answer FROM oubliette_journal WHERE line LIKE '{kind}' ORDER BY n")).await;
    let event = |line: &String| serde_json::from_str::<Value>(line).unwrap()["event"].to_string();
    let mut told: Vec<String> = lines.iter().map(event).collect();
    told.extend(db.ask(&format!("SELECT event AS answer FROM oubliette_outbox WHERE event LIKE '{kind}'")).await);
    told
}

fn alice() -> Subject {
    who("alice")
}

fn label() -> Disclosure {
    Disclosure::to("DHL").field(NAME).field(ADDRESS).column("users", "id")
}

bodies! {
    async fn what_is_granted_is_handed_out_and_written_down() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let (user, _) = customers!(shop, db);
        on!(db, shop.register, grant(&alice(), contract().to("DHL"))).unwrap();
        let document = own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &label())).unwrap();
        let expected = json!({
            "format": "oubliette/1/disclosure", "recipient": "DHL", "at": "2026-01-31T10:00:00Z",
            "tables": [{"table": "users", "rows": [{
                "id": 17, "name": "Alice Ní Bhriain",
                "address": {"country": "FR", "lines": ["12 rue de la Paix", "75002 Paris"]},
            }]}],
        });
        assert_eq!(parsed(&document), expected);
        let written = written(&mut db).await;
        assert_eq!(written[0], r#"DHL orders ["users.id","users.name","users.address"] 0"#);
        let event: Value = serde_json::from_str(&written[1]).unwrap();
        assert_eq!(event, json!({
            "kind": "disclosed", "number": user.no.to_stored(), "recipient": "DHL", "purpose": "orders",
            "fields": ["users.id", "name", "address"], "encrypted": false,
        }));
        assert_eq!(written.len(), 2);
        assert_no_plaintext(written.concat().as_bytes(), table::plaintexts(&user));
        // The customer is told of it, and whoever erases is told whom to notify.
        let answer = parsed(&on!(db, shop.register, access(&declared(), &alice())).unwrap());
        assert_eq!(answer["disclosures"][0]["fields"], json!(["users.id", "users.name", "users.address"]));
        assert_eq!(answer["disclosures"][0]["form"], "in clear");
        on!(db, shop.register, describe_recipient("DHL", "privacy@dhl.example")).unwrap();
        let other = Shop::new(Rules::new());
        let refused = on!(db, other.register, describe_recipient("DHL", "somebody@else.example"));
        assert!(matches!(refused, Err(RegisterError::OtherVault)));
        shop.set_now("2026-02-01T10:00:00Z");
        let second = Disclosure::to("DHL").field(shop::EMAIL).field(NAME);
        own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &second)).unwrap();
        let recipients = on!(db, shop.register, recipients_of(&alice())).unwrap();
        assert_eq!(recipients.len(), 1);
        assert_eq!((&*recipients[0].recipient, recipients[0].about.as_deref()), ("DHL", Some("privacy@dhl.example")));
        assert_eq!(recipients[0].last, at("2026-02-01T10:00:00Z"));
        assert_eq!(recipients[0].fields["orders"], ["users.address", "users.email", "users.id", "users.name"]);
        assert!(on!(db, shop.register, recipients_of(&who("bob"))).unwrap().is_empty());
        assert!(matches!(on!(db, shop.register, recipients_of(&who("carol"))), Err(RegisterError::UnknownSubject)));
    }

    async fn without_a_live_grant_for_that_recipient_nothing_leaves() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let _ = customers!(shop, db);
        let until = at("2026-03-01T00:00:00Z");
        // Grants to keep it, to hand it to another, of another purpose, of another customer.
        on!(db, shop.register, grant(&alice(), contract().to("UPS"))).unwrap();
        on!(db, shop.register, grant(&alice(), contract().to("DHL ").until(until))).unwrap();
        on!(db, shop.register, grant(&alice(), consent().to("DHL"))).unwrap();
        on!(db, shop.register, grant(&who("bob"), contract().to("DHL"))).unwrap();
        let before = db.dump().await;
        macro_rules! refused {
            () => {
                let refused = own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &label())).unwrap_err();
                let DisclosureError::NoGrant { recipient, purpose: "orders" } = &refused else { panic!("{refused:?}") };
                assert_eq!((&**recipient, refused.outcome()), ("DHL", Outcome::Investigate));
            };
        }
        refused!();
        assert_eq!(db.dump().await, before);
        // One that has run out, one that has ended, one that is not yet.
        on!(db, shop.register, grant(&alice(), contract().to("DHL").until(until))).unwrap();
        own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &label())).unwrap();
        shop.set_now("2026-03-01T00:00:00Z");
        refused!();
        shop.set_now("2026-01-31T09:59:59Z");
        refused!();
        shop.set_now("2026-02-28T23:59:59.999Z");
        own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &label())).unwrap();
        db.sql("UPDATE oubliette_grants SET ended_at = 1772323100000 WHERE recipient = 'DHL' AND purpose = 'orders'").await;
        refused!();
        assert_eq!(db.ask("SELECT count(*) AS answer FROM oubliette_disclosures").await, ["2"]);
        let unknown = own_transaction!(db, shop.register, disclose_in_clear(&declared(), &who("carol"), &label()));
        assert!(matches!(unknown, Err(DisclosureError::Access(AccessError::Register(RegisterError::UnknownSubject)))));
    }

    async fn what_was_kept_long_enough_is_handed_to_nobody() {
        let rules = Rules::new().keep(ORDERS, Keep::after_last("order", 1.month()));
        let (shop, mut db) = (Shop::new(rules), Db::new().await);
        customers!(shop, db);
        on!(db, shop.register, grant(&alice(), contract().to("DHL"))).unwrap();
        shop.set_now("2026-02-28T09:59:59.999Z");
        own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &label())).unwrap();
        shop.set_now("2026-02-28T10:00:00Z");
        let before = db.dump().await;
        let refused = own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &label())).unwrap_err();
        assert!(matches!(refused, DisclosureError::NoGrant { purpose: "orders", .. }), "{refused:?}");
        assert_eq!(db.dump().await, before);
        on!(db, shop.register, mark(&alice(), "order", at("2026-02-28T10:00:00Z"))).unwrap();
        own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &label())).unwrap();
        // A recipient's own grant keeps nothing.
        db.sql("UPDATE oubliette_grants SET ended_at = 1 WHERE recipient IS NULL AND purpose = 'orders'").await;
        let refused = own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &label())).unwrap_err();
        assert!(matches!(refused, DisclosureError::NoGrant { purpose: "orders", .. }), "{refused:?}");
    }

    async fn every_field_needs_a_grant_of_its_own_purpose() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let (user, _) = customers!(shop, db);
        on!(db, shop.register, grant(&alice(), contract().to("DHL"))).unwrap();
        let both = label().field(shop::NEWS_EMAIL);
        let refused = own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &both)).unwrap_err();
        assert!(matches!(refused, DisclosureError::NoGrant { purpose: "newsletter", .. }), "{refused:?}");
        assert_eq!(written(&mut db).await, [""; 0]);
        on!(db, shop.register, grant(&alice(), consent().to("DHL"))).unwrap();
        let document = own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &both)).unwrap();
        assert_eq!(parsed(&document)["tables"][0]["rows"][0]["news"], "alice@example.org");
        let written = written(&mut db).await;
        assert_eq!(written[..2], [r#"DHL newsletter ["users.news"] 0"#, r#"DHL orders ["users.id","users.name","users.address"] 0"#]);
        assert!(written.iter().any(|event| event.contains(&format!("\"number\":{}", user.news_no.unwrap()))), "{written:?}");
    }

    async fn what_was_shredded_or_withdrawn_is_not_handed_out() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let (user, _) = customers!(shop, db);
        for grant in [contract(), consent()] {
            on!(db, shop.register, grant(&alice(), grant.to("DHL"))).unwrap();
        }
        let news = Disclosure::to("DHL").field(shop::NEWS_EMAIL);
        let both = Disclosure::to("DHL").field(shop::NEWS_EMAIL).field(NAME);
        let _ = shop.vault.shredding([user.news_no.unwrap()]).purpose(NEWSLETTER).run().unwrap();
        let refused = own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &news)).unwrap_err();
        assert!(matches!(refused, DisclosureError::NothingHeld), "{refused:?}");
        let document = own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &both)).unwrap();
        assert_eq!(parsed(&document)["tables"][0]["rows"], json!([{"name": "Alice Ní Bhriain"}]));
        // Withdrawn, and the shred is yet to come.
        db.sql(&format!("UPDATE oubliette_numbers SET state = 'shred_pending', sealing = NULL WHERE number = {}", user.no)).await;
        let refused = own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &label())).unwrap_err();
        assert!(matches!(refused, DisclosureError::NoGrant { purpose: "orders", .. }), "{refused:?}");
        db.sql("UPDATE oubliette_subjects SET state = 'erasing' WHERE subject = 'alice'").await;
        let refused = own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &both)).unwrap_err();
        assert!(matches!(refused, DisclosureError::Access(AccessError::Register(RegisterError::BeingErased))));
        assert_eq!(db.ask("SELECT count(*) AS answer FROM oubliette_disclosures").await, ["2"], "of the one call");
    }

    async fn only_the_rows_asked_for_are_handed_out() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let (user, _) = customers!(shop, db);
        let other = User { id: 19, note: "second address".parse().unwrap(), ..shop::alice(&shop.vault) };
        let other = User { no: user.no, news_no: user.news_no, ..other };
        table::insert(&mut db, &other.seal(&shop.vault).unwrap()).await;
        on!(db, shop.register, grant(&alice(), contract().to("DHL"))).unwrap();
        let ids = |document: &Document| {
            let document = parsed(document);
            let mut ids: Vec<i64> =
                document["tables"][0]["rows"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
            ids.sort_unstable();
            ids
        };
        let all = own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &label())).unwrap();
        assert_eq!(ids(&all), [17, 19]);
        let one = label().only("users", "id", 19);
        assert_eq!(ids(&own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &one)).unwrap()), [19]);
        // Bob's row is not hers, whatever is asked for; nor does the value become SQL.
        for is in ["18", "19' OR '1'='1", ""] {
            let none = label().only("users", "id", is);
            let refused = own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &none)).unwrap_err();
            assert!(matches!(refused, DisclosureError::NothingHeld), "{refused:?}");
        }
    }

    async fn what_cannot_be_asked_for_is_refused() {
        const OTHER: Field<Email> = ORDERS.field("other");
        const TEXT: Field<Text> = ORDERS.field("name");
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let _ = customers!(shop, db);
        on!(db, shop.register, grant(&alice(), contract().to("DHL"))).unwrap();
        let to = || Disclosure::to("DHL");
        for disclosure in [
            to(),
            to().field(NAME).field(OTHER),
            to().field(TEXT),
            to().field(NAME).column("users", "no"),
            to().field(NAME).column("users", "email_idx"),
            to().column("orders", "name"),
            to().column("users", "names"),
            to().field(NAME).only("users", "email", "x"),
            to().field(NAME).only("users", "no", "x"),
            to().field(NAME).only("orders", "id", "x"),
            to().field(NAME).only("users", "id", "x").only("users", "id", "y"),
        ] {
            let refused = own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &disclosure)).unwrap_err();
            assert!(matches!(refused, DisclosureError::Access(AccessError::Invalid { .. })), "{disclosure:?}: {refused:?}");
        }
        assert_eq!(written(&mut db).await, [""; 0]);
        // Nor what does not open, which is not left out.
        db.sql("UPDATE users SET name = address WHERE id = 17").await;
        let refused = own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &label())).unwrap_err();
        let DisclosureError::Access(AccessError::Open { column, source: OpenError::NotAuthentic { .. }, .. }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!((&*column, written(&mut db).await.len()), ("name", 0));
    }

    async fn what_cannot_be_written_down_does_not_leave() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let _ = customers!(shop, db);
        on!(db, shop.register, grant(&alice(), contract().to("DHL"))).unwrap();
        // The database refuses at the very end: at the commit.
        db.sql(FOREIGN_KEYS).await;
        db.sql("CREATE TABLE parents (id BIGINT PRIMARY KEY)").await;
        db.sql("CREATE TABLE children (id BIGINT REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)").await;
        db.sql(&trigger("oubliette_disclosures", "INSERT INTO children (id) VALUES (7)")).await;
        let refused = own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &label())).unwrap_err();
        assert!(matches!(refused, DisclosureError::NotWrittenDown(_)), "{refused:?}");
        assert_eq!(written(&mut db).await, [""; 0]);
        // And the connection is good for more.
        db.sql("INSERT INTO parents (id) VALUES (7)").await;
        own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &label())).unwrap();
        assert_eq!(written(&mut db).await.len(), 2);
    }

    async fn a_crash_anywhere_hands_out_nothing_that_is_not_written_down() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let steps = shop.steps.clone();
        let _ = customers!(shop, db);
        on!(db, shop.register, grant(&alice(), contract().to("DHL"))).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        steps.reset();
        own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &label())).unwrap();
        let taken = steps.taken();
        assert!(taken >= 3, "{:?}", steps.log());
        let mut listed = vec![1];
        for step in 1..=taken {
            steps.stop_at(step, Stop::Die { torn: false });
            let refused = own_transaction!(db, shop.register, disclose_in_clear(&declared(), &alice(), &label())).unwrap_err();
            // A later process.
            steps.reset();
            own_transaction!(db, shop.register, flush()).unwrap();
            let rows = db.ask("SELECT id AS answer FROM oubliette_disclosures").await.len();
            assert_eq!(told(&mut db, "disclosed").await.len(), rows, "the journal and the register agree");
            let was_written = rows > *listed.last().unwrap();
            assert_eq!(was_written, matches!(refused, DisclosureError::NotWrittenDown(_)), "{refused:?}");
            listed.push(rows);
        }
        // Nothing was handed out since the first, and what came after the commit is listed all the same: never one less.
        assert_eq!(listed[..2], [1, 1]);
        assert!(listed.last() > Some(&1), "{listed:?}");
        assert_eq!(db.ask("SELECT id AS answer FROM oubliette_outbox").await, [""; 0]);
    }
}
