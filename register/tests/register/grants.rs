//! Sealing needs a live grant.

use jiff::{Timestamp, ToSpan};
use oubliette::{CustomerId, KeyStoreError, Purpose, UnlessShredded, Vault};
use oubliette_register::{Basis, Grant, GrantedSealError, Keep, Register, RegisterError, Rules};

use crate::Db;
use crate::support::*;

bodies! {
    async fn without_a_grant_nothing_is_sealed() {
        let (shop, db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let alice = who("alice");
        let refused = on!(db, shop.register, keys(&alice, ORDERS));
        assert!(matches!(refused, Err(RegisterError::NoGrant { purpose }) if purpose == "orders"));
        let granted = on!(db, shop.register, grant(&alice, contract())).unwrap();
        assert!(granted.is_new_number);
        let keys = on!(db, shop.register, keys(&alice, ORDERS)).unwrap();
        assert_eq!((keys.customer(), keys.until()), (granted.number, None));
        let sealed = keys.seal(EMAIL, &email()).unwrap();
        assert!(keys.open(EMAIL, &sealed).unless_shredded().unwrap().is_some());
        // A grant is for one purpose, and so is the handle.
        let other = keys.seal(NEWS_EMAIL, &email()).unwrap_err();
        assert!(matches!(other, GrantedSealError::OtherPurpose { granted: "orders", asked: "newsletter" }));
        assert!(on!(db, shop.register, keys(&alice, NEWSLETTER)).is_err());
        assert!(on!(db, shop.register, keys(&who("Alice"), ORDERS)).is_err());
        assert_eq!(on!(db, shop.register, numbers(&alice, ORDERS)).unwrap(), [granted.number]);
    }

    async fn a_grant_runs_out() {
        let (shop, db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let (alice, until) = (who("7"), at("2026-02-28T00:00:00Z"));
        on!(db, shop.register, grant(&alice, contract().until(until))).unwrap();
        let keys = on!(db, shop.register, keys(&alice, ORDERS)).unwrap();
        assert_eq!(keys.until(), Some(until));
        shop.set_now("2026-02-27T23:59:59.999Z");
        keys.seal(EMAIL, &email()).unwrap();
        shop.set_now("2026-02-28T00:00:00Z");
        assert!(matches!(keys.seal(EMAIL, &email()), Err(GrantedSealError::RanOut { until: u }) if u == until));
        assert!(matches!(on!(db, shop.register, keys(&alice, ORDERS)), Err(RegisterError::NoGrant { .. })));
        // A second grant for the same purpose: the same number, and the longer time.
        let again = on!(db, shop.register, grant(&alice, Grant::on(ORDERS, Basis::LegalObligation))).unwrap();
        assert!(!again.is_new_number && again.number == keys.customer());
        assert_eq!(on!(db, shop.register, keys(&alice, ORDERS)).unwrap().until(), None);
    }

    async fn a_grant_may_run_until_the_end_of_time() {
        let (shop, db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let alice = who("7");
        on!(db, shop.register, grant(&alice, contract().until(Timestamp::MAX))).unwrap();
        let keys = on!(db, shop.register, keys(&alice, ORDERS)).unwrap();
        assert_eq!(keys.until(), Some(Timestamp::MAX));
        keys.seal(EMAIL, &email()).unwrap();
    }

    async fn what_a_rule_has_ended_is_not_sealed_any_more() {
        let rules = Rules::new()
            .keep(ORDERS, Keep::after_last("order", 1.year()))
            .keep(NEWSLETTER, Keep::after_end("contract", 1.month()));
        let (shop, db) = (Shop::new(rules), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let alice = who("alice");
        on!(db, shop.register, grant(&alice, contract())).unwrap();
        on!(db, shop.register, grant(&alice, consent())).unwrap();
        // No order since the grant: the year counts from it. Nothing has swept.
        let orders = on!(db, shop.register, keys(&alice, ORDERS)).unwrap();
        assert_eq!(orders.until(), Some(at("2027-01-31T10:00:00Z")));
        shop.set_now("2027-01-31T09:59:59.999Z");
        orders.seal(EMAIL, &email()).unwrap();
        shop.set_now("2027-01-31T10:00:00Z");
        assert!(matches!(orders.seal(EMAIL, &email()), Err(GrantedSealError::RanOut { .. })));
        assert!(matches!(on!(db, shop.register, keys(&alice, ORDERS)), Err(RegisterError::NoGrant { .. })));
        // An order moves the end on.
        on!(db, shop.register, mark(&alice, "order", at("2027-01-31T10:00:00Z"))).unwrap();
        let orders = on!(db, shop.register, keys(&alice, ORDERS)).unwrap();
        assert_eq!(orders.until(), Some(at("2028-01-31T10:00:00Z")));
        // A contract that has not ended keeps for ever, and one that has for a month.
        assert_eq!(on!(db, shop.register, keys(&alice, NEWSLETTER)).unwrap().until(), None);
        on!(db, shop.register, mark(&alice, "contract", at("2027-02-15T00:00:00Z"))).unwrap();
        assert!(on!(db, shop.register, keys(&alice, NEWSLETTER)).is_ok());
        shop.set_now("2027-03-15T00:00:00Z");
        assert!(matches!(on!(db, shop.register, keys(&alice, NEWSLETTER)), Err(RegisterError::NoGrant { .. })));
        // What is refused is what a sweep would shred.
        assert_eq!(on!(db, shop.register, due()).unwrap().len(), 1);
        // The next contract is another grant.
        on!(db, shop.register, grant(&alice, consent())).unwrap();
        assert_eq!(on!(db, shop.register, keys(&alice, NEWSLETTER)).unwrap().until(), None);
    }

    async fn a_grant_to_a_recipient_is_none_to_keep() {
        let (shop, db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("7"), contract().to("carrier"))).unwrap();
        assert!(matches!(on!(db, shop.register, keys(&who("7"), ORDERS)), Err(RegisterError::NoGrant { .. })));
        let unnamed = on!(db, shop.register, grant(&who("7"), contract().to("")));
        assert!(matches!(unnamed, Err(RegisterError::Invalid { .. })));
    }

    async fn what_is_refused_leaves_nothing() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let before = db.dump().await;
        let bare = on!(db, shop.register, grant(&who("alice"), Grant::on(NEWSLETTER, Basis::Consent)));
        assert!(matches!(bare, Err(RegisterError::NoEvidence)));
        let unknown = on!(db, shop.register, grant(&who("alice"), Grant::on(Purpose::new("other"), Basis::Contract)));
        assert!(matches!(unknown, Err(RegisterError::PurposeNotUnlocked { purpose }) if purpose == "other"));
        let granted = rolled_back!(db, shop.register, grant(&who("alice"), consent())).unwrap();
        assert_eq!(db.dump().await, before, "neither a row nor an event");
        // Its number is wasted, and never issued again.
        let again = on!(db, shop.register, grant(&who("alice"), consent())).unwrap();
        assert!(again.number != granted.number && again.is_new_number);
        assert_eq!(db.ask("SELECT count(*) AS answer FROM oubliette_outbox").await, ["1"]);
    }

    async fn ids_are_values_and_never_sql() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let mut numbers: Vec<CustomerId> = Vec::new();
        for id in ["'); DROP TABLE oubliette_grants; --", "a\"b`c", "?1 $1", "x' OR '1'='1", "née Müller 😀"] {
            numbers.push(on!(db, shop.register, grant(&who(id), contract())).unwrap().number);
            assert_eq!(on!(db, shop.register, keys(&who(id), ORDERS)).unwrap().customer(), *numbers.last().unwrap());
        }
        assert_eq!(db.ask("SELECT count(*) AS answer FROM oubliette_grants").await, ["5"]);
        numbers.dedup();
        assert_eq!(numbers.len(), 5);
    }

    async fn a_register_needs_a_journal_and_its_tables() {
        let (shop, db) = (Shop::new(Rules::new()), Db::new().await);
        let refused = on!(db, shop.register, grant(&who("alice"), contract()));
        assert!(matches!(refused, Err(RegisterError::Database(_))));
        let bare = Vault::in_memory([ORDERS]);
        let refused = Register::new(&bare, Rules::new());
        assert!(matches!(refused, Err(RegisterError::KeyStore(KeyStoreError::NeedsJournal))));
    }

    async fn the_tables_of_another_vault_are_refused() {
        let (shop, other, mut db) = (Shop::new(Rules::new()), Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, create_tables()).unwrap();
        assert!(matches!(on!(db, other.register, create_tables()), Err(RegisterError::OtherVault)));
        db.sql("UPDATE oubliette_meta SET value = '3' WHERE name = 'schema'").await;
        assert!(matches!(on!(db, shop.register, create_tables()), Err(RegisterError::OtherSchema { .. })));
    }

    async fn a_grant_that_is_over_is_none() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let before = db.dump().await;
        for until in ["2026-01-31T10:00:00Z", "1970-01-01T00:00:00Z"] {
            let over = on!(db, shop.register, grant(&who("alice"), contract().until(at(until))));
            assert!(matches!(over, Err(RegisterError::Invalid { .. })), "{until}");
        }
        assert_eq!(db.dump().await, before);
        on!(db, shop.register, grant(&who("alice"), contract().until(at("2026-01-31T10:00:00.001Z")))).unwrap();
        assert!(on!(db, shop.register, keys(&who("alice"), ORDERS)).is_ok());
    }

    async fn ids_that_look_alike_are_different_customers() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let ids = ["7", "007", "7 ", "7.0", "+7", "née", "ne\u{301}e", "NÉE", "n\u{e9}e\u{200b}", "ß", "ss",
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "%", "_"];
        for (at_, id) in ids.iter().enumerate() {
            for other in &ids[at_..] {
                assert!(on!(db, shop.register, keys(&who(other), ORDERS)).is_err(), "{id:?} {other:?}");
            }
            on!(db, shop.register, grant(&who(id), contract())).unwrap();
        }
        own_transaction!(db, shop.register, erase(&who("7"), why("asked"))).unwrap();
        for id in &ids[1..] {
            assert!(on!(db, shop.register, keys(&who(id), ORDERS)).is_ok(), "{id:?}");
        }
        assert_eq!(db.ask("SELECT count(*) AS answer FROM oubliette_subjects WHERE subject IS NOT NULL").await, ["14"]);
    }
}
