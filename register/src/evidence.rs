//! On what ground something is kept: the bases of GDPR Art. 6(1), and the evidence of a consent.

use std::fmt;

use jiff::Timestamp;
use oubliette::Purpose;
use serde_json::{Map, Value};

use crate::basis::Basis;

/// The proof of a consent: when, to which text, how. The register keeps it until the customer is erased;
/// [`Rules::keep_evidence`](super::Rules::keep_evidence) names parts that stay longer.
///
/// [`Grant`] has an example.
#[derive(Clone)]
pub struct Evidence(Map<String, Value>);

impl Evidence {
    /// When the person consented, to which version of which text, and how: `"sign-up form"`, `"by telephone, call
    /// 4711"`.
    #[must_use]
    pub fn new(when: Timestamp, text: impl Into<String>, how: impl Into<String>) -> Evidence {
        Evidence(Map::new()).with("when", when.to_string()).with("text", text).with("how", how)
    }

    /// Adds a part.
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

/// A legal basis to keep data of one purpose, for ever or until a time; or, with a recipient, to hand it on.
///
/// ```
/// use jiff::{Timestamp, ToSpan};
/// use oubliette::Purpose;
/// use oubliette_register::{Basis, Evidence, Grant};
///
/// const ORDERS: Purpose = Purpose::new("orders");
/// const NEWSLETTER: Purpose = Purpose::new("newsletter");
///
/// let contract = Grant::on(ORDERS, Basis::Contract);
/// let evidence = Evidence::new(Timestamp::now(), "newsletter, version 3", "sign-up form").with("page", "/welcome");
/// let consent = Grant::consent(NEWSLETTER, evidence).until(Timestamp::now() + 24.hours() * 365);
/// let delivery = Grant::on(ORDERS, Basis::Contract).to("carrier"); // to hand the address on
/// ```
#[derive(Clone, Debug)]
pub struct Grant {
    pub(crate) purpose: Purpose,
    pub(crate) basis: Basis,
    pub(crate) evidence: Option<Evidence>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) recipient: Option<String>,
}

impl Grant {
    /// A grant on a legal basis. For a consent use [`Grant::consent`], which takes the evidence.
    #[must_use]
    pub fn on(purpose: Purpose, basis: Basis) -> Grant {
        Grant { purpose, basis, evidence: None, until: None, recipient: None }
    }

    /// A grant by consent.
    #[must_use]
    pub fn consent(purpose: Purpose, evidence: Evidence) -> Grant {
        Grant::on(purpose, Basis::Consent).evidence(evidence)
    }

    /// Adds evidence: which contract, which law.
    #[must_use]
    pub fn evidence(mut self, evidence: Evidence) -> Grant {
        self.evidence = Some(evidence);
        self
    }

    /// Ends the grant at this time. A [rule](super::Rules) may end it earlier.
    #[must_use]
    pub fn until(mut self, until: Timestamp) -> Grant {
        self.until = Some(until);
        self
    }

    /// Turns it into a grant to hand data of this purpose to a recipient, named by the application: `"carrier"`. Such a
    /// grant is not a ground to keep the data.
    #[must_use]
    pub fn to(mut self, recipient: impl Into<String>) -> Grant {
        self.recipient = Some(recipient.into());
        self
    }
}
