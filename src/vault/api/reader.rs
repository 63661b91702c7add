//! Readers: a vault seen through limits.

use std::fmt;
use std::sync::Arc;

use super::customer_keys::EachCustomer;
use crate::audit::{Audit, AuditError, OpeningResult, Scope};
use crate::clock::Clock;
use crate::customer::CustomerId;
use crate::error::{KeyStoreError, OpenError, SealError};
use crate::field::{FieldId, FieldWithin, Purpose};
use crate::group::Group;
use crate::journal::Reason;
use crate::limits::Limits;
use crate::personal::{PersonalData, Plaintext};
use crate::sealed::Sealed;
use crate::vault::operations::Operations;
use crate::vault::{CustomerKeys, Vault};

/// Opens values within [`Limits`], and nothing else. From [`Vault::reader`].
///
/// For a part of an application that needs some of the data: a page that shows addresses, an export of one purpose. It
/// cannot shred, search, enrol or seal (unless [allowed](Limits::with_sealing)), and offers no way back to the vault.
/// What it gives out, [`CustomerKeys`] and iterators, has the same limits. Cheap to clone, and shared by threads.
///
/// It limits code, not an attacker inside the process: the vault's keys are in the same memory. Where that matters, run
/// the part as a process that unlocks fewer purposes, under another user.
///
/// ```
/// use oubliette::{Field, Limits, OpenError, Purpose, Vault, personal::{Email, Name}};
/// const ORDERS: Purpose = Purpose::new("orders");
/// const EMAIL: Field<Email> = ORDERS.field("email");
/// const NAME: Field<Name> = ORDERS.field("name");
///
/// let vault = Vault::in_memory([ORDERS]);
/// let alice = vault.enroll()?;
/// let email = vault.seal(alice, EMAIL, &"alice@example.com".parse()?)?;
/// let name = vault.seal(alice, NAME, &"Alice Ní Bhriain".parse()?)?;
///
/// let mailer = vault.reader(Limits::nothing().field(EMAIL));
/// assert_eq!(mailer.open(alice, EMAIL, &email)?.expose_personal_data(), "alice@example.com");
/// assert!(matches!(mailer.open(alice, NAME, &name), Err(OpenError::NotAllowed { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Reader {
    pub(in crate::vault) vault: Vault,
    /// `None`: all is let through.
    pub(in crate::vault) guard: Option<Arc<Guard>>,
}

impl Vault {
    /// A view of the vault that opens what the limits allow.
    #[must_use]
    pub fn reader(&self, limits: Limits) -> Reader {
        Reader::unlimited(self).narrowed(limits)
    }
}

impl Reader {
    /// One that opens and seals all that the vault does.
    pub(in crate::vault) fn unlimited(vault: &Vault) -> Reader {
        Reader { vault: vault.clone(), guard: None }
    }

    /// The same vault behind a guard that has more to do.
    fn guarded(&self, more: impl FnOnce(&mut Guard)) -> Reader {
        let mut guard = self.guard.as_deref().cloned().unwrap_or_else(|| Guard::of(&self.vault));
        more(&mut guard);
        Reader { vault: self.vault.clone(), guard: Some(Arc::new(guard)) }
    }

