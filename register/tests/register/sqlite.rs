//! A SQLite file, and the register's calls on it.

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use oubliette_register::{Erased, Granted, HoldId, KeylessRegister, Register, RegisterError};
use rusqlite::{Connection, params_from_iter};

use crate::support::{consent, contract, who, why};

pub struct Db {
    pub connection: Connection,
    place: tempfile::TempDir,
}

/// A call within the application's transaction.
macro_rules! on {
    ($db:expr, $register:expr, $call:ident($($argument:expr),* $(,)?)) => {
        $register.in_transaction(&$db.connection).$call($($argument),*)
    };
}

/// A call with the connection to itself.
macro_rules! own_transaction {
    ($db:expr, $register:expr, $call:ident($($argument:expr),* $(,)?)) => {
        $register.own_transaction(&mut $db.connection).$call($($argument),*)
    };
}

/// A call in a transaction of the application's that is rolled back.
macro_rules! rolled_back {
    ($db:expr, $register:expr, $call:ident($($argument:expr),* $(,)?)) => {{
        let transaction = $db.connection.unchecked_transaction().unwrap();
        let done = $register.in_transaction(&transaction).$call($($argument),*);
        transaction.rollback().unwrap();
        done
    }};
}

impl Db {
    /// Made up at random by one test.
    #[allow(dead_code)] // for histories
    pub const HISTORIES: u32 = 32;

    /// Of the walk.
    #[allow(dead_code)] // for the walk
    pub const WALKS: u64 = 20;

    pub fn run(body: impl Future<Output = ()>) {
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(pin!(body).poll(&mut context), Poll::Ready(())), "SQLite waits for nothing");
    }

    pub async fn new() -> Db {
        let place = tempfile::tempdir().unwrap();
        let connection = connect(&place.path().join("shop.db"));
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        Db { connection, place }
    }

    /// Grants from several connections at once.
    pub async fn grants_at_once(&self, register: &Register, calls: usize) -> Vec<Granted> {
        let path = self.path();
        std::thread::scope(|scope| {
            let call = || {
                let connection = connect(&path);
                register.in_transaction(&connection).grant(&who("alice"), contract()).unwrap()
            };
            let threads: Vec<_> = (0..calls).map(|_| scope.spawn(call)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    /// A grant and an erasure of the same customer at once.
    pub async fn race(&self, register: &Register) -> (Result<Granted, RegisterError>, Result<Erased, RegisterError>) {
        let path = self.path();
        std::thread::scope(|scope| {
            let grant = scope.spawn(|| register.in_transaction(&connect(&path)).grant(&who("alice"), consent()));
            let erase = scope.spawn(|| register.own_transaction(&mut connect(&path)).erase(&who("alice"), why("race")));
            (grant.join().unwrap(), erase.join().unwrap())
        })
    }

    /// A hold that is placed without the vault, and an erasure of the same customer, at once.
    pub async fn held_in_a_race(
        &self,
        desk: &KeylessRegister,
        register: &Register,
        until: Timestamp,
    ) -> (Result<HoldId, RegisterError>, Result<Erased, RegisterError>) {
        let path = self.path();
        std::thread::scope(|scope| {
            let hold = || desk.in_transaction(&connect(&path)).hold(&who("alice"), None, why("case 7"), until);
            let hold = scope.spawn(hold);
            let erase = scope.spawn(|| register.own_transaction(&mut connect(&path)).erase(&who("alice"), why("race")));
            (hold.join().unwrap(), erase.join().unwrap())
        })
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("shop.db")
    }

    /// A copy of the file, as a backup makes it.
    pub async fn back_up(&mut self) {
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        self.connection.query_row(checkpoint, [], |_| Ok(())).unwrap();
        std::fs::copy(self.path(), self.place.path().join("backup.db")).unwrap();
    }

    /// What whoever copies the file has from then on.
    #[allow(dead_code)] // for breaches
    pub async fn stolen(&mut self) -> Db {
        self.back_up().await;
        let place = tempfile::tempdir().unwrap();
        std::fs::copy(self.place.path().join("backup.db"), place.path().join("shop.db")).unwrap();
        Db { connection: connect(&place.path().join("shop.db")), place }
    }

    /// The copy in place of the file.
    pub async fn restore(&mut self) {
        let nowhere = Connection::open_in_memory().unwrap();
        std::mem::replace(&mut self.connection, nowhere).close().unwrap();
        std::fs::copy(self.place.path().join("backup.db"), self.path()).unwrap();
        self.connection = connect(&self.path());
    }

    /// The file's content.
    #[allow(dead_code)] // for histories
    pub async fn snapshot(&mut self) -> Vec<u8> {
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        std::fs::read(self.path()).unwrap()
    }

    /// Another content of the file.
    #[allow(dead_code)] // for histories
    pub async fn replace(&mut self, content: &[u8]) {
        let nowhere = Connection::open_in_memory().unwrap();
        std::mem::replace(&mut self.connection, nowhere).close().unwrap();
        std::fs::write(self.path(), content).unwrap();
        self.connection = connect(&self.path());
    }

    pub async fn sql(&mut self, sql: &str) {
        self.connection.execute_batch(sql).unwrap();
    }

    /// The first column of all rows, as text.
    pub async fn ask(&mut self, sql: &str) -> Vec<String> {
        let mut prepared =
            self.connection.prepare(&format!("SELECT CAST(answer AS TEXT) FROM ({sql}) AS asked")).unwrap();
        let rows = prepared.query_map(params_from_iter([0; 0]), |row| row.get::<_, Option<String>>(0)).unwrap();
        rows.map(|row| row.unwrap().unwrap_or_default()).collect()
    }

    /// Every value of every table.
    pub async fn dump(&mut self) -> String {
        let mut all = String::new();
        for table in self.ask("SELECT name AS answer FROM sqlite_master WHERE type = 'table'").await {
            let mut prepared = self.connection.prepare(&format!("SELECT * FROM `{table}`")).unwrap();
            let columns = prepared.column_count();
            let mut rows = prepared.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                (0..columns).for_each(|at| all += &format!("{:?} ", row.get::<_, rusqlite::types::Value>(at).unwrap()));
                all += "\n";
            }
        }
        all
    }
}

fn connect(path: &std::path::Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    connection
}
