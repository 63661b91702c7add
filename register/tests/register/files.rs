//! What only a file of SQLite's shows: its bytes, who else has it open, and customers by the thousand.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Barrier;
use std::time::Duration;

use jiff::{SignedDuration, ToSpan};
use oubliette::journal::Event;
use oubliette_register::{Answer, Keep, Register, RegisterError, RequestKind, Rules};
use rusqlite::Connection;

use crate::support::*;

fn connect(place: &Path) -> Connection {
    let connection = Connection::open(place.join("shop.db")).unwrap();
    connection.busy_timeout(Duration::from_secs(60)).unwrap();
    connection
}

fn ask(connection: &Connection, sql: &str) -> Vec<String> {
    let mut prepared = connection.prepare(sql).unwrap();
    prepared.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Which of these texts stand somewhere in the database's files.
fn found(place: &Path, texts: &[&str]) -> Vec<String> {
    let files = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    let bytes: Vec<u8> = files
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("shop.db"))
        .flat_map(|path| std::fs::read(path).unwrap())
        .collect();
    let stands = |text: &&&str| bytes.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    texts.iter().filter(stands).map(|text| (*text).to_owned()).collect()
}

#[test]
fn no_file_names_the_erased_when_sqlite_was_told_to_forget() {
    const TEXTS: [&str; 5] = ["alice-4711", "sign-up form 0815", "the-other-id", "case Miller", "bought a boat"];
    for (mode, forgets) in [("wal", true), ("delete", true), ("wal", false)] {
        let (shop, place) = (Shop::new(Rules::new()), tempfile::tempdir().unwrap());
        let mut connection = connect(place.path());
        connection.pragma_update(None, "journal_mode", mode).unwrap();
        connection.pragma_update(None, "secure_delete", forgets).unwrap();
        shop.register.in_transaction(&connection).create_tables().unwrap();
        let (alice, other) = (who(TEXTS[0]), who(TEXTS[2]));
        // Neighbours, so that there are pages to move rows between.
        for id in 0..200 {
            shop.register.in_transaction(&connection).grant(&who(&format!("neighbour {id}")), consent()).unwrap();
        }
        shop.register.in_transaction(&connection).grant(&alice, consent_by(TEXTS[1])).unwrap();
        shop.register.in_transaction(&connection).grant(&other, contract()).unwrap();
        shop.register.in_transaction(&connection).merge(&alice, &other).unwrap();
        shop.register.in_transaction(&connection).mark(&alice, TEXTS[4], at("2026-01-31T10:00:00Z")).unwrap();
        let hold = shop
            .register
            .in_transaction(&connection)
            .hold(&alice, None, why(TEXTS[3]), at("2027-01-01T00:00:00Z"))
            .unwrap();
        shop.register.in_transaction(&connection).end_hold(hold, why("settled")).unwrap();
        for id in 0..200 {
            shop.register.in_transaction(&connection).grant(&who(&format!("neighbour {id}")), contract()).unwrap();
        }
        assert_eq!(found(place.path(), &TEXTS), TEXTS, "the search finds what is there");
        shop.register.own_transaction(&mut connection).erase(&alice, why("asked")).unwrap();
        if forgets {
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
            // Reasons are in the journal for ever, as its documentation says.
            assert_eq!(found(place.path(), &TEXTS), [TEXTS[3]], "{mode}");
        } else {
            assert_ne!(found(place.path(), &TEXTS), [TEXTS[3]], "the pragmas are needed");
        }
    }
}

