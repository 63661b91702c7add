//! Tables that are another vault's, and rows that nobody of ours wrote.

use std::ops::ControlFlow;

use jiff::ToSpan;
use oubliette_register::{Answer, Keep, RegisterError, RequestKind, Rules};

use crate::Db;
use crate::support::*;

/// Each call, and what it came to.
macro_rules! calls {
    ($db:expr, $shop:expr) => {{
        let (alice, bob) = (who("alice"), who("bob"));
        let granted = on!($db, $shop.register, grant(&alice, contract())).map(drop);
        let mut all: Vec<(&str, Result<(), RegisterError>)> = vec![("grant", granted)];
        all.push(("keys", on!($db, $shop.register, keys(&alice, ORDERS)).map(drop)));
        all.push(("numbers", on!($db, $shop.register, numbers(&alice, ORDERS)).map(drop)));
        all.push(("mark", on!($db, $shop.register, mark(&alice, "order", at("2026-01-31T10:00:00Z")))));
        let asked = on!($db, $shop.register, request(&alice, RequestKind::Access, at("2026-01-31T10:00:00Z")));
        all.push(("request", asked.map(drop)));
        all.push(("requests", on!($db, $shop.register, requests()).map(drop)));
        all.push(("holds", on!($db, $shop.register, holds(&bob)).map(drop)));
        all.push(("due", on!($db, $shop.register, due()).map(drop)));
        all.push((
            "withdraw_recipient",
            on!($db, $shop.register, withdraw_recipient(&alice, ORDERS, "carrier", why("asked"))).map(drop),
        ));
        all.push(("flush", own_transaction!($db, $shop.register, flush()).map(drop)));
        all.push((
            "withdraw",
            own_transaction!($db, $shop.register, withdraw(&alice, NEWSLETTER, why("asked"))).map(drop),
        ));
        all.push((
            "end_purpose",
            own_transaction!($db, $shop.register, end_purpose(&alice, ORDERS, why("asked"))).map(drop),
        ));
        all.push(("sweep", own_transaction!($db, $shop.register, sweep(|_| ControlFlow::Continue(()))).map(drop)));
        all.push(("reconcile", own_transaction!($db, $shop.register, reconcile()).map(drop)));
        all.push(("erase", own_transaction!($db, $shop.register, erase(&alice, why("asked"))).map(drop)));
        let held = on!($db, $shop.register, hold(&bob, None, why("case"), at("2028-02-01T00:00:00Z")));
        all.push(("hold", held.map(drop)));
        all.push(("merge", on!($db, $shop.register, merge(&alice, &bob))));
        all.push(("resume", own_transaction!($db, $shop.register, resume()).map(drop)));
        all
    }};
}

fn rules() -> Rules {
    Rules::new().keep(NEWSLETTER, Keep::after_grant(1.month()))
}

