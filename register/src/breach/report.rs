//! The report, as data.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use oubliette::CustomerId;
use serde::Serialize;

use super::facts::Column;
use super::measures::Measure;

/// What a notice to the supervisory authority says (Art. 33(3) GDPR), by its headings. No customer is named in it.
///
/// Serialises to JSON; [`to_markdown`](Report::to_markdown) is for people.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// When the controller became aware.
    pub aware_at: Timestamp,
    /// 72 hours later: when the authority must have been told, or be told why it is late. Art. 33(1).
    pub notify_by: Timestamp,
    /// When this was worked out.
    pub made_at: Timestamp,
    /// What leaked.
    pub leaked: Vec<String>,
    /// Who the persons are: customers, employees. Art. 33(3)(a).
    pub categories: Option<String>,
    /// Whom to ask. Art. 33(3)(b).
    pub contact: Option<String>,
    /// How many. Art. 33(3)(a).
    pub scope: Scope,
    /// The same by purpose and column.
    pub purposes: Vec<PurposeScope>,
    /// Columns that a copied database has as they are, and of which it was not said whether they are personal.
    pub in_clear: Vec<PlainColumn>,
    /// What is likely to come of it. Art. 33(3)(c).
    pub consequences: Vec<String>,
    /// What was done, and what is proposed. Art. 33(3)(d).
    pub measures: Vec<Measure>,
    /// What all of it rests on.
    pub assumptions: Vec<String>,
}

impl Report {
    /// Whether the 72 hours were over when this was worked out: then the notice says why it is late (Art. 33(1)).
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.made_at > self.notify_by
    }
}

/// How many persons and values; approximate, as the article has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Scope {
    /// Persons concerned.
    pub persons: u64,
    /// Of whom something was readable.
    pub persons_readable: u64,
    /// Of those concerned, whose id is gone, since they were erased since.
    pub persons_without_id: u64,
    /// Values: one for each column and customer number, whether it was filled or not.
    pub values: u64,
    /// Of which readable.
    pub values_readable: u64,
}

/// What leaked of one purpose.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PurposeScope {
    /// The purpose.
    pub purpose: String,
    /// Customers' numbers concerned.
    pub holdings: u64,
    /// Of which something was readable.
    pub holdings_readable: u64,
    /// Its columns.
    pub columns: Vec<ColumnScope>,
}

/// What leaked of one column.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ColumnScope {
    /// The column.
    #[serde(flatten)]
    pub column: Column,
    /// How many customers' values stood how.
    pub states: BTreeMap<State, u64>,
}

/// A column that is stored as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlainColumn {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
}

/// How a value stood, in the worst of what leaked; in order of severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// Sealed, and nothing that leaked opens it.
    Sealed,
    /// A token: it tells which rows have equal values.
    Comparable,
    /// A token whose key leaked too: whoever guesses the value can tell that the guess is right.
    Guessable,
    /// Sealed, and what leaked opens it.
    Opened,
    /// In clear.
    Clear,
    /// Given out by a program, or could be.
    GivenOut,
}

impl State {
    /// Whether its content is to be taken for known. A token that can be tested is: addresses and telephone numbers are
    /// guessed in an hour.
    #[must_use]
    pub fn is_readable(self) -> bool {
        match self {
            State::Sealed | State::Comparable => false,
            State::Guessable | State::Opened | State::Clear | State::GivenOut => true,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Sealed => "sealed, unreadable",
            State::Comparable => "tokens, unreadable but comparable",
            State::Guessable => "tokens that guesses can be tested with",
            State::Opened => "sealed, and readable with what leaked",
            State::Clear => "in clear",
            State::GivenOut => "given out by the program",
        })
    }
}

/// One person concerned: for the list of those to be told, which is kept apart from the report.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct Concerned {
    /// The application's id; `None` when it is gone, since they were erased.
    pub customer: Option<String>,
    /// What leaked of them.
    pub purposes: Vec<InPurpose>,
}

impl Concerned {
    /// Whether something of theirs was readable: whether they are to be told, if the risk is high. Art. 34.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.purposes.iter().any(|purpose| !purpose.readable.is_empty())
    }
}

impl fmt::Debug for Concerned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Concerned(redacted, {:?})", self.purposes)
    }
}

/// What leaked of a person in one purpose.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct InPurpose {
    /// The purpose.
    pub purpose: String,
    /// The number it is sealed under.
    pub number: CustomerId,
    /// Whether it was shredded since.
    pub is_shredded: bool,
    /// Columns whose content is to be taken for known.
    pub readable: Vec<String>,
    /// Columns that leaked, and cannot be read.
    pub unreadable: Vec<String>,
}
