//! Times of the journal as points in time of jiff's, and back.

use jiff::Timestamp;
use oubliette::journal::Time;

/// The journal's last time is before jiff's.
pub(crate) fn timestamp(time: Time) -> Timestamp {
    let millis = i64::try_from(time.to_unix_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

/// A time as tables have it. jiff gives out times of its last second, and takes their milliseconds back of its first one alone: so each is read
/// as the last time.
pub(crate) fn from_stored(millisecond: i64) -> Result<Timestamp, jiff::Error> {
    match Timestamp::from_millisecond(millisecond) {
        Err(_) if (last_second()..=Timestamp::MAX.as_millisecond()).contains(&millisecond) => Ok(Timestamp::MAX),
        read => read,
    }
}

/// In milliseconds since 1970.
fn last_second() -> i64 {
    Timestamp::MAX.as_second() * 1000
}

/// What lies before 1970 becomes 1970, and parts finer than a millisecond are cut off.
pub(crate) fn time(time: Timestamp) -> Time {
    Time::from_unix_millis(time.as_millisecond().max(0).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_stored_can_be_read() {
        for time in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            assert_eq!(from_stored(time.as_millisecond()).unwrap().as_second(), time.as_second());
        }
        let last = last_second();
        for (millisecond, read) in [(last, last), (last + 1, last + 999)] {
            assert_eq!(from_stored(millisecond).unwrap().as_millisecond(), read);
        }
        assert!(from_stored(last + 1000).is_err() && from_stored(i64::MAX).is_err() && from_stored(i64::MIN).is_err());
    }

    #[test]
    fn both_ways_are_the_same_time() {
        for text in ["1970-01-01T00:00:00.000Z", "2026-11-24T18:36:13.123Z", "9999-12-30T21:59:59.999Z"] {
            let at: Timestamp = text.parse().unwrap();
            assert_eq!((time(at).to_string().as_str(), timestamp(time(at))), (text, at));
        }
        assert_eq!(time("2026-11-24T18:36:13.123999Z".parse().unwrap()).to_string(), "2026-11-24T18:36:13.123Z");
        assert_eq!(time(Timestamp::MIN), Time::FIRST);
        assert_eq!(time(Timestamp::MAX), Time::LAST);
    }
}
