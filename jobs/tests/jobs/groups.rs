//! A field moves into a group and back while the application reads and writes it; fields are added, indexed and taken out.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use oubliette::personal::{Name, Phone};
use oubliette::{CustomerId, Group, Members, Personal, Sealed, Vault};
use oubliette_jobs::{self as jobs, Cause, GroupInRow, InRow, Job, JobError, Key};
use rusqlite::{Connection, TransactionBehavior, params};

use super::support::*;

const CONTACT: Group = ORDERS.group("contact");
const ROWS: i64 = 120;

/// The version that writes phones to the group, and reads them from both.
#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = ToGroupSealed)]
struct ToGroup {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = NAME, group = CONTACT, or_column = name)]
    full_name: Name,
    #[personal(seal = PHONE, group = CONTACT, or_column = phone)]
    number: Option<Phone>,
    #[personal(group = CONTACT)]
    contact: Option<Members>,
}

/// The version that writes phones to their column, and reads them from both.
#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = ToColumnSealed)]
struct ToColumn {
    #[personal(customer)]
    no: CustomerId,
    #[personal(seal = NAME, or_group = CONTACT)]
    name: Name,
    #[personal(seal = PHONE, or_group = CONTACT)]
    phone: Option<Phone>,
    #[personal(group = CONTACT)]
    contact: Option<Members>,
}

/// A sealed shop with a column for the group.
fn sealed_shop(path: &Path, vault: &Vault) -> Connection {
    let mut connection = connect(path);
    connection
        .execute_batch(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY, no BIGINT UNIQUE, name BLOB, phone BLOB, contact BLOB,
                 email_idx BLOB)",
        )
        .unwrap();
    let transaction = connection.transaction().unwrap();
    for id in 1..=ROWS {
        let customer = vault.enroll().unwrap();
        let name = vault.seal(customer, NAME, &name_of(id).parse().unwrap()).unwrap();
        let phone = (id % 3 != 0).then(|| vault.seal(customer, PHONE, &phone_of(id, 0)).unwrap());
        let sql = "INSERT INTO customers (id, no, name, phone) VALUES (?, ?, ?, ?)";
        let phone = phone.as_ref().map(Sealed::as_bytes);
        transaction.execute(sql, params![id, customer.to_stored(), name.as_bytes(), phone]).unwrap();
    }
    transaction.commit().unwrap();
    connection
}

fn phone_of(id: i64, change: u64) -> Phone {
    format!("+3361{change:03}{id:04}").parse().unwrap()
}

fn into_group() -> Job {
    Job::on("customers", ("id", Key::Integer), "no")
        .into_group("name", NAME, "contact", CONTACT)
        .into_group("phone", PHONE, "contact", CONTACT)
}

fn out_of_group() -> Job {
    Job::on("customers", ("id", Key::Integer), "no")
        .out_of_group("contact", CONTACT, "name", NAME)
        .out_of_group("contact", CONTACT, "phone", PHONE)
}

fn sealed<T>(bytes: Option<Vec<u8>>) -> Option<Sealed<T>> {
    bytes.map(|bytes| Sealed::from_bytes(bytes).unwrap())
}

type Cells = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);

fn cells(connection: &Connection, id: i64) -> Cells {
    let sql = "SELECT no, name, phone, contact FROM customers WHERE id = ?";
    connection.query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap()
}

fn to_group(connection: &Connection, id: i64) -> ToGroupSealed {
    let (no, name, phone, contact) = cells(connection, id);
    let no = CustomerId::from_stored(no).unwrap();
    ToGroupSealed { no, name: sealed(name), phone: sealed(phone), contact: sealed(contact) }
}

fn to_column(connection: &Connection, id: i64) -> ToColumnSealed {
    let (no, name, phone, contact) = cells(connection, id);
    let no = CustomerId::from_stored(no).unwrap();
    ToColumnSealed { no, name: sealed(name), phone: sealed(phone), contact: sealed(contact) }
}

