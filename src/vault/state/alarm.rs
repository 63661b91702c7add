//! What one value shows that this vault's history does not explain.
//!
//! It refuses that value and nothing else: whoever can write in a table could put there what a copy of the vault has sealed. The alarm that is
//! raised is written into the record, once, so that whoever asks any process for its health learns of it.

use std::time::Duration;

use crate::clock::Moment;
use crate::root_record::Record;
use crate::sync::{Mutex, lock};
use crate::witness::Witness;

/// The alarm as this process knows it.
#[derive(Default)]
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
pub(crate) enum Claim {
    /// The record that it knew.
    Witness(Witness),
    /// A number that it had issued, and the generation that the witness beside it names.
    Number(u64, u64),
}

impl Claim {
    /// The generation in which the value was sealed at the earliest, if that is not of this record's history.
    pub(crate) fn against(self, record: &Record) -> Option<u64> {
        match self {
            Claim::Witness(witness) => record.contradicts(witness),
            Claim::Number(number, generation) => {
                (number >= record.next_number).then(|| generation.max(record.clear.generation + 1))
            }
        }
    }
}

impl Alarm {
    /// The generation that a value named, if that could not be written down: then only this process knows.
    pub(crate) fn seen(&self) -> Option<u64> {
        lock(&self.raised).as_ref().map(|raised| raised.seen)
    }

    /// A value names that generation. Tells whether it is to be written down now: while it cannot be, not more often than once a lease, since how
    /// many such values there are is up to whoever put them there.
    pub(crate) fn raise(&self, seen: u64, now: Moment, lease: Duration) -> bool {
        let mut raised = lock(&self.raised);
        if raised.as_ref().is_some_and(|raised| now.age_since(raised.tried) < lease) {
            return false;
        }
        *raised = Some(Raised { seen, tried: now });
        true
    }

    /// It is in the record, or was cleared there.
    pub(crate) fn forget(&self) {
        *lock(&self.raised) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root_record::example;

    #[test]
    fn an_alarm_is_written_down_once_a_lease_at_most() {
        let at = |millis: u64| Moment { boot: millis * 1_000_000, wall: millis * 1_000_000 };
        let (alarm, lease) = (Alarm::default(), Duration::from_millis(100));
        assert_eq!(alarm.seen(), None);
        assert!(alarm.raise(7, at(0), lease) && !alarm.raise(8, at(99), lease));
        assert_eq!(alarm.seen(), Some(7), "until it is written down");
        assert!(alarm.raise(8, at(100), lease));
        alarm.forget();
        assert_eq!(alarm.seen(), None);
        assert!(alarm.raise(9, at(101), lease), "written down before, it is a new one");
    }

    #[test]
    fn a_number_that_was_not_issued_is_of_a_later_record() {
        let record = example();
        let (have, next) = (record.clear.generation, record.next_number);
        assert_eq!(Claim::Number(next - 1, have + 5).against(&record), None);
        assert_eq!(Claim::Number(next, have + 5).against(&record), Some(have + 5));
        assert_eq!(Claim::Number(next, 0).against(&record), Some(have + 1));
        assert_eq!(Claim::Witness(record.witness()).against(&record), None);
    }
}
