//! Shreds that say why.

use std::fmt;

use crate::customer::CustomerId;
use crate::error::ShredError;
use crate::field::Purpose;
use crate::journal::Reason;
use crate::vault::process::{ShredTarget, Shredded};
use crate::vault::{Pending, Vault};

/// A vault's shreds, with a reason that goes into the journal: see [`Vault::with_reason`].
#[derive(Clone)]
pub struct WithReason<'v> {
    vault: &'v Vault,
    why: Reason,
}

impl Vault {
    /// The shreds of this vault, with a reason that its journal keeps and a receipt shows. Without a journal it is
    /// forgotten.
    ///
    /// ```
    /// # use oubliette::{Purpose, RootKey, Vault, journal::Reason};
    /// # const ORDERS: Purpose = Purpose::new("orders");
    /// # let place = tempfile::tempdir()?;
    /// # let (directory, journal) = (place.path().join("privacy"), place.path().join("journal"));
    /// # let key = RootKey::bytes([7; 32]);
    /// let vault = Vault::at(&directory).purposes([ORDERS]).journal(&journal).create(key)?;
    /// let alice = vault.enroll()?;
    /// let shredded = vault.with_reason(Reason::new("request 2026-114, Art. 17")?).shred([alice])?;
    /// # assert!(std::fs::read_to_string(&journal)?.contains("request 2026-114, Art. 17"));
    /// # let _ = shredded;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_reason(&self, why: Reason) -> WithReason<'_> {
        WithReason { vault: self, why }
    }
}

impl WithReason<'_> {
    /// As [`Vault::shred`].
    ///
    /// # Errors
    /// As there.
    pub fn shred(&self, customers: impl IntoIterator<Item = CustomerId>) -> Result<Shredded, ShredError> {
        self.vault.shred_now(ShredTarget::These(customers.into_iter().collect()), None, Some(self.why.clone()))
    }

    /// As [`Vault::shred_purpose`].
    ///
    /// # Errors
    /// As there.
    pub fn shred_purpose(
        &self,
        purpose: Purpose,
        customers: impl IntoIterator<Item = CustomerId>,
    ) -> Result<Shredded, ShredError> {
        self.vault.shred_now(ShredTarget::These(customers.into_iter().collect()), Some(purpose), Some(self.why.clone()))
    }

    /// As [`Vault::shred_through`].
    ///
    /// # Errors
    /// As there.
    pub fn shred_through(&self, last: CustomerId) -> Result<Shredded, ShredError> {
        self.vault.shred_now(ShredTarget::Through(last), None, Some(self.why.clone()))
    }

    /// As [`Vault::shred_async`].
    ///
    /// # Errors
    /// As there.
    pub fn shred_async(
        &self,
        customers: impl IntoIterator<Item = CustomerId>,
    ) -> Pending<Result<Shredded, ShredError>> {
        self.vault.shred_soon(ShredTarget::These(customers.into_iter().collect()), None, Some(self.why.clone()))
    }

    /// As [`Vault::shred_purpose_async`].
    ///
    /// # Errors
    /// As there.
    pub fn shred_purpose_async(
        &self,
        purpose: Purpose,
        customers: impl IntoIterator<Item = CustomerId>,
    ) -> Pending<Result<Shredded, ShredError>> {
        self.vault.shred_soon(
            ShredTarget::These(customers.into_iter().collect()),
            Some(purpose),
            Some(self.why.clone()),
        )
    }
}

impl fmt::Debug for WithReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WithReason({:?}, {:?})", self.vault, self.why.as_str())
    }
}
