//! Several processes on one directory, killed ones among them. This test binary runs itself as the other process.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use oubliette::store::{CopyContent, Directory, DirectoryBuilder, PageStore};
use oubliette::testing::Steps;

use super::support::*;

const ROLE: &str = "OUBLIETTE_TEST_ROLE";

/// Not a test of its own: what the other process does. Without its variable it has nothing to do.
#[test]
fn other_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let words: Vec<&str> = role.split(' ').collect();
    let at = PathBuf::from(words[1]);
    let builder = |turned: bool| {
        let (main, mirror) = (at.join("main"), at.join("mirror0"));
        if turned { Directory::at(mirror).mirror(main) } else { Directory::at(main).mirror(mirror) }
    };
    match words[0] {
        "create" => create_first(&builder(false)),
        "count" => count(&builder(words[2] == "turned").open().unwrap(), words[3].parse().unwrap()),
        "die" => {
            let steps = Steps::new();
            let store = builder(false).steps(&steps).open().unwrap();
            steps.die_at(words[2].parse().unwrap(), words[3] == "torn", || std::process::abort());
            commit(&store, 2, &pages(5..10)).unwrap();
        }
        other => panic!("{other}"),
    }
}

fn start(role: &str, at: &Path, rest: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "directory_store::processes::other_process", "--nocapture"])
        .env(ROLE, format!("{role} {} {rest}", at.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Writes the first record, unless another process was faster.
fn create_first(builder: &DirectoryBuilder) {
    let store = builder.create().unwrap();
    let mut lock = lock(&store).unwrap();
    if read(&store).iter().all(|copy| matches!(copy.content, CopyContent::Empty)) {
        overwrite(&store, &mut *lock, u64::from(std::process::id())).unwrap();
    }
}

fn count(store: &Directory, rounds: u64) {
    for _ in 0..rounds {
        let mut lock = lock(store).unwrap();
        let (_, n) = newest(&read(store)).unwrap();
        let next = u32::try_from(n + 1).unwrap();
        store.put(&at(n + 1), &pages(next..next + 1)).unwrap();
        overwrite(store, &mut *lock, n + 1).unwrap();
    }
}

#[test]
fn processes_that_create_at_once_end_in_one_vault() {
    for _ in 0..10 {
        let scratch = Scratch::new();
        let mut children: Vec<Child> = (0..4).map(|_| start("create", scratch.path(), "")).collect();
        let ids: Vec<u64> = children.iter().map(|child| u64::from(child.id())).collect();
        assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
        let store = scratch.builder(1).open().unwrap();
        let found = numbers(&read(&store));
        assert!(found.iter().all(|n| *n == found[0]) && ids.contains(&found[0].unwrap()), "{found:?} of {ids:?}");
    }
}

/// Half of them name the mirror first; without an order of locks they would wait for each other for ever.
#[test]
fn processes_that_commit_at_once_lose_nothing() {
    let scratch = Scratch::new();
    let store = scratch.builder(1).create().unwrap();
    write(&store, 0).unwrap();
    let turns = ["straight", "turned", "straight", "turned"];
    let mut children: Vec<Child> =
        turns.iter().map(|turn| start("count", scratch.path(), &format!("{turn} 25"))).collect();
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    assert_eq!(numbers(&read(&store)), [Some(100); 4]);
    assert_eq!(store.mark().unwrap().generation, 100);
    for n in 1..=100 {
        assert_eq!(store.get(&name(n)).unwrap().unwrap(), page(n).bytes);
    }
}

#[test]
fn a_process_killed_at_any_step_of_a_commit_leaves_old_or_new_and_no_lock() {
    let mut step = 0;
    loop {
        step += 1;
        let mut finished = false;
        for torn in ["whole", "torn"] {
            let scratch = Scratch::new();
            commit(&scratch.builder(1).create().unwrap(), 1, &pages(0..5)).unwrap();
            let bystander = scratch.builder(1).open().unwrap();
            let status = start("die", scratch.path(), &format!("{step} {torn}")).wait().unwrap();
            finished = status.success();
            assert!(finished || status.code().is_none(), "killed by a signal: {status}");
            // One process that opens anew, and one that had it open all the while.
            for store in [scratch.builder(1).open().unwrap(), bystander] {
                let copies = read(&store);
                let (_, generation) = newest(&copies).expect("a whole record is left");
                let pages = if generation == 2 { 0..10 } else { 0..5 };
                assert!(generation == 2 || (generation == 1 && !finished));
                for n in pages {
                    assert_eq!(store.get(&name(n)).unwrap().unwrap(), page(n).bytes);
                }
            }
            let store = scratch.builder(1).open().unwrap();
            commit(&store, 3, &pages(5..12)).unwrap();
            assert_eq!(numbers(&read(&store)), [Some(3); 4]);
        }
        if finished {
            assert_eq!(step - 1, (6 + 2 + 6) * 2);
            return;
        }
    }
}
