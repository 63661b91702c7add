//! New key trees, new epochs, new labels and types, and what a shred leaves to clean up.

use std::ops::ControlFlow;

use oubliette::personal::Text;
use oubliette::{Field, Index, OpenError, Purpose, Vault, bits, search::Epoch};
use oubliette_jobs::{self as jobs, Cause, InRow, Job, JobError, Key};

use super::support::*;

fn on_customers() -> Job {
    Job::on("customers", ("id", Key::Integer), "no")
}

fn sealed_shop(rows: i64) -> (tempfile::TempDir, rusqlite::Connection, oubliette::testing::TestVault) {
    let scratch = tempfile::tempdir().unwrap();
    let mut connection = plaintext_shop(&scratch.path().join("shop.db"), rows);
    let vault = Vault::in_memory([ORDERS, NEWS]);
    run(&mut connection, &vault, &backfill());
    (scratch, connection, vault)
}

const NEWS: Purpose = Purpose::new("newsletter");

#[test]
fn values_move_to_a_new_key_tree_before_the_old_one_is_given_up() {
    let (_scratch, mut connection, vault) = sealed_shop(120);
    let rotated = vault.rotate_purpose(ORDERS).unwrap();
    let job = on_customers().reseal("name", NAME).reseal("email", EMAIL).reseal("phone", PHONE).batch(50);
    let left = jobs::rusqlite::left_behind(&connection, &vault, &job).unwrap();
    assert_eq!(left.remaining.iter().map(|one| one.rows).collect::<Vec<_>>(), [120, 120, 80]);
    assert!(left.remaining.iter().all(|one| one.what == "under a replaced key tree"));

    let half = jobs::rusqlite::run(&mut connection, &vault, &job, |_| ControlFlow::Break(())).unwrap();
    assert_eq!(half.progress.changed, 50);
    assert_sealed(&connection, &vault, 120);
    let rest = run(&mut connection, &vault, &job);
    assert_eq!((rest.progress.looked_at, rest.progress.changed), (120, 70));
    assert!(jobs::rusqlite::left_behind(&connection, &vault, &job).unwrap().is_empty());
    let _ = vault.retire_replaced(ORDERS, rotated.0).unwrap();
    assert_sealed(&connection, &vault, 120);
}

