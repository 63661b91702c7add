//! The register in SQLite, by way of rusqlite.

use std::borrow::Cow;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use rusqlite::types::{ToSql, ToSqlOutput, Value as SqlValue, ValueRef};
use rusqlite::{Connection, params_from_iter};

use super::database::{Database, Dialect, Row, Transactions, Value};
use super::error::RegisterError;
use super::keyless::KeylessRegister;
use super::register::Register;

/// The register within a transaction of the application, or on one of its connections. [`Register::in_transaction`]
/// gives it; [`KeylessRegister::in_transaction`] gives it with the calls that need no key. [The crate's page](crate)
/// and [the guide](crate::guide) have examples of its calls.
///
/// Each call is done whole or not at all, in a savepoint of its own. It counts when the application commits.
#[derive(Debug)]
pub struct InTransactionSqlite<'r, O = Register> {
    pub(crate) register: &'r O,
    pub(crate) connection: &'r Connection,
}

/// The register with a connection of its own, for calls that shred: a shred cannot be rolled back, so it is not part of
/// the application's transaction. [`Register::own_transaction`] gives it. [The crate's page](crate) and [the
/// guide](crate::guide) have examples of its calls.
#[derive(Debug)]
pub struct OwnTransactionSqlite<'r> {
    pub(crate) register: &'r Register,
    pub(crate) connection: &'r mut Connection,
}

impl Register {
    /// The register on this connection, which may be a [`Transaction`](rusqlite::Transaction).
    pub fn in_transaction<'r>(&'r self, connection: &'r Connection) -> InTransactionSqlite<'r> {
        InTransactionSqlite { register: self, connection }
    }

    /// The register with this connection for itself.
    pub fn own_transaction<'r>(&'r self, connection: &'r mut Connection) -> OwnTransactionSqlite<'r> {
        OwnTransactionSqlite { register: self, connection }
    }
}

impl KeylessRegister {
    /// The register on this connection, which may be a [`Transaction`](rusqlite::Transaction).
    pub fn in_transaction<'r>(&'r self, connection: &'r Connection) -> InTransactionSqlite<'r, KeylessRegister> {
        InTransactionSqlite { register: self, connection }
    }
}

impl<O> InTransactionSqlite<'_, O> {
    pub(crate) fn read(&self) -> InTransaction<'_> {
        InTransaction { connection: self.connection, undo: None }
    }

    pub(crate) fn write(&self) -> Result<InTransaction<'_>, RegisterError> {
        // A transaction that begins by reading could fail at its first write.
        let (begin, undo) = match self.connection.is_autocommit() {
            true => ("BEGIN IMMEDIATE", "ROLLBACK"),
            false => ("SAVEPOINT oubliette_register", UNDO),
        };
        self.connection.execute_batch(begin).map_err(RegisterError::database)?;
        Ok(InTransaction { connection: self.connection, undo: Some(undo) })
    }
}

const UNDO: &str = "ROLLBACK TO oubliette_register; RELEASE oubliette_register";

impl OwnTransactionSqlite<'_> {
    pub(crate) fn database(&mut self) -> OwnTransaction<'_> {
        OwnTransaction { connection: self.connection, open: false, synced: None }
    }
}

/// A connection, perhaps within a savepoint or a transaction, which is rolled back on drop.
pub(crate) struct InTransaction<'c> {
    connection: &'c Connection,
    undo: Option<&'static str>,
}

impl InTransaction<'_> {
    pub(crate) fn keep(mut self) -> Result<(), RegisterError> {
        let keep = if self.undo == Some(UNDO) { "RELEASE oubliette_register" } else { "COMMIT" };
        // What fails is rolled back on drop.
        self.connection.execute_batch(keep).map_err(RegisterError::database)?;
        self.undo = None;
        Ok(())
    }
}

impl Drop for InTransaction<'_> {
    fn drop(&mut self) {
        if let Some(undo) = self.undo {
            // Some errors end SQLite's whole transaction, and the savepoint with it.
            let _ = self.connection.execute_batch(undo);
        }
    }
}

/// A connection on which transactions are begun, and rolled back on drop.
pub(crate) struct OwnTransaction<'c> {
    connection: &'c Connection,
    open: bool,
    /// The application's setting of `PRAGMA synchronous`, while another is in force.
    synced: Option<i64>,
}

impl OwnTransaction<'_> {
    /// The transaction is over.
    fn ended(&mut self) {
        self.open = false;
        if let Some(level) = self.synced.take() {
            let _ = self.connection.pragma_update(None, "synchronous", level);
        }
    }
}

impl Drop for OwnTransaction<'_> {
    fn drop(&mut self) {
        if self.open {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        self.ended();
    }
}

impl Database for InTransaction<'_> {
    const DIALECT: Dialect = Dialect::Sqlite;

    async fn run_made(&mut self, sql: Cow<'static, str>, values: Vec<Value>) -> Result<u64, RegisterError> {
        run(self.connection, &sql, &values)
    }

    async fn rows_made(&mut self, sql: Cow<'static, str>, values: Vec<Value>) -> Result<Vec<Row>, RegisterError> {
        rows(self.connection, &sql, &values)
    }
}

impl Database for OwnTransaction<'_> {
    const DIALECT: Dialect = Dialect::Sqlite;

    async fn run_made(&mut self, sql: Cow<'static, str>, values: Vec<Value>) -> Result<u64, RegisterError> {
        run(self.connection, &sql, &values)
    }

    async fn rows_made(&mut self, sql: Cow<'static, str>, values: Vec<Value>) -> Result<Vec<Row>, RegisterError> {
        rows(self.connection, &sql, &values)
    }
}

