//! Rows with a problem, rows of shredded customers, tables that are not what a job was told.

use std::ops::ControlFlow;

use oubliette::Vault;
use oubliette_jobs::{self as jobs, Cause, Job, JobError, Key};

use super::support::*;

#[test]
fn an_invalid_plaintext_is_named_by_key_and_rule_and_left_as_it_is() {
    let scratch = tempfile::tempdir().unwrap();
    let mut connection = plaintext_shop(&scratch.path().join("shop.db"), 30);
    connection.execute("UPDATE customers SET email = 'secret(at)example' WHERE id = 17", []).unwrap();
    connection.execute("UPDATE customers SET email = '' WHERE id = 23", []).unwrap();
    let vault = Vault::in_memory([ORDERS]);

    let stopped = jobs::rusqlite::run(&mut connection, &vault, &backfill().batch(10), go_on).unwrap_err();
    let JobError::Problems { first, others: 0, .. } = &stopped else { panic!("{stopped:?}") };
    assert_eq!((first.key.as_str(), first.column.as_str()), ("17", "email"));
    assert!(matches!(first.cause, Cause::InvalidPlaintext { .. }));
    for text in [stopped.to_string(), format!("{stopped:?}")] {
        assert!(!text.contains("secret"), "{text}");
    }
    assert_eq!(email_in(&connection, &vault, 11), email_of(11), "its batch was not written");
    let sealed: i64 = connection.query_row("SELECT count(no) FROM customers", [], |row| row.get(0)).unwrap();
    assert_eq!(sealed, 10, "and the one before was");

    let report = run(&mut connection, &vault, &backfill().batch(10).tolerate(2));
    let keys: Vec<&str> = report.problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!((keys, report.progress.problems, report.finished), (vec!["17", "23"], 2, true));
    let row: (Option<i64>, String) = connection
        .query_row("SELECT no, email FROM customers WHERE id = 17", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(row, (None, "secret(at)example".into()), "no half of it was written");
    let left = jobs::rusqlite::left_behind(&connection, &vault, &backfill()).unwrap();
    assert_eq!(left.remaining[0].first, ["17", "23"]);

    connection.execute("UPDATE customers SET email = NULL WHERE id IN (17, 23)", []).unwrap();
    assert_eq!(run(&mut connection, &vault, &backfill()).progress.changed, 2);
    assert!(jobs::rusqlite::left_behind(&connection, &vault, &backfill()).unwrap().is_empty());
}

#[test]
fn what_looks_sealed_and_is_not_is_a_problem_and_not_sealed_once_more() {
    let scratch = tempfile::tempdir().unwrap();
    let mut connection = plaintext_shop(&scratch.path().join("shop.db"), 3);
    connection.execute("UPDATE customers SET name = 'obl1.Smith' WHERE id = 2", []).unwrap();
    // A damaged one, and what PostgreSQL makes of bytes that are bound to a column of text.
    let damaged = [vec![0xf8], vec![0; 200]].concat();
    connection.execute("UPDATE customers SET phone = ? WHERE id = 1", [damaged]).unwrap();
    connection.execute(r"UPDATE customers SET email = '\xf80011' WHERE id = 3", []).unwrap();
    let vault = Vault::in_memory([ORDERS]);
    let report = run(&mut connection, &vault, &backfill().tolerate(3));
    let keys: Vec<&str> = report.problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!((report.progress.changed, keys), (0, vec!["1", "2", "3"]));
    assert!(report.problems[2].to_string().contains("bytes of a sealed value in a column of text"));
    let name: String = connection.query_row("SELECT name FROM customers WHERE id = 2", [], |row| row.get(0)).unwrap();
    assert_eq!(name, "obl1.Smith");
    assert!(!jobs::rusqlite::left_behind(&connection, &vault, &backfill()).unwrap().is_empty());
}

/// A process of the version before knows no tokens: it writes a plaintext, and the token of the older value stays.
#[test]
fn a_value_written_in_plaintext_over_a_sealed_one_gets_its_own_token() {
    let scratch = tempfile::tempdir().unwrap();
    let mut connection = plaintext_shop(&scratch.path().join("shop.db"), 3);
    let vault = Vault::in_memory([ORDERS]);
    run(&mut connection, &vault, &backfill());
    connection.execute("UPDATE customers SET email = 'late@example.com' WHERE id = 2", []).unwrap();
    run(&mut connection, &vault, &backfill());
    assert_eq!(found(&connection, &vault, "late@example.com"), [2]);
    assert!(found(&connection, &vault, &email_of(2)).is_empty());
}

#[test]
fn what_lies_before_the_bookmark_is_left_behind_too() {
    let scratch = tempfile::tempdir().unwrap();
    let mut connection = plaintext_shop(&scratch.path().join("shop.db"), 30);
    let vault = Vault::in_memory([ORDERS]);
    run(&mut connection, &vault, &backfill());
    connection.execute("UPDATE customers SET email = 'late@example.com' WHERE id = 2", []).unwrap();
    let rest = backfill().resume_after("20");
    assert_eq!(run(&mut connection, &vault, &rest).progress.changed, 0);
    assert!(!jobs::rusqlite::left_behind(&connection, &vault, &rest).unwrap().is_empty());
}

#[test]
fn an_error_of_the_database_quotes_no_row() {
    let scratch = tempfile::tempdir().unwrap();
    let mut connection = plaintext_shop(&scratch.path().join("shop.db"), 3);
    connection
        .execute_batch(
            "CREATE TRIGGER refused BEFORE UPDATE ON customers BEGIN SELECT RAISE(ABORT, 'not on a Sunday'); END",
        )
        .unwrap();
    let vault = Vault::in_memory([ORDERS]);
    let error = jobs::rusqlite::run(&mut connection, &vault, &backfill(), |_| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error, jobs::JobError::Database(_)), "{error:?}");
    assert!(std::error::Error::source(std::error::Error::source(&error).unwrap()).is_none());
}

