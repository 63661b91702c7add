//! Reads of the places, each on a thread of its own: one that hangs stops no other, and nobody who waits for it waits for ever.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::store::{CopyContent, PlaceId, Problem, RootCopy, RootStore, StoreError};

/// Requests that may wait for a place that does not answer. More than the threads of a vault ever send at once.
const MOST_WAITING: usize = 64;

/// What was found in some places.
pub(crate) struct Found {
    /// In the order of the places.
    pub(crate) copies: Vec<RootCopy>,
    /// A place that seems not to take a write, and why.
    pub(crate) not_writable: Option<StoreError>,
}

pub(crate) struct PlaceReads {
    roots: Arc<dyn RootStore>,
    /// `None`: each place is read where it is asked for.
    threads: Option<Mutex<HashMap<PlaceId, Arc<PlaceThread>>>>,
}

struct PlaceThread {
    requests: Sender<Request>,
    waiting: AtomicUsize,
    /// Somebody gave up waiting for the read that is under way.
    is_stuck: AtomicBool,
}

struct Request {
    /// After this nobody waits any more.
    until: Instant,
    answer: Sender<OfPlace>,
}

struct OfPlace {
    copies: Vec<RootCopy>,
    writable: Result<(), StoreError>,
}

impl PlaceReads {
    pub(crate) fn new(roots: Arc<dyn RootStore>, threaded: bool) -> Arc<PlaceReads> {
        Arc::new(PlaceReads { roots, threads: threaded.then(Mutex::default) })
    }

    /// Every copy in these places. One that does not answer within `most`, or did not the last time and still has not, is
    /// [`CopyContent::Unreachable`] with [`Problem::NoAnswer`].
    ///
    /// Mirrors before the first place: they never hold a record that the first place does not have, so that what is read of the
    /// first place is no older than what was read of the others, also where a commit comes in between.
    pub(crate) fn read(&self, list: &[PlaceId], most: Duration) -> Found {
        let mut found = Found { copies: Vec::new(), not_writable: None };
        let Some((first, mirrors)) = list.split_first() else { return found };
        let until = Instant::now() + most;
        // All at once.
        let asked: Vec<_> = mirrors.iter().map(|place| (*place, self.ask(*place, until))).collect();
        let of_mirrors: Vec<OfPlace> =
            asked.into_iter().map(|(place, answer)| self.wait_for(place, answer, until)).collect();
        let until = Instant::now() + most;
        let of_first = self.wait_for(*first, self.ask(*first, until), until);
        for OfPlace { copies, writable } in std::iter::once(of_first).chain(of_mirrors) {
            found.copies.extend(copies);
            found.not_writable = found.not_writable.or(writable.err());
        }
        found
    }

    /// A place that did not answer the last time, and still has not.
    pub(super) fn stuck(&self, list: &[PlaceId]) -> Option<StoreError> {
        let threads = self.threads.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        let is_stuck =
            |place: &&PlaceId| threads.get(place).is_some_and(|thread| thread.is_stuck.load(Ordering::Acquire));
        list.iter().find(is_stuck).map(|place| no_answer(*place))
    }

    /// Has a place read. `None`: it is stuck, and not asked again.
    fn ask(&self, place: PlaceId, until: Instant) -> Option<Receiver<OfPlace>> {
        let (answer, answered) = channel();
        let Some(threads) = &self.threads else {
            let _ = answer.send(read(&*self.roots, place));
            return Some(answered);
        };
        let mut threads = threads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = threads.get(&place)
            && (thread.is_stuck.load(Ordering::Acquire) || thread.waiting.load(Ordering::Acquire) >= MOST_WAITING)
        {
            return None;
        }
        let mut request = Request { until, answer };
        if let Some(thread) = threads.get(&place) {
            thread.waiting.fetch_add(1, Ordering::AcqRel);
            match thread.requests.send(request) {
                Ok(()) => return Some(answered),
                // It ended by a panic that could not be caught; another one takes its place.
                Err(failed) => request = failed.0,
            }
        }
        let thread = PlaceThread::start(self.roots.clone(), place)?;
        thread.waiting.fetch_add(1, Ordering::AcqRel);
        let _ = thread.requests.send(request);
        threads.insert(place, thread);
        Some(answered)
    }

