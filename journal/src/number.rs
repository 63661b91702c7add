//! One customer number.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The number of one customer, 1 to 2^40 - 1. The vault issued it, and an entry tells nothing else of a person.
///
/// `oubliette::CustomerId` is the same number, as databases keep it, with `From` both ways. As JSON an integer.
///
/// [`Journal`](crate::Journal) has an example.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(NonZeroU64);

impl Number {
    /// The smallest number, 1.
    pub const MIN: Number = Number(NonZeroU64::MIN);
    /// The largest number, 2^40 - 1.
    pub const MAX: Number = match NonZeroU64::new((1 << 40) - 1) {
        Some(number) => Number(number),
        None => Number::MIN,
    };

    /// The number as an integer.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

/// A number outside 1 to 2^40 - 1, or text that is not a number.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a customer number lies between 1 and 1099511627775")]
#[non_exhaustive]
pub struct InvalidNumber;

impl TryFrom<u64> for Number {
    type Error = InvalidNumber;

    fn try_from(number: u64) -> Result<Number, InvalidNumber> {
        let number = NonZeroU64::new(number).map(Number).filter(|number| *number <= Number::MAX);
        number.ok_or(InvalidNumber)
    }
}

impl From<Number> for u64 {
    fn from(number: Number) -> u64 {
        number.get()
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Number({})", self.0)
    }
}

impl FromStr for Number {
    type Err = InvalidNumber;

    /// Decimal digits alone: no sign, no space, no zero before them.
    fn from_str(text: &str) -> Result<Number, InvalidNumber> {
        if text.starts_with('0') || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidNumber);
        }
        text.parse::<u64>().map_err(|_| InvalidNumber)?.try_into()
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.get())
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        Number::try_from(u64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

crate::message::debug_as_message!(InvalidNumber);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_and_text_are_checked() {
        assert_eq!(Number::try_from(1), Ok(Number::MIN));
        assert_eq!(Number::try_from((1 << 40) - 1), Ok(Number::MAX));
        for bad in [0, 1 << 40, u64::MAX] {
            assert_eq!(Number::try_from(bad), Err(InvalidNumber));
        }
        assert_eq!("42".parse::<Number>().map(|number| number.to_string()), Ok("42".to_owned()));
        for bad in ["", "0", "042", "+42", " 42", "-1", "4 2", "1099511627776", "99999999999999999999999"] {
            assert_eq!(bad.parse::<Number>(), Err(InvalidNumber), "{bad}");
        }
    }

    #[test]
    fn as_json_it_is_an_integer() {
        assert_eq!(serde_json::to_string(&Number::MAX).unwrap(), "1099511627775");
        assert_eq!(serde_json::from_str::<Number>("7").unwrap().get(), 7);
        for bad in ["0", "-1", "1099511627776", "7.0", "\"7\"", "null"] {
            assert!(serde_json::from_str::<Number>(bad).is_err(), "{bad}");
        }
    }
}
