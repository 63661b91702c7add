//! Texts of an entry: each has one form, is bounded, and can be printed on a terminal.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use base64ct::{Base64UrlUnpadded, Encoding};
use jiff::Timestamp;

use crate::derivation::VaultId;
use crate::field::{InvalidName, Purpose, check_name};
use crate::root_record::Anchor;

/// Bytes as base64url of RFC 4648 without padding.
pub(super) fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// The one way to write `N` bytes, read back.
pub(super) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let length = Base64UrlUnpadded::decode(text, &mut bytes).ok()?.len();
    // Compared, so that nothing depends on how strict the decoder is.
    (length == N && encode(&bytes) == text).then_some(bytes)
}

/// Serde by way of `Display` and `FromStr`. Errors do not echo what they refuse.
macro_rules! as_text {
    ($type:ty, $what:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(|_| serde::de::Error::custom(concat!("not ", $what)))
            }
        }
    };
}
pub(super) use as_text;

macro_rules! bounded_text {
    ($(#[$doc:meta])* $type:ident, $most:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// Most bytes of UTF-8.
            pub const MOST_BYTES: usize = $most;

            /// Checks a text.
            ///
            /// # Errors
            /// [`InvalidName`] if it is empty, too long, or has control characters.
            pub fn new(text: impl Into<String>) -> Result<$type, InvalidName> {
                let text = text.into();
                check_name(&text, $most)?;
                Ok($type(text))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<$type, InvalidName> {
                $type::new(text)
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<$type, InvalidName> {
                $type::new(text)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        as_text!($type, $what);
    };
}

bounded_text! {
    /// Why something was done, or who did it: 1 to 200 bytes without control characters.
    ///
    /// It stays in the journal for ever, in clear. **Never put personal data of a customer into it**: no name, no email,
    /// not the text of a letter. Name the letter instead: `"request 2026-114, Art. 17"`.
    Reason, 200, "a reason of 1 to 200 bytes"
}

bounded_text! {
    /// What something is called: a purpose, a field, an index, a recipient, a kind of request. 1 to 128 bytes without
    /// control characters, and never personal data of a customer.
    Label, 128, "a label of 1 to 128 bytes"
}

impl From<Purpose> for Label {
    fn from(purpose: Purpose) -> Label {
        Label(purpose.name().to_owned())
    }
}

/// 9999-12-30T21:59:59.999Z in milliseconds: every time before it has every part.
const LAST: i64 = 253_402_207_199_999;

/// A point in time to the millisecond, in UTC: `2026-11-24T18:36:13.123Z`. Finer parts are cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(Timestamp);

impl Time {
    /// The first: 1970-01-01, which stands for anything earlier.
    pub const FIRST: Time = Time(Timestamp::UNIX_EPOCH);

    /// The wall clock's.
    #[must_use]
    pub fn now() -> Time {
        Timestamp::now().into()
    }

    /// As jiff has it.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        self.0
    }
}

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Time {
        Timestamp::from_millisecond(time.as_millisecond().clamp(0, LAST)).map_or(Time::FIRST, Time)
    }
}

impl From<SystemTime> for Time {
    /// What is later than the year 9999 becomes the last time there is.
    fn from(time: SystemTime) -> Time {
        let is_past = time < SystemTime::UNIX_EPOCH;
        Timestamp::try_from(time).unwrap_or(if is_past { Timestamp::UNIX_EPOCH } else { Timestamp::MAX }).into()
    }
}

impl From<Time> for Timestamp {
    fn from(time: Time) -> Timestamp {
        time.0
    }
}

impl From<Time> for SystemTime {
    fn from(time: Time) -> SystemTime {
        // Never before 1970, so nothing is lost.
        SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(time.0.as_millisecond().unsigned_abs())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

/// Text that is not what it should be: not a time, an anchor, an id in the one form that each has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {0}")]
pub struct InvalidText(pub(super) &'static str);

impl FromStr for Time {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Time, InvalidText> {
        const WHAT: InvalidText = InvalidText("a time such as 2026-11-24T18:36:13.123Z");
        let time = text.parse::<Timestamp>().map(Time::from).map_err(|_| WHAT)?;
        if time.to_string() == text { Ok(time) } else { Err(WHAT) }
    }
}

as_text!(Time, "a time such as 2026-11-24T18:36:13.123Z");

/// The name of a vault: 16 random bytes, 32 hexadecimal digits as text. Nothing of it is secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct VaultName(pub(crate) VaultId);

impl fmt::Display for VaultName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for VaultName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VaultName({self})")
    }
}

impl FromStr for VaultName {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<VaultName, InvalidText> {
        let is_plain = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_plain);
        number.map(|number| VaultName(VaultId(number.to_be_bytes()))).ok_or(InvalidText("the name of a vault"))
    }
}

as_text!(VaultName, "the name of a vault");

/// What one event is told from all others by: 16 bytes of the writer's choice, best random.
///
/// Whoever was interrupted while writing an event down finds out by it whether the journal has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub [u8; 16]);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(&self.0))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({self})")
    }
}

