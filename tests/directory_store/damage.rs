//! Every kind of damage has a typed error that names the file, and nothing is lost by looking.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use oubliette::store::{CopyContent, Directory, PageStore, Problem, RootStore, StoreError};

use super::support::*;

pub fn pages_file(scratch: &Scratch, place: &str) -> PathBuf {
    let found = files(&scratch.join(place).join("pages"));
    found.into_iter().find(|path| path.extension() == Some("pages".as_ref())).unwrap()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

pub fn names_it(error: &StoreError, problem: Problem, path: &Path) {
    assert_eq!(error.problem(), problem, "{error:?}");
    assert_eq!(error.location(), path.display().to_string());
    let text = error.to_string();
    assert!(text.contains(path.file_name().unwrap().to_str().unwrap()), "{text}");
}

pub fn filled(mirrors: usize) -> Scratch {
    let scratch = Scratch::new();
    commit(&scratch.builder(mirrors).create().unwrap(), 1, &pages(0..5)).unwrap();
    scratch
}

#[test]
fn every_byte_of_the_place_file_counts() {
    let scratch = filled(0);
    let path = scratch.join("main/root/place");
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        flip(&path, at);
        names_it(&scratch.builder(0).open().unwrap_err(), Problem::Damaged, &path);
        fs::write(&path, &good).unwrap();
    }
    for length in 0..good.len() {
        fs::write(&path, &good[..length]).unwrap();
        names_it(&scratch.builder(0).open().unwrap_err(), Problem::Damaged, &path);
    }
    fs::remove_file(&path).unwrap();
    names_it(&scratch.builder(0).open().unwrap_err(), Problem::Missing, &path);
    names_it(&scratch.builder(0).create().unwrap_err(), Problem::Damaged, &path);
    names_it(&scratch.builder(0).exists().unwrap_err(), Problem::Damaged, &path);
}

