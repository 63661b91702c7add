//! What one process has of a vault. A forked child starts over with one of its own.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, TryLockError};
use std::time::{Duration, Instant};

use crate::clock::{Clock, LeaseClock, Moment};
use crate::derivation::TreeId;
use crate::error::KeyStoreError;
use crate::field::Purpose;
use crate::fork::{self, ForkGeneration};
use crate::journal::VaultName;
use crate::key_tree::Resident;
use crate::root_record::RecordId;
use crate::store::PageStore;
use crate::sync::{Mutex, MutexGuard, RwLock, lock};
use crate::vault::commit::{Engine, Numbers, Scope, Stores};
use crate::vault::journal::{JournalChoice, JournalWriter};
use crate::vault::state::{
    Alarm, DropSignal, Fetched, Handles, Keyring, Readiness, RollbackProof, VaultState, WitnessHistory,
};
use crate::vault::workers::{Watchdog, Worker, oneshot};
use crate::witness::Witness;

/// What stays the same however often a process forks.
pub(crate) struct Settings {
    pub(crate) vault: VaultName,
    pub(crate) purposes: Vec<Purpose>,
    pub(crate) most_resident_pages: usize,
    /// How long a commit waits for another process's.
    pub(crate) lock_wait: Duration,
    /// How long a shred waits for readers of the old snapshot, and a call for one re-read.
    pub(crate) patience: Duration,
    /// Superseded pages are kept this long.
    pub(crate) keep_superseded: Duration,
    pub(crate) clock: Clock,
    /// Threads of the vault's own; without them (in tests) commits and re-reads run where they are asked for.
    pub(crate) threaded: bool,
    pub(crate) journal: JournalChoice,
    /// It is a copy of a vault that is in use elsewhere.
    pub(crate) is_copy: bool,
    /// Opens the stores anew in a forked child, where a lock may be held for ever.
    pub(crate) reopen: Box<dyn Fn() -> Result<Stores, KeyStoreError> + Send + Sync>,
}

/// Between two reads that unknown numbers or trees ask for: long enough that rows of somebody else's making cost little, short enough for
/// whoever waits.
const EXTRA_READS: Duration = Duration::from_millis(50);

/// Ids of trees that a read did not find.
#[derive(Default)]
pub(crate) struct UnknownTrees {
    /// As of this record.
    record: Option<RecordId>,
    ids: HashSet<TreeId>,
}

/// How many are kept: whoever makes up rows makes up ids.
const MOST_UNKNOWN: usize = 1024;

impl UnknownTrees {
    pub(super) fn contains(&self, state: &VaultState, id: TreeId) -> bool {
        self.record == Some(state.facts.clear.id) && self.ids.contains(&id)
    }

    pub(super) fn add(&mut self, state: &VaultState, id: TreeId) {
        if self.record != Some(state.facts.clear.id) || self.ids.len() >= MOST_UNKNOWN {
            self.ids.clear();
        }
        self.record = Some(state.facts.clear.id);
        self.ids.insert(id);
    }
}

