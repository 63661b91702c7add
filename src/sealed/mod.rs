//! `Sealed<T>`: what an application stores in place of a personal value.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::cipher::TAG_BYTES;
use crate::customer::CustomerId;
use crate::personal::MOST_BYTES;

mod header;

use header::IN_COPY;
pub(crate) use header::{ASSOCIATED_ROOM, HEADER_BYTES, Header, VERSION, associated};

/// How the text form begins.
const TEXT_PREFIX: &str = "obl1.";

/// Header, one byte of padding, tag.
const LEAST_BYTES: usize = HEADER_BYTES + 1 + TAG_BYTES;
/// A type's padding adds one step at most.
const MOST_SEALED_BYTES: usize = HEADER_BYTES + MOST_BYTES + u16::MAX as usize + TAG_BYTES;

/// A sealed `T`: ciphertext that opens only in its vault, for its customer, in its field.
///
/// Store it as bytes ([`as_bytes`](Sealed::as_bytes), 82 bytes more than the padded value) or as text
/// ([`Display`](fmt::Display) and [`FromStr`], beginning with `obl1.`); serde uses text in human-readable formats and
/// bytes in others. It may be copied, logged and backed up freely. What it shows: the customer's number, the padded
/// length, a coarse time, and which values are of the same customer and field.
///
/// Equality and hashing are of the bytes: sealing one value twice gives two different ones.
#[cfg_attr(
    feature = "diesel",
    derive(diesel::expression::AsExpression, diesel::deserialize::FromSqlRow),
    diesel(sql_type = diesel::sql_types::Binary)
)]
pub struct Sealed<T> {
    bytes: Box<[u8]>,
    holds: PhantomData<fn() -> T>,
}

/// In place of the type of a value that is known by its tag alone: a `Sealed<Encoded>` is opened by
/// [`Reader::open_encoded`](crate::Reader::open_encoded).
#[derive(Debug)]
pub enum Encoded {}

/// Bytes or text that are no sealed value.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Not of the form; perhaps a plaintext value.
    #[error("not a sealed value; was it stored in plaintext?")]
    Malformed,
    /// It begins as a sealed value does, and ends too early.
    #[error("a sealed value that was cut off; make its column wider (TEXT, BYTEA, BLOB), and write the value again")]
    CutOff,
    /// The text of a sealed value, and spaces after it.
    #[error("a sealed value with spaces after it; make its column TEXT or VARCHAR, since CHAR fills up with spaces")]
    Padded,
    /// The bytes of a sealed value as PostgreSQL writes them as text, `\\xf8..`: they were bound to a column of text.
    #[error("the bytes of a sealed value in a column of text; bind `SealedText` there, or make the column BYTEA")]
    BytesAsText,
    /// Sealed by a newer version of this crate.
    #[error("sealed by a newer version of oubliette (format {found:#04x}); upgrade this program")]
    UnknownVersion {
        /// The version byte found.
        found: u8,
    },
}

impl<T> Sealed<T> {
    /// Parses the bytes of a sealed value. They are not authenticated: opening does that.
    ///
    /// # Errors
    /// [`ParseError`] when they have not the form of one. Nothing is allocated then.
    pub fn from_bytes(bytes: impl Into<Vec<u8>> + AsRef<[u8]>) -> Result<Sealed<T>, ParseError> {
        check(bytes.as_ref())?;
        Ok(Sealed::from_checked(bytes.into()))
    }

    /// Whether what stands in a column begins as a sealed value does: as text with `obl1.` (or with `\\xf8`, which is its bytes as PostgreSQL writes them), as bytes with one
    /// from 0xF8 on, which no UTF-8 text has. What looks like one and does not parse is damaged, cut off by a column that is too narrow,
    /// or of a newer version; it is never plaintext. The other way round nothing is promised: only parsing tells whether it
    /// is a sealed value, and only opening whether it is genuine.
    #[must_use]
    pub fn looks_like(content: &[u8]) -> bool {
        content.starts_with(TEXT_PREFIX.as_bytes())
            || is_bytes_as_text(content)
            || content.first().is_some_and(|first| *first >= VERSION)
    }

