//! Jobs on SQLite, PostgreSQL, MySQL and MariaDB, by way of sqlx.

mod wait;

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::time::Instant;

use oubliette::Vault;
use sqlx::query::Query;
use sqlx::{
    AssertSqlSafe, ColumnIndex, Connection, Database, Decode, Encode, Executor, IntoArguments, Pool, Row as _,
    Transaction, Type, TypeInfo, ValueRef,
};

use super::batch::Batch;
use super::cell::{Cell, Row};
use super::pass::Pass;
use super::rehearsal::Rehearsal;
use super::sql::{Dialect, Statement};
use super::{DryRun, Job, JobError, LeftBehind, Progress, Report};

/// How often a batch is tried that the database gave up for another transaction's sake.
const ATTEMPTS: u32 = 5;

/// Runs a job. It calls `progress` after each commit of a batch, and goes on if that returns `Continue`.
///
/// A batch is one transaction on one connection of the pool. PostgreSQL, MySQL and MariaDB lock the rows of the batch
/// until it ends, SQLite the whole file. The isolation level is READ COMMITTED, so nothing else is locked. After a
/// deadlock the batch is tried again, up to five times. If the future is dropped, the batch under way is rolled back.
///
/// The job seals and opens on the runtime's thread, some 10 milliseconds between two awaits. A batch ends after a
/// [stated time](Job::batch_time). `enroll` may wait for a commit of the vault. [`Progress`] is `Clone`, so you can
/// send it to the part of your program that shows it, for example through a `tokio::sync::watch`.
///
/// # Errors
/// [`JobError`]. Batches committed before stay, the one under way is rolled back.
pub async fn run<DB: JobDatabase>(
    pool: &Pool<DB>,
    vault: &Vault,
    job: &Job,
    mut progress: impl FnMut(&Progress) -> ControlFlow<()> + Send,
) -> Result<Report, JobError> {
    let mut pass = Pass::new(job, vault, dialect::<DB>()?)?;
    let mut connection = pool.acquire().await.map_err(JobError::database)?;
    learn::<DB>(&mut connection, &mut pass, job).await?;
    let counted = DB::select(&mut connection, job, pass.count()).await?;
    let before = match pass.count_before() {
        Some(before) => DB::select(&mut connection, job, before).await?,
        None => Vec::new(),
    };
    drop(connection);
    pass.begin(counted.first(), before.first())?;
    loop {
        let (mut attempts, mut each) = (1, false);
        let batch = loop {
            match one_batch(pool, &pass, job, each).await {
                Err(error) if attempts < ATTEMPTS && was_given_up(&error) => attempts += 1,
                Err(error) if !each && is_duplicate(&error) => each = true,
                done => break done?,
            }
        };
        match pass.committed(batch, &mut progress) {
            ControlFlow::Break(report) => return Ok(report),
            ControlFlow::Continue(Some(pause)) => wait::pause(pause).await,
            ControlFlow::Continue(None) => {}
        }
    }
}

/// Lists the rows that a step of the job still has something to do for. It writes nothing and holds no lock. The
/// runtime's other tasks get their turn every 10 milliseconds or so, as in [`run`].
///
/// # Errors
/// [`JobError`].
pub async fn left_behind<DB: JobDatabase>(pool: &Pool<DB>, vault: &Vault, job: &Job) -> Result<LeftBehind, JobError> {
    let mut pass = Pass::over_all(job, vault, dialect::<DB>()?)?;
    learn::<DB>(&mut *pool.acquire().await.map_err(JobError::database)?, &mut pass, job).await?;
    loop {
        let mut connection = pool.acquire().await.map_err(JobError::database)?;
        let rows = page::<DB>(&mut connection, &pass, job, pass.page_to_look_at()).await?;
        drop(connection);
        let mut page = pass.page_of(rows)?;
        while pass.look_at(&mut page)? {
            wait::others().await;
        }
        if page.is_last() {
            return Ok(pass.left());
        }
    }
}

/// Does the work of a job without writing anything, and reports the result: rows that it would refuse, with the rule,
/// and rows that would share a token, which a UNIQUE constraint refuses. It keeps the tokens of all rows in memory,
/// some 100 bytes a row. A job with `enroll` uses up one number. The runtime's other tasks get their turn every 10
/// milliseconds or so, as in [`run`].
///
/// # Errors
/// [`JobError`]. Rows with problems are in the answer, and are not an error.
pub async fn dry_run<DB: JobDatabase>(pool: &Pool<DB>, vault: &Vault, job: &Job) -> Result<DryRun, JobError> {
    let mut rehearsal = Rehearsal::new(job, vault, dialect::<DB>()?)?;
    learn::<DB>(&mut *pool.acquire().await.map_err(JobError::database)?, rehearsal.pass(), job).await?;
    loop {
        let mut connection = pool.acquire().await.map_err(JobError::database)?;
        let pass = rehearsal.pass();
        let rows = page::<DB>(&mut connection, pass, job, pass.page_to_look_at()).await?;
        drop(connection);
        let mut page = pass.page_of(rows)?;
        while rehearsal.look_at(&mut page)? {
            wait::others().await;
        }
        if page.is_last() {
            return Ok(rehearsal.found());
        }
    }
}

