//! Why nothing was handed out.

use oubliette::Outcome;

use crate::access::AccessError;
use crate::error::RegisterError;

/// Why nothing was handed out. **After each of these errors no byte has left the application.**
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum DisclosureError {
    /// The customer has no live grant for this recipient, or the purpose itself has no live grant. Nothing was
    /// recorded.
    #[error(
        "there is no live grant to hand data of {purpose:?} to {recipient:?}, or none for the purpose itself; \
         record the missing one by `grant`"
    )]
    NoGrant {
        /// Who was to receive it.
        recipient: String,
        /// The purpose of the field.
        purpose: &'static str,
    },
    /// The register has no public key of the recipient. Nothing was recorded.
    #[error("the register has no public key of {recipient:?}; record it by `set_key`, or use `disclose_in_clear`")]
    NoKey {
        /// Who was to receive it.
        recipient: String,
    },
    /// The text is not an X25519 public key of age. Nothing was recorded.
    #[error("this is not an X25519 public key of age, which begins with `age1`")]
    InvalidKey,
    /// The customer has no such data, or it was shredded. Nothing was recorded.
    #[error("this customer has none of the data that was asked for")]
    NothingHeld,
    /// The data could not be encrypted. Nothing was recorded.
    #[error("the data could not be encrypted, and nothing was handed out")]
    Encryption,
    /// The application's tables could not be read, or the register refused. Nothing was recorded.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The disclosure could not be recorded with certainty. The register may list it, and the journal may get it later:
    /// the list may have one disclosure too many, never one too few.
    #[error("the disclosure could not be recorded, so nothing was handed out; the register may list it all the same")]
    NotWrittenDown(#[source] RegisterError),
}

impl From<RegisterError> for DisclosureError {
    fn from(error: RegisterError) -> DisclosureError {
        DisclosureError::Access(error.into())
    }
}

impl DisclosureError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            DisclosureError::Access(error) => error.outcome(),
            DisclosureError::NotWrittenDown(error) => error.outcome(),
            DisclosureError::NoGrant { .. }
            | DisclosureError::NoKey { .. }
            | DisclosureError::InvalidKey
            | DisclosureError::NothingHeld
            | DisclosureError::Encryption => Outcome::Investigate,
        }
    }
}

oubliette::journal::message::debug_as_message!(DisclosureError);