bodies! {
    async fn nothing_is_done_with_the_tables_of_another_vault() {
        let (shop, other) = (Shop::new(rules()), Shop::new(rules()));
        let (ours, mut theirs) = (Db::new().await, Db::new().await);
        on!(ours, shop.register, create_tables()).unwrap();
        on!(theirs, other.register, create_tables()).unwrap();
        // One number each, and the same.
        for id in ["alice", "bob"] {
            on!(theirs, other.register, grant(&who(id), consent())).unwrap();
            on!(theirs, other.register, grant(&who(id), contract())).unwrap();
        }
        on!(ours, shop.register, grant(&who("zoe"), consent())).unwrap();
        on!(ours, shop.register, grant(&who("zoe"), contract())).unwrap();
        let zoe = on!(ours, shop.register, keys(&who("zoe"), NEWSLETTER)).unwrap();
        let sealed = zoe.seal(NEWS_EMAIL, &email()).unwrap();
        let before = theirs.dump().await;
        for shop_now in ["2026-01-31T10:00:00Z", "2027-01-31T10:00:00Z"] {
            shop.set_now(shop_now);
            for (call, came) in calls!(theirs, shop) {
                // These name nobody's number to anybody, and write nothing.
                if !["numbers", "requests", "holds"].contains(&call) {
                    assert!(matches!(came, Err(RegisterError::OtherVault)), "{call}: {came:?}");
                }
            }
        }
        assert_eq!(theirs.dump().await, before);
        assert!(shop.opens(&zoe, &sealed, NEWS_EMAIL));
    }

    async fn ids_are_good_in_the_tables_of_their_own_vault_only() {
        let (shop, other, mut db) = (Shop::new(rules()), Shop::new(rules()), Db::new().await);
        on!(db, other.register, create_tables()).unwrap();
        let now = at("2026-01-31T10:00:00Z");
        on!(db, other.register, grant(&who("alice"), contract())).unwrap();
        let asked = on!(db, other.register, request(&who("alice"), RequestKind::Access, now)).unwrap().id;
        let held = on!(db, other.register, hold(&who("alice"), None, why("case"), at("2027-02-01T00:00:00Z"))).unwrap();
        let before = db.dump().await;
        let extended = on!(db, shop.register, extend(asked, why("complex"))).map(drop);
        let closed = on!(db, shop.register, close_request(asked, Answer::Done, None));
        let ended = on!(db, shop.register, end_hold(held, why("over")));
        for (call, came) in [("extend", extended), ("close_request", closed), ("end_hold", ended)] {
            assert!(matches!(came, Err(RegisterError::OtherVault)), "{call}: {came:?}");
        }
        assert_eq!(db.dump().await, before);
        on!(db, other.register, extend(asked, why("complex"))).unwrap();
        on!(db, other.register, close_request(asked, Answer::Done, None)).unwrap();
        on!(db, other.register, end_hold(held, why("over"))).unwrap();
    }

    async fn rows_that_nobody_of_ours_wrote_are_errors() {
        let bad = [
            ("UPDATE oubliette_subjects SET state = 'alive'", &["grant", "erase", "withdraw", "mark", "merge"][..]),
            ("UPDATE oubliette_subjects SET state = ''", &["grant", "erase"]),
            ("UPDATE oubliette_subjects SET state = 'erasing', subject = NULL, why = NULL", &["resume"]),
            ("UPDATE oubliette_subjects SET since = -9223372036854775808, merged_into = -1", &["merge"]),
            ("UPDATE oubliette_numbers SET number = -number", &["grant", "keys", "numbers", "hold", "erase"]),
            ("UPDATE oubliette_numbers SET number = 9223372036854775807 - number", &["grant", "keys", "erase"]),
            ("UPDATE oubliette_numbers SET number = number + 1000000", &["erase"]),
            ("UPDATE oubliette_numbers SET purpose = purpose || 'x'", &["reconcile"]),
            ("UPDATE oubliette_numbers SET state = 'shred_pending', why = NULL", &["resume"]),
            ("UPDATE oubliette_numbers SET state = 'shred_pending', sealing = NULL, purpose = 'x', why = 'y'", &["resume"]),
            ("UPDATE oubliette_numbers SET state = 'gone'", &[]),
            ("UPDATE oubliette_grants SET basis = 'whim'", &["withdraw"]),
            ("UPDATE oubliette_grants SET until = 9223372036854775807", &["keys", "withdraw"]),
            ("UPDATE oubliette_grants SET granted_at = -9223372036854775808", &["keys"]),
            ("UPDATE oubliette_grants SET evidence = 'no JSON'", &[]),
            ("UPDATE oubliette_holds SET until = 9223372036854775807", &["holds"]),
            ("UPDATE oubliette_holds SET reason = ''", &["holds"]),
            ("UPDATE oubliette_requests SET kind = 'whim'", &[]),
            ("UPDATE oubliette_requests SET due_at = -9223372036854775808", &[]),
            ("UPDATE oubliette_outbox SET event = 'x'", &[]),
            ("UPDATE oubliette_outbox SET event = '{\"kind\":\"whim\"}'", &[]),
            ("UPDATE oubliette_outbox SET id = substr(id, 2)", &[]),
            ("INSERT INTO oubliette_journal (n, line) VALUES (-7, 'x')", &[]),
            ("INSERT INTO oubliette_journal (n, line) VALUES (9223372036854775807, 'x')", &["flush"]),
            ("INSERT INTO oubliette_meta (name, value) VALUES ('behind', 'x')", &["resume"]),
            ("INSERT INTO oubliette_meta (name, value) VALUES ('behind', '-9223372036854775808')", &[]),
            ("UPDATE oubliette_meta SET value = '' WHERE name = 'register'", &["flush"]),
            ("DELETE FROM oubliette_meta", &["grant", "erase", "flush", "sweep"]),
            ("INSERT INTO oubliette_work VALUES ('', '', '', 7)", &["resume"]),
        ];
        for (sql, refusing) in bad {
            let (shop, mut db) = (Shop::new(rules()), Db::new().await);
            on!(db, shop.register, create_tables()).unwrap();
            for id in ["alice", "bob"] {
                on!(db, shop.register, grant(&who(id), consent())).unwrap();
                on!(db, shop.register, grant(&who(id), contract())).unwrap();
            }
            on!(db, shop.register, hold(&who("bob"), None, why("case"), at("2027-02-01T00:00:00Z"))).unwrap();
            on!(db, shop.register, request(&who("alice"), RequestKind::Erasure, at("2026-01-31T10:00:00Z"))).unwrap();
            db.sql(sql).await;
            let came = calls!(db, shop);
            for (call, came) in &came {
                if refusing.contains(call) {
                    assert!(came.is_err(), "{sql}: {call}");
                }
                if let Err(error) = came {
                    let said = format!("{error} {error:?} {:?}", error.outcome());
                    assert!(!said.contains("alice") && !said.contains("bob"), "{said}");
                }
            }
        }
    }
}
