//! How long an older version has been superseded, without a clock that can be trusted.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::versions::KeyVersion;
use crate::clock::{Clock, Moment};
use crate::sync::{Mutex, lock};

/// What passes while this process runs is measured by the clock that counts since boot, which nobody sets. Only what passed before is taken from the
/// wall clock, as it stood when the process began.
///
/// So a wall clock that jumps ahead while the process runs ends no keeping; and a mark that is dated in the future keeps a version no longer than it is to be
/// kept, from when this process first saw it superseded.
pub(super) struct KeptTimes {
    clock: Clock,
    began: Moment,
    /// Since when, by the clock since boot, this process has known of each that it is superseded.
    seen: Mutex<BTreeMap<KeyVersion, u64>>,
}

impl KeptTimes {
    pub(super) fn new(clock: Clock) -> KeptTimes {
        KeptTimes { began: clock.now(), clock, seen: Mutex::default() }
    }

    /// How long `version` has been superseded, by a mark of that date.
    pub(super) fn since(&self, version: KeyVersion, mark: SystemTime) -> Duration {
        let boot = self.clock.now().boot;
        let first = *lock(&self.seen).entry(version).or_insert(boot);
        let now = Duration::from_nanos(self.began.wall.saturating_add(boot.saturating_sub(self.began.boot)));
        let mark = mark.duration_since(UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(mark).max(Duration::from_nanos(boot.saturating_sub(first)))
    }

    /// Forgets those of which nothing is left.
    pub(super) fn retain(&self, is_left: impl Fn(KeyVersion) -> bool) {
        lock(&self.seen).retain(|version, _| is_left(*version));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;
    use crate::root_key::WrapperError;
    use crate::root_key::tokens::Held;
    use crate::root_key::versions::{KeySeries, Older, VersionPolicy, VersionRecipe, VersionState, Versions};

    const DAY: Duration = Duration::from_secs(86_400);

    fn version(number: u64) -> KeyVersion {
        KeyVersion { number, id: [7; 16] }
    }

    /// A token whose marks have the dates that a test gives them.
    #[derive(Clone, Default)]
    struct Dated(Arc<Mutex<BTreeMap<KeyVersion, VersionState>>>);

    impl Dated {
        fn put(&self, number: u64, completed: Option<SystemTime>) {
            let state = VersionState { version: version(number), has_key: true, completed };
            lock(&self.0).insert(version(number), state);
        }

        fn keys(&self) -> Vec<u64> {
            lock(&self.0).values().filter(|state| state.has_key).map(|state| state.version.number).collect()
        }
    }

    impl KeySeries for Dated {
        fn create(&self, _: &[u8; 16], _: KeyVersion) -> Result<(), WrapperError> {
            Ok(())
        }
        fn wrap(&self, _: &[u8; 16], _: KeyVersion, secret: &[u8; 32]) -> Result<Vec<u8>, WrapperError> {
            Ok(secret.to_vec())
        }
        fn unwrap(&self, _: &[u8; 16], _: KeyVersion, _: &[u8], _: &mut [u8; 32]) -> Result<(), WrapperError> {
            Ok(())
        }
        fn complete(&self, _: &[u8; 16], _: KeyVersion) -> Result<(), WrapperError> {
            Err("a test gives the dates".into())
        }
        fn list(&self, _: &[u8; 16]) -> Result<Vec<VersionState>, WrapperError> {
            Ok(lock(&self.0).values().copied().collect())
        }
        fn series(&self) -> Result<Vec<[u8; 16]>, WrapperError> {
            Ok(vec![[1; 16]])
        }
        fn unmark(&self, _: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
            lock(&self.0).entry(version).and_modify(|state| state.completed = None);
            Ok(())
        }
        fn destroy(&self, _: &[u8; 16], version: KeyVersion) -> Result<(), WrapperError> {
            lock(&self.0).entry(version).and_modify(|state| state.has_key = false);
            Ok(())
        }
    }

    /// A process that keeps older versions ten days, and its clock.
    struct Process {
        clock: Arc<ManualClock>,
        token: Dated,
        versions: Versions,
    }

    impl Process {
        fn new(clock: &Arc<ManualClock>, token: &Dated) -> Process {
            let policy = VersionPolicy::by_hand().keep_older(10 * DAY);
            let versions = Versions::new(Held::ByOne(Box::new(token.clone())), policy, Clock::Manual(clock.clone()));
            Process { clock: clock.clone(), token: token.clone(), versions }
        }

        /// A commit under the second version looks after the first one: whether that is there still.
        fn keeps(&self) -> bool {
            let recipe =
                VersionRecipe { series: [1; 16], version: version(2), begun: 0, generation: 9, wrapped: vec![1] };
            let is_finished = self.versions.is_finished(&recipe).unwrap();
            let is_kept = self.versions.finish(&recipe).unwrap() == Older::Kept;
            assert_eq!(is_kept, self.token.keys().contains(&1));
            // If it may go there is something to do.
            assert_eq!(is_finished, is_kept);
            is_kept
        }

        fn wall(&self) -> SystemTime {
            UNIX_EPOCH + Duration::from_nanos(Clock::Manual(self.clock.clone()).now().wall)
        }
    }

    /// The first version was superseded by the second, at a date so many days from now.
    fn superseded(days: i32) -> Process {
        let (clock, token) = (ManualClock::new(Duration::ZERO), Dated::default());
        let process = Process::new(&clock, &token);
        let (now, by) = (process.wall(), days.unsigned_abs() * DAY);
        let mark = if days < 0 { now - by } else { now + by };
        token.put(1, Some(now - 100 * DAY));
        token.put(2, Some(mark));
        process
    }

    #[test]
    fn it_is_kept_as_long_as_it_is_said() {
        assert!(superseded(-9).keeps() && !superseded(-10).keeps());
        let process = superseded(-4);
        assert!(process.keeps());
        process.clock.advance(5 * DAY);
        assert!(process.keeps());
        process.clock.advance(DAY);
        assert!(!process.keeps());
    }

    /// The clock is set a year ahead while a process runs, and back.
    #[test]
    fn a_jump_ahead_ends_no_keeping() {
        let process = superseded(-4);
        let wall = Clock::Manual(process.clock.clone()).now().wall;
        process.clock.set_wall(wall + 365 * 86_400_000_000_000);
        assert!(process.keeps());
        process.clock.set_wall(wall);
        process.clock.advance(5 * DAY);
        assert!(process.keeps());
        process.clock.advance(DAY);
        assert!(!process.keeps());
        // What began under that clock cannot know.
        let process = superseded(-4);
        process.clock.set_wall(wall + 365 * 86_400_000_000_000);
        assert!(!Process::new(&process.clock, &process.token).keeps());
    }

    /// A mark of next year: from when it is seen it keeps as long as any.
    #[test]
    fn a_mark_of_the_future_keeps_no_longer() {
        let process = superseded(365);
        assert!(process.keeps());
        process.clock.advance(9 * DAY);
        assert!(process.keeps());
        process.clock.advance(DAY);
        assert!(!process.keeps());
    }

    /// Set back, it keeps as long as it has seen it, and no longer.
    #[test]
    fn a_clock_that_is_set_back_keeps_no_longer() {
        let process = superseded(-4);
        assert!(process.keeps());
        process.clock.set_wall(1);
        process.clock.advance(6 * DAY);
        assert!(!process.keeps());
    }
}
