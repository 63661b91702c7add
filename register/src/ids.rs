//! Names that the register gives: random, so that a restored database never gives one twice.

use std::fmt::{self, Write};
use std::ops::Range;
use std::str::FromStr;
use std::sync::atomic::{AtomicU16, Ordering};

use jiff::Timestamp;
use oubliette::KeyStoreError;
use oubliette::journal::EventId;

use super::error::RegisterError;

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len().saturating_mul(2)), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// From the operating system.
fn random<const N: usize>() -> Result<[u8; N], RegisterError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| KeyStoreError::Randomness)?;
    Ok(bytes)
}

/// A random row id: 53 bits, which every JSON parser reads exactly. Two of a million are the same once in 10 000 registers,
/// and then the second is refused by the database.
pub(crate) fn fresh() -> Result<i64, RegisterError> {
    let random: [u8; 8] = random()?;
    let number = u64::from_be_bytes(random) >> 11;
    Ok(i64::try_from(number).unwrap_or_default().max(1))
}

/// Where in an event's id, as 32 hexadecimal digits, the tag of the database stands that made it.
pub(crate) const TAG: Range<usize> = 16..24;

/// The id of an event, what comes before the database's tag and behind it: in the order of time, and within one process
/// in the order of making.
pub(crate) fn event(now: Timestamp) -> Result<(String, String), RegisterError> {
    static MADE: AtomicU16 = AtomicU16::new(0);
    let random: [u8; 4] = random()?;
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    Ok((format!("{:012x}{made:04x}", now.as_millisecond().max(0)), hex(&random)))
}

/// The tag of a new database.
pub(crate) fn tag() -> Result<String, RegisterError> {
    let random: [u8; 4] = random()?;
    Ok(hex(&random))
}

/// The event id that a row of the outbox has.
pub(crate) fn event_id(text: &str) -> Result<EventId, RegisterError> {
    let plain = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let number = u128::from_str_radix(text, 16).ok().filter(|_| plain);
    let number = number.ok_or(RegisterError::NotOurs { what: "no event id" })?;
    Ok(EventId::from_bytes(number.to_be_bytes()))
}

/// Text that is not an id of the register.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id of the register is a number between 1 and 9007199254740991")]
#[non_exhaustive]
pub struct InvalidId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            pub(crate) fn made(id: i64) -> $name {
                $name(id)
            }

            /// The id as the tables keep it. It is neither secret nor personal.
            #[must_use]
            pub fn to_stored(self) -> i64 {
                self.0
            }

            /// The id as the journal names it.
            #[must_use]
            pub fn number(self) -> u64 {
                self.0.unsigned_abs()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<$name, InvalidId> {
                let number: i64 = text.parse().map_err(|_| InvalidId)?;
                let good = (1..1 << 53).contains(&number) && number.to_string() == text;
                if good { Ok($name(number)) } else { Err(InvalidId) }
            }
        }
    )*};
}

ids! {
    /// The id of a grant. It comes with [`Granted`](crate::Granted), and has no example of its own.
    GrantId
    /// The id of a request. [`Request`](crate::Request) has an example.
    RequestId
    /// The id of a legal hold. [`Hold`](crate::Hold) has an example.
    HoldId
}

oubliette::journal::message::debug_as_message!(InvalidId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_in_order() {
        let (early, late) = (Timestamp::from_millisecond(1).unwrap(), Timestamp::from_millisecond(1 << 40).unwrap());
        let tag = tag().unwrap();
        let id = |time| {
            let (first, last) = event(time).unwrap();
            format!("{first}{tag}{last}")
        };
        let (one, other, later) = (id(early), id(early), id(late));
        assert!(one < other && other < later && one.get(TAG) == Some(&tag));
        assert_eq!(hex(&event_id(&one).unwrap().to_bytes()), one);
        assert!(event_id("x").is_err() && event_id(&one.replace('0', "+")).is_err());
    }

    #[test]
    fn ids_have_one_form() {
        let id = GrantId::made(fresh().unwrap());
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "0", "-1", "+1", "01", "9007199254740992"] {
            assert_eq!(bad.parse::<HoldId>(), Err(InvalidId), "{bad}");
        }
    }
}
