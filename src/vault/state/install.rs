//! What is read or committed becomes what is known; and when the lease ends, all that it covers is revoked.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use crate::clock::Moment;
use crate::error::KeyStoreError;
use crate::nonce;
use crate::sync::{MutexGuard, lock};
use crate::vault::state::{DropSignal, Known, RollbackProof, SignalOnDrop, VaultState};
use crate::witness::Witness;

/// Re-reads a lease: late ones must still find the lease running.
pub(crate) const READS_A_LEASE: u32 = 4;

impl Known {
    /// Takes a record that was read at `sent`, or committed after it, as what is known now: replaces the snapshot, wipes
    /// keys derived from the one before, and lets the lease begin at `sent`. `durable`: the newest generation that is now known to
    /// be so.
    pub(crate) fn install(&self, sent: Moment, state: Arc<VaultState>, durable: u64) -> Result<(), KeyStoreError> {
        let mut leaving = lock(&self.installing);
        if self.is_closed() {
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
        // Last, and without the lock that the watchdog takes to wipe: whoever listens is the application's, and may write to a disk that hangs.
        drop(leaving);
        self.told.works(known.facts.clear.generation);
        Ok(())
    }

    fn confirm(&self, sent: Moment, state: &VaultState, durable: u64) {
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
            let (now, generation) = (self.now(), state.facts.clear.generation);
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
    fn publish(&self, state: Arc<VaultState>, leaving: &mut Vec<DropSignal>) {
        self.next_number.store(state.facts.next_number, Ordering::Relaxed);
        // R14: what is read and written follows the record.
        let open = self.places.open();
        lock(&self.scope).follow(&state.facts.places, &open);
        self.places.follow(&state.facts.places);
        let before = self.replace_snapshot(Some(&state));
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
            // After the snapshot was replaced in every shard: a handle reads it under its own lock, so that it has the new one's keys or is wiped here.
            self.handles.wipe();
            self.changed();
        }
        leaving.retain(|snapshot| !snapshot.was_dropped());
        // The signal alone: were the snapshot kept here, it would never be wiped.
        leaving.extend(before.map(|before| before.drop_signal()));
    }

    /// Held by whoever reads the record, until all that it has read is installed or wiped: it may be a record that a commit of this process replaces
    /// meanwhile, and whoever shreds waits for it as for a snapshot.
    pub(crate) fn begin_read(&self) -> SignalOnDrop {
        let reading = SignalOnDrop::default();
        let mut leaving = lock(&self.installing);
        leaving.retain(|other| !other.was_dropped());
        leaving.push(reading.signal());
        reading
    }

    /// Waits until nobody reads any older snapshot, or is about to find one: at most as long as `patience`, and not so long that the lease could run out over it.
    pub(crate) fn wait_for_readers(&self, patience: Duration) -> bool {
        let lease = self.snapshot().map_or(Duration::ZERO, |state| state.facts.lease);
        let deadline = Instant::now() + patience.min(lease / READS_A_LEASE);
        let leaving = lock(&self.installing).clone();
        leaving.iter().all(|snapshot| snapshot.wait(deadline.saturating_duration_since(Instant::now())))
    }

    /// The same snapshot without the pages that reads had loaded.
    pub(crate) fn replace_by_bare(&self, bare: VaultState) {
        let mut leaving = lock(&self.installing);
        let is_current = self.snapshot().is_some_and(|current| current.facts.clear.id == bare.facts.clear.id);
        if is_current && !self.is_closed() {
            self.publish(Arc::new(bare), &mut leaving);
        }
    }

    // After the handles were wiped, and before the lease is armed again: whoever finds the lease running because of
    // that also finds this.
    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::Release);
    }

    /// A read failed: the lease runs on, and when it runs out all that it covers is wiped. Tells whether it did.
    pub(crate) fn failed_to_read(&self, error: &KeyStoreError) -> bool {
        self.told.read_fails(error);
        *lock(&self.trouble) = Some(error.clone());
        let is_over = self.lease.remaining().is_zero();
        if is_over {
            self.revoke(error.clone());
        }
        is_over
    }

    /// From now on nothing is installed. What is held is wiped by a [`revoke`](Known::revoke) that follows.
    pub(crate) fn close(&self) {
        self.told.is_closed();
        self.closed.store(true, Ordering::Release);
    }

    /// Wipes everything: the lease is lost, or the vault closed.
    pub(crate) fn revoke(&self, why: KeyStoreError) {
        *lock(&self.trouble) = Some(why.clone());
        self.wipe();
        self.told.is_lost(&why);
    }

    /// Wipes what the lease covers if it ran out and no read came back that would say so. By the watchdog, which waits for no store. How long the
    /// lease still ran; `None` if nothing was held.
    pub(crate) fn wipe_if_lapsed(&self) -> Option<Duration> {
        let left = self.lease.remaining();
        self.snapshot()?;
        if left.is_zero() {
            self.wipe_lapsed();
        }
        Some(left)
    }

    fn wipe_lapsed(&self) {
        let why = self.lapsed();
        let leaving = lock(&self.installing);
        // It may have been renewed just now.
        if self.snapshot().is_none() || !self.lease.remaining().is_zero() {
            return;
        }
        lock(&self.trouble).get_or_insert_with(|| why.clone());
        self.wipe_under(leaving);
        // Last, and with no lock held: whoever listens is the application's, and may write to a disk that hangs.
        self.told.is_lost(&why);
    }

    pub(crate) fn wipe(&self) {
        self.wipe_under(lock(&self.installing));
    }

    fn wipe_under(&self, mut leaving: MutexGuard<'_, Vec<DropSignal>>) {
        // First: whoever looks before giving a result out finds no lease.
        self.lease.disarm();
        let before = self.replace_snapshot(None);
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
