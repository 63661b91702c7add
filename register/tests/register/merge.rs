//! Two ids that are one customer.

use oubliette_register::{RegisterError, RequestKind, Rules};

use crate::Db;
use crate::support::*;

bodies! {
    async fn both_ids_name_one_customer_and_every_number_goes_with_them() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let (alice, other, third) = (who("alice"), who("shop-7"), who("shop-8"));
        let mut sealed = Vec::new();
        for id in [&alice, &other, &third] {
            on!(db, shop.register, grant(id, contract())).unwrap();
            let keys = on!(db, shop.register, keys(id, ORDERS)).unwrap();
            sealed.push((keys.customer(), keys.seal(EMAIL, &email()).unwrap()));
        }
        let news = on!(db, shop.register, grant(&other, consent())).unwrap();
        on!(db, shop.register, mark(&alice, "order", at("2026-01-01T00:00:00Z"))).unwrap();
        on!(db, shop.register, mark(&other, "order", at("2026-01-20T00:00:00Z"))).unwrap();
        on!(db, shop.register, request(&other, RequestKind::Access, at("2026-01-31T00:00:00Z"))).unwrap();
        // One into the other, and that one into a third: ids are followed all the way.
        on!(db, shop.register, merge(&other, &third)).unwrap();
        on!(db, shop.register, merge(&alice, &other)).unwrap();
        on!(db, shop.register, merge(&alice, &third)).unwrap();

        for id in [&alice, &other, &third] {
            let keys = on!(db, shop.register, keys(id, ORDERS)).unwrap();
            assert_eq!(keys.customer(), sealed[0].0, "new values go under one number");
            let numbers = on!(db, shop.register, numbers(id, ORDERS)).unwrap();
            assert!(numbers.len() == 3 && numbers[0] == sealed[0].0);
            assert_eq!(on!(db, shop.register, keys(id, NEWSLETTER)).unwrap().customer(), news.number);
        }
        assert!(sealed.iter().all(|(number, value)| shop.opens_by(*number, value, EMAIL)), "rows open as before");
        let latest = "SELECT at AS answer FROM oubliette_marks";
        assert_eq!(db.ask(latest).await, [at("2026-01-20T00:00:00Z").as_millisecond().to_string()]);

        let erased = own_transaction!(db, shop.register, erase(&other, why("asked"))).unwrap();
        let receipt = erased.receipt.unwrap();
        assert_eq!((receipt.content().whose.as_str(), receipt.content().numbers.count()), ("alice", 4));
        assert!(sealed.iter().all(|(number, value)| !shop.opens_by(*number, value, EMAIL)));
        let dump = db.dump().await;
        assert!(["alice", "shop-7", "shop-8"].iter().all(|id| !dump.contains(id)));
    }

    async fn a_hold_of_one_holds_both_and_nobody_merges_into_the_erased() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        for id in ["alice", "bob"] {
            on!(db, shop.register, grant(&who(id), contract())).unwrap();
        }
        on!(db, shop.register, hold(&who("bob"), None, why("case 7"), at("2026-06-01T00:00:00Z"))).unwrap();
        on!(db, shop.register, merge(&who("alice"), &who("bob"))).unwrap();
        on!(db, shop.register, merge(&who("bob"), &who("alice"))).unwrap();
        assert!(matches!(own_transaction!(db, shop.register, erase(&who("alice"), why("asked"))), Err(RegisterError::Held { .. })));
        let unknown = on!(db, shop.register, merge(&who("alice"), &who("nobody")));
        assert!(matches!(unknown, Err(RegisterError::UnknownSubject)));
        db.sql("UPDATE oubliette_subjects SET state = 'erasing' WHERE state = 'live'").await;
        on!(db, shop.register, grant(&who("carol"), contract())).unwrap();
        let late = on!(db, shop.register, merge(&who("carol"), &who("bob")));
        assert!(matches!(late, Err(RegisterError::BeingErased)));
    }

    async fn no_id_of_the_merged_stays_in_what_evidence_is_kept() {
        let (shop, mut db) = (Shop::new(Rules::new().keep_evidence(["how", "text"])), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        on!(db, shop.register, grant(&who("bob@x.org"), consent_by("mail from bob@x.org"))).unwrap();
        on!(db, shop.register, grant(&who("alice"), consent_by("said by ALICE"))).unwrap();
        on!(db, shop.register, merge(&who("alice"), &who("bob@x.org"))).unwrap();
        own_transaction!(db, shop.register, erase(&who("alice"), why("asked"))).unwrap();
        let kept = db.ask("SELECT evidence AS answer FROM oubliette_grants WHERE evidence IS NOT NULL").await;
        assert_eq!(kept, [r#"{"text":"newsletter, version 3"}"#; 2]);
    }

    async fn a_database_from_before_a_merge_has_it_made_again() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let mut sealed = Vec::new();
        for id in ["alice", "shop-7"] {
            on!(db, shop.register, grant(&who(id), contract())).unwrap();
            let keys = on!(db, shop.register, keys(&who(id), ORDERS)).unwrap();
            sealed.push((keys.customer(), keys.seal(EMAIL, &email()).unwrap()));
        }
        own_transaction!(db, shop.register, flush()).unwrap();
        db.back_up().await;
        on!(db, shop.register, merge(&who("alice"), &who("shop-7"))).unwrap();
        on!(db, shop.register, hold(&who("alice"), None, why("case 7"), at("2026-06-01T00:00:00Z"))).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        db.restore().await;
        assert!(own_transaction!(db, shop.register, resume()).unwrap().reconciled.is_some());
        assert_eq!(on!(db, shop.register, holds(&who("shop-7"))).unwrap().len(), 1);
        shop.set_now("2026-06-01T00:00:00Z");
        own_transaction!(db, shop.register, erase(&who("shop-7"), why("asked"))).unwrap();
        assert!(sealed.iter().all(|(number, value)| !shop.opens_by(*number, value, EMAIL)), "both, as before");
        assert!(!db.dump().await.contains("alice"));
    }
}
