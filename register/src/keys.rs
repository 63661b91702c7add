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

/// Seals and opens fields of one customer and one purpose. A grant was live when the handle was made. Hold it for the
/// length of a request: the handle does not see that a grant is ended meanwhile, but it stops at the shred that
/// follows.
///
/// Store [`customer`](GrantedKeys::customer) beside each sealed value: a customer has one number for each purpose, and
/// gets a new one after a withdrawal.
///
/// [The crate's page](crate) has an example.
#[derive(Clone)]
pub struct GrantedKeys {
    pub(crate) keys: CustomerKeys,
    pub(crate) purpose: Purpose,
    pub(crate) until: Option<Timestamp>,
    pub(crate) clock: Arc<Clock>,
}

impl GrantedKeys {
    /// The number that values are sealed under, for the row's number column.
    #[must_use]
    pub fn customer(&self) -> CustomerId {
        self.keys.customer()
    }

    /// The purpose.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// When the grant ends, if it has an end.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Encrypts one value. See [`Vault::seal`](oubliette::Vault::seal).
    ///
    /// # Errors
    /// As [`Vault::seal`](oubliette::Vault::seal). Also if the field has another purpose, or the grant has ended.
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
    /// As [`CustomerKeys::seal_group`]. Also if the group has another purpose, or the grant has ended.
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
    /// As [`Vault::open`](oubliette::Vault::open). A value of another purpose is [`OpenError::OtherPurpose`] or
    /// [`OpenError::OtherCustomer`].
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

    /// Decrypts the requested fields of a group that was sealed under this number. See [`CustomerKeys::open_group`].
    ///
    /// # Errors
    /// As [`CustomerKeys::open_group`]. A field of another purpose is [`OpenError::OtherPurpose`].
    pub fn open_group<'c>(
        &self,
        group: impl Into<FieldWithin<'c, Members>>,
        asked: &[FieldId],
        sealed: &Sealed<Members>,
    ) -> Result<Members, OpenError> {
        asked.iter().try_for_each(|field| self.may_open(*field))?;
        self.keys.open_group(group, asked, sealed)
    }

    /// Decrypts one field of a group; `None` if the group does not have it. See [`CustomerKeys::open_member`].
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
