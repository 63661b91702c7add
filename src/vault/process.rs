//! What one process has of a vault. A forked child starts over with one of its own.

use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, OnceLock, TryLockError};
use std::time::{Duration, Instant};

use crate::clock::{Clock, LeaseClock, Moment};
use crate::derivation::VaultId;
use crate::error::KeyStoreError;
use crate::events;
use crate::field::Purpose;
use crate::fork::{self, ForkGeneration};
use crate::key_tree::Resident;
use crate::nonce;
use crate::store::PageStore;
use crate::sync::{Mutex, RwLock, lock};
use crate::vault::engine::{CommitError, Committed, Engine, Plan, Seen, Step, Stores};
use crate::vault::evidence::Evidence;
use crate::vault::handles::Handles;
use crate::vault::held::Held;
use crate::vault::keyring::Keyring;
use crate::vault::numbers::Numbers;
use crate::vault::thread::{READS_A_LEASE, Worker};
use crate::vault::trail::Trail;
use crate::witness::Witness;

/// What stays the same however often a process forks.
pub(crate) struct Settings {
    pub(crate) vault: VaultId,
    pub(crate) purposes: Vec<Purpose>,
    pub(crate) most_resident_pages: usize,
    /// How long a commit waits for another process's.
    pub(crate) lock_wait: Duration,
    /// How long a shred waits for readers of the old snapshot, and a call for one re-read.
    pub(crate) patience: Duration,
    /// Superseded pages are kept this long.
    pub(crate) keep_superseded: Duration,
    pub(crate) clock: Clock,
    /// A thread of the vault's own; without one (in tests) commits and re-reads run where they are asked for.
    pub(crate) threaded: bool,
    /// Opens the stores anew in a forked child, where a lock may be held for ever.
    pub(crate) reopen: Box<dyn Fn() -> Result<Stores, KeyStoreError> + Send + Sync>,
}

pub(crate) struct Process {
    fork: ForkGeneration,
    /// The process of a forked child, in that child's memory only.
    child: OnceLock<Result<Arc<Process>, KeyStoreError>>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) held: RwLock<Option<Arc<Held>>>,
    /// Why nothing is held, or everything refused.
    trouble: Mutex<Option<KeyStoreError>>,
    pub(crate) lease: LeaseClock,
    pub(crate) trail: Mutex<Trail>,
    /// The witness to put in sealed values, as its eight bytes.
    witness: AtomicU64,
    /// The last witness that was found to be one of this vault's history.
    proven: AtomicU64,
    pub(crate) handles: Handles,
    pub(crate) numbers: Mutex<Numbers>,
    stores: Stores,
    pub(crate) engine: Mutex<Engine>,
    pub(crate) resident: Arc<Resident>,
    pub(crate) worker: Worker,
    /// The lowest number not reserved, as far as this process knows.
    pub(crate) next_number: AtomicU64,
    /// Counts the snapshots that knew other keys than the one before: what was opened with an older one is looked at
    /// again before it is given out.
    changes: AtomicU64,
    /// When an unknown number or witness last caused a re-read.
    last_extra_read: Mutex<Option<Moment>>,
}

impl Process {
    pub(crate) fn new(
        settings: Arc<Settings>,
        stores: Stores,
        keyring: Keyring,
    ) -> Result<Arc<Process>, KeyStoreError> {
        let resident = Resident::at_most(settings.most_resident_pages);
        let engine = Engine {
            stores: stores.clone(),
            keyring,
            resident: resident.clone(),
            lock_wait: settings.lock_wait,
            changes_places: false,
            known: None,
        };
        let threaded = settings.threaded;
        let process = Arc::new(Process {
            fork: fork::generation(),
            child: OnceLock::new(),
            lease: LeaseClock::new(settings.clock.clone()),
            settings,
            held: RwLock::new(None),
            trouble: Mutex::new(None),
            trail: Mutex::new(Trail::new()),
            witness: AtomicU64::new(0),
            proven: AtomicU64::new(0),
            handles: Handles::new(),
            numbers: Mutex::new(Numbers::none()),
            stores,
            engine: Mutex::new(engine),
            resident,
            worker: Worker::new(),
            next_number: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            last_extra_read: Mutex::new(None),
        });
        if threaded {
            Worker::start(&process)?;
        }
        Ok(process)
    }

    /// This process's own state: in a forked child, one that is built on first use.
    #[inline]
    pub(crate) fn current(self: &Arc<Process>) -> Result<&Arc<Process>, KeyStoreError> {
        if self.fork == fork::generation() { Ok(self) } else { self.in_child() }
    }

