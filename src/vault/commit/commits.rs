//! The commits of one process.

use std::sync::{Arc, TryLockError};
use std::time::Duration;

use super::{
    AtAGlance, CommitError, Committed, Engine, Plan, Readiness, Repairs, Seen, Stores, Terms, Then, glance, read,
};
use crate::error::KeyStoreError;
use crate::key_tree::Resident;
use crate::sync::{Mutex, MutexGuard, lock};
use crate::vault::state::{Keyring, Pace, Scope, VaultState};

/// The engine and whose turn it is, and what came of commits so far.
pub(crate) struct Commits {
    engine: Engine,
    turn: Mutex<()>,
    /// Whether a shred could succeed.
    pub(crate) readiness: Readiness,
    pub(crate) repairs: Repairs,
    /// Commits that something which was not durable caused.
    pub(crate) settled: Pace,
}

/// Held by whoever commits: one at a time in a process, through store calls. What a commit made is installed before the next begins.
pub(crate) struct Turn<'c> {
    _held: MutexGuard<'c, ()>,
}

impl Commits {
    pub(crate) fn new(engine: Engine) -> Commits {
        let (readiness, repairs) = (Readiness::default(), Repairs::default());
        Commits { engine, turn: Mutex::new(()), readiness, repairs, settled: Pace::default() }
    }

    pub(crate) fn turn(&self) -> Turn<'_> {
        Turn { _held: lock(&self.turn) }
    }

    /// `None` while somebody commits.
    pub(crate) fn try_turn(&self) -> Option<Turn<'_>> {
        match self.turn.try_lock() {
            Ok(turn) => Some(Turn { _held: turn }),
            Err(TryLockError::Poisoned(turn)) => Some(Turn { _held: turn.into_inner() }),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// [`Engine::commit`].
    pub(crate) fn commit<T>(
        &self,
        _: &Turn<'_>,
        terms: &Terms,
        before: &dyn Fn() -> Option<Arc<VaultState>>,
        plan: &mut Plan<'_, T>,
        then: Option<&mut Then<'_, T>>,
    ) -> Result<Committed<T>, CommitError> {
        self.engine.commit(terms, before, plan, then)
    }

    /// Reads the record without a lock: [`read`].
    pub(crate) fn read(
        &self,
        before: &dyn Fn() -> Option<Arc<VaultState>>,
        scope: &Scope,
        patience: [Duration; 2],
    ) -> Result<Seen, KeyStoreError> {
        read(&self.engine, before, scope, patience)
    }

    /// Looks at the record as it is seen: [`glance`].
    pub(crate) fn glance(&self, before: &dyn Fn() -> Option<Arc<VaultState>>, scope: &Scope) -> AtAGlance {
        glance(&self.engine, before, scope)
    }

    pub(crate) fn stores(&self) -> &Stores {
        &self.engine.stores
    }

    pub(crate) fn resident(&self) -> &Arc<Resident> {
        &self.engine.resident
    }

    pub(crate) fn keyring(&self) -> MutexGuard<'_, Keyring> {
        lock(&self.engine.keyring)
    }

    /// In a forked child: a copy, unless a thread that does not exist here holds the lock.
    pub(crate) fn copy_keyring(&self) -> Option<Keyring> {
        match self.engine.keyring.try_lock() {
            Ok(keyring) => Some(keyring.copy()),
            Err(TryLockError::Poisoned(keyring)) => Some(keyring.into_inner().copy()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}
