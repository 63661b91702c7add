//! Seal and open of bytes: AES-256-GCM (NIST SP 800-38D), and the key commitment that it lacks.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use zeroize::Zeroizing;

use crate::derivation;
use crate::field::FieldId;
use crate::secret;

pub(crate) const NONCE_BYTES: usize = 12;
pub(crate) const TAG_BYTES: usize = 16;
pub(crate) const COMMITMENT_BYTES: usize = 32;

/// The bytes are not what was sealed: changed, or sealed under another key or with other associated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAuthentic;

/// The key of one field of one customer, expanded for use.
///
/// Boxed, so that the key schedule stays at one address until it is wiped.
pub(crate) struct FieldCipher(Box<Keyed>);

struct Keyed {
    aead: Aes256Gcm,
    commitment: [u8; COMMITMENT_BYTES],
}

impl FieldCipher {
    /// Leaves copies of key material on the stack: call it within [`with_clean_stack`](crate::stack::with_clean_stack).
    pub(crate) fn new(customer_key: &[u8; 32], name: FieldId) -> FieldCipher {
        let mut bytes = Zeroizing::new([0; 64]);
        derivation::field(customer_key, name, &mut bytes);
        FieldCipher::from_bytes(&bytes)
    }

    fn from_bytes(bytes: &[u8; 64]) -> FieldCipher {
        let (key, commitment) = bytes.split_at(32);
        let mut keyed = Box::new(Keyed { aead: aead(key), commitment: [0; COMMITMENT_BYTES] });
        keyed.commitment.copy_from_slice(commitment);
        FieldCipher(keyed)
    }

    /// Shown in clear in every sealed value: GCM alone does not commit to its key, and a value that opens under two
    /// keys would let its author choose what each customer sees.
    pub(crate) fn commitment(&self) -> &[u8; COMMITMENT_BYTES] {
        &self.0.commitment
    }

    /// Where the key schedule lies.
    #[cfg(test)]
    pub(crate) fn address(&self) -> u64 {
        std::ptr::from_ref(&self.0.aead).addr() as u64
    }

    /// Encrypts in place and gives the tag.
    #[inline]
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], NotAuthentic> {
        seal(&self.0.aead, nonce, associated, text)
    }

    /// Decrypts in place if the commitment and the tag are right. `text` is meaningless after an error.
    #[inline]
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
    seal(&boxed(key), &[0; NONCE_BYTES], associated, text)
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
fn boxed(key: &[u8; 32]) -> Box<Aes256Gcm> {
    Box::new(aead(key))
}

#[allow(clippy::expect_used)] // the sizes are this module's own
fn aead(key: &[u8]) -> Aes256Gcm {
    Aes256Gcm::new_from_slice(key).expect("32 bytes are an AES-256 key")
}

// Encryption fails only beyond GCM's 64 GiB; it shares the error so as not to add a case that never happens.
#[inline]
fn seal(
    aead: &Aes256Gcm,
    nonce: &[u8; NONCE_BYTES],
    associated: &[u8],
    text: &mut [u8],
) -> Result<[u8; TAG_BYTES], NotAuthentic> {
    let tag = aead.encrypt_inout_detached(nonce.into(), associated, text.into());
    tag.map(Into::into).map_err(|_| NotAuthentic)
}

#[inline]
fn open(
    aead: &Aes256Gcm,
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

    fn cipher(key: [u8; 32], commitment: [u8; 32]) -> FieldCipher {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&key);
        bytes[32..].copy_from_slice(&commitment);
        FieldCipher::from_bytes(&bytes)
    }

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
        let ciphers = keys.map(|key| cipher(key, [key[0] + 100; 32]));
        for (right, wrong) in [(0, 1), (1, 0)] {
            let commitment = ciphers[right].commitment();
            let opened = ciphers[wrong].open(&[0; 12], commitment, &[], &mut text.to_vec(), &tag);
            assert_eq!(opened, Err(NotAuthentic), "a value names one key, so the other must refuse it");
            assert!(ciphers[right].open(&[0; 12], commitment, &[], &mut text.to_vec(), &tag).is_ok());
        }
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
            names.iter().map(|name| *FieldCipher::new(&[9; 32], *name).commitment()).collect();
        assert_eq!(commitments.len(), names.len());
    }
}
