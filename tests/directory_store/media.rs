//! A full disk and a read-only mount, real ones.
//!
//! Mounting needs the superuser: as anyone else these are reported as ignored, with the reason.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use oubliette::store::{Directory, PageStore, Problem};

use super::support::*;

fn mount(arguments: &[&str], at: &Path) {
    let status = Command::new("mount").args(arguments).arg(at).status().unwrap();
    assert!(status.success(), "mount {arguments:?} was refused");
}

/// A small file system of its own, unmounted at the end.
struct Mounted(Scratch);

impl Mounted {
    fn new() -> Mounted {
        let scratch = Scratch::new();
        mount(&["-t", "tmpfs", "-o", "size=256k,mode=700", "oubliette-test"], scratch.path());
        Mounted(scratch)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn the_superuser_runs_those_that_mount() {
    if !rustix::process::geteuid().is_root() {
        return; // the two below are listed as ignored
    }
    for test in
        ["directory_store::media::a_full_disk_loses_nothing", "directory_store::media::a_read_only_mount_can_be_read"]
    {
        let exe = std::env::current_exe().unwrap();
        let output = Command::new(exe).args(["--exact", test, "--ignored"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }
}

#[test]
#[ignore = "mounts a file system, which needs the superuser; run by `the_superuser_runs_those_that_mount`"]
fn a_full_disk_loses_nothing() {
    let mounted = Mounted::new();
    let builder = mounted.0.builder(0);
    let store = builder.create().unwrap();
    let mut generation = 0;
    let mut put = 0;
    let error = loop {
        match store.put(&at(generation + 1), &pages(put..put + 5)) {
            Ok(()) => {
                generation += 1;
                put += 5;
                write(&store, generation).unwrap();
            }
            Err(error) => break error,
        }
    };
    assert_eq!(error.problem(), Problem::Full, "{error:?}");
    assert!(error.location().contains("/pages/") && error.to_string().contains("no space"), "{error}");
    assert!(generation > 2, "{generation}");
    // The rest of the space too, down to the last byte.
    let mut left = std::fs::File::create(mounted.0.join("filler")).unwrap();
    while std::io::Write::write(&mut left, &[0; 512]).is_ok_and(|n| n > 0) {}
    assert_eq!(store.put(&at(generation + 1), &pages(put..put + 1)).unwrap_err().problem(), Problem::Full);
    // What is overwritten in place needs no space: a record and a mark still go through.
    store.put(&at(generation + 1), &[]).unwrap();
    write(&store, generation + 1).unwrap();
    let again = builder.open().unwrap();
    assert_eq!(numbers(&read(&again)), [Some(generation + 1); 2]);
    for n in 0..put {
        assert_eq!(again.get(&name(n)).unwrap().unwrap(), page(n).bytes);
    }
    // A sweep that finds nothing to remove first needs space, says so, and loses nothing.
    let error = again.sweep(&(0..put).step_by(5).map(name).collect(), generation, Duration::ZERO).unwrap_err();
    assert_eq!(error.problem(), Problem::Full, "{error:?}");
    assert!((0..put).all(|n| again.get(&name(n)).unwrap().is_some()));
    // One that finds something makes its own room.
    let live: std::collections::HashSet<_> = (0..put).step_by(10).map(name).collect();
    again.sweep(&live, generation, Duration::ZERO).unwrap();
    assert_eq!(again.usage().unwrap().pages, live.len() as u64);
    commit(&again, generation + 2, &pages(put..put + 5)).unwrap();
    let leftovers = files(mounted.0.path()).iter().filter(|path| path.extension() == Some("tmp".as_ref())).count();
    assert_eq!(leftovers, 0, "no half of a file is left");
}

#[test]
#[ignore = "mounts a file system, which needs the superuser; run by `the_superuser_runs_those_that_mount`"]
fn a_read_only_mount_can_be_read() {
    let mounted = Mounted::new();
    let builder = mounted.0.builder(0);
    commit(&builder.create().unwrap(), 1, &pages(0..5)).unwrap();
    mount(&["-o", "remount,ro"], mounted.0.path());
    assert!(builder.exists().unwrap());
    let store = builder.open().unwrap();
    assert_eq!(numbers(&read(&store)), [Some(1); 2]);
    assert_eq!((store.mark().unwrap().generation, store.usage().unwrap().pages), (1, 5));
    assert_eq!(store.get(&name(3)).unwrap().unwrap(), page(3).bytes);
    assert_eq!(write(&store, 2).unwrap_err().problem(), Problem::ReadOnly);
    assert_eq!(store.put(&at(2), &pages(5..6)).unwrap_err().problem(), Problem::ReadOnly);
    assert_eq!(store.put(&at(2), &[]).unwrap_err().problem(), Problem::ReadOnly);
    assert_eq!(store.sweep(&[].into(), 1, Duration::ZERO).unwrap_err().problem(), Problem::ReadOnly);
    let fresh = Directory::at(mounted.0.join("fresh"));
    assert_eq!(fresh.create().unwrap_err().problem(), Problem::ReadOnly);
    mount(&["-o", "remount,rw"], mounted.0.path());
    commit(&store, 2, &pages(5..6)).unwrap();
}
