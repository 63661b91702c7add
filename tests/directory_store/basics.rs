//! The plain workings.

use std::time::{Duration, Instant};

use oubliette::store::{CopyContent, Directory, LockError, PageStore, Problem, RootStore};
use oubliette::testing::Steps;

use super::support::*;

#[test]
fn what_was_put_and_written_is_there_after_a_reopen() {
    for mirrors in 0..=3 {
        let scratch = Scratch::new();
        let builder = scratch.builder(mirrors);
        assert!(!builder.exists().unwrap());
        assert_eq!(builder.open().unwrap_err().problem(), Problem::Missing);
        let store = builder.create().unwrap();
        assert!(!builder.exists().unwrap(), "no record was written yet");
        assert!(read(&store).iter().all(|copy| matches!(copy.content, CopyContent::Empty)));
        commit(&store, 1, &pages(0..5)).unwrap();
        assert!(builder.exists().unwrap());
        let again = builder.open().unwrap();
        assert_eq!(again.places(), store.places());
        assert_eq!(again.places().len(), 1 + mirrors);
        assert_eq!(numbers(&read(&again)), vec![Some(1); 2 * (1 + mirrors)]);
        assert_eq!(again.mark().unwrap().generation, 1);
        for n in 0..5 {
            assert_eq!(again.get(&name(n)).unwrap().unwrap(), page(n).bytes);
        }
        assert_eq!(again.get(&name(5)).unwrap(), None);
        builder.create().unwrap();
        assert_eq!(numbers(&read(&again)), vec![Some(1); 2 * (1 + mirrors)], "create leaves an existing one");
    }
}

#[test]
fn one_handle_sees_what_another_put_later() {
    let scratch = Scratch::new();
    let one = scratch.builder(1).create().unwrap();
    let other = scratch.builder(1).open().unwrap();
    assert_eq!(other.get(&name(1)).unwrap(), None);
    one.put(&at(1), &pages(0..3)).unwrap();
    assert_eq!(other.get(&name(1)).unwrap().unwrap(), page(1).bytes);
}

#[test]
fn one_shred_writes_less_than_52_kib() {
    let scratch = Scratch::new();
    let store = scratch.builder(0).create().unwrap();
    let before: u64 = files(scratch.path()).iter().map(|path| path.metadata().unwrap().len()).sum();
    commit(&store, 1, &pages(0..5)).unwrap();
    let after: u64 = files(scratch.path()).iter().map(|path| path.metadata().unwrap().len()).sum();
    // What the commit is based on is written again before the record replaces it in both slots.
    let (slots, mark) = (3 * 3816, 96);
    assert!(after - before + slots + mark < 52 * 1024, "{} bytes", after - before + slots + mark);
}

#[test]
fn every_file_is_synced_before_it_is_relied_upon() {
    let scratch = Scratch::new();
    let steps = Steps::new();
    let store = scratch.builder(0).steps(&steps).create().unwrap();
    write(&store, 0).unwrap();
    steps.reset();
    commit(&store, 1, &pages(0..5)).unwrap();
    // The vault settles what it builds upon before it puts its pages; here they come first.
    let log: Vec<String> = steps
        .log()
        .into_iter()
        .map(|line| {
            let (what, file) = line.split_once(' ').unwrap();
            let kind = if file.ends_with(".tmp") { "new" } else { file.rsplit('.').next().unwrap() };
            format!("{what} {kind}")
        })
        .collect();
    let expected = [
        "create new",
        "write new",
        "write new",
        "sync new",
        "rename pages",
        "sync pages",
        "write mark",
        "sync mark",
        "write slot-a",
        "sync slot-a",
        "write slot-b",
        "sync slot-b",
        "write slot-a",
        "sync slot-a",
    ];
    assert_eq!(log, expected);
}

#[test]
fn parts_can_be_placed_apart() {
    let scratch = Scratch::new();
    std::fs::write(scratch.join("neighbour"), "not ours").unwrap();
    let builder = Directory::at(scratch.join("main")).root_at(scratch.join("r")).pages_at(scratch.join("p"));
    let store = builder.create().unwrap();
    commit(&store, 1, &pages(0..1)).unwrap();
    assert!(scratch.join("r/slot-a").exists() && scratch.join("p/mark").exists() && !scratch.join("main").exists());
    assert_eq!(builder.open().unwrap().mark().unwrap().generation, 1);
}

#[test]
fn four_thousand_pages_open_in_a_few_milliseconds() {
    let scratch = Scratch::new();
    scratch.builder(0).create().unwrap().put(&at(1), &pages(0..4000)).unwrap();
    let start = Instant::now();
    let store = scratch.builder(0).open().unwrap();
    assert!(store.get(&name(3999)).unwrap().is_some());
    let taken = start.elapsed();
    println!("opened 4 000 pages and read one in {taken:?}");
    assert!(taken < Duration::from_millis(500), "{taken:?}, even without optimisation");
}

#[test]
fn a_busy_store_says_so_and_writes_nothing() {
    let scratch = Scratch::new();
    let store = scratch.builder(1).create().unwrap();
    let other = scratch.builder(1).open().unwrap();
    write(&store, 1).unwrap();
    let held = lock(&store).unwrap();
    let busy = other.lock(&other.places(), Duration::from_millis(50));
    assert!(matches!(busy, Err(LockError::Busy { .. })), "{:?}", busy.err());
    drop(busy);
    assert_eq!(numbers(&read(&other)), vec![Some(1); 4], "readers do not wait");
    drop(held);
    write(&other, 2).unwrap();
}

/// Whoever waits for the place with the lowest id holds no other: so no two can wait for each other.
#[test]
fn locks_are_taken_in_the_order_of_the_ids() {
    let scratch = Scratch::new();
    let store = scratch.builder(1).create().unwrap();
    let (main, mirror) = (scratch.join("main"), scratch.join("mirror0"));
    let (low, high) = if store.places()[0] < store.places()[1] { (&main, &mirror) } else { (&mirror, &main) };
    let alone = |path| Directory::at(path).open().unwrap();
    for (first, second) in [(&main, &mirror), (&mirror, &main)] {
        let both = Directory::at(first).mirror(second).open().unwrap();
        let try_lock = |store: &Directory, wait| store.lock(&store.places(), wait).map(drop);
        let lower = alone(low);
        let held = lock(&lower).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| try_lock(&both, Duration::from_millis(200)));
            std::thread::sleep(Duration::from_millis(100));
            try_lock(&alone(high), Duration::ZERO).expect("nobody holds the higher one");
            waiting.join().unwrap().expect_err("the lower one is held");
        });
        drop(held);
    }
}