    /// Decrypts one value. See [`Vault::open`].
    ///
    /// # Errors
    /// As there, and [`OpenError::NotAllowed`] outside the limits.
    pub fn open<'c, T: PersonalData>(
        &self,
        customer: CustomerId,
        field: impl Into<FieldWithin<'c, T>>,
        sealed: &Sealed<T>,
    ) -> Result<T, OpenError> {
        let place = field.into();
        self.let_through(customer, place.field_id(), || self.vault.open(customer, place, sealed))
    }

    /// Decrypts one value whose type is known by its tag alone, to the bytes that the type's [`encode`](PersonalData::encode) wrote. For
    /// programs that go by lists of columns, which have [`FieldInfo::field_id`](crate::fields::FieldInfo::field_id).
    ///
    /// ```
    /// use oubliette::{Field, Limits, Purpose, Sealed, Vault, fields::FieldId, personal::{Email, Plaintext}};
    /// const ORDERS: Purpose = Purpose::new("orders");
    /// const EMAIL: Field<Email> = ORDERS.field("email");
    ///
    /// let vault = Vault::in_memory([ORDERS]);
    /// let alice = vault.enroll()?;
    /// let column = vault.seal(alice, EMAIL, &"alice@example.com".parse()?)?.into_bytes();
    ///
    /// let reader = vault.reader(Limits::nothing().purpose(ORDERS));
    /// let value: Sealed<Plaintext> = Sealed::from_bytes(column)?;
    /// let encoded = reader.open_encoded(alice, FieldId::from(EMAIL), None, &value)?;
    /// assert_eq!(encoded.as_bytes(), b"alice@example.com");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`open`](Reader::open); limits and audits hold as there.
    pub fn open_encoded(
        &self,
        customer: CustomerId,
        field: FieldId,
        context: Option<&[u8]>,
        sealed: &Sealed<Plaintext>,
    ) -> Result<Plaintext, OpenError> {
        self.let_through(customer, field, || {
            Operations::on(self.vault.process()?).open_encoded(customer, field, context, sealed)
        })
    }

    fn let_through<T>(
        &self,
        customer: CustomerId,
        field: FieldId,
        open: impl FnOnce() -> Result<T, OpenError>,
    ) -> Result<T, OpenError> {
        match &self.guard {
            None => open(),
            Some(guard) => guard.open(customer, field, open),
        }
    }

    /// Whether the purpose is among those that the vault was unlocked with. The limits have no say in it.
    ///
    /// # Errors
    /// When the vault was closed, or cannot be used after a fork.
    pub fn is_unlocked(&self, purpose: Purpose) -> Result<bool, KeyStoreError> {
        Ok(Operations::on(self.vault.process()?).is_unlocked(purpose))
    }

    /// Encrypts one value, if the limits allow sealing. See [`Vault::seal`].
    ///
    /// # Errors
    /// As there, and [`SealError::NotAllowed`] outside the limits.
    pub fn seal<'c, T: PersonalData>(
        &self,
        customer: CustomerId,
        field: impl Into<FieldWithin<'c, T>>,
        value: &T,
    ) -> Result<Sealed<T>, SealError> {
        let place = field.into();
        if let Some(guard) = &self.guard {
            guard.may_seal(customer, place.field_id())?;
        }
        self.vault.seal(customer, place, value)
    }

    /// A handle for several fields of one customer, within the same limits. See [`Vault::customer`].
    #[must_use]
    pub fn customer(&self, customer: CustomerId) -> CustomerKeys {
        CustomerKeys::of_one(&self.vault, self.guard.as_ref(), customer)
    }

    /// Many rows, each with a handle for its customer, within the same limits. See [`Vault::each_customer`].
    pub fn each_customer<I, F>(
        &self,
        rows: I,
        customer_of: F,
    ) -> impl Iterator<Item = (I::Item, CustomerKeys)> + use<I, F>
    where
        I: IntoIterator,
        F: FnMut(&I::Item) -> CustomerId,
    {
        EachCustomer::new(&self.vault, self.guard.as_ref(), rows.into_iter(), customer_of)
    }

    /// A reader within these limits as well: it opens and seals what both allow.
    #[must_use]
    pub fn narrowed(&self, limits: Limits) -> Reader {
        self.guarded(|guard| guard.limits.push(Arc::new(limits)))
    }

    /// A reader whose openings are written down, with who opens and why: for the length of a request, or of a job.
    ///
    /// An opening is noted before the value is returned, one that the limits refuse or that fails too. Sealing is not
    /// noted, nor is [`reseal`](CustomerKeys::reseal), which gives nothing out. While the audit's buffer is full, opening
    /// waits for it: see [`AuditBuilder::patience`](crate::audit::AuditBuilder::patience).
    ///
    /// An audit cannot be taken off: a reader that is audited already notes in both from then on.
    #[must_use]
    pub fn audited(&self, audit: &Audit, who: Reason, why: Reason) -> Reader {
        self.guarded(|guard| guard.audits.push(Arc::new(audit.scope(who, why))))
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(guard) = &self.guard else { return f.write_str("Reader(everything, audits: 0)") };
        let audits = guard.audits.len();
        write!(f, "Reader({:?}, audits: {audits})", guard.limits)
    }
}

/// What stands between a reader and the vault.
#[derive(Clone)]
pub(crate) struct Guard {
    /// All must allow.
    limits: Vec<Arc<Limits>>,
    /// All are told.
    audits: Vec<Arc<Scope>>,
    clock: Clock,
}

