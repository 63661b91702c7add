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
use crate::sync::{Mutex, MutexGuard, RwLock, lock};
use crate::vault::engine::{self, CommitError, Committed, Engine, Plan, Seen, Step, Stores};
use crate::vault::evidence::Evidence;
use crate::vault::handles::Handles;
use crate::vault::held::{Gone, Held};
use crate::vault::keyring::Keyring;
use crate::vault::numbers::Numbers;
use crate::vault::promise::Promise;
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
    child: OnceLock<Arc<Process>>,
    /// Held while a forked child builds it.
    building: Mutex<()>,
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
    /// Shared with the engine; held while a record is chosen, not while a commit waits.
    pub(crate) keyring: Arc<Mutex<Keyring>>,
    /// Held while a snapshot is replaced or confirmed: by commits, and by reads, which overlap them.
    learning: Mutex<Vec<Gone>>,
    pub(crate) resident: Arc<Resident>,
    /// Commits.
    pub(crate) worker: Worker,
    /// Reads of the root record.
    pub(crate) reader: Worker,
    /// The lowest number not reserved, as far as this process knows.
    pub(crate) next_number: AtomicU64,
    /// Counts the snapshots that knew other keys than the one before: what was opened with an older one is looked at
    /// again before it is given out.
    changes: AtomicU64,
    /// What proved that the key store went back in time, until it is seen to be mended.
    refused: Mutex<Option<Evidence>>,
    /// Since when some copy of the record is seen to be older.
    lagging_since: Mutex<Option<Moment>>,
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
        let keyring = Arc::new(Mutex::new(keyring));
        let engine = Engine {
            stores: stores.clone(),
            keyring: keyring.clone(),
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
            reader: Worker::new(),
            keyring,
            learning: Mutex::new(Vec::new()),
            next_number: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            refused: Mutex::new(None),
            lagging_since: Mutex::new(None),
            last_extra_read: Mutex::new(None),
        });
        if threaded {
            Worker::start_all(&process).inspect_err(|_| drop(process.leave()))?;
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
        if let Ok(mut held) = self.held.try_write() {
            held.take();
        }
        let process = Process::new(self.settings.clone(), (self.settings.reopen)()?, keyring)?;
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
    pub(crate) fn leave(self: &Arc<Process>) -> Promise<()> {
        drop(self.reader.close(self));
        let ended = self.worker.close(self);
        self.let_go(KeyStoreError::Closed);
        ended
    }

    /// The same, and waits for what was asked for before.
    pub(crate) fn close(self: &Arc<Process>) {
        let _ = self.leave().wait();
    }

    /// Nothing is left to do: no key remains, not even the root key.
    pub(crate) fn end(&self) {
        self.let_go(KeyStoreError::Closed);
        lock(&self.keyring).forget();
    }

    /// Keeps what a forked child inherited from ever being dropped: that would take locks of its parent's.
    pub(crate) fn leak_in_child(self: &Arc<Process>) {
        if !self.is_of_this_process() {
            std::mem::forget(self.clone());
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
        let outcome = self.reader.run(self, Some(patience), |process| process.refresh());
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
    pub(crate) fn witness_to_seal(&self) -> u64 {
        self.witness.load(Ordering::Relaxed)
    }

    /// True when a witness needs no further look.
    #[inline]
    pub(crate) fn is_proven(&self, packed: u64) -> bool {
        packed == 0 || packed == self.proven.load(Ordering::Relaxed)
    }

    /// Looks at an authentic value's witness. If it proves that the key store went back in time, the vault is marked
    /// so, for every process.
    #[cold]
    pub(crate) fn check_witness(self: &Arc<Process>, packed: u64) -> Result<(), KeyStoreError> {
        let witness = Witness::from_packed(packed);
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
            self.proven.store(witness.packed(), Ordering::Relaxed);
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
            (_, Some((have, Some(seen)))) => Err(self.refuse(evidence, have, seen)),
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
        Ok(found.map(|(have, seen)| self.refuse(evidence, have, seen)))
    }

    fn refuse(&self, evidence: Evidence, have: u64, seen: u64) -> KeyStoreError {
        events::gone_back(have, seen);
        let error = KeyStoreError::RolledBack { have, seen };
        *lock(&self.refused) = Some(evidence);
        self.let_go(error.clone());
        error
    }

    /// Has the record marked, without waiting for it.
    fn mark_soon(self: &Arc<Process>, evidence: Evidence) {
        if self.settings.threaded {
            drop(self.worker.post(self, move |process| {
                let _ = process.mark_gone_back(&mut lock(&process.engine), evidence);
            }));
        } else if let Ok(mut engine) = self.engine.try_lock() {
            let _ = self.mark_gone_back(&mut engine, evidence);
        }
    }

    /// Reads the record again and replaces the snapshot if it changed. On the reading thread, or where there is none.
    pub(crate) fn refresh(self: &Arc<Process>) -> Result<(), KeyStoreError> {
        if self.snapshot().is_some() && !self.lease.is_fresh() {
            // A process that slept through its lease begins again, as one whose store was away.
            self.wipe();
        }
        let before = self.snapshot();
        let sent = self.lease.clock().now();
        let seen = engine::read(&self.stores, &self.keyring, &self.resident, before.as_deref());
        match (seen, before) {
            (Ok(Seen::Unchanged), Some(before)) => {
                let lowest = Some(before.facts.witness());
                self.learn(sent, before, lowest).map(|_| ())
            }
            (Ok(Seen::Unchanged), None) => Err(KeyStoreError::Bug("nothing was held")),
            (Ok(Seen::Changed { held, lowest, needs_repair }), before) => {
                self.check_found(&held)?;
                let is_new = before.is_none_or(|before| before.facts.clear.id != held.facts.clear.id);
                if is_new {
                    events::refreshed(held.facts.clear.generation);
                }
                self.learn(sent, Arc::new(*held), lowest)?;
                self.repair_if_it_lasts(needs_repair, sent);
                Ok(())
            }
            (Err(error), _) => {
                self.failed_to_read(&error);
                Err(error)
            }
        }
    }

    /// What was read must be of this vault, and come after all that this process knows.
    fn check_found(self: &Arc<Process>, held: &Held) -> Result<(), KeyStoreError> {
        if held.facts.clear.vault != self.settings.vault {
            let (one, other) = ("the vault that was opened".to_owned(), "what is in its place now".to_owned());
            let error = KeyStoreError::Diverged { one, other };
            self.let_go(error.clone());
            return Err(error);
        }
        let known = lock(&self.trail).latest().map(Evidence::Witness);
        let refused = *lock(&self.refused);
        for evidence in [known, refused].into_iter().flatten() {
            if let Some(seen) = evidence.against(&held.facts) {
                if held.facts.gone_back.is_none() {
                    self.mark_soon(evidence);
                }
                return Err(self.refuse(evidence, held.facts.clear.generation, seen));
            }
        }
        *lock(&self.refused) = None;
        Ok(())
    }

    /// A commit that was killed left an old record in one copy. Whoever sees it for a whole lease overwrites it.
    fn repair_if_it_lasts(self: &Arc<Process>, needs_repair: bool, now: Moment) {
        let mut since = lock(&self.lagging_since);
        if !needs_repair {
            *since = None;
            return;
        }
        let first = *since.get_or_insert(now);
        let lease = self.snapshot().map_or(Duration::MAX, |held| held.facts.lease);
        if self.settings.threaded && now.age_since(first) >= lease {
            *since = None;
            drop(self.worker.post(self, |process| process.repair()));
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

    /// Takes a record that was read at `sent`, or committed after it, as what is known now: replaces the snapshot, wipes
    /// keys derived from the one before, and lets the lease begin at `sent`. Tells whether keys were lost by it.
    pub(crate) fn learn(&self, sent: Moment, held: Arc<Held>, lowest: Option<Witness>) -> Result<bool, KeyStoreError> {
        let mut leaving = lock(&self.learning);
        if self.worker.is_closed() {
            return Err(KeyStoreError::Closed);
        }
        let current = self.snapshot();
        // A read that overlapped a commit may come in after it.
        let is_late =
            current.as_ref().is_some_and(|current| current.facts.clear.generation > held.facts.clear.generation);
        let is_same = current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &held));
        let known = current.filter(|_| is_late).unwrap_or(held);
        let lost_keys = !is_late && !is_same && self.publish(known.clone(), &mut leaving);
        self.confirm(sent, &known, lowest);
        Ok(lost_keys)
    }

    fn confirm(&self, sent: Moment, held: &Held, lowest: Option<Witness>) {
        nonce::discard_buffered();
        let (jumped, since) = {
            let mut trail = lock(&self.trail);
            // What a marked record says is not this vault's history.
            let newest = held.facts.gone_back.is_none().then(|| held.facts.witness());
            let jumped = trail.confirm(sent, held.facts.lease, newest, lowest);
            let witness = trail.to_seal(sent).unwrap_or(Witness::NONE);
            self.witness.store(witness.packed(), Ordering::Relaxed);
            (jumped, trail.latest_confirmation().unwrap_or(sent))
        };
        *lock(&self.trouble) = None;
        if jumped {
            // A copy of this machine may hand out the same numbers.
            lock(&self.numbers).drop_all();
        }
        self.lease.arm(since, held.facts.lease);
    }

    /// Replaces the snapshot. Tells whether the new one lacks keys that the one before had.
    fn publish(&self, held: Arc<Held>, leaving: &mut Vec<Gone>) -> bool {
        self.next_number.store(held.facts.next_number, Ordering::Relaxed);
        let before = {
            let mut place = self.held.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            place.replace(held.clone())
        };
        lock(&self.numbers).drop_below(held.facts.shredded_through);
        let lost_keys = match &before {
            None => {
                self.changed();
                false
            }
            Some(before) => !before.has_same_keys_as(&held) || held.facts.gone_back.is_some(),
        };
        if lost_keys {
            self.handles.wipe();
            self.changed();
        }
        leaving.retain(|gone| !gone.is_gone());
        leaving.extend(before.map(|before| before.gone()));
        lost_keys
    }

    /// Waits until nobody reads an older snapshot, but not so long that the lease could run out over it.
    fn wait_for_readers(&self) -> bool {
        let lease = self.snapshot().map_or(Duration::ZERO, |held| held.facts.lease);
        let deadline = Instant::now() + self.settings.patience.min(lease / READS_A_LEASE);
        let leaving = lock(&self.learning).clone();
        leaving.iter().all(|gone| gone.wait(deadline.saturating_duration_since(Instant::now())))
    }

    /// The same snapshot without the pages that reads had loaded.
    pub(crate) fn replace_by_bare(&self, bare: Held) {
        let mut leaving = lock(&self.learning);
        let is_current = self.snapshot().is_some_and(|current| current.facts.clear.id == bare.facts.clear.id);
        if is_current && !self.worker.is_closed() {
            self.publish(Arc::new(bare), &mut leaving);
        }
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
        let mut leaving = lock(&self.learning);
        self.lease.disarm();
        let before = self.held.write().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        leaving.extend(before.map(|before| before.gone()));
        self.handles.wipe();
        self.changed();
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
        let committed = engine.commit(before.as_deref(), plan);
        drop(before);
        if let (Err(CommitError::NothingHappened(KeyStoreError::RolledBack { .. })), Some(known)) =
            (&committed, engine.known)
        {
            self.mark_gone_back(engine, Evidence::Witness(known))?;
        }
        let Committed { value, held, old_copy, lowest } = committed?;
        let held = Arc::new(held);
        // Readers are waited for when keys were lost by this commit, or by one just before it.
        let lost_keys = match self.learn(sent, held.clone(), lowest) {
            Ok(lost_keys) => lost_keys,
            // Closed meanwhile: the commit counts all the same, and nothing is held any more.
            Err(_) => true,
        };
        let readers_gone = !lost_keys || self.wait_for_readers();
        Ok(Done { value, readers_gone, old_copy, held })
    }
}

pub(crate) struct Done<T> {
    pub(crate) value: T,
    pub(crate) readers_gone: bool,
    pub(crate) old_copy: Option<KeyStoreError>,
    pub(crate) held: Arc<Held>,
}
