//! What a later version wrote is refused as that, and never overwritten; what should be zero is.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use oubliette::store::{CopyContent, PageStore, Problem, RootStore};
use sha2::{Digest, Sha256};

use super::damage::{filled, names_it, pages_file};
use super::support::*;

/// Changes what stands at `at` in a file, `length` bytes with their checksum, and makes the checksum right again.
fn changed(path: &Path, at: usize, length: usize, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    let (content, checksum) = bytes[at..at + length].split_at_mut(length - 32);
    change(content);
    checksum.copy_from_slice(&Sha256::digest(&*content));
    fs::write(path, &bytes).unwrap();
    bytes
}

#[test]
fn a_newer_format_is_refused_and_not_overwritten() {
    let newer = |path: &Path| changed(path, 0, fs::read(path).unwrap().len(), |content| content[7] = 2);
    let scratch = filled(0);
    let slot = scratch.join("main/root/slot-b");
    let bytes = newer(&slot);
    let store = scratch.builder(0).open().unwrap();
    let copies = read(&store);
    let CopyContent::Unreachable(error) = &copies[1].content else { panic!("{copies:?}") };
    names_it(error, Problem::NewerFormat, &slot);
    let place = store.places()[0];
    assert_eq!(lock(&store).unwrap().write(place, 1, &record(2)).unwrap_err().problem(), Problem::NewerFormat);
    assert_eq!(fs::read(&slot).unwrap(), bytes);
    let place = scratch.join("main/root/place");
    newer(&place);
    names_it(&scratch.builder(0).open().unwrap_err(), Problem::NewerFormat, &place);

    let scratch = filled(0);
    let file = pages_file(&scratch, "main");
    let mut bytes = fs::read(&file).unwrap();
    bytes[7] = 2;
    fs::write(&file, &bytes).unwrap();
    let store = scratch.builder(0).open().unwrap();
    names_it(&store.get(&name(1)).unwrap_err(), Problem::Damaged, &file);
    bytes[9] ^= 1; // something else that differs: no longer ours with one byte flipped
    fs::write(&file, &bytes).unwrap();
    names_it(&store.get(&name(1)).unwrap_err(), Problem::NewerFormat, &file);
}

/// The other slot may be older than what the newer program wrote into its own.
#[test]
fn a_newer_mark_is_refused_whatever_the_other_slot_says() {
    for offset in [0, 512] {
        let scratch = filled(0);
        let store = scratch.builder(0).open().unwrap();
        let path = scratch.join("main/pages/mark");
        let bytes = changed(&path, offset, 96, |content| content[7] = 2);
        names_it(&store.mark().unwrap_err(), Problem::NewerFormat, &path);
        names_it(&store.put(&at(9), &[]).unwrap_err(), Problem::NewerFormat, &path);
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn what_lies_between_the_slots_of_the_mark_is_zero() {
    let scratch = filled(0);
    let store = scratch.builder(0).open().unwrap();
    let path = scratch.join("main/pages/mark");
    let good = fs::read(&path).unwrap();
    for at in [96, 97, 300, 511] {
        let mut bytes = good.clone();
        bytes[at] = 1;
        fs::write(&path, bytes).unwrap();
        names_it(&store.mark().unwrap_err(), Problem::Damaged, &path);
    }
    fs::write(&path, good).unwrap();
    assert_eq!(store.mark().unwrap().generation, 1);
}

#[test]
fn an_empty_slot_is_all_zero_or_damaged() {
    let scratch = Scratch::new();
    let store = scratch.builder(0).create().unwrap();
    let path = scratch.join("main/root/slot-a");
    let good = fs::read(&path).unwrap();
    assert!(matches!(read(&store)[0].content, CopyContent::Empty));
    for at in [8, 1000, 3527] {
        changed(&path, 0, good.len(), |content| content[at] = 1);
        assert!(matches!(read(&store)[0].content, CopyContent::Damaged), "byte {at}");
        fs::write(&path, &good).unwrap();
    }
}

#[test]
fn a_newer_list_of_superseded_files_stops_the_sweep_and_stays() {
    let scratch = filled(0);
    let store = scratch.builder(0).open().unwrap();
    commit(&store, 2, &pages(5..6)).unwrap();
    let live: HashSet<_> = [name(5)].into();
    let sweep = || store.sweep(&live, 2, Duration::from_secs(3600));
    sweep().unwrap();
    let path = scratch.join("main/pages/superseded");
    let length = fs::read(&path).unwrap().len();
    assert_eq!(length, 8 + 24 + 32, "a file is superseded");
    let bytes = changed(&path, 0, length, |content| content[7] = 2);
    names_it(&sweep().unwrap_err(), Problem::NewerFormat, &path);
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(store.get(&name(1)).unwrap(), Some(page(1).bytes), "nothing was removed");
}
