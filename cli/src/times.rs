//! Points in time, as an operator writes them.

use jiff::Timestamp;

use crate::exit::Failure;

/// `2026-11-24T03:00:00Z`, or with another offset. What depends on the hour is not guessed from a date.
pub fn moment(text: &str) -> Result<Timestamp, Failure> {
    text.parse().map_err(|_| {
        Failure::usage(format!("{text:?} is not a time; write it with hour and offset, such as 2026-11-24T03:00:00Z"))
    })
}

/// A time as [`moment`] reads it, or a date, which means its first moment in UTC.
pub fn moment_or_date(text: &str) -> Result<Timestamp, Failure> {
    let of_date = || format!("{text}T00:00:00Z").parse().ok();
    text.parse().ok().or_else(of_date).map_or_else(|| moment(text), Ok)
}

/// As people and machines read it: to the second, in UTC.
pub fn shown(time: Timestamp) -> String {
    format!("{time:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_its_first_moment() {
        let read = |text| moment_or_date(text).ok().map(shown);
        assert_eq!(read("2026-11-24").as_deref(), Some("2026-11-24T00:00:00Z"));
        assert_eq!(read("2026-11-24T03:00:00+02:00").as_deref(), Some("2026-11-24T01:00:00Z"));
        for bad in ["", "2026-11-31", "tomorrow", "2026-11-24T03:00:00", "24.11.2026"] {
            assert!(moment_or_date(bad).is_err(), "{bad}");
        }
        assert!(moment("2026-11-24").is_err());
    }
}
