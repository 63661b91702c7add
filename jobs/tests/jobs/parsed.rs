//! Plaintext that the type alone does not read: a parser of the application's, columns of integers; and what is said of what is refused.

use oubliette::personal::{Address, Country, Phone};
use oubliette::{CustomerId, Field, Sealed, Vault};
use oubliette_jobs::{self as jobs, Cause, Job, Key};
use rusqlite::Connection;

use super::support::*;

const ADDRESS: Field<Address> = ORDERS.field("address");
const FR: Country = Country::new("FR");

fn phones() -> Job {
    let job = Job::on("customers", ("id", Key::Integer), "no").enroll();
    job.seal_parsed("phone", "sealed", PHONE, |text| Phone::parse(text, FR))
}

fn shop(rows: &str) -> (Connection, oubliette::testing::TestVault) {
    let connection = Connection::open_in_memory().unwrap();
    let table = "CREATE TABLE customers (id INTEGER PRIMARY KEY, no BIGINT UNIQUE, phone, address, sealed BLOB)";
    connection.execute_batch(&format!("{table}; INSERT INTO customers (id, phone, address) VALUES {rows}")).unwrap();
    (connection, Vault::in_memory([ORDERS]))
}

fn opened<T: oubliette::personal::PersonalData>(
    connection: &Connection,
    vault: &Vault,
    (id, column): (i64, &str),
    field: Field<T>,
) -> T {
    let sql = format!("SELECT no, {column} FROM customers WHERE id = ?");
    let (no, sealed): (CustomerId, Sealed<T>) =
        connection.query_row(&sql, [id], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    vault.open(no, field, &sealed).unwrap()
}

#[test]
fn national_numbers_and_columns_of_integers() {
    let rows = "(1, '06 12 34 56 78', NULL), (2, 33612345678, NULL), (3, 612345678, NULL), (4, '+44 20 7946 0018', NULL), (5, 12, NULL)";
    let (mut connection, vault) = shop(rows);
    let report = run(&mut connection, &vault, &phones().tolerate(1));
    assert_eq!((report.progress.changed, report.problems.len()), (4, 1));
    assert!(report.problems[0].to_string().contains("too few digits"), "{}", report.problems[0]);
    for (id, number) in [(1, "+33612345678"), (2, "+33612345678"), (3, "+33612345678"), (4, "+442079460018")] {
        assert_eq!(opened(&connection, &vault, (id, "sealed"), PHONE).expose_personal_data(), number, "{id}");
    }
    let left: i64 = connection.query_row("SELECT count(phone) FROM customers", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 1, "the plaintext is gone but where it was refused");
    // By the type alone.
    let (mut connection, vault) = shop(rows);
    let plain = Job::on("customers", ("id", Key::Integer), "no").enroll().seal_into("phone", "sealed", PHONE);
    assert_eq!(run(&mut connection, &vault, &plain.tolerate(9)).problems.len(), 4);
}

#[test]
fn addresses_of_a_country() {
    let (mut connection, vault) =
        shop("(1, NULL, '12 rue de la Paix\n75002 Paris'), (2, NULL, 'Unter den Linden 1\n10117 Berlin\nDeutschland')");
    let address = |text: &str| Address::parse(text, FR);
    let job =
        Job::on("customers", ("id", Key::Integer), "no").enroll().seal_parsed("address", "sealed", ADDRESS, address);
    assert_eq!(run(&mut connection, &vault, &job).progress.changed, 2);
    for (id, country) in [(1, "FR"), (2, "DE")] {
        let address = opened(&connection, &vault, (id, "sealed"), ADDRESS);
        assert_eq!(address.expose_personal_data_parts().0.as_str(), country);
    }
    assert!(jobs::rusqlite::left_behind(&connection, &vault, &job).unwrap().is_empty());
}

/// The rule is named also where the value is so short that the message has it by chance; a value that somebody's own type repeats is not.
#[test]
fn refusals_name_the_rule_and_never_the_value() {
    let rule = |value: &str, job: &Job| {
        let (mut connection, vault) = shop(&format!("(1, {value}, NULL)"));
        let stopped = jobs::rusqlite::run(&mut connection, &vault, job, go_on).unwrap_err();
        let jobs::JobError::Problems { first, .. } = stopped else { panic!("{stopped:?}") };
        let Cause::InvalidPlaintext { rule } = first.cause else { panic!("{first}") };
        rule
    };
    for blank in ["''", "' '", "'+'", "'a'", "'no'"] {
        let said = rule(blank, &phones());
        assert!(said.starts_with("the telephone number"), "{blank}: {said}");
    }
    assert_eq!(rule("x'f1f2'", &phones()), "it is not UTF-8");
    let echoing =
        Job::on("customers", ("id", Key::Integer), "no")
            .enroll()
            .seal_parsed("phone", "sealed", PHONE, |text| Err::<Phone, _>(format!("bad number: {text}")));
    let said = rule("'secret number'", &echoing);
    assert!(!said.contains("secret") && said.contains("repeat"), "{said}");
}
