//! A token in memory: keys that can be destroyed, taken away, and seen by an attacker.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::cipher::{self, TAG_BYTES};
use crate::nonce;
use crate::root_key::{KeySeries, KeyVersion, VersionState, WrapperError};
use crate::secret::Secret32;
use crate::store::Steps;

/// A token for tests, in memory; clones share it. What it destroys is gone.
///
/// ```
/// use oubliette::testing::MemoryToken;
/// use oubliette::{Purpose, RootKey, Vault, store::Memory, root_keys::VersionPolicy};
/// const ORDERS: Purpose = Purpose::new("orders");
///
/// let (token, memory) = (MemoryToken::new(), Memory::new());
/// let policy = VersionPolicy::with_each_shred().allow_one_place();
/// let key = RootKey::versions(token.clone(), policy);
/// let vault = Vault::on(memory.clone(), memory).purposes([ORDERS]).create(key)?;
/// let alice = vault.enroll()?;
/// let _ = vault.shred([alice])?;
/// assert_eq!(token.keys(), 1, "the one before is destroyed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct MemoryToken {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    series: BTreeMap<([u8; 16], KeyVersion), Slot>,
    is_away: bool,
    room: Option<usize>,
    ahead: Duration,
    calls: u64,
}

#[derive(Default)]
struct Slot {
    key: Option<Secret32>,
    completed: Option<SystemTime>,
}

impl MemoryToken {
    /// An empty token.
    #[must_use]
    pub fn new() -> MemoryToken {
        MemoryToken::default()
    }

    /// The token as one process sees it: making, marking and destroying a key count as `steps`, so that a test can stop the process there.
    #[must_use]
    pub fn seen_by(&self, steps: &Steps) -> impl KeySeries + use<> {
        SteppedToken { token: self.clone(), steps: steps.clone() }
    }

    /// From now on every call fails.
    pub fn take_away(&self) {
        self.state().is_away = true;
    }

    /// Ends [`take_away`](MemoryToken::take_away).
    pub fn put_back(&self) {
        self.state().is_away = false;
    }

    /// From now on it holds at most this many keys.
    pub fn room_for(&self, keys: usize) {
        self.state().room = Some(keys);
    }

    /// Dates every mark from now on this much too late, as a machine whose clock is ahead does.
    pub fn clock_is_ahead_by(&self, time: Duration) {
        self.state().ahead = time;
    }

    /// How many keys it holds, of all series.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.state().series.values().filter(|slot| slot.key.is_some()).count()
    }

    /// How many marks it holds, of all series.
    #[must_use]
    pub fn marks(&self) -> usize {
        self.state().series.values().filter(|slot| slot.completed.is_some()).count()
    }

    /// How often it was called.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// A token with the same keys and without marks: what an attacker who has the token can make of it.
    #[must_use]
    pub fn without_marks(&self) -> MemoryToken {
        let theirs = MemoryToken::new();
        let state = self.state();
        for (at, slot) in &state.series {
            let key = slot.key.as_ref().map(|key| Secret32::copy_of(key.bytes()));
            theirs.state().series.insert(*at, Slot { key, completed: None });
        }
        theirs
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn called(&self) -> Result<MutexGuard<'_, State>, WrapperError> {
        let mut state = self.state();
        state.calls += 1;
        if state.is_away { Err("the token is away".into()) } else { Ok(state) }
    }
}

fn before(steps: &Steps, what: &str) -> Result<(), WrapperError> {
    Ok(steps.before(what, Path::new("token"), &mut || ())?)
}

fn associated(series: &[u8; 16], version: KeyVersion) -> Vec<u8> {
    [&series[..], &version.number.to_be_bytes(), &version.id].concat()
}

impl KeySeries for MemoryToken {
    fn create(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        let mut state = self.called()?;
        let held = state.series.values().filter(|slot| slot.key.is_some()).count();
        if state.room.is_some_and(|room| held >= room) {
            return Err("the token is full".into());
        }
        let mut key = Secret32::empty();
        nonce::fill(key.bytes_mut()).map_err(|_| "no randomness")?;
        state.series.entry((*series, version)).or_default().key = Some(key);
        Ok(())
    }

