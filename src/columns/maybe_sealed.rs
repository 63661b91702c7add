//! A value of a column that is being migrated from plaintext.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::columns::SealedText;
use crate::customer::CustomerId;
use crate::error::OpenError;
use crate::field::{Belongs, FieldWithin};
use crate::parse::ParseError;
use crate::personal::{PersonalData, Text};
use crate::sealed::Sealed;
use crate::vault::Vault;

/// What a text column holds while its plaintext is being sealed: a sealed value, or still plaintext.
///
/// It is read from either, and written only sealed: binding plaintext is refused ([`SealError::Plaintext`](crate::SealError::Plaintext)). Open with
/// [`OnPlaintext::Accept`] until the rows are sealed. From then on open with [`OnPlaintext::Refuse`], so that a row that was missed is
/// an error; later change the type to [`SealedText<T>`]. **Deploy in the order that [oubliette-jobs](https://docs.rs/oubliette-jobs)
/// gives**, which seals the rows: then no process reads what it does not know. A row without a customer number has nothing
/// sealed: parse what [`expose_personal_data`](MaybeSealed::expose_personal_data) gives.
///
/// ```
/// # use oubliette::{Field, Purpose, Vault, personal::Email};
/// use oubliette::OpenError;
/// use oubliette::columns::{MaybeSealed, OnPlaintext};
/// # const EMAIL: Field<Email> = Purpose::new("orders").field("email");
/// # let vault = Vault::in_memory([EMAIL.purpose()]);
/// # let alice = vault.enroll()?;
///
/// let old: MaybeSealed<Email> = "alice@example.com".parse()?; // as a row gives it
/// let email = old.open(&vault, alice, EMAIL, OnPlaintext::Accept)?;
/// let new = MaybeSealed::from(vault.seal(alice, EMAIL, &email)?);
///
/// assert!(matches!(old.open(&vault, alice, EMAIL, OnPlaintext::Refuse), Err(OpenError::PlaintextRefused { .. })));
/// assert!(new.open(&vault, alice, EMAIL, OnPlaintext::Refuse).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Text that begins with `obl1.` is a sealed value, or an error; never plaintext. Bytes, which SQLite allows in a column
/// of text, likewise. All other text is plaintext, wiped on drop, and parsed when it is opened.
///
/// **While plaintext is accepted, nothing is authenticated**: whoever can write to the column can put any plaintext in
/// place of any sealed value. Refuse it as soon as the rows are sealed.
///
/// sea-orm reads it and cannot write it, since its parameters cannot fail; `push_bind` of sqlx's `QueryBuilder` panics
/// where `bind` answers with the error. Writing `SealedText<T>` avoids both.
#[cfg_attr(
    feature = "diesel",
    derive(diesel::expression::AsExpression, diesel::deserialize::FromSqlRow),
    diesel(sql_type = diesel::sql_types::Text)
)]
pub struct MaybeSealed<T> {
    found: Found<T>,
}

// By hand, as below: a derive would ask the same of T.
enum Found<T> {
    Sealed(SealedText<T>),
    Plaintext(Text),
}

/// What [`MaybeSealed::open`] does about plaintext.
///
/// [`MaybeSealed`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnPlaintext {
    /// Reads it: while the rows are being sealed.
    Accept,
    /// Answers [`OpenError::PlaintextRefused`]: once they are.
    Refuse,
}

impl<T> MaybeSealed<T> {
    /// The sealed value, or `None` if it is still plaintext.
    #[must_use]
    pub fn sealed(&self) -> Option<&Sealed<T>> {
        match &self.found {
            Found::Sealed(text) => Some(text.sealed()),
            Found::Plaintext(_) => None,
        }
    }

    /// The door out: the plaintext as it was found, or `None` if it is sealed. For a row whose plaintext the field's
    /// type refuses; for all others, [`open`](MaybeSealed::open).
    #[must_use]
    pub fn expose_personal_data(&self) -> Option<&str> {
        match &self.found {
            Found::Sealed(_) => None,
            Found::Plaintext(text) => Some(text.expose_personal_data()),
        }
    }

