//! Sealing one value.

use std::time::Duration;

use crate::cipher::{FieldCipher, TAG_BYTES, Width};
use crate::customer::CustomerId;
use crate::derivation::TreeId;
use crate::error::{KeyStoreError, SealError};
use crate::field::{FieldId, FieldWithin, Purpose};
use crate::group::Members;
use crate::key_tree::{Found, Walker};
use crate::nonce::Nonce;
use crate::personal::{MOST_BYTES, PersonalData, Plaintext};
use crate::sealed::{ASSOCIATED_ROOM, HEADER_BYTES, Header, Sealed, associated};
use crate::stack::{with_clean_stack, with_clean_stack_after};
use crate::vault::operations::Operations;
use crate::vault::state::{Handle, Held, NO_TREE, tree_error};

impl Operations<'_> {
    pub(crate) fn seal<T: PersonalData>(
        &self,
        customer: CustomerId,
        place: FieldWithin<'_, T>,
        value: &T,
    ) -> Result<Sealed<T>, SealError> {
        self.may_seal(customer, place.field_id())?;
        for _ in 0..TRIES {
            if let Some(sealed) = self.seal_once(customer, place, value)? {
                return Ok(sealed);
            }
        }
        Err(KeyStoreError::Busy { waited: Duration::ZERO }.into())
    }

    /// `None`: the tree was retired meanwhile.
    fn seal_once<T: PersonalData>(
        &self,
        customer: CustomerId,
        place: FieldWithin<'_, T>,
        value: &T,
    ) -> Result<Option<Sealed<T>>, SealError> {
        let name = place.field_id();
        let mut plain = Plaintext::empty();
        encode(customer, place, value, &mut plain)?;
        let width = Width::for_text(plain.len());
        let changes = self.known.changes();
        let tree = self.with_pages(|pages| {
            let nonce = self.nonce_within_lease()?;
            let state = self.state_to_seal(name.purpose)?;
            let tree = state.to_seal(name.purpose.name(), self.known.durable()).ok_or(KeyStoreError::NotDurableYet)?;
            let keys = tree.tree.as_ref().ok_or(NO_TREE)?;
            // The snapshot outlives every key derived from it: a shred waits for it.
            with_clean_stack_after(width.to_derive(), || {
                let mut walker = Walker::for_one();
                if walker.walk(keys, customer.to_path(), pages).map_err(tree_error)? == Found::Shredded {
                    return Err(SealError::Shredded { at: name.of(customer) });
                }
                let cipher = FieldCipher::new(walker.customer_key(), name, width);
                self.encrypt(&cipher, tree.id, customer, place.context, &mut plain, &nonce)
            })?;
            Ok::<_, SealError>(tree.id)
        })?;
        self.finish_seal(customer, name, tree, changes, plain.take_encrypted())
    }

    /// The snapshot to seal with: one in which the purpose has a tree that is durable.
    fn state_to_seal(&self, purpose: Purpose) -> Result<Held, KeyStoreError> {
        let state = self.state()?;
        if state.to_seal(purpose.name(), self.known.durable()).is_some() {
            return Ok(state);
        }
        state.active(purpose.name()).ok_or(NO_TREE)?;
        // Let go first: a commit waits for readers.
        drop(state);
        self.settle()?;
        self.state()
    }

    /// What was encrypted may be given out if the tree seals still. A commit that came in between may have retired it, and then the
    /// value would be lost from the start.
    #[inline]
    fn finish_seal<T>(
        &self,
        customer: CustomerId,
        name: FieldId,
        tree: TreeId,
        changes: u64,
        bytes: Vec<u8>,
    ) -> Result<Option<Sealed<T>>, SealError> {
        if self.known.changes() == changes || self.still_seals(customer, name, tree)? {
            Ok(Some(Sealed::from_parts(bytes)))
        } else {
            Ok(None)
        }
    }

    #[cold]
    fn still_seals(&self, customer: CustomerId, name: FieldId, tree: TreeId) -> Result<bool, SealError> {
        self.with_pages(|pages| {
            let state = self.state()?;
            let Some(keys) = state.tree(tree).and_then(|tree| tree.tree.as_ref()) else { return Ok(false) };
            let found = with_clean_stack(|| Walker::for_one().walk(keys, customer.to_path(), pages));
            match found.map_err(tree_error)? {
                Found::Shredded => Err(SealError::Shredded { at: name.of(customer) }),
                Found::Key => Ok(true),
            }
        })
    }

    fn may_seal(&self, customer: CustomerId, name: FieldId) -> Result<(), SealError> {
        if !self.is_unlocked(name.purpose) {
            return Err(SealError::PurposeNotUnlocked { purpose: name.purpose.name() });
        }
        if self.is_enrolled(customer)? { Ok(()) } else { Err(SealError::NotEnrolled { at: name.of(customer) }) }
    }

    /// A nonce, once the lease is known to run: by one read of the clock. Drawn before any key is worked with, since that may take a system call and
    /// kilobytes of stack.
    #[inline(always)]
    fn nonce_within_lease(&self) -> Result<Nonce, KeyStoreError> {
        let wall = self.known.wall();
        if !self.known.is_fresh_at(wall) {
            self.reread()?;
        }
        Nonce::draw(wall).map_err(|_| KeyStoreError::Randomness)
    }

    pub(crate) fn seal_by_handle<T: PersonalData>(
        &self,
        handle: &Handle,
        index: usize,
        place: FieldWithin<'_, T>,
        value: &T,
    ) -> Result<Sealed<T>, SealError> {
        let customer = handle.customer(index);
        self.seal_encoded(handle, index, place.field_id(), place.context, |plain| encode(customer, place, value, plain))
    }

    pub(crate) fn seal_group(
        &self,
        handle: &Handle,
        index: usize,
        place: FieldWithin<'_, Members>,
        members: &Members,
    ) -> Result<Sealed<Members>, SealError> {
        let (customer, group) = (handle.customer(index), place.group());
        let encode = |plain: &mut Plaintext| members.encode(customer, group, (HEADER_BYTES, TAG_BYTES), plain);
        self.seal_encoded(handle, index, group.id(), place.context, encode)
    }

    fn seal_encoded<S>(
        &self,
        handle: &Handle,
        index: usize,
        name: FieldId,
        context: Option<&[u8]>,
        encode: impl Fn(&mut Plaintext) -> Result<(), SealError>,
    ) -> Result<Sealed<S>, SealError> {
        for _ in 0..TRIES {
            // The application's code, and all that may wait for a thread of the vault's, come before the handle's lock, which
            // those threads take to wipe.
            let mut plain = Plaintext::empty();
            encode(&mut plain)?;
            if let Some(sealed) = self.seal_once_by_handle(handle, index, name, context, &mut plain)? {
                return Ok(sealed);
            }
        }
        Err(KeyStoreError::Busy { waited: Duration::ZERO }.into())
    }

    #[inline]
    fn seal_once_by_handle<S>(
        &self,
        handle: &Handle,
        index: usize,
        name: FieldId,
        context: Option<&[u8]>,
        plain: &mut Plaintext,
    ) -> Result<Option<Sealed<S>>, SealError> {
        let customer = handle.customer(index);
        let changes = self.known.changes();
        let nonce = self.nonce_within_lease()?;
        // Of a chunk, keys of numbers that were not issued are there as well.
        let kept = if self.known.is_issued(customer) {
            let asked = (name, plain.len());
            handle.with_kept(index, None, asked, |tree, cipher| {
                (tree, self.encrypt(cipher, tree, customer, context, plain, &nonce))
            })
        } else {
            None
        };
        let (tree, encrypted) = match kept {
            Some(kept) => kept,
            None => {
                self.may_seal(customer, name)?;
                self.with_pages(|pages| {
                    let nonce = self.nonce_within_lease()?;
                    drop(self.state_to_seal(name.purpose)?);
                    let mut keys = handle.keys();
                    let width = Width::for_text(plain.len());
                    with_clean_stack_after(width.to_derive(), || {
                        let (tree, cipher) =
                            handle.cipher(&self.known, &mut keys, index, None, (name, width), pages)?;
                        match cipher.as_ref() {
                            Some(cipher) => Ok((tree, self.encrypt(cipher, tree, customer, context, plain, &nonce))),
                            None => Err(SealError::Shredded { at: name.of(customer) }),
                        }
                    })
                })?
            }
        };
        encrypted?;
        self.finish_seal(customer, name, tree, changes, plain.take_encrypted())
    }

    /// Encrypts what was encoded, in place, and writes its header. After an error the content is still in clear.
    #[inline]
    fn encrypt(
        &self,
        cipher: &FieldCipher,
        tree: TreeId,
        customer: CustomerId,
        context: Option<&[u8]>,
        plain: &mut Plaintext,
        nonce: &Nonce,
    ) -> Result<(), SealError> {
        let header = Header {
            in_copy: self.settings.is_copy,
            tree,
            customer: customer.to_path(),
            witness: self.known.witness_to_seal(),
            nonce: &nonce.to_bytes(),
            commitment: cipher.commitment(),
        };
        let mut room = [0; ASSOCIATED_ROOM];
        let associated = associated(header.in_copy, header.witness, context, &mut room);
        plain.extend(&[0; TAG_BYTES]);
        let no_room = || KeyStoreError::Bug("no room for a header and a tag");
        let (text, tag) = plain.content_mut().split_last_chunk_mut().ok_or_else(no_room)?;
        cipher
            .seal(header.nonce, &associated, text, tag)
            .map_err(|_| KeyStoreError::Bug("a value could not be encrypted"))?;
        header.write(plain.header_mut()).ok_or_else(no_room)?;
        Ok(())
    }
}

/// Writes a value's bytes, padded, with room for the header before them and the tag after: in one allocation, if the value's hint was right. It
/// calls the application's code, which may take its time: no lock and no snapshot may be held.
#[inline]
fn encode<T: PersonalData>(
    customer: CustomerId,
    place: FieldWithin<'_, T>,
    value: &T,
    plain: &mut Plaintext,
) -> Result<(), SealError> {
    let hint = value.size_hint().min(MOST_BYTES);
    plain.begin(HEADER_BYTES, HEADER_BYTES + T::PADDING.padded(hint) + TAG_BYTES);
    value.encode(plain);
    let bytes = plain.len();
    if bytes > MOST_BYTES {
        return Err(SealError::TooLarge { at: place.field_id().of(customer), bytes });
    }
    plain.pad(T::PADDING.padded(bytes), TAG_BYTES);
    Ok(())
}

/// How often a value is sealed anew because its tree was retired meanwhile.
const TRIES: u32 = 4;
