//! The register in PostgreSQL, by way of sqlx.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection, Executor, Row as _, Transaction, TypeInfo, ValueRef};

use super::database::{Database, Dialect, Row, Transactions, Value};
use super::error::RegisterError;
use super::keyless::KeylessRegister;
use super::register::Register;

/// The register within a transaction of the application, or on one of its connections.
/// [`Register::in_transaction_postgres`] gives it; [`KeylessRegister::in_transaction_postgres`] gives it with the calls
/// that need no key. Its calls are those of [`InTransactionSqlite`](crate::InTransactionSqlite), with `await`: the
/// examples are there.
///
/// Each call is done whole or not at all, in a savepoint of its own. It counts when the application commits.
#[derive(Debug)]
pub struct InTransactionPostgres<'r, O = Register> {
    pub(crate) register: &'r O,
    pub(crate) connection: &'r mut PgConnection,
}

/// The register with connections of its own, for calls that shred: a shred cannot be rolled back, so it is not part of
/// the application's transaction. [`Register::own_transaction_postgres`] gives it. Its calls are those of
/// [`OwnTransactionSqlite`](crate::OwnTransactionSqlite), with `await`: the examples are there.
///
/// The journal's file is written and synced between two awaits, which takes some milliseconds a call. The vault commits
/// on a thread of its own. If a future is dropped, [`resume`](Self::resume) finishes what was decided.
#[derive(Debug)]
pub struct OwnTransactionPostgres<'r> {
    pub(crate) register: &'r Register,
    pub(crate) pool: &'r PgPool,
}

impl Register {
    /// The register on this connection, which may be a [`Transaction`], by `&mut *transaction`. Begin
    /// transactions by sqlx's calls, not by a statement, or sqlx does not know that there is one.
    pub fn in_transaction_postgres<'r>(&'r self, connection: &'r mut PgConnection) -> InTransactionPostgres<'r> {
        InTransactionPostgres { register: self, connection }
    }

    /// The register with connections of its own from this pool, one at a time.
    pub fn own_transaction_postgres<'r>(&'r self, pool: &'r PgPool) -> OwnTransactionPostgres<'r> {
        OwnTransactionPostgres { register: self, pool }
    }
}

impl KeylessRegister {
    /// The register on this connection, which may be a [`Transaction`], by `&mut *transaction`.
    pub fn in_transaction_postgres<'r>(
        &'r self,
        connection: &'r mut PgConnection,
    ) -> InTransactionPostgres<'r, KeylessRegister> {
        InTransactionPostgres { register: self, connection }
    }
}

impl<O> InTransactionPostgres<'_, O> {
    pub(crate) fn read(&mut self) -> Plain<'_> {
        Plain(self.connection)
    }

    pub(crate) async fn write(&mut self) -> Result<Savepoint<'_>, RegisterError> {
        Ok(Savepoint(self.connection.begin().await.map_err(RegisterError::database)?))
    }
}

impl OwnTransactionPostgres<'_> {
    pub(crate) fn database(&self) -> Pooled {
        Pooled { pool: self.pool.clone(), open: None }
    }
}

pub(crate) struct Plain<'c>(&'c mut PgConnection);

/// Rolled back on drop.
pub(crate) struct Savepoint<'c>(Transaction<'c, Postgres>);

impl Savepoint<'_> {
    pub(crate) async fn keep(self) -> Result<(), RegisterError> {
        self.0.commit().await.map_err(RegisterError::database)
    }
}

/// Connections of a pool; the one with a transaction is held, and rolled back on drop.
pub(crate) struct Pooled {
    pool: PgPool,
    open: Option<Transaction<'static, Postgres>>,
}

// Not an opaque type: that these futures may cross threads must be seen through generic callers.
type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, RegisterError>> + Send + 'a>>;