pub(crate) struct Process {
    fork: ForkGeneration,
    /// The process of a forked child, in that child's memory only.
    child: OnceLock<Arc<Process>>,
    /// Held while a forked child builds it.
    building: Mutex<()>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) state: RwLock<Option<Arc<VaultState>>>,
    /// Why nothing is held, or everything refused.
    pub(super) trouble: Mutex<Option<KeyStoreError>>,
    pub(crate) lease: LeaseClock,
    pub(crate) witness_history: Mutex<WitnessHistory>,
    /// A generation that no crash can bring the record back behind.
    pub(super) durable: AtomicU64,
    /// The witness to put in sealed values, as its eight bytes.
    pub(super) witness: AtomicU64,
    /// The last witness that was found to be one of this vault's history.
    pub(super) proven: AtomicU64,
    pub(crate) handles: Handles,
    pub(crate) numbers: Mutex<Numbers>,
    /// `None` of a vault without one. A forked child opens it anew.
    pub(crate) journal: Option<JournalWriter>,
    pub(super) stores: Stores,
    /// Where the record is: it follows the newest one that was installed, and outlives a lost lease.
    pub(super) scope: Mutex<Scope>,
    pub(crate) engine: Mutex<Engine>,
    /// Shared with the engine; held while a record is chosen, not while a commit waits.
    pub(crate) keyring: Arc<Mutex<Keyring>>,
    /// Held while a snapshot is replaced or confirmed: by commits, and by reads, which overlap them.
    pub(super) installing: Mutex<Vec<DropSignal>>,
    pub(crate) resident: Arc<Resident>,
    /// Commits.
    pub(crate) worker: Worker,
    /// Reads of the root record.
    pub(crate) reader: Worker,
    /// Wipes when the lease runs out.
    pub(crate) watchdog: Watchdog,
    /// The lowest number not reserved, as far as this process knows.
    pub(crate) next_number: AtomicU64,
    /// Counts the snapshots that knew other keys than the one before: what was opened with an older one is looked at
    /// again before it is given out.
    pub(super) changes: AtomicU64,
    /// What proved that the key store was rolled back, until it is seen to be mended.
    pub(super) refused: Mutex<Option<RollbackProof>>,
    /// What a value showed that the record does not say yet.
    pub(super) alarm: Alarm,
    /// Since when some copy of the record is seen to be older.
    pub(super) lagging_since: Mutex<Option<Moment>>,
    /// How long to wait before it is repaired once more.
    pub(super) repair_pause: Mutex<Duration>,
    /// Whether a shred could succeed.
    pub(super) readiness: Readiness,
    /// The record is about to be marked.
    pub(super) is_marking: AtomicBool,
    /// A repair is about to begin.
    pub(super) will_repair: AtomicBool,
    /// The store told of a change, and a read is about to begin.
    pub(super) will_read: AtomicBool,
    /// When an unknown number or witness last caused a re-read.
    pub(super) last_extra_read: Mutex<Option<Moment>>,
    /// Trees that values name and the record does not know: it is read again for the first value alone. Ids are random and are never used
    /// again, so that one which was unknown after the value was made stays so.
    pub(super) unknown_trees: Mutex<UnknownTrees>,
    /// When something that was not durable last caused a commit.
    pub(super) last_settled: Mutex<Option<Moment>>,
}

impl Process {
    pub(crate) fn new(
        settings: Arc<Settings>,
        stores: Stores,
        keyring: Keyring,
        scope: Scope,
    ) -> Result<Arc<Process>, KeyStoreError> {
        let resident = Resident::at_most(settings.most_resident_pages);
        let keyring = Arc::new(Mutex::new(keyring));
        let engine = Engine {
            stores: stores.clone(),
            keyring: keyring.clone(),
            resident: resident.clone(),
            lock_wait: settings.lock_wait,
            scope: scope.clone(),
            change: None,
            expects: false,
            finished_version: None,
            is_copy: settings.is_copy,
            known: None,
            vouched: None,
        };
        let threaded = settings.threaded;
        let process = Arc::new(Process {
            fork: fork::generation(),
            child: OnceLock::new(),
            building: Mutex::new(()),
            lease: LeaseClock::new(settings.clock.clone()),
            journal: JournalWriter::of(&settings.journal),
            settings,
            state: RwLock::new(None),
            trouble: Mutex::new(None),
            witness_history: Mutex::new(WitnessHistory::new()),
            durable: AtomicU64::new(0),
            witness: AtomicU64::new(0),
            proven: AtomicU64::new(0),
            handles: Handles::new(),
            numbers: Mutex::new(Numbers::none()),
            stores,
            scope: Mutex::new(scope),
            engine: Mutex::new(engine),
            resident,
            worker: Worker::new(),
            reader: Worker::new(),
            watchdog: Watchdog::new(),
            keyring,
            installing: Mutex::new(Vec::new()),
            next_number: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            refused: Mutex::new(None),
            alarm: Alarm::new(),
            lagging_since: Mutex::new(None),
            repair_pause: Mutex::new(Duration::ZERO),
            readiness: Readiness::default(),
            is_marking: AtomicBool::new(false),
            will_repair: AtomicBool::new(false),
            will_read: AtomicBool::new(false),
            last_extra_read: Mutex::new(None),
            unknown_trees: Mutex::default(),
            last_settled: Mutex::new(None),
        });
        if threaded {
            Worker::start_all(&process).inspect_err(|_| drop(process.leave()))?;
            Worker::watch(&process);
        }
        Ok(process)
    }