fn write(connection: &Connection, id: i64, name: Option<&[u8]>, phone: Option<&[u8]>, contact: Option<&[u8]>) {
    let sql = "UPDATE customers SET name = ?, phone = ?, contact = ? WHERE id = ?";
    assert_eq!(connection.execute(sql, params![name, phone, contact, id]).unwrap(), 1);
}

/// Changes phones by a record's own code until told to stop, and reads every row it meets; gives how often each was changed.
fn use_shop(path: &Path, vault: &Vault, (stop, made): (&AtomicBool, &AtomicU64), into_group: bool) -> Vec<u64> {
    let mut connection = connect(path);
    let mut changes = vec![0_u64; usize::try_from(ROWS).unwrap() + 1];
    let mut id = 1;
    while !stop.load(Ordering::Relaxed) {
        id = id * 7 % ROWS + 1;
        let at = usize::try_from(id).unwrap();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        let change = phone_of(id, changes[at] + 1);
        if into_group {
            let mut user = to_group(&transaction, id).open(vault).unwrap();
            assert_eq!(user.full_name.expose_personal_data(), name_of(id));
            assert!(changes[at] == 0 || user.number == Some(phone_of(id, changes[at])), "row {id}");
            user.number = Some(change);
            let row = user.seal(vault).unwrap();
            assert!(row.name.is_none() && row.phone.is_none());
            write(&transaction, id, None, None, row.contact.as_ref().map(Sealed::as_bytes));
        } else {
            let mut user = to_column(&transaction, id).open(vault).unwrap();
            assert_eq!(user.name.expose_personal_data(), name_of(id));
            user.phone = Some(change);
            let row = user.seal(vault).unwrap();
            let [name, phone] =
                [row.name.as_ref().map(Sealed::as_bytes), row.phone.as_ref().map(|phone| phone.as_bytes())];
            write(&transaction, id, name, phone, row.contact.as_ref().map(Sealed::as_bytes));
        }
        transaction.commit().unwrap();
        changes[at] += 1;
        made.fetch_add(1, Ordering::Relaxed);
        // So does the job.
        std::thread::sleep(Duration::from_millis(3));
    }
    changes
}

