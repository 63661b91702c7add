//! Handles: keys of one customer for the length of a request, or of a chunk of many.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::customer::CustomerId;
use crate::error::{Error, KeyStoreError, OpenError, SealError};
use crate::field::{Field, FieldId, FieldWithin};
use crate::group::Members;
use crate::personal::PersonalData;
use crate::sealed::Sealed;
use crate::vault::api::reader::Guard;
use crate::vault::api::vault::{HeldVault, Vault};
use crate::vault::operations::Operations;
use crate::vault::process::Process;
use crate::vault::state::{Customers, Handle};

/// Most rows whose keys are held at a time.
pub(crate) const CHUNK: usize = 256;

/// Seals and opens several fields of one customer, deriving the customer's key once.
///
/// Hold it for the length of a request. It may cross threads and live across an await. A commit that shreds anybody
/// wipes its keys; they are then derived anew, which fails if this customer was shredded.
///
/// ```
/// use oubliette::{Field, Purpose, Vault, personal::{Email, Name}};
/// const ORDERS: Purpose = Purpose::new("orders");
/// const NAME: Field<Name> = ORDERS.field("name");
/// const EMAIL: Field<Email> = ORDERS.field("email");
/// # let vault = Vault::in_memory([ORDERS]);
/// # let alice = vault.enroll()?;
///
/// let keys = vault.customer(alice);
/// let row = (keys.seal(NAME, &"Alice".parse()?)?, keys.seal(EMAIL, &"alice@example.com".parse()?)?);
/// assert_eq!(keys.open(NAME, &row.0)?.expose_personal_data(), "Alice");
/// assert_eq!(keys.open(EMAIL, &row.1)?.expose_personal_data(), "alice@example.com");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CustomerKeys {
    used: Used,
    index: usize,
    customer: CustomerId,
}

/// What using a handle takes.
#[derive(Clone)]
enum Used {
    Alone(Parts),
    /// All rows of a chunk have it in common.
    InChunk(Arc<Parts>),
}

impl Deref for Used {
    type Target = Parts;

    #[inline]
    fn deref(&self) -> &Parts {
        match self {
            Used::Alone(parts) => parts,
            Used::InChunk(parts) => parts,
        }
    }
}

#[derive(Clone)]
struct Parts {
    vault: HeldVault,
    /// An error when the vault could not be used when the handle was made.
    handle: Result<Arc<Handle>, KeyStoreError>,
    /// Of a [`Reader`](crate::Reader).
    guard: Option<Arc<Guard>>,
}

impl Parts {
    fn of(vault: HeldVault, guard: Option<&Arc<Guard>>, customers: Customers) -> Parts {
        let handle = vault.process.current().map(|process| Handle::register(&process.known, customers));
        Parts { handle, vault, guard: guard.cloned() }
    }

    /// Where a customer is among those of the handle: mostly where the one of the row before is, or next to it.
    fn index_of(&self, customer: CustomerId, before: usize) -> usize {
        self.handle.as_ref().map_or(0, |handle| handle.index_of(customer, before))
    }
}

impl CustomerKeys {
    pub(in crate::vault) fn of_one(vault: &Vault, guard: Option<&Arc<Guard>>, customer: CustomerId) -> CustomerKeys {
        CustomerKeys { used: Used::Alone(Parts::of(vault.held(), guard, Customers::One(customer))), index: 0, customer }
    }

    /// Whose keys these are.
    #[must_use]
    pub fn customer(&self) -> CustomerId {
        self.customer
    }

    #[inline]
    fn parts(&self) -> Result<(&Arc<Process>, &Handle), KeyStoreError> {
        let parts = &*self.used;
        let process = parts.vault.process.current()?;
        let handle = parts.handle.as_ref().map_err(Clone::clone)?;
        // Its lock may be held for ever in a forked child, and its keys are the parent's.
        if handle.is_of(&process.known) { Ok((process, handle)) } else { Err(KeyStoreError::Forked) }
    }

