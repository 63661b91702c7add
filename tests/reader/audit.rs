use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use oubliette::audit::{Audit, AuditBuilder, AuditError, Batch, OnTrouble, OpeningResult, Openings};
use oubliette::testing::assert_no_plaintext;
use oubliette::{CustomerId, Limits, OpenError, Outcome, Reader, Sealed};

use super::{Alice, EMAIL, NAME, NEWS, NEWS_EMAIL, ORDERS, PLAINTEXT};

/// Long enough that nothing is written before it is asked for.
const NEVER: Duration = Duration::from_secs(3600);
/// The least room there can be, and what threads may go beyond it.
const ROOM: usize = 1_024;
const SLACK: usize = 1_024;

/// An audit that is written into memory, and fails, panics or blocks when told to.
#[derive(Clone, Default)]
struct Memory {
    batches: Arc<Mutex<Vec<Batch>>>,
    offered: Arc<Mutex<Vec<u64>>>,
    fails: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
}

impl Memory {
    fn audit(&self) -> AuditBuilder {
        let memory = self.clone();
        let sink = move |batch: &Batch| -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            memory.offered.lock().unwrap().push(batch.number());
            assert!(!memory.panics.load(Ordering::SeqCst), "told to panic");
            if memory.fails.load(Ordering::SeqCst) {
                return Err("the disk is full".into());
            }
            memory.batches.lock().unwrap().push(batch.clone());
            Ok(())
        };
        Audit::to(sink).interval(NEVER).room_for(ROOM)
    }

    fn entries(&self) -> Vec<Openings> {
        self.batches.lock().unwrap().iter().flat_map(|batch| batch.openings().to_vec()).collect()
    }

    /// Openings by field and end.
    fn counts(&self) -> BTreeMap<(String, OpeningResult), u64> {
        let mut counts = BTreeMap::new();
        for entry in self.entries() {
            let field = format!("{}/{}", entry.purpose(), entry.label());
            *counts.entry((field, entry.result())).or_default() += entry.count();
        }
        counts
    }

    fn total(&self) -> u64 {
        self.entries().iter().map(Openings::count).sum()
    }
}

fn audited(alice: &Alice, audit: &Audit) -> Reader {
    let reader = alice.vault.reader(Limits::nothing().purpose(ORDERS));
    reader.audited(audit, "support desk".parse().unwrap(), "ticket 4711".parse().unwrap())
}

fn open_times(reader: &Reader, alice: &Alice, times: usize) {
    let keys = reader.customer(alice.number);
    for _ in 0..times {
        keys.open(EMAIL, &alice.email).unwrap();
    }
}

#[test]
fn every_way_to_open_is_noted_and_so_is_every_refusal() {
    let (alice, memory) = (Alice::new(), Memory::default());
    let audit = memory.audit().start().unwrap();
    let reader = audited(&alice, &audit);
    reader.open(alice.number, EMAIL, &alice.email).unwrap();
    reader.customer(alice.number).open(EMAIL, &alice.email).unwrap();
    reader.clone().customer(alice.number).clone().open(EMAIL, &alice.email).unwrap();
    for (_, keys) in reader.each_customer([alice.number; 2], |number| *number) {
        keys.open(NAME, &alice.name).unwrap();
    }
    reader.narrowed(Limits::nothing().purpose(ORDERS)).open(alice.number, NAME, &alice.name).unwrap();
    assert!(reader.open(alice.number, NEWS_EMAIL, &alice.news_email).is_err());
    assert!(reader.customer(alice.number).open(NEWS_EMAIL, &alice.news_email).is_err());
    let bob = alice.vault.enroll().unwrap();
    assert!(matches!(reader.open(bob, EMAIL, &alice.email), Err(OpenError::OtherCustomer { .. })));
    let _ = alice.vault.shred([alice.number]).unwrap();
    assert!(matches!(reader.open(alice.number, EMAIL, &alice.email), Err(OpenError::Shredded { .. })));
    audit.flush().unwrap();

    let expected = [
        (("newsletter/email".to_owned(), OpeningResult::Refused), 2),
        (("orders/email".to_owned(), OpeningResult::Opened), 3),
        (("orders/email".to_owned(), OpeningResult::Failed), 2),
        (("orders/name".to_owned(), OpeningResult::Opened), 3),
    ];
    assert_eq!(memory.counts(), BTreeMap::from(expected));
    for entry in memory.entries() {
        assert_eq!((entry.who().as_str(), entry.why().as_str()), ("support desk", "ticket 4711"));
        let whose = entry.customers();
        assert!(whose.contains(alice.number) || whose.contains(bob));
    }
    assert_no_plaintext(format!("{:?}", memory.batches).as_bytes(), PLAINTEXT);
}

