//! The register in SQLite, by way of rusqlite.

use std::borrow::Cow;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use rusqlite::types::{ToSql, ToSqlOutput, Value as SqlValue, ValueRef};
use rusqlite::{Connection, params_from_iter};

use super::Register;
use super::database::{Database, Dialect, Row, Transactions, Value};
use super::error::RegisterError;

/// The register within a transaction of the application's, or on a connection of its. From [`Register::on`].
///
/// Each call is done whole or not at all, in a savepoint of its own; it counts when the application commits.
#[derive(Debug)]
pub struct OnSqlite<'r> {
    pub(crate) register: &'r Register,
    pub(crate) connection: &'r Connection,
}

/// The register with a connection to itself, for what cannot be part of a transaction: a shred is never rolled back.
/// From [`Register::alone`].
#[derive(Debug)]
pub struct AloneSqlite<'r> {
    pub(crate) register: &'r Register,
    pub(crate) connection: &'r mut Connection,
}

impl Register {
    /// The register on this connection, which may be a [`Transaction`](rusqlite::Transaction).
    pub fn on<'r>(&'r self, connection: &'r Connection) -> OnSqlite<'r> {
        OnSqlite { register: self, connection }
    }

    /// The register with this connection to itself.
    pub fn alone<'r>(&'r self, connection: &'r mut Connection) -> AloneSqlite<'r> {
        AloneSqlite { register: self, connection }
    }
}

impl OnSqlite<'_> {
    pub(crate) fn read(&self) -> Within<'_> {
        Within { connection: self.connection, undo: None }
    }

    pub(crate) fn write(&self) -> Result<Within<'_>, RegisterError> {
        // A transaction that begins by reading could fail at its first write.
        let (begin, undo) = match self.connection.is_autocommit() {
            true => ("BEGIN IMMEDIATE", "ROLLBACK"),
            false => ("SAVEPOINT oubliette_register", UNDO),
        };
        self.connection.execute_batch(begin).map_err(RegisterError::database)?;
        Ok(Within { connection: self.connection, undo: Some(undo) })
    }
}

const UNDO: &str = "ROLLBACK TO oubliette_register; RELEASE oubliette_register";

impl AloneSqlite<'_> {
    pub(crate) fn database(&mut self) -> Alone<'_> {
        Alone { connection: self.connection, open: false }
    }
}

/// A connection, perhaps within a savepoint or a transaction, which is rolled back on drop.
pub(crate) struct Within<'c> {
    connection: &'c Connection,
    undo: Option<&'static str>,
}

impl Within<'_> {
    pub(crate) fn keep(mut self) -> Result<(), RegisterError> {
        let keep = if self.undo == Some(UNDO) { "RELEASE oubliette_register" } else { "COMMIT" };
        // What fails is rolled back on drop.
        self.connection.execute_batch(keep).map_err(RegisterError::database)?;
        self.undo = None;
        Ok(())
    }
}

impl Drop for Within<'_> {
    fn drop(&mut self) {
        if let Some(undo) = self.undo {
            // Some errors end SQLite's whole transaction, and the savepoint with it.
            let _ = self.connection.execute_batch(undo);
        }
    }
}

/// A connection on which transactions are begun, and rolled back on drop.
pub(crate) struct Alone<'c> {
    connection: &'c Connection,
    open: bool,
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        if self.open {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }
}

impl Database for Within<'_> {
    const DIALECT: Dialect = Dialect::Sqlite;

    async fn run_made(&mut self, sql: Cow<'static, str>, values: Vec<Value>) -> Result<u64, RegisterError> {
        run(self.connection, &sql, &values)
    }

    async fn rows_made(&mut self, sql: Cow<'static, str>, values: Vec<Value>) -> Result<Vec<Row>, RegisterError> {
        rows(self.connection, &sql, &values)
    }
}

impl Database for Alone<'_> {
    const DIALECT: Dialect = Dialect::Sqlite;

    async fn run_made(&mut self, sql: Cow<'static, str>, values: Vec<Value>) -> Result<u64, RegisterError> {
        run(self.connection, &sql, &values)
    }

    async fn rows_made(&mut self, sql: Cow<'static, str>, values: Vec<Value>) -> Result<Vec<Row>, RegisterError> {
        rows(self.connection, &sql, &values)
    }
}

impl Transactions for Alone<'_> {
    async fn begin(&mut self) -> Result<(), RegisterError> {
        // At once, or a transaction could fail at its first write, after its reads.
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(RegisterError::database)?;
        self.open = true;
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), RegisterError> {
        self.connection.execute_batch("COMMIT").map_err(RegisterError::database)?;
        self.open = false;
        Ok(())
    }

    async fn roll_back(&mut self) -> Result<(), RegisterError> {
        // Never one of the application's own. Some errors have ended ours already.
        if !std::mem::take(&mut self.open) || self.connection.is_autocommit() {
            return Ok(());
        }
        self.connection.execute_batch("ROLLBACK").map_err(RegisterError::database)
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
                Err(_) => Err(RegisterError::NotOurs { what: "a text that is not UTF-8" }),
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
