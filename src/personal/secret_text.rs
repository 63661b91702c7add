//! Text that is wiped on drop and while it grows, and what all types that hold one have in common.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserializer, Error, Visitor};
use subtle::ConstantTimeEq;
use unicode_normalization::{UnicodeNormalization, is_nfc};
use zeroize::Zeroizing;

/// Text that is wiped on drop. Use `push` and `push_str` only: `String`'s own growth would leave the old bytes behind.
#[derive(Clone)]
pub(super) struct SecretText(Zeroizing<String>);

impl SecretText {
    pub(super) fn with_capacity(bytes: usize) -> SecretText {
        SecretText(Zeroizing::new(String::with_capacity(bytes)))
    }

    pub(super) fn taking(text: String) -> SecretText {
        SecretText(Zeroizing::new(text))
    }

    pub(super) fn copy_of(text: &str) -> SecretText {
        SecretText::taking(text.to_owned())
    }

    pub(super) fn collect(chars: impl Iterator<Item = char>, capacity: usize) -> SecretText {
        let mut text = SecretText::with_capacity(capacity);
        chars.for_each(|c| text.push(c));
        text
    }

    /// The text in Unicode's normal form C, in which most people's keyboards write.
    pub(super) fn nfc(text: &str) -> SecretText {
        if is_nfc(text) { SecretText::copy_of(text) } else { SecretText::collect(text.nfc(), text.len()) }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn push(&mut self, c: char) {
        self.push_str(c.encode_utf8(&mut [0; 4]));
    }

    pub(super) fn push_str(&mut self, more: &str) {
        let wanted = self.0.len().saturating_add(more.len());
        if wanted > self.0.capacity() {
            let mut grown = Zeroizing::new(String::with_capacity(wanted.max(self.0.capacity().saturating_mul(2))));
            grown.push_str(&self.0);
            self.0 = grown;
        }
        self.0.push_str(more);
    }
}

// An opened value may be compared with one that a stranger sent, and costs nothing more in constant time.
impl PartialEq for SecretText {
    fn eq(&self, other: &SecretText) -> bool {
        self.as_str().as_bytes().ct_eq(other.as_str().as_bytes()).into()
    }
}

impl Eq for SecretText {}

/// Deserialises a value that is written as text.
///
/// serde's own errors quote what they found ("invalid type: integer `33612345678`"), and formats make such errors before
/// any visitor is asked. So every error is replaced, by the type's own if the text was read and refused.
pub(super) fn deserialize_text<'de, D, T>(deserializer: D, expected: &'static str) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr + TryFrom<String, Error = <T as FromStr>::Err>,
    <T as FromStr>::Err: fmt::Display,
{
    let mut refused = None;
    let visitor = TextVisitor { refused: &mut refused, expected, makes: PhantomData::<T> };
    deserializer.deserialize_str(visitor).map_err(|_| match refused {
        Some(error) => D::Error::custom(error),
        None => D::Error::custom(format_args!("expected {expected}")),
    })
}

struct TextVisitor<'r, T: FromStr> {
    refused: &'r mut Option<T::Err>,
    expected: &'static str,
    makes: PhantomData<T>,
}

impl<T: FromStr> TextVisitor<'_, T> {
    fn read<E: Error>(self, read: Result<T, T::Err>) -> Result<T, E> {
        read.map_err(|error| {
            *self.refused = Some(error);
            E::custom("refused")
        })
    }
}

impl<T: FromStr + TryFrom<String, Error = <T as FromStr>::Err>> Visitor<'_> for TextVisitor<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        self.read(text.parse())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<T, E> {
        self.read(T::try_from(text))
    }
}

/// What the types that keep one text (in a field `text`) share: the door out and a redacted `Debug`.
macro_rules! exposes_text {
    ($type:ident) => {
        impl $type {
            /// The door out: the text itself, to show, send or export. Search a program for this name to find every
            /// place where personal data leaves its type.
            #[must_use]
            pub fn expose_personal_data(&self) -> &str {
                self.text.as_str()
            }
        }

        impl ::std::fmt::Debug for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(concat!(stringify!($type), "(redacted)"))
            }
        }
    };
}
pub(super) use exposes_text;

/// The door out through serde, for the types whose text is all there is to say.
macro_rules! serializes_exposed_text {
    ($type:ident) => {
        impl $crate::personal::ExposePersonalData for $type {
            fn serialize_exposed<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.text.as_str())
            }
        }
    };
}
pub(super) use serializes_exposed_text;

/// A `TryFrom<String>` that wipes what it is given, for a type with `FromStr`.
macro_rules! wipes_what_it_reads {
    ($type:ident, $error:ty) => {
        /// Wipes the given string, whether it is accepted or not.
        impl TryFrom<String> for $type {
            type Error = $error;

            fn try_from(text: String) -> Result<$type, $error> {
                ::zeroize::Zeroizing::new(text).parse()
            }
        }
    };
}
pub(super) use wipes_what_it_reads;

/// `Deserialize` from a string, for a type with `FromStr` and `TryFrom<String>`.
macro_rules! deserializes_from_text {
    ($type:ident, $expected:literal) => {
        impl<'de> ::serde::Deserialize<'de> for $type {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                $crate::personal::secret_text::deserialize_text(deserializer, $expected)
            }
        }
    };
}
pub(super) use deserializes_from_text;

/// Content that is one UTF-8 text of 1 to `most` bytes. That is all a decoder may check: rules about what people type
/// come from libraries whose tables change, and what was sealed years ago must still open.
pub(super) fn decode_text(bytes: &[u8], most: usize) -> Result<SecretText, super::Invalid> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && text.len() <= most => Ok(SecretText::copy_of(text)),
        _ => Err(super::Invalid::Content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growing_keeps_the_text() {
        let mut text = SecretText::with_capacity(1);
        text.push('é');
        text.push_str("ÿabc");
        assert_eq!(text.as_str(), "éÿabc");
        assert!(text == SecretText::collect("e\u{301}y\u{308}abc".nfc(), 0));
        assert!(text == SecretText::nfc("e\u{301}y\u{308}abc"));
        assert!(text != SecretText::copy_of("éÿab"));
    }

    #[test]
    fn content_is_bounded_utf8() {
        assert!(decode_text(b"abc", 3).is_ok());
        for bad in [&b""[..], b"abcd", b"\xff", b"\xed\xa0\x80"] {
            assert!(decode_text(bad, 3).is_err());
        }
    }
}
