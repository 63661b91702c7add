//! A file of pages: what one commit wrote, or what a sweep moved together. Written once, never changed.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::checked::{self, CHECKSUM};
use super::disk::{Disk, random, read_at};
use crate::store::{PAGE_BYTES, PageName, Problem, StoreError};

const TAG: &[u8; 7] = b"OBLpage";
const EXTENSION: &str = ".pages";
const FIXED: usize = 8 + 8 + 4;
const ROW: usize = 16 + 8;
/// How much is gathered before it is written.
const CHUNK: usize = 1 << 20;

/// Which file: its name is these two numbers in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct BatchId {
    /// The generation that its pages were put at; after a sweep, the highest of those it moved together.
    pub(super) generation: u64,
    pub(super) suffix: u64,
}

impl BatchId {
    pub(super) fn new(generation: u64, pages: &Path) -> Result<BatchId, StoreError> {
        Ok(BatchId { generation, suffix: random(pages)? })
    }

    pub(super) fn path(self, pages: &Path) -> PathBuf {
        pages.join(format!("{:016x}-{:016x}{EXTENSION}", self.generation, self.suffix))
    }

    /// From a file's name, if it is one of ours.
    pub(super) fn parse(name: &str) -> Option<BatchId> {
        let (generation, suffix) = name.strip_suffix(EXTENSION)?.split_once('-')?;
        let number = |digits: &str| {
            let plain = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            plain.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
        };
        Some(BatchId { generation: number(generation)?, suffix: number(suffix)? })
    }
}

/// The first bytes of a page's SHA-256: enough to see damage; forgery is the vault's business.
pub(super) type Sum = [u8; 8];

pub(super) fn sum(page: &[u8]) -> Sum {
    let [a, b, c, d, e, f, g, h, ..] = checked::sha256(page);
    [a, b, c, d, e, f, g, h]
}

const fn header_bytes(count: usize) -> usize {
    FIXED + ROW * count + CHECKSUM
}

/// The length of a whole file of `count` pages.
pub(super) fn file_bytes(count: u32) -> u64 {
    let count = u64::from(count);
    (FIXED + CHECKSUM) as u64 + count * (ROW + PAGE_BYTES) as u64
}

/// Every batch in a directory.
pub(super) fn list(pages: &Path) -> Result<Vec<BatchId>, StoreError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(pages).map_err(|error| StoreError::io(pages, error))? {
        let entry = entry.map_err(|error| StoreError::io(pages, error))?;
        found.extend(entry.file_name().to_str().and_then(BatchId::parse));
    }
    Ok(found)
}

/// Most bytes in a table: two million pages in one file, 17 GB.
const MOST_TABLE: usize = 48 << 20;

/// The table of a batch, without its pages; `None` if the file is gone. No size is believed beyond the file's length.
pub(super) fn read_table(pages: &Path, id: BatchId) -> Result<Option<Vec<(PageName, Sum)>>, StoreError> {
    let path = id.path(pages);
    let io = |error: std::io::Error| match error.kind() {
        ErrorKind::UnexpectedEof => checked::damaged(&path),
        _ => StoreError::io(&path, error),
    };
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io)?,
    };
    let length = file.metadata().map_err(io)?.len();
    let mut fixed = [0; FIXED];
    read_at(&file, &mut fixed, 0).map_err(io)?;
    let [t0, t1, t2, t3, t4, t5, t6, version, generation @ .., c0, c1, c2, c3] = fixed;
    let count = usize::try_from(u32::from_be_bytes([c0, c1, c2, c3])).map_err(|_| checked::damaged(&path))?;
    let header = count.checked_mul(ROW).and_then(|rows| rows.checked_add(FIXED + CHECKSUM));
    let header = header.filter(|header| *header as u64 <= length).ok_or_else(|| checked::damaged(&path))?;
    // A sparse file may claim any length.
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(header.min(MOST_TABLE)).map_err(|_| checked::damaged(&path))?;
    if header > MOST_TABLE {
        return Err(checked::damaged(&path).caused_by("its table is too large"));
    }
    bytes.resize(header, 0);
    read_at(&file, &mut bytes, 0).map_err(io)?;
    if [t0, t1, t2, t3, t4, t5, t6] != *TAG {
        return Err(checked::damaged(&path));
    }
    if version > checked::VERSION {
        // Its layout is unknown; but if it is right in ours but for this byte, then the byte was flipped.
        if let Some(byte) = bytes.get_mut(7) {
            *byte = checked::VERSION;
        }
        let flipped = checked::decode(TAG, &bytes).is_some();
        return Err(if flipped { checked::damaged(&path) } else { checked::newer(&path) });
    }
    let (checked::VERSION, body) = checked::decode(TAG, &bytes).ok_or_else(|| checked::damaged(&path))? else {
        return Err(checked::damaged(&path));
    };
    if generation != id.generation.to_be_bytes() {
        return Err(checked::damaged(&path).caused_by("the file has another's name"));
    }
    let rows = body.get(FIXED - 8..).unwrap_or_default().chunks_exact(ROW);
    let rows = rows.filter_map(|row| {
        let (name, sum) = row.split_first_chunk::<16>()?;
        Some((PageName(*name), sum.try_into().ok()?))
    });
    Ok(Some(rows.collect()))
}

