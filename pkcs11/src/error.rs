//! What a token can say went wrong.

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
    #[error("no token with the label {label:?} is plugged in; `pkcs11-tool --list-token-slots` lists those that are")]
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
    /// The PIN is wrong. It is not tried again: tokens lock themselves after a few.
    #[error("the token {label:?} refuses the PIN, and it is not tried again: tokens lock themselves after a few")]
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
    /// The token cannot do what is asked of it.
    #[error(
        "the token {label:?} cannot encrypt with {mechanism}, which a root key needs: take another token; `pkcs11-tool --list-mechanisms` shows what one can do"
    )]
    Lacks {
        /// The token's label.
        label: String,
        /// What it lacks, as the standard calls it.
        mechanism: &'static str,
    },
    /// The token had objects of this vault, and lists none now. Its module is started anew, and asked again by the next call.
    #[error(
        "the token had keys of this vault, and lists nothing now: it is asked again; if it lasts, look whether it was emptied or exchanged"
    )]
    Emptied,
    /// No key of this name or version is there.
    #[error("the token has no key {key}")]
    NoKey {
        /// Which.
        key: String,
    },
    /// There is one already, or more than one.
    #[error("the token has a key {key} already, or more than one")]
    KeyExists {
        /// Which.
        key: String,
    },
    /// A key was destroyed, and is still there.
    #[error("the token said that it destroyed the key {key}, and still has it")]
    NotDestroyed {
        /// Which.
        key: String,
    },
    /// What was wrapped is not authentic, or of another size.
    #[error("what the record keeps of its root key is not authentic: damaged, or of another key")]
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
