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
use crate::parse::ParseError;
use crate::personal::MOST_BYTES;

mod header;
#[cfg(test)]
mod tests;

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
/// Equality and hashing are of the bytes: sealing one value twice gives two that differ.
///
/// ```
/// use oubliette::{Field, Purpose, Sealed, Vault, personal::Email};
/// const EMAIL: Field<Email> = Purpose::new("orders").field("email");
/// # let vault = Vault::in_memory([EMAIL.purpose()]);
/// # let alice = vault.enroll()?;
///
/// let sealed: Sealed<Email> = vault.seal(alice, EMAIL, &"alice@example.com".parse()?)?;
/// assert_eq!(Sealed::from_bytes(sealed.as_bytes())?, sealed); // a column of bytes
/// assert_eq!(sealed.to_string().parse::<Sealed<Email>>()?, sealed); // a column of text: obl1.…
/// assert_eq!(sealed.customer(), alice);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg_attr(
    feature = "diesel",
    derive(diesel::expression::AsExpression, diesel::deserialize::FromSqlRow),
    diesel(sql_type = diesel::sql_types::Binary)
)]
pub struct Sealed<T> {
    bytes: Box<[u8]>,
    holds: PhantomData<fn() -> T>,
}

impl<T> Sealed<T> {
    /// Parses the bytes of a sealed value. They are not authenticated: opening does that.
    ///
    /// # Errors
    /// [`ParseError`] when they do not have the form of a sealed value. Nothing was allocated.
    pub fn from_bytes(bytes: impl Into<Vec<u8>> + AsRef<[u8]>) -> Result<Sealed<T>, ParseError> {
        check(bytes.as_ref())?;
        Ok(Sealed::from_checked(bytes.into()))
    }

    /// True when a column's content begins as a sealed value does: text with `obl1.` (or `\\xf8`, which is how PostgreSQL writes its bytes as
    /// text), bytes with 0xF8 or above, which begins no UTF-8 text.
    ///
    /// What looks like a sealed value and does not parse is never plaintext: it is damaged, cut off by a narrow column, or of a newer
    /// version. Only parsing tells that it is a sealed value, and only opening that it is authentic.
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
