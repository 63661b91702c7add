//! Root keys in a PKCS#11 token, as the configuration's `[root_key.token]` says.

use std::path::PathBuf;

use oubliette::{
    RootKey,
    root_keys::{KeySeries, VersionPolicy},
};
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
    /// By which the root record lists it, where it lists tokens.
    pub name: Option<String>,
    /// Further tokens that hold the same keys.
    #[serde(default)]
    pub others: Vec<OtherToken>,
}

/// A further token of the same keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherToken {
    pub name: String,
    /// That of the first, unless it says so.
    pub module: Option<PathBuf>,
    pub label: String,
    pub serial: Option<String>,
    pub pin_file: Option<PathBuf>,
}

/// Whether tokens may be away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// One opens the vault.
    Any,
    All,
}

impl TokenSource {
    /// Itself, and the others, each as a token alone.
    pub fn each(&self) -> Vec<TokenSource> {
        let other = |other: &OtherToken| TokenSource {
            module: other.module.clone().unwrap_or_else(|| self.module.clone()),
            label: other.label.clone(),
            serial: other.serial.clone(),
            pin_file: other.pin_file.clone(),
            name: Some(other.name.clone()),
            others: Vec::new(),
            ..self.clone()
        };
        std::iter::once(self.alone(self.name.clone())).chain(self.others.iter().map(other)).collect()
    }

    /// Without the others, under this name or none.
    pub fn alone(&self, name: Option<String>) -> TokenSource {
        TokenSource { name, others: Vec::new(), ..self.clone() }
    }

    /// What the configuration says must fit together.
    pub fn check(&self) -> Result<(), &'static str> {
        match (&self.name, self.others.is_empty(), &self.key) {
            (None, false, _) => Err("[root_key.token] has others, and so needs a name of its own"),
            (Some(_), _, Some(_)) => {
                Err("[root_key.token] has a name, which is for versions, and a key, which has none")
            }
            _ => Ok(()),
        }
    }

    /// Logs in.
    pub fn open(&self, pin: Zeroizing<String>) -> Result<Token, Failure> {
        let mut builder = Token::at(&self.module, &self.label);
        if let Some(serial) = &self.serial {
            builder = builder.serial(serial);
        }
        builder.open(pin).map_err(failure)
    }

    /// The root key in it, or in those of them that are there.
    pub fn root_key(&self, tokens: Vec<(Option<String>, Token)>) -> Result<RootKey, Failure> {
        let policy = self.policy()?;
        let mut named: Vec<(String, Box<dyn KeySeries>)> = Vec::new();
        for (name, token) in tokens {
            match (name, &self.key) {
                (_, Some(label)) => return Ok(RootKey::wrapped_by(token.key(label).map_err(failure)?)),
                (None, None) => return Ok(RootKey::versions(token, policy)),
                (Some(name), None) => named.push((name, Box::new(token))),
            }
        }
        Ok(RootKey::versions_in(named, policy))
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
