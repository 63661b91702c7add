//! What was found, and how bad it is.

use std::cmp::Reverse;

use serde::Serialize;

use crate::exit::Exit;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know; nothing need be done.
    Note,
    /// Something will go wrong one day.
    Warning,
    /// A promise is broken, or the vault cannot do its work.
    Grave,
}

/// One thing that was found.
#[derive(Debug, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// Which check, for machines: never changed once released.
    pub check: &'static str,
    /// A path, a place, a purpose.
    pub place: String,
    pub what: String,
    pub meaning: &'static str,
    pub advice: String,
}

/// What was found so far.
#[derive(Debug, Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    pub fn add(
        &mut self,
        severity: Severity,
        check: &'static str,
        place: impl ToString,
        what: impl Into<String>,
        meaning: &'static str,
        advice: impl Into<String>,
    ) {
        let (place, what, advice) = (place.to_string(), what.into(), advice.into());
        self.0.push(Finding { severity, check, place, what, meaning, advice });
    }

    pub fn has(&self, check: &str) -> bool {
        self.0.iter().any(|finding| finding.check == check)
    }

    pub fn worst_first(mut self) -> Vec<Finding> {
        self.0.sort_by_key(|finding| Reverse(finding.severity));
        self.0
    }

    pub fn exit(&self) -> Exit {
        match self.0.iter().map(|finding| finding.severity).max() {
            Some(Severity::Grave) => Exit::Grave,
            Some(Severity::Warning) => Exit::Found,
            Some(Severity::Note) | None => Exit::Done,
        }
    }
}
