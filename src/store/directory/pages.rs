//! The pages of one place: put in batches, and found by name.

use std::sync::{MutexGuard, PoisonError};

use super::batch::{self, BatchId};
use super::checked;
use super::index::Index;
use super::place::Place;
use crate::store::{PageName, StoreError};

impl Place {
    /// The index as it was last seen.
    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index, after a look at the directory.
    pub(super) fn fresh_index(&self) -> Result<MutexGuard<'_, Index>, StoreError> {
        self.disk.alive()?;
        let mut index = self.index();
        index.refresh(self.pages())?;
        Ok(index)
    }

    /// One page, from whichever file has it undamaged. A page that is in no readable table, while some file's table is
    /// damaged, is reported as that damage: it may be in there.
    pub(super) fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError> {
        self.disk.alive()?;
        let mut failure = match self.try_spots(name) {
            Ok(Some(bytes)) => return Ok(Some(bytes)),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        // Another process may have put it, or moved it, since the last look.
        let doubt = self.fresh_index()?.damage();
        match self.try_spots(name) {
            Ok(Some(bytes)) => return Ok(Some(bytes)),
            Ok(None) => {}
            Err(error) => failure = Some(error),
        }
        match (failure, doubt) {
            (Some(error), _) => Err(error),
            (None, Some((id, problem))) => Err(StoreError::new(problem, id.path(self.pages()).display().to_string())),
            (None, None) => Ok(None),
        }
    }

    fn try_spots(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError> {
        let spots: Vec<_> = self.index().spots(name).collect();
        let mut failure = None;
        for (id, spot) in spots {
            let path = id.path(self.pages());
            let Some(file) = self.index().open(id, &path)? else { continue };
            match batch::read_page(&file, &path, spot) {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(None), Err)
    }

    /// Puts a batch of pages and makes it durable. What is there already is written again all the same: it may have
    /// been left by a put whose sync failed.
    pub(super) fn put(
        &self,
        generation: u64,
        names: &[PageName],
        page: &mut dyn FnMut(PageName) -> Result<Vec<u8>, StoreError>,
    ) -> Result<BatchId, StoreError> {
        let pages = self.pages();
        let id = BatchId::new(generation, pages)?;
        let mut writer = batch::Writer::new(&self.disk, pages, id, names.len())?;
        for name in names {
            writer.add(*name, &page(*name)?)?;
        }
        writer.finish()?;
        self.disk.sync_dir(pages)?;
        let rows = batch::read_table(pages, id)?.ok_or_else(|| checked::damaged(&id.path(pages)))?;
        self.index().add(id, &rows);
        Ok(id)
    }
}
