//! What was kept long enough.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use jiff::{Timestamp, ToSpan};
use oubliette::CustomerId;
use oubliette::journal::Event;
use oubliette::testing::Stop;
use oubliette_register::{Due, Keep, RegisterError, Rules, SweepReport};

use crate::Db;
use crate::support::*;

fn rules() -> Rules {
    with_tokens().keep(ORDERS, Keep::after_last("order", 3.years())).keep(NEWSLETTER, Keep::after_grant(1.month()))
}

fn go_on(_: &SweepReport) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn numbers(due: &[Due]) -> BTreeSet<CustomerId> {
    due.iter().filter(|due| !due.held).flat_map(|due| due.numbers.iter().copied()).collect()
}

fn customers() -> Vec<String> {
    (0..60).map(|id| format!("customer {id}")).collect()
}

/// Sixty customers: every second consents, every third has ordered since, every tenth is held, every seventh has a grant
/// with a time of its own.
macro_rules! fill {
    ($db:expr, $shop:expr) => {{
        $db.sql(CUSTOMERS).await;
        on!($db, $shop.register, create_tables()).unwrap();
        for (at_, id) in customers().iter().enumerate() {
            let own = if at_ % 7 == 0 { contract().until(at("2027-01-01T00:00:00Z")) } else { contract() };
            let granted = on!($db, $shop.register, grant(&who(id), own)).unwrap();
            $db.sql(&format!("INSERT INTO customers VALUES ({}, 'token', 'token')", granted.number)).await;
            if at_ % 2 == 0 {
                on!($db, $shop.register, grant(&who(id), consent())).unwrap();
            }
            if at_ % 3 == 0 {
                on!($db, $shop.register, mark(&who(id), "order", at("2027-06-01T00:00:00Z"))).unwrap();
            }
            if at_ % 10 == 0 {
                on!($db, $shop.register, hold(&who(id), None, why("case"), at("2040-01-01T00:00:00Z"))).unwrap();
            }
        }
    }};
}

