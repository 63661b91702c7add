//! Copies of a root record that was in PostgreSQL: in base backups, archived WAL, and dumps as text.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;
use oubliette::store::{CopyContent, RootStore};

use super::super::findings::{Findings, Severity};
use super::server::has_versions;
use crate::context::Context;
use crate::key_store::Store;

/// What a record begins with: its version and the vault's id. FORMAT.md, 8.
const HEAD: usize = 17;
const GENERATION_AT: usize = 49;
const KNOWN: usize = GENERATION_AT + 8;
const CHUNK: usize = 1 << 20;

pub fn look(context: &Context, store: &Store, backups: &[PathBuf], findings: &mut Findings) {
    let Store::Postgres(store) = store else { return };
    let record = store.places().into_iter().flat_map(|place| store.read(place)).find_map(|copy| match &copy.content {
        CopyContent::Intact(record) => record.get(..KNOWN).map(<[u8]>::to_vec),
        _ => None,
    });
    for backup in backups {
        let Some(record) = &record else {
            let what = "copies of the root record were not searched for, since the one in use cannot be read";
            let do_ = "make it readable first, then run `oubliette doctor` again";
            findings.add(Severity::Warning, "backup-path", backup.display(), what, "there may be such copies", do_);
            continue;
        };
        let mut search = Search::new(record);
        search.below(backup);
        search.report(backup, has_versions(context), generation(record), findings);
    }
}

/// The generation of a record, of which at least so much is known.
fn generation(record: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(record.get(GENERATION_AT..KNOWN)?.try_into().ok()?))
}

struct Search {
    /// As the server's files have it, and as a dump writes it.
    raw: Finder<'static>,
    digits: Finder<'static>,
    found: Vec<PathBuf>,
    oldest: Option<u64>,
}

impl Search {
    fn new(record: &[u8]) -> Search {
        let head = record.get(..HEAD).unwrap_or(record);
        let digits: String = head.iter().map(|byte| format!("{byte:02x}")).collect();
        Search {
            raw: Finder::new(head).into_owned(),
            digits: Finder::new(digits.as_bytes()).into_owned(),
            found: Vec::new(),
            oldest: None,
        }
    }

    /// Links are not followed. What cannot be read is told by the search for records of directories, which goes the same way.
    fn below(&mut self, path: &Path) {
        let Ok(kind) = fs::symlink_metadata(path) else { return };
        if kind.is_dir() {
            fs::read_dir(path).into_iter().flatten().flatten().for_each(|entry| self.below(&entry.path()));
        } else if kind.is_file() {
            let generations = self.search(path).unwrap_or_default();
            if let Some(oldest) = generations.into_iter().min() {
                self.found.push(path.to_path_buf());
                self.oldest = Some(self.oldest.map_or(oldest, |before| before.min(oldest)));
            }
        }
    }

    fn search(&self, path: &Path) -> std::io::Result<Vec<u64>> {
        let mut file = File::open(path)?;
        let (mut generations, mut buffer) = (Vec::new(), Vec::with_capacity(CHUNK + 2 * KNOWN));
        loop {
            let is_last = (&mut file).take(CHUNK as u64).read_to_end(&mut buffer)? == 0;
            let raw = self.raw.find_iter(&buffer).filter_map(|at| generation(buffer.get(at..)?));
            generations.extend(raw);
            let digits = self.digits.find_iter(&buffer).filter_map(|at| {
                let digits = std::str::from_utf8(buffer.get(at + 2 * GENERATION_AT..at + 2 * KNOWN)?).ok()?;
                u64::from_str_radix(digits, 16).ok()
            });
            generations.extend(digits);
            if is_last {
                return Ok(generations);
            }
            // One that begins this late goes on in the next chunk; one that was found whole is found twice at most.
            let end = buffer.len().saturating_sub(2 * KNOWN);
            buffer.drain(..end);
        }
    }

    fn report(self, backup: &Path, has_versions: bool, current: Option<u64>, findings: &mut Findings) {
        let (Some(first), Some(oldest)) = (self.found.first(), self.oldest) else { return };
        let others = match self.found.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more files do"),
        };
        let now = current.map_or(String::new(), |current| format!("; the vault is at {current}"));
        findings.add(
            if has_versions { Severity::Note } else { Severity::Grave },
            "record-copy",
            backup.display(),
            format!("{} holds a root record{others}; the oldest is of generation {oldest}{now}", first.display()),
            "with the root key of its time, it opens all data that was or will be shredded after it was made",
            "keep few backups of the key store, for a short time, or none; if you cannot be certain that they are \
             gone in time, rotate the root key and destroy the old one",
        );
    }
}
