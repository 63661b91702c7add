//! The store dies at every step it takes, whole writes and torn ones; then it is opened anew.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use oubliette::store::{CopyContent, Directory, DirectoryBuilder, PageName, PageStore, Problem, RootStore};
use oubliette::testing::{Steps, Stop};

use super::support::*;

/// Sets a store up, does `work` with a stop at every step in turn, and looks at what is left. Returns the number of
/// steps. `work` says whether it reported success.
fn at_every_step(
    mirrors: usize,
    prepare: impl Fn(&DirectoryBuilder, &Path),
    work: impl Fn(&DirectoryBuilder, &Path) -> bool,
    check: impl Fn(&DirectoryBuilder, &Path, bool),
) -> u64 {
    let mut step = 0;
    loop {
        step += 1;
        let mut stopped = false;
        for torn in [false, true] {
            let scratch = Scratch::new();
            let plain = scratch.builder(mirrors);
            prepare(&plain, scratch.path());
            let steps = Steps::new();
            steps.stop_at(step, Stop::Die { torn });
            let done = work(&plain.clone().steps(&steps), scratch.path());
            stopped = steps.died();
            check(&plain, scratch.path(), done);
        }
        if !stopped {
            return step - 1;
        }
    }
}

fn survivor(builder: &DirectoryBuilder) -> Directory {
    builder.open().unwrap()
}

fn all_there(store: &Directory, numbers: impl IntoIterator<Item = u32>) {
    for n in numbers {
        assert_eq!(store.get(&name(n)).unwrap().expect("no page is lost"), page(n).bytes);
    }
}

#[test]
fn a_commit_leaves_the_old_state_or_the_new() {
    for mirrors in 0..=2 {
        let steps = at_every_step(
            mirrors,
            |builder, _| commit(&builder.create().unwrap(), 1, &pages(0..5)).unwrap(),
            |builder, _| commit(&builder.open().unwrap(), 2, &pages(5..10)).is_ok(),
            |builder, _, done| {
                let store = survivor(builder);
                all_there(&store, 0..5);
                let copies = read(&store);
                let (_, generation) = newest(&copies).expect("a whole record is left");
                assert!(numbers(&copies).iter().flatten().all(|n| (1..=2).contains(n)));
                assert!(!done || numbers(&copies).iter().all(|n| *n == Some(2)), "success means everywhere");
                if generation == 2 {
                    all_there(&store, 5..10);
                }
                assert!((generation..=generation + 1).contains(&store.mark().unwrap().generation));
                // The next commit repairs whatever was left, torn slots too.
                commit(&store, 3, &pages(5..12)).unwrap();
                assert_eq!(numbers(&read(&store)), vec![Some(3); 2 * (1 + mirrors)]);
                all_there(&survivor(builder), 0..12);
            },
        );
        // A batch, a mark, and three writes of slots, in each place.
        assert_eq!(steps, (6 + 2 + 6) * (mirrors as u64 + 1));
    }
}

#[test]
fn a_creation_can_be_repeated() {
    let steps = at_every_step(
        1,
        |_, _| (),
        |builder, _| builder.create().is_ok(),
        |builder, _, _| {
            assert!(!builder.exists().unwrap());
            let store = builder.create().unwrap();
            assert!(read(&store).iter().all(|copy| matches!(copy.content, CopyContent::Empty)));
            commit(&store, 1, &pages(0..2)).unwrap();
            all_there(&survivor(builder), 0..2);
        },
    );
    assert!(steps > 30, "{steps}");
}

/// Forty commits of five pages, of which one is live; two live ones of later generations.
fn prepare_sweep(builder: &DirectoryBuilder, _: &Path) {
    let store = builder.create().unwrap();
    for n in 0..8 {
        commit(&store, u64::from(n) + 1, &pages(n * 5..n * 5 + 5)).unwrap();
    }
    store.put(&at(20), &pages(100..102)).unwrap();
}

fn live() -> HashSet<PageName> {
    (0..8).map(|n| name(n * 5)).collect()
}

#[test]
fn a_sweep_loses_no_live_page() {
    for keep in [Duration::ZERO, Duration::from_secs(3600)] {
        let steps = at_every_step(
            1,
            prepare_sweep,
            |builder, _| builder.open().unwrap().sweep(&live(), 8, keep).is_ok(),
            |builder, _, done| {
                let store = survivor(builder);
                all_there(&store, (0..8).map(|n| n * 5).chain(100..102));
                let before = store.usage().unwrap();
                if done {
                    assert_eq!(before.pages, if keep.is_zero() { 10 } else { 42 });
                }
                store.sweep(&live(), 8, Duration::ZERO).unwrap();
                all_there(&survivor(builder), (0..8).map(|n| n * 5).chain(100..102));
                assert_eq!(store.usage().unwrap().pages, 10);
            },
        );
        assert!(steps > 10, "{steps}");
    }
}

