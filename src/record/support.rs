//! What generated code calls. Not part of the public API: the macro and this crate are released together.
#![allow(clippy::missing_errors_doc)] // the generated methods have it

use std::marker::PhantomData;

pub use super::groups::{
    OpenedMembers, open_group, open_group_optional, open_or_column, open_or_column_optional, open_or_group,
    open_or_group_optional, put, put_optional, reseal_group, reseal_group_optional, seal_group, seal_group_optional,
    take_out,
};
pub use super::plain::{ByAsRef, ByContext, Plain};
pub use super::rows::{EachRow, Numbers, RowKeys};
pub use crate::vault::Opens;

use super::{FieldInfo, FieldKind, Held};
use crate::columns::SealedText;
use crate::error::{Error, OpenError, SealError};
use crate::field::{Field, FieldId, FieldWithin, Purpose};
use crate::group::Group;
use crate::index::{Index, Token};
use crate::personal::PersonalData;
use crate::sealed::Sealed;
use crate::vault::{CustomerKeys, Vault};

/// The column with the record's own number.
#[must_use]
pub const fn own_customer_column(column: &'static str, purpose: Purpose) -> FieldInfo {
    FieldInfo::customer(column, purpose, true)
}

/// A column with the customer's number for another purpose.
#[must_use]
pub const fn customer_column(column: &'static str, purpose: Purpose) -> FieldInfo {
    FieldInfo::customer(column, purpose, false)
}

/// A column of sealed values.
#[must_use]
pub const fn sealed_column<T: PersonalData>(
    column: &'static str,
    field: Field<T>,
    context: Option<&'static str>,
) -> FieldInfo {
    FieldInfo::sealed(column, field, context)
}

/// A column of a group.
#[must_use]
pub const fn group_column(column: &'static str, group: Group, context: Option<&'static str>) -> FieldInfo {
    FieldInfo::group(column, group, context)
}

/// A member of a group.
#[must_use]
pub const fn member<T: PersonalData>(name: &'static str, of: &'static str, field: Field<T>) -> FieldInfo {
    FieldInfo::member(name, of, field)
}

/// Which field it is.
#[must_use]
pub const fn field_id<T: PersonalData>(field: Field<T>) -> FieldId {
    FieldId { purpose: field.purpose(), label: field.label(), tag: T::TAG }
}

/// A column of tokens.
#[must_use]
pub const fn token_column<T: PersonalData>(column: &'static str, of: &'static str, index: Index<T>) -> FieldInfo {
    FieldInfo::token(column, of, index)
}

/// A column stored as it is.
#[must_use]
pub const fn plain_column(column: &'static str) -> FieldInfo {
    FieldInfo::plain(column)
}

const fn same(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while let ([x, rest_of_a @ ..], [y, rest_of_b @ ..]) = (a, b) {
        if *x != *y {
            return false;
        }
        (a, b) = (rest_of_a, rest_of_b);
    }
    a.is_empty() && b.is_empty()
}

/// Whether two purposes are one.
#[must_use]
pub const fn same_purpose(a: Purpose, b: Purpose) -> bool {
    same(a.name(), b.name())
}

/// Whether two fields are one.
#[must_use]
pub const fn same_field<T: PersonalData>(a: Field<T>, b: Field<T>) -> bool {
    same_purpose(a.purpose(), b.purpose()) && same(a.label(), b.label())
}

/// Where a purpose stands among others; beyond the last if it is none of them.
#[must_use]
pub const fn place_among(purpose: Purpose, mut others: &[Purpose]) -> usize {
    let mut place = 0;
    while let [other, rest @ ..] = others {
        if same_purpose(purpose, *other) {
            break;
        }
        place += 1;
        others = rest;
    }
    place
}

/// How many columns and members of a record have this field's label in this field's purpose: itself, and one more while it may
/// be in two places.
#[must_use]
pub const fn places_of<T: PersonalData>(columns: &[FieldInfo], field: Field<T>) -> usize {
    count(columns, field.purpose(), field.label())
}