    /// This process's own state: in a forked child, one that is built on first use.
    #[inline]
    pub(crate) fn current(self: &Arc<Process>) -> Result<&Arc<Process>, KeyStoreError> {
        if self.is_of_this_process() { Ok(self) } else { self.in_child()?.current() }
    }

    #[cold]
    fn in_child(self: &Arc<Process>) -> Result<&Arc<Process>, KeyStoreError> {
        if let Some(process) = self.child.get() {
            return process.current();
        }
        if self.worker.is_closed() {
            return Err(KeyStoreError::Closed);
        }
        let _building = self.lock_to_build()?;
        if let Some(process) = self.child.get() {
            return process.current();
        }
        // No lock of the parent's may be waited for: the thread that holds it does not exist here.
        let keyring = match self.keyring.try_lock() {
            Ok(keyring) => keyring.copy(),
            Err(TryLockError::Poisoned(keyring)) => keyring.into_inner().copy(),
            Err(TryLockError::WouldBlock) => return Err(KeyStoreError::Forked),
        };
        if let Ok(mut state) = self.state.try_write() {
            state.take();
        }
        let process = Process::new(self.settings.clone(), (self.settings.reopen)()?, keyring, Scope::default())?;
        // A failure is not kept: the next call tries again.
        process.refresh().inspect_err(|_| drop(process.leave()))?;
        self.child.get_or_init(|| process).current()
    }