bodies! {
    async fn the_dry_run_lists_exactly_what_is_shredded() {
        let (shop, mut db) = (Shop::new(rules()), Db::new().await);
        fill!(db, shop);
        assert!(on!(db, shop.register, due()).unwrap().is_empty());
        let mut all = BTreeSet::new();
        for (time, expected) in [
            // A month after 31 January. 30 consented, 6 of them are held.
            ("2026-02-28T10:00:00Z", 24),
            // Nine have a time of their own; of them 0 is held.
            ("2027-01-01T00:00:00Z", 8),
            // Three years after the grant: those who have not ordered since.
            ("2029-01-31T10:00:00Z", 30),
            ("2030-06-01T00:00:00Z", 16),
        ] {
            let before = at(time).checked_sub(jiff::SignedDuration::from_millis(1)).unwrap();
            shop.set_now(&before.to_string());
            assert!(numbers(&on!(db, shop.register, due()).unwrap()).is_empty(), "{time}");
            shop.set_now(time);
            let dry = on!(db, shop.register, due()).unwrap();
            let listed = numbers(&dry);
            let live = |db: Vec<String>| -> BTreeSet<CustomerId> { db.iter().map(|no| no.parse().unwrap()).collect() };
            let ask = "SELECT number AS answer FROM oubliette_numbers WHERE state = 'live'";
            let before = live(db.ask(ask).await);
            let swept = own_transaction!(db, shop.register, sweep(go_on)).unwrap();
            let after = live(db.ask(ask).await);
            assert_eq!(before.difference(&after).copied().collect::<BTreeSet<_>>(), listed);
            let held = u64::try_from(dry.iter().filter(|due| due.held).count()).unwrap();
            assert_eq!((swept.shredded, swept.held), (expected, held), "{time}");
            assert_eq!(listed.len() as u64, expected, "{time}");
            for purpose in [ORDERS, NEWSLETTER] {
                let gone = shop.vault.shredded_among(purpose, listed.iter().copied()).unwrap();
                assert!(gone.iter().all(|number| listed.contains(number)));
            }
            all.extend(listed);
            assert!(numbers(&on!(db, shop.register, due()).unwrap()).is_empty());
        }
        // Those who are held are all that is left.
        assert_eq!(db.ask("SELECT count(*) AS answer FROM oubliette_numbers WHERE state = 'live'").await, ["12"]);
        assert_eq!(db.ask("SELECT count(*) AS answer FROM customers WHERE email_idx IS NOT NULL").await, ["6"]);
        let journal = shop.journal();
        assert!(count(&journal, |event| matches!(event, Event::Swept { .. })) >= 4);
    }

    async fn a_newer_grant_keeps_the_purpose() {
        let (shop, mut db) = (Shop::new(rules()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), consent())).unwrap();
        shop.set_now("2026-02-20T00:00:00Z");
        on!(db, shop.register, grant(&who("alice"), consent())).unwrap();
        shop.set_now("2026-03-01T00:00:00Z");
        assert!(on!(db, shop.register, due()).unwrap().is_empty());
        assert_eq!(own_transaction!(db, shop.register, sweep(go_on)).unwrap().due, 0);
        let keys = on!(db, shop.register, keys(&who("alice"), NEWSLETTER)).unwrap();
        assert_eq!(keys.until(), Some(at("2026-03-20T00:00:00Z")), "by the rule");
        shop.set_now("2026-03-20T00:00:00Z");
        // Nothing is sealed after the end, whether or not somebody has swept.
        assert!(matches!(on!(db, shop.register, keys(&who("alice"), NEWSLETTER)), Err(RegisterError::NoGrant { .. })));
        assert_eq!(own_transaction!(db, shop.register, sweep(go_on)).unwrap().shredded, 1);
    }

    async fn the_end_of_a_contract_counts_from_its_mark() {
        let rules = Rules::new().keep(ORDERS, Keep::after_end("contract", 1.year()));
        let (shop, mut db) = (Shop::new(rules), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        shop.set_now("2035-01-01T00:00:00Z");
        assert!(on!(db, shop.register, due()).unwrap().is_empty(), "it has not ended");
        on!(db, shop.register, mark(&who("alice"), "contract", at("2034-06-01T00:00:00Z"))).unwrap();
        on!(db, shop.register, mark(&who("alice"), "contract", at("2030-06-01T00:00:00Z"))).unwrap();
        assert!(on!(db, shop.register, due()).unwrap().is_empty());
        shop.set_now("2035-06-01T00:00:00Z");
        assert_eq!(own_transaction!(db, shop.register, sweep(go_on)).unwrap().shredded, 1);
        let unknown = on!(db, shop.register, mark(&who("nobody"), "contract", Timestamp::UNIX_EPOCH));
        assert!(matches!(unknown, Err(RegisterError::UnknownSubject)));
    }

    async fn stopped_or_killed_half_way_it_loses_nothing() {
        let mut stopped = 0;
        for step in 1.. {
            let (shop, mut db) = (Shop::new(rules()), Db::new().await);
            fill!(db, shop);
            shop.set_now("2029-02-01T00:00:00Z");
            let listed = numbers(&on!(db, shop.register, due()).unwrap());
            shop.steps.stop_at(step, Stop::Die { torn: false });
            let first = own_transaction!(db, shop.register, sweep(go_on));
            let died = shop.steps.died();
            shop.steps.reset();
            own_transaction!(db, shop.register, resume()).unwrap();
            if died && first.is_err() {
                own_transaction!(db, shop.register, sweep(go_on)).unwrap();
            }
            let shredded = db.ask("SELECT number AS answer FROM oubliette_numbers WHERE state = 'shredded'").await;
            let shredded: BTreeSet<CustomerId> = shredded.iter().map(|number| number.parse().unwrap()).collect();
            assert_eq!(shredded, listed, "step {step}");
            for purpose in [ORDERS, NEWSLETTER] {
                let of = format!("SELECT number AS answer FROM oubliette_numbers WHERE purpose = '{}'", purpose.name());
                for number in db.ask(&of).await {
                    let number = number.parse().unwrap();
                    let gone = !shop.vault.shredded_among(purpose, [number]).unwrap().is_empty();
                    assert_eq!(gone, listed.contains(&number), "step {step}");
                }
            }
            let left = db.ask("SELECT count(*) AS answer FROM customers c JOIN oubliette_numbers n ON n.number = c.no \
                WHERE n.state = 'shredded' AND c.email_idx IS NOT NULL").await;
            assert_eq!(left, ["0"], "step {step}");
            if !died {
                break;
            }
            stopped += 1;
        }
        assert!(stopped >= 6, "{stopped}");
    }

    async fn the_callback_breaks_it_off_between_batches() {
        let (shop, mut db) = (Shop::new(rules()), Db::new().await);
        fill!(db, shop);
        shop.set_now("2029-02-01T00:00:00Z");
        let swept = own_transaction!(db, shop.register, sweep(|_: &SweepReport| ControlFlow::Break(()))).unwrap();
        assert!(!swept.finished && swept.shredded > 0);
        let rest = own_transaction!(db, shop.register, sweep(go_on)).unwrap();
        assert!(rest.finished && rest.shredded > 0);
        assert!(numbers(&on!(db, shop.register, due()).unwrap()).is_empty());
    }

    async fn the_dry_run_lists_what_waited_for_a_hold() {
        let (shop, mut db) = (Shop::new(rules()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        db.sql(CUSTOMERS).await;
        let mut granted = Vec::new();
        for id in ["alice", "bob", "carol"] {
            granted.push(on!(db, shop.register, grant(&who(id), consent())).unwrap().number);
        }
        for (id, until) in [("alice", "2026-02-02T00:00:00Z"), ("bob", "2026-02-03T00:00:00Z")] {
            on!(db, shop.register, hold(&who(id), None, why("case"), at(until))).unwrap();
            own_transaction!(db, shop.register, withdraw(&who(id), NEWSLETTER, why("unsubscribed"))).unwrap();
        }
        // One that was decided on, and not shredded.
        shop.steps.stop_at(2, Stop::Die { torn: false });
        own_transaction!(db, shop.register, withdraw(&who("carol"), NEWSLETTER, why("unsubscribed"))).unwrap_err();
        shop.steps.reset();
        shop.set_now("2026-02-02T00:00:00Z");
        let due = on!(db, shop.register, due()).unwrap();
        assert_eq!(numbers(&due), BTreeSet::from([granted[0], granted[2]]));
        assert!(due.iter().any(|due| due.held && due.subject.as_str() == "bob" && due.purpose == Some(NEWSLETTER)));
        assert_eq!(own_transaction!(db, shop.register, sweep(go_on)).unwrap().shredded, 2);
        let gone = shop.vault.shredded_among(NEWSLETTER, granted.clone()).unwrap();
        assert_eq!(gone, [granted[0], granted[2]]);
        assert!(numbers(&on!(db, shop.register, due()).unwrap()).is_empty());
    }

    async fn what_recipients_were_granted_ends_with_the_purpose() {
        let (shop, mut db) = (Shop::new(Rules::new().keep(NEWSLETTER, Keep::after_grant(1.month()))), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), consent())).unwrap();
        on!(db, shop.register, grant(&who("alice"), consent().to("mailer"))).unwrap();
        shop.set_now("2026-03-01T00:00:00Z");
        assert_eq!(own_transaction!(db, shop.register, sweep(go_on)).unwrap().shredded, 1);
        // Who consents anew has not consented to the mailer.
        on!(db, shop.register, grant(&who("alice"), consent())).unwrap();
        let live = "SELECT coalesce(recipient, 'us') AS answer FROM oubliette_grants WHERE ended_at IS NULL";
        assert_eq!(db.ask(live).await, ["us"]);
    }
}