#[test]
fn attaching_a_mirror_can_be_repeated() {
    let steps = at_every_step(
        0,
        |builder, _| commit(&builder.create().unwrap(), 3, &pages(0..12)).unwrap(),
        |builder, at| attach(&builder.open().unwrap(), at.join("new")).is_ok(),
        |builder, at, _| {
            all_there(&survivor(builder), 0..12);
            let store = survivor(builder);
            let place = attach(&store, at.join("new")).unwrap();
            commit(&store, 4, &pages(12..14)).unwrap();
            // The mirror alone is a whole vault.
            let alone = Directory::at(at.join("new")).open().unwrap();
            assert_eq!(alone.places(), [place]);
            all_there(&alone, 0..14);
            assert_eq!((newest(&read(&alone)).unwrap().1, alone.mark().unwrap().generation), (4, 4));
        },
    );
    assert!(steps > 15, "{steps}");
}

#[test]
fn a_copy_is_whole_or_refused() {
    let names: Vec<PageName> = (0..6).map(name).collect();
    at_every_step(
        0,
        |builder, _| commit(&builder.create().unwrap(), 3, &pages(0..12)).unwrap(),
        |builder, to| builder.open().unwrap().copy_to(to.join("copy"), &at(3), &record(3), &names).is_ok(),
        |builder, at, done| {
            all_there(&survivor(builder), 0..12);
            match Directory::at(at.join("copy")).open() {
                Ok(copy) => {
                    all_there(&copy, 0..6);
                    assert_eq!(copy.get(&name(6)).unwrap(), None);
                    assert_eq!(numbers(&read(&copy)), [Some(3); 2]);
                    assert_eq!((copy.places(), copy.mark().unwrap().generation), (survivor(builder).places(), 3));
                    commit(&copy, 4, &pages(20..21)).unwrap();
                }
                Err(error) => {
                    assert!(!done, "{error}");
                    assert_eq!(error.problem(), Problem::Missing);
                }
            }
        },
    );
}

#[test]
fn after_a_failed_put_the_pages_are_written_again_on_a_retry() {
    for step in 1..=8 {
        let scratch = Scratch::new();
        let steps = Steps::new();
        let store = scratch.builder(0).steps(&steps).create().unwrap();
        steps.stop_at(step, Stop::Fail(Problem::Io));
        store.put(&at(1), &pages(0..5)).unwrap_err();
        steps.reset();
        store.put(&at(1), &pages(0..5)).unwrap();
        let log = steps.log();
        assert_eq!(log.iter().filter(|line| line.starts_with("sync")).count(), 3, "a re-read is no evidence: {log:?}");
        assert_eq!(store.usage().unwrap().pages, 5);
        assert_eq!(files(scratch.path()).iter().filter(|path| path.extension() == Some("tmp".as_ref())).count(), 0);
    }
}

/// What a power failure may take is what was not synced. Nothing is relied upon before it is.
#[test]
fn nothing_is_relied_upon_before_it_is_synced() {
    let scratch = Scratch::new();
    let steps = Steps::new();
    let store = scratch.builder(1).steps(&steps).create().unwrap();
    let mut seen = HashSet::new();
    let mut synced_at_the_end = |what: &str| {
        let (mut dirty, mut renamed) = (HashSet::new(), false);
        for line in steps.log() {
            let (step, file) = line.split_once(' ').unwrap();
            seen.insert(step.to_owned());
            match step {
                "write" if ["slot-a", "slot-b"].contains(&file) => assert!(!renamed, "{what}: {line}"),
                "rename" if file == "place" => assert!(!renamed && dirty.is_empty(), "{what}: {line}"),
                "rename" => {
                    let waiting = dirty.iter().any(|other: &String| other.starts_with(&format!("{file}.")));
                    assert!(!waiting, "{what}: {line} before its content was synced");
                }
                "remove" => assert!(!renamed, "{what}: {line} before what replaces it is durable"),
                _ => {}
            }
            match step {
                "create" | "write" | "cut" => drop(dirty.insert(file.to_owned())),
                "rename" => renamed = true,
                "sync" if ["pages", "root"].contains(&file) => renamed = false,
                "sync" => drop(dirty.remove(file)),
                _ => {}
            }
        }
        assert!(dirty.is_empty() && !renamed, "{what} left {dirty:?} unsynced");
        steps.reset();
    };
    synced_at_the_end("create");
    for n in 0..8 {
        commit(&store, u64::from(n) + 1, &pages(n * 5..n * 5 + 5)).unwrap();
        synced_at_the_end("commit");
    }
    store.sweep(&live(), 8, Duration::from_secs(60)).unwrap();
    synced_at_the_end("first sweep");
    store.sweep(&live(), 8, Duration::ZERO).unwrap();
    synced_at_the_end("second sweep");
    attach(&store, scratch.join("new")).unwrap();
    synced_at_the_end("attach");
    store.copy_to(scratch.join("copy"), &at(8), &record(8), &[name(0)]).unwrap();
    synced_at_the_end("copy");
    assert!(["create", "write", "sync", "rename", "remove", "mkdir"].iter().all(|step| seen.contains(*step)));
}
