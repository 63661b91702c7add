//! A plain column that a sealed value is bound to, as generated code sees it.

use std::borrow::Cow;

use super::context::Context;

/// A plain column, for generated code: method resolution prefers [`Context`] to `AsRef<[u8]>`, which the compiler would
/// not let one trait cover both.
#[derive(Debug)]
pub struct Plain<'v, T: ?Sized>(pub &'v T);

/// By [`Context`].
pub trait ByContext<'v> {
    /// The bytes.
    fn bytes(&self) -> Cow<'v, [u8]>;
}

impl<'v, T: Context + ?Sized> ByContext<'v> for Plain<'v, T> {
    fn bytes(&self) -> Cow<'v, [u8]> {
        self.0.context()
    }
}

/// By `AsRef<[u8]>`.
pub trait ByAsRef<'v> {
    /// The bytes.
    fn bytes(&self) -> Cow<'v, [u8]>;
}

impl<'v, T: AsRef<[u8]> + ?Sized> ByAsRef<'v> for &Plain<'v, T> {
    fn bytes(&self) -> Cow<'v, [u8]> {
        Cow::Borrowed(self.0.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customer::CustomerId;

    #[test]
    #[allow(clippy::needless_borrow)] // as the generated code calls it
    fn contexts_have_fixed_bytes() {
        assert_eq!((&Plain(&0x0102_i32)).bytes(), &[0, 0, 1, 2][..]);
        assert_eq!((&Plain(&-1_i16)).bytes(), &[0xff, 0xff][..]);
        assert_eq!((&Plain(&7_u128)).bytes().len(), 16);
        assert_eq!((&Plain(&CustomerId::MAX)).bytes(), &[0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff][..]);
        assert_eq!((&Plain(&"né".to_owned())).bytes(), "né".as_bytes());
        assert_eq!((&Plain("né")).bytes(), "né".as_bytes());
        assert_eq!((&Plain(&vec![1_u8, 2])).bytes(), &[1, 2][..]);
        assert_eq!((&Plain(&[1_u8, 2])).bytes(), &[1, 2][..]);
    }
}