    /// Opens a sealed value, or reads a plaintext if `plaintext` says so.
    ///
    /// Plaintext of a customer who was shredded is withheld, as if it had been sealed. Delete it: a
    /// [shred](Vault::shred) does not reach it.
    ///
    /// # Errors
    /// [`OpenError`]. [`OpenError::Shredded`] of plaintext, too: it is withheld.
    pub fn open<'c>(
        &self,
        vault: &Vault,
        customer: CustomerId,
        field: impl Into<FieldWithin<'c, T>>,
        plaintext: OnPlaintext,
    ) -> Result<T, OpenError>
    where
        T: PersonalData + FromStr,
    {
        let place = field.into();
        let text = match &self.found {
            Found::Sealed(text) => return vault.open(customer, place, text.sealed()),
            Found::Plaintext(text) => text,
        };
        let field = place.field;
        let at = Belongs { customer, purpose: field.purpose().name(), label: field.label() };
        if plaintext == OnPlaintext::Refuse {
            return Err(OpenError::PlaintextRefused { at });
        }
        // Before the type judges the text: of somebody shredded, not even that is told.
        if !vault.shredded_among(field.purpose(), [customer])?.is_empty() {
            return Err(OpenError::Shredded { at });
        }
        text.expose_personal_data().parse().map_err(|_| OpenError::InvalidPlaintext { at })
    }

    /// What a database crate binds.
    #[cfg(any(feature = "rusqlite", feature = "sqlx", feature = "diesel"))]
    pub(super) fn to_write(&self) -> Result<&SealedText<T>, crate::SealError> {
        match &self.found {
            Found::Sealed(text) => Ok(text),
            Found::Plaintext(_) => Err(crate::SealError::Plaintext),
        }
    }
}

impl<T> From<SealedText<T>> for MaybeSealed<T> {
    fn from(text: SealedText<T>) -> MaybeSealed<T> {
        MaybeSealed { found: Found::Sealed(text) }
    }
}

impl<T> From<Sealed<T>> for MaybeSealed<T> {
    fn from(sealed: Sealed<T>) -> MaybeSealed<T> {
        SealedText::from(sealed).into()
    }
}

/// Reads what a column of text holds.
impl<T> FromStr for MaybeSealed<T> {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<MaybeSealed<T>, ParseError> {
        if Sealed::<T>::looks_like(text.as_bytes()) {
            return text.parse::<SealedText<T>>().map(MaybeSealed::from);
        }
        let text = text.parse().map_err(|_| ParseError::Malformed)?;
        Ok(MaybeSealed { found: Found::Plaintext(text) })
    }
}

/// The same, and the text is wiped.
impl<T> TryFrom<String> for MaybeSealed<T> {
    type Error = ParseError;

    fn try_from(text: String) -> Result<MaybeSealed<T>, ParseError> {
        Zeroizing::new(text).parse()
    }
}

/// Reads the bytes of a sealed value, which SQLite allows in a column of text.
impl<T> TryFrom<&[u8]> for MaybeSealed<T> {
    type Error = ParseError;

    fn try_from(bytes: &[u8]) -> Result<MaybeSealed<T>, ParseError> {
        Sealed::from_bytes(bytes).map(MaybeSealed::from)
    }
}

impl<T> Clone for MaybeSealed<T> {
    fn clone(&self) -> Self {
        let found = match &self.found {
            Found::Sealed(text) => Found::Sealed(text.clone()),
            Found::Plaintext(text) => Found::Plaintext(text.clone()),
        };
        MaybeSealed { found }
    }
}

