//! Why what is held on somebody could not be given.

use crate::error::{OpenError, Outcome};
use crate::sealed::ParseError;

/// Why what is held on somebody could not be given. Nothing of it was: half an answer would look like a whole one.
///
/// It names tables, columns and fields, never a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The tables are not well declared. Nothing was read.
    #[error("{what}")]
    Invalid {
        /// What is wrong.
        what: String,
    },
    /// Values of a type that no reader was given for. Nothing was read.
    #[error(
        "{purpose}/{label} ({table}.{column}) holds the type {tag:?}, which nothing here can read; add \
         `.reading::<T>()` with the type whose tag that is"
    )]
    UnknownType {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The field's purpose.
        purpose: &'static str,
        /// The field's label.
        label: &'static str,
        /// The type's tag.
        tag: &'static str,
    },
    /// A value does not open.
    #[error("{table}.{column}: {source}")]
    Open {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Why.
        source: OpenError,
    },
    /// Something else than a sealed value stands in a column of such.
    #[error("{table}.{column} holds no sealed value; is it still in plaintext? Seal it first (oubliette-jobs)")]
    NotSealed {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A sealed value of a newer version, or a damaged one.
    #[error("{table}.{column}: {source}")]
    Unreadable {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// What is the matter.
        source: ParseError,
    },
    /// The column that a value is bound to holds nothing that can be bound as declared.
    #[error("{table}.{column}: what it is bound to is NULL, or not as `binding` says")]
    Context {
        /// The table.
        table: String,
        /// The column of the sealed value.
        column: String,
    },
    /// A column of customers' numbers holds something else.
    #[error("{table}.{column} holds something else than a customer's number")]
    Number {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A column holds what no database calls an integer, a number, text, bytes or JSON.
    #[cfg(feature = "register")]
    #[error("{table}.{column} holds what cannot be read; PostgreSQL's `bytea_output` must be `hex`")]
    Unsupported {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// An opened value could not be written as JSON by its own type.
    #[error("{table}.{column}: the value's type cannot write it as JSON; see its `serialize_exposed`")]
    NotWritable {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// The register said no, or the database.
    #[cfg(feature = "register")]
    #[error(transparent)]
    Register(#[from] crate::register::RegisterError),
}

impl AccessError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            AccessError::Open { source, .. } => source.outcome(),
            #[cfg(feature = "register")]
            AccessError::Register(error) => error.outcome(),
            #[cfg(feature = "register")]
            AccessError::Unsupported { .. } => Outcome::Investigate,
            AccessError::Invalid { .. }
            | AccessError::UnknownType { .. }
            | AccessError::NotSealed { .. }
            | AccessError::Unreadable { .. }
            | AccessError::Context { .. }
            | AccessError::Number { .. }
            | AccessError::NotWritable { .. } => Outcome::Investigate,
        }
    }
}
