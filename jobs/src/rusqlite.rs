//! Jobs on SQLite, by way of rusqlite.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::ControlFlow;

use oubliette::Vault;
use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, TransactionBehavior, params_from_iter};

use super::cell::{Cell, Row};
use super::pass::Pass;
use super::sql::{Dialect, Statement};
use super::{Job, JobError, LeftBehind, Progress, Report};

/// Runs a job. `progress` is called after each batch was committed, and says whether to go on.
///
/// A batch is one `BEGIN IMMEDIATE` transaction: other writers wait for it, for as long as their busy timeout allows, and
/// readers only if the database is not in WAL mode. What a batch replaces stays in free pages and in the WAL: see
/// [the crate](crate#from-plaintext-without-downtime).
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
    pass.begin(counted.first())?;
    loop {
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(JobError::database)?;
        let batch = pass.work(select(&transaction, job, &pass.page())?)?;
        write(&transaction, pass.updates(&batch))?;
        if let Some(range) = pass.read_back(&batch) {
            pass.check(&batch, &select(&transaction, job, &range)?)?;
        }
        transaction.commit().map_err(JobError::database)?;
        if let ControlFlow::Break(report) = pass.committed(batch, &mut progress) {
            return Ok(report);
        }
    }
}

/// The rows for which the job's steps have something left to do. Writes nothing and holds no lock between pages.
///
/// # Errors
/// [`JobError`].
pub fn left_behind(connection: &Connection, vault: &Vault, job: &Job) -> Result<LeftBehind, JobError> {
    let mut pass = Pass::over_all(job, vault, Dialect::Sqlite)?;
    loop {
        let rows = select(connection, job, &pass.page_to_look_at())?;
        if let ControlFlow::Break(left) = pass.look_at(rows)? {
            return Ok(left);
        }
    }
}

/// Rows differ in which columns they need written, so there are a few statements, each prepared once.
fn write<'s>(connection: &Connection, updates: impl Iterator<Item = Statement<'s>>) -> Result<(), JobError> {
    let mut prepared: HashMap<String, rusqlite::Statement<'_>> = HashMap::new();
    for Statement { sql, parameters } in updates {
        let statement = match prepared.entry(sql) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let statement = connection.prepare(new.key()).map_err(JobError::database)?;
                new.insert(statement)
            }
        };
        statement.execute(params_from_iter(parameters)).map_err(JobError::database)?;
    }
    Ok(())
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
                ValueRef::Real(_) => return Err(job.unsupported(at)),
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
            Cell::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Cell::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}
