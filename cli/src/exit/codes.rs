//! What each exit code says.

use super::Exit;
use crate::wrap;

/// Each code and what it says: shown at the end of `--help`, and in the man page.
pub const CODES: [(Exit, &str); 15] = [
    (Exit::Done, "done, nothing to report"),
    (
        Exit::Found,
        "done, and something was found that can wait: doctor's warnings, requests that are due soon, what a sweep would shred, tokens that could not be cleared yet",
    ),
    (
        Exit::Grave,
        "done, and something was found that cannot wait: doctor's grave findings, late requests, a receipt or journal that does not verify, a vault with an alarm",
    ),
    (Exit::Erased, "whom it concerns was shredded: there is nothing left"),
    (
        Exit::Held,
        "a legal hold stands: nothing was erased or shredded; what a withdrawal ended is shredded when the hold is over",
    ),
    (Exit::Incomplete, "incomplete: what is good is shown, and what is damaged is marked and left out"),
    (Exit::NeedsVault, "it needs the vault, and the configuration names none (an officer's desk); nothing happened"),
    (
        Exit::Usage,
        "the command was not understood, or names a number, purpose or customer that is not known; nothing happened",
    ),
    (
        Exit::Investigate,
        "investigate: damage, tampering, or a key store that was rolled back; refused, nothing happened",
    ),
    (Exit::Missing, "there is no such file or vault"),
    (Exit::Unwritten, "the answer was not written whole, as on a full disk; all else that the command does is done"),
    (Exit::TryAgain, "try again: a file, the key store or the database cannot be used now; nothing happened"),
    (Exit::Unsettled, "it happened in part, or it is not known whether it happened: run it again until it ends with 0"),
    (
        Exit::Refused,
        "refused: not confirmed (--yes), the wrong root key, or permissions that are too wide, or a request that is closed; nothing happened",
    ),
    (Exit::Config, "the configuration file is wrong"),
];

/// The codes as `--help` ends with them, in 80 columns.
pub fn help() -> String {
    let mut out = String::from("Exit codes:");
    for (exit, text) in CODES {
        let line = format!("  {:>2}  {text}", exit as u8);
        out.push('\n');
        out.push_str(&wrap::hanging(&line, 6));
    }
    out
}
