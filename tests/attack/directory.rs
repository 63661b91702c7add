//! A stolen directory: every byte of every file in it.

use std::path::{Path, PathBuf};

use super::decoder::{Key, PAGE, RECORD, Record};
use super::search::Loot;

/// Every file below, sorted.
pub fn files(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// All root records at any offset of any file, and all pages in files of pages, torn and abandoned ones too.
pub fn steal(below: &[&Path], root_keys: &[Key]) -> Loot {
    let mut loot = Loot { root_keys: root_keys.to_vec(), ..Loot::default() };
    for path in below.iter().flat_map(|below| files(below)) {
        let bytes = std::fs::read(&path).unwrap();
        for window in bytes.windows(RECORD).filter(|window| window[0] == 1 && window[49..51] == [0; 2]) {
            if root_keys.iter().any(|key| Record::read(window, key).is_some()) {
                loot.records.push(window.to_vec());
            }
        }
        if bytes.starts_with(b"OBLpage") && bytes.len() > 20 {
            let count = usize::try_from(u32::from_be_bytes(bytes[16..20].try_into().unwrap())).unwrap();
            let pages = bytes.get(20 + 24 * count + 32..).unwrap_or_default();
            loot.pages.extend(pages.chunks(PAGE).filter(|page| page.len() > 9 + 64).map(<[u8]>::to_vec));
        }
    }
    loot
}

/// The generations of the records in the loot.
pub fn generations(loot: &Loot) -> Vec<u64> {
    let read = |record: &Vec<u8>| loot.root_keys.iter().find_map(|key| Record::read(record, key));
    loot.records.iter().filter_map(read).map(|record| record.generation).collect()
}
