//! The stored-key design: one random key a customer in a table, fetched by a prepared statement.
//!
//! Deleting the row shreds, in the table itself; every backup of it brings the customer back.

use std::path::Path;

use aes_gcm::Aes256Gcm;
use rand::Rng;
use rusqlite::{CachedStatement, Connection};

use super::baseline;

/// One row a customer, in WAL mode.
pub fn fill(at: &Path, customers: i64) -> Connection {
    let mut db = Connection::open(at).unwrap();
    db.pragma_update(None, "journal_mode", "WAL").unwrap();
    db.pragma_update(None, "synchronous", "OFF").unwrap(); // while filling only; nothing is written after it
    db.execute_batch("CREATE TABLE keys (customer INTEGER PRIMARY KEY, key BLOB NOT NULL)").unwrap();
    let all = db.transaction().unwrap();
    {
        let mut insert = all.prepare("INSERT INTO keys VALUES (?1, ?2)").unwrap();
        let mut rng = rand::rng();
        for customer in 1..=customers {
            let mut key = [0; 32];
            rng.fill_bytes(&mut key);
            insert.execute((customer, &key[..])).unwrap();
        }
    }
    all.commit().unwrap();
    db.pragma_update(None, "synchronous", "FULL").unwrap();
    db
}

/// Another connection. `cached`: the whole table fits its page cache, instead of SQLite's usual 2 MB.
pub fn connect(at: &Path, cached: bool) -> Connection {
    let db = Connection::open(at).unwrap();
    if cached {
        db.pragma_update(None, "cache_size", -256 * 1024).unwrap();
    }
    db
}

pub fn select(db: &Connection) -> CachedStatement<'_> {
    db.prepare_cached("SELECT key FROM keys WHERE customer = ?1").unwrap()
}

pub fn cipher(select: &mut CachedStatement<'_>, customer: i64) -> Aes256Gcm {
    let key = select.query_row([customer], |row| Ok(baseline::cipher(row.get_ref(0)?.as_blob()?.try_into().unwrap())));
    key.unwrap()
}
