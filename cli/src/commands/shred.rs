//! Making customers' data unreadable.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use oubliette::journal::{Reason, Whose};
use oubliette::{CustomerId, Purpose, ReceiptContext, ShredTarget, Shredded, Vault};
use oubliette_register::ShredByNumber;
use serde_json::{Value, json};

use crate::answer::{Answer, count, time};
use crate::args::Shred;
use crate::commands::withdraw::tokens_left;
use crate::context::{Context, close, purpose};
use crate::database::Database;
use crate::exit::{Exit, Failure, chain};
use crate::permissions;
use crate::receipts::{PrivateFile, Receipts, receipt_context};
use crate::register::{Held, HeldNumber, Tables, Work, of_numbers, own_transaction, with_resumed};

/// Numbers shown when asking; a longer list is cut.
const SHOWN: usize = 12;
/// Most numbers in one call: they are all in memory, and in one commit.
const MOST: usize = 10_000_000;

pub fn run(context: &mut Context, asked: &Shred) -> Result<Answer, Failure> {
    let only = asked.purpose.as_deref().map(purpose).transpose()?;
    let whom = Whom::of(asked)?;
    let why = asked.why.as_deref().map(reason).transpose()?;
    let despite = asked.despite_holds.as_deref().map(reason).transpose()?;
    let receipt = Wanted::of(context, asked)?;
    let from = only.map_or_else(|| "in every purpose".to_owned(), |only| format!("in the purpose {:?}", only.name()));
    let vault = context.shown()?;
    let tables = Tables::if_configured(context)?;
    if tables.is_none() && despite.is_some() {
        return Err(Failure::usage(
            "--despite-holds needs the register, but none is configured; name it under [database]",
        ));
    }
    let held = tables.as_ref().map(|tables| whom.held(&tables.database, only)).transpose()?;
    if let Some(held) = held.as_ref().filter(|held| !held.is_empty() && despite.is_none()) {
        return Err(Failure::new(
            Exit::Held,
            format!("nothing was shredded, since legal holds stand:{}", listed(held)),
        ));
    }
    let holds = match &held {
        None => "\nNo register is configured, so legal holds are not checked.".to_owned(),
        Some(held) if held.is_empty() => String::new(),
        Some(held) => format!("\nThis overrides legal holds:{}", listed(held)),
    };
    context.confirm(&format!(
        "Shred {} {from} of the vault {vault}?\nTheir data becomes unreadable in every copy and every backup. You \
         cannot undo this.{holds}",
        whom.text()
    ))?;
    match tables {
        None => without_register(context, asked, &whom, (only, why), receipt),
        Some(tables) => {
            let order = whom.order(only, why, despite);
            by_register(context, asked, &whom, only, (tables, order), receipt)
        }
    }
}

fn without_register(
    context: &mut Context,
    asked: &Shred,
    whom: &Whom,
    (only, why): (Option<Purpose>, Option<Reason>),
    receipt: Option<Wanted>,
) -> Result<Answer, Failure> {
    let vault = context.unlock(only.as_slice())?;
    context.every_place_is_there(&vault)?;
    // Before the shred, which cannot be taken back when it turns out that its receipt has no place.
    let file = receipt.as_ref().map(|wanted| PrivateFile::create(&wanted.path)).transpose()?;
    let shredded = match whom.shred(&vault, only, why) {
        Ok(shredded) => shredded,
        Err(failure) => {
            file.into_iter().for_each(PrivateFile::give_up);
            return Err(failure);
        }
    };
    if let (Some(wanted), Some(file)) = (&receipt, file) {
        write_receipt(file, &vault, &shredded, wanted.whose.clone(), &wanted.receipt_context)?;
    }
    if asked.wait {
        shredded.commit().wait_until_effective_everywhere();
    }
    close(vault)?;
    let (text, json) = answer(whom, only, &shredded, asked.receipt.as_deref());
    Answer::new(text, with(json, [("holds_checked", json!(false))]))
}

