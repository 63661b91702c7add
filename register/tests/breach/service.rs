//! Programs in other hands: what their audits have is what they gave out, and where an audit has a hole all is counted.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oubliette::audit::{Audit, AuditFile, AuditSink, Batch, OnTrouble};
use oubliette::journal::{self, Expectations};
use oubliette::{CustomerId, Limits, OpenError, Reader, Sealed};
use oubliette_register::breach::{Assessment, Breach, Exposure, Leak, Opened, Situation, Taken};

use crate::support::{EMAIL, NEWS_EMAIL, NEWSLETTER, ORDERS};
use crate::world::{Cell, NAME, World};

/// Least room that an audit has, and what threads may go beyond it.
const ROOM: usize = 1_024 + 1_024;

fn audit_path(world: &World) -> PathBuf {
    world.place.path().join("openings")
}

fn audited(world: &World, audit: &Audit) -> Reader {
    let reader = world.vault.reader(Limits::nothing().purpose(ORDERS).field(NEWS_EMAIL));
    reader.audited(audit, "support desk".parse().unwrap(), "ticket 4711".parse().unwrap())
}

/// What an audit file has, once it was verified as a stranger would.
fn openings(world: &World) -> Vec<Opened> {
    let (path, key) = (audit_path(world), world.vault.public_key().unwrap());
    journal::verify(&path, &key, &Expectations::new(), |_| ()).unwrap();
    Opened::among(journal::entries(&path, &key).unwrap().map(Result::unwrap))
}

fn service(purposes: &[&str], from: Timestamp, until: Timestamp) -> Leak {
    let purposes = purposes.iter().map(|purpose| (*purpose).to_owned()).collect();
    Leak::Service { purposes, from, until, taken: Taken::Answers }
}

fn assess(situation: &Situation, leak: Leak) -> Assessment {
    Breach::known_since(Timestamp::now()).leaked(leak).assess(situation, Timestamp::now())
}

/// What the report takes for given out.
fn given_out(found: &Assessment) -> BTreeSet<(i64, String)> {
    let purposes = found.customers().iter().flat_map(|customer| &customer.purposes);
    let read = purposes.flat_map(|purpose| {
        assert!(purpose.unreadable.is_empty(), "what a program does not give out did not leak: {purpose:?}");
        purpose.readable.iter().map(|column| (purpose.number.to_stored(), column.clone()))
    });
    let states = found.report().purposes.iter().flat_map(|purpose| &purpose.columns);
    assert!(states.flat_map(|column| column.states.keys()).all(|state| *state == Exposure::GivenOut));
    read.collect()
}

fn cells<'c>(cells: impl IntoIterator<Item = &'c Cell>) -> BTreeSet<(i64, String)> {
    cells.into_iter().map(|(number, column)| (*number, (*column).to_owned())).collect()
}

/// Opens one value of the newest copy of the database; says whether it opened.
fn open(world: &World, reader: &Reader, (number, column): Cell) -> Result<(), OpenError> {
    let value = world.copies.last().unwrap().values[&(number, column)].as_slice();
    let customer = CustomerId::from_stored(number).unwrap();
    match column {
        "orders.email" => reader.open(customer, EMAIL, &Sealed::from_bytes(value).unwrap()).map(drop),
        "orders.name" => reader.open(customer, NAME, &Sealed::from_bytes(value).unwrap()).map(drop),
        _ => reader.open(customer, NEWS_EMAIL, &Sealed::from_bytes(value).unwrap()).map(drop),
    }
}

/// Until the next second has begun, since openings are noted by the second.
fn next_second() -> Timestamp {
    let now = Timestamp::now();
    while Timestamp::now().as_second() == now.as_second() {
        std::thread::sleep(Duration::from_millis(10));
    }
    // And until the audit's clock says so, which may be a tick late.
    std::thread::sleep(Duration::from_millis(50));
    Timestamp::now()
}

