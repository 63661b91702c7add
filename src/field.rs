//! Purposes, fields and contexts: where a value belongs.

use std::fmt;
use std::marker::PhantomData;

use crate::customer::CustomerId;
use crate::journal::{InvalidName, Label, check_name};
use crate::personal::{PersonalData, TypeTag};

/// Most bytes in a purpose's name: the root record keeps names at this size.
pub(crate) const PURPOSE_BYTES: usize = 32;
/// Most bytes in a field's label.
pub(crate) const LABEL_BYTES: usize = 64;

/// Why data is kept: `"orders"`, `"newsletter"`. Each purpose has its own key tree, so one can be shredded alone.
///
/// The name is fixed for ever, since it is written in the vault.
///
/// ```
/// use oubliette::Purpose;
/// const ORDERS: Purpose = Purpose::new("orders");
/// ```
///
/// A bad name in a constant does not compile:
/// ```compile_fail
/// use oubliette::Purpose;
/// const NOTHING: Purpose = Purpose::new("");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Purpose {
    name: &'static str,
}

impl Purpose {
    /// Declares a purpose; meant for constants, where a bad name is a compile error.
    ///
    /// # Panics
    /// Outside a constant, on a name that [`Purpose::try_new`] would refuse.
    #[must_use]
    #[allow(clippy::panic)] // this is how a const fn refuses at compile time
    pub const fn new(name: &'static str) -> Purpose {
        match Purpose::try_new(name) {
            Ok(purpose) => purpose,
            Err(_) => panic!("a purpose's name has 1 to 32 bytes and no control characters"),
        }
    }

    /// Declares a purpose whose name is known at run time only, from configuration for instance.
    ///
    /// The name must live as long as the program; a handful of names may be leaked with `String::leak`.
    ///
    /// # Errors
    /// [`InvalidName`] unless the name has 1 to 32 bytes and no control characters.
    pub const fn try_new(name: &'static str) -> Result<Purpose, InvalidName> {
        match check_name(name, PURPOSE_BYTES) {
            Ok(()) => Ok(Purpose { name }),
            Err(error) => Err(error),
        }
    }

    /// Declares a field of this purpose; meant for constants.
    ///
    /// The label is fixed for ever: it takes part in the key. It is not the name of a column, which may change.
    ///
    /// # Panics
    /// Outside a constant, on a label that [`Purpose::try_field`] would refuse.
    #[must_use]
    #[allow(clippy::panic)] // this is how a const fn refuses at compile time
    pub const fn field<T: PersonalData>(self, label: &'static str) -> Field<T> {
        match self.try_field(label) {
            Ok(field) => field,
            Err(_) => panic!("a field's label has 1 to 64 bytes and no control characters"),
        }
    }

    /// Declares a field whose label is known at run time only.
    ///
    /// # Errors
    /// [`InvalidName`] unless the label has 1 to 64 bytes and no control characters.
    pub const fn try_field<T: PersonalData>(self, label: &'static str) -> Result<Field<T>, InvalidName> {
        match check_name(label, LABEL_BYTES) {
            Ok(()) => Ok(Field { purpose: self, label, holds: PhantomData }),
            Err(error) => Err(error),
        }
    }

    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }
}

impl From<Purpose> for Label {
    #[allow(clippy::expect_used)] // a purpose was checked by the same rule, and may be a quarter as long
    fn from(purpose: Purpose) -> Label {
        Label::new(purpose.name).expect("a purpose's name is a label")
    }
}

impl fmt::Debug for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Purpose({:?})", self.name)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// One column or event property that holds a `T`: a label fixed for ever, a type, a purpose.
///
/// ```
/// use oubliette::{Field, Purpose, personal::Email};
/// const ORDERS: Purpose = Purpose::new("orders");
/// const EMAIL: Field<Email> = ORDERS.field("email");
/// ```
pub struct Field<T> {
    pub(crate) purpose: Purpose,
    pub(crate) label: &'static str,
    pub(crate) holds: PhantomData<fn() -> T>,
}

impl<T: PersonalData> Field<T> {
    /// The purpose it belongs to.
    #[must_use]
    pub const fn purpose(self) -> Purpose {
        self.purpose
    }

    /// The label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        self.label
    }

    /// Binds a value to a context of the application's as well, such as an order's id.
    ///
    /// A value sealed within one context opens in no other. The context is not stored: whoever opens must know it.
    /// An empty context differs from none.
    #[must_use]
    pub const fn within(self, context: &[u8]) -> FieldWithin<'_, T> {
        FieldWithin { field: self, context: Some(context) }
    }
}

// By hand: a derive would ask Clone, Copy, Eq of T.
impl<T> Clone for Field<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Field<T> {}

impl<T> fmt::Debug for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Field({:?}, {:?})", self.purpose.name, self.label)
    }
}

