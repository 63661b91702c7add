//! Why what is held on somebody could not be given.

use oubliette::{KeyStoreError, OpenError, Outcome, ParseError};

/// Why an answer about a person could not be given. Nothing of it was given: half an answer looks like a whole one.
///
/// It names tables, columns and fields, never a value.
#[derive(thiserror::Error)]
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
        "{table}.{column} (field {label} of {purpose}) holds the type {tag:?}, for which no reader is given; add \
         `.reading::<T>()` with the type of that tag"
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
    /// A column of sealed values holds something else.
    #[error(
        "{table}.{column} does not hold a sealed value; if it is still in plaintext, seal it first (oubliette-jobs)"
    )]
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
    /// The column that a value is bound to is NULL, or its content does not fit the declared binding.
    #[error("{table}.{column}: the column that the value is bound to is NULL, or not as `binding` says")]
    Context {
        /// The table.
        table: String,
        /// The column of the sealed value.
        column: String,
    },
    /// A column of customer numbers holds something else.
    #[error("{table}.{column} holds something else than a customer number; correct the row")]
    Number {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A column holds something that is not an integer, a number, text, bytes or JSON.
    #[error("{table}.{column} cannot be read; PostgreSQL's `bytea_output` must be `hex`")]
    Unsupported {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A group holds fields that the table does not declare. A document without them would look like a whole one.
    #[error(
        "{table}.{column} holds fields that are not declared: {labels}; declare them, or let a job take them out of the rows"
    )]
    Undeclared {
        /// The table.
        table: String,
        /// The column of the group.
        column: String,
        /// The fields' labels.
        labels: String,
    },
    /// The value's type could not write it as JSON.
    #[error("{table}.{column}: the value's type cannot write it as JSON; see its `serialize_exposed`")]
    NotWritable {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// The register or the database refused.
    #[error(transparent)]
    Register(#[from] crate::error::RegisterError),
}

impl AccessError {
    /// Whether the error is about a single value only.
    pub(crate) fn is_of_one_value(&self) -> bool {
        match self {
            AccessError::Open { source, .. } => matches!(
                source,
                OpenError::OtherCustomer { .. }
                    | OpenError::OtherPurpose { .. }
                    | OpenError::OtherVault { .. }
                    | OpenError::NotEnrolled { .. }
                    | OpenError::NotAuthentic { .. }
                    | OpenError::SealedInCopy { .. }
                    | OpenError::NotOfThisHistory { .. }
                    | OpenError::InvalidContent { .. }
                    | OpenError::OtherType { .. }
                    | OpenError::NewerGroup { .. }
                    | OpenError::KeyStore(KeyStoreError::PageDamaged { .. })
            ),
            AccessError::NotSealed { .. }
            | AccessError::Unreadable { .. }
            | AccessError::Context { .. }
            | AccessError::Number { .. }
            | AccessError::Undeclared { .. }
            | AccessError::NotWritable { .. } => true,
            AccessError::Invalid { .. }
            | AccessError::UnknownType { .. }
            | AccessError::Unsupported { .. }
            | AccessError::Register(_) => false,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            AccessError::Open { source, .. } => source.outcome(),
            AccessError::Register(error) => error.outcome(),
            AccessError::Unsupported { .. } => Outcome::Investigate,
            AccessError::Invalid { .. }
            | AccessError::UnknownType { .. }
            | AccessError::NotSealed { .. }
            | AccessError::Unreadable { .. }
            | AccessError::Context { .. }
            | AccessError::Number { .. }
            | AccessError::Undeclared { .. }
            | AccessError::NotWritable { .. } => Outcome::Investigate,
        }
    }
}

oubliette::journal::message::debug_as_message!(AccessError);
