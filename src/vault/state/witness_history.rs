//! What a process knew when: for the witness in sealed values, and for the age of what it knows.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Moment;
use crate::witness::Witness;

pub(crate) struct WitnessHistory {
    /// Confirmed states, oldest first, back to one that is a lease old.
    states: VecDeque<(Moment, Witness)>,
    /// R9: the newest state that was known to be durable: the vault must never be seen before it. What was merely seen may vanish,
    /// and proves nothing.
    latest: Option<Witness>,
    /// The newest generation that was seen, and when.
    seen: Option<(Moment, u64)>,
    confirmed: Option<Moment>,
    lease: Duration,
}

impl WitnessHistory {
    pub(crate) fn new() -> WitnessHistory {
        WitnessHistory { states: VecDeque::new(), latest: None, seen: None, confirmed: None, lease: Duration::ZERO }
    }

    /// A record of that generation was read at `sent`, and it is `now`. `durable` is the newest state of its history that is known
    /// to be durable. Tells whether the clocks jumped since the last time.
    pub(crate) fn confirm(
        &mut self,
        sent: Moment,
        now: Moment,
        lease: Duration,
        generation: u64,
        durable: Option<Witness>,
    ) -> bool {
        let jumped = self.jumped(now);
        // A read that overlapped a commit may come in after it.
        let later = self.confirmed.filter(|before| before.boot > sent.boot && !jumped);
        let confirmed = later.unwrap_or(sent);
        self.confirmed = Some(confirmed);
        self.lease = lease;
        self.latest = durable.or(self.latest);
        self.seen = Some((now, generation));
        // A value must never witness a generation that a crash could still take back.
        if let Some(durable) = durable {
            self.states.push_back((confirmed, durable));
        }
        while self.states.get(1).is_some_and(|(moment, _)| confirmed.age_since(*moment) >= lease) {
            self.states.pop_front();
        }
        jumped
    }

    /// The witness of one lease before `now`; none in the first lease.
    pub(crate) fn to_seal(&self, now: Moment) -> Option<Witness> {
        let (moment, witness) = self.states.front()?;
        (now.age_since(*moment) >= self.lease).then_some(*witness)
    }

    /// Whether something newer than that generation was seen after that moment.
    pub(crate) fn was_seen_later(&self, sent: Moment, generation: u64) -> bool {
        self.seen.is_some_and(|(at, seen)| seen > generation && at.boot > sent.boot)
    }

    pub(crate) fn latest(&self) -> Option<Witness> {
        self.latest
    }

    pub(crate) fn latest_confirmation(&self) -> Option<Moment> {
        self.confirmed
    }

    pub(crate) fn since_confirmed(&self, now: Moment) -> Duration {
        self.confirmed.map_or(Duration::MAX, |confirmed| now.age_since(confirmed))
    }

    /// Whether a read that was sent after that moment came back.
    pub(crate) fn was_confirmed_since(&self, moment: Moment) -> bool {
        self.confirmed.is_some_and(|confirmed| confirmed.boot > moment.boot)
    }

    /// Whether the clocks jumped since the last read.
    pub(crate) fn jumped(&self, now: Moment) -> bool {
        self.confirmed.is_some_and(|before| now.disagrees_with(before))
    }

    pub(crate) fn lease(&self) -> Duration {
        self.lease
    }

    /// The lease is lost: what follows is a first lease again. What was seen is not forgotten.
    pub(crate) fn lose(&mut self) {
        self.states.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment { boot: millis * 1_000_000, wall: 1_000_000_000 + millis * 1_000_000 }
    }

    fn witness(generation: u64) -> Witness {
        Witness { generation, id: [generation as u8; 3] }
    }

    #[test]
    fn a_witness_is_a_lease_old() {
        let mut history = WitnessHistory::new();
        let lease = Duration::from_millis(100);
        for step in 0..10 {
            history.confirm(at(step * 25), at(step * 25), lease, step + 1, Some(witness(step + 1)));
            let expected = step.checked_sub(4).map(|before| witness(before + 1));
            assert_eq!(history.to_seal(at(step * 25)), expected, "step {step}");
        }
        history.lose();
        assert_eq!(history.to_seal(at(1000)), None, "a first lease again");
        assert_eq!(history.latest(), Some(witness(10)), "but never back");
    }

    #[test]
    fn what_is_merely_seen_is_no_witness_and_no_floor() {
        let mut history = WitnessHistory::new();
        let lease = Duration::from_millis(100);
        history.confirm(at(0), at(0), lease, 5, Some(witness(4)));
        for step in 1..10 {
            history.confirm(at(step * 50), at(step * 50), lease, 9, Some(witness(4)));
        }
        assert_eq!((history.to_seal(at(450)), history.latest()), (Some(witness(4)), Some(witness(4))));
        // But a read from before it was seen does not take it back.
        assert!(history.was_seen_later(at(440), 8) && !history.was_seen_later(at(440), 9));
        assert!(!history.was_seen_later(at(460), 8), "one that was sent later does: it vanished");
    }

    #[test]
    fn a_jump_is_told() {
        let mut history = WitnessHistory::new();
        let lease = Duration::from_secs(1);
        assert!(!history.confirm(at(0), at(0), lease, 1, None));
        assert!(!history.confirm(at(500), at(500), lease, 1, None));
        // A commit that waited long is installed after a read that was sent later: no clock jumped, and nothing is taken
        // back.
        assert!(!history.confirm(at(100), at(600), lease, 2, None));
        assert_eq!(history.latest_confirmation(), Some(at(500)));
        let set_forward = Moment { boot: 600_000_000, wall: 100_000_000_000 };
        assert!(history.confirm(set_forward, set_forward, lease, 1, None));
    }
}
