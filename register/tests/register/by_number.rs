//! Holds bind whatever destroys: numbers that are shredded past grants and rules, and key trees that are given up.

use std::ops::ControlFlow;

use jiff::ToSpan;
use oubliette::journal::{Event, Whom};
use oubliette::testing::Stop;
use oubliette::{CustomerId, OpenError, ShredError};
use oubliette_register::{Keep, RegisterError, Rules, ShredByNumber};

use crate::Db;
use crate::support::*;

const UNTIL: &str = "2026-06-01T00:00:00Z";

/// Holders, and what is shredded of whom.
fn numbers_of(error: &RegisterError) -> &[CustomerId] {
    match error {
        RegisterError::HoldsStand { numbers, .. } => numbers,
        error => panic!("{error:?}"),
    }
}

fn overridden(journal: &[Event]) -> Vec<(u64, String, String)> {
    let of = |event: &Event| match event {
        Event::HoldOverridden { hold, what, why } => Some((*hold, what.to_string(), why.to_string())),
        _ => None,
    };
    journal.iter().filter_map(of).collect()
}

bodies! {
    async fn a_hold_refuses_a_shred_by_number_in_every_form() {
        let (shop, mut db) = (Shop::new(with_tokens()), Db::new().await);
        db.sql(CUSTOMERS).await;
        on!(db, shop.register, create_tables()).unwrap();
        let (alice, bob) = (who("alice"), who("bob"));
        let orders = on!(db, shop.register, grant(&alice, contract())).unwrap().number;
        let news = on!(db, shop.register, grant(&alice, consent())).unwrap().number;
        let bobs = on!(db, shop.register, grant(&bob, contract())).unwrap().number;
        let keys = on!(db, shop.register, keys(&alice, ORDERS)).unwrap();
        let news_keys = on!(db, shop.register, keys(&alice, NEWSLETTER)).unwrap();
        let sealed = keys.seal(EMAIL, &email()).unwrap();
        let of_news = news_keys.seal(NEWS_EMAIL, &email()).unwrap();
        // On one purpose, and then on all.
        let hold = on!(db, shop.register, hold(&alice, Some(ORDERS), why("case 7"), at(UNTIL))).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        let before = db.dump().await;
        for order in [
            ShredByNumber::these([orders]),
            ShredByNumber::these([bobs, orders]).reason(why("asked")),
            ShredByNumber::these([orders]).purpose(ORDERS),
            // Sealed under a number past the register, which has each for one purpose.
            ShredByNumber::these([news]).purpose(ORDERS),
            ShredByNumber::through(orders),
            ShredByNumber::through(bobs).reason(why("old")),
        ] {
            let refused = own_transaction!(db, shop.register, shred_numbers(order.clone())).unwrap_err();
            assert!(!numbers_of(&refused).is_empty(), "{order:?}");
            let RegisterError::HoldsStand { holds, until, .. } = &refused else { panic!("{refused:?}") };
            assert_eq!((&holds[..], *until), (&[hold][..], at(UNTIL)));
            assert!(refused.to_string().contains("hold") && refused.to_string().contains("2026-06-01"), "{refused}");
        }
        assert_eq!(db.dump().await, before, "nothing was done");
        assert!(shop.opens(&keys, &sealed, EMAIL) && shop.opens(&news_keys, &of_news, NEWS_EMAIL));
        assert!(shop.vault.shredded_among(ORDERS, [bobs]).unwrap().is_empty());

        // What it does not keep is shredded, and recorded: the grant ends, and consent given anew has another number.
        let done = own_transaction!(db, shop.register, shred_numbers(ShredByNumber::these([news]).reason(why("asked")))).unwrap();
        // In each of the vault's two purposes.
        assert_eq!((done.shredded.newly_shredded(), done.overridden.len(), done.tokens_left), (2, 0, 0));
        assert!(!shop.opens(&news_keys, &of_news, NEWS_EMAIL) && shop.opens(&keys, &sealed, EMAIL));
        let state = format!("SELECT state AS answer FROM oubliette_numbers WHERE number = {news}");
        assert_eq!(db.ask(&state).await, ["shredded"]);
        let ended = "SELECT purpose || ' ' || why AS answer FROM oubliette_grants WHERE ended_at IS NOT NULL";
        assert_eq!(db.ask(ended).await, ["newsletter asked"]);
        assert!(matches!(on!(db, shop.register, keys(&alice, NEWSLETTER)), Err(RegisterError::NoGrant { .. })));
        assert!(on!(db, shop.register, grant(&alice, consent())).unwrap().is_new_number);
        // The end of a hold, or its time, sets it free.
        shop.set_now(UNTIL);
        let _ = own_transaction!(db, shop.register, shred_numbers(ShredByNumber::these([orders]))).unwrap();
        assert!(!shop.opens(&keys, &sealed, EMAIL));
        assert!(own_transaction!(db, shop.register, resume()).unwrap().reconciled.is_none(), "it was the register's own");
    }

    async fn a_hold_is_overridden_for_a_reason_that_the_journal_has_before_the_shred() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let number = on!(db, shop.register, grant(&who("alice"), contract())).unwrap().number;
        let other = on!(db, shop.register, grant(&who("bob"), contract())).unwrap().number;
        let hold = on!(db, shop.register, hold(&who("alice"), None, why("case 7"), at(UNTIL))).unwrap();
        let order = ShredByNumber::these([number, other]).reason(why("asked")).despite_holds(why("the court allows it"));
        let done = own_transaction!(db, shop.register, shred_numbers(order.clone())).unwrap();
        assert_eq!((done.shredded.newly_shredded(), &done.overridden[..]), (4, &[hold][..]));
        let journal = shop.journal();
        let expected = [(hold.number(), "shred".to_owned(), "the court allows it".to_owned())];
        assert_eq!(overridden(&journal), expected);
        let place = |is: fn(&Event) -> bool| journal.iter().position(is).unwrap();
        let told = place(|event| matches!(event, Event::HoldOverridden { .. }));
        let intent = place(|event| matches!(event, Event::Shred { whom: Whom::Numbers(_), .. }));
        assert!(told < intent, "{journal:?}");
        // It stands for whatever else there is of hers, and there is nothing to override a second time.
        assert_eq!(on!(db, shop.register, holds(&who("alice"))).unwrap().len(), 1);
        let again = own_transaction!(db, shop.register, shred_numbers(order)).unwrap();
        assert_eq!((again.shredded.newly_shredded(), again.overridden.len()), (0, 0));
        let refused = own_transaction!(db, shop.register, erase(&who("alice"), why("asked")));
        assert!(matches!(refused, Err(RegisterError::Held { .. })));
        assert!(own_transaction!(db, shop.register, resume()).unwrap().reconciled.is_none());
        shop.journal();
    }

    async fn what_the_vault_refuses_is_recorded_nowhere() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let number = on!(db, shop.register, grant(&who("alice"), contract())).unwrap().number;
        let keys = on!(db, shop.register, keys(&who("alice"), ORDERS)).unwrap();
        let sealed = keys.seal(EMAIL, &email()).unwrap();
        own_transaction!(db, shop.register, flush()).unwrap();
        // All but the journal, which keeps that it was ordered.
        let tables = async |db: &mut Db| -> Vec<Vec<String>> {
            let mut all = Vec::new();
            for column in ["state FROM oubliette_subjects", "state FROM oubliette_numbers", "ended_at FROM oubliette_grants", "id FROM oubliette_outbox"] {
                all.push(db.ask(&format!("SELECT {} ORDER BY 1", column.replacen(' ', " AS answer ", 1))).await);
            }
            all
        };
        let before = tables(&mut db).await;
        let unknown: CustomerId = "4000000".parse().unwrap();
        for order in [ShredByNumber::these([number, unknown]), ShredByNumber::through(unknown)] {
            let refused = own_transaction!(db, shop.register, shred_numbers(order));
            assert!(
                matches!(
                    refused,
                    Err(RegisterError::Shred(ShredError::NotEnrolled { .. } | ShredError::TooNew { .. }))
                ),
                "{refused:?}"
            );
        }
        let refused = own_transaction!(db, shop.register, shred_numbers(ShredByNumber::through(number).purpose(ORDERS)));
        assert!(matches!(refused, Err(RegisterError::Invalid { .. })));
        assert_eq!(tables(&mut db).await, before);
        assert!(!shop.journal().iter().any(|event| matches!(event, Event::Shred { .. })));
        let resumed = own_transaction!(db, shop.register, resume()).unwrap();
        assert!(resumed.shredded == 0 && resumed.reconciled.is_none());
        assert!(shop.opens(&keys, &sealed, EMAIL));
    }

    // Killed on both sides of the vault's commit: nothing happened, or it is found and recorded.
    async fn interrupted_it_is_not_begun_or_found() {
        // The first steps tell of the order.
        for (step, is_shredded) in [(4, false), (5, true)] {
            let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
            on!(db, shop.register, create_tables()).unwrap();
            let number = on!(db, shop.register, grant(&who("alice"), contract())).unwrap().number;
            on!(db, shop.register, grant(&who("alice"), consent())).unwrap();
            own_transaction!(db, shop.register, flush()).unwrap();
            shop.steps.stop_at(step, Stop::Die { torn: false });
            own_transaction!(db, shop.register, shred_numbers(ShredByNumber::these([number]))).unwrap_err();
            shop.steps.reset();
            assert_eq!(!shop.vault.shredded_among(ORDERS, [number]).unwrap().is_empty(), is_shredded, "{step}");
            // Nobody is promised that what is gone is kept.
            let held = on!(db, shop.register, hold(&who("alice"), Some(ORDERS), why("case 7"), at(UNTIL)));
            assert_eq!(held.is_err(), is_shredded, "{held:?}");
            own_transaction!(db, shop.register, resume()).unwrap();
            let state = format!("SELECT state AS answer FROM oubliette_numbers WHERE number = {number}");
            assert_eq!(db.ask(&state).await, [if is_shredded { "shredded" } else { "live" }]);
        }
    }

    // All the other ways, side by side: each leaves what is held readable until the hold's end.
    async fn a_hold_binds_every_other_way_to_destruction() {
        let rules = Rules::new().keep(NEWSLETTER, Keep::after_grant(1.month())).grace(jiff::SignedDuration::from_hours(1));
        let (shop, mut db) = (Shop::new(rules), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let alice = who("alice");
        on!(db, shop.register, grant(&alice, consent())).unwrap();
        let keys = on!(db, shop.register, keys(&alice, NEWSLETTER)).unwrap();
        let sealed = keys.seal(NEWS_EMAIL, &email()).unwrap();
        on!(db, shop.register, request(&alice, oubliette_register::RequestKind::Erasure, shop.register_now())).unwrap();
        let tree = shop.vault.rotate_purpose(NEWSLETTER).unwrap().0;
        on!(db, shop.register, hold(&alice, Some(NEWSLETTER), why("case 7"), at(UNTIL))).unwrap();
        shop.set_now("2026-05-31T23:59:59Z");
        let go_on = |_: &_| ControlFlow::Continue(());
        assert!(matches!(own_transaction!(db, shop.register, erase(&alice, why("asked"))), Err(RegisterError::Held { .. })));
        assert_eq!(own_transaction!(db, shop.register, sweep(go_on)).unwrap().held, 2);
        let retired = own_transaction!(db, shop.register, retire_replaced(NEWSLETTER, tree, None));
        assert!(matches!(retired, Err(RegisterError::HoldsStand { .. })), "{retired:?}");
        assert!(own_transaction!(db, shop.register, withdraw(&alice, NEWSLETTER, why("unsubscribed"))).unwrap().held.is_some());
        assert_eq!(own_transaction!(db, shop.register, resume()).unwrap().shredded, 0);
        own_transaction!(db, shop.register, reconcile()).unwrap();
        let through = own_transaction!(db, shop.register, shred_numbers(ShredByNumber::through(keys.customer())));
        assert!(matches!(through, Err(RegisterError::HoldsStand { .. })), "{through:?}");
        assert!(shop.opens(&keys, &sealed, NEWS_EMAIL));
        shop.set_now(UNTIL);
        assert_eq!(own_transaction!(db, shop.register, resume()).unwrap().shredded, 1);
        assert!(!shop.opens(&keys, &sealed, NEWS_EMAIL));
    }

    async fn key_trees_are_given_up_when_nobody_is_held_or_for_a_reason() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        on!(db, shop.register, grant(&who("alice"), contract())).unwrap();
        let keys = on!(db, shop.register, keys(&who("alice"), ORDERS)).unwrap();
        let sealed = keys.seal(EMAIL, &email()).unwrap();
        let tree = shop.vault.rotate_purpose(ORDERS).unwrap().0;
        // Of another purpose, and of somebody of whom nothing is held for it.
        on!(db, shop.register, grant(&who("bob"), consent())).unwrap();
        on!(db, shop.register, hold(&who("bob"), None, why("case 8"), at(UNTIL))).unwrap();
        let hold = on!(db, shop.register, hold(&who("alice"), None, why("case 7"), at(UNTIL))).unwrap();
        let refused = own_transaction!(db, shop.register, retire_replaced(ORDERS, tree, None)).unwrap_err();
        assert!(matches!(&refused, RegisterError::HoldsStand { holds, .. } if holds[..] == [hold]), "{refused:?}");
        assert!(shop.opens(&keys, &sealed, EMAIL));
        let despite = Some(why("all of it was resealed"));
        let retired = own_transaction!(db, shop.register, retire_replaced(ORDERS, tree, despite)).unwrap();
        assert_eq!(retired.0.len(), 1);
        assert!(matches!(shop.vault.open(keys.customer(), EMAIL, &sealed), Err(OpenError::Retired { .. })));
        let expected = [(hold.number(), "retire_replaced".to_owned(), "all of it was resealed".to_owned())];
        assert_eq!(overridden(&shop.journal()), expected);
        on!(db, shop.register, end_hold(hold, why("settled"))).unwrap();
        own_transaction!(db, shop.register, retire_replaced(ORDERS, tree, None)).unwrap();
    }
}