bodies! {
    async fn a_program_gave_out_what_its_audit_has() {
        let mut world = World::new().await;
        for id in ["alice", "bob", "carol"] {
            world.sign_up(id).await;
        }
        world.withdraw("carol").await;
        world.copy().await;
        let audit = Audit::to(AuditFile::create(audit_path(&world), &world.vault).unwrap()).start().unwrap();
        let reader = audited(&world, &audit);
        let all: Vec<Cell> = world.copies[0].values.keys().copied().collect();
        // In other hands for two times; each time it is asked for some of the values.
        let mut rounds = Vec::new();
        for wanted in [&all[..3], &all[2..], &[]] {
            let from = next_second();
            let opened: Vec<Cell> = wanted.iter().copied().filter(|cell| open(&world, &reader, *cell).is_ok()).collect();
            rounds.push((from, Timestamp::now(), cells(&opened)));
            next_second();
        }
        let before = rounds[0].0 - SignedDuration::from_secs(10);
        audit.flush().unwrap();
        let carols = world.copies[0].gone.iter().next().unwrap();
        assert!(!rounds[1].2.iter().any(|(number, _)| number == carols), "withdrawn, and so not opened");
        assert!(rounds[1].2.len() > rounds[0].2.len() && rounds[0].2.len() == 3);
        let openings = openings(&world);
        let situation = world.situation(Some(openings)).await;
        let both = ["orders", "newsletter"];
        for (from, until, given) in &rounds {
            assert_eq!(given_out(&assess(&situation, service(&both, *from, *until))), *given);
        }
        let [first, second, _] = &rounds[..] else { panic!() };
        let together = first.2.union(&second.2).cloned().collect();
        assert_eq!(given_out(&assess(&situation, service(&both, first.0, second.1))), together);
        // Of other purposes and other times nothing.
        let of_orders: BTreeSet<_> = together.iter().filter(|(_, column)| column.starts_with("orders")).cloned().collect();
        assert!(!of_orders.is_empty() && of_orders.len() < together.len());
        assert_eq!(given_out(&assess(&situation, service(&["orders"], first.0, second.1))), of_orders);
        assert!(given_out(&assess(&situation, service(&["billing"], first.0, second.1))).is_empty());
        let quiet = assess(&situation, service(&both, before, first.0 - SignedDuration::from_secs(2)));
        assert_eq!((quiet.customers().len(), quiet.report().scope.persons), (0, 0));
        let assumed = assess(&situation, service(&both, first.0, second.1)).report().assumptions.join("\n");
        assert!(assumed.contains("The program gave out what its audit has, and nothing else"), "{assumed}");
    }

    async fn a_program_without_an_audit_gave_out_all_that_it_could() {
        let mut world = World::new().await;
        for id in ["alice", "bob", "carol"] {
            world.sign_up(id).await;
        }
        world.withdraw("carol").await;
        world.erase("bob").await;
        world.copy().await;
        let situation = world.situation(None).await;
        // Two minutes on, when every process has stopped to open what was shredded.
        let from = Timestamp::now() + SignedDuration::from_mins(2);
        for (purposes, limits) in [
            (vec!["orders"], Limits::nothing().purpose(ORDERS)),
            (vec!["newsletter"], Limits::nothing().purpose(NEWSLETTER)),
            (vec!["newsletter", "orders"], Limits::nothing().purpose(ORDERS).purpose(NEWSLETTER)),
        ] {
            let reader = world.vault.reader(limits);
            let opens = world.copies[0].values.keys().filter(|cell| open(&world, &reader, **cell).is_ok());
            let found = assess(&situation, service(&purposes, from, from));
            assert_eq!(given_out(&found), cells(opens), "{purposes:?}");
            let assumed = found.report().assumptions.join("\n");
            assert!(assumed.contains("not audited, so everything that it could open is counted"), "{assumed}");
        }
        // Within the lease of a shred another process may go on; and before it, it could open everything.
        let just_now = assess(&situation, service(&["orders", "newsletter"], Timestamp::now(), Timestamp::now()));
        assert_eq!(given_out(&just_now), cells(world.copies[0].values.keys()));
        // Of those who came later it had nothing.
        let early = world.copies[0].at - SignedDuration::from_hours(1);
        assert!(given_out(&assess(&situation, service(&["orders"], early, early))).is_empty());
    }

    async fn where_openings_were_not_noted_all_is_counted() {
        let mut world = World::new().await;
        world.sign_up("alice").await;
        world.sign_up("bob").await;
        world.copy().await;
        let broken = Arc::new(AtomicBool::new(false));
        let (mut file, breaks) = (AuditFile::create(audit_path(&world), &world.vault).unwrap(), broken.clone());
        let sink = move |batch: &Batch| -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            if breaks.load(Ordering::SeqCst) { Err("the disk is full".into()) } else { file.write(batch) }
        };
        let audit = Audit::to(sink).room_for(1_024).on_trouble(OnTrouble::Drop).start().unwrap();
        let reader = audited(&world, &audit);
        let all: Vec<Cell> = world.copies[0].values.keys().copied().collect();
        let quiet = next_second();
        open(&world, &reader, all[0]).unwrap();
        audit.flush().unwrap();
        next_second();
        // The sink fails: the first batch waits for it, the buffer fills, and what comes then is dropped.
        broken.store(true, Ordering::SeqCst);
        open(&world, &reader, all[0]).unwrap();
        assert!(audit.flush().is_err());
        for _ in 0..ROOM {
            open(&world, &reader, all[0]).unwrap();
        }
        let dropped = Timestamp::now();
        open(&world, &reader, all[1]).unwrap();
        assert_eq!(audit.lost(), 1);
        broken.store(false, Ordering::SeqCst);
        while audit.flush().is_err() {}
        next_second();
        let later = next_second();
        open(&world, &reader, all[0]).unwrap();
        drop((reader, audit));
        let openings = openings(&world);
        let situation = world.situation(Some(openings)).await;
        let both = ["orders", "newsletter"];
        assert_eq!(given_out(&assess(&situation, service(&both, dropped, dropped))), cells(&all), "one of them was dropped");
        for noted in [quiet, later] {
            assert_eq!(given_out(&assess(&situation, service(&both, noted, noted))), cells(&all[..1]));
        }
    }

    async fn a_batch_that_a_killed_program_was_writing_is_not_taken_for_all() {
        let mut world = World::new().await;
        world.sign_up("alice").await;
        world.copy().await;
        let all: Vec<Cell> = world.copies[0].values.keys().copied().collect();
        let start = |world: &World, file: AuditFile| {
            let audit = Audit::to(file).start().unwrap();
            open(world, &audited(world, &audit), all[0]).unwrap();
            audit.flush().unwrap();
        };
        start(&world, AuditFile::create(audit_path(&world), &world.vault).unwrap());
        let before = next_second();
        let torn = next_second();
        let half = br#"{"n":3,"prev":"#;
        std::fs::OpenOptions::new().append(true).open(audit_path(&world)).unwrap().write_all(half).unwrap();
        start(&world, AuditFile::open(audit_path(&world), &world.vault).unwrap());
        let after = next_second();
        let openings = openings(&world);
        let situation = world.situation(Some(openings)).await;
        let both = ["orders", "newsletter"];
        assert_eq!(given_out(&assess(&situation, service(&both, torn, torn))), cells(&all));
        assert_eq!(given_out(&assess(&situation, service(&both, before, before))), cells(&all), "it may have been noted since");
        let after = after + SignedDuration::from_secs(1);
        assert!(given_out(&assess(&situation, service(&both, after, after))).is_empty());
    }
}
