//! Why nothing was handed out.

use oubliette::Outcome;

use crate::access::AccessError;
use crate::error::RegisterError;

/// Why nothing was handed out. **After each of these no byte has left**; what may be true all the same is said of each.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum DisclosureError {
    /// The customer has not granted it, or no longer; or nothing keeps the purpose any more. Nothing was written down.
    #[error(
        "{recipient:?} has no live grant to receive what is kept for {purpose:?}, or the purpose itself has none; \
         record what is missing by `grant`"
    )]
    NoGrant {
        /// Who was to receive it.
        recipient: String,
        /// The purpose of the field.
        purpose: &'static str,
    },
    /// No public key of the recipient's is known. Nothing was written down.
    #[error("no public key of {recipient:?} is known; record it by `set_key`, or hand it out `in_clear`")]
    NoKey {
        /// Who was to receive it.
        recipient: String,
    },
    /// Not a public key of age's for X25519. Nothing was written down.
    #[error("not an X25519 public key of age's, which begins with `age1`")]
    InvalidKey,
    /// The customer has none of what was asked for, or it was shredded. Nothing was written down.
    #[error("nothing of what was asked for is held on this customer")]
    NothingHeld,
    /// It could not be encrypted. Nothing was written down.
    #[error("it could not be encrypted")]
    Encryption,
    /// The application's tables could not be read, or the register said no. Nothing was written down.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It is not known to be written down, or stands in the register and has not reached the journal. It stays there, and is
    /// told to the journal later: the register then lists a disclosure more than there was, never one less.
    #[error("it could not be written down, so nothing was handed out; the register may list it all the same")]
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
