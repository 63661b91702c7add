//! Root keys: what wraps the root record.

mod error;
mod file;
mod kept;
mod passphrase;
mod series;
mod tokens;
mod versions;
mod wrapper;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::clock::Clock;
use crate::derivation::RootSecret;
use crate::journal::VaultName;
use crate::nonce;
use crate::secret::Secret32;

pub use error::RootKeyError;
pub use passphrase::PassphraseCost;
use passphrase::stretch;
pub(crate) use series::Standing;
pub use series::{RootKeyVersions, SeriesInToken};
use tokens::Held;
pub(crate) use tokens::is_of_a_missing_token;
use versions::Versions;
pub use versions::{KeySeries, KeyVersion, VersionPolicy, VersionState};
pub(crate) use versions::{Older, Readable, VersionRecipe, WRAPPED_BYTES as VERSION_WRAPPED_BYTES};
pub use wrapper::KeyWrapper;

/// Most bytes that a [`KeyWrapper`] may give back.
pub(crate) const WRAPPED_BYTES: usize = 512;

/// What protects a vault's root record: a passphrase, 32 random bytes, or a key held elsewhere.
///
/// Losing it loses every sealed value. It prints as redacted and is wiped on drop.
///
/// ```
/// use oubliette::RootKey;
///
/// let typed = RootKey::passphrase("six random words, not these ones");
/// let (random, bytes) = RootKey::generate()?; // keep the bytes where the root record is not
/// let again = RootKey::bytes(*bytes);
/// assert!(!format!("{typed:?} {random:?} {again:?}").contains("words"));
/// # Ok::<(), oubliette::root_keys::RootKeyError>(())
/// ```
#[derive(Clone)]
pub struct RootKey(Kind);

#[derive(Clone)]
enum Kind {
    Passphrase { phrase: Zeroizing<String>, cost: PassphraseCost },
    Bytes(Arc<Secret32>),
    Wrapper(Arc<dyn KeyWrapper>),
    Versions(Arc<Versions>),
}

impl RootKey {
    /// A passphrase, in Unicode's composed form (NFC), stretched with Argon2id at the
    /// [default cost](PassphraseCost::default).
    ///
    /// An attacker with a copy of the root record can try passphrases, so choose one of at least six random words.
    /// Rotating away from a passphrase does not make old copies of the root record useless: whoever knows or guesses the
    /// passphrase opens them. Where that matters use [`bytes`](RootKey::bytes).
    #[must_use]
    pub fn passphrase(phrase: impl Into<String>) -> RootKey {
        RootKey(Kind::Passphrase { phrase: Zeroizing::new(phrase.into()), cost: PassphraseCost::default() })
    }

    /// A passphrase at another cost. The cost applies when a vault is created or its root key rotated; an existing vault keeps
    /// its own.
    #[must_use]
    pub fn passphrase_at_cost(phrase: impl Into<String>, cost: PassphraseCost) -> RootKey {
        RootKey(Kind::Passphrase { phrase: Zeroizing::new(phrase.into()), cost })
    }

    /// 32 bytes from a random generator: from a secret manager, or a file that only the service can read. Never a
    /// password.
    #[must_use]
    pub fn bytes(bytes: [u8; 32]) -> RootKey {
        let mut bytes = bytes;
        let key = RootKey(Kind::Bytes(Arc::new(Secret32::copy_of(&bytes))));
        bytes.zeroize();
        key
    }

