//! What one process knows of the vault, and until when.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, LeaseClock, Moment};
use crate::customer::CustomerId;
use crate::error::{KeyStoreError, Outcome};
use crate::fork::{self, ForkGeneration};
use crate::root_record::Record;
use crate::sync::{Mutex, MutexGuard, Padded, RwLock, Shards, lock};
use crate::vault::state::told::Told;
use crate::vault::state::{
    Alarm, DropSignal, Handles, Held, Numbers, Pace, Places, RollbackProof, Scope, UnknownTrees, VaultState,
    WitnessHistory,
};
use crate::witness::Witness;

/// The snapshot, what of it is durable, the lease, and all that was derived from them. It reads no store and starts no thread: others tell it what
/// they read and committed (`install`), and ask it.
///
/// It outlives the lease: what is wiped then is the snapshot and what was derived from its keys. What was seen and held is not forgotten.
pub(crate) struct Known {
    /// It is of this process alone: a forked child begins with nothing.
    pub(super) fork: ForkGeneration,
    pub(super) lease: LeaseClock,
    /// One for each of some threads, all the same but while one is replaced.
    snapshot: Shards<RwLock<Option<Held>>>,
    /// Held while a snapshot is replaced or confirmed: by commits, and by reads, which overlap them.
    pub(super) installing: Mutex<Vec<DropSignal>>,
    /// Whoever enrols takes this lock and that of the numbers: both stand apart from what every call reads.
    pub(super) witness_history: Padded<Mutex<WitnessHistory>>,
    /// A generation that no crash can bring the record back behind.
    pub(super) durable: AtomicU64,
    /// The witness to put in sealed values, as its eight bytes.
    pub(super) witness: AtomicU64,
    /// Witnesses that were found to be of this vault's history, each in the place of its generation. As many as a record's ring tells of: values of
    /// many generations lie side by side in a table, and whoever opens one after the other writes here once for each, not at every turn.
    pub(super) proven: Box<[AtomicU64; PROVEN]>,
    /// The lowest number not reserved, as far as this process knows.
    pub(super) next_number: AtomicU64,
    /// Counts the snapshots that knew other keys than the one before: what was opened with an older one is looked at
    /// again before it is given out.
    pub(super) changes: AtomicU64,
    /// Where the record is: it follows the newest one that was installed, and outlives a lost lease.
    pub(super) scope: Mutex<Scope>,
    pub(super) places: Box<dyn Places>,
    pub(super) handles: Handles,
    pub(super) numbers: Padded<Mutex<Numbers>>,
    /// Why nothing is held, or everything refused.
    pub(super) trouble: Mutex<Option<KeyStoreError>>,
    /// What proved that the key store was rolled back, until it is seen to be mended.
    pub(super) refused: Mutex<Option<RollbackProof>>,
    /// What events said last.
    pub(crate) told: Told,
    /// Nobody needs it for much longer: what hangs is not waited for.
    pub(super) closing: AtomicBool,
    /// Nothing is installed any more.
    pub(super) closed: AtomicBool,
    /// What a value showed that the record does not say yet.
    pub(crate) alarm: Alarm,
    pub(crate) unknown_trees: UnknownTrees,
    /// Re-reads that an unknown number or witness caused.
    pub(crate) extra_reads: Pace,
}

/// How many generations back a record's ring goes.
const PROVEN: usize = 256;

impl Known {
    /// Nothing yet. `scope` is where to look for the record, and `places` follow what is found.
    pub(crate) fn nothing(clock: Clock, scope: Scope, places: impl Places + 'static) -> Arc<Known> {
        Arc::new(Known {
            fork: fork::generation(),
            lease: LeaseClock::new(clock),
            snapshot: Shards::new(|| RwLock::new(None)),
            installing: Mutex::new(Vec::new()),
            witness_history: Padded(Mutex::new(WitnessHistory::new())),
            durable: AtomicU64::new(0),
            witness: AtomicU64::new(0),
            proven: Box::new([const { AtomicU64::new(0) }; PROVEN]),
            next_number: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            scope: Mutex::new(scope),
            places: Box::new(places),
            handles: Handles::new(),
            numbers: Padded(Mutex::new(Numbers::none())),
            trouble: Mutex::new(None),
            refused: Mutex::new(None),
            told: Told::nothing(),
            closing: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            alarm: Alarm::default(),
            unknown_trees: UnknownTrees::default(),
            extra_reads: Pace::default(),
        })
    }