#[test]
fn a_damaged_slot_is_seen_and_mended_by_the_next_commit() {
    let scratch = filled(0);
    let path = scratch.join("main/root/slot-a");
    let good = fs::read(&path).unwrap();
    let longer = [good.as_slice(), b"x"].concat();
    let damages: Vec<Option<Vec<u8>>> = [0, 7, 8, 3783, 3784, 3815]
        .into_iter()
        .map(|at| {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            Some(bytes)
        })
        .chain([Some(Vec::new()), Some(good[..1908].to_vec()), Some(vec![0; good.len()]), Some(longer), None])
        .collect();
    for (n, damage) in (2..).zip(damages) {
        match damage {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let store = scratch.builder(0).open().unwrap();
        let copies = read(&store);
        assert!(matches!(copies[0].content, CopyContent::Damaged), "never Empty: {:?}", copies[0]);
        assert_eq!(numbers(&copies)[1], Some(n - 1));
        assert!(scratch.builder(0).exists().unwrap());
        write(&store, n).unwrap();
        assert_eq!(numbers(&read(&store)), [Some(n); 2]);
        assert_eq!(fs::metadata(&path).unwrap().len(), 3816);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn damaged_pages_are_named_or_come_from_a_mirror() {
    let header = 20 + 24 * 5 + 32;
    for mirrors in 0..=1 {
        let scratch = filled(mirrors);
        let file = pages_file(&scratch, "main");
        let good = fs::read(&file).unwrap();
        assert_eq!(good.len(), header + 5 * 8281);
        let expect = |numbers: std::ops::Range<u32>| {
            for n in numbers {
                let found = scratch.builder(mirrors).open().unwrap().get(&name(n));
                match mirrors {
                    0 => names_it(&found.unwrap_err(), Problem::Damaged, &file),
                    _ => assert_eq!(found.unwrap().unwrap(), page(n).bytes),
                }
            }
        };
        for at in (0..header).chain([header, header + 8280]) {
            flip(&file, at);
            expect(if at >= header { 0..1 } else { 0..5 });
            fs::write(&file, &good).unwrap();
        }
        for length in [0, 7, 19, 20, 100, header - 1] {
            fs::write(&file, &good[..length]).unwrap();
            expect(0..5);
        }
        // Cut within the pages: those before the cut are still there.
        fs::write(&file, &good[..header + 3 * 8281 - 1]).unwrap();
        expect(2..5);
        assert!(scratch.builder(mirrors).open().unwrap().get(&name(1)).unwrap().is_some());
        // A count that asks for more than the file has.
        let mut huge = good.clone();
        huge[16..20].copy_from_slice(&[0xff; 4]);
        fs::write(&file, &huge).unwrap();
        expect(0..5);
        fs::write(&file, &good).unwrap();
        // Another's name.
        fs::rename(&file, file.with_file_name("0000000000000009-0000000000000000.pages")).unwrap();
        let store = scratch.builder(mirrors).open().unwrap();
        assert_eq!(store.get(&name(0)).is_ok(), mirrors == 1);
        if mirrors == 1 {
            // What is live and lost here is put back by a sweep, or by catching up.
            store.sweep(&(0..5).map(name).collect(), 1, Duration::ZERO).unwrap();
            assert!(Directory::at(scratch.join("main")).open().unwrap().get(&name(0)).unwrap().is_some());
        } else {
            store.sweep(&(0..5).map(name).collect(), 1, Duration::ZERO).unwrap_err();
        }
    }
}

#[test]
fn a_damaged_mark_is_an_error_and_a_torn_one_is_not() {
    let scratch = filled(0);
    let store = scratch.builder(0).open().unwrap();
    store.put(&at(7), &[]).unwrap();
    let path = scratch.join("main/pages/mark");
    let good = fs::read(&path).unwrap();
    flip(&path, 8);
    let first = store.mark().unwrap().generation;
    fs::write(&path, &good).unwrap();
    flip(&path, 512 + 8);
    let second = store.mark().unwrap().generation;
    assert_eq!((first.max(second), first.min(second)), (7, 1));
    flip(&path, 8);
    names_it(&store.mark().unwrap_err(), Problem::Damaged, &path);
    names_it(&store.put(&at(8), &[]).unwrap_err(), Problem::Damaged, &path);
}

#[test]
fn a_file_whose_table_is_damaged_is_never_swept() {
    let scratch = filled(0);
    let store = scratch.builder(0).open().unwrap();
    store.put(&at(2), &pages(5..6)).unwrap();
    let file = pages_file(&scratch, "main");
    flip(&file, 40);
    let store = scratch.builder(0).open().unwrap();
    store.sweep(&HashSet::new(), 2, Duration::ZERO).unwrap();
    assert!(file.exists());
    flip(&file, 40);
    assert_eq!(store.get(&name(0)).unwrap().unwrap(), page(0).bytes);
}

#[test]
fn a_mirror_that_is_away_is_read_around_and_never_left_behind() {
    let scratch = filled(1);
    let (place, away) = (scratch.join("mirror0"), scratch.join("away"));
    for opened_before in [true, false] {
        let before = scratch.builder(1).open().unwrap();
        fs::rename(&place, &away).unwrap();
        let store = if opened_before { before } else { scratch.builder(1).open().unwrap() };
        let copies = read(&store);
        assert_eq!(numbers(&copies)[..2], [Some(1); 2]);
        // A place that was never there has no id yet, and so no copies.
        assert_eq!(copies.len(), if opened_before { 4 } else { 2 });
        assert!(copies[2..].iter().all(|copy| matches!(&copy.content, CopyContent::Unreachable(_))));
        assert!(store.get(&name(0)).unwrap().is_some());
        if opened_before {
            let error = lock(&store).err().expect("a place that is away is not locked");
            assert!(error.location().contains("mirror0"), "{error:?}");
        }
        store.put(&at(2), &pages(5..6)).unwrap_err();
        assert_eq!(numbers(&read(&Directory::at(scratch.join("main")).open().unwrap())), [Some(1); 2]);
        fs::rename(&away, &place).unwrap();
        // It is back, and found by whoever knows that it is listed.
        let mirror = Directory::at(&place).open().unwrap().places()[0];
        assert_eq!(numbers(&store.read(mirror)), [Some(1); 2]);
        assert_eq!(numbers(&read(&store)), [Some(1); 4]);
        assert_eq!(store.places().len(), 2);
    }
    let store = scratch.builder(1).open().unwrap();
    let id = store.places()[1];
    assert_eq!(store.path_of(id).unwrap(), place.join("root"));
    store.follow(&store.places()[..1]);
    assert_eq!(store.path_of(id).unwrap(), place.join("root"), "what is to be destroyed");
    fs::remove_dir_all(&place).unwrap();
    commit(&store, 2, &pages(5..7)).unwrap();
    assert_eq!(numbers(&read(&store)), [Some(2); 2]);
}

#[test]
fn another_place_put_where_one_was_is_not_written_to() {
    let (scratch, other) = (filled(1), filled(0));
    let store = scratch.builder(1).open().unwrap();
    fs::remove_dir_all(scratch.join("mirror0")).unwrap();
    fs::rename(other.join("main"), scratch.join("mirror0")).unwrap();
    write(&store, 2).unwrap_err();
    assert_eq!(numbers(&read(&store))[..2], [Some(1); 2]);
}

#[test]
fn mirrors_are_distinct_few_and_new() {
    let (scratch, other) = (filled(0), filled(0));
    let open = |path: PathBuf| scratch.builder(0).mirror(path).open().unwrap_err().problem();
    assert_eq!(open(scratch.join("main")), Problem::PlaceTwice);
    let store = scratch.builder(0).open().unwrap();
    store.copy_to(scratch.join("copy"), &at(1), &record(1), &[]).unwrap();
    assert_eq!(open(scratch.join("copy")), Problem::PlaceTwice, "a copy stands in for its original");
    let attach = |path: PathBuf| attach(&store, path);
    assert_eq!(attach(other.join("main")).unwrap_err().problem(), Problem::Occupied);
    for n in 0..3 {
        attach(scratch.join(&format!("m{n}"))).unwrap();
    }
    assert_eq!(attach(scratch.join("m3")).unwrap_err().problem(), Problem::TooManyMirrors);
    assert_eq!(scratch.builder(4).create().unwrap_err().problem(), Problem::TooManyMirrors);
    assert_eq!(scratch.builder(4).open().unwrap_err().problem(), Problem::TooManyMirrors);
}

#[test]
fn everything_made_is_the_owners_alone() {
    let scratch = filled(1);
    let store = scratch.builder(1).open().unwrap();
    store.sweep(&HashSet::new(), 1, Duration::from_secs(60)).unwrap();
    for file in files(scratch.path()) {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
    for dir in ["main", "main/root", "main/pages", "mirror0", "mirror0/root", "mirror0/pages"] {
        assert_eq!(fs::metadata(scratch.join(dir)).unwrap().permissions().mode() & 0o777, 0o700, "{dir}");
    }
    let tag = fs::read_to_string(scratch.join("main/root/CACHEDIR.TAG")).unwrap();
    assert!(tag.starts_with("Signature: 8a477f597d28d172789f06886806bc55"));
}

#[test]
fn what_others_may_read_or_own_is_refused() {
    let scratch = filled(0);
    let private = ["main/root", "main/pages", "main/root/place", "main/root/slot-a", "main/root/slot-b"];
    for name in private.into_iter().chain(["main/pages/mark"]) {
        let path = scratch.join(name);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        for more in [0o040, 0o004, 0o020, 0o001] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode | more)).unwrap();
            names_it(&scratch.builder(0).open().unwrap_err(), Problem::TooOpen, &path);
            names_it(&scratch.builder(0).create().unwrap_err(), Problem::TooOpen, &path);
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        if rustix::process::geteuid().is_root() {
            chown(&path, Some(12345), None).unwrap();
            names_it(&scratch.builder(0).open().unwrap_err(), Problem::ForeignOwner, &path);
            chown(&path, Some(0), None).unwrap();
        }
    }
    // The directory around them may be looked at, not changed.
    let base = scratch.join("main");
    fs::set_permissions(&base, fs::Permissions::from_mode(0o755)).unwrap();
    scratch.builder(0).open().unwrap();
    fs::set_permissions(&base, fs::Permissions::from_mode(0o775)).unwrap();
    names_it(&scratch.builder(0).open().unwrap_err(), Problem::TooOpen, &base);
}

#[test]
fn somebody_elses_directory_is_left_alone() {
    for name in ["notes.txt", "root/notes.txt", "pages/notes.txt"] {
        let scratch = Scratch::new();
        let path = scratch.join("main").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "mine").unwrap();
        names_it(&scratch.builder(0).create().unwrap_err(), Problem::NotAVault, &path);
        assert_eq!(files(scratch.path()), std::slice::from_ref(&path), "nothing was added");
        assert!(!scratch.builder(0).exists().unwrap());
    }
    let scratch = Scratch::new();
    fs::write(scratch.join("main"), "a file").unwrap();
    names_it(&scratch.builder(0).create().unwrap_err(), Problem::NotAVault, &scratch.join("main"));
    fs::remove_file(scratch.join("main")).unwrap();
    fs::create_dir(scratch.join("main")).unwrap();
    scratch.builder(0).create().expect("an empty directory will do");
}

#[test]
fn a_read_without_the_lock_never_sees_half_a_commit() {
    let scratch = filled(1);
    let store = scratch.builder(1).open().unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let reader = scratch.builder(1).open().unwrap();
            let mut last = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let (_, n) = newest(&read(&reader)).expect("a whole copy is always there");
                assert!(n >= last, "{n} after {last}");
                last = n;
            }
        });
        for n in 2..80 {
            let mut lock = lock(&store).unwrap();
            assert!(numbers(&read(&store)).iter().all(|found| *found == Some(n - 1)));
            overwrite(&store, &mut *lock, n).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
