//! Events for `tracing`, when that feature is on. Generations, counts and problems; never a key, a value or a context.

use std::fmt::Display;

use crate::field::Purpose;

macro_rules! event {
    ($level:ident, $($field:tt)*) => {
        #[cfg(feature = "tracing")]
        tracing::$level!(target: "oubliette", $($field)*);
    };
}

/// Once for each vault that is unlocked. `is_alone`: its root record is in one place.
pub(crate) fn unlocked(generation: u64, purposes: &[Purpose], places: usize, is_alone: bool) {
    let names: Vec<&str> = purposes.iter().map(|purpose| purpose.name()).collect();
    event!(info, generation, purposes = ?names, places, "unlocked");
    if is_alone {
        event!(warn, "the root record is in one place: losing it loses every sealed value; attach a mirror");
    }
    let _ = (generation, names, places);
}

pub(crate) fn closed() {
    event!(debug, "closed");
}

pub(crate) fn regained(generation: u64) {
    event!(info, generation, "the key store answers again");
    let _ = generation;
}

pub(crate) fn committed(generation: u64, newly: u64, pages: usize) {
    event!(info, generation, newly_shredded = newly, pages, "committed");
    let _ = (generation, newly, pages);
}

/// The compiler warns of a `Shredding` that is never used, but not of one that is kept in a variable and dropped.
pub(crate) fn shredding_dropped() {
    event!(warn, "nobody was shredded: a shred was built and dropped; call `run` or `start`");
}

pub(crate) fn refreshed(generation: u64) {
    event!(debug, generation, "another process committed");
    let _ = generation;
}

pub(crate) fn read_failed(error: &impl Display) {
    event!(warn, %error, "the root record could not be read; values are opened and sealed until the lease runs out");
    let _ = error;
}

pub(crate) fn journal_failed(error: &impl Display) {
    event!(warn, %error, "the journal could not be brought up to date");
    let _ = error;
}

pub(crate) fn lease_lost(why: &impl Display) {
    event!(error, %why, "the lease is lost: nothing is opened, sealed or shredded until the key store answers");
    let _ = why;
}

pub(crate) fn gone_back(have: u64, seen: u64) {
    event!(error, have, seen, "the key store was rolled back: everything is refused until it is recovered");
    let _ = (have, seen);
}

pub(crate) fn alarm(have: u64, seen: u64) {
    event!(
        error,
        have,
        seen,
        "a value was refused: it was sealed in a state that is not of this vault's history; was the key store restored, or is it a copy's?"
    );
    let _ = (have, seen);
}

pub(crate) fn alarm_cleared(generation: u64, seen: u64) {
    event!(warn, generation, seen, "an operator cleared an alarm");
    let _ = (generation, seen);
}

pub(crate) fn swept(pages: u64, bytes: u64) {
    event!(info, pages, bytes, "superseded pages swept");
    let _ = (pages, bytes);
}

pub(crate) fn sweep_failed(error: &impl Display) {
    event!(warn, %error, "superseded pages could not be swept");
    let _ = error;
}

pub(crate) fn audit_failed(error: &impl Display) {
    event!(error, %error, "the audit could not write openings down");
    let _ = error;
}
