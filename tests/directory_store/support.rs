//! What the tests of this directory share.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use oubliette::store::{
    Change, CopyContent, Directory, DirectoryBuilder, PAGE_BYTES, PageName, PageStore, RECORD_BYTES, RootCopy,
    RootStore, StoredPage, UpdateError,
};

pub const WAIT: Duration = Duration::from_secs(20);

/// A directory of its own for a test, removed at the end.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("oubliette-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A vault directory in here, with so many mirrors.
    pub fn builder(&self, mirrors: usize) -> DirectoryBuilder {
        (0..mirrors)
            .fold(Directory::at(self.join("main")), |builder, n| builder.mirror(self.join(&format!("mirror{n}"))))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The page number `n`; its content is a function of it.
pub fn page(n: u32) -> StoredPage {
    let mut bytes = vec![n.to_be_bytes()[3]; PAGE_BYTES];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    StoredPage { name: name(n), bytes }
}

pub fn pages(numbers: std::ops::Range<u32>) -> Vec<StoredPage> {
    numbers.map(page).collect()
}

pub fn name(n: u32) -> PageName {
    let mut name = [0x5a; 16];
    name[6..10].copy_from_slice(&n.wrapping_mul(0x9e37_79b1).to_be_bytes());
    name[..4].copy_from_slice(&n.to_be_bytes());
    PageName(name)
}

/// A root record that holds a number, recognisable all through.
pub fn record(n: u64) -> Vec<u8> {
    n.to_be_bytes().repeat(RECORD_BYTES / 8)
}

pub fn number(record: &[u8]) -> u64 {
    let n = u64::from_be_bytes(record[..8].try_into().unwrap());
    assert_eq!(record, self::record(n), "a record is whole");
    n
}

/// The numbers of all copies; `None` for one that is not intact.
pub fn numbers(copies: &[RootCopy]) -> Vec<Option<u64>> {
    let one = |copy: &RootCopy| match &copy.content {
        CopyContent::Intact(record) => Some(number(record)),
        _ => None,
    };
    copies.iter().map(one).collect()
}

/// The highest record and where it is.
pub fn newest(copies: &[RootCopy]) -> Option<(usize, u64)> {
    let found = numbers(copies).into_iter().enumerate().filter_map(|(at, n)| Some((at, n?)));
    found.max_by_key(|(at, n)| (*n, usize::MAX - at))
}

pub fn write(store: &Directory, n: u64) -> Result<(), UpdateError> {
    store.update(WAIT, &mut |copies| Ok(Change::Write { record: record(n), newest: newest(copies).map(|(at, _)| at) }))
}

/// What a vault does: the pages first, then the record, under the lock.
pub fn commit(store: &Directory, generation: u64, pages: &[StoredPage]) -> Result<(), UpdateError> {
    store.update(WAIT, &mut |copies| {
        store.put(generation, pages).map_err(|_| oubliette::store::Refusal)?;
        Ok(Change::Write { record: record(generation), newest: newest(copies).map(|(at, _)| at) })
    })
}

/// Every file below, sorted.
pub fn files(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
