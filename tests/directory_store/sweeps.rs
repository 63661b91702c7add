//! Sweeps over many commits.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use oubliette::store::{Directory, PageName, PageStore};

use super::support::*;

/// `OUBLIETTE_BATCHES=50000` runs it at full size (2 GB on disk).
#[test]
fn many_single_commits_end_as_about_the_live_size() {
    let batches: u32 = std::env::var("OUBLIETTE_BATCHES").map_or(600, |count| count.parse().unwrap());
    let scratch = Scratch::new();
    let store = scratch.builder(0).create().unwrap();
    let mut live: HashSet<PageName> = HashSet::new();
    let start = Instant::now();
    for n in 0..batches {
        // Like a shred: four pages of the path are superseded by the next one, the leaf stays a while.
        store.put(&at(u64::from(n) + 1), &pages(n * 5..n * 5 + 5)).unwrap();
        if n % 13 == 0 || n + 1 == batches {
            live.insert(name(n * 5));
        }
    }
    let put = start.elapsed();
    let before = store.usage().unwrap();
    let generation = u64::from(batches);
    let keep = Duration::from_millis(1500);
    let start = Instant::now();
    let first = store.sweep(&live, generation, keep).unwrap();
    let swept = start.elapsed();
    assert_eq!(first.pages, 0, "nothing goes before its time");
    std::thread::sleep(keep);
    let start = Instant::now();
    let second = store.sweep(&live, generation, keep).unwrap();
    let removed = start.elapsed();
    let after = store.usage().unwrap();
    println!("{batches} batches put in {put:?}; sweeps {swept:?}, {removed:?}; {before:?}, then {after:?}; {second:?}");
    assert_eq!(after.pages, live.len() as u64);
    assert!(after.bytes < live.len() as u64 * 8400);
    let on_disk = files(&scratch.join("main/pages"));
    assert!(on_disk.len() <= 5, "{on_disk:?}");
    let opened = Instant::now();
    let again = scratch.builder(0).open().unwrap();
    assert!(live.iter().all(|name| again.get(name).unwrap().is_some()));
    println!("opened anew and read {} pages in {:?}", live.len(), opened.elapsed());
    assert_eq!(store.sweep(&live, generation, keep).unwrap().pages, 0, "nothing to do is nothing done");
    assert_eq!(files(&scratch.join("main/pages")), on_disk);
}

#[test]
fn many_small_files_are_moved_together_even_if_all_is_live() {
    let scratch = Scratch::new();
    let store = scratch.builder(0).create().unwrap();
    for n in 0..257 {
        store.put(&at(u64::from(n) + 1), &pages(n..n + 1)).unwrap();
    }
    let live: HashSet<PageName> = (0..257).map(name).collect();
    store.sweep(&live, 257, Duration::ZERO).unwrap();
    assert_eq!(
        files(&scratch.join("main/pages")).len(),
        4,
        "one file of pages, the mark and its lock, and what git is told"
    );
    assert!(live.iter().all(|name| store.get(name).unwrap().is_some()));
}

#[test]
fn a_handle_from_before_a_sweep_finds_the_pages_that_moved() {
    let scratch = Scratch::new();
    let store = scratch.builder(0).create().unwrap();
    store.put(&at(1), &pages(0..5)).unwrap();
    let other = scratch.builder(0).open().unwrap();
    assert!(other.get(&name(0)).unwrap().is_some());
    store.sweep(&[name(1)].into(), 1, Duration::ZERO).unwrap();
    assert_eq!(other.get(&name(1)).unwrap().unwrap(), page(1).bytes);
    other.sweep(&[name(1)].into(), 1, Duration::ZERO).unwrap();
    assert_eq!(other.get(&name(0)).unwrap(), None);
}

