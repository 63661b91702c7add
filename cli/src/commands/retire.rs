//! Giving up what a rotation replaced.

use oubliette::personal::Canonical;
use oubliette::{Epoch, KeyTreeId, Retired, Vault};
use serde_json::{Value, json};

use crate::answer::{Answer, time};
use crate::args::Retire;
use crate::commands::shred::reason;
use crate::config::Column;
use crate::context::{Context, close, purpose};
use crate::exit::Failure;
use crate::fields::{self, with_type};
use crate::receipts::Receipts;
use crate::register::{Tables, Work, alone};

pub fn run(context: &mut Context, asked: &Retire) -> Result<Answer, Failure> {
    match asked {
        Retire::Tree { purpose, new, despite_holds } => tree(context, purpose, new, despite_holds.as_deref()),
        Retire::Epoch { column, epoch } => epoch_of(context, column, *epoch),
    }
}

fn tree(context: &mut Context, name: &str, new: &str, despite: Option<&str>) -> Result<Answer, Failure> {
    let despite = despite.map(reason).transpose()?;
    let tables = Tables::if_configured(context)?;
    if tables.is_none() && despite.is_some() {
        return Err(Failure::usage(
            "no register is configured, whose holds could be overridden: give it under [database]",
        ));
    }
    let purpose = purpose(name)?;
    let new: KeyTreeId = new.parse().map_err(|error: oubliette::InvalidKeyTreeId| Failure::usage(error.to_string()))?;
    context.confirm(&format!(
        "Give up every key tree of {name:?} that {new} replaced?\nWhat is still sealed under them is lost, here and in every backup. This cannot be undone."
    ))?;
    let retired = match tables {
        None => {
            let vault = context.unlock(&[purpose])?;
            let retired = vault.retire_replaced(purpose, new)?;
            close(vault)?;
            retired
        }
        // With its holds checked: whoever is held may have values that were not resealed.
        Some(tables) => {
            let mut open = tables.unlock_also(context, Receipts::new(&context.config)?, Some(purpose))?;
            open.resume(Work::Writes)?;
            let retired = alone!(open, retire_replaced(purpose, new, despite))?;
            open.close()?;
            retired
        }
    };
    let trees: Vec<String> = retired.trees().iter().map(ToString::to_string).collect();
    let text = format!("Retired of {name}: {}. {}", trees.join(", "), since(&retired));
    Answer::new(text, json!({ "retired": "trees", "purpose": name, "trees": trees, "in": facts(&retired) }))
}

fn epoch_of(context: &mut Context, name: &str, number: u8) -> Result<Answer, Failure> {
    let column = context.config.column(name)?;
    fields::index_of(&column)?;
    let epoch = Epoch::new(number).ok_or_else(|| Failure::usage("an epoch is a number from 0 to 127"))?;
    context.confirm(&format!(
        "Give up epoch {number} of the index on {name}?\nTokens of it find nothing any more. This cannot be undone."
    ))?;
    let vault = context.unlock(&[purpose(&column.purpose)?])?;
    let answer = with_type!(&column, T => give_up::<T>(&vault, &column, name, epoch));
    close(vault)?;
    answer
}

fn give_up<T: Canonical>(vault: &Vault, column: &Column, name: &str, epoch: Epoch) -> Result<Answer, Failure> {
    let retired = vault.retire_epoch(fields::index::<T>(column)?, epoch)?;
    let text = format!("Retired: epoch {epoch} of the index on {name}. {}", since(&retired));
    Answer::new(text, json!({ "retired": "epoch", "column": name, "epoch": epoch.number(), "in": facts(&retired) }))
}

fn since(retired: &Retired) -> String {
    let effective = time(retired.effective_everywhere_at());
    format!("Durable since generation {}; no process uses the keys after {effective}.\n", retired.generation())
}

fn facts(retired: &Retired) -> Value {
    json!({
        "generation": retired.generation(),
        "effective_everywhere_at": time(retired.effective_everywhere_at()),
    })
}
