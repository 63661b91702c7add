//! Several plain columns become one value, and are plain again after a rollback.

use oubliette::personal::{Address, Country, Email};
use oubliette::{CustomerId, Field, Sealed, Vault};
use oubliette_jobs::{self as jobs, Cause, Job, JobError, Key, Parts, address_in};
use rusqlite::Connection;

use super::support::*;

const ADDRESS: Field<Address> = ORDERS.field("address");
const FR: Country = Country::new("FR");
const PLAIN: [&str; 4] = ["street", "postcode", "town", "country"];

fn job() -> Job {
    Job::on("customers", ("id", Key::Integer), "no")
}

fn seal() -> Job {
    job().enroll().seal_columns(PLAIN, "address", ADDRESS, Parts::address(Some(FR)))
}

fn unseal() -> Job {
    job().unseal_columns("address", PLAIN, ADDRESS, Parts::address(None))
}

fn shop(rows: &str) -> (Connection, oubliette::testing::TestVault) {
    let connection = Connection::open_in_memory().unwrap();
    let table = "CREATE TABLE customers (id INTEGER PRIMARY KEY, no BIGINT UNIQUE, street TEXT, postcode TEXT, town TEXT, country TEXT,
        address BLOB, email TEXT, email_sealed BLOB)";
    let insert = format!("INSERT INTO customers (id, street, postcode, town, country) VALUES {rows}");
    connection.execute_batch(&format!("{table}; {insert}")).unwrap();
    (connection, Vault::in_memory([ORDERS]))
}

type Plain = [Option<String>; 4];

fn plain(connection: &Connection, id: i64) -> Plain {
    let sql = "SELECT street, postcode, town, country FROM customers WHERE id = ?";
    connection.query_row(sql, [id], |row| Ok([0, 1, 2, 3].map(|at| row.get(at).unwrap()))).unwrap()
}

fn address(connection: &Connection, vault: &Vault, id: i64) -> Address {
    let sql = "SELECT no, address FROM customers WHERE id = ?";
    let (no, sealed): (CustomerId, Sealed<Address>) =
        connection.query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    vault.open(no, ADDRESS, &sealed).unwrap()
}

fn some(parts: [&str; 4]) -> Plain {
    parts.map(|part| (!part.is_empty()).then(|| part.to_owned()))
}

#[test]
fn four_columns_become_an_address_and_four_columns_again() {
    let (mut connection, vault) = shop(
        "(1, '12 rue de la Paix', '75002', 'Paris', 'FR'), (2, '10 Downing Street', 'SW1A 2AA', 'London', 'UK'),
         (3, ' Dam 1 ', '1012 JS', 'Amsterdam', 'Netherlands'), (4, 'Unter den Linden 1', NULL, 'Berlin', ''),
         (5, NULL, NULL, NULL, NULL), (6, '', ' ', '', NULL)",
    );
    let foreseen = jobs::rusqlite::dry_run(&connection, &vault, &seal()).unwrap();
    assert_eq!((foreseen.would_change, foreseen.problems.len()), (6, 0), "{foreseen}");
    assert_eq!(
        (foreseen.guesses.len(), foreseen.guesses[0].first.as_slice()),
        (1, &["4".to_owned()][..]),
        "{foreseen}"
    );
    assert!(foreseen.to_string().contains("column street: 1 rows: the address names no country"), "{foreseen}");

    assert_eq!(run(&mut connection, &vault, &seal()).progress.changed, 6);
    for (id, text) in [
        (1, "12 rue de la Paix\n75002 Paris\nFrance (FR)"),
        (2, "10 Downing Street\nLondon\nSW1A 2AA\nUnited Kingdom (GB)"),
        (3, "Dam 1\n1012 JS Amsterdam\nNetherlands (NL)"),
        (4, "Unter den Linden 1\nBerlin\nFrance (FR)"),
    ] {
        assert_eq!(address(&connection, &vault, id).expose_personal_data(), text);
        assert_eq!(plain(&connection, id), [const { None }; 4]);
    }
    let sealed: i64 = connection.query_row("SELECT count(address) FROM customers", [], |row| row.get(0)).unwrap();
    assert_eq!(sealed, 4, "of blank columns there is no address");
    assert!(jobs::rusqlite::left_behind(&connection, &vault, &seal()).unwrap().is_empty());
    assert_eq!(run(&mut connection, &vault, &seal()).progress.changed, 0);

    // A shredded one stays shredded.
    let gone = customer_of(&connection, 1);
    let _ = vault.shred([gone]).unwrap();
    let report = run(&mut connection, &vault, &unseal());
    assert_eq!((report.progress.changed, report.progress.erased), (3, 1));
    assert_eq!(plain(&connection, 1), [const { None }; 4]);
    assert_eq!(plain(&connection, 2), some(["10 Downing Street", "SW1A 2AA", "London", "GB"]));
    assert_eq!(plain(&connection, 3), some(["Dam 1", "1012 JS", "Amsterdam", "NL"]));
    assert_eq!(plain(&connection, 4), some(["Unter den Linden 1", "", "Berlin", "FR"]));
    assert!(jobs::rusqlite::left_behind(&connection, &vault, &unseal()).unwrap().is_empty());
}

