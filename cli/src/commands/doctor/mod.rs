//! What will go wrong, and what to do about it.

mod copies;
mod files;
mod findings;
mod journal;
mod key_store;
mod media;
mod register;
mod rows;
mod signed;
mod vault;
mod versions;

use std::fmt::Write;
use std::time::Duration;

use serde_json::json;

use crate::answer::{Answer, count};
use crate::args::Doctor;
use crate::config::needs_vault;
use crate::context::Context;
use crate::exit::Failure;
use findings::{Finding, Findings, Severity};

/// A lease that is longer lets shredded data be read for longer than people expect.
const LONGEST_LEASE: Duration = Duration::from_secs(5);

pub fn run(context: &mut Context, asked: &Doctor) -> Result<Answer, Failure> {
    let longest_lease = longest_lease(context, asked)?;
    let mut findings = Findings::default();
    if context.config.is_desk() {
        return at_desk(context, asked, findings);
    }
    let vault = match context.shown() {
        // Its URL cannot be read, which is a finding.
        Err(_) if context.config.key_store.is_some() => "the key store in PostgreSQL".to_owned(),
        shown => shown?,
    };
    let places = files::places(context)?;
    files::look(context, &places, &mut findings);
    media::look(&places, &mut findings);
    let backups: Vec<_> = context.config.backups.iter().chain(&asked.backups).cloned().collect();
    let is_reached = key_store::look(context, &vault, &backups, &mut findings);
    let mut seen = None;
    if is_reached && !asked.files_only {
        seen = vault::look(context, longest_lease, &mut findings)?;
    }
    let generation = seen.as_ref().map(|seen| seen.generation);
    let has_register = seen.is_some_and(|seen| seen.has_register);
    let meant = context.config.root_copies_kept.as_deref().map(crate::config::duration).transpose()?;
    for backup in &backups {
        copies::look(backup, &places, generation, meant, context.secrets.file(), &mut findings);
    }
    let exit = findings.exit();
    let findings = findings.worst_first();
    let of = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let json = json!({
        "vault": vault,
        "worst": exit.word(),
        "grave": of(Severity::Grave),
        "warnings": of(Severity::Warning),
        "looked_at": {
            "places": places.len(), "backups": backups, "inside_the_vault": generation.is_some(),
            "register": has_register,
        },
        "findings": findings,
    });
    Ok(Answer::new(text(&findings, asked.files_only, has_register, backups.len()), json)?.ending(exit))
}

/// Without the vault: its register, as far as the tables show.
fn at_desk(context: &Context, asked: &Doctor, mut findings: Findings) -> Result<Answer, Failure> {
    if asked.files_only || !asked.backups.is_empty() {
        return Err(needs_vault());
    }
    let tables = register::tables(context, &mut findings);
    let has_register = tables.is_some();
    if let Some(tables) = tables {
        register::look(context, None, tables, &mut findings);
    }
    let exit = findings.exit();
    let findings = findings.worst_first();
    let of = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let json = json!({
        "vault": null,
        "worst": exit.word(),
        "grave": of(Severity::Grave),
        "warnings": of(Severity::Warning),
        "looked_at": { "places": 0, "backups": [], "inside_the_vault": false, "register": has_register },
        "findings": findings,
    });
    let mut text = text(&findings, false, has_register, 1);
    text.push_str("The vault was not checked: the configuration names none (an officer's desk).\n");
    Ok(Answer::new(text, json)?.ending(exit))
}

fn longest_lease(context: &Context, asked: &Doctor) -> Result<Duration, Failure> {
    let Some(text) = asked.longest_lease.as_ref().or(context.config.longest_lease.as_ref()) else {
        return Ok(LONGEST_LEASE);
    };
    crate::config::duration(text)
}

fn text(findings: &[Finding], files_only: bool, has_register: bool, backups: usize) -> String {
    let mut out = String::new();
    for finding in findings {
        let severity = match finding.severity {
            Severity::Grave => "GRAVE",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        // Writing to a string does not fail.
        let _ = writeln!(out, "{severity}: {}: {}", finding.place, finding.what);
        let _ = writeln!(out, "    means: {}", finding.meaning);
        let _ = writeln!(out, "    do:    {}\n", finding.advice);
    }
    let bad = findings.iter().filter(|finding| finding.severity > Severity::Note).count() as u64;
    if bad == 0 {
        out.push_str("No fault was found.");
    } else {
        let _ = write!(out, "{} to see to.", count(bad, "thing", "things"));
    }
    if files_only {
        out.push_str(" The vault was not opened (--files-only).");
    }
    if !files_only && !has_register {
        out.push_str(" The register was not checked: grants, requests, retention.");
    }
    if backups == 0 {
        out.push_str(" No backup was searched for root records: name backed-up paths with --backup PATH.");
    }
    out.push('\n');
    out
}