/// Runs a job beside the application, and looks at every row afterwards.
fn move_under_load(path: &Path, connection: &mut Connection, vault: &Vault, job: &Job, into_group: bool) -> Vec<u64> {
    let (stop, made) = (AtomicBool::new(false), AtomicU64::new(0));
    let changes = std::thread::scope(|scope| {
        let user = scope.spawn(|| use_shop(path, vault, (&stop, &made), into_group));
        let report = jobs::rusqlite::run(connection, vault, job, |_| {
            // Between any two batches the application changes something: SQLite's lock is not fair.
            let (seen, started) = (made.load(Ordering::Relaxed), Instant::now());
            while made.load(Ordering::Relaxed) < seen + 3 && !user.is_finished() {
                if started.elapsed() > Duration::from_secs(60) {
                    stop.store(true, Ordering::Relaxed);
                    panic!("the application waits for ever");
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            std::ops::ControlFlow::Continue(())
        });
        stop.store(true, Ordering::Relaxed);
        let changes = user.join().unwrap();
        assert!(report.unwrap().finished);
        changes
    });
    assert!(jobs::rusqlite::left_behind(connection, vault, job).unwrap().is_empty());
    changes
}

#[test]
fn fields_move_into_a_group_and_back_under_load() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("shop.db");
    let vault = Vault::in_memory([ORDERS]);
    let mut connection = sealed_shop(&path, &vault);
    let changes = move_under_load(&path, &mut connection, &vault, &into_group().batch(10), true);
    for id in 1..=ROWS {
        let row = to_group(&connection, id);
        assert!(row.name.is_none() && row.phone.is_none() && row.contact.is_some(), "row {id}");
        let user = row.open(&vault).unwrap();
        let changed = changes[usize::try_from(id).unwrap()];
        assert_eq!(user.full_name.expose_personal_data(), name_of(id));
        assert_eq!(user.number, (changed > 0 || id % 3 != 0).then(|| phone_of(id, changed)), "row {id}");
    }
    assert_eq!(run(&mut connection, &vault, &into_group()).progress.changed, 0, "it was done");

    let again = move_under_load(&path, &mut connection, &vault, &out_of_group().batch(10), false);
    for id in 1..=ROWS {
        let row = to_column(&connection, id);
        let group = row.contact.as_ref().unwrap();
        assert!(vault.customer(row.no).open_group(CONTACT, &[], group).unwrap().is_empty(), "row {id}");
        let user = row.open(&vault).unwrap();
        let at = usize::try_from(id).unwrap();
        let changed = if again[at] > 0 { again[at] } else { changes[at] };
        assert_eq!(user.name.expose_personal_data(), name_of(id));
        assert_eq!(user.phone, (changed > 0 || id % 3 != 0).then(|| phone_of(id, changed)), "row {id}");
    }
}

#[test]
fn a_job_that_stopped_goes_on_and_shredded_rows_are_left() {
    let scratch = tempfile::tempdir().unwrap();
    let vault = Vault::in_memory([ORDERS]);
    let mut connection = sealed_shop(&scratch.path().join("shop.db"), &vault);
    let _ = vault.shred([customer_of(&connection, 45)]).unwrap();
    let report = jobs::rusqlite::run(&mut connection, &vault, &into_group().batch(30), |progress| {
        if progress.looked_at == 60 { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
    });
    let report = report.unwrap();
    assert_eq!((report.finished, report.progress.changed, report.progress.erased), (false, 59, 1));
    let left = jobs::rusqlite::left_behind(&connection, &vault, &into_group()).unwrap();
    assert_eq!((left.remaining[0].what, left.remaining[0].rows), ("in a column of its own", 60));
    let rest = into_group().resume_after(&report.progress.bookmark.unwrap());
    assert_eq!(run(&mut connection, &vault, &rest).progress.changed, 60);
    assert!(jobs::rusqlite::left_behind(&connection, &vault, &into_group()).unwrap().is_empty());
    assert!(cells(&connection, 45).1.is_some(), "what is gone stays where it is");
}

#[test]
fn where_both_hold_something_the_one_that_is_moved_counts() {
    let scratch = tempfile::tempdir().unwrap();
    let vault = Vault::in_memory([ORDERS]);
    let mut connection = sealed_shop(&scratch.path().join("shop.db"), &vault);
    run(&mut connection, &vault, &into_group());
    let customer = customer_of(&connection, 1);
    let stale = vault.seal(customer, PHONE, &phone_of(1, 9)).unwrap();
    connection.execute("UPDATE customers SET phone = ? WHERE id = 1", [stale.as_bytes()]).unwrap();
    assert_eq!(to_group(&connection, 1).open(&vault).unwrap().number, Some(phone_of(1, 9)), "as records read it");
    assert_eq!(to_column(&connection, 1).open(&vault).unwrap().phone, Some(phone_of(1, 0)));
    run(&mut connection, &vault, &into_group());
    assert_eq!(to_group(&connection, 1).open(&vault).unwrap().number, Some(phone_of(1, 9)));
}

#[test]
fn from_plaintext_bound_to_the_row_with_tokens_and_out_again() {
    let scratch = tempfile::tempdir().unwrap();
    let mut connection = plaintext_shop(&scratch.path().join("shop.db"), 60);
    connection.execute_batch("ALTER TABLE customers ADD contact BLOB").unwrap();
    let vault = Vault::in_memory([ORDERS]);
    let contact = || GroupInRow::new(CONTACT).within_column("id");
    let job = || Job::on("customers", ("id", Key::Integer), "no");
    let seal = job()
        .enroll()
        .seal_into_group("email", EMAIL, "contact", contact())
        .seal_into_group("phone", PHONE, "contact", contact())
        .index_member("email_idx", "contact", contact(), BY_EMAIL);
    assert_eq!(run(&mut connection, &vault, &seal).progress.changed, 60);
    assert!(jobs::rusqlite::left_behind(&connection, &vault, &seal).unwrap().is_empty());
    assert_eq!(found(&connection, &vault, &email_of(7)), [7]);
    let group = |connection: &Connection, id: i64| -> Sealed<Members> {
        let bytes: Vec<u8> =
            connection.query_row("SELECT contact FROM customers WHERE id = ?", [id], |row| row.get(0)).unwrap();
        Sealed::from_bytes(bytes).unwrap()
    };
    let keys = vault.customer(customer_of(&connection, 7));
    let place = 7_i64.to_be_bytes();
    let sealed = group(&connection, 7);
    let email = keys.open_member(CONTACT.within(&place), EMAIL, &sealed).unwrap().unwrap();
    assert_eq!(email.expose_personal_data(), email_of(7));
    assert!(keys.open_member(CONTACT, EMAIL, &sealed).is_err(), "it is bound to the row");

    // A new epoch and a new key tree.
    let _ = vault.begin_epoch(BY_EMAIL).unwrap();
    let index = job().index_member("email_idx", "contact", contact(), BY_EMAIL);
    assert_eq!(run(&mut connection, &vault, &index).progress.changed, 60);
    assert_eq!(found(&connection, &vault, &email_of(7)), [7]);
    let _ = vault.rotate_purpose(ORDERS).unwrap();
    let reseal = job().reseal_group("contact", contact());
    assert_eq!(jobs::rusqlite::left_behind(&connection, &vault, &reseal).unwrap().remaining[0].rows, 60);
    assert_eq!(run(&mut connection, &vault, &reseal).progress.changed, 60);
    assert!(!vault.needs_reseal(&group(&connection, 7)).unwrap());

    // The email leaves the group for a column, in another context; the phone goes for good, and so do its traces.
    connection.execute_batch("UPDATE customers SET email = NULL").unwrap();
    let own = || InRow::new(EMAIL).within_column("no");
    let out = job().out_of_group("contact", contact(), "email", own()).remove_member("contact", contact(), "phone");
    assert_eq!(run(&mut connection, &vault, &out).progress.changed, 60);
    assert!(jobs::rusqlite::left_behind(&connection, &vault, &out).unwrap().is_empty());
    let members = keys.open_group(CONTACT.within(&place), &[], &group(&connection, 7)).unwrap();
    assert!(members.is_empty());
    let check = job().index_within("email_idx", "email", BY_EMAIL, own());
    assert!(jobs::rusqlite::left_behind(&connection, &vault, &check).unwrap().is_empty());
    // A token beside a group without the field is none of its tokens.
    let left = jobs::rusqlite::left_behind(&connection, &vault, &index).unwrap();
    assert_eq!(left.remaining[0].rows, 60);
    assert_eq!(run(&mut connection, &vault, &index).progress.changed, 60);
    assert_eq!(found(&connection, &vault, &email_of(7)), [] as [i64; 0]);
}

#[test]
fn a_row_with_a_problem_is_left_and_named() {
    let scratch = tempfile::tempdir().unwrap();
    let vault = Vault::in_memory([ORDERS]);
    let mut connection = sealed_shop(&scratch.path().join("shop.db"), &vault);
    connection.execute("UPDATE customers SET phone = '+33612345678' WHERE id = 2", []).unwrap();
    let other = cells(&connection, 5).1;
    connection.execute("UPDATE customers SET contact = ? WHERE id = 4", [other]).unwrap();
    let error = jobs::rusqlite::run(&mut connection, &vault, &into_group(), go_on).unwrap_err();
    let JobError::Problems { all, .. } = &error else { panic!("{error}") };
    assert!(matches!(all[0].cause, Cause::NotSealed) && all[0].key == "2" && all[0].column == "phone");
    assert!(matches!(all[1].cause, Cause::Open(_)) && all[1].key == "4");
    assert!(!format!("{error} {error:?}").contains("33612345678"));
    let report = run(&mut connection, &vault, &into_group().tolerate(2));
    assert_eq!((report.progress.changed, report.problems.len()), (u64::try_from(ROWS).unwrap() - 2, 2));
    assert!(cells(&connection, 4).1.is_some(), "and nothing of it was changed");
}
