//! Reads of the root record: each installs the snapshot that it leads to, and renews the lease. When the lease ends, all that it covers is
//! revoked.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use crate::clock::Moment;
use crate::error::KeyStoreError;
use crate::events;
use crate::nonce;
use crate::sync::{MutexGuard, lock};
use crate::vault::commit::{self, Scope, Seen};
use crate::vault::process::Process;
use crate::vault::state::{DropSignal, RollbackProof, VaultState};
use crate::vault::workers::READS_A_LEASE;
use crate::witness::Witness;

/// Longest pause between two tries to repair a copy.
const MOST_PAUSE: Duration = Duration::from_secs(60);

impl Process {
    /// Reads the record again and replaces the snapshot if it changed. On the reading thread, or where there is none.
    pub(crate) fn refresh(self: &Arc<Process>) -> Result<(), KeyStoreError> {
        if self.snapshot().is_some() && !self.lease.is_fresh() {
            // A process that slept through its lease begins again, as one whose store was away.
            self.wipe();
        }
        // Before the read: what a commit of this process adds meanwhile, the read need not have seen.
        let known = lock(&self.witness_history).latest();
        let sent = self.lease.clock().now();
        let state = || self.snapshot();
        let most = self.patience_with_places();
        match commit::read(&self.stores, &self.keyring, &self.resident, &state, &self.scope(), most) {
            Ok(Seen::Unchanged { state, trouble }) => {
                let durable = state.facts.clear.generation;
                self.install(sent, state, durable)?;
                self.tried_to_see_all(trouble);
                self.repair_if_it_lasts(false, sent);
                Ok(())
            }
            Ok(Seen::Changed { state, durable, needs_repair, trouble }) => {
                self.check_found(&state, known)?;
                let is_new = self.snapshot().is_none_or(|before| before.facts.clear.id != state.facts.clear.id);
                if is_new {
                    events::refreshed(state.facts.clear.generation);
                }
                self.install(sent, Arc::new(*state), durable)?;
                self.tried_to_see_all(trouble);
                self.repair_if_it_lasts(needs_repair, sent);
                Ok(())
            }
            Err(error) => {
                if matches!(error, KeyStoreError::FirstPlaceBehind { .. }) {
                    self.bring_forward(sent);
                }
                self.failed_to_read(&error);
                Err(error)
            }
        }
    }

    /// How long a read waits for the mirrors, and then for the first place: as long as a lease may leave.
    fn patience_with_places(&self) -> [Duration; 2] {
        match lock(&self.witness_history).lease() {
            Duration::ZERO => [self.settings.patience; 2],
            lease => [lease / 3, self.lease.remaining().max(lease)],
        }
    }

    /// Where the record is.
    pub(in crate::vault) fn scope(&self) -> Scope {
        Scope { vault: Some(self.settings.vault), ..lock(&self.scope).clone() }
    }

    /// The first place was put back from a backup, and its mirrors have what came after: a commit, which sees them all, writes it there. Not
    /// more often than once in a quarter of a lease.
    fn bring_forward(self: &Arc<Process>, now: Moment) {
        let pause = lock(&self.witness_history).lease() / READS_A_LEASE;
        let mut last = lock(&self.last_settled);
        if self.settings.threaded && last.is_none_or(|last| now.age_since(last) >= pause) {
            *last = Some(now);
            self.repair_soon();
        }
    }

    /// Has what is there written once more. One repair that has not begun is enough.
    fn repair_soon(self: &Arc<Process>) {
        if !self.will_repair.swap(true, Ordering::AcqRel) {
            drop(self.worker.post(self, |process| {
                process.will_repair.store(false, Ordering::Release);
                process.repair()
            }));
        }
    }

    /// What was read must be of this vault, and come after all that this process knows.
    pub(in crate::vault) fn check_found(
        self: &Arc<Process>,
        state: &VaultState,
        known: Option<Witness>,
    ) -> Result<(), KeyStoreError> {
        if state.facts.clear.vault != self.settings.vault {
            let (one, other) = ("the vault that was opened".to_owned(), "what is in its place now".to_owned());
            let error = KeyStoreError::Diverged { one, other };
            self.revoke(error.clone());
            return Err(error);
        }
        let refused = *lock(&self.refused);
        for proof in [known.map(RollbackProof::Held), refused].into_iter().flatten() {
            if let Some(seen) = proof.against(&state.facts) {
                if state.facts.gone_back().is_none() {
                    self.mark_soon(proof);
                }
                return Err(self.refuse(proof, state.facts.clear.generation, seen));
            }
        }
        *lock(&self.refused) = None;
        Ok(())
    }