    fn wait_for(&self, place: PlaceId, answer: Option<Receiver<OfPlace>>, until: Instant) -> OfPlace {
        let left = until.saturating_duration_since(Instant::now());
        // Where there are no threads the answer is there already.
        let answered = answer.and_then(|answer| answer.recv_timeout(left).ok());
        answered.unwrap_or_else(|| {
            if let Some(threads) = &self.threads
                && let Some(thread) = threads.lock().unwrap_or_else(PoisonError::into_inner).get(&place)
                && thread.waiting.load(Ordering::Acquire) > 0
            {
                thread.is_stuck.store(true, Ordering::Release);
            }
            let content = CopyContent::Unreachable(no_answer(place));
            let copies = vec![RootCopy { location: format!("place {place}"), place, content }];
            OfPlace { copies, writable: Err(no_answer(place)) }
        })
    }
}

impl PlaceThread {
    /// It holds no keys, and ends when nobody can ask it any more; if it hangs until then, when the store lets it go.
    fn start(roots: Arc<dyn RootStore>, place: PlaceId) -> Option<Arc<PlaceThread>> {
        let (requests, received) = channel();
        let thread = Arc::new(PlaceThread { requests, waiting: AtomicUsize::new(0), is_stuck: AtomicBool::new(false) });
        let own = Arc::downgrade(&thread);
        let serve = move || {
            while let Ok(Request { until, answer }) = received.recv() {
                // Of those that waited behind one that hung, nobody waits any more.
                if Instant::now() < until {
                    // A store of the application's may panic: then nobody answers.
                    let _ = catch_unwind(AssertUnwindSafe(|| {
                        let _ = answer.send(read(&*roots, place));
                    }));
                }
                let Some(thread) = own.upgrade() else { return };
                thread.waiting.fetch_sub(1, Ordering::AcqRel);
                thread.is_stuck.store(false, Ordering::Release);
            }
        };
        std::thread::Builder::new().name("oubliette-place".to_owned()).spawn(serve).ok()?;
        Some(thread)
    }
}

fn read(roots: &dyn RootStore, place: PlaceId) -> OfPlace {
    OfPlace { copies: roots.read(place), writable: roots.can_write(place) }
}

fn no_answer(place: PlaceId) -> StoreError {
    StoreError::new(Problem::NoAnswer, format!("place {place}"))
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use crate::store::{LockError, RootLock};

    const P: PlaceId = PlaceId([1; 8]);
    const M: PlaceId = PlaceId([2; 8]);
    const SOON: Duration = Duration::from_millis(50);
    const LATE: Duration = Duration::from_secs(20);

    /// A mirror that hangs as long as its lock is held.
    struct Hangs {
        mirror: Arc<Mutex<()>>,
        reads: AtomicUsize,
    }

    impl RootStore for Hangs {
        fn places(&self) -> Vec<PlaceId> {
            vec![P, M]
        }

        fn read(&self, place: PlaceId) -> Vec<RootCopy> {
            if place == M {
                self.reads.fetch_add(1, Ordering::AcqRel);
                drop(self.mirror.lock());
            }
            vec![RootCopy { location: "a test".to_owned(), place, content: CopyContent::Empty }]
        }

        fn lock(&self, _: &[PlaceId], waited: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
            Err(LockError::Busy { waited })
        }
    }

    fn answers(found: &Found) -> [bool; 2] {
        [0, 1].map(|at| matches!(found.copies[at].content, CopyContent::Empty))
    }

    #[test]
    fn a_place_that_hangs_stops_no_other_and_is_waited_for_once() {
        let mirror = Arc::new(Mutex::new(()));
        let store = Arc::new(Hangs { mirror: mirror.clone(), reads: AtomicUsize::new(0) });
        let reads = PlaceReads::new(store.clone(), true);
        assert_eq!(answers(&reads.read(&[P, M], LATE)), [true, true]);
        let hung = mirror.lock().unwrap();
        assert_eq!(answers(&reads.read(&[P, M], SOON)), [true, false]);
        assert_eq!(reads.stuck(&[P, M]).map(|error| error.problem()), Some(Problem::NoAnswer));
        assert!(reads.stuck(&[P]).is_none());
        // Not waited for again; and nothing piles up behind it.
        let begun = Instant::now();
        for _ in 0..1000 {
            assert_eq!(answers(&reads.read(&[P, M], LATE)), [true, false]);
        }
        assert!(begun.elapsed() < LATE);
        drop(hung);
        while reads.stuck(&[M]).is_some() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(store.reads.load(Ordering::Acquire), 2);
        assert_eq!(answers(&reads.read(&[P, M], LATE)), [true, true]);
    }
}
