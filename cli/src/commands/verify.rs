//! Checking receipts and journals offline, with the public key alone.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use oubliette::journal::{
    self, Anchor, Expectations, JournalError, Label, Numbers, PublicKey, Purposes, Receipt, ReceiptError, Verified,
};
use serde_json::{Value, json};

use crate::answer::{Answer, count};
use crate::args::{Key, Verify, VerifyJournal};
use crate::context::Context;
use crate::exit::{Exit, Failure, chain};
use crate::permissions;

const MOST_BYTES: u64 = 2 << 20;

/// The key that the operator trusts: given, or configured.
pub fn key(context: &Context, given: &Key) -> Result<PublicKey, Failure> {
    let text = given.key.as_ref().or(context.config.public_key.as_ref()).ok_or_else(|| {
        Failure::usage("the vault's public key is missing; give --key KEY, or `public_key` in the configuration; `oubliette journal key` prints it")
    })?;
    text.parse().map_err(|_| Failure::usage("this is not a public key, which begins with `obl-key-1.`"))
}

pub fn run(context: &Context, asked: &Verify) -> Result<Answer, Failure> {
    let key = key(context, &asked.key)?;
    let receipt = match receipt(&asked.receipt, &key)? {
        Ok(receipt) => receipt,
        Err(error) => return refused(&asked.receipt, &error),
    };
    let journal = match &context.config.journal {
        Some(file) => match journal::verify(file, &key, &Expectations::new().receipt(&receipt), |_| ()) {
            Ok(verified) => Some(verified),
            Err(error) => return not_whole(file, &error),
        },
        None => None,
    };
    let content = receipt.content();
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(out, "{}: signed by this vault, and not changed.", asked.receipt.display());
    let _ = writeln!(out, "whose        {}", content.whose.as_str());
    let purposes = match &content.purposes {
        Purposes::All => "all, those too that came later".to_owned(),
        Purposes::Named(names) => {
            let names: Vec<&str> = names.iter().map(Label::as_str).collect();
            format!("{} only: this is no erasure, other purposes are not concerned", names.join(", "))
        }
    };
    let _ = writeln!(out, "purposes     {purposes}");
    let _ = writeln!(out, "numbers      {}", numbers(&content.numbers));
    if !content.shredded_before.is_empty() {
        let before = numbers(&content.shredded_before);
        let _ = writeln!(out, "before       {before}: shredded earlier already, and not at the time below");
    }
    if let Some(why) = &content.why {
        let _ = writeln!(out, "why          {}", why.as_str());
    }
    if let Some(requested) = &content.requested_at {
        let _ = writeln!(out, "asked for    {requested}");
    }
    let _ = writeln!(out, "shredded     {}, generation {}", content.shredded_at, content.generation);
    let _ = writeln!(out, "everywhere   {}", content.effective_everywhere_at);
    for remains in &content.may_remain {
        let _ = writeln!(out, "may remain   {}, until {}", remains.what.as_str(), remains.until);
    }
    let unchecked = journal.as_ref().is_some_and(|verified| !verified.unchecked.is_empty());
    let _ = match &journal {
        Some(_) if unchecked => {
            writeln!(out, "journal      its entries lie in a recorded gap: they could not be compared")
        }
        Some(verified) => {
            writeln!(
                out,
                "journal      is whole and has its entries, among {}",
                count(verified.entries, "entry", "entries")
            )
        }
        None => writeln!(out, "journal      not compared: --journal FILE"),
    };
    let content = serde_json::to_value(content).map_err(|error| Failure::of(Exit::TryAgain, &error))?;
    let json = json!({ "verified": true, "receipt": content, "journal": journal.as_ref().map(facts) });
    Ok(Answer::new(out, json)?.ending(if unchecked { Exit::Found } else { Exit::Done }))
}

/// Which numbers a receipt is of: all of a few, and how many there are.
fn numbers(numbers: &Numbers) -> String {
    const SHOWN: usize = 8;
    let mut ranges = numbers.ranges();
    let shown = ranges.by_ref().take(SHOWN).map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if ranges.next().is_some() {
        text.push_str(&format!(", .. ({} in all)", numbers.count()));
    }
    text
}

