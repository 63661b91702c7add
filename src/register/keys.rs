//! Handles for sealing, limited to a purpose that there is a grant for.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::error::GrantedSealError;
use super::rules::Clock;
use crate::customer::CustomerId;
use crate::error::OpenError;
use crate::field::{Placed, Purpose};
use crate::personal::PersonalData;
use crate::sealed::Sealed;
use crate::vault::CustomerKeys;

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

    /// Encrypts one value. See [`Vault::seal`](crate::Vault::seal).
    ///
    /// # Errors
    /// As there; also when the field is of another purpose, or the grant has run out.
    pub fn seal<'c, T: PersonalData>(
        &self,
        field: impl Into<Placed<'c, T>>,
        value: &T,
    ) -> Result<Sealed<T>, GrantedSealError> {
        let place = field.into();
        let asked = place.field_id().purpose();
        if asked != self.purpose {
            return Err(GrantedSealError::OtherPurpose { granted: self.purpose.name(), asked: asked.name() });
        }
        if let Some(until) = self.until
            && until <= self.clock.now()
        {
            return Err(GrantedSealError::RanOut { until });
        }
        Ok(self.keys.seal(place, value)?)
    }

    /// Decrypts one value that was sealed under this number. See [`Vault::open`](crate::Vault::open).
    ///
    /// # Errors
    /// As there; a value of another purpose is [`OpenError::OtherPurpose`] or [`OpenError::OtherCustomer`].
    pub fn open<'c, T: PersonalData>(
        &self,
        field: impl Into<Placed<'c, T>>,
        sealed: &Sealed<T>,
    ) -> Result<T, OpenError> {
        let place = field.into();
        let field = place.field_id();
        if field.purpose() != self.purpose {
            let mut at = field.of(self.keys.customer());
            at.purpose = self.purpose.name();
            return Err(OpenError::OtherPurpose { at, found: field.purpose().name().to_owned() });
        }
        self.keys.open(place, sealed)
    }
}

impl fmt::Debug for GrantedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantedKeys({:?}, customer {}, redacted)", self.purpose, self.keys.customer())
    }
}
