//! Histories made up at random, with the database restored to a point within them: whatever stood in it then is as it was
//! before the restore.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp, ToSpan};
use oubliette::journal::Event;
use oubliette_register::{Answer, Basis, Grant, HoldId, Keep, RegisterError, RequestId, RequestKind, Rules};

use crate::Db;
use crate::support::*;

const IDS: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

struct Random(u64);

impl Random {
    fn draw(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).unwrap()
    }
}

/// What a restore must bring back: each row's key, and what became of it.
type Rows = BTreeMap<String, String>;

async fn rows(db: &mut Db) -> Rows {
    let mut all = Rows::new();
    for (name, sql) in [
        ("number", "SELECT number || ' ' || state AS answer FROM oubliette_numbers"),
        (
            "grant",
            "SELECT id || ' ' || CASE WHEN ended_at IS NULL THEN 'live' ELSE 'ended' END AS answer FROM oubliette_grants",
        ),
        ("request", "SELECT id || ' ' || state || ',' || due_at AS answer FROM oubliette_requests"),
        (
            "hold",
            "SELECT id || ' ' || CASE WHEN ended_at IS NULL THEN 'live' ELSE 'ended' END AS answer FROM oubliette_holds",
        ),
        (
            "subject",
            "SELECT id || ' ' || state || ',' || coalesce(subject, '') || ',' || coalesce(commitment, '') AS answer \
            FROM oubliette_subjects",
        ),
    ] {
        for row in db.ask(sql).await {
            let (key, value) = row.split_once(' ').unwrap();
            all.insert(format!("{name} {key}"), value.to_owned());
        }
    }
    all
}

/// Errors that a history made up at random may meet.
fn refused<T>(result: Result<T, RegisterError>) -> Option<T> {
    match result {
        Ok(done) => Some(done),
        Err(RegisterError::UnknownSubject | RegisterError::Held { .. } | RegisterError::Invalid { .. }) => None,
        Err(RegisterError::RequestClosed { .. } | RegisterError::TooLateToExtend { .. }) => None,
        Err(error) => panic!("{error:?}"),
    }
}

bodies! {
    async fn a_restored_database_is_what_it_was_whatever_happened_since() {
        let mut seen = BTreeMap::new();
        for seed in 1..=6_u64 {
            let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let rules = Rules::new().keep(NEWSLETTER, Keep::after_grant(2.months()));
            let (shop, mut db) = (Shop::new(rules), Db::new().await);
            on!(db, shop.register, create_tables()).unwrap();
            let (mut requests, mut holds): (Vec<RequestId>, Vec<HoldId>) = (Vec::new(), Vec::new());
            let mut now = at("2026-01-31T10:00:00Z");
            let copied_at = 10 + random.draw(15);
            let mut known = Rows::new();
            for step in 0..45 {
                if step == copied_at {
                    own_transaction!(db, shop.register, flush()).unwrap();
                    db.back_up().await;
                    known = rows(&mut db).await;
                }
                now += SignedDuration::from_hours(i64::try_from(random.draw(100)).unwrap());
                shop.set_now(&now.to_string());
                let subject = who(IDS[random.draw(IDS.len())]);
                let kind = random.draw(13);
                let done = match kind {
                    0 => refused(on!(db, shop.register, grant(&subject, contract()))).is_some(),
                    1 => refused(on!(db, shop.register, grant(&subject, consent()))).is_some(),
                    2 => refused(on!(db, shop.register, grant(&subject, contract().to("DHL")))).is_some(),
                    3 => {
                        let law = Grant::on(ORDERS, Basis::LegalObligation).until(now + SignedDuration::from_hours(2_000));
                        refused(on!(db, shop.register, grant(&subject, law))).is_some()
                    }
                    4 => refused(own_transaction!(db, shop.register, withdraw(&subject, NEWSLETTER, why("unsubscribed")))).is_some(),
                    5 => refused(own_transaction!(db, shop.register, end_purpose(&subject, ORDERS, why("closed")))).is_some(),
                    6 => refused(own_transaction!(db, shop.register, erase(&subject, why("asked")))).is_some(),
                    7 => {
                        let made = refused(on!(db, shop.register, request(&subject, RequestKind::Access, now)));
                        requests.extend(made.as_ref().map(|made| made.id));
                        made.is_some()
                    }
                    8 if !requests.is_empty() => {
                        let request = requests[random.draw(requests.len())];
                        refused(on!(db, shop.register, close_request(request, Answer::Done, None))).is_some()
                    }
                    9 if !requests.is_empty() => {
                        let request = requests[random.draw(requests.len())];
                        refused(on!(db, shop.register, extend(request, why("complex")))).is_some()
                    }
                    10 => {
                        let until = now + SignedDuration::from_hours(300);
                        let made = refused(on!(db, shop.register, hold(&subject, None, why("case 7"), until)));
                        holds.extend(made);
                        made.is_some()
                    }
                    11 if !holds.is_empty() => {
                        let hold = holds[random.draw(holds.len())];
                        refused(on!(db, shop.register, end_hold(hold, why("settled")))).is_some()
                    }
                    12 => refused(own_transaction!(db, shop.register, sweep(|_| ControlFlow::Continue(())))).is_some(),
                    _ => false,
                };
                if done {
                    *seen.entry(kind).or_insert(0) += 1;
                }
            }
            own_transaction!(db, shop.register, resume()).unwrap();
            let before = rows(&mut db).await;
            let issued: BTreeSet<String> = before.keys().filter(|key| key.starts_with("number")).cloned().collect();

            db.restore().await;
            let reconciled = own_transaction!(db, shop.register, reconcile()).unwrap();
            own_transaction!(db, shop.register, resume()).unwrap();
            let after = rows(&mut db).await;
            for (key, value) in &known {
                // Whoever is erased leaves no hold behind, before a restore or after it.
                assert_eq!(after.get(key), before.get(key), "seed {seed}, {key}, which was {value} when it was copied");
            }
            // What came since stands if it is of a number that was known.
            for (key, value) in after.iter().filter(|(key, _)| !known.contains_key(*key)) {
                assert_eq!(before.get(key), Some(value), "seed {seed}, {key}");
            }
            // And numbers issued since are listed, unless they are gone.
            let lost: BTreeSet<String> = reconciled.ownerless.iter().map(|number| format!("number {number}")).collect();
            let live = |key: &&String| before.get(*key).is_some_and(|state| state == "live");
            for number in issued.iter().filter(|key| !known.contains_key(*key)).filter(live) {
                assert!(lost.contains(number), "seed {seed}: {number} is nobody's, and not listed as lost");
            }
            assert!(lost.iter().all(|number| !known.contains_key(number)), "seed {seed}");
            assert!(shop.journal().iter().any(|event| matches!(event, Event::Restored { .. })));
            assert_eq!(own_transaction!(db, shop.register, reconcile()).unwrap().changed_again, 0, "twice does nothing more");
            let _: Timestamp = now;
        }
        assert!(seen.len() >= 12, "each thing happened: {seen:?}");
    }
}
