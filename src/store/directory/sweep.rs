//! Forgetting superseded pages, and moving live ones together.
//!
//! A file is removed as a whole, and only if every live page in it also lies in a file that stays. The order keeps every
//! live page on disk at each step: the new file is durable under its name before an old one may go.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::batch::{BatchId, file_bytes};
use super::checked;
use super::disk::{Disk, TEMPORARY};
use super::place::Place;
use crate::store::{PageName, Problem, StoreError, Usage};

/// Files are rewritten once more than one in so many of the pages beside live ones is superseded.
const SLACK: u64 = 10;
/// More files than this are moved together, except those that are large already.
const MANY_FILES: usize = 256;
const LARGE_FILE: u32 = 256;
/// Left by a killed process, if it is this old. A commit takes much less; one that took more would fail, and lose nothing.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

pub(super) const LIST: &str = "superseded";
const TAG: &[u8; 7] = b"OBLsupd";
const ROW: usize = 24;
/// Bounds what is read of a list whose length is wrong: some ten million files.
const LIST_LIMIT: u64 = 1 << 28;

/// Finds a page in another place.
type Fetch<'a> = dyn Fn(&PageName) -> Result<Option<Vec<u8>>, StoreError> + 'a;

/// The files found wholly superseded, and since when, in milliseconds of the Unix era.
type Since = BTreeMap<BatchId, u64>;

impl Place {
    pub(super) fn sweep(
        &self,
        live: &HashSet<PageName>,
        generation: u64,
        keep: Duration,
        elsewhere: &Fetch<'_>,
    ) -> Result<Usage, StoreError> {
        let now = now();
        let listed = read_list(self.pages())?;
        let plan = Plan::make(self, live, generation, &listed)?;
        if !plan.lost.is_empty() {
            // Before anything is forgotten: this fails if a live page is nowhere.
            self.put(generation, &plan.lost, &mut |name| elsewhere(&name)?.ok_or_else(|| lost(self, &name)))?;
        }
        let keep = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        let since = |id: &BatchId| (*id, listed.get(id).copied().filter(|since| *since <= now).unwrap_or(now));
        let by_age = |ids: &BTreeSet<BatchId>| -> (Since, Since) {
            ids.iter().map(since).partition(|(_, since)| now - since >= keep)
        };
        // What can go goes first: on a full disk that makes room for what is to be written.
        let (expired, mut kept) = by_age(&plan.superseded);
        let mut swept = self.remove(&expired)?;
        if !plan.moved.is_empty() {
            let highest = plan.rewritten.iter().map(|id| id.generation).max().unwrap_or(generation);
            self.put(highest, &plan.moved, &mut |name| {
                let found = match self.get(&name) {
                    Ok(Some(bytes)) => Ok(Some(bytes)),
                    _ => elsewhere(&name),
                };
                found?.ok_or_else(|| lost(self, &name))
            })?;
        }
        let (expired, rest) = by_age(&plan.rewritten);
        let also = self.remove(&expired)?;
        swept = Usage { pages: swept.pages + also.pages, bytes: swept.bytes + also.bytes };
        kept.extend(rest);
        if kept != listed {
            self.disk.replace(&self.pages().join(LIST), &encode_list(&kept))?;
            self.disk.sync_dir(self.pages())?;
        }
        remove_abandoned(&self.disk, self.pages())?;
        Ok(swept)
    }

    fn remove(&self, expired: &Since) -> Result<Usage, StoreError> {
        if expired.is_empty() {
            return Ok(Usage::default());
        }
        let before = self.index().names().count() as u64;
        let mut bytes = 0;
        for id in expired.keys() {
            let count = self.index().files().get(id).copied().unwrap_or_default();
            self.disk.remove(&id.path(self.pages()))?;
            bytes += file_bytes(count);
        }
        self.disk.sync_dir(self.pages())?;
        let after = self.fresh_index()?.names().count() as u64;
        Ok(Usage { pages: before.saturating_sub(after), bytes })
    }
}

/// What is to be done in one place.
struct Plan {
    /// Live pages that this place does not have.
    lost: Vec<PageName>,
    /// Live pages of the files to be rewritten.
    moved: Vec<PageName>,
    /// Files whose live pages are moved.
    rewritten: BTreeSet<BatchId>,
    /// Files in which no live page is needed.
    superseded: BTreeSet<BatchId>,
}