    fn wrap(&self, series: &[u8; 16], version: KeyVersion, secret: &[u8; 32]) -> Result<Vec<u8>, WrapperError> {
        let state = self.called()?;
        let key = state.series.get(&(*series, version)).and_then(|slot| slot.key.as_ref()).ok_or("no such key")?;
        // Each key wraps one secret.
        let mut text = secret.to_vec();
        let tag = cipher::seal_once(key.bytes(), &associated(series, version), &mut text).map_err(|_| "wrap")?;
        text.extend_from_slice(&tag);
        Ok(text)
    }

    fn unwrap(
        &self,
        series: &[u8; 16],
        version: KeyVersion,
        wrapped: &[u8],
        secret: &mut [u8; 32],
    ) -> Result<(), WrapperError> {
        let state = self.called()?;
        let key = state.series.get(&(*series, version)).and_then(|slot| slot.key.as_ref()).ok_or("no such key")?;
        let (text, tag) = wrapped.split_last_chunk::<TAG_BYTES>().ok_or("too short")?;
        secret.copy_from_slice(text.get(..32).filter(|_| text.len() == 32).ok_or("another size")?);
        Ok(cipher::open_once(key.bytes(), &associated(series, version), secret, tag).map_err(|_| "not authentic")?)
    }

    fn complete(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        let mut state = self.called()?;
        let now = SystemTime::now() + state.ahead;
        state.series.entry((*series, version)).or_default().completed.get_or_insert(now);
        Ok(())
    }

    fn unmark(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        if let Some(slot) = self.called()?.series.get_mut(&(*series, version)) {
            slot.completed = None;
        }
        Ok(())
    }

    fn list(&self, series: &[u8; 16]) -> Result<Vec<VersionState>, WrapperError> {
        let state = self.called()?;
        let own = state.series.iter().filter(|((of, _), _)| of == series);
        let seen = own.map(|((_, version), slot)| VersionState {
            version: *version,
            has_key: slot.key.is_some(),
            completed: slot.completed,
        });
        Ok(seen.filter(|state| state.has_key || state.completed.is_some()).collect())
    }

    fn series(&self) -> Result<Vec<[u8; 16]>, WrapperError> {
        let state = self.called()?;
        let some = state.series.iter().filter(|(_, slot)| slot.key.is_some() || slot.completed.is_some());
        let names: BTreeSet<[u8; 16]> = some.map(|((series, _), _)| *series).collect();
        Ok(names.into_iter().collect())
    }

    fn destroy(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        if let Some(slot) = self.called()?.series.get_mut(&(*series, version)) {
            slot.key = None;
        }
        Ok(())
    }
}

impl fmt::Debug for MemoryToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryToken").field("keys", &self.keys()).finish_non_exhaustive()
    }
}

/// A [`MemoryToken`] as one process sees it, which may be stopped at each step.
#[derive(Clone, Debug)]
struct SteppedToken {
    token: MemoryToken,
    steps: Steps,
}

impl SteppedToken {
    fn alive(&self) -> Result<(), WrapperError> {
        Ok(self.steps.alive()?)
    }
}

impl KeySeries for SteppedToken {
    fn create(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        before(&self.steps, "create")?;
        self.token.create(series, version)
    }

    fn wrap(&self, series: &[u8; 16], version: KeyVersion, secret: &[u8; 32]) -> Result<Vec<u8>, WrapperError> {
        self.alive()?;
        self.token.wrap(series, version, secret)
    }

    fn unwrap(
        &self,
        series: &[u8; 16],
        version: KeyVersion,
        wrapped: &[u8],
        secret: &mut [u8; 32],
    ) -> Result<(), WrapperError> {
        self.alive()?;
        self.token.unwrap(series, version, wrapped, secret)
    }

    fn complete(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        before(&self.steps, "complete")?;
        self.token.complete(series, version)
    }

    fn unmark(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        before(&self.steps, "unmark")?;
        self.token.unmark(series, version)
    }

    fn list(&self, series: &[u8; 16]) -> Result<Vec<VersionState>, WrapperError> {
        self.alive()?;
        self.token.list(series)
    }

    fn series(&self) -> Result<Vec<[u8; 16]>, WrapperError> {
        self.alive()?;
        self.token.series()
    }

    fn destroy(&self, series: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
        before(&self.steps, "destroy")?;
        self.token.destroy(series, version)
    }
}