impl Transactions for OwnTransaction<'_> {
    async fn begin(&mut self) -> Result<(), RegisterError> {
        // At once, or a transaction could fail at its first write, after its reads.
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(RegisterError::database)?;
        self.open = true;
        Ok(())
    }

    async fn begin_what_can_be_redone(&mut self) -> Result<(), RegisterError> {
        const NORMAL: i64 = 1;
        let ask = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, SqlValue>(0));
        // In WAL mode only is the file whole whatever was not synced.
        if let (Ok(SqlValue::Text(mode)), Ok(SqlValue::Integer(level))) = (ask("journal_mode"), ask("synchronous"))
            && mode == "wal"
            && level > NORMAL
            && self.connection.pragma_update(None, "synchronous", NORMAL).is_ok()
        {
            self.synced = Some(level);
        }
        let begun = self.begin().await;
        if begun.is_err() {
            self.ended();
        }
        begun
    }

    async fn commit(&mut self) -> Result<(), RegisterError> {
        self.connection.execute_batch("COMMIT").map_err(RegisterError::database)?;
        self.ended();
        Ok(())
    }

    async fn roll_back(&mut self) -> Result<(), RegisterError> {
        // Never one of the application's own. Some errors have ended ours already.
        if !self.open {
            return Ok(());
        }
        let is_over = self.connection.is_autocommit();
        let rolled_back = if is_over { Ok(()) } else { self.connection.execute_batch("ROLLBACK") };
        self.ended();
        rolled_back.map_err(RegisterError::database)
    }
}

fn run(connection: &Connection, sql: &str, values: &[Value]) -> Result<u64, RegisterError> {
    #[cfg(test)]
    super::plans::note(sql);
    let mut prepared = connection.prepare_cached(sql).map_err(RegisterError::database)?;
    let changed = prepared.execute(params_from_iter(values)).map_err(RegisterError::database)?;
    Ok(u64::try_from(changed).unwrap_or(u64::MAX))
}

fn rows(connection: &Connection, sql: &str, values: &[Value]) -> Result<Vec<Row>, RegisterError> {
    #[cfg(test)]
    super::plans::note(sql);
    let mut prepared = connection.prepare_cached(sql).map_err(RegisterError::database)?;
    let columns = prepared.column_count();
    let mut rows = prepared.query(params_from_iter(values)).map_err(RegisterError::database)?;
    let mut read = Vec::new();
    while let Some(row) = rows.next().map_err(RegisterError::database)? {
        let cells = (0..columns).map(|at| match row.get_ref(at).map_err(RegisterError::database)? {
            ValueRef::Null => Ok(Value::Text(None)),
            ValueRef::Integer(number) => Ok(Value::Integer(Some(number))),
            ValueRef::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => Ok(Value::Text(Some(text.to_owned()))),
                Err(_) => Ok(Value::NotUtf8(text.to_vec())),
            },
            ValueRef::Real(_) | ValueRef::Blob(_) => Err(RegisterError::NotOurs { what: "neither text nor integer" }),
        });
        read.push(Row(cells.collect::<Result<_, _>>()?));
    }
    Ok(read)
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Value::Integer(None) | Value::Text(None) => ToSqlOutput::Owned(SqlValue::Null),
            Value::Integer(Some(number)) => ToSqlOutput::Owned(SqlValue::Integer(*number)),
            Value::NotUtf8(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Value::Text(Some(text)) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

/// Waits on this thread: SQLite's calls are done when polled, and only the vault's commits take their time.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(connection: &Connection) -> i64 {
        connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap()
    }

    #[test]
    fn the_applications_setting_is_back_when_the_transaction_is_over() {
        let place = tempfile::tempdir().unwrap();
        for (mode, within) in [("wal", [0, 1, 1, 1]), ("delete", [0, 1, 2, 3])] {
            let path = place.path().join(mode);
            let connection = Connection::open(&path).unwrap();
            connection.pragma_update(None, "journal_mode", mode).unwrap();
            connection.execute_batch("CREATE TABLE t (x)").unwrap();
            for (before, within) in (0..).zip(within) {
                connection.pragma_update(None, "synchronous", before).unwrap();
                for end in ["commit", "roll back", "drop", "lost", "not begun"] {
                    let other = Connection::open(&path).unwrap();
                    other.busy_timeout(std::time::Duration::ZERO).unwrap();
                    connection.busy_timeout(std::time::Duration::ZERO).unwrap();
                    if end == "not begun" {
                        other.execute_batch("BEGIN IMMEDIATE").unwrap();
                    }
                    let mut database = OwnTransaction { connection: &connection, open: false, synced: None };
                    let begun = wait(database.begin_what_can_be_redone());
                    assert_eq!(begun.is_ok(), end != "not begun");
                    let expected = if begun.is_ok() { within } else { before };
                    assert_eq!(level(&connection), expected, "{mode} {before} {end}");
                    match end {
                        "commit" => wait(database.commit()).unwrap(),
                        "roll back" => wait(database.roll_back()).unwrap(),
                        // Some errors end SQLite's transaction.
                        "lost" => {
                            connection.execute_batch("ROLLBACK").unwrap();
                            wait(database.roll_back()).unwrap();
                        }
                        _ => drop(database),
                    }
                    assert_eq!(level(&connection), before, "{mode} {before} {end}");
                    assert!(connection.is_autocommit());
                }
            }
        }
    }
}
