//! One row that cannot be read is that row's affair: it is named, and everybody else's go on.

use std::ops::ControlFlow;

use jiff::ToSpan;
use oubliette::journal::Event;
use oubliette_register::{DamagedRow, Keep, RegisterError, RequestKind, Rules, ShredByNumber};

use crate::Db;
use crate::support::*;

/// What a table may hold where the register wrote something else, in every database: Alice's rows are meant.
const DAMAGES: [(&str, &str); 11] = [
    ("oubliette_subjects", "UPDATE oubliette_subjects SET state = 'whim' WHERE id = ?1"),
    ("oubliette_subjects", "UPDATE oubliette_subjects SET subject = NULL WHERE id = ?1"),
    (
        "oubliette_numbers",
        "UPDATE oubliette_numbers SET number = -number WHERE subject_id = ?1 AND purpose = 'newsletter'",
    ),
    ("oubliette_numbers", "UPDATE oubliette_numbers SET state = 'whim' WHERE subject_id = ?1"),
    (
        "oubliette_numbers",
        "UPDATE oubliette_numbers SET state = 'shred_pending', why = NULL, sealing = NULL WHERE subject_id = ?1",
    ),
    ("oubliette_grants", "UPDATE oubliette_grants SET granted_at = 9223372036854775807 WHERE subject_id = ?1"),
    ("oubliette_grants", "UPDATE oubliette_grants SET basis = 'whim' WHERE subject_id = ?1"),
    ("oubliette_requests", "UPDATE oubliette_requests SET kind = 'whim' WHERE subject_id = ?1"),
    ("oubliette_requests", "UPDATE oubliette_requests SET received_at = 9223372036854775807 WHERE subject_id = ?1"),
    ("oubliette_holds", "UPDATE oubliette_holds SET reason = '' WHERE subject_id = ?1"),
    ("oubliette_holds", "UPDATE oubliette_holds SET placed_at = -9223372036854775807 WHERE subject_id = ?1"),
];

