//! Reads of the root record: each installs the snapshot that it leads to, and renews the lease. Whoever finds that it lapsed asks for one.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Moment;
use crate::error::KeyStoreError;
use crate::events;
use crate::vault::commit::{AtAGlance, Seen};
use crate::vault::process::Process;
use crate::vault::process::take_over::TakenOverBy;
use crate::vault::state::{Held, READS_A_LEASE, VaultState};
use crate::witness::Witness;

/// Between two reads that unknown numbers or trees ask for: long enough that rows of somebody else's making cost little, short enough for
/// whoever waits.
const EXTRA_READS: Duration = Duration::from_millis(50);

impl Process {
    /// The snapshot, after one re-read if the lease has lapsed.
    pub(crate) fn state(self: &Arc<Process>) -> Result<Held, KeyStoreError> {
        if self.known.is_fresh()
            && let Some(state) = self.known.held()
        {
            return state.unless_gone_back().map(|()| state);
        }
        self.reread()?;
        self.known.state()
    }

    /// The snapshot, read anew here if the lease has lapsed: for the thread that commits.
    pub(crate) fn state_now(self: &Arc<Process>) -> Result<Held, KeyStoreError> {
        if !self.known.is_fresh() {
            self.refresh()?;
        }
        self.known.state()
    }

    /// Asks before a result is given out whether it still may be.
    #[inline]
    pub(crate) fn confirm_lease(self: &Arc<Process>) -> Result<(), KeyStoreError> {
        if self.known.is_fresh() { Ok(()) } else { self.reread() }
    }

    /// One re-read of the record, waited for a bounded time.
    #[cold]
    pub(crate) fn reread(self: &Arc<Process>) -> Result<(), KeyStoreError> {
        let patience = self.settings.patience;
        let outcome = self.workers.reads.run(self, Some(patience), |process| process.refresh());
        match outcome {
            Some(Ok(())) if self.known.is_fresh() => Ok(()),
            Some(Err(error)) => Err(match error {
                KeyStoreError::Store(_)
                | KeyStoreError::FirstPlaceAway { .. }
                | KeyStoreError::FirstPlaceBehind { .. } => self.known.lapsed(),
                error => error,
            }),
            _ => Err(self.known.lapsed()),
        }
    }

    /// One re-read because a value names something this process does not know. Whoever supplies values could make it
    /// read for each: so one who asks too soon after another waits until a read that began later than this call is done,
    /// and shares it with all who wait.
    pub(crate) fn extra_read(self: &Arc<Process>) -> Result<(), KeyStoreError> {
        let asked = self.known.now();
        let pause = self.known.snapshot().map_or(Duration::ZERO, |state| (state.facts.lease / 4).min(EXTRA_READS));
        let wait = self.known.extra_reads.wait(asked, pause);
        // Without a thread, time may stand still.
        if !wait.is_zero() && self.settings.threaded {
            std::thread::sleep(wait);
            if self.known.was_confirmed_since(asked) {
                return Ok(());
            }
            self.known.extra_reads.begun(self.known.now());
        }
        self.reread()
    }

    /// Reads the record again and replaces the snapshot if it changed. On the reading thread, or where there is none.
    pub(crate) fn refresh(self: &Arc<Process>) -> Result<(), KeyStoreError> {
        if self.known.snapshot().is_some() && !self.known.is_fresh() {
            // A process that slept through its lease begins again, as one whose store was away.
            self.known.wipe();
        }
        // First, and so dropped last.
        let _reading = self.known.begin_read();
        // Before the read: what a commit of this process adds meanwhile, the read need not have seen.
        let held = self.known.latest_durable();
        let sent = self.known.now();
        let state = || self.known.snapshot();
        let most = self.patience_with_places();
        match self.commits.read(&state, &self.known.scope(), most) {
            Ok(Seen::Unchanged { state, durable, trouble }) => {
                self.known.install(sent, state, durable)?;
                self.tried_to_see_all(trouble);
                self.repair_if_it_lasts(false, sent);
                Ok(())
            }
            Ok(Seen::Changed { state, durable, needs_repair, trouble }) => {
                self.check_found(&state, held)?;
                let is_new = self.known.snapshot().is_none_or(|before| before.facts.clear.id != state.facts.clear.id);
                if is_new && self.known.snapshot().is_some() {
                    events::refreshed(state.facts.clear.generation);
                }
                // One that was read before a commit of this process, and is looked at after it, holds what that shredded: it is to go at once.
                let generation = state.facts.clear.generation;
                if self.known.snapshot().is_some_and(|before| before.facts.clear.generation < generation) {
                    self.take_over(&state, TakenOverBy::Read);
                }
                self.known.install(sent, Arc::new(*state), durable)?;
                self.tried_to_see_all(trouble);
                self.repair_if_it_lasts(needs_repair, sent);
                Ok(())
            }
            Err(error) => {
                if matches!(error, KeyStoreError::FirstPlaceBehind { .. }) {
                    self.bring_forward(sent);
                }
                if self.known.failed_to_read(&error)
                    && matches!(error, KeyStoreError::WrongRootKey)
                    && !self.known.scope().list.is_empty()
                {
                    // The first place itself shows a record of this vault under another one: the vault moved to a root key that this
                    // process was not given. The one before opens nothing any more but copies of old records, and is of no use here: it
                    // must be unlocked anew.
                    self.commits.keyring().forget();
                }
                Err(error)
            }
        }
    }

