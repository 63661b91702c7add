//! Signing: Ed25519 (RFC 8032) with the seed that lies in the root record. What is signed is checked by oubliette-journal.

use ed25519_dalek::{Signer as _, SigningKey};

use crate::journal::{InvalidText, PublicKey};
use crate::secret::Secret32;
use crate::stack::{Work, with_clean_stack_after};

/// What checks the signatures under this seed.
///
/// # Errors
/// Of a seed whose key everything is signed by: none that was drawn at random.
pub(crate) fn public_key(seed: &Secret32) -> Result<PublicKey, InvalidText> {
    with_clean_stack_after(Work::Signature, || public_key_once(seed))
}

/// The same, and what it leaves on the stack is the caller's to overwrite.
pub(crate) fn public_key_once(seed: &Secret32) -> Result<PublicKey, InvalidText> {
    // The verifying half is on the stack for a moment, and is not secret.
    PublicKey::from_bytes(&SigningKey::from_bytes(seed.bytes()).verifying_key().to_bytes())
}

/// A signature under the vault's seed: the same for the same message, without randomness.
pub(crate) fn sign(seed: &Secret32, message: &[u8]) -> [u8; 64] {
    with_clean_stack_after(Work::Signature, || sign_once(seed.bytes(), message))
}

/// The same, and what it leaves on the stack is the caller's to overwrite.
pub(crate) fn sign_once(seed: &[u8; 32], message: &[u8]) -> [u8; 64] {
    SigningKey::from_bytes(seed).sign(message).to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn signs_as_the_rfc_does() {
        let array = |text: &str| <[u8; 32]>::try_from(hex::decode(text).unwrap()).unwrap();
        let seed = array("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let public = array("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
            085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        let seed = Secret32::copy_of(&seed);
        assert_eq!(public_key(&seed).unwrap().to_bytes(), public);
        assert_eq!(hex::encode(sign(&seed, &[0x72])), signature);
    }
}
