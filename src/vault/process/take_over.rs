//! Pages that another process's commit left as they were stay in memory: only those that changed are read.
//!
//! A shred rewrites the pages on the path to the customer. Whoever sees it takes the new record, looks which pages of the old snapshot the new one
//! names too, and reads the few in between. That comes before the new snapshot is installed, so that nobody who opens waits for pages; and a shred
//! that is seen is obeyed at once, so it comes only as far as the store answers within [`MOST_WAIT`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::store::{PageName, PageStore, StoreError};
use crate::vault::process::Process;
use crate::vault::state::{Arrived, PAGES_AT_ONCE, VaultState, get_many};
use crate::vault::workers::Once;

/// What a store that does not answer may delay a shred by, of those that others made. Of a short lease it is a part.
const MOST_WAIT: Duration = Duration::from_millis(50);
const PART_OF_LEASE: u32 = 16;
/// Most pages that are read so, four megabytes: reading, decrypting and comparing them takes a few milliseconds. What is left is read when it is
/// needed.
const MOST_PAGES: usize = 512;

/// The thread that waits. Each has a reader of its own, so that none is without because of the other.
#[derive(Clone, Copy)]
pub(super) enum TakenOverBy {
    Read,
    Commit,
}

type Answers = Vec<(PageName, Result<Option<Vec<u8>>, StoreError>)>;

/// What the thread that reads is asked for.
enum Asked {
    /// What was put after a generation: of a store that can tell, one answer instead of one a level.
    NewerThan(u64),
    These(Vec<PageName>),
}

impl Process {
    /// Takes over what of the current snapshot's pages `state` names too. `state` is about to replace it: it was read, or committed.
    pub(super) fn take_over(self: &Arc<Process>, state: &VaultState, by: TakenOverBy) {
        // Nor so long that the lease runs out over it.
        let most = MOST_WAIT.min(state.facts.lease / PART_OF_LEASE).min(self.known.remaining() / 2);
        let deadline = Instant::now() + most;
        let mut arrived = Arrived::default();
        let mut reader = None;
        let mut room = MOST_PAGES;
        let mut is_first = true;
        loop {
            // The current snapshot is held while nothing is waited for.
            let Some(before) = self.known.snapshot() else { return };
            state.take_over(&before, &arrived);
            let known = before.facts.clear.generation;
            drop(before);
            let mut wanted = arrived.take_wanted();
            wanted.truncate(room);
            if wanted.is_empty() {
                return;
            }
            let asked = if std::mem::take(&mut is_first) {
                Asked::NewerThan(known)
            } else {
                room -= wanted.len();
                Asked::These(wanted)
            };
            if !self.settings.threaded {
                arrived.pages.extend(asked.of(self.page_store()).flatten());
                continue;
            }
            if reader.is_none() {
                reader = self.start_reader(by);
            }
            let Some(reader) = &reader else { return };
            if !reader.read(asked, deadline, &mut arrived) {
                // It goes with what came.
                room = 0;
            }
        }
    }

    /// `None` if there is one that still reads: its store hangs, perhaps, and a second one would, too.
    fn start_reader(self: &Arc<Process>, by: TakenOverBy) -> Option<PageReader> {
        let once: fn(&Process) -> &Once = match by {
            TakenOverBy::Read => |process: &Process| &process.workers.is_loading,
            TakenOverBy::Commit => |process: &Process| &process.workers.is_loading_for_commit,
        };
        if !once(self).ask() {
            return None;
        }
        let ((asked, wanted), (answers, pages)) = (channel(), channel());
        let own = self.clone();
        let reads = move || {
            // A store of the application's may panic.
            let _ = catch_unwind(AssertUnwindSafe(|| serve(&own, &wanted, &answers)));
            once(&own).answer();
        };
        match std::thread::Builder::new().name("oubliette-pages".to_owned()).spawn(reads) {
            Ok(_) => Some(PageReader { asked, pages }),
            Err(_) => {
                once(self).answer();
                None
            }
        }
    }
}

impl Asked {
    /// The answers, one after the other.
    fn of(self, store: &dyn PageStore) -> impl Iterator<Item = Answers> {
        let (generation, names) = match self {
            Asked::NewerThan(generation) => (Some(generation), Vec::new()),
            Asked::These(names) => (None, names),
        };
        let newer = generation.into_iter().map(|generation| {
            let pages = store.newer_than(generation, PAGES_AT_ONCE).into_iter();
            pages.map(|page| (page.name, Ok(Some(page.bytes)))).collect()
        });
        let chunks: Vec<Vec<PageName>> = names.chunks(PAGES_AT_ONCE).map(<[PageName]>::to_vec).collect();
        newer.chain(chunks.into_iter().map(|names| get_many(store, &names).collect()))
    }

    fn answers(&self) -> usize {
        match self {
            Asked::NewerThan(_) => 1,
            Asked::These(names) => names.len().div_ceil(PAGES_AT_ONCE),
        }
    }
}

/// Reads pages until nobody wants more. It holds none but encrypted ones.
fn serve(process: &Process, wanted: &Receiver<Asked>, answers: &Sender<Answers>) {
    while let Ok(asked) = wanted.recv() {
        for answer in asked.of(process.page_store()) {
            if answers.send(answer).is_err() {
                return;
            }
        }
    }
}

/// A thread that reads pages, so that whoever wants them need not wait for the store.
struct PageReader {
    asked: Sender<Asked>,
    pages: Receiver<Answers>,
}

impl PageReader {
    /// False if not all came in time.
    fn read(&self, asked: Asked, deadline: Instant, arrived: &mut Arrived) -> bool {
        let count = asked.answers();
        if self.asked.send(asked).is_err() {
            return false;
        }
        (0..count).all(|_| {
            let answers = self.pages.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            answers.map(|answers| arrived.pages.extend(answers)).is_ok()
        })
    }
}
