//! What is killed between the vault's commit and the register's own record ends as what was asked, whoever completes it.

use std::ops::ControlFlow;

use jiff::ToSpan;
use oubliette::CustomerId;
use oubliette::journal::Event;
use oubliette::testing::Stop;
use oubliette_register::{Keep, RegisterError, RequestKind, Rules, ShredByNumber};

use crate::Db;
use crate::support::*;

const UNTIL: &str = "2026-06-01T00:00:00Z";

const NUMBERS: &str = "SELECT state AS answer FROM oubliette_numbers ORDER BY number";
const SUBJECTS: &str = "SELECT state AS answer FROM oubliette_subjects ORDER BY id";
const ENDS: &str = "SELECT DISTINCT why AS answer FROM oubliette_grants WHERE ended_at IS NOT NULL ORDER BY why";
const REASONS: &str = "SELECT DISTINCT why AS answer FROM oubliette_numbers ORDER BY why";

fn erasures(journal: &[Event]) -> usize {
    count(journal, |event| matches!(event, Event::Erased { .. }))
}

fn restores(journal: &[Event]) -> usize {
    count(journal, |event| matches!(event, Event::Restored { .. }))
}

bodies! {
    // All that there is of a customer, by number: they stay known, and there is no receipt.
    async fn a_shred_by_number_never_ends_as_an_erasure() {
        type Order = fn(&[CustomerId]) -> ShredByNumber;
        let orders: [Order; 3] = [
            |numbers| ShredByNumber::these(numbers.iter().copied()).reason(why("a typing mistake")),
            |numbers| ShredByNumber::through(numbers[1]).reason(why("a typing mistake")),
            |numbers| {
                ShredByNumber::these(numbers.iter().copied()).reason(why("a typing mistake")).despite_holds(why("the court allows it"))
            },
        ];
        for (at_order, order) in orders.into_iter().enumerate() {
            let mut stopped = 0;
            for step in 1.. {
                let (shop, mut db) = (Shop::new(with_tokens()), Db::new().await);
                db.sql(CUSTOMERS).await;
                on!(db, shop.register, create_tables()).unwrap();
                let alice = who("alice");
                let orders = on!(db, shop.register, grant(&alice, contract())).unwrap().number;
                let numbers = [orders, on!(db, shop.register, grant(&alice, consent())).unwrap().number];
                db.sql(&format!("INSERT INTO customers VALUES ({}, 'token', 'token')", numbers[0])).await;
                if at_order == 2 {
                    on!(db, shop.register, hold(&alice, None, why("case 7"), at(UNTIL))).unwrap();
                }
                // The newest blocks of numbers are not shredded by age.
                for id in 0..40 {
                    on!(db, shop.register, grant(&who(&format!("customer {id}")), contract())).unwrap();
                }
                own_transaction!(db, shop.register, flush()).unwrap();
                shop.steps.stop_at(step, Stop::Die { torn: false });
                let asked = own_transaction!(db, shop.register, shred_numbers(order(&numbers)));
                let died = shop.steps.died();
                shop.steps.reset();
                let is_shredded = !shop.vault.shredded_among(ORDERS, [numbers[0]]).unwrap().is_empty();

                let resumed = own_transaction!(db, shop.register, resume()).unwrap();
                assert!(resumed.receipts.is_empty() && resumed.erased == 0, "{at_order}, {step}: {resumed:?}");
                assert!(resumed.reconciled.as_ref().is_none_or(|found| found.erased_again == 0 && found.receipts.is_empty()));
                let state = if is_shredded { "shredded" } else { "live" };
                assert_eq!(db.ask(NUMBERS).await[..2], [state; 2], "{at_order}, {step}");
                assert!(db.ask(SUBJECTS).await.iter().all(|state| state == "live"), "{at_order}, {step}");
                let ends: &[&str] = if is_shredded { &["a typing mistake"] } else { &[] };
                assert_eq!(db.ask(ENDS).await, ends, "{at_order}, {step}");
                let tokens = "SELECT count(*) AS answer FROM customers WHERE email_idx IS NOT NULL";
                assert_eq!(db.ask(tokens).await, [if is_shredded { "0" } else { "1" }], "{at_order}, {step}");
                let journal = shop.journal();
                assert_eq!((erasures(&journal), restores(&journal)), (0, 0), "{at_order}, {step}");
                // Nothing waits for anybody, and whoever asks again gets it.
                assert!(own_transaction!(db, shop.register, reconcile()).unwrap().changed_again == 0);
                own_transaction!(db, shop.register, shred_numbers(order(&numbers))).unwrap();
                assert_eq!(db.ask(NUMBERS).await[..2], ["shredded"; 2]);
                if !died {
                    asked.unwrap();
                    break;
                }
                stopped += 1;
            }
            assert!(stopped >= 3, "{at_order}: {stopped}");
        }
    }

    // The same of a database from before: neither an erasure nor a receipt comes of it.
    async fn a_restore_to_before_a_shred_by_number_erases_nobody() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let mut numbers = Vec::new();
        for id in ["alice", "bob", "carol"] {
            for grant in [contract(), consent()] {
                numbers.push(on!(db, shop.register, grant(&who(id), grant)).unwrap().number);
            }
        }
        own_transaction!(db, shop.register, flush()).unwrap();
        db.back_up().await;
        let order = ShredByNumber::these(numbers[..2].iter().copied()).reason(why("a typing mistake"));
        own_transaction!(db, shop.register, shred_numbers(order)).unwrap();
        // One of bob's, and then the rest of him.
        own_transaction!(db, shop.register, shred_numbers(ShredByNumber::these([numbers[2]]))).unwrap();
        own_transaction!(db, shop.register, erase(&who("bob"), why("asked"))).unwrap();
        db.restore().await;
        let reconciled = own_transaction!(db, shop.register, resume()).unwrap().reconciled.unwrap();
        assert_eq!((reconciled.erased_again, reconciled.shredded_again), (1, 2), "{reconciled:?}");
        assert_eq!(db.ask(NUMBERS).await, ["shredded", "shredded", "shredded", "shredded", "live", "live"]);
        let subjects = "SELECT coalesce(subject, state) AS answer FROM oubliette_subjects ORDER BY 1";
        assert_eq!(db.ask(subjects).await, ["alice", "carol", "erased"]);
        assert_eq!(db.ask("SELECT why AS answer FROM oubliette_grants WHERE why LIKE 'a typing%'").await.len(), 2);
        assert_eq!(restores(&shop.journal()), 1);
    }

    // Shredded by number, and then erased by a process that was killed: the database of before comes back, and the journal has no word of an erasure's end.
    async fn what_was_shredded_for_another_cause_too_was_not_merely_shredded_by_number() {
        for is_erased in [true, false] {
            let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
            on!(db, shop.register, create_tables()).unwrap();
            let alice = who("alice");
            let orders = on!(db, shop.register, grant(&alice, contract())).unwrap().number;
                let numbers = [orders, on!(db, shop.register, grant(&alice, consent())).unwrap().number];
            own_transaction!(db, shop.register, flush()).unwrap();
            db.back_up().await;
            own_transaction!(db, shop.register, shred_numbers(ShredByNumber::these(numbers))).unwrap();
            if is_erased {
                // Behind the vault's commit: the outbox is empty but for what the decision tells.
                shop.steps.stop_at(3, Stop::Die { torn: false });
                own_transaction!(db, shop.register, erase(&alice, why("asked"))).unwrap_err();
                shop.steps.reset();
                assert_eq!(erasures(&shop.journal()), 0);
            }
            db.restore().await;
            let resumed = own_transaction!(db, shop.register, resume()).unwrap();
            assert_eq!(resumed.reconciled.unwrap().erased_again, u64::from(is_erased));
            assert_eq!(db.ask(SUBJECTS).await, [if is_erased { "erased" } else { "live" }]);
            assert_eq!(db.ask(NUMBERS).await, ["shredded"; 2]);
        }
    }

    // The siblings: each is decided on in the database before the vault commits, with its reason, and that is completed.
    async fn whatever_is_killed_ends_as_what_was_asked() {
        let rules = || Rules::new().keep(NEWSLETTER, Keep::after_grant(1.month())).grace(jiff::SignedDuration::from_hours(1));
        for operation in ["withdraw", "end", "sweep", "erase", "requested", "override", "retire"] {
            let mut stopped = 0;
            for step in 1.. {
                let (shop, mut db) = (Shop::new(rules()), Db::new().await);
                on!(db, shop.register, create_tables()).unwrap();
                let alice = who("alice");
                for grant in [contract(), consent()] {
                    on!(db, shop.register, grant(&alice, grant)).unwrap();
                }
                let keys = on!(db, shop.register, keys(&alice, ORDERS)).unwrap();
                let news = on!(db, shop.register, keys(&alice, NEWSLETTER)).unwrap();
                let (sealed, of_news) = (keys.seal(EMAIL, &email()).unwrap(), news.seal(NEWS_EMAIL, &email()).unwrap());
                let mut tree = None;
                match operation {
                    "requested" => {
                        on!(db, shop.register, request(&alice, RequestKind::Erasure, shop.register_now())).unwrap();
                        shop.set_now("2026-01-31T12:00:00Z");
                    }
                    "sweep" => shop.set_now("2026-05-31T00:00:00Z"),
                    "override" => drop(on!(db, shop.register, hold(&alice, None, why("case 7"), at(UNTIL))).unwrap()),
                    "retire" => tree = Some(shop.vault.rotate_purpose(ORDERS).unwrap().0),
                    _ => {}
                }
                own_transaction!(db, shop.register, flush()).unwrap();
                shop.steps.stop_at(step, Stop::Die { torn: false });
                let ask = async |db: &mut Db| -> Result<(), RegisterError> {
                    let go_on = |_: &_| ControlFlow::Continue(());
                    match operation {
                        "withdraw" => own_transaction!(db, shop.register, withdraw(&alice, NEWSLETTER, why("unsubscribed"))).map(drop),
                        "end" => own_transaction!(db, shop.register, end_purpose(&alice, ORDERS, why("closed"))).map(drop),
                        "sweep" | "requested" => own_transaction!(db, shop.register, sweep(go_on)).map(drop),
                        "erase" => own_transaction!(db, shop.register, erase(&alice, why("asked"))).map(drop),
                        "override" => {
                            let order = ShredByNumber::these([keys.customer()]).purpose(ORDERS).reason(why("ordered"));
                            own_transaction!(db, shop.register, shred_numbers(order.despite_holds(why("the court")))).map(drop)
                        }
                        _ => own_transaction!(db, shop.register, retire_replaced(ORDERS, tree.unwrap(), None)).map(drop),
                    }
                };
                let asked = ask(&mut db).await;
                let died = shop.steps.died();
                shop.steps.reset();
                let resumed = own_transaction!(db, shop.register, resume()).unwrap();

                let at_step = format!("{operation}, step {step}");
                let opens = |number, value: &_, field| match shop.vault.open(number, field, value) {
                    Ok(_) => true,
                    Err(oubliette::OpenError::Shredded { .. } | oubliette::OpenError::Retired { .. }) => false,
                    Err(error) => panic!("{error}"),
                };
                let what_opens = (opens(keys.customer(), &sealed, EMAIL), opens(news.customer(), &of_news, NEWS_EMAIL));
                let subjects = db.ask(SUBJECTS).await;
                let is_erased = subjects == ["erased"];
                let journal = shop.journal();
                assert_eq!(erasures(&journal), usize::from(is_erased), "{at_step}");
                // Ends, reasons, and whether somebody is gone.
                let asked_for: (&[&str], &[&str], (bool, bool)) = match operation {
                    "withdraw" => (&["unsubscribed"], &["", "unsubscribed"], (true, false)),
                    "end" => (&["closed"], &["", "closed"], (false, true)),
                    "sweep" => (&["kept long enough for newsletter"], &["", "kept long enough for newsletter"], (true, false)),
                    "erase" => (&["asked"], &["asked"], (false, false)),
                    "requested" => (&["erasure requested, GDPR Art. 17"], &["erasure requested, GDPR Art. 17"], (false, false)),
                    "override" => (&["ordered"], &[""], (false, true)),
                    _ => (&[], &[""], (false, true)),
                };
                let is_done = what_opens == asked_for.2;
                // Or nothing was begun: which is so only if it was killed.
                assert!(is_done || died && what_opens == (true, true), "{at_step}: {what_opens:?}");
                let gone = matches!(operation, "erase" | "requested");
                assert_eq!(is_erased, is_done && gone, "{at_step}");
                if is_done {
                    assert_eq!(db.ask(ENDS).await, asked_for.0, "{at_step}");
                    // Databases differ in where NULL comes.
                    let mut reasons = db.ask(REASONS).await;
                    reasons.sort_unstable();
                    assert_eq!(reasons, asked_for.1, "{at_step}");
                    let receipts = usize::from(gone && died);
                    let by_reconciling = resumed.reconciled.map_or(0, |found| found.receipts.len());
                    assert!(resumed.receipts.len() + by_reconciling <= receipts, "{at_step}");
                } else {
                    assert!(resumed.receipts.is_empty() && db.ask(ENDS).await.is_empty(), "{at_step}");
                }
                let left = "SELECT number AS answer FROM oubliette_numbers WHERE state NOT IN ('live', 'shredded')";
                assert!(db.ask(left).await.is_empty(), "{at_step}");
                // What the register sealed for itself is as good as before: whoever is left can be erased.
                if operation == "retire" {
                    own_transaction!(db, shop.register, erase(&alice, why("asked"))).unwrap_or_else(|error| panic!("{at_step}: {error}"));
                }
                if !died {
                    asked.unwrap();
                    break;
                }
                stopped += 1;
            }
            assert!(stopped >= 2, "{operation}: {stopped}");
        }
    }
}
