//! What signs: the seed in the root record.

use crate::derivation::VaultId;
use crate::error::KeyStoreError;
use crate::journal::{PublicKey, Signer, sign};
use crate::root_record::SignerSeed;
use crate::vault::Vault;

/// A vault's seed, in whatever snapshot or draft holds it.
pub(crate) struct VaultSigner<'s> {
    vault: VaultId,
    seed: &'s SignerSeed,
}

impl<'s> VaultSigner<'s> {
    pub(crate) fn new(vault: VaultId, seed: &'s SignerSeed) -> VaultSigner<'s> {
        VaultSigner { vault, seed }
    }
}

impl Signer for VaultSigner<'_> {
    fn vault(&self) -> VaultId {
        self.vault
    }

    fn public_key(&self) -> PublicKey {
        PublicKey::of_seed(&self.seed.0)
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyStoreError> {
        Ok(sign(&self.seed.0, message))
    }
}

impl Vault {
    /// What the journal and the receipts of this vault are checked with. Publish it, or print it and put it away:
    /// whoever checks must have it from a place that whoever may have forged the journal could not change.
    ///
    /// # Errors
    /// [`KeyStoreError::NoSigner`] of an older vault; and when the root record cannot be read.
    pub fn public_key(&self) -> Result<PublicKey, KeyStoreError> {
        let held = self.process()?.held()?;
        let seed = held.facts.signer.as_ref().ok_or(KeyStoreError::NoSigner)?;
        Ok(PublicKey::of_seed(&seed.0))
    }
}