    /// Encrypts one value. See [`Vault::seal`](crate::Vault::seal).
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn seal<'c, T: PersonalData>(
        &self,
        field: impl Into<FieldWithin<'c, T>>,
        value: &T,
    ) -> Result<Sealed<T>, SealError> {
        let place = field.into();
        if let Some(guard) = &self.used.guard {
            guard.may_seal(self.customer, place.field_id())?;
        }
        let (process, handle) = self.parts()?;
        Operations::on(process).seal_by_handle(handle, self.index, place, value)
    }

    /// Decrypts one value. See [`Vault::open`](crate::Vault::open).
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn open<'c, T: PersonalData>(
        &self,
        field: impl Into<FieldWithin<'c, T>>,
        sealed: &Sealed<T>,
    ) -> Result<T, OpenError> {
        let place = field.into();
        match &self.used.guard {
            None => self.open_unguarded(place, sealed),
            Some(guard) => guard.open(self.customer, place.field_id(), || self.open_unguarded(place, sealed)),
        }
    }

    #[inline]
    fn open_unguarded<T: PersonalData>(&self, place: FieldWithin<'_, T>, sealed: &Sealed<T>) -> Result<T, OpenError> {
        let (process, handle) = self.parts()?;
        Operations::on(process).open_by_handle(handle, self.index, place, sealed)
    }

    /// Moves a value to the purpose's newest key tree. See [`Vault::reseal`](crate::Vault::reseal).
    ///
    /// # Errors
    /// As there.
    pub fn reseal<'c, T: PersonalData>(
        &self,
        field: impl Into<FieldWithin<'c, T>>,
        sealed: &Sealed<T>,
    ) -> Result<Option<Sealed<T>>, Error> {
        let place = field.into();
        if let Some(guard) = &self.used.guard {
            guard.may_seal(self.customer, place.field_id())?;
        }
        let (process, handle) = self.parts()?;
        Operations::on(process).reseal_by_handle(handle, self.index, place, sealed)
    }
}

/// Groups: several fields sealed as one. See [`Group`](crate::Group).
impl CustomerKeys {
    /// Encrypts the members of a group as one value, those that are only kept too.
    ///
    /// # Errors
    /// As [`seal`](CustomerKeys::seal), and when a member is of another purpose, or there are more than 64. A
    /// [`Reader`](crate::Reader) must be allowed to seal every member that was put in or asked for.
    pub fn seal_group<'c>(
        &self,
        group: impl Into<FieldWithin<'c, Members>>,
        members: &Members,
    ) -> Result<Sealed<Members>, SealError> {
        let place = group.into();
        if let Some(guard) = &self.used.guard {
            let mut fields: Vec<FieldId> = members.fields().collect();
            if fields.is_empty() {
                fields.push(place.group().id());
            }
            fields.into_iter().try_for_each(|field| guard.may_seal(self.customer, field))?;
        }
        let (process, handle) = self.parts()?;
        Operations::on(process).seal_group(handle, self.index, place, members)
    }

    /// Decrypts a group, and gives out the fields that are asked for, as far as they are there. The others are kept.
    ///
    /// The limits of a [`Reader`](crate::Reader) must allow every field that is asked for, there or not; otherwise nothing is decrypted. An
    /// audit notes the fields that were there or, if the group does not open, all that were asked for.
    ///
    /// # Errors
    /// As [`open`](CustomerKeys::open). [`OpenError::OtherType`] when the group holds a value of another type under the label of a field that is asked for.
    pub fn open_group<'c>(
        &self,
        group: impl Into<FieldWithin<'c, Members>>,
        asked: &[FieldId],
        sealed: &Sealed<Members>,
    ) -> Result<Members, OpenError> {
        self.open_members(group.into(), asked, sealed, Ok)
    }

    /// Decrypts a group for one of its fields; `None` if it is not there.
    ///
    /// # Errors
    /// As [`open_group`](CustomerKeys::open_group) for this field alone, and when it is no value of its type.
    pub fn open_member<'c, T: PersonalData>(
        &self,
        group: impl Into<FieldWithin<'c, Members>>,
        field: Field<T>,
        sealed: &Sealed<Members>,
    ) -> Result<Option<T>, OpenError> {
        let (place, id) = (group.into(), FieldId::from(field));
        self.open_members(place, &[id], sealed, |members| {
            members.get(field).map_err(|_| OpenError::InvalidContent { at: id.of(self.customer) })
        })
    }

    /// What is made of the members is part of the opening: if it fails, so has the opening, and nothing was given out.
    pub(crate) fn open_members<T>(
        &self,
        place: FieldWithin<'_, Members>,
        asked: &[FieldId],
        sealed: &Sealed<Members>,
        make: impl FnOnce(Members) -> Result<T, OpenError>,
    ) -> Result<T, OpenError> {
        let open = || {
            let (process, handle) = self.parts()?;
            Operations::on(process).open_group(handle, self.index, place, asked, sealed)
        };
        match &self.used.guard {
            None => make(open()?),
            Some(guard) => guard.open_group(self.customer, place.group(), asked, || {
                let members = open()?;
                let present = members.present(asked);
                Ok((make(members)?, present))
            }),
        }
    }

    /// Moves a group to the purpose's newest key tree, with all that is in it. See [`reseal`](CustomerKeys::reseal).
    ///
    /// # Errors
    /// As there. A [`Reader`](crate::Reader) must be allowed to seal all fields of the purpose.
    pub fn reseal_group<'c>(
        &self,
        group: impl Into<FieldWithin<'c, Members>>,
        sealed: &Sealed<Members>,
    ) -> Result<Option<Sealed<Members>>, Error> {
        let place = group.into();
        if let Some(guard) = &self.used.guard {
            guard.may_seal(self.customer, place.group().id())?;
        }
        let (process, handle) = self.parts()?;
        Operations::on(process).reseal_group(handle, self.index, place, sealed)
    }
}

