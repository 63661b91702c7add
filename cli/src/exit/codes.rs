//! What each exit code says.

use super::Exit;
use crate::wrap;

/// Each code and what it says: shown at the end of `--help`, and in the man page.
pub const CODES: [(Exit, &str); 15] = [
    (Exit::Done, "done, nothing to report"),
    (
        Exit::Found,
        "done, and something was found that can wait: doctor's warnings, requests that are due soon, what a sweep \
         would shred, tokens that could not be cleared yet",
    ),
    (
        Exit::Grave,
        "done, and something was found that cannot wait: doctor's grave findings, late requests, a receipt or \
         journal that does not verify, a vault with an alarm",
    ),
    (Exit::Erased, "the customer was shredded: nothing is left"),
    (
        Exit::Held,
        "a legal hold stands: nothing was erased or shredded; after a withdrawal, the data is shredded when the hold ends",
    ),
    (Exit::Incomplete, "incomplete: damaged parts are marked and left out, the rest is shown"),
    (
        Exit::NeedsVault,
        "the command needs the vault, but the configuration names none (an officer's desk); nothing happened",
    ),
    (Exit::Usage, "the command is wrong, or names an unknown number, purpose or customer; nothing happened"),
    (
        Exit::Investigate,
        "refused because of damage, tampering, or a key store that was rolled back: investigate; nothing happened",
    ),
    (Exit::Missing, "there is no such file or vault"),
    (Exit::Unwritten, "the command did its work, but its answer could not be written whole, as on a full disk"),
    (Exit::TryAgain, "a file, the key store or the database cannot be used now: try again; nothing happened"),
    (
        Exit::Unsettled,
        "part of the work is done, or nobody knows whether it is: run the command again until it ends with 0",
    ),
    (
        Exit::Refused,
        "refused: not confirmed (--yes), the wrong root key, or permissions that are too wide, or a request that \
         is closed; nothing happened",
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
