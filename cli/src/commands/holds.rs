//! Legal holds.

use std::fmt::Write;

use oubliette_register::HoldId;
use serde_json::{Value, json};

use crate::answer::{Answer, count};
use crate::args::{Holds, OfHolds, Whom};
use crate::commands::requests::finish;
use crate::commands::shred::reason;
use crate::context::{Context, purpose};
use crate::exit::Failure;
use crate::receipts::Receipts;
use crate::register::{Open, Tables, Work, in_transaction, of_holds, of_text, subject, with_resumed};
use crate::times::{moment_or_date, shown};

pub fn run(context: &mut Context, asked: Holds) -> Result<Answer, Failure> {
    match asked.what {
        None => list(context, None),
        Some(OfHolds::List { subject }) => list(context, subject.as_deref()),
        Some(OfHolds::Add { whom, until, why, purpose }) => add(context, &whom, &until, &why, purpose.as_deref()),
        Some(OfHolds::Lift { id, why }) => lift(context, &id, &why),
    }
}

/// From the tables alone: the vault has nothing to say.
fn list(context: &Context, whom: Option<&str>) -> Result<Answer, Failure> {
    let tables = Tables::open(context)?;
    let holds = match whom {
        Some(whom) => tables.know(&of_text(whom)?)?.holds,
        None => of_holds(&tables.database)?,
    };
    let (mut out, mut all) = (String::new(), Vec::new());
    for hold in &holds {
        let whose = hold.subject.as_ref().map(|whose| format!("  {}", whose.escape_debug())).unwrap_or_default();
        // Writing to a string does not fail.
        let _ = writeln!(out, "{}{whose}", hold.text());
        let mut json = hold.json();
        if let Value::Object(members) = &mut json
            && let Some(whose) = &hold.subject
        {
            members.insert("subject".to_owned(), Value::from(whose.as_str()));
        }
        all.push(json);
    }
    let _ = writeln!(out, "{}", count(holds.len() as u64, "hold stands", "holds stand"));
    Answer::new(out, json!({ "holds": all }))
}

fn add(context: &mut Context, whom: &Whom, until: &str, why: &str, only: Option<&str>) -> Result<Answer, Failure> {
    let (whom, until, why) = (subject(whom)?, moment_or_date(until)?, reason(why)?);
    let only = only.map(purpose).transpose()?;
    let tables = Tables::open(context)?;
    tables.know(&whom)?;
    if let Some(only) = only
        && !tables.purposes(context)?.contains(&only)
    {
        let message = format!("neither the register nor the configuration knows a purpose {:?}", only.name());
        return Err(Failure::usage(message));
    }
    let mut open = tables.unlock(context, Receipts::new(&context.config)?)?;
    let resumed = open.resume(Work::Writes)?;
    let hold = in_transaction!(open, hold(&whom, only, why, until))?;
    finish(open)?;
    let text = format!("Hold {hold} stands until {}.\n", shown(until));
    let json = json!({ "hold": hold.to_stored(), "until": shown(until) });
    Answer::new(text, with_resumed(json, &resumed))
}

fn lift(context: &mut Context, id: &str, why: &str) -> Result<Answer, Failure> {
    let wrong = |error| Failure::usage(format!("{id:?} is no hold: {error}"));
    let (hold, why): (HoldId, _) = (id.parse().map_err(wrong)?, reason(why)?);
    context.confirm(&format!(
        "Lift hold {hold} before its time?\nWhat waited for its end is shredded by the next `resume` or `sweep`. That cannot be undone."
    ))?;
    let (open, resumed) = Open::of(context, Work::Writes)?;
    in_transaction!(open, end_hold(hold, why))?;
    finish(open)?;
    Answer::new(format!("Hold {hold} has ended.\n"), with_resumed(json!({ "lifted": hold.to_stored() }), &resumed))
}
