//! What opens values: a vault, or a reader of it.

use std::sync::Arc;

use crate::closed::Closed;
use crate::vault::{Reader, Vault};

/// What opens values: a [`Vault`], or a [`Reader`] within its limits; also by reference, in a box or shared.
///
/// For functions that take either. Only this crate implements it.
///
/// ```
/// use oubliette::{CustomerId, Field, OpenError, Opens, Purpose, Sealed, Vault, personal::Email};
/// const ORDERS: Purpose = Purpose::new("orders");
/// const EMAIL: Field<Email> = ORDERS.field("email");
///
/// fn email_of(opens: &impl Opens, customer: CustomerId, sealed: &Sealed<Email>) -> Result<Email, OpenError> {
///     opens.reader().open(customer, EMAIL, sealed)
/// }
///
/// let vault = Vault::in_memory([ORDERS]);
/// let alice = vault.enroll()?;
/// let email = vault.seal(alice, EMAIL, &"alice@example.com".parse()?)?;
/// assert_eq!(email_of(&vault, alice, &email)?.expose_personal_data(), "alice@example.com");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(message = "values are opened with a `Vault` or a `Reader`, not with `{Self}`")]
pub trait Opens: Closed {
    /// What opens: a reader without limits of a vault, or the reader itself.
    fn reader(&self) -> Reader;
}

impl Closed for Vault {}
impl Closed for Reader {}
impl<V: Opens + ?Sized> Closed for &V {}
impl<V: Opens + ?Sized> Closed for Arc<V> {}
impl<V: Opens + ?Sized> Closed for Box<V> {}

impl Opens for Vault {
    fn reader(&self) -> Reader {
        Reader::unlimited(self)
    }
}

impl Opens for Reader {
    fn reader(&self) -> Reader {
        self.clone()
    }
}

// What derefs to a vault was coerced to one before there were readers.
impl<V: Opens + ?Sized> Opens for &V {
    fn reader(&self) -> Reader {
        V::reader(self)
    }
}

impl<V: Opens + ?Sized> Opens for Arc<V> {
    fn reader(&self) -> Reader {
        V::reader(self)
    }
}

impl<V: Opens + ?Sized> Opens for Box<V> {
    fn reader(&self) -> Reader {
        V::reader(self)
    }
}
