//! What customers asked for.

use std::fmt::Write;

use jiff::Timestamp;
use oubliette::journal::{Event, Reason, Time};
use oubliette_register::{DamagedRow, Request, RequestId, Signed, Unsigned};
use serde_json::{Value, json};

use crate::answer::{Answer, count};
use crate::args::{Answered, OfRequests, Requests};
use crate::commands::shred::reason;
use crate::context::Context;
use crate::database::Given;
use crate::exit::{Exit, Failure};
use crate::register::{IsSigned, Known, Office, Tables, Work, at_desk, subject, with_resumed};
use crate::times::{moment_or_date, shown};
use crate::wrap;

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
                return Err(Failure::usage(
                    "the time of arrival is in the future; give the time when the request arrived",
                ));
            }
            let whom = subject(&whom)?;
            let tables = Tables::open(context)?;
            if !new && Known::of(&tables.database, &whom)?.is_none() {
                return Err(Failure::usage(
                    "nothing was recorded, since the register does not know a customer of this id. If the id is \
                     right, give --new: the person must get an answer all the same",
                ));
            }
            let (mut office, resumed) = Office::of(tables, context, Work::Writes)?;
            let request = at_desk!(office, request(&whom, kind.into(), arrived))?;
            let signed = settle(&mut office, request.id)?;
            office.close()?;
            let mut text = format!("Request {} is recorded, and due {}.\n", request.id, shown(request.due_at));
            if let Some(time) = request.held_until {
                let held = "A legal hold stands until {}. The first sweep after its end carries the erasure out.\n";
                text.push_str(&held.replace("{}", &shown(time)));
            } else if let Some(time) = request.carried_out_at {
                text.push_str(&format!("The first sweep after {} carries the erasure out.\n", shown(time)));
            } else if request.kind == oubliette_register::RequestKind::Erasure {
                text.push_str("`oubliette erase` carries the erasure out.\n");
            }
            text.push_str(signed.sentence());
            let json = json!({ "recorded": one(&request, signed, Timestamp::now()) });
            Answer::new(text, with_resumed(json, &resumed))
        }
        Some(OfRequests::Answer { id, answer, why }) => close(context, &id, answer, why.as_deref()),
        Some(OfRequests::Note { id, text }) => {
            let (id, note) = (request_id(&id)?, reason(&text)?);
            let (mut office, resumed) = Office::of(Tables::open(context)?, context, Work::Writes)?;
            at_desk!(office, note_request(id, note))?;
            let signed = settle(&mut office, id)?;
            office.close()?;
            let json = with_resumed(json!({ "noted": id.to_stored(), "signed": signed.json() }), &resumed);
            let noted = format!("The note about request {id} is recorded.\n{}", signed.sentence());
            Answer::new(noted, json)
        }
        Some(OfRequests::Show { id }) => show(context, &id),
        Some(OfRequests::Extend { id, why }) => {
            let (id, why) = (request_id(&id)?, reason(&why)?);
            let (mut office, resumed) = Office::of(Tables::open(context)?, context, Work::Writes)?;
            let request = at_desk!(office, extend(id, why))?;
            let signed = settle(&mut office, id)?;
            office.close()?;
            let text = format!("Request {id} is due {}.\n{}", shown(request.due_at), signed.sentence());
            let json = json!({ "extended": one(&request, signed, Timestamp::now()) });
            Answer::new(text, with_resumed(json, &resumed))
        }
    }
}

/// Has the journal told, where there is a vault, and says whether it was.
fn settle(office: &mut Office, request: RequestId) -> Result<IsSigned, Failure> {
    office.tell();
    office.signed_request(request)
}