/// Two spellings of one mailbox, under a UNIQUE column of tokens.
#[test]
fn a_duplicate_is_a_problem_of_its_row_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let mut connection = plaintext_shop(&scratch.path().join("shop.db"), 30);
    connection
        .execute_batch(
            "CREATE UNIQUE INDEX by_token ON customers (email_idx);
             UPDATE customers SET email = 'Twice@Example.com' WHERE id = 4;
             UPDATE customers SET email = 'twice@example.com' WHERE id IN (7, 26);
             UPDATE customers SET email = 'none' WHERE id = 9",
        )
        .unwrap();
    let vault = Vault::in_memory([ORDERS]);
    // Nothing is written to find them.
    let before: Vec<String> = (1..=30).map(|id| email_in(&connection, &vault, id)).collect();
    let foreseen = jobs::rusqlite::dry_run(&connection, &vault, &backfill().batch(10)).unwrap();
    assert_eq!(before, (1..=30).map(|id| email_in(&connection, &vault, id)).collect::<Vec<_>>());
    assert_eq!((foreseen.looked_at, foreseen.would_change), (30, 29));
    let numbers: i64 = connection.query_row("SELECT count(no) FROM customers", [], |row| row.get(0)).unwrap();
    assert_eq!(numbers, 0);
    let pairs: Vec<_> = foreseen.duplicates.iter().map(|it| (it.key.as_str(), it.same_as.as_str())).collect();
    assert_eq!(pairs, [("7", "4"), ("26", "4")]);
    assert_eq!(foreseen.problems.iter().map(|it| it.key.as_str()).collect::<Vec<_>>(), ["9"]);
    assert!(
        !foreseen.to_string().contains("twice") && foreseen.to_string().contains("the same as row 4"),
        "{foreseen}"
    );

    let stopped = jobs::rusqlite::run(&mut connection, &vault, &backfill().batch(10).tolerate(1), go_on).unwrap_err();
    let JobError::Problems { first, others, .. } = &stopped else { panic!("{stopped:?}") };
    assert_eq!((first.key.as_str(), *others), ("7", 1));
    let report = run(&mut connection, &vault, &backfill().batch(10).tolerate(3));
    let problems: Vec<_> = report.problems.iter().map(|it| (it.key.as_str(), it.column.as_str())).collect();
    assert_eq!(problems, [("7", "email_idx"), ("9", "email"), ("26", "email_idx")]);
    assert!(matches!(report.problems[0].cause, Cause::Duplicate) && report.finished);
    assert_eq!(report.progress.changed, 27, "the others of their batches are sealed");
    let row: (Option<i64>, String) = connection
        .query_row("SELECT no, email FROM customers WHERE id = 7", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(row, (None, "twice@example.com".into()), "left as it was");
    connection.execute("DELETE FROM customers WHERE id IN (7, 9, 26)", []).unwrap();
    assert!(jobs::rusqlite::left_behind(&connection, &vault, &backfill()).unwrap().is_empty());
    let foreseen = jobs::rusqlite::dry_run(&connection, &vault, &backfill()).unwrap();
    assert!(foreseen.problems.is_empty() && foreseen.duplicates.is_empty() && foreseen.would_change == 0);
}

