//! Root keys that are destroyed: a series of keys in a token, each of which protects the root record for a while.
//!
//! Overwriting a disk proves nothing on flash and in snapshots. If the key is destroyed that an older root record was encrypted under, every copy of
//! it is unreadable, wherever it lies. ARCHITECTURE.md, "Versions of the root key", has the order and what it excludes.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::kept::KeptTimes;
use super::tokens::Held;
use super::{RootKeyError, WrapperError};
use crate::clock::Clock;
use crate::derivation::{self, RootSecret};
use crate::journal::VaultName;
use crate::nonce;
use crate::secret::Secret32;

/// Most bytes that [`KeySeries::wrap`] may give back.
pub(crate) const WRAPPED_BYTES: usize = super::WRAPPED_BYTES - 40;

/// One key of a series. If two have the same number, one of them is of a commit that failed.
///
/// For whoever brings another kind of token, so without an example here: the package oubliette-pkcs11 is one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyVersion {
    /// Counts from 1, one more for each version that began.
    pub number: u64,
    /// Random, never used again.
    pub id: [u8; 16],
}

/// What a token has of a version.
///
/// For whoever brings another kind of token, so without an example here: the package oubliette-pkcs11 is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VersionState {
    /// Which.
    pub version: KeyVersion,
    /// The key itself is there.
    pub has_key: bool,
    /// When it was marked as complete, by the clock of whoever marked it; `None` if it was not.
    pub completed: Option<SystemTime>,
}

