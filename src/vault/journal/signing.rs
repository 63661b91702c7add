//! What signs: the seed in the root record.

use crate::error::KeyStoreError;
use crate::journal::{PublicKey, SignError, Signer, VaultName};
use crate::root_record::SignerSeed;
use crate::signature;

/// A vault's seed, in whatever snapshot or draft holds it.
pub(crate) struct VaultSigner<'s> {
    vault: VaultName,
    key: PublicKey,
    seed: &'s SignerSeed,
}

impl<'s> VaultSigner<'s> {
    pub(crate) fn new(vault: VaultName, seed: &'s SignerSeed) -> Result<VaultSigner<'s>, KeyStoreError> {
        Ok(VaultSigner { vault, key: public_key(seed)?, seed })
    }
}

impl Signer for VaultSigner<'_> {
    fn vault(&self) -> VaultName {
        self.vault
    }

    fn public_key(&self) -> PublicKey {
        self.key
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(signature::sign(&self.seed.0, message))
    }
}

impl From<KeyStoreError> for SignError {
    fn from(error: KeyStoreError) -> SignError {
        let outcome = error.outcome();
        SignError::new(error, outcome)
    }
}

pub(in crate::vault) fn public_key(seed: &SignerSeed) -> Result<PublicKey, KeyStoreError> {
    signature::public_key(&seed.0).map_err(|_| KeyStoreError::Bug("a seed whose key everything is signed by"))
}