macro_rules! database {
    ($($type:ty, $self:ident => $connection:expr;)*) => {$(
        #[allow(refining_impl_trait_internal)]
        impl Database for $type {
            const DIALECT: Dialect = Dialect::Postgres;

            fn run_made(&mut self, sql: Cow<'static, str>, values: Vec<Value>) -> Asked<'_, u64> {
                let $self = self;
                Box::pin(run($connection, sql, values))
            }

            fn rows_made(&mut self, sql: Cow<'static, str>, values: Vec<Value>) -> Asked<'_, Vec<Row>> {
                let $self = self;
                Box::pin(rows($connection, sql, values))
            }
        }
    )*};
}

database! {
    Plain<'_>, this => this.0;
    Savepoint<'_>, this => &mut this.0;
}

#[allow(refining_impl_trait_internal)]
impl Database for Pooled {
    const DIALECT: Dialect = Dialect::Postgres;

    fn run_made(&mut self, sql: Cow<'static, str>, values: Vec<Value>) -> Asked<'_, u64> {
        Box::pin(async move {
            match &mut self.open {
                Some(transaction) => run(transaction, sql, values).await,
                None => run(&mut *self.idle().await?, sql, values).await,
            }
        })
    }

    fn rows_made(&mut self, sql: Cow<'static, str>, values: Vec<Value>) -> Asked<'_, Vec<Row>> {
        Box::pin(async move {
            match &mut self.open {
                Some(transaction) => rows(transaction, sql, values).await,
                None => rows(&mut *self.idle().await?, sql, values).await,
            }
        })
    }
}

impl Pooled {
    async fn idle(&self) -> Result<PoolConnection<Postgres>, RegisterError> {
        self.pool.acquire().await.map_err(RegisterError::database)
    }
}

#[allow(refining_impl_trait_internal)]
impl Transactions for Pooled {
    fn begin(&mut self) -> Asked<'_, ()> {
        Box::pin(async move {
            let begun = self.pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await;
            self.open = Some(begun.map_err(RegisterError::database)?);
            Ok(())
        })
    }

    fn begin_what_can_be_redone(&mut self) -> Asked<'_, ()> {
        Box::pin(async move {
            self.begin().await?;
            self.run_made("SET LOCAL synchronous_commit = off".into(), Vec::new()).await.map(drop)
        })
    }

    fn commit(&mut self) -> Asked<'_, ()> {
        Box::pin(async move {
            match self.open.take() {
                Some(transaction) => transaction.commit().await.map_err(RegisterError::database),
                None => Ok(()),
            }
        })
    }

    fn roll_back(&mut self) -> Asked<'_, ()> {
        Box::pin(async move {
            match self.open.take() {
                Some(transaction) => transaction.rollback().await.map_err(RegisterError::database),
                None => Ok(()),
            }
        })
    }
}

fn query(sql: Cow<'static, str>, values: Vec<Value>) -> Query<'static, Postgres, PgArguments> {
    let query = sqlx::query(AssertSqlSafe(sql.into_owned()));
    values.into_iter().fold(query, |query, value| match value {
        Value::Integer(number) => query.bind(number),
        Value::Text(text) => query.bind(text),
        Value::NotUtf8(bytes) => query.bind(bytes),
    })
}

async fn run(connection: &mut PgConnection, sql: Cow<'static, str>, values: Vec<Value>) -> Result<u64, RegisterError> {
    Ok(connection.execute(query(sql, values)).await.map_err(RegisterError::database)?.rows_affected())
}

async fn rows(
    connection: &mut PgConnection,
    sql: Cow<'static, str>,
    values: Vec<Value>,
) -> Result<Vec<Row>, RegisterError> {
    let rows = connection.fetch_all(query(sql, values)).await.map_err(RegisterError::database)?;
    rows.iter().map(|row| (0..row.len()).map(|at| cell(row, at)).collect::<Result<_, _>>().map(Row)).collect()
}

fn cell(row: &PgRow, at: usize) -> Result<Value, RegisterError> {
    let value = row.try_get_raw(at).map_err(RegisterError::database)?;
    if value.is_null() {
        return Ok(Value::Text(None));
    }
    let read = match value.type_info().name() {
        "INT8" => row.try_get(at).map(Value::Integer),
        "INT4" => row.try_get::<i32, _>(at).map(|number| Value::from(i64::from(number))),
        "TEXT" | "VARCHAR" => row.try_get(at).map(Value::Text),
        _ => return Err(RegisterError::NotOurs { what: "neither text nor integer" }),
    };
    read.map_err(|_| RegisterError::NotOurs { what: "neither text nor integer" })
}