/// What a token, an HSM or a KMS does for root keys that are destroyed: it holds a series of keys, which never leave it.
///
/// A vault has a series of its own, and a copy that is used has another; 16 random bytes name it. Beside each key there may be a mark, a small
/// object that outlives the key. It says that the version is complete, and that those before it are superseded.
///
/// Calls are made by one process at a time where they change something; another one may read meanwhile. Errors must carry no key material.
///
/// For whoever brings another kind of token, so without an example here: the package oubliette-pkcs11 is one.
pub trait KeySeries: Send + Sync + 'static {
    /// Makes the key of a version. Durable when this returns.
    ///
    /// # Errors
    /// Whatever the token said: it is full, away, or has such a version. The key may be there or not.
    fn create(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError>;

    /// Encrypts 32 bytes under a version's key, to at most 472 bytes. Authenticate series and version with them where possible.
    ///
    /// # Errors
    /// Whatever the token said.
    fn wrap(&self, series: &[u8; 16], version: KeyVersion, secret: &[u8; 32]) -> Result<Vec<u8>, WrapperError>;

    /// Decrypts what [`wrap`](KeySeries::wrap) gave, into `secret`.
    ///
    /// # Errors
    /// Whatever the token said.
    fn unwrap(
        &self,
        series: &[u8; 16],
        version: KeyVersion,
        wrapped: &[u8],
        secret: &mut [u8; 32],
    ) -> Result<(), WrapperError>;

    /// Marks a version as complete, durably. Marking it again does nothing.
    ///
    /// # Errors
    /// Whatever the token said. The mark may be there or not.
    fn complete(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError>;

    /// Every version of which there is a key or a mark, in any order.
    ///
    /// # Errors
    /// When the token cannot be asked. Never return an empty list then: it says that the token has nothing of this series.
    fn list(&self, series: &[u8; 16]) -> Result<Vec<VersionState>, WrapperError>;

    /// Every series of which there is a key or a mark, each once, in any order; those of other vaults too.
    ///
    /// # Errors
    /// When the token cannot be asked.
    fn series(&self) -> Result<Vec<[u8; 16]>, WrapperError>;

    /// Removes the mark of a superseded version whose key is gone, so that a token does not fill up with marks. No error if the mark is gone already.
    ///
    /// # Errors
    /// Whatever the token said. The mark may be there or not.
    fn unmark(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError>;

    /// Destroys a version's key, and checks that it is gone. No error if it is gone already. The mark stays.
    ///
    /// # Errors
    /// Whatever the token said. The key may be there or not.
    fn destroy(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError>;
}

/// When the next version begins, and how long older ones are kept.
///
/// ```
/// # use std::time::Duration;
/// use oubliette::root_keys::VersionPolicy;
/// const DAY: Duration = Duration::from_secs(24 * 3600);
/// let strict = VersionPolicy::with_each_shred();
/// let weekly = VersionPolicy::after(7 * DAY).keep_older(DAY); // a root record of yesterday can still be recovered
/// # let _ = (strict, weekly);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct VersionPolicy {
    pub(super) begins: Begins,
    pub(super) kept: Duration,
    allows_one_place: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Begins {
    WithEachShred,
    After(Duration),
    ByHand,
}

impl VersionPolicy {
    /// A version begins with each commit that shreds or retires: when a shred returns, no older root record reaches what was shredded.
    pub fn with_each_shred() -> VersionPolicy {
        VersionPolicy { begins: Begins::WithEachShred, kept: Duration::ZERO, allows_one_place: false }
    }

    /// A version begins with the first commit once the current one is that old: fewer calls of the token, and older root records reach what was
    /// shredded that much longer. A process with the vault open looks once an hour, and commits if a version is due. A commit that cannot begin one, since
    /// the token is full or the record is in one place, goes on under the current version, and the next commit tries again.
    pub fn after(age: Duration) -> VersionPolicy {
        VersionPolicy { begins: Begins::After(age), ..VersionPolicy::with_each_shred() }
    }

    /// A version begins when [`begin_root_key_version`](crate::Vault::begin_root_key_version) is called, when a mirror is promoted or detached, and in a
    /// recovery.
    pub fn by_hand() -> VersionPolicy {
        VersionPolicy { begins: Begins::ByHand, ..VersionPolicy::with_each_shred() }
    }

    /// Keeps older versions for this long after the next one was complete, for [`recover`](crate::VaultBuilder::recover) alone: with a copy of
    /// an older root record. **Until then such a copy can be read by whoever has it and the token.** Without this they are destroyed at once.
    ///
    /// The time is taken from clocks that nobody vouches for. Each mark in the token has the date of the machine that made it, and the earliest mark of a later
    /// version counts; what passes while a process runs is measured by the clock since boot, which nobody can set. So a clock that jumps ahead under a
    /// running process ends no keeping early, and a mark that is dated in the future keeps no longer than this from when a running process first saw it.
    /// What remains: a process that **starts** under a clock that is ahead destroys by it, at its first commit; a mark that is dated in the past by
    /// a clock that was behind ends the keeping early by as much, everywhere; and where no process runs for this long, a mark dated in the future keeps until that date. A process
    /// that starts under a clock that is behind keeps for longer, by as much, and at most for this time. A receipt states the mark's date and this time, and so errs as the
    /// mark does: until that date somebody may have a key who should not, and it is destroyed by the first commit after it.
    pub fn keep_older(mut self, time: Duration) -> VersionPolicy {
        self.kept = time;
        self
    }

    /// Accepts that one disk error may lose all. Without this, a vault whose root record is in one place, and which keeps no older versions, begins no
    /// version. What needs one is refused ([`RootKeyError::OnePlace`]): with [`with_each_shred`](VersionPolicy::with_each_shred) every shred.
    pub fn allow_one_place(mut self) -> VersionPolicy {
        self.allows_one_place = true;
        self
    }
}

/// Seconds that the clocks of two machines may differ.
pub(super) const CLOCKS_DIFFER: u64 = 300;

/// How the root record's secret is found from a series. In clear in the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VersionRecipe {
    pub(crate) series: [u8; 16],
    pub(crate) version: KeyVersion,
    /// When it began, in seconds since 1970.
    pub(crate) begun: u64,
    /// The generation of the first record under it.
    pub(crate) generation: u64,
    pub(crate) wrapped: Vec<u8>,
}

/// A series and its policy.
pub(super) struct Versions {
    pub(super) series: Held,
    pub(super) policy: VersionPolicy,
    kept: KeptTimes,
}

/// Until when a copy of a root record from before a generation can be read, as far as keys go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Readable {
    /// No key is left that opens one.
    Never,
    /// Until the last version that is kept is destroyed.
    Until(SystemTime),
    /// The version of then is the one in use.
    UntilTheNext,
    /// Until a version that is superseded is destroyed, and it is not known when: it waits for a server, or the token failed.
    UntilDestroyed,
}

/// What came of looking after older versions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Older {
    /// None is left.
    Gone,
    /// Some are kept, and their time is not over.
    Kept,
}

