//! Sealing and opening one value.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use zeroize::Zeroizing;

use crate::cipher::{FieldCipher, TAG_BYTES};
use crate::customer::CustomerId;
use crate::derivation::TreeId;
use crate::error::{Belongs, KeyStoreError, OpenError, SealError};
use crate::field::{FieldName, Placed, Purpose};
use crate::key_tree::{Found, Walker};
use crate::nonce;
use crate::personal::{MOST_BYTES, PersonalData, Plaintext, unpad};
use crate::sealed::{Associated, HEADER_BYTES, Header, Sealed};
use crate::secret::with_clean_stack;
use crate::vault::handles::Handle;
use crate::vault::held::{Held, StoredPages, tree_error};
use crate::vault::process::Process;

impl FieldName {
    fn of(self, customer: CustomerId) -> Belongs {
        Belongs { customer, purpose: self.purpose.name(), label: self.label }
    }
}

impl Process {
    fn is_unlocked(&self, purpose: Purpose) -> bool {
        self.settings.purposes.contains(&purpose)
    }

    /// True once the number is known to be issued; reads the record again if it is not.
    fn is_enrolled(self: &Arc<Process>, customer: CustomerId) -> Result<bool, KeyStoreError> {
        let issued = || customer.number() < self.next_number.load(Ordering::Relaxed);
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
        let name = place.name();
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

    fn may_seal(self: &Arc<Process>, customer: CustomerId, name: FieldName) -> Result<(), SealError> {
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
        let (customer, name) = (handle.customer(index), place.name());
        // All that may wait for the vault's thread comes before the handle's lock: that thread takes the lock to wipe.
        let wall = self.wall_within_lease()?;
        if let Some((tree, cipher)) = handle.keys().kept_to_seal(name) {
            // The cipher leaves round keys on the stack, where no commit could reach them.
            return with_clean_stack(|| self.seal_with(cipher, tree, customer, place, value, wall));
        }
        self.may_seal(customer, name)?;
        let mut keys = handle.keys();
        let (tree, cipher) = handle.cipher(&mut keys, index, None, name)?;
        match cipher.as_ref() {
            Some(cipher) => with_clean_stack(|| self.seal_with(cipher, tree, customer, place, value, wall)),
            None => Err(SealError::Shredded { at: name.of(customer) }),
        }
    }

    fn seal_with<T: PersonalData>(
        &self,
        cipher: &FieldCipher,
        tree: TreeId,
        customer: CustomerId,
        place: Placed<'_, T>,
        value: &T,
        wall: u64,
    ) -> Result<Sealed<T>, SealError> {
        let hint = value.size_hint().min(MOST_BYTES);
        let room = HEADER_BYTES + T::PADDING.padded(hint) + TAG_BYTES;
        let mut plain = Plaintext::after(&[0; HEADER_BYTES], room);
        value.encode(&mut plain);
        let bytes = plain.len();
        if bytes > MOST_BYTES {
            return Err(SealError::TooLarge { at: place.name().of(customer), bytes });
        }
        plain.pad(T::PADDING.padded(bytes), TAG_BYTES);
        let header = Header {
            tree,
            customer: customer.to_path(),
            witness: self.witness_to_seal(),
            nonce: nonce::nonce(wall).map_err(|_| KeyStoreError::Randomness)?,
            commitment: *cipher.commitment(),
        };
        let header_bytes = header.to_bytes();
        let associated = Associated::new(&header_bytes, self.settings.vault, place.context);
        let (start, text) = plain.parts_mut();
        start.copy_from_slice(&header_bytes);
        let tag = cipher
            .seal(&header.nonce, associated.as_bytes(), text)
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
        let (name, header) = (place.name(), sealed.header());
        let held = self.held_to_open(customer, name, &header)?;
        let tree = held.tree(header.tree).and_then(|tree| tree.tree.as_ref()).ok_or(NO_TREE)?;
        let pages = StoredPages(self.pages());
        let opened = with_clean_stack(|| {
            let mut walker = Walker::for_one();
            if walker.walk(tree, customer.to_path(), &pages).map_err(tree_error)? == Found::Shredded {
                return Err(OpenError::Shredded { at: name.of(customer) });
            }
            let cipher = FieldCipher::new(walker.customer_key(), name);
            self.open_with(&cipher, &header, customer, place, sealed)
        });
        // The snapshot outlives every key derived from it: a shred waits for it.
        drop(held);
        self.finish_open(customer, name, &header, opened)
    }

    pub(crate) fn open_by_handle<T: PersonalData>(
        self: &Arc<Process>,
        handle: &Handle,
        index: usize,
        place: Placed<'_, T>,
        sealed: &Sealed<T>,
    ) -> Result<T, OpenError> {
        let (customer, name, header) = (handle.customer(index), place.name(), sealed.header());
        let is_theirs = header.customer == customer.to_path();
        let kept = handle
            .keys()
            .kept(header.tree, name)
            .filter(|_| is_theirs)
            .map(|cipher| with_clean_stack(|| self.open_with(cipher, &header, customer, place, sealed)));
        let opened = match kept {
            Some(opened) => opened,
            None => {
                // Before the handle's lock, since it may wait for the vault's thread, which takes the lock to wipe.
                drop(self.held_to_open(customer, name, &header)?);
                let mut keys = handle.keys();
                let cipher = handle.cipher(&mut keys, index, Some(header.tree), name)?.1;
                match cipher.as_ref() {
                    Some(cipher) => with_clean_stack(|| self.open_with(cipher, &header, customer, place, sealed)),
                    None => Err(OpenError::Shredded { at: name.of(customer) }),
                }
            }
        };
        self.finish_open(customer, name, &header, opened)
    }

    /// The snapshot to open a value with, once it is known to be one of this customer and purpose.
    fn held_to_open(
        self: &Arc<Process>,
        customer: CustomerId,
        name: FieldName,
        header: &Header,
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

    fn open_with<T: PersonalData>(
        &self,
        cipher: &FieldCipher,
        header: &Header,
        customer: CustomerId,
        place: Placed<'_, T>,
        sealed: &Sealed<T>,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let not_authentic = || OpenError::NotAuthentic { at: place.name().of(customer) };
        let (start, text, tag) = sealed.parts().ok_or_else(not_authentic)?;
        let associated = Associated::new(start, self.settings.vault, place.context);
        let mut plain = Zeroizing::new(text.to_vec());
        cipher
            .open(&header.nonce, &header.commitment, associated.as_bytes(), &mut plain, tag)
            .map_err(|_| not_authentic())?;
        Ok(plain)
    }

    /// The checks that come after decryption, and the value. No lock and no snapshot is held here.
    #[inline]
    fn finish_open<T: PersonalData>(
        self: &Arc<Process>,
        customer: CustomerId,
        name: FieldName,
        header: &Header,
        opened: Result<Zeroizing<Vec<u8>>, OpenError>,
    ) -> Result<T, OpenError> {
        let at = name.of(customer);
        if customer.number() >= self.next_number.load(Ordering::Relaxed) {
            self.check_enrolled(at, header, opened.is_ok())?;
        }
        let plain = opened?;
        if !self.is_proven(header.witness) {
            self.check_witness(header.witness)?;
        }
        self.confirm_lease()?;
        let content = unpad(&plain).ok_or(OpenError::InvalidContent { at })?;
        T::decode(content).map_err(|_| OpenError::InvalidContent { at })
    }

    #[cold]
    fn check_enrolled(self: &Arc<Process>, at: Belongs, header: &Header, authentic: bool) -> Result<(), OpenError> {
        if self.is_enrolled(at.customer)? {
            return Ok(());
        }
        if !authentic {
            return Err(OpenError::NotEnrolled { at });
        }
        // It authenticates, so this vault once issued the number, and has forgotten it.
        let have = self.held()?.facts.clear.generation;
        Err(self.gone_back(header.witness.generation.max(have + 1)).into())
    }
}

const NO_TREE: KeyStoreError = KeyStoreError::Bug("a purpose has no tree");
