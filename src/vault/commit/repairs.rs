//! When what is there is written once more.

use std::time::Duration;

use crate::clock::Moment;
use crate::sync::{Mutex, lock};

/// Longest pause between two tries to repair a copy.
const MOST_PAUSE: Duration = Duration::from_secs(60);

/// A commit that was killed left an old record in one copy. Whoever sees it for a whole lease overwrites it: again and again, but not so often
/// that a mirror which stays away costs much.
#[derive(Default)]
pub(crate) struct Repairs {
    lagging: Mutex<Lagging>,
}

#[derive(Default)]
struct Lagging {
    /// Since when some copy of the record is seen to be older.
    since: Option<Moment>,
    /// How long to wait before it is repaired once more.
    pause: Duration,
}

impl Repairs {
    /// Whether to repair now, where a read has seen that a copy lags, or that none does.
    pub(crate) fn is_due(&self, lags: bool, now: Moment, lease: Duration) -> bool {
        let mut lagging = lock(&self.lagging);
        if !lags {
            *lagging = Lagging::default();
            return false;
        }
        let since = *lagging.since.get_or_insert(now);
        if now.age_since(since) < lease.max(lagging.pause) {
            return false;
        }
        lagging.since = None;
        lagging.pause = lagging.pause.saturating_mul(2).clamp(lease, MOST_PAUSE.max(lease));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Moment {
        Moment { boot: seconds * 1_000_000_000, wall: seconds * 1_000_000_000 }
    }

    #[test]
    fn what_lags_for_a_lease_is_repaired_less_and_less_often() {
        let repairs = Repairs::default();
        let due: Vec<u64> = (0..400).filter(|second| repairs.is_due(true, at(*second), LEASE)).collect();
        let pauses: Vec<u64> = due.iter().zip(due.iter().skip(1)).map(|(before, after)| after - before).collect();
        assert_eq!(due.first(), Some(&1), "not at once: a commit may be writing one copy after the other");
        // One second more each: it is seen to lag by the next read.
        assert_eq!(pauses, [2, 3, 5, 9, 17, 33, 61, 61, 61, 61, 61]);
    }

    #[test]
    fn once_none_lags_it_begins_anew() {
        let repairs = Repairs::default();
        for second in 0..100 {
            repairs.is_due(true, at(second), LEASE);
        }
        assert!(!repairs.is_due(false, at(100), LEASE));
        assert!(!repairs.is_due(true, at(101), LEASE) && repairs.is_due(true, at(102), LEASE));
        // A commit that is under way is no reason.
        assert!(!repairs.is_due(true, at(103), LEASE) && !repairs.is_due(false, at(104), LEASE));
        assert!(!repairs.is_due(true, at(105), LEASE) && repairs.is_due(true, at(106), LEASE));
    }

    #[test]
    fn a_lease_of_a_minute_is_the_shortest_pause() {
        let (repairs, lease) = (Repairs::default(), MOST_PAUSE * 2);
        let due: Vec<u64> = (0..500).filter(|second| repairs.is_due(true, at(*second), lease)).collect();
        assert_eq!(due, [120, 241, 362, 483]);
    }
}
