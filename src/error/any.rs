//! Any error of a vault, for applications with one error type.

use super::{
    ChangeError, CreateError, KeyStoreError, OpenError, Outcome, RecoverError, SealError, ShredError, TokenError,
    UnlockError,
};
use crate::parse::ParseError;
use crate::root_key::RootKeyError;

/// Any error of a vault: `?` turns each of them into it.
///
/// For an application's own error type, for handlers that answer by [`outcome`](Error::outcome) alone, and for a `main`: its
/// `Debug` is the message with its causes, as that of every error here. What people type is refused by
/// [`personal::Invalid`](crate::personal::Invalid), which is answered with 422 and is not in here.
///
/// ```
/// use oubliette::{CustomerId, Field, Outcome, Purpose, Sealed, Vault, personal::Email};
///
/// const EMAIL: Field<Email> = Purpose::new("orders").field("email");
///
/// fn email(vault: &Vault, no: i64, column: &[u8]) -> Result<Email, oubliette::Error> {
///     Ok(vault.open(CustomerId::try_from(no)?, EMAIL, &Sealed::from_bytes(column)?)?)
/// }
///
/// fn status(error: &oubliette::Error) -> u16 {
///     match error.outcome() {
///         Outcome::Erased => 410,
///         Outcome::TryAgain => 503,
///         Outcome::Investigate => 500, // and wake somebody
///     }
/// }
/// # let vault = Vault::in_memory([Purpose::new("orders")]);
/// # let error = email(&vault, 1, b"no sealed value").map(drop).expect_err("cut");
/// # assert_eq!(status(&error), 500);
/// # Ok::<(), oubliette::Error>(())
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A vault was not created.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// A vault was not unlocked.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// A vault was not recovered, or a mirror was not promoted.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// A root key, a key tree, an epoch or a series was not changed, or it is not known.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// A root key could not be read.
    #[error(transparent)]
    RootKey(#[from] RootKeyError),
    /// A value or a record was not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A value was not opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// No token was made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Somebody was not shredded, or it is not known.
    #[error(transparent)]
    Shred(#[from] ShredError),
    /// The key store could not be used.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
    /// Bytes, text or a number that should be a sealed value, a token or a customer's number are none.
    #[error(transparent)]
    Parse(#[from] ParseError),
}

impl Error {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Error::Create(error) => error.outcome(),
            Error::Unlock(error) => error.outcome(),
            Error::Recover(error) => error.outcome(),
            Error::Change(error) => error.outcome(),
            Error::RootKey(error) => error.outcome(),
            Error::Seal(error) => error.outcome(),
            Error::Open(error) => error.outcome(),
            Error::Token(error) => error.outcome(),
            Error::Shred(error) => error.outcome(),
            Error::KeyStore(error) => error.outcome(),
            Error::Parse(_) => Outcome::Investigate,
        }
    }
}

crate::journal::message::debug_as_message!(Error);
