//! The root keys that a process was given, and which of them opens the record now.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use crate::derivation::RootSecret;
use crate::error::KeyStoreError;
use crate::journal::{Began, VaultName};
use crate::root_key::{KeyVersion, Older, Readable, Recipe, RootKey, RootKeyError, Standing};
use crate::root_record::{Clear, Record, RecordError};
use crate::secret::Secret32;

pub(crate) struct Keyring {
    given: Vec<RootKey>,
    /// Which opened the record last: of several tokens the others are not asked about versions.
    in_use: Option<RootKey>,
    current: Option<(RootSecret, Recipe)>,
    /// What a rotation moves to: a record under it may have been written, also when that is not known.
    expected: Option<RootKey>,
    /// A recipe for which no key was right, so that a refresh does not run Argon2 several times a second.
    hopeless: Option<Recipe>,
    /// A recipe for which a key service failed: it is not asked at every refresh.
    failing: Option<Failing>,
    /// A recovery may open a record under a version that was superseded and is kept.
    allows_older: bool,
    /// The version before which none is left, as far as this process knows.
    finished: Option<KeyVersion>,
    /// A version that this process began, and why.
    began: Option<(KeyVersion, Began)>,
}

/// A record, and the secret that it is encrypted under.
pub(crate) struct Opened {
    pub(crate) record: Record,
    pub(crate) secret: RootSecret,
}

struct Failing {
    recipe: Recipe,
    error: KeyStoreError,
    until: Instant,
    pause: Duration,
}

/// Between two calls of a key service that fails: doubled each time, within these bounds.
const PAUSES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);

const MOST_PAUSE_OF_A_TOKEN: Duration = Duration::from_secs(4);

impl Keyring {
    pub(crate) fn new(given: Vec<RootKey>) -> Keyring {
        Keyring {
            given,
            in_use: None,
            current: None,
            expected: None,
            hopeless: None,
            failing: None,
            allows_older: false,
            finished: None,
            began: None,
        }
    }

    /// A copy for a forked child, which must not take the parent's lock twice.
    pub(crate) fn copy(&self) -> Keyring {
        let current = self.current.as_ref().map(|(secret, recipe)| (copy(secret), recipe.clone()));
        let (given, expected) = (self.given.clone(), self.expected.clone());
        Keyring {
            given,
            current,
            expected,
            in_use: self.in_use.clone(),
            allows_older: self.allows_older,
            ..Keyring::new(Vec::new())
        }
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
    pub(crate) fn open(&mut self, bytes: &[u8], clear: &Clear, location: &str) -> Result<Opened, KeyStoreError> {
        if let Some((secret, _)) = &self.current {
            match Record::open(bytes, secret) {
                Err(RecordError::WrongRootKey) => {}
                Err(error) => return Err(describe(error, location)),
                Ok(record) => return Ok(Opened { record, secret: copy(secret) }),
            }
        }
        if self.hopeless.as_ref() == Some(&clear.recipe) {
            return Err(KeyStoreError::WrongRootKey);
        }
        self.unless_failing(&clear.recipe)?;
        let mut failure = None;
        let mut found = None;
        for (index, key) in self.given.iter().chain(&self.expected).enumerate() {
            let secret = match key.recover(&clear.recipe, clear.vault, self.allows_older) {
                Ok(Some(secret)) => secret,
                Ok(None) => continue,
                // The token was asked, and answered: reading again may find another record.
                Err(RootKeyError::Destroyed) => {
                    return Err(KeyStoreError::RootKeyDestroyed { location: location.to_owned() });
                }
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
                    self.in_use = Some(key.clone());
                    found = Some((index, secret, record));
                    break;
                }
            }
        }
        if let Some((index, secret, record)) = found {
            self.failing = None;
            // The secret of a version is kept while one record is opened, and no longer: once its key is destroyed, so is this.
            let is_version = matches!(clear.recipe, Recipe::Version(_));
            self.current = (!is_version).then(|| (copy(&secret), clear.recipe.clone()));
            // The vault was rotated away from the keys before this one: they are kept no longer.
            if index < self.given.len() {
                self.given.drain(..index);
            } else {
                // What was expected has come: from now on it is one of those given.
                self.given.extend(self.in_use.clone());
            }
            return Ok(Opened { record, secret });
        }
        if let Some(error) = failure {
            return Err(self.fails(&clear.recipe, error));
        }
        // Every 32-byte key has the same recipe, and trying one costs nothing.
        if clear.recipe != Recipe::Bytes {
            self.hopeless = Some(clear.recipe.clone());
        }
        Err(KeyStoreError::WrongRootKey)
    }

