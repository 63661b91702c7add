//! Reads of the places, each on a thread of its own: one that hangs stops no other, and nobody who waits for it waits for ever.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// One lock for all of it: who gives up waiting and the read that comes back all the same must not miss each other.
    state: Mutex<ThreadState>,
}

#[derive(Default)]
struct ThreadState {
    /// Requests that are not done.
    waiting: usize,
    /// Since when somebody has given up waiting for the read that is under way.
    stuck_since: Option<Instant>,
    /// Why the place seems not to take a write, as of the last look.
    not_writable: Option<StoreError>,
    /// Since when that is looked at, by a thread of its own: what tells of a disk's room may hang where its files do not.
    looking_since: Option<Instant>,
    looked: Option<Instant>,
}

struct Request {
    /// After this nobody waits any more.
    until: Instant,
    answer: Sender<Vec<RootCopy>>,
}

impl PlaceReads {
    pub(crate) fn new(roots: Arc<dyn RootStore>, threaded: bool) -> Arc<PlaceReads> {
        Arc::new(PlaceReads { roots, threads: threaded.then(Mutex::default) })
    }

    /// Every copy in these places, for a reader. Mirrors are waited for `mirrors` together, and then the first place for `first`. One that does
    /// not answer in that time is [`CopyContent::Unreachable`] with [`Problem::NoAnswer`]; a mirror that did not the last time, and still has
    /// not, is not waited for again.
    ///
    /// Mirrors before the first place: they never hold a record that the first place does not have, so that what is read of the
    /// first place is no older than what was read of the others, also where a commit comes in between.
    pub(crate) fn read(&self, list: &[PlaceId], mirrors: Duration, first: Duration) -> Found {
        self.read_places(list, mirrors, first, false)
    }

    /// The same for a commit, which waits for each place.
    pub(super) fn read_to_commit(&self, list: &[PlaceId], most: Duration) -> Vec<RootCopy> {
        self.read_places(list, most, most, true).copies
    }

    /// Before places are locked: one that does not answer within `most`, counted from when it was first noticed.
    pub(super) fn unanswered(&self, list: &[PlaceId], most: Duration) -> Option<StoreError> {
        self.threads.as_ref()?;
        let found = self.read_to_commit(list, most);
        found.iter().find_map(|copy| match &copy.content {
            CopyContent::Unreachable(error) if error.problem() == Problem::NoAnswer => Some(error.clone()),
            _ => None,
        })
    }

    fn read_places(&self, list: &[PlaceId], mirrors: Duration, first: Duration, patiently: bool) -> Found {
        let mut found = Found { copies: Vec::new(), not_writable: None };
        let Some((first_place, others)) = list.split_first() else { return found };
        // All at once.
        let asked: Vec<_> = others.iter().map(|place| self.ask(*place, mirrors, patiently)).collect();
        let of_mirrors: Vec<_> = others.iter().zip(asked).map(|(place, asked)| self.wait_for(*place, asked)).collect();
        // Without it nothing goes on anyway.
        let of_first = self.wait_for(*first_place, self.ask(*first_place, first, true));
        for (place, copies) in list.iter().zip(std::iter::once(of_first).chain(of_mirrors)) {
            found.copies.extend(copies);
            found.not_writable = found.not_writable.or_else(|| self.not_writable(*place));
        }
        found
    }

    fn thread(&self, place: PlaceId) -> Option<Arc<PlaceThread>> {
        self.threads.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).get(&place).cloned()
    }

    /// Has a place read. `None`: it is stuck, and not asked again.
    fn ask(&self, place: PlaceId, most: Duration, patiently: bool) -> Option<(Instant, Receiver<Vec<RootCopy>>)> {
        let (answer, answered) = channel();
        let now = Instant::now();
        let Some(threads) = &self.threads else {
            let _ = answer.send(self.roots.read(place));
            return Some((now, answered));
        };
        let mut threads = threads.lock().unwrap_or_else(PoisonError::into_inner);
        let mut until = now.checked_add(most).unwrap_or(now + FOR_EVER);
        if let Some(thread) = threads.get(&place) {
            let mut state = thread.state();
            match state.stuck_since {
                Some(_) if !patiently => return None,
                // It has been waited for already.
                Some(since) => until = since.checked_add(most).unwrap_or(until).min(until),
                None => {}
            }
            if state.waiting >= MOST_WAITING {
                return None;
            }
            state.waiting += 1;
            drop(state);
            match thread.requests.send(Request { until, answer: answer.clone() }) {
                Ok(()) => return Some((until, answered)),
                // It ended by a panic that could not be caught; another one takes its place.
                Err(_) => drop(threads.remove(&place)),
            }
        }
        let thread = PlaceThread::start(self.roots.clone(), place)?;
        thread.state().waiting += 1;
        let _ = thread.requests.send(Request { until, answer });
        threads.insert(place, thread);
        Some((until, answered))
    }

    fn wait_for(&self, place: PlaceId, asked: Option<(Instant, Receiver<Vec<RootCopy>>)>) -> Vec<RootCopy> {
        // Where there are no threads the answer is there already.
        let answered =
            asked.and_then(|(until, answer)| answer.recv_timeout(until.saturating_duration_since(Instant::now())).ok());
        answered.unwrap_or_else(|| {
            if let Some(thread) = self.thread(place) {
                let mut state = thread.state();
                if state.waiting > 0 {
                    state.stuck_since.get_or_insert_with(Instant::now);
                }
            }
            let content = CopyContent::Unreachable(no_answer(place));
            vec![RootCopy { location: format!("place {place}"), place, content }]
        })
    }

    /// Why a place seems not to take a write.
    fn not_writable(&self, place: PlaceId) -> Option<StoreError> {
        if self.threads.is_none() {
            return self.roots.can_write(place).err();
        }
        let thread = self.thread(place)?;
        let state = thread.state();
        let is_late = state.looking_since.is_some_and(|since| since.elapsed() > LATE);
        if is_late { Some(no_answer(place)) } else { state.not_writable.clone() }
    }
}

