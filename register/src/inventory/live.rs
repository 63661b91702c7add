//! What is granted now, beside what is declared.

use std::collections::BTreeMap;
use std::fmt;

use super::contents::Inventory;
use crate::access::tree::Tree;
use crate::basis::Basis;

/// How many grants are live, by purpose, basis and recipient. `live_grants` of the register gives it.
///
/// ```
/// use oubliette_register::Basis;
/// use oubliette_register::inventory::{Inventory, LiveGrants};
///
/// let live = LiveGrants::at_time("2026-11-24T18:00:00Z").grants("newsletter", Basis::Consent, None, 12);
/// let differences = Inventory::of("Shop SAS, privacy@shop.example").differences(&live);
/// assert_eq!(differences[0].to_string(), "newsletter: there are 12 live grants, but the purpose is not declared");
/// ```
#[derive(Clone, Debug)]
pub struct LiveGrants {
    at: String,
    grants: BTreeMap<String, BTreeMap<(Basis, Option<String>), u64>>,
}

/// A difference between the declarations and the live grants.
///
/// [`LiveGrants`] has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// A purpose has grants and no declaration.
    NotDeclared {
        /// The purpose.
        purpose: String,
        /// How many are live.
        grants: u64,
    },
    /// Grants have a different basis from the declared one.
    OtherBasis {
        /// The purpose.
        purpose: String,
        /// The basis declared.
        declared: Basis,
        /// The basis of the grants.
        granted: Basis,
        /// How many are live.
        grants: u64,
    },
    /// A recipient has grants and is not declared.
    UnknownRecipient {
        /// The purpose.
        purpose: String,
        /// Who.
        recipient: String,
        /// How many are live.
        grants: u64,
    },
    /// A recipient is declared and has no grants.
    NoGrants {
        /// The purpose.
        purpose: String,
        /// Who.
        recipient: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::NotDeclared { purpose, grants } => {
                write!(f, "{purpose}: there are {grants} live grants, but the purpose is not declared")
            }
            Difference::OtherBasis { purpose, declared, granted, grants } => {
                write!(f, "{purpose}: the declared basis is {}, but {grants} live grants are on {}", declared, granted)
            }
            Difference::UnknownRecipient { purpose, recipient, grants } => {
                write!(f, "{purpose}: {grants} live grants are for {recipient}, which is not declared as a recipient")
            }
            Difference::NoGrants { purpose, recipient } => {
                write!(f, "{purpose}: {recipient} is declared as a recipient, but has no live grant")
            }
        }
    }
}

impl LiveGrants {
    /// No grants yet, counted at this time, in the form that documents show.
    #[must_use]
    pub fn at_time(at: impl Into<String>) -> LiveGrants {
        LiveGrants { at: at.into(), grants: BTreeMap::new() }
    }

    /// Adds grants of a purpose on a basis; with a recipient, grants to hand data on.
    #[must_use]
    pub fn grants(mut self, purpose: &str, basis: Basis, recipient: Option<&str>, count: u64) -> LiveGrants {
        let of_purpose = self.grants.entry(purpose.to_owned()).or_default();
        let sum = of_purpose.entry((basis, recipient.map(str::to_owned))).or_default();
        *sum = sum.saturating_add(count);
        self
    }

    pub(super) fn at(&self) -> &str {
        &self.at
    }

    fn of(&self, purpose: &str) -> impl Iterator<Item = (Basis, Option<&str>, u64)> {
        let grants = self.grants.get(purpose).into_iter().flatten().filter(|(_, count)| **count > 0);
        grants.map(|((basis, recipient), count)| (*basis, recipient.as_deref(), *count))
    }

    /// "12 on consent; 3 on consent, for DHL".
    pub(super) fn in_words(&self, purpose: &str) -> String {
        let words = self.of(purpose).map(|(basis, recipient, count)| {
            let recipient = recipient.map_or(String::new(), |who| format!(", for {who}"));
            format!("{count} on {}{recipient}", basis)
        });
        let words: Vec<String> = words.collect();
        if words.is_empty() { "none".into() } else { words.join("; ") }
    }

    pub(super) fn differences(&self, inventory: &Inventory) -> Vec<Difference> {
        let mut found = Vec::new();
        for purpose in self.grants.keys() {
            let Some(declared) = inventory.declaration(purpose) else {
                let grants = self.of(purpose).map(|(_, _, count)| count).sum();
                if grants > 0 {
                    found.push(Difference::NotDeclared { purpose: purpose.clone(), grants });
                }
                continue;
            };
            for (granted, recipient, grants) in self.of(purpose) {
                let purpose = purpose.clone();
                match recipient {
                    None => {
                        if let Some(declared) = declared.basis.filter(|declared| *declared != granted) {
                            found.push(Difference::OtherBasis { purpose, declared, granted, grants });
                        }
                    }
                    Some(who) if !declared.recipients.iter().flatten().any(|known| known == who) => {
                        let recipient = who.to_owned();
                        found.push(Difference::UnknownRecipient { purpose, recipient, grants });
                    }
                    Some(_) => {}
                }
            }
        }
        for declared in inventory.declarations() {
            for recipient in declared.recipients.iter().flatten() {
                let purpose = declared.purpose.name();
                if !self.of(purpose).any(|(_, granted, _)| granted == Some(recipient)) {
                    found.push(Difference::NoGrants { purpose: purpose.to_owned(), recipient: recipient.clone() });
                }
            }
        }
        found
    }

    pub(super) fn document(&self, inventory: &Inventory) -> Tree {
        let purposes = self.grants.keys().map(|purpose| {
            let grants = self.of(purpose).map(|(basis, recipient, count)| {
                Tree::object([
                    ("basis", Tree::text(basis.as_str())),
                    ("recipient", Tree::maybe(recipient)),
                    ("live", Tree::Number(i64::try_from(count).unwrap_or(i64::MAX))),
                ])
            });
            Tree::object([("purpose", Tree::text(purpose.as_str())), ("grants", Tree::List(grants.collect()))])
        });
        let differences = self.differences(inventory).into_iter().map(|difference| Tree::text(difference.to_string()));
        Tree::object([
            ("at", Tree::text(self.at.as_str())),
            ("purposes", Tree::List(purposes.collect())),
            ("differences", Tree::List(differences.collect())),
        ])
    }
}
