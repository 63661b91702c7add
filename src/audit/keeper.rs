//! The buffer that readers write to, and the thread that empties it into the sink.
//!
//! The buffer is made of blocks. Each of some threads has one to itself (`sync::Shards`), and asks for the next when it is full: only then does it take the lock
//! that all have in common. Room is counted in blocks, from when one is given out. A batch is taken with all shards locked: so it has all that was noted before, and what
//! one thread noted stays in its order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::buffer::{Block, MOST_NOTES, Reasons};
use super::error::AuditError;
use super::group::group;
use super::sink::{AuditSink, Batch};
use crate::customer::CustomerId;
use crate::field::FieldId;
use crate::fork::{self, ForkGeneration};
use crate::journal::OpeningResult;
use crate::sync::{Condvar, Mutex, MutexGuard, Padded, Shards, lock, wait_until};

/// Openings that were admitted while the buffer filled up, by as many threads.
const SLACK: usize = 1_024;
/// A flush, and the end of the audit, wait for the sink no longer than this.
const FLUSH: Duration = Duration::from_secs(10);
/// Between two attempts at the same batch, at most.
const RETRY: Duration = Duration::from_secs(1);

/// What happens to openings when the sink is in trouble and the buffer is full.
///
/// ```
/// use oubliette::audit::{Audit, Batch, OnTrouble};
///
/// // A shop that goes on selling while the audit's table is away, and counts what it lost.
/// let audit = Audit::to(|_: &Batch| Ok(())).on_trouble(OnTrouble::Drop).start()?;
/// assert_eq!(audit.lost(), 0);
/// # Ok::<(), oubliette::audit::AuditError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnTrouble {
    /// They are refused: nothing is opened that is not written down.
    #[default]
    Refuse,
    /// They are opened, and counted: the next batch that is written says how many are missing.
    Drop,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) interval: Duration,
    pub(super) capacity: usize,
    pub(super) patience: Duration,
    pub(super) on_trouble: OnTrouble,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            interval: Duration::from_secs(1),
            capacity: 65_536,
            patience: Duration::from_secs(2),
            on_trouble: OnTrouble::Refuse,
        }
    }
}

struct Shared {
    fork: ForkGeneration,
    settings: Settings,
    /// Notes in a block.
    block: usize,
    /// Each the block that its threads write to, if they have one.
    shards: Shards<Mutex<Option<Block>>>,
    ended: AtomicBool,
    /// For the audit's thread: there is something to do.
    wanted: Condvar,
    /// For everybody else: something was done.
    done: Condvar,
    /// Notes that there is room for in the blocks that were given out, to be asked without a lock.
    filled: Padded<AtomicUsize>,
    /// Whoever has a shard may take this, and nobody the other way.
    state: Padded<Mutex<State>>,
}

struct State {
    /// Blocks that are full, in the order in which they became so.
    full: Vec<Block>,
    /// Some to be filled again.
    spare: Vec<Block>,
    /// When the oldest note in the buffer was made.
    since: Option<Instant>,
    /// Batches that were taken out of the buffer.
    taken: u64,
    /// Batches that are durable.
    written: u64,
    /// A batch that somebody waits for.
    urgent: u64,
    /// Why the batch under way was not written, so far.
    trouble: Option<AuditError>,
    failures: u64,
    /// Not noted since the last batch, and in all.
    lost: u64,
    lost_in_all: u64,
    stopping: bool,
}

impl State {
    /// Whoever is given a block notes something in it at once.
    fn is_empty(&self) -> bool {
        self.since.is_none() && self.lost == 0
    }
}

/// Ends the thread when readers and handles are gone.
pub(super) struct Live {
    shared: Arc<Shared>,
}

