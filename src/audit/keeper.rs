//! The buffer that readers write to, and the thread that empties it into the sink.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::buffer::{Buffer, Reasons};
use super::error::AuditError;
use super::group::group;
use super::sink::{AuditSink, Batch};
use crate::customer::CustomerId;
use crate::field::FieldId;
use crate::fork::{self, ForkGeneration};
use crate::journal::OpeningResult;
use crate::sync::{Condvar, Mutex, MutexGuard, lock, wait_until};

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
    /// Notes in the buffer, to be asked without its lock.
    filled: AtomicUsize,
    state: Mutex<State>,
    /// For the audit's thread: there is something to do.
    wanted: Condvar,
    /// For everybody else: something was done.
    done: Condvar,
}

struct State {
    buffer: Buffer,
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
    ended: bool,
}

impl State {
    fn is_empty(&self) -> bool {
        self.buffer.len() == 0 && self.lost == 0
    }
}

/// Ends the thread when readers and handles are gone.
pub(super) struct Live {
    shared: Arc<Shared>,
}

impl Live {
    pub(super) fn start(settings: Settings, sink: Box<dyn AuditSink>) -> Result<Live, AuditError> {
        let room = settings.capacity + SLACK;
        let state = State {
            buffer: Buffer::with_room_for(room, 1),
            since: None,
            taken: 0,
            written: 0,
            urgent: 0,
            trouble: None,
            failures: 0,
            lost: 0,
            lost_in_all: 0,
            stopping: false,
            ended: false,
        };
        let shared = Arc::new(Shared {
            fork: fork::generation(),
            settings,
            filled: AtomicUsize::new(0),
            state: Mutex::new(state),
            wanted: Condvar::new(),
            done: Condvar::new(),
        });
        let kept = shared.clone();
        let thread = std::thread::Builder::new().name("oubliette-audit".to_owned());
        let spawned = thread.spawn(move || keep(&kept, sink, Buffer::with_room_for(room, 2)));
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

    /// `scope`: who opens and why, and where the buffer keeps what belongs to them.
    #[inline]
    pub(super) fn note(
        &self,
        scope: (&AtomicU64, &Arc<Reasons>),
        name: FieldId,
        customer: CustomerId,
        result: OpeningResult,
        second: u64,
    ) -> Result<(), AuditError> {
        let shared = &*self.shared;
        if shared.fork != fork::generation() {
            return Err(AuditError::Forked);
        }
        let mut state = lock(&shared.state);
        if state.ended {
            return Err(AuditError::Ended);
        }
        let before = state.buffer.len();
        if before >= shared.settings.capacity + SLACK {
            state.lost += 1;
            state.lost_in_all += 1;
            return shared.in_trouble(state.trouble.clone().unwrap_or(AuditError::Full));
        }
        state.buffer.note(scope, name, customer, result, second);
        shared.filled.store(before + 1, Ordering::Relaxed);
        let is_first = before == 0;
        if is_first {
            state.since = Some(Instant::now());
        }
        drop(state);
        if is_first || before + 1 == shared.batch() {
            shared.wanted.notify_one();
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
    fn batch(&self) -> usize {
        self.settings.capacity / 4
    }

    #[cold]
    fn wait_for_room(&self) -> Result<(), AuditError> {
        let deadline = Instant::now() + self.settings.patience;
        let mut state = lock(&self.state);
        loop {
            if state.ended {
                return Err(AuditError::Ended);
            }
            if state.buffer.len() < self.settings.capacity {
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
                    let is_full = state.buffer.len() >= self.settings.capacity;
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
            if state.ended || state.failures != failures {
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
        while !state.ended {
            match wait_until(&self.done, state, deadline) {
                Some(guard) => state = guard,
                None => return,
            }
        }
    }

    /// The next batch, once it is due, in exchange for an empty buffer; none when there is no more.
    fn take(&self, spare: &mut Buffer) -> Option<(u64, u64)> {
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
            let is_wanted = state.stopping || state.urgent > state.taken || state.buffer.len() >= self.batch();
            if is_wanted || Instant::now() >= due {
                break;
            }
            state = wait_until(&self.wanted, state, due).unwrap_or_else(|| lock(&self.state));
        }
        std::mem::swap(&mut state.buffer, spare);
        self.filled.store(0, Ordering::Relaxed);
        state.since = None;
        state.taken += 1;
        let taken = (state.taken, std::mem::take(&mut state.lost));
        drop(state);
        self.done.notify_all();
        Some(taken)
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.wanted.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn written(&self) {
        let mut state = lock(&self.state);
        state.written = state.taken;
        state.trouble = None;
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
        lock(&self.state).ended = true;
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

fn keep(shared: &Shared, mut sink: Box<dyn AuditSink>, mut spare: Buffer) {
    let _ended = Ended(shared);
    while let Some((number, lost)) = shared.take(&mut spare) {
        let batch = Batch { number, openings: group(&spare), lost };
        // The two buffers have serials 1 and 2, and then each batch its own.
        spare.clear(serial(number));
        loop {
            let written = catch_unwind(AssertUnwindSafe(|| sink.write(&batch)));
            let trouble = match written {
                Ok(Ok(())) => break shared.written(),
                Ok(Err(error)) => AuditError::Sink(Arc::from(error)),
                Err(_) => AuditError::Panicked,
            };
            if !shared.failed(trouble) {
                return;
            }
        }
    }
}

/// Never that of a buffer in use, and never 0, in four thousand million batches.
#[allow(clippy::cast_possible_truncation)] // below 2^32 - 3
fn serial(batch: u64) -> u32 {
    (batch % u64::from(u32::MAX - 3)) as u32 + 3
}
