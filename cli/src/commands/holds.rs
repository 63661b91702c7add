//! Legal holds.

use std::fmt::Write;

use oubliette_register::HoldId;
use serde_json::{Value, json};

use crate::answer::{Answer, count};
use crate::args::{Holds, OfHolds, Whom};
use crate::commands::shred::reason;
use crate::context::{Context, purpose};
use crate::exit::Failure;
use crate::register::{Office, Tables, Work, at_desk, of_holds, of_text, subject, with_resumed};
use crate::times::{moment_or_date, shown};
use crate::wrap;

pub fn run(context: &mut Context, asked: Holds) -> Result<Answer, Failure> {
    match asked.what {
        None => list(context, None),
        Some(OfHolds::List { subject }) => list(context, subject.as_deref()),
        Some(OfHolds::Add { whom, until, why, purpose }) => add(context, &whom, &until, &why, purpose.as_deref()),
        Some(OfHolds::Lift { id, why }) => lift(context, &id, &why),
    }
}

/// From the tables alone: the vault has nothing to say. What is signed tells the public key, where it is configured.
fn list(context: &Context, whom: Option<&str>) -> Result<Answer, Failure> {
    let tables = Tables::open(context)?;
    let holds = match whom {
        Some(whom) => tables.know(&of_text(whom)?)?.holds,
        None => of_holds(&tables.database)?,
    };
    let ids = holds.iter().map(|hold| hold_id(&hold.id.to_string())).collect::<Result<Vec<_>, _>>()?;
    let signed = match &context.config.public_key {
        Some(_) => Office::desk(tables, context)?.signed_holds(&ids)?.into_iter().map(Some).collect(),
        None => vec![None; ids.len()],
    };
    let (mut out, mut all) = (String::new(), Vec::new());
    for (hold, signed) in holds.iter().zip(signed) {
        let whose = hold.subject.as_ref().map(|whose| format!("  {}", whose.escape_debug())).unwrap_or_default();
        // Writing to a string does not fail.
        let _ = writeln!(out, "{}", wrap::hanging(&format!("{}{whose}", hold.text()), 4));
        if let Some(signed) = signed {
            let _ = writeln!(out, "    {}", signed.text());
        }
        let mut json = hold.json();
        if let (Value::Object(members), Some(signed)) = (&mut json, signed) {
            members.insert("signed".to_owned(), signed.json());
        }
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
        let message = format!(
            "the purpose {:?} is neither in the register nor in the configuration; correct its name",
            only.name()
        );
        return Err(Failure::usage(message));
    }
    let (mut office, resumed) = Office::of(tables, context, Work::Writes)?;
    let hold = at_desk!(office, hold(&whom, only, why, until))?;
    office.tell();
    let signed = office.signed_hold(hold)?;
    office.close()?;
    let text = format!("Hold {hold} stands until {}.\n{}", shown(until), signed.sentence());
    let json = json!({ "hold": hold.to_stored(), "until": shown(until), "signed": signed.json() });
    Answer::new(text, with_resumed(json, &resumed))
}

fn lift(context: &mut Context, id: &str, why: &str) -> Result<Answer, Failure> {
    let (hold, why) = (hold_id(id)?, reason(why)?);
    context.confirm(&format!(
        "End hold {hold} before its time?\nThe next `oubliette resume` or `oubliette sweep` shreds the data that \
         waited for its end. You cannot undo that."
    ))?;
    let (mut office, resumed) = Office::of(Tables::open(context)?, context, Work::Writes)?;
    at_desk!(office, end_hold(hold, why))?;
    office.tell();
    let signed = office.signed_hold(hold)?;
    office.close()?;
    let json = json!({ "lifted": hold.to_stored(), "signed": signed.json() });
    Answer::new(format!("Hold {hold} has ended.\n{}", signed.sentence()), with_resumed(json, &resumed))
}

fn hold_id(text: &str) -> Result<HoldId, Failure> {
    text.parse().map_err(|error| Failure::usage(format!("{text:?} is not the id of a hold: {error}")))
}