    /// The bytes, to be stored in a binary column.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, without copying them.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes.into_vec()
    }

    /// The customer it says it was sealed for; not authenticated until it is opened.
    #[must_use]
    pub fn customer(&self) -> CustomerId {
        // Checked when parsed.
        CustomerId::from_path(self.header().customer).unwrap_or(CustomerId::MIN)
    }

    fn from_checked(bytes: Vec<u8>) -> Sealed<T> {
        Sealed { bytes: bytes.into_boxed_slice(), holds: PhantomData }
    }

    pub(crate) fn from_parts(bytes: Vec<u8>) -> Sealed<T> {
        Sealed::from_checked(bytes)
    }

    #[inline]
    pub(crate) fn header(&self) -> Header<'_> {
        Header::read(&self.bytes).unwrap_or(Header::EMPTY)
    }

    /// Ciphertext and tag.
    #[inline]
    pub(crate) fn text_and_tag(&self) -> Option<(&[u8], &[u8; TAG_BYTES])> {
        self.bytes.get(HEADER_BYTES..)?.split_last_chunk()
    }

    /// The length of the ciphertext.
    #[inline]
    pub(crate) fn text_bytes(&self) -> usize {
        self.bytes.len().saturating_sub(HEADER_BYTES + TAG_BYTES)
    }
}

fn is_bytes_as_text(content: &[u8]) -> bool {
    content.starts_with(b"\\xf8") || content.starts_with(b"\\xf9")
}

fn check(bytes: &[u8]) -> Result<(), ParseError> {
    match bytes.first() {
        Some(&(VERSION | IN_COPY)) => {}
        // 0xF8 to 0xFF are set aside for versions of this format.
        Some(&found) if found > VERSION => return Err(ParseError::UnknownVersion { found }),
        _ => return Err(ParseError::Malformed),
    }
    if bytes.len() < LEAST_BYTES {
        return Err(ParseError::CutOff);
    }
    if bytes.len() > MOST_SEALED_BYTES {
        return Err(ParseError::Malformed);
    }
    let header = Header::read(bytes).ok_or(ParseError::Malformed)?;
    CustomerId::from_path(header.customer).ok_or(ParseError::Malformed)?;
    Ok(())
}

// By hand: derives would ask the same of T.
impl<T> Clone for Sealed<T> {
    fn clone(&self) -> Self {
        Sealed { bytes: self.bytes.clone(), holds: PhantomData }
    }
}

impl<T> PartialEq for Sealed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<T> Eq for Sealed<T> {}

impl<T> Hash for Sealed<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl<T> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed(customer {}, {} bytes)", self.customer(), self.bytes.len())
    }
}

impl<T> AsRef<[u8]> for Sealed<T> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<T> TryFrom<Vec<u8>> for Sealed<T> {
    type Error = ParseError;

    fn try_from(bytes: Vec<u8>) -> Result<Self, ParseError> {
        Sealed::from_bytes(bytes)
    }
}

impl<T> TryFrom<&[u8]> for Sealed<T> {
    type Error = ParseError;

    fn try_from(bytes: &[u8]) -> Result<Self, ParseError> {
        Sealed::from_bytes(bytes)
    }
}

impl<T> fmt::Display for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(TEXT_PREFIX)?;
        f.write_str(&Base64UrlUnpadded::encode_string(&self.bytes))
    }
}

impl<T> FromStr for Sealed<T> {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let Some(encoded) = text.strip_prefix(TEXT_PREFIX) else {
            let is_bytes = is_bytes_as_text(text.as_bytes());
            return Err(if is_bytes { ParseError::BytesAsText } else { ParseError::Malformed });
        };
        if encoded.is_empty() {
            return Err(ParseError::CutOff);
        }
        if encoded.ends_with(' ') {
            return Err(ParseError::Padded);
        }
        // base64ct refuses padding, other alphabets and stray bits, so a value has exactly one text.
        let bytes = Base64UrlUnpadded::decode_vec(encoded).map_err(|_| {
            let is_of_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            // What is left of four characters has bits to spare, or is one of them.
            if encoded.bytes().all(is_of_alphabet) { ParseError::CutOff } else { ParseError::Malformed }
        })?;
        Sealed::from_bytes(bytes)
    }
}

impl<T> Serialize for Sealed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.bytes)
        }
    }
}