async fn learn<DB: JobDatabase>(
    connection: &mut DB::Connection,
    pass: &mut Pass<'_>,
    job: &Job,
) -> Result<(), JobError> {
    match pass.types() {
        Some(types) => pass.learn(DB::select(connection, job, types).await?.first()),
        None => Ok(()),
    }
}

async fn page<DB: JobDatabase>(
    connection: &mut DB::Connection,
    pass: &Pass<'_>,
    job: &Job,
    page: Statement<'_>,
) -> Result<Vec<Row>, JobError> {
    let rows = DB::select(connection, job, page).await?;
    if let Some(twice) = pass.twice(&rows) {
        pass.none_twice(DB::select(connection, job, twice).await?.first())?;
    }
    Ok(rows)
}

/// `each`: a row that a UNIQUE constraint refuses is left, and the others are written.
async fn one_batch<DB: JobDatabase>(
    pool: &Pool<DB>,
    pass: &Pass<'_>,
    job: &Job,
    each: bool,
) -> Result<Batch, JobError> {
    let mut connection = pool.acquire().await.map_err(JobError::database)?;
    let mut transaction = DB::begin(&mut connection).await?;
    let begun = Instant::now();
    let mut batch = pass.batch(page::<DB>(&mut transaction, pass, job, pass.page()).await?, begun)?;
    while pass.work(&mut batch)? {
        wait::others().await;
    }
    // In PostgreSQL one refused statement ends the whole transaction unless it can go back to a savepoint. Elsewhere it is undone by itself.
    let [begin, undo, end] = match dialect::<DB>()? {
        Dialect::Postgres if each => ["SAVEPOINT job", "ROLLBACK TO SAVEPOINT job", "RELEASE SAVEPOINT job"].map(Some),
        _ => [None; 3],
    };
    let each = each || dialect::<DB>()? != Dialect::Postgres;
    let (mut duplicates, mut late) = (Vec::new(), None);
    for (at, update) in pass.updates(&batch).enumerate() {
        if at > 0 && batch.is_late() {
            late = Some(at);
            break;
        }
        say::<DB>(&mut transaction, begin).await?;
        match DB::execute(&mut transaction, update).await {
            Err(error) if each && is_duplicate(&error) => {
                duplicates.push(at);
                say::<DB>(&mut transaction, undo).await?;
            }
            done => done?,
        }
        say::<DB>(&mut transaction, end).await?;
    }
    if let Some(late) = late {
        batch.cut(late);
    }
    pass.refuse(&mut batch, &duplicates)?;
    if let Some(range) = pass.read_back(&batch) {
        pass.check(&batch, DB::select(&mut transaction, job, range).await?)?;
    }
    transaction.commit().await.map_err(JobError::database)?;
    Ok(batch)
}

fn dialect<DB: Database>() -> Result<Dialect, JobError> {
    match DB::NAME {
        "SQLite" => Ok(Dialect::Sqlite),
        "PostgreSQL" => Ok(Dialect::Postgres),
        "MySQL" => Ok(Dialect::MySql),
        other => Err(JobError::Invalid { what: format!("jobs do not speak the SQL of {other}") }),
    }
}

async fn say<DB: JobDatabase>(connection: &mut DB::Connection, sql: Option<&str>) -> Result<(), JobError> {
    match sql {
        Some(sql) => DB::execute(connection, Statement::bare(sql)).await,
        None => Ok(()),
    }
}

fn is_duplicate(error: &JobError) -> bool {
    let JobError::Database(error) = error else { return false };
    let error = error.expose().downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    error.is_some_and(|error| error.is_unique_violation())
}

/// Deadlocks and failures to serialise, by the code that the standard gives them; PostgreSQL has one of its own.
fn was_given_up(error: &JobError) -> bool {
    let JobError::Database(error) = error else { return false };
    let code =
        error.expose().downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error).and_then(|e| e.code());
    code.is_some_and(|code| matches!(code.as_ref(), "40001" | "40P01"))
}

/// A database that jobs run on: sqlx's `Sqlite`, `Postgres` or `MySql`. Only this crate implements it, so there is no
/// example.
pub trait JobDatabase: Database + closed::Engine {}

impl<DB: closed::Engine> JobDatabase for DB {}

type Asked<'q, T> = Pin<Box<dyn Future<Output = Result<T, JobError>> + Send + 'q>>;

mod closed {
    use super::{Asked, Database, Job, Row, Statement, Transaction};

    /// What a job asks of a database. Outside of the crate nobody can name it, so it may change.
    pub trait Engine: Database {
        fn begin(connection: &mut Self::Connection) -> Asked<'_, Transaction<'_, Self>>;

        fn select<'q>(
            connection: &'q mut Self::Connection,
            job: &'q Job,
            statement: Statement<'q>,
        ) -> Asked<'q, Vec<Row>>;

