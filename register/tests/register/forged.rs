//! Whoever can write the database has the register sign what it told the journal, and nothing else.

use oubliette::journal::Event;
use oubliette_register::access::Table;
use oubliette_register::{DeclaredTables, RegisterError, Rules};
use std::ops::ControlFlow;

use crate::Db;
use crate::support::*;

/// What somebody does who can write the register's tables: Alice's and Bob's rows are told apart by `?1` and `?2`, their ids there.
const FORGERIES: [(&str, &[&str], &[&str]); 6] = [
    (
        "two ids are exchanged",
        &[
            "UPDATE oubliette_subjects SET subject = 'x' WHERE id = ?1",
            "UPDATE oubliette_subjects SET subject = 'alice' WHERE id = ?2",
            "UPDATE oubliette_subjects SET subject = 'bob' WHERE id = ?1",
        ],
        &["alice", "bob"],
    ),
    (
        "numbers stand beside another id",
        &[
            "UPDATE oubliette_numbers SET subject_id = 1 WHERE subject_id = ?1",
            "UPDATE oubliette_numbers SET subject_id = ?1 WHERE subject_id = ?2",
            "UPDATE oubliette_numbers SET subject_id = ?2 WHERE subject_id = 1",
        ],
        &["alice", "bob"],
    ),
    (
        "with what is sealed in them",
        &[
            "UPDATE oubliette_numbers SET whose = (SELECT n.whose FROM oubliette_numbers n WHERE n.subject_id = ?1 AND n.purpose = 'orders') WHERE subject_id = ?2",
        ],
        &["bob"],
    ),
    ("what is sealed is gone", &["UPDATE oubliette_numbers SET whose = NULL"], &["alice", "bob"]),
    ("it is no such thing", &["UPDATE oubliette_numbers SET whose = 'alice'"], &["alice", "bob"]),
    (
        "a merge that never was",
        &[
            "UPDATE oubliette_subjects SET subject = 'x' WHERE id = ?1",
            "UPDATE oubliette_subjects SET subject = 'alice', merged_into = ?1, state = 'merged' WHERE id = ?2",
            "UPDATE oubliette_subjects SET subject = 'bob' WHERE id = ?1",
        ],
        &["alice", "bob"],
    ),
];