/// What would not come back, what is no address, and what stands in both.
#[test]
fn rows_that_would_lose_something_are_named_and_left() {
    let (mut connection, vault) = shop(
        "(1, '1 rue Secrète', '69003', '3e arrondissement', 'FR'), (2, '12 rue de la Paix', '75002', 'Paris', 'Atlantide'),
         (3, NULL, NULL, NULL, 'FR'), (4, '5 rue Neuve', '13001', 'Marseille', 'FR')",
    );
    let report = run(&mut connection, &vault, &seal().tolerate(9));
    let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(
        problems[0].starts_with("row 1, column street")
            && problems[0].contains("the way back would give other columns"),
        "{problems:?}"
    );
    assert!(problems[1].contains("neither a code") && !problems[1].contains("Atlantide"), "{problems:?}");
    assert!(problems[2].contains("no lines besides the country"), "{problems:?}");
    assert_eq!(plain(&connection, 1), some(["1 rue Secrète", "69003", "3e arrondissement", "FR"]));
    assert_eq!(jobs::rusqlite::left_behind(&connection, &vault, &seal()).unwrap().remaining[0].first, ["1", "2", "3"]);

    // Who needs no way back takes it.
    let one_way =
        job().enroll().seal_columns(PLAIN, "address", ADDRESS, Parts::address(Some(FR)).one_way()).tolerate(2);
    assert_eq!(run(&mut connection, &vault, &one_way).progress.changed, 1);
    assert!(address(&connection, &vault, 1).expose_personal_data().starts_with("1 rue Secrète\n69003 3e arr"));
    let one_way = Parts::new(|_| Err::<Address, _>("no")).one_way();
    let failed =
        jobs::rusqlite::run(&mut connection, &vault, &job().unseal_columns("address", PLAIN, ADDRESS, one_way), go_on)
            .unwrap_err();
    let JobError::Problems { first, .. } = failed else { panic!("{failed:?}") };
    assert!(matches!(&first.cause, Cause::NotConverted { .. }) && first.key == "1", "{first}");

    // An older process writes one of the columns: which of the two counts is not known.
    connection.execute("UPDATE customers SET town = 'Aix' WHERE id = 4", []).unwrap();
    for (job, keys) in [(seal(), vec!["2", "3", "4"]), (unseal(), vec!["4"])] {
        let report = run(&mut connection, &vault, &job.tolerate(9));
        assert_eq!(report.problems.iter().map(|it| it.key.as_str()).collect::<Vec<_>>(), keys);
        assert!(report.problems.iter().any(|it| it.key == "4" && matches!(it.cause, Cause::Both)));
    }
    assert!(address(&connection, &vault, 4).expose_personal_data().contains("Marseille"));
    let twice = job().seal_columns(["street", "town"], "town", ADDRESS, Parts::new(|_| Err::<Address, _>("no")));
    assert!(matches!(jobs::rusqlite::run(&mut connection, &vault, &twice, go_on), Err(JobError::Invalid { .. })));
}

#[test]
fn one_column_is_plain_again_and_keeps_its_tokens_right() {
    let (mut connection, vault) = shop("(1, NULL, NULL, NULL, NULL), (2, NULL, NULL, NULL, NULL)");
    connection.execute_batch("UPDATE customers SET email = 'Person.' || id || '@example.com'").unwrap();
    let seal = job().enroll().seal_into("email", "email_sealed", EMAIL);
    assert_eq!(run(&mut connection, &vault, &seal).progress.changed, 2);
    let email = || {
        Parts::new(|[text]: [Option<&str>; 1]| text.unwrap_or_default().parse::<Email>())
            .and_back(|email| Some([Some(email.expose_personal_data().to_owned())]))
    };
    let back = || job().unseal_columns("email_sealed", ["email"], EMAIL, email());
    assert_eq!(jobs::rusqlite::left_behind(&connection, &vault, &back()).unwrap().remaining[0].what, "sealed");
    assert_eq!(run(&mut connection, &vault, &back()).progress.changed, 2);
    let read: String = connection.query_row("SELECT email FROM customers WHERE id = 2", [], |row| row.get(0)).unwrap();
    assert_eq!(read, "Person.2@example.com");
}

#[test]
fn a_dry_run_names_the_countries_that_are_guessed() {
    let (mut connection, vault) =
        shop("(1, NULL, NULL, NULL, NULL), (2, NULL, NULL, NULL, NULL), (3, NULL, NULL, NULL, NULL)");
    connection
        .execute_batch(
            "UPDATE customers SET street = '12 rue de la Paix' || char(10) || '75002 Paris' WHERE id = 1;
             UPDATE customers SET street = 'Unter den Linden 1' || char(10) || '10117 Berlin' || char(10) || 'Deutschland' WHERE id = 2;
             UPDATE customers SET street = '5 rue Neuve' || char(10) || '13001 Marseille' || char(10) || 'FR' WHERE id = 3;",
        )
        .unwrap();
    let job = job().enroll().seal_parsed("street", "address", ADDRESS, address_in(FR));
    let foreseen = jobs::rusqlite::dry_run(&connection, &vault, &job).unwrap();
    let guesses: Vec<_> = foreseen.guesses.iter().map(|it| (it.what, it.first.join(","))).collect();
    assert_eq!(
        guesses,
        [
            ("the address names no country, so the given country was taken", "1".to_owned()),
            ("the last line was taken as the country", "3".to_owned())
        ]
    );
    assert_eq!(run(&mut connection, &vault, &job).progress.changed, 3);
    assert!(jobs::rusqlite::dry_run(&connection, &vault, &job).unwrap().guesses.is_empty());
}
