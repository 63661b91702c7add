//! After a root record was restored: what the journal knows is done again.

use oubliette::CustomerId;
use serde_json::json;

use crate::answer::Answer;
use crate::args::Replay;
use crate::commands::verify;
use crate::context::{Context, close};
use crate::exit::Failure;

pub fn run(context: &mut Context, asked: &Replay) -> Result<Answer, Failure> {
    let text = &asked.highest_number;
    let highest: CustomerId =
        text.parse().map_err(|error| Failure::usage(format!("{text:?} is no customer number: {error}")))?;
    let journal = verify::file(context, None)?;
    context.confirm(&format!(
        "Shred and retire again everything in {}, and move to a new root key?\nFirst make sure that no process \
         has the vault open, and that the newest journal is in place.",
        journal.display()
    ))?;
    let current = context.secrets.current()?;
    let new = context.secrets.new_root_key(&asked.new)?;
    let replayed = context.builder()?.replay(current, new, highest).map_err(Failure::from);
    let vault = context.settle_key(replayed)?;
    let (generation, status) = (vault.generation()?, vault.status()?);
    close(vault)?;
    let text = format!(
        "The vault is mended: generation {generation}, numbers from {} on. Destroy the old root key: the restored \
         record opens with it.\nNext: start the application with the new root key.\n",
        status.issued + 1
    );
    Answer::new(text, json!({ "replayed": journal, "generation": generation, "numbers_reserved": status.issued }))
}
