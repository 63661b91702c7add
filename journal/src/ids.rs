//! What vaults, key trees, events and entries are told apart by.

use std::fmt;
use std::str::FromStr;

use super::text::{InvalidText, as_text, decode, encode};

/// Lower-case hexadecimal digits, the one way to write `N` bytes.
fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Sixteen bytes, 32 hexadecimal digits as text.
macro_rules! sixteen_bytes {
    ($(#[$about:meta])* $name:ident, $what:literal) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// From its bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> $name {
                $name(bytes)
            }

            /// Its bytes.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = InvalidText;

            fn from_str(text: &str) -> Result<$name, InvalidText> {
                from_hex(text).map($name).ok_or(InvalidText($what))
            }
        }

        as_text!($name, $what);
    };
}

sixteen_bytes!(
    /// The name of a vault: 16 random bytes, 32 hexadecimal digits as text. It is not secret. [`Signer`](crate::Signer) has an example.
    VaultName,
    "the name of a vault"
);

sixteen_bytes!(
    /// The name of a series of root keys in a token: 16 bytes, 32 hexadecimal digits as text. It is not secret. Bytes and text convert as in the example of [`KeyTreeId`].
    SeriesName,
    "the name of a series of keys"
);

sixteen_bytes!(
    /// The id of one key of a series: 16 random bytes, 32 hexadecimal digits as text. Two keys may have one number, and
    /// never one id. An id is not secret. Bytes and text convert as in the example of [`KeyTreeId`].
    VersionId,
    "the id of a version"
);

/// The name of a key tree: 8 random bytes, 16 hexadecimal digits as text. It is not secret.
///
/// ```
/// use oubliette_journal::KeyTreeId;
///
/// let tree: KeyTreeId = "00112233445566ff".parse()?;
/// assert_eq!(tree.to_bytes(), [0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0xff]);
/// # Ok::<(), oubliette_journal::InvalidKeyTreeId>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyTreeId([u8; 8]);

impl KeyTreeId {
    /// From its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> KeyTreeId {
        KeyTreeId(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Display for KeyTreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for KeyTreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyTreeId({self})")
    }
}

/// Text that is not the name of a key tree.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key tree is named by 16 hexadecimal digits, as `status` shows them")]
#[non_exhaustive]
pub struct InvalidKeyTreeId;

impl FromStr for KeyTreeId {
    type Err = InvalidKeyTreeId;

    fn from_str(text: &str) -> Result<KeyTreeId, InvalidKeyTreeId> {
        from_hex(text).map(KeyTreeId).ok_or(InvalidKeyTreeId)
    }
}

as_text!(KeyTreeId, "the name of a key tree");

/// The id of one event: 16 bytes that its writer chose, best at random. As text it is 22 characters of base64url.
///
/// A writer that was interrupted finds out by the id whether the journal has the event: see
/// [`append_identified`](crate::Journal::append_identified). [`KeyTreeId`] has an example of the conversions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId([u8; 16]);

impl EventId {
    /// From its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> EventId {
        EventId(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

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

/// A SHA-256 hash. Each entry names the one before by it. As text it is 43 characters of base64url.
/// [`Anchor`](crate::Anchor) has an example.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What the first entry has in place of the hash of the one before.
    pub(crate) const NONE: Hash = Hash([0; 32]);

    /// From its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Hash {
        Hash(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// Its bytes, without a copy.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
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

crate::message::debug_as_message!(InvalidKeyTreeId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_text() {
        let name = VaultName::from_bytes([0xab; 16]);
        assert_eq!(name.to_string(), "ab".repeat(16));
        assert_eq!(name.to_string().parse(), Ok(name));
        for text in
            ["AB".repeat(16), "ab".repeat(15), "ab".repeat(17), format!("+{}", "a".repeat(31)), "ab".repeat(16) + "a"]
        {
            assert!(text.parse::<VaultName>().is_err(), "{text}");
        }
        let tree = KeyTreeId::from_bytes([1, 2, 3, 4, 0xab, 0xcd, 0xef, 0]);
        assert_eq!(tree.to_string(), "01020304abcdef00");
        assert_eq!(tree.to_string().parse(), Ok(tree));
        for text in ["AB".repeat(8), "ab".repeat(7), "ab".repeat(9), format!("+{}", "a".repeat(15)), "é".repeat(8)] {
            assert!(text.parse::<KeyTreeId>().is_err(), "{text}");
        }
        let id = EventId::from_bytes([7; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        let hash = Hash::from_bytes([7; 32]);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert!(hash.to_string().parse::<EventId>().is_err() && id.to_string().parse::<Hash>().is_err());
    }
}