#[test]
fn rows_of_shredded_customers_are_counted_and_their_plaintext_is_found() {
    let scratch = tempfile::tempdir().unwrap();
    let mut connection = plaintext_shop(&scratch.path().join("shop.db"), 20);
    let vault = Vault::in_memory([ORDERS]);
    run(&mut connection, &vault, &Job::on("customers", ("id", Key::Integer), "no").enroll());
    let _ = vault.shred([customer_of(&connection, 4)]).unwrap();
    let report = run(&mut connection, &vault, &backfill());
    assert_eq!((report.progress.changed, report.progress.erased, report.progress.problems), (19, 1, 0));
    let left = jobs::rusqlite::left_behind(&connection, &vault, &backfill()).unwrap();
    assert!(left.remaining.iter().all(|one| one.what == "plaintext" && one.first == ["4"]), "{left}");
    assert_eq!(left.remaining.len(), 3, "name, email and phone: {left}");

    // Shredded after it was sealed: nothing can be done, and nothing need be.
    let gone = customer_of(&connection, 9);
    let _ = vault.shred([gone]).unwrap();
    let _ = vault.rotate_purpose(ORDERS).unwrap();
    let job = Job::on("customers", ("id", Key::Integer), "no").reseal("email", EMAIL);
    let report = run(&mut connection, &vault, &job);
    assert_eq!((report.progress.changed, report.progress.erased), (18, 2));
    assert!(jobs::rusqlite::left_behind(&connection, &vault, &job).unwrap().is_empty());
}

#[test]
fn a_value_of_another_row_is_a_problem_and_a_number_that_is_none_too() {
    let scratch = tempfile::tempdir().unwrap();
    let mut connection = plaintext_shop(&scratch.path().join("shop.db"), 10);
    let vault = Vault::in_memory([ORDERS]);
    run(&mut connection, &vault, &backfill());
    connection
        .execute_batch(
            "UPDATE customers SET email_idx = NULL, email = (SELECT email FROM customers WHERE id = 1) WHERE id = 2;
             UPDATE customers SET no = -5 WHERE id = 3;
             UPDATE customers SET no = 4000, phone = '+33612345678' WHERE id = 4;
             UPDATE customers SET no = NULL, phone = '+33612345678' WHERE id = 5;",
        )
        .unwrap();
    let job = Job::on("customers", ("id", Key::Integer), "no")
        .seal("phone", PHONE)
        .index("email_idx", "email", BY_EMAIL)
        .tolerate(10);
    let problems = run(&mut connection, &vault, &job).problems;
    let all: Vec<_> = problems.iter().map(|one| (one.key.as_str(), one.column.as_str(), &one.cause)).collect();
    assert!(
        matches!(
            all[..],
            [
                ("2", "email", Cause::OtherNumber { .. }),
                ("3", "no", Cause::InvalidCustomer),
                ("4", "phone", Cause::Seal(oubliette::SealError::NotEnrolled { .. })),
                ("5", "phone", Cause::NotEnrolled),
            ]
        ),
        "{all:?}"
    );
}

