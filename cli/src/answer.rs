//! What a command says: for people, or for machines.

use std::io::{IsTerminal, Write};

use oubliette_register::access::Document;
use serde::Serialize;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::wrap;

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
    let (exit, written) = match done {
        Ok(Answer { exit, document: Some(document), .. }) => (exit, write(&[document.expose_personal_data(), "\n"])),
        Ok(Answer { exit, json, .. }) if as_json => (exit, write(&[&format!("{json:#}\n")])),
        Ok(Answer { exit, text, .. }) if std::io::stdout().is_terminal() => (exit, write(&[&wrap::lines(&text)])),
        Ok(Answer { exit, text, .. }) => (exit, write(&[&text])),
        Err(failure) => {
            tell(&failure.message);
            let exit = failure.exit;
            let json = json!({ "error": { "kind": exit.word(), "exit": exit as u8, "message": failure.message } });
            // It was told on the standard error, and why it failed says more than that this could not be printed.
            if as_json {
                let _ = write(&[&format!("{json:#}\n")]);
            }
            return exit as u8;
        }
    };
    written_or_told(written).unwrap_or(exit) as u8
}

/// What is not for people nor for machines: help, and the version.
pub fn print_help(error: &clap::Error) -> u8 {
    let written = error.print().and_then(|()| std::io::stdout().flush());
    written_or_told(written).unwrap_or(Exit::Done) as u8
}

/// A report that was not written whole must not end like one that was: whoever reads it cannot tell.
fn written_or_told(written: std::io::Result<()>) -> Option<Exit> {
    let error = written.err()?;
    tell(&format!("the command did its work, but its answer could not be written whole ({error})"));
    Some(Exit::Unwritten)
}

fn write(parts: &[&str]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    parts.iter().try_for_each(|part| out.write_all(part.as_bytes()))?;
    out.flush()
}

/// On the standard error, of which nobody can be told when it fails.
fn tell(message: &str) {
    let mut out = std::io::stderr();
    let line = format!("oubliette: {message}\n");
    let line = if out.is_terminal() { wrap::lines(&line) } else { line };
    let _ = out.write_all(line.as_bytes());
}

/// How far something long is, beside what it answers in the end. Nobody is stopped by a place that does not take it.
pub fn progress(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{line}");
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
