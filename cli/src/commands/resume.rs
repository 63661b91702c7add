//! Finishing what was interrupted, and nothing else.

use serde_json::json;

use crate::answer::Answer;
use crate::args::Resume;
use crate::commands::shred::reason;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::register::{Open, Work, own_transaction};

const AWAITS: &str = "Sweeps wait, since the database was restored or the journal lost entries. Enter again what was lost: marks and\nevidence since the backup, and unsigned acts of an officer; if the journal lost entries, also holds and requests.\nThen run `oubliette resume --confirm-restored REASON`.\n";

pub fn run(context: &mut Context, asked: &Resume) -> Result<Answer, Failure> {
    let why = asked.confirm_restored.as_deref().map(reason).transpose()?;
    let (mut open, mut resumed) = Open::of(context, Work::Writes)?;
    // It was told already, on the standard error.
    let mut text = if resumed.text().is_empty() { "Nothing was unfinished.\n" } else { "" }.to_owned();
    if asked.reconcile && open.reconcile(&mut resumed)? {
        text.push_str("The journal was compared with its table, and each number with the vault and its id: ");
        text.push_str(&resumed.reconciled_text());
        text.push_str(&resumed.receipts_text());
    }
    if let Some(why) = why {
        own_transaction!(open, confirm_restored(why))?;
        text.push_str("Your confirmation is recorded, and sweeps go on.\n");
        resumed.is_confirmed();
    }
    let awaits = open.awaits_confirmation()?;
    if awaits {
        text.push_str(AWAITS);
    }
    open.close()?;
    let exit = match (resumed.has_differences(), awaits || resumed.has_lost()) {
        (true, _) => Exit::Grave,
        (false, true) => Exit::Found,
        (false, false) => Exit::Done,
    };
    Ok(Answer::new(text, json!({ "finished": resumed.json(), "awaits_confirmation": awaits }))?.ending(exit))
}
