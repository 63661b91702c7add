//! The root keys that a process was given, and which of them opens the record now.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

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
    /// A recipe for which a key service failed: it is not asked at every refresh.
    failing: Option<Failing>,
}

struct Failing {
    recipe: Recipe,
    error: KeyStoreError,
    until: Instant,
    pause: Duration,
}

/// Between two calls of a key service that fails: doubled each time, within these bounds.
const PAUSES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);

impl Keyring {
    pub(crate) fn new(given: Vec<RootKey>) -> Keyring {
        Keyring { given, current: None, expected: None, hopeless: None, failing: None }
    }

    /// A copy for a forked child, which must not take the parent's lock twice.
    pub(crate) fn copy(&self) -> Keyring {
        let current = self.current.as_ref().map(|(secret, recipe)| (copy(secret), recipe.clone()));
        Keyring { given: self.given.clone(), current, expected: self.expected.clone(), hopeless: None, failing: None }
    }

    /// Wipes all keys: nothing opens any more.
    pub(crate) fn forget(&mut self) {
        *self = Keyring::new(Vec::new());
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.given.is_empty() && self.current.is_none() && self.expected.is_none()
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
        if let Some(failing) = self.failing.as_ref().filter(|failing| failing.recipe == clear.recipe)
            && Instant::now() < failing.until
        {
            return Err(failing.error.clone());
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
            self.failing = None;
            self.current = Some((secret, clear.recipe.clone()));
            // The vault was rotated away from the keys before this one: they are kept no longer.
            if index < self.given.len() {
                self.given.drain(..index);
            }
            return Ok(record);
        }
        if let Some(error) = failure {
            let before = self.failing.take().filter(|failing| failing.recipe == clear.recipe);
            let pause = before.map_or(*PAUSES.start(), |failing| (failing.pause * 2).min(*PAUSES.end()));
            let (recipe, error) = (clear.recipe.clone(), KeyStoreError::from(error));
            self.failing = Some(Failing { recipe, error: error.clone(), until: Instant::now() + pause, pause });
            return Err(error);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::root_key::{KeyWrapper, WrapperError};
    use crate::root_record::example;

    /// A key service that is down.
    struct Down(Arc<AtomicU32>);

    impl KeyWrapper for Down {
        fn wrap(&self, _: &[u8; 32], _: &[u8; 16]) -> Result<Vec<u8>, WrapperError> {
            Err("down".into())
        }

        fn unwrap(&self, _: &[u8], _: &[u8; 16], _: &mut [u8; 32]) -> Result<(), WrapperError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Err("down".into())
        }
    }

    #[test]
    fn a_key_service_that_is_down_is_asked_less_and_less_often() {
        let asked = Arc::new(AtomicU32::new(0));
        let mut keyring = Keyring::new(vec![RootKey::wrapped_by(Down(asked.clone()))]);
        let mut record = example();
        record.clear.recipe = Recipe::Wrapped(vec![7; 40]);
        let bytes = record.seal(&RootSecret(Secret32::copy_of(&[1; 32])), &[8; 32]).unwrap();
        let open = |keyring: &mut Keyring| {
            let opened = keyring.open(&bytes, &record.clear, "a test");
            assert!(matches!(opened, Err(KeyStoreError::RootKey(_))), "{:?}", opened.err());
            asked.load(Ordering::Relaxed)
        };
        assert_eq!((open(&mut keyring), open(&mut keyring), open(&mut keyring)), (1, 1, 1));
        let mut pauses = Vec::new();
        for calls in 2..14 {
            let failing = keyring.failing.as_mut().unwrap();
            pauses.push(failing.pause.as_secs());
            // Its time has come.
            failing.until = Instant::now();
            assert_eq!((open(&mut keyring), open(&mut keyring)), (calls, calls));
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60]);
    }
}
