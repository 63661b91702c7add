//! Commits of this process: carried out, installed, and what came of them.

use std::sync::Arc;
use std::time::Duration;

use crate::error::KeyStoreError;
use crate::journal::Journal;
use crate::vault::commit::{CommitError, Committed, Done, Draft, ListChange, Plan, Step, Terms, Then};
use crate::vault::process::Process;
use crate::vault::process::take_over::TakenOverBy;
use crate::vault::state::RollbackProof;

impl Process {
    /// Commits, and publishes what came of it. On the worker, or where there is none.
    ///
    /// Gives the plan's value, and what could not be overwritten. Readers of older snapshots may not have let go yet.
    pub(crate) fn commit<T>(self: &Arc<Process>, plan: &mut Plan<'_, T>) -> Result<Done<T>, CommitError> {
        self.commit_with(None, plan, None)
    }

    /// The same, and does something more while no other process can commit, once the record is whole.
    pub(crate) fn commit_then<T>(
        self: &Arc<Process>,
        plan: &mut Plan<'_, T>,
        then: &mut Then<'_, T>,
    ) -> Result<Done<T>, CommitError> {
        self.commit_with(None, plan, Some(then))
    }

    /// The same for a plan that changes the list of places.
    pub(in crate::vault) fn commit_list<T>(
        self: &Arc<Process>,
        change: ListChange,
        plan: &mut Plan<'_, T>,
    ) -> Result<Done<T>, CommitError> {
        self.commit_with(Some(change), plan, None)
    }

    /// Has what was merely seen made durable: a commit of another process may have been killed before it knew. It writes, so it is
    /// tried once in a quarter of a lease.
    #[cold]
    pub(crate) fn settle(self: &Arc<Process>) -> Result<(), KeyStoreError> {
        let now = self.known.now();
        let pause = self.known.snapshot().map_or(Duration::ZERO, |state| state.facts.lease / 4);
        if !self.commits.settled.begins(now, pause) {
            return Err(KeyStoreError::NotDurableYet);
        }
        let settled = self.workers.commits.run(self, Some(self.settings.patience), |process| {
            let done = process.commit(&mut |draft| {
                draft.refuse_if_gone_back()?;
                Ok(Step::Done(()))
            });
            done.map_err(CommitError::cause)?.in_every_place().map(drop)
        });
        settled.unwrap_or(Err(KeyStoreError::NotDurableYet))
    }

    /// Commits, unless the record says itself that this generation is durable. Then every process knows it that reads the record,
    /// also one that cannot see every place.
    pub(crate) fn publish_as_durable(
        self: &Arc<Process>,
        made: impl Fn(&Draft<'_>) -> Result<u64, KeyStoreError>,
    ) -> Result<(), CommitError> {
        let done = self.commit(&mut |draft| {
            draft.refuse_if_gone_back()?;
            draft.names_its_base = true;
            let is_published = made(draft)? <= draft.record.settled;
            Ok(if is_published { Step::Keep(()) } else { Step::Write(Vec::new(), ()) })
        });
        done.map(drop)
    }

    /// What came of a commit. If that is not known: refresh, so that later callers see no stale state.
    pub(crate) fn reread_if_unknown<T>(
        self: &Arc<Process>,
        done: Result<Done<T>, CommitError>,
    ) -> Result<Done<T>, CommitError> {
        if matches!(done, Err(CommitError::Unknown(_))) {
            // Its own failure is shown to whoever asks next.
            let _ = self.refresh();
        }
        done
    }

    fn commit_with<T>(
        self: &Arc<Process>,
        change: Option<ListChange>,
        plan: &mut Plan<'_, T>,
        then: Option<&mut Then<'_, T>>,
    ) -> Result<Done<T>, CommitError> {
        // Here, where all that writes a record or pages passes, but for evidence.
        if self.settings.read_only {
            return Err(CommitError::NothingHappened(KeyStoreError::ReadOnly));
        }
        // Held to the end: what commits of this process make is installed in the order in which they made it.
        let turn = self.commits.turn();
        let terms = Terms {
            scope: self.known.scope(),
            change,
            held: self.known.latest_durable(),
            // What no crash can take away any more.
            vouched: self.open_file().and_then(Journal::durable),
            known: Some(self.known.clone()),
        };
        // Before the record is read: the lease begins no later than what is known of it.
        let sent = self.known.now();
        // Pages that the snapshot has in memory are taken over. It is dropped before the new one is installed: a shred waits for whoever holds
        // an older one.
        let committed = self.commits.commit(&turn, &terms, &|| self.known.snapshot(), plan, then);
        match &committed {
            // What only looked proves nothing.
            Ok(Committed { wrote: false, old_copy: None, .. }) => {}
            committed => {
                self.commits.readiness.committed(committed.as_ref().map(|committed| committed.old_copy.as_ref()))
            }
        }
        if let (Err(CommitError::NothingHappened(KeyStoreError::RolledBack { .. })), Some(held)) =
            (&committed, terms.held)
        {
            self.mark_gone_back(&turn, RollbackProof::Held(held))?;
        }
        if let (Err(CommitError::NothingHappened(KeyStoreError::RolledBack { .. })), Some(seen)) =
            (&committed, self.open_file().map(Journal::highest_generation))
        {
            self.mark_gone_back(&turn, RollbackProof::Journal(seen))?;
        }
        let Committed { value, state, old_copy, durable, wrote } = committed?;
        if wrote {
            self.journal.root_key_may_have_moved();
        }
        // What another process committed before it, too.
        self.take_over(&state, TakenOverBy::Commit);
        let state = Arc::new(state);
        // Closed meanwhile, or refused: the commit counts all the same, and nothing is held any more.
        let _ = self.known.install(sent, state.clone(), durable);
        let is_durable = durable >= state.facts.clear.generation;
        Ok(Done { value, is_durable, old_copy, state })
    }
}
