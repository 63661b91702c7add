//! Long jobs on a SQLite file, and a page and an export read in bulk, each beside its target.
//!
//! `cargo bench -p oubliette-benches --bench jobs`, or with `-- rows=30000` for a tenth of it. It works in the directory for temporary files
//! (`TMPDIR`), which should lie on a real disk; allow 1 GB and some minutes. Times are wall-clock: the disk is part of
//! them, and so is whatever else the machine does.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use common::ours::ORDERS;
use common::race::{heading, median, verdict};
use oubliette::personal::{Email, Name, Phone, Text};
use oubliette::{CustomerId, Field, Index, RootKey, Sealed, Vault, bits};
use oubliette_jobs::{self as jobs, Job, Key};
use rusqlite::{Connection, params};

const NAME: Field<Name> = ORDERS.field("name");
const EMAIL: Field<Email> = ORDERS.field("email");
const PHONE: Field<Phone> = ORDERS.field("phone");
const NOTE: Field<Text> = ORDERS.field("note");
const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(64));
const PAGE: i64 = 1000;

fn main() {
    let asked = std::env::args().find_map(|arg| arg.strip_prefix("rows=").map(|rows| rows.parse().unwrap()));
    let rows: i64 = asked.unwrap_or(300_000);
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::at(dir.path().join("vault")).purposes([ORDERS]).create(RootKey::bytes([7; 32])).unwrap();
    let mut connection = shop(&dir.path().join("shop.db"), rows);
    let unsealed = millis_a_page(|| unsealed_page(&connection));

    heading(&format!("Jobs over {rows} rows of a SQLite file in WAL mode"), &["job", "seconds", "rows a second"]);
    // Nobody else writes.
    let on = || Job::on("customers", ("id", Key::Integer), "no").pause(std::time::Duration::ZERO);
    let seal = on().enroll().seal("name", NAME).seal("email", EMAIL).seal("phone", PHONE).seal("note", NOTE);
    let index = on().index("email_idx", "email", BY_EMAIL);
    run(&mut connection, &vault, "backfill of four fields and an index", &seal.index("email_idx", "email", BY_EMAIL));
    let _ = vault.begin_epoch(BY_EMAIL).unwrap();
    let reindexed = run(&mut connection, &vault, "re-index to a new epoch", &index);
    run(&mut connection, &vault, "the same again, with nothing to do", &index);
    let _ = vault.rotate_purpose(ORDERS).unwrap();
    let reseal = on().reseal("name", NAME).reseal("email", EMAIL).reseal("phone", PHONE).reseal("note", NOTE);
    run(&mut connection, &vault, "reseal of four fields", &reseal);
    let begun = Instant::now();
    assert!(jobs::rusqlite::left_behind(&connection, &vault, &reseal).unwrap().is_empty());
    line("left_behind of the same", begun.elapsed().as_secs_f64(), rows);
    println!();

    heading("In memory", &["operation", "seconds", "a second"]);
    tokens(&vault);
    export(&vault, rows * 10 / 3);
    println!();

    let sealed = millis_a_page(|| sealed_page(&connection, &vault));
    let one_by_one = millis_a_page(|| sealed_page_one_by_one(&connection, &vault));
    heading("A page of 1000 rows by 4 fields, from SQLite", &["page", "milliseconds"]);
    println!(
        "| unsealed | {unsealed:.2} |\n| sealed, in bulk | {sealed:.2} |\n| sealed, call by call | {one_by_one:.2} |\n"
    );
    heading("Targets", &["what", "measured", "target", "met"]);
    verdict("seconds for a re-index of 300 000 rows", reindexed * 300_000.0 / rows as f64, 60.0, true);
    vault.close().unwrap();
}

/// A table in plaintext.
fn shop(path: &Path, rows: i64) -> Connection {
    let mut connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE customers (id INTEGER PRIMARY KEY, no BIGINT UNIQUE, name TEXT, email TEXT, phone TEXT,
                 note TEXT, email_idx BLOB);
             CREATE INDEX customers_email ON customers (email_idx);",
        )
        .unwrap();
    let transaction = connection.transaction().unwrap();
    {
        let insert = "INSERT INTO customers (id, name, email, phone, note) VALUES (?, ?, ?, ?, ?)";
        let mut insert = transaction.prepare(insert).unwrap();
        for id in 1..=rows {
            let (name, email) = (format!("Zoë Müller-{id}"), format!("person.{id}@example.com"));
            let phone = format!("+336{:08}", id % 100_000_000);
            insert.execute(params![id, name, email, phone, "Ring twice; the dog is friendly."]).unwrap();
        }
    }
    transaction.commit().unwrap();
    connection
}

