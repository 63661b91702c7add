//! What a breach is assessed by, from the register's tables and the vault's journal.

use std::collections::HashSet;

use super::database::{Database, values};
use super::error::RegisterError;
use super::grants::{stored, time};
use super::keyless::{AnyRegister, Who};
use super::operations::at_desk;
use super::register::Register;
use super::rules::Rules;
use super::signed;
use crate::breach::{Column, Enrolment, KeyHistory, Moment, Opened, Situation, Stored};

at_desk! {
    /// Gives what a [breach](crate::breach) is assessed by: who was registered when, and what became of the vault's
    /// keys. It reads the journal to its end.
    ///
    /// A [`KeylessRegister`](crate::KeylessRegister) reads the journal's table and checks each line with the public
    /// key. It cannot say how many numbers the vault has issued.
    ///
    /// `columns` are the columns of the application's database, from the `FIELDS` of its records. `openings` come from
    /// [audits](oubliette::audit), if there are any.
    ///
    /// # Errors
    /// If the database or the journal cannot be read. [`RegisterError::NotSigned`] and
    /// [`RegisterError::JournalDiffers`] if the table is not the vault's journal, line for line.
    read fn breach_situation(columns: Vec<Column>, openings: Option<Vec<Opened>>) -> Situation = situation;
}

async fn situation<O: AnyRegister, D: Database>(
    any: &O,
    db: &mut D,
    columns: Vec<Column>,
    openings: Option<Vec<Opened>>,
) -> Result<Situation, RegisterError> {
    const ALL: &str = "SELECT n.number, n.purpose, n.since, n.shredded_at, coalesce(m.subject, s.subject), \
        coalesce(m.id, s.id) \
        FROM oubliette_numbers n JOIN oubliette_subjects s ON s.id = n.subject_id \
        LEFT JOIN oubliette_subjects m ON m.id = s.merged_into ORDER BY n.number, n.purpose";
    const LEFT: &str = "SELECT DISTINCT number FROM oubliette_work";
    let left = db.rows(LEFT, values![]).await?;
    let left: HashSet<i64> = left.iter().map(|row| row.integer(0)).collect::<Result<_, _>>()?;
    let mut enrolments = Vec::new();
    for row in db.rows(ALL, values![]).await? {
        let (number, purpose) = (row.integer(0)?, row.text(1)?.to_owned());
        let customer = row.maybe_text(4)?.map(str::to_owned);
        let shredded = row.maybe_integer(3)?.map(time).transpose()?;
        // Of those who were erased, the application deletes the rows.
        let are_cleared = customer.is_none() || clears_tokens(any.rules(), &columns, &purpose);
        enrolments.push(Enrolment {
            customer,
            person: row.integer(5)?.unsigned_abs(),
            purpose,
            number: stored(number)?,
            since: time(row.integer(2)?)?,
            // The generation is what the journal has; this stands for a shred that it does not know.
            shredded: shredded.map(|at| Moment { generation: u64::MAX, at }),
            tokens_cleared: shredded.filter(|_| are_cleared && !left.contains(&number)),
        });
    }
    let purposes = enrolments.iter().map(|held| held.purpose.as_str());
    let mut purposes: Vec<&str> =
        purposes.chain(columns.iter().filter_map(|column| column.purpose.as_deref())).collect();
    purposes.sort_unstable();
    purposes.dedup();
    let (history, issued) = match any.who() {
        Who::Vault(register) => (history(register, &purposes)?, Some(register.vault.status()?.issued)),
        Who::Key(_) => (KeyHistory::of(signed::all(any, db).await?, &purposes), None),
    };
    for held in &mut enrolments {
        held.shredded = history.shredded_at(&held.purpose, held.number).or(held.shredded);
    }
    Ok(Situation { enrolments, columns, history, openings, issued })
}

/// Whether a shred in the purpose clears every column of its tokens.
fn clears_tokens(rules: &Rules, columns: &[Column], purpose: &str) -> bool {
    let mut tokens = columns
        .iter()
        .filter(|column| column.purpose.as_deref() == Some(purpose) && matches!(column.stored, Stored::Token { .. }));
    let is_cleared = |column: &Column| {
        rules.tokens.iter().any(|tokens| tokens.table == column.table && tokens.column == column.column)
    };
    tokens.all(is_cleared)
}

fn history(register: &Register, purposes: &[&str]) -> Result<KeyHistory, RegisterError> {
    let mut failed = None;
    let entries = register.vault.journal_entries_after(0)?;
    let history = KeyHistory::of(entries.map_while(|entry| entry.map_err(|error| failed = Some(error)).ok()), purposes);
    failed.map_or(Ok(history), |error| Err(error.into()))
}
