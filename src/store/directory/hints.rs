//! Where the other places are: a process that attaches a mirror leaves its path, so that those that run already find it.
//!
//! A hint is not believed: the place that it leads to must have the id that the root record lists. And it counts where it was left alone: in a
//! copy of the directory it would lead to the original's mirror, and what the copy commits would be written there.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::checked;
use super::disk::Disk;
use super::place::Place;
use crate::store::{PlaceId, StoreError};

pub(super) const NAME: &str = "mirrors";
/// Longer than a few paths can be.
const LIMIT: u64 = 64 << 10;
const MOST_KEPT: usize = 8;
/// Before the path of the `root/` that it was left in, on the first line.
const LEFT_AT: &str = "at ";

/// Where a place is, as a hint in this `root/` has it.
pub(super) fn path_of(root: &Path, place: PlaceId) -> Option<PathBuf> {
    let text = read(root)?;
    let mut lines = text.lines();
    if lines.next()?.strip_prefix(LEFT_AT) != Some(absolute(root)?.as_str()) {
        return None;
    }
    let (_, path) = lines.filter_map(|line| line.split_once(' ')).find(|(id, _)| *id == place.to_string())?;
    Some(PathBuf::from(path)).filter(|path| path.is_absolute())
}

fn read(root: &Path) -> Option<String> {
    let bytes = checked::read_small(&root.join(NAME), LIMIT).ok()?;
    String::from_utf8(bytes).ok()
}

/// Leaves in a place where the others are, and keeps a few others that lie there: places that are not listed are never looked for.
pub(super) fn leave(disk: &Disk, at: &Place, others: &[&Place]) -> Result<(), StoreError> {
    let Some(here) = absolute(at.root()).filter(|path| !path.contains('\n')) else { return Ok(()) };
    let mut text = format!("{LEFT_AT}{here}\n");
    for other in others {
        // A path that does not fit a line, or is no text, is left out: whoever needs it must be told by other means.
        if let (Some(id), Some(path)) = (other.known_id(), other.base().and_then(absolute))
            && !path.contains('\n')
        {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{id} {path}");
        }
    }
    // Another process may attach one at the same time.
    let known = text.clone();
    let is_new = |line: &&str| line.split_once(' ').is_some_and(|(id, _)| id.len() == 16 && !known.contains(id));
    for line in read(at.root()).unwrap_or_default().lines().filter(is_new).take(MOST_KEPT) {
        let _ = writeln!(text, "{line}");
    }
    disk.replace(&at.root().join(NAME), text.as_bytes())?;
    disk.sync_dir(at.root())
}

fn absolute(path: &Path) -> Option<String> {
    std::fs::canonicalize(path).ok()?.into_os_string().into_string().ok()
}
