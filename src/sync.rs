//! Locks, which `--cfg shuttle` swaps for ones whose every interleaving a test can try.

#[cfg(shuttle)]
pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard, RwLock};
#[cfg(not(shuttle))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, RwLock};

use std::sync::PoisonError;
use std::time::Instant;

/// A lock whatever happened to another thread that held it: what it guards is valid between statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits to be told of a change, at most until `deadline`: `None` once that has passed.
#[cfg(not(shuttle))]
pub(crate) fn wait_until<'m, T>(
    changed: &Condvar,
    guard: MutexGuard<'m, T>,
    deadline: Instant,
) -> Option<MutexGuard<'m, T>> {
    let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
    let waited = changed.wait_timeout(guard, left);
    Some(waited.map_or_else(|poisoned| poisoned.into_inner().0, |(guard, _)| guard))
}

/// Shuttle has no time: it waits without end, so that a wait which nothing ends is found as a deadlock.
#[cfg(shuttle)]
pub(crate) fn wait_until<'m, T>(
    changed: &Condvar,
    guard: MutexGuard<'m, T>,
    _deadline: Instant,
) -> Option<MutexGuard<'m, T>> {
    Some(changed.wait(guard).unwrap_or_else(PoisonError::into_inner))
}