#[test]
fn what_is_live_again_is_not_forgotten() {
    let scratch = Scratch::new();
    let store = scratch.builder(0).create().unwrap();
    let keep = Duration::from_millis(300);
    store.put(&at(1), &pages(0..5)).unwrap();
    store.sweep(&[].into(), 1, keep).unwrap();
    std::thread::sleep(keep);
    let live: HashSet<PageName> = (0..5).map(name).collect();
    store.sweep(&live, 1, keep).unwrap();
    assert!(live.iter().all(|name| store.get(name).unwrap().is_some()));
    assert_eq!(store.sweep(&[].into(), 1, keep).unwrap().pages, 0, "the time starts anew");
}

#[test]
fn what_killed_processes_left_is_removed_after_an_hour() {
    let scratch = Scratch::new();
    let store = scratch.builder(0).create().unwrap();
    let path = |name: &str| scratch.join("main/pages").join(name);
    for (name, age) in [("new.pages.0000.tmp", 60), ("old.pages.0000.tmp", 7200)] {
        let file = std::fs::File::create(path(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(age)).unwrap();
    }
    store.sweep(&[].into(), 1, Duration::ZERO).unwrap();
    assert!(path("new.pages.0000.tmp").exists() && !path("old.pages.0000.tmp").exists());
}

#[test]
fn mirrors_are_swept_too_and_catch_up_later() {
    let scratch = Scratch::new();
    let store = scratch.builder(1).create().unwrap();
    store.put(&at(1), &pages(0..5)).unwrap();
    store.put(&at(2), &pages(5..10)).unwrap();
    let live: HashSet<PageName> = (5..10).map(name).collect();
    store.sweep(&live, 2, Duration::ZERO).unwrap();
    for place in ["main", "mirror0"] {
        let files = files(&scratch.join(place).join("pages"));
        assert_eq!(files.iter().filter(|path| path.extension() == Some("pages".as_ref())).count(), 1);
    }
    // A mirror that lost its pages, and one that never had them.
    for file in files(&scratch.join("mirror0/pages")) {
        if file.extension() == Some("pages".as_ref()) {
            std::fs::remove_file(file).unwrap();
        }
    }
    let mirror = oubliette::store::RootStore::places(&store)[1];
    store.catch_up(mirror).unwrap();
    let alone = oubliette::store::Directory::at(scratch.join("mirror0")).open().unwrap();
    assert!(live.iter().all(|name| alone.get(name).unwrap().is_some()));
    let mut told = Vec::new();
    store.fill_mirror(scratch.join("another"), &mut |done, all| told.push((done, all))).unwrap();
    assert_eq!(told, (1..=5).map(|done| (done, 5)).collect::<Vec<_>>());
}

const AT: &str = "OUBLIETTE_SWEPT_AT";

/// The process of the test below.
#[test]
fn other_process() {
    let Ok(at) = std::env::var(AT) else { return };
    let store = Directory::at(at).open().unwrap();
    let swept = store.sweep(&HashSet::new(), 1, Duration::ZERO).unwrap();
    assert_eq!(swept.pages, 5);
}

/// With and without a list of superseded files there, and with one that claims more than there is.
#[cfg(target_os = "linux")]
#[test]
fn a_sweep_takes_memory_for_what_is_there_and_not_for_what_might_be() {
    for list in [None, Some(0), Some(200 << 20)] {
        let scratch = Scratch::new();
        commit(&scratch.builder(0).create().unwrap(), 1, &pages(0..5)).unwrap();
        if let Some(length) = list {
            // Sparse: it takes no room on the disk either.
            std::fs::File::create(scratch.join("main/pages/superseded")).unwrap().set_len(length).unwrap();
        }
        let run = "ulimit -v 240000; exec \"$0\" --exact directory_store::sweeps::other_process --test-threads=1";
        let mut child = std::process::Command::new("sh");
        child.args(["-c", run]).arg(std::env::current_exe().unwrap()).env(AT, scratch.join("main"));
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        // A list for which there is no memory is an error, and what it may have named stays.
        let asked_too_much = list.is_some_and(|length| length > 100 << 20);
        assert_eq!(output.status.success(), !asked_too_much, "{list:?}: {said}");
        assert!(!asked_too_much || said.contains("superseded"), "{said}");
        assert!(said.contains("1 passed") || asked_too_much, "{said}");
    }
}
