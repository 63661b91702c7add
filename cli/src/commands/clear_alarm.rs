//! An alarm that was a false one, on the word of an operator who looked.

use oubliette::CustomerId;
use oubliette::journal::Reason;
use serde_json::json;

use crate::answer::Answer;
use crate::args::ClearAlarm;
use crate::context::{Context, close};
use crate::exit::Failure;

pub fn run(context: &mut Context, asked: &ClearAlarm) -> Result<Answer, Failure> {
    let why = Reason::new(asked.why.clone()).map_err(|error| Failure::usage(format!("--why: {error}")))?;
    let highest = asked.highest_number.as_deref().map(|text| {
        text.parse::<CustomerId>().map_err(|error| Failure::usage(format!("{text:?} is no customer number: {error}")))
    });
    let highest = highest.transpose()?;
    let shown = context.shown()?;
    context.confirm(&format!(
        "Declare that the alarm of {shown} is false?\nThe command cannot check this: the root record there must \
         be the newest one. If it was restored from a backup, data that was shredded since is readable again, and \
         stays readable. In that case put the newest root record back, or run `oubliette replay`."
    ))?;
    let vault = context.clear_alarm(highest, why)?;
    let (generation, health) = (vault.generation()?, vault.health());
    close(vault)?;
    let text = format!(
        "The alarm is cleared, and the vault goes on at generation {generation}. Running programs go on by themselves.\n"
    );
    Answer::new(text, json!({ "generation": generation, "ready": health.ready, "alarm": health.alarm }))
}