pub fn journal(context: &Context, asked: &VerifyJournal) -> Result<Answer, Failure> {
    let key = key(context, &asked.key)?;
    let file = file(context, asked.file.as_ref())?;
    let mut expected = match (&asked.head, asked.without_head) {
        (Some(head), _) => Expectations::new().head_at(head),
        (None, true) => Expectations::new().without_head(),
        (None, false) => Expectations::new(),
    };
    for path in &asked.receipts {
        match receipt(path, &key)? {
            Ok(receipt) => expected = expected.receipt(&receipt),
            Err(error) => return refused(path, &error),
        }
    }
    for text in &asked.anchors {
        let anchor: Anchor = text
            .parse()
            .map_err(|_| Failure::usage(format!("{text:?} is not an anchor, which is written NUMBER:HASH")))?;
        expected = expected.anchor(anchor);
    }
    let verified = match with_bar(&file, &key, &expected) {
        Ok(verified) => verified,
        Err(error) => return not_whole(&file, &error),
    };
    let mut out = String::new();
    let entries = count(verified.entries, "entry", "entries");
    let _ = writeln!(out, "{}: whole. {entries}, from {} to {}.", file.display(), verified.since, verified.until);
    let _ = writeln!(out, "vault        {}", verified.vault);
    let _ = writeln!(out, "last         {} (write it down: it is an --anchor for the next time)", verified.last);
    for gap in &verified.gaps {
        let (from, to, why) = (gap.from, gap.to, gap.why.as_str());
        let _ = writeln!(out, "gap          entries {from} to {to} are missing, recorded {}: {why}", gap.recorded);
    }
    for anchor in &verified.unchecked {
        let _ = writeln!(out, "unchecked    entry {} lies in a gap", anchor.n());
    }
    let exit = if verified.gaps.is_empty() { Exit::Done } else { Exit::Found };
    Ok(Answer::new(out, json!({ "verified": true, "journal": facts(&verified) }))?.ending(exit))
}

/// Checks a receipt in a file, byte for byte.
fn receipt(path: &Path, key: &PublicKey) -> Result<Result<Receipt, ReceiptError>, Failure> {
    let bytes = permissions::read_bounded(path, MOST_BYTES)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| ReceiptError::Form("it is not UTF-8"));
    Ok(text.and_then(|text| Receipt::verify(text, key)))
}

/// The journal that was named, or the configuration's.
pub fn file(context: &Context, given: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    given
        .or(context.config.journal.as_ref())
        .cloned()
        .ok_or_else(|| Failure::usage("the journal is missing; name the file, or give `journal` in the configuration"))
}

/// A long journal takes its time: some 20 000 entries a second.
pub fn with_bar(file: &Path, key: &PublicKey, expected: &Expectations) -> Result<Verified, Box<JournalError>> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:40}] {bytes}/{total_bytes}, {eta} left") {
        bar.set_style(style);
    }
    let verified = journal::verify(file, key, expected, |progress| {
        if progress.entries % 256 == 1 {
            bar.set_length(progress.of.unwrap_or(progress.bytes));
            bar.set_position(progress.bytes);
        }
    });
    bar.finish_and_clear();
    verified.map_err(Box::new)
}

fn facts(verified: &Verified) -> Value {
    let gaps = verified.gaps.iter();
    json!({
        "vault": verified.vault.to_string(),
        "entries": verified.entries,
        "since": verified.since.to_string(),
        "until": verified.until.to_string(),
        "first": verified.first.to_string(),
        "last": verified.last.to_string(),
        "generation": verified.generation,
        "torn": verified.torn,
        "gaps": gaps.map(|gap| json!({
            "from": gap.from, "to": gap.to, "recorded": gap.recorded.to_string(), "why": gap.why.as_str(),
        })).collect::<Vec<_>>(),
        "unchecked": verified.unchecked.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// A receipt that is not accepted is the answer, not a failure to answer.
fn refused(path: &Path, error: &ReceiptError) -> Result<Answer, Failure> {
    if let ReceiptError::NewerFormat { .. } = error {
        return Err(error.clone().into());
    }
    does_not_verify(path, chain(error), None)
}

/// A journal that does not verify is the answer, not a failure to answer.
fn not_whole(path: &Path, error: &JournalError) -> Result<Answer, Failure> {
    match error {
        JournalError::Missing { .. }
        | JournalError::Busy { .. }
        | JournalError::Io { .. }
        | JournalError::NewerFormat { .. } => Err(error.clone().into()),
        _ => does_not_verify(path, chain(error), error.line()),
    }
}

fn does_not_verify(path: &Path, why: String, line: Option<u64>) -> Result<Answer, Failure> {
    let text = format!("{}: DOES NOT VERIFY: {why}\n", path.display());
    Ok(Answer::new(text, json!({ "verified": false, "file": path, "why": why, "line": line }))?.ending(Exit::Grave))
}
