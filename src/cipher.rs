//! Seal and open of bytes: AES-256-GCM (NIST SP 800-38D), and the key commitment that it lacks.

use aes_gcm::AesGcm;
use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::U12;
use zeroize::Zeroizing;

use crate::derivation::{self, CustomerKey};
use crate::field::FieldId;
use crate::secret;
use crate::stack::Work;

mod aes;

pub(crate) use aes::Width;
use aes::{Aes, Filling};

pub(crate) const NONCE_BYTES: usize = 12;
pub(crate) const TAG_BYTES: usize = 16;
pub(crate) const COMMITMENT_BYTES: usize = 32;

/// The bytes are not what was sealed: changed, or sealed under another key or with other associated data. Encryption fails only beyond GCM's 64 GiB;
/// it shares the error so as not to add a case that never happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAuthentic;

/// The key of one field of one customer, expanded for use.
///
/// Boxed, so that the key schedule stays at one address until it is wiped.
pub(crate) struct FieldCipher(Box<Keyed>);

struct Keyed {
    aead: Aead,
    commitment: [u8; COMMITMENT_BYTES],
    width: Filling,
}

type Aead = AesGcm<Aes, U12>;

impl FieldCipher {
    /// Leaves copies of key material on the stack: call it within
    /// [`with_clean_stack_after`](crate::stack::with_clean_stack_after) what [`Width::to_derive`] says.
    pub(crate) fn new(customer_key: &[u8; 32], name: FieldId, width: Width) -> FieldCipher {
        let mut bytes = Zeroizing::new([[0; 32]; 2]);
        derivation::field(customer_key, name, &mut bytes);
        let [key, commitment] = &*bytes;
        FieldCipher::with(key, commitment, width)
    }

    /// The same for a customer of whom several fields may be asked for.
    pub(crate) fn of(customer: &CustomerKey, name: FieldId, width: Width) -> FieldCipher {
        let mut bytes = Zeroizing::new([[0; 32]; 2]);
        customer.field(name, &mut bytes);
        let [key, commitment] = &*bytes;
        FieldCipher::with(key, commitment, width)
    }

    fn with(key: &[u8; 32], commitment: &[u8; COMMITMENT_BYTES], width: Width) -> FieldCipher {
        FieldCipher(Box::new(Keyed { aead: aead(key, width), commitment: *commitment, width: [width; 16] }))
    }

    /// What it takes of the stack to seal or open.
    #[inline]
    pub(crate) fn work(&self) -> Work {
        let [width, ..] = self.0.width;
        width.to_use()
    }

    /// Shown in clear in every sealed value: GCM alone does not commit to its key, and a value that opens under two
    /// keys would let its author choose what each customer sees.
    pub(crate) fn commitment(&self) -> &[u8; COMMITMENT_BYTES] {
        &self.0.commitment
    }

    /// Where the key schedule lies, and how many bytes it takes.
    #[cfg(test)]
    pub(crate) fn place(&self) -> (u64, usize) {
        (std::ptr::from_ref(&self.0.aead).addr() as u64, size_of::<Aead>())
    }

    /// Encrypts in place and writes the tag, where it is to stand: one that is moved right after it was made stalls the processor.
    ///
    /// Never inlined, nor is [`open`](FieldCipher::open): compiled once more in an application's crate the cipher may go deeper than was seen.
    #[inline(never)]
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        text: &mut [u8],
        tag: &mut [u8; TAG_BYTES],
    ) -> Result<(), NotAuthentic> {
        let made = self.0.aead.encrypt_inout_detached(nonce.into(), associated, text.into());
        *tag = made.map_err(|_| NotAuthentic)?.into();
        Ok(())
    }

    /// Decrypts in place if the commitment and the tag are right. `text` is meaningless after an error.
    #[inline(never)]
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        commitment: &[u8; COMMITMENT_BYTES],
        associated: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), NotAuthentic> {
        if !secret::equal(commitment, &self.0.commitment) {
            return Err(NotAuthentic);
        }
        open(&self.0.aead, nonce, associated, text, tag)
    }
}

