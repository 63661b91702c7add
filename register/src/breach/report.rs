//! The report, as data.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use oubliette::CustomerId;
use serde::Serialize;

use super::measures::Measure;
use super::situation::Column;

/// The content of a notice to the supervisory authority, by the headings of Art. 33(3) GDPR. It names no customer.
///
/// Serialises to JSON; [`to_markdown`](BreachReport::to_markdown) is for people.
///
/// [The module](crate::breach) has an example.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct BreachReport {
    /// When the controller became aware.
    pub aware_at: Timestamp,
    /// The deadline, 72 hours later. A later notice must say why it is late. Art. 33(1).
    pub notify_by: Timestamp,
    /// When this report was made.
    pub made_at: Timestamp,
    /// What leaked.
    pub leaked: Vec<String>,
    /// Who the persons are: customers, employees. Art. 33(3)(a).
    pub categories: Option<String>,
    /// Whom to ask. Art. 33(3)(b).
    pub contact: Option<String>,
    /// How many. Art. 33(3)(a).
    pub scope: Scope,
    /// The numbers by purpose and column.
    pub purposes: Vec<PurposeScope>,
    /// Plain columns of a copied database. Nobody has said whether they are personal.
    pub in_clear: Vec<PlainColumn>,
    /// The likely consequences. Art. 33(3)(c).
    pub consequences: Vec<String>,
    /// Measures taken and proposed. Art. 33(3)(d).
    pub measures: Vec<Measure>,
    /// What the report assumes.
    pub assumptions: Vec<String>,
}

impl BreachReport {
    /// Whether the 72 hours were over when this report was made. Then the notice must say why it is late (Art. 33(1)).
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.made_at > self.notify_by
    }
}

/// How many persons and values. Approximate numbers are enough (Art. 33(3)(a)).
///
/// [The module](crate::breach) has an example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Scope {
    /// Persons concerned.
    pub persons: u64,
    /// Persons of whom a value was readable.
    pub persons_readable: u64,
    /// Persons whose id is gone, since they were erased after the leak.
    pub persons_without_id: u64,
    /// Values: one for each column and customer number, whether it was filled or not.
    pub values: u64,
    /// Values that were readable.
    pub values_readable: u64,
}

/// What leaked of one purpose.
///
/// It is only read, so there is no example.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PurposeScope {
    /// The purpose.
    pub purpose: String,
    /// Customer numbers concerned.
    pub numbers: u64,
    /// Customer numbers of which a value was readable.
    pub numbers_readable: u64,
    /// Its columns.
    pub columns: Vec<ColumnScope>,
}

/// What leaked of one column.
///
/// It is only read, so there is no example.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ColumnScope {
    /// The column.
    #[serde(flatten)]
    pub column: Column,
    /// How many values had which exposure.
    pub states: BTreeMap<Exposure, u64>,
}

/// A plain column.
///
/// It is only read, so there is no example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlainColumn {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
}

/// How exposed a value is by the worst of what leaked. The variants are in order of severity.
///
/// It is only read, so there is no example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Exposure {
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
    /// A program gave it out, or could have.
    GivenOut,
}

impl Exposure {
    /// Whether to assume that its content is known. That includes a token against which guesses can be tested:
    /// addresses and telephone numbers are guessed in an hour.
    #[must_use]
    pub fn is_readable(self) -> bool {
        match self {
            Exposure::Sealed | Exposure::Comparable => false,
            Exposure::Guessable | Exposure::Opened | Exposure::Clear | Exposure::GivenOut => true,
        }
    }
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Exposure::Sealed => "sealed, unreadable",
            Exposure::Comparable => "tokens, unreadable but comparable",
            Exposure::Guessable => "tokens that guesses can be tested with",
            Exposure::Opened => "sealed, and readable with what leaked",
            Exposure::Clear => "in clear",
            Exposure::GivenOut => "given out by the program",
        })
    }
}

/// One person concerned. The list of persons to inform is kept apart from the report.
///
/// It is only read, so there is no example.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct Concerned {
    /// The application's id; `None` if the person was erased.
    pub customer: Option<String>,
    /// What leaked of them.
    pub purposes: Vec<InPurpose>,
}

impl Concerned {
    /// Whether a value of this person was readable. If the risk is high, they must be told. Art. 34.
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
///
/// It is only read, so there is no example.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct InPurpose {
    /// The purpose.
    pub purpose: String,
    /// The number that the values are sealed under.
    pub number: CustomerId,
    /// Whether the number was shredded after the leak.
    pub is_shredded: bool,
    /// Columns whose content you must assume to be known.
    pub readable: Vec<String>,
    /// Columns that leaked and cannot be read.
    pub unreadable: Vec<String>,
}