    /// 32 new bytes from the operating system, for [`rotate_root_key`](crate::Vault::rotate_root_key) or
    /// [`create`](crate::VaultBuilder::create); and the same bytes, to be stored where they can be destroyed later.
    ///
    /// # Errors
    /// [`RootKeyError::Randomness`].
    pub fn generate() -> Result<(RootKey, Zeroizing<[u8; 32]>), RootKeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        nonce::fill(&mut *bytes).map_err(|_| RootKeyError::Randomness)?;
        Ok((RootKey::bytes(*bytes), bytes))
    }

    /// A key that something else holds: an HSM, a KMS.
    #[must_use]
    pub fn wrapped_by(wrapper: impl KeyWrapper) -> RootKey {
        RootKey(Kind::Wrapper(Arc::new(wrapper)))
    }

    /// A series of keys in a token, or in [several](RootKey::versions_in), of which the older are destroyed: then no older root record can be read,
    /// wherever its copies lie.
    #[must_use]
    pub fn versions(series: impl KeySeries, policy: VersionPolicy) -> RootKey {
        RootKey(Kind::Versions(Arc::new(Versions::new(Held::ByOne(Box::new(series)), policy, Clock::default()))))
    }

    /// The secret for a new vault, or after a rotation, and what the record keeps so that it can be found again.
    pub(crate) fn establish(&self, vault: VaultName) -> Result<(RootSecret, Recipe), RootKeyError> {
        match &self.0 {
            Kind::Bytes(bytes) => Ok((RootSecret(Secret32::copy_of(bytes.bytes())), Recipe::Bytes)),
            Kind::Passphrase { phrase, cost } => {
                if phrase.is_empty() {
                    return Err(RootKeyError::EmptyPassphrase);
                }
                if phrase.ends_with(['\n', '\r']) {
                    return Err(RootKeyError::LineBreak);
                }
                cost.check()?;
                let mut salt = [0; 16];
                nonce::fill(&mut salt).map_err(|_| RootKeyError::Randomness)?;
                Ok((stretch(phrase, *cost, &salt)?, Recipe::Passphrase { cost: *cost, salt }))
            }
            Kind::Wrapper(wrapper) => {
                let mut secret = Secret32::empty();
                nonce::fill(secret.bytes_mut()).map_err(|_| RootKeyError::Randomness)?;
                let wrapped = wrapper.wrap(secret.bytes(), &vault.to_bytes()).map_err(RootKeyError::Wrapper)?;
                if wrapped.is_empty() || wrapped.len() > WRAPPED_BYTES {
                    return Err(RootKeyError::WrappedSize { bytes: wrapped.len(), most: WRAPPED_BYTES });
                }
                Ok((RootSecret(secret), Recipe::Wrapped(wrapped)))
            }
            Kind::Versions(versions) => {
                let (secret, recipe) = versions.first(vault)?;
                Ok((secret, Recipe::Version(recipe)))
            }
        }
    }

    /// The secret of an existing vault, or `None` when this key is of another kind than the vault's.
    /// `allows_older`: also under a version that was superseded and is kept.
    pub(crate) fn recover(
        &self,
        recipe: &Recipe,
        vault: VaultName,
        allows_older: bool,
    ) -> Result<Option<RootSecret>, RootKeyError> {
        match (&self.0, recipe) {
            (Kind::Bytes(bytes), Recipe::Bytes) => Ok(Some(RootSecret(Secret32::copy_of(bytes.bytes())))),
            (Kind::Passphrase { phrase, .. }, Recipe::Passphrase { cost, salt }) => {
                if phrase.is_empty() {
                    return Err(RootKeyError::EmptyPassphrase);
                }
                if phrase.ends_with(['\n', '\r']) {
                    return Err(RootKeyError::LineBreak);
                }
                // Read from disk: bounded before it is obeyed.
                cost.check()?;
                stretch(phrase, *cost, salt).map(Some)
            }
            (Kind::Wrapper(wrapper), Recipe::Wrapped(wrapped)) => {
                let mut secret = Secret32::empty();
                wrapper.unwrap(wrapped, &vault.to_bytes(), secret.bytes_mut()).map_err(RootKeyError::Wrapper)?;
                Ok(Some(RootSecret(secret)))
            }
            (Kind::Versions(versions), Recipe::Version(recipe)) => versions.open(recipe, allows_older).map(Some),
            _ => Ok(None),
        }
    }

    /// The next version, if a commit is to begin one: it forgets something, or `is_told`. `places`: how many hold the record.
    pub(crate) fn next_version(
        &self,
        recipe: &Recipe,
        forgets: bool,
        is_told: bool,
        places: usize,
    ) -> Result<Option<(RootSecret, Recipe)>, RootKeyError> {
        let (Kind::Versions(versions), Recipe::Version(recipe)) = (&self.0, recipe) else { return Ok(None) };
        if !versions.is_due(recipe, forgets, is_told) {
            return Ok(None);
        }
        let next = if versions.may_begin(places) { versions.next(recipe) } else { Err(RootKeyError::OnePlace) };
        match next {
            Ok((secret, recipe)) => Ok(Some((secret, Recipe::Version(recipe)))),
            // It was due by its age alone: nothing that was asked for needs it, and the next commit tries again.
            Err(_) if !versions.must_begin(forgets, is_told) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a commit begins a version, as far as the policy goes, and whether it must: `Some(false)` if it is due by its age alone.
    pub(crate) fn begins_version(&self, recipe: &Recipe, forgets: bool, is_told: bool) -> Option<bool> {
        let (Kind::Versions(versions), Recipe::Version(recipe)) = (&self.0, recipe) else { return None };
        versions.is_due(recipe, forgets, is_told).then(|| versions.must_begin(forgets, is_told))
    }

    /// Whether both are one and the same series, as it was given.
    pub(crate) fn is_same_series(&self, other: &RootKey) -> bool {
        matches!((&self.0, &other.0), (Kind::Versions(one), Kind::Versions(other)) if Arc::ptr_eq(one, other))
    }

    /// Whether a version is due by its age.
    pub(crate) fn is_due(&self, recipe: &Recipe) -> bool {
        match (&self.0, recipe) {
            (Kind::Versions(versions), Recipe::Version(recipe)) => versions.is_old(recipe),
            _ => false,
        }
    }

    /// Whether the token still agrees with a record that did not change. Of other keys there is nothing to ask.
    pub(crate) fn confirm(&self, recipe: &Recipe, allows_older: bool) -> Result<(), RootKeyError> {
        match (&self.0, recipe) {
            (Kind::Versions(versions), Recipe::Version(recipe)) => versions.check(recipe, allows_older),
            _ => Ok(()),
        }
    }

    /// Whether the record's version is complete, and none is left that could be destroyed.
    pub(crate) fn is_finished(&self, recipe: &Recipe) -> Result<bool, RootKeyError> {
        match (&self.0, recipe) {
            (Kind::Versions(versions), Recipe::Version(recipe)) => versions.is_finished(recipe),
            _ => Ok(true),
        }
    }

    /// The record is durable in every listed place: its version is complete, and those before it are destroyed.
    pub(crate) fn finish(&self, recipe: &Recipe) -> Result<Older, RootKeyError> {
        match (&self.0, recipe) {
            (Kind::Versions(versions), Recipe::Version(recipe)) => versions.finish(recipe),
            _ => Ok(Older::Gone),
        }
    }

    /// Until when a copy of a record from before this generation can be read, as far as can be told of this key.
    pub(crate) fn readable(&self, recipe: &Recipe, generation: u64) -> Result<Option<Readable>, RootKeyError> {
        match (&self.0, recipe) {
            (Kind::Versions(versions), Recipe::Version(recipe)) => versions.readable(recipe, generation).map(Some),
            _ => Ok(None),
        }
    }

    /// As [`establish`](RootKey::establish) for a vault that is under this recipe: a series goes on with its next version.
    pub(crate) fn establish_after(
        &self,
        before: &Recipe,
        vault: VaultName,
    ) -> Result<(RootSecret, Recipe), RootKeyError> {
        match (&self.0, before) {
            (Kind::Versions(versions), Recipe::Version(before)) => {
                let (secret, recipe) = versions.after(before, vault)?;
                Ok((secret, Recipe::Version(recipe)))
            }
            _ => self.establish(vault),
        }
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Passphrase { .. } => "RootKey(passphrase, redacted)",
            Kind::Bytes(_) => "RootKey(bytes, redacted)",
            Kind::Wrapper(_) => "RootKey(wrapped)",
            Kind::Versions(_) => "RootKey(versions)",
        })
    }
}

