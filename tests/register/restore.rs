//! A database that was restored to an older state.

use std::collections::BTreeSet;

use oubliette::journal::Event;
use oubliette::register::{Basis, Grant, RegisterError, RequestKind, Rules};
use oubliette::store::Stop;

use crate::Db;
use crate::support::*;

bodies! {
    async fn the_shredded_stay_shredded_and_rows_come_back_as_erased() {
        let mut stopped = 0;
        for step in 1.. {
            let (shop, mut db) = (Shop::new(with_tokens()), Db::new().await);
            db.sql(CUSTOMERS).await;
            on!(db, shop.register, create_tables()).unwrap();
            let mut sealed = Vec::new();
            for id in ["alice", "bob", "carol", "dave"] {
                let granted = on!(db, shop.register, grant(&who(id), contract())).unwrap();
                on!(db, shop.register, grant(&who(id), consent())).unwrap();
                db.sql(&format!("INSERT INTO customers VALUES ({}, 'token', 'token')", granted.number)).await;
                let orders = on!(db, shop.register, keys(&who(id), ORDERS)).unwrap();
                let news = on!(db, shop.register, keys(&who(id), NEWSLETTER)).unwrap();
                sealed.push((orders.clone(), orders.seal(EMAIL, &email()).unwrap()));
                sealed.push((news.clone(), news.seal(NEWS_EMAIL, &email()).unwrap()));
            }
            // One who was erased before the copy, and is not erased again.
            alone!(db, shop.register, erase(&who("dave"), why("asked"))).unwrap();
            db.back_up().await;

            let erased = alone!(db, shop.register, erase(&who("alice"), why("asked"))).unwrap();
            let commitment = erased.receipt.unwrap().content().commitment.to_string();
            alone!(db, shop.register, withdraw(&who("bob"), NEWSLETTER, why("unsubscribed"))).unwrap();
            let again = on!(db, shop.register, grant(&who("bob"), consent())).unwrap();
            on!(db, shop.register, grant(&who("carol"), Grant::on(ORDERS, Basis::LegalObligation))).unwrap();
            on!(db, shop.register, hold(&who("carol"), None, why("case 7"), at("2027-01-01T00:00:00Z"))).unwrap();
            let request = on!(db, shop.register, request(&who("carol"), RequestKind::Access, at("2026-01-31T10:00:00Z")));
            on!(db, shop.register, grant(&who("erin"), contract())).unwrap();
            alone!(db, shop.register, flush()).unwrap();
            let known: BTreeSet<String> =
                db.ask("SELECT number AS answer FROM oubliette_numbers").await.into_iter().collect();

            db.restore().await;
            assert!(db.dump().await.contains("alice"), "the backup names her");
            let open = |shop: &Shop| -> Vec<bool> {
                let field = |at: usize| if at % 2 == 0 { EMAIL } else { NEWS_EMAIL };
                sealed.iter().enumerate().map(|(at, (keys, value))| shop.opens(keys, value, field(at))).collect()
            };
            let truth = [false, false, true, false, true, true, false, false];
            assert_eq!(open(&shop), truth, "whatever the database says");
            // A grant on a number that is gone is refused before anything was reconciled.
            let refused = on!(db, shop.register, grant(&who("alice"), contract()));
            assert!(matches!(refused, Err(RegisterError::NeedsReconcile)));

            shop.steps.stop_at(step, Stop::Die { torn: false });
            let first = alone!(db, shop.register, reconcile());
            let died = shop.steps.died();
            shop.steps.reset();
            let resumed = alone!(db, shop.register, resume()).unwrap();
            assert!(first.is_ok() || resumed.reconciled, "step {step}");

            assert_eq!(open(&shop), truth);
            assert!(!db.dump().await.contains("alice"), "step {step}");
            let ask = "SELECT commitment AS answer FROM oubliette_subjects WHERE state = 'erased'";
            assert!(db.ask(ask).await.contains(&commitment), "her receipt opens it still");
            assert_eq!(db.ask(ask).await.len(), 2);
            let tokens = "SELECT count(*) AS answer FROM customers WHERE email_idx IS NOT NULL";
            assert_eq!(db.ask(tokens).await, ["2"], "bob's and carol's");
            assert!(on!(db, shop.register, keys(&who("bob"), NEWSLETTER)).is_err());
            assert!(on!(db, shop.register, keys(&who("bob"), ORDERS)).is_ok());
            assert_eq!(on!(db, shop.register, holds(&who("carol"))).unwrap().len(), 1, "step {step}");
            assert!(alone!(db, shop.register, erase(&who("carol"), why("asked"))).is_err());
            let open_requests = on!(db, shop.register, requests()).unwrap();
            assert_eq!(open_requests.iter().map(|open| open.id).collect::<Vec<_>>(), [request.unwrap().id]);
            let basis = "SELECT basis AS answer FROM oubliette_grants WHERE basis = 'legal_obligation'";
            assert_eq!(db.ask(basis).await.len(), 1, "carol's newer grant, on a number that is there");
            if let Ok(reconciled) = first {
                assert_eq!((reconciled.erased, reconciled.shredded), (1, 1));
                assert_eq!(reconciled.lost.len(), 2, "bob's new number, and erin's");
                assert!(reconciled.lost.contains(&again.number) && reconciled.receipts.is_empty());
            }
            // Numbers are the vault's to issue, and none comes twice.
            for id in ["alice", "bob", "frank"] {
                let granted = on!(db, shop.register, grant(&who(id), consent())).unwrap();
                assert!(granted.is_new_number && !known.contains(&granted.number.to_string()), "{id}");
            }
            let journal = shop.journal();
            assert_eq!(count(&journal, |event| matches!(event, Event::Erased { .. })), 2, "dave and alice, once each");
            assert!(count(&journal, |event| matches!(event, Event::Restored { .. })) >= 1);
            if !died {
                break;
            }
            stopped += 1;
        }
        assert!(stopped >= 8, "{stopped}");
    }

    async fn a_database_that_is_whole_is_left_alone() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), consent())).unwrap();
        alone!(db, shop.register, withdraw(&who("alice"), NEWSLETTER, why("asked"))).unwrap();
        on!(db, shop.register, grant(&who("alice"), consent())).unwrap();
        alone!(db, shop.register, flush()).unwrap();
        let before = (db.dump().await, shop.journal().len());
        let reconciled = alone!(db, shop.register, reconcile()).unwrap();
        assert_eq!((reconciled.erased, reconciled.shredded, reconciled.changed), (0, 0, 0));
        assert!(reconciled.lost.is_empty() && !alone!(db, shop.register, resume()).unwrap().reconciled);
        assert_eq!((db.dump().await, shop.journal().len()), before);
    }

    async fn two_databases_may_share_a_vault() {
        let shop = Shop::new(Rules::new());
        let (mut one, mut other) = (Db::new().await, Db::new().await);
        for (db, id) in [(&mut one, "alice"), (&mut other, "bob")] {
            on!(db, shop.register, create_tables()).unwrap();
            on!(db, shop.register, grant(&who(id), contract())).unwrap();
            alone!(db, shop.register, flush()).unwrap();
        }
        alone!(other, shop.register, erase(&who("bob"), why("asked"))).unwrap();
        assert!(!alone!(one, shop.register, resume()).unwrap().reconciled);
        assert!(on!(one, shop.register, keys(&who("alice"), ORDERS)).is_ok());
        // The journal is whole in both tables.
        let lines = "SELECT line AS answer FROM oubliette_journal ORDER BY n";
        alone!(other, shop.register, flush()).unwrap();
        assert_eq!(one.ask(lines).await, other.ask(lines).await);
        assert_eq!(one.ask(lines).await.len(), shop.journal().len());
    }

    async fn a_journal_that_was_changed_is_noticed() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        alone!(db, shop.register, flush()).unwrap();
        db.sql("UPDATE oubliette_journal SET line = 'x' WHERE n = (SELECT max(n) FROM oubliette_journal)").await;
        assert!(matches!(alone!(db, shop.register, resume()), Err(RegisterError::JournalDiffers { .. })));
        // Entries that the file does not have.
        db.sql("DELETE FROM oubliette_journal").await;
        alone!(db, shop.register, flush()).unwrap();
        db.sql("UPDATE oubliette_journal SET n = n + 100").await;
        assert!(matches!(alone!(db, shop.register, flush()), Err(RegisterError::JournalDiffers { .. })));
    }

    async fn events_are_told_once_whatever_is_interrupted() {
        for step in 1..=3 {
            let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
            on!(db, shop.register, create_tables()).unwrap();
            for id in 0..10 {
                on!(db, shop.register, grant(&who(&format!("customer {id}")), contract())).unwrap();
            }
            shop.steps.stop_at(step, Stop::Die { torn: false });
            assert_eq!(alone!(db, shop.register, flush()).is_err(), step < 3);
            shop.steps.reset();
            alone!(db, shop.register, flush()).unwrap();
            let journal = shop.journal();
            assert_eq!(count(&journal, |event| matches!(event, Event::Granted { .. })), 10);
            assert_eq!(db.ask("SELECT count(*) AS answer FROM oubliette_journal").await, [journal.len().to_string()]);
            assert!(!alone!(db, shop.register, resume()).unwrap().reconciled);
        }
    }
}
