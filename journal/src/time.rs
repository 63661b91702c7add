//! Points in time.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use super::text::{InvalidText, as_text};

/// A point in time to the millisecond, in UTC, from 1970 to 9999. As text it has one form of RFC 3339:
/// `2026-11-24T18:36:13.123Z`.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use oubliette_journal::Time;
///
/// let time: Time = "2026-11-24T18:36:13.123Z".parse()?;
/// let an_hour_later = Time::from(SystemTime::from(time) + Duration::from_secs(3600));
/// assert_eq!(an_hour_later.to_string(), "2026-11-24T19:36:13.123Z");
/// # Ok::<(), oubliette_journal::InvalidText>(())
/// ```
// Milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The first time, 1970-01-01. It stands for anything earlier.
    pub const FIRST: Time = Time(0);
    /// The last time, 9999-12-30T21:59:59.999Z. It stands for anything later. Up to it a time has a four-digit year in
    /// every time zone.
    pub const LAST: Time = Time(253_402_207_199_999);

    /// The time of the wall clock.
    #[must_use]
    pub fn now() -> Time {
        SystemTime::now().into()
    }

    /// So many milliseconds after 1970-01-01T00:00:00Z, without leap seconds. Anything beyond [`LAST`](Time::LAST)
    /// becomes `LAST`.
    #[must_use]
    pub const fn from_unix_millis(millis: u64) -> Time {
        if millis > Time::LAST.0 { Time::LAST } else { Time(millis) }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
    #[must_use]
    pub const fn to_unix_millis(self) -> u64 {
        self.0
    }
}

impl From<SystemTime> for Time {
    /// Parts finer than a millisecond are cut off. What is earlier than [`FIRST`](Time::FIRST) or later than
    /// [`LAST`](Time::LAST) becomes that one.
    fn from(time: SystemTime) -> Time {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Time::from_unix_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl From<Time> for SystemTime {
    fn from(time: Time) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(time.0)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&humantime::format_rfc3339_millis(SystemTime::from(*self)), f)
    }
}

impl FromStr for Time {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Time, InvalidText> {
        // It reads more forms than it writes; and what is out of bounds is written as another time.
        let time = humantime::parse_rfc3339(text).ok().map(Time::from).filter(|time| time.to_string() == text);
        time.ok_or(InvalidText("a time such as 2026-11-24T18:36:13.123Z"))
    }
}

as_text!(Time, "a time such as 2026-11-24T18:36:13.123Z");

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;

    #[test]
    fn times_have_one_form_and_bounds() {
        for text in ["1970-01-01T00:00:00.000Z", "2026-11-24T18:36:13.123Z", "9999-12-30T21:59:59.999Z"] {
            let time: Time = text.parse().unwrap();
            assert_eq!(time.to_string(), text);
            assert_eq!(Time::from(SystemTime::from(time)), time);
        }
        for text in [
            "1969-12-31T23:59:59.999Z",
            "9999-12-30T22:00:00.000Z",
            "2026-11-24T18:36:13Z",
            "2026-11-24T18:36:13.1234Z",
            "2026-11-24T18:36:13.123+00:00",
            "2026-11-24T18:36:13.123z",
            "2026-11-24 18:36:13.123Z",
            "2026-12-31T23:59:60.000Z",
            "2026-11-31T00:00:00.000Z",
            "2026-11-24T24:00:00.000Z",
            "2026-00-24T18:36:13.123Z",
            "2026-13-24T18:36:13.123Z",
            "2026-11-00T18:36:13.123Z",
            "0000-01-01T00:00:00.000Z",
            "2100-02-29T00:00:00.000Z",
            "2026-11-24T18:36:13.é3Z",
            "2026-11-2éT18:36:13.123Z",
            "+026-11-24T18:36:13.123Z",
            "+002026-11-24T18:36:13.123Z",
            "",
        ] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
        for text in ["2024-02-29T00:00:00.000Z", "2000-02-29T23:59:59.999Z", "2026-12-31T23:59:59.999Z"] {
            assert_eq!(text.parse::<Time>().unwrap().to_string(), text);
        }
        assert_eq!(Time::from(SystemTime::UNIX_EPOCH - Duration::from_nanos(1)), Time::FIRST);
        assert_eq!(Time::from_unix_millis(u64::MAX), Time::LAST);
        assert_eq!(Time::LAST.to_string(), "9999-12-30T21:59:59.999Z");
        let now = Time::now();
        assert_eq!(now.to_string().parse(), Ok(now));
    }

    proptest! {
        /// As somebody else's calendar has it.
        #[test]
        fn every_time_is_written_and_read_as_jiff_does(millis in 0..=Time::LAST.to_unix_millis()) {
            let time = Time::from_unix_millis(millis);
            let theirs = Timestamp::from_millisecond(i64::try_from(millis).unwrap()).unwrap();
            prop_assert_eq!(time.to_string(), format!("{theirs:.3}"));
            prop_assert_eq!(time.to_string().parse(), Ok(time));
            prop_assert_eq!(time.to_unix_millis(), millis);
            prop_assert_eq!(Time::from(SystemTime::from(time)), time);
        }

        /// Every day there is or is not.
        #[test]
        fn no_day_is_made_up(year in 1960..=9999_i16, month in 0..14_i8, day in 0..33_i8) {
            let text = format!("{year:04}-{month:02}-{day:02}T12:00:00.000Z");
            let theirs = text.parse::<Timestamp>().ok().filter(|at| *at >= Timestamp::UNIX_EPOCH);
            prop_assume!(*text < *"9999-12-30");
            prop_assert_eq!(text.parse::<Time>().is_ok(), theirs.is_some(), "{}", text);
        }
    }
}
