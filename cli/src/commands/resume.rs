//! Finishing what was interrupted, and nothing else.

use serde_json::json;

use crate::answer::Answer;
use crate::args::Resume;
use crate::commands::shred::reason;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::register::{Open, Work, own_transaction};

const AWAITS: &str = "Nothing is swept for now: the database was restored, or the journal lost entries. Enter again what was forgotten\n(marks and evidence since the backup; what an officer did since that was not yet signed; holds and requests\ntoo, if the journal lost entries), then `oubliette resume --confirm-restored REASON`.\n";

pub fn run(context: &mut Context, asked: &Resume) -> Result<Answer, Failure> {
    let why = asked.confirm_restored.as_deref().map(reason).transpose()?;
    let (mut open, mut resumed) = Open::of(context, Work::Writes)?;
    // It was told already, on the standard error.
    let mut text = if resumed.text().is_empty() { "Nothing was left to be finished.\n" } else { "" }.to_owned();
    if asked.reconcile && open.reconcile(&mut resumed)? {
        text.push_str("Journal and table were compared, and every number with the vault and its id: ");
        text.push_str(&resumed.reconciled_text());
        text.push_str(&resumed.receipts_text());
    }
    if let Some(why) = why {
        own_transaction!(open, confirm_restored(why))?;
        text.push_str("It is written down that what a restore had lost was entered again: sweeps go on.\n");
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
