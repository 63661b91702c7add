//! Copies of the root record where backups are made of: each delays every shred until it is gone.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use memchr::memmem::Finder;
use sha2::{Digest, Sha256};

use super::files::Place;
use super::findings::{Findings, Severity};

/// How a slot that was ever written begins: its tag and version.
const TAG: &[u8] = b"OBLroot\x01";
const SLOT_BYTES: usize = 3816;
const CHECKSUM: usize = 32;
/// Within a slot: the vault's id, then further on the generation.
const VAULT_AT: usize = 8 + 1;
const GENERATION_AT: usize = 8 + 49;
const CHUNK: usize = 1 << 20;
/// Not looked into: what they hold is not there in plain bytes.
const PACKED: &[&str] = &["gz", "tgz", "zst", "xz", "bz2", "lz4", "zip", "7z", "rar", "age", "gpg"];

/// A root record that was found: of which vault, and of which generation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Copy {
    vault: [u8; 16],
    generation: u64,
    is_whole: bool,
}

/// `meant`: how long copies of the root record are kept on purpose, if they are.
pub fn look(
    path: &Path,
    places: &[Place],
    current: Option<u64>,
    meant: Option<Duration>,
    key: Option<&Path>,
    findings: &mut Findings,
) {
    let mut search =
        Search { own: own(places), live: live(places), packed: 0, unread: Vec::new(), found: BTreeMap::new() };
    if let Err(error) = fs::metadata(path) {
        findings.add(
            Severity::Warning,
            "backup-path",
            path.display(),
            error.to_string(),
            "it was not searched, and may hold copies of the root record",
            "mount it, or correct the path",
        );
        return;
    }
    search.below(path);
    search.report(path, current, meant, findings);
    let within = |inner: &Path| inner.canonicalize().ok().zip(path.canonicalize().ok());
    if let Some((key, backup)) = key.and_then(within)
        && key.starts_with(&backup)
    {
        findings.add(
            Severity::Grave,
            "key-in-backup",
            key.display(),
            format!("the root key lies in {}, which is backed up", backup.display()),
            "a backup keeps an old root key, which opens every older copy of the root record",
            "exclude it from this backup; keep copies of it where you can destroy them",
        );
    }
}

struct Search {
    /// The vault's id, if its slots can be read.
    own: Option<[u8; 16]>,
    /// The slots in use, which are no copies.
    live: Vec<PathBuf>,
    packed: u64,
    unread: Vec<PathBuf>,
    found: BTreeMap<PathBuf, Vec<Copy>>,
}

impl Search {
    /// Links are not followed: what they point at is backed up where it lies.
    fn below(&mut self, path: &Path) {
        let Ok(kind) = fs::symlink_metadata(path) else { return self.unread.push(path.to_path_buf()) };
        if kind.is_dir() {
            match fs::read_dir(path) {
                Ok(entries) => entries.flatten().for_each(|entry| self.below(&entry.path())),
                Err(_) => self.unread.push(path.to_path_buf()),
            }
        } else if kind.is_file() {
            let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            if PACKED.contains(&extension.to_ascii_lowercase().as_str()) {
                self.packed += 1;
            }
            match search(path) {
                Ok(copies) if copies.is_empty() => {}
                Ok(copies) => drop(self.found.insert(path.to_path_buf(), copies)),
                Err(_) => self.unread.push(path.to_path_buf()),
            }
        }
    }

