//! The bytes of a plain column that a sealed value is bound to.

use std::borrow::Cow;

use crate::customer::CustomerId;

/// What `#[personal(seal = NOTE, context = id)]` may name: a type whose values have bytes to bind a sealed value to, as
/// [`Field::within`](crate::Field::within) does.
///
/// Integers give their big-endian bytes, as many as the type has, and a [`CustomerId`] those of its 64-bit integer. Types
/// that are `AsRef<[u8]>` (`String`, `Vec<u8>`, arrays of bytes, `Uuid`) need no implementation. Implement it for your own.
///
/// **The bytes must stay the same as long as the row does**: a column that goes from `i32` to `i64` changes them, and what
/// was bound to the old ones opens no more.
///
/// ```
/// use std::borrow::Cow;
/// struct OrderNumber { year: u16, count: u32 }
///
/// impl oubliette::fields::Context for OrderNumber {
///     fn context(&self) -> Cow<'_, [u8]> {
///         Cow::Owned([&self.year.to_be_bytes()[..], &self.count.to_be_bytes()].concat())
///     }
/// }
/// ```
pub trait Context {
    /// The bytes: different for different values, and never changing for one.
    fn context(&self) -> Cow<'_, [u8]>;
}

macro_rules! integers {
    ($($type:ty)*) => {$(
        impl Context for $type {
            fn context(&self) -> Cow<'_, [u8]> {
                Cow::Owned(self.to_be_bytes().to_vec())
            }
        }
    )*};
}

// Not usize and isize, whose size is the machine's.
integers!(u8 u16 u32 u64 u128 i8 i16 i32 i64 i128);

impl Context for CustomerId {
    fn context(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.to_stored().to_be_bytes().to_vec())
    }
}
