//! What the tests of this directory share.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use oubliette::store::{
    CopyContent, Directory, DirectoryBuilder, LockError, Mark, PAGE_BYTES, PageName, PageStore, RECORD_BYTES, RootCopy,
    RootLock, RootStore, StoreError, StoredPage,
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

/// A mark of one vault.
pub fn at(generation: u64) -> Mark {
    Mark { generation, vault: [7; 16], proof: [generation.to_be_bytes()[7]; 32] }
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

/// Every copy in every place.
pub fn read(store: &Directory) -> Vec<RootCopy> {
    store.places().into_iter().flat_map(|place| store.read(place)).collect()
}

pub fn lock(store: &Directory) -> Result<Box<dyn RootLock + '_>, StoreError> {
    store.lock(&store.places(), WAIT).map_err(|error| match error {
        LockError::Store(error) => error,
        error => panic!("{error:?}"),
    })
}

pub fn write(store: &Directory, n: u64) -> Result<(), StoreError> {
    overwrite(store, &mut *lock(store)?, n)
}

/// What a vault does: in each place the slot that shows the newest record is written again, and then the others come first.
pub fn overwrite(store: &Directory, lock: &mut dyn RootLock, n: u64) -> Result<(), StoreError> {
    let base = newest(&read(store)).map(|(_, n)| n);
    let mut last = Vec::new();
    for place in store.places() {
        let shown = numbers(&store.read(place)).iter().position(|found| base.is_some() && *found == base);
        if let Some(base) = base {
            lock.write(place, shown.unwrap_or(0), &record(base))?;
        }
        last.push((place, shown.unwrap_or(0)));
    }
    for (place, last) in last {
        lock.write(place, 1 - last, &record(n))?;
        lock.write(place, last, &record(n))?;
    }
    Ok(())
}

/// Fills a mirror, and uses it, as after a commit that lists it last.
pub fn attach(store: &Directory, at: std::path::PathBuf) -> Result<oubliette::store::PlaceId, StoreError> {
    let place = store.fill_mirror(at, &mut |_, _| ())?;
    let mut list = store.places();
    list.push(place);
    store.follow(&list);
    Ok(place)
}

/// The same with pages, which come first, all under the lock.
pub fn commit(store: &Directory, generation: u64, pages: &[StoredPage]) -> Result<(), StoreError> {
    let mut lock = lock(store)?;
    store.put(&at(generation), pages)?;
    overwrite(store, &mut *lock, generation)
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
