//! Locks, which `--cfg shuttle` swaps for ones whose every interleaving a test can try; and shards, so that threads which only look do not write to the
//! same memory.

#[cfg(shuttle)]
pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard, RwLock};
#[cfg(not(shuttle))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, RwLock};

use std::sync::PoisonError;
#[cfg(not(shuttle))]
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// Several of one thing, of which each thread has one to itself as far as there are enough: a lock that a thread takes to look, or a count that it keeps of what
/// it holds, is then in no other processor's cache, however many look at the same time. Whoever changes the thing changes all of them.
pub(crate) struct Shards<T>(Box<[Padded<T>]>);

/// In cache lines of its own. Processors fetch lines in pairs of 64 bytes, and Apple's are of 128. An `Arc` of one has its counts there, too: those of small ones
/// that are made together share a line.
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> std::ops::Deref for Padded<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// More than that many threads share. It bounds what a change costs.
#[cfg(not(shuttle))]
const MOST_SHARDS: usize = 64;

impl<T> Shards<T> {
    pub(crate) fn new(mut make: impl FnMut() -> T) -> Shards<T> {
        Shards((0..count()).map(|_| Padded(make())).collect())
    }

    /// This thread's.
    #[inline]
    pub(crate) fn mine(&self) -> &T {
        self.at(shard())
    }

    /// The one that was a thread's when it was told its [`shard`].
    #[inline]
    #[allow(clippy::indexing_slicing)] // there is at least one, and the rest is less than how many there are
    pub(crate) fn at(&self, shard: usize) -> &T {
        &self.0[shard % self.0.len()].0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|padded| &padded.0)
    }
}

#[cfg(not(shuttle))]
fn count() -> usize {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    match COUNT.load(Ordering::Relaxed) {
        0 => {
            let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
            // Twice as many, since threads that come and go do not spread evenly.
            let count = cores.saturating_mul(2).next_power_of_two().clamp(2, MOST_SHARDS);
            COUNT.store(count, Ordering::Relaxed);
            count
        }
        count => count,
    }
}

/// Which shard is this thread's. Threads get them in turn.
#[cfg(not(shuttle))]
#[inline]
pub(crate) fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    // In a thread that is being torn down any will do.
    SHARD.try_with(|shard| *shard).unwrap_or(0)
}

/// Two, so that some threads share and some do not.
#[cfg(shuttle)]
fn count() -> usize {
    2
}

#[cfg(shuttle)]
pub(crate) fn shard() -> usize {
    usize::from(shuttle::thread::current().id())
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn threads_have_shards_of_their_own_and_keep_them() {
        let shards = Shards::new(|| AtomicUsize::new(0));
        let theirs = || std::ptr::from_ref(shards.mine()).addr();
        let both: Vec<usize> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        assert_eq!(theirs(), theirs());
                        theirs()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(shards.iter().count() >= 2 && both[0].abs_diff(both[1]) >= 128 || both[0] == both[1]);
        let all: Vec<usize> = shards.iter().map(|shard| std::ptr::from_ref(shard).addr()).collect();
        assert!(all.windows(2).all(|pair| pair[0] + 128 <= pair[1]), "each in cache lines of its own");
    }
}
