//! A page of 1 000 rows by 4 fields from SQLite, sealed, beside the unsealed query.

use std::hint::black_box;

use oubliette::personal::{Email, Name, Phone, Text};
use oubliette::{CustomerId, Field, Sealed, Vault};
use rusqlite::{Connection, Row, params};

use crate::common::ours::ORDERS;
use crate::common::race::{Figures, Race};

const NAME: Field<Name> = ORDERS.field("name");
const EMAIL: Field<Email> = ORDERS.field("email");
const PHONE: Field<Phone> = ORDERS.field("phone");
const NOTE: Field<Text> = ORDERS.field("note");

const ROWS: usize = 1_000;
const ROUNDS: usize = 51;

pub const UNSEALED: &str = "unsealed";
pub const BULK: &str = "sealed, in bulk";

type Sealeds = (CustomerId, Sealed<Name>, Sealed<Email>, Sealed<Phone>, Sealed<Text>);

/// Both tables, with a row for each of these customers.
fn fill(vault: &Vault, customers: &[CustomerId]) -> Connection {
    let db = Connection::open_in_memory().unwrap();
    let columns = "no INTEGER PRIMARY KEY, name, email, phone, note";
    db.execute_batch(&format!("CREATE TABLE plain ({columns}); CREATE TABLE sealed ({columns}); BEGIN")).unwrap();
    for no in customers {
        let id = no.to_stored();
        let (name, email) = (format!("Zoë Müller-{id}"), format!("person.{id}@example.com"));
        let (phone, note) = (format!("+336{:08}", id % 100_000_000), "Ring twice; the dog is friendly.");
        let keys = vault.customer(*no);
        db.execute(
            "INSERT INTO sealed VALUES (?, ?, ?, ?, ?)",
            params![
                no,
                keys.seal(NAME, &name.parse().unwrap()).unwrap(),
                keys.seal(EMAIL, &email.parse().unwrap()).unwrap(),
                keys.seal(PHONE, &phone.parse().unwrap()).unwrap(),
                keys.seal(NOTE, &note.parse().unwrap()).unwrap(),
            ],
        )
        .unwrap();
        db.execute("INSERT INTO plain VALUES (?, ?, ?, ?, ?)", params![id, name, email, phone, note]).unwrap();
    }
    db.execute_batch("COMMIT").unwrap();
    db
}

fn read<T>(db: &Connection, table: &str, of: impl Fn(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
    let sql = format!("SELECT no, name, email, phone, note FROM {table} ORDER BY no");
    let mut select = db.prepare_cached(&sql).unwrap();
    let rows: Vec<T> = select.query_map([], |row| of(row)).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), ROWS);
    rows
}

fn sealed(db: &Connection) -> Vec<Sealeds> {
    read(db, "sealed", |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
}

pub fn page(vault: &Vault, customers: &[CustomerId]) -> Figures {
    let db = fill(vault, &customers[..ROWS]);
    let mut race = Race::new();
    race.lane(UNSEALED, || {
        read::<(i64, [String; 4])>(&db, "plain", |row| {
            Ok((row.get(0)?, [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]))
        })
    });
    race.lane("sealed, and left so", || sealed(&db));
    race.lane(BULK, || {
        let rows = sealed(&db);
        for ((_, name, email, phone, note), keys) in vault.each_customer(&rows, |row| row.0) {
            let _ = black_box((keys.open(NAME, name).unwrap(), keys.open(EMAIL, email).unwrap()));
            let _ = black_box((keys.open(PHONE, phone).unwrap(), keys.open(NOTE, note).unwrap()));
        }
    });
    race.lane("sealed, call by call", || {
        for (no, name, email, phone, note) in sealed(&db) {
            let _ = black_box((vault.open(no, NAME, &name).unwrap(), vault.open(no, EMAIL, &email).unwrap()));
            let _ = black_box((vault.open(no, PHONE, &phone).unwrap(), vault.open(no, NOTE, &note).unwrap()));
        }
    });
    race.run(ROUNDS)
}
