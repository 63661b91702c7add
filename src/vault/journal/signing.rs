//! What signs: the seed in the root record.

use crate::error::KeyStoreError;
use crate::journal::{PublicKey, SignError, Signer, VaultName};
use crate::root_record::SignerSeed;
use crate::signature;
use crate::vault::Vault;

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

fn public_key(seed: &SignerSeed) -> Result<PublicKey, KeyStoreError> {
    signature::public_key(&seed.0).map_err(|_| KeyStoreError::Bug("a seed whose key everything is signed by"))
}

impl Vault {
    /// What the journal and the receipts of this vault are checked with. Publish it, or print it and put it away:
    /// whoever checks must have it from a place that whoever may have forged the journal could not change.
    ///
    /// # Errors
    /// When the lease has lapsed and the root record cannot be read.
    pub fn public_key(&self) -> Result<PublicKey, KeyStoreError> {
        let state = self.process()?.state()?;
        public_key(&state.facts.signer)
    }
}
