//! Tokens that must be unique, while the index moves to another epoch: two columns, and sign-ups that race.

use std::ops::ControlFlow;
use std::sync::Barrier;

use oubliette::personal::Email;
use oubliette::{Vault, search::Epoch};
use oubliette_jobs::{self as jobs, Job, JobError, Key, pair_of};
use rusqlite::{Connection, params};

use super::support::*;

fn job() -> Job {
    Job::on("logins", ("id", Key::Integer), "no").index_pair(["even", "odd"], "email", BY_EMAIL).batch(10)
}

/// True when the sign-up was accepted.
fn sign_up(connection: &Connection, vault: &Vault, email: &str) -> bool {
    let email: Email = email.parse().unwrap();
    let customer = vault.enroll().unwrap();
    let sealed = vault.seal(customer, EMAIL, &email).unwrap();
    let tokens = vault.tokens(BY_EMAIL, &email).unwrap();
    let [even, odd] = pair_of(&tokens).map(|token| token.map(|token| token.as_bytes().to_vec()));
    let sql = "INSERT INTO logins (no, email, even, odd) VALUES (?, ?, ?, ?)";
    match connection.execute(sql, params![customer.to_stored(), sealed.as_bytes(), even, odd]) {
        Ok(_) => true,
        Err(rusqlite::Error::SqliteFailure(error, _)) => {
            assert_eq!(error.code, rusqlite::ErrorCode::ConstraintViolation);
            false
        }
        Err(error) => panic!("{error}"),
    }
}

fn find(connection: &Connection, vault: &Vault, email: &str) -> i64 {
    let [even, odd] = pair_of(&vault.tokens(BY_EMAIL, &email.parse().unwrap()).unwrap());
    let [even, odd] = [even, odd].map(|token| token.map(|token| token.as_bytes().to_vec()));
    let sql = "SELECT count(*) FROM logins WHERE even = ? OR odd = ?";
    connection.query_row(sql, params![even, odd], |row| row.get(0)).unwrap()
}

#[test]
fn one_of_two_sign_ups_wins_at_every_moment_of_a_re_index() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("shop.db");
    let mut connection = connect(&path);
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE logins (id INTEGER PRIMARY KEY, no BIGINT NOT NULL UNIQUE, email BLOB NOT NULL,
                 even BLOB UNIQUE, odd BLOB UNIQUE);",
        )
        .unwrap();
    let vault = Vault::in_memory([ORDERS]);
    // A process that hears of things late: it knows the first epoch only.
    let late = vault.second().unwrap();
    for id in 1..=60 {
        assert!(sign_up(&connection, &vault, &email_of(id)));
    }
    let mut attempts = 0;
    let mut race = |moment: &str| {
        attempts += 1;
        let email = format!("race{attempts}@example.com");
        let barrier = Barrier::new(4);
        let accepted: usize = std::thread::scope(|scope| {
            let (path, barrier, email, vault, late) = (&path, &barrier, &email, &vault, &late);
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    scope.spawn(move || {
                        let connection = connect(path);
                        barrier.wait();
                        usize::from(sign_up(&connection, if thread == 0 { late } else { vault }, email))
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(accepted, 1, "{moment}");
        let reader = connect(&path);
        assert!(!sign_up(&reader, vault_of(&vault), &email_of(1 + attempts % 60)), "an old row is known, {moment}");
        assert_eq!(find(&reader, &vault, &email), 1, "{moment}");
    };
    race("before");
    for round in 0..3 {
        let old = vault.epochs(BY_EMAIL).unwrap().current;
        let _ = vault.begin_epoch(BY_EMAIL).unwrap();
        race("the new epoch has begun");
        // From now on no process is late.
        vault.advance(std::time::Duration::from_secs(2));
        jobs::rusqlite::run(&mut connection, &vault, &job(), |_| {
            race("between two batches");
            ControlFlow::Continue(())
        })
        .unwrap();
        let left = jobs::rusqlite::left_behind(&connection, &vault, &job()).unwrap();
        assert!(left.is_empty(), "round {round}: {left}");
        race("before the old epoch is retired");
        let _ = vault.retire_epoch(BY_EMAIL, old).unwrap();
        race("after it was retired");
        // Tokens of the retired epoch go, so that the column is ready for the next.
        run(&mut connection, &vault, &job());
    }
    let left = jobs::rusqlite::left_behind(&connection, &vault, &job()).unwrap();
    assert!(left.is_empty(), "{left}");
    let (even, odd): (i64, i64) = connection
        .query_row("SELECT count(even), count(odd) FROM logins", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!((even, odd), (0, 60 + attempts));
}

fn vault_of(vault: &oubliette::testing::TestVault) -> &Vault {
    vault
}

#[test]
fn three_live_epochs_do_not_fit_two_columns() {
    let scratch = tempfile::tempdir().unwrap();
    let mut connection = connect(&scratch.path().join("shop.db"));
    connection
        .execute_batch("CREATE TABLE logins (id INTEGER PRIMARY KEY, no BIGINT, email BLOB, even BLOB, odd BLOB)")
        .unwrap();
    let vault = Vault::in_memory([ORDERS]);
    assert!(sign_up(&connection, &vault, "alice@example.com"));
    for _ in 0..2 {
        let _ = vault.begin_epoch(BY_EMAIL).unwrap();
    }
    let refused = jobs::rusqlite::run(&mut connection, &vault, &job(), go_on);
    assert!(matches!(refused, Err(JobError::TooManyEpochs { .. })), "{refused:?}");
    let _ = vault.retire_epoch(BY_EMAIL, Epoch::FIRST).unwrap();
    assert_eq!(run(&mut connection, &vault, &job()).progress.changed, 1);
    assert_eq!(find(&connection, &vault, "alice@example.com"), 1);
}