impl Guard {
    /// One that allows all.
    fn of(vault: &Vault) -> Guard {
        Guard { limits: Vec::new(), audits: Vec::new(), clock: vault.inner().process.settings.clock.clone() }
    }

    #[inline]
    pub(in crate::vault) fn open<T>(
        &self,
        customer: CustomerId,
        name: FieldId,
        open: impl FnOnce() -> Result<T, OpenError>,
    ) -> Result<T, OpenError> {
        let is_allowed = self.limits.iter().all(|limits| limits.allow_opening(name));
        if !self.audits.is_empty() {
            return self.open_audited(customer, name, is_allowed, open);
        }
        if is_allowed { open() } else { Err(OpenError::NotAllowed { at: name.of(customer) }) }
    }

    #[inline]
    fn open_audited<T>(
        &self,
        customer: CustomerId,
        name: FieldId,
        is_allowed: bool,
        open: impl FnOnce() -> Result<T, OpenError>,
    ) -> Result<T, OpenError> {
        let note = |result| self.note(customer, name, result);
        let not_audited = |source| OpenError::NotAudited { at: name.of(customer), source };
        if !is_allowed {
            // Where there is no room it is counted as lost: refused it is either way.
            let _ = note(OpeningResult::Refused);
            return Err(OpenError::NotAllowed { at: name.of(customer) });
        }
        self.audits.iter().try_for_each(|audit| audit.admit()).map_err(not_audited)?;
        let opened = open();
        let noted = note(if opened.is_ok() { OpeningResult::Opened } else { OpeningResult::Failed });
        match opened {
            Ok(value) => noted.map(|()| value).map_err(not_audited),
            Err(error) => Err(error),
        }
    }

    fn note(&self, customer: CustomerId, name: FieldId, result: OpeningResult) -> Result<(), AuditError> {
        let second = self.clock.second();
        let mut all = Ok(());
        for audit in &self.audits {
            // All of them, whatever the first says.
            let noted = audit.note(name, customer, result, second);
            all = all.and(noted);
        }
        all
    }

    /// Opens some of a group's members. `open` says which of those asked for were there, a bit each.
    pub(in crate::vault) fn open_group<T>(
        &self,
        customer: CustomerId,
        group: Group,
        asked: &[FieldId],
        open: impl FnOnce() -> Result<(T, u64), OpenError>,
    ) -> Result<T, OpenError> {
        let is_allowed = |name: &FieldId| self.limits.iter().all(|limits| limits.allow_opening(*name));
        // Whoever asks for nothing learns what a group keeps, and whether it opens.
        let whole = [group.id()];
        let needed = if asked.is_empty() { &whole[..] } else { asked };
        if let Some(refused) = needed.iter().find(|name| !is_allowed(name)) {
            for name in needed.iter().filter(|name| !is_allowed(name)) {
                // Where there is no room it is counted as lost: refused it is either way.
                let _ = self.note(customer, *name, OpeningResult::Refused);
            }
            return Err(OpenError::NotAllowed { at: refused.of(customer) });
        }
        let not_audited = |source| OpenError::NotAudited { at: group.id().of(customer), source };
        self.audits.iter().try_for_each(|audit| audit.admit()).map_err(not_audited)?;
        let opened = open();
        // Which are there is not known of a group that did not open. Beyond 64, more is noted than was given out, never less.
        let (result, present) = match &opened {
            Ok((_, present)) => (OpeningResult::Opened, *present),
            Err(_) => (OpeningResult::Failed, u64::MAX),
        };
        let is_noted =
            |at: usize| u32::try_from(at).ok().and_then(|at| present.checked_shr(at)).is_none_or(|bits| bits & 1 == 1);
        let mut noted = Ok(());
        for (_, name) in asked.iter().enumerate().filter(|(at, _)| is_noted(*at)) {
            noted = noted.and(self.note(customer, *name, result));
        }
        let (value, _) = opened?;
        noted.map(|()| value).map_err(not_audited)
    }

    pub(in crate::vault) fn may_seal(&self, customer: CustomerId, name: FieldId) -> Result<(), SealError> {
        if self.limits.iter().all(|limits| limits.allow_sealing(name)) {
            Ok(())
        } else {
            Err(SealError::NotAllowed { at: name.of(customer) })
        }
    }
}
