//! The places of a vault's directory store: mirrors attached and detached, and copies.

use std::path::Path;

use crate::error::KeyStoreError;
use crate::store::{Directory, PlaceId};
use crate::vault::Vault;

impl Vault {
    /// Starts a new mirror in an empty directory: copies all pages there, then commits. `progress` is told pages done
    /// and in all.
    ///
    /// # Errors
    /// When the directory cannot be used or the commit fails. The vault is as before, unless it is not known whether the
    /// record was written: then the mirror stays in use, and the next commit that succeeds settles it.
    pub fn attach_mirror(
        &self,
        path: impl AsRef<Path>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<PlaceId, KeyStoreError> {
        let directory = self.directory()?;
        let place = directory.attach_mirror(path, progress)?;
        let store = directory.clone();
        let posted = self.post(move |process| {
            process.set_places(
                move |places| {
                    places.retain(|listed| *listed != place);
                    places.push(place);
                },
                move || Ok(store.catch_up(place)?),
            )
        });
        let committed = match posted {
            Ok(posted) => posted.wait().unwrap_or(Err((false, KeyStoreError::Closed))),
            Err(error) => Err((false, error)),
        };
        if let Err((false, _)) = committed {
            // The record does not list it, so it must not be written to.
            let _ = directory.detach(place);
        }
        committed.map(|()| place).map_err(|(_, cause)| cause)
    }

    /// Gives up a place that holds a copy of the root record: a mirror that is lost, or no longer wanted. What lies
    /// there still is a copy of the record as of its last commit, and must be destroyed; the path is returned if the
    /// place is open here.
    ///
    /// # Errors
    /// When the commit fails, or it is the only place. The mirror stays in use then, unless it is not known whether the record was
    /// written.
    pub fn detach_mirror(&self, place: PlaceId) -> Result<Option<std::path::PathBuf>, KeyStoreError> {
        let directory = self.directory()?;
        let path = directory.path_of(place);
        if directory.own_place()? == place {
            return Err(KeyStoreError::PlaceMissing {
                place,
                problem: "the vault's own directory, which cannot be detached",
            });
        }
        if path.is_some() {
            // Pages need not reach it any more.
            directory.detach(place)?;
        }
        let posted = self
            .post(move |process| process.set_places(move |places| places.retain(|listed| *listed != place), || Ok(())));
        let committed = match posted {
            Ok(posted) => posted.wait().unwrap_or(Err((false, KeyStoreError::Closed))),
            Err(error) => Err((false, error)),
        };
        if let Err((false, _)) = committed {
            // R14: what a process writes to follows the record, which names it still.
            directory.take_back(place);
        }
        committed.map(|()| path).map_err(|(_, cause)| cause)
    }

    /// A consistent copy of the running vault in a new directory, which can be unlocked in its place after a disaster.
    ///
    /// **It holds the root record**: every shred from now on is final only when this copy is gone, or was replaced by a
    /// later one. Keep such copies for a stated time only.
    ///
    /// # Errors
    /// When a page or the directory cannot be read or written.
    pub fn copy_to(&self, path: impl AsRef<Path>) -> Result<(), KeyStoreError> {
        let directory = self.directory()?.clone();
        let path = path.as_ref().to_path_buf();
        self.post(move |process| process.copy_to(&directory, &path))?.wait().ok_or(KeyStoreError::Closed)?
    }

    fn directory(&self) -> Result<&Directory, KeyStoreError> {
        // Its locks may be held for ever in a forked child.
        if !self.owner.process.is_of_this_process() {
            return Err(KeyStoreError::Forked);
        }
        self.owner
            .directory
            .as_ref()
            .ok_or_else(|| crate::store::StoreError::new(crate::store::Problem::Missing, "a directory store").into())
    }
}
