//! Root keys in a PKCS#11 token, as the configuration's `[root_key.token]` says.

use std::path::PathBuf;

use oubliette::{RootKey, VersionPolicy};
use oubliette_pkcs11::{Token, TokenError};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::config;
use crate::exit::{Exit, Failure};

/// A token, and how the vault uses it. Never the PIN itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSource {
    /// The PKCS#11 module.
    pub module: PathBuf,
    pub label: String,
    pub serial: Option<String>,
    pub pin_file: Option<PathBuf>,
    /// The label of one key that wraps, instead of versions.
    pub key: Option<String>,
    /// When the next version begins: `each shred`, `by hand`, or after a time such as `30 days`.
    pub begins: Option<String>,
    /// How long older versions are kept.
    pub keep_older: Option<String>,
    /// One disk error may lose all.
    #[serde(default)]
    pub allow_one_place: bool,
}

impl TokenSource {
    /// Logs in.
    pub fn open(&self, pin: Zeroizing<String>) -> Result<Token, Failure> {
        let mut builder = Token::at(&self.module, &self.label);
        if let Some(serial) = &self.serial {
            builder = builder.serial(serial);
        }
        builder.open(pin).map_err(failure)
    }

    /// The root key in it.
    pub fn root_key(&self, token: Token) -> Result<RootKey, Failure> {
        let policy = self.policy()?;
        match &self.key {
            Some(label) => Ok(RootKey::wrapped_by(token.key(label).map_err(failure)?)),
            None => Ok(RootKey::versions(token, policy)),
        }
    }

    fn policy(&self) -> Result<VersionPolicy, Failure> {
        let mut policy = match self.begins.as_deref() {
            None | Some("each shred") => VersionPolicy::with_each_shred(),
            Some("by hand") => VersionPolicy::by_hand(),
            Some(time) => VersionPolicy::after(config::duration(time)?),
        };
        if let Some(time) = &self.keep_older {
            policy = policy.keep_older(config::duration(time)?);
        }
        Ok(if self.allow_one_place { policy.allow_one_place() } else { policy })
    }
}

fn failure(error: TokenError) -> Failure {
    let exit = match &error {
        TokenError::Pin { .. } | TokenError::PinLocked { .. } => Exit::Refused,
        TokenError::Module { .. } | TokenError::Ambiguous { .. } => Exit::Config,
        TokenError::NoKey { .. } => Exit::Missing,
        _ => Exit::TryAgain,
    };
    Failure::of(exit, &error)
}
