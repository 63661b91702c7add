//! Times of the journal as points in time of jiff's, and back.

use jiff::Timestamp;

use crate::journal::Time;

/// The journal's last time is before jiff's.
pub(crate) fn timestamp(time: Time) -> Timestamp {
    let millis = i64::try_from(time.to_unix_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

/// What lies before 1970 becomes 1970, and parts finer than a millisecond are cut off.
pub(crate) fn time(time: Timestamp) -> Time {
    Time::from_unix_millis(time.as_millisecond().max(0).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

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