impl Versions {
    pub(super) fn new(series: Held, policy: VersionPolicy, clock: Clock) -> Versions {
        Versions { series, policy, kept: KeptTimes::new(clock) }
    }

    /// The first version of a new series of this vault.
    pub(super) fn first(&self, vault: VaultName) -> Result<(RootSecret, VersionRecipe), RootKeyError> {
        self.begin(new_series(vault)?, 1)
    }

    /// The version after all that the token knows of, and after this one.
    pub(super) fn next(&self, recipe: &VersionRecipe) -> Result<(RootSecret, VersionRecipe), RootKeyError> {
        self.after_all(recipe, &self.list_all(recipe)?)
    }

    fn after_all(
        &self,
        recipe: &VersionRecipe,
        states: &[VersionState],
    ) -> Result<(RootSecret, VersionRecipe), RootKeyError> {
        // One that is complete is never above the record's; one that is not belongs to nobody, and has the number of this one.
        let completed = states.iter().filter(|state| state.completed.is_some());
        let highest = completed.map(|state| state.version.number).max().unwrap_or(0).max(recipe.version.number);
        self.begin(recipe.series, highest.saturating_add(1))
    }

    pub(super) fn begin(&self, series: [u8; 16], number: u64) -> Result<(RootSecret, VersionRecipe), RootKeyError> {
        let version = KeyVersion { number, id: nonce::fresh().map_err(|_| RootKeyError::Randomness)? };
        let mut secret = Secret32::empty();
        nonce::fill(secret.bytes_mut()).map_err(|_| RootKeyError::Randomness)?;
        self.series.create(&series, version).map_err(RootKeyError::Wrapper)?;
        let wrapped = self.series.wrap(&series, version, secret.bytes()).map_err(RootKeyError::Wrapper)?;
        if wrapped.is_empty() || wrapped.len() > WRAPPED_BYTES {
            return Err(RootKeyError::WrappedSize { bytes: wrapped.len(), most: WRAPPED_BYTES });
        }
        Ok((
            RootSecret(secret),
            VersionRecipe { series, version, begun: seconds(SystemTime::now()), generation: 0, wrapped },
        ))
    }

    /// The secret of a record. `allows_older`: also under a version that was superseded and is kept.
    pub(super) fn open(&self, recipe: &VersionRecipe, allows_older: bool) -> Result<RootSecret, RootKeyError> {
        self.check(recipe, allows_older)?;
        let mut secret = Secret32::empty();
        let VersionRecipe { series, version, wrapped, .. } = recipe;
        self.series.unwrap(series, *version, wrapped, secret.bytes_mut()).map_err(RootKeyError::Wrapper)?;
        Ok(RootSecret(secret))
    }

    /// Whether the token and the record agree: the key is there, and no later version is complete.
    pub(super) fn check(&self, recipe: &VersionRecipe, allows_older: bool) -> Result<(), RootKeyError> {
        let states = self.list(&recipe.series)?;
        if states.is_empty() {
            return Err(RootKeyError::OtherToken);
        }
        // The mark comes before the answer of the commit that began a version: what is older was put back, or is a copy.
        let is_superseded =
            states.iter().any(|state| state.completed.is_some() && state.version.number > recipe.version.number);
        let has_key = states.iter().any(|state| state.version == recipe.version && state.has_key);
        if !has_key || is_superseded && !allows_older { Err(RootKeyError::Destroyed) } else { Ok(()) }
    }