/// A field, and the context that a value is bound to, if any. Made from a [`Field`] alone, or by [`Field::within`].
///
/// ```
/// # use oubliette::{Field, Purpose, Vault, personal::Email};
/// # const ORDERS: Purpose = Purpose::new("orders");
/// # const EMAIL: Field<Email> = ORDERS.field("email");
/// # let vault = Vault::in_memory([ORDERS]);
/// # let alice = vault.enroll()?;
/// let sealed = vault.seal(alice, EMAIL.within(b"order 1"), &"alice@example.com".parse()?)?;
/// assert!(vault.open(alice, EMAIL.within(b"order 1"), &sealed).is_ok());
/// assert!(vault.open(alice, EMAIL.within(b"order 2"), &sealed).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FieldWithin<'c, T> {
    pub(crate) field: Field<T>,
    pub(crate) context: Option<&'c [u8]>,
}

impl<T> Clone for FieldWithin<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for FieldWithin<'_, T> {}

impl<T> fmt::Debug for FieldWithin<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The context may be personal (a login name): its presence is enough.
        write!(
            f,
            "FieldWithin({:?}, {:?}, context: {})",
            self.field.purpose.name,
            self.field.label,
            self.context.is_some()
        )
    }
}

impl<T> From<Field<T>> for FieldWithin<'_, T> {
    fn from(field: Field<T>) -> Self {
        FieldWithin { field, context: None }
    }
}

/// A field's name: its purpose, its label and the tag of its type, without the type itself. These three decide its keys.
///
/// From a [`Field`], a [`FieldWithin`], or a record's [`FieldInfo`](crate::fields::FieldInfo).
///
/// ```
/// use oubliette::{Field, Purpose, personal::{Email, PersonalData}, fields::FieldId};
/// const ORDERS: Purpose = Purpose::new("orders");
/// const EMAIL: Field<Email> = ORDERS.field("email");
///
/// let id = FieldId::from(EMAIL);
/// assert_eq!((id.purpose(), id.label(), id.tag()), (ORDERS, "email", Email::TAG));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FieldId {
    pub(crate) purpose: Purpose,
    pub(crate) label: &'static str,
    pub(crate) tag: TypeTag,
}

impl FieldId {
    /// The purpose.
    #[must_use]
    pub const fn purpose(self) -> Purpose {
        self.purpose
    }

    /// The label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        self.label
    }

    /// The tag of the type.
    #[must_use]
    pub const fn tag(self) -> TypeTag {
        self.tag
    }

    /// This field of this customer, as errors name it.
    #[must_use]
    pub const fn of(self, customer: CustomerId) -> Belongs {
        Belongs { customer, purpose: self.purpose.name, label: self.label }
    }

    /// Equality, where the usual case is the same constant: one pointer to compare a part.
    #[inline]
    pub(crate) fn is(self, other: FieldId) -> bool {
        same_text(self.label, other.label)
            && same_text(self.tag.as_str(), other.tag.as_str())
            && same_text(self.purpose.name, other.purpose.name)
    }
}

impl<T: PersonalData> From<Field<T>> for FieldId {
    fn from(field: Field<T>) -> FieldId {
        FieldWithin::from(field).field_id()
    }
}

#[inline]
fn same_text(a: &'static str, b: &'static str) -> bool {
    std::ptr::eq(a, b) || a == b
}

impl<T: PersonalData> FieldWithin<'_, T> {
    /// The field, whatever the context.
    #[must_use]
    pub const fn field_id(self) -> FieldId {
        FieldId { purpose: self.field.purpose, label: self.field.label, tag: T::TAG }
    }
}

/// Where a value belongs, for messages: nothing of it is secret or personal. From errors, or from [`FieldId::of`].
///
/// ```
/// # use oubliette::{CustomerId, Field, Purpose, fields::FieldId, personal::Email};
/// # const EMAIL: Field<Email> = Purpose::new("orders").field("email");
/// let alice = CustomerId::from_stored(7)?;
/// let belongs = FieldId::from(EMAIL).of(alice);
/// assert_eq!((belongs.customer, belongs.purpose, belongs.label), (alice, "orders", "email"));
/// # Ok::<(), oubliette::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Belongs {
    /// The customer asked for.
    pub customer: CustomerId,
    /// The field's purpose.
    pub purpose: &'static str,
    /// The field's label.
    pub label: &'static str,
}

impl fmt::Display for Belongs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "customer {}, {}/{}", self.customer, self.purpose, self.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_printable() {
        assert!(Purpose::try_new("orders").is_ok());
        assert!(Purpose::try_new("commandes à livrer").is_ok());
        assert_eq!(Purpose::try_new(""), Err(InvalidName::Empty));
        assert_eq!(Purpose::try_new("a\nb"), Err(InvalidName::Control));
        assert_eq!(Purpose::try_new("a\u{85}b"), Err(InvalidName::Control));
        assert_eq!(Purpose::try_new("a\u{7f}"), Err(InvalidName::Control));
        let longest = Purpose::try_new("12345678901234567890123456789012").unwrap();
        assert_eq!(Label::from(longest).as_str(), longest.name());
        assert_eq!(Purpose::try_new("123456789012345678901234567890123"), Err(InvalidName::TooLong { most: 32 }));
    }
}
