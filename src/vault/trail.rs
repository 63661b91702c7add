//! What a process knew when: for the witness in sealed values, and for the age of what it knows.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Moment;
use crate::witness::Witness;

pub(crate) struct Trail {
    /// Confirmed states, oldest first, back to one that is a lease old.
    states: VecDeque<(Moment, Witness)>,
    /// The newest state that was ever known: the vault must never be seen before it.
    latest: Option<Witness>,
    confirmed: Option<Moment>,
    lease: Duration,
}

impl Trail {
    pub(crate) fn new() -> Trail {
        Trail { states: VecDeque::new(), latest: None, confirmed: None, lease: Duration::ZERO }
    }

    /// The record was read at `sent`, and it is `now`. `newest` is its witness, unless it is of no history that may be
    /// relied on; `lowest` that of the oldest copy, if all could be read. Tells whether the clocks jumped since the last
    /// time.
    pub(crate) fn confirm(
        &mut self,
        sent: Moment,
        now: Moment,
        lease: Duration,
        newest: Option<Witness>,
        lowest: Option<Witness>,
    ) -> bool {
        let jumped = self.jumped(now);
        // A read that overlapped a commit may come in after it.
        let later = self.confirmed.filter(|before| before.boot > sent.boot && !jumped);
        let confirmed = later.unwrap_or(sent);
        self.confirmed = Some(confirmed);
        self.lease = lease;
        self.latest = newest.or(self.latest);
        // A value must never witness a generation that a crash could still take back, so the lowest of all copies
        // counts, and a copy that could not be read may be anything.
        if let Some(lowest) = lowest {
            self.states.push_back((confirmed, lowest));
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
        let mut trail = Trail::new();
        let lease = Duration::from_millis(100);
        for step in 0..10 {
            trail.confirm(at(step * 25), at(step * 25), lease, Some(witness(step + 1)), Some(witness(step + 1)));
            let expected = step.checked_sub(4).map(|held| witness(held + 1));
            assert_eq!(trail.to_seal(at(step * 25)), expected, "step {step}");
        }
        trail.lose();
        assert_eq!(trail.to_seal(at(1000)), None, "a first lease again");
        assert_eq!(trail.latest(), Some(witness(10)), "but never back");
    }

    #[test]
    fn an_unread_copy_stops_the_witness() {
        let mut trail = Trail::new();
        let lease = Duration::from_millis(100);
        trail.confirm(at(0), at(0), lease, Some(witness(5)), Some(witness(4)));
        for step in 1..10 {
            trail.confirm(at(step * 50), at(step * 50), lease, Some(witness(9)), None);
        }
        assert_eq!(trail.to_seal(at(450)), Some(witness(4)), "the oldest copy counts, not the newest");
    }

    #[test]
    fn a_jump_is_told() {
        let mut trail = Trail::new();
        assert!(!trail.confirm(at(0), at(0), Duration::from_secs(1), Some(witness(1)), None));
        assert!(!trail.confirm(at(500), at(500), Duration::from_secs(1), Some(witness(1)), None));
        // A commit that waited long is learned of after a read that was sent later: no clock jumped, and nothing is taken
        // back.
        assert!(!trail.confirm(at(100), at(600), Duration::from_secs(1), Some(witness(2)), None));
        assert_eq!(trail.latest_confirmation(), Some(at(500)));
        let set_forward = Moment { boot: 600_000_000, wall: 100_000_000_000 };
        assert!(trail.confirm(set_forward, set_forward, Duration::from_secs(1), Some(witness(1)), None));
    }
}
