//! The calls that a commit makes to its stores, on a thread of their own: one that hangs keeps that thread, and no key.
//!
//! A commit works with the keys of everybody, and stores may hang: a mount whose server is gone. So the thread that commits makes no call itself. It
//! waits for each as long as is stated here, and then gives the commit up: its keys are wiped, and whoever asked for it is answered. What is left
//! behind is the store's lock, which goes when the call comes back, and what the store was given: encrypted pages, an encrypted record.
//!
//! To other processes this is a commit that was killed: until then they find it locked, and after that they finish it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::bounded::{BoundedPages, BoundedRoots};
use super::{Stores, Terms};
use crate::store::{PageStore, Problem, RootLock, RootStore, StoreError, StoredPage};
use crate::sync::{Mutex, lock};
use crate::vault::state::Known;

/// A call is waited for so many times as long as for another process's commit, and for this long at least.
const TIMES: u32 = 3;
const AT_LEAST: Duration = Duration::from_secs(3);
/// And for a second more for as much as this that it writes.
const BYTES_A_SECOND: usize = 1 << 20;
/// Once the lease ran out, a call that began so long ago is not waited for, nor one that began a lease ago.
const WITHOUT_LEASE: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_millis(50);
/// While the lease runs it is looked so often whether it still does.
const LOOKS: Duration = Duration::from_secs(1);

/// The thread of one process's commits.
pub(crate) struct StoreCalls {
    /// Of the thread that waits for the next commit, if there is one.
    idle: Mutex<Option<Sender<Call>>>,
    /// A call was given up, and has not come back.
    is_stuck: Arc<AtomicBool>,
}

/// What the thread is asked to do.
type Call = Box<dyn FnOnce(&mut Reached<'_>) + Send>;

/// What the thread reaches.
pub(super) struct Reached<'s> {
    pub(super) pages: &'s dyn PageStore,
    pub(super) roots: &'s dyn RootStore,
    pub(super) lock: Option<Box<dyn RootLock + 's>>,
}

impl StoreCalls {
    pub(super) fn new() -> Arc<StoreCalls> {
        Arc::new(StoreCalls { idle: Mutex::new(None), is_stuck: Arc::new(AtomicBool::new(false)) })
    }

    fn is_stuck(&self) -> bool {
        self.is_stuck.load(Ordering::Acquire)
    }

    /// `None` while a call of an earlier commit has not come back: no more than one thread hangs.
    fn thread(&self, stores: &Stores) -> Option<Sender<Call>> {
        if let Some(idle) = lock(&self.idle).take() {
            return Some(idle);
        }
        if self.is_stuck() {
            return None;
        }
        let (calls, asked) = channel();
        let (pages, roots, is_stuck) = (stores.pages.clone(), stores.roots.clone(), self.is_stuck.clone());
        let serve = move || {
            serve(&*pages, &*roots, &asked);
            // Only now, when the lock was given back, may another thread take it.
            is_stuck.store(false, Ordering::Release);
        };
        let spawned = std::thread::Builder::new().name("oubliette-store".to_owned()).spawn(serve);
        spawned.ok().map(|_| calls)
    }
}

/// Until nobody asks any more: then the store's lock is given back.
fn serve(pages: &dyn PageStore, roots: &dyn RootStore, asked: &Receiver<Call>) {
    let mut reached = Reached { pages, roots, lock: None };
    while let Ok(call) = asked.recv() {
        // A store of the application's may panic: that call alone has no answer.
        let _ = catch_unwind(AssertUnwindSafe(|| call(&mut reached)));
    }
    let _ = catch_unwind(AssertUnwindSafe(|| drop(reached)));
}

/// The stores of one commit.
pub(super) struct Bounded {
    pub(super) inner: Stores,
    calls: Arc<StoreCalls>,
    /// `None`: one call did not come back, and nothing more is asked.
    thread: Mutex<Option<Sender<Call>>>,
    /// What the lease covers is not to be kept for a call.
    known: Option<Arc<Known>>,
    most: Duration,
}

