//! What one value shows that this vault's history does not explain.
//!
//! It refuses that value and nothing else: whoever can write in a table could put there what a copy of the vault has sealed. The alarm that is
//! raised is written into the record, once, so that whoever asks any process for its health learns of it.

use std::sync::Arc;

use crate::clock::Moment;
use crate::error::{KeyStoreError, OpenError};
use crate::events;
use crate::field::Belongs;
use crate::root_record::{Finding, Record};
use crate::sync::{Mutex, lock};
use crate::vault::commit::{CommitError, Step};
use crate::vault::process::Process;
use crate::vault::state::VaultState;
use crate::witness::Witness;

/// The alarm as this process knows it.
pub(crate) struct Alarm {
    raised: Mutex<Option<Raised>>,
}

struct Raised {
    seen: u64,
    /// When it was last tried to write it down.
    tried: Moment,
}

/// What an authentic value says of the vault that sealed it.
#[derive(Clone, Copy)]
enum Claim {
    /// The record that it knew.
    Witness(Witness),
    /// A number that it had issued, and the generation that the witness beside it names.
    Number(u64, u64),
}

impl Claim {
    /// The generation in which the value was sealed at the earliest, if that is not of this record's history.
    fn against(self, record: &Record) -> Option<u64> {
        match self {
            Claim::Witness(witness) => record.contradicts(witness),
            Claim::Number(number, generation) => {
                (number >= record.next_number).then(|| generation.max(record.clear.generation + 1))
            }
        }
    }
}

impl Alarm {
    pub(crate) fn new() -> Alarm {
        Alarm { raised: Mutex::new(None) }
    }

    /// The generation that a value named, if that could not be written down: then only this process knows.
    pub(crate) fn seen(&self) -> Option<u64> {
        lock(&self.raised).as_ref().map(|raised| raised.seen)
    }

    /// It is in the record, or was cleared there.
    pub(crate) fn forget(&self) {
        *lock(&self.raised) = None;
    }
}

impl Process {
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
            self.remember_proven(witness);
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

    /// Has it written down without waiting for that, and while it cannot be not more often than once a lease: how many such values there
    /// are is up to whoever put them there.
    fn write_alarm_soon(self: &Arc<Process>, claim: Claim, seen: u64) {
        let (now, lease) = (self.lease.clock().now(), lock(&self.witness_history).lease());
        {
            let mut raised = lock(&self.alarm.raised);
            if raised.as_ref().is_some_and(|raised| now.age_since(raised.tried) < lease) {
                return;
            }
            *raised = Some(Raised { seen, tried: now });
        }
        let write = move |process: &Arc<Process>| {
            // An error leaves it with this process, and the next such value tries again.
            if process.write_alarm(claim).is_ok() {
                process.alarm.forget();
            }
        };
        if self.settings.threaded { drop(self.worker.post(self, write)) } else { write(self) }
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