/// What a deadline that no clock tells comes to.
const FOR_EVER: Duration = Duration::from_secs(1 << 30);
/// A disk does not fill so fast that it matters to a probe.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// A look at a disk's room that takes longer says that the disk hangs.
const LATE: Duration = Duration::from_secs(5);

impl PlaceThread {
    fn state(&self) -> MutexGuard<'_, ThreadState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It holds no keys, and ends when nobody can ask it any more; if it hangs until then, when the store lets it go.
    fn start(roots: Arc<dyn RootStore>, place: PlaceId) -> Option<Arc<PlaceThread>> {
        let (requests, received) = channel();
        let thread = Arc::new(PlaceThread { requests, state: Mutex::default() });
        let own = Arc::downgrade(&thread);
        let serve = move || {
            while let Ok(Request { until, answer }) = received.recv() {
                // Of those that waited behind one that hung, nobody waits any more.
                if Instant::now() < until {
                    // A store of the application's may panic: then nobody answers.
                    let _ = catch_unwind(AssertUnwindSafe(|| {
                        let _ = answer.send(roots.read(place));
                    }));
                }
                let Some(thread) = own.upgrade() else { return };
                {
                    let mut state = thread.state();
                    state.waiting -= 1;
                    state.stuck_since = None;
                }
                PlaceThread::look(&thread, &roots, place);
            }
        };
        std::thread::Builder::new().name("oubliette-place".to_owned()).spawn(serve).ok()?;
        Some(thread)
    }

    /// Has somebody see whether the place would take a write, unless somebody does already.
    fn look(thread: &Arc<PlaceThread>, roots: &Arc<dyn RootStore>, place: PlaceId) {
        {
            let mut state = thread.state();
            if state.looking_since.is_some() || state.looked.is_some_and(|looked| looked.elapsed() < BETWEEN_LOOKS) {
                return;
            }
            (state.looking_since, state.looked) = (Some(Instant::now()), Some(Instant::now()));
        }
        let (own, roots) = (Arc::downgrade(thread), roots.clone());
        let look = move || {
            let found = catch_unwind(AssertUnwindSafe(|| roots.can_write(place)));
            if let Some(thread) = own.upgrade() {
                let mut state = thread.state();
                state.looking_since = None;
                state.not_writable = found.unwrap_or(Ok(())).err();
            }
        };
        if std::thread::Builder::new().name("oubliette-room".to_owned()).spawn(look).is_err() {
            thread.state().looking_since = None;
        }
    }
}

fn no_answer(place: PlaceId) -> StoreError {
    StoreError::new(Problem::NoAnswer, format!("place {place}"))
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

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
        assert_eq!(answers(&reads.read(&[P, M], LATE, LATE)), [true, true]);
        let hung = mirror.lock().unwrap();
        assert_eq!(answers(&reads.read(&[P, M], SOON, LATE)), [true, false]);
        assert_eq!(reads.unanswered(&[P, M], SOON).map(|error| error.problem()), Some(Problem::NoAnswer));
        assert!(reads.unanswered(&[P], SOON).is_none());
        // Not waited for again; and nothing piles up behind it.
        let begun = Instant::now();
        for _ in 0..1000 {
            assert_eq!(answers(&reads.read(&[P, M], LATE, LATE)), [true, false]);
            assert!(reads.unanswered(&[M], SOON).is_some());
        }
        assert!(begun.elapsed() < LATE);
        drop(hung);
        while reads.unanswered(&[M], SOON).is_some() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(answers(&reads.read(&[P, M], LATE, LATE)), [true, true]);
    }

    /// Answers that come just when somebody stops waiting for them: nobody is taken for stuck for ever.
    #[test]
    fn an_answer_that_comes_late_is_not_missed() {
        struct Slow;

        impl RootStore for Slow {
            fn places(&self) -> Vec<PlaceId> {
                vec![P, M]
            }

            fn read(&self, place: PlaceId) -> Vec<RootCopy> {
                std::thread::sleep(Duration::from_micros(300));
                vec![RootCopy { location: "a test".to_owned(), place, content: CopyContent::Empty }]
            }

            fn lock(&self, _: &[PlaceId], waited: Duration) -> Result<Box<dyn RootLock + '_>, LockError> {
                Err(LockError::Busy { waited })
            }
        }

        let reads = PlaceReads::new(Arc::new(Slow), true);
        for round in 0..2000_u64 {
            let most = Duration::from_micros(300 + round % 200);
            reads.read(&[P, M], most, most);
            if round % 50 == 0 {
                let begun = Instant::now();
                while answers(&reads.read(&[P, M], SOON, SOON)) != [true, true] {
                    assert!(begun.elapsed() < LATE, "round {round}: stuck for ever");
                }
            }
        }
    }
}
