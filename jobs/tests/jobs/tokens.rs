//! Tokens that no query finds, tokens of another value, values under another number than their row's.

use oubliette::testing::TestVault;
use oubliette::{Index, Vault, bits};
use oubliette_jobs::{self as jobs, Cause, Job, JobError, Key};
use rusqlite::{Connection, params};

use super::support::*;

fn sealed_shop(rows: i64) -> (tempfile::TempDir, Connection, TestVault) {
    let scratch = tempfile::tempdir().unwrap();
    let mut connection = plaintext_shop(&scratch.path().join("shop.db"), rows);
    let vault = Vault::in_memory([ORDERS]);
    run(&mut connection, &vault, &backfill());
    (scratch, connection, vault)
}

/// What is left, as column, kind and rows.
fn left(connection: &Connection, vault: &Vault, job: &Job) -> Vec<(String, &'static str, u64)> {
    let left = jobs::rusqlite::left_behind(connection, vault, job).unwrap();
    left.remaining.into_iter().map(|left| (left.column, left.what, left.rows)).collect()
}

#[test]
fn tokens_of_another_number_of_bits_count_as_missing() {
    const OTHERS: [u16; 4] = [32, 56, 63, 72];
    for other in OTHERS {
        let (_scratch, mut connection, vault) = sealed_shop(20);
        let index: Index<_> = EMAIL.index("exact", bits(other));
        for id in 1..=20 {
            let token = vault.token(index, &email_of(id).parse().unwrap()).unwrap();
            // The last bit of some tokens of 64 bits is 0 as well.
            assert!(!BY_EMAIL.fits(&token) || other == 63);
            let sql = "UPDATE customers SET email_idx = ? WHERE id = ?";
            connection.execute(sql, params![token.as_bytes(), id]).unwrap();
        }
        assert!(found(&connection, &vault, &email_of(7)).is_empty());
        let mut index = Job::on("customers", ("id", Key::Integer), "no").index("email_idx", "email", BY_EMAIL);
        if other == 63 {
            index = index.verify_indexes();
        }
        let expected = ("email_idx".to_owned(), "without its token of the current epoch", 20);
        assert_eq!(left(&connection, &vault, &index), [expected], "{other}");
        assert_eq!(run(&mut connection, &vault, &index).progress.changed, 20);
        assert!(left(&connection, &vault, &index).is_empty());
        assert_eq!(found(&connection, &vault, &email_of(7)), [7]);
    }
    // The same number of bytes, and more bits: found by its unused bits, half the time a bit.
    let wide = Vault::in_memory([ORDERS]);
    let of_63: Index<_> = EMAIL.index("exact", bits(63));
    let fits = |id| of_63.fits(&wide.token(BY_EMAIL, &email_of(id).parse().unwrap()).unwrap());
    assert!((1..=64).any(|id| !fits(id)));
}

#[test]
fn a_token_that_was_forgotten_on_update_is_found_and_mended() {
    let (_scratch, mut connection, vault) = sealed_shop(10);
    let sealed = vault.seal(customer_of(&connection, 4), EMAIL, &"new@example.com".parse().unwrap()).unwrap();
    connection.execute("UPDATE customers SET email = ? WHERE id = 4", [sealed.to_string()]).unwrap();
    assert_eq!(found(&connection, &vault, &email_of(4)), [4], "by what it no longer holds");
    assert!(left(&connection, &vault, &backfill()).is_empty(), "only opening the value tells");
    let verified = backfill().verify_indexes();
    let expected = ("email_idx".to_owned(), "without its token of the current epoch", 1);
    assert_eq!(left(&connection, &vault, &verified), [expected]);
    assert_eq!(run(&mut connection, &vault, &verified).progress.changed, 1);
    assert!(left(&connection, &vault, &verified).is_empty());
    assert_eq!(found(&connection, &vault, "new@example.com"), [4]);
    assert!(found(&connection, &vault, &email_of(4)).is_empty());
}

/// `ON CONFLICT (email_idx) DO UPDATE SET email = excluded.email` keeps the row's number.
#[test]
fn a_value_under_another_number_than_the_rows_is_named() {
    let (_scratch, mut connection, vault) = sealed_shop(10);
    connection.execute_batch("CREATE UNIQUE INDEX by_token ON customers (email_idx)").unwrap();
    let new = vault.enroll().unwrap();
    let email = email_of(3).parse().unwrap();
    let (sealed, name) = (vault.seal(new, EMAIL, &email).unwrap(), vault.seal(new, NAME, &name_of(3).parse().unwrap()));
    let token = vault.token(BY_EMAIL, &email).unwrap();
    let upsert = "INSERT INTO customers (no, name, email, email_idx) VALUES (?, ?, ?, ?) \
        ON CONFLICT (email_idx) DO UPDATE SET email = excluded.email";
    let values = params![new.to_stored(), name.unwrap().to_string(), sealed.to_string(), token.as_bytes()];
    connection.execute(upsert, values).unwrap();
    let row = customer_of(&connection, 3);
    assert_ne!(row, new);
    // Shredding the row's number leaves the value readable.
    vault.shred([row]).unwrap();
    assert!(vault.open(new, EMAIL, &sealed).is_ok());

    let index = Job::on("customers", ("id", Key::Integer), "no").index("email_idx", "email", BY_EMAIL);
    let jobs = [backfill(), index, Job::on("customers", ("id", Key::Integer), "no").reseal("email", EMAIL)];
    for job in &jobs {
        let expected = ("email".to_owned(), "sealed under another number than the row's", 1);
        assert_eq!(left(&connection, &vault, job), [expected], "{job:?}");
        let stopped = jobs::rusqlite::run(&mut connection, &vault, job, go_on).unwrap_err();
        let JobError::Problems { first, others: 0, .. } = &stopped else { panic!("{stopped:?}") };
        assert_eq!((first.key.as_str(), first.column.as_str()), ("3", "email"));
        assert!(matches!(first.cause, Cause::OtherNumber { under } if under == new), "{first}");
    }
    // A value in a row without a number is nobody's, and must not be given one.
    connection.execute("UPDATE customers SET no = NULL WHERE id = 5", []).unwrap();
    let report = run(&mut connection, &vault, &backfill().tolerate(2));
    let keys: Vec<&str> = report.problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["3", "5"]);
    let number: Option<i64> =
        connection.query_row("SELECT no FROM customers WHERE id = 5", [], |row| row.get(0)).unwrap();
    assert_eq!(number, None);
    // Number and values together are right.
    let name = vault.seal(new, NAME, &name_of(3).parse().unwrap()).unwrap().to_string();
    connection.execute("UPDATE customers SET no = ?, name = ? WHERE id = 3", params![new.to_stored(), name]).unwrap();
    connection.execute("UPDATE customers SET phone = NULL WHERE id = 3", []).unwrap();
    connection.execute("DELETE FROM customers WHERE id = 5", []).unwrap();
    assert!(left(&connection, &vault, &backfill()).is_empty());
}
