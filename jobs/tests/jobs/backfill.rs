//! From plaintext to sealed, without downtime.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use oubliette::{RootKey, Vault};
use oubliette_jobs::{self as jobs, InRow, Job, JobError, Key};

use super::support::*;

#[test]
fn a_live_table_is_sealed_while_rows_are_written() {
    const ROWS: i64 = 2000;
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("shop.db");
    let mut connection = plaintext_shop(&path, ROWS);
    connection.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    let vault = Vault::at(scratch.path().join("privacy")).purposes([ORDERS]).create(RootKey::bytes([7; 32])).unwrap();
    let left = jobs::rusqlite::left_behind(&connection, &vault, &backfill()).unwrap();
    let counts: Vec<(&str, u64)> = left.remaining.iter().map(|one| (one.column.as_str(), one.rows)).collect();
    assert_eq!(counts, [("no", 2000), ("name", 2000), ("email", 2000), ("phone", 1334), ("email_idx", 2000)]);

    let running = AtomicBool::new(true);
    let (written, report) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut connection = connect(&path);
            let mut written = HashMap::new();
            for round in 0_i64.. {
                if !running.load(Ordering::Relaxed) && round > 50 {
                    break;
                }
                // An application pauses now and then; SQLite's lock is not fair to whoever waits for one that does not.
                std::thread::sleep(std::time::Duration::from_millis(3));
                // Up and down the table, so before, within and after the batch under way.
                let id = 1 + round * 997 % ROWS;
                let email = format!("changed{round}@example.com");
                write_email(&mut connection, &vault, id, &email);
                assert_eq!(email_in(&connection, &vault, id), email);
                written.insert(id, email);
                let (id, email) = (ROWS + 1 + round, format!("new{round}@example.com"));
                insert(&connection, &vault, id, &email);
                written.insert(id, email);
                let other = 1 + round * 31 % ROWS;
                if !written.contains_key(&other) {
                    assert_eq!(email_in(&connection, &vault, other), email_of(other));
                }
            }
            written
        });
        let job = backfill().batch(20);
        let report = jobs::rusqlite::run(&mut connection, &vault, &job, |_| {
            std::thread::sleep(std::time::Duration::from_millis(2));
            ControlFlow::Continue(())
        });
        running.store(false, Ordering::Relaxed);
        (writer.join().unwrap(), report.unwrap())
    });
    assert!(report.finished && report.problems.is_empty());
    assert!(written.len() > 100, "the writer was at work: {}", written.len());

    // From now on sealed only: no cell of the table is plaintext, and nothing was lost.
    let left = jobs::rusqlite::left_behind(&connection, &vault, &backfill()).unwrap();
    assert!(left.is_empty(), "{left}");
    for id in 1..=ROWS + i64::try_from(written.len()).unwrap() {
        let Some(expected) = written.get(&id).cloned().or((id <= ROWS).then(|| email_of(id))) else { continue };
        assert_eq!(email_in(&connection, &vault, id), expected);
        assert_eq!(found(&connection, &vault, &expected), [id]);
    }
    connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    for file in [path.clone(), scratch.path().join("shop.db-wal")] {
        let bytes = std::fs::read(file).unwrap_or_default();
        let values: Vec<String> = (1..ROWS).step_by(97).flat_map(|id| [name_of(id), email_of(id)]).collect();
        oubliette::testing::assert_no_plaintext(&bytes, values.iter().map(String::as_str));
    }
    let again = run(&mut connection, &vault, &backfill());
    assert_eq!((again.progress.changed, again.progress.looked_at), (0, again.progress.total));
}

