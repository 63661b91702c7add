//! Which place decides, and which loss stops what: the table in ARCHITECTURE.md, row by row. Two machines are two sets of links to the same
//! directories, which can be cut.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Instant;

use oubliette::store::{Directory, PlaceId, Problem, RootStore};
use oubliette::testing::{Steps, Stop};
use oubliette::{KeyStoreError, OpenError, SealError, ShredError, Vault, VaultBuilder};

use super::support::*;

/// A machine that sees some of the places: `main`, `mirror`, `third`.
pub(super) struct Machine<'s> {
    scratch: &'s Scratch,
    name: &'static str,
}

impl<'s> Machine<'s> {
    pub(super) fn of(scratch: &'s Scratch, name: &'static str) -> Machine<'s> {
        fs::create_dir(scratch.join(name)).unwrap();
        Machine { scratch, name }
    }

    pub(super) fn path(&self, place: &str) -> PathBuf {
        self.scratch.join(self.name).join(place)
    }

    pub(super) fn sees(&self, place: &str) {
        symlink(self.scratch.join(place), self.path(place)).unwrap();
    }

    pub(super) fn loses(&self, place: &str) {
        fs::remove_file(self.path(place)).unwrap();
    }

    pub(super) fn at(&self, place: &str) -> VaultBuilder {
        at(&self.path(place))
    }
}

/// A vault in `main` with a mirror in `mirror`.
pub(super) fn mirrored(scratch: &Scratch) {
    scratch.vault().mirror(scratch.join("mirror")).create(key()).unwrap().close().unwrap();
}

pub(super) fn id(path: PathBuf) -> PlaceId {
    Directory::at(path).open().unwrap().places()[0]
}

fn first_is_away(error: &KeyStoreError) -> bool {
    match error {
        KeyStoreError::FirstPlaceAway { .. } => true,
        KeyStoreError::LeaseLost { source: Some(source), .. } => first_is_away(source),
        _ => false,
    }
}

/// Row "a process is cut off from the first place": it stops in one lease, whatever mirrors it sees. A mirror renews nothing: it may have been
/// left behind.
#[test]
fn who_sees_only_mirrors_stops_in_one_lease() {
    let scratch = Scratch::new();
    mirrored(&scratch);
    let (a, b) = (Machine::of(&scratch, "a"), Machine::of(&scratch, "b"));
    a.sees("main");
    a.sees("mirror");
    b.sees("mirror");
    let vault = a.at("main").mirror(a.path("mirror")).unlock(key()).unwrap();
    let (alice, sealed) = enroll(&vault);
    let refused = b.at("mirror").unlock(key()).unwrap_err();
    assert!(told(&refused).contains("promote a mirror"), "{}", told(&refused));

    let cut = Instant::now();
    a.loses("main");
    eventually("it stops", || match vault.open(alice, EMAIL, &sealed) {
        Ok(_) => false,
        Err(OpenError::KeyStore(error)) => first_is_away(&error),
        Err(error) => panic!("{error:?}"),
    });
    assert!(cut.elapsed() < LEASE * 20, "{:?}", cut.elapsed());
    assert!(matches!(vault.seal(alice, EMAIL, &email("a@example.com")), Err(SealError::KeyStore(_))));
    assert!(matches!(vault.shred([alice]), Err(ShredError::NothingHappened(_))));
    assert!(!vault.health().ready);
    // It comes back.
    a.sees("main");
    eventually("it goes on", || vault.open(alice, EMAIL, &sealed).is_ok());
    let _ = vault.shred([alice]).unwrap();
}