#[test]
fn what_is_not_opened_through_the_reader_is_not_noted() {
    let (alice, memory) = (Alice::new(), Memory::default());
    let audit = memory.audit().start().unwrap();
    let reader = audited(&alice, &audit);
    alice.vault.open(alice.number, EMAIL, &alice.email).unwrap();
    alice.vault.reader(Limits::nothing().purpose(ORDERS)).open(alice.number, EMAIL, &alice.email).unwrap();
    assert!(reader.seal(alice.number, EMAIL, &"a@example.com".parse().unwrap()).is_err());
    audit.flush().unwrap();
    assert_eq!(memory.total(), 0);
    assert!(memory.batches.lock().unwrap().is_empty(), "nothing is nothing to write");
}

/// A reader cannot be talked out of its audit, nor led to another one.
#[test]
fn an_audit_is_added_and_never_taken_off() {
    let (alice, first, second) = (Alice::new(), Memory::default(), Memory::default());
    let (audit, other) = (first.audit().start().unwrap(), second.audit().start().unwrap());
    let reader = audited(&alice, &audit);
    let both = reader.audited(&other, "somebody else".parse().unwrap(), "no reason".parse().unwrap());
    both.open(alice.number, EMAIL, &alice.email).unwrap();
    assert!(both.narrowed(Limits::nothing()).open(alice.number, EMAIL, &alice.email).is_err());
    audit.flush().unwrap();
    other.flush().unwrap();
    assert_eq!((first.total(), second.total()), (2, 2));
    assert_eq!(first.entries()[0].who().as_str(), "support desk");
    assert_eq!(second.entries()[0].who().as_str(), "somebody else");
    assert_eq!(format!("{both:?}"), "Reader([Limits(orders, sealing: false)], audits: 2)");
}

#[test]
fn seconds_are_the_wall_clocks_and_keep_their_order() {
    let (alice, memory) = (Alice::new(), Memory::default());
    let audit = memory.audit().start().unwrap();
    let reader = audited(&alice, &audit);
    open_times(&reader, &alice, 2);
    alice.vault.advance(Duration::from_secs(1));
    open_times(&reader, &alice, 3);
    audit.flush().unwrap();
    let counts: Vec<_> = memory.entries().iter().map(|entry| (entry.at(), entry.count(), entry.each())).collect();
    let [(first, 2, 2), (second, 3, 3)] = counts[..] else { panic!("{counts:?}") };
    assert_eq!(second.to_unix_millis() / 1000 - first.to_unix_millis() / 1000, 1);
}

#[test]
fn a_failing_sink_is_offered_the_same_batch_until_it_takes_it() {
    let (alice, memory) = (Alice::new(), Memory::default());
    let audit = memory.audit().start().unwrap();
    let reader = audited(&alice, &audit);
    memory.fails.store(true, Ordering::SeqCst);
    open_times(&reader, &alice, 3);
    let error = audit.flush().unwrap_err();
    assert!(matches!(error, AuditError::Sink(_)) && error.outcome() == Outcome::TryAgain, "{error:?}");
    assert!(matches!(audit.trouble(), Some(AuditError::Sink(_))));
    // What comes in the meantime is of the next batch: the one that failed stays as it is.
    open_times(&reader, &alice, 4);
    memory.fails.store(false, Ordering::SeqCst);
    while audit.flush().is_err() {}
    assert_eq!(memory.total(), 7);
    let numbers: Vec<u64> = memory.batches.lock().unwrap().iter().map(Batch::number).collect();
    assert_eq!(numbers, [1, 2]);
    assert!(memory.offered.lock().unwrap().iter().filter(|number| **number == 1).count() >= 2);
    assert!(audit.trouble().is_none() && audit.lost() == 0);
}

#[test]
fn with_the_sink_in_trouble_a_full_buffer_opens_nothing() {
    let (alice, memory) = (Alice::new(), Memory::default());
    let audit = memory.audit().start().unwrap();
    let reader = audited(&alice, &audit);
    memory.fails.store(true, Ordering::SeqCst);
    open_times(&reader, &alice, 1);
    assert!(audit.flush().is_err());
    // The batch that failed is out of the buffer, which takes as many more as it has room for.
    open_times(&reader, &alice, ROOM);
    let keys = reader.customer(alice.number);
    for refused in [keys.open(EMAIL, &alice.email), reader.open(alice.number, EMAIL, &alice.email)] {
        let error = refused.unwrap_err();
        assert!(matches!(&error, OpenError::NotAudited { at, source: AuditError::Sink(_) } if at.label == "email"));
        assert_eq!(error.outcome(), Outcome::TryAgain);
    }
    let _ = alice.vault.shred([alice.number]).unwrap();
    assert!(matches!(keys.open(EMAIL, &alice.email), Err(OpenError::NotAudited { .. })), "not even tried");
    memory.fails.store(false, Ordering::SeqCst);
    while audit.flush().is_err() {}
    assert_eq!(memory.total(), 1 + ROOM as u64);
    assert!(matches!(keys.open(EMAIL, &alice.email), Err(OpenError::Shredded { .. })), "and on it goes");
    assert_eq!(audit.lost(), 0);
}