#[test]
fn what_does_not_come_back_as_it_was_written_is_not_committed() {
    let scratch = tempfile::tempdir().unwrap();
    let mut connection = plaintext_shop(&scratch.path().join("shop.db"), 20);
    let vault = Vault::in_memory([ORDERS]);
    // What a column that is too narrow does in a database that truncates.
    connection
        .execute_batch(
            "CREATE TRIGGER narrow AFTER UPDATE OF email ON customers WHEN new.id = 12
             BEGIN UPDATE customers SET email = substr(new.email, 1, 100) WHERE id = new.id; END;",
        )
        .unwrap();
    let failed = jobs::rusqlite::run(&mut connection, &vault, &backfill().batch(10), go_on).unwrap_err();
    match &failed {
        JobError::ReadBack { key, column } => assert_eq!((key.as_str(), column.as_str()), ("12", "email")),
        other => panic!("{other:?}"),
    }
    for id in 11..=20 {
        assert_eq!(email_in(&connection, &vault, id), email_of(id));
    }
    connection.execute_batch("DROP TRIGGER narrow").unwrap();
    run(&mut connection, &vault, &backfill());
    assert_sealed(&connection, &vault, 20);
}

#[test]
fn a_table_that_is_not_what_the_job_says_is_refused_before_anything_is_written() {
    let scratch = tempfile::tempdir().unwrap();
    let mut connection = plaintext_shop(&scratch.path().join("shop.db"), 20);
    connection
        .execute_batch(
            "CREATE TABLE odd (name TEXT, ref TEXT, no BIGINT, price REAL);
             INSERT INTO odd VALUES ('Ann Lee', 'a', NULL, 1.5), ('Bob Lee', 'b', NULL, NULL),
                 ('Cid Lee', 'b', NULL, NULL), ('Dan Lee', NULL, NULL, NULL);",
        )
        .unwrap();
    let vault = Vault::in_memory([ORDERS]);
    let mut fails = |job: Job| jobs::rusqlite::run(&mut connection, &vault, &job, go_on).unwrap_err();
    let by = |key, kind| Job::on("odd", (key, kind), "no").enroll().seal("name", NAME);
    assert!(matches!(fails(by("ref", Key::Text)), JobError::Key { problem: "is NULL in some rows" }));
    assert!(matches!(fails(by("name", Key::Text)), JobError::Invalid { .. }));
    assert!(matches!(fails(by("rowid", Key::Text)), JobError::Key { problem: "is of another kind in some rows" }));
    let price = fails(by("rowid", Key::Integer).seal("price", NAME)).to_string();
    assert!(
        price.contains(
            "row 1, column price: the plaintext is not a value of the field's type: a number with a fraction"
        ),
        "{price}"
    );
    // In double quotes SQLite would take these for texts.
    assert!(matches!(fails(backfill().seal("nmae", NAME)), JobError::Database(_)));
    assert!(matches!(fails(Job::on("customers", ("di", Key::Integer), "no").enroll()), JobError::Database(_)));
    let left = jobs::rusqlite::left_behind(&connection, &vault, &backfill().seal("nmae", NAME));
    assert!(matches!(left, Err(JobError::Database(_))), "{left:?}");
    connection.execute("DELETE FROM odd WHERE ref IS NULL", []).unwrap();
    let mut fails = |job: Job| jobs::rusqlite::run(&mut connection, &vault, &job, go_on).unwrap_err();
    for batch in [1, 2, 3, 10] {
        let failed = fails(Job::on("odd", ("ref", Key::Text), "no").enroll().seal("name", NAME).batch(batch));
        assert!(matches!(failed, JobError::Key { problem: "is not unique" }), "{batch}: {failed:?}");
    }
}
