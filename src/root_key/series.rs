//! What a token has beside the key in use: older versions, what belongs to nobody, other series.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::versions::{Begins, CLOCKS_DIFFER, KeyVersion, VersionRecipe, VersionState, Versions};
use super::{Kind, Recipe, RootKey, RootKeyError};
use crate::derivation::{self, RootSecret};
use crate::journal::{SeriesName, VaultName};

/// What a token has of a vault's root keys: as looked, nothing was changed. Times are those of the clocks that made the marks.
///
/// ```
/// use oubliette::testing::MemoryToken;
/// use oubliette::{Purpose, RootKey, Vault, root_keys::VersionPolicy, store::Memory};
/// const ORDERS: Purpose = Purpose::new("orders");
/// let (token, memory) = (MemoryToken::new(), Memory::new());
/// let key = || RootKey::versions(token.clone(), VersionPolicy::with_each_shred().allow_one_place());
/// let at = || Vault::on(memory.clone(), memory.clone()).purposes([ORDERS]);
///
/// let vault = at().create(key())?;
/// vault.shred([vault.enroll()?])?;
/// let seen = at().look_at_root_key(&key())?.ok_or("it has versions")?;
/// assert!(seen.has_key && seen.overdue.is_empty() && seen.kept.is_empty()); // no older root record opens
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RootKeyVersions {
    /// The series that the root record names.
    pub series: SeriesName,
    /// The version that the root record names.
    pub version: KeyVersion,
    /// When it began.
    pub begun: SystemTime,
    /// The generation of the first root record under it.
    pub generation: u64,
    /// Whether the token has its key. If not, the record does not open.
    pub has_key: bool,
    /// Since when it is marked as complete; until it is, nothing before it is destroyed.
    pub completed: Option<SystemTime>,
    /// A later version is complete: an older root record was put back.
    pub is_superseded: bool,
    /// Older ones whose time is not over, and when it is, by the marks in the token and the policy.
    pub kept: Vec<(KeyVersion, SystemTime)>,
    /// Older ones whose time is over, since when, and which are there still: the next commit destroys them.
    pub overdue: Vec<(KeyVersion, SystemTime)>,
    /// Keys that no record needs: of commits that came to nothing. The next commit destroys them.
    pub unused: Vec<KeyVersion>,
    /// Versions whose marks are dated in the future, by this machine's clock: older versions are kept for longer.
    pub ahead: Vec<(KeyVersion, SystemTime)>,
    /// True when the version's age makes the next one due. `None` if the policy does not go by age.
    pub is_old: Option<bool>,
    /// True when the policy allows a version to begin with as many places as the store has.
    pub may_begin: bool,
    /// Every series in the token.
    pub all: Vec<SeriesInToken>,
}

/// A series of keys in a token.
///
/// ```
/// use oubliette::testing::MemoryToken;
/// use oubliette::{Purpose, RootKey, Vault, root_keys::VersionPolicy, store::Memory};
/// let (token, memory) = (MemoryToken::new(), Memory::new());
/// let key = || RootKey::versions(token.clone(), VersionPolicy::by_hand().allow_one_place());
/// let vault = Vault::on(memory.clone(), memory).purposes([Purpose::new("orders")]).create(key())?;
///
/// // It moves to another key; what it left in the token is destroyed.
/// vault.rotate_root_key(RootKey::bytes([7; 32]))?;
/// for left in vault.series_in(&key())?.iter().filter(|left| left.is_of_this_vault && !left.is_in_use) {
///     vault.destroy_series(&key(), left.series, None)?;
/// }
/// assert_eq!(token.keys(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SeriesInToken {
    /// Its name.
    pub series: SeriesName,
    /// How many keys there are. With 0, they were destroyed and their marks are left.
    pub keys: u64,
    /// When the last of its versions was complete; `None` if none was.
    pub completed: Option<SystemTime>,
    /// The root record names it.
    pub is_in_use: bool,
    /// True for a series of this vault or of a copy of it, as its name says. Leave other vaults' series alone.
    pub is_of_this_vault: bool,
}

/// A version, and what is left of those before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Standing {
    pub(crate) series: [u8; 16],
    pub(crate) version: KeyVersion,
    pub(crate) generation: u64,
    pub(crate) begun: SystemTime,
    /// The oldest that is kept, and when the time of the last one is over.
    pub(crate) kept: Option<(u64, SystemTime)>,
}

