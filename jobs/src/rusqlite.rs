//! Jobs on SQLite, by way of rusqlite.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::ControlFlow;
use std::time::Instant;

use oubliette::Vault;
use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, TransactionBehavior, params_from_iter};

use super::batch::Batch;
use super::cell::{Cell, Row};
use super::pass::Pass;
use super::rehearsal::Rehearsal;
use super::sql::{Dialect, Statement};
use super::{DryRun, Job, JobError, LeftBehind, Progress, Report};

/// Runs a job. It calls `progress` after each commit of a batch, and goes on if that returns `Continue`.
///
/// A batch is one `BEGIN IMMEDIATE` transaction. Other writers wait for it as long as their busy timeout allows;
/// readers wait only if the database is not in WAL mode. A batch ends after a [stated time](Job::batch_time), and the
/// thread [pauses](Job::pause) now and then, so a writer with a busy timeout of half a second gets its turn. Replaced
/// content stays in free pages and in the WAL: see [the crate](crate#from-plaintext-without-downtime).
///
/// # Errors
/// [`JobError`]. Batches committed before stay, the one under way is rolled back.
pub fn run(
    connection: &mut Connection,
    vault: &Vault,
    job: &Job,
    mut progress: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Report, JobError> {
    let mut pass = Pass::new(job, vault, Dialect::Sqlite)?;
    let counted = select(connection, job, &pass.count())?;
    let before = pass.count_before().map(|before| select(connection, job, &before)).transpose()?;
    pass.begin(counted.first(), before.as_ref().and_then(|rows| rows.first()))?;
    loop {
        let batch = one_batch(connection, &pass, job)?;
        match pass.committed(batch, &mut progress) {
            ControlFlow::Break(report) => return Ok(report),
            ControlFlow::Continue(pause) => std::thread::sleep(pause.unwrap_or_default()),
        }
    }
}

/// Lists the rows that a step of the job still has something to do for. It writes nothing, and holds no lock between
/// pages.
///
/// # Errors
/// [`JobError`].
pub fn left_behind(connection: &Connection, vault: &Vault, job: &Job) -> Result<LeftBehind, JobError> {
    let mut pass = Pass::over_all(job, vault, Dialect::Sqlite)?;
    loop {
        let mut page = pass.page_of(page(connection, job, &pass, pass.page_to_look_at())?)?;
        while pass.look_at(&mut page)? {}
        if page.is_last() {
            return Ok(pass.left());
        }
    }
}

/// Does the work of a job without writing anything, and reports the result: rows that it would refuse, with the rule,
/// and rows that would share a token, which a UNIQUE constraint refuses. It keeps the tokens of all rows in memory,
/// some 100 bytes a row. A job with `enroll` uses up one number.
///
/// # Errors
/// [`JobError`]. Rows with problems are in the answer, and are not an error.
pub fn dry_run(connection: &Connection, vault: &Vault, job: &Job) -> Result<DryRun, JobError> {
    let mut rehearsal = Rehearsal::new(job, vault, Dialect::Sqlite)?;
    loop {
        let pass = rehearsal.pass();
        let mut page = pass.page_of(page(connection, job, pass, pass.page_to_look_at())?)?;
        while rehearsal.look_at(&mut page)? {}
        if page.is_last() {
            return Ok(rehearsal.found());
        }
    }
}

fn page(connection: &Connection, job: &Job, pass: &Pass<'_>, page: Statement<'_>) -> Result<Vec<Row>, JobError> {
    let rows = select(connection, job, &page)?;
    if let Some(twice) = pass.twice(&rows) {
        pass.none_twice(select(connection, job, &twice)?.first())?;
    }
    Ok(rows)
}

fn one_batch(connection: &mut Connection, pass: &Pass<'_>, job: &Job) -> Result<Batch, JobError> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(JobError::database)?;
    let begun = Instant::now();
    let mut batch = pass.batch(page(&transaction, job, pass, pass.page())?, begun)?;
    while pass.work(&mut batch)? {}
    let (duplicates, late) = write(&transaction, &batch, pass.updates(&batch))?;
    if let Some(late) = late {
        batch.cut(late);
    }
    pass.refuse(&mut batch, &duplicates)?;
    if let Some(range) = pass.read_back(&batch) {
        pass.check(&batch, select(&transaction, job, &range)?)?;
    }
    transaction.commit().map_err(JobError::database)?;
    Ok(batch)
}

fn is_duplicate(error: &JobError) -> bool {
    let JobError::Database(error) = error else { return false };
    let failed = error.expose().downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error);
    failed.is_some_and(|failed| failed.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE)
}

/// Which updates a UNIQUE constraint refused, and the first of those that the time was not enough for.
type Written = (Vec<usize>, Option<usize>);

/// Rows differ in which columns they need written, so there are a few statements, each prepared once.
fn write<'s>(
    connection: &Connection,
    batch: &Batch,
    updates: impl Iterator<Item = Statement<'s>>,
) -> Result<Written, JobError> {
    let mut duplicates = Vec::new();
    let mut prepared: HashMap<String, rusqlite::Statement<'_>> = HashMap::new();
    for (at, Statement { sql, parameters }) in updates.enumerate() {
        if at > 0 && batch.is_late() {
            return Ok((duplicates, Some(at)));
        }
        let statement = match prepared.entry(sql) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let statement = connection.prepare(new.key()).map_err(JobError::database)?;
                new.insert(statement)
            }
        };
        // A statement that fails on a constraint is undone by itself, and the transaction stays.
        match statement.execute(params_from_iter(parameters)).map_err(JobError::database) {
            Err(error) if is_duplicate(&error) => duplicates.push(at),
            done => drop(done?),
        }
    }
    Ok((duplicates, None))
}

fn select(connection: &Connection, job: &Job, statement: &Statement<'_>) -> Result<Vec<Row>, JobError> {
    let mut prepared = connection.prepare(&statement.sql).map_err(JobError::database)?;
    let columns = prepared.column_count();
    let mut rows = prepared.query(params_from_iter(&statement.parameters)).map_err(JobError::database)?;
    let mut read = Vec::new();
    while let Some(row) = rows.next().map_err(JobError::database)? {
        let cells = (0..columns).map(|at| {
            Ok(match row.get_ref(at).map_err(JobError::database)? {
                ValueRef::Null => Cell::Null,
                ValueRef::Integer(number) => Cell::Integer(number),
                ValueRef::Text(text) => match std::str::from_utf8(text) {
                    Ok(text) => Cell::text(text.to_owned()),
                    Err(_) => Cell::bytes(text.to_vec()),
                },
                ValueRef::Blob(bytes) => Cell::bytes(bytes.to_vec()),
                ValueRef::Real(number) => Cell::float(number).ok_or_else(|| job.unsupported(at))?,
            })
        });
        read.push(Row::new(cells.collect::<Result<_, JobError>>()?));
    }
    Ok(read)
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Cell::Null => ToSqlOutput::Owned(Value::Null),
            Cell::Integer(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            // As SQLite holds it.
            Cell::Number(number) => match number.parse() {
                Ok(number) => ToSqlOutput::Owned(Value::Real(number)),
                Err(_) => ToSqlOutput::Borrowed(ValueRef::Text(number.as_bytes())),
            },
            Cell::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Cell::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}
