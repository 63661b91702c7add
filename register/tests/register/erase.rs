//! Erasing a customer, and what stays.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use oubliette::journal::{Event, Receipt};
use oubliette::store::Problem;
use oubliette::testing::Stop;
use oubliette_register::{Answer, RegisterError, RequestKind, Rules};

use crate::Db;
use crate::support::*;

bodies! {
    async fn a_hold_whose_time_is_over_is_ended_by_nobody() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let alice = who("alice");
        on!(db, shop.register, grant(&alice, contract())).unwrap();
        let hold = on!(db, shop.register, hold(&alice, None, why("case 7"), at("2026-02-02T00:00:00Z"))).unwrap();
        shop.set_now("2026-02-02T00:00:00Z");
        on!(db, shop.register, end_hold(hold, why("settled"))).unwrap();
        own_transaction!(db, shop.register, erase(&alice, why("request"))).unwrap();
        assert_eq!(count(&shop.journal(), |event| matches!(event, Event::HoldEnded { .. })), 0);
        assert_eq!(count(&shop.journal(), |event| matches!(event, Event::Hold { .. })), 1);
    }

    async fn nothing_names_the_erased() {
        let rules = with_tokens().keep_evidence(["when", "text", "how"]);
        let (shop, mut db) = (Shop::new(rules), Db::new().await);
        db.sql(CUSTOMERS).await;
        on!(db, shop.register, create_tables()).unwrap();
        let alice = who("alice");
        let orders = on!(db, shop.register, grant(&alice, contract().to("carrier"))).unwrap();
        on!(db, shop.register, grant(&alice, contract())).unwrap();
        on!(db, shop.register, grant(&alice, consent_by("a mail from alice"))).unwrap();
        on!(db, shop.register, mark(&alice, "order", at("2026-01-31T10:00:00Z"))).unwrap();
        let old = on!(db, shop.register, hold(&alice, None, why("alice sued"), at("2026-02-02T00:00:00Z"))).unwrap();
        on!(db, shop.register, end_hold(old, why("settled"))).unwrap();
        on!(db, shop.register, request(&alice, RequestKind::Erasure, at("2026-01-31T09:30:00Z"))).unwrap();
        on!(db, shop.register, grant(&who("bob"), contract())).unwrap();
        on!(db, shop.register, merge(&alice, &who("bob"))).unwrap();
        db.sql(&format!("INSERT INTO customers VALUES ({}, 'token', 'token')", orders.number)).await;
        let keys = on!(db, shop.register, keys(&alice, ORDERS)).unwrap();
        let sealed = keys.seal(EMAIL, &email()).unwrap();
        assert!(db.dump().await.contains("alice") && db.dump().await.contains("bob"));

        let erased = own_transaction!(db, shop.register, erase(&alice, why("request 2026-1"))).unwrap();
        assert_eq!(erased.tokens_left, 0);
        assert!(!shop.opens(&keys, &sealed, EMAIL));
        let dump = db.dump().await;
        // The reason of a hold is in the journal for ever, as its documentation says.
        let dump = dump.replace("alice sued", "");
        assert!(!dump.contains("alice") && !dump.contains("bob") && !dump.contains("token"), "{dump}");
        assert!(dump.contains("newsletter, version 3"), "what the rules keep of the evidence");

        let receipt = Receipt::verify(&erased.receipt.unwrap().to_string(), &shop.vault.public_key().unwrap()).unwrap();
        let content = receipt.content();
        assert_eq!(content.whose.as_str(), "alice");
        assert_eq!(content.numbers.count(), 3, "two purposes, and one of whom was merged");
        assert_eq!(content.requested_at.unwrap().to_string(), "2026-01-31T09:30:00.000Z");
        let kept = db.ask("SELECT commitment AS answer FROM oubliette_subjects WHERE state = 'erased'").await;
        assert_eq!(kept, [content.commitment.to_string()]);
        assert_eq!(db.ask("SELECT state AS answer FROM oubliette_requests").await, ["done"]);
        assert!(shop.journal().iter().any(|event| matches!(event, Event::Erased { numbers, commitment }
            if numbers.count() == 3 && *commitment == content.commitment)));

        // Whoever comes back is somebody new.
        assert!(matches!(own_transaction!(db, shop.register, erase(&alice, why("again"))), Err(RegisterError::UnknownSubject)));
        let anew = on!(db, shop.register, grant(&alice, contract())).unwrap();
        assert!(anew.is_new_number && !content.numbers.contains(anew.number));
    }

    // Rows of hers from then that nobody deleted are in nobody's way: nothing under their numbers can be read.
    async fn whoever_was_erased_and_came_back_can_be_erased_again() {
        let (shop, mut db) = (Shop::new(Rules::new().rows("customers", "id", "no")), Db::new().await);
        db.sql("CREATE TABLE customers (id TEXT, no BIGINT)").await;
        on!(db, shop.register, create_tables()).unwrap();
        let alice = who("alice");
        for _ in 0..2 {
            let number = on!(db, shop.register, grant(&alice, contract())).unwrap().number;
            db.sql(&format!("INSERT INTO customers VALUES ('alice', {number})")).await;
            own_transaction!(db, shop.register, erase(&alice, why("asked"))).unwrap();
        }
        // One that is shredded in one purpose only may be readable in another.
        let shredded = shop.vault.enroll().unwrap();
        let _ = shop.vault.shredding([shredded]).purpose(ORDERS).run().unwrap();
        on!(db, shop.register, grant(&alice, contract())).unwrap();
        db.sql(&format!("INSERT INTO customers VALUES ('alice', {shredded})")).await;
        let refused = own_transaction!(db, shop.register, erase(&alice, why("asked")));
        assert!(matches!(&refused, Err(RegisterError::RowsDiffer { table }) if table == "customers"), "{refused:?}");
        let _ = shop.vault.shredding([shredded]).purpose(NEWSLETTER).run().unwrap();
        own_transaction!(db, shop.register, erase(&alice, why("asked"))).unwrap();
    }

    async fn a_hold_blocks_with_reason_and_end() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let alice = who("alice");
        on!(db, shop.register, grant(&alice, contract())).unwrap();
        let keys = on!(db, shop.register, keys(&alice, ORDERS)).unwrap();
        let until = at("2026-06-01T00:00:00Z");
        let hold = on!(db, shop.register, hold(&alice, Some(ORDERS), why("case 7"), until)).unwrap();
        let refused = own_transaction!(db, shop.register, erase(&alice, why("asked")));
        assert!(matches!(refused, Err(RegisterError::Held { reason, until: end, .. })
            if reason.as_str() == "case 7" && end == until));
        assert!(keys.seal(EMAIL, &email()).is_ok() && on!(db, shop.register, keys(&alice, ORDERS)).is_ok());
        assert_eq!(on!(db, shop.register, holds(&alice)).unwrap().len(), 1);
        on!(db, shop.register, end_hold(hold, why("settled"))).unwrap();
        own_transaction!(db, shop.register, erase(&alice, why("asked"))).unwrap();
        assert!(keys.seal(EMAIL, &email()).is_err());
        let journal = shop.journal();
        assert_eq!(count(&journal, |event| matches!(event, Event::Hold { .. } | Event::HoldEnded { .. })), 2);

        // One that has run out blocks nothing; one in the past is none.
        on!(db, shop.register, grant(&alice, contract())).unwrap();
        on!(db, shop.register, hold(&alice, None, why("case 8"), until)).unwrap();
        shop.set_now("2026-06-01T00:00:00Z");
        assert!(on!(db, shop.register, hold(&alice, None, why("case 9"), until)).is_err());
        own_transaction!(db, shop.register, erase(&alice, why("asked"))).unwrap();
    }

    async fn what_a_hold_deferred_is_done_once_when_it_has_ended() {
        let mut stopped = 0;
        for step in 1.. {
            let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
            on!(db, shop.register, create_tables()).unwrap();
            let mut sealed = Vec::new();
            for id in ["alice", "bob", "carol", "dan"] {
                on!(db, shop.register, grant(&who(id), contract())).unwrap();
                on!(db, shop.register, hold(&who(id), Some(ORDERS), why("case 7"), at("2026-06-01T00:00:00Z"))).unwrap();
                let keys = on!(db, shop.register, keys(&who(id), ORDERS)).unwrap();
                sealed.push((keys.seal(EMAIL, &email()).unwrap(), keys));
            }
            // Alice asks through the register, Bob's erasure is decided on at once, and twice; Carol asks, and takes it back. Dan asks for
            // something else.
            let now = shop.register_now();
            let asked = on!(db, shop.register, request(&who("alice"), RequestKind::Erasure, now)).unwrap();
            for _ in 0..2 {
                let refused = own_transaction!(db, shop.register, erase(&who("bob"), why("asked")));
                assert!(matches!(refused, Err(RegisterError::Held { .. })), "{refused:?}");
            }
            let carol = on!(db, shop.register, request(&who("carol"), RequestKind::Erasure, now)).unwrap();
            on!(db, shop.register, close_request(carol.id, Answer::Withdrawn, None)).unwrap();
            on!(db, shop.register, request(&who("dan"), RequestKind::Objection, now)).unwrap();
            own_transaction!(db, shop.register, flush()).unwrap();

            // The desk shows what waits, with its deadline.
            let (until, desk) = (at("2026-06-01T00:00:00Z"), shop.desk(Rules::new()));
            let listed: Vec<_> = on!(db, desk, requests()).unwrap().into_iter().map(|it| {
                (it.subject.as_str().to_owned(), it.held_until, it.carried_out_at.is_some(), it.due_at)
            }).collect();
            let of = |id: &str, held| (id.to_owned(), held, true, asked.due_at);
            assert_eq!(listed.len(), 3, "Bob's is there once");
            assert!(listed.contains(&of("alice", Some(until))) && listed.contains(&of("bob", Some(until))), "{listed:?}");
            assert!(listed.contains(&("dan".to_owned(), None, false, asked.due_at)), "{listed:?}");
            let held = on!(db, desk, due()).unwrap();
            assert!(held.len() == 2 && held.iter().all(|due| due.held), "{held:?}");
            let go_on = |_: &_| ControlFlow::Continue(());
            let swept = own_transaction!(db, shop.register, sweep(go_on)).unwrap();
            assert_eq!((swept.erased, swept.held), (0, 2));

            // One hold is ended before its time, the other runs out. The process is killed at every step of the sweep in turn.
            let hold = on!(db, shop.register, holds(&who("bob"))).unwrap()[0].id;
            on!(db, shop.register, end_hold(hold, why("settled"))).unwrap();
            let swept = own_transaction!(db, shop.register, sweep(go_on)).unwrap();
            assert_eq!((swept.erased, swept.held, swept.receipts.len()), (1, 1, 1));
            shop.set_now("2026-06-01T00:00:00Z");
            shop.steps.stop_at(step, Stop::Die { torn: false });
            let mut receipts = match own_transaction!(db, shop.register, sweep(go_on)) {
                Ok(swept) => swept.receipts.len(),
                Err(_) => 0,
            };
            let died = shop.steps.died();
            shop.steps.reset();
            receipts += own_transaction!(db, shop.register, resume()).unwrap().receipts.len();
            receipts += own_transaction!(db, shop.register, sweep(go_on)).unwrap().receipts.len();
            let opens: Vec<bool> = sealed.iter().map(|(sealed, keys)| shop.opens(keys, sealed, EMAIL)).collect();
            assert_eq!(opens, [false, false, true, true], "step {step}");
            let journal = shop.journal();
            assert_eq!(count(&journal, |event| matches!(event, Event::Erased { .. })), 2, "step {step}");
            assert!(on!(db, shop.register, requests()).unwrap().iter().all(|it| it.subject.as_str() == "dan"));
            if !died {
                assert_eq!(receipts, 1);
                break;
            }
            stopped += 1;
        }
        assert!(stopped >= 4, "{stopped}");
    }

    async fn interrupted_anywhere_it_is_finished() {
        let mut stopped = 0;
        for step in 1.. {
            let taken = Arc::new(Mutex::new(Vec::new()));
            let keep = taken.clone();
            let rules = with_tokens().receipts(move |receipt| {
                keep.lock().unwrap().push(receipt.content().commitment.to_string());
                Ok(())
            });
            let (shop, mut db) = (Shop::new(rules), Db::new().await);
            db.sql(CUSTOMERS).await;
            on!(db, shop.register, create_tables()).unwrap();
            let alice = who("alice");
            let granted = on!(db, shop.register, grant(&alice, contract())).unwrap();
            on!(db, shop.register, grant(&alice, consent())).unwrap();
            db.sql(&format!("INSERT INTO customers VALUES ({}, 'token', 'token')", granted.number)).await;
            let keys = on!(db, shop.register, keys(&alice, ORDERS)).unwrap();
            let sealed = keys.seal(EMAIL, &email()).unwrap();
            own_transaction!(db, shop.register, flush()).unwrap();
            shop.steps.stop_at(step, Stop::Die { torn: false });
            let first = own_transaction!(db, shop.register, erase(&alice, why("asked")));
            let died = shop.steps.died();
            shop.steps.reset();
            if step > 1 {
                let granted = on!(db, shop.register, grant(&alice, contract()));
                match db.ask("SELECT state AS answer FROM oubliette_subjects WHERE subject IS NULL").await.is_empty() {
                    true => assert!(matches!(granted, Err(RegisterError::BeingErased)), "step {step}"),
                    // Erased, so somebody new, who may stay.
                    false => assert!(granted.unwrap().is_new_number),
                }
            }
            let resumed = own_transaction!(db, shop.register, resume()).unwrap();
            if first.is_err() && step == 1 {
                assert_eq!(resumed.erased, 0, "it was not decided");
                own_transaction!(db, shop.register, erase(&alice, why("asked"))).unwrap();
            }
            assert!(!shop.opens(&keys, &sealed, EMAIL), "step {step}");
            let states = db.ask("SELECT state AS answer FROM oubliette_subjects WHERE subject IS NULL").await;
            assert_eq!(states, ["erased"], "step {step}");
            assert_eq!(db.ask("SELECT email_idx AS answer FROM customers").await, [""], "step {step}");
            let kept = db.ask("SELECT commitment AS answer FROM oubliette_subjects WHERE state = 'erased'").await;
            assert_eq!(taken.lock().unwrap().last(), kept.first(), "the receipt that was taken opens the commitment");
            let journal = shop.journal();
            assert_eq!(count(&journal, |event| matches!(event, Event::Erased { .. })), 1, "step {step}");
            assert_eq!(count(&journal, |event| matches!(event, Event::Ended { .. })), 2, "step {step}");
            if !died {
                break;
            }
            stopped += 1;
        }
        assert!(stopped >= 6, "{stopped}");
    }

    async fn the_vault_may_fail_at_every_step() {
        for step in 1..40 {
            let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
            on!(db, shop.register, create_tables()).unwrap();
            let alice = who("alice");
            on!(db, shop.register, grant(&alice, contract())).unwrap();
            let keys = on!(db, shop.register, keys(&alice, ORDERS)).unwrap();
            let sealed = keys.seal(EMAIL, &email()).unwrap();
            shop.memory.steps().stop_at(step, Stop::Fail(Problem::Io));
            let first = own_transaction!(db, shop.register, erase(&alice, why("asked")));
            let failed = first.is_err();
            shop.memory.steps().reset();
            if failed {
                assert!(on!(db, shop.register, keys(&alice, ORDERS)).is_err(), "decided");
                assert_eq!(own_transaction!(db, shop.register, resume()).unwrap().erased, 1, "step {step}");
            }
            assert!(!shop.opens(&keys, &sealed, EMAIL), "step {step}");
            if !failed {
                assert!(step > 1);
                return;
            }
        }
        panic!("it never came through");
    }

    async fn a_receipt_that_is_not_taken_is_issued_again() {
        let full = Arc::new(AtomicBool::new(true));
        let disk = full.clone();
        let rules = Rules::new().receipts(move |_| match disk.load(Ordering::Relaxed) {
            true => Err("the disk is full".into()),
            false => Ok(()),
        });
        let (shop, mut db) = (Shop::new(rules), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        let refused = own_transaction!(db, shop.register, erase(&who("alice"), why("asked")));
        assert!(matches!(refused, Err(RegisterError::ReceiptNotTaken(_))));
        assert_eq!(db.ask("SELECT state AS answer FROM oubliette_subjects").await, ["erasing"]);
        full.store(false, Ordering::Relaxed);
        // Erasing again goes on, too.
        let erased = own_transaction!(db, shop.register, erase(&who("alice"), why("asked"))).unwrap();
        assert!(erased.receipt.is_some());
        assert!(own_transaction!(db, shop.register, resume()).unwrap().receipts.is_empty());
    }

    async fn somebody_without_data_is_erased_without_a_receipt() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, request(&who("alice"), RequestKind::Erasure, at("2026-01-31T09:30:00Z"))).unwrap();
        let erased = own_transaction!(db, shop.register, erase(&who("alice"), why("asked"))).unwrap();
        assert!(erased.receipt.is_none() && erased.shredded.is_none());
        assert!(!db.dump().await.contains("alice"));
    }

    async fn grants_at_once_share_a_number() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let granted = db.grants_at_once(&shop.register, 8).await;
        assert_eq!(granted.iter().filter(|granted| granted.is_new_number).count(), 1);
        assert!(granted.iter().all(|other| other.number == granted[0].number));
        assert_eq!(db.ask("SELECT count(*) AS answer FROM oubliette_numbers").await, ["1"]);
        assert_eq!(db.ask("SELECT count(*) AS answer FROM oubliette_grants").await, ["8"]);
    }

    async fn a_grant_races_an_erasure() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        for _ in 0..10 {
            on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
            let (granted, erased) = db.race(&shop.register).await;
            let receipt = erased.unwrap().receipt.unwrap();
            match granted {
                // Before the erasure, which then shredded that number as well; or after it, as somebody new.
                Ok(granted) if receipt.content().numbers.contains(granted.number) => {
                    let found = on!(db, shop.register, keys(&who("alice"), NEWSLETTER));
                    assert!(matches!(found, Err(RegisterError::NoGrant { .. })));
                }
                Ok(_) => assert!(on!(db, shop.register, keys(&who("alice"), NEWSLETTER)).is_ok()),
                Err(error) => assert!(matches!(error, RegisterError::BeingErased), "{error}"),
            }
            let live = db.ask("SELECT n.state AS answer FROM oubliette_numbers n \
                JOIN oubliette_subjects s ON s.id = n.subject_id WHERE s.state = 'erased' AND n.state <> 'shredded'").await;
            assert!(live.is_empty(), "{live:?}");
            let _ = own_transaction!(db, shop.register, erase(&who("alice"), why("tidy up")));
        }
    }

    async fn receipts_are_handed_on_whatever_else_fails() {
        let (shop, mut db) = (Shop::new(with_tokens()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        for id in ["alice", "bob"] {
            on!(db, shop.register, grant(&who(id), contract())).unwrap();
        }
        own_transaction!(db, shop.register, flush()).unwrap();
        shop.steps.stop_at(2, Stop::Die { torn: false });
        own_transaction!(db, shop.register, erase(&who("alice"), why("asked"))).unwrap_err();
        shop.steps.reset();
        // The table of the tokens is not there, so that not all can be finished.
        let resumed = own_transaction!(db, shop.register, resume()).unwrap();
        assert_eq!((resumed.receipts.len(), resumed.erased), (1, 1));
        assert!(matches!(resumed.unfinished, Some(RegisterError::Database(_))));
        assert!(own_transaction!(db, shop.register, resume()).is_err(), "nothing to hand on, so it is an error");
        db.sql(CUSTOMERS).await;
        assert!(own_transaction!(db, shop.register, resume()).unwrap().unfinished.is_none());
    }
}