impl fmt::Debug for CustomerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomerKeys(customer {}, redacted)", self.customer)
    }
}

/// Rows with handles for their customers. It reads up to 256 rows ahead. Between two calls it holds the keys of these customers only, and no seed from
/// which others could be derived.
pub(in crate::vault) struct EachCustomer<I: Iterator, F> {
    /// Not a clone of the vault, whose count all processors would write to.
    vault: HeldVault,
    guard: Option<Arc<Guard>>,
    rows: I,
    customer_of: F,
    ready: VecDeque<(I::Item, CustomerId)>,
    /// Of the rows that are ready, as long as there are any.
    chunk: Option<Arc<Parts>>,
    /// Where the customer of the row before is in it.
    index: usize,
}

impl<I: Iterator, F: FnMut(&I::Item) -> CustomerId> EachCustomer<I, F> {
    pub(in crate::vault) fn new(vault: &Vault, guard: Option<&Arc<Guard>>, rows: I, customer_of: F) -> Self {
        let (vault, guard) = (vault.held(), guard.cloned());
        EachCustomer { vault, guard, rows, customer_of, ready: VecDeque::new(), chunk: None, index: 0 }
    }

    fn fill(&mut self) {
        let customer_of = &mut self.customer_of;
        self.ready.extend(self.rows.by_ref().take(CHUNK).map(|row| {
            let customer = customer_of(&row);
            (row, customer)
        }));
        let mut customers: Vec<CustomerId> = self.ready.iter().map(|(_, customer)| *customer).collect();
        customers.sort_unstable();
        customers.dedup();
        let customers = match customers[..] {
            [customer] => Customers::One(customer),
            _ => Customers::Chunk(customers),
        };
        let parts = || Arc::new(Parts::of(self.vault.clone(), self.guard.as_ref(), customers));
        self.chunk = (!self.ready.is_empty()).then(parts);
        self.index = 0;
    }
}

impl<I: Iterator, F: FnMut(&I::Item) -> CustomerId> Iterator for EachCustomer<I, F> {
    type Item = (I::Item, CustomerKeys);

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            self.fill();
        }
        let (row, customer) = self.ready.pop_front()?;
        // The last row takes it along: between two chunks no key is held.
        let chunk = if self.ready.is_empty() { self.chunk.take()? } else { self.chunk.clone()? };
        self.index = chunk.index_of(customer, self.index);
        Some((row, CustomerKeys { used: Used::InChunk(chunk), index: self.index, customer }))
    }
}
