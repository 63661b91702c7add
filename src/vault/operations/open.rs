//! Opening one value.

use crate::cipher::{FieldCipher, Width};
use crate::customer::CustomerId;
use crate::error::{KeyStoreError, OpenError};
use crate::field::{Belongs, FieldId, FieldWithin, Purpose};
use crate::group::Members;
use crate::key_tree::{Found, Walker};
use crate::personal::{PersonalData, Plaintext, unpad};
use crate::sealed::{ASSOCIATED_ROOM, Header, Sealed, associated};
use crate::secret::Wiped;
use crate::stack::{with_clean_stack, with_clean_stack_after};
use crate::vault::operations::Operations;
use crate::vault::state::{Cipher, Fetched, Handle, Held, NO_TREE, tree_error};

impl Operations<'_> {
    pub(crate) fn is_unlocked(&self, purpose: Purpose) -> bool {
        self.settings.purposes.contains(&purpose)
    }

    /// True once the number is known to be issued; reads the record again if it is not.
    pub(in crate::vault) fn is_enrolled(&self, customer: CustomerId) -> Result<bool, KeyStoreError> {
        if self.known.is_issued(customer) {
            return Ok(true);
        }
        self.extra_read()?;
        Ok(self.known.is_issued(customer))
    }

    pub(crate) fn open<T: PersonalData>(
        &self,
        customer: CustomerId,
        place: FieldWithin<'_, T>,
        sealed: &Sealed<T>,
    ) -> Result<T, OpenError> {
        let name = place.field_id();
        let padded = self.open_padded(customer, name, place.context, sealed);
        decode(&padded.map_err(|error| with_length(error, sealed))?, name.of(customer))
    }

    /// What a value was encoded as, whose type is known by its tag alone.
    pub(crate) fn open_encoded(
        &self,
        customer: CustomerId,
        name: FieldId,
        context: Option<&[u8]>,
        sealed: &Sealed<Plaintext>,
    ) -> Result<Plaintext, OpenError> {
        let padded = self.open_padded(customer, name, context, sealed)?;
        let content = unpad(padded.bytes()).ok_or(OpenError::InvalidContent { at: name.of(customer) })?;
        let mut plain = Plaintext::with_capacity(content.len());
        plain.extend(content);
        Ok(plain)
    }

    /// Every check there is, whatever the type.
    #[inline]
    fn open_padded<T>(
        &self,
        customer: CustomerId,
        name: FieldId,
        context: Option<&[u8]>,
        sealed: &Sealed<T>,
    ) -> Result<Wiped, OpenError> {
        let header = sealed.header();
        let changes = self.known.changes();
        let opened = self.with_pages(|pages| {
            let state = self.state_to_open(customer, name, &header, pages)?;
            let tree = state.tree(header.tree).and_then(|tree| tree.tree.as_ref()).ok_or(NO_TREE)?;
            // The snapshot outlives every key derived from it: a shred waits for it.
            let width = Width::for_text(sealed.text_bytes());
            with_clean_stack_after(width.to_derive(), || {
                let mut walker = Walker::for_one();
                if walker.walk(tree, customer.to_path(), pages).map_err(tree_error)? == Found::Shredded {
                    return Err(OpenError::Shredded { at: name.of(customer) });
                }
                let cipher = FieldCipher::new(walker.customer_key(), name, width);
                Ok(Operations::open_with(&cipher, &header, context, sealed))
            })
        })?;
        self.finish_open(customer, name, &header, opened, changes)
    }

    pub(crate) fn open_by_handle<T: PersonalData>(
        &self,
        handle: &Handle,
        index: usize,
        place: FieldWithin<'_, T>,
        sealed: &Sealed<T>,
    ) -> Result<T, OpenError> {
        let name = place.field_id();
        let padded = self.open_padded_by_handle(handle, index, name, place.context, sealed)?;
        decode(&padded, name.of(handle.customer(index)))
    }

    /// Of the members of a group, those that are asked for can be read afterwards.
    pub(crate) fn open_group(
        &self,
        handle: &Handle,
        index: usize,
        place: FieldWithin<'_, Members>,
        asked: &[FieldId],
        sealed: &Sealed<Members>,
    ) -> Result<Members, OpenError> {
        let (customer, group) = (handle.customer(index), place.group());
        // Else the limits would be asked about one purpose's field, and another's be given out.
        if let Some(field) = asked.iter().find(|field| field.purpose != group.purpose()) {
            let found = group.purpose().name().to_owned();
            return Err(OpenError::OtherPurpose { at: field.of(customer), found });
        }
        let padded = self.open_padded_by_handle(handle, index, group.id(), place.context, sealed)?;
        Members::read(padded, customer, group, asked)
    }

    #[inline]
    fn open_padded_by_handle<T>(
        &self,
        handle: &Handle,
        index: usize,
        name: FieldId,
        context: Option<&[u8]>,
        sealed: &Sealed<T>,
    ) -> Result<Wiped, OpenError> {
        let (customer, header) = (handle.customer(index), sealed.header());
        let is_theirs = header.customer == customer.to_path();
        let changes = self.known.changes();
        let open = |_, cipher: &FieldCipher| Operations::open_with(cipher, &header, context, sealed);
        let asked = (name, sealed.text_bytes());
        let kept = if is_theirs { handle.with_kept(index, Some(header.tree), asked, open) } else { None };
        let opened = match kept {
            Some(opened) => opened,
            None => {
                let opened = self.with_pages(|pages| {
                    // Before the handle's lock, since it may wait for a thread of the vault's, which takes the lock to wipe.
                    drop(self.state_to_open(customer, name, &header, pages)?);
                    let mut keys = handle.keys();
                    let width = Width::for_text(sealed.text_bytes());
                    with_clean_stack_after(width.to_derive(), || {
                        let cipher =
                            handle.cipher(&self.known, &mut keys, index, Some(header.tree), (name, width), pages)?.1;
                        match cipher {
                            Cipher::Kept(cipher) => Ok(Some(Operations::open_with(cipher, &header, context, sealed))),
                            Cipher::Made(cipher) => Ok(Some(Operations::open_with(&cipher, &header, context, sealed))),
                            Cipher::Shredded => Err(OpenError::Shredded { at: name.of(customer) }),
                            Cipher::Retired => Ok(None),
                        }
                    })
                })?;
                match opened {
                    Some(opened) => opened,
                    None => {
                        // The tree was retired concurrently: check again.
                        self.with_pages(|pages| self.state_to_open(customer, name, &header, pages).map(drop))?;
                        return Err(KeyStoreError::Bug("a retired tree reappeared").into());
                    }
                }
            }
        };
        self.finish_open(customer, name, &header, opened, changes)
    }

    /// The snapshot to open a value with, once it is known to be one of this customer and purpose.
    fn state_to_open(
        &self,
        customer: CustomerId,
        name: FieldId,
        header: &Header<'_>,
        pages: &Fetched<'_>,
    ) -> Result<Held, OpenError> {
        let at = name.of(customer);
        if !self.is_unlocked(name.purpose) {
            return Err(OpenError::PurposeNotUnlocked { purpose: name.purpose.name() });
        }
        if header.customer != customer.to_path() {
            let found = CustomerId::from_path(header.customer).unwrap_or(customer);
            return Err(OpenError::OtherCustomer { at, found });
        }
        let mut state = self.state()?;
        if state.tree(header.tree).is_none() && !self.known.unknown_trees.contains(&state, header.tree) {
            // Another process may have made it a moment ago. Let go first: a refresh waits for readers.
            drop(state);
            self.extra_read()?;
            state = self.state()?;
            if state.tree(header.tree).is_none() {
                self.known.unknown_trees.add(&state, header.tree);
            }
        }
        let Some(tree) = state.tree(header.tree) else { return Err(OpenError::OtherVault { at }) };
        if tree.purpose != name.purpose.name() {
            return Err(OpenError::OtherPurpose { at, found: tree.purpose.clone() });
        }
        let is_retired = tree.tree.is_none();
        if is_retired || !tree.active {
            // The purpose's active tree has the last word on who is shredded.
            let active = state.active(name.purpose.name()).and_then(|tree| tree.tree.as_ref()).ok_or(NO_TREE)?;
            let found = with_clean_stack(|| Walker::for_one().walk(active, customer.to_path(), pages));
            if found.map_err(tree_error)? == Found::Shredded {
                return Err(OpenError::Shredded { at });
            }
        }
        if is_retired { Err(OpenError::Retired { at }) } else { Ok(state) }
    }

    /// `None`: not authentic.
    #[inline]
    fn open_with<T>(
        cipher: &FieldCipher,
        header: &Header<'_>,
        context: Option<&[u8]>,
        sealed: &Sealed<T>,
    ) -> Option<Wiped> {
        let (text, tag) = sealed.text_and_tag()?;
        let mut room = [0; ASSOCIATED_ROOM];
        let associated = associated(header.in_copy, header.witness, context, &mut room);
        let mut plain = Wiped::copy_of(text);
        cipher.open(header.nonce, header.commitment, &associated, plain.bytes_mut(), tag).ok()?;
        Some(plain)
    }

    /// The checks that come after decryption. No lock and no snapshot is held here.
    #[inline]
    fn finish_open(
        &self,
        customer: CustomerId,
        name: FieldId,
        header: &Header<'_>,
        opened: Option<Wiped>,
        changes: u64,
    ) -> Result<Wiped, OpenError> {
        let at = name.of(customer);
        if header.in_copy && !self.settings.is_copy && opened.is_some() {
            return Err(OpenError::SealedInCopy { at });
        }
        if !self.known.is_issued(customer) {
            self.check_enrolled(at, header, opened.is_some())?;
        }
        let Some(plain) = opened else { return Err(OpenError::NotAuthentic { at, is_cut: false }) };
        if !self.known.is_proven(header.witness) {
            self.check_witness(at, header.witness)?;
        }
        self.confirm_lease()?;
        if self.known.changes() != changes {
            self.open_again(customer, name, header)?;
        }
        Ok(plain)
    }

    /// The value was opened with keys of an older snapshot, and the lease runs because of a newer one: whoever was
    /// shredded in between must not be opened any more.
    #[cold]
    fn open_again(&self, customer: CustomerId, name: FieldId, header: &Header) -> Result<(), OpenError> {
        let found = self.with_pages(|pages| {
            let state = self.state_to_open(customer, name, header, pages)?;
            let tree = state.tree(header.tree).and_then(|tree| tree.tree.as_ref()).ok_or(NO_TREE)?;
            let found = with_clean_stack(|| Walker::for_one().walk(tree, customer.to_path(), pages));
            Ok::<_, OpenError>(found.map_err(tree_error)?)
        })?;
        if found == Found::Shredded {
            return Err(OpenError::Shredded { at: name.of(customer) });
        }
        if self.known.is_fresh() { Ok(()) } else { Err(self.known.lapsed().into()) }
    }

    #[cold]
    fn check_enrolled(&self, at: Belongs, header: &Header<'_>, authentic: bool) -> Result<(), OpenError> {
        if self.is_enrolled(at.customer)? {
            return Ok(());
        }
        if !authentic {
            return Err(OpenError::NotEnrolled { at });
        }
        // It authenticates, so this vault once issued the number, and has forgotten it.
        self.check_number(at, header.witness)
    }
}

/// Says of what is not authentic whether its length alone tells why: a column cut it off, or filled it up. A type's step may change, so this decides
/// nothing.
#[cold]
fn with_length<T: PersonalData>(error: OpenError, sealed: &Sealed<T>) -> OpenError {
    let OpenError::NotAuthentic { at, .. } = error else { return error };
    let length = sealed.text_and_tag().map_or(0, |(text, _)| text.len());
    let is_cut = length.checked_rem(T::PADDING.padded(0)).is_none_or(|more| more != 0);
    OpenError::NotAuthentic { at, is_cut }
}

#[inline]
fn decode<T: PersonalData>(padded: &Wiped, at: Belongs) -> Result<T, OpenError> {
    let content = unpad(padded.bytes()).ok_or_else(|| OpenError::InvalidContent { at })?;
    T::decode(content).map_err(|_| OpenError::InvalidContent { at })
}