bodies! {
    async fn a_damaged_row_stops_nobody_elses_affairs() {
        let rules = || Rules::new().keep(NEWSLETTER, Keep::after_grant(1.month())).grace(jiff::SignedDuration::from_hours(1));
        for (table, damage) in DAMAGES {
            let (shop, mut db) = (Shop::new(rules()), Db::new().await);
            on!(db, shop.register, create_tables()).unwrap();
            let desk = shop.desk(rules());
            // Alice's comes first in each list, or last: ids are random.
            for id in ["alice", "bob", "carol", "dave"] {
                on!(db, shop.register, grant(&who(id), contract())).unwrap();
                on!(db, shop.register, grant(&who(id), consent())).unwrap();
            }
            let keys = on!(db, shop.register, keys(&who("bob"), NEWSLETTER)).unwrap();
            let sealed = keys.seal(NEWS_EMAIL, &email()).unwrap();
            let now = shop.register_now();
            for id in ["alice", "carol"] {
                on!(db, shop.register, request(&who(id), RequestKind::Erasure, now)).unwrap();
            }
            let access = on!(db, shop.register, request(&who("bob"), RequestKind::Access, now)).unwrap().id;
            on!(db, shop.register, hold(&who("alice"), Some(ORDERS), why("case 7"), at("2026-06-01T00:00:00Z"))).unwrap();
            let holds = on!(db, shop.register, hold(&who("dave"), Some(NEWSLETTER), why("case 8"), at("2026-05-01T00:00:00Z"))).unwrap();
            own_transaction!(db, shop.register, withdraw(&who("dave"), NEWSLETTER, why("unsubscribed"))).unwrap();
            own_transaction!(db, shop.register, flush()).unwrap();
            assert!(on!(db, desk, damaged_rows()).unwrap().is_empty());
            let alice = db.ask("SELECT id AS answer FROM oubliette_subjects WHERE subject = 'alice'").await.remove(0);
            db.sql(&damage.replace("?1", &alice)).await;

            let found: Vec<DamagedRow> = on!(db, desk, damaged_rows()).unwrap();
            assert!(!found.is_empty() && found.iter().all(|row| row.table == table), "{damage}: {found:?}");
            assert!(!format!("{found:?} {}", found[0]).contains("alice"), "{found:?}");
            // Lists and reports.
            let of = |requests: Vec<oubliette_register::Request>| requests.iter().any(|request| request.id == access);
            assert!(of(on!(db, desk, requests()).unwrap()), "{damage}");
            assert!(matches!(on!(db, desk, signed_requests(&[access])).unwrap()[..], [oubliette_register::Signed::Entry(_)]));
            assert!(matches!(on!(db, desk, signed_holds(&[holds])).unwrap()[..], [oubliette_register::Signed::Entry(_)]));
            on!(db, desk, unsigned()).unwrap();
            on!(db, shop.register, live_grants()).unwrap();
            shop.set_now("2026-05-31T00:00:00Z");
            assert!(of(on!(db, desk, late_requests()).unwrap()), "{damage}");
            let due = on!(db, desk, due()).unwrap();
            let is_due = |id: &str| due.iter().any(|due| due.subject == who(id));
            assert!(is_due("bob") && is_due("carol") && is_due("dave"), "{damage}: {due:?}");
            // What goes on by itself: the end of a hold, what is due, an erasure that was asked for.
            let swept = own_transaction!(db, shop.register, sweep(|_| ControlFlow::Continue(()))).unwrap();
            assert!(swept.erased >= 1, "{damage}: {swept:?}");
            assert!(!shop.opens(&keys, &sealed, NEWS_EMAIL), "{damage}");
            let state = "SELECT DISTINCT state AS answer FROM oubliette_numbers WHERE purpose = 'newsletter' AND subject_id IN \
                (SELECT id FROM oubliette_subjects WHERE subject IN ('bob', 'dave'))";
            assert_eq!(db.ask(state).await, ["shredded"], "{damage}");
            // Nobody is erased of whom something could not be read, and who is held stays.
            let erased = "SELECT count(*) AS answer FROM oubliette_subjects WHERE state = 'erased'";
            assert_eq!(db.ask(erased).await, ["1"], "{damage}");
            drop(own_transaction!(db, shop.register, resume()));
            let (reconciled, is_purpose) = match own_transaction!(db, shop.register, reconcile()) {
                Ok(reconciled) => (Some(reconciled), false),
                Err(error) => (None, matches!(error, RegisterError::PurposeNotUnlocked { .. })),
            };
            assert!(reconciled.is_some_and(|found| found.compared >= 7) || is_purpose, "{damage}");
        }
    }

    // After a restore, with a row that cannot be compared: everybody else is brought up to date.
    async fn a_damaged_row_stops_no_reconciliation_of_others() {
        for damage in [
            "UPDATE oubliette_numbers SET purpose = 'whim' WHERE subject_id = ?1 AND purpose = 'orders'",
            "UPDATE oubliette_numbers SET number = -number WHERE subject_id = ?1",
            "UPDATE oubliette_subjects SET state = 'erasing', why = NULL WHERE id = ?1",
            "UPDATE oubliette_subjects SET state = 'whim' WHERE id = ?1",
        ] {
            let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
            on!(db, shop.register, create_tables()).unwrap();
            for id in ["alice", "bob", "carol"] {
                on!(db, shop.register, grant(&who(id), contract())).unwrap();
                on!(db, shop.register, grant(&who(id), consent())).unwrap();
            }
            own_transaction!(db, shop.register, flush()).unwrap();
            db.back_up().await;
            own_transaction!(db, shop.register, erase(&who("bob"), why("asked"))).unwrap();
            own_transaction!(db, shop.register, withdraw(&who("carol"), NEWSLETTER, why("unsubscribed"))).unwrap();
            on!(db, shop.register, hold(&who("carol"), None, why("case 7"), at("2027-01-01T00:00:00Z"))).unwrap();
            own_transaction!(db, shop.register, flush()).unwrap();
            db.restore().await;
            let alice = db.ask("SELECT id AS answer FROM oubliette_subjects WHERE subject = 'alice'").await.remove(0);
            db.sql(&damage.replace("?1", &alice)).await;
            let resumed = own_transaction!(db, shop.register, resume());
            assert!(!db.dump().await.contains("\"bob"), "{damage}");
            assert_eq!(on!(db, shop.register, holds(&who("carol"))).unwrap().len(), 1, "{damage}");
            let news = "SELECT state AS answer FROM oubliette_numbers WHERE purpose = 'newsletter' AND subject_id = \
                (SELECT id FROM oubliette_subjects WHERE subject = 'carol')";
            assert_eq!(db.ask(news).await, ["shredded"], "{damage}: {resumed:?}");
            // A purpose's name that is none of the vault's is a name all the same: it is the error.
            let is_told = resumed.map_or_else(|_| true, |resumed| resumed.unfinished.is_some());
            assert!(!on!(db, shop.register, damaged_rows()).unwrap().is_empty() || is_told, "{damage}");
        }
    }

    // Each kind of row that the journal is not told, between two that it is, in their order.
    async fn a_malformed_row_of_the_outbox_keeps_no_other_back() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        let tag = db.ask("SELECT value AS answer FROM oubliette_meta WHERE name = 'register'").await.remove(0);
        let other = if tag == "00000000" { "00000001" } else { "00000000" };
        let note = |text: &str| format!(r#"{{"kind":"note","text":"{text}"}}"#);
        let long = format!(r#"{{"kind":"disclosed","number":5,"recipient":"x","purpose":"orders","fields":[{}"x"],"encrypted":true}}"#, r#""x","#.repeat(20_000));
        let rows: [(String, String, Option<&str>); 8] = [
            (format!("00000000000000a1{tag}00000001"), note("one"), None),
            (format!("00000000000000a2{tag}00000001"), "{}".into(), Some("is no event")),
            (format!("00000000000000a3{tag}00000001"), r#"{"kind":"shred","whom":{"through":5}}"#.into(), Some("is an event that only the vault writes")),
            (format!("00000000000000a4{tag}00000001"), note("two"), None),
            (format!("00000000000000a5{other}00000001"), note("x"), Some("is an event of another register")),
            (format!("00000000000000a6{tag}00000001"), long, Some("is an event that is too long for the journal")),
            ("alice".into(), note("x"), Some("is no event")),
            (format!("00000000000000a7{tag}00000001"), note("three"), None),
        ];
        for (id, event, _) in &rows {
            db.sql(&format!("INSERT INTO oubliette_outbox (id, event) VALUES ('{id}', '{event}')")).await;
        }
        let notes = |shop: &Shop| -> Vec<String> {
            let text = |event| if let Event::Note { text } = event { Some(text.to_string()) } else { None };
            shop.journal().into_iter().filter_map(text).collect()
        };
        for told in [3, 0] {
            let flushed = own_transaction!(db, shop.register, flush()).unwrap();
            let mut expected: Vec<&str> = rows.iter().filter_map(|(.., what)| *what).collect();
            let mut refused: Vec<&str> = flushed.refused.iter().map(|row| row.what).collect();
            expected.sort_unstable();
            refused.sort_unstable();
            assert_eq!((flushed.told, refused), (told, expected));
            assert!(!format!("{:?}", flushed.refused).contains("alice"), "what stands there may name somebody");
            assert_eq!(notes(&shop), ["one", "two", "three"]);
        }
        assert_eq!(on!(db, shop.register, damaged_rows()).unwrap().len(), 5);
        // Nobody's affairs wait for these rows, not even a shred.
        let number = on!(db, shop.register, grant(&who("bob"), contract())).unwrap().number;
        own_transaction!(db, shop.register, shred_numbers(ShredByNumber::these([number]))).unwrap();
        own_transaction!(db, shop.register, erase(&who("bob"), why("asked"))).unwrap();
        own_transaction!(db, shop.register, resume()).unwrap();
        // Set right, it is told.
        db.sql(&format!("UPDATE oubliette_outbox SET event = '{}' WHERE event = '{{}}'", note("mended"))).await;
        assert_eq!(own_transaction!(db, shop.register, flush()).unwrap().told, 1);
        assert_eq!(notes(&shop).last().unwrap(), "mended");
    }

    // More of them than one statement reads.
    async fn thousands_of_malformed_rows_keep_no_other_back() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let rows: Vec<String> = (0..2500).map(|at| format!("('00000000{at:04}', 'x')")).collect();
        db.sql(&format!("INSERT INTO oubliette_outbox (id, event) VALUES {}", rows.join(", "))).await;
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        let flushed = own_transaction!(db, shop.register, flush()).unwrap();
        assert_eq!((flushed.told, flushed.refused.len()), (1, 2500));
        assert_eq!(count(&shop.journal(), |event| matches!(event, Event::Granted { .. })), 1);
    }
}
