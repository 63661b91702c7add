//! Why a root key could not be used.

use std::path::PathBuf;

use super::WrapperError;
use crate::journal::Outcome;

/// Why a root key could not be used.
///
/// ```
/// use oubliette::RootKey;
/// use oubliette::root_keys::RootKeyError;
///
/// match RootKey::from_file("/run/secrets/no-such-file") {
///     Ok(_) => {}
///     Err(RootKeyError::File { path, source }) => eprintln!("{}: {source}: is the secret mounted?", path.display()),
///     Err(error) => eprintln!("{error}"),
/// }
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RootKeyError {
    /// The passphrase is empty: a variable that was not set?
    #[error("the passphrase is empty; is the variable it comes from set?")]
    EmptyPassphrase,
    /// The passphrase ends with a line break, which nobody typed.
    #[error("the passphrase ends with a line break, as a file that is read whole does; take it off")]
    LineBreak,
    /// The file of a key cannot be read.
    #[error("the root key's file {} cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What should be a key is none.
    #[error("not a root key: neither 32 bytes nor 64 hexadecimal digits")]
    NotAKey,
    /// The Argon2 cost is outside its bounds. From disk it means a damaged or tampered record.
    #[error(
        "the passphrase cost is out of bounds (8 MiB to 1 GiB, 1 to 16 passes, 1 to 16 lanes); \
         a root record that says so is damaged or was tampered with"
    )]
    Cost,
    /// The memory for Argon2 could not be had.
    #[error("not enough memory to stretch the passphrase: {kib} KiB are needed")]
    Memory {
        /// Memory needed, in KiB.
        kib: u32,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness; try again")]
    Randomness,
    /// The key wrapper failed.
    #[error("the service that holds the root key failed")]
    Wrapper(#[source] WrapperError),
    /// The root record's version of the root key was destroyed, or a later one is complete: an older record was put back.
    #[error(
        "the root record's version of the root key was destroyed or superseded: an older record was put back, or this is a copy; put the newest record back"
    )]
    Destroyed,
    /// The token holds nothing of this vault.
    #[error("the token holds no key of this vault: is it another token?")]
    OtherToken,
    /// The root record is in one place, and a new version would be all that opens it: one disk error would lose all.
    #[error(
        "the root record is in one place, and older versions of its key are not kept: one disk error would lose all. Attach a mirror, or keep older \
         versions for a while, or allow one place"
    )]
    OnePlace,
    /// The token still has keys of a series that it said it destroyed.
    #[error(
        "the token said that it destroyed the keys of the series, and still has some; find out why, then try again"
    )]
    NotForgotten,
    /// The token did not keep the mark that a version is complete: nothing was destroyed.
    #[error("the token did not keep the mark that a version is complete; nothing was destroyed")]
    NotMarked,
    /// The key wrapper gave nothing, or more than the record has room for.
    #[error("the service that holds the root key gave {bytes} bytes; 1 to {most} fit in the root record")]
    WrappedSize {
        /// Bytes given.
        bytes: usize,
        /// Most that fit.
        most: usize,
    },
}

impl RootKeyError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            RootKeyError::File { .. }
            | RootKeyError::Memory { .. }
            | RootKeyError::Randomness
            | RootKeyError::Wrapper(_)
            | RootKeyError::NotMarked => Outcome::TryAgain,
            _ => Outcome::Investigate,
        }
    }
}

crate::journal::message::debug_as_message!(RootKeyError);
