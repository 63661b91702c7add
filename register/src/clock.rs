//! The time that a register goes by.

use jiff::Timestamp;

type Now = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// Tells the time: the machine's, unless a test says otherwise.
#[derive(Default)]
pub(crate) struct Clock(#[cfg_attr(not(feature = "testing"), allow(dead_code))] Option<Now>);

impl Clock {
    /// One that a test moves.
    #[cfg(feature = "testing")]
    pub(crate) fn telling(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Clock {
        Clock(Some(Box::new(now)))
    }

    /// In milliseconds, as the tables keep it.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.0.as_ref().map_or_else(Timestamp::now, |now| now());
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }
}
