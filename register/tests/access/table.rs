//! The shop's tables in a database.

use oubliette_register::access::Cell;

use crate::Db;
use crate::literal::{BYTES, bytes};
use crate::shop::{Row, SealedUser, User};

pub async fn create(db: &mut Db) {
    db.sql(&format!(
        "CREATE TABLE users (no BIGINT NOT NULL, news_no BIGINT, id INTEGER, plan TEXT, name {BYTES}, email TEXT, \
         email_idx {BYTES}, phone {BYTES}, address {BYTES}, note {BYTES}, news {BYTES}, taste {BYTES})"
    ))
    .await;
}

pub async fn insert(db: &mut Db, user: &SealedUser) {
    let row = user.row();
    db.sql(&format!("INSERT INTO users ({}) VALUES ({})", columns(&row).join(", "), literals(&row).join(", "))).await;
}

fn columns(row: &Row) -> Vec<&'static str> {
    let mut columns: Vec<&str> = row.0.keys().copied().collect();
    columns.sort_unstable();
    columns
}

fn literals(row: &Row) -> Vec<String> {
    columns(row).into_iter().map(|column| literal(&row.get(column))).collect()
}

pub fn literal(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".into(),
        Cell::Integer(number) => number.to_string(),
        Cell::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Cell::Bytes(content) => bytes(content),
        other => panic!("{other:?}"),
    }
}

/// Every plaintext of a user's, to look for where none may be.
pub fn plaintexts(_: &User) -> Vec<&'static str> {
    vec!["alice@example", "Bhriain", "33612345678", "rue de la Paix", "rings twice", "ultramarine"]
}