/// Whether no column or member of a record has this group's label in this group's purpose. Their keys would differ, and people
/// would take one for the other.
#[must_use]
pub const fn group_is_unique(columns: &[FieldInfo], group: Group) -> bool {
    count(columns, group.purpose(), group.label()) == 1
}

const fn count(mut columns: &[FieldInfo], of: Purpose, wanted: &str) -> usize {
    let mut found = 0;
    while let [column, rest @ ..] = columns {
        if let FieldKind::Sealed { purpose, label, .. }
        | FieldKind::Group { purpose, label, .. }
        | FieldKind::Member { purpose, label, .. } = column.kind
            && same_purpose(purpose, of)
            && same(label, wanted)
        {
            found += 1;
        }
        columns = rest;
    }
    found
}

/// Tells whether a type is personal data: the constant of its own is found before the trait's.
#[derive(Debug)]
pub struct Probe<T>(PhantomData<fn() -> T>);

impl<T: PersonalData> Probe<T> {
    /// It is.
    pub const IS_PERSONAL: bool = true;
}

/// See [`Probe`].
pub trait OtherData {
    /// It is not.
    const IS_PERSONAL: bool = false;
}

impl<T> OtherData for Probe<T> {}

/// How a column keeps a sealed value: as bytes, or as text.
pub trait Stored<T>: From<Sealed<T>> {
    /// The value, to be opened.
    fn sealed(&self) -> &Sealed<T>;
}

impl<T> Stored<T> for Sealed<T> {
    fn sealed(&self) -> &Sealed<T> {
        self
    }
}

impl<T> Stored<T> for SealedText<T> {
    fn sealed(&self) -> &Sealed<T> {
        SealedText::sealed(self)
    }
}

/// Seals a column.
pub fn seal<T: PersonalData, S: Stored<T>>(
    keys: &CustomerKeys,
    column: &'static str,
    place: FieldWithin<'_, T>,
    value: &T,
) -> Result<S, SealError> {
    keys.seal(place, value).map(S::from).map_err(|error| SealError::InColumn { column, source: Box::new(error) })
}

/// Seals a column that may be NULL.
pub fn seal_optional<T: PersonalData, S: Stored<T>>(
    keys: &CustomerKeys,
    column: &'static str,
    place: FieldWithin<'_, T>,
    value: Option<&T>,
) -> Result<Option<S>, SealError> {
    value.map(|value| seal(keys, column, place, value)).transpose()
}

/// Seals a column that may be NULL, or of a customer without a number.
pub fn seal_held<T: PersonalData, S: Stored<T>>(
    keys: Option<&CustomerKeys>,
    column: &'static str,
    place: FieldWithin<'_, T>,
    value: Option<&T>,
) -> Result<Option<S>, SealError> {
    let Some(value) = value else { return Ok(None) };
    let purpose = place.field.purpose().name();
    let keys = keys.ok_or(SealError::NoCustomer { column, purpose })?;
    seal(keys, column, place, value).map(Some)
}

/// The token of a column.
pub fn token<T: PersonalData>(
    vault: &Vault,
    column: &'static str,
    index: Index<T>,
    value: &T,
) -> Result<Token<T>, SealError> {
    vault.token(index, value).map_err(|source| SealError::NoToken { column, source })
}

/// The token of a column that may be NULL.
pub fn token_optional<T: PersonalData>(
    vault: &Vault,
    column: &'static str,
    index: Index<T>,
    value: Option<&T>,
) -> Result<Option<Token<T>>, SealError> {
    value.map(|value| token(vault, column, index, value)).transpose()
}

/// Opens a column.
pub fn open<T: PersonalData, S: Stored<T>>(
    keys: &CustomerKeys,
    place: FieldWithin<'_, T>,
    stored: &S,
) -> Result<T, OpenError> {
    keys.open(place, stored.sealed())
}