impl Live {
    pub(super) fn start(settings: Settings, sink: Box<dyn AuditSink>) -> Result<Live, AuditError> {
        let shards = Shards::new(|| Mutex::new(None));
        // What the shards hold and do not use keeps others from it: a sixteenth of the room at most.
        let block = (settings.capacity / (16 * shards.iter().count())).clamp(1, MOST_NOTES);
        let state = State {
            full: Vec::new(),
            spare: Vec::new(),
            since: None,
            taken: 0,
            written: 0,
            urgent: 0,
            trouble: None,
            failures: 0,
            lost: 0,
            lost_in_all: 0,
            stopping: false,
        };
        let shared = Arc::new(Shared {
            fork: fork::generation(),
            settings,
            block,
            shards,
            ended: AtomicBool::new(false),
            wanted: Condvar::new(),
            done: Condvar::new(),
            filled: Padded(AtomicUsize::new(0)),
            state: Padded(Mutex::new(state)),
        });
        let kept = shared.clone();
        let thread = std::thread::Builder::new().name("oubliette-audit".to_owned());
        let spawned = thread.spawn(move || keep(&kept, sink));
        spawned.map_err(|error| AuditError::Thread(Arc::new(error)))?;
        Ok(Live { shared })
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    #[inline]
    pub(super) fn admit(&self) -> Result<(), AuditError> {
        let Shared { fork, filled, settings, .. } = &*self.shared;
        // Before any lock: in a forked child one may be held for ever.
        if *fork != fork::generation() {
            return Err(AuditError::Forked);
        }
        if filled.load(Ordering::Relaxed) < settings.capacity { Ok(()) } else { self.shared.wait_for_room() }
    }

    #[inline]
    pub(super) fn note(
        &self,
        reasons: &Arc<Reasons>,
        name: FieldId,
        customer: CustomerId,
        result: OpeningResult,
        second: u64,
    ) -> Result<(), AuditError> {
        let shared = &*self.shared;
        if shared.fork != fork::generation() {
            return Err(AuditError::Forked);
        }
        let mut mine = lock(shared.shards.mine());
        if mine.is_none() {
            match shared.give_block() {
                Ok(block) => *mine = Some(block),
                Err(refused) => return refused,
            }
        }
        if let Some(block) = &mut *mine {
            block.note(reasons, name, customer, result, second);
            if block.len() >= shared.block {
                shared.hand_over(mine.take());
            }
        }
        Ok(())
    }

    pub(super) fn flush(&self) -> Result<(), AuditError> {
        self.shared.flush()
    }

    pub(super) fn lost(&self) -> u64 {
        if self.shared.fork == fork::generation() { lock(&self.shared.state).lost_in_all } else { 0 }
    }

    pub(super) fn trouble(&self) -> Option<AuditError> {
        if self.shared.fork == fork::generation() {
            lock(&self.shared.state).trouble.clone()
        } else {
            Some(AuditError::Forked)
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // In a forked child there is no thread to stop, and its lock may be held for ever.
        if self.shared.fork == fork::generation() {
            self.shared.stop();
        }
    }
}

impl Shared {
    /// An empty block, whose room counts as filled from now on. If there is none: whether to go on without a note.
    #[cold]
    fn give_block(&self) -> Result<Block, Result<(), AuditError>> {
        let mut state = lock(&self.state);
        if self.ended.load(Ordering::Relaxed) {
            return Err(Err(AuditError::Ended));
        }
        let filled = self.filled.load(Ordering::Relaxed);
        if filled >= self.settings.capacity + SLACK {
            state.lost += 1;
            state.lost_in_all += 1;
            return Err(self.in_trouble(state.trouble.clone().unwrap_or(AuditError::Full)));
        }
        self.filled.store(filled + self.block, Ordering::Relaxed);
        let block = state.spare.pop().unwrap_or_else(|| Block::with_room_for(self.block));
        if state.since.is_none() {
            state.since = Some(Instant::now());
            drop(state);
            self.wanted.notify_one();
        }
        Ok(block)
    }

    #[cold]
    fn hand_over(&self, full: Option<Block>) {
        let mut state = lock(&self.state);
        state.full.extend(full);
        let is_due = self.is_due(&state);
        drop(state);
        if is_due {
            self.wanted.notify_one();
        }
    }

    /// Whether a quarter of the room is full.
    fn is_due(&self, state: &State) -> bool {
        state.full.len() * self.block >= self.settings.capacity / 4
    }

    #[cold]
    fn wait_for_room(&self) -> Result<(), AuditError> {
        // Room in a block that was given out before.
        if lock(self.shards.mine()).is_some() {
            return Ok(());
        }
        let deadline = Instant::now() + self.settings.patience;
        let mut state = lock(&self.state);
        loop {
            if self.ended.load(Ordering::Relaxed) {
                return Err(AuditError::Ended);
            }
            if self.filled.load(Ordering::Relaxed) < self.settings.capacity {
                return Ok(());
            }
            if let Some(trouble) = &state.trouble {
                return self.in_trouble(trouble.clone());
            }
            self.wanted.notify_one();
            match wait_until(&self.done, state, deadline) {
                Some(guard) => state = guard,
                None => {
                    let slow = AuditError::Slow { waited: self.settings.patience };
                    state = lock(&self.state);
                    // Whoever comes next does not wait as long again.
                    let is_full = self.filled.load(Ordering::Relaxed) >= self.settings.capacity;
                    if is_full && state.taken > state.written {
                        state.trouble.get_or_insert(slow.clone());
                    }
                    return if is_full { self.in_trouble(slow) } else { Ok(()) };
                }
            }
        }
    }

    /// Whether to go on. What does is dropped by `note`, once the slack is used up too.
    fn in_trouble(&self, trouble: AuditError) -> Result<(), AuditError> {
        match self.settings.on_trouble {
            OnTrouble::Refuse => Err(trouble),
            OnTrouble::Drop => Ok(()),
        }
    }

    fn flush(&self) -> Result<(), AuditError> {
        if self.fork != fork::generation() {
            return Err(AuditError::Forked);
        }
        let deadline = Instant::now() + FLUSH;
        let mut state = lock(&self.state);
        let target = state.taken + u64::from(!state.is_empty());
        let failures = state.failures;
        state.urgent = state.urgent.max(target);
        self.wanted.notify_one();
        loop {
            if state.written >= target {
                return Ok(());
            }
            if self.ended.load(Ordering::Relaxed) || state.failures != failures {
                return Err(state.trouble.clone().unwrap_or(AuditError::Ended));
            }
            state = wait_until(&self.done, state, deadline).ok_or(AuditError::Slow { waited: FLUSH })?;
        }
    }

    fn stop(&self) {
        let deadline = Instant::now() + FLUSH;
        let mut state = lock(&self.state);
        state.stopping = true;
        self.wanted.notify_one();
        while !self.ended.load(Ordering::Relaxed) {
            match wait_until(&self.done, state, deadline) {
                Some(guard) => state = guard,
                None => return,
            }
        }
    }

    /// The blocks of the next batch, once it is due, its number, and how many openings are missing; none when there is no more.
    fn take(&self) -> Option<(Vec<Block>, u64, u64)> {
        self.wait_until_due()?;
        // All of them at once: nothing is noted meanwhile, and nobody has a block that no shard and no list has.
        let mut shards: Vec<_> = self.shards.iter().map(lock).collect();
        let mut state = lock(&self.state);
        let mut blocks = std::mem::take(&mut state.full);
        blocks.extend(shards.iter_mut().filter_map(|block| block.take()));
        self.filled.store(0, Ordering::Relaxed);
        state.since = None;
        state.taken += 1;
        let (number, lost) = (state.taken, std::mem::take(&mut state.lost));
        drop(state);
        drop(shards);
        self.done.notify_all();
        Some((blocks, number, lost))
    }

    /// `None` when there is no more.
    fn wait_until_due(&self) -> Option<()> {
        let mut state = lock(&self.state);
        loop {
            if state.is_empty() {
                if state.stopping {
                    return None;
                }
                state = self.wait(state);
                continue;
            }
            let due = state.since.unwrap_or_else(Instant::now) + self.settings.interval;
            if state.stopping || state.urgent > state.taken || self.is_due(&state) || Instant::now() >= due {
                return Some(());
            }
            state = wait_until(&self.wanted, state, due).unwrap_or_else(|| lock(&self.state));
        }
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.wanted.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The blocks of a batch that is durable are there to be filled again.
    fn written(&self, mut blocks: Vec<Block>) {
        blocks.iter_mut().for_each(Block::clear);
        let mut state = lock(&self.state);
        state.written = state.taken;
        state.trouble = None;
        state.spare.append(&mut blocks);
        drop(state);
        self.done.notify_all();
    }

    /// Waits until the batch is to be offered again; `false`: never, since the audit ends.
    fn failed(&self, trouble: AuditError) -> bool {
        crate::events::audit_failed(&trouble);
        let deadline = Instant::now() + self.settings.interval.min(RETRY);
        let mut state = lock(&self.state);
        // Somebody who flushes while it waits does not wait for the pause.
        let urgent = state.urgent;
        state.trouble = Some(trouble);
        state.failures += 1;
        self.done.notify_all();
        while !state.stopping && state.urgent == urgent {
            match wait_until(&self.wanted, state, deadline) {
                Some(guard) => state = guard,
                None => return true,
            }
        }
        !state.stopping
    }

    fn ended(&self) {
        // Under the lock, so that nobody who found it unset waits for what has been told already.
        let state = lock(&self.state);
        self.ended.store(true, Ordering::Relaxed);
        drop(state);
        self.done.notify_all();
    }
}

/// However the thread ends, nobody waits for it afterwards.
struct Ended<'s>(&'s Shared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.ended();
    }
}

fn keep(shared: &Shared, mut sink: Box<dyn AuditSink>) {
    let _ended = Ended(shared);
    while let Some((blocks, number, lost)) = shared.take() {
        let batch = Batch { number, openings: group(&blocks), lost };
        loop {
            let written = catch_unwind(AssertUnwindSafe(|| sink.write(&batch)));
            let trouble = match written {
                Ok(Ok(())) => break shared.written(blocks),
                Ok(Err(error)) => AuditError::Sink(Arc::from(error)),
                Err(_) => AuditError::Panicked,
            };
            if !shared.failed(trouble) {
                return;
            }
        }
    }
}
