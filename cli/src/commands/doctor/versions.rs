//! Versions of the root key in a token: what should be gone, what is kept, what is left. Nothing is changed by looking.

use std::time::SystemTime;

use oubliette::{RootKey, root_keys::RootKeyVersions};

use super::findings::{Findings, Severity};
use crate::answer::{count, time};
use crate::context::Context;
use crate::exit::Failure;

/// Of ten parts, and in bytes: a key and a mark take some hundreds.
const FULL_BELOW: u64 = 4096;

fn place(context: &Context) -> String {
    let token = context.config.root_key.token.as_ref();
    token.map_or_else(|| "the token".to_owned(), |token| format!("token {:?}", token.label))
}

/// The root key cannot be asked for.
pub fn token_is_away(context: &Context, failure: &Failure, findings: &mut Findings) {
    findings.add(
        Severity::Grave,
        "token-away",
        place(context),
        &*failure.message,
        "the application cannot seal, open or shred: it stops within a lease",
        "plug the token in, or correct [root_key.token]; nothing of the vault is lost by it. The vault itself was not looked at",
    );
}

/// What the token has, before the vault is opened.
pub fn look(context: &Context, root_key: &RootKey, findings: &mut Findings) -> Result<(), Failure> {
    if context.config.root_key.token.is_none() || context.config.copy {
        return Ok(());
    }
    let place = place(context);
    let room = context.secrets.room_in_token();
    if let Some((free, total)) = room.filter(|(free, total)| *free < FULL_BELOW || free.saturating_mul(10) < *total) {
        findings.add(
            Severity::Warning,
            "token-full",
            &place,
            format!("{free} of {total} bytes are free for keys"),
            "when it is full no version begins: shreds that ask for one are refused",
            "destroy what is left there (`oubliette retire series`), or move to a larger token",
        );
    }
    match context.builder_without_journal()?.look_at_root_key(root_key) {
        Ok(Some(seen)) => of_versions(&place, &seen, findings),
        // One key that wraps, or a vault that is not there yet: nothing is destroyed.
        Ok(None) => {}
        Err(error) => findings.add(
            Severity::Grave,
            "versions-unseen",
            &place,
            crate::exit::chain(&error),
            "what the token has of older root keys could not be looked at",
            "do what the message says; delete nothing until it is understood",
        ),
    }
    Ok(())
}

fn of_versions(place: &str, seen: &RootKeyVersions, findings: &mut Findings) {
    let number = seen.version.number;
    if seen.completed.is_none() && seen.has_key && !seen.is_superseded {
        findings.add(
            Severity::Warning,
            "version-unfinished",
            place,
            format!("version {number} of the root key began at {}, and is not marked as complete", time(seen.begun)),
            "whoever began it was stopped: older versions are there still, and open copies of older root records",
            FINISH,
        );
    }
    if !seen.overdue.is_empty() {
        let since = seen.overdue.iter().map(|(_, until)| *until).min().unwrap_or(seen.begun);
        findings.add(
            Severity::Warning,
            "versions-overdue",
            place,
            format!("{} should be gone, the first since {}", versions(seen.overdue.len()), time(since)),
            "copies of older root records can be read with them for longer than stated",
            FINISH,
        );
    }
    if !seen.unused.is_empty() {
        findings.add(
            Severity::Warning,
            "versions-unused",
            place,
            format!("{} no root record needs", count(seen.unused.len() as u64, "key that", "keys that")),
            "a commit came to nothing after it had made its key; such a key opens nothing, and takes room",
            FINISH,
        );
    }
    if let Some(last) = seen.kept.iter().map(|(_, until)| *until).max() {
        findings.add(
            Severity::Note,
            "versions-kept",
            place,
            format!("{} kept, the last until {}", versions(seen.kept.len()), time(last)),
            "until then a copy of an older root record opens, for whoever has the token, everyone shredded since",
            "nothing, if that is what `keep_older` is for",
        );
    }
    let clock = SystemTime::now();
    let ahead = seen.ahead.iter().map(|(_, completed)| *completed).max();
    let ahead =
        ahead.or(Some(seen.begun).filter(|begun| begun.duration_since(clock).is_ok_and(|by| by.as_secs() > 300)));
    if let Some(latest) = ahead {
        findings.add(
            Severity::Warning,
            "version-clock",
            place,
            format!("a version of the root key is dated {}, which is in the future", time(latest)),
            "this machine's clock is wrong, or another one's was: older versions are kept for longer than stated",
            "set the clocks, and let them be kept right (NTP); `oubliette rotate root-key --next-version` begins one that is dated right",
        );
    }
    if seen.is_old == Some(true) {
        findings.add(
            Severity::Warning,
            "version-old",
            place,
            format!("version {number} of the root key is of {}, older than the configuration's `begins` has it", time(seen.begun)),
            "whoever was shredded since can be read with a copy of a root record from then on, and the token",
            "let a process have the vault open for an hour; if that does not help, the token is full or the root record in one place. `oubliette rotate root-key --next-version` says which",
        );
    }
    if !seen.may_begin {
        findings.add(
            Severity::Warning,
            "version-one-place",
            place,
            "the root record is in one place, and older versions of its key are not kept: no version begins",
            "shreds that begin a version are refused, and otherwise older root records stay readable",
            "attach a mirror (`oubliette mirror attach`), or set `keep_older` or `allow_one_place` in [root_key.token]",
        );
    }
    for left in seen.all.iter().filter(|series| series.is_of_this_vault && !series.is_in_use) {
        let keys = count(left.keys, "key", "keys");
        findings.add(
            Severity::Note,
            "series-left",
            place,
            format!("{keys} in the series {} of this vault, which its root record does not use", left.series),
            "a copy of the vault is under it, or root records from before a rotation: they open for whoever has the token",
            format!("when the copy is not wanted any more: `oubliette retire series {}`", left.series),
        );
    }
}

const FINISH: &str = "the next commit of any process destroys them, and so does opening the vault, as `oubliette status` does. If they stay, look at the token's log";

fn versions(many: usize) -> String {
    count(many as u64, "older version of the root key", "older versions of the root key")
}