    /// The secret for a new vault.
    pub(crate) fn establish(&mut self, vault: VaultName) -> Result<(RootSecret, Recipe), KeyStoreError> {
        let key = self.given.first().ok_or(KeyStoreError::Bug("no root key"))?;
        self.in_use = Some(key.clone());
        let (secret, recipe) = key.establish(vault)?;
        self.began = recipe.version().map(|version| (version, Began::Created));
        Ok((secret, recipe))
    }

    /// A record that did not change: whether what holds its root key is still there, and agrees with it. Only a token has to be asked.
    pub(crate) fn confirm(&mut self, clear: &Clear, location: &str) -> Result<(), KeyStoreError> {
        let Recipe::Version(_) = &clear.recipe else { return Ok(()) };
        self.unless_failing(&clear.recipe)?;
        let Some(key) = &self.in_use else { return Err(KeyStoreError::WrongRootKey) };
        match key.confirm(&clear.recipe, self.allows_older) {
            Ok(()) => {
                self.failing = None;
                Ok(())
            }
            Err(RootKeyError::Destroyed) => Err(KeyStoreError::RootKeyDestroyed { location: location.to_owned() }),
            Err(error) => Err(self.fails(&clear.recipe, error)),
        }
    }

    /// The next version of the root key, if a commit that moves on from this record is to begin one.
    pub(crate) fn next_version(
        &self,
        recipe: &Recipe,
        forgets: bool,
        is_told: bool,
        places: usize,
    ) -> Result<Option<(RootKey, RootSecret, Recipe)>, KeyStoreError> {
        let Some(key) = &self.in_use else { return Ok(None) };
        let next = key.next_version(recipe, forgets, is_told, places)?;
        Ok(next.map(|(secret, recipe)| (key.clone(), secret, recipe)))
    }

    /// Whether a commit is to begin a version, as far as the policy goes, and whether it must.
    pub(crate) fn begins_version(&self, recipe: &Recipe, forgets: bool, is_told: bool) -> Option<bool> {
        self.in_use.as_ref()?.begins_version(recipe, forgets, is_told)
    }

    /// The record is whole: its version is complete, and older ones are destroyed, but for those that are kept.
    pub(crate) fn finish(&mut self, recipe: &Recipe) -> Result<(), KeyStoreError> {
        if self.allows_older {
            // What is recovered may be older than what the token has, and nothing is destroyed before that is decided.
            return Ok(());
        }
        let older = self.in_use.as_ref().map_or(Ok(Older::Gone), |key| key.finish(recipe))?;
        // Those that are kept have their time, and every commit looks whether it is over.
        self.finished = recipe.version().filter(|_| older == Older::Gone);
        Ok(())
    }

    /// A version began, whose commit may come to nothing: the next one looks.
    pub(crate) fn has_begun(&mut self, recipe: &Recipe, why: Began) {
        self.finished = None;
        self.began = recipe.version().map(|version| (version, why));
    }

    /// The record's version, why it began as far as this process knows, and what is left of those before it. `None` while there is nothing
    /// to be told.
    pub(crate) fn standing(&self, recipe: &Recipe) -> Result<Option<(Standing, Began)>, KeyStoreError> {
        let Some(key) = self.in_use.as_ref() else { return Ok(None) };
        let why = |version| self.began.filter(|(began, _)| *began == version).map_or(Began::Unknown, |(_, why)| why);
        Ok(key.standing(recipe)?.map(|standing| (standing, why(standing.version))))
    }

    /// What opened the record, if that is a series of keys in a token.
    pub(crate) fn token(&self) -> Option<RootKey> {
        self.in_use.clone().filter(RootKey::has_versions)
    }

