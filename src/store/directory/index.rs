//! Which page lies in which file: read from the files' tables, never from their pages.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::batch::{self, BatchId, Spot};
use crate::store::{PageName, Problem, StoreError};

/// As of the last look at the directory; about 60 bytes of memory a page on disk.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Files whose table is good, and how many pages each has.
    files: BTreeMap<BatchId, u32>,
    /// Files whose table cannot be had, and why.
    damaged: BTreeMap<BatchId, Problem>,
    /// A page may lie in several files: put twice, or moved by a sweep that still keeps the old file.
    spots: BTreeMap<(PageName, BatchId), Spot>,
    /// The file that was read last: pages of one commit are often read together.
    recent: Option<(BatchId, Arc<File>)>,
}

impl Index {
    pub(super) fn files(&self) -> &BTreeMap<BatchId, u32> {
        &self.files
    }

    /// Where a page lies, the newest file first.
    pub(super) fn spots(&self, name: &PageName) -> impl Iterator<Item = (BatchId, Spot)> {
        let (first, last) = (BatchId { generation: 0, suffix: 0 }, BatchId { generation: u64::MAX, suffix: u64::MAX });
        self.spots.range((*name, first)..=(*name, last)).rev().map(|((_, id), spot)| (*id, *spot))
    }

    /// A file whose table cannot be read, if there is any.
    pub(super) fn damage(&self) -> Option<(BatchId, Problem)> {
        self.damaged.iter().next().map(|(id, problem)| (*id, *problem))
    }

    /// Every name once.
    pub(super) fn names(&self) -> impl Iterator<Item = PageName> {
        let mut last = None;
        self.spots.keys().filter_map(move |(name, _)| (last.replace(*name) != Some(*name)).then_some(*name))
    }

    /// The names in each file, in the file's order.
    pub(super) fn by_file(&self) -> BTreeMap<BatchId, Vec<PageName>> {
        let mut files: BTreeMap<BatchId, Vec<(u32, PageName)>> = BTreeMap::new();
        for ((name, id), spot) in &self.spots {
            files.entry(*id).or_default().push((spot.position, *name));
        }
        let in_order = |mut rows: Vec<(u32, PageName)>| {
            rows.sort_unstable();
            rows.into_iter().map(|(_, name)| name).collect()
        };
        files.into_iter().map(|(id, rows)| (id, in_order(rows))).collect()
    }

    /// Takes note of files that came and went.
    pub(super) fn refresh(&mut self, pages: &Path) -> Result<(), StoreError> {
        let found: HashSet<BatchId> = batch::list(pages)?.into_iter().collect();
        let before = self.files.len();
        self.files.retain(|id, _| found.contains(id));
        if self.files.len() != before {
            self.spots.retain(|(_, id), _| found.contains(id));
        }
        self.recent = self.recent.take().filter(|(id, _)| found.contains(id));
        // Looked at anew each time: a damaged file may have been restored.
        self.damaged.clear();
        for id in found {
            if self.files.contains_key(&id) {
                continue;
            }
            match batch::read_table(pages, id) {
                Ok(Some(rows)) => self.add(id, &rows),
                Ok(None) => {}
                // One bad file must not hide the pages in all others.
                Err(error) => {
                    self.damaged.insert(id, error.problem());
                }
            }
        }
        Ok(())
    }

    pub(super) fn add(&mut self, id: BatchId, rows: &[(PageName, batch::Sum)]) {
        let Ok(count) = u32::try_from(rows.len()) else { return };
        self.files.insert(id, count);
        let rows = rows.iter().zip(0..);
        self.spots.extend(rows.map(|((name, sum), position)| ((*name, id), Spot { position, count, sum: *sum })));
    }

    /// A file of pages, open; `None` if another process swept it.
    pub(super) fn open(&mut self, id: BatchId, path: &Path) -> Result<Option<Arc<File>>, StoreError> {
        if let Some((recent, file)) = &self.recent
            && *recent == id
        {
            return Ok(Some(Arc::clone(file)));
        }
        match File::open(path) {
            Ok(file) => {
                let file = Arc::new(file);
                self.recent = Some((id, Arc::clone(&file)));
                Ok(Some(file))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io(path, error)),
        }
    }
}
