//! What one process has of a vault. A forked child starts over with one of its own.

use std::sync::atomic::{AtomicU64, Ordering};
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
use crate::sync::{Mutex, MutexGuard, RwLock, lock};
use crate::vault::engine::{CommitError, Committed, Engine, Plan, Seen, Stores, follows};
use crate::vault::handles::Handles;
use crate::vault::held::Held;
use crate::vault::keyring::Keyring;
use crate::vault::numbers::Numbers;
use crate::vault::thread::Worker;
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
    child: OnceLock<Arc<Process>>,
    /// Held while a forked child builds it.
    building: Mutex<()>,
    /// The root keys for a forked child: the engine's lock is held for as long as a commit takes.
    spare: Mutex<Keyring>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) held: RwLock<Option<Arc<Held>>>,
    /// Why nothing is held, or everything refused.
    trouble: Mutex<Option<KeyStoreError>>,
    pub(crate) lease: LeaseClock,
    trail: Mutex<Trail>,
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
        let spare = Mutex::new(keyring.copy());
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
            building: Mutex::new(()),
            spare,
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
        if self.is_of_this_process() { Ok(self) } else { self.in_child()?.current() }
    }

    #[cold]
    fn in_child(self: &Arc<Process>) -> Result<&Arc<Process>, KeyStoreError> {
        if let Some(child) = self.child.get() {
            return Ok(child);
        }
        if self.worker.is_closed() {
            return Err(KeyStoreError::Closed);
        }
        let _building = self.lock_to_build()?;
        if let Some(child) = self.child.get() {
            return Ok(child);
        }
        // No lock of the parent's may be waited for: the thread that holds it does not exist here.
        let keyring = match self.spare.try_lock() {
            Ok(spare) => spare.copy(),
            Err(TryLockError::Poisoned(spare)) => spare.into_inner().copy(),
            Err(TryLockError::WouldBlock) => return Err(KeyStoreError::Forked),
        };
        if let Ok(mut held) = self.held.try_write() {
            held.take();
        }
        let process = Process::new(self.settings.clone(), (self.settings.reopen)()?, keyring)?;
        // A failure is not kept: the next call tries again.
        process.refresh()?;
        Ok(self.child.get_or_init(|| process))
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

    /// Keeps what a forked child inherited from ever being dropped: that would take locks of its parent's.
    pub(crate) fn leak_in_child(self: &Arc<Process>) {
        if !self.is_of_this_process() {
            std::mem::forget(self.clone());
        }
    }

    /// The vault was closed: no key remains, not even the root key.
    pub(crate) fn end(&self) {
        self.let_go(KeyStoreError::Closed);
        lock(&self.engine).keyring.forget();
        lock(&self.spare).forget();
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

    fn unless_refused(&self, held: Arc<Held>) -> Result<Arc<Held>, KeyStoreError> {
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

    /// One re-read because a value names something this process does not know; rate-limited, since whoever supplies
    /// values could otherwise make it read for each.
    pub(crate) fn extra_read(self: &Arc<Process>) -> Result<(), KeyStoreError> {
        let now = self.lease.clock().now();
        {
            let mut last = lock(&self.last_extra_read);
            let lease = self.snapshot().map_or(Duration::from_secs(1), |held| held.facts.lease);
            if last.is_some_and(|last| now.age_since(last) < lease / 4) {
                return Ok(());
            }
            *last = Some(now);
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
        Err(self.gone_back(witness.generation))
    }

    fn proves_nothing(&self, held: &Held, witness: Witness) -> bool {
        match held.facts.descends_from(witness) {
            Some(true) => {
                self.proven.store(u64::from_be_bytes(witness.to_bytes()), Ordering::Relaxed);
                true
            }
            // Too old for the ring, or of before a recovery.
            None => true,
            Some(false) => witness.generation < held.facts.floor,
        }
    }

    /// Marks the record, so that every process refuses; and says so.
    pub(crate) fn gone_back(self: &Arc<Process>, seen: u64) -> KeyStoreError {
        let marked = self.worker.run(self, Some(self.settings.patience), move |process| {
            let marked = process.commit(&mut |draft| {
                let already = draft.record.gone_back.is_some_and(|known| known >= seen);
                draft.record.gone_back = Some(draft.record.gone_back.unwrap_or(0).max(seen));
                Ok(if already {
                    crate::vault::engine::Step::Keep(())
                } else {
                    crate::vault::engine::Step::Write(Vec::new(), ())
                })
            });
            marked.map(|_| ()).map_err(CommitError::cause)
        });
        let have = self.snapshot().map_or(0, |held| held.facts.clear.generation);
        events::gone_back(have, seen);
        let error = KeyStoreError::RolledBack { have, seen };
        if !matches!(marked, Some(Ok(()))) {
            // It could not be written down; at least this process refuses from now on.
            self.let_go(error.clone());
        }
        error
    }

    /// Reads the record again and replaces the snapshot if it changed. On the worker, or where there is none.
    pub(crate) fn refresh(self: &Arc<Process>) -> Result<(), KeyStoreError> {
        let mut engine = lock(&self.engine);
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
                    && let Err(error) = follows(&held.facts, known)
                {
                    drop(engine);
                    self.let_go(error.clone());
                    return Err(error);
                }
                let held = Arc::new(held);
                events::refreshed(held.facts.clear.generation);
                self.publish(held.clone());
                *lock(&self.spare) = engine.keyring.copy();
                self.confirmed(sent, &held, lowest);
                Ok(())
            }
            Err(error) => {
                drop(engine);
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
            let jumped = trail.confirm(sent, held.facts.lease, held.facts.witness(), lowest);
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
        let Some(before) = before else { return true };
        if before.has_same_keys_as(&held) {
            return true;
        }
        lock(&self.numbers).drop_below(held.facts.shredded_through);
        self.handles.wipe();
        let gone = before.gone();
        drop(before);
        gone.wait(self.settings.patience)
    }

    /// Wipes everything: the lease is lost, or the vault closed.
    pub(crate) fn let_go(&self, why: KeyStoreError) {
        self.lease.disarm();
        events::lease_lost(&why);
        *lock(&self.trouble) = Some(why);
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
        let before = self.snapshot();
        engine.known = lock(&self.trail).latest();
        let sent = self.lease.clock().now();
        let Committed { value, held, old_copy } = engine.commit(before.as_deref(), plan)?;
        let held = Arc::new(held);
        drop(before);
        let readers_gone = self.publish(held.clone());
        *lock(&self.spare) = engine.keyring.copy();
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
