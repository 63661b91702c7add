//! Sealing and opening one value.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::cipher::{FieldCipher, TAG_BYTES};
use crate::customer::CustomerId;
use crate::derivation::TreeId;
use crate::error::{KeyStoreError, OpenError, SealError};
use crate::field::{Belongs, FieldId, Placed, Purpose};
use crate::key_tree::{Found, Walker};
use crate::nonce;
use crate::personal::{MOST_BYTES, PersonalData, Plaintext, unpad};
use crate::sealed::{Associated, Encoded, HEADER_BYTES, Header, Sealed};
use crate::secret::{Wiped, with_clean_stack};
use crate::vault::evidence::Evidence;
use crate::vault::handles::{Cipher, Handle};
use crate::vault::held::{Held, StoredPages, tree_error};
use crate::vault::process::Process;
use crate::witness::Witness;

impl Process {
    pub(crate) fn is_unlocked(&self, purpose: Purpose) -> bool {
        self.settings.purposes.contains(&purpose)
    }

    /// True once the number is known to be issued; reads the record again if it is not.
    fn is_enrolled(self: &Arc<Process>, customer: CustomerId) -> Result<bool, KeyStoreError> {
        let issued = || customer.get() < self.next_number.load(Ordering::Relaxed);
        if issued() {
            return Ok(true);
        }
        self.extra_read()?;
        Ok(issued())
    }

    pub(crate) fn seal<T: PersonalData>(
        self: &Arc<Process>,
        customer: CustomerId,
        place: Placed<'_, T>,
        value: &T,
    ) -> Result<Sealed<T>, SealError> {
        let name = place.field_id();
        self.may_seal(customer, name)?;
        let wall = self.wall_within_lease()?;
        let held = self.held()?;
        let tree = held.active(name.purpose.name()).ok_or(NO_TREE)?;
        let keys = tree.tree.as_ref().ok_or(NO_TREE)?;
        let pages = StoredPages(self.pages());
        let result = with_clean_stack(|| {
            let mut walker = Walker::for_one();
            if walker.walk(keys, customer.to_path(), &pages).map_err(tree_error)? == Found::Shredded {
                return Err(SealError::Shredded { at: name.of(customer) });
            }
            let cipher = FieldCipher::new(walker.customer_key(), name);
            self.seal_with(&cipher, tree.id, customer, place, value, wall)
        });
        // The snapshot outlives every key derived from it: a shred waits for it.
        drop(held);
        result
    }

    fn may_seal(self: &Arc<Process>, customer: CustomerId, name: FieldId) -> Result<(), SealError> {
        if !self.is_unlocked(name.purpose) {
            return Err(SealError::PurposeNotUnlocked { purpose: name.purpose.name() });
        }
        if self.is_enrolled(customer)? { Ok(()) } else { Err(SealError::NotEnrolled { at: name.of(customer) }) }
    }

    /// The wall clock for a nonce, once the lease is known to run.
    #[inline]
    fn wall_within_lease(self: &Arc<Process>) -> Result<u64, KeyStoreError> {
        let wall = self.lease.clock().wall();
        if !self.lease.is_fresh_at(wall) {
            self.reread()?;
        }
        Ok(wall)
    }

    pub(crate) fn seal_by_handle<T: PersonalData>(
        self: &Arc<Process>,
        handle: &Handle,
        index: usize,
        place: Placed<'_, T>,
        value: &T,
    ) -> Result<Sealed<T>, SealError> {
        let (customer, name) = (handle.customer(index), place.field_id());
        // All that may wait for a thread of the vault's comes before the handle's lock, which those threads take to wipe.
        let wall = self.wall_within_lease()?;
        if let Some((tree, cipher)) = handle.keys().kept_to_seal(name) {
            // The cipher leaves round keys on the stack, where no commit could reach them.
            return with_clean_stack(|| self.seal_with(cipher, tree, customer, place, value, wall));
        }
        self.may_seal(customer, name)?;
        let mut keys = handle.keys();
        with_clean_stack(|| {
            let (tree, cipher) = handle.cipher(&mut keys, index, None, name)?;
            match cipher.as_ref() {
                Some(cipher) => self.seal_with(cipher, tree, customer, place, value, wall),
                None => Err(SealError::Shredded { at: name.of(customer) }),
            }
        })
    }