    #[cold]
    fn in_child(self: &Arc<Process>) -> Result<&Arc<Process>, KeyStoreError> {
        let child = self.child.get_or_init(|| {
            // No lock of the parent's may be waited for: the thread that holds it does not exist here.
            let keyring = match self.engine.try_lock() {
                Ok(engine) => engine.keyring.copy(),
                Err(TryLockError::Poisoned(engine)) => engine.into_inner().keyring.copy(),
                Err(TryLockError::WouldBlock) => return Err(KeyStoreError::Forked),
            };
            if let Ok(mut held) = self.held.try_write() {
                held.take();
            }
            let stores = (self.settings.reopen)()?;
            let process = Process::new(self.settings.clone(), stores, keyring)?;
            process.refresh()?;
            Ok(process)
        });
        match child {
            Ok(process) => process.current(),
            Err(error) => Err(error.clone()),
        }
    }

    /// Pages are read without the engine's lock: a reader must not wait for a commit.
    pub(crate) fn pages(&self) -> &dyn PageStore {
        &*self.stores.pages
    }

    pub(crate) fn is_of_this_process(&self) -> bool {
        self.fork == fork::generation()
    }

    /// The snapshot, after one re-read if the lease has lapsed.
    pub(crate) fn held(self: &Arc<Process>) -> Result<Arc<Held>, KeyStoreError> {
        if self.lease.is_fresh()
            && let Some(held) = self.snapshot()
        {
            return self.unless_refused(held);
        }
        self.reread()?;
        let held = self.snapshot().ok_or_else(|| self.lapsed())?;
        self.unless_refused(held)
    }

    /// The snapshot, read anew here if the lease has lapsed: for the vault's thread, which must not wait for itself.
    pub(crate) fn held_now(self: &Arc<Process>) -> Result<Arc<Held>, KeyStoreError> {
        if !self.lease.is_fresh() {
            self.refresh()?;
        }
        let held = self.snapshot().ok_or_else(|| self.lapsed())?;
        self.unless_refused(held)
    }

    pub(crate) fn unless_refused(&self, held: Arc<Held>) -> Result<Arc<Held>, KeyStoreError> {
        match held.facts.gone_back {
            None => Ok(held),
            Some(seen) => Err(KeyStoreError::RolledBack { have: held.facts.clear.generation, seen }),
        }
    }