    /// Whether a commit begins the next version. `forgets`: it makes something unreadable. `is_told`: it is to begin one in any case.
    pub(super) fn is_due(&self, recipe: &VersionRecipe, forgets: bool, is_told: bool) -> bool {
        self.must_begin(forgets, is_told) || self.is_old(recipe)
    }

    /// Whether what was asked for is not done without the next version.
    pub(super) fn must_begin(&self, forgets: bool, is_told: bool) -> bool {
        is_told || forgets && self.policy.begins == Begins::WithEachShred
    }

    /// Whether a version is due by its age alone. One that began in the future, by a clock that was wrong, is.
    pub(super) fn is_old(&self, recipe: &VersionRecipe) -> bool {
        let Begins::After(most) = self.policy.begins else { return false };
        let now = seconds(SystemTime::now());
        now.saturating_sub(recipe.begun) >= most.as_secs() || recipe.begun > now.saturating_add(CLOCKS_DIFFER)
    }

    /// Whether a version may begin with the record in so many places.
    pub(super) fn may_begin(&self, places: usize) -> bool {
        places > 1 || !self.policy.kept.is_zero() || self.policy.allows_one_place
    }

    /// Whether there is nothing to do for [`finish`](Versions::finish).
    pub(super) fn is_finished(&self, recipe: &VersionRecipe) -> Result<bool, RootKeyError> {
        let states = match self.list_all(recipe) {
            // One of several tokens is away, and there is nothing to do in the others: see `finish`.
            Err(_) if !self.promises_at_once() => self.list(&recipe.series)?,
            states => states?,
        };
        Ok(self.is_settled(recipe, &states))
    }

    /// Whether a shred that was answered promises that no key is left which opens an older record.
    fn promises_at_once(&self) -> bool {
        self.policy.begins == Begins::WithEachShred
    }

    fn is_settled(&self, recipe: &VersionRecipe, states: &[VersionState]) -> bool {
        let own = states.iter().find(|state| state.version == recipe.version).and_then(|own| own.completed);
        let Some(since) = own else { return false };
        !states.iter().any(|state| {
            let is_later = state.completed.is_some() && state.version.number > recipe.version.number;
            state.version != recipe.version && !is_later && self.may_go(state, states, since)
        })
    }

    /// Whether a version's key may be destroyed, once the one that is complete `since` is durable everywhere.
    pub(super) fn may_go(&self, state: &VersionState, all: &[VersionState], since: SystemTime) -> bool {
        // What was never complete no record needs. Of the others the next one's mark tells since when they are superseded.
        let next = all.iter().filter(|next| next.version.number > state.version.number);
        let superseded = next.filter_map(|next| next.completed).min().unwrap_or(since);
        let is_over = || self.policy.kept.is_zero() || self.kept.since(state.version, superseded) >= self.policy.kept;
        state.has_key && (state.completed.is_none() || is_over())
    }

