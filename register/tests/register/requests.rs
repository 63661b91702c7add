//! Requests, their times, and the grace before an erasure.

use std::ops::ControlFlow;

use jiff::SignedDuration;
use oubliette::journal::Event;
use oubliette_register::{Answer, RegisterError, RequestKind, Rules};

use crate::Db;
use crate::support::*;

bodies! {
    async fn an_answer_is_due_within_a_calendar_month() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let due = |received: &str| (received.to_owned(), at(received));
        for ((received, time), expected) in [
            (due("2026-01-31T10:00:00Z"), "2026-02-28T10:00:00Z"),
            (due("2028-01-31T10:00:00Z"), "2028-02-29T10:00:00Z"),
            (due("2026-12-24T10:00:00Z"), "2027-01-24T10:00:00Z"),
        ] {
            shop.set_now(&received);
            let request = on!(db, shop.register, request(&who(&received), RequestKind::Access, time)).unwrap();
            assert_eq!((request.due_at, request.carried_out_at), (at(expected), None));
        }
        let open = on!(db, shop.register, requests()).unwrap();
        assert_eq!(open.len(), 3);
        assert_eq!(open[0].subject.as_str(), "2026-01-31T10:00:00Z", "the one that is due first");

        shop.set_now("2026-02-28T10:00:00Z");
        assert!(on!(db, shop.register, late_requests()).unwrap().is_empty());
        shop.set_now("2026-02-28T10:00:00.001Z");
        let late = on!(db, shop.register, late_requests()).unwrap();
        assert_eq!(late.iter().map(|request| request.id).collect::<Vec<_>>(), [open[0].id]);
        let extended = on!(db, shop.register, extend(open[0].id, why("complex"))).unwrap();
        assert_eq!(extended.due_at, at("2026-04-30T10:00:00Z"));
        assert_eq!(on!(db, shop.register, extend(open[0].id, why("again"))).unwrap().due_at, extended.due_at);
        assert!(on!(db, shop.register, late_requests()).unwrap().is_empty());

        on!(db, shop.register, close_request(open[0].id, Answer::Refused, Some(why("not you")))).unwrap();
        on!(db, shop.register, close_request(open[0].id, Answer::Done, None)).unwrap();
        assert!(matches!(on!(db, shop.register, extend(open[0].id, why("late"))), Err(RegisterError::Invalid { .. })));
        let unknown = on!(db, shop.register, close_request("7".parse().unwrap(), Answer::Done, None));
        assert!(matches!(unknown, Err(RegisterError::Invalid { .. })));
        assert_eq!(on!(db, shop.register, requests()).unwrap().len(), 2);
        alone!(db, shop.register, flush()).unwrap();
        let journal = shop.journal();
        assert_eq!(count(&journal, |event| matches!(event, Event::Requested { .. })), 5);
        assert_eq!(count(&journal, |event| matches!(event, Event::RequestClosed { .. })), 1, "how it ended first");
    }

    async fn a_request_cannot_have_arrived_yet() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let (alice, before) = (who("alice"), db.dump().await);
        for kind in [RequestKind::Access, RequestKind::Erasure] {
            for late in ["2026-01-31T10:05:00.001Z", "2027-01-31T10:00:00Z", "9999-12-30T22:00:00Z"] {
                let refused = on!(db, shop.register, request(&alice, kind, at(late)));
                assert!(matches!(refused, Err(RegisterError::Invalid { .. })), "{late}");
            }
        }
        assert_eq!(db.dump().await, before);
        // Another machine's clock is a little ahead.
        on!(db, shop.register, request(&alice, RequestKind::Access, at("2026-01-31T10:05:00Z"))).unwrap();
    }

    async fn an_erasure_waits_for_its_grace_and_can_be_taken_back() {
        let rules = Rules::new().grace(SignedDuration::from_hours(7 * 24));
        let (shop, mut db) = (Shop::new(rules), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let mut keys = Vec::new();
        for id in ["alice", "bob", "carol"] {
            on!(db, shop.register, grant(&who(id), contract())).unwrap();
            keys.push(on!(db, shop.register, keys(&who(id), ORDERS)).unwrap());
        }
        let received = at("2026-02-01T10:00:00Z");
        shop.set_now("2026-02-01T10:00:00Z");
        let alice = on!(db, shop.register, request(&who("alice"), RequestKind::Erasure, received)).unwrap();
        let bob = on!(db, shop.register, request(&who("bob"), RequestKind::Erasure, received)).unwrap();
        on!(db, shop.register, request(&who("carol"), RequestKind::Erasure, received)).unwrap();
        on!(db, shop.register, hold(&who("carol"), None, why("case 7"), at("2026-03-01T00:00:00Z"))).unwrap();
        assert_eq!(alice.carried_out_at, Some(at("2026-02-08T10:00:00Z")));
        on!(db, shop.register, close_request(bob.id, Answer::Withdrawn, None)).unwrap();
        let go_on = |_: &_| ControlFlow::Continue(());

        shop.set_now("2026-02-08T09:59:59Z");
        assert!(on!(db, shop.register, due()).unwrap().is_empty());
        assert_eq!(alone!(db, shop.register, sweep(go_on)).unwrap().erased, 0);
        assert!(keys.iter().all(|keys| keys.seal(EMAIL, &email()).is_ok()));

        shop.set_now("2026-02-08T10:00:00Z");
        let due = on!(db, shop.register, due()).unwrap();
        assert_eq!(due.iter().filter(|due| !due.held).map(|due| due.subject.as_str()).collect::<Vec<_>>(), ["alice"]);
        let swept = alone!(db, shop.register, sweep(go_on)).unwrap();
        assert_eq!((swept.erased, swept.held, swept.receipts.len(), swept.finished), (1, 1, 1, true));
        assert!(keys[0].seal(EMAIL, &email()).is_err());
        assert!(keys[1].seal(EMAIL, &email()).is_ok() && keys[2].seal(EMAIL, &email()).is_ok());
        shop.set_now("2026-03-01T00:00:00Z");
        assert_eq!(alone!(db, shop.register, sweep(go_on)).unwrap().erased, 1);
        assert!(keys[2].seal(EMAIL, &email()).is_err());
    }
}