fn line(what: &str, seconds: f64, count: i64) {
    println!("| {what} | {seconds:.1} | {:.0} |", count as f64 / seconds);
}

fn run(connection: &mut Connection, vault: &Vault, what: &str, job: &Job) -> f64 {
    let begun = Instant::now();
    let report = jobs::rusqlite::run(connection, vault, job, |_| ControlFlow::Continue(())).unwrap();
    assert!(report.finished && report.problems.is_empty());
    let seconds = begun.elapsed().as_secs_f64();
    line(what, seconds, i64::try_from(report.progress.looked_at).unwrap());
    seconds
}

fn tokens(vault: &Vault) {
    let emails: Vec<Email> = (0..1000).map(|id| format!("person.{id}@example.com").parse().unwrap()).collect();
    let begun = Instant::now();
    for email in emails.iter().cycle().take(100_000) {
        black_box(vault.token(BY_EMAIL, email).unwrap());
    }
    line("index tokens, one epoch begun since the first", begun.elapsed().as_secs_f64(), 100_000);
}

/// One field of many customers, in order of number. Numbers beyond those of the table are issued for it.
fn export(vault: &Vault, rows: i64) {
    while vault.enroll().unwrap().to_stored() < rows {}
    let email: Email = "person.12345@example.com".parse().unwrap();
    let numbers = (1..=rows).map(|number| CustomerId::from_stored(number).unwrap());
    let sealed: Vec<(CustomerId, Sealed<Email>)> = vault
        .each_customer(numbers, |customer| *customer)
        .map(|(customer, keys)| (customer, keys.seal(EMAIL, &email).unwrap()))
        .collect();
    let begun = Instant::now();
    for ((_, sealed), keys) in vault.each_customer(&sealed, |(customer, _)| *customer) {
        black_box(keys.open(EMAIL, sealed).unwrap());
    }
    line(&format!("export of {rows} values of one field, opened in bulk"), begun.elapsed().as_secs_f64(), rows);
}

fn millis_a_page(mut page: impl FnMut()) -> f64 {
    let time = |_| {
        let begun = Instant::now();
        page();
        begun.elapsed().as_secs_f64() * 1000.0
    };
    median((0..101).map(time).collect())
}

const SELECT: &str = "SELECT no, name, email, phone, note FROM customers WHERE id > 5000 ORDER BY id LIMIT 1000";

fn unsealed_page(connection: &Connection) {
    let mut statement = connection.prepare(SELECT).unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut seen = 0;
    while let Some(row) = rows.next().unwrap() {
        black_box([1, 2, 3, 4].map(|column| row.get::<_, String>(column).unwrap()));
        seen += 1;
    }
    assert_eq!(seen, PAGE);
}

type Stored = (CustomerId, Sealed<Name>, Sealed<Email>, Sealed<Phone>, Sealed<Text>);

fn stored(connection: &Connection) -> Vec<Stored> {
    fn read<T>(row: &rusqlite::Row<'_>, column: usize) -> Sealed<T> {
        row.get_ref(column).unwrap().as_str().unwrap().parse().unwrap()
    }
    let mut statement = connection.prepare(SELECT).unwrap();
    let rows = statement.query_map([], |row| {
        let customer = CustomerId::from_stored(row.get(0)?).unwrap();
        Ok((customer, read(row, 1), read(row, 2), read(row, 3), read(row, 4)))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn sealed_page(connection: &Connection, vault: &Vault) {
    let rows = stored(connection);
    assert_eq!(rows.len(), usize::try_from(PAGE).unwrap());
    for ((_, name, email, phone, note), keys) in vault.each_customer(&rows, |row| row.0) {
        black_box((keys.open(NAME, name).unwrap(), keys.open(EMAIL, email).unwrap()));
        black_box((keys.open(PHONE, phone).unwrap(), keys.open(NOTE, note).unwrap()));
    }
}

fn sealed_page_one_by_one(connection: &Connection, vault: &Vault) {
    for (customer, name, email, phone, note) in stored(connection) {
        black_box((vault.open(customer, NAME, &name).unwrap(), vault.open(customer, EMAIL, &email).unwrap()));
        black_box((vault.open(customer, PHONE, &phone).unwrap(), vault.open(customer, NOTE, &note).unwrap()));
    }
}
