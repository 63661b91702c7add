//! Retention: what was kept long enough is shredded.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::ControlFlow;

use indicatif::{ProgressBar, ProgressStyle};
use oubliette::Purpose;
use oubliette_register::Due;
use serde_json::{Value, json};

use crate::answer::{Answer, count};
use crate::args::Sweep;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::receipts::{NOWHERE, Receipts};
use crate::register::{
    Office, Open, Tables, Work, at_desk, in_transaction, own_transaction, receipts_json, with_resumed,
};
use crate::wrap;

/// An erasure that was requested, among the purposes that are due.
const ERASURES: &str = "requested erasures";

pub fn run(context: &mut Context, asked: &Sweep) -> Result<Answer, Failure> {
    if context.config.is_desk() {
        let desk = Office::desk(Tables::open(context)?, context)?;
        if let Some(disagreement) = desk.disagreement()? {
            return Err(Failure::new(Exit::Config, disagreement));
        }
        return dry_run(&at_desk!(desk, due())?);
    }
    let receipts = Receipts::new(&context.config)?;
    let mut open = Tables::open(context)?.unlock(context, receipts.clone())?;
    if let Some(disagreement) = open.disagreement()? {
        return Err(Failure::new(Exit::Config, disagreement));
    }
    if asked.dry_run {
        let due = in_transaction!(open, due())?;
        open.close()?;
        return dry_run(&due);
    }
    let due = in_transaction!(open, due())?;
    let going = due.iter().filter(|due| !due.held);
    if going.clone().next().is_none() {
        return nothing(open, &due);
    }
    if !receipts.has_directory() && going.clone().any(|due| due.purpose.is_none()) {
        let message = format!("a requested erasure is due, but its receipt has no place: {NOWHERE}");
        return Err(Failure::new(Exit::Config, message));
    }
    context.confirm(&format!(
        "Shred what is due?\n{}The data becomes unreadable in every copy and every backup. You cannot undo this.",
        by_purpose(&due)
    ))?;
    context.every_place_is_there(open.vault())?;
    let resumed = open.resume(Work::Writes)?;
    let bar = bar(due.len() as u64);
    let swept = own_transaction!(
        open,
        sweep(|so_far| {
            bar.set_position(so_far.due.saturating_add(so_far.erased));
            ControlFlow::Continue(())
        })
    );
    bar.finish_and_clear();
    let swept = swept?;
    open.close()?;
    let mut text = format!(
        "Swept: {} due, {} shredded, {} erased as requested.\n",
        count(swept.due, "customer's purpose", "customers' purposes"),
        count(swept.shredded, "number", "numbers"),
        count(swept.erased, "customer", "customers"),
    );
    if swept.held > 0 {
        let held = count(swept.held, "customer was", "customers were");
        text.push_str(&format!("{held} left alone because of a legal hold.\n"));
    }
    for receipt in receipts.of_others() {
        text.push_str(&format!("A receipt is in {}: hand it over.\n", receipt.display()));
    }
    let exit = if swept.unfinished.is_some() { Exit::Incomplete } else { Exit::Done };
    let unfinished = swept.unfinished.map(|error| Failure::from(error).message);
    if let Some(why) = &unfinished {
        text.push_str(&format!(
            "INCOMPLETE: some customers were left out, the first because: {why}. `oubliette doctor` lists damaged rows.\n"
        ));
    }
    let json = json!({
        "due": swept.due,
        "unfinished": unfinished,
        "shredded": swept.shredded,
        "erased": swept.erased,
        "held": swept.held,
        "receipts": receipts_json(&receipts),
    });
    Ok(Answer::new(text, with_resumed(json, &resumed))?.ending(exit))
}

fn nothing(mut open: Open, due: &[Due]) -> Result<Answer, Failure> {
    let resumed = open.resume(Work::Writes)?;
    open.close()?;
    let held = due.len() as u64;
    let mut text = String::from("Nothing is due.\n");
    if held > 0 {
        text = format!(
            "Nothing can be shredded now; a legal hold protects what is due: {}.\n",
            count(held, "customer", "customers")
        );
    }
    let json = json!({ "due": held, "shredded": 0, "erased": 0, "held": held, "receipts": [] });
    Answer::new(text, with_resumed(json, &resumed))
}

fn purpose(due: &Due) -> &'static str {
    due.purpose.map_or(ERASURES, Purpose::name)
}

fn by_purpose(due: &[Due]) -> String {
    let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for due in due {
        let (going, held) = counts.entry(purpose(due)).or_default();
        *if due.held { held } else { going } += 1;
    }
    let mut out = String::new();
    for (purpose, (going, held)) in counts {
        let held = if held > 0 { format!(", and {held} left alone because of a legal hold") } else { String::new() };
        // Writing to a string does not fail.
        let _ = writeln!(out, "  {purpose}: {}{held}", count(going, "customer", "customers"));
    }
    out
}

fn dry_run(due: &[Due]) -> Result<Answer, Failure> {
    let mut out = String::new();
    for one in due {
        let numbers: Vec<String> = one.numbers.iter().map(ToString::to_string).collect();
        let held = if one.held { "  (held)" } else { "" };
        let who = one.subject.as_str().escape_debug();
        let line = format!("{:<18}  {who}  {}{held}", purpose(one), numbers.join(" "));
        let _ = writeln!(out, "{}", wrap::hanging(&line, 4));
    }
    if due.is_empty() {
        out.push_str("Nothing is due.\n");
    } else {
        out.push_str("\nDue, and not shredded now:\n");
        out.push_str(&by_purpose(due));
    }
    let all: Vec<Value> = due
        .iter()
        .map(|due| {
            json!({
                "subject": due.subject.as_str(),
                "purpose": due.purpose.map(Purpose::name),
                "numbers": due.numbers,
                "held": due.held,
            })
        })
        .collect();
    let exit = if due.is_empty() { Exit::Done } else { Exit::Found };
    Ok(Answer::new(out, json!({ "dry_run": true, "due": all }))?.ending(exit))
}

fn bar(length: u64) -> ProgressBar {
    // Hidden by itself where nobody looks.
    let bar = ProgressBar::new(length);
    match ProgressStyle::with_template("[{bar:40}] {human_pos}/{human_len} customers, {per_sec}, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
