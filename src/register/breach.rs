//! What a breach is assessed by, from the register's tables and the vault's journal.

use super::Register;
use super::database::{Database, values};
use super::error::RegisterError;
use super::grants::{stored, time};
use super::operations::within;
use crate::breach::{Column, Facts, History, Holding, Moment, Opened};

within! {
    /// Who was registered when, and what became of the vault's keys, to assess a [breach](crate::breach) with. The journal
    /// is read to its end.
    ///
    /// `columns` are those of the application's database, from the `FIELDS` of its records; `openings` those that
    /// [audits](crate::audit) have, if there are any.
    ///
    /// # Errors
    /// When the database or the journal cannot be read.
    read fn breach_facts(columns: Vec<Column>, openings: Option<Vec<Opened>>) -> Facts = facts;
}

async fn facts<D: Database>(
    register: &Register,
    db: &mut D,
    columns: Vec<Column>,
    openings: Option<Vec<Opened>>,
) -> Result<Facts, RegisterError> {
    const ALL: &str = "SELECT n.number, n.purpose, n.since, n.shredded_at, coalesce(m.subject, s.subject) \
        FROM oubliette_numbers n JOIN oubliette_subjects s ON s.id = n.subject_id \
        LEFT JOIN oubliette_subjects m ON m.id = s.merged_into ORDER BY n.number, n.purpose";
    let mut holdings = Vec::new();
    for row in db.rows(ALL, values![]).await? {
        let shredded = row.maybe_integer(3)?.map(time).transpose()?;
        holdings.push(Holding {
            customer: row.maybe_text(4)?.map(str::to_owned),
            purpose: row.text(1)?.to_owned(),
            number: stored(row.integer(0)?)?,
            since: time(row.integer(2)?)?,
            // The generation is what the journal has; this stands for a shred that it does not know.
            shredded: shredded.map(|at| Moment { generation: u64::MAX, at }),
        });
    }
    let purposes = holdings.iter().map(|held| held.purpose.as_str());
    let mut purposes: Vec<&str> =
        purposes.chain(columns.iter().filter_map(|column| column.purpose.as_deref())).collect();
    purposes.sort_unstable();
    purposes.dedup();
    let history = history(register, &purposes)?;
    for held in &mut holdings {
        held.shredded = history.shredded_at(&held.purpose, held.number).or(held.shredded);
    }
    let issued = Some(register.vault.status()?.issued);
    Ok(Facts { holdings, columns, history, openings, issued })
}

fn history(register: &Register, purposes: &[&str]) -> Result<History, RegisterError> {
    let history = register.vault.with_journal(|file, _, _| {
        let mut failed = None;
        let entries = file.entries_after(0)?.map_while(|entry| entry.map_err(|error| failed = Some(error)).ok());
        let history = History::of(entries, purposes);
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(history),
        }
    })?;
    Ok(history)
}