/// Opens a column that may be NULL.
pub fn open_optional<T: PersonalData, S: Stored<T>>(
    keys: &CustomerKeys,
    place: FieldWithin<'_, T>,
    stored: Option<&S>,
) -> Result<Option<T>, OpenError> {
    stored.map(|stored| open(keys, place, stored)).transpose()
}

/// Opens a column whose customer may have been shredded in its purpose.
pub fn open_held<T: PersonalData, S: Stored<T>>(
    keys: Option<&CustomerKeys>,
    place: FieldWithin<'_, T>,
    stored: Option<&S>,
) -> Result<Held<T>, OpenError> {
    let (Some(keys), Some(stored)) = (keys, stored) else { return Ok(Held::Absent) };
    match open(keys, place, stored) {
        Ok(value) => Ok(Held::Kept(value)),
        Err(OpenError::Shredded { .. } | OpenError::Retired { .. }) => Ok(Held::Shredded),
        Err(error) => Err(error),
    }
}

/// Moves a column's value to the newest key tree. `None` if it is to stay.
pub fn reseal<T: PersonalData, S: Stored<T>>(
    keys: &CustomerKeys,
    place: FieldWithin<'_, T>,
    stored: &S,
) -> Result<Option<S>, Error> {
    Ok(keys.reseal(place, stored.sealed())?.map(S::from))
}

/// The same for a column that may be NULL.
pub fn reseal_optional<T: PersonalData, S: Stored<T>>(
    keys: &CustomerKeys,
    place: FieldWithin<'_, T>,
    stored: Option<&S>,
) -> Result<Option<S>, Error> {
    stored.map_or(Ok(None), |stored| reseal(keys, place, stored))
}

/// The same for a column whose customer may have been shredded in its purpose: such a value stays.
pub fn reseal_held<T: PersonalData, S: Stored<T>>(
    keys: Option<&CustomerKeys>,
    place: FieldWithin<'_, T>,
    stored: Option<&S>,
) -> Result<Option<S>, Error> {
    let (Some(keys), Some(stored)) = (keys, stored) else { return Ok(None) };
    match reseal(keys, place, stored) {
        Err(
            Error::Open(OpenError::Shredded { .. } | OpenError::Retired { .. })
            | Error::Seal(SealError::Shredded { .. }),
        ) => Ok(None),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::personal::{Email, Phone};

    const ORDERS: Purpose = Purpose::new("orders");
    const NEWS: Purpose = Purpose::new("newsletter");

    #[test]
    fn names_are_compared_whole() {
        assert!(same_purpose(ORDERS, Purpose::new("orders")));
        for other in ["order", "orders2", "Orders", "orderz"] {
            assert!(!same_purpose(ORDERS, Purpose::new(other)) && !same_purpose(Purpose::new(other), ORDERS));
        }
        assert!(!same_field::<Email>(ORDERS.field("email"), NEWS.field("email")));
        assert!(!same_field::<Email>(ORDERS.field("email"), ORDERS.field("e")));
        assert_eq!(place_among(NEWS, &[ORDERS, NEWS]), 1);
        assert_eq!(place_among(NEWS, &[ORDERS]), 1);
    }

    #[test]
    fn a_label_may_recur_in_another_purpose_only() {
        let (email, phone): (Field<Email>, Field<Phone>) = (ORDERS.field("email"), ORDERS.field("email"));
        let news: Field<Email> = NEWS.field("email");
        assert_eq!(places_of(&[sealed_column("a", email, None), sealed_column("b", news, None)], email), 1);
        assert_eq!(places_of(&[sealed_column("a", email, None), sealed_column("b", phone, None)], email), 2);
        assert_eq!(places_of(&[member("a", "c", email), group_column("c", ORDERS.group("email"), None)], email), 2);
        assert!(!group_is_unique(
            &[member("a", "c", email), group_column("c", ORDERS.group("email"), None)],
            ORDERS.group("email")
        ));
    }
}
