//! A database that was restored to an older state.

use std::collections::BTreeSet;

use jiff::ToSpan;
use oubliette::journal::Event;
use oubliette::testing::Stop;
use oubliette_register::{Basis, Grant, Keep, RegisterError, RequestKind, Rules};

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
            own_transaction!(db, shop.register, erase(&who("dave"), why("asked"))).unwrap();
            db.back_up().await;

            let erased = own_transaction!(db, shop.register, erase(&who("alice"), why("asked"))).unwrap();
            let commitment = erased.receipt.unwrap().content().commitment.to_string();
            own_transaction!(db, shop.register, withdraw(&who("bob"), NEWSLETTER, why("unsubscribed"))).unwrap();
            let again = on!(db, shop.register, grant(&who("bob"), consent())).unwrap();
            on!(db, shop.register, grant(&who("carol"), Grant::on(ORDERS, Basis::LegalObligation))).unwrap();
            on!(db, shop.register, hold(&who("carol"), None, why("case 7"), at("2027-01-01T00:00:00Z"))).unwrap();
            let request = on!(db, shop.register, request(&who("carol"), RequestKind::Access, at("2026-01-31T10:00:00Z")));
            on!(db, shop.register, grant(&who("erin"), contract())).unwrap();
            own_transaction!(db, shop.register, flush()).unwrap();
            let known: BTreeSet<String> =
                db.ask("SELECT number AS answer FROM oubliette_numbers").await.into_iter().collect();

            db.restore().await;
            assert!(db.dump().await.contains("alice"), "the backup names her");
            let open = |shop: &Shop| -> Vec<bool> {
                let field = |at: usize| if at.is_multiple_of(2) { EMAIL } else { NEWS_EMAIL };
                sealed.iter().enumerate().map(|(at, (keys, value))| shop.opens(keys, value, field(at))).collect()
            };
            let truth = [false, false, true, false, true, true, false, false];
            assert_eq!(open(&shop), truth, "whatever the database says");
            // A grant on a number that is gone is refused before anything was reconciled.
            let refused = on!(db, shop.register, grant(&who("alice"), contract()));
            assert!(matches!(refused, Err(RegisterError::NeedsReconcile)));

            shop.steps.stop_at(step, Stop::Die { torn: false });
            let first = own_transaction!(db, shop.register, reconcile());
            let died = shop.steps.died();
            shop.steps.reset();
            let resumed = own_transaction!(db, shop.register, resume()).unwrap();
            assert!(first.is_ok() || resumed.reconciled.is_some(), "step {step}");

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
            assert!(own_transaction!(db, shop.register, erase(&who("carol"), why("asked"))).is_err());
            let open_requests = on!(db, shop.register, requests()).unwrap();
            // Her erasure waits for the hold.
            let (asked, erasures): (Vec<_>, Vec<_>) = open_requests.iter().partition(|it| it.kind != RequestKind::Erasure);
            assert_eq!(asked.iter().map(|open| open.id).collect::<Vec<_>>(), [request.unwrap().id]);
            assert!(erasures.len() == 1 && erasures[0].held_until.is_some(), "{erasures:?}");
            let basis = "SELECT basis AS answer FROM oubliette_grants WHERE basis = 'legal_obligation'";
            assert_eq!(db.ask(basis).await.len(), 1, "carol's newer grant, on a number that is there");
            if let Ok(reconciled) = first {
                assert_eq!((reconciled.erased_again, reconciled.shredded_again), (1, 1));
                assert_eq!(reconciled.ownerless.len(), 2, "bob's new number, and erin's");
                assert!(reconciled.ownerless.contains(&again.number) && reconciled.receipts.is_empty());
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

    // What was held may be what a restored database does not know of, and the journal neither.
    async fn nothing_is_swept_before_people_have_looked() {
        let rules = || Rules::new().keep(NEWSLETTER, Keep::after_grant(1.month()));
        for (loses_entries, is_flushed) in [(false, true), (true, true), (true, false)] {
            let (shop, mut db) = (Shop::new(rules()), Db::new().await);
            on!(db, shop.register, create_tables()).unwrap();
            let mut sealed = Vec::new();
            for id in ["alice", "bob"] {
                on!(db, shop.register, grant(&who(id), consent())).unwrap();
                let keys = on!(db, shop.register, keys(&who(id), NEWSLETTER)).unwrap();
                sealed.push((keys.clone(), keys.seal(NEWS_EMAIL, &email()).unwrap()));
            }
            own_transaction!(db, shop.register, flush()).unwrap();
            db.back_up().await;
            let journal = shop.place.path().join("journal");
            let old: Vec<u8> = std::fs::read(&journal).unwrap();
            on!(db, shop.register, hold(&who("alice"), None, why("case 7"), at("2027-01-01T00:00:00Z"))).unwrap();
            let request = on!(db, shop.register, request(&who("bob"), RequestKind::Access, at("2026-01-30T10:00:00Z")));
            if is_flushed {
                own_transaction!(db, shop.register, flush()).unwrap();
            }
            // A commit, whose record vouches for what was written down before it.
            shop.vault.rotate_purpose(ORDERS).unwrap();
            db.restore().await;
            let shop = if loses_entries {
                shop.vault.clone().close().unwrap();
                std::fs::write(&journal, &old).unwrap();
                let head = shop.place.path().join("journal.head");
                std::fs::remove_file(head).unwrap();
                let vault = shop.memory.builder().journal(&journal).accept_journal_loss(why("the disk failed"));
                let vault = vault.unlock(oubliette::testing::TestVault::root_key());
                shop.with(vault.unwrap(), rules())
            } else {
                shop
            };
            shop.set_now("2026-06-01T00:00:00Z");
            let resumed = own_transaction!(db, shop.register, resume()).unwrap();
            let awaited = db.ask("SELECT name AS answer FROM oubliette_meta WHERE name = 'unconfirmed'").await;
            let sweep = |_: &oubliette_register::SweepReport| std::ops::ControlFlow::Continue(());
            let swept = own_transaction!(db, shop.register, sweep(sweep));
            if is_flushed {
                assert_eq!(awaited.len(), 1, "{loses_entries}");
                assert!(matches!(swept, Err(RegisterError::Unconfirmed)), "{swept:?}");
                assert!(sealed.iter().all(|(keys, value)| shop.opens(keys, value, NEWS_EMAIL)));
            }
            if !loses_entries {
                // The journal tells it all again, as of when it was.
                assert!(resumed.reconciled.unwrap().awaits_confirmation);
                assert_eq!(on!(db, shop.register, holds(&who("alice"))).unwrap().len(), 1);
                let open = on!(db, shop.register, requests()).unwrap();
                assert_eq!(open.iter().map(|open| open.id).collect::<Vec<_>>(), [request.unwrap().id]);
            } else if is_flushed {
                // It does not know of the hold: an operator does.
                on!(db, shop.register, hold(&who("alice"), None, why("case 7"), at("2027-01-01T00:00:00Z"))).unwrap();
            }
            own_transaction!(db, shop.register, confirm_restored(why("case 7 was entered again"))).unwrap();
            let swept = own_transaction!(db, shop.register, sweep(sweep)).unwrap();
            if is_flushed {
                assert_eq!((swept.due, swept.shredded, swept.held), (2, 1, 1));
                assert!(shop.opens(&sealed[0].0, &sealed[0].1, NEWS_EMAIL), "she is held");
                let told = count(&shop.journal(), |event| matches!(event, Event::Note { text } if text.as_str().contains("case 7")));
                assert_eq!(told, 1);
            }
        }
    }

    // Whoever is told first may be killed before they tell anybody.
    async fn numbers_that_are_nobodys_are_listed_until_they_are_shredded() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        db.back_up().await;
        let erin = on!(db, shop.register, grant(&who("erin"), contract())).unwrap().number;
        on!(db, shop.register, grant(&who("bob"), contract())).unwrap();
        own_transaction!(db, shop.register, erase(&who("bob"), why("asked"))).unwrap();
        db.restore().await;
        own_transaction!(db, shop.register, resume()).unwrap();
        assert!(own_transaction!(db, shop.register, resume()).unwrap().reconciled.is_none(), "it has been told");
        for _ in 0..2 {
            assert_eq!(own_transaction!(db, shop.register, reconcile()).unwrap().ownerless, [erin]);
        }
        let _ = shop.vault.shred([erin]).unwrap();
        assert_eq!(own_transaction!(db, shop.register, reconcile()).unwrap().ownerless, []);
    }

    // From before anything was told, and the journal lost what was: it may have been a hold.
    async fn a_gap_is_noticed_by_a_database_that_had_told_nothing() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), consent())).unwrap();
        db.back_up().await;
        let journal = shop.place.path().join("journal");
        let old: Vec<u8> = std::fs::read(&journal).unwrap();
        on!(db, shop.register, hold(&who("alice"), None, why("case 7"), at("2027-01-01T00:00:00Z"))).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        // A commit, whose record vouches for what was written down before it.
        shop.vault.rotate_purpose(ORDERS).unwrap();
        db.restore().await;
        shop.vault.clone().close().unwrap();
        std::fs::write(&journal, &old).unwrap();
        std::fs::remove_file(shop.place.path().join("journal.head")).unwrap();
        let vault = shop.memory.builder().journal(&journal).accept_journal_loss(why("the disk failed"));
        let shop = shop.with(vault.unlock(oubliette::testing::TestVault::root_key()).unwrap(), Rules::new());
        own_transaction!(db, shop.register, resume()).unwrap();
        let swept = own_transaction!(db, shop.register, sweep(|_| std::ops::ControlFlow::Continue(())));
        assert!(matches!(swept, Err(RegisterError::Unconfirmed)), "{swept:?}");
        // A database that is made now has lost nothing.
        let mut new = Db::new().await;
        on!(new, shop.register, create_tables()).unwrap();
        on!(new, shop.register, grant(&who("bob"), consent())).unwrap();
        own_transaction!(new, shop.register, sweep(|_| std::ops::ControlFlow::Continue(()))).unwrap();
    }

    async fn a_database_that_is_whole_is_left_alone() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), consent())).unwrap();
        own_transaction!(db, shop.register, withdraw(&who("alice"), NEWSLETTER, why("asked"))).unwrap();
        on!(db, shop.register, grant(&who("alice"), consent())).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        let before = (db.dump().await, shop.journal().len());
        let reconciled = own_transaction!(db, shop.register, reconcile()).unwrap();
        assert_eq!((reconciled.erased_again, reconciled.shredded_again, reconciled.changed_again), (0, 0, 0));
        assert!(reconciled.ownerless.is_empty() && own_transaction!(db, shop.register, resume()).unwrap().reconciled.is_none());
        assert_eq!((db.dump().await, shop.journal().len()), before);
    }

    async fn two_databases_may_share_a_vault() {
        let shop = Shop::new(Rules::new());
        let (mut one, mut other) = (Db::new().await, Db::new().await);
        for (db, id) in [(&mut one, "alice"), (&mut other, "bob")] {
            on!(db, shop.register, create_tables()).unwrap();
            on!(db, shop.register, grant(&who(id), contract())).unwrap();
            own_transaction!(db, shop.register, flush()).unwrap();
        }
        own_transaction!(other, shop.register, erase(&who("bob"), why("asked"))).unwrap();
        assert!(own_transaction!(one, shop.register, resume()).unwrap().reconciled.is_none());
        assert!(on!(one, shop.register, keys(&who("alice"), ORDERS)).is_ok());
        // The journal is whole in both tables.
        let lines = "SELECT line AS answer FROM oubliette_journal ORDER BY n";
        own_transaction!(other, shop.register, flush()).unwrap();
        assert_eq!(one.ask(lines).await, other.ask(lines).await);
        assert_eq!(one.ask(lines).await.len(), shop.journal().len());
    }

    async fn a_journal_that_was_changed_is_noticed() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        db.sql("UPDATE oubliette_journal SET line = 'x' WHERE n = (SELECT max(n) FROM oubliette_journal)").await;
        assert!(matches!(own_transaction!(db, shop.register, resume()), Err(RegisterError::JournalDiffers { .. })));
        // Entries that the file does not have.
        db.sql("DELETE FROM oubliette_journal").await;
        own_transaction!(db, shop.register, flush()).unwrap();
        db.sql("UPDATE oubliette_journal SET n = n + 100").await;
        assert!(matches!(own_transaction!(db, shop.register, flush()), Err(RegisterError::JournalDiffers { .. })));
    }

    async fn events_are_told_once_whatever_is_interrupted() {
        for step in 1..=3 {
            let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
            on!(db, shop.register, create_tables()).unwrap();
            for id in 0..10 {
                on!(db, shop.register, grant(&who(&format!("customer {id}")), contract())).unwrap();
            }
            shop.steps.stop_at(step, Stop::Die { torn: false });
            assert_eq!(own_transaction!(db, shop.register, flush()).is_err(), step < 3);
            shop.steps.reset();
            own_transaction!(db, shop.register, flush()).unwrap();
            let journal = shop.journal();
            assert_eq!(count(&journal, |event| matches!(event, Event::Granted { .. })), 10);
            assert_eq!(db.ask("SELECT count(*) AS answer FROM oubliette_journal").await, [journal.len().to_string()]);
            assert!(own_transaction!(db, shop.register, resume()).unwrap().reconciled.is_none());
        }
    }

    async fn whoever_resumes_is_told_what_was_reconciled() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        db.back_up().await;
        own_transaction!(db, shop.register, erase(&who("alice"), why("asked"))).unwrap();
        let erin = on!(db, shop.register, grant(&who("erin"), contract())).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        db.restore().await;
        let reconciled = own_transaction!(db, shop.register, resume()).unwrap().reconciled.unwrap();
        assert_eq!((reconciled.erased_again, reconciled.ownerless), (1, vec![erin.number]));
        assert!(own_transaction!(db, shop.register, resume()).unwrap().reconciled.is_none());
    }

    async fn a_shred_that_the_journal_alone_knows_is_noticed() {
        for withdraws in [true, false] {
            let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
            on!(db, shop.register, create_tables()).unwrap();
            on!(db, shop.register, grant(&who("alice"), consent())).unwrap();
            own_transaction!(db, shop.register, flush()).unwrap();
            db.back_up().await;
            // Killed before its events left the outbox, which is then lost with the database.
            if withdraws {
                shop.steps.stop_at(4, Stop::Die { torn: false });
                let _ = own_transaction!(db, shop.register, withdraw(&who("alice"), NEWSLETTER, why("asked")));
            } else {
                shop.steps.stop_at(4, Stop::Die { torn: false });
                own_transaction!(db, shop.register, erase(&who("alice"), why("asked"))).unwrap_err();
            }
            assert!(shop.steps.died());
            shop.steps.reset();
            assert_eq!(db.ask("SELECT state AS answer FROM oubliette_numbers").await, ["shredded"]);
            db.restore().await;
            let reconciled = own_transaction!(db, shop.register, resume()).unwrap().reconciled.unwrap();
            assert_eq!((reconciled.shredded_again, reconciled.erased_again), if withdraws { (1, 0) } else { (0, 1) });
            assert_eq!(reconciled.receipts.len(), usize::from(!withdraws), "the first one's commitment is lost");
            assert_eq!(db.ask("SELECT state AS answer FROM oubliette_numbers").await, ["shredded"]);
            assert_eq!(db.dump().await.contains("alice"), withdraws);
            assert!(own_transaction!(db, shop.register, resume()).unwrap().reconciled.is_none());
        }
    }

    async fn what_ended_stays_ended_whatever_the_clocks_said() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), Grant::on(NEWSLETTER, Basis::LegalObligation))).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        db.back_up().await;
        let hold = on!(db, shop.register, hold(&who("alice"), None, why("case 7"), at("2027-01-01T00:00:00Z"))).unwrap();
        let request = on!(db, shop.register, request(&who("alice"), RequestKind::Access, at("2026-01-31T00:00:00Z")));
        on!(db, shop.register, grant(&who("alice"), consent())).unwrap();
        // Another machine's clock is behind, so that the end is written down before the beginning.
        shop.set_now("2026-01-31T09:00:00Z");
        on!(db, shop.register, end_hold(hold, why("settled"))).unwrap();
        on!(db, shop.register, close_request(request.unwrap().id, oubliette_register::Answer::Done, None)).unwrap();
        own_transaction!(db, shop.register, withdraw(&who("alice"), NEWSLETTER, why("asked"))).unwrap();
        db.restore().await;
        shop.set_now("2026-01-31T11:00:00Z");
        assert!(own_transaction!(db, shop.register, resume()).unwrap().reconciled.is_some());
        assert_eq!(db.ask("SELECT basis AS answer FROM oubliette_grants WHERE ended_at IS NULL").await, ["legal_obligation"]);
        assert_eq!(db.ask("SELECT basis AS answer FROM oubliette_grants WHERE ended_at IS NOT NULL").await, ["consent"]);
        assert!(on!(db, shop.register, holds(&who("alice"))).unwrap().is_empty());
        assert!(on!(db, shop.register, requests()).unwrap().is_empty());
    }

    async fn whoever_had_no_numbers_comes_back_as_erased_too() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("bob"), contract())).unwrap();
        for id in ["alice", "bob", "carol"] {
            on!(db, shop.register, request(&who(id), RequestKind::Erasure, at("2026-01-31T09:30:00Z"))).unwrap();
        }
        own_transaction!(db, shop.register, flush()).unwrap();
        db.back_up().await;
        own_transaction!(db, shop.register, erase(&who("alice"), why("asked"))).unwrap();
        db.restore().await;
        own_transaction!(db, shop.register, resume()).unwrap();
        let dump = db.dump().await;
        assert!(!dump.contains("alice") && dump.contains("bob") && dump.contains("carol"), "{dump}");
    }

    async fn without_the_journal_the_vault_says_who_was_erased() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        for id in ["alice", "bob"] {
            on!(db, shop.register, grant(&who(id), contract())).unwrap();
            on!(db, shop.register, grant(&who(id), consent())).unwrap();
        }
        db.back_up().await;
        own_transaction!(db, shop.register, erase(&who("alice"), why("asked"))).unwrap();
        own_transaction!(db, shop.register, withdraw(&who("bob"), NEWSLETTER, why("asked"))).unwrap();
        let lines = db.ask("SELECT n || ' ' || line AS answer FROM oubliette_journal").await;
        db.restore().await;
        // As if the table had been restored to where the journal's file is.
        for line in lines {
            let (n, line) = line.split_once(' ').unwrap();
            db.sql(&format!("INSERT INTO oubliette_journal (n, line) VALUES ({n}, '{line}') ON CONFLICT (n) DO NOTHING")).await;
        }
        db.sql("DELETE FROM oubliette_outbox").await;
        let reconciled = own_transaction!(db, shop.register, reconcile()).unwrap();
        assert_eq!((reconciled.erased_again, reconciled.shredded_again), (1, 1));
        assert!(!db.dump().await.contains("alice") && on!(db, shop.register, keys(&who("bob"), ORDERS)).is_ok());
        assert_eq!(reconciled.receipts.len(), 1);
    }

    async fn a_withdrawal_that_waits_for_a_hold_waits_again() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), consent())).unwrap();
        on!(db, shop.register, hold(&who("alice"), None, why("case 7"), at("2026-06-01T00:00:00Z"))).unwrap();
        let keys = on!(db, shop.register, keys(&who("alice"), NEWSLETTER)).unwrap();
        let sealed = keys.seal(NEWS_EMAIL, &email()).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        db.back_up().await;
        own_transaction!(db, shop.register, withdraw(&who("alice"), NEWSLETTER, why("unsubscribed"))).unwrap();
        db.restore().await;
        own_transaction!(db, shop.register, resume()).unwrap();
        assert!(shop.opens(&keys, &sealed, NEWS_EMAIL), "it is held");
        // Consent given again is not for what was withdrawn.
        let again = on!(db, shop.register, grant(&who("alice"), consent())).unwrap();
        assert!(again.is_new_number && again.number != keys.customer());
        shop.set_now("2026-06-01T00:00:00Z");
        own_transaction!(db, shop.register, resume()).unwrap();
        assert!(!shop.opens(&keys, &sealed, NEWS_EMAIL));
        assert!(on!(db, shop.register, keys(&who("alice"), NEWSLETTER)).is_ok());
    }
}
