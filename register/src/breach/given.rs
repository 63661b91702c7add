//! What a breach is said to be.

use jiff::{SignedDuration, Timestamp};

use super::leak::Leak;

/// The time there is to notify the authority. Art. 33(1).
const TO_NOTIFY: SignedDuration = SignedDuration::from_hours(72);

/// A breach: when it became known, and what leaked.
///
/// [The module](crate::breach) has an example.
#[derive(Clone, Debug)]
pub struct Breach {
    pub(super) aware_at: Timestamp,
    pub(super) leaks: Vec<Leak>,
    pub(super) categories: Option<String>,
    pub(super) contact: Option<String>,
}

impl Breach {
    /// A breach that the controller became aware of at this time. The 72 hours count from it.
    #[must_use]
    pub fn known_since(aware_at: Timestamp) -> Breach {
        Breach { aware_at, leaks: Vec::new(), categories: None, contact: None }
    }

    /// Adds something that leaked.
    #[must_use]
    pub fn leaked(mut self, leak: Leak) -> Breach {
        self.leaks.push(leak);
        self
    }

    /// Adds several things that leaked.
    #[must_use]
    pub fn leaked_all(mut self, leaks: impl IntoIterator<Item = Leak>) -> Breach {
        self.leaks.extend(leaks);
        self
    }

    /// Who the persons are: `"customers of the shop"`. Art. 33(3)(a).
    #[must_use]
    pub fn categories(mut self, categories: impl Into<String>) -> Breach {
        self.categories = Some(categories.into());
        self
    }

    /// Name and contact details of the data protection officer or another contact. Art. 33(3)(b).
    #[must_use]
    pub fn contact(mut self, contact: impl Into<String>) -> Breach {
        self.contact = Some(contact.into());
        self
    }

    /// The deadline for the notice to the authority.
    #[must_use]
    pub fn notify_by(&self) -> Timestamp {
        self.aware_at.saturating_add(TO_NOTIFY).unwrap_or(Timestamp::MAX)
    }
}