/// Row "a mirror is away": values are opened and sealed; shreds are refused, and name it; it comes back, or is detached.
#[test]
fn without_a_mirror_values_are_read_and_nobody_is_shredded() {
    let scratch = Scratch::new();
    mirrored(&scratch);
    let vault = scratch.vault().mirror(scratch.join("mirror")).unlock(key()).unwrap();
    let (alice, a) = enroll(&vault);
    let (bob, b) = enroll(&vault);
    let mirror = vault.status().unwrap().places[1];
    fs::rename(scratch.join("mirror"), scratch.join("away")).unwrap();
    std::thread::sleep(LEASE * 3);
    assert!(vault.open(alice, EMAIL, &a).is_ok());
    assert!(vault.seal(alice, EMAIL, &email("a@example.com")).is_ok());
    let error = vault.shred([alice]).unwrap_err();
    assert!(matches!(error, ShredError::NothingHappened(_)) && told(&error).contains("mirror"), "{}", told(&error));
    fs::rename(scratch.join("away"), scratch.join("mirror")).unwrap();
    let _ = vault.shred([alice]).unwrap();
    // Again, and this time for good: it is given up while it is away.
    fs::rename(scratch.join("mirror"), scratch.join("away")).unwrap();
    vault.detach_mirror(mirror).unwrap();
    let _ = vault.shred([bob]).unwrap();
    // It comes back as it was, and undoes nothing.
    fs::rename(scratch.join("away"), scratch.join("mirror")).unwrap();
    vault.close().unwrap();
    let vault = scratch.vault().mirror(scratch.join("mirror")).unlock(key()).unwrap();
    for (customer, sealed) in [(alice, &a), (bob, &b)] {
        assert!(matches!(vault.open(customer, EMAIL, sealed), Err(OpenError::Shredded { .. })));
    }
    assert_eq!(vault.status().unwrap().unlisted, [mirror]);
}

/// The first disk is to be replaced: hand over, then detach what was first. Others follow while they run.
#[test]
fn the_first_place_is_handed_over() {
    let scratch = Scratch::new();
    mirrored(&scratch);
    let open = || scratch.vault().mirror(scratch.join("mirror")).unlock(key()).unwrap();
    let (vault, other) = (open(), open());
    let (alice, a) = enroll(&vault);
    let places = vault.status().unwrap().places;
    let refused = vault.detach_mirror(places[0]).unwrap_err();
    assert!(matches!(refused, KeyStoreError::FirstPlace { place } if place == places[0]), "{refused:?}");
    vault.hand_over(places[1]).unwrap();
    assert_eq!(vault.status().unwrap().places, [places[1], places[0]]);
    let path = vault.detach_mirror(places[0]).unwrap();
    assert_eq!(path, Some(scratch.join("main").join("root")), "what is to be destroyed");
    fs::remove_dir_all(scratch.join("main")).unwrap();
    let _ = vault.shred([alice]).unwrap();
    eventually("the other one follows", || matches!(other.open(alice, EMAIL, &a), Err(OpenError::Shredded { .. })));
    let (bob, b) = enroll(&other);
    let _ = other.shred([bob]).unwrap();
    vault.close().unwrap();
    other.close().unwrap();
    let vault = at(&scratch.join("mirror")).unlock(key()).unwrap();
    assert!(matches!(vault.open(bob, EMAIL, &b), Err(OpenError::Shredded { .. })));
    assert!(vault.status().unwrap().has_no_mirror());
}

/// A process that runs learns of a mirror that another one attaches, and of one that another one detaches.
#[test]
fn a_running_process_follows_the_list() {
    let scratch = Scratch::new();
    scratch.vault().create(key()).unwrap().close().unwrap();
    let open = || scratch.vault().unlock(key()).unwrap();
    let (vault, other) = (open(), open());
    let (alice, _) = enroll(&vault);
    let (bob, b) = enroll(&vault);
    let mirror = vault.attach_mirror(scratch.join("mirror"), &mut |_, _| ()).unwrap();
    let _ = other.shred([alice]).unwrap();
    let slots = |place: &str| fs::read(scratch.join(place).join("root/slot-a")).unwrap();
    assert_eq!(slots("main"), slots("mirror"), "its shred reached the new mirror");
    assert_eq!(other.status().unwrap().places.len(), 2);
    // One that starts later finds it too, though it was not named.
    let late = open();
    let _ = late.shred([late.enroll().unwrap()]).unwrap();
    assert_eq!(slots("main"), slots("mirror"));
    vault.detach_mirror(mirror).unwrap();
    fs::remove_dir_all(scratch.join("mirror")).unwrap();
    let _ = other.shred([bob]).unwrap();
    assert!(
        matches!(late.open(bob, EMAIL, &b), Err(OpenError::Shredded { .. })) || {
            late.refresh().unwrap();
            matches!(late.open(bob, EMAIL, &b), Err(OpenError::Shredded { .. }))
        }
    );
}

