//! Many connections at once, which PostgreSQL lets run at the same time where SQLite has them wait.

use std::ops::ControlFlow;
use std::sync::Arc;

use jiff::ToSpan;
use oubliette::CustomerId;
use oubliette::journal::{Event, Number};
use oubliette_register::{Erased, Keep, Register, RegisterError, Rules, ShredByNumber};
use sqlx::PgPool;
use tokio::task::JoinSet;

use crate::Db;
use crate::support::*;

/// As many calls as there are, begun together.
async fn at_once<T: Send + 'static>(
    calls: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let calls: Vec<_> = calls.into_iter().collect();
    let start = Arc::new(tokio::sync::Barrier::new(calls.len()));
    let mut set = JoinSet::new();
    for call in calls {
        let start = start.clone();
        set.spawn(async move {
            start.wait().await;
            call.await
        });
    }
    set.join_all().await
}

async fn erase(pool: PgPool, register: Register, id: &'static str) -> Result<Erased, RegisterError> {
    register.own_transaction_postgres(&pool).erase(&who(id), why("asked")).await
}

async fn grants(pool: &PgPool, register: &Register, id: &str) -> Result<(), RegisterError> {
    let mut connection = pool.acquire().await.unwrap();
    register.in_transaction_postgres(&mut connection).grant(&who(id), contract()).await?;
    register.in_transaction_postgres(&mut connection).grant(&who(id), consent()).await.map(drop)
}

/// What must be true once everything was finished, whatever ran at once.
async fn check(shop: &Shop, db: &mut Db) {
    own_transaction!(db, shop.register, resume()).unwrap();
    let unfinished = "SELECT n.state AS answer FROM oubliette_numbers n WHERE n.state NOT IN ('live', 'shredded')";
    assert_eq!(db.ask(unfinished).await, [""; 0]);
    let alive = "SELECT n.number AS answer FROM oubliette_numbers n JOIN oubliette_subjects s ON s.id = n.subject_id \
        WHERE s.state <> 'live' AND n.state = 'live'";
    assert_eq!(db.ask(alive).await, [""; 0], "of somebody who was erased or merged");
    let strays = "SELECT n.number AS answer FROM oubliette_numbers n \
        WHERE n.subject_id NOT IN (SELECT id FROM oubliette_subjects)";
    assert_eq!(db.ask(strays).await, [""; 0]);
    for purpose in [ORDERS, NEWSLETTER] {
        for (state, gone) in [("live", false), ("shredded", true)] {
            let name = purpose.name();
            let numbers = format!(
                "SELECT number AS answer FROM oubliette_numbers WHERE state = '{state}' AND purpose = '{name}'"
            );
            for number in db.ask(&numbers).await {
                let number = number.parse().unwrap();
                let is_gone = !shop.vault.shredded_among(purpose, [number]).unwrap().is_empty();
                assert_eq!(is_gone, gone, "{number} is {state} in the register");
            }
        }
    }
    assert_eq!(db.ask("SELECT count(*) AS answer FROM oubliette_outbox").await, ["0"]);
    shop.journal();
}