#[test]
fn a_new_epoch_is_searchable_all_the_time_and_the_old_one_then_says_nothing() {
    let (_scratch, mut connection, vault) = sealed_shop(300);
    let old = vault.token(BY_EMAIL, &email_of(7).parse().unwrap()).unwrap();
    let begun = vault.begin_epoch(BY_EMAIL).unwrap();
    let job = on_customers().index("email_idx", "email", BY_EMAIL).batch(40);
    let reader = connect(std::path::Path::new(connection.path().unwrap()));
    let mut application = connect(std::path::Path::new(connection.path().unwrap()));
    jobs::rusqlite::run(&mut connection, &vault, &job, |progress| {
        for id in [1, 39, 40, 41, 150, 299, 300] {
            assert_eq!(found(&reader, &vault, &email_of(id)), [id], "after {} rows", progress.looked_at);
        }
        write_email(&mut application, &vault, 200, &format!("at{}@example.com", progress.looked_at));
        assert_eq!(found(&reader, &vault, &format!("at{}@example.com", progress.looked_at)), [200]);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(jobs::rusqlite::left_behind(&connection, &vault, &job).unwrap().is_empty());

    // One process that had not heard of the new epoch.
    connection.execute("UPDATE customers SET email_idx = ? WHERE id = 7", [old.as_bytes()]).unwrap();
    let left = jobs::rusqlite::left_behind(&connection, &vault, &job).unwrap();
    assert_eq!((left.remaining.len(), left.remaining[0].first.as_slice()), (1, &["7".to_owned()][..]));
    assert_eq!(run(&mut connection, &vault, &job).progress.changed, 1);

    let _ = vault.retire_epoch(BY_EMAIL, Epoch::FIRST).unwrap();
    assert_eq!(vault.tokens(BY_EMAIL, &email_of(7).parse().unwrap()).unwrap().len(), 1);
    for id in (1..=300).filter(|id| *id != 200) {
        assert_eq!(found(&connection, &vault, &email_of(id)), [id]);
    }
    let of_old: i64 = connection
        .query_row("SELECT count(*) FROM customers WHERE hex(substr(email_idx, 1, 1)) = '00'", [], |row| row.get(0))
        .unwrap();
    assert_eq!((of_old, begun.0.number()), (0, 1));
}

#[test]
fn tokens_follow_values_that_went_away() {
    let (_scratch, mut connection, vault) = sealed_shop(5);
    connection.execute("UPDATE customers SET email = NULL WHERE id = 3", []).unwrap();
    let job = on_customers().index("email_idx", "email", BY_EMAIL);
    assert_eq!(run(&mut connection, &vault, &job).progress.changed, 1);
    assert_eq!(found(&connection, &vault, &email_of(3)), [0_i64; 0]);
    connection.execute("UPDATE customers SET email = 'plain@example.com' WHERE id = 4", []).unwrap();
    connection.execute("UPDATE customers SET email_idx = x'ff00' WHERE id = 4", []).unwrap();
    let refused = jobs::rusqlite::run(&mut connection, &vault, &job, go_on).unwrap_err();
    assert!(matches!(&refused, JobError::Problems { first, .. } if matches!(first.cause, Cause::NotSealed)));
}

#[test]
fn after_a_shred_its_tokens_are_found_and_forgotten() {
    let (_scratch, mut connection, vault) = sealed_shop(60);
    let gone = [11, 12, 50].map(|id| customer_of(&connection, id));
    let _ = vault.shredding(gone).purpose(ORDERS).run().unwrap();
    let job = on_customers().forget_tokens("email_idx", BY_EMAIL);
    assert_eq!(found(&connection, &vault, &email_of(12)), [12], "the token is still there");
    let left = jobs::rusqlite::left_behind(&connection, &vault, &job).unwrap();
    assert_eq!((left.remaining.len(), left.remaining[0].rows), (1, 3));
    assert_eq!(left.remaining[0].first, ["11", "12", "50"]);
    assert!(left.to_string().contains("email_idx: 3 rows: a token of a shredded customer"), "{left}");

    let report = run(&mut connection, &vault, &job);
    assert_eq!((report.progress.changed, report.progress.erased), (3, 3));
    assert!(jobs::rusqlite::left_behind(&connection, &vault, &job).unwrap().is_empty());
    assert_eq!(found(&connection, &vault, &email_of(12)), [0_i64; 0]);
    assert_eq!(found(&connection, &vault, &email_of(13)), [13]);
    let others: i64 = connection.query_row("SELECT count(email_idx) FROM customers", [], |row| row.get(0)).unwrap();
    assert_eq!(others, 57);
    // Nor does a job that renews tokens bring them back, or stop at them.
    let report = run(&mut connection, &vault, &on_customers().index("email_idx", "email", BY_EMAIL));
    assert_eq!((report.progress.changed, report.progress.erased), (0, 3));
}

#[test]
fn a_field_gets_another_label_type_purpose_and_context() {
    const CONTACT: Field<Text> = NEWS.field("contact");
    let (_scratch, mut connection, vault) = sealed_shop(40);
    let job = || {
        on_customers()
            .relabel("email", EMAIL, InRow::new(CONTACT).within_column("id"), |email| {
                if email.expose_personal_data().contains("Person.13+") {
                    return Err("not this one".to_owned());
                }
                email.expose_personal_data().parse::<Text>().map_err(|error| error.to_string())
            })
            .batch(10)
    };
    let stopped = jobs::rusqlite::run(&mut connection, &vault, &job(), go_on).unwrap_err();
    assert!(
        stopped.to_string().contains("row 13, column email: the value cannot be converted: not this one"),
        "{stopped}"
    );
    let report = run(&mut connection, &vault, &job().tolerate(1));
    assert_eq!((report.progress.changed, report.progress.problems), (29, 1), "ten were done before");
    let contact = |id: i64| {
        let sql = "SELECT email FROM customers WHERE id = ?";
        let sealed: String = connection.query_row(sql, [id], |row| row.get(0)).unwrap();
        vault.open(customer_of(&connection, id), CONTACT.within(&id.to_be_bytes()), &sealed.parse().unwrap())
    };
    for id in (1..=40).filter(|id| *id != 13) {
        assert_eq!(contact(id).unwrap().expose_personal_data(), email_of(id));
    }
    assert!(matches!(contact(13), Err(OpenError::OtherPurpose { .. })));
    assert_eq!(email_in(&connection, &vault, 13), email_of(13), "it is as it was");
    let left = jobs::rusqlite::left_behind(&connection, &vault, &job()).unwrap();
    assert_eq!((left.remaining.len(), left.remaining[0].first.as_slice()), (1, &["13".to_owned()][..]));

    // A value that is neither the old field nor the new one.
    let name: String = connection.query_row("SELECT name FROM customers WHERE id = 2", [], |row| row.get(0)).unwrap();
    connection.execute("UPDATE customers SET email = ? WHERE id = 2", [name]).unwrap();
    let report = run(&mut connection, &vault, &job().tolerate(2));
    assert!(matches!(report.problems[0].cause, Cause::Open(OpenError::NotAuthentic { .. })), "{report:?}");
}

/// Renaming a table or a column changes nothing: labels are what counts.
#[test]
fn names_of_columns_take_no_part() {
    let (_scratch, mut connection, vault) = sealed_shop(10);
    connection
        .execute_batch("ALTER TABLE customers RENAME TO people; ALTER TABLE people RENAME email TO mail;")
        .unwrap();
    let job = Job::on("people", ("id", Key::Integer), "no").seal("mail", EMAIL).index("email_idx", "mail", BY_EMAIL);
    assert!(jobs::rusqlite::left_behind(&connection, &vault, &job).unwrap().is_empty());
    connection.execute("UPDATE people SET email_idx = NULL", []).unwrap();
    assert_eq!(run(&mut connection, &vault, &job).progress.changed, 10, "every value opened");
}

#[test]
fn a_purpose_that_is_not_unlocked_stops_a_job() {
    const OTHER: Index<Text> = Purpose::new("other").field::<Text>("note").index_by("x", bits(8), |text| {
        oubliette::personal::CanonicalForm::new(text.expose_personal_data().as_bytes().to_vec())
    });
    let (_scratch, mut connection, vault) = sealed_shop(10);
    for job in [on_customers().index("email_idx", "note", OTHER), on_customers().seal("note", OTHER.field())] {
        assert!(jobs::rusqlite::run(&mut connection, &vault, &job, go_on).is_err());
    }
    vault.lose_store();
    assert!(matches!(
        jobs::rusqlite::run(&mut connection, &vault, &backfill(), go_on),
        Err(JobError::KeyStore(_) | JobError::Token(_))
    ));
}