fn list(context: &mut Context, late: bool) -> Result<Answer, Failure> {
    let (office, resumed) = Office::of(Tables::open(context)?, context, Work::Reads)?;
    let requests = if late { at_desk!(office, late_requests())? } else { at_desk!(office, requests())? };
    let ids: Vec<RequestId> = requests.iter().map(|request| request.id).collect();
    let signed = office.signed_requests(&ids)?;
    let waiting = at_desk!(office, unsigned())?;
    // What somebody wrote into a row hides no other.
    let damaged = at_desk!(office, damaged_rows())?;
    office.close()?;
    let concerns =
        |row: &&DamagedRow| ["oubliette_requests", "oubliette_outbox", "oubliette_subjects"].contains(&row.table);
    let damaged: Vec<String> = damaged.iter().filter(concerns).map(ToString::to_string).collect();
    let now = Timestamp::now();
    let mut out = String::new();
    for (request, signed) in requests.iter().zip(&signed) {
        // Writing to a string does not fail. Eighty columns, unless an id is long.
        let _ = writeln!(
            out,
            "{:>16}  {:<13}  due {}  {:<11}  {}",
            request.id,
            request.kind.as_str(),
            date(request.due_at),
            when(days_left(request, now)),
            request.subject.as_str().escape_debug(),
        );
        let _ = writeln!(out, "{:>16}  arrived {}; {}", "", date(request.received_at), signed.text());
        if let Some(until) = request.held_until {
            let _ = writeln!(out, "{:>16}  waits for the first sweep after a hold ends, on {}", "", date(until));
        }
    }
    if !waiting.is_empty() {
        let acts = count(waiting.len() as u64, "act is", "acts are");
        let _ = writeln!(out, "\n{acts} not yet signed; they count, and wait for a process with the vault:");
        for Unsigned { at, event, .. } in &waiting {
            let line = format!("  {}  {}", shown(*at), in_words(event));
            let _ = writeln!(out, "{}", wrap::hanging(&line, 24));
        }
        out.push('\n');
    }
    if !damaged.is_empty() {
        let _ = writeln!(out, "\nINCOMPLETE: these rows cannot be read and are left out:");
        for row in &damaged {
            let _ = writeln!(out, "{}", wrap::hanging(&format!("  {row}"), 4));
        }
        out.push('\n');
    }
    let worst = requests.iter().map(|request| days_left(request, now)).min();
    let exit = match worst {
        Some(..0) => Exit::Grave,
        _ if !damaged.is_empty() => Exit::Incomplete,
        Some(0..=SOON) => Exit::Found,
        _ => Exit::Done,
    };
    let number = requests.len() as u64;
    let kind = if late { "late request" } else { "open request" };
    let _ = writeln!(out, "{}", count(number, kind, &format!("{kind}s")));
    let all: Vec<Value> = requests.iter().zip(&signed).map(|(request, signed)| one(request, *signed, now)).collect();
    let waiting: Vec<Value> =
        waiting.iter().map(|waits| json!({ "at": shown(waits.at), "event": waits.event })).collect();
    let json = json!({ "requests": all, "not_yet_signed": waiting, "damaged_rows": damaged });
    Ok(Answer::new(out, with_resumed(json, &resumed))?.ending(exit))
}

