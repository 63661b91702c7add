//! Erasing a customer.

use oubliette_register::Erased;
use serde_json::{Value, json};

use crate::answer::{Answer, time};
use crate::args::Erase;
use crate::commands::shred::reason;
use crate::commands::withdraw::tokens_left;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::receipts::{PrivateFile, Receipts};
use crate::register::{Known, Resumed, Tables, Work, own_transaction, subject, with_resumed};

pub fn run(context: &mut Context, asked: &Erase) -> Result<Answer, Failure> {
    let (whom, why) = (subject(&asked.whom)?, reason(&asked.why)?);
    let receipts = Receipts::new(&context.config)?;
    let tables = Tables::open(context)?;
    let known = tables.know(&whom)?;
    if let Some(hold) = known.holds.first().filter(|_| !known.is_being_erased) {
        let message = format!(
            "nothing was erased, since a legal hold stands: {}. Record a request for erasure \
             (`oubliette requests add`): the first sweep after the hold's end carries it out",
            hold.text()
        );
        return Err(Failure::new(Exit::Held, message));
    }
    let is_kept = asked.receipt.is_some() || receipts.has_directory();
    context.confirm(&question(&known, is_kept, context.config.register.grace.as_deref()))?;
    // Before the shred, which cannot be taken back when it turns out that its receipt has no place; and before others are
    // finished, of whom this may be one.
    let mut open = tables.unlock(context, receipts.clone())?;
    context.every_place_is_there(open.vault())?;
    let file = asked.receipt.as_deref().map(PrivateFile::create).transpose()?;
    receipts.own(&known.subject, file);
    let done = open.resume(Work::Writes).and_then(|resumed| {
        // Theirs was finished just now.
        let is_gone = known.is_being_erased && Known::of(&open.database, &whom)?.is_none();
        let erased = if is_gone { None } else { Some(own_transaction!(open, erase(&whom, why))?) };
        Ok((resumed, erased))
    });
    receipts.give_up();
    let (resumed, erased) = done?;
    open.close()?;
    answer(&known, erased.as_ref(), &receipts, &resumed)
}

/// What will go, from what the register holds now.
fn question(known: &Known, is_kept: bool, grace: Option<&str>) -> String {
    if known.is_being_erased {
        return "Finish the erasure of this customer, which has begun?".to_owned();
    }
    let mut text = format!("Erase this customer, known since {}?", crate::times::shown(known.since));
    for (purpose, held) in known.purposes.iter().filter(|(_, held)| held.numbers > 0) {
        let bases: Vec<&str> = held.bases.iter().map(String::as_str).collect();
        let bases = if bases.is_empty() { "no live grant".to_owned() } else { bases.join(", ") };
        text.push_str(&format!("\n  {purpose:?} ({bases})"));
    }
    if known.purposes.values().all(|held| held.numbers == 0) {
        text.push_str("\n  This customer has no sealed data; the register forgets the id.");
    }
    text.push_str("\nTheir data becomes unreadable in every copy and every backup. You cannot undo this.");
    for (kind, due) in &known.unanswered {
        let due = crate::times::shown(*due);
        text.push_str(&format!("\nAfterwards nobody can answer their open request for {kind}, due {due}."));
    }
    if let Some(grace) = grace {
        text.push_str(&format!(
            "\nThis command does not wait for the grace ({grace}); a request by `oubliette requests add` does."
        ));
    }
    if !is_kept {
        text.push_str(
            "\nNo receipt will be kept, and none can be made later. To get one, stop here and give --receipt FILE.",
        );
    }
    text
}

fn answer(known: &Known, erased: Option<&Erased>, receipts: &Receipts, resumed: &Resumed) -> Result<Answer, Failure> {
    let mut text = String::from("Erased");
    let shredded = erased.and_then(|erased| erased.shredded.as_ref());
    let mut of_shred = Value::Null;
    match shredded {
        Some(shredded) => {
            let effective = time(shredded.commit().effective_everywhere_at());
            text.push_str(&format!(
                ". Durable since generation {}; no process opens their data after {effective}.\n",
                shredded.commit().generation()
            ));
            of_shred = json!({ "generation": shredded.commit().generation(), "effective_everywhere_at": effective });
        }
        None if erased.is_none() => text.push_str(": the interrupted erasure is finished.\n"),
        None => text.push_str(": they had no sealed data, and there is no receipt.\n"),
    }
    let left = erased.map_or(0, |erased| erased.tokens_left);
    tokens_left(left, &mut text);
    let receipt = receipts.own_kept();
    match &receipt {
        Some(receipt) => {
            text.push_str(&format!("The receipt is in {}; `oubliette verify` checks it.\n", receipt.display()));
        }
        None if receipts.has_own() => text.push_str("No receipt was kept.\n"),
        None => {}
    }
    if !known.unanswered.is_empty() {
        let kinds = known.unanswered.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>().join(", ");
        text.push_str(&format!("Requests closed as unanswered, since nobody can answer them now: {kinds}.\n"));
    }
    text.push_str("Their rows in the application's tables are unreadable now; the application deletes them.\n");
    let purposes = known.purposes.iter().filter(|(_, held)| held.numbers > 0).map(|(purpose, _)| purpose);
    let json = json!({
        "erased": true,
        "purposes": purposes.collect::<Vec<_>>(),
        "shredded": of_shred,
        "tokens_left": left,
        "receipts": receipt.into_iter().collect::<Vec<_>>(),
        "unanswered": known.unanswered.iter().map(|(kind, _)| kind).collect::<Vec<_>>(),
    });
    let exit = if left > 0 { Exit::Found } else { Exit::Done };
    Ok(Answer::new(text, with_resumed(json, resumed))?.ending(exit))
}