#[test]
fn while_the_applications_transaction_is_open_nothing_is_decided() {
    let (shop, place) = (Shop::new(Rules::new()), tempfile::tempdir().unwrap());
    let mut connection = connect(place.path());
    connection.busy_timeout(Duration::ZERO).unwrap();
    shop.register.in_transaction(&connection).create_tables().unwrap();
    shop.register.in_transaction(&connection).grant(&who("alice"), consent()).unwrap();
    let keys = shop.register.in_transaction(&connection).keys(&who("alice"), NEWSLETTER).unwrap();
    let sealed = keys.seal(NEWS_EMAIL, &email()).unwrap();
    let other = connect(place.path());
    other.execute_batch("BEGIN IMMEDIATE; CREATE TABLE mine (a)").unwrap();
    let mut alone = shop.register.own_transaction(&mut connection);
    let refused = [
        alone.erase(&who("alice"), why("asked")).map(drop),
        alone.withdraw(&who("alice"), NEWSLETTER, why("asked")).map(drop),
        alone.flush().map(drop),
        alone.resume().map(drop),
    ];
    for refused in refused {
        assert!(matches!(refused, Err(RegisterError::Database(_))), "{refused:?}");
    }
    other.execute_batch("COMMIT").unwrap();
    assert!(shop.opens(&keys, &sealed, NEWS_EMAIL));
    // A transaction of the application's on this very connection is refused, and is not touched.
    connection.execute_batch("BEGIN; INSERT INTO mine VALUES (7)").unwrap();
    let mut alone = shop.register.own_transaction(&mut connection);
    assert!(alone.erase(&who("alice"), why("asked")).is_err() && alone.resume().is_err() && alone.flush().is_err());
    assert!(!connection.is_autocommit());
    connection.execute_batch("COMMIT").unwrap();
    assert_eq!(ask(&connection, "SELECT CAST(a AS TEXT) FROM mine"), ["7"]);
    assert!(shop.opens(&keys, &sealed, NEWS_EMAIL));
    shop.register.own_transaction(&mut connection).erase(&who("alice"), why("asked")).unwrap();
    assert!(!shop.opens(&keys, &sealed, NEWS_EMAIL));
}

#[test]
fn two_who_erase_one_customer_at_once_erase_once() {
    let (shop, place) = (Shop::new(Rules::new()), tempfile::tempdir().unwrap());
    connect(place.path()).pragma_update(None, "journal_mode", "wal").unwrap();
    shop.register.in_transaction(&connect(place.path())).create_tables().unwrap();
    for round in 0..10 {
        let alice = who(&format!("alice {round}"));
        shop.register.in_transaction(&connect(place.path())).grant(&alice, consent()).unwrap();
        let barrier = Barrier::new(3);
        let erase = || {
            let mut connection = connect(place.path());
            barrier.wait();
            shop.register.own_transaction(&mut connection).erase(&alice, why("asked"))
        };
        let receipts: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(erase)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let receipts: Vec<String> = receipts
            .into_iter()
            .filter_map(|erased| match erased {
                Ok(erased) => Some(erased.receipt.unwrap().content().commitment.to_string()),
                Err(RegisterError::UnknownSubject) => None,
                Err(error) => panic!("{error}"),
            })
            .collect();
        let kept = ask(&connect(place.path()), "SELECT commitment FROM oubliette_subjects ORDER BY erased_at DESC, id");
        assert_eq!(kept.len(), round + 1);
        assert!(kept.iter().any(|kept| receipts.contains(kept)), "somebody has the receipt that opens it");
    }
    assert_eq!(count(&shop.journal(), |event| matches!(event, Event::Erased { .. })), 10);
}

#[test]
fn a_hold_and_an_erasure_at_once_are_never_both_done() {
    let (shop, place) = (Shop::new(Rules::new()), tempfile::tempdir().unwrap());
    shop.register.in_transaction(&connect(place.path())).create_tables().unwrap();
    let (mut held, mut erased) = (0, 0);
    for round in 0..20 {
        let alice = who(&format!("alice {round}"));
        let connection = connect(place.path());
        shop.register.in_transaction(&connection).grant(&alice, consent()).unwrap();
        let keys = shop.register.in_transaction(&connection).keys(&alice, NEWSLETTER).unwrap();
        let sealed = keys.seal(NEWS_EMAIL, &email()).unwrap();
        let barrier = Barrier::new(2);
        let (hold, erase) = std::thread::scope(|scope| {
            let hold = scope.spawn(|| {
                let connection = connect(place.path());
                barrier.wait();
                shop.register.in_transaction(&connection).hold(&alice, None, why("case"), at("2027-01-01T00:00:00Z"))
            });
            let mut connection = connect(place.path());
            barrier.wait();
            let erase = shop.register.own_transaction(&mut connection).erase(&alice, why("asked"));
            (hold.join().unwrap(), erase)
        });
        match (hold, erase) {
            (Ok(_), Err(RegisterError::Held { .. })) => {
                held += 1;
                assert!(shop.opens(&keys, &sealed, NEWS_EMAIL));
            }
            (Err(RegisterError::BeingErased | RegisterError::UnknownSubject), Ok(_)) => {
                erased += 1;
                assert!(!shop.opens(&keys, &sealed, NEWS_EMAIL));
            }
            (hold, erase) => panic!("{hold:?} {erase:?}"),
        }
    }
    assert_eq!(held + erased, 20);
}