    /// The store told of a change: what it shows is taken as seen, so that a shred is obeyed at once, and others who commit all the while have no flush
    /// made by each who hears of it. The next read of the lease makes it durable. What a glance cannot tell, that read does now.
    pub(crate) fn refresh_told(self: &Arc<Process>) -> Result<(), KeyStoreError> {
        if self.known.is_fresh()
            && let Some(done) = self.glance()
        {
            return done;
        }
        self.refresh()
    }

    /// `None`: it has to be read.
    fn glance(self: &Arc<Process>) -> Option<Result<(), KeyStoreError>> {
        let _reading = self.known.begin_read();
        // As for a read.
        let held = self.known.latest_durable();
        let sent = self.known.now();
        let (state, durable) = match self.commits.glance(&|| self.known.snapshot(), &self.known.scope()) {
            AtAGlance::Unchanged => return Some(Ok(())),
            AtAGlance::Unclear => return None,
            AtAGlance::Changed { state, durable } => (state, durable),
        };
        let generation = state.facts.clear.generation;
        let is_odd =
            !self.known.is_of_this_vault(&state.facts) || self.known.proof_against(&state.facts, held).is_some();
        if is_odd || state.facts.gone_back().is_some() {
            return None;
        }
        events::refreshed(generation);
        if self.known.snapshot().is_some_and(|before| before.facts.clear.generation < generation) {
            self.take_over(&state, TakenOverBy::Read);
        }
        Some(self.known.install(sent, Arc::new(*state), durable))
    }

    /// How long a read waits for the mirrors, and then for the first place: as long as a lease may leave.
    fn patience_with_places(&self) -> [Duration; 2] {
        match self.known.last_lease() {
            Duration::ZERO => [self.settings.patience; 2],
            lease => [lease / 3, self.known.remaining().max(lease)],
        }
    }

    /// The first place was put back from a backup, and its mirrors have what came after: a commit, which sees them all, writes it there. Not
    /// more often than once in a quarter of a lease.
    fn bring_forward(self: &Arc<Process>, now: Moment) {
        let pause = self.known.last_lease() / READS_A_LEASE;
        if self.settings.threaded && self.commits.settled.begins(now, pause) {
            self.repair_soon();
        }
    }

    /// Has what is there written once more. One repair that has not begun is enough.
    fn repair_soon(self: &Arc<Process>) {
        if self.settings.read_only {
            return;
        }
        if self.workers.will_repair.ask() {
            drop(self.workers.commits.post(self, |process| {
                process.workers.will_repair.answer();
                process.repair()
            }));
        }
    }

    /// What was read must be of this vault, and come after all that this process knows.
    fn check_found(self: &Arc<Process>, state: &VaultState, held: Option<Witness>) -> Result<(), KeyStoreError> {
        if !self.known.is_of_this_vault(&state.facts) {
            let (one, other) = ("the vault that was opened".to_owned(), "what is in its place now".to_owned());
            let error = KeyStoreError::Diverged { one, other };
            self.known.revoke(error.clone());
            return Err(error);
        }
        if let Some((proof, seen)) = self.known.proof_against(&state.facts, held) {
            if state.facts.gone_back().is_none() {
                self.mark_soon(proof);
            }
            return Err(self.known.refuse(proof, state.facts.clear.generation, seen));
        }
        self.known.end_refusal();
        Ok(())
    }

    /// A commit that was killed left an old record in one copy, or one that failed is tried again in the same way: what is there is written once
    /// more.
    fn repair_if_it_lasts(self: &Arc<Process>, needs_repair: bool, now: Moment) {
        let lags = needs_repair || self.commits.readiness.commit_failed();
        let lease = self.known.snapshot().map_or(Duration::MAX, |state| state.facts.lease);
        if self.settings.threaded && self.commits.repairs.is_due(lags, now, lease) {
            self.repair_soon();
        }
    }
}
