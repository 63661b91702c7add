//! Groups of a record, as generated code sees them.
#![allow(clippy::missing_errors_doc)] // the generated methods have it

use super::support::Stored;
use crate::customer::CustomerId;
use crate::error::{Error, OpenError, SealError};
use crate::field::{Field, FieldId, FieldWithin};
use crate::group::{Group, Members};
use crate::personal::PersonalData;
use crate::vault::CustomerKeys;

/// Seals what a record keeps of a group, with the members that it puts in.
pub fn seal_group<S: Stored<Members>>(
    keys: &CustomerKeys,
    column: &'static str,
    place: FieldWithin<'_, Members>,
    kept: &Members,
    put: impl FnOnce(&mut Members),
) -> Result<S, SealError> {
    let mut members = kept.clone();
    put(&mut members);
    keys.seal_group(place, &members)
        .map(S::from)
        .map_err(|error| SealError::InColumn { column, source: Box::new(error) })
}

/// The same of a column that may be NULL: it is, while nothing was there and nothing is put in.
pub fn seal_group_optional<S: Stored<Members>>(
    keys: &CustomerKeys,
    column: &'static str,
    place: FieldWithin<'_, Members>,
    kept: Option<&Members>,
    put: impl FnOnce(&mut Members),
) -> Result<Option<S>, SealError> {
    let mut members = kept.cloned().unwrap_or_default();
    put(&mut members);
    if kept.is_none() && members.is_empty() {
        return Ok(None);
    }
    seal_group(keys, column, place, &members, |_| ()).map(Some)
}

/// Puts a member in.
pub fn put<T: PersonalData>(members: &mut Members, field: Field<T>, value: &T) {
    members.put(field, value);
}

/// Puts a member in, or takes it out.
pub fn put_optional<T: PersonalData>(members: &mut Members, field: Field<T>, value: Option<&T>) {
    match value {
        Some(value) => members.put(field, value),
        None => take_out(members, field),
    }
}

/// Takes a member out, which is in a column of its own.
pub fn take_out<T: PersonalData>(members: &mut Members, field: Field<T>) {
    let _ = members.remove(field.label());
}

/// What was opened, to be read.
#[derive(Debug)]
pub struct OpenedMembers<'m> {
    members: &'m Members,
    group: Group,
    customer: CustomerId,
}

impl OpenedMembers<'_> {
    /// A member that is always there.
    pub fn member<T: PersonalData>(&self, field: Field<T>) -> Result<T, OpenError> {
        let missing = || {
            let at = FieldId::from(field).of(self.customer);
            OpenError::NotInGroup { at, group: self.group.label() }
        };
        self.member_optional(field)?.ok_or_else(missing)
    }

    /// A member that may be missing.
    pub fn member_optional<T: PersonalData>(&self, field: Field<T>) -> Result<Option<T>, OpenError> {
        let invalid = |_| OpenError::InvalidContent { at: FieldId::from(field).of(self.customer) };
        self.members.get(field).map_err(invalid)
    }
}

/// Opens a group and reads its members; beside them, what the record does not know.
pub fn open_group<S: Stored<Members>, V>(
    keys: &CustomerKeys,
    place: FieldWithin<'_, Members>,
    asked: &[FieldId],
    stored: &S,
    read: impl FnOnce(&OpenedMembers<'_>) -> Result<V, OpenError>,
) -> Result<(Members, V), OpenError> {
    keys.open_members(place, asked, stored.sealed(), |members| {
        let read = read(&OpenedMembers { members: &members, group: place.group(), customer: keys.customer() })?;
        Ok((members.into_kept(), read))
    })
}

/// The same of a column that may be NULL, which is a group of nothing.
pub fn open_group_optional<S: Stored<Members>, V>(
    keys: &CustomerKeys,
    place: FieldWithin<'_, Members>,
    asked: &[FieldId],
    stored: Option<&S>,
    read: impl FnOnce(&OpenedMembers<'_>) -> Result<V, OpenError>,
) -> Result<(Option<Members>, V), OpenError> {
    match stored {
        Some(stored) => open_group(keys, place, asked, stored, read).map(|(kept, read)| (Some(kept), read)),
        None => {
            let members = &Members::new();
            let read = read(&OpenedMembers { members, group: place.group(), customer: keys.customer() })?;
            Ok((None, read))
        }
    }
}

/// Opens a field that is written to a group, and may still be in a column. That is the newer one where both are there, as jobs
/// take it.
pub fn open_or_column_optional<T: PersonalData, S: Stored<T>>(
    keys: &CustomerKeys,
    place: FieldWithin<'_, T>,
    stored: Option<&S>,
    in_group: Option<T>,
    _: Group,
) -> Result<Option<T>, OpenError> {
    match stored {
        Some(stored) => keys.open(place, stored.sealed()).map(Some),
        None => Ok(in_group),
    }
}

/// The same of one that is always there.
pub fn open_or_column<T: PersonalData, S: Stored<T>>(
    keys: &CustomerKeys,
    place: FieldWithin<'_, T>,
    stored: Option<&S>,
    in_group: Option<T>,
    group: Group,
) -> Result<T, OpenError> {
    let at = place.field_id().of(keys.customer());
    let nowhere = OpenError::NotInGroup { at, group: group.label() };
    open_or_column_optional(keys, place, stored, in_group, group)?.ok_or(nowhere)
}

/// Opens a field that is written to a column, and may still be in a group. That is the newer one where both are there.
pub fn open_or_group_optional<T: PersonalData, S: Stored<T>>(
    keys: &CustomerKeys,
    place: FieldWithin<'_, T>,
    stored: Option<&S>,
    in_group: Option<T>,
    group: Group,
) -> Result<Option<T>, OpenError> {
    match in_group {
        Some(value) => Ok(Some(value)),
        None => open_or_column_optional(keys, place, stored, None, group),
    }
}

/// The same of one that is always there.
pub fn open_or_group<T: PersonalData, S: Stored<T>>(
    keys: &CustomerKeys,
    place: FieldWithin<'_, T>,
    stored: Option<&S>,
    in_group: Option<T>,
    group: Group,
) -> Result<T, OpenError> {
    match in_group {
        Some(value) => Ok(value),
        None => open_or_column(keys, place, stored, None, group),
    }
}

/// Moves a group to the newest key tree. `None` if it is to stay.
pub fn reseal_group<S: Stored<Members>>(
    keys: &CustomerKeys,
    place: FieldWithin<'_, Members>,
    stored: &S,
) -> Result<Option<S>, Error> {
    Ok(keys.reseal_group(place, stored.sealed())?.map(S::from))
}

/// The same for a column that may be NULL.
pub fn reseal_group_optional<S: Stored<Members>>(
    keys: &CustomerKeys,
    place: FieldWithin<'_, Members>,
    stored: Option<&S>,
) -> Result<Option<S>, Error> {
    stored.map_or(Ok(None), |stored| reseal_group(keys, place, stored))
}
