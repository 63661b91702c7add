//! What bytes, texts and numbers that were stored are not.

/// Why bytes, text or a number are not what they should be: a sealed value, a token, a customer's number.
///
/// ```
/// use oubliette::{CustomerId, ParseError, Sealed, personal::Email};
///
/// let read = |column: &[u8]| Sealed::<Email>::from_bytes(column);
/// assert_eq!(read(b"alice@example.com"), Err(ParseError::Malformed)); // plaintext: was it missed when the rows were sealed?
/// assert_eq!(read(b"\xf8"), Err(ParseError::CutOff)); // make the column wider
/// assert_eq!(CustomerId::from_stored(0), Err(ParseError::NotACustomerNumber));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Not of the form of a sealed value; perhaps a plaintext value.
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
    /// A number outside 1 to 2^40 - 1, or text that is not a number.
    #[error("a customer number lies between 1 and 1099511627775; take it from the column that `enroll` filled")]
    NotACustomerNumber,
    /// Bytes that are no token of an index: fewer than 2, more than 33, or an epoch above 127.
    #[error("not an index token: 2 to 33 bytes, of which the first is an epoch")]
    NotAToken,
}

crate::journal::message::debug_as_message!(ParseError);
