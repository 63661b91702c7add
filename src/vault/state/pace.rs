//! How often something may be done that others can ask for.

use std::time::Duration;

use crate::clock::Moment;
use crate::sync::{Mutex, lock};

/// When it was done last.
#[derive(Default)]
pub(crate) struct Pace {
    last: Mutex<Option<Moment>>,
}

impl Pace {
    /// How long to wait at `now` if there is to be a pause in between. Zero: it may be done, and counts as done.
    pub(crate) fn wait(&self, now: Moment, pause: Duration) -> Duration {
        let mut last = lock(&self.last);
        let wait = last.map_or(Duration::ZERO, |last| pause.saturating_sub(now.age_since(last)));
        if wait.is_zero() {
            *last = Some(now);
        }
        wait
    }

    /// Whether it may be done at `now`; then it counts as done.
    pub(crate) fn begins(&self, now: Moment, pause: Duration) -> bool {
        self.wait(now, pause).is_zero()
    }

    /// It is done all the same, after a wait.
    pub(crate) fn begun(&self, now: Moment) {
        *lock(&self.last) = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_too_soon_waits_and_does_not_put_it_off() {
        let at = |millis: u64| Moment { boot: millis * 1_000_000, wall: millis * 1_000_000 };
        let (pace, pause) = (Pace::default(), Duration::from_millis(50));
        assert!(pace.begins(at(100), pause));
        assert_eq!(pace.wait(at(120), pause), Duration::from_millis(30));
        assert_eq!(pace.wait(at(149), pause), Duration::from_millis(1));
        assert!(pace.begins(at(150), pause) && !pace.begins(at(150), pause));
        pace.begun(at(190));
        assert!(!pace.begins(at(239), pause) && pace.begins(at(240), pause));
        assert!(pace.begins(at(240), Duration::ZERO), "without a pause, always");
    }
}