impl Stores {
    /// The same stores as a commit sees them.
    pub(super) fn for_commit(&self, terms: &Terms, lock_wait: Duration) -> (Arc<dyn PageStore>, Arc<dyn RootStore>) {
        let Some(calls) = &self.calls else { return (self.pages.clone(), self.roots.clone()) };
        let bounded = Arc::new(Bounded {
            thread: Mutex::new(calls.thread(self)),
            calls: calls.clone(),
            inner: self.clone(),
            known: terms.known.clone(),
            most: lock_wait.saturating_mul(TIMES).max(AT_LEAST),
        });
        (Arc::new(BoundedPages(bounded.clone())), Arc::new(BoundedRoots(bounded)))
    }
}

impl Stores {
    /// Why no commit can begin: a call of an earlier one has not come back.
    pub(crate) fn stuck(&self) -> Option<StoreError> {
        self.calls.as_ref().filter(|calls| calls.is_stuck()).map(|_| no_answer("a commit"))
    }
}

fn no_answer(what: &str) -> StoreError {
    StoreError::new(Problem::NoAnswer, format!("the key store ({what})"))
}

impl Drop for Bounded {
    fn drop(&mut self) {
        // The next commit's.
        if let Some(thread) = lock(&self.thread).take() {
            *lock(&self.calls.idle) = Some(thread);
        }
    }
}

/// How long a call is waited for.
pub(super) enum Most {
    For(Duration),
    /// As long as the lease runs: it may move all that there is.
    Leased,
}

impl Bounded {
    pub(super) fn call<T: Send + 'static>(
        &self,
        what: &str,
        most: &Most,
        call: impl FnOnce(&mut Reached<'_>) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = channel();
        let call: Call = Box::new(move |reached| {
            let _ = answer.send(call(reached));
        });
        let begun = Instant::now();
        let is_asked = lock(&self.thread).as_ref().is_some_and(|thread| thread.send(call).is_ok());
        if !is_asked {
            return Err(no_answer(what));
        }
        loop {
            match answered.recv_timeout(self.left(begun, most)) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Disconnected) => {
                    let panicked = StoreError::new(Problem::Io, format!("the key store ({what})"));
                    return Err(panicked.caused_by("the store panicked"));
                }
                Err(RecvTimeoutError::Timeout) if self.left(begun, most).is_zero() => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        // A machine that slept wakes both threads at once, and the call has not hung at all.
        if let Ok(answer) = answered.recv_timeout(GRACE) {
            return Ok(answer);
        }
        // First of all it is said that the thread is stuck: its end, which says that it is not, comes later. Nobody asks it any more, so that it ends when the
        // call comes back.
        self.calls.is_stuck.store(true, Ordering::Release);
        lock(&self.thread).take();
        answered.try_recv().map_err(|_| no_answer(what))
    }

    /// How long to wait before it is asked again; nothing once the call is not waited for any more.
    fn left(&self, begun: Instant, most: &Most) -> Duration {
        let waited = begun.elapsed();
        let left = match most {
            Most::For(most) => most.saturating_sub(waited),
            Most::Leased => LOOKS,
        };
        let Some(known) = &self.known else { return left };
        let (lease, remaining) = (known.last_lease(), known.remaining());
        let is_covered = !known.is_closing() && (lease.is_zero() || !remaining.is_zero());
        left.min(match is_covered {
            false => lease.max(WITHOUT_LEASE).saturating_sub(waited),
            true if lease.is_zero() => LOOKS,
            true => remaining.clamp(Duration::from_millis(1), LOOKS),
        })
    }

    /// For a call that moves little.
    pub(super) fn little(&self) -> Most {
        Most::For(self.most)
    }

    /// For one that waits by itself.
    pub(super) fn waiting(&self, wait: Duration) -> Most {
        Most::For(self.most.saturating_add(wait))
    }

    pub(super) fn writes(&self, pages: &[StoredPage]) -> Most {
        let bytes: usize = pages.iter().map(|page| page.bytes.len()).sum();
        let seconds = u64::try_from(bytes / BYTES_A_SECOND).unwrap_or(u64::MAX);
        Most::For(self.most.saturating_add(Duration::from_secs(seconds)))
    }
}
