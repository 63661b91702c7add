//! Handles for sealing, limited to a purpose that there is a grant for.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use oubliette::personal::PersonalData;
use oubliette::{
    CustomerId, CustomerKeys, Field, Members, OpenError, Purpose, Sealed,
    fields::{FieldId, FieldWithin},
};

use super::clock::Clock;
use super::error::GrantedSealError;

/// Seals and opens fields of one customer and one purpose, for which there was a live grant when it was made. Hold it for
/// the length of a request: it does not learn of a grant that is ended meanwhile, until the shred that follows.
///
/// Keep [`customer`](GrantedKeys::customer) beside what it sealed: a customer has a number for each purpose, and a new one
/// after a withdrawal.
#[derive(Clone)]
pub struct GrantedKeys {
    pub(crate) keys: CustomerKeys,
    pub(crate) purpose: Purpose,
    pub(crate) until: Option<Timestamp>,
    pub(crate) clock: Arc<Clock>,
}

impl GrantedKeys {
    /// The number that is sealed under, for the row's number column.
    #[must_use]
    pub fn customer(&self) -> CustomerId {
        self.keys.customer()
    }

    /// The purpose.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// When the grant runs out, if it does.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Encrypts one value. See [`Vault::seal`](oubliette::Vault::seal).
    ///
    /// # Errors
    /// As there; also when the field is of another purpose, or the grant has run out.
    pub fn seal<'c, T: PersonalData>(
        &self,
        field: impl Into<FieldWithin<'c, T>>,
        value: &T,
    ) -> Result<Sealed<T>, GrantedSealError> {
        let place = field.into();
        self.may_seal(place.field_id().purpose())?;
        Ok(self.keys.seal(place, value)?)
    }

    fn may_seal(&self, asked: Purpose) -> Result<(), GrantedSealError> {
        if asked != self.purpose {
            return Err(GrantedSealError::OtherPurpose { granted: self.purpose.name(), asked: asked.name() });
        }
        match self.until {
            Some(until) if until <= self.clock.now() => Err(GrantedSealError::RanOut { until }),
            _ => Ok(()),
        }
    }

    /// Encrypts the members of a group as one value. See [`CustomerKeys::seal_group`].
    ///
    /// # Errors
    /// As there; also when the group is of another purpose, or the grant has run out.
    pub fn seal_group<'c>(
        &self,
        group: impl Into<FieldWithin<'c, Members>>,
        members: &Members,
    ) -> Result<Sealed<Members>, GrantedSealError> {
        let place = group.into();
        self.may_seal(place.group().purpose())?;
        Ok(self.keys.seal_group(place, members)?)
    }

    /// Decrypts one value that was sealed under this number. See [`Vault::open`](oubliette::Vault::open).
    ///
    /// # Errors
    /// As there; a value of another purpose is [`OpenError::OtherPurpose`] or [`OpenError::OtherCustomer`].
    pub fn open<'c, T: PersonalData>(
        &self,
        field: impl Into<FieldWithin<'c, T>>,
        sealed: &Sealed<T>,
    ) -> Result<T, OpenError> {
        let place = field.into();
        self.may_open(place.field_id())?;
        self.keys.open(place, sealed)
    }

    fn may_open(&self, field: FieldId) -> Result<(), OpenError> {
        if field.purpose() != self.purpose {
            let mut at = field.of(self.keys.customer());
            at.purpose = self.purpose.name();
            return Err(OpenError::OtherPurpose { at, found: field.purpose().name().to_owned() });
        }
        Ok(())
    }

    /// Decrypts a group that was sealed under this number, for the fields that are asked for. See [`CustomerKeys::open_group`].
    ///
    /// # Errors
    /// As there; a field of another purpose is [`OpenError::OtherPurpose`].
    pub fn open_group<'c>(
        &self,
        group: impl Into<FieldWithin<'c, Members>>,
        asked: &[FieldId],
        sealed: &Sealed<Members>,
    ) -> Result<Members, OpenError> {
        asked.iter().try_for_each(|field| self.may_open(*field))?;
        self.keys.open_group(group, asked, sealed)
    }

    /// Decrypts a group for one of its fields; `None` if it is not there. See [`CustomerKeys::open_member`].
    ///
    /// # Errors
    /// As [`open_group`](GrantedKeys::open_group).
    pub fn open_member<'c, T: PersonalData>(
        &self,
        group: impl Into<FieldWithin<'c, Members>>,
        field: Field<T>,
        sealed: &Sealed<Members>,
    ) -> Result<Option<T>, OpenError> {
        self.may_open(field.into())?;
        self.keys.open_member(group, field, sealed)
    }
}

impl fmt::Debug for GrantedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantedKeys({:?}, customer {}, redacted)", self.purpose, self.keys.customer())
    }
}
