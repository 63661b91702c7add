//! Giving up what a rotation replaced.

use oubliette::{Commit, Vault, renewal::KeyTreeId, search::Epoch};
use serde_json::{Value, json};

use crate::answer::{Answer, count, time};
use crate::args::Retire;
use crate::commands::reindex::{self, Needs};
use crate::commands::shred::reason;
use crate::config::Column;
use crate::context::{Context, close, purpose};
use crate::exit::{Exit, Failure};
use crate::fields::{self, Kind, with_type};
use crate::receipts::Receipts;
use crate::register::{Tables, Work, own_transaction};

pub fn run(context: &mut Context, asked: &Retire) -> Result<Answer, Failure> {
    match asked {
        Retire::Tree { purpose, new, leave_behind, despite_holds } => {
            tree(context, purpose, new, *leave_behind, despite_holds.as_deref())
        }
        Retire::Epoch { column, epoch, leave_behind } => epoch_of(context, column, *epoch, *leave_behind),
        Retire::Series { series, why, not_in_token } => {
            super::series::run(context, series.as_deref(), why.as_deref(), *not_in_token)
        }
    }
}

/// Refuses while rows of the purpose are sealed under what is to be given up.
fn needs_nothing(
    context: &Context,
    vault: &Vault,
    name: &str,
    new: KeyTreeId,
    leave_behind: bool,
) -> Result<(), Failure> {
    let status = vault.status()?;
    let is_known = status.purposes.iter().any(|known| known.purpose == name && known.tree == new);
    // What is refused anyhow says why by itself.
    if leave_behind || !is_known || status.has_no_mirror() {
        return Ok(());
    }
    let columns = context.config.columns().filter(|column| column.purpose == name).collect();
    nobody_needs_it(context, vault, columns, Needs::Resealing)
}

fn tree(
    context: &mut Context,
    name: &str,
    new: &str,
    leave_behind: bool,
    despite: Option<&str>,
) -> Result<Answer, Failure> {
    let despite = despite.map(reason).transpose()?;
    let tables = Tables::if_configured(context)?;
    if tables.is_none() && despite.is_some() {
        return Err(Failure::usage(
            "--despite-holds needs the register, and none is configured: give it under [database]",
        ));
    }
    let purpose = purpose(name)?;
    let new: KeyTreeId =
        new.parse().map_err(|error: oubliette::renewal::InvalidKeyTreeId| Failure::usage(error.to_string()))?;
    context.confirm(&format!(
        "Give up every key tree of {name:?} that {new} replaced?\nValues that are still sealed under them are \
         lost, here and in every backup. You cannot undo this."
    ))?;
    let (trees, commit) = match tables {
        None => {
            let vault = context.unlock(&[purpose])?;
            needs_nothing(context, &vault, name, new, leave_behind)?;
            let retired = vault.retire_replaced(purpose, new)?;
            close(vault)?;
            retired
        }
        // With its holds checked: whoever is held may have values that were not resealed.
        Some(tables) => {
            let mut open = tables.unlock_also(context, Receipts::new(&context.config)?, Some(purpose))?;
            open.resume(Work::Writes)?;
            needs_nothing(context, open.vault(), name, new, leave_behind)?;
            let retired = own_transaction!(open, retire_replaced(purpose, new, despite))?;
            open.close()?;
            retired
        }
    };
    let trees: Vec<String> = trees.iter().map(ToString::to_string).collect();
    let text = format!("Retired of {name}: {}. {}", trees.join(", "), since(&commit));
    Answer::new(text, json!({ "retired": "trees", "purpose": name, "trees": trees, "in": facts(&commit) }))
}

fn epoch_of(context: &mut Context, name: &str, number: u8, leave_behind: bool) -> Result<Answer, Failure> {
    let column = context.config.column(name)?;
    fields::index_of(&column)?;
    let epoch = Epoch::new(number).ok_or_else(|| Failure::usage("an epoch is a number from 0 to 127"))?;
    context.confirm(&format!(
        "Give up epoch {number} of the index on {name}?\nA search does not find rows with tokens of this epoch \
         any more. You cannot undo this."
    ))?;
    let vault = context.unlock(&[purpose(&column.purpose)?])?;
    if !leave_behind {
        nobody_needs_it(context, &vault, vec![column.clone()], Needs::Token)?;
    }
    let answer = with_type!(&column, T => give_up::<T>(&vault, &column, name, epoch));
    close(vault)?;
    answer
}

/// What cannot be taken back is not done while rows still need what it gives up.
fn nobody_needs_it(context: &Context, vault: &Vault, columns: Vec<Column>, what: Needs) -> Result<(), Failure> {
    const ALL_THE_SAME: &str = "--leave-behind gives it up all the same";
    let (job, lost) = match what {
        Needs::Resealing => ("oubliette reindex --reseal", "their values would be lost"),
        Needs::Token => ("oubliette reindex", "a search would not find them any more"),
    };
    if columns.is_empty() {
        let message = format!(
            "nothing happened: the configuration's [[tables]] name no column of it, so nobody knows whether rows \
             still need it. {ALL_THE_SAME}"
        );
        return Err(Failure::new(Exit::Refused, message));
    }
    let left = reindex::rows_that_need(context, vault, columns, what).map_err(|failure| {
        let message =
            format!("nothing happened: rows may still need it, and they could not be read: {failure}. {ALL_THE_SAME}");
        Failure::new(failure.exit, message)
    })?;
    let rows: u64 = left.iter().map(|left| left.rows).sum();
    if rows > 0 {
        let mut columns: Vec<&str> = left.iter().map(|left| left.column.as_str()).collect();
        columns.dedup();
        let message = format!(
            "nothing happened: {} of {} still need it, and {lost}. First run `{job}`; {ALL_THE_SAME}",
            count(rows, "row", "rows"),
            columns.join(", "),
        );
        return Err(Failure::new(Exit::Refused, message));
    }
    Ok(())
}

fn give_up<T: Kind>(vault: &Vault, column: &Column, name: &str, epoch: Epoch) -> Result<Answer, Failure> {
    let commit = vault.retire_epoch(fields::index::<T>(column, fields::index_of(column)?)?, epoch)?;
    let text = format!("Retired: epoch {epoch} of the index on {name}. {}", since(&commit));
    Answer::new(text, json!({ "retired": "epoch", "column": name, "epoch": epoch.number(), "in": facts(&commit) }))
}

fn since(commit: &Commit) -> String {
    let effective = time(commit.effective_everywhere_at());
    format!("Durable since generation {}; no process uses the keys after {effective}.\n", commit.generation())
}

fn facts(commit: &Commit) -> Value {
    json!({
        "generation": commit.generation(),
        "effective_everywhere_at": time(commit.effective_everywhere_at()),
    })
}