    #[inline]
    pub(crate) fn is_of_this_process(&self) -> bool {
        self.fork == fork::generation()
    }

    /// In a forked child: drops the parent's snapshot, unless a thread that does not exist here holds it.
    pub(crate) fn drop_inherited(&self) {
        for shard in self.snapshot.iter() {
            if let Ok(mut snapshot) = shard.try_write() {
                snapshot.take();
            }
        }
    }

    pub(crate) fn snapshot(&self) -> Option<Arc<VaultState>> {
        self.held().map(|held| Arc::clone(&held.0.0))
    }

    /// The same for whoever lets go of it soon.
    #[inline]
    pub(crate) fn held(&self) -> Option<Held> {
        self.snapshot.mine().read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The snapshot, or why there is none, or why it is refused.
    #[inline]
    pub(crate) fn state(&self) -> Result<Held, KeyStoreError> {
        let held = self.held().ok_or_else(|| self.lapsed())?;
        held.unless_gone_back().map(|()| held)
    }

    /// Puts another snapshot, or none, in the place of this one, and gives that. Whoever calls it holds `installing`. When it returns nobody finds
    /// the old one any more; those who found it before hold it.
    pub(super) fn replace_snapshot(&self, new: Option<&Arc<VaultState>>) -> Option<Arc<VaultState>> {
        let mut old = None;
        for shard in self.snapshot.iter() {
            // Each its own count of those who hold it.
            let new = new.map(|state| Held(Arc::new(Padded(state.clone()))));
            let before = std::mem::replace(&mut *shard.write().unwrap_or_else(PoisonError::into_inner), new);
            old = old.or_else(|| before.map(|held| Arc::clone(&held.0.0)));
        }
        old
    }

    /// Whether the lease runs.
    #[inline]
    pub(crate) fn is_fresh(&self) -> bool {
        self.lease.is_fresh()
    }

    /// The same for a caller that has just read the [wall clock](Known::wall).
    #[inline]
    pub(crate) fn is_fresh_at(&self, wall: u64) -> bool {
        self.lease.is_fresh_at(wall)
    }

    #[inline]
    pub(crate) fn wall(&self) -> u64 {
        self.lease.clock().wall()
    }

    #[inline]
    pub(crate) fn now(&self) -> Moment {
        self.lease.clock().now()
    }

    /// How long the lease still runs.
    pub(crate) fn remaining(&self) -> Duration {
        self.lease.remaining()
    }

    /// How long it was when it was last renewed; zero if it never was.
    pub(crate) fn last_lease(&self) -> Duration {
        lock(&self.witness_history).lease()
    }

    /// The newest generation that is known to be durable: no crash brings the record back behind it, and what it made may be relied
    /// upon.
    #[inline]
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// R9: the newest state that was known to be durable.
    pub(crate) fn latest_durable(&self) -> Option<Witness> {
        lock(&self.witness_history).latest()
    }

    /// Whether a read that was sent after that moment came back.
    pub(crate) fn was_confirmed_since(&self, moment: Moment) -> bool {
        lock(&self.witness_history).was_confirmed_since(moment)
    }

    /// The witness for a value sealed now: what this process held one lease ago.
    #[inline]
    pub(crate) fn witness_to_seal(&self) -> u64 {
        self.witness.load(Ordering::Relaxed)
    }

    /// A witness of this vault's history needs no further look.
    pub(crate) fn remember_proven(&self, witness: Witness) {
        self.proven_at(witness.packed()).store(witness.packed(), Ordering::Relaxed);
    }

    /// True when a witness needs no further look.
    #[inline]
    pub(crate) fn is_proven(&self, packed: u64) -> bool {
        packed == 0 || packed == self.proven_at(packed).load(Ordering::Relaxed)
    }

    #[inline]
    #[allow(clippy::indexing_slicing)] // there is one for each value of a byte
    fn proven_at(&self, packed: u64) -> &AtomicU64 {
        // The generation's lowest byte; the id's three stand behind it.
        let [.., generation, _, _, _] = packed.to_be_bytes();
        &self.proven[usize::from(generation)]
    }

    /// Whether a number was issued, as far as this process knows.
    #[inline]
    pub(crate) fn is_issued(&self, customer: CustomerId) -> bool {
        customer.get() < self.next_number.load(Ordering::Relaxed)
    }

    /// How many snapshots with other keys there were.
    #[inline]
    pub(crate) fn changes(&self) -> u64 {
        fence(Ordering::Acquire);
        self.changes.load(Ordering::Relaxed)
    }

    /// Numbers that were reserved for this process.
    pub(crate) fn numbers(&self) -> MutexGuard<'_, Numbers> {
        lock(&self.numbers)
    }

