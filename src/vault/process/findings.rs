//! What is done with evidence: a proof of a rollback has the record marked, so that every process refuses; what one value shows raises an alarm.

use std::sync::Arc;

use crate::error::{KeyStoreError, OpenError};
use crate::events;
use crate::field::Belongs;
use crate::root_record::Finding;
use crate::vault::commit::{CommitError, Step, Terms, Turn};
use crate::vault::process::Process;
use crate::vault::state::{Claim, RollbackProof, VaultState};
use crate::witness::Witness;

impl Process {
    /// Marks the record if the proof still holds under the lock, so that every process refuses; and says so.
    pub(crate) fn unless_proven(self: &Arc<Process>, proof: RollbackProof) -> Result<(), KeyStoreError> {
        let snapshot = self.known.snapshot();
        if snapshot.as_ref().is_some_and(|state| proof.against(&state.facts).is_none()) {
            return Ok(());
        }
        let unmarked = snapshot.map(|state| (state.facts.clear.generation, proof.against(&state.facts)));
        let patience = Some(self.settings.patience);
        let marked = self
            .workers
            .commits
            .run(self, patience, move |process| process.mark_gone_back(&process.commits.turn(), proof));
        match (marked, unmarked) {
            (Some(Ok(None)), _) => Ok(()),
            (Some(Ok(Some(error))), _) => Err(error),
            // It could not be written down; at least this process refuses from now on.
            (_, Some((have, Some(seen)))) => Err(self.known.refuse(proof, have, seen)),
            (Some(Err(error)), _) => Err(error),
            (None, _) => Err(self.known.lapsed()),
        }
    }

    /// Writes down that the key store was rolled back, unless the record as it is under the lock is not touched by
    /// the proof. What this process knew before stays what it knows: if the right record is put back, all is well.
    ///
    /// It vouches for no entry of the journal: what the record lacks is part of the proof, and is to be seen by whoever recovers it.
    pub(in crate::vault) fn mark_gone_back(
        &self,
        turn: &Turn<'_>,
        proof: RollbackProof,
    ) -> Result<Option<KeyStoreError>, KeyStoreError> {
        if self.settings.read_only {
            // Whoever only looks refuses for itself.
            let Some(state) = self.known.snapshot() else { return Ok(None) };
            let (have, seen) = (state.facts.clear.generation, proof.against(&state.facts));
            drop(state);
            return Ok(seen.map(|seen| self.known.refuse(proof, have, seen)));
        }
        // Whatever was about to be changed is not: it marks the record in all places that are listed.
        let terms = Terms { scope: self.known.scope(), known: Some(self.known.clone()), ..Terms::default() };
        let marked = self.commits.commit(
            turn,
            &terms,
            &|| None,
            &mut |draft| {
                let Some(seen) = proof.against(&draft.record) else { return Ok(Step::Keep(None)) };
                let found = Some((draft.record.clear.generation, seen));
                if draft.record.gone_back().is_some_and(|known| known >= seen) {
                    return Ok(Step::Keep(found));
                }
                draft.record.add_finding(Finding::RolledBack(seen));
                Ok(Step::Write(Vec::new(), found))
            },
            None,
        );
        let found = marked.map_err(CommitError::cause)?.value;
        Ok(found.map(|(have, seen)| self.known.refuse(proof, have, seen)))
    }

    /// Has the record marked, without waiting for it.
    pub(in crate::vault) fn mark_soon(self: &Arc<Process>, proof: RollbackProof) {
        if self.settings.threaded {
            // Every read asks for it anew, as long as it could not be done.
            if !self.workers.is_marking.ask() {
                return;
            }
            drop(self.workers.commits.post(self, move |process| {
                let _ = process.mark_gone_back(&process.commits.turn(), proof);
                process.workers.is_marking.answer();
            }));
        } else if let Some(turn) = self.commits.try_turn() {
            let _ = self.mark_gone_back(&turn, proof);
        }
    }

    /// Refuses an authentic value whose witness names a record that is not of this vault's history.
    #[cold]
    pub(crate) fn check_witness(self: &Arc<Process>, at: Belongs, packed: u64) -> Result<(), OpenError> {
        if self.settings.is_copy {
            // A copy may be given what its original sealed since.
            return Ok(());
        }
        let witness = Witness::from_packed(packed);
        if self.explains(&*self.state()?, witness) {
            return Ok(());
        }
        // This process may merely not know yet. No snapshot is held while waiting: a refresh waits for readers.
        self.reread()?;
        if self.explains(&*self.state()?, witness) {
            return Ok(());
        }
        self.raise(at, Claim::Witness(witness))
    }

    /// Refuses an authentic value of a number that this vault has not issued, as far as it knows.
    #[cold]
    pub(crate) fn check_number(self: &Arc<Process>, at: Belongs, witness: u64) -> Result<(), OpenError> {
        if self.settings.is_copy {
            return Err(OpenError::NotEnrolled { at });
        }
        self.raise(at, Claim::Number(at.customer.get(), Witness::from_packed(witness).generation))
    }

    fn explains(&self, state: &VaultState, witness: Witness) -> bool {
        if state.facts.descends_from(witness) == Some(true) {
            self.known.remember_proven(witness);
        }
        state.facts.contradicts(witness).is_none()
    }

    fn raise(self: &Arc<Process>, at: Belongs, claim: Claim) -> Result<(), OpenError> {
        let state = self.state()?;
        let Some(seen) = claim.against(&state.facts) else { return Ok(()) };
        let (have, is_known) = (state.facts.clear.generation, state.facts.finding.is_some());
        drop(state);
        events::alarm(have, seen);
        if !is_known {
            self.write_alarm_soon(claim, seen);
        }
        Err(OpenError::NotOfThisHistory { at, have, seen })
    }

    /// Has it written down without waiting for that.
    fn write_alarm_soon(self: &Arc<Process>, claim: Claim, seen: u64) {
        if !self.known.alarm.raise(seen, self.known.now(), self.known.last_lease()) {
            return;
        }
        let write = move |process: &Arc<Process>| {
            // An error leaves it with this process, and the next such value tries again.
            if process.write_alarm(claim).is_ok() {
                process.known.alarm.forget();
            }
        };
        if self.settings.threaded { drop(self.workers.commits.post(self, write)) } else { write(self) }
    }

    fn write_alarm(self: &Arc<Process>, claim: Claim) -> Result<(), KeyStoreError> {
        let done = self.commit(&mut |draft| match claim.against(&draft.record) {
            Some(seen) if draft.record.finding.is_none() => {
                draft.record.add_finding(Finding::Alarm(seen));
                Ok(Step::Write(Vec::new(), ()))
            }
            _ => Ok(Step::Keep(())),
        });
        done.map(drop).map_err(CommitError::cause)
    }
}
