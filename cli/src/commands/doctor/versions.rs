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
        "the application stops within a lease: it cannot seal, open or shred",
        "plug the token in, or correct [root_key.token]; the vault loses nothing. The vault itself was not checked",
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
            "when it is full, no version begins, and shreds that need one are refused",
            "destroy unused series (`oubliette retire series`), or move to a larger token",
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
            "the token's older root keys could not be listed",
            "do what the message says; delete nothing before you understand it",
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
            format!("version {number} of the root key began at {} and is not complete", time(seen.begun)),
            "the process that began it was stopped; older versions still exist, and open copies of older root records",
            FINISH,
        );
    }
    if !seen.overdue.is_empty() {
        let since = seen.overdue.iter().map(|(_, until)| *until).min().unwrap_or(seen.begun);
        findings.add(
            Severity::Warning,
            "versions-overdue",
            place,
            format!("{} should be destroyed by now, the first since {}", versions(seen.overdue.len()), time(since)),
            "they open copies of older root records for longer than stated",
            FINISH,
        );
    }
    if !seen.unused.is_empty() {
        findings.add(
            Severity::Warning,
            "versions-unused",
            place,
            format!("{} no root record needs", count(seen.unused.len() as u64, "key that", "keys that")),
            "a commit failed after it had made its key; such a key opens nothing and takes room",
            FINISH,
        );
    }
    if let Some(last) = seen.kept.iter().map(|(_, until)| *until).max() {
        findings.add(
            Severity::Note,
            "versions-kept",
            place,
            format!("{} kept, the last until {}", versions(seen.kept.len()), time(last)),
            "until then a copy of an older root record, with the token, opens all data that was shredded since",
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
            "this machine's clock is wrong, or another machine's was; older versions are kept for longer than stated",
            "set the clocks, and keep them right (NTP); `oubliette rotate root-key --next-version` begins a \
             version with the right date",
        );
    }
    if seen.is_old == Some(true) {
        findings.add(
            Severity::Warning,
            "version-old",
            place,
            format!(
                "version {number} of the root key began at {}, longer ago than the configuration's `begins` allows",
                time(seen.begun)
            ),
            "a copy of a root record from since then, with the token, opens all data that was shredded since",
            "keep a process with the vault open for an hour; if that does not help, the token is full, or the \
             root record is in one place. `oubliette rotate root-key --next-version` says which",
        );
    }
    if !seen.may_begin {
        findings.add(
            Severity::Warning,
            "version-one-place",
            place,
            "no version of the root key begins, since the root record is in one place and older versions are not kept",
            "shreds that begin a version are refused; without versions, older root records stay readable",
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
            "with the token, the series opens a copy of the vault, or root records from before a rotation",
            format!("when you do not need the copy any more, run `oubliette retire series {}`", left.series),
        );
    }
}

const FINISH: &str =
    "the next commit of any process destroys them; so does `oubliette status`. If they stay, look at the token's log";

fn versions(many: usize) -> String {
    count(many as u64, "older version of the root key", "older versions of the root key")
}