#[test]
fn or_it_opens_and_says_how_many_are_missing() {
    let (alice, memory) = (Alice::new(), Memory::default());
    let audit = memory.audit().on_trouble(OnTrouble::Drop).start().unwrap();
    let reader = audited(&alice, &audit);
    memory.fails.store(true, Ordering::SeqCst);
    open_times(&reader, &alice, 1);
    assert!(audit.flush().is_err());
    open_times(&reader, &alice, ROOM + SLACK + 5);
    assert!(matches!(reader.open(alice.number, NEWS_EMAIL, &alice.news_email), Err(OpenError::NotAllowed { .. })));
    assert_eq!(audit.lost(), 6);
    memory.fails.store(false, Ordering::SeqCst);
    while audit.flush().is_err() {}
    let lost: u64 = memory.batches.lock().unwrap().iter().map(Batch::lost).sum();
    assert_eq!((memory.total(), lost), ((1 + ROOM + SLACK) as u64, 6));
    open_times(&reader, &alice, 1);
    audit.flush().unwrap();
    assert_eq!(memory.batches.lock().unwrap().last().unwrap().lost(), 0, "told once");
}

#[test]
fn a_panic_of_the_sink_is_survived() {
    let (alice, memory) = (Alice::new(), Memory::default());
    let audit = memory.audit().start().unwrap();
    let reader = audited(&alice, &audit);
    memory.panics.store(true, Ordering::SeqCst);
    open_times(&reader, &alice, 3);
    assert!(matches!(audit.flush(), Err(AuditError::Panicked)));
    memory.panics.store(false, Ordering::SeqCst);
    while audit.flush().is_err() {}
    assert_eq!(memory.total(), 3);
}

/// A sink that waits to be let go at each batch.
fn blocking() -> (AuditBuilder, Receiver<Batch>, Sender<()>) {
    let ((written, batches), (go, gate)) = (channel(), channel::<()>());
    let sink = move |batch: &Batch| -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        written.send(batch.clone())?;
        Ok(gate.recv()?)
    };
    (Audit::to(sink).interval(NEVER).room_for(ROOM), batches, go)
}

#[test]
fn a_sink_that_blocks_holds_up_nobody_until_the_buffer_is_full() {
    let alice = Alice::new();
    let (builder, batches, go) = blocking();
    let audit = builder.patience(Duration::from_millis(50)).start().unwrap();
    let reader = audited(&alice, &audit);
    // The first batch is begun at a quarter of the room, and is not finished.
    open_times(&reader, &alice, ROOM / 4);
    let first = batches.recv().unwrap();
    open_times(&reader, &alice, ROOM - 1);
    // Full: it waits, then refuses, and from then on at once.
    let filled = loop {
        match reader.open(alice.number, EMAIL, &alice.email) {
            Ok(_) => continue,
            Err(error) => break error,
        }
    };
    assert!(matches!(filled, OpenError::NotAudited { source: AuditError::Slow { .. }, .. }), "{filled:?}");
    let before = std::time::Instant::now();
    for _ in 0..100 {
        assert!(matches!(
            reader.open(alice.number, EMAIL, &alice.email),
            Err(OpenError::NotAudited { source: AuditError::Slow { .. }, .. })
        ));
    }
    assert!(before.elapsed() < Duration::from_secs(5), "a hundred times the patience");
    go.send(()).unwrap();
    let second = batches.recv().unwrap();
    let counted = |batch: &Batch| batch.openings().iter().map(Openings::count).sum::<u64>();
    assert_eq!(counted(&first) + counted(&second), (ROOM / 4 + ROOM) as u64);
    go.send(()).unwrap();
    audit.flush().unwrap();
    assert!(reader.open(alice.number, EMAIL, &alice.email).is_ok());
    go.send(()).unwrap();
}

#[test]
fn an_opening_waits_for_room_while_the_sink_is_only_busy() {
    let alice = Alice::new();
    let (builder, batches, go) = blocking();
    let audit = builder.patience(Duration::from_secs(60)).start().unwrap();
    let reader = audited(&alice, &audit);
    open_times(&reader, &alice, ROOM / 4);
    let first = batches.recv().unwrap();
    open_times(&reader, &alice, ROOM);
    let waiting = std::thread::spawn({
        let (reader, number, email) = (reader.clone(), alice.number, alice.email.clone());
        move || reader.open(number, EMAIL, &email).map(drop)
    });
    assert!(!waiting.is_finished());
    for _ in 0..3 {
        go.send(()).unwrap();
    }
    waiting.join().unwrap().unwrap();
    audit.flush().unwrap();
    let all: Vec<Batch> = std::iter::once(first).chain(batches.try_iter()).collect();
    let total: u64 = all.iter().flat_map(Batch::openings).map(Openings::count).sum();
    assert_eq!(total, (ROOM / 4 + ROOM + 1) as u64);
}

