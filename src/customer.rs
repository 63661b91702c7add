//! Customer numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::journal::Number;
use crate::parse::ParseError;

/// The number the vault issued for one customer. It is never issued twice.
///
/// Between 1 and 2^40 - 1. Keep it in the customers table as a 64-bit integer with a UNIQUE constraint: two rows that
/// share a number are shredded together. It is not secret, and it appears in clear in every sealed value.
///
/// A customer who withdraws from a purpose and consents again later needs a new number for that purpose: a shredded
/// number never opens or seals anything again.
///
/// ```
/// use oubliette::CustomerId;
/// # let vault = oubliette::Vault::in_memory([oubliette::Purpose::new("orders")]);
///
/// let alice: CustomerId = vault.enroll()?;
/// let column: i64 = alice.to_stored(); // BIGINT UNIQUE
/// assert_eq!(CustomerId::from_stored(column)?, alice);
/// # Ok::<(), oubliette::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "diesel",
    derive(diesel::expression::AsExpression, diesel::deserialize::FromSqlRow),
    diesel(sql_type = diesel::sql_types::BigInt)
)]
// As a database keeps it, since diesel binds what it can borrow.
pub struct CustomerId(i64);

impl CustomerId {
    /// The smallest number, 1.
    pub const MIN: CustomerId = CustomerId(1);
    /// The largest number, 2^40 - 1.
    pub const MAX: CustomerId = CustomerId((1 << 40) - 1);

    /// A number read back from the application's own database.
    ///
    /// # Errors
    /// [`ParseError::NotACustomerNumber`] outside 1 to 2^40 - 1.
    pub fn from_stored(number: i64) -> Result<CustomerId, ParseError> {
        CustomerId::try_from(number)
    }

    /// The number as a database's 64-bit integer.
    #[must_use]
    pub fn to_stored(self) -> i64 {
        self.0
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.unsigned_abs()
    }

    pub(crate) fn new(number: u64) -> Option<CustomerId> {
        CustomerId::try_from(number).ok()
    }

    #[cfg(feature = "diesel")]
    pub(crate) fn as_stored(&self) -> &i64 {
        &self.0
    }

    /// Five bytes, most significant first: the path from a tree's root to the customer's key.
    pub(crate) fn to_path(self) -> [u8; 5] {
        let [_, _, _, path @ ..] = self.0.to_be_bytes();
        path
    }

    pub(crate) fn from_path(path: [u8; 5]) -> Option<CustomerId> {
        let [a, b, c, d, e] = path;
        CustomerId::new(u64::from_be_bytes([0, 0, 0, a, b, c, d, e]))
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomerId({})", self.0)
    }
}

impl TryFrom<i64> for CustomerId {
    type Error = ParseError;

    fn try_from(number: i64) -> Result<CustomerId, ParseError> {
        let id = CustomerId(number);
        (CustomerId::MIN..=CustomerId::MAX).contains(&id).then_some(id).ok_or(ParseError::NotACustomerNumber)
    }
}

impl TryFrom<u64> for CustomerId {
    type Error = ParseError;

    fn try_from(number: u64) -> Result<CustomerId, ParseError> {
        i64::try_from(number).map_err(|_| ParseError::NotACustomerNumber)?.try_into()
    }
}

impl From<CustomerId> for i64 {
    fn from(id: CustomerId) -> i64 {
        id.to_stored()
    }
}

/// As the journal has it.
impl From<CustomerId> for Number {
    fn from(id: CustomerId) -> Number {
        // The bounds are the same, as a test says.
        Number::try_from(id.get()).unwrap_or(Number::MIN)
    }
}

impl From<Number> for CustomerId {
    fn from(number: Number) -> CustomerId {
        CustomerId(number.get().cast_signed())
    }
}

impl FromStr for CustomerId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<CustomerId, ParseError> {
        if text.is_empty() || text.starts_with('0') || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseError::NotACustomerNumber);
        }
        text.parse().ok().and_then(CustomerId::new).ok_or(ParseError::NotACustomerNumber)
    }
}

impl Serialize for CustomerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.to_stored())
    }
}

impl<'de> Deserialize<'de> for CustomerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CustomerId, D::Error> {
        let number = i64::deserialize(deserializer)?;
        CustomerId::try_from(number).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_is_checked_both_ways() {
        assert_eq!(CustomerId::from_stored(1), Ok(CustomerId::MIN));
        assert_eq!(CustomerId::from_stored((1 << 40) - 1), Ok(CustomerId::MAX));
        for bad in [0, -1, 1 << 40, i64::MAX, i64::MIN] {
            assert_eq!(CustomerId::from_stored(bad), Err(ParseError::NotACustomerNumber));
        }
        assert_eq!(i64::from(CustomerId::MAX), (1 << 40) - 1);
        assert_eq!(CustomerId::try_from(7_u64).map(CustomerId::get), Ok(7));
        for bad in [0_u64, 1 << 40, u64::MAX] {
            assert_eq!(CustomerId::try_from(bad), Err(ParseError::NotACustomerNumber));
        }
    }

    #[test]
    fn the_journal_has_the_same_numbers() {
        for (ours, theirs) in [(CustomerId::MIN, Number::MIN), (CustomerId::MAX, Number::MAX)] {
            assert_eq!((Number::from(ours), CustomerId::from(theirs)), (theirs, ours));
            assert_eq!(serde_json::to_string(&ours).unwrap(), serde_json::to_string(&theirs).unwrap());
        }
        assert_eq!(Number::from(CustomerId(4711)).get(), 4711);
    }

    #[test]
    fn text_has_one_form() {
        assert_eq!("42".parse::<CustomerId>().map(|id| id.to_string()), Ok("42".to_owned()));
        for bad in ["", "0", "042", "+42", " 42", "-1", "4 2", "1099511627776", "99999999999999999999999"] {
            assert_eq!(bad.parse::<CustomerId>(), Err(ParseError::NotACustomerNumber), "{bad}");
        }
    }

    #[test]
    fn path_is_most_significant_first() {
        let id = CustomerId::new(0x01_02_03_04_05).unwrap();
        assert_eq!(id.to_path(), [1, 2, 3, 4, 5]);
        assert_eq!(CustomerId::from_path([1, 2, 3, 4, 5]), Some(id));
        assert_eq!(CustomerId::from_path([0; 5]), None);
    }
}