    /// Whether nothing is left to do about versions before this one, as far as this process knows.
    pub(crate) fn has_finished(&self, recipe: &Recipe) -> bool {
        recipe.version().is_none_or(|version| self.finished == Some(version))
    }

    /// The name of the series that a copy is to be under. `None` where there are no versions.
    pub(crate) fn new_series(&self, clear: &Clear) -> Result<Option<[u8; 16]>, KeyStoreError> {
        if clear.recipe.version().is_none() {
            return Ok(None);
        }
        Ok(self.in_use.as_ref().map_or(Ok(None), |key| key.new_series(clear.vault))?)
    }

    /// The secret and recipe of a copy, whose versions are this series.
    pub(crate) fn begin_series(&self, series: [u8; 16]) -> Result<(RootSecret, Recipe), KeyStoreError> {
        let key = self.in_use.as_ref().ok_or(KeyStoreError::Bug("versions without a series"))?;
        let (secret, recipe) = key.begin_series(series)?;
        key.finish(&recipe)?;
        Ok((secret, recipe))
    }

    /// Whether nothing is left to do about older versions.
    pub(crate) fn is_finished(&self, recipe: &Recipe) -> Result<bool, KeyStoreError> {
        Ok(self.in_use.as_ref().map_or(Ok(true), |key| key.is_finished(recipe))?)
    }

    /// Until when a copy of a record from before this generation can be read; `None` where the root key has no versions.
    pub(crate) fn readable(&self, recipe: &Recipe, generation: u64) -> Result<Option<Readable>, KeyStoreError> {
        Ok(self.in_use.as_ref().map_or(Ok(None), |key| key.readable(recipe, generation))?)
    }

    /// A recovery may open what was superseded and is kept.
    pub(crate) fn allow_older(&mut self) {
        self.allows_older = true;
    }

    /// Whether a version is due that begins with age alone.
    pub(crate) fn is_due(&self, recipe: &Recipe) -> bool {
        self.in_use.iter().any(|key| key.is_due(recipe))
    }

    fn unless_failing(&self, recipe: &Recipe) -> Result<(), KeyStoreError> {
        match self.failing.as_ref().filter(|failing| failing.recipe == *recipe && Instant::now() < failing.until) {
            Some(failing) => Err(failing.error.clone()),
            None => Ok(()),
        }
    }

    /// A key service failed: it is asked less and less often.
    fn fails(&mut self, recipe: &Recipe, error: RootKeyError) -> KeyStoreError {
        let before = self.failing.take().filter(|failing| failing.recipe == *recipe);
        // A token is in this machine, and costs nobody anything.
        let most = if recipe.version().is_some() { MOST_PAUSE_OF_A_TOKEN } else { *PAUSES.end() };
        let pause = before.map_or(*PAUSES.start(), |failing| (failing.pause * 2).min(most));
        let (recipe, error) = (recipe.clone(), KeyStoreError::from(error));
        self.failing = Some(Failing { recipe, error: error.clone(), until: Instant::now() + pause, pause });
        error
    }

    /// True when `key` is the one in use.
    pub(crate) fn is_current(&self, key: &RootKey, vault: VaultName) -> bool {
        let Some((secret, recipe)) = &self.current else { return false };
        // A key that cannot even be tried on this record is another one.
        let recovered = key.recover(recipe, vault, false).ok().flatten();
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
    /// `is_next`: it is the next version of the series in use, and what else was given is still to come.
    pub(crate) fn adopt(&mut self, key: RootKey, secret: RootSecret, recipe: Recipe, is_next: bool) {
        if is_next {
            // The same series in other tokens: the key before would open the record too, as long as it names one of these, and begin no version.
            let before = self.in_use.take();
            let is_before = |given: &&mut RootKey| before.as_ref().is_some_and(|before| before.is_same_series(given));
            self.given.iter_mut().filter(is_before).for_each(|given| *given = key.clone());
        } else {
            self.given = vec![key.clone()];
        }
        self.in_use = Some(key);
        self.allows_older = false;
        let is_version = matches!(recipe, Recipe::Version(_));
        self.current = (!is_version).then_some((secret, recipe));
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
