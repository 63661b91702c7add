//! Withdrawing a consent.

use oubliette::journal::Whose;
use oubliette_register::{Basis, Hold, Withdrawn};
use serde_json::{Value, json};

use crate::answer::{Answer, count, time};
use crate::args::Withdraw;
use crate::commands::shred::{reason, write_receipt};
use crate::context::{Context, purpose};
use crate::exit::{Exit, Failure};
use crate::receipts::{PrivateFile, Receipts, receipt_context};
use crate::register::{Known, Tables, Work, in_transaction, own_transaction, shown_hold, subject, with_resumed};
use crate::times::shown;

pub fn run(context: &mut Context, asked: &Withdraw) -> Result<Answer, Failure> {
    let (whom, only, why) = (subject(&asked.whom)?, purpose(&asked.purpose)?, reason(&asked.why)?);
    let receipts = Receipts::new(&context.config)?;
    let tables = Tables::open(context)?;
    let known = tables.know(&whom)?;
    context.confirm(&question(&known, asked))?;
    let mut open = tables.unlock(context, receipts)?;
    context.every_place_is_there(open.vault())?;
    let resumed = open.resume(Work::Writes)?;
    if let Some(recipient) = &asked.recipient {
        let ended = in_transaction!(open, withdraw_recipient(&whom, only, recipient, why))?;
        open.close()?;
        let text = format!("{} ended; nothing more is disclosed to {recipient:?}.\n", count(ended, "grant", "grants"));
        let json = json!({ "purpose": only.name(), "recipient": recipient, "ended": ended });
        return Answer::new(text, with_resumed(json, &resumed));
    }
    let file = asked.receipt.as_deref().map(PrivateFile::create).transpose()?;
    let done = match asked.every_basis {
        false => own_transaction!(open, withdraw(&whom, only, why)),
        true => own_transaction!(open, end_purpose(&whom, only, why)),
    };
    let (withdrawn, file) = match (done, file) {
        (Ok(withdrawn), file) => (withdrawn, file),
        (Err(failure), file) => {
            file.into_iter().for_each(PrivateFile::give_up);
            return Err(failure);
        }
    };
    let mut receipt = None;
    match (file, &withdrawn.shredded) {
        (Some(file), Some(shredded)) => {
            receipt = Some(file.path().to_owned());
            let wrong =
                |error| Failure::new(Exit::Unsettled, format!("the shred is done, but there is no receipt: {error}"));
            let whose = Whose::new(known.subject.as_str()).map_err(wrong)?;
            write_receipt(file, open.vault(), shredded, whose, &receipt_context(&context.config)?)?;
        }
        (Some(file), None) => file.give_up(),
        (None, _) => {}
    }
    open.close()?;
    let mut text = text(&withdrawn, only.name());
    if let Some(receipt) = &receipt {
        text.push_str(&format!("The receipt is in {}; `oubliette verify` checks it.\n", receipt.display()));
    }
    let json = json!({
        "purpose": only.name(),
        "ended": withdrawn.ended,
        "kept_for": withdrawn.kept_for.iter().map(|basis| basis.as_str()).collect::<Vec<_>>(),
        "shredded": withdrawn.shredded.as_ref().map(|shredded| json!({
            "newly_shredded": shredded.newly_shredded(),
            "generation": shredded.commit().generation(),
            "effective_everywhere_at": time(shredded.commit().effective_everywhere_at()),
        })),
        "held": withdrawn.held.as_ref().map(hold_json),
        "tokens_left": withdrawn.tokens_left,
        "receipt": receipt,
    });
    let exit = match &withdrawn {
        Withdrawn { held: Some(_), .. } => Exit::Held,
        Withdrawn { tokens_left: 1.., .. } => Exit::Found,
        _ => Exit::Done,
    };
    Ok(Answer::new(text, with_resumed(json, &resumed))?.ending(exit))
}

/// What will go, from what the register holds now.
fn question(known: &Known, asked: &Withdraw) -> String {
    let purpose = &asked.purpose;
    if let Some(recipient) = &asked.recipient {
        return format!(
            "End the grants to disclose {purpose:?} of this customer to {recipient:?}?\nNothing is shredded."
        );
    }
    let held = known.purposes.get(purpose);
    let all = held.map(|held| held.bases.iter().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let mut text = match asked.every_basis {
        false => format!("Withdraw this customer's consent for {purpose:?}?"),
        true => format!("End {purpose:?} for this customer on every basis ({})?", all.join(", ")),
    };
    let staying: Vec<&String> = all.iter().filter(|basis| *basis != Basis::Consent.as_str()).collect();
    if held.is_none_or(|held| held.numbers == 0) {
        text.push_str("\nThis customer has no sealed data for it.");
    } else if !asked.every_basis && !staying.is_empty() {
        let bases = staying.iter().map(|basis| basis.as_str()).collect::<Vec<_>>().join(", ");
        text.push_str(&format!("\nAnother basis keeps the data ({bases}): nothing is shredded."));
    } else if let Some(hold) = known.hold_on(purpose) {
        text.push_str(&format!("\nSealing stops now. The data becomes unreadable after the end of {}.", hold.text()));
    } else {
        text.push_str("\nThe data becomes unreadable in every copy and every backup. You cannot undo this.");
    }
    text
}

fn text(withdrawn: &Withdrawn, purpose: &str) -> String {
    let mut text = format!("{} for {purpose:?} ended. ", count(withdrawn.ended, "grant", "grants"));
    if let Some(hold) = &withdrawn.held {
        text.push_str(&format!(
            "A legal hold stands until {}: {}. The first `oubliette sweep` or `oubliette resume` after that shreds the data.\n",
            shown(hold.until),
            hold.reason.as_str()
        ));
    } else if !withdrawn.kept_for.is_empty() {
        let bases: Vec<&str> = withdrawn.kept_for.iter().map(|basis| basis.as_str()).collect();
        text.push_str(&format!("Nothing was shredded: another basis keeps the data ({}).\n", bases.join(", ")));
    } else if let Some(shredded) = &withdrawn.shredded {
        text.push_str(&format!(
            "The data is shredded, durable since generation {}; no process opens it after {}.\n",
            shredded.commit().generation(),
            time(shredded.commit().effective_everywhere_at())
        ));
    } else {
        text.push_str("There was nothing left to shred.\n");
    }
    tokens_left(withdrawn.tokens_left, &mut text);
    text
}

pub fn tokens_left(left: u64, text: &mut String) {
    if left > 0 {
        let left = count(left, "token", "tokens");
        text.push_str(&format!("{left} could not be cleared now; `oubliette resume` tries again.\n"));
    }
}

fn hold_json(hold: &Hold) -> Value {
    shown_hold(hold.id.to_stored(), hold.purpose.as_deref(), hold.reason.as_str(), hold.since, hold.until)
}
