//! sea-orm: what a field of an entity, a parameter and a column of a result need.

use std::error::Error;
use std::sync::Arc;

use sea_orm::sea_query::{ArrayType, ColumnType, Nullable, StringLen, Value, ValueType, ValueTypeErr};
use sea_orm::{ActiveValue, ColIdx, DbErr, IntoActiveValue, QueryResult, TryFromU64, TryGetError, TryGetable};
use zeroize::Zeroizing;

use crate::columns::{MaybeSealed, SealedText};
use crate::customer::CustomerId;
use crate::index::Token;
use crate::sealed::Sealed;

fn undecodable(from: &'static str, into: &'static str, error: impl Error + Send + Sync + 'static) -> TryGetError {
    TryGetError::DbErr(DbErr::TryIntoErr { from, into, source: Arc::new(error) })
}

/// A type that is stored as `$stored`, the content of the variant `$variant`.
macro_rules! stored_as {
    ($stored:ty, $variant:ident, $column:expr, $type:ident $(<$holds:ident>)?, $to:expr, $from:expr) => {
        impl<$($holds)?> From<$type$(<$holds>)?> for Value {
            fn from(value: $type$(<$holds>)?) -> Value {
                Value::$variant(Some(($to)(value)))
            }
        }

        impl<$($holds)?> Nullable for $type$(<$holds>)? {
            fn null() -> Value {
                Value::$variant(None)
            }
        }

        impl<$($holds)?> ValueType for $type$(<$holds>)? {
            fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
                match value {
                    Value::$variant(Some(stored)) => ($from)(&stored).map_err(|_| ValueTypeErr),
                    _ => Err(ValueTypeErr),
                }
            }

            fn type_name() -> String {
                stringify!($type).to_owned()
            }

            fn array_type() -> ArrayType {
                ArrayType::$variant
            }

            fn column_type() -> ColumnType {
                $column
            }
        }

        impl<$($holds)?> TryGetable for $type$(<$holds>)? {
            fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
                // Where it is refused, it may be plaintext.
                let stored = Zeroizing::new(<$stored>::try_get_by(row, index)?);
                ($from)(&stored).map_err(|error| undecodable(stringify!($stored), stringify!($type), error))
            }
        }

        impl<$($holds)?> IntoActiveValue<$type$(<$holds>)?> for $type$(<$holds>)? {
            fn into_active_value(self) -> ActiveValue<Self> {
                ActiveValue::Set(self)
            }
        }
    };
}

stored_as!(Vec<u8>, Bytes, ColumnType::Blob, Sealed<T>, Sealed::into_bytes, |bytes: &Vec<u8>| Sealed::from_bytes(
    bytes.as_slice()
));
stored_as!(
    Vec<u8>,
    Bytes,
    ColumnType::VarBinary(StringLen::N(33)),
    Token<T>,
    |token: Token<T>| token.as_bytes().to_vec(),
    |bytes: &Vec<u8>| Token::from_bytes(bytes)
);
stored_as!(String, String, ColumnType::Text, SealedText<T>, |text: SealedText<T>| text.to_string(), |text: &String| {
    text.parse()
});
stored_as!(i64, BigInt, ColumnType::BigInteger, CustomerId, CustomerId::to_stored, |number: &i64| {
    CustomerId::from_stored(*number)
});

/// For an entity whose primary key is the customer's number.
impl TryFromU64 for CustomerId {
    fn try_from_u64(number: u64) -> Result<CustomerId, DbErr> {
        CustomerId::new(number).ok_or(DbErr::ConvertFromU64("CustomerId"))
    }
}

impl<T> TryGetable for MaybeSealed<T> {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        let text = String::try_get_by(row, index)?;
        MaybeSealed::try_from(text).map_err(|error| undecodable("String", "MaybeSealed", error))
    }
}