impl FromStr for EventId {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<EventId, InvalidText> {
        decode(text).map(EventId).ok_or(InvalidText("the id of an event"))
    }
}

as_text!(EventId, "the id of an event");

/// A SHA-256, as entries name one another by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub(crate) [u8; 32]);

impl Hash {
    /// What the first entry has in place of the hash of the one before.
    pub(crate) const NONE: Hash = Hash([0; 32]);

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Hash, InvalidText> {
        decode(text).map(Hash).ok_or(InvalidText("a hash of 43 characters"))
    }
}

as_text!(Hash, "a hash of 43 characters");

impl Anchor {
    /// The entry's number, from 1 on.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.n
    }

    /// The SHA-256 of the entry's line, without its line feed.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash(self.hash)
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.n, self.hash())
    }
}

impl FromStr for Anchor {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Anchor, InvalidText> {
        const WHAT: InvalidText = InvalidText("an anchor such as 12:hash");
        let (n, hash) = text.split_once(':').ok_or(WHAT)?;
        let anchor = Anchor { n: n.parse().map_err(|_| WHAT)?, hash: hash.parse::<Hash>().map_err(|_| WHAT)?.0 };
        if anchor.n > 0 && anchor.to_string() == text { Ok(anchor) } else { Err(WHAT) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            "+002026-11-24T18:36:13.123Z",
        ] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
        assert_eq!(Time::from(Timestamp::MIN), Time::FIRST);
        assert_eq!(Time::from(Timestamp::MAX).to_string(), "9999-12-30T21:59:59.999Z");
        let now = Time::now();
        assert_eq!(now.to_string().parse(), Ok(now));
    }

    #[test]
    fn names_anchors_and_keys_have_one_text() {
        let name = VaultName(VaultId([0xab; 16]));
        assert_eq!(name.to_string().parse(), Ok(name));
        for text in ["AB".repeat(16), "ab".repeat(15), "ab".repeat(17), format!("+{}", "a".repeat(31))] {
            assert!(text.parse::<VaultName>().is_err(), "{text}");
        }
        let anchor = Anchor { n: 12, hash: [7; 32] };
        let text = anchor.to_string();
        assert_eq!(text.parse(), Ok(anchor));
        for text in [text.replace("12:", "012:"), text.replace("12:", "0:"), text.replace(':', ""), text.clone() + "A"]
        {
            assert!(text.parse::<Anchor>().is_err(), "{text}");
        }
        // The last of 43 characters has two bits that mean nothing, and must be zero.
        let last = text.chars().last().unwrap() as u8;
        assert!((text[..text.len() - 1].to_owned() + &char::from(last + 1).to_string()).parse::<Anchor>().is_err());
        let key = crate::journal::tests::ours_public();
        assert_eq!(key.to_string().parse(), Ok(key));
        // Of small order: everything would be signed by it.
        let mut weak = [0; 32];
        weak[0] = 1;
        assert!(crate::journal::PublicKey::from_bytes(&weak).is_err());
        assert!(format!("obl-key-1.{}", encode(&weak)).parse::<crate::journal::PublicKey>().is_err());
    }

    #[test]
    fn reasons_and_labels_are_bounded_and_printable() {
        assert!(Reason::new("x".repeat(200)).is_ok() && Label::new("x".repeat(128)).is_ok());
        assert!(Reason::new("x".repeat(201)).is_err() && Label::new("x".repeat(129)).is_err());
        for text in ["", "a\nb", "\u{1b}[31m", "\u{85}"] {
            assert!(Reason::new(text).is_err() && Label::new(text).is_err(), "{text:?}");
        }
    }
}
