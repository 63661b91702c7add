//! The work-list: tokens of the shredded that still stand in the application's tables.
//!
//! Tokens are cleared in the transaction that records a shred. What a table refuses then is written down in the same, so
//! that a crash or a table that is locked away forgets none of it.

use oubliette::CustomerId;

use super::database::{Database, Dialect, Row, Transactions, Value, values};
use super::error::RegisterError;
use super::register::Register;
use super::rules::TokenColumn;

/// Numbers that one statement names.
pub(crate) const MOST: usize = 1000;

/// Empties the columns of all rules for these numbers, within the transaction that records their shred. What a table
/// refuses is listed, and counted.
pub(crate) async fn clear<D: Database>(
    register: &Register,
    db: &mut D,
    numbers: &[CustomerId],
) -> Result<u64, RegisterError> {
    let mut left: u64 = 0;
    for column in &register.rules.tokens {
        for numbers in numbers.chunks(MOST) {
            db.run("SAVEPOINT oubliette_work", values![]).await?;
            let of_numbers = numbers.iter().map(|number| Value::from(number.to_stored())).collect();
            let is_cleared = empty(db, column, of_numbers).await.is_ok();
            if !is_cleared {
                db.run("ROLLBACK TO SAVEPOINT oubliette_work", values![]).await?;
            }
            db.run("RELEASE SAVEPOINT oubliette_work", values![]).await?;
            if !is_cleared {
                left = left.saturating_add(list(db, column, numbers).await?);
            }
        }
    }
    Ok(left)
}

async fn list<D: Database>(db: &mut D, column: &TokenColumn, numbers: &[CustomerId]) -> Result<u64, RegisterError> {
    let rows: Vec<String> = (4..).take(numbers.len()).map(|at| row(D::DIALECT, at)).collect();
    let sql = format!(
        "INSERT INTO oubliette_work (table_name, number_column, token_column, number) VALUES {} \
         ON CONFLICT (table_name, number_column, token_column, number) DO NOTHING",
        rows.join(", ")
    );
    let mut given = values![column.table.as_str(), column.number_column.as_str(), column.column.as_str()];
    given.extend(numbers.iter().map(|number| Value::from(number.to_stored())));
    db.run_made(sql.into(), given).await
}

/// Empties one column for these numbers.
async fn empty<D: Database>(db: &mut D, of: &TokenColumn, numbers: Vec<Value>) -> Result<(), RegisterError> {
    let [number_column, column] = [&of.number_column, &of.column].map(|name| D::DIALECT.quoted(name));
    let (table, places) = (D::DIALECT.quoted_table(&of.table), D::DIALECT.parameters(1, numbers.len()));
    let update =
        format!("UPDATE {table} SET {column} = NULL WHERE {number_column} IN ({places}) AND {column} IS NOT NULL");
    db.run_made(update.into(), numbers).await.map(drop)
}

fn row(dialect: Dialect, number: usize) -> String {
    let [a, b, c, d] = [1, 2, 3, number].map(|at| dialect.parameter(at));
    format!("({a}, {b}, {c}, {d})")
}

/// Does what is listed, within a transaction that is under way. What a table refuses stays listed.
pub(crate) async fn in_transaction<D: Database>(db: &mut D) -> Result<u64, RegisterError> {
    let mut left: u64 = 0;
    for task in tasks(db).await? {
        db.run("SAVEPOINT oubliette_work", values![]).await?;
        match column(db, &task).await {
            Ok(()) => {
                db.run("RELEASE SAVEPOINT oubliette_work", values![]).await?;
            }
            Err(_) => {
                db.run("ROLLBACK TO SAVEPOINT oubliette_work", values![]).await?;
                db.run("RELEASE SAVEPOINT oubliette_work", values![]).await?;
                left = left.saturating_add(count(db, &task).await?);
            }
        }
    }
    Ok(left)
}

/// Does what is listed, in transactions of its own. The first error is returned when all was tried.
pub(crate) async fn own_transaction<D: Transactions>(register: &Register, db: &mut D) -> Result<(), RegisterError> {
    let mut first = Ok(());
    for task in tasks(db).await? {
        register.step("clear tokens")?;
        db.begin().await?;
        match column(db, &task).await {
            Ok(()) => db.commit().await?,
            Err(error) => {
                db.roll_back().await?;
                first = first.and(Err(error));
            }
        }
    }
    first
}

/// The columns in which something is left to do.
async fn tasks<D: Database>(db: &mut D) -> Result<Vec<TokenColumn>, RegisterError> {
    const TASKS: &str = "SELECT DISTINCT table_name, number_column, token_column FROM oubliette_work";
    let task = |row: &Row| {
        let [table, number_column, column] = [row.text(0)?, row.text(1)?, row.text(2)?].map(str::to_owned);
        Ok(TokenColumn { table, number_column, column })
    };
    db.rows(TASKS, values![]).await?.iter().map(task).collect()
}

const OF_TASK: &str = "SELECT number FROM oubliette_work \
    WHERE table_name = ?1 AND number_column = ?2 AND token_column = ?3 AND number > ?4 ORDER BY number LIMIT 1000";

/// Empties one column for all numbers that are listed with it.
async fn column<D: Database>(db: &mut D, task: &TokenColumn) -> Result<(), RegisterError> {
    let mut after = 0;
    loop {
        let of_task = values![task.table.as_str(), task.number_column.as_str(), task.column.as_str(), after];
        let rows = db.rows(OF_TASK, of_task).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        let first = rows.first().unwrap_or(last).integer(0)?;
        after = last.integer(0)?;
        let numbers: Vec<Value> =
            rows.iter().map(|row| Ok(row.integer(0)?.into())).collect::<Result<_, RegisterError>>()?;
        empty(db, task, numbers).await?;
        const DONE: &str = "DELETE FROM oubliette_work WHERE table_name = ?1 AND number_column = ?2 \
            AND token_column = ?3 AND number >= ?4 AND number <= ?5";
        let done = values![task.table.as_str(), task.number_column.as_str(), task.column.as_str(), first, after];
        db.run(DONE, done).await?;
    }
}

async fn count<D: Database>(db: &mut D, task: &TokenColumn) -> Result<u64, RegisterError> {
    const COUNT: &str = "SELECT count(*) FROM oubliette_work \
        WHERE table_name = ?1 AND number_column = ?2 AND token_column = ?3";
    let of_task = values![task.table.as_str(), task.number_column.as_str(), task.column.as_str()];
    let rows = db.rows(COUNT, of_task).await?;
    Ok(rows.first().map_or(Ok(0), |row| row.integer(0))?.unsigned_abs())
}
