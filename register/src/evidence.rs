//! On what ground something is kept: the bases of GDPR Art. 6(1), and the evidence of a consent.

use std::fmt;

use jiff::Timestamp;
use oubliette::Purpose;
use serde_json::{Map, Value};

use crate::basis::Basis;

/// What shows that somebody consented: when, to which text, how. Kept as it is given, until the customer is erased; what is
/// kept longer is [yours to say](super::Rules::keep_evidence).
#[derive(Clone)]
pub struct Evidence(Map<String, Value>);

impl Evidence {
    /// When, to which version of which text, and how: `"sign-up form"`, `"by telephone, call 4711"`.
    #[must_use]
    pub fn new(when: Timestamp, text: impl Into<String>, how: impl Into<String>) -> Evidence {
        Evidence(Map::new()).with("when", when.to_string()).with("text", text).with("how", how)
    }

    /// More of it.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Evidence {
        self.0.insert(name.into(), Value::String(value.into()));
        self
    }

    pub(crate) fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Evidence(redacted)")
    }
}

/// What is granted: a purpose, on a legal basis, for ever or until a time, to the application itself or to a recipient.
#[derive(Clone, Debug)]
pub struct Grant {
    pub(crate) purpose: Purpose,
    pub(crate) basis: Basis,
    pub(crate) evidence: Option<Evidence>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) recipient: Option<String>,
}

impl Grant {
    /// On a legal basis. A consent needs its evidence: [`Grant::consent`].
    #[must_use]
    pub fn on(purpose: Purpose, basis: Basis) -> Grant {
        Grant { purpose, basis, evidence: None, until: None, recipient: None }
    }

    /// By consent.
    #[must_use]
    pub fn consent(purpose: Purpose, evidence: Evidence) -> Grant {
        Grant::on(purpose, Basis::Consent).evidence(evidence)
    }

    /// Evidence for any basis: which contract, which law.
    #[must_use]
    pub fn evidence(mut self, evidence: Evidence) -> Grant {
        self.evidence = Some(evidence);
        self
    }

    /// Ends it at a time. A [rule](super::Rules) may end it earlier.
    #[must_use]
    pub fn until(mut self, until: Timestamp) -> Grant {
        self.until = Some(until);
        self
    }

    /// A grant to hand data of this purpose on to a recipient, by a name of the application's: `"carrier"`. It is no ground
    /// to keep the data itself.
    #[must_use]
    pub fn to(mut self, recipient: impl Into<String>) -> Grant {
        self.recipient = Some(recipient.into());
        self
    }
}
