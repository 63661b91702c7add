//! diesel: `Binary`, `Text` and `BigInt` of every backend. The expressions are derived where the types are.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{BigInt, Binary, Text};
use zeroize::Zeroizing;

use crate::columns::{MaybeSealed, SealedText};
use crate::customer::CustomerId;
use crate::index::Token;
use crate::sealed::Sealed;

impl<T, DB: Backend> ToSql<Binary, DB> for Sealed<T>
where
    [u8]: ToSql<Binary, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.as_bytes().to_sql(out)
    }
}

impl<T, DB: Backend> FromSql<Binary, DB> for Sealed<T>
where
    Vec<u8>: FromSql<Binary, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Sealed<T>> {
        // It may be plaintext.
        let bytes = Zeroizing::new(Vec::from_sql(value)?);
        Ok(Sealed::from_bytes(bytes.as_slice())?)
    }
}

impl<T, DB: Backend> ToSql<Binary, DB> for Token<T>
where
    [u8]: ToSql<Binary, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.as_bytes().to_sql(out)
    }
}

impl<T, DB: Backend> FromSql<Binary, DB> for Token<T>
where
    Vec<u8>: FromSql<Binary, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Token<T>> {
        let bytes = Zeroizing::new(Vec::from_sql(value)?);
        Ok(Token::from_bytes(&bytes)?)
    }
}

impl<T, DB: Backend> ToSql<Text, DB> for SealedText<T>
where
    str: ToSql<Text, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.as_str().to_sql(out)
    }
}

impl<T, DB: Backend> FromSql<Text, DB> for SealedText<T>
where
    String: FromSql<Text, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<SealedText<T>> {
        Ok(Zeroizing::new(String::from_sql(value)?).parse()?)
    }
}

impl<T, DB: Backend> ToSql<Text, DB> for MaybeSealed<T>
where
    str: ToSql<Text, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        ToSql::<Text, DB>::to_sql(self.to_write()?, out)
    }
}

impl<T, DB: Backend> FromSql<Text, DB> for MaybeSealed<T>
where
    String: FromSql<Text, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<MaybeSealed<T>> {
        Ok(String::from_sql(value)?.try_into()?)
    }
}

impl<DB: Backend> ToSql<BigInt, DB> for CustomerId
where
    i64: ToSql<BigInt, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.as_stored().to_sql(out)
    }
}

impl<DB: Backend> FromSql<BigInt, DB> for CustomerId
where
    i64: FromSql<BigInt, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<CustomerId> {
        Ok(CustomerId::from_stored(i64::from_sql(value)?)?)
    }
}
