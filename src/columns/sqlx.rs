//! sqlx: one implementation for every database, through the Rust types that all of its drivers know.

use std::error::Error;

use sqlx::encode::IsNull;
use sqlx::{Database, Decode, Encode, Type, ValueRef};

use crate::columns::{MaybeSealed, SealedText};
use crate::customer::CustomerId;
use crate::index::Token;
use crate::sealed::Sealed;

type BoxDynError = Box<dyn Error + Send + Sync + 'static>;

/// A type that is stored as `$stored`, and read from `$read`, which borrows from the row where it can.
macro_rules! stored_as {
    ($stored:ty, read from $read:ty, $type:ident $(<$holds:ident>)?, $to:expr, $from:expr) => {
        impl<$($holds,)? DB: Database> Type<DB> for $type$(<$holds>)?
        where
            $stored: Type<DB>,
        {
            fn type_info() -> DB::TypeInfo {
                <$stored>::type_info()
            }

            fn compatible(found: &DB::TypeInfo) -> bool {
                <$stored>::compatible(found)
            }
        }

        impl<'q, $($holds,)? DB: Database> Encode<'q, DB> for $type$(<$holds>)?
        where
            $stored: Encode<'q, DB>,
        {
            fn encode_by_ref(&self, out: &mut DB::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
                let stored: $stored = ($to)(self);
                stored.encode(out)
            }
        }

        impl<'r, $($holds,)? DB: Database> Decode<'r, DB> for $type$(<$holds>)?
        where
            $read: Decode<'r, DB>,
        {
            fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
                Ok(($from)(<$read>::decode(value)?)?)
            }
        }
    };
}

stored_as!(Vec<u8>, read from &'r [u8], Sealed<T>, |sealed: &Sealed<T>| sealed.as_bytes().to_vec(), Sealed::from_bytes);
stored_as!(Vec<u8>, read from &'r [u8], Token<T>, |token: &Token<T>| token.as_bytes().to_vec(), Token::from_bytes);
stored_as!(String, read from &'r str, SealedText<T>, |text: &SealedText<T>| text.to_string(), str::parse);
stored_as!(i64, read from i64, CustomerId, |id: &CustomerId| id.to_stored(), CustomerId::from_stored);

impl<T, DB: Database> Type<DB> for MaybeSealed<T>
where
    String: Type<DB>,
    Vec<u8>: Type<DB>,
{
    fn type_info() -> DB::TypeInfo {
        String::type_info()
    }

    // SQLite decides by the value, and a column of text may hold bytes.
    fn compatible(found: &DB::TypeInfo) -> bool {
        String::compatible(found) || Vec::<u8>::compatible(found)
    }
}

impl<'q, T, DB: Database> Encode<'q, DB> for MaybeSealed<T>
where
    String: Encode<'q, DB>,
{
    fn encode_by_ref(&self, out: &mut DB::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
        self.to_write()?.encode_by_ref(out)
    }
}

impl<'r, T, DB: Database> Decode<'r, DB> for MaybeSealed<T>
where
    String: Type<DB>,
    &'r str: Decode<'r, DB>,
    &'r [u8]: Decode<'r, DB>,
{
    fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
        let is_text = String::compatible(&value.type_info());
        if is_text { Ok(<&str>::decode(value)?.parse()?) } else { Ok(<&[u8]>::decode(value)?.try_into()?) }
    }
}
