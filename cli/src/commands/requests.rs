//! What customers asked for.

use std::fmt::Write;

use jiff::Timestamp;
use oubliette_register::{Request, RequestId};
use serde_json::{Value, json};

use crate::answer::{Answer, count};
use crate::args::{Answered, OfRequests, Requests};
use crate::commands::shred::reason;
use crate::context::Context;
use crate::database::Given;
use crate::exit::{Exit, Failure};
use crate::receipts::Receipts;
use crate::register::{Known, Open, Tables, Work, in_transaction, subject, with_resumed};
use crate::times::{moment_or_date, shown};

/// Days before a request is due from which on it is a finding.
pub const SOON: i64 = 7;

pub fn run(context: &mut Context, asked: Requests) -> Result<Answer, Failure> {
    if asked.late && asked.what.is_some() {
        return Err(Failure::usage("--late is for the list of requests"));
    }
    match asked.what {
        None => list(context, asked.late),
        Some(OfRequests::Add { whom, kind, arrived, new }) => {
            let arrived = match arrived {
                Some(text) => moment_or_date(&text)?,
                None => Timestamp::now(),
            };
            if arrived > Timestamp::now() {
                return Err(Failure::usage("a request that has not arrived yet cannot be recorded"));
            }
            let whom = subject(&whom)?;
            let tables = Tables::open(context)?;
            if !new && Known::of(&tables.database, &whom)?.is_none() {
                return Err(Failure::usage(
                    "the register knows no customer of this id, and nothing was recorded; give --new if that is so, since they are to be answered all the same",
                ));
            }
            let mut open = tables.unlock(context, Receipts::new(&context.config)?)?;
            let resumed = open.resume(Work::Writes)?;
            let request = in_transaction!(open, request(&whom, kind.into(), arrived))?;
            finish(open)?;
            let mut text = format!("Request {} is recorded, and due {}.\n", request.id, shown(request.due_at));
            if let Some(time) = request.carried_out_at {
                text.push_str(&format!("The first sweep after {} carries it out.\n", shown(time)));
            } else if request.kind == oubliette_register::RequestKind::Erasure {
                text.push_str("`oubliette erase` carries it out.\n");
            }
            Answer::new(text, with_resumed(json!({ "recorded": one(&request, Timestamp::now()) }), &resumed))
        }
        Some(OfRequests::Answer { id, answer, why }) => close(context, &id, answer, why.as_deref()),
        Some(OfRequests::Note { id, text }) => {
            let (id, note) = (request_id(&id)?, reason(&text)?);
            let (open, resumed) = Open::of(context, Work::Writes)?;
            in_transaction!(open, note_request(id, note))?;
            finish(open)?;
            let json = with_resumed(json!({ "noted": id.to_stored() }), &resumed);
            Answer::new(format!("Noted about request {id}, in the journal.\n"), json)
        }
        Some(OfRequests::Extend { id, why }) => {
            let (id, why) = (request_id(&id)?, reason(&why)?);
            let (open, resumed) = Open::of(context, Work::Writes)?;
            let request = in_transaction!(open, extend(id, why))?;
            finish(open)?;
            let text = format!("Request {id} is due {}.\n", shown(request.due_at));
            Answer::new(text, with_resumed(json!({ "extended": one(&request, Timestamp::now()) }), &resumed))
        }
    }
}

