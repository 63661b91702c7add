//! Points in time.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use super::text::{InvalidText, as_text};

const MILLIS_A_DAY: u64 = 86_400_000;
/// 1970-01-01, in days since the first of March of the year 0: a year that begins in March ends with its leap day.
const EPOCH: u64 = 719_468;
const DAYS_OF_400_YEARS: u64 = 146_097;

/// A point in time to the millisecond, in UTC, from 1970 to 9999. As text as RFC 3339 has it, in one form:
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
    /// The first: 1970-01-01, which stands for anything earlier.
    pub const FIRST: Time = Time(0);
    /// The last, 9999-12-30T21:59:59.999Z, which stands for anything later: before it a time has every part in every
    /// zone.
    pub const LAST: Time = Time(253_402_207_199_999);

    /// The wall clock's.
    #[must_use]
    pub fn now() -> Time {
        SystemTime::now().into()
    }

    /// So many milliseconds after 1970-01-01T00:00:00Z, leap seconds not counted. What lies beyond [`LAST`](Time::LAST)
    /// becomes that.
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
        let (days, millis) = (self.0 / MILLIS_A_DAY, self.0 % MILLIS_A_DAY);
        let (year, month, day) = date(days);
        let (seconds, millis) = (millis / 1000, millis % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

impl FromStr for Time {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Time, InvalidText> {
        // What is no date, such as the 31st of November, is written as another; and so is what is out of bounds.
        let time = parse(text).filter(|time| time.to_string() == text);
        time.ok_or(InvalidText("a time such as 2026-11-24T18:36:13.123Z"))
    }
}

as_text!(Time, "a time such as 2026-11-24T18:36:13.123Z");

/// The numbers in a text of the right shape, whatever they are.
fn parse(text: &str) -> Option<Time> {
    let number = |from: usize, to: usize| -> Option<u64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second, millis) = (number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?);
    let seconds = hour * 3600 + minute * 60 + second;
    Some(Time::from_unix_millis(days(year, month, day)? * MILLIS_A_DAY + seconds * 1000 + millis))
}

/// Year, month and day of a day that is so many after 1970-01-01: the Gregorian calendar, by periods of 400 years.
fn date(days: u64) -> (u64, u64, u64) {
    let (period, day) = ((days + EPOCH) / DAYS_OF_400_YEARS, (days + EPOCH) % DAYS_OF_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    // From March on, five months have 153 days.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let is_next_year = month >= 10;
    let month = if is_next_year { month - 9 } else { month + 3 };
    (period * 400 + year + u64::from(is_next_year), month, day)
}

/// The other way round. `None` before 1970, and of what has no month or no day.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let month = month.checked_sub(1)?;
    // Years and months counted from March.
    let (year, month) = if month >= 2 { (year, month - 2) } else { (year.checked_sub(1)?, month + 10) };
    let (period, year) = (year / 400, year % 400);
    let day_of_year = (153 * month + 2) / 5 + day.checked_sub(1)?;
    let day = year * 365 + year / 4 - year / 100 + day_of_year;
    (period * DAYS_OF_400_YEARS + day).checked_sub(EPOCH)
}

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