bodies! {
    async fn two_erasures_of_one_customer_are_one() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        for round in 1..=10 {
            grants(&db.pool, &shop.register, "alice").await.unwrap();
            let keys = on!(db, shop.register, keys(&who("alice"), ORDERS)).unwrap();
            let sealed = keys.seal(EMAIL, &email()).unwrap();
            let calls = (0..3).map(|_| erase(db.pool.clone(), shop.register.clone(), "alice"));
            let mut receipts = 0;
            for erased in at_once(calls).await {
                match erased {
                    Ok(erased) => {
                        let receipt = erased.receipt.unwrap();
                        assert_eq!(receipt.content().numbers.count(), 2);
                        receipts += 1;
                    }
                    // Whoever comes when she is forgotten finds nobody.
                    Err(RegisterError::UnknownSubject) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            assert!(receipts >= 1);
            assert!(!shop.opens(&keys, &sealed, EMAIL));
            let erased = db.ask("SELECT count(*) AS answer FROM oubliette_subjects WHERE state = 'erased'").await;
            assert_eq!(erased, [round.to_string()]);
            let told = count(&shop.journal(), |event| matches!(event, Event::Erased { .. }));
            assert_eq!(told, round, "told once, whoever did it");
        }
        check(&shop, &mut db).await;
    }

    // Whoever is granted something while they are erased is erased with it, is refused, or is somebody new.
    async fn grants_during_an_erasure_are_erased_or_somebody_new() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        for _ in 0..10 {
            grants(&db.pool, &shop.register, "alice").await.unwrap();
            let (pool, register) = (db.pool.clone(), shop.register.clone());
            let call = move |granting: bool| {
                let (pool, register) = (pool.clone(), register.clone());
                async move {
                    match granting {
                        true => grants(&pool, &register, "alice").await.map(|()| None),
                        false => erase(pool, register, "alice").await.map(|erased| erased.receipt),
                    }
                }
            };
            let done = at_once([true, false, true, true].map(call)).await;
            for one in &done {
                assert!(matches!(one, Ok(_) | Err(RegisterError::BeingErased)), "{one:?}");
            }
            let receipt = done.into_iter().find_map(|one| one.ok().flatten()).unwrap();
            for (first, last) in receipt.content().numbers.ranges() {
                let numbers = (first.get()..=last.get()).map(|number| CustomerId::from(Number::try_from(number).unwrap()));
                let numbers: Vec<CustomerId> = numbers.collect();
                for purpose in [ORDERS, NEWSLETTER] {
                    assert_eq!(shop.vault.shredded_among(purpose, numbers.iter().copied()).unwrap().len(), numbers.len());
                }
            }
            check(&shop, &mut db).await;
            let _ = own_transaction!(db, shop.register, erase(&who("alice"), why("tidy up")));
        }
    }

    // A hold whose transaction is not committed yet is waited for, and binds.
    async fn a_shred_by_number_waits_for_a_hold_that_is_being_placed() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let number = on!(db, shop.register, grant(&who("alice"), contract())).unwrap().number;
        for order in [
            ShredByNumber::these([number]),
            ShredByNumber::these([number]).purpose(ORDERS),
            ShredByNumber::through(number),
            // What was not there to be overridden is not overridden.
            ShredByNumber::these([number]).despite_holds(why("of another case")),
        ] {
            let mut placing = db.pool.begin().await.unwrap();
            let until = at("2026-06-01T00:00:00Z");
            let hold = shop.register.in_transaction_postgres(&mut placing).hold(&who("alice"), None, why("case 7"), until).await.unwrap();
            let (pool, register) = (db.pool.clone(), shop.register.clone());
            let shred = tokio::spawn(async move { register.own_transaction_postgres(&pool).shred_numbers(order).await });
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            assert!(!shred.is_finished(), "it waits for the row");
            placing.commit().await.unwrap();
            let refused = shred.await.unwrap();
            assert!(matches!(&refused, Err(RegisterError::HoldsStand { holds, .. }) if holds[..] == [hold]), "{refused:?}");
            assert!(shop.vault.shredded_among(ORDERS, [number]).unwrap().is_empty());
            on!(db, shop.register, end_hold(hold, why("settled"))).unwrap();
        }
        check(&shop, &mut db).await;
        let told = count(&shop.journal(), |event| matches!(event, Event::HoldOverridden { .. }));
        assert_eq!(told, 0);
    }

    // Whichever comes first: what a hold was placed on is never shredded after it.
    async fn a_hold_and_a_shred_by_number_at_once_are_one_after_the_other() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        let (mut held, mut shredded) = (0, 0);
        for round in 0..20 {
            let id = format!("customer {round}");
            let number = on!(db, shop.register, grant(&who(&id), contract())).unwrap().number;
            let (pool, register) = (db.pool.clone(), shop.register.clone());
            let holding = async move |until: &'static str| {
                let mut connection = pool.acquire().await.unwrap();
                let placed = register.in_transaction_postgres(&mut connection).hold(&who(&id), None, why("case 7"), at(until)).await;
                placed.map(|hold| hold.number())
            };
            let (pool, register) = (db.pool.clone(), shop.register.clone());
            let shredding = async move {
                register.own_transaction_postgres(&pool).shred_numbers(ShredByNumber::these([number])).await.map(drop)
            };
            let (hold, shred) = tokio::join!(
                tokio::spawn(async move { holding("2026-06-01T00:00:00Z").await }),
                tokio::spawn(shredding)
            );
            let (hold, shred) = (hold.unwrap(), shred.unwrap());
            let is_gone = !shop.vault.shredded_among(ORDERS, [number]).unwrap().is_empty();
            assert_eq!(shred.is_ok(), is_gone, "{shred:?}");
            match (hold, shred) {
                (Ok(_), Err(RegisterError::HoldsStand { .. })) => held += 1,
                // FieldWithin after it, on what is left.
                (Ok(hold), Ok(())) => {
                    own_transaction!(db, shop.register, flush()).unwrap();
                    let promised = shop.journal().into_iter().find_map(|event| match event {
                        Event::Hold { hold: id, numbers, .. } if id == hold => Some(numbers),
                        _ => None,
                    });
                    assert!(!promised.unwrap().contains(number), "promised, and shredded");
                    shredded += 1;
                }
                (hold, shred) => panic!("{hold:?} {shred:?}"),
            }
        }
        assert_eq!(held + shredded, 20);
        check(&shop, &mut db).await;
        let behind = count(&shop.journal(), |event| matches!(event, Event::Restored { .. }));
        assert_eq!(behind, 0, "nobody took a shred of the register's for one past it");
    }

    // All there is, on a handful of customers, from several connections: nobody waits for each other for ever, and what is
    // left agrees with the vault.
    async fn whatever_runs_at_once_ends_and_agrees_with_the_vault() {
        const IDS: [&str; 4] = ["alice", "bob", "carol", "dave"];
        let rules = Rules::new().keep(NEWSLETTER, Keep::after_grant(1.month()));
        let (shop, mut db) = (Shop::new(rules), Db::new().await);
        on!(db, shop.register, create_tables()).unwrap();
        // Consents of January are due in March, and those given meanwhile are not.
        for id in IDS {
            grants(&db.pool, &shop.register, id).await.unwrap();
        }
        shop.set_now("2026-03-15T00:00:00Z");
        let task = |seed: u64| {
            let (pool, register) = (db.pool.clone(), shop.register.clone());
            async move {
                let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let mut done = 0;
                for _ in 0..40 {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    let (id, other) = (IDS[(random >> 8) as usize % 4], IDS[(random >> 16) as usize % 4]);
                    let alone = register.own_transaction_postgres(&pool);
                    let result = match random % 7 {
                        0 | 1 => grants(&pool, &register, id).await,
                        2 => alone.withdraw(&who(id), NEWSLETTER, why("unsubscribed")).await.map(drop),
                        3 => alone.sweep(|_| ControlFlow::Continue(())).await.map(drop),
                        4 => alone.resume().await.map(drop),
                        5 => alone.erase(&who(id), why("asked")).await.map(drop),
                        _ => {
                            let mut connection = pool.acquire().await.unwrap();
                            register.in_transaction_postgres(&mut connection).merge(&who(id), &who(other)).await
                        }
                    };
                    match result {
                        Ok(()) => done += 1,
                        Err(RegisterError::BeingErased | RegisterError::UnknownSubject) => {}
                        Err(RegisterError::Invalid { what }) if what.contains("try again") => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
                done
            }
        };
        let done: u32 = at_once((1..=4).map(task)).await.into_iter().sum();
        assert!(done > 40, "{done}");
        check(&shop, &mut db).await;
    }
}
