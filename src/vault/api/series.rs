//! The calls for series of keys in a token that are left.

use crate::error::{ChangeError, KeyStoreError};
use crate::journal::{Reason, SeriesName};
use crate::root_key::{RootKey, RootKeyVersions, SeriesInToken};
use crate::root_record::Clear;
use crate::store::{CopyContent, RootCopy};
use crate::vault::operations::Operations;
use crate::vault::{Vault, VaultBuilder};

/// Series of root keys in a token.
impl Vault {
    /// Every series of keys that a token has, those of other vaults too: the one that the root record names, those of copies that
    /// [`copy_to`](Vault::copy_to) wrote, and those that [`rotate_root_key`](Vault::rotate_root_key) left. `token` is a root key with
    /// [versions](RootKey::versions); the vault itself may be under another one by now.
    ///
    /// # Errors
    /// [`ChangeError::NotInToken`] of another kind of root key; otherwise when the token or the record cannot be read.
    pub fn series_in(&self, token: &RootKey) -> Result<Vec<SeriesInToken>, ChangeError> {
        let token = token.clone();
        let posted = self
            .post(move |process| Operations::on(process).series_in(&token))
            .map_err(ChangeError::NothingHappened)?;
        posted.wait().unwrap_or(Err(ChangeError::NothingHappened(KeyStoreError::Closed)))
    }

    /// Destroys the keys of a series of this vault that the root record is not under, and returns how many there were. **Copies of the vault and root
    /// records that are under the series open no more, for anybody.**
    ///
    /// A journal has it before and after. The root record is written to every place once more before the first key is destroyed, so that no crash
    /// brings back a record that is under this series. The series' name tells that it is this vault's; but copies in use elsewhere, and a vault
    /// that a copy of it replaced, have the same name. **See to it that none of these is under this series.**
    ///
    /// # Errors
    /// [`ChangeError`] tells what is true.
    pub fn destroy_series(&self, token: &RootKey, series: SeriesName, why: Option<Reason>) -> Result<u64, ChangeError> {
        let token = token.clone();
        let posted = self.post(move |process| Operations::on(process).destroy_series(&token, series, why, true));
        let posted = posted.map_err(ChangeError::NothingHappened)?;
        posted.wait().unwrap_or(Err(ChangeError::SeriesLeft(KeyStoreError::Closed)))
    }
}

/// A look at the token, before the vault is opened.
impl VaultBuilder {
    /// What a token has of this vault's root keys, without opening the vault: looking finishes and destroys nothing. `None` if the root record
    /// names no series, or the key given has no versions. The record is not authenticated here: unlock the vault to be sure of it.
    ///
    /// # Errors
    /// When no root record can be read, or the token cannot be asked.
    pub fn look_at_root_key(&self, root_key: &RootKey) -> Result<Option<RootKeyVersions>, KeyStoreError> {
        let (stores, _) = self.stores(false)?;
        let places = stores.roots.places();
        let found = stores.reads.read(&places, self.patience, self.patience);
        let clear = |copy: &RootCopy| match &copy.content {
            CopyContent::Intact(record) => Clear::read(record).ok(),
            _ => None,
        };
        let newest = found.copies.iter().filter_map(clear).max_by_key(|clear| clear.generation);
        let newest = newest.ok_or(KeyStoreError::NoVault)?;
        Ok(root_key.look(&newest.recipe, newest.vault, places.len())?)
    }
}