    #[inline]
    fn seal_with<T: PersonalData>(
        &self,
        cipher: &FieldCipher,
        tree: TreeId,
        customer: CustomerId,
        place: Placed<'_, T>,
        value: &T,
        wall: u64,
    ) -> Result<Sealed<T>, SealError> {
        let nonce = nonce::nonce(wall).map_err(|_| KeyStoreError::Randomness)?;
        let header = Header {
            tree,
            customer: customer.to_path(),
            witness: self.witness_to_seal(),
            nonce: &nonce,
            commitment: cipher.commitment(),
        };
        let hint = value.size_hint().min(MOST_BYTES);
        let room = HEADER_BYTES + T::PADDING.padded(hint) + TAG_BYTES;
        let mut plain = Plaintext::after(|out| header.write(out), room);
        value.encode(&mut plain);
        let bytes = plain.len();
        if bytes > MOST_BYTES {
            return Err(SealError::TooLarge { at: place.field_id().of(customer), bytes });
        }
        plain.pad(T::PADDING.padded(bytes), TAG_BYTES);
        let associated = Associated::new(header.witness, place.context);
        let tag = cipher
            .seal(header.nonce, associated.as_bytes(), plain.content_mut())
            .map_err(|_| KeyStoreError::Bug("a value could not be encrypted"))?;
        plain.extend(&tag);
        Ok(Sealed::from_parts(plain.into_encrypted()))
    }

    pub(crate) fn open<T: PersonalData>(
        self: &Arc<Process>,
        customer: CustomerId,
        place: Placed<'_, T>,
        sealed: &Sealed<T>,
    ) -> Result<T, OpenError> {
        let name = place.field_id();
        decode(&self.open_padded(customer, name, place.context, sealed)?, name.of(customer))
    }

    /// What a value was encoded as, whose type is known by its tag alone.
    pub(crate) fn open_encoded(
        self: &Arc<Process>,
        customer: CustomerId,
        name: FieldId,
        context: Option<&[u8]>,
        sealed: &Sealed<Encoded>,
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
        self: &Arc<Process>,
        customer: CustomerId,
        name: FieldId,
        context: Option<&[u8]>,
        sealed: &Sealed<T>,
    ) -> Result<Wiped, OpenError> {
        let header = sealed.header();
        let changes = self.changes();
        let held = self.held_to_open(customer, name, &header)?;
        let tree = held.tree(header.tree).and_then(|tree| tree.tree.as_ref()).ok_or(NO_TREE)?;
        let pages = StoredPages(self.pages());
        let opened = with_clean_stack(|| {
            let mut walker = Walker::for_one();
            if walker.walk(tree, customer.to_path(), &pages).map_err(tree_error)? == Found::Shredded {
                return Err(OpenError::Shredded { at: name.of(customer) });
            }
            let cipher = FieldCipher::new(walker.customer_key(), name);
            Ok(Process::open_with(&cipher, &header, context, sealed))
        });
        // The snapshot outlives every key derived from it: a shred waits for it.
        drop(held);
        self.finish_open(customer, name, &header, opened?, changes)
    }

    pub(crate) fn open_by_handle<T: PersonalData>(
        self: &Arc<Process>,
        handle: &Handle,
        index: usize,
        place: Placed<'_, T>,
        sealed: &Sealed<T>,
    ) -> Result<T, OpenError> {
        let (customer, name, header) = (handle.customer(index), place.field_id(), sealed.header());
        let is_theirs = header.customer == customer.to_path();
        let changes = self.changes();
        let kept = handle
            .keys()
            .kept(header.tree, name)
            .filter(|_| is_theirs)
            .map(|cipher| with_clean_stack(|| Process::open_with(cipher, &header, place.context, sealed)));
        let opened = match kept {
            Some(opened) => opened,
            None => {
                // Before the handle's lock, since it may wait for a thread of the vault's, which takes the lock to wipe.
                drop(self.held_to_open(customer, name, &header)?);
                let mut keys = handle.keys();
                let opened = with_clean_stack(|| {
                    let cipher = handle.cipher(&mut keys, index, Some(header.tree), name)?.1;
                    match cipher {
                        Cipher::Kept(cipher) => Ok(Some(Process::open_with(cipher, &header, place.context, sealed))),
                        Cipher::Made(cipher) => Ok(Some(Process::open_with(&cipher, &header, place.context, sealed))),
                        Cipher::Shredded => Err(OpenError::Shredded { at: name.of(customer) }),
                        Cipher::Gone => Ok(None),
                    }
                })?;
                drop(keys);
                match opened {
                    Some(opened) => opened,
                    None => {
                        // Given up since it was looked at: looking again tells so.
                        drop(self.held_to_open(customer, name, &header)?);
                        return Err(KeyStoreError::Bug("a key tree came back").into());
                    }
                }
            }
        };
        decode(&self.finish_open(customer, name, &header, opened, changes)?, name.of(customer))
    }