/// What waits, for whoever is to find an act that is not theirs.
fn in_words(event: &Event) -> String {
    let why = |why: &Option<Reason>| why.as_ref().map(|why| format!(": {}", why.as_str())).unwrap_or_default();
    match event {
        Event::Requested { request, what, due, .. } => {
            format!("request {request}: {}, due {}", what.as_str(), shown_time(*due))
        }
        Event::RequestExtended { request, due, why } => {
            format!("request {request} extended to {}: {}", shown_time(*due), why.as_str())
        }
        Event::RequestNoted { request, note } => format!("request {request} noted: {}", note.as_str()),
        Event::RequestClosed { request, how, why: given } => {
            format!("request {request} closed, {}{}", how.as_str(), why(given))
        }
        Event::Hold { hold, purpose, why, .. } => {
            let what = purpose.as_ref().map(|purpose| format!(" on {:?}", purpose.as_str())).unwrap_or_default();
            format!("hold {hold} placed{what}: {}", why.as_str())
        }
        Event::HoldEnded { hold, why: given } => format!("hold {hold} ended{}", why(given)),
        Event::HoldOverridden { hold, what, why } => {
            format!("hold {hold} overridden, for {}: {}", what.as_str(), why.as_str())
        }
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

fn shown_time(time: Time) -> String {
    time.to_string().split('T').next().unwrap_or_default().to_owned()
}

fn date(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

/// One request, whatever became of it.
fn show(context: &mut Context, id: &str) -> Result<Answer, Failure> {
    let id = request_id(id)?;
    let (office, resumed) = Office::of(Tables::open(context)?, context, Work::Reads)?;
    const ONE: &str = "SELECT r.kind, r.received_at, r.due_at, r.state, r.closed_at, r.why, s.subject \
        FROM oubliette_requests r JOIN oubliette_subjects s ON s.id = r.subject_id WHERE r.id = ?1";
    let rows = office.database().query(ONE, &[Given::Integer(id.to_stored())])?;
    let row = rows.first().ok_or_else(|| Failure::usage(format!("there is no request {id}")))?;
    let signed = office.signed_request(id)?;
    office.close()?;
    let time = |at: usize| {
        let time = row.maybe_integer(at)?.map(Timestamp::from_millisecond).transpose();
        Ok::<_, Failure>(time.map_err(|error| Failure::of(Exit::Investigate, &error))?.map(shown))
    };
    let (kind, state, why, subject) = (row.text(0)?, row.text(3)?, row.maybe_text(5)?, row.maybe_text(6)?);
    let (arrived, due, closed) = (time(1)?, time(2)?, time(4)?);
    let mut out = String::new();
    let mut line = |what: &str, value: Option<&str>| {
        if let Some(value) = value {
            // Writing to a string does not fail.
            let _ = writeln!(out, "{}", wrap::hanging(&format!("{what:<10} {value}"), 11));
        }
    };
    line("request", Some(&format!("{id}, for {kind}")));
    line("of", Some(&subject.map_or_else(|| "somebody who was erased".to_owned(), |of| of.escape_debug().to_string())));
    line("arrived", arrived.as_deref());
    line("due", due.as_deref());
    line("state", Some(state));
    line("closed", closed.as_deref());
    line("why", why);
    line("signed", Some(&signed.text()));
    let json = json!({
        "request": id.to_stored(), "kind": kind, "subject": subject, "arrived": arrived, "due": due, "state": state,
        "closed": closed, "why": why, "signed": signed.json(),
    });
    let exit = if signed.0 == Signed::Differs { Exit::Grave } else { Exit::Done };
    Ok(Answer::new(out, with_resumed(json, &resumed))?.ending(exit))
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

fn one(request: &Request, signed: IsSigned, now: Timestamp) -> Value {
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
        "held_until": request.held_until.map(shown),
        "signed": signed.json(),
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
    let (mut office, resumed) = Office::of(tables, context, Work::Writes)?;
    let (how, word) = match answer {
        Answered::Done => (oubliette_register::Answer::Done, "done"),
        Answered::Refused => (oubliette_register::Answer::Refused, "refused"),
        Answered::Withdrawn => (oubliette_register::Answer::Withdrawn, "withdrawn"),
    };
    at_desk!(office, close_request(id, how, why))?;
    let signed = settle(&mut office, id)?;
    office.close()?;
    let json = json!({ "closed": id.to_stored(), "how": word, "signed": signed.json() });
    let text = format!("Request {id} is closed: {word}.\n{}", signed.sentence());
    Answer::new(text, with_resumed(json, &resumed))
}

fn request_id(text: &str) -> Result<RequestId, Failure> {
    text.parse().map_err(|error| Failure::usage(format!("{text:?} is not the id of a request: {error}")))
}