impl<'de, T> Deserialize<'de> for Sealed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(SealedVisitor { text: true, holds: PhantomData })
        } else {
            deserializer.deserialize_bytes(SealedVisitor { text: false, holds: PhantomData })
        }
    }
}

struct SealedVisitor<T> {
    text: bool,
    holds: PhantomData<fn() -> T>,
}

impl<'de, T> Visitor<'de> for SealedVisitor<T> {
    type Value = Sealed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.text { "the text of a sealed value (obl1.…)" } else { "the bytes of a sealed value" })
    }

    // Errors must not echo what was found, since it may be a plaintext.
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Sealed<T>, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Sealed<T>, E> {
        Sealed::from_bytes(bytes).map_err(E::custom)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut sequence: A) -> Result<Sealed<T>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = sequence.next_element()? {
            if bytes.len() == MOST_SEALED_BYTES {
                return Err(A::Error::custom(ParseError::Malformed));
            }
            bytes.push(byte);
        }
        Sealed::from_bytes(bytes).map_err(A::Error::custom)
    }
}

crate::journal::message::debug_as_message!(ParseError);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::derivation::TreeId;
    use proptest::prelude::*;

    fn example() -> Vec<u8> {
        let header = Header {
            in_copy: false,
            tree: TreeId([1; 8]),
            customer: [0, 0, 0, 0, 42],
            witness: 0x07_01_02_03,
            nonce: &[5; 12],
            commitment: &[6; 32],
        };
        let mut bytes = vec![0; HEADER_BYTES];
        header.write(&mut bytes).unwrap();
        [&bytes[..], &[0xaa; 32], &[0xbb; 16]].concat()
    }

    #[test]
    fn bytes_and_text_round_trip() {
        let sealed: Sealed<String> = Sealed::from_bytes(example()).unwrap();
        assert_eq!(sealed.customer().to_string(), "42");
        assert_eq!(sealed.to_string().parse(), Ok(sealed.clone()));
        assert_eq!(sealed.as_bytes(), example());
        let json = serde_json::to_string(&sealed).unwrap();
        assert!(json.starts_with("\"obl1."));
        assert_eq!(serde_json::from_str::<Sealed<String>>(&json).unwrap(), sealed);
        assert!(!format!("{sealed:?}").contains("aa"));
    }

    #[test]
    fn bytes_are_what_is_compared_and_given_out() {
        let sealed: Sealed<String> = Sealed::from_bytes(example()).unwrap();
        let mut other = example();
        *other.last_mut().unwrap() ^= 1;
        let other: Sealed<String> = Sealed::from_bytes(other).unwrap();
        assert!(sealed == sealed.clone() && sealed != other);
        let hash = |sealed: &Sealed<String>| {
            let mut hasher = std::hash::DefaultHasher::new();
            sealed.hash(&mut hasher);
            hasher.finish()
        };
        assert!(hash(&sealed) == hash(&sealed.clone()) && hash(&sealed) != hash(&other));
        assert_eq!(sealed.as_ref(), example());
        assert_eq!(format!("{sealed:?}"), "Sealed(customer 42, 114 bytes)");
        assert_eq!(sealed.into_bytes(), example());
    }

    /// FORMAT.md, section 1.
    #[test]
    fn sizes_are_those_of_the_format() {
        assert_eq!((LEAST_BYTES, MOST_SEALED_BYTES), (83, 16_842_833));
    }

    #[test]
    fn bytes_in_a_sequence_are_bounded_too() {
        use serde::de::value::{Error, SeqDeserializer};
        let read = |bytes: Vec<u8>| {
            let sequence = SeqDeserializer::<_, Error>::new(bytes.into_iter());
            SealedVisitor::<String> { text: false, holds: PhantomData }.visit_seq(sequence)
        };
        assert_eq!(read(example()).unwrap().as_bytes(), example());
        let mut long = vec![0; MOST_SEALED_BYTES + 1];
        long[..example().len()].copy_from_slice(&example());
        assert!(read(long.clone()).is_err());
        long.pop();
        assert!(read(long).is_ok(), "the longest that there may be");
    }

    #[test]
    fn another_type_is_told_what_was_expected() {
        let error = serde_json::from_str::<Sealed<String>>("7").unwrap_err().to_string();
        assert!(error.contains("expected the text of a sealed value"), "{error}");
    }

    #[test]
    fn only_the_form_is_accepted() {
        let good = example();
        for length in 0..good.len() {
            let parsed = Sealed::<String>::from_bytes(&good[..length]);
            assert_eq!(parsed.is_ok(), length >= LEAST_BYTES, "{length}");
        }
        let with = |at: usize, byte| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            Sealed::<String>::from_bytes(bytes)
        };
        assert!(with(0, 0xf9).unwrap().header().in_copy && !with(0, 0xf8).unwrap().header().in_copy);
        assert_eq!(with(0, 0xfa), Err(ParseError::UnknownVersion { found: 0xfa }));
        assert_eq!(with(0, 0xf7), Err(ParseError::Malformed));
        assert_eq!(with(13, 0), Err(ParseError::Malformed), "customer 0 does not exist");
        assert_eq!(Sealed::<String>::from_bytes(vec![VERSION; MOST_SEALED_BYTES + 1]), Err(ParseError::Malformed));
    }

    /// Each is what some column makes of a value.
    #[test]
    fn what_a_column_did_is_said() {
        let (good, text) = (example(), Sealed::<String>::from_bytes(example()).unwrap().to_string());
        for length in 1..LEAST_BYTES {
            assert_eq!(Sealed::<String>::from_bytes(&good[..length]), Err(ParseError::CutOff), "{length}");
        }
        for length in TEXT_PREFIX.len()..110 {
            assert_eq!(text[..length].parse::<Sealed<String>>(), Err(ParseError::CutOff), "{length}");
        }
        assert_eq!(format!("{text}  ").parse::<Sealed<String>>(), Err(ParseError::Padded));
        for as_text in ["\\xf8", "\\xf900aa", "\\xf8c3"] {
            assert_eq!(as_text.parse::<Sealed<String>>(), Err(ParseError::BytesAsText));
            assert!(Sealed::<String>::looks_like(as_text.as_bytes()), "never plaintext, which a job would seal");
        }
        for other in ["alice", "\\x41", "obl1.!", "obl2.AAAA"] {
            assert_eq!(other.parse::<Sealed<String>>(), Err(ParseError::Malformed), "{other}");
        }
    }

    #[test]
    fn what_looks_like_one_is_never_plaintext() {
        let looks_like = Sealed::<String>::looks_like;
        let (good, text) = (example(), Sealed::<String>::from_bytes(example()).unwrap().to_string());
        assert!((1..=good.len()).all(|length| looks_like(&good[..length])), "cut off or not");
        assert!((TEXT_PREFIX.len()..=text.len()).all(|length| looks_like(&text.as_bytes()[..length])));
        assert!((0xf8..=0xff).all(|first| looks_like(&[first])), "of a newer version");
        for plaintext in ["", "alice@example.com", "obl1", "OBL1.", " obl1.", "\u{10ffff}"] {
            assert!(!looks_like(plaintext.as_bytes()), "{plaintext:?}");
        }
        assert!(!looks_like(&[0xf7]), "no text, and no sealed value either");
    }

    #[test]
    fn text_has_one_form() {
        let text = Sealed::<String>::from_bytes(example()).unwrap().to_string();
        for bad in [
            format!("{text}="),
            format!(" {text}"),
            text.replace("obl1.", "obl2."),
            text.replace("obl1.", "OBL1."),
            format!("{}.", &text[..text.len() - 1]),
        ] {
            assert_eq!(bad.parse::<Sealed<String>>(), Err(ParseError::Malformed));
        }
    }

    #[test]
    fn errors_do_not_echo_a_plaintext() {
        let error = serde_json::from_str::<Sealed<String>>("\"alice@example.com\"").unwrap_err().to_string();
        assert!(!error.contains("alice"), "{error}");
    }

    proptest! {
        #[test]
        fn whatever_parses_is_written_back_the_same(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(first) = bytes.first_mut() { *first |= 0xf8; }
            if let Ok(sealed) = Sealed::<String>::from_bytes(bytes.clone()) {
                prop_assert_eq!(sealed.as_bytes(), &bytes[..]);
                prop_assert_eq!(sealed.to_string().parse::<Sealed<String>>(), Ok(sealed));
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = text.parse::<Sealed<String>>();
            let _ = format!("obl1.{text}").parse::<Sealed<String>>();
        }
    }
}