    /// A commit that was killed left an old record in one copy. Whoever sees it for a whole lease overwrites it.
    pub(in crate::vault) fn repair_if_it_lasts(self: &Arc<Process>, needs_repair: bool, now: Moment) {
        let mut since = lock(&self.lagging_since);
        // A commit that failed is tried again in the same way: what is there is written once more.
        let needs_repair = needs_repair || self.readiness.commit_failed();
        if !needs_repair {
            *since = None;
            *lock(&self.repair_pause) = Duration::ZERO;
            return;
        }
        let first = *since.get_or_insert(now);
        let lease = self.snapshot().map_or(Duration::MAX, |state| state.facts.lease);
        // Tried again and again, but not so often that a mirror which stays away costs much.
        let mut pause = lock(&self.repair_pause);
        if self.settings.threaded && now.age_since(first) >= lease.max(*pause) {
            *since = None;
            *pause = (*pause * 2).clamp(lease, MOST_PAUSE.max(lease));
            self.repair_soon();
        }
    }

    /// A read failed: the lease runs on, and when it runs out all that it covers is wiped.
    pub(in crate::vault) fn failed_to_read(&self, error: &KeyStoreError) {
        events::read_failed(error);
        *lock(&self.trouble) = Some(error.clone());
        if self.lease.remaining().is_zero() {
            self.revoke(error.clone());
            if matches!(error, KeyStoreError::WrongRootKey) && !lock(&self.scope).list.is_empty() {
                // The first place itself shows a record of this vault under another one: the vault moved to a root key that this process
                // was not given. The one before opens nothing any more but copies of old records, and is of no use here: it must be
                // unlocked anew.
                lock(&self.keyring).forget();
            }
        }
    }

    /// Takes a record that was read at `sent`, or committed after it, as what is known now: replaces the snapshot, wipes
    /// keys derived from the one before, and lets the lease begin at `sent`. `durable`: the newest generation that is now known to
    /// be so.
    pub(crate) fn install(&self, sent: Moment, state: Arc<VaultState>, durable: u64) -> Result<(), KeyStoreError> {
        let mut leaving = lock(&self.installing);
        if self.worker.is_closed() {
            return Err(KeyStoreError::Closed);
        }
        // It may have been refused while it was read. `refuse` sets this before it wipes, and wiping takes the lock that is held here: what is
        // installed before is wiped, and what comes after sees it.
        let refused = *lock(&self.refused);
        if let Some(seen) = refused.and_then(|proof| proof.against(&state.facts)) {
            return Err(KeyStoreError::RolledBack { have: state.facts.clear.generation, seen });
        }
        let current = self.snapshot();
        // A read that overlapped a commit may come in after it, and after a wipe too.
        let latest = lock(&self.witness_history).latest();
        let is_late = latest.is_some_and(|latest| {
            latest.generation > state.facts.clear.generation
                && RollbackProof::Held(latest).against(&state.facts).is_some()
        });
        // Nor may it take back what was seen since it was sent, durable or not: a shred that is seen is obeyed at once.
        let is_late = is_late || lock(&self.witness_history).was_seen_later(sent, state.facts.clear.generation);
        let known = match (is_late, current) {
            (true, None) => return Ok(()),
            (true, Some(current)) => current,
            (false, Some(current)) if Arc::ptr_eq(&current, &state) => current,
            (false, _) => {
                self.publish(state.clone(), &mut leaving);
                state
            }
        };
        self.confirm(sent, &known, durable);
        Ok(())
    }

    pub(in crate::vault) fn confirm(&self, sent: Moment, state: &VaultState, durable: u64) {
        nonce::discard_buffered();
        let before = self.durable.fetch_max(durable, Ordering::AcqRel);
        let durable = before.max(durable);
        let may_be_used = |made: u64| made > before && made <= durable;
        if may_be_used(state.facts.floor) || state.trees.iter().any(|tree| may_be_used(tree.made)) {
            // Handles seal under the tree before it still.
            self.handles.wipe();
            self.changed();
        }
        let (jumped, since) = {
            let mut witness_history = lock(&self.witness_history);
            // What a marked record says is not this vault's history.
            let witness = state.facts.witness_of(durable).filter(|_| state.facts.gone_back().is_none());
            let (now, generation) = (self.lease.clock().now(), state.facts.clear.generation);
            let jumped = witness_history.confirm(sent, now, state.facts.lease, generation, witness);
            let witness = witness_history.to_seal(sent).unwrap_or(Witness::NONE);
            self.witness.store(witness.packed(), Ordering::Relaxed);
            (jumped, witness_history.latest_confirmation().unwrap_or(sent))
        };
        *lock(&self.trouble) = None;
        if jumped {
            // A copy of this machine may hand out the same numbers.
            lock(&self.numbers).drop_all();
        }
        // Last: whoever finds the lease running finds all of the above.
        self.lease.arm(since, state.facts.lease);
    }

