//! The key that checks the journal, and what signs it.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::text::{InvalidText, as_text, decode, encode};
use crate::derivation::VaultId;
use crate::error::KeyStoreError;
use crate::secret::{Secret32, with_clean_stack};

const PREFIX: &str = "obl-key-1.";

/// What journals and receipts of one vault are checked with: an Ed25519 public key (RFC 8032).
///
/// As text `obl-key-1.` and 43 characters of base64url. It is not secret. Whoever checks must have it from a place that
/// whoever may have forged the journal could not change: print it, publish it, give it to the auditor.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(
    // Checked to be a key; in this form since the other is six times as large, and in every error.
    [u8; 32],
);

impl PublicKey {
    /// From the 32 bytes of RFC 8032.
    ///
    /// # Errors
    /// [`InvalidText`] if they are no key, or one that every signature of some kind fits.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<PublicKey, InvalidText> {
        // Decoding takes some encodings that are not the one of RFC 8032; making it anew gives that one.
        let is_key = |key: VerifyingKey| !key.is_weak() && key.to_edwards().compress().to_bytes() == *bytes;
        let key = VerifyingKey::from_bytes(bytes).is_ok_and(is_key).then_some(PublicKey(*bytes));
        key.ok_or(InvalidText("a public key such as obl-key-1.…, as `status` shows it"))
    }

    /// The 32 bytes of RFC 8032.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0
    }

    /// That of the vault's seed.
    pub(crate) fn of_seed(seed: &Secret32) -> PublicKey {
        // The verifying half is on the stack for a moment, and is not secret.
        with_clean_stack(|| PublicKey(SigningKey::from_bytes(seed.bytes()).verifying_key().to_bytes()))
    }

    /// Whether this key's owner signed the message. Strict: one signature a message and key, none for weak keys.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

/// An Ed25519 signature under the vault's seed (RFC 8032: the same for the same message, without randomness).
pub(crate) fn sign(seed: &Secret32, message: &[u8]) -> [u8; 64] {
    with_clean_stack(|| sign_once(seed.bytes(), message))
}

/// The same, and what it leaves on the stack is the caller's to overwrite.
pub(crate) fn sign_once(seed: &[u8; 32], message: &[u8]) -> [u8; 64] {
    SigningKey::from_bytes(seed).sign(message).to_bytes()
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<PublicKey, InvalidText> {
        let bytes = text.strip_prefix(PREFIX).and_then(decode);
        PublicKey::from_bytes(&bytes.ok_or(InvalidText("a public key such as obl-key-1.…, as `status` shows it"))?)
    }
}

as_text!(PublicKey, "a public key such as obl-key-1.…");

/// Whoever writes a journal: the vault. The secret stays with it.
pub(crate) trait Signer {
    fn vault(&self) -> VaultId;
    fn public_key(&self) -> PublicKey;
    /// An Ed25519 signature of the message, by [`sign`].
    ///
    /// # Errors
    /// When the vault may not use its keys now.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyStoreError>;
}
