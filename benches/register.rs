//! The register on a SQLite file and a vault in a directory: a sweep of many grants, and an erasure beside a bare shred.
//!
//! `cargo bench -p oubliette-benches --bench register`, or with `-- grants=10000` for a tenth of it. It works in the
//! directory for temporary files (`TMPDIR`), which should lie on a real disk: most of what it measures is syncs.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use common::ours::ORDERS;
use common::race::{heading, median, verdict};
use jiff::{Timestamp, ToSpan};
use oubliette::journal::Reason;
use oubliette::{Purpose, RootKey, Vault};
use oubliette_register::{Basis, Evidence, Grant, Keep, Register, Rules, Subject};
use rusqlite::Connection;

const NEWSLETTER: Purpose = Purpose::new("newsletter");
const ROUNDS: usize = 40;

fn main() {
    let asked = std::env::args().find_map(|arg| arg.strip_prefix("grants=").map(|grants| grants.parse().unwrap()));
    let grants: usize = asked.unwrap_or(100_000);
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path());
    let now = Arc::new(AtomicI64::new(Timestamp::now().as_millisecond()));
    let clock = now.clone();
    let rules = Rules::new()
        .keep(NEWSLETTER, Keep::after_grant(1.month()))
        .tokens("customers", "no", ["email_idx"])
        .clock(move || Timestamp::from_millisecond(clock.load(Ordering::Relaxed)).unwrap());
    let register = Register::new(&vault, rules).unwrap();
    let mut connection = Connection::open(dir.path().join("shop.db")).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.pragma_update(None, "synchronous", "full").unwrap();
    connection.execute_batch("CREATE TABLE customers (no BIGINT UNIQUE, email_idx TEXT)").unwrap();
    register.in_transaction(&connection).create_tables().unwrap();

    heading(
        &format!("{grants} customers with two grants on a SQLite file in WAL mode, fully synchronous, one of them due"),
        &["what", "seconds", "a second"],
    );
    let begun = Instant::now();
    fill(&register, &mut connection, grants);
    line("two grants each, two thousand a transaction", begun, 2 * grants);
    let begun = Instant::now();
    register.own_transaction(&mut connection).flush().unwrap();
    line("flush: into the journal and its table", begun, 2 * grants);
    now.fetch_add(32 * 86_400_000, Ordering::Relaxed);
    let begun = Instant::now();
    let due = register.in_transaction(&connection).due().unwrap();
    line("dry run", begun, grants);
    let begun = Instant::now();
    let swept = register.own_transaction(&mut connection).sweep(|_| ControlFlow::Continue(())).unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    line("sweep, with a token each", begun, grants);
    assert_eq!((due.len(), swept.shredded), (grants, grants as u64));
    println!();
    heading("Targets", &["target", "measured", "limit", "met"]);
    verdict("seconds for a sweep of 100 000 grants", seconds * 100_000.0 / grants as f64, 10.0, true);

    erasures(dir.path(), &register, &mut connection);
}

/// Each beside the others in turn, so that a slow disk is slow for all.
fn erasures(place: &Path, register: &Register, connection: &mut Connection) {
    let bare = Vault::at(place.join("bare")).purposes([ORDERS, NEWSLETTER]).create(RootKey::bytes([7; 32])).unwrap();
    let (mut shreds, mut journalled, mut erased) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let customer = bare.enroll().unwrap();
        let begun = Instant::now();
        let _ = bare.shred([customer]).unwrap();
        shreds.push(begun.elapsed().as_secs_f64() * 1000.0);

        let customer = register.vault().enroll().unwrap();
        let begun = Instant::now();
        let _ = register.vault().shred([customer]).unwrap();
        journalled.push(begun.elapsed().as_secs_f64() * 1000.0);

        let subject = Subject::new(format!("erased {round}")).unwrap();
        for purpose in [ORDERS, NEWSLETTER] {
            register.in_transaction(connection).grant(&subject, Grant::on(purpose, Basis::Contract)).unwrap();
        }
        register.own_transaction(connection).flush().unwrap();
        let begun = Instant::now();
        let done = register.own_transaction(connection).erase(&subject, Reason::new("asked").unwrap()).unwrap();
        erased.push(begun.elapsed().as_secs_f64() * 1000.0);
        assert!(done.receipt.is_some());
    }
    let (shred, journalled, erase) = (median(shreds), median(journalled), median(erased));
    heading("One customer", &["what", "milliseconds", "of the bare shred"]);
    for (what, millis) in
        [("bare shred", shred), ("shred with a journal", journalled), ("erase: two purposes, receipt", erase)]
    {
        println!("| {what} | {millis:.2} | {:.2} |", millis / shred);
    }
    println!();
    heading("Target", &["target", "measured", "limit", "met"]);
    verdict("an erasure, times a bare shred", erase / shred, 3.0, true);
}

fn vault(place: &Path) -> Vault {
    let builder = Vault::at(place.join("vault")).purposes([ORDERS, NEWSLETTER]).journal(place.join("journal"));
    builder.create(RootKey::bytes([7; 32])).unwrap()
}

fn fill(register: &Register, connection: &mut Connection, grants: usize) {
    let evidence = Evidence::new(Timestamp::now(), "newsletter, version 3", "sign-up form");
    let subjects: Vec<Subject> = (0..grants).map(|id| Subject::new(id).unwrap()).collect();
    for subjects in subjects.chunks(1000) {
        let transaction = connection.transaction().unwrap();
        for subject in subjects {
            // Of another purpose, which stays: so the numbers that are swept are no neighbours.
            register.in_transaction(&transaction).grant(subject, Grant::on(ORDERS, Basis::Contract)).unwrap();
            let granted = register
                .in_transaction(&transaction)
                .grant(subject, Grant::consent(NEWSLETTER, evidence.clone()))
                .unwrap();
            transaction.execute("INSERT INTO customers VALUES (?, 'token')", [granted.number]).unwrap();
        }
        transaction.commit().unwrap();
    }
}

fn line(what: &str, begun: Instant, rows: usize) {
    let seconds = begun.elapsed().as_secs_f64();
    println!("| {what} | {seconds:.2} | {:.0} |", rows as f64 / seconds);
}