    /// Replaces the snapshot, and wipes what was derived from keys that the new one lacks.
    pub(in crate::vault) fn publish(&self, state: Arc<VaultState>, leaving: &mut Vec<DropSignal>) {
        self.next_number.store(state.facts.next_number, Ordering::Relaxed);
        // R14: what is read and written follows the record.
        let roots = &self.stores.roots;
        lock(&self.scope).follow(&state.facts.places, &roots.places());
        roots.follow(&state.facts.places);
        let before = {
            let mut place = self.state.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            place.replace(state.clone())
        };
        {
            let mut numbers = lock(&self.numbers);
            numbers.drop_below(state.facts.shredded_through);
            if before.as_ref().is_some_and(|before| before.facts.floor != state.facts.floor) {
                // An operator said which numbers count as issued: some that were reserved here may be among them.
                numbers.drop_all();
            }
        }
        let lost_keys = match &before {
            None => {
                self.changed();
                false
            }
            Some(before) => !before.has_same_keys_as(&state) || state.facts.gone_back().is_some(),
        };
        if lost_keys {
            // After the snapshot was replaced: a handle reads it under its own lock, so that it has the new one's keys or is wiped here.
            self.handles.wipe();
            self.changed();
        }
        leaving.retain(|snapshot| !snapshot.was_dropped());
        // The signal alone: were the snapshot kept here, it would never be wiped.
        leaving.extend(before.map(|before| before.drop_signal()));
    }

    /// Waits until nobody reads any older snapshot, but not so long that the lease could run out over it.
    pub(crate) fn wait_for_readers(&self) -> bool {
        let lease = self.snapshot().map_or(Duration::ZERO, |state| state.facts.lease);
        let deadline = Instant::now() + self.settings.patience.min(lease / READS_A_LEASE);
        let leaving = lock(&self.installing).clone();
        leaving.iter().all(|snapshot| snapshot.wait(deadline.saturating_duration_since(Instant::now())))
    }

    /// The same snapshot without the pages that reads had loaded.
    pub(crate) fn replace_by_bare(&self, bare: VaultState) {
        let mut leaving = lock(&self.installing);
        let is_current = self.snapshot().is_some_and(|current| current.facts.clear.id == bare.facts.clear.id);
        if is_current && !self.worker.is_closed() {
            self.publish(Arc::new(bare), &mut leaving);
        }
    }

    // After the handles were wiped, and before the lease is armed again: whoever finds the lease running because of
    // that also finds this.
    pub(in crate::vault) fn changed(&self) {
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
    pub(crate) fn revoke(&self, why: KeyStoreError) {
        *lock(&self.trouble) = Some(why.clone());
        self.wipe();
        events::lease_lost(&why);
    }

    /// The lease ran out, and no read came back that would say so: what it covers is wiped. By the watchdog, which waits for no store.
    pub(crate) fn wipe_if_lapsed(&self) {
        let why = self.lapsed();
        let leaving = lock(&self.installing);
        // It may have been renewed just now.
        if self.snapshot().is_none() || !self.lease.remaining().is_zero() {
            return;
        }
        lock(&self.trouble).get_or_insert_with(|| why.clone());
        self.wipe_under(leaving);
        // Last, and with no lock held: whoever listens is the application's, and may write to a disk that hangs.
        events::lease_lost(&why);
    }

    pub(in crate::vault) fn wipe(&self) {
        self.wipe_under(lock(&self.installing));
    }

    fn wipe_under(&self, mut leaving: MutexGuard<'_, Vec<DropSignal>>) {
        // First: whoever looks before giving a result out finds no lease.
        self.lease.disarm();
        let before = self.state.write().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        leaving.extend(before.map(|before| before.drop_signal()));
        // After the snapshot is gone: a handle that is used in between has nothing to derive keys from.
        self.handles.wipe();
        self.changed();
        lock(&self.numbers).drop_all();
        lock(&self.witness_history).lose();
        self.witness.store(0, Ordering::Relaxed);
        nonce::discard_buffered();
    }
}
