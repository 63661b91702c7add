//! The places that hold the root record: mirrors attached and detached, another first place, and copies.

use std::path::Path;

use crate::error::KeyStoreError;
use crate::store::{Directory, PlaceId};
use crate::vault::Vault;
use crate::vault::commit::ListChange;
use crate::vault::operations::Operations;

/// The places of the vault. FORMAT.md and ARCHITECTURE.md say what they are for, and which loss stops what.
impl Vault {
    /// Starts a new mirror in an empty directory: copies all pages there, then commits. It protects against a loss once this
    /// returned `Ok`. `progress` is called with the pages done and the pages in all.
    ///
    /// Programs that have the vault open find the mirror by themselves, if they see it under the same path. Name it when they
    /// start next ([`VaultBuilder::mirror`](crate::VaultBuilder::mirror)). On flash and on copy-on-write file systems it forgets as best it can:
    /// see [`Directory`](crate::store::Directory).
    ///
    /// # Errors
    /// When the directory cannot be used or the commit fails. The vault is as before, unless it is not known whether the
    /// record was written: then the next commit that succeeds settles it.
    pub fn attach_mirror(
        &self,
        path: impl AsRef<Path>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<PlaceId, KeyStoreError> {
        // Before a place is made, and the others are told of it.
        if self.process()?.settings.read_only {
            return Err(KeyStoreError::ReadOnly);
        }
        let directory = self.directory()?;
        let place = directory.fill_mirror(path, progress)?;
        let store = directory.clone();
        self.change_list(ListChange::Attach(place), move || Ok(store.catch_up(place)?))?;
        Ok(place)
    }

    /// Detaches a mirror that is lost, or no longer wanted; it need not be there. What lies there is still a copy of the root
    /// record as of the mirror's last commit: destroy it. Its path is returned if it is known here.
    ///
    /// If the root key has versions, a new one begins, so that the copy there cannot be read any more. **Not if a token that the root record lists is lost
    /// too**: then the version stays. Detach the mirror, then give up the token ([`rotate_root_key`](Vault::rotate_root_key) to the tokens that are left).
    /// Whoever finds both the mirror and the token opens what was there that day.
    ///
    /// # Errors
    /// [`KeyStoreError::FirstPlace`] for the first place. When the commit fails: then the mirror stays in use, unless it is not known whether
    /// the record was written.
    pub fn detach_mirror(&self, place: PlaceId) -> Result<Option<std::path::PathBuf>, KeyStoreError> {
        let path = match self.directory() {
            Err(KeyStoreError::Forked) => return Err(KeyStoreError::Forked),
            // A store of the application's has places, too, and no paths.
            directory => directory.ok().and_then(|directory| directory.path_of(place)),
        };
        self.change_list(ListChange::Detach(place), || Ok(()))?;
        Ok(path)
    }

    /// Makes a mirror the first place, which decides, and the first place a mirror. Both must be there: if the first place is lost,
    /// [`promote`](crate::VaultBuilder::promote) a mirror.
    ///
    /// # Errors
    /// When the place is none of the vault's, or the commit fails.
    pub fn hand_over(&self, place: PlaceId) -> Result<(), KeyStoreError> {
        self.change_list(ListChange::HandOver(place), || Ok(()))
    }

    fn change_list(
        &self,
        change: ListChange,
        catch_up: impl Fn() -> Result<(), KeyStoreError> + Send + 'static,
    ) -> Result<(), KeyStoreError> {
        let posted = self.post(move |process| Operations::on(process).change_list(change, &mut |_| catch_up()))?;
        posted.wait().unwrap_or(Err(KeyStoreError::Closed))
    }

    /// A consistent copy of the running vault in a new directory, which can be unlocked in its place after a disaster.
    ///
    /// **It holds the root record**: every shred from now on is final only when this copy is gone, or was replaced by a
    /// later one. Keep such copies for a stated time only. On flash and on copy-on-write media, a copy that was deleted or overwritten stays readable for
    /// an unknown time, to whoever can read the medium and has the root key of that day. So put copies on an encrypted medium whose key you can destroy, or
    /// move the vault to a new root key afterwards and destroy the old one.
    ///
    /// If the root key has [versions](crate::RootKey::versions), the copy is under a key of its own in the token, which later shreds and rotations do not
    /// destroy: **as long as that key is there, the copy opens whoever was in it**. To be rid of the copy for certain, destroy that key
    /// ([`destroy_series`](Vault::destroy_series)). Its series is the 16 bytes at offset 70 of the copy's root record; the journal's entry of the copy has it
    /// too.
    ///
    /// # Errors
    /// When a page or the directory cannot be read or written.
    pub fn copy_to(&self, path: impl AsRef<Path>) -> Result<(), KeyStoreError> {
        let directory = self.directory()?.clone();
        let path = path.as_ref().to_path_buf();
        self.post(move |process| Operations::on(process).copy_to(&directory, &path))?
            .wait()
            .ok_or(KeyStoreError::Closed)?
    }

    fn directory(&self) -> Result<&Directory, KeyStoreError> {
        // Its locks may be held for ever in a forked child.
        if !self.inner().process.is_of_this_process() {
            return Err(KeyStoreError::Forked);
        }
        self.inner()
            .directory
            .as_ref()
            .ok_or_else(|| crate::store::StoreError::new(crate::store::Problem::Missing, "a directory store").into())
    }
}