        fn execute<'q>(connection: &'q mut Self::Connection, statement: Statement<'q>) -> Asked<'q, ()>;
    }
}

// The many bounds that generic calls of sqlx need stand here, in one place.
impl<DB> closed::Engine for DB
where
    DB: Database,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'t> i64: Encode<'t, DB> + Decode<'t, DB> + Type<DB>,
    for<'t> f64: Encode<'t, DB> + Decode<'t, DB> + Type<DB>,
    for<'t> String: Encode<'t, DB> + Decode<'t, DB> + Type<DB>,
    for<'t> Vec<u8>: Encode<'t, DB> + Decode<'t, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    fn begin(connection: &mut DB::Connection) -> Asked<'_, Transaction<'_, DB>> {
        Box::pin(async move {
            let begun = match dialect::<DB>()? {
                // Without it a batch could fail at its first write, after its reads.
                Dialect::Sqlite => connection.begin_with("BEGIN IMMEDIATE").await,
                Dialect::Postgres => connection.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await,
                Dialect::MySql => {
                    // For the next transaction alone. The default would lock the gaps between rows as well, and so
                    // hold up those who insert.
                    let isolation = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED";
                    connection.execute(isolation).await.map_err(JobError::database)?;
                    connection.begin().await
                }
            };
            begun.map_err(JobError::database)
        })
    }

    fn select<'q>(connection: &'q mut DB::Connection, job: &'q Job, statement: Statement<'q>) -> Asked<'q, Vec<Row>> {
        Box::pin(async move {
            let query = bound::<DB>(statement);
            let rows = connection.fetch_all(query).await.map_err(JobError::database)?;
            let cells = |row: &DB::Row| (0..row.len()).map(|at| cell::<DB>(row, at, job)).collect::<Result<_, _>>();
            rows.iter().map(|row| cells(row).map(Row::new)).collect()
        })
    }

    fn execute<'q>(connection: &'q mut DB::Connection, statement: Statement<'q>) -> Asked<'q, ()> {
        Box::pin(async move {
            connection.execute(bound::<DB>(statement)).await.map_err(JobError::database)?;
            Ok(())
        })
    }
}

/// What is bound is a key, a number, a token or a sealed value, never a plaintext.
fn bound<'q, DB>(statement: Statement<'_>) -> Query<'q, DB, DB::Arguments>
where
    DB: Database,
    for<'t> i64: Encode<'t, DB> + Type<DB>,
    for<'t> f64: Encode<'t, DB> + Type<DB>,
    for<'t> String: Encode<'t, DB> + Type<DB>,
    for<'t> Vec<u8>: Encode<'t, DB> + Type<DB>,
{
    statement.parameters.into_iter().fold(sqlx::query(AssertSqlSafe(statement.sql)), |query, cell| match cell {
        // Statements say NULL in words.
        Cell::Null => query,
        Cell::Integer(number) => query.bind(*number),
        // As SQLite holds it, and elsewhere digit by digit.
        Cell::Number(number)
            if DB::NAME == "SQLite"
                && let Ok(number) = number.parse::<f64>() =>
        {
            query.bind(number)
        }
        Cell::Text(text) | Cell::Number(text) => query.bind(text.to_string()),
        Cell::Bytes(bytes) => query.bind(bytes.to_vec()),
    })
}

fn cell<DB>(row: &DB::Row, at: usize, job: &Job) -> Result<Cell, JobError>
where
    DB: Database,
    for<'t> i64: Decode<'t, DB>,
    for<'t> f64: Decode<'t, DB>,
    for<'t> String: Decode<'t, DB>,
    for<'t> Vec<u8>: Decode<'t, DB>,
    usize: ColumnIndex<DB::Row>,
{
    let value = row.try_get_raw(at).map_err(JobError::database)?;
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let kind = value.type_info().name().to_ascii_uppercase();
    // An error of decoding may quote the value.
    let decoded = match kind.strip_suffix(" UNSIGNED").unwrap_or(&kind) {
        "INTEGER" | "INT" | "INT2" | "INT4" | "INT8" | "BIGINT" | "MEDIUMINT" | "SMALLINT" | "TINYINT" => {
            i64::decode(value).map(Cell::Integer)
        }
        "REAL" | "FLOAT8" | "DOUBLE" => match f64::decode(value).ok().and_then(Cell::float) {
            Some(number) => Ok(number),
            None => return Err(job.unsupported(at)),
        },
        "DECIMAL" => match String::decode(value).ok().and_then(Cell::number) {
            Some(number) => Ok(number),
            None => return Err(job.unsupported(at)),
        },
        "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "CITEXT" | "TINYTEXT" | "MEDIUMTEXT" | "LONGTEXT" | "JSON" => {
            String::decode(value).map(Cell::text)
        }
        "BLOB" | "BYTEA" | "UUID" | "BINARY" | "VARBINARY" | "TINYBLOB" | "MEDIUMBLOB" | "LONGBLOB" => {
            Vec::decode(value).map(Cell::bytes)
        }
        _ => return Err(job.unsupported(at)),
    };
    decoded.map_err(|_| job.unsupported(at))
}