    /// Waited for a bounded time, since this child may itself have been forked while a thread was building.
    fn lock_to_build(&self) -> Result<MutexGuard<'_, ()>, KeyStoreError> {
        let deadline = Instant::now() + self.settings.patience;
        loop {
            match self.building.try_lock() {
                Ok(guard) => return Ok(guard),
                Err(TryLockError::Poisoned(guard)) => return Ok(guard.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return Err(KeyStoreError::Forked),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// This process's own state, if there is any yet.
    pub(crate) fn existing(self: &Arc<Process>) -> Option<&Arc<Process>> {
        if self.is_of_this_process() { Some(self) } else { self.child.get()?.existing() }
    }

    /// Takes no more work, and wipes all keys but the root key, which what was asked for before still needs; it goes last.
    /// No I/O.
    pub(crate) fn leave(self: &Arc<Process>) -> oneshot::Receiver<()> {
        drop(self.reader.close(self));
        self.watchdog.stop();
        let ended = self.worker.close(self);
        self.revoke(KeyStoreError::Closed);
        ended
    }

    /// The same, and waits for what was asked for before.
    pub(crate) fn close(self: &Arc<Process>) {
        let _ = self.leave().wait();
    }

    /// Nothing is left to do: no key remains, not even the root key.
    pub(crate) fn end(&self) {
        self.revoke(KeyStoreError::Closed);
        lock(&self.keyring).forget();
    }

    /// Keeps what a forked child inherited from ever being dropped: that would take locks of its parent's.
    pub(crate) fn leak_in_child(self: &Arc<Process>) {
        if !self.is_of_this_process() {
            std::mem::forget(self.clone());
        }
    }

    pub(super) fn stores(&self) -> &Stores {
        &self.stores
    }

    /// The page store itself, for whoever holds nothing.
    pub(crate) fn page_store(&self) -> &dyn PageStore {
        &*self.stores.pages
    }

    /// Does what needs pages, which are fetched while nothing is held ([`Fetched::with`]). Without the engine's lock: a reader must not wait
    /// for a commit.
    #[inline]
    pub(crate) fn with_pages<T>(&self, work: impl FnMut(&Fetched<'_>) -> T) -> T {
        Fetched::with(&*self.stores.pages, work)
    }

    pub(crate) fn is_of_this_process(&self) -> bool {
        self.fork == fork::generation()
    }

    /// The snapshot, after one re-read if the lease has lapsed.
    pub(crate) fn state(self: &Arc<Process>) -> Result<Arc<VaultState>, KeyStoreError> {
        if self.lease.is_fresh()
            && let Some(state) = self.snapshot()
        {
            return self.unless_refused(state);
        }
        self.reread()?;
        let state = self.snapshot().ok_or_else(|| self.lapsed())?;
        self.unless_refused(state)
    }

    /// The snapshot, read anew here if the lease has lapsed: for the thread that commits.
    pub(crate) fn state_now(self: &Arc<Process>) -> Result<Arc<VaultState>, KeyStoreError> {
        if !self.lease.is_fresh() {
            self.refresh()?;
        }
        let state = self.snapshot().ok_or_else(|| self.lapsed())?;
        self.unless_refused(state)
    }

    pub(crate) fn unless_refused(&self, state: Arc<VaultState>) -> Result<Arc<VaultState>, KeyStoreError> {
        match state.facts.gone_back() {
            None => Ok(state),
            Some(seen) => Err(KeyStoreError::RolledBack { have: state.facts.clear.generation, seen }),
        }
    }

    /// The newest generation that is known to be durable: no crash brings the record back behind it, and what it made may be relied
    /// upon.
    #[inline]
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    pub(crate) fn snapshot(&self) -> Option<Arc<VaultState>> {
        match self.state.read() {
            Ok(state) => state.clone(),
            Err(poisoned) => poisoned.into_inner().clone(),
        }
    }

    /// Asks before a result is given out whether it still may be.
    #[inline]
    pub(crate) fn confirm_lease(self: &Arc<Process>) -> Result<(), KeyStoreError> {
        if self.lease.is_fresh() { Ok(()) } else { self.reread() }
    }

    /// One re-read of the record, waited for a bounded time.
    #[cold]
    pub(crate) fn reread(self: &Arc<Process>) -> Result<(), KeyStoreError> {
        let patience = self.settings.patience;
        let outcome = self.reader.run(self, Some(patience), |process| process.refresh());
        match outcome {
            Some(Ok(())) if self.lease.is_fresh() => Ok(()),
            Some(Err(error)) => Err(match error {
                KeyStoreError::Store(_)
                | KeyStoreError::FirstPlaceAway { .. }
                | KeyStoreError::FirstPlaceBehind { .. } => self.lapsed(),
                error => error,
            }),
            _ if self.worker.is_closed() => Err(KeyStoreError::Closed),
            _ => Err(self.lapsed()),
        }
    }

    /// One re-read because a value names something this process does not know. Whoever supplies values could make it
    /// read for each: so one who asks too soon after another waits until a read that began later than this call is done,
    /// and shares it with all who wait.
    pub(crate) fn extra_read(self: &Arc<Process>) -> Result<(), KeyStoreError> {
        let clock = self.lease.clock();
        let asked = clock.now();
        let pause = self.snapshot().map_or(Duration::ZERO, |state| (state.facts.lease / 4).min(EXTRA_READS));
        let wait = {
            let mut last = lock(&self.last_extra_read);
            let wait = last.map_or(Duration::ZERO, |last| pause.saturating_sub(asked.age_since(last)));
            if wait.is_zero() {
                *last = Some(asked);
            }
            wait
        };
        // Without a thread, time may stand still.
        if !wait.is_zero() && self.settings.threaded {
            std::thread::sleep(wait);
            if lock(&self.witness_history).was_confirmed_since(asked) {
                return Ok(());
            }
            *lock(&self.last_extra_read) = Some(clock.now());
        }
        self.reread()
    }

    pub(crate) fn lapsed(&self) -> KeyStoreError {
        if self.worker.is_closed() {
            return KeyStoreError::Closed;
        }
        let witness_history = lock(&self.witness_history);
        let source = lock(&self.trouble).clone();
        if let Some(error) = &source
            && error.outcome() == crate::error::Outcome::Investigate
        {
            return error.clone();
        }
        KeyStoreError::LeaseLost {
            since: witness_history.since_confirmed(self.lease.clock().now()),
            lease: witness_history.lease(),
            source: source.map(Box::new),
        }
    }

    pub(crate) fn trouble(&self) -> Option<KeyStoreError> {
        lock(&self.trouble).clone()
    }

    /// The witness for a value sealed now: what this process held one lease ago.
    #[inline]
    pub(crate) fn witness_to_seal(&self) -> u64 {
        self.witness.load(Ordering::Relaxed)
    }

    /// A witness of this vault's history needs no further look.
    pub(crate) fn remember_proven(&self, witness: Witness) {
        self.proven.store(witness.packed(), Ordering::Relaxed);
    }

    /// True when a witness needs no further look.
    #[inline]
    pub(crate) fn is_proven(&self, packed: u64) -> bool {
        packed == 0 || packed == self.proven.load(Ordering::Relaxed)
    }
}
