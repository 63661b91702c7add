//! The first record of a vault.

use zeroize::Zeroizing;

use super::base::take;
use super::slots::{Slots, Written};
use super::{Engine, Terms};
use crate::error::KeyStoreError;
use crate::nonce;
use crate::secret::Secret32;
use crate::store::{PageStore, RootCopy};
use crate::sync::lock;
use crate::vault::state::{Keyring, Opened, copy_selection};

impl Engine {
    /// Writes the first record of a vault, unless there is one. Gives back whether it did.
    pub(crate) fn create(
        &self,
        make: &mut dyn FnMut(&mut Keyring) -> Result<Opened, KeyStoreError>,
    ) -> Result<bool, KeyStoreError> {
        let (pages, roots) = self.stores.for_commit(&Terms::default(), self.lock_wait);
        let reads = &self.stores.reads;
        let places = roots.places();
        let mut exclusion = take(&*roots, &places, self.lock_wait, u64::MAX)?;
        let copies = reads.read_to_commit(&places, self.lock_wait);
        if !is_unused(&copies, &*pages)? {
            return Ok(false);
        }
        let mut keyring = lock(&self.keyring);
        let Opened { record, secret } = make(&mut keyring)?;
        let mut fresh = Secret32::empty();
        nonce::fill(fresh.bytes_mut()).map_err(|_| KeyStoreError::Randomness)?;
        let sealed = record.seal(&secret, fresh.bytes());
        let bytes = Zeroizing::new(sealed.map_err(|_| KeyStoreError::Bug("a first record"))?);
        drop(keyring);
        match Slots::new(&mut *exclusion, &record.places, &copies).write(&bytes)? {
            // A version that could not be marked as complete is so by the next commit.
            Written::Whole | Written::Already => {
                let _ = lock(&self.keyring).finish(&record.clear.recipe);
                Ok(true)
            }
            Written::OldCopyLeft(error) | Written::NotInPlace(_, error) => Err(error.into()),
        }
    }
}

/// Whether a vault may be created here: no record was ever written, or the first one was torn by a crash.
pub(crate) fn is_unused(copies: &[RootCopy], pages: &dyn PageStore) -> Result<bool, KeyStoreError> {
    if !copy_selection::never_written(copies) {
        return Ok(false);
    }
    // Each commit after the first record leaves a mark: there was a record, and it was lost. Or they are another vault's pages.
    match pages.mark()?.generation {
        0 => Ok(true),
        seen => Err(KeyStoreError::RolledBack { have: 0, seen }),
    }
}