/// True when both are the same key: rotating to it would change nothing.
pub(crate) fn same(a: &RootSecret, b: &RootSecret) -> bool {
    a.0.bytes().ct_eq(b.0.bytes()).into()
}

/// A failure of a [`KeyWrapper`]. It must not carry key material.
pub type WrapperError = Box<dyn std::error::Error + Send + Sync>;

/// How the root record's key is found from the root key. In clear in the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Recipe {
    Bytes,
    Passphrase { cost: PassphraseCost, salt: [u8; 16] },
    Wrapped(Vec<u8>),
    Version(VersionRecipe),
}

impl Recipe {
    /// A record of this generation is the first under it.
    pub(crate) fn begin_in(&mut self, generation: u64) {
        if let Recipe::Version(recipe) = self {
            recipe.generation = generation;
        }
    }

    /// The number of the version that it names, and when that began.
    pub(crate) fn began(&self) -> Option<(u64, SystemTime)> {
        match self {
            Recipe::Version(recipe) => {
                Some((recipe.version.number, UNIX_EPOCH.checked_add(Duration::from_secs(recipe.begun))?))
            }
            _ => None,
        }
    }

    /// The series that it names.
    pub(crate) fn series(&self) -> Option<[u8; 16]> {
        match self {
            Recipe::Version(recipe) => Some(recipe.series),
            _ => None,
        }
    }

    /// The version that it names.
    pub(crate) fn version(&self) -> Option<KeyVersion> {
        match self {
            Recipe::Version(recipe) => Some(recipe.version),
            _ => None,
        }
    }