/// Where in its file a page lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) position: u32,
    pub(super) count: u32,
    pub(super) sum: Sum,
}

/// Reads one page and checks it.
pub(super) fn read_page(file: &File, path: &Path, spot: Spot) -> Result<Vec<u8>, StoreError> {
    let header = (FIXED + CHECKSUM) as u64 + u64::from(spot.count) * ROW as u64;
    let mut bytes = vec![0; PAGE_BYTES];
    read_at(file, &mut bytes, header + u64::from(spot.position) * PAGE_BYTES as u64).map_err(|error| {
        match error.kind() {
            ErrorKind::UnexpectedEof => checked::damaged(path),
            _ => StoreError::io(path, error),
        }
    })?;
    if sum(&bytes) == spot.sum { Ok(bytes) } else { Err(checked::damaged(path)) }
}

/// Writes a batch page by page under a temporary name; it appears whole or not at all.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    disk: &'a Disk,
    pages: &'a Path,
    id: BatchId,
    file: File,
    temporary: PathBuf,
    rows: Vec<(PageName, Sum)>,
    count: u32,
    chunk: Vec<u8>,
    written: u64,
}

impl<'a> Writer<'a> {
    /// A batch of exactly `count` pages.
    pub(super) fn new(disk: &'a Disk, pages: &'a Path, id: BatchId, count: usize) -> Result<Writer<'a>, StoreError> {
        let path = id.path(pages);
        let count = u32::try_from(count)
            .map_err(|_| StoreError::new(Problem::Io, path.display().to_string()).caused_by("too many pages"))?;
        let (file, temporary) = disk.temporary(&path)?;
        let written = file_bytes(count) - u64::from(count) * PAGE_BYTES as u64;
        Ok(Writer { disk, pages, id, file, temporary, rows: Vec::new(), count, chunk: Vec::new(), written })
    }

    pub(super) fn add(&mut self, name: PageName, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.len() != PAGE_BYTES {
            return Err(StoreError::new(Problem::Io, format!("page {name}")).caused_by("a page of another size"));
        }
        self.rows.push((name, sum(bytes)));
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if !self.chunk.is_empty() {
            self.disk.write(&self.file, &self.temporary, self.written, &self.chunk)?;
            self.written += self.chunk.len() as u64;
            self.chunk.clear();
        }
        Ok(())
    }

    /// Gives the batch its name. It is durable once the directory is synced too.
    pub(super) fn finish(mut self) -> Result<(), StoreError> {
        self.flush()?;
        let mut body = Vec::with_capacity(header_bytes(self.rows.len()));
        body.extend_from_slice(&self.id.generation.to_be_bytes());
        body.extend_from_slice(&self.count.to_be_bytes());
        for (name, sum) in &self.rows {
            body.extend_from_slice(&name.0);
            body.extend_from_slice(sum);
        }
        if self.rows.len() as u64 != u64::from(self.count) {
            return Err(StoreError::new(Problem::Io, self.temporary.display().to_string()).caused_by("pages missing"));
        }
        let header = checked::encode(TAG, checked::VERSION, &body);
        self.disk.write(&self.file, &self.temporary, 0, &header)?;
        self.disk.sync(&self.file, &self.temporary)?;
        let path = self.id.path(self.pages);
        self.disk.rename(&self.temporary, &path)?;
        self.temporary = PathBuf::new();
        Ok(())
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        if !self.temporary.as_os_str().is_empty() {
            // Only tidiness: a sweep finds what is left here.
            let _ = self.disk.remove(&self.temporary);
        }
    }
}