    /// The same for whoever hands one out: if the clocks jumped, a copy of this machine may hand out those that were reserved before.
    pub(crate) fn numbers_at(&self, now: Moment) -> MutexGuard<'_, Numbers> {
        let jumped = lock(&self.witness_history).jumped(now);
        let mut numbers = lock(&self.numbers);
        if jumped {
            numbers.drop_all();
        }
        numbers
    }

    /// Where the record is.
    pub(crate) fn scope(&self) -> Scope {
        lock(&self.scope).clone()
    }

    /// A promotion is over: from now on the record alone says which places there are.
    pub(crate) fn end_promotion(&self) {
        lock(&self.scope).lost.clear();
    }

    /// It is about to be closed, once what is under way has ended.
    pub(crate) fn will_close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire) || self.is_closed()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn trouble(&self) -> Option<KeyStoreError> {
        lock(&self.trouble).clone()
    }

    /// Why nothing is held.
    pub(crate) fn lapsed(&self) -> KeyStoreError {
        if self.is_closed() {
            return KeyStoreError::Closed;
        }
        let witness_history = lock(&self.witness_history);
        let source = lock(&self.trouble).clone();
        if let Some(error) = &source
            && error.outcome() == Outcome::Investigate
        {
            return error.clone();
        }
        KeyStoreError::LeaseLost {
            since: witness_history.since_confirmed(self.now()),
            lease: witness_history.lease(),
            source: source.map(Box::new),
        }
    }

    /// Whether a record is of this vault.
    pub(crate) fn is_of_this_vault(&self, record: &Record) -> bool {
        lock(&self.scope).vault == Some(record.clear.vault)
    }

    /// What proves that a record is not the newest that ever was, and the generation that it lacks. `held`: what was known to be durable before the
    /// record was read. What is held now proves nothing: a commit of this process adds to it meanwhile.
    pub(crate) fn proof_against(&self, record: &Record, held: Option<Witness>) -> Option<(RollbackProof, u64)> {
        let refused = *lock(&self.refused);
        let proofs = [held.map(RollbackProof::Held), refused].into_iter().flatten();
        proofs.filter_map(|proof| Some((proof, proof.against(record)?))).next()
    }

    /// The record was put right.
    pub(crate) fn end_refusal(&self) {
        *lock(&self.refused) = None;
    }

    /// Refuses whatever this proves to be rolled back, and wipes what is held.
    pub(crate) fn refuse(&self, proof: RollbackProof, have: u64, seen: u64) -> KeyStoreError {
        let is_new = lock(&self.refused).replace(proof).is_none();
        self.told.went_back(have, seen, is_new);
        let error = KeyStoreError::RolledBack { have, seen };
        self.revoke(error.clone());
        error
    }
}