    /// The snapshot to open a value with, once it is known to be one of this customer and purpose.
    fn held_to_open(
        self: &Arc<Process>,
        customer: CustomerId,
        name: FieldId,
        header: &Header<'_>,
    ) -> Result<Arc<Held>, OpenError> {
        let at = name.of(customer);
        if !self.is_unlocked(name.purpose) {
            return Err(OpenError::PurposeNotUnlocked { purpose: name.purpose.name() });
        }
        if header.customer != customer.to_path() {
            let found = CustomerId::from_path(header.customer).unwrap_or(customer);
            return Err(OpenError::OtherCustomer { at, found });
        }
        let mut held = self.held()?;
        if held.tree(header.tree).is_none() {
            // Another process may have made it a moment ago. Let go first: a refresh waits for readers.
            drop(held);
            self.extra_read()?;
            held = self.held()?;
        }
        let Some(tree) = held.tree(header.tree) else { return Err(OpenError::OtherVault { at }) };
        if tree.purpose != name.purpose.name() {
            return Err(OpenError::OtherPurpose { at, found: tree.purpose.clone() });
        }
        let is_retired = tree.tree.is_none();
        if is_retired || !tree.active {
            // The purpose's active tree has the last word on who is shredded.
            let active = held.active(name.purpose.name()).and_then(|tree| tree.tree.as_ref()).ok_or(NO_TREE)?;
            let pages = StoredPages(self.pages());
            let found = with_clean_stack(|| Walker::for_one().walk(active, customer.to_path(), &pages));
            if found.map_err(tree_error)? == Found::Shredded {
                return Err(OpenError::Shredded { at });
            }
        }
        if is_retired { Err(OpenError::Retired { at }) } else { Ok(held) }
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
        let associated = Associated::new(header.witness, context);
        let mut plain = Wiped::copy_of(text);
        cipher.open(header.nonce, header.commitment, associated.as_bytes(), plain.bytes_mut(), tag).ok()?;
        Some(plain)
    }

    /// The checks that come after decryption. No lock and no snapshot is held here.
    #[inline]
    fn finish_open(
        self: &Arc<Process>,
        customer: CustomerId,
        name: FieldId,
        header: &Header<'_>,
        opened: Option<Wiped>,
        changes: u64,
    ) -> Result<Wiped, OpenError> {
        let at = name.of(customer);
        if customer.get() >= self.next_number.load(Ordering::Relaxed) {
            self.check_enrolled(at, header, opened.is_some())?;
        }
        let plain = opened.ok_or(OpenError::NotAuthentic { at })?;
        if !self.is_proven(header.witness) {
            self.check_witness(header.witness)?;
        }
        self.confirm_lease()?;
        if self.changes() != changes {
            self.open_again(customer, name, header)?;
        }
        Ok(plain)
    }

    /// The value was opened with keys of an older snapshot, and the lease runs because of a newer one: whoever was
    /// shredded in between must not be opened any more.
    #[cold]
    fn open_again(self: &Arc<Process>, customer: CustomerId, name: FieldId, header: &Header) -> Result<(), OpenError> {
        let held = self.held_to_open(customer, name, header)?;
        let tree = held.tree(header.tree).and_then(|tree| tree.tree.as_ref()).ok_or(NO_TREE)?;
        let pages = StoredPages(self.pages());
        let found = with_clean_stack(|| Walker::for_one().walk(tree, customer.to_path(), &pages));
        drop(held);
        if found.map_err(tree_error)? == Found::Shredded {
            return Err(OpenError::Shredded { at: name.of(customer) });
        }
        if self.lease.is_fresh() { Ok(()) } else { Err(self.lapsed().into()) }
    }

    #[cold]
    fn check_enrolled(self: &Arc<Process>, at: Belongs, header: &Header<'_>, authentic: bool) -> Result<(), OpenError> {
        if self.is_enrolled(at.customer)? {
            return Ok(());
        }
        if !authentic {
            return Err(OpenError::NotEnrolled { at });
        }
        // It authenticates, so this vault once issued the number, and has forgotten it.
        Ok(self.unless_proven(Evidence::Number(at.customer.get(), Witness::from_packed(header.witness).generation))?)
    }
}

#[inline]
fn decode<T: PersonalData>(padded: &Wiped, at: Belongs) -> Result<T, OpenError> {
    let content = unpad(padded.bytes()).ok_or(OpenError::InvalidContent { at })?;
    T::decode(content).map_err(|_| OpenError::InvalidContent { at })
}

const NO_TREE: KeyStoreError = KeyStoreError::Bug("a purpose has no tree");
