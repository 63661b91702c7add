//! The journal: checked, read, mended.

use std::fmt::Write;
use std::path::Path;

use oubliette::journal::{self, PublicKey};
use serde_json::json;

use crate::answer::{Answer, count};
use crate::args::Journal;
use crate::commands::{shred, verify};
use crate::context::{Context, close};
use crate::exit::{Exit, Failure, chain};

pub fn run(context: &mut Context, asked: Journal) -> Result<Answer, Failure> {
    match asked {
        Journal::Verify(asked) => verify::journal(context, &asked),
        Journal::Show { file, key, from } => {
            let (file, key) = (verify::file(context, file.as_ref())?, verify::key(context, &key)?);
            show(&file, &key, from)
        }
        Journal::Key => key(context),
        Journal::AcceptLoss { why } => accept_loss(context, &why),
    }
}

/// What is good is shown, and what is not is marked: one line of which nobody knows what it was hides no other.
fn show(file: &Path, key: &PublicKey, from: u64) -> Result<Answer, Failure> {
    let (mut text, mut entries, mut damaged) = (String::new(), Vec::new(), Vec::new());
    let mut is_any = false;
    for entry in journal::entries(file, key)?.past_damage() {
        let entry = match entry {
            Ok(entry) => entry,
            // Of a file of which nothing is known there is nothing to show.
            Err(error) if !is_any => return Err(error.into()),
            Err(error) => {
                let why = chain(&error);
                // Writing to a string does not fail.
                let _ = writeln!(text, "DAMAGED  {why}");
                damaged.push(json!({ "line": error.line(), "why": why }));
                continue;
            }
        };
        is_any = true;
        if entry.n() < from {
            continue;
        }
        let event = serde_json::to_value(entry.event()).map_err(|error| Failure::of(Exit::TryAgain, &error))?;
        let _ = writeln!(text, "{:>6}  {}  generation {:<6} {event}", entry.n(), entry.at(), entry.generation());
        entries.push(json!({
            "n": entry.n(), "at": entry.at().to_string(), "generation": entry.generation(), "event": event,
        }));
    }
    let exit = if damaged.is_empty() { Exit::Done } else { Exit::Incomplete };
    if !damaged.is_empty() {
        let _ = writeln!(
            text,
            "\nINCOMPLETE: {}. Keep this file as evidence; `oubliette journal verify` with a receipt or an anchor says more.",
            count(damaged.len() as u64, "fault is marked", "faults are marked")
        );
    }
    Ok(Answer::new(text, json!({ "file": file, "entries": entries, "damaged": damaged }))?.ending(exit))
}

fn key(context: &mut Context) -> Result<Answer, Failure> {
    let vault = context.unlock(&[])?;
    let key = vault.public_key()?;
    close(vault)?;
    Answer::new(format!("{key}\n"), json!({ "public_key": key.to_string() }))
}

fn accept_loss(context: &mut Context, why: &str) -> Result<Answer, Failure> {
    let why = shred::reason(why)?;
    let journal = verify::file(context, None)?;
    context.confirm(&format!(
        "Go on without the missing end of {}?\nIts entries are lost: the journal will not say who was shredded in \
         that time. Look for the newest copy first.",
        journal.display()
    ))?;
    let root_key = context.secrets.current()?;
    let vault = context.opened(context.builder()?.accept_journal_loss(why).unlock(root_key)?);
    close(vault)?;
    let text = format!("{} goes on. If its end was missing, it now records the gap.\n", journal.display());
    Answer::new(text, json!({ "accepted": journal }))
}