/// A copy of the directory, files and all, is used elsewhere: its hints lead to the original's mirror, which it neither reads nor writes. It goes on once
/// it has given the mirror up.
#[test]
fn a_copy_leaves_its_originals_mirror_alone() {
    for says_so in [true, false] {
        let scratch = Scratch::new();
        let vault = scratch.vault().create(key()).unwrap();
        let mirror = vault.attach_mirror(scratch.join("mirror"), &mut |_, _| ()).unwrap();
        let (alice, a) = enroll(&vault);
        let _ = vault.sweep().unwrap();
        copy(&scratch.join("main"), &scratch.join("copy"));
        let hint = scratch.join("copy/root/mirrors");
        if says_so {
            // Even where the hint seems to be of this place.
            let text = fs::read_to_string(&hint).unwrap().replace("/main/", "/copy/");
            fs::write(&hint, text).unwrap();
        }
        let builder = || at(&scratch.join("copy"));
        let used = if says_so { builder().as_copy() } else { builder() }.unlock(key()).unwrap();
        let before = contents(&scratch.join("mirror"));
        assert!(used.shred([alice]).is_err() && used.enroll().is_err());
        assert_eq!(contents(&scratch.join("mirror")), before);
        assert!(used.open(alice, EMAIL, &a).is_ok());
        used.detach_mirror(mirror).unwrap();
        let _ = used.shred([alice]).unwrap();
        assert_eq!(contents(&scratch.join("mirror")), before);
        assert!(vault.open(alice, EMAIL, &a).is_ok());
        let _ = vault.shred([alice]).unwrap();
        assert!(vault.health().ready);
    }
}

/// What a process leaves for others is a hint: a path that leads elsewhere is not used, and then commits say which place is missing.
#[test]
fn a_hint_that_leads_elsewhere_is_not_believed() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let mirror = vault.attach_mirror(scratch.join("mirror"), &mut |_, _| ()).unwrap();
    vault.close().unwrap();
    let another = at(&scratch.join("another")).create(key()).unwrap();
    another.close().unwrap();
    let before = contents(&scratch.join("another"));
    let hint = scratch.join("main/root/mirrors");
    let real = |name: &str| fs::canonicalize(scratch.join(name)).unwrap().display().to_string();
    let at_main = format!("at {}\n", real("main/root"));
    assert_eq!(fs::read_to_string(&hint).unwrap(), format!("{at_main}{mirror} {}\n", real("mirror")));
    let elsewhere = scratch.join("another").display().to_string();
    for text in [
        format!("{at_main}{mirror} {elsewhere}\n"),
        format!("{at_main}{mirror} mirror\n"),
        String::new(),
        "no hint\n".repeat(9000),
    ] {
        fs::write(&hint, text).unwrap();
        let vault = scratch.vault().unlock(key()).unwrap();
        let (alice, _) = (number(1), ());
        let refused = vault.shred([alice]).unwrap_err();
        let ShredError::NothingHappened(cause) = &refused else { panic!("{refused:?}") };
        let names_it = match cause {
            KeyStoreError::PlaceMissing { place, .. } => *place == mirror,
            KeyStoreError::Store(error) => error.problem() == Problem::UnknownPlace,
            _ => false,
        };
        assert!(names_it, "{refused:?}");
        vault.close().unwrap();
    }
    assert_eq!(contents(&scratch.join("another")), before);
    // Named, it is found.
    let vault = scratch.vault().mirror(scratch.join("mirror")).unlock(key()).unwrap();
    assert!(vault.enroll().is_ok());
}

/// Three places, of which two are lost, or the first alone.
#[test]
fn of_three_places_any_one_goes_on() {
    for lost in [vec!["main"], vec!["main", "mirror"], vec!["main", "third"]] {
        let scratch = Scratch::new();
        let builder = scratch.vault().mirror(scratch.join("mirror")).mirror(scratch.join("third"));
        let vault = builder.create(key()).unwrap();
        let (alice, a) = enroll(&vault);
        let (bob, b) = enroll(&vault);
        let _ = vault.shred([alice]).unwrap();
        vault.close().unwrap();
        let gone: Vec<PlaceId> = lost.iter().map(|place| id(scratch.join(place))).collect();
        lost.iter().for_each(|place| fs::remove_dir_all(scratch.join(place)).unwrap());
        let left: Vec<&str> = ["mirror", "third"].into_iter().filter(|place| !lost.contains(place)).collect();
        let builder = || {
            let first = at(&scratch.join(left[left.len() - 1]));
            left[..left.len() - 1].iter().fold(first, |builder, place| builder.mirror(scratch.join(place)))
        };
        let vault: Vault = builder().promote(key(), gone).unwrap();
        assert!(matches!(vault.open(alice, EMAIL, &a), Err(OpenError::Shredded { .. })));
        assert!(vault.open(bob, EMAIL, &b).is_ok());
        let listed = vault.status().unwrap().places;
        assert_eq!(listed[0], id(scratch.join(left[left.len() - 1])), "the one that was named first");
        assert_eq!(listed.len(), left.len());
        let _ = vault.shred([bob]).unwrap();
        vault.close().unwrap();
        assert!(builder().unlock(key()).unwrap().enroll().is_ok());
    }
}

