//! The register without the vault: what a privacy officer does counts at once, and is signed once; what somebody else wrote by
//! hand is not taken for it.

use std::ops::ControlFlow;

use jiff::{SignedDuration, ToSpan};
use oubliette::Vault;
use oubliette::journal::Event;
use oubliette::testing::Stop;
use oubliette::testing::TestVault;
use oubliette_register::{Answer, Keep, RegisterError, RequestKind, Rules, ShredByNumber, Signed};

use crate::Db;
use crate::support::*;

const UNTIL: &str = "2026-06-01T00:00:00Z";

fn is_of_desk(event: &Event) -> bool {
    matches!(
        event,
        Event::Requested { .. }
            | Event::RequestExtended { .. }
            | Event::RequestNoted { .. }
            | Event::RequestClosed { .. }
            | Event::Hold { .. }
            | Event::HoldEnded { .. }
    )
}

bodies! {
    async fn what_a_desk_does_is_shown_as_unsigned_until_the_vault_signs_it_once() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let desk = shop.desk(Rules::new());
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        on!(db, desk, check_tables()).unwrap();
        assert!(on!(db, desk, unsigned()).unwrap().is_empty());
        let before = shop.journal().len();

        // Somebody whom the register does not know, too.
        let first = on!(db, desk, request(&who("alice"), RequestKind::Access, shop.register_now())).unwrap().id;
        let second = on!(db, desk, request(&who("nobody"), RequestKind::Erasure, shop.register_now())).unwrap().id;
        let due = on!(db, desk, extend(first, why("complex"))).unwrap().due_at;
        on!(db, desk, note_request(first, why("asked for proof"))).unwrap();
        on!(db, desk, close_request(second, Answer::Refused, Some(why("unknown here")))).unwrap();
        let standing = on!(db, desk, hold(&who("alice"), Some(ORDERS), why("case 7"), at(UNTIL))).unwrap();
        let ended = on!(db, desk, hold(&who("alice"), None, why("case 8"), at(UNTIL))).unwrap();
        on!(db, desk, end_hold(ended, why("settled"))).unwrap();

        let requests = on!(db, desk, requests()).unwrap();
        assert_eq!((requests.len(), requests[0].due_at), (1, due));
        assert_eq!(on!(db, desk, holds(&who("alice"))).unwrap().len(), 1);
        assert_eq!(on!(db, desk, signed_requests(&[second, first])).unwrap(), [Signed::NotYet; 2]);
        assert_eq!(on!(db, desk, signed_holds(&[standing, ended])).unwrap(), [Signed::NotYet; 2]);
        let waiting = on!(db, desk, unsigned()).unwrap();
        assert_eq!(waiting.len(), 8, "{waiting:?}");
        assert!(waiting.iter().all(|one| one.at == shop.register_now() && is_of_desk(&one.event)));
        assert_eq!(shop.journal().len(), before, "no process without the vault writes the journal");
        // Whoever has the vault sees the same before it is signed.
        assert_eq!(on!(db, shop.register, signed_requests(&[first])).unwrap(), [Signed::NotYet]);

        // Killed anywhere in the flush, each is delivered once.
        for step in 1.. {
            shop.steps.stop_at(step, Stop::Die { torn: false });
            let flushed = own_transaction!(db, shop.register, flush());
            shop.steps.reset();
            if flushed.is_ok() {
                assert!(step > 2, "{step}");
                break;
            }
        }
        let journal = shop.journal();
        assert_eq!(count(&journal, is_of_desk), 8);
        assert_eq!(journal.len(), before + 8);
        assert!(on!(db, desk, unsigned()).unwrap().is_empty());
        let entry = |is: &dyn Fn(&Event) -> bool| {
            let n = journal.iter().rposition(is).unwrap() + 1;
            Signed::Entry(u64::try_from(n).unwrap())
        };
        let noted = entry(&|event| matches!(event, Event::RequestNoted { .. }));
        let closed = entry(&|event| matches!(event, Event::RequestClosed { .. }));
        assert_eq!(on!(db, desk, signed_requests(&[first, second])).unwrap(), [noted, closed]);
        let held = entry(&|event| matches!(event, Event::Hold { why, .. } if why.as_str() == "case 7"));
        let over = entry(&|event| matches!(event, Event::HoldEnded { .. }));
        assert_eq!(on!(db, desk, signed_holds(&[standing, ended])).unwrap(), [held, over]);

        let unknown = on!(db, desk, signed_requests(&["7".parse().unwrap()]));
        assert!(matches!(unknown, Err(RegisterError::Invalid { .. })));
        // What comes later is shown again.
        on!(db, desk, end_hold(standing, why("settled"))).unwrap();
        assert_eq!(on!(db, desk, signed_holds(&[standing, ended])).unwrap(), [Signed::NotYet, over]);
    }

    async fn a_hold_of_the_desks_binds_whatever_destroys_before_it_is_signed() {
        let rules = || Rules::new().keep(NEWSLETTER, Keep::after_grant(1.month())).grace(SignedDuration::from_hours(1));
        let (shop, mut db) = (Shop::new(rules()), Db::new().await);
        let desk = shop.desk(rules());
        on!(db, shop.register, create_tables()).unwrap();
        let alice = who("alice");
        on!(db, shop.register, grant(&alice, consent())).unwrap();
        let keys = on!(db, shop.register, keys(&alice, NEWSLETTER)).unwrap();
        let sealed = keys.seal(NEWS_EMAIL, &email()).unwrap();
        let tree = shop.vault.rotate_purpose(NEWSLETTER).unwrap().0;
        on!(db, desk, request(&alice, RequestKind::Erasure, shop.register_now())).unwrap();
        let hold = on!(db, desk, hold(&alice, None, why("case 7"), at(UNTIL))).unwrap();

        shop.set_now("2026-05-31T23:59:59Z");
        let erased = own_transaction!(db, shop.register, erase(&alice, why("asked")));
        assert!(matches!(erased, Err(RegisterError::Held { .. })), "{erased:?}");
        let number = keys.customer();
        let shredded = own_transaction!(db, shop.register, shred_numbers(ShredByNumber::these([number])));
        assert!(matches!(shredded, Err(RegisterError::HoldsStand { .. })), "{shredded:?}");
        let through = own_transaction!(db, shop.register, shred_numbers(ShredByNumber::through(number)));
        assert!(matches!(through, Err(RegisterError::HoldsStand { .. })), "{through:?}");
        let retired = own_transaction!(db, shop.register, retire_replaced(NEWSLETTER, tree, None));
        assert!(matches!(retired, Err(RegisterError::HoldsStand { .. })), "{retired:?}");
        let due = on!(db, desk, due()).unwrap();
        assert!(due.len() == 2 && due.iter().all(|due| due.held), "{due:?}");
        let swept = own_transaction!(db, shop.register, sweep(|_| ControlFlow::Continue(()))).unwrap();
        assert_eq!((swept.held, swept.shredded, swept.erased), (2, 0, 0));
        let withdrawn = own_transaction!(db, shop.register, withdraw(&alice, NEWSLETTER, why("unsubscribed"))).unwrap();
        assert!(withdrawn.held.is_some() && withdrawn.shredded.is_none());
        own_transaction!(db, shop.register, resume()).unwrap();
        assert!(shop.opens_by(number, &sealed, NEWS_EMAIL));

        // Ended at the desk, it binds no more.
        on!(db, desk, end_hold(hold, why("settled"))).unwrap();
        own_transaction!(db, shop.register, erase(&alice, why("asked"))).unwrap();
        assert!(!shop.opens_by(number, &sealed, NEWS_EMAIL));
        let late = on!(db, desk, hold(&alice, None, why("case 9"), at("2027-06-01T00:00:00Z")));
        assert!(matches!(late, Err(RegisterError::UnknownSubject)), "{late:?}");
    }

    async fn a_hold_that_comes_while_somebody_is_erased_binds_or_is_refused() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let desk = shop.desk(Rules::new());
        on!(db, shop.register, create_tables()).unwrap();
        for _ in 0..20 {
            on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
            let keys = on!(db, shop.register, keys(&who("alice"), ORDERS)).unwrap();
            let sealed = keys.seal(EMAIL, &email()).unwrap();
            let (held, erased) = db.held_in_a_race(&desk, &shop.register, at(UNTIL)).await;
            match (held, erased) {
                (Ok(hold), Err(RegisterError::Held { .. })) => {
                    assert!(shop.opens(&keys, &sealed, EMAIL));
                    on!(db, desk, end_hold(hold, why("settled"))).unwrap();
                    own_transaction!(db, shop.register, erase(&who("alice"), why("asked"))).unwrap();
                }
                (Err(RegisterError::BeingErased | RegisterError::UnknownSubject), Ok(_)) => {}
                other => panic!("{other:?}"),
            }
            assert!(!shop.opens(&keys, &sealed, EMAIL));
        }
    }

    async fn a_desk_sees_what_is_due_and_writes_nothing() {
        let rules = || Rules::new().keep(NEWSLETTER, Keep::after_grant(1.month()));
        let (shop, mut db) = (Shop::new(rules()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        for id in ["alice", "bob", "carol"] {
            on!(db, shop.register, grant(&who(id), consent())).unwrap();
        }
        on!(db, shop.register, hold(&who("bob"), None, why("case 7"), at(UNTIL))).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        shop.set_now("2026-03-01T00:00:00Z");
        let before = db.dump().await;
        let desk = shop.desk(rules());
        let [seen, due] = [on!(db, desk, due()).unwrap(), on!(db, shop.register, due()).unwrap()];
        assert_eq!((format!("{seen:?}"), seen.len()), (format!("{due:?}"), 3));
        assert_eq!(seen.iter().filter(|due| due.held).count(), 1);
        assert!(on!(db, desk, compare_rules()).unwrap().unwrap().is_empty());
        let other = shop.desk(Rules::new());
        assert!(!on!(db, other, compare_rules()).unwrap().unwrap().is_empty());
        assert_eq!(db.dump().await, before);
    }

    // Whoever can write the tables can write a request, a hold, a line; not what the vault signed of it.
    async fn what_was_written_by_hand_is_not_shown_as_signed() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let desk = shop.desk(Rules::new());
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        let request = on!(db, desk, request(&who("alice"), RequestKind::Access, shop.register_now())).unwrap().id;
        let other = on!(db, desk, request(&who("alice"), RequestKind::Access, shop.register_now())).unwrap().id;
        let hold = on!(db, desk, hold(&who("alice"), None, why("case 7"), at(UNTIL))).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        let good = db.snapshot().await;
        let tag = db.ask("SELECT value AS answer FROM oubliette_meta WHERE name = 'register'").await.remove(0);
        let closed = format!(
            "INSERT INTO oubliette_outbox (id, event) VALUES ('00000000000000aa{tag}00000001', \
             '{{\"kind\":\"request_closed\",\"request\":{request},\"how\":\"refused\"}}')"
        );
        let attacks = [
            // The row says other than what was signed.
            format!("UPDATE oubliette_requests SET due_at = due_at + 86400000 WHERE id = {request}"),
            format!("UPDATE oubliette_requests SET received_at = received_at + 1000 WHERE id = {request}"),
            format!("UPDATE oubliette_requests SET kind = 'erasure' WHERE id = {request}"),
            format!("UPDATE oubliette_requests SET state = 'withdrawn' WHERE id = {request}"),
            // The journal's table: an entry of another request, one that is moved, changed, or gone.
            format!("UPDATE oubliette_journal SET about = {request} WHERE about = {other}"),
            format!("UPDATE oubliette_journal SET n = n + 100 WHERE about = {request}"),
            format!("UPDATE oubliette_journal SET line = replace(line, 'access', 'object') WHERE about = {request}"),
            format!("DELETE FROM oubliette_journal WHERE about = {request}"),
            // Row and line together, which is not signed as it stands.
            format!(
                "UPDATE oubliette_journal SET line = replace(line, 'access', 'erasure') WHERE about = {request}; \
                 UPDATE oubliette_requests SET kind = 'erasure' WHERE id = {request}"
            ),
            // An event of which the row knows nothing.
            closed.clone(),
        ];
        for attack in attacks {
            db.sql(&attack).await;
            assert_eq!(on!(db, desk, signed_requests(&[request])).unwrap(), [Signed::Differs], "{attack}");
            assert_eq!(on!(db, shop.register, signed_requests(&[request])).unwrap(), [Signed::Differs], "{attack}");
            db.replace(&good).await;
        }
        let attacks = [
            format!("UPDATE oubliette_holds SET until = until + 1000 WHERE id = {hold}"),
            format!("UPDATE oubliette_holds SET purpose = 'orders' WHERE id = {hold}"),
            format!("UPDATE oubliette_holds SET reason = 'case 8' WHERE id = {hold}"),
            format!("UPDATE oubliette_holds SET ended_at = placed_at WHERE id = {hold}"),
            format!("DELETE FROM oubliette_journal WHERE about = {hold}"),
        ];
        for attack in attacks {
            db.sql(&attack).await;
            assert_eq!(on!(db, desk, signed_holds(&[hold])).unwrap(), [Signed::Differs], "{attack}");
            db.replace(&good).await;
        }
        // Nor does a time beyond the calendar hide what waits.
        db.sql(&closed.replace("00000000000000aa", "ffffffffffff00aa")).await;
        assert_eq!(on!(db, desk, unsigned()).unwrap().len(), 1);
        db.replace(&good).await;
        // What is no event hides nothing, and is told.
        db.sql(&format!("INSERT INTO oubliette_outbox (id, event) VALUES ('00000000000000aa{tag}00000002', '{{}}')")).await;
        assert!(matches!(on!(db, desk, signed_requests(&[request])).unwrap()[..], [Signed::Entry(_)]));
        assert!(on!(db, desk, unsigned()).unwrap().is_empty());
        assert_eq!(on!(db, desk, damaged_rows()).unwrap().len(), 1);
        db.replace(&good).await;
        // Row and event together are an act like any other: until it is signed, and then too, nobody can tell.
        db.sql(&closed).await;
        db.sql(&format!("UPDATE oubliette_requests SET state = 'refused', closed_at = 1 WHERE id = {request}")).await;
        assert_eq!(on!(db, desk, signed_requests(&[request])).unwrap(), [Signed::NotYet]);
        own_transaction!(db, shop.register, flush()).unwrap();
        assert!(matches!(on!(db, desk, signed_requests(&[request])).unwrap()[..], [Signed::Entry(_)]));
    }

    async fn a_hold_whose_row_is_taken_away_is_found() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let desk = shop.desk(Rules::new());
        on!(db, shop.register, create_tables()).unwrap();
        let mut holds = Vec::new();
        for id in ["alice", "bob", "carol"] {
            on!(db, shop.register, grant(&who(id), contract())).unwrap();
            holds.push(on!(db, desk, hold(&who(id), None, why("case 7"), at(UNTIL))).unwrap());
        }
        own_transaction!(db, shop.register, flush()).unwrap();
        // Of Bob it ends, and Carol's goes with her erasure.
        on!(db, desk, end_hold(holds[1], why("settled"))).unwrap();
        on!(db, desk, end_hold(holds[2], why("settled"))).unwrap();
        own_transaction!(db, shop.register, erase(&who("carol"), why("asked"))).unwrap();
        assert!(on!(db, desk, missing_holds()).unwrap().is_empty());
        db.sql("DELETE FROM oubliette_holds").await;
        for _ in 0..2 {
            assert_eq!(on!(db, desk, missing_holds()).unwrap(), [holds[0]]);
            assert_eq!(on!(db, shop.register, missing_holds()).unwrap(), [holds[0]]);
            own_transaction!(db, shop.register, resume()).unwrap();
        }
        // Whoever took it away may erase now: what is gone cannot be held.
        own_transaction!(db, shop.register, erase(&who("alice"), why("asked"))).unwrap();
        assert!(on!(db, desk, missing_holds()).unwrap().is_empty());
        on!(db, shop.register, grant(&who("dora"), contract())).unwrap();
        on!(db, desk, hold(&who("dora"), None, why("case 8"), at(UNTIL))).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        db.sql("DELETE FROM oubliette_holds").await;
        assert_eq!(on!(db, desk, missing_holds()).unwrap().len(), 1);
        shop.set_now(UNTIL);
        assert!(on!(db, desk, missing_holds()).unwrap().is_empty(), "its time is over");
    }

    async fn a_desk_refuses_the_tables_of_another_vault() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        let place = tempfile::tempdir().unwrap();
        let other = Vault::in_memory([ORDERS]);
        let other = other.builder().journal(place.path().join("journal")).unlock(TestVault::root_key()).unwrap();
        let desk = shop.desk_of(other.public_key().unwrap(), Rules::new());
        let before = db.dump().await;
        assert!(matches!(on!(db, desk, check_tables()), Err(RegisterError::NotSigned)));
        let asked = on!(db, desk, request(&who("alice"), RequestKind::Access, shop.register_now()));
        assert!(matches!(asked, Err(RegisterError::NotSigned)), "{asked:?}");
        let held = on!(db, desk, hold(&who("alice"), None, why("case 7"), at(UNTIL)));
        assert!(matches!(held, Err(RegisterError::NotSigned)), "{held:?}");
        assert!(matches!(on!(db, desk, due()), Err(RegisterError::NotSigned)));
        assert!(matches!(on!(db, desk, breach_situation(Vec::new(), None)), Err(RegisterError::NotSigned)));
        assert_eq!(db.dump().await, before);
    }

    // The vault cannot be asked whom it has shredded since.
    async fn a_desk_places_no_hold_while_a_restore_is_not_brought_up_to_date() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let desk = shop.desk(Rules::new());
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        db.back_up().await;
        own_transaction!(db, shop.register, erase(&who("alice"), why("asked"))).unwrap();
        db.restore().await;
        let _ = own_transaction!(db, shop.register, flush());
        let held = on!(db, desk, hold(&who("alice"), None, why("case 7"), at(UNTIL)));
        assert!(matches!(held, Err(RegisterError::NeedsReconcile)), "{held:?}");
        own_transaction!(db, shop.register, resume()).unwrap();
        let held = on!(db, desk, hold(&who("alice"), None, why("case 7"), at(UNTIL)));
        assert!(matches!(held, Err(RegisterError::UnknownSubject)), "{held:?}");
    }

    async fn a_breach_is_assessed_from_the_tables_as_with_the_vault() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let desk = shop.desk(Rules::new());
        on!(db, shop.register, create_tables()).unwrap();
        for id in ["alice", "bob"] {
            on!(db, shop.register, grant(&who(id), contract())).unwrap();
        }
        own_transaction!(db, shop.register, erase(&who("bob"), why("asked"))).unwrap();
        let mut with = on!(db, shop.register, breach_situation(Vec::new(), None)).unwrap();
        let without = on!(db, desk, breach_situation(Vec::new(), None)).unwrap();
        assert!(with.issued.take().is_some() && without.issued.is_none());
        assert_eq!(format!("{with:?}"), format!("{without:?}"));
        // A line that is gone is no shorter history.
        db.sql("DELETE FROM oubliette_journal WHERE n = 3").await;
        let facts = on!(db, desk, breach_situation(Vec::new(), None));
        assert!(matches!(facts, Err(RegisterError::JournalDiffers { .. })), "{facts:?}");
    }
}
