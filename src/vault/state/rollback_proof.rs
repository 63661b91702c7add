//! What proves that a key store was rolled back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::error::KeyStoreError;
use crate::events;
use crate::root_record::{Finding, Record};
use crate::sync::lock;
use crate::vault::commit::{CommitError, Engine, Step};
use crate::vault::process::Process;
use crate::witness::Witness;

/// Something that this vault once did, and that its record may have forgotten. Each is authenticated and names this vault; what a single value
/// says is an [alarm](super::alarm) at most.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RollbackProof {
    /// A durable state that this process held.
    Held(Witness),
    /// The highest generation that the journal names, which this vault signed.
    Journal(u64),
    /// The mark beside the pages, as it stood before the record was read.
    Mark(u64),
}

impl RollbackProof {
    /// The generation that is proven to have existed and is not in this record's history. `None`: it proves nothing.
    pub(crate) fn against(self, record: &Record) -> Option<u64> {
        let have = record.clear.generation;
        match self {
            RollbackProof::Held(witness) => record.contradicts(witness),
            RollbackProof::Journal(seen) => (seen > have).then_some(seen),
            // A commit that was killed before it wrote the record leaves a mark one higher.
            RollbackProof::Mark(mark) => (mark > have + 1).then_some(mark),
        }
    }
}

impl Process {
    /// Marks the record if the proof still holds under the lock, so that every process refuses; and says so.
    pub(crate) fn unless_proven(self: &Arc<Process>, proof: RollbackProof) -> Result<(), KeyStoreError> {
        let snapshot = self.snapshot();
        if snapshot.as_ref().is_some_and(|state| proof.against(&state.facts).is_none()) {
            return Ok(());
        }
        let unmarked = snapshot.map(|state| (state.facts.clear.generation, proof.against(&state.facts)));
        let patience = Some(self.settings.patience);
        let marked = self.worker.run(self, patience, move |process| {
            let mut engine = lock(&process.engine);
            process.mark_gone_back(&mut engine, proof)
        });
        match (marked, unmarked) {
            (Some(Ok(None)), _) => Ok(()),
            (Some(Ok(Some(error))), _) => Err(error),
            // It could not be written down; at least this process refuses from now on.
            (_, Some((have, Some(seen)))) => Err(self.refuse(proof, have, seen)),
            (Some(Err(error)), _) => Err(error),
            (None, _) => Err(self.lapsed()),
        }
    }

    /// Writes down that the key store was rolled back, unless the record as it is under the lock is not touched by
    /// the proof. What this process knew before stays what it knows: if the right record is put back, all is well.
    pub(in crate::vault) fn mark_gone_back(
        &self,
        engine: &mut Engine,
        proof: RollbackProof,
    ) -> Result<Option<KeyStoreError>, KeyStoreError> {
        engine.known = None;
        engine.scope = self.scope();
        // What it was about to change, it does not: it marks the record in all places that are listed.
        engine.change = None;
        let marked = engine.commit(
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
            &mut |_, _, _| Ok(()),
        );
        let found = marked.map_err(CommitError::cause)?.value;
        Ok(found.map(|(have, seen)| self.refuse(proof, have, seen)))
    }

    pub(in crate::vault) fn refuse(&self, proof: RollbackProof, have: u64, seen: u64) -> KeyStoreError {
        events::gone_back(have, seen);
        let error = KeyStoreError::RolledBack { have, seen };
        *lock(&self.refused) = Some(proof);
        self.revoke(error.clone());
        error
    }

    /// Has the record marked, without waiting for it.
    pub(in crate::vault) fn mark_soon(self: &Arc<Process>, proof: RollbackProof) {
        if self.settings.threaded {
            // Every read asks for it anew, as long as it could not be done.
            if self.is_marking.swap(true, Ordering::AcqRel) {
                return;
            }
            drop(self.worker.post(self, move |process| {
                let _ = process.mark_gone_back(&mut lock(&process.engine), proof);
                process.is_marking.store(false, Ordering::Release);
            }));
        } else if let Ok(mut engine) = self.engine.try_lock() {
            let _ = self.mark_gone_back(&mut engine, proof);
        }
    }
}
