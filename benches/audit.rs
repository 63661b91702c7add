//! What limits and an audit cost in bulk, beside the vault itself, in one run.
//!
//! `cargo bench -p oubliette-benches --bench audit`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use common::ours::{self, CUSTOMERS, ORDERS, Padded};
use common::race::{Figures, Race, heading, median, table, verdict};
use oubliette::audit::{Audit, AuditFile, Batch};
use oubliette::journal::Reason;
use oubliette::{CustomerId, CustomerKeys, Field, Limits, Reader, Sealed, Vault};

const ROUNDS: usize = 101;
const ROWS: usize = 1_000;
const FIELDS: [Field<Padded<64>>; 4] =
    [ORDERS.field("name"), ORDERS.field("email"), ORDERS.field("phone"), ORDERS.field("note")];

const VAULT: &str = "vault";
const LIMITED: &str = "reader";
const AUDITED: &str = "reader, audited";
const IN_FILE: &str = "reader, audited into a signed file";

type Row = (CustomerId, Vec<Sealed<Padded<64>>>);

/// A job over rows, with whatever gives the keys.
fn open_all<'r>(rows: impl Iterator<Item = (&'r Row, CustomerKeys)>) {
    for ((_, sealed), keys) in rows {
        for (field, sealed) in FIELDS.iter().zip(sealed) {
            let _ = black_box(keys.open(*field, sealed).unwrap());
        }
    }
}

struct Setup {
    vault: Vault,
    reader: Reader,
    audit: Audit,
    in_file: Audit,
    written: Arc<AtomicU64>,
}

impl Setup {
    fn audit(&self, kind: &str) -> &Audit {
        if kind == IN_FILE { &self.in_file } else { &self.audit }
    }

    fn page(&self, kind: &str) -> Reader {
        let reason = |text: &str| Reason::new(text).unwrap();
        self.reader.audited(self.audit(kind), reason("support desk"), reason("list of customers"))
    }

    fn rows(&self, rows: usize, fields: usize) -> Vec<Row> {
        let value = Padded::<64>::new();
        let row = |number| {
            let customer = ours::customer(CUSTOMERS / 3 + number);
            let seal = |field: &Field<_>| self.vault.seal(customer, *field, &value).unwrap();
            (customer, FIELDS.iter().take(fields).map(seal).collect())
        };
        (0..).map(row).take(rows).collect()
    }

    fn run(&self, kind: &str, rows: &[Row]) {
        match kind {
            VAULT => open_all(self.vault.each_customer(rows, |(customer, _)| *customer)),
            LIMITED => open_all(self.reader.each_customer(rows, |(customer, _)| *customer)),
            _ => open_all(self.page(kind).each_customer(rows, |(customer, _)| *customer)),
        }
    }
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let vault = ours::vault(&dir.path().join("vault"), CUSTOMERS);
    let written = Arc::new(AtomicU64::new(0));
    let counted = written.clone();
    let sink = move |batch: &Batch| {
        let openings: u64 = batch.openings().iter().map(oubliette::audit::Openings::count).sum();
        counted.fetch_add(openings, Ordering::Relaxed);
        Ok(())
    };
    let reader = vault.reader(FIELDS.into_iter().fold(Limits::nothing(), Limits::field));
    let in_file = Audit::to(AuditFile::create(dir.path().join("openings"), &vault).unwrap()).start().unwrap();
    let setup = Setup { vault, reader, audit: Audit::to(sink).start().unwrap(), in_file, written };

    println!("All figures are nanoseconds an opening: medians of CPU time.\n");
    let jobs = [
        (format!("{ROWS} rows, four fields of 64 bytes each"), setup.rows(ROWS, 4)),
        ("8192 rows, one field of 64 bytes each".to_owned(), setup.rows(8192, 1)),
    ];
    let mut targets = Vec::new();
    for (name, rows) in &jobs {
        let figures = thread(&setup, rows);
        table(&format!("{name}: the thread that opens"), "by way of", &[("ns", &figures)]);
        targets.push((format!("{name}: audited / vault, thread"), figures.of(AUDITED) / figures.of(VAULT)));
        targets.push((format!("{name}: limited / vault, thread"), figures.of(LIMITED) / figures.of(VAULT)));
        for kind in [AUDITED, IN_FILE] {
            let (plain, audited, elapsed) = process(&setup, kind, rows);
            println!(
                "The whole process, the audit's thread with it: {plain:.0}, and by way of a {kind} {audited:.0}.\n"
            );
            targets.push((format!("{name}: {kind} / vault, process"), audited / plain));
            targets.push((format!("{name}: {kind} / vault, elapsed"), elapsed));
        }
    }
    heading("Targets", &["ratio", "measured", "target", "met"]);
    for (what, value) in targets {
        verdict(&what, value, 1.10, true);
    }
    setup.audit.flush().unwrap();
    assert_ne!(setup.written.load(Ordering::Relaxed), 0, "nothing was audited");
    assert_eq!(setup.audit.lost(), 0);
}

fn openings(rows: &[Row]) -> u64 {
    rows.iter().map(|(_, sealed)| sealed.len() as u64).sum()
}

fn thread(setup: &Setup, rows: &[Row]) -> Figures {
    let mut race = Race::new();
    for kind in [VAULT, LIMITED, AUDITED, IN_FILE] {
        race.lane_of(kind, openings(rows), || setup.run(kind, rows));
    }
    race.run(ROUNDS)
}

/// CPU time of all threads an opening, without and with the audit, until all is written; and the ratio of elapsed times,
/// until all is opened.
fn process(setup: &Setup, audited_by: &str, rows: &[Row]) -> (f64, f64, f64) {
    const PASSES: u32 = 20;
    let measure = |kind: &str| {
        let (cpu, start) = (process_nanos(), Instant::now());
        for _ in 0..PASSES {
            setup.run(kind, rows);
        }
        let elapsed = start.elapsed().as_secs_f64();
        if kind != VAULT {
            setup.audit(kind).flush().unwrap();
        }
        let units = f64::from(PASSES) * openings(rows) as f64;
        ((process_nanos() - cpu) as f64 / units, elapsed / units)
    };
    let (mut plain, mut audited) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // The one first, then the other: neither always follows a flush.
        let kinds = if round % 2 == 0 { [VAULT, audited_by] } else { [audited_by, VAULT] };
        for kind in kinds {
            let taken = measure(kind);
            if kind == VAULT { plain.push(taken) } else { audited.push(taken) }
        }
    }
    let of = |taken: &[(f64, f64)], pick: fn(&(f64, f64)) -> f64| median(taken.iter().map(pick).collect());
    let elapsed = of(&audited, |taken| taken.1) / of(&plain, |taken| taken.1);
    (of(&plain, |taken| taken.0), of(&audited, |taken| taken.0), elapsed)
}

fn process_nanos() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}