impl Plan {
    fn make(place: &Place, live: &HashSet<PageName>, generation: u64, listed: &Since) -> Result<Plan, StoreError> {
        let index = place.fresh_index()?;
        let mut homes: BTreeMap<BatchId, Vec<PageName>> = BTreeMap::new();
        let mut lost = Vec::new();
        for name in live {
            // Of several files with the page, the one that stays longest: not superseded yet, large, new.
            let home = index.spots(name).max_by_key(|(id, spot)| (!listed.contains_key(id), spot.count, *id));
            match home {
                Some((id, _)) => homes.entry(id).or_default().push(*name),
                None => lost.push(*name),
            }
        }
        let old: BTreeMap<BatchId, (u64, u64)> = index
            .files()
            .iter()
            .filter(|(id, _)| id.generation <= generation)
            .map(|(id, count)| (*id, (u64::from(*count), homes.get(id).map_or(0, Vec::len) as u64)))
            .collect();
        drop(index);
        let superseded = old.iter().filter(|(_, (_, live))| *live == 0).map(|(id, _)| *id).collect();
        let staying: BTreeMap<_, _> = old.into_iter().filter(|(_, (_, live))| *live > 0).collect();
        let dead: u64 = staying.values().map(|(count, live)| count - live).sum();
        let total: u64 = staying.values().map(|(count, _)| count).sum();
        let too_much = dead * SLACK > total;
        let too_many = staying.len() > MANY_FILES;
        let rewritten: BTreeSet<BatchId> = staying
            .into_iter()
            .filter(|(_, (count, live))| {
                (too_much && (count - live) * SLACK > *count) || (too_many && *count < u64::from(LARGE_FILE))
            })
            .map(|(id, _)| id)
            .collect();
        let mut moved: Vec<PageName> = rewritten.iter().filter_map(|id| homes.get(id)).flatten().copied().collect();
        moved.sort_unstable();
        lost.sort_unstable();
        Ok(Plan { lost, moved, rewritten, superseded })
    }
}

fn lost(place: &Place, name: &PageName) -> StoreError {
    StoreError::new(Problem::Damaged, place.pages().display().to_string())
        .caused_by(format!("page {name} is in use and missing"))
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A list that is missing or damaged is empty: counting anew only keeps pages longer. One of a newer program is not
/// replaced.
fn read_list(pages: &Path) -> Result<Since, StoreError> {
    let path = pages.join(LIST);
    let bytes = match checked::read_small(&path, LIST_LIMIT) {
        Err(error) if matches!(error.problem(), Problem::Missing | Problem::Damaged) => return Ok(Since::new()),
        other => other?,
    };
    let body = match checked::decode(TAG, &bytes) {
        Some((version, _)) if version > checked::VERSION => return Err(checked::newer(&path)),
        Some((checked::VERSION, body)) => body,
        _ => return Ok(Since::new()),
    };
    let rows = body.chunks_exact(ROW).filter_map(|row| {
        let (generation, rest) = row.split_first_chunk::<8>()?;
        let (suffix, since) = rest.split_first_chunk::<8>()?;
        let id = BatchId { generation: u64::from_be_bytes(*generation), suffix: u64::from_be_bytes(*suffix) };
        Some((id, u64::from_be_bytes(since.try_into().ok()?)))
    });
    Ok(rows.collect())
}

fn encode_list(since: &Since) -> Vec<u8> {
    let mut body = Vec::with_capacity(since.len() * ROW);
    for (id, since) in since {
        body.extend_from_slice(&id.generation.to_be_bytes());
        body.extend_from_slice(&id.suffix.to_be_bytes());
        body.extend_from_slice(&since.to_be_bytes());
    }
    checked::encode(TAG, checked::VERSION, &body)
}

fn remove_abandoned(disk: &Disk, pages: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(pages).map_err(|error| StoreError::io(pages, error))? {
        let path = entry.map_err(|error| StoreError::io(pages, error))?.path();
        let temporary = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(TEMPORARY));
        if temporary {
            let age = fs::metadata(&path).and_then(|found| found.modified()).map(|written| written.elapsed());
            if matches!(age, Ok(Ok(age)) if age >= ABANDONED) {
                disk.remove(&path)?;
            }
        }
    }
    Ok(())
}
