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
        let extended = on!(db, shop.register, extend(open[0].id, why("complex"))).unwrap();
        assert_eq!(extended.due_at, at("2026-04-30T10:00:00Z"));
        shop.set_now("2026-02-28T10:00:00.001Z");
        assert!(on!(db, shop.register, late_requests()).unwrap().is_empty());
        shop.set_now("2026-04-30T10:00:00.001Z");
        let late = on!(db, shop.register, late_requests()).unwrap();
        assert_eq!(late.iter().map(|request| request.id).collect::<Vec<_>>(), [open[0].id]);

        on!(db, shop.register, close_request(open[0].id, Answer::Refused, Some(why("not you")))).unwrap();
        let unknown = on!(db, shop.register, close_request("7".parse().unwrap(), Answer::Done, None));
        assert!(matches!(unknown, Err(RegisterError::Invalid { .. })));
        assert_eq!(on!(db, shop.register, requests()).unwrap().len(), 2);
        own_transaction!(db, shop.register, flush()).unwrap();
        let journal = shop.journal();
        let mut told = journal.iter().filter_map(|event| match event {
            Event::Requested { received, due, .. } => Some((received.to_string(), due.to_string())),
            _ => None,
        });
        let first = ("2026-01-31T10:00:00.000Z".to_owned(), "2026-02-28T10:00:00.000Z".to_owned());
        assert_eq!((told.next(), told.count()), (Some(first), 2), "each once, with the time it counts from");
    }

    // Art. 12(3): the person is told why within the first month, so that nobody revives what is late already.
    async fn a_request_is_extended_once_within_its_first_month_and_the_journal_has_why() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let received = at("2026-01-31T10:00:00Z");
        let ask = async |db: &mut Db, id: &str| {
            on!(db, shop.register, request(&who(id), RequestKind::Access, received)).unwrap().id
        };
        let (early, last, late) = (ask(&mut db, "alice").await, ask(&mut db, "bob").await, ask(&mut db, "carol").await);
        on!(db, shop.register, extend(early, why("ten years of letters"))).unwrap();
        shop.set_now("2026-02-28T10:00:00Z");
        on!(db, shop.register, extend(last, why("in the last moment"))).unwrap();
        let before = db.dump().await;
        for now in ["2026-02-28T10:00:00.001Z", "2026-04-30T10:00:00Z", "2026-05-01T10:00:00Z"] {
            shop.set_now(now);
            let refused = on!(db, shop.register, extend(late, why("we were busy")));
            let Err(RegisterError::TooLateToExtend { due }) = refused else { panic!("{refused:?}") };
            assert_eq!(due, at("2026-02-28T10:00:00Z"));
            // A second call has no effect, whenever it comes; another reason would be stored nowhere.
            let again = on!(db, shop.register, extend(early, why("ten years of letters"))).unwrap();
            assert_eq!(again.due_at, at("2026-04-30T10:00:00Z"));
            let other = on!(db, shop.register, extend(early, why("another reason")));
            assert!(matches!(other, Err(RegisterError::Invalid { .. })), "{other:?}");
        }
        assert_eq!(db.dump().await, before);
        own_transaction!(db, shop.register, flush()).unwrap();
        let told: Vec<(u64, String, String)> = shop
            .journal()
            .into_iter()
            .filter_map(|event| match event {
                Event::RequestExtended { request, due, why } => Some((request, due.to_string(), why.to_string())),
                _ => None,
            })
            .collect();
        let due = "2026-04-30T10:00:00.000Z".to_owned();
        let expected = [
            (early.number(), due.clone(), "ten years of letters".to_owned()),
            (last.number(), due, "in the last moment".to_owned()),
        ];
        assert_eq!(told, expected);
    }

    async fn a_closed_request_is_noted_on_and_never_changed() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let answers = [(Answer::Done, None), (Answer::Refused, Some("not you")), (Answer::Withdrawn, Some("by phone"))];
        for (at, (how, reason)) in answers.into_iter().enumerate() {
            let subject = who(&format!("customer {at}"));
            let id = on!(db, shop.register, request(&subject, RequestKind::Access, shop.register_now())).unwrap().id;
            on!(db, shop.register, close_request(id, how, reason.map(why))).unwrap();
            let before = db.dump().await;
            for (other, why_not) in answers.into_iter().chain([(how, Some("for another reason"))]) {
                let closed = on!(db, shop.register, close_request(id, other, why_not.map(why)));
                match closed {
                    Ok(()) => assert_eq!((other, why_not), (how, reason), "the same again"),
                    Err(RegisterError::RequestClosed { how: stored, .. }) => {
                        assert_ne!((other, why_not), (how, reason));
                        assert_eq!(stored, format!("{how:?}").to_lowercase());
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            let extended = on!(db, shop.register, extend(id, why("late")));
            assert!(matches!(extended, Err(RegisterError::RequestClosed { .. })), "{extended:?}");
            assert_eq!(db.dump().await, before);
            on!(db, shop.register, note_request(id, why("asked again by telephone"))).unwrap();
        }
        let unknown = on!(db, shop.register, note_request("7".parse().unwrap(), why("a note")));
        assert!(matches!(unknown, Err(RegisterError::Invalid { .. })));
        assert!(on!(db, shop.register, requests()).unwrap().is_empty());
        own_transaction!(db, shop.register, flush()).unwrap();
        let journal = shop.journal();
        assert_eq!(count(&journal, |event| matches!(event, Event::RequestClosed { .. })), 3, "each once");
        let noted = |event: &Event| matches!(event, Event::RequestNoted { note, .. } if note.as_str() == "asked again by telephone");
        assert_eq!(count(&journal, noted), 3);
    }

    // The register restricts nothing, and has erased nobody: who says that it is done says what was.
    async fn what_the_register_has_not_done_is_done_for_a_reason() {
        let (shop, db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        for kind in RequestKind::ALL {
            let id = on!(db, shop.register, request(&who("alice"), kind, shop.register_now())).unwrap().id;
            let refused = on!(db, shop.register, close_request(id, Answer::Refused, None));
            assert!(matches!(refused, Err(RegisterError::Invalid { .. })), "{kind}: {refused:?}");
            let done = on!(db, shop.register, close_request(id, Answer::Done, None));
            let by_itself = [RequestKind::Access, RequestKind::Rectification, RequestKind::Portability].contains(&kind);
            assert_eq!(done.is_ok(), by_itself, "{kind}: {done:?}");
            let with_reason = on!(db, shop.register, close_request(id, Answer::Done, Some(why("by the shop's own means"))));
            assert_eq!(with_reason.is_ok(), !by_itself, "{kind}: {with_reason:?}");
        }
        assert!(on!(db, shop.register, requests()).unwrap().is_empty());
    }

    async fn an_erasure_answers_no_other_request() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        let mut asked = Vec::new();
        for kind in RequestKind::ALL {
            let request = on!(db, shop.register, request(&who("alice"), kind, at("2026-01-31T10:00:00Z"))).unwrap();
            asked.push((request.id.number(), kind));
        }
        shop.set_now("2026-06-01T10:00:00Z");
        own_transaction!(db, shop.register, erase(&who("alice"), why("asked"))).unwrap();
        let mut closed: Vec<(u64, String)> = shop
            .journal()
            .into_iter()
            .filter_map(|event| match event {
                Event::RequestClosed { request, how, .. } => Some((request, how.to_string())),
                _ => None,
            })
            .collect();
        closed.sort_unstable();
        let how = |kind| if kind == RequestKind::Erasure { "done" } else { "unanswered" };
        let mut expected: Vec<_> = asked.iter().map(|(id, kind)| (*id, how(*kind).to_owned())).collect();
        expected.sort_unstable();
        assert_eq!(closed, expected);
        let stored = db.ask("SELECT state AS answer FROM oubliette_requests WHERE kind <> 'erasure' ORDER BY id").await;
        assert_eq!(stored, ["unanswered"; 5]);
    }

    // After a restore, the journal tells of the times again.
    async fn a_restored_database_learns_when_a_request_was_received_and_why_it_was_extended() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        let known = on!(db, shop.register, request(&who("alice"), RequestKind::Access, at("2026-01-20T10:00:00Z"))).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        db.back_up().await;
        let told = on!(db, shop.register, request(&who("alice"), RequestKind::Portability, at("2026-01-10T10:00:00Z"))).unwrap();
        for request in [&known, &told] {
            on!(db, shop.register, extend(request.id, why("complex"))).unwrap();
        }
        own_transaction!(db, shop.register, flush()).unwrap();
        let times = "SELECT received_at || ' ' || due_at || ' ' || why AS answer FROM oubliette_requests ORDER BY id";
        let before = db.ask(times).await;
        db.restore().await;
        assert_ne!(db.ask(times).await, before);
        assert!(own_transaction!(db, shop.register, resume()).unwrap().reconciled.is_some());
        assert_eq!(db.ask(times).await, before);
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
        assert_eq!(own_transaction!(db, shop.register, sweep(go_on)).unwrap().erased, 0);
        assert!(keys.iter().all(|keys| keys.seal(EMAIL, &email()).is_ok()));

        shop.set_now("2026-02-08T10:00:00Z");
        let due = on!(db, shop.register, due()).unwrap();
        assert_eq!(due.iter().filter(|due| !due.held).map(|due| due.subject.as_str()).collect::<Vec<_>>(), ["alice"]);
        let swept = own_transaction!(db, shop.register, sweep(go_on)).unwrap();
        assert_eq!((swept.erased, swept.held, swept.receipts.len(), swept.finished), (1, 1, 1, true));
        assert!(keys[0].seal(EMAIL, &email()).is_err());
        assert!(keys[1].seal(EMAIL, &email()).is_ok() && keys[2].seal(EMAIL, &email()).is_ok());
        shop.set_now("2026-03-01T00:00:00Z");
        assert_eq!(own_transaction!(db, shop.register, sweep(go_on)).unwrap().erased, 1);
        assert!(keys[2].seal(EMAIL, &email()).is_err());
    }
}
