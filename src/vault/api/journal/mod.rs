//! The journal, for an application: chosen, written into, read; receipts; and what it is good for after a restore.

mod builder;
mod receipt;
mod replay;
mod writing;

pub use receipt::ReceiptContext;

use crate::error::KeyStoreError;
use crate::journal::PublicKey;
use crate::vault::Vault;
use crate::vault::journal::public_key;

impl Vault {
    /// What the journal and the receipts of this vault are checked with. Publish it, or print it and put it away: whoever
    /// checks must get it from a place that a forger of the journal cannot change.
    ///
    /// # Errors
    /// When the lease has lapsed and the root record cannot be read.
    pub fn public_key(&self) -> Result<PublicKey, KeyStoreError> {
        let state = self.process()?.state()?;
        public_key(&state.facts.signer)
    }
}