impl<T> fmt::Debug for MaybeSealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Found::Sealed(text) => write!(f, "MaybeSealed({text:?})"),
            Found::Plaintext(_) => f.write_str("MaybeSealed(plaintext, redacted)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Outcome;
    use crate::personal::{Email, Name};
    use crate::{Field, Purpose};

    const ORDERS: Purpose = Purpose::new("orders");
    const EMAIL: Field<Email> = ORDERS.field("email");
    const NAME: Field<Name> = ORDERS.field("name");

    fn read(text: &str) -> MaybeSealed<Email> {
        text.parse().unwrap()
    }

    #[test]
    fn both_are_read_until_plaintext_is_refused() {
        let vault = Vault::in_memory([ORDERS]);
        let alice = vault.enroll().unwrap();
        let sealed = vault.seal(alice, EMAIL, &"alice@example.com".parse().unwrap()).unwrap();
        let (old, new) = (read("alice@example.com"), read(&sealed.to_string()));
        assert_eq!((old.sealed(), new.sealed()), (None, Some(&sealed)));
        assert_eq!((old.expose_personal_data(), new.expose_personal_data()), (Some("alice@example.com"), None));
        for value in [&old, &new, &new.clone(), &old.clone()] {
            let email = value.open(&vault, alice, EMAIL, OnPlaintext::Accept).unwrap();
            assert_eq!(email.expose_personal_data(), "alice@example.com");
        }
        assert!(new.open(&vault, alice, EMAIL, OnPlaintext::Refuse).is_ok());
        let error = old.open(&vault, alice, EMAIL, OnPlaintext::Refuse).unwrap_err();
        assert!(matches!(error, OpenError::PlaintextRefused { at } if at.customer == alice && at.label == "email"));
        assert_eq!(error.outcome(), Outcome::Investigate);
        for text in [error.to_string(), format!("{error:?} {old:?} {new:?}")] {
            assert!(!text.contains("alice"), "{text}");
        }
    }

    #[test]
    fn what_begins_like_a_sealed_value_is_never_plaintext() {
        let vault = Vault::in_memory([ORDERS]);
        let alice = vault.enroll().unwrap();
        let text = vault.seal(alice, NAME, &"Alice".parse().unwrap()).unwrap().to_string();
        for length in "obl1.".len()..100 {
            let cut = text[..length].parse::<MaybeSealed<Name>>().unwrap_err();
            assert!(matches!(cut, ParseError::CutOff), "{length}: {cut}");
        }
        for bytes in [&b"Alice"[..], b"", text.as_bytes()] {
            let refused = MaybeSealed::<Name>::try_from(bytes).unwrap_err();
            assert!(matches!(refused, ParseError::Malformed | ParseError::CutOff), "{refused}");
        }
        assert!(MaybeSealed::<Name>::try_from("obl1.Alice".to_owned()).is_err());
        assert!(MaybeSealed::<Name>::try_from("Alice".to_owned()).unwrap().sealed().is_none());
    }

    #[test]
    fn plaintext_that_the_type_refuses_is_read_and_told() {
        let vault = Vault::in_memory([ORDERS]);
        let alice = vault.enroll().unwrap();
        let odd = read("alice at example");
        let error = odd.open(&vault, alice, EMAIL, OnPlaintext::Accept).unwrap_err();
        assert!(matches!(error, OpenError::InvalidPlaintext { .. }));
        assert!(!format!("{error} {error:?}").contains("alice"));
        assert!(odd.expose_personal_data().unwrap().parse::<Email>().is_err());
    }

    #[test]
    fn plaintext_of_somebody_shredded_is_withheld() {
        let vault = Vault::in_memory([ORDERS]);
        let (alice, bob) = (vault.enroll().unwrap(), vault.enroll().unwrap());
        let _ = vault.shred([alice]).unwrap();
        for text in ["alice@example.com", "alice at example"] {
            let error = read(text).open(&vault, alice, EMAIL, OnPlaintext::Accept).unwrap_err();
            assert!(matches!(error, OpenError::Shredded { at } if at.customer == alice));
            assert_eq!(error.outcome(), Outcome::Erased);
        }
        assert!(read("bob@example.com").open(&vault, bob, EMAIL, OnPlaintext::Accept).is_ok());
        vault.lose_store();
        let error = read("bob@example.com").open(&vault, bob, EMAIL, OnPlaintext::Accept).unwrap_err();
        assert_eq!(error.outcome(), Outcome::TryAgain);
    }

    #[test]
    fn a_sealed_value_of_somebody_else_is_refused() {
        let vault = Vault::in_memory([ORDERS]);
        let (alice, bob) = (vault.enroll().unwrap(), vault.enroll().unwrap());
        let sealed = vault.seal(alice, EMAIL, &"alice@example.com".parse().unwrap()).unwrap();
        let error = MaybeSealed::from(sealed).open(&vault, bob, EMAIL, OnPlaintext::Accept).unwrap_err();
        assert!(matches!(error, OpenError::OtherCustomer { found, .. } if found == alice));
    }
}
