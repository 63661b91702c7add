//! Reading the register's tables, as they are documented. They are written by the register alone.

use super::Database;
use crate::exit::{Exit, Failure};

/// What a statement is given in place of `?1`, `?2`, ..
#[derive(Clone, Copy)]
pub enum Given<'v> {
    Integer(i64),
    Text(&'v str),
}

/// Without `Debug`: it may name a person.
enum Cell {
    Null,
    Integer(i64),
    Text(String),
}

pub struct Row(Vec<Cell>);

impl Row {
    pub fn integer(&self, at: usize) -> Result<i64, Failure> {
        self.maybe_integer(at)?.ok_or_else(unexpected)
    }

    pub fn maybe_integer(&self, at: usize) -> Result<Option<i64>, Failure> {
        match self.0.get(at) {
            Some(Cell::Integer(number)) => Ok(Some(*number)),
            Some(Cell::Null) => Ok(None),
            _ => Err(unexpected()),
        }
    }

    pub fn text(&self, at: usize) -> Result<&str, Failure> {
        self.maybe_text(at)?.ok_or_else(unexpected)
    }

    pub fn maybe_text(&self, at: usize) -> Result<Option<&str>, Failure> {
        match self.0.get(at) {
            Some(Cell::Text(text)) => Ok(Some(text)),
            Some(Cell::Null) => Ok(None),
            _ => Err(unexpected()),
        }
    }
}

fn unexpected() -> Failure {
    Failure::new(
        Exit::Investigate,
        "the register's tables hold something that the register did not write; find out who changed them, and correct them",
    )
}

impl Database {
    /// All rows that a statement gives.
    pub fn query(&self, sql: &str, given: &[Given<'_>]) -> Result<Vec<Row>, Failure> {
        match self {
            Database::Sqlite(connection) => sqlite(connection, sql, given).map_err(|error| failed(&error)),
            #[cfg(feature = "postgres")]
            Database::Postgres(it) => {
                it.runtime.block_on(postgres(&it.pool, sql, given)).map_err(|error| failed(&error))
            }
        }
    }

    /// Whether there is a table of the register's.
    pub fn has_register(&self) -> Result<bool, Failure> {
        let sql = match self {
            Database::Sqlite(_) => {
                "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'oubliette_meta'"
            }
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => "SELECT count(to_regclass('oubliette_meta'))",
        };
        Ok(self.query(sql, &[])?.first().map(|row| row.integer(0)).transpose()?.is_some_and(|count| count > 0))
    }

    /// The name of a column or, with its schema, of a table of the application's.
    pub fn quoted(&self, name: &str) -> String {
        // SQLite takes a name in double quotes that is no column's for a text; in backquotes it is an error.
        let quote = match self {
            Database::Sqlite(_) => '`',
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => '"',
        };
        let part = |part: &str| format!("{quote}{}{quote}", part.replace(quote, &format!("{quote}{quote}")));
        name.split('.').map(part).collect::<Vec<_>>().join(".")
    }
}

/// What a database says of a statement names tables and columns, never a value.
fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::new(Exit::TryAgain, format!("the database failed: {error}"))
}

fn sqlite(connection: &rusqlite::Connection, sql: &str, given: &[Given<'_>]) -> rusqlite::Result<Vec<Row>> {
    use rusqlite::types::{ToSqlOutput, Value, ValueRef};
    let given = given.iter().map(|given| match given {
        Given::Integer(number) => ToSqlOutput::Owned(Value::Integer(*number)),
        Given::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
    });
    let mut prepared = connection.prepare(sql)?;
    let columns = prepared.column_count();
    let mut rows = prepared.query(rusqlite::params_from_iter(given))?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let cell = |at| {
            Ok(match row.get_ref(at)? {
                ValueRef::Null => Cell::Null,
                ValueRef::Integer(number) => Cell::Integer(number),
                other => Cell::Text(other.as_str().map(str::to_owned).map_err(rusqlite::Error::from)?),
            })
        };
        all.push(Row((0..columns).map(cell).collect::<rusqlite::Result<_>>()?));
    }
    Ok(all)
}

#[cfg(feature = "postgres")]
async fn postgres(pool: &sqlx::PgPool, sql: &str, given: &[Given<'_>]) -> Result<Vec<Row>, sqlx::Error> {
    use sqlx::{AssertSqlSafe, Row as _, TypeInfo, ValueRef};
    // Statements of this program's, with names that are quoted.
    let sql = if given.is_empty() { sql.to_owned() } else { sql.replace('?', "$") };
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for given in given {
        query = match given {
            Given::Integer(number) => query.bind(*number),
            Given::Text(text) => query.bind(*text),
        };
    }
    let read = |row: sqlx::postgres::PgRow| {
        let cell = |at| {
            let value = row.try_get_raw(at)?;
            Ok(match value.type_info().name() {
                _ if value.is_null() => Cell::Null,
                "INT8" => Cell::Integer(row.try_get(at)?),
                _ => Cell::Text(row.try_get(at)?),
            })
        };
        (0..row.len()).map(cell).collect::<Result<_, sqlx::Error>>().map(Row)
    };
    query.fetch_all(pool).await?.into_iter().map(read).collect()
}
