//! Any error of a vault, for applications with one error type.

use super::{
    CreateError, EnrollError, EpochError, KeyStoreError, OpenError, Outcome, PromoteError, PurposeError, RecoverError,
    ResealError, RotateError, SealError, SeriesError, ShredError, TokenError, UnlockError,
};
use crate::columns::MaybeSealedError;
use crate::customer::InvalidCustomerId;
use crate::index::InvalidToken;
use crate::root_key::RootKeyError;
use crate::sealed::ParseError;

/// Any error of a vault: `?` turns each of them into it.
///
/// For an application's own error type, for handlers that answer by [`outcome`](Error::outcome) alone, and for a `main`: its
/// `Debug` is the message with its causes, as that of every error here. What people type is refused by errors of the types'
/// own ([`InvalidEmail`](crate::personal::InvalidEmail) and its siblings): these are answered with 422, and are not in here.
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
    /// A mirror was not promoted.
    #[error(transparent)]
    Promote(#[from] PromoteError),
    /// A vault was not recovered.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// A root key was not rotated.
    #[error(transparent)]
    Rotate(#[from] RotateError),
    /// Keys of a series were not destroyed.
    #[error(transparent)]
    Series(#[from] SeriesError),
    /// A root key could not be read.
    #[error(transparent)]
    RootKey(#[from] RootKeyError),
    /// No customer number was issued.
    #[error(transparent)]
    Enroll(#[from] EnrollError),
    /// A value was not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A record was not sealed.
    #[cfg(feature = "derive")]
    #[cfg_attr(docsrs, doc(cfg(feature = "derive")))]
    #[error(transparent)]
    SealRecord(#[from] super::SealRecordError),
    /// A value was not opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A value was not sealed anew.
    #[error(transparent)]
    Reseal(#[from] ResealError),
    /// A column that is being sealed was not read.
    #[error(transparent)]
    MaybeSealed(#[from] MaybeSealedError),
    /// No token was made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// An epoch was not begun or retired.
    #[error(transparent)]
    Epoch(#[from] EpochError),
    /// A purpose did not get a new key tree, or the old one was not retired.
    #[error(transparent)]
    Purpose(#[from] PurposeError),
    /// Somebody was not shredded, or it is not known.
    #[error(transparent)]
    Shred(#[from] ShredError),
    /// The key store could not be used.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
    /// Bytes or text that should be a sealed value are none.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A number that should be a customer's is none.
    #[error(transparent)]
    CustomerId(#[from] InvalidCustomerId),
    /// Bytes or text that should be a token are none.
    #[error(transparent)]
    InvalidToken(#[from] InvalidToken),
}

impl Error {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Error::Create(error) => error.outcome(),
            Error::Unlock(error) => error.outcome(),
            Error::Promote(error) => error.outcome(),
            Error::Recover(error) => error.outcome(),
            Error::Rotate(error) => error.outcome(),
            Error::Series(error) => error.outcome(),
            Error::RootKey(error) => error.outcome(),
            Error::Enroll(error) => error.outcome(),
            Error::Seal(error) => error.outcome(),
            #[cfg(feature = "derive")]
            Error::SealRecord(error) => error.outcome(),
            Error::Open(error) => error.outcome(),
            Error::Reseal(error) => error.outcome(),
            Error::MaybeSealed(error) => error.outcome(),
            Error::Token(error) => error.outcome(),
            Error::Epoch(error) => error.outcome(),
            Error::Purpose(error) => error.outcome(),
            Error::Shred(error) => error.outcome(),
            Error::KeyStore(error) => error.outcome(),
            Error::Parse(_) | Error::CustomerId(_) | Error::InvalidToken(_) => Outcome::Investigate,
        }
    }
}

crate::journal::message::debug_as_message!(Error);