/// Of what a token has beside the key in use.
impl RootKey {
    /// A recipe's version, and what is left of those before it; `None` while that is not finished, and where there are no versions.
    pub(crate) fn standing(&self, recipe: &Recipe) -> Result<Option<Standing>, RootKeyError> {
        match (&self.0, recipe) {
            (Kind::Versions(versions), Recipe::Version(recipe)) => versions.standing(recipe),
            _ => Ok(None),
        }
    }

    /// Whether a commit that forgets begins a version.
    pub(crate) fn begins_when_it_forgets(&self) -> bool {
        matches!(&self.0, Kind::Versions(versions) if versions.must_begin(true, false))
    }

    /// The name of a new series, and then its first version. `None` where there are no versions.
    pub(crate) fn new_series(&self, vault: VaultName) -> Result<Option<[u8; 16]>, RootKeyError> {
        matches!(self.0, Kind::Versions(_)).then(|| super::versions::new_series(vault)).transpose()
    }

    pub(crate) fn begin_series(&self, series: [u8; 16]) -> Result<(RootSecret, Recipe), RootKeyError> {
        let (secret, recipe) = self.token()?.begin(series, 1)?;
        Ok((secret, Recipe::Version(recipe)))
    }

    /// What can be told of the token without opening the record.
    pub(crate) fn look(
        &self,
        recipe: &Recipe,
        vault: VaultName,
        places: usize,
    ) -> Result<Option<RootKeyVersions>, RootKeyError> {
        match (&self.0, recipe) {
            (Kind::Versions(versions), Recipe::Version(recipe)) => versions.look(recipe, vault, places).map(Some),
            _ => Ok(None),
        }
    }

    /// Every series in the token; the one that this recipe names is in use.
    pub(crate) fn series(&self, recipe: &Recipe, vault: VaultName) -> Result<Vec<SeriesInToken>, RootKeyError> {
        self.token()?.all_series(recipe.series(), vault)
    }

    /// Destroys the keys of a series. Its marks stay, and tell that it was there.
    pub(crate) fn destroy_series(&self, series: [u8; 16]) -> Result<u64, RootKeyError> {
        self.token()?.destroy_series(series)
    }

    /// Removes the marks of a series whose keys are gone.
    pub(crate) fn unmark_series(&self, series: [u8; 16]) -> Result<(), RootKeyError> {
        self.token()?.unmark_series(series)
    }

    /// Whether it is a series of keys in a token.
    pub(crate) fn has_versions(&self) -> bool {
        matches!(self.0, Kind::Versions(_))
    }

    fn token(&self) -> Result<&Versions, RootKeyError> {
        match &self.0 {
            Kind::Versions(versions) => Ok(versions),
            _ => Err(RootKeyError::OtherToken),
        }
    }
}

impl Versions {
    /// `None`: it is not complete, a later one is, or something is left that nobody needs. So there is nothing to be told yet.
    pub(super) fn standing(&self, recipe: &VersionRecipe) -> Result<Option<Standing>, RootKeyError> {
        let states = match self.list_all(recipe) {
            // What one of several tokens has that is away is not known.
            Err(_) if self.list(&recipe.series).is_ok() => return Ok(None),
            states => states?,
        };
        let is_own = |state: &&VersionState| state.version == recipe.version;
        let is_complete = states.iter().filter(is_own).any(|own| own.completed.is_some() && own.has_key);
        let others = || states.iter().filter(|state| !is_own(state) && (state.has_key || is_later(state, recipe)));
        if !is_complete || others().any(|other| other.completed.is_none() || is_later(other, recipe)) {
            return Ok(None);
        }
        let from = others().map(|other| other.version.number).min();
        let until = others().map(|other| self.until(other, &states)).max();
        let begun = UNIX_EPOCH.checked_add(Duration::from_secs(recipe.begun)).unwrap_or(UNIX_EPOCH);
        let VersionRecipe { series, version, generation, .. } = *recipe;
        Ok(Some(Standing { series, version, generation, begun, kept: from.zip(until) }))
    }

    /// When the time of a version is over: so long after the next one was complete.
    fn until(&self, state: &VersionState, all: &[VersionState]) -> SystemTime {
        let next = all.iter().filter(|next| next.version.number > state.version.number);
        let superseded = next.filter_map(|next| next.completed).min().unwrap_or_else(SystemTime::now);
        superseded.checked_add(self.policy.kept).unwrap_or(superseded)
    }