/// With its holds checked, in the transaction that the shred is made in, and what it knows recorded.
fn by_register(
    context: &mut Context,
    asked: &Shred,
    whom: &Whom,
    only: Option<Purpose>,
    (tables, order): (Tables, ShredByNumber),
    receipt: Option<Wanted>,
) -> Result<Answer, Failure> {
    let receipts = Receipts::new(&context.config)?;
    let mut open = tables.unlock_also(context, receipts, only)?;
    context.every_place_is_there(open.vault())?;
    let resumed = open.resume(Work::Writes)?;
    let file = receipt.as_ref().map(|wanted| PrivateFile::create(&wanted.path)).transpose()?;
    let done = match own_transaction!(open, shred_numbers(order)) {
        Ok(done) => done,
        Err(failure) => {
            file.into_iter().for_each(PrivateFile::give_up);
            return Err(failure);
        }
    };
    if let (Some(wanted), Some(file)) = (&receipt, file) {
        write_receipt(file, open.vault(), &done.shredded, wanted.whose.clone(), &wanted.receipt_context)?;
    }
    if asked.wait {
        done.shredded.commit().wait_until_effective_everywhere();
    }
    open.close()?;
    let (mut text, json) = answer(whom, only, &done.shredded, asked.receipt.as_deref());
    tokens_left(done.tokens_left, &mut text);
    if !done.overridden.is_empty() {
        let holds = count(done.overridden.len() as u64, "legal hold was", "legal holds were");
        text.push_str(&format!("{holds} overridden, and the journal has why.\n"));
    }
    let overridden: Vec<i64> = done.overridden.iter().map(|hold| hold.to_stored()).collect();
    let more =
        [("holds_checked", json!(true)), ("overridden", json!(overridden)), ("tokens_left", json!(done.tokens_left))];
    let exit = if done.tokens_left > 0 { Exit::Found } else { Exit::Done };
    Ok(Answer::new(text, with_resumed(with(json, more), &resumed))?.ending(exit))
}

