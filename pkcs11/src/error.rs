//! Why a token could not be used.

use std::path::PathBuf;

use cryptoki::error::{Error, RvError};

/// Why a token could not be used. It carries no PIN and no key material.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The module could not be loaded or started.
    #[error("the PKCS#11 module {} could not be used; check its path", path.display())]
    Module {
        /// Its path.
        path: PathBuf,
        /// What it said.
        #[source]
        source: Error,
    },
    /// There is no token of this label.
    #[error(
        "no token with the label {label:?} is plugged in; plug it in, or correct the label (`pkcs11-tool --list-token-slots` lists the tokens)"
    )]
    NoToken {
        /// The label.
        label: String,
    },
    /// More than one token has this label.
    #[error("{count} tokens have the label {label:?}; unplug one, or name its serial number")]
    Ambiguous {
        /// The label.
        label: String,
        /// How many.
        count: usize,
    },
    /// The PIN is wrong. It is not tried again, since tokens lock themselves after a few tries.
    #[error(
        "the token {label:?} refuses the PIN; correct it, and start again (it is not tried twice, since tokens lock themselves after a few tries)"
    )]
    Pin {
        /// The token's label.
        label: String,
    },
    /// The token's user PIN is locked.
    #[error("the PIN of the token {label:?} is locked; its security officer can set a new one")]
    PinLocked {
        /// The token's label.
        label: String,
    },
    /// The token lacks an operation that a root key needs.
    #[error(
        "the token {label:?} cannot encrypt with {mechanism}, which a root key needs; take another token (`pkcs11-tool --list-mechanisms` shows what a token can do)"
    )]
    Lacks {
        /// The token's label.
        label: String,
        /// What it lacks, as the standard calls it.
        mechanism: &'static str,
    },
    /// The token had objects of this vault, and lists none now, though its module was started anew and asked again for two thirds of a second. The next call
    /// does the same.
    #[error(
        "the token had keys of this vault, but lists none now; try again, and if it stays so, check whether somebody emptied or exchanged the token"
    )]
    Emptied,
    /// The token has no key of this name or version.
    #[error("the token has no key {key}; plug in the token that has it, or correct its name")]
    NoKey {
        /// Which.
        key: String,
    },
    /// The token already has such a key, or several.
    #[error("the token already has a key {key}, or several; choose another label")]
    KeyExists {
        /// Which.
        key: String,
    },
    /// The token still has a key that it said it destroyed.
    #[error(
        "the token said that it destroyed the key {key}, but still has it; do not rely on this token, and look at its log"
    )]
    NotDestroyed {
        /// Which.
        key: String,
    },
    /// The wrapped root key is not authentic, or has another size.
    #[error("the wrapped root key in the record is damaged, or was wrapped by another key")]
    NotAuthentic,
    /// No randomness.
    #[error("the operating system gave no randomness")]
    Randomness,
    /// The token has no room left.
    #[error("the token is full: {doing}")]
    Full {
        /// What was done.
        doing: &'static str,
        /// What it said.
        #[source]
        source: Error,
    },
    /// Anything else that the token said.
    #[error("the token failed: {doing}")]
    Token {
        /// What was done.
        doing: &'static str,
        /// What it said.
        #[source]
        source: Error,
    },
}

impl TokenError {
    pub(crate) fn of(doing: &'static str, source: Error) -> TokenError {
        match source {
            Error::Pkcs11(RvError::DeviceMemory, _) => TokenError::Full { doing, source },
            source => TokenError::Token { doing, source },
        }
    }

    /// Whether another session may do better: the token was unplugged, or closed this one.
    pub(crate) fn is_of_the_session(&self) -> bool {
        let (TokenError::Token { source, .. } | TokenError::Full { source, .. }) = self else { return false };
        matches!(
            source,
            Error::Pkcs11(
                RvError::SessionHandleInvalid
                    | RvError::SessionClosed
                    | RvError::DeviceRemoved
                    | RvError::DeviceError
                    | RvError::TokenNotPresent
                    | RvError::TokenNotRecognized
                    | RvError::UserNotLoggedIn
                    | RvError::CryptokiNotInitialized
                    | RvError::GeneralError
                    | RvError::FunctionFailed
                    | RvError::KeyHandleInvalid
                    | RvError::ObjectHandleInvalid
                    | RvError::OperationActive,
                _
            )
        )
    }
}

oubliette::journal::message::debug_as_message!(TokenError);
