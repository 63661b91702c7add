//! rusqlite: bytes are a BLOB, text is TEXT, a customer's number is an INTEGER.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::columns::{MaybeSealed, SealedText};
use crate::customer::CustomerId;
use crate::index::Token;
use crate::parse::ParseError;
use crate::sealed::Sealed;

/// Reads a BLOB. Anything else is what `otherwise` says, but NULL is rusqlite's own error, since that is a matter of
/// the schema.
fn read_blob<V, E>(value: ValueRef<'_>, read: fn(&[u8]) -> Result<V, E>, otherwise: E) -> FromSqlResult<V>
where
    E: std::error::Error + Send + Sync + 'static,
{
    match value {
        ValueRef::Blob(bytes) => read(bytes).map_err(FromSqlError::other),
        ValueRef::Null => Err(FromSqlError::InvalidType),
        _ => Err(FromSqlError::other(otherwise)),
    }
}

impl<T> ToSql for Sealed<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.as_bytes())))
    }
}

impl<T> FromSql for Sealed<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Sealed<T>> {
        read_blob(value, |bytes| Sealed::from_bytes(bytes), ParseError::Malformed)
    }
}

impl<T> ToSql for Token<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.as_bytes())))
    }
}

impl<T> FromSql for Token<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Token<T>> {
        read_blob(value, Token::from_bytes, ParseError::NotAToken)
    }
}

impl ToSql for CustomerId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.to_stored()))
    }
}

impl FromSql for CustomerId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<CustomerId> {
        CustomerId::from_stored(i64::column_result(value)?).map_err(FromSqlError::other)
    }
}

impl<T> ToSql for SealedText<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.as_str().as_bytes())))
    }
}

impl<T> FromSql for SealedText<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<SealedText<T>> {
        match value {
            ValueRef::Text(text) => read_text(text)?.parse().map_err(FromSqlError::other),
            ValueRef::Null => Err(FromSqlError::InvalidType),
            _ => Err(FromSqlError::other(ParseError::Malformed)),
        }
    }
}

impl<T> ToSql for MaybeSealed<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let text = self.to_write().map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        text.to_sql()
    }
}

impl<T> FromSql for MaybeSealed<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<MaybeSealed<T>> {
        match value {
            ValueRef::Text(text) => read_text(text)?.parse().map_err(FromSqlError::other),
            _ => read_blob(value, |bytes| MaybeSealed::try_from(bytes), ParseError::Malformed),
        }
    }
}

fn read_text(text: &[u8]) -> FromSqlResult<&str> {
    std::str::from_utf8(text).map_err(|_| FromSqlError::other(ParseError::Malformed))
}
