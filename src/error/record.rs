//! Errors of records.

use crate::error::{Outcome, SealError, TokenError};

/// Why a record was not sealed. Nothing of it was given out.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SealRecordError {
    /// A value was not sealed.
    #[error("column `{column}` was not sealed")]
    Seal {
        /// The field of the record.
        column: &'static str,
        /// Why.
        source: SealError,
    },
    /// A value has no token.
    #[error("column `{column}` has no token")]
    Token {
        /// The field of the twin.
        column: &'static str,
        /// Why.
        source: TokenError,
    },
    /// A value of another purpose is kept, and the record has no customer number for that purpose.
    #[error("column `{column}` has a value, and the record no customer number for {purpose:?}; `enroll` one")]
    NoCustomer {
        /// The field of the record.
        column: &'static str,
        /// The value's purpose.
        purpose: &'static str,
    },
}

impl SealRecordError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            SealRecordError::Seal { source, .. } => source.outcome(),
            SealRecordError::Token { source, .. } => source.outcome(),
            SealRecordError::NoCustomer { .. } => Outcome::Investigate,
        }
    }
}

crate::journal::message::debug_as_message!(SealRecordError);
