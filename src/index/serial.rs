//! Tokens through serde: a record's twin may be sent or kept whole.

use std::fmt;
use std::marker::PhantomData;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{MOST_TOKEN_BYTES, Token};
use crate::parse::ParseError;

/// Bytes in binary formats; base64url without padding in those that people read.
impl<T> Serialize for Token<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&Base64UrlUnpadded::encode_string(self.as_bytes()))
        } else {
            serializer.serialize_bytes(self.as_bytes())
        }
    }
}

impl<'de, T> Deserialize<'de> for Token<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Token<T>, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(TokenVisitor { text: true, of: PhantomData })
        } else {
            deserializer.deserialize_bytes(TokenVisitor { text: false, of: PhantomData })
        }
    }
}

struct TokenVisitor<T> {
    text: bool,
    of: PhantomData<fn() -> T>,
}

impl<'de, T> Visitor<'de> for TokenVisitor<T> {
    type Value = Token<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.text { "an index token in base64url" } else { "the bytes of an index token" })
    }

    // Errors must not echo what was found, since it may be a plaintext.
    fn visit_str<E: Error>(self, text: &str) -> Result<Token<T>, E> {
        let mut bytes = [0; MOST_TOKEN_BYTES];
        let bytes = Base64UrlUnpadded::decode(text, &mut bytes).map_err(|_| E::custom(ParseError::NotAToken))?;
        Token::from_bytes(bytes).map_err(E::custom)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Token<T>, E> {
        Token::from_bytes(bytes).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Token<T>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = sequence.next_element()? {
            if bytes.len() == MOST_TOKEN_BYTES {
                return Err(A::Error::custom(ParseError::NotAToken));
            }
            bytes.push(byte);
        }
        Token::from_bytes(&bytes).map_err(A::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::IntoDeserializer;
    use serde::de::value::{BytesDeserializer, Error as ValueError, SeqDeserializer};

    #[test]
    fn tokens_round_trip_as_text() {
        let token = Token::<String>::from_bytes(&[0, 1, 2, 0xff]).unwrap();
        let json = serde_json::to_string(&token).unwrap();
        assert_eq!(json, "\"AAEC_w\"");
        assert_eq!(serde_json::from_str::<Token<String>>(&json).unwrap(), token);
    }

    #[test]
    fn only_the_form_is_accepted() {
        let long = Base64UrlUnpadded::encode_string(&[0; 34]);
        for bad in ["", "AA", "AAEC_w==", "AAEC/w", "gAEC", "alice@example.com", &long] {
            let error = serde_json::from_value::<Token<String>>(bad.into()).unwrap_err().to_string();
            assert!(!error.contains("alice"), "{error}");
        }
    }

    #[test]
    fn bytes_are_read_whole_and_one_by_one() {
        let visitor = || TokenVisitor::<String> { text: false, of: PhantomData };
        let bytes: BytesDeserializer<'_, ValueError> = (&[0_u8, 7][..]).into_deserializer();
        assert_eq!(bytes.deserialize_bytes(visitor()).unwrap().as_bytes(), [0, 7]);
        let sequence = |length| SeqDeserializer::<_, ValueError>::new(std::iter::repeat_n(0_u8, length));
        assert_eq!(sequence(33).deserialize_seq(visitor()).unwrap().as_bytes(), [0; 33]);
        assert!(sequence(34).deserialize_seq(visitor()).is_err() && sequence(1).deserialize_seq(visitor()).is_err());
    }
}