    /// Whether a record under the other recipe is under the same key: what a record says of itself beside does not count.
    pub(crate) fn names_the_key_of(&self, other: &Recipe) -> bool {
        match (self, other) {
            (Recipe::Version(one), Recipe::Version(other)) => {
                one.series == other.series && one.version == other.version
            }
            (one, other) => one == other,
        }
    }

    /// Whether both name versions of one series.
    pub(crate) fn is_of_the_series_of(&self, other: &Recipe) -> bool {
        match (self, other) {
            (Recipe::Version(one), Recipe::Version(other)) => one.series == other.series,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VAULT: VaultName = VaultName::from_bytes([1; 16]);

    fn cheap(phrase: &str) -> RootKey {
        RootKey::passphrase_at_cost(phrase, PassphraseCost { memory_kib: 8_192, passes: 1, lanes: 1 })
    }

    #[test]
    fn a_passphrase_is_found_again_from_its_recipe() {
        let (secret, recipe) = cheap("six words").establish(VAULT).unwrap();
        let again = RootKey::passphrase("six words").recover(&recipe, VAULT, false).unwrap().unwrap();
        assert!(same(&secret, &again), "the record's cost counts, not the caller's");
        let other = cheap("six worlds").recover(&recipe, VAULT, false).unwrap().unwrap();
        assert!(!same(&secret, &other));
        assert!(RootKey::bytes([1; 32]).recover(&recipe, VAULT, false).unwrap().is_none());
    }

    #[test]
    fn a_tampered_cost_is_refused_before_it_is_obeyed() {
        for (memory_kib, passes, lanes) in
            [(100 << 20, 1, 1), (u32::MAX, 1, 1), (8_192, u32::MAX, 1), (8_192, 1, 17), (0, 1, 1), (8_192, 0, 1)]
        {
            let recipe = Recipe::Passphrase { cost: PassphraseCost { memory_kib, passes, lanes }, salt: [0; 16] };
            assert!(matches!(cheap("x").recover(&recipe, VAULT, false), Err(RootKeyError::Cost)));
        }
    }

    #[test]
    fn nothing_is_printed() {
        let shown = format!("{:?} {:?}", RootKey::passphrase("tulip"), RootKey::bytes([b't'; 32]));
        assert!(!shown.contains("tulip") && !shown.contains("116"));
    }

    #[test]
    fn a_passphrase_is_the_same_however_it_is_composed() {
        let (secret, recipe) = cheap("caf\u{e9}").establish(VAULT).unwrap();
        let again = cheap("cafe\u{301}").recover(&recipe, VAULT, false).unwrap().unwrap();
        assert!(same(&secret, &again));
    }

    #[test]
    fn an_empty_passphrase_is_refused() {
        assert!(matches!(RootKey::passphrase("").establish(VAULT), Err(RootKeyError::EmptyPassphrase)));
        for read_whole in ["six random words\n", "six random words\r\n"] {
            assert!(matches!(RootKey::passphrase(read_whole).establish(VAULT), Err(RootKeyError::LineBreak)));
            let recipe = Recipe::Passphrase { cost: PassphraseCost::default(), salt: [0; 16] };
            let unlocked = RootKey::passphrase(read_whole).recover(&recipe, VAULT, false);
            assert!(matches!(unlocked, Err(RootKeyError::LineBreak)));
        }
    }

    struct Upside(usize);
    impl KeyWrapper for Upside {
        fn wrap(&self, key: &[u8; 32], vault: &[u8; 16]) -> Result<Vec<u8>, WrapperError> {
            let mut wrapped: Vec<u8> = key.iter().map(|byte| !byte).chain(*vault).collect();
            wrapped.resize(self.0, 0);
            Ok(wrapped)
        }
        fn unwrap(&self, wrapped: &[u8], _: &[u8; 16], key: &mut [u8; 32]) -> Result<(), WrapperError> {
            key.iter_mut().zip(wrapped).for_each(|(key, byte)| *key = !byte);
            Ok(())
        }
    }

    #[test]
    fn a_wrapper_holds_the_key() {
        let (secret, recipe) = RootKey::wrapped_by(Upside(48)).establish(VAULT).unwrap();
        let again = RootKey::wrapped_by(Upside(48)).recover(&recipe, VAULT, false).unwrap().unwrap();
        assert!(same(&secret, &again));
        for size in [0, 513] {
            let refused = RootKey::wrapped_by(Upside(size)).establish(VAULT);
            assert!(matches!(refused, Err(RootKeyError::WrappedSize { bytes, .. }) if bytes == size));
        }
    }
}