bodies! {
    async fn nobody_is_erased_in_place_of_another() {
        for (what, statements, ids) in FORGERIES {
            let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
            on!(db, shop.register, create_tables()).unwrap();
            let mut sealed = Vec::new();
            for id in ["alice", "bob"] {
                on!(db, shop.register, grant(&who(id), contract())).unwrap();
                on!(db, shop.register, grant(&who(id), consent())).unwrap();
                let keys = on!(db, shop.register, keys(&who(id), ORDERS)).unwrap();
                sealed.push((keys.customer(), keys.seal(EMAIL, &email()).unwrap()));
            }
            own_transaction!(db, shop.register, flush()).unwrap();
            let row = |id: &str| format!("SELECT id AS answer FROM oubliette_subjects WHERE subject = '{id}'");
            let (alice, bob) = (db.ask(&row("alice")).await.remove(0), db.ask(&row("bob")).await.remove(0));
            for statement in statements {
                db.sql(&statement.replace("?1", &alice).replace("?2", &bob)).await;
            }
            let before = db.dump().await;
            let declared = DeclaredTables::in_tables(Vec::<Table>::new());
            for id in ids {
                let id = &who(id);
                macro_rules! refused {
                    ($($call:expr),* $(,)?) => {$(
                        let refused = $call.map(|_| ()).expect_err(stringify!($call)).to_string();
                        assert!(refused.contains("that it was not issued for"), "{what}: {}: {refused}", stringify!($call));
                    )*};
                }
                refused!(
                    on!(db, shop.register, keys(id, ORDERS)),
                    on!(db, shop.register, grant(id, contract())),
                    on!(db, shop.register, access(&declared, id)),
                    on!(db, shop.register, portable(&declared, id)),
                    own_transaction!(db, shop.register, withdraw(id, NEWSLETTER, why("asked"))),
                    own_transaction!(db, shop.register, erase(id, why("asked"))),
                );
            }
            assert_eq!(db.dump().await, before, "{what}");
            assert!(sealed.iter().all(|(number, value)| shop.opens_by(*number, value, EMAIL)), "{what}");
            let reconciled = own_transaction!(db, shop.register, reconcile()).unwrap();
            let found = reconciled.misassigned.len();
            assert!((2..=4).contains(&found) && reconciled.compared == 4, "{what}: {reconciled:?}");
        }
    }

    // A number is taken away while its customer is erased. The application's row still has it.
    // What is sealed in an old copy of a row opens no more, and so proves nothing.
    async fn nobody_is_erased_in_place_of_another_after_key_trees_were_given_up() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        for id in ["alice", "bob"] {
            on!(db, shop.register, grant(&who(id), contract())).unwrap();
        }
        let rows = "SELECT s.subject || ' ' || s.id || ' ' || n.whose AS answer FROM oubliette_subjects s \
            JOIN oubliette_numbers n ON n.subject_id = s.id ORDER BY s.subject";
        let before = db.ask(rows).await;
        let tree = shop.vault.rotate_purpose(ORDERS).unwrap().0;
        own_transaction!(db, shop.register, retire_replaced(ORDERS, tree, None)).unwrap();
        let id = |row: &String| row.split(' ').nth(1).unwrap().to_owned();
        let (alices, bobs) = (id(&before[0]), id(&before[1]));
        let names = |first: &str, second: &str| {
            [(&alices, "x"), (&bobs, second), (&alices, first)]
                .map(|(id, name)| format!("UPDATE oubliette_subjects SET subject = '{name}' WHERE id = {id};"))
                .concat()
        };
        // The ids are exchanged; then the rows of before are put back as well.
        for has_copy in [false, true] {
            db.sql(&names("bob", "alice")).await;
            if has_copy {
                for row in &before {
                    let whose = row.split(' ').nth(2).unwrap();
                    db.sql(&format!("UPDATE oubliette_numbers SET whose = '{whose}' WHERE subject_id = {}", id(row))).await;
                }
            }
            let refused = own_transaction!(db, shop.register, erase(&who("alice"), why("asked")));
            assert!(matches!(refused, Err(RegisterError::NotTheirs)), "{has_copy}: {refused:?}");
            assert_eq!(own_transaction!(db, shop.register, reconcile()).unwrap().misassigned.len(), 2, "{has_copy}");
            db.sql(&names("alice", "bob")).await;
        }
        // An operator knows that it was a restore.
        let refused = on!(db, shop.register, keys(&who("alice"), ORDERS));
        assert!(matches!(refused, Err(RegisterError::NotTheirs)), "{refused:?}");
        own_transaction!(db, shop.register, confirm_restored(why("the database is from before the rotation"))).unwrap();
        own_transaction!(db, shop.register, erase(&who("alice"), why("asked"))).unwrap();
    }

    async fn a_number_that_the_register_lost_stops_an_erasure() {
        let rules = || Rules::new().rows("shop", "id", "no").tokens("customers", "no", ["email_idx"]);
        for number_is in ["gone", "somebody else's"] {
            let (shop, mut db) = (Shop::new(rules()), Db::new().await);
            on!(db, shop.register, create_tables()).unwrap();
            db.sql(CUSTOMERS).await;
            db.sql("CREATE TABLE shop (id TEXT, no BIGINT)").await;
            for id in ["alice", "bob"] {
                let number = on!(db, shop.register, grant(&who(id), contract())).unwrap().number;
                on!(db, shop.register, grant(&who(id), consent())).unwrap();
                db.sql(&format!("INSERT INTO shop VALUES ('{id}', {number}), ('{id}', NULL)")).await;
            }
            let alices = "purpose = 'orders' AND subject_id = (SELECT id FROM oubliette_subjects WHERE subject = 'alice')";
            match number_is {
                "gone" => db.sql(&format!("DELETE FROM oubliette_numbers WHERE {alices}")).await,
                _ => db.sql(&format!("UPDATE oubliette_numbers SET subject_id = 7, sealing = NULL WHERE {alices}")).await,
            }
            own_transaction!(db, shop.register, flush()).unwrap();
            let before = db.dump().await;
            let refused = own_transaction!(db, shop.register, erase(&who("alice"), why("asked")));
            assert!(matches!(&refused, Err(RegisterError::RowsDiffer { table }) if table == "shop"), "{refused:?}");
            assert_eq!(db.dump().await, before);
            let receipt = own_transaction!(db, shop.register, erase(&who("bob"), why("asked"))).unwrap().receipt.unwrap();
            let told: Vec<&str> = receipt.content().may_remain.iter().map(|remains| remains.what.as_str()).collect();
            let of = |table: &str| told.iter().any(|what| what.contains("not compared") && what.contains(table));
            assert!(of("customers") && !of("shop"), "{told:?}");
        }
        // Without a table that is declared the receipt says so.
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        let receipt = own_transaction!(db, shop.register, erase(&who("alice"), why("asked"))).unwrap().receipt.unwrap();
        assert!(receipt.content().may_remain.iter().any(|remains| remains.what.as_str().contains("tables were not compared")));
    }

    // Somebody who can write the tables says that a customer, or a number, is gone. The vault knows better.
    async fn nobody_is_erased_by_a_row_that_says_so() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let mut numbers = Vec::new();
        for id in ["alice", "bob", "carol"] {
            numbers.push(on!(db, shop.register, grant(&who(id), contract())).unwrap().number);
        }
        own_transaction!(db, shop.register, erase(&who("carol"), why("asked"))).unwrap();
        let found = own_transaction!(db, shop.register, reconcile()).unwrap();
        assert_eq!((found.still_readable.len(), found.misassigned.len(), found.compared), (0, 0, 3));
        db.sql("UPDATE oubliette_subjects SET subject = NULL, state = 'erased' WHERE subject = 'alice'").await;
        let found = own_transaction!(db, shop.register, reconcile()).unwrap();
        assert_eq!((found.still_readable, found.misassigned), (vec![], vec![numbers[0]]));
        let mark = format!("UPDATE oubliette_numbers SET state = 'shredded', sealing = NULL WHERE number IN ({}, {})", numbers[0], numbers[1]);
        db.sql(&mark).await;
        let found = own_transaction!(db, shop.register, reconcile()).unwrap();
        assert_eq!((found.still_readable, found.misassigned), (numbers[..2].to_vec(), vec![]));
        let declared = DeclaredTables::in_tables(Vec::<Table>::new());
        let refused = on!(db, shop.register, access(&declared, &who("bob"))).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains("records as shredded"), "{refused}");
        // An erasure shreds what the rows say was shredded, too.
        let receipt = own_transaction!(db, shop.register, erase(&who("bob"), why("asked"))).unwrap().receipt.unwrap();
        assert!(receipt.content().numbers.contains(numbers[1]));
        let found = own_transaction!(db, shop.register, reconcile()).unwrap();
        assert_eq!(found.still_readable, [numbers[0]]);
    }

    // Nor does a merge that somebody had the journal told make a moved number the other's.
    async fn a_made_up_merge_makes_nobodys_number_another_ones() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let mut numbers = Vec::new();
        for id in ["alice", "bob", "carol"] {
            numbers.push(on!(db, shop.register, grant(&who(id), contract())).unwrap().number);
        }
        own_transaction!(db, shop.register, flush()).unwrap();
        // Bob's number goes to Carol, and Carol's to Bob; then Carol is "merged" into Alice, of which the register was "told" before a restore.
        for (number, id) in [(numbers[1], "carol"), (numbers[2], "bob")] {
            let owner = format!("SELECT id FROM oubliette_subjects WHERE subject = '{id}'");
            db.sql(&format!("UPDATE oubliette_numbers SET sealing = NULL, subject_id = ({owner}) WHERE number = {number}")).await;
        }
        let event = format!(r#"{{"kind":"merged","numbers":[{}],"into":[{}]}}"#, numbers[1], numbers[0]);
        let tag = "SELECT value AS answer FROM oubliette_meta WHERE name = 'register'";
        let tag = db.ask(tag).await.remove(0);
        let last = "SELECT max(n) AS answer FROM oubliette_journal";
        let last = db.ask(last).await.remove(0);
        db.sql(&format!("INSERT INTO oubliette_outbox (id, event) VALUES ('00000000000000aa{tag}00000001', '{event}')")).await;
        own_transaction!(db, shop.register, flush()).unwrap();
        db.sql(&format!("INSERT INTO oubliette_meta (name, value) VALUES ('behind', '{last}')")).await;
        let found = own_transaction!(db, shop.register, reconcile()).unwrap();
        assert_eq!(found.misassigned, numbers[1..], "{found:?}");
        assert!(own_transaction!(db, shop.register, erase(&who("carol"), why("asked"))).is_err());
        assert!(on!(db, shop.register, keys(&who("alice"), ORDERS)).is_ok());
    }

    // A merge gives numbers to the one who stays, for good.
    async fn who_was_merged_is_erased_with_the_one_who_stays() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        for id in ["alice", "bob", "carol"] {
            on!(db, shop.register, grant(&who(id), contract())).unwrap();
            on!(db, shop.register, grant(&who(id), consent())).unwrap();
        }
        own_transaction!(db, shop.register, withdraw(&who("bob"), NEWSLETTER, why("asked"))).unwrap();
        on!(db, shop.register, merge(&who("alice"), &who("bob"))).unwrap();
        on!(db, shop.register, merge(&who("carol"), &who("alice"))).unwrap();
        assert!(on!(db, shop.register, keys(&who("bob"), ORDERS)).is_ok());
        assert!(own_transaction!(db, shop.register, reconcile()).unwrap().misassigned.is_empty());
        let receipt = own_transaction!(db, shop.register, erase(&who("carol"), why("asked"))).unwrap().receipt.unwrap();
        let numbers = receipt.content().numbers.ranges().map(|(first, last)| last.get() - first.get() + 1);
        assert_eq!(numbers.sum::<u64>(), 6);
        let swept = own_transaction!(db, shop.register, sweep(|_| ControlFlow::Continue(()))).unwrap();
        assert!(swept.finished);
    }

    // One that is not taken out once it is told would be told with each flush, and a thousand of them without end.
    async fn an_event_with_the_id_of_another_register_is_not_told() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        let told = shop.journal().len();
        let tag = db.ask("SELECT value AS answer FROM oubliette_meta WHERE name = 'register'").await.remove(0);
        let other = if tag == "00000000" { "00000001" } else { "00000000" };
        let event = r#"{"kind":"request_noted","request":7,"note":"x"}"#;
        db.sql(&format!("INSERT INTO oubliette_outbox (id, event) VALUES ('00000000000000aa{other}00000001', '{event}')")).await;
        for _ in 0..3 {
            let flushed = own_transaction!(db, shop.register, flush()).unwrap();
            assert_eq!((flushed.told, flushed.refused.len()), (0, 1));
            assert_eq!(shop.journal().len(), told);
        }
        db.sql("DELETE FROM oubliette_outbox").await;
        own_transaction!(db, shop.register, flush()).unwrap();
    }

    // What is signed stays in the journal for ever: it must not stop every reconciliation from then on.
    async fn made_up_requests_and_grants_stop_no_reconciliation() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let number = on!(db, shop.register, grant(&who("alice"), contract())).unwrap().number;
        own_transaction!(db, shop.register, flush()).unwrap();
        db.back_up().await;
        let tag = db.ask("SELECT value AS answer FROM oubliette_meta WHERE name = 'register'").await.remove(0);
        let event = format!(
            r#"{{"kind":"requested","request":7,"what":"whim","numbers":[{number}],"received":"2026-01-31T10:00:00.000Z","due":"2026-02-28T10:00:00.000Z"}}"#
        );
        db.sql(&format!("INSERT INTO oubliette_outbox (id, event) VALUES ('00000000000000aa{tag}00000001', '{event}')")).await;
        let event = format!(
            r#"{{"kind":"granted","grant":8,"number":{number},"purpose":"orders","basis":"whim"}}"#
        );
        db.sql(&format!("INSERT INTO oubliette_outbox (id, event) VALUES ('00000000000000aa{tag}00000002', '{event}')")).await;
        own_transaction!(db, shop.register, flush()).unwrap();
        on!(db, shop.register, hold(&who("alice"), None, why("case 7"), at("2027-01-01T00:00:00Z"))).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        db.restore().await;
        let resumed = own_transaction!(db, shop.register, resume()).unwrap();
        assert!(resumed.reconciled.is_some());
        assert_eq!(on!(db, shop.register, holds(&who("alice"))).unwrap().len(), 1);
        assert!(on!(db, shop.register, requests()).unwrap().is_empty());
        on!(db, shop.register, live_grants()).unwrap();
        own_transaction!(db, shop.register, withdraw(&who("alice"), ORDERS, why("asked"))).unwrap();
    }

    async fn the_outbox_has_the_vault_shred_nobody() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        let keys = on!(db, shop.register, keys(&who("alice"), ORDERS)).unwrap();
        let sealed = keys.seal(EMAIL, &email()).unwrap();
        let good = db.ask("SELECT event AS answer FROM oubliette_outbox").await;
        let vault = shop.vault.status().unwrap();
        let events = [
            format!(r#"{{"kind":"shred","whom":{{"through":{}}}}}"#, keys.customer()),
            format!(r#"{{"kind":"shred","whom":{{"numbers":[{}]}},"purpose":"orders"}}"#, keys.customer()),
            r#"{"kind":"rotate_root_key"}"#.to_owned(),
            format!(r#"{{"kind":"retire_replaced","purpose":"orders","new":"{}"}}"#, vault.purposes[0].tree),
            r#"{"kind":"recover","seen":9}"#.to_owned(),
            r#"{"kind":"outcome","of":1,"result":"done"}"#.to_owned(),
            r#"{"kind":"torn","bytes":7}"#.to_owned(),
        ];
        for forged in events {
            let _: Event = serde_json::from_str(&forged).unwrap();
            db.sql(&format!("UPDATE oubliette_outbox SET event = '{forged}'")).await;
            let flushed = own_transaction!(db, shop.register, flush()).unwrap();
            assert_eq!((flushed.told, flushed.refused.len()), (0, 1), "{forged}");
            assert_eq!(shop.journal().len(), 1, "{forged}");
        }
        db.sql(&format!("UPDATE oubliette_outbox SET event = '{}'", good[0])).await;
        own_transaction!(db, shop.register, flush()).unwrap();
        // The next to unlock the vault finishes what the journal says was begun.
        let again = shop.memory.builder().journal(shop.place.path().join("journal"));
        let again = again.unlock(oubliette::testing::TestVault::root_key()).unwrap();
        assert!(again.open(keys.customer(), EMAIL, &sealed).is_ok());
    }
}
