//! The root keys that a process was given, and which of them opens the record now.

use crate::derivation::RootSecret;
use crate::error::KeyStoreError;
use crate::journal::VaultName;
use crate::root_key::{Recipe, RootKey};
use crate::root_record::{Clear, Record, RecordError};
use crate::secret::Secret32;

pub(crate) struct Keyring {
    given: Vec<RootKey>,
    current: Option<(RootSecret, Recipe)>,
    /// What a rotation moves to: a record under it may have been written, also when that is not known.
    expected: Option<RootKey>,
    /// A recipe for which no key was right, so that a refresh does not run Argon2 several times a second.
    hopeless: Option<Recipe>,
}

impl Keyring {
    pub(crate) fn new(given: Vec<RootKey>) -> Keyring {
        Keyring { given, current: None, expected: None, hopeless: None }
    }

    /// A copy for a forked child, which must not take the parent's lock twice.
    pub(crate) fn copy(&self) -> Keyring {
        let current = self.current.as_ref().map(|(secret, recipe)| (copy(secret), recipe.clone()));
        Keyring { given: self.given.clone(), current, expected: self.expected.clone(), hopeless: None }
    }

    /// Wipes all keys: nothing opens any more.
    pub(crate) fn forget(&mut self) {
        *self = Keyring::new(Vec::new());
    }

    /// Decrypts a record under whichever key is right, and remembers it.
    pub(crate) fn open(&mut self, bytes: &[u8], clear: &Clear, location: &str) -> Result<Record, KeyStoreError> {
        if let Some((secret, _)) = &self.current {
            match Record::open(bytes, secret) {
                Err(RecordError::WrongRootKey) => {}
                opened => return opened.map_err(|error| describe(error, location)),
            }
        }
        if self.hopeless.as_ref() == Some(&clear.recipe) {
            return Err(KeyStoreError::WrongRootKey);
        }
        let mut failure = None;
        let mut found = None;
        for (index, key) in self.given.iter().chain(&self.expected).enumerate() {
            let secret = match key.recover(&clear.recipe, clear.vault) {
                Ok(Some(secret)) => secret,
                Ok(None) => continue,
                // Another service's wrapped key cannot be unwrapped by this one; the next key may be right.
                Err(error) => {
                    failure = failure.or(Some(error));
                    continue;
                }
            };
            match Record::open(bytes, &secret) {
                Err(RecordError::WrongRootKey) => {}
                Err(error) => return Err(describe(error, location)),
                Ok(record) => {
                    found = Some((index, secret, record));
                    break;
                }
            }
        }
        if let Some((index, secret, record)) = found {
            self.current = Some((secret, clear.recipe.clone()));
            // The vault was rotated away from the keys before this one: they are kept no longer.
            if index < self.given.len() {
                self.given.drain(..index);
            }
            return Ok(record);
        }
        if let Some(error) = failure {
            return Err(error.into());
        }
        // Every 32-byte key has the same recipe, and trying one costs nothing.
        if clear.recipe != Recipe::Bytes {
            self.hopeless = Some(clear.recipe.clone());
        }
        Err(KeyStoreError::WrongRootKey)
    }

    /// The secret for a new vault.
    pub(crate) fn establish(&mut self, vault: VaultName) -> Result<Recipe, KeyStoreError> {
        let key = self.given.first().ok_or(KeyStoreError::Bug("no root key"))?;
        let (secret, recipe) = key.establish(vault)?;
        self.current = Some((secret, recipe.clone()));
        Ok(recipe)
    }

    pub(crate) fn current(&self) -> Result<&RootSecret, KeyStoreError> {
        self.current.as_ref().map(|(secret, _)| secret).ok_or(KeyStoreError::Bug("the record was never opened"))
    }

    /// True when `key` is the one in use.
    pub(crate) fn is_current(&self, key: &RootKey, vault: VaultName) -> bool {
        let Some((secret, recipe)) = &self.current else { return false };
        // A key that cannot even be tried on this record is another one.
        let recovered = key.recover(recipe, vault).ok().flatten();
        recovered.is_some_and(|other| crate::root_key::same(secret, &other))
    }

    /// A record under this key is about to be written.
    pub(crate) fn expect(&mut self, key: RootKey) {
        self.expected = Some(key);
        self.hopeless = None;
    }

    /// It was certainly not written.
    pub(crate) fn expect_nothing(&mut self) {
        self.expected = None;
    }

    /// What is established for a rotation, and takes effect only when the record was written.
    pub(crate) fn adopt(&mut self, key: RootKey, secret: RootSecret, recipe: Recipe) {
        self.given = vec![key];
        self.current = Some((secret, recipe));
        self.expected = None;
        self.hopeless = None;
    }
}

fn copy(secret: &RootSecret) -> RootSecret {
    RootSecret(Secret32::copy_of(secret.0.bytes()))
}

pub(crate) fn describe(error: RecordError, location: &str) -> KeyStoreError {
    let location = location.to_owned();
    match error {
        RecordError::WrongRootKey => KeyStoreError::WrongRootKey,
        RecordError::NewerVersion => KeyStoreError::NewerFormat { location },
        RecordError::NotAuthentic | RecordError::Malformed => KeyStoreError::NotAuthentic { location },
    }
}