fn thousands(shop: &Shop, connection: &mut Connection, customers: usize) {
    shop.register.in_transaction(connection).create_tables().unwrap();
    let transaction = connection.transaction().unwrap();
    for id in 0..customers {
        let subject = who(&format!("customer {id}"));
        shop.register.in_transaction(&transaction).grant(&subject, consent()).unwrap();
        if id % 5 == 0 {
            shop.register.in_transaction(&transaction).grant(&subject, contract()).unwrap();
        }
        if id % 100 == 7 {
            shop.register
                .in_transaction(&transaction)
                .hold(&subject, Some(NEWSLETTER), why("case"), at("2027-01-01T00:00:00Z"))
                .unwrap();
        }
    }
    transaction.commit().unwrap();
}

#[test]
fn thousands_are_swept_in_batches_and_the_held_are_left() {
    let shop = Shop::new(Rules::new().keep(NEWSLETTER, Keep::after_grant(1.month())));
    let place = tempfile::tempdir().unwrap();
    let mut connection = connect(place.path());
    thousands(&shop, &mut connection, 3000);
    shop.set_now("2026-02-28T10:00:00Z");
    let due = shop.register.in_transaction(&connection).due().unwrap();
    assert_eq!((due.len(), due.iter().filter(|due| due.held).count()), (3000, 30));
    let mut calls = 0;
    let swept = shop.register.own_transaction(&mut connection).sweep(|swept| {
        calls += 1;
        assert!(swept.shredded <= calls * 1000);
        ControlFlow::Continue(())
    });
    let swept = swept.unwrap();
    assert_eq!((swept.due, swept.shredded, swept.held, calls), (3000, 2970, 30, 3));
    let left = shop.register.in_transaction(&connection).due().unwrap();
    assert!(left.len() == 30 && left.iter().all(|due| due.held));
    // A rule that is longer now finds none of them.
    let longer = Rules::new().keep(NEWSLETTER, Keep::after_grant(1.year())).clock(|| at("2026-02-28T10:00:00Z"));
    assert!(Register::new(&shop.vault, longer).unwrap().in_transaction(&connection).due().unwrap().is_empty());
    let live =
        "SELECT CAST(count(*) AS TEXT) FROM oubliette_numbers WHERE state = 'live' GROUP BY purpose ORDER BY purpose";
    assert_eq!(ask(&connection, live), ["30", "600"]);
}

#[test]
fn an_erasure_that_is_taken_back_while_others_are_swept_is_not_carried_out() {
    let shop = Shop::new(Rules::new().grace(SignedDuration::from_hours(24)));
    let place = tempfile::tempdir().unwrap();
    let mut connection = connect(place.path());
    shop.register.in_transaction(&connection).create_tables().unwrap();
    let mut requests = Vec::new();
    for id in ["alice", "bob", "carol"] {
        shop.register.in_transaction(&connection).grant(&who(id), consent()).unwrap();
        let received = at("2026-01-31T09:00:00Z");
        requests
            .push(shop.register.in_transaction(&connection).request(&who(id), RequestKind::Erasure, received).unwrap());
    }
    shop.set_now("2026-02-02T00:00:00Z");
    let beside = connect(place.path());
    let swept = shop.register.own_transaction(&mut connection).sweep(|swept| {
        if swept.erased == 1 {
            // Whoever is left says that it was a mistake.
            for request in &requests {
                let _ = shop.register.in_transaction(&beside).close_request(request.id, Answer::Withdrawn, None);
            }
        }
        ControlFlow::Continue(())
    });
    assert_eq!(swept.unwrap().erased, 1);
    let left = ask(&connection, "SELECT state FROM oubliette_subjects WHERE subject IS NOT NULL");
    assert_eq!(left, ["live", "live"]);
    assert!(shop.register.in_transaction(&connection).due().unwrap().is_empty());
}