    pub(crate) fn snapshot(&self) -> Option<Arc<Held>> {
        match self.held.read() {
            Ok(held) => held.clone(),
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
        let outcome = self.worker.run(self, Some(patience), |process| process.refresh());
        match outcome {
            Some(Ok(())) if self.lease.is_fresh() => Ok(()),
            Some(Err(error)) => Err(match error {
                KeyStoreError::Store(_) => self.lapsed(),
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
        let pause = self.snapshot().map_or(Duration::ZERO, |held| held.facts.lease / 4);
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
            if lock(&self.trail).was_confirmed_since(asked) {
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
        let trail = lock(&self.trail);
        let source = lock(&self.trouble).clone();
        if let Some(error) = &source
            && error.outcome() == crate::error::Outcome::Investigate
        {
            return error.clone();
        }
        KeyStoreError::LeaseLost {
            since: trail.since_confirmed(self.lease.clock().now()),
            lease: trail.lease(),
            source: source.map(Box::new),
        }
    }

    pub(crate) fn trouble(&self) -> Option<KeyStoreError> {
        lock(&self.trouble).clone()
    }

    /// The witness for a value sealed now: what this process held one lease ago.
    #[inline]
    pub(crate) fn witness_to_seal(&self) -> Witness {
        Witness::from_bytes(self.witness.load(Ordering::Relaxed).to_be_bytes())
    }

    /// True when a witness needs no further look.
    #[inline]
    pub(crate) fn is_proven(&self, witness: Witness) -> bool {
        let packed = u64::from_be_bytes(witness.to_bytes());
        packed == 0 || packed == self.proven.load(Ordering::Relaxed)
    }

    /// Looks at an authentic value's witness. If it proves that the key store went back in time, the vault is marked
    /// so, for every process.
    #[cold]
    pub(crate) fn check_witness(self: &Arc<Process>, witness: Witness) -> Result<(), KeyStoreError> {
        if self.proves_nothing(&*self.held()?, witness) {
            return Ok(());
        }
        // This process may merely not know yet. No snapshot is held while waiting: a refresh waits for readers.
        self.reread()?;
        if self.proves_nothing(&*self.held()?, witness) {
            return Ok(());
        }
        self.unless_proven(Evidence::Witness(witness))
    }

    fn proves_nothing(&self, held: &Held, witness: Witness) -> bool {
        if held.facts.descends_from(witness) == Some(true) {
            self.proven.store(u64::from_be_bytes(witness.to_bytes()), Ordering::Relaxed);
        }
        Evidence::Witness(witness).against(&held.facts).is_none()
    }

    /// Marks the record if the evidence still holds under the lock, so that every process refuses; and says so.
    pub(crate) fn unless_proven(self: &Arc<Process>, evidence: Evidence) -> Result<(), KeyStoreError> {
        let snapshot = self.snapshot();
        if snapshot.as_ref().is_some_and(|held| evidence.against(&held.facts).is_none()) {
            return Ok(());
        }
        let unmarked = snapshot.map(|held| (held.facts.clear.generation, evidence.against(&held.facts)));
        let patience = Some(self.settings.patience);
        let marked = self.worker.run(self, patience, move |process| {
            let mut engine = lock(&process.engine);
            process.mark_gone_back(&mut engine, evidence)
        });
        match (marked, unmarked) {
            (Some(Ok(None)), _) => Ok(()),
            (Some(Ok(Some(error))), _) => Err(error),
            // It could not be written down; at least this process refuses from now on.
            (_, Some((have, Some(seen)))) => Err(self.refuse(have, seen)),
            (Some(Err(error)), _) => Err(error),
            (None, _) => Err(self.lapsed()),
        }
    }

    /// Writes down that the key store went back in time, unless the record as it is under the lock is not touched by
    /// the evidence. What this process knew before stays what it knows: if the right record is put back, all is well.
    fn mark_gone_back(&self, engine: &mut Engine, evidence: Evidence) -> Result<Option<KeyStoreError>, KeyStoreError> {
        engine.known = None;
        let marked = engine.commit(None, &mut |draft| {
            let Some(seen) = evidence.against(&draft.record) else { return Ok(Step::Keep(None)) };
            let found = Some((draft.record.clear.generation, seen));
            if draft.record.gone_back.is_some_and(|known| known >= seen) {
                return Ok(Step::Keep(found));
            }
            draft.record.gone_back = draft.record.gone_back.max(Some(seen));
            Ok(Step::Write(Vec::new(), found))
        });
        let found = marked.map_err(CommitError::cause)?.value;
        Ok(found.map(|(have, seen)| self.refuse(have, seen)))
    }

    fn refuse(&self, have: u64, seen: u64) -> KeyStoreError {
        events::gone_back(have, seen);
        let error = KeyStoreError::RolledBack { have, seen };
        self.let_go(error.clone());
        error
    }

    /// Reads the record again and replaces the snapshot if it changed. On the worker, or where there is none.
    pub(crate) fn refresh(self: &Arc<Process>) -> Result<(), KeyStoreError> {
        self.refresh_with(&mut lock(&self.engine))
    }

    fn refresh_with(self: &Arc<Process>, engine: &mut Engine) -> Result<(), KeyStoreError> {
        if self.snapshot().is_some() && !self.lease.is_fresh() {
            // A process that slept through its lease begins again, as one whose store was away.
            self.wipe();
        }
        let before = self.snapshot();
        let known = lock(&self.trail).latest();
        let sent = self.lease.clock().now();
        let seen = engine.read(before.as_deref());
        match seen {
            Ok(Seen::Unchanged) => {
                let Some(held) = before else { return Err(KeyStoreError::Bug("nothing was held")) };
                let lowest = Some(held.facts.witness());
                self.confirmed(sent, &held, lowest);
                Ok(())
            }
            Ok(Seen::Changed { held, lowest, .. }) => {
                if let Some(known) = known
                    && let Some(seen) = Evidence::Witness(known).against(&held.facts)
                {
                    let have = held.facts.clear.generation;
                    let is_marked = held.facts.gone_back.is_some();
                    drop((held, before));
                    let marked =
                        if is_marked { Ok(None) } else { self.mark_gone_back(engine, Evidence::Witness(known)) };
                    return Err(marked.ok().flatten().unwrap_or_else(|| self.refuse(have, seen)));
                }
                let held = Arc::new(*held);
                events::refreshed(held.facts.clear.generation);
                drop(before);
                self.publish(held.clone());
                self.confirmed(sent, &held, lowest);
                Ok(())
            }
            Err(error) => {
                self.failed_to_read(&error);
                Err(error)
            }
        }
    }

    /// A read failed: the lease runs on, and when it runs out all that it covers is wiped.
    fn failed_to_read(&self, error: &KeyStoreError) {
        events::read_failed(error);
        *lock(&self.trouble) = Some(error.clone());
        if self.lease.remaining().is_zero() {
            self.let_go(error.clone());
        }
    }

    fn confirmed(&self, sent: Moment, held: &Held, lowest: Option<Witness>) {
        nonce::discard_buffered();
        let jumped = {
            let mut trail = lock(&self.trail);
            // What a marked record says is not this vault's history.
            let newest = held.facts.gone_back.is_none().then(|| held.facts.witness());
            let jumped = trail.confirm(sent, held.facts.lease, newest, lowest);
            let witness = trail.to_seal(sent).unwrap_or(Witness::NONE);
            self.witness.store(u64::from_be_bytes(witness.to_bytes()), Ordering::Relaxed);
            jumped
        };
        *lock(&self.trouble) = None;
        if jumped {
            // A copy of this machine may hand out the same numbers.
            lock(&self.numbers).drop_all();
        }
        self.lease.arm(sent, held.facts.lease);
    }

    /// Replaces the snapshot, and wipes keys derived from the one before. Tells whether all its readers let go.
    pub(crate) fn publish(&self, held: Arc<Held>) -> bool {
        self.next_number.store(held.facts.next_number, Ordering::Relaxed);
        let before = {
            let mut place = self.held.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            place.replace(held.clone())
        };
        lock(&self.numbers).drop_below(held.facts.shredded_through);
        let Some(before) = before else {
            self.changed();
            return true;
        };
        if before.has_same_keys_as(&held) && held.facts.gone_back.is_none() {
            return true;
        }
        self.handles.wipe();
        self.changed();
        let gone = before.gone();
        drop(before);
        gone.wait(self.settings.patience)
    }

    // After the handles were wiped, and before the lease is armed again: whoever finds the lease running because of
    // that also finds this.
    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::Release);
    }

    /// How many snapshots with other keys there were.
    #[inline]
    pub(crate) fn changes(&self) -> u64 {
        fence(Ordering::Acquire);
        self.changes.load(Ordering::Relaxed)
    }

    /// Wipes everything: the lease is lost, or the vault closed.
    pub(crate) fn let_go(&self, why: KeyStoreError) {
        events::lease_lost(&why);
        *lock(&self.trouble) = Some(why);
        self.wipe();
    }

    fn wipe(&self) {
        self.lease.disarm();
        let before = self.held.write().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        drop(before);
        self.handles.wipe();
        lock(&self.numbers).drop_all();
        lock(&self.trail).lose();
        self.witness.store(0, Ordering::Relaxed);
        nonce::discard_buffered();
    }

    /// Commits, and publishes what came of it. On the worker, or where there is none.
    ///
    /// Gives the plan's value, whether all readers of the old snapshot let go, and what could not be overwritten.
    pub(crate) fn commit<T>(self: &Arc<Process>, plan: &mut Plan<'_, T>) -> Result<Done<T>, CommitError> {
        self.commit_with(&mut lock(&self.engine), plan)
    }

    /// The same for a plan that changes the list of places.
    pub(crate) fn commit_places<T>(self: &Arc<Process>, plan: &mut Plan<'_, T>) -> Result<Done<T>, CommitError> {
        let mut engine = lock(&self.engine);
        engine.changes_places = true;
        let done = self.commit_with(&mut engine, plan);
        engine.changes_places = false;
        done
    }

    fn commit_with<T>(
        self: &Arc<Process>,
        engine: &mut Engine,
        plan: &mut Plan<'_, T>,
    ) -> Result<Done<T>, CommitError> {
        let deadline = Instant::now() + self.settings.lock_wait;
        let (committed, sent) = loop {
            let before = self.snapshot();
            engine.known = lock(&self.trail).latest();
            let sent = self.lease.clock().now();
            let left = deadline.saturating_duration_since(Instant::now());
            let turn = before.as_ref().map_or(left, |held| held.facts.lease / READS_A_LEASE);
            engine.lock_wait = left.min(turn);
            match engine.commit(before.as_deref(), plan) {
                Err(CommitError::NothingHappened(KeyStoreError::Busy { .. })) => {
                    drop(before);
                    if left <= turn {
                        return Err(KeyStoreError::Busy { waited: self.settings.lock_wait }.into());
                    }
                    // Another process's commit may take long, and the lease must not run out over it.
                    let _ = self.refresh_with(engine);
                }
                committed => break (committed, sent),
            }
        };
        if let (Err(CommitError::NothingHappened(KeyStoreError::RolledBack { .. })), Some(known)) =
            (&committed, engine.known)
        {
            self.mark_gone_back(engine, Evidence::Witness(known))?;
            return Err(committed.err().unwrap_or(CommitError::NothingHappened(self.lapsed())));
        }
        let Committed { value, held, old_copy } = committed?;
        let held = Arc::new(held);
        let readers_gone = self.publish(held.clone());
        let lowest = old_copy.is_none().then(|| held.facts.witness());
        self.confirmed(sent, &held, lowest);
        Ok(Done { value, readers_gone, old_copy, held })
    }
}

pub(crate) struct Done<T> {
    pub(crate) value: T,
    pub(crate) readers_gone: bool,
    pub(crate) old_copy: Option<KeyStoreError>,
    pub(crate) held: Arc<Held>,
}
