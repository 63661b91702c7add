//! What somebody tries who can write the application's database and the register's tables, and has no key.

use oubliette_register::access::Table;
use oubliette_register::{DeclaredTables, RegisterError, RequestKind, Rules, Signed};

use crate::Db;
use crate::support::*;

const UNTIL: &str = "2026-06-01T00:00:00Z";

bodies! {
    // A row says of an id whom it was merged into. Only a merge seals that under the numbers.
    async fn an_id_that_is_written_beside_somebody_else_names_nobody() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let mut sealed = Vec::new();
        for id in ["alice", "bob", "carol"] {
            on!(db, shop.register, grant(&who(id), contract())).unwrap();
            let keys = on!(db, shop.register, keys(&who(id), ORDERS)).unwrap();
            sealed.push((keys.customer(), keys.seal(EMAIL, &email()).unwrap()));
        }
        own_transaction!(db, shop.register, flush()).unwrap();
        let alice = db.ask("SELECT id AS answer FROM oubliette_subjects WHERE subject = 'alice'").await.remove(0);
        // Bob's own row, and an id that nobody had.
        db.sql(&format!("UPDATE oubliette_subjects SET state = 'merged', merged_into = {alice} WHERE subject = 'bob'")).await;
        db.sql(&format!("INSERT INTO oubliette_subjects (id, subject, state, since, merged_into) VALUES (7, 'mallory', 'merged', 0, {alice})")).await;
        let declared = DeclaredTables::in_tables(Vec::<Table>::new());
        let before = db.dump().await;
        for id in ["bob", "mallory"] {
            let id = &who(id);
            macro_rules! refused {
                ($($call:expr),* $(,)?) => {$(
                    let refused = $call.map(|_| ()).expect_err(stringify!($call)).to_string();
                    assert!(refused.contains("that it was not issued for"), "{}: {refused}", stringify!($call));
                )*};
            }
            refused!(
                on!(db, shop.register, keys(id, ORDERS)),
                on!(db, shop.register, grant(id, contract())),
                on!(db, shop.register, grant(id, consent())),
                on!(db, shop.register, access(&declared, id)),
                on!(db, shop.register, portable(&declared, id)),
                on!(db, shop.register, merge(&who("carol"), id)),
                own_transaction!(db, shop.register, withdraw(id, ORDERS, why("asked"))),
                own_transaction!(db, shop.register, erase(id, why("asked"))),
            );
        }
        assert_eq!(db.dump().await, before);
        assert!(sealed.iter().all(|(number, value)| shop.opens_by(*number, value, EMAIL)));
        // Nor does a merge of somebody else's bring them in, nor somebody who has no number.
        on!(db, shop.register, request(&who("erin"), RequestKind::Access, shop.register_now())).unwrap();
        on!(db, shop.register, request(&who("frank"), RequestKind::Access, shop.register_now())).unwrap();
        on!(db, shop.register, merge(&who("alice"), &who("frank"))).unwrap();
        assert!(on!(db, shop.register, keys(&who("frank"), ORDERS)).is_ok());
        let refused = on!(db, shop.register, keys(&who("mallory"), ORDERS)).map(drop).unwrap_err().to_string();
        assert!(refused.contains("that it was not issued for"), "{refused}");
        let erin = db.ask("SELECT id AS answer FROM oubliette_subjects WHERE subject = 'erin'").await.remove(0);
        db.sql(&format!("UPDATE oubliette_subjects SET merged_into = {erin} WHERE subject = 'bob'")).await;
        let refused = on!(db, shop.register, grant(&who("bob"), contract())).map(drop).unwrap_err().to_string();
        assert!(refused.contains("that it was not issued for"), "{refused}");
        // Nor a new number of somebody whose other one cannot tell.
        on!(db, shop.register, grant(&who("gina"), contract())).unwrap();
        let gina = db.ask("SELECT id AS answer FROM oubliette_subjects WHERE subject = 'gina'").await.remove(0);
        db.sql(&format!("UPDATE oubliette_numbers SET whose = NULL WHERE subject_id = {gina}")).await;
        db.sql(&format!("UPDATE oubliette_subjects SET merged_into = {gina} WHERE id = 7")).await;
        on!(db, shop.register, grant(&who("gina"), consent())).unwrap();
        let refused = on!(db, shop.register, keys(&who("mallory"), NEWSLETTER)).map(drop).unwrap_err().to_string();
        assert!(refused.contains("that it was not issued for"), "{refused}");
        // A merge that was one goes on to hold: for both ids, in a purpose that came later, and after key trees were given up.
        db.sql("DELETE FROM oubliette_subjects WHERE id = 7").await;
        db.sql("UPDATE oubliette_subjects SET state = 'live', merged_into = NULL WHERE subject = 'bob'").await;
        on!(db, shop.register, merge(&who("alice"), &who("bob"))).unwrap();
        on!(db, shop.register, grant(&who("bob"), consent())).unwrap();
        on!(db, shop.register, merge(&who("carol"), &who("alice"))).unwrap();
        let tree = shop.vault.rotate_purpose(ORDERS).unwrap().0;
        own_transaction!(db, shop.register, retire_replaced(ORDERS, tree, None)).unwrap();
        for id in ["alice", "bob", "carol"] {
            on!(db, shop.register, keys(&who(id), ORDERS)).unwrap();
            on!(db, shop.register, keys(&who(id), NEWSLETTER)).unwrap();
            on!(db, shop.register, access(&declared, &who(id))).unwrap();
        }
        // An id merged while there was no number is known by the one that is granted for it.
        on!(db, shop.register, request(&who("dave"), RequestKind::Access, shop.register_now())).unwrap();
        on!(db, shop.register, merge(&who("carol"), &who("dave"))).unwrap();
        assert!(on!(db, shop.register, keys(&who("dave"), ORDERS)).is_ok());
        let receipt = own_transaction!(db, shop.register, erase(&who("bob"), why("asked"))).unwrap().receipt.unwrap();
        assert_eq!(receipt.content().whose.as_str(), "carol");
    }

    // An act that is signed, or waits to be, stands beside another customer: it is not as it was told.
    async fn an_act_that_is_moved_to_another_customer_is_found() {
        for is_signed in [true, false] {
            let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
            on!(db, shop.register, create_tables()).unwrap();
            let desk = shop.desk(Rules::new());
            for id in ["alice", "bob"] {
                on!(db, shop.register, grant(&who(id), contract())).unwrap();
            }
            own_transaction!(db, shop.register, flush()).unwrap();
            let hold = on!(db, desk, hold(&who("alice"), None, why("case 7"), at(UNTIL))).unwrap();
            let request = on!(db, desk, request(&who("alice"), RequestKind::Erasure, shop.register_now())).unwrap().id;
            if is_signed {
                own_transaction!(db, shop.register, flush()).unwrap();
            }
            for (table, is_hold) in [("oubliette_holds", true), ("oubliette_requests", false)] {
                let ask = async |db: &mut Db| match is_hold {
                    true => on!(db, desk, signed_holds(&[hold])).unwrap()[0],
                    false => on!(db, desk, signed_requests(&[request])).unwrap()[0],
                };
                assert_ne!(ask(&mut db).await, Signed::Differs, "{table}");
                let of = |id: &str| format!("UPDATE {table} SET subject_id = (SELECT id FROM oubliette_subjects WHERE subject = '{id}')");
                db.sql(&of("bob")).await;
                assert_eq!(ask(&mut db).await, Signed::Differs, "{table}, signed: {is_signed}");
                db.sql(&of("alice")).await;
                assert_ne!(ask(&mut db).await, Signed::Differs, "{table}");
            }
            // A merge moves numbers and acts together.
            on!(db, shop.register, merge(&who("bob"), &who("alice"))).unwrap();
            assert_ne!(on!(db, desk, signed_holds(&[hold])).unwrap()[0], Signed::Differs);
            assert_ne!(on!(db, desk, signed_requests(&[request])).unwrap()[0], Signed::Differs);
        }
    }

    // The journal's last time is a second before that of a table. Who holds for ever edited no row.
    async fn a_hold_until_the_end_of_time_is_as_it_was_signed() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let desk = shop.desk(Rules::new());
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        let hold = on!(db, desk, hold(&who("alice"), None, why("case 7"), jiff::Timestamp::MAX)).unwrap();
        for is_flushed in [false, true] {
            if is_flushed {
                own_transaction!(db, shop.register, flush()).unwrap();
            }
            assert_ne!(on!(db, desk, signed_holds(&[hold])).unwrap()[0], Signed::Differs, "flushed: {is_flushed}");
        }
        // It stands, and can be read by whoever asks.
        let standing = on!(db, shop.register, holds(&who("alice"))).unwrap();
        assert_eq!((standing.len(), standing[0].id, standing[0].until), (1, hold, jiff::Timestamp::MAX));
        let refused = own_transaction!(db, shop.register, erase(&who("alice"), why("request"))).unwrap_err();
        assert!(matches!(refused, RegisterError::Held { until, .. } if until == jiff::Timestamp::MAX), "{refused:?}");
        db.sql("UPDATE oubliette_holds SET until = until - 86400000").await;
        assert_eq!(on!(db, desk, signed_holds(&[hold])).unwrap()[0], Signed::Differs);
    }

    // What was told once is put into the outbox again, in another order: it brings nothing back.
    async fn old_rows_of_the_outbox_change_nothing() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let alice = who("alice");
        on!(db, shop.register, grant(&alice, contract())).unwrap();
        on!(db, shop.register, grant(&alice, consent())).unwrap();
        let hold = on!(db, shop.register, hold(&alice, None, why("case 7"), at(UNTIL))).unwrap();
        let asked = on!(db, shop.register, request(&alice, RequestKind::Access, shop.register_now())).unwrap().id;
        on!(db, shop.register, end_hold(hold, why("settled"))).unwrap();
        on!(db, shop.register, close_request(asked, oubliette_register::Answer::Done, None)).unwrap();
        db.sql("CREATE TABLE kept AS SELECT id, event FROM oubliette_outbox").await;
        own_transaction!(db, shop.register, withdraw(&alice, NEWSLETTER, why("unsubscribed"))).unwrap();
        db.back_up().await;
        db.sql("INSERT INTO oubliette_outbox (id, event) SELECT id, event FROM kept").await;
        own_transaction!(db, shop.register, flush()).unwrap();
        let tables = async |db: &mut Db| -> Vec<String> {
            let mut all = db.ask("SELECT state AS answer FROM oubliette_numbers ORDER BY number").await;
            all.extend(db.ask("SELECT ended_at AS answer FROM oubliette_holds").await);
            all.extend(db.ask("SELECT state AS answer FROM oubliette_requests").await);
            all.extend(db.ask("SELECT coalesce(ended_at, 0) AS answer FROM oubliette_grants ORDER BY id").await);
            all
        };
        let before = tables(&mut db).await;
        // Neither now nor after a restore, when the journal is done again.
        own_transaction!(db, shop.register, reconcile()).unwrap();
        assert_eq!(tables(&mut db).await, before);
        db.restore().await;
        own_transaction!(db, shop.register, resume()).unwrap();
        assert_eq!(tables(&mut db).await, before);
        assert!(on!(db, shop.register, holds(&alice)).unwrap().is_empty());
        assert!(matches!(on!(db, shop.register, keys(&alice, NEWSLETTER)), Err(RegisterError::NoGrant { .. })));
    }
}
