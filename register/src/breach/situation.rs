//! What was held at the time: given by the register and the journal, or by whoever has them elsewhere.

use std::borrow::Borrow;

use jiff::Timestamp;
use oubliette::audit::{self, Opening};
use oubliette::journal::{Entry, Numbers, OpeningResult};
use oubliette::{
    CustomerId,
    fields::{FieldInfo, FieldKind},
};
use serde::Serialize;

use super::history::{KeyHistory, Moment};
use crate::times::timestamp;

/// Everything that a breach is assessed by: whose data there was, in which columns, and what became of the keys.
///
/// A register gives it by [`breach_situation`](crate::InTransactionSqlite::breach_situation). Without a register, put
/// it together by hand.
///
/// [The module](crate::breach) has an example.
#[derive(Clone, Debug)]
pub struct Situation {
    /// One for each number of a customer in a purpose, shredded numbers included.
    pub enrolments: Vec<Enrolment>,
    /// The columns of the application's database.
    pub columns: Vec<Column>,
    /// What became of the keys.
    pub history: KeyHistory,
    /// What was opened, by the audits. `None` if nothing is audited. Give audits only if they record everything that
    /// the programs in [`Leak::Service`](super::Leak::Service) open.
    pub openings: Option<Vec<Opened>>,
    /// How many numbers the vault has issued, to compare with `enrolments`.
    pub issued: Option<u64>,
}

/// One number of a customer, for one purpose.
///
/// [The module](crate::breach) has an example.
#[derive(Clone)]
pub struct Enrolment {
    /// The application's id of the customer; `None` once erased. It may name a person.
    pub customer: Option<String>,
    /// A number that all enrolments of one person share, and nobody else's have. It tells persons apart, even erased
    /// ones, and names nobody.
    pub person: u64,
    /// The purpose.
    pub purpose: String,
    /// The number that the values are sealed under.
    pub number: CustomerId,
    /// Since when.
    pub since: Timestamp,
    /// When the number was shredded in this purpose, if it was.
    pub shredded: Option<Moment>,
    /// When all its tokens became NULL, or their rows were deleted. A shred alone does not reach tokens.
    pub tokens_cleared: Option<Timestamp>,
}

impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Enrolment({}, {}, redacted)", self.purpose, self.number)
    }
}

/// A column with personal data.
///
/// [The module](crate::breach) has an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// The purpose of its values; `None` for a plain column whose purpose is not known.
    pub purpose: Option<String>,
    /// How they are stored.
    pub stored: Stored,
}

/// How a column stores its values.
///
/// [The module](crate::breach) has an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stored {
    /// Sealed.
    Sealed {
        /// The field's label.
        label: String,
        /// Since when the column is sealed, if it held plaintext before: older copies have it in clear.
        since: Option<Timestamp>,
    },
    /// Tokens of an index.
    Token {
        /// The index's label.
        index: String,
    },
    /// In plaintext.
    Plain,
}

impl Column {
    /// The columns of a record in a table, without those of customer numbers.
    #[must_use]
    pub fn all_of(table: &str, fields: &[FieldInfo]) -> Vec<Column> {
        let column = |field: &FieldInfo| {
            let (purpose, stored) = match field.kind {
                // What is in a group is told by its fields.
                FieldKind::Customer { .. } | FieldKind::Group { .. } => return None,
                FieldKind::Sealed { purpose, label, .. } | FieldKind::Member { purpose, label, .. } => {
                    (Some(purpose), Stored::Sealed { label: label.to_owned(), since: None })
                }
                FieldKind::Token { purpose, label, .. } => (Some(purpose), Stored::Token { index: label.to_owned() }),
                // Of a kind that this version does not know, what can be read is not known either.
                _ => (None, Stored::Plain),
            };
            let purpose = purpose.map(|purpose| purpose.name().to_owned());
            // Whoever has the column of a group has all that is in it.
            let column = if let FieldKind::Member { of, .. } = field.kind { of } else { field.column };
            Some(Column { table: table.to_owned(), column: column.to_owned(), purpose, stored })
        };
        fields.iter().filter_map(column).collect()
    }

    /// Says that a sealed column held plaintext before this time.
    #[must_use]
    pub fn sealed_since(mut self, time: Timestamp) -> Column {
        if let Stored::Sealed { since, .. } = &mut self.stored {
            *since = Some(time);
        }
        self
    }
}

/// What was opened, by an audit.
///
/// [The guide](crate::guide#breach) has an example of a breach.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opened {
    /// Values of a field.
    Values {
        /// The second.
        at: Timestamp,
        /// The field's purpose.
        purpose: String,
        /// The field's label.
        label: String,
        /// Whose.
        numbers: Numbers,
    },
    /// A time without an audit: anything may have been opened.
    NotNoted {
        /// From when.
        from: Timestamp,
        /// Until when.
        until: Timestamp,
    },
}

impl Opened {
    /// The openings in the entries of an [`AuditFile`](oubliette::audit::AuditFile). Give all entries, in their order.
    #[must_use]
    pub fn among<E: Borrow<Entry>>(entries: impl IntoIterator<Item = E>) -> Vec<Opened> {
        let opened = |opening| match opening {
            Opening::Noted { at, purpose, field, result: OpeningResult::Opened, numbers, .. } => Some(Opened::Values {
                at: timestamp(at),
                purpose: purpose.as_str().to_owned(),
                label: field.as_str().to_owned(),
                numbers,
            }),
            Opening::NotNoted { from, until, .. } => {
                Some(Opened::NotNoted { from: from.map_or(Timestamp::MIN, timestamp), until: timestamp(until) })
            }
            _ => None,
        };
        audit::openings(entries).filter_map(opened).collect()
    }
}