#[test]
fn batches_are_written_by_size_and_by_time_without_a_flush() {
    let (alice, memory) = (Alice::new(), Memory::default());
    let (written, batches) = channel();
    let audit = Audit::to(move |batch: &Batch| Ok(written.send(batch.clone())?)).interval(NEVER).room_for(ROOM);
    let audit = audit.start().unwrap();
    open_times(&audited(&alice, &audit), &alice, ROOM / 4);
    let batch = batches.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(batch.openings()[0].count(), (ROOM / 4) as u64);

    let audit = memory.audit().interval(Duration::from_millis(10)).start().unwrap();
    open_times(&audited(&alice, &audit), &alice, 1);
    while memory.total() == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(audit);
}

#[test]
fn dropping_the_audit_writes_what_was_noted_and_readers_go_on() {
    let (alice, memory) = (Alice::new(), Memory::default());
    let audit = memory.audit().start().unwrap();
    let reader = audited(&alice, &audit);
    open_times(&reader, &alice, 2);
    let clone = audit.clone();
    drop(audit);
    assert_eq!(memory.total(), 0, "a clone is left");
    drop(clone);
    assert_eq!(memory.total(), 2);
    open_times(&reader, &alice, 3);
    drop(reader);
    assert_eq!(memory.total(), 5, "the last reader ends it");
}

#[test]
fn several_threads_lose_nothing() {
    const THREADS: usize = 4;
    const EACH: usize = 5_000;
    let (alice, memory) = (Alice::new(), Memory::default());
    let audit = memory.audit().start().unwrap();
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (alice, audit, start) = (&alice, &audit, &start);
            scope.spawn(move || {
                let reader = alice.vault.reader(Limits::nothing().purpose(ORDERS));
                let who = format!("desk {}", thread % 2);
                let reader = reader.audited(audit, who.parse().unwrap(), "work".parse().unwrap());
                start.wait();
                open_times(&reader, alice, EACH);
                assert!(reader.open(alice.number, NEWS_EMAIL, &alice.news_email).is_err());
                audit.flush().unwrap();
            });
        }
    });
    assert_eq!(memory.total(), (THREADS * (EACH + 1)) as u64);
    for desk in ["desk 0", "desk 1"] {
        let of_desk: u64 =
            memory.entries().iter().filter(|entry| entry.who().as_str() == desk).map(Openings::count).sum();
        assert_eq!(2 * (EACH as u64 + 1), of_desk);
    }
}

/// Bulk jobs are told in few words: neighbours are one range.
#[test]
fn a_bulk_job_takes_a_few_entries() {
    let (alice, memory) = (Alice::new(), Memory::default());
    let audit = memory.audit().room_for(100_000).start().unwrap();
    let rows: Vec<(CustomerId, Sealed<_>)> = (0..1_000)
        .map(|_| {
            let number = alice.vault.enroll().unwrap();
            (number, alice.vault.seal(number, EMAIL, &"x@example.com".parse().unwrap()).unwrap())
        })
        .collect();
    let reader = audited(&alice, &audit);
    for ((_, email), keys) in reader.each_customer(&rows, |(number, _)| *number) {
        keys.open(EMAIL, email).unwrap();
    }
    audit.flush().unwrap();
    let entries = memory.entries();
    assert_eq!((entries.len(), entries[0].count()), (1, 1_000));
    assert_eq!(entries[0].customers().ranges().count(), 1);
}

#[test]
fn reasons_are_bounded_and_nothing_prints_what_was_opened() {
    assert!("".parse::<oubliette::journal::Reason>().is_err());
    assert!("a\nb".parse::<oubliette::journal::Reason>().is_err());
    assert!("x".repeat(201).parse::<oubliette::journal::Reason>().is_err());
    let (alice, memory) = (Alice::new(), Memory::default());
    let audit = memory.audit().start().unwrap();
    let reader = alice.vault.reader(Limits::nothing().purpose(ORDERS).purpose(NEWS));
    let reader = reader.audited(&audit, "a".parse().unwrap(), "b".parse().unwrap());
    let printed = format!("{audit:?} {reader:?} {:?} {:?}", reader.customer(alice.number), memory.audit());
    assert_no_plaintext(printed.as_bytes(), PLAINTEXT);
}