/// A shred is in the first place, obeyed by everybody, and not in the mirror yet. Then the first place cannot be read for once, in whatever
/// commit: that is no torn place, and must not be overwritten with what the mirror has.
#[test]
fn a_place_that_cannot_be_read_is_not_taken_for_torn() {
    let scratch = Scratch::new();
    let long = std::time::Duration::from_secs(60);
    scratch.vault().lease(long).mirror(scratch.join("mirror")).create(key()).unwrap().close().unwrap();
    let steps = Steps::new();
    let layout = Directory::at(scratch.join("main")).mirror(scratch.join("mirror")).steps(&steps);
    let vault = VaultBuilder::in_directory(layout).purposes([ORDERS, NEWS]).unlock(key()).unwrap();
    let rows: Vec<_> = (0..60).map(|_| enroll(&vault)).collect();
    let gone = (1..).zip(&rows).find(|(step, row)| {
        steps.stop_at(*step, Stop::Fail(Problem::Io));
        let shredded = vault.shred([row.0]);
        steps.reset();
        matches!(shredded, Err(ShredError::OldCopyRemains(KeyStoreError::NotInEveryPlace { .. })))
    });
    let (_, (alice, sealed)) = gone.expect("the mirror's first slot");
    for read in 1..40 {
        steps.fail_read_at(read, Problem::Io);
        let swept = vault.sweep();
        steps.reset();
        let opened = vault.open(*alice, EMAIL, sealed);
        assert!(matches!(opened, Err(OpenError::Shredded { .. })), "read {read}, {swept:?}: {opened:?}");
    }
    vault.close().unwrap();
    let vault = scratch.vault().mirror(scratch.join("mirror")).unlock(key()).unwrap();
    assert!(matches!(vault.open(*alice, EMAIL, sealed), Err(OpenError::Shredded { .. })));
}

/// Another vault's directory lies at a mirror's path for a while, with a higher generation and another root key. The process stops, since two
/// histories are there; and goes on when that is put right: its root key is still the right one.
#[test]
fn a_foreign_directory_in_a_mirrors_stead_takes_no_keys_away() {
    let scratch = Scratch::new();
    mirrored(&scratch);
    let foreign = at(&scratch.join("foreign")).create(new_key()).unwrap();
    for _ in 0..4 {
        let _ = foreign.shred([foreign.enroll().unwrap()]).unwrap();
    }
    foreign.close().unwrap();
    let vault = scratch.vault().mirror(scratch.join("mirror")).unlock(key()).unwrap();
    let (alice, a) = enroll(&vault);
    // What it commits by itself is done by then: a commit that has begun goes on in whatever lies at the path.
    let _ = vault.sweep().unwrap();
    fs::rename(scratch.join("mirror"), scratch.join("away")).unwrap();
    fs::rename(scratch.join("foreign"), scratch.join("mirror")).unwrap();
    let before = contents(&scratch.join("mirror"));
    std::thread::sleep(LEASE * 4);
    assert!(matches!(vault.shred([alice]), Err(ShredError::NothingHappened(_))));
    assert_eq!(contents(&scratch.join("mirror")), before, "not written to");
    fs::rename(scratch.join("mirror"), scratch.join("foreign")).unwrap();
    fs::rename(scratch.join("away"), scratch.join("mirror")).unwrap();
    eventually("it goes on", || vault.open(alice, EMAIL, &a).is_ok());
    let _ = vault.shred([alice]).unwrap();
}
