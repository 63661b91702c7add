//! Finishing what was interrupted, and nothing else.

use serde_json::json;

use crate::answer::Answer;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::register::{Open, Work};

pub fn run(context: &mut Context) -> Result<Answer, Failure> {
    let (open, resumed) = Open::of(context, Work::Writes)?;
    open.close()?;
    // It was told already, on the standard error.
    let text = if resumed.text().is_empty() { "Nothing was left to be finished.\n" } else { "" };
    let exit = if resumed.has_lost() { Exit::Found } else { Exit::Done };
    Ok(Answer::new(text, json!({ "finished": resumed.json() }))?.ending(exit))
}