    pub(super) fn look(
        &self,
        recipe: &VersionRecipe,
        vault: VaultName,
        places: usize,
    ) -> Result<RootKeyVersions, RootKeyError> {
        let states = self.list(&recipe.series)?;
        let own = states.iter().find(|state| state.version == recipe.version);
        let completed = own.and_then(|own| own.completed);
        let is_superseded = states.iter().any(|state| is_later(state, recipe));
        let (mut kept, mut overdue, mut unused) = (Vec::new(), Vec::new(), Vec::new());
        for state in states.iter().filter(|state| state.has_key && state.version != recipe.version) {
            let older = (state.version, self.until(state, &states));
            match completed {
                _ if is_later(state, recipe) => {}
                _ if state.completed.is_none() => unused.push(state.version),
                Some(since) if self.may_go(state, &states, since) => overdue.push(older),
                _ => kept.push(older),
            }
        }
        let latest = SystemTime::now().checked_add(Duration::from_secs(CLOCKS_DIFFER));
        let marks = states.iter().filter_map(|state| Some((state.version, state.completed?)));
        Ok(RootKeyVersions {
            series: SeriesName::from_bytes(recipe.series),
            version: recipe.version,
            begun: UNIX_EPOCH.checked_add(Duration::from_secs(recipe.begun)).unwrap_or(UNIX_EPOCH),
            generation: recipe.generation,
            has_key: own.is_some_and(|own| own.has_key),
            completed,
            is_superseded,
            kept,
            overdue,
            unused,
            ahead: marks.filter(|(_, completed)| latest.is_some_and(|latest| *completed > latest)).collect(),
            is_old: matches!(self.policy.begins, Begins::After(_)).then(|| self.is_old(recipe)),
            may_begin: self.may_begin(places),
            all: self.all_series(Some(recipe.series), vault)?,
        })
    }

    pub(super) fn all_series(
        &self,
        in_use: Option<[u8; 16]>,
        vault: VaultName,
    ) -> Result<Vec<SeriesInToken>, RootKeyError> {
        let mut names = self.series.series().map_err(RootKeyError::Wrapper)?;
        names.sort_unstable();
        names.dedup();
        let of = |name: [u8; 16]| {
            let states = self.list(&name)?;
            Ok(SeriesInToken {
                series: SeriesName::from_bytes(name),
                keys: states.iter().filter(|state| state.has_key).count() as u64,
                completed: states.iter().filter_map(|state| state.completed).max(),
                is_in_use: in_use == Some(name),
                is_of_this_vault: derivation::is_series_of(vault, name),
            })
        };
        names.into_iter().map(of).collect()
    }

    /// Destroys every key of a series, and looks that they are gone. A mark stays, so that a token that lists nothing, since it is away, is not
    /// taken for one whose keys are gone; and whoever is stopped here can be told what was done.
    pub(super) fn destroy_series(&self, series: [u8; 16]) -> Result<u64, RootKeyError> {
        let states = self.list(&series)?;
        let Some(first) = states.first() else { return Err(RootKeyError::OtherToken) };
        if states.iter().all(|state| state.completed.is_none()) {
            self.series.complete(&series, first.version).map_err(RootKeyError::Wrapper)?;
        }
        let mut destroyed = 0;
        for state in states.iter().filter(|state| state.has_key) {
            self.series.destroy(&series, state.version).map_err(RootKeyError::Wrapper)?;
            destroyed += 1;
        }
        let left = self.list(&series)?;
        let is_marked = left.iter().any(|state| state.completed.is_some());
        if is_marked && !left.iter().any(|state| state.has_key) {
            Ok(destroyed)
        } else {
            Err(RootKeyError::NotForgotten)
        }
    }

    pub(super) fn unmark_series(&self, series: [u8; 16]) -> Result<(), RootKeyError> {
        for state in self.list(&series)?.iter().filter(|state| state.completed.is_some()) {
            self.series.unmark(&series, state.version).map_err(RootKeyError::Wrapper)?;
        }
        Ok(())
    }
}

fn is_later(state: &VersionState, recipe: &VersionRecipe) -> bool {
    state.completed.is_some() && state.version.number > recipe.version.number
}
