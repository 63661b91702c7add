//! Finishing what was interrupted, and nothing else.

use serde_json::json;

use crate::answer::Answer;
use crate::args::Resume;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::register::{Open, Work};

pub fn run(context: &mut Context, asked: &Resume) -> Result<Answer, Failure> {
    let (mut open, mut resumed) = Open::of(context, Work::Writes)?;
    // It was told already, on the standard error.
    let mut text = if resumed.text().is_empty() { "Nothing was left to be finished.\n" } else { "" }.to_owned();
    if asked.reconcile && open.reconcile(&mut resumed)? {
        text.push_str("Every number was compared with the vault's: ");
        text.push_str(&resumed.reconciled_text());
        text.push_str(&resumed.receipts_text());
    }
    open.close()?;
    let exit = if resumed.has_lost() { Exit::Found } else { Exit::Done };
    Ok(Answer::new(text, json!({ "finished": resumed.json() }))?.ending(exit))
}