/// Encrypts in place under a key that is used for this one text and never again, which is why the nonce may be zero.
pub(crate) fn seal_once(key: &[u8; 32], associated: &[u8], text: &mut [u8]) -> Result<[u8; TAG_BYTES], NotAuthentic> {
    let tag = boxed(key).encrypt_inout_detached(&[0; NONCE_BYTES].into(), associated, text.into());
    tag.map(Into::into).map_err(|_| NotAuthentic)
}

/// Decrypts what [`seal_once`] encrypted.
pub(crate) fn open_once(
    key: &[u8; 32],
    associated: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_BYTES],
) -> Result<(), NotAuthentic> {
    open(&boxed(key), &[0; NONCE_BYTES], associated, text, tag)
}

/// On the heap by the time that the text is worked on: the stack that a cipher takes is overwritten down to a depth, and
/// a key schedule in a frame above it would use that up.
#[inline(never)]
fn boxed(key: &[u8; 32]) -> Box<Aead> {
    Box::new(aead(key, Width::Wide))
}

#[inline]
fn aead(key: &[u8; 32], width: Width) -> Aead {
    Aead::from(Aes::new(key, width))
}

#[inline]
fn open(
    aead: &Aead,
    nonce: &[u8; NONCE_BYTES],
    associated: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_BYTES],
) -> Result<(), NotAuthentic> {
    aead.decrypt_inout_detached(nonce.into(), associated, text.into(), tag.into()).map_err(|_| NotAuthentic)
}

#[cfg(test)]
mod wycheproof;

#[cfg(test)]
mod tests {
    use super::*;

    /// One ciphertext made to open under two keys: the property that GCM does not have and the commitment adds.
    #[test]
    fn a_ciphertext_for_two_keys_is_refused() {
        let crafted = hex::decode(
            "414141414141414141414141414141419b99050abe9c3d1008b5eb6924cefb308500db389614a1dd44a73595e0173865",
        )
        .unwrap();
        let (text, tag) = crafted.split_at(32);
        let tag: [u8; 16] = tag.try_into().unwrap();
        let keys = [[1; 32], [2; 32]];
        for key in keys {
            assert!(open_once(&key, &[], &mut text.to_vec(), &tag).is_ok(), "plain GCM opens it under both keys");
        }
        let ciphers = keys.map(|key| FieldCipher::with(&key, &[key[0] + 100; 32], Width::Narrow));
        for (right, wrong) in [(0, 1), (1, 0)] {
            let commitment = ciphers[right].commitment();
            let opened = ciphers[wrong].open(&[0; 12], commitment, &[], &mut text.to_vec(), &tag);
            assert_eq!(opened, Err(NotAuthentic), "a value names one key, so the other must refuse it");
            assert!(ciphers[right].open(&[0; 12], commitment, &[], &mut text.to_vec(), &tag).is_ok());
        }
    }

    #[test]
    fn a_key_has_no_padding() {
        assert_eq!(size_of::<Keyed>(), size_of::<Aead>() + COMMITMENT_BYTES + size_of::<Filling>());
    }

    #[test]
    fn fields_have_keys_and_commitments_of_their_own() {
        use crate::field::Purpose;
        use crate::personal::TypeTag;
        let purpose = Purpose::new("orders");
        let name = |label, tag| FieldId { purpose, label, tag: TypeTag::new(tag) };
        // Moving the boundary between label and tag must not give the same key.
        let names =
            [name("email", "x.text"), name("email", "x.texu"), name("emaim", "x.text"), name("emailx", ".text")];
        let commitments: std::collections::HashSet<_> =
            names.iter().map(|name| *FieldCipher::new(&[9; 32], *name, Width::Narrow).commitment()).collect();
        assert_eq!(commitments.len(), names.len());
    }
}