fn with(mut json: Value, more: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    if let Value::Object(members) = &mut json {
        members.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    json
}

/// Holds, a line each, with the numbers that they keep.
fn listed(held: &[HeldNumber]) -> String {
    let mut by_hold: BTreeMap<i64, (&Held, Vec<String>)> = BTreeMap::new();
    for (number, _, hold) in held {
        by_hold.entry(hold.id).or_insert_with(|| (hold, Vec::new())).1.push(number.to_string());
    }
    let line = |(hold, numbers): &(&Held, Vec<String>)| {
        let more = if numbers.len() > SHOWN { ", .." } else { "" };
        let shown: Vec<&str> = numbers.iter().take(SHOWN).map(String::as_str).collect();
        format!("\n  {} (numbers {}{more})", hold.text(), shown.join(", "))
    };
    by_hold.values().map(line).collect()
}

/// A reason for the journal.
pub fn reason(text: &str) -> Result<Reason, Failure> {
    Reason::new(text).map_err(|error| Failure::usage(format!("{text:?} cannot be a reason in the journal: {error}")))
}

/// A receipt that is to be written.
struct Wanted {
    path: PathBuf,
    whose: Whose,
    receipt_context: ReceiptContext,
}

impl Wanted {
    fn of(context: &Context, asked: &Shred) -> Result<Option<Wanted>, Failure> {
        let (Some(path), Some(whose)) = (&asked.receipt, &asked.whose) else { return Ok(None) };
        if context.config.journal.is_none() {
            return Err(Failure::usage(
                "a receipt needs the vault's journal; name it with --journal, or as `journal` in the configuration",
            ));
        }
        let whose = Whose::new(whose.clone()).map_err(|error| Failure::usage(format!("--whose: {error}")))?;
        Ok(Some(Wanted { path: path.clone(), whose, receipt_context: receipt_context(&context.config)? }))
    }
}

/// Writes the receipt of what is done already.
pub fn write_receipt(
    mut file: PrivateFile,
    vault: &Vault,
    shredded: &Shredded,
    whose: Whose,
    receipt_context: &ReceiptContext,
) -> Result<(), Failure> {
    let receipt = match vault.receipt(shredded, whose, receipt_context) {
        Ok(receipt) => receipt,
        Err(error) => {
            file.give_up();
            return Err(Failure::new(
                Exit::Unsettled,
                format!("the shred is done, but there is no receipt: {}", chain(&error)),
            ));
        }
    };
    file.write(&receipt.to_string()).map_err(|error| {
        let message =
            format!("the shred is done, but the receipt could not be written: {}: {error}", file.path().display());
        Failure::new(Exit::Unsettled, message)
    })
}

enum Whom {
    These(Vec<CustomerId>),
    Through(CustomerId),
}

impl Whom {
    fn of(asked: &Shred) -> Result<Whom, Failure> {
        if let Some(through) = &asked.through {
            return Ok(Whom::Through(number(through)?));
        }
        let mut all = Vec::new();
        for text in &asked.numbers {
            read(text, &mut all)?;
        }
        if let Some(path) = &asked.from {
            for text in text_of(path)?.split_whitespace() {
                read(text, &mut all)?;
            }
        }
        all.sort_unstable();
        all.dedup();
        if all.is_empty() {
            return Err(Failure::usage("no customer numbers were given, and nobody was shredded"));
        }
        Ok(Whom::These(all))
    }

    fn shred(&self, vault: &Vault, only: Option<Purpose>, why: Option<Reason>) -> Result<Shredded, Failure> {
        let mut shredding = vault.shredding(match self {
            Whom::Through(last) => ShredTarget::from(..=*last),
            Whom::These(all) => ShredTarget::from(all.as_slice()),
        });
        // Everybody up to a number is shredded in all purposes: `--purpose` is refused beside it.
        if let (Whom::These(_), Some(only)) = (self, only) {
            shredding = shredding.purpose(only);
        }
        if let Some(why) = why {
            shredding = shredding.reason(why);
        }
        Ok(shredding.run()?)
    }

    /// The order to the register.
    fn order(&self, only: Option<Purpose>, why: Option<Reason>, despite: Option<Reason>) -> ShredByNumber {
        let mut order = match self {
            Whom::Through(last) => ShredByNumber::through(*last),
            Whom::These(all) => ShredByNumber::these(all.iter().copied()),
        };
        if let Some(only) = only {
            order = order.purpose(only);
        }
        if let Some(why) = why {
            order = order.reason(why);
        }
        match despite {
            Some(despite) => order.despite_holds(despite),
            None => order,
        }
    }

    /// What holds keep of them now, to be shown; the register looks again when it shreds.
    fn held(&self, database: &Database, only: Option<Purpose>) -> Result<Vec<HeldNumber>, Failure> {
        let mut held = of_numbers(database)?;
        held.retain(|(number, purpose, hold)| {
            let is_meant = match self {
                Whom::Through(last) => number <= last,
                Whom::These(all) => all.binary_search(number).is_ok(),
            };
            let purpose: &str = match only {
                Some(only) => only.name(),
                None => purpose,
            };
            is_meant && hold.purpose.as_deref().is_none_or(|held| held == purpose)
        });
        Ok(held)
    }

    fn text(&self) -> String {
        match self {
            Whom::Through(last) => format!("everyone whose number is at most {last}"),
            Whom::These(all) => {
                let shown: Vec<String> = all.iter().take(SHOWN).map(ToString::to_string).collect();
                let more = if all.len() > SHOWN { ", .." } else { "" };
                format!("{} ({}{more})", count(all.len() as u64, "customer", "customers"), shown.join(", "))
            }
        }
    }

    fn json(&self) -> Value {
        match self {
            Whom::Through(last) => json!({ "through": last }),
            Whom::These(all) => json!({ "numbers": all }),
        }
    }
}

fn answer(whom: &Whom, only: Option<Purpose>, shredded: &Shredded, receipt: Option<&Path>) -> (String, Value) {
    let effective = time(shredded.commit().effective_everywhere_at());
    let already = shredded.already_shredded().len() as u64;
    let mut text = format!(
        "Shredded: {}. Durable since generation {}; no process opens their data after {effective}.\n",
        whom.text(),
        shredded.commit().generation()
    );
    if already > 0 {
        text.push_str(&format!("{} shredded before.\n", count(already, "of them was", "of them were")));
    }
    if let Some(receipt) = receipt {
        text.push_str(&format!("The receipt is in {}; `oubliette verify` checks it.\n", receipt.display()));
        if already > 0 {
            text.push_str("It says which of them were shredded before.\n");
        }
    }
    text.push_str("Older copies of the root record, with their root key, still open this data; `oubliette doctor` finds such copies.\n");
    (
        text,
        json!({
            "shredded": whom.json(),
            "purpose": only.map(Purpose::name),
            "newly_shredded": shredded.newly_shredded(),
            "already_shredded": shredded.already_shredded(),
            "generation": shredded.commit().generation(),
            "effective_everywhere_at": effective,
            "receipt": receipt,
        }),
    )
}

fn read(text: &str, all: &mut Vec<CustomerId>) -> Result<(), Failure> {
    let Some((first, last)) = text.split_once('-') else {
        all.push(number(text)?);
        return Ok(());
    };
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(Failure::usage(format!("{text:?} is not a range: its first number is above its last")));
    }
    let range = first.to_stored()..=last.to_stored();
    if range.clone().count() > MOST.saturating_sub(all.len()) {
        return Err(Failure::usage(format!("more than {MOST} numbers are given; use --through, or several calls")));
    }
    all.extend(range.filter_map(|number| CustomerId::from_stored(number).ok()));
    Ok(())
}

fn number(text: &str) -> Result<CustomerId, Failure> {
    text.parse().map_err(|error| Failure::usage(format!("{text:?} is no customer number: {error}")))
}

fn text_of(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().read_to_string(&mut text)
    } else {
        permissions::open(path)?.read_to_string(&mut text)
    };
    read.map_err(|error| permissions::of_io(path, &error))?;
    Ok(text)
}
