//! Dates: of birth, mostly.

use std::str::FromStr;

use super::secret_text::{SecretText, deserializes_from_text};
use super::secret_text::{exposes_text, serializes_exposed_text, wipes_what_it_reads};
use super::{Canonical, CanonicalForm, Invalid, Padding, PersonalData, Plaintext, TypeTag};

/// A day of the Gregorian calendar, of the years 1 to 9999: a date of birth, of a marriage, of a document.
///
/// Read and kept as ISO 8601 has it, `1990-02-28`. Other forms are refused, since `01.02.1990` is one day in Rome and another one in Boston: take them
/// apart where it is known who typed them, and use [`Date::new`].
///
/// The canonical form is the same text. There are so few dates of birth that whoever can make tokens can try them all:
/// [`Index::plan`](crate::Index::plan) warns of it.
///
/// Padding: every date has one size, 16 bytes.
///
/// ```
/// use oubliette::personal::Date;
/// let born: Date = "2008-02-29".parse()?;
/// assert_eq!(born.age_on(&Date::new(2026, 2, 28)?), Some(17));
/// assert_eq!(born.age_on(&Date::new(2026, 3, 1)?), Some(18));
/// # Ok::<(), oubliette::personal::Invalid>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Date {
    text: SecretText,
}

impl Date {
    /// A day by its year (1 to 9999), month and day.
    ///
    /// # Errors
    /// [`Invalid::NoSuchDay`].
    pub fn new(year: u16, month: u8, day: u8) -> Result<Date, Invalid> {
        if !(1..=9999).contains(&year) || day == 0 || day > days_in(year, month) {
            return Err(Invalid::NoSuchDay);
        }
        let mut text = SecretText::with_capacity(10);
        for (number, digits) in [(u32::from(year), 4), (u32::from(month), 2), (u32::from(day), 2)] {
            if digits == 2 {
                text.push('-');
            }
            for place in (0..digits).rev() {
                text.push(char::from_digit(number / 10_u32.pow(place) % 10, 10).unwrap_or('0'));
            }
        }
        Ok(Date { text })
    }

    /// The door out in parts: year, month and day.
    #[must_use]
    pub fn expose_personal_data_parts(&self) -> (u16, u8, u8) {
        parts(self.text.as_str()).unwrap_or((1, 1, 1))
    }

    /// The age in years, on `day`, of somebody born on this date; `None` before it. In years without a 29 February, somebody born on that day is a
    /// year older on 1 March; some laws say 28 February.
    #[must_use]
    pub fn age_on(&self, day: &Date) -> Option<u16> {
        let (born, at) = (self.expose_personal_data_parts(), day.expose_personal_data_parts());
        let years = at.0.checked_sub(born.0)?;
        if (at.1, at.2) < (born.1, born.2) { years.checked_sub(1) } else { Some(years) }
    }
}

const fn days_in(year: u16, month: u8) -> u8 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 0,
    }
}

/// Year, month and day of ten characters in the one form; whether there is such a day is not asked.
fn parts(text: &str) -> Option<(u16, u8, u8)> {
    let is_form = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() });
    let (year, month, day) = (text.get(..4)?, text.get(5..7)?, text.get(8..)?);
    if is_form { Some((year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)) } else { None }
}

exposes_text!(Date);
serializes_exposed_text!(Date);
wipes_what_it_reads!(Date, Invalid);
deserializes_from_text!(Date, "a date, as a string");

impl FromStr for Date {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Date, Invalid> {
        let (year, month, day) = parts(text.trim()).ok_or(Invalid::NotIso)?;
        Date::new(year, month, day)
    }
}

impl PersonalData for Date {
    const TAG: TypeTag = TypeTag::ours("obl.date");
    const PADDING: Padding = Padding::steps_of(16);

    fn size_hint(&self) -> usize {
        self.text.as_str().len()
    }

    fn encode(&self, out: &mut Plaintext) {
        out.extend(self.text.as_str().as_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Date, Invalid> {
        let parts = std::str::from_utf8(bytes).ok().and_then(parts);
        parts.and_then(|(year, month, day)| Date::new(year, month, day).ok()).ok_or(Invalid::Content)
    }
}

impl Canonical for Date {
    /// The days of a century.
    const VALUES: Option<u64> = Some(36_525);

    fn canonical_form(&self) -> CanonicalForm {
        CanonicalForm::of_text(self.text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_that_there_are() {
        for (text, kept) in [
            ("1990-02-28", "1990-02-28"),
            (" 2000-02-29\n", "2000-02-29"),
            ("0001-01-01", "0001-01-01"),
            ("9999-12-31", "9999-12-31"),
            ("2008-02-29", "2008-02-29"),
        ] {
            assert_eq!(text.parse::<Date>().unwrap().expose_personal_data(), kept);
        }
        for text in ["1900-02-29", "2026-02-29", "2026-04-31", "2026-13-01", "2026-00-01", "2026-01-00", "0000-01-01"] {
            assert_eq!(text.parse::<Date>(), Err(Invalid::NoSuchDay), "{text}");
            assert_eq!(Date::decode(text.as_bytes()), Err(Invalid::Content), "{text}");
        }
        for text in [
            "",
            "28.02.1990",
            "02/28/1990",
            "1990-2-28",
            "19900228",
            "1990-02-28T00:00",
            "+990-02-28",
            "１９９０-02-28",
            "1990_02_28",
        ] {
            assert_eq!(text.parse::<Date>(), Err(Invalid::NotIso), "{text}");
            assert_eq!(Date::decode(text.as_bytes()), Err(Invalid::Content), "{text}");
        }
        assert_eq!(Date::decode(b" 1990-02-28"), Err(Invalid::Content));
        assert_eq!(format!("{:?}", Date::new(1990, 2, 28).unwrap()), "Date(redacted)");
    }

    #[test]
    fn ages() {
        let age = |born: &str, on: &str| born.parse::<Date>().unwrap().age_on(&on.parse().unwrap());
        for (born, on, years) in [
            ("1990-06-15", "2026-06-14", Some(35)),
            ("1990-06-15", "2026-06-15", Some(36)),
            ("1990-06-15", "1990-06-15", Some(0)),
            ("1990-06-15", "1990-06-14", None),
            ("1990-06-15", "1989-12-31", None),
            ("1990-06-15", "1991-01-01", Some(0)),
            ("2008-02-29", "2009-02-28", Some(0)),
            ("2008-02-29", "2009-03-01", Some(1)),
            ("2008-02-29", "2012-02-29", Some(4)),
        ] {
            assert_eq!(age(born, on), years, "{born} on {on}");
        }
    }

    proptest! {
        #[test]
        fn every_day_is_kept(year in 1_u16..=9999, month in 1_u8..=12, day in 1_u8..=31) {
            let made = Date::new(year, month, day);
            prop_assert_eq!(made.is_ok(), jiff::civil::Date::new(year.cast_signed(), month.cast_signed(), day.cast_signed()).is_ok());
            if let Ok(date) = made {
                prop_assert_eq!(date.expose_personal_data_parts(), (year, month, day));
                prop_assert_eq!(date.expose_personal_data().parse::<Date>(), Ok(date.clone()));
                prop_assert_eq!(Date::decode(date.expose_personal_data().as_bytes()), Ok(date));
            }
        }
    }
}
