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

use super::history::{History, Moment};
use crate::times::timestamp;

/// What was held, of whom, in which columns, and what became of the keys.
///
/// From a register by [`breach_facts`](crate::InTransactionSqlite::breach_facts); or put together by hand.
#[derive(Clone, Debug)]
pub struct Facts {
    /// One for each customer's number in a purpose, those shredded too.
    pub holdings: Vec<Holding>,
    /// The columns of the application's database.
    pub columns: Vec<Column>,
    /// What became of the keys.
    pub history: History,
    /// What audits say was opened. `None`: nothing is audited, or the audits are not at hand. Give them only if all that
    /// the programs in [`Leak::Service`](super::Leak::Service) open goes through them.
    pub openings: Option<Vec<Opened>>,
    /// Numbers that the vault has issued, to be compared with those in `holdings`.
    pub issued: Option<u64>,
}

/// What is held on one customer for one purpose.
#[derive(Clone)]
pub struct Holding {
    /// The application's id of the customer; `None` once erased. It may name a person.
    pub customer: Option<String>,
    /// The same number in all holdings of one person, another in those of others. It tells persons apart, those who were
    /// erased too, and names nobody.
    pub person: u64,
    /// The purpose.
    pub purpose: String,
    /// The number that the values are sealed under.
    pub number: CustomerId,
    /// Since when.
    pub since: Timestamp,
    /// When the number was shredded in this purpose, if it was.
    pub shredded: Option<Moment>,
    /// When the tokens beside it became NULL, or their rows were deleted, if all did: a shred does not reach tokens.
    pub tokens_cleared: Option<Timestamp>,
}

impl std::fmt::Debug for Holding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Holding({}, {}, redacted)", self.purpose, self.number)
    }
}

/// A column with personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// What its values are kept for; `None` if that is not known of a plain one.
    pub purpose: Option<String>,
    /// How they are stored.
    pub stored: Stored,
}

/// How a column stores its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stored {
    /// Sealed.
    Sealed {
        /// The field's label.
        label: String,
        /// Since when, if the column held plaintext before: copies from before that have it in clear.
        since: Option<Timestamp>,
    },
    /// Tokens of an index.
    Token {
        /// The index's label.
        index: String,
    },
    /// As they are.
    Plain,
}

impl Column {
    /// The columns of a record, as they stand in a table. Those of customer numbers are left out.
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

    /// Says that the column held plaintext before a time, if it is a sealed one.
    #[must_use]
    pub fn sealed_since(mut self, time: Timestamp) -> Column {
        if let Stored::Sealed { since, .. } = &mut self.stored {
            *since = Some(time);
        }
        self
    }
}

/// What an audit says was given out.
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
    /// Openings that were not noted: anybody's, of anything.
    NotNoted {
        /// From when.
        from: Timestamp,
        /// Until when.
        until: Timestamp,
    },
}

impl Opened {
    /// What the entries of an [`AuditFile`](oubliette::audit::AuditFile) say: all of them, in their order.
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