fn list(context: &mut Context, late: bool) -> Result<Answer, Failure> {
    let (open, resumed) = Open::of(context, Work::Reads)?;
    let requests = if late { in_transaction!(open, late_requests())? } else { in_transaction!(open, requests())? };
    open.close()?;
    let now = Timestamp::now();
    let mut out = String::new();
    for request in &requests {
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "{:>16}  {:<13}  arrived {}  due {}  {:<12}  {}",
            request.id,
            request.kind.as_str(),
            shown(request.received_at),
            shown(request.due_at),
            when(days_left(request, now)),
            request.subject.as_str().escape_debug(),
        );
    }
    let worst = requests.iter().map(|request| days_left(request, now)).min();
    let exit = match worst {
        Some(..0) => Exit::Grave,
        Some(0..=SOON) => Exit::Found,
        _ => Exit::Done,
    };
    let number = requests.len() as u64;
    let kind = if late { "late request" } else { "open request" };
    let _ = writeln!(out, "{}", count(number, kind, &format!("{kind}s")));
    let all: Vec<Value> = requests.iter().map(|request| one(request, now)).collect();
    Ok(Answer::new(out, with_resumed(json!({ "requests": all }), &resumed))?.ending(exit))
}

/// Whole days; below zero once it is late.
fn days_left(request: &Request, now: Timestamp) -> i64 {
    request.due_at.duration_since(now).as_secs().div_euclid(24 * 3600)
}

fn when(days: i64) -> String {
    match days {
        ..0 => format!("LATE {} d", days.unsigned_abs()),
        _ => format!("{days} d left"),
    }
}

fn one(request: &Request, now: Timestamp) -> Value {
    let days = days_left(request, now);
    json!({
        "request": request.id.to_stored(),
        "subject": request.subject.as_str(),
        "kind": request.kind.as_str(),
        "arrived": shown(request.received_at),
        "due": shown(request.due_at),
        "days_left": days,
        "late": days < 0,
        "carried_out_at": request.carried_out_at.map(shown),
    })
}

fn close(context: &mut Context, id: &str, answer: Answered, why: Option<&str>) -> Result<Answer, Failure> {
    let (id, why) = (request_id(id)?, why.map(reason).transpose()?);
    let tables = Tables::open(context)?;
    const ASKED: &str = "SELECT r.kind, s.state FROM oubliette_requests r \
        JOIN oubliette_subjects s ON s.id = r.subject_id WHERE r.id = ?1 AND r.state = 'open'";
    if answer == Answered::Done
        && let Some(row) = tables.database.query(ASKED, &[Given::Integer(id.to_stored())])?.first()
    {
        let not_done = match (row.text(0)?, row.text(1)?) {
            ("erasure", "live") => {
                Some("although the customer is not erased? `oubliette erase` erases them, and closes it.")
            }
            ("restriction", _) => Some("although nothing here is restricted? The application does that."),
            ("objection", _) => Some("although nothing here was stopped? `oubliette withdraw` ends a purpose."),
            _ => None,
        };
        if let Some(not_done) = not_done {
            if why.is_none() {
                let message = format!("Done, {not_done} Say what was done, by --why: it is in the journal");
                return Err(Failure::usage(message));
            }
            context.confirm(&format!("Close a request for {} as done, {not_done}", row.text(0)?))?;
        }
    }
    let mut open = tables.unlock(context, Receipts::new(&context.config)?)?;
    let resumed = open.resume(Work::Writes)?;
    let (how, word) = match answer {
        Answered::Done => (oubliette_register::Answer::Done, "done"),
        Answered::Refused => (oubliette_register::Answer::Refused, "refused"),
        Answered::Withdrawn => (oubliette_register::Answer::Withdrawn, "withdrawn"),
    };
    in_transaction!(open, close_request(id, how, why))?;
    finish(open)?;
    let json = json!({ "closed": id.to_stored(), "how": word });
    Answer::new(format!("Request {id} is closed: {word}.\n"), with_resumed(json, &resumed))
}

/// Tells the journal at once what was just committed, and closes the vault.
pub fn finish(mut open: Open) -> Result<(), Failure> {
    // What cannot be told now lies in the outbox: the next flush tells it.
    let _ = crate::register::own_transaction!(open, flush());
    open.close()
}

fn request_id(text: &str) -> Result<RequestId, Failure> {
    text.parse().map_err(|error| Failure::usage(format!("{text:?} is no request: {error}")))
}
