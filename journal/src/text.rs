//! Texts of an entry: each has one form, is bounded, and can be printed on a terminal.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};

use super::name::{InvalidName, check_name};

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
pub(crate) use as_text;

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
    /// not the text of a letter. Name the letter instead: `"request 2026-114, Art. 17"`. [`Journal`](crate::Journal) has an example.
    Reason, 200, "a reason of 1 to 200 bytes"
}

bounded_text! {
    /// What something is called: a purpose, a field, an index, a recipient, a kind of request. 1 to 128 bytes without
    /// control characters, and never personal data of a customer. [`Journal`](crate::Journal) has an example.
    Label, 128, "a label of 1 to 128 bytes"
}

/// Text that does not parse: a time, an anchor, a key or an id that is not in its one form.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {0}")]
pub struct InvalidText(pub(crate) &'static str);

crate::message::debug_as_message!(InvalidText);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_and_labels_are_bounded_and_printable() {
        assert!(Reason::new("x".repeat(200)).is_ok() && Label::new("x".repeat(128)).is_ok());
        assert!(Reason::new("x".repeat(201)).is_err() && Label::new("x".repeat(129)).is_err());
        for text in ["", "a\nb", "\u{1b}[31m", "\u{85}"] {
            assert!(Reason::new(text).is_err() && Label::new(text).is_err(), "{text:?}");
        }
    }
}
