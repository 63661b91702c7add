//! One form for comparison.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::PersonalData;

/// Personal data of which two spellings may mean the same.
///
/// Use the canonical form both when writing (to detect a duplicate, to fill an index) and when querying, never the text
/// itself in one of the places. The forms of this crate's types are as fixed as their encodings: they change only with
/// a new major version, since indexes are built on them.
///
/// [`PersonalData`](crate::personal::PersonalData) has an example.
pub trait Canonical: PersonalData {
    /// How many values people have, about, if so few that a computer can try them all: phone numbers, birth dates,
    /// postcodes. [`Index::plan`](crate::Index::plan) warns of it.
    const VALUES: Option<u64> = None;

    /// The form in which values that mean the same are equal.
    fn canonical_form(&self) -> CanonicalForm;

    /// A wider form, for a second index, to search by what was heard. It brings together all that the canonical form does, and
    /// more: so some of those found are somebody else. By default the canonical form itself; [`Name`](super::Name) and
    /// [`Address`](super::Address) have a wider one, and a table in their docs.
    ///
    /// ```
    /// use oubliette::personal::{Canonical, Name};
    /// use oubliette::{Field, Index, Purpose, bits};
    /// const ORDERS: Purpose = Purpose::new("orders");
    /// const NAME: Field<Name> = ORDERS.field("name");
    /// const BY_NAME: Index<Name> = NAME.index("exact", bits(24));
    /// const BY_NAME_HEARD: Index<Name> = NAME.index_by("heard", bits(16), Canonical::wide_form);
    ///
    /// let (stored, heard): (Name, Name) = ("José Müller".parse()?, "jose mueller".parse()?);
    /// assert_ne!(stored.canonical_form(), heard.canonical_form());
    /// assert_eq!(stored.wide_form(), heard.wide_form());
    /// # Ok::<(), oubliette::personal::Invalid>(())
    /// ```
    /// [`Vault::token`](crate::Vault::token) and [`Vault::tokens`](crate::Vault::tokens) take the index's form.
    fn wide_form(&self) -> CanonicalForm {
        self.canonical_form()
    }
}

/// What values that mean the same have in common. It is as personal as the value: redacted, and wiped on drop.
///
/// Equality takes a time that depends on lengths only.
///
/// ```
/// use oubliette::personal::{Canonical, Email};
/// let (typed, stored): (Email, Email) = ("Alice@Example.com".parse()?, "alice@example.com".parse()?);
/// assert!(typed.canonical_form() == stored.canonical_form());
/// # Ok::<(), oubliette::personal::Invalid>(())
/// ```
#[derive(Clone)]
pub struct CanonicalForm(Zeroizing<Vec<u8>>);

impl CanonicalForm {
    /// A form of a type of your own. It is wiped on drop.
    #[must_use]
    pub fn new(form: Vec<u8>) -> CanonicalForm {
        CanonicalForm(Zeroizing::new(form))
    }

    pub(super) fn of_text(form: &str) -> CanonicalForm {
        CanonicalForm::new(form.as_bytes().to_vec())
    }

    /// The door out: the form's bytes.
    #[must_use]
    pub fn expose_personal_data(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for CanonicalForm {
    fn eq(&self, other: &CanonicalForm) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for CanonicalForm {}

impl fmt::Debug for CanonicalForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CanonicalForm(redacted)")
    }
}
