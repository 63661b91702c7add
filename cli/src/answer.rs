//! What a command says: for people, or for machines.

use std::io::Write;

use oubliette_register::access::Document;
use serde::Serialize;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};

/// One answer in both forms.
#[derive(Debug)]
pub struct Answer {
    pub exit: Exit,
    pub text: String,
    pub json: Value,
    /// Printed in place of either, as it is.
    pub document: Option<Document>,
}

impl Answer {
    pub fn new(text: impl Into<String>, json: impl Serialize) -> Result<Answer, Failure> {
        let json = serde_json::to_value(json).map_err(|error| Failure::of(Exit::TryAgain, &error))?;
        Ok(Answer { exit: Exit::Done, text: text.into(), json, document: None })
    }

    /// A document that is JSON already.
    pub fn document(document: Document) -> Answer {
        Answer { exit: Exit::Done, text: String::new(), json: Value::Null, document: Some(document) }
    }

    pub fn ending(mut self, exit: Exit) -> Answer {
        self.exit = exit;
        self
    }
}

/// Prints what became of a command, and gives its exit code. With `json`, exactly one document goes to the standard
/// output, also when the command failed.
pub fn print(done: Result<Answer, Failure>, as_json: bool) -> u8 {
    let (exit, text, json) = match done {
        Ok(Answer { exit, document: Some(document), .. }) => {
            let mut out = std::io::stdout().lock();
            // Half a document must not look like a whole one.
            let written = out.write_all(document.expose_personal_data().as_bytes());
            let written = written.and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
            return if written.is_ok() { exit as u8 } else { Exit::TryAgain as u8 };
        }
        Ok(answer) => (answer.exit, answer.text, answer.json),
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "oubliette: {}", failure.message);
            let exit = failure.exit;
            let json = json!({ "error": { "kind": exit.word(), "exit": exit as u8, "message": failure.message } });
            (exit, String::new(), json)
        }
    };
    let mut out = std::io::stdout().lock();
    // A reader that went away wants nothing more.
    let _ = if as_json { writeln!(out, "{json:#}") } else { out.write_all(text.as_bytes()) };
    let _ = out.flush();
    exit as u8
}

/// A point in time as people and machines read it: RFC 3339, in UTC, to the second.
pub fn time(at: std::time::SystemTime) -> String {
    jiff::Timestamp::try_from(at).map_or_else(|_| "unknown".into(), |at| format!("{at:.0}"))
}

/// Bytes for people.
pub fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    UNITS.iter().find(|(unit, _)| bytes >= *unit).map_or_else(
        || format!("{bytes} bytes"),
        |(unit, name)| format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
    )
}

/// One of it, or several.
pub fn count(number: u64, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}