    /// Marks the record's version as complete, and destroys those before it, and what belongs to nobody. Only once the record is durable in every
    /// listed place, by whoever made it so: a record that is merely seen may vanish, and then nothing opens.
    pub(super) fn finish(&self, recipe: &VersionRecipe) -> Result<Older, RootKeyError> {
        let VersionRecipe { series, version, .. } = recipe;
        let states = match self.list_all(recipe) {
            // Nothing was promised of what a token has that lies in a safe; every commit looks again whether it is there.
            Err(error) if self.promises_at_once() || !self.is_settled(recipe, &self.list(series)?) => {
                return Err(error);
            }
            Err(_) => return Ok(Older::Kept),
            Ok(states) => states,
        };
        let own = states.into_iter().find(|state| state.version == *version);
        if own.is_none_or(|own| own.completed.is_none()) {
            self.series.complete(series, *version).map_err(RootKeyError::Wrapper)?;
        }
        let states = self.list_all(recipe)?;
        let own = states.iter().find(|state| state.version == *version && state.completed.is_some());
        let Some(since) = own.and_then(|own| own.completed) else { return Err(RootKeyError::NotMarked) };
        self.kept.retain(|version| states.iter().any(|state| state.version == version && state.has_key));
        let mut older = Older::Gone;
        for state in states.iter().filter(|state| state.version != *version) {
            if state.completed.is_some() && state.version.number > version.number {
                // A later record is under it, which was put aside by whoever put this one here.
                older = Older::Kept;
                continue;
            }
            if state.has_key && !self.may_go(state, &states, since) {
                older = Older::Kept;
                continue;
            }
            if state.has_key {
                self.series.destroy(series, state.version).map_err(RootKeyError::Wrapper)?;
            }
            // The mark of the newest complete version is enough to tell an older record.
            if state.completed.is_some() && state.version.number < version.number {
                self.series.unmark(series, state.version).map_err(RootKeyError::Wrapper)?;
            }
        }
        Ok(older)
    }

    /// Until when a copy of a record from before this generation can be read.
    pub(super) fn readable(&self, recipe: &VersionRecipe, generation: u64) -> Result<Readable, RootKeyError> {
        if recipe.generation < generation {
            return Ok(Readable::UntilTheNext);
        }
        // What a token has that is away is not known.
        let Ok(states) = self.list_all(recipe) else {
            return self.list(&recipe.series).map(|_| Readable::UntilDestroyed);
        };
        let older = states.iter().filter(|state| state.has_key && state.version.number < recipe.version.number);
        let mut until = None;
        for state in older {
            let next = states.iter().filter(|next| next.version.number > state.version.number);
            let superseded = next.filter_map(|next| next.completed).min();
            let time = superseded.and_then(|superseded| superseded.checked_add(self.policy.kept));
            // A time that is over and a version that no other one supersedes yet: only the token's answer ends it.
            match time.filter(|time| *time > SystemTime::now()) {
                Some(time) => until = until.max(Some(time)),
                None => return Ok(Readable::UntilDestroyed),
            }
        }
        Ok(until.map_or(Readable::Never, Readable::Until))
    }

    /// The version after this one in its series, if the token has that; otherwise the first of a new series.
    pub(super) fn after(
        &self,
        recipe: &VersionRecipe,
        vault: VaultName,
    ) -> Result<(RootSecret, VersionRecipe), RootKeyError> {
        // On an operator's word also in other tokens than the record lists: `begin` needs each of those that were given.
        let states = self.list(&recipe.series)?;
        if states.is_empty() { self.first(vault) } else { self.after_all(recipe, &states) }
    }

    /// What every token that the record lists has. Asked before a version begins, or one before is destroyed; [`list`](Versions::list) answers as soon as
    /// any token can.
    pub(super) fn list_all(&self, recipe: &VersionRecipe) -> Result<Vec<VersionState>, RootKeyError> {
        let states = match &self.series {
            Held::ByOne(token) => token.list(&recipe.series),
            Held::BySeveral(tokens) => tokens.list_all(&recipe.series, &recipe.wrapped),
        };
        states.map_err(RootKeyError::Wrapper)
    }

    pub(super) fn list(&self, series: &[u8; 16]) -> Result<Vec<VersionState>, RootKeyError> {
        self.series.list(series).map_err(RootKeyError::Wrapper)
    }
}

impl fmt::Debug for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Versions").field("policy", &self.policy).finish_non_exhaustive()
    }
}

pub(super) fn new_series(vault: VaultName) -> Result<[u8; 16], RootKeyError> {
    Ok(derivation::series(vault, nonce::fresh().map_err(|_| RootKeyError::Randomness)?))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