    fn report(self, backup: &Path, current: Option<u64>, meant: Option<Duration>, findings: &mut Findings) {
        let live: Vec<&PathBuf> =
            self.found.keys().filter(|path| path.canonicalize().is_ok_and(|path| self.live.contains(&path))).collect();
        let days = meant.map(|kept| kept.as_secs().div_ceil(24 * 3600));
        for root in live.iter().filter_map(|slot| slot.parent()).collect::<std::collections::BTreeSet<_>>() {
            if let Some(days) = days {
                findings.add(
                    Severity::Note,
                    "record-in-backup",
                    root.display(),
                    format!(
                        "the root record itself lies in {}, which is backed up, as `root_copies_kept` allows",
                        backup.display()
                    ),
                    "each backup is a copy of the root record, and a shred is final only when the last older one is gone",
                    format!("make sure that no backup is kept for longer than {days} days"),
                );
                continue;
            }
            findings.add(
                Severity::Grave,
                "record-in-backup",
                root.display(),
                format!("the root record itself lies in {}, which is backed up", backup.display()),
                "each backup is a copy of the root record, and a shred is final only when the last older one is gone",
                "place it elsewhere (root_at), or exclude this directory from the backup; many tools have an \
                 option to honour CACHEDIR.TAG",
            );
        }
        for (path, copies) in &self.found {
            if live.contains(&path) {
                continue;
            }
            let of_this = |copy: &&Copy| self.own.is_none_or(|own| own == copy.vault);
            let ours = copies.iter().filter(of_this).count();
            if ours == 0 {
                let what = "it holds a root record of another vault";
                findings.add(Severity::Warning, "foreign-record", path.display(), what, DELAYS, REMOVE);
                continue;
            }
            let oldest = copies.iter().filter(of_this).map(|copy| copy.generation).min().unwrap_or_default();
            let torn = if copies.iter().filter(of_this).all(|copy| !copy.is_whole) { " (damaged)" } else { "" };
            let since = match current {
                Some(current) if oldest < current => format!("; the vault is at {current}"),
                _ => String::new(),
            };
            let what = format!("it holds a copy of the root record of generation {oldest}{since}{torn}");
            let age = fs::metadata(path).and_then(|found| found.modified()).ok().and_then(|at| at.elapsed().ok());
            if let (Some(days), Some(kept), Some(age)) = (days, meant, age)
                && age <= kept
            {
                let advice = format!("delete it in time: by `root_copies_kept` it is gone after {days} days");
                findings.add(Severity::Note, "record-copy", path.display(), what, DELAYS, advice);
                continue;
            }
            findings.add(Severity::Grave, "record-copy", path.display(), what, DELAYS, REMOVE);
        }
        if self.packed > 0 {
            findings.add(
                Severity::Note,
                "packed-backups",
                backup.display(),
                format!("{} packed or encrypted files could not be searched", self.packed),
                "they may hold copies of the root record",
                "make sure that the program that makes them leaves `root/` out",
            );
        }
        if let Some(first) = self.unread.first() {
            findings.add(
                Severity::Warning,
                "backup-path",
                first.display(),
                format!("it could not be read, and so {} below {}", self.unread.len(), backup.display()),
                "it may hold copies of the root record",
                "run `oubliette doctor` as a user who may read it",
            );
        }
    }
}

const DELAYS: &str = "with the root key of its time, it opens all data that was or will be shredded after it was made";
const REMOVE: &str = "delete it; if you cannot be certain of that, rotate to a random root key and destroy the old one";

/// Every root record in a file, wherever in it: also within a tar archive or a disk image.
fn search(path: &Path) -> std::io::Result<Vec<Copy>> {
    let mut file = File::open(path)?;
    let finder = Finder::new(TAG);
    let mut copies = Vec::new();
    let mut buffer = Vec::with_capacity(CHUNK + SLOT_BYTES);
    loop {
        let before = buffer.len();
        let read = (&mut file).take(CHUNK as u64).read_to_end(&mut buffer)?;
        let is_last = read == 0;
        // A record that begins this late may go on in the next chunk.
        let end = if is_last { buffer.len() } else { buffer.len().saturating_sub(SLOT_BYTES - 1) };
        for at in finder.find_iter(&buffer).filter(|at| *at < end) {
            copies.extend(buffer.get(at..).and_then(read_slot));
        }
        if is_last {
            break;
        }
        debug_assert!(buffer.len() >= before);
        buffer.drain(..end);
    }
    copies.sort_unstable();
    copies.dedup();
    Ok(copies)
}

fn read_slot(bytes: &[u8]) -> Option<Copy> {
    // The record's own version comes after the slot's.
    (bytes.get(8) == Some(&1)).then_some(())?;
    let vault = bytes.get(VAULT_AT..VAULT_AT + 16)?.try_into().ok()?;
    let generation = u64::from_be_bytes(bytes.get(GENERATION_AT..GENERATION_AT + 8)?.try_into().ok()?);
    let is_whole = bytes.get(..SLOT_BYTES).is_some_and(|slot| {
        let (content, checksum) = slot.split_at(SLOT_BYTES - CHECKSUM);
        Sha256::digest(content).as_slice() == checksum
    });
    Some(Copy { vault, generation, is_whole })
}

/// The slots in use.
fn live(places: &[Place]) -> Vec<PathBuf> {
    let slots = places.iter().flat_map(|place| ["slot-a", "slot-b"].map(|slot| place.root.join(slot)));
    slots.filter_map(|slot| slot.canonicalize().ok()).collect()
}

/// The vault's id, as its own slots say.
fn own(places: &[Place]) -> Option<[u8; 16]> {
    let copies = live(places).into_iter().filter_map(|slot| search(&slot).ok()).flatten();
    copies.filter(|copy| copy.is_whole).map(|copy| copy.vault).next()
}