#[test]
fn into_other_columns_as_bytes() {
    let scratch = tempfile::tempdir().unwrap();
    let mut connection = plaintext_shop(&scratch.path().join("shop.db"), 50);
    connection.execute_batch("ALTER TABLE customers ADD email_sealed BLOB").unwrap();
    let vault = Vault::in_memory([ORDERS]);
    let job = Job::on("customers", ("id", Key::Integer), "no")
        .enroll()
        .seal_into("email", "email_sealed", InRow::new(EMAIL).within_column("id"))
        .index_within("email_idx", "email_sealed", BY_EMAIL, InRow::new(EMAIL).within_column("id"));
    assert_eq!(run(&mut connection, &vault, &job).progress.changed, 50);
    let sql = "SELECT email, email_sealed FROM customers WHERE id = 7";
    let read = |connection: &rusqlite::Connection| {
        connection.query_row(sql, [], |row| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Vec<u8>>(1)?))).unwrap()
    };
    let (plaintext, sealed) = read(&connection);
    assert_eq!(plaintext, None);
    let customer = customer_of(&connection, 7);
    let sealed = oubliette::Sealed::from_bytes(sealed).unwrap();
    let email = vault.open(customer, EMAIL.within(&7_i64.to_be_bytes()), &sealed).unwrap();
    assert_eq!(email.expose_personal_data(), email_of(7));
    assert!(vault.open(customer, EMAIL, &sealed).is_err(), "it is bound to the row");
    assert_eq!(found(&connection, &vault, &email_of(7)), [7]);

    // A process that does not seal yet writes once more: what it wrote counts.
    connection.execute("UPDATE customers SET email = 'late@example.com', email_idx = NULL WHERE id = 7", []).unwrap();
    assert_eq!(run(&mut connection, &vault, &job).progress.changed, 1);
    assert_eq!(found(&connection, &vault, "late@example.com"), [7]);
    assert_eq!(read(&connection).0, None);
}

#[test]
fn a_job_goes_on_after_its_bookmark_and_tells_how_far_it_is() {
    let scratch = tempfile::tempdir().unwrap();
    let mut connection = plaintext_shop(&scratch.path().join("shop.db"), 100);
    let vault = Vault::in_memory([ORDERS]);
    let mut seen = Vec::new();
    let report = jobs::rusqlite::run(&mut connection, &vault, &unhurried(backfill().batch(30)), |progress| {
        seen.push((progress.looked_at, progress.total, progress.bookmark.clone().unwrap()));
        if progress.looked_at == 60 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .unwrap();
    assert!(!report.finished);
    assert_eq!(seen, [(30, 100, "30".into()), (60, 100, "60".into())]);
    assert!(report.progress.rows_a_second() > 0.0);
    let left = jobs::rusqlite::left_behind(&connection, &vault, &backfill()).unwrap();
    assert_eq!((left.remaining[0].rows, left.remaining[0].first[0].as_str()), (40, "61"));

    let report = run(&mut connection, &vault, &backfill().resume_after("60").batch(30));
    assert_eq!((report.progress.looked_at, report.progress.changed, report.finished), (40, 40, true));
    assert_sealed(&connection, &vault, 100);
    let wrong = backfill().resume_after("x");
    assert!(matches!(jobs::rusqlite::run(&mut connection, &vault, &wrong, go_on), Err(JobError::Invalid { .. })));
}

/// The step between two batches is the only moment at which a row can change under a job: then the row as it is counts.
#[test]
fn a_row_that_changes_between_batches_is_never_overwritten() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("shop.db");
    let mut connection = plaintext_shop(&path, 40);
    let vault = Vault::in_memory([ORDERS]);
    let mut application = connect(&path);
    jobs::rusqlite::run(&mut connection, &vault, &backfill().batch(10), |progress| {
        if progress.looked_at == 20 {
            for (id, email) in [(5, "behind@example.com"), (25, "ahead@example.com")] {
                write_email(&mut application, &vault, id, email);
            }
            // One that differs in case only, from a process that does not seal yet.
            application.execute("UPDATE customers SET email = upper(email) WHERE id = 26", []).unwrap();
            application.execute("DELETE FROM customers WHERE id = 30", []).unwrap();
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(email_in(&connection, &vault, 5), "behind@example.com");
    assert_eq!(email_in(&connection, &vault, 25), "ahead@example.com");
    assert!(email_in(&connection, &vault, 26).starts_with("PERSON.26"));
    assert_eq!(found(&connection, &vault, &email_of(25)), [0_i64; 0]);
    assert!(jobs::rusqlite::left_behind(&connection, &vault, &backfill()).unwrap().is_empty());
}
