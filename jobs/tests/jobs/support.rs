//! A shop's table of customers, and how its application reads and writes it while a job runs.

use std::ops::ControlFlow;
use std::path::Path;

use oubliette::personal::{Email, Name, Phone};
use oubliette::{CustomerId, Field, Index, Purpose, Sealed, Vault, bits};
use oubliette_jobs::{self as jobs, Job, Key, Progress, Report};
use rusqlite::{Connection, params};

pub const ORDERS: Purpose = Purpose::new("orders");
pub const NAME: Field<Name> = ORDERS.field("name");
pub const EMAIL: Field<Email> = ORDERS.field("email");
pub const PHONE: Field<Phone> = ORDERS.field("phone");
pub const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(64));

const FIRST: [&str; 12] =
    ["Zoë", "François", "Łukasz", "Siobhán", "Jürgen", "Ana", "Nguyễn", "O’Brien", "María", "Jean-Luc", "Åsa", "Iwan"];
const LAST: [&str; 9] =
    ["Müller", "D'Angelo", "García Márquez", "van der Berg", "Ní Bhriain", "Smith", "Öz", "Lê", "Khan"];

pub fn name_of(id: i64) -> String {
    let id = usize::try_from(id).unwrap();
    format!("{} {} {id}", FIRST[id % FIRST.len()], LAST[id % LAST.len()])
}

pub fn email_of(id: i64) -> String {
    format!("Person.{id}+shop@bücher{}.example", id % 7)
}

/// A table as it was before: all in plaintext, some without a phone.
pub fn plaintext_shop(path: &Path, rows: i64) -> Connection {
    let mut connection = connect(path);
    connection
        .execute_batch(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY, no BIGINT UNIQUE, name TEXT NOT NULL, email TEXT,
                 email_idx BLOB, phone TEXT, note TEXT);
             CREATE INDEX customers_email ON customers (email_idx);",
        )
        .unwrap();
    let transaction = connection.transaction().unwrap();
    for id in 1..=rows {
        let phone = (id % 3 != 0).then(|| format!("+3361234{id:04}"));
        let sql = "INSERT INTO customers (id, name, email, phone) VALUES (?, ?, ?, ?)";
        transaction.execute(sql, params![id, name_of(id), email_of(id), phone]).unwrap();
    }
    transaction.commit().unwrap();
    connection
}

pub fn connect(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    connection
}

/// From plaintext to sealed.
pub fn backfill() -> Job {
    Job::on("customers", ("id", Key::Integer), "no")
        .enroll()
        .seal("name", NAME)
        .seal("email", EMAIL)
        .seal("phone", PHONE)
        .index("email_idx", "email", BY_EMAIL)
}

/// Batches of as many rows as they may have, however slow the machine is.
pub fn unhurried(job: Job) -> Job {
    job.batch_time(std::time::Duration::from_secs(600)).pause(std::time::Duration::ZERO)
}

pub fn run(connection: &mut Connection, vault: &Vault, job: &Job) -> Report {
    jobs::rusqlite::run(connection, vault, job, go_on).unwrap()
}

pub fn go_on(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// What the application reads while some rows are sealed and some are not.
pub fn email_in(connection: &Connection, vault: &Vault, id: i64) -> String {
    let sql = "SELECT no, email FROM customers WHERE id = ?";
    let (no, stored): (Option<i64>, String) =
        connection.query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    match stored.parse::<Sealed<Email>>() {
        Ok(sealed) => {
            let customer = CustomerId::from_stored(no.unwrap()).unwrap();
            vault.open(customer, EMAIL, &sealed).unwrap().expose_personal_data().to_owned()
        }
        Err(_) => stored,
    }
}

/// What the application writes then: always sealed, with a token, under a number that the row keeps.
pub fn write_email(connection: &mut Connection, vault: &Vault, id: i64, email: &str) {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    let sql = "SELECT no FROM customers WHERE id = ?";
    let no: Option<i64> = transaction.query_row(sql, [id], |row| row.get(0)).unwrap();
    let customer = no.map_or_else(|| vault.enroll().unwrap(), |no| CustomerId::from_stored(no).unwrap());
    let email: Email = email.parse().unwrap();
    let sealed = vault.seal(customer, EMAIL, &email).unwrap().to_string();
    let token = vault.token(BY_EMAIL, &email).unwrap();
    let sql = "UPDATE customers SET no = ?, email = ?, email_idx = ? WHERE id = ?";
    transaction.execute(sql, params![customer.to_stored(), sealed, token.as_bytes(), id]).unwrap();
    transaction.commit().unwrap();
}

pub fn insert(connection: &Connection, vault: &Vault, id: i64, email: &str) {
    let customer = vault.enroll().unwrap();
    let name = vault.seal(customer, NAME, &name_of(id).parse().unwrap()).unwrap().to_string();
    let email: Email = email.parse().unwrap();
    let sealed = vault.seal(customer, EMAIL, &email).unwrap().to_string();
    let token = vault.token(BY_EMAIL, &email).unwrap();
    let sql = "INSERT INTO customers (id, no, name, email, email_idx) VALUES (?, ?, ?, ?, ?)";
    connection.execute(sql, params![id, customer.to_stored(), name, sealed, token.as_bytes()]).unwrap();
}

/// The rows that a search finds.
pub fn found(connection: &Connection, vault: &Vault, email: &str) -> Vec<i64> {
    let tokens = vault.tokens(BY_EMAIL, &email.parse().unwrap()).unwrap();
    let places = vec!["?"; tokens.len()].join(", ");
    let sql = format!("SELECT id FROM customers WHERE email_idx IN ({places}) ORDER BY id");
    let tokens = tokens.iter().map(|token| token.as_bytes());
    let mut statement = connection.prepare(&sql).unwrap();
    statement.query_map(rusqlite::params_from_iter(tokens), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

pub fn customer_of(connection: &Connection, id: i64) -> CustomerId {
    let sql = "SELECT no FROM customers WHERE id = ?";
    CustomerId::from_stored(connection.query_row(sql, [id], |row| row.get(0)).unwrap()).unwrap()
}

/// After a backfill of `rows` rows, which nobody changed meanwhile: each is sealed as what it was.
pub fn assert_sealed(connection: &Connection, vault: &Vault, rows: i64) {
    let count: i64 = connection
        .query_row("SELECT count(DISTINCT no) FROM customers WHERE id <= ?", [rows], |row| row.get(0))
        .unwrap();
    assert_eq!(count, rows, "each row has a number of its own");
    let mut statement = connection.prepare("SELECT id, name, email, phone FROM customers WHERE id <= ?").unwrap();
    let mut read = statement.query([rows]).unwrap();
    let mut seen = 0;
    while let Some(row) = read.next().unwrap() {
        let id: i64 = row.get(0).unwrap();
        let texts: [Option<String>; 3] = [1, 2, 3].map(|at| row.get(at).unwrap());
        let keys = vault.customer(customer_of(connection, id));
        let name = keys.open(NAME, &texts[0].as_ref().unwrap().parse().unwrap()).unwrap();
        assert_eq!(name, name_of(id).parse().unwrap());
        let email = keys.open(EMAIL, &texts[1].as_ref().unwrap().parse().unwrap()).unwrap();
        assert_eq!(email.expose_personal_data(), email_of(id));
        let phone = texts[2].as_ref().map(|text| keys.open(PHONE, &text.parse().unwrap()).unwrap());
        assert_eq!(phone.is_some(), id % 3 != 0);
        assert_eq!(found(connection, vault, &email_of(id)), [id]);
        seen += 1;
    }
    assert_eq!(seen, rows);
}
