//! Rules 7 and 12 after a real fork: the child waits for no lock of the parent's, and hands out no number of its block.
#![allow(unsafe_code)]

use std::io::Read;
use std::os::fd::FromRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oubliette::{CustomerId, KeyStoreError, OpenError, Sealed, Vault, personal::Email};

use super::support::*;

/// What the child reports: a line of words; it is killed after twenty seconds.
fn in_child(work: impl FnOnce() -> String) -> String {
    let mut ends = [0; 2];
    // SAFETY: plain system calls; the child ends in `_exit` and unwinds nothing of the parent's.
    let child = unsafe {
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        libc::fork()
    };
    if child == 0 {
        // SAFETY: as above.
        unsafe {
            libc::alarm(20);
            let said = work();
            libc::write(ends[1], said.as_ptr().cast(), said.len());
            libc::_exit(0);
        }
    }
    // SAFETY: both ends are ours, and closed once.
    let mut out = unsafe {
        libc::close(ends[1]);
        std::fs::File::from_raw_fd(ends[0])
    };
    let mut said = String::new();
    out.read_to_string(&mut said).unwrap();
    let mut status = 0;
    // SAFETY: our own child.
    unsafe { libc::waitpid(child, &mut status, 0) };
    assert!(status == 0, "the child ended with {status}: it waited for a lock that nobody holds");
    said
}

fn work(vault: &Vault, keys: &oubliette::CustomerKeys, bob: CustomerId, b: &Sealed<Email>) -> String {
    if !matches!(keys.open(EMAIL, b), Err(OpenError::KeyStore(KeyStoreError::Forked))) {
        return "the parent's handle opened".to_owned();
    }
    match vault.open(bob, EMAIL, b) {
        Ok(_) => {}
        Err(OpenError::KeyStore(KeyStoreError::Forked)) => return "busy".to_owned(),
        Err(error) => return format!("open: {error:?}"),
    }
    let numbers: Result<Vec<String>, _> = (0..3).map(|_| vault.enroll().map(|number| number.to_string())).collect();
    numbers.map_or_else(|error| format!("enroll: {error:?}"), |numbers| numbers.join(" "))
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_forked_child_begins_anew() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let (bob, b) = enroll(&vault);
    let keys = vault.customer(bob);
    let mut issued: Vec<CustomerId> = (0..5).map(|_| vault.enroll().unwrap()).collect();
    assert!(keys.open(EMAIL, &b).is_ok());
    let (stop, mut anew) = (AtomicBool::new(false), 0);
    for busy in [false, true] {
        stop.store(!busy, Ordering::Relaxed);
        std::thread::scope(|scope| {
            // Commits and readers hold every lock there is at some time.
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let (customer, sealed) = enroll(&vault);
                        let _ = vault.shred([customer]).unwrap();
                        assert!(keys.open(EMAIL, &b).is_ok() && vault.open(customer, EMAIL, &sealed).is_err());
                    }
                });
            }
            // A failure must end the others too, or the scope waits for ever.
            let _stop = Stop(&stop);
            for _ in 0..8 {
                let said = in_child(|| work(&vault, &keys, bob, &b));
                if said != "busy" {
                    let numbers = said.split(' ').map(|number| number.parse::<CustomerId>().expect(&said));
                    issued.extend(numbers.collect::<Vec<CustomerId>>());
                    anew += 1;
                }
                issued.push(vault.enroll().unwrap());
                // Idle: long enough for a refill to be done.
                std::thread::sleep(Duration::from_millis(if busy { 7 } else { 60 }));
            }
        });
    }
    assert!(anew >= 4, "with nothing under way, a child can go on");
    let count = issued.len();
    issued.sort_unstable();
    issued.dedup();
    assert_eq!(issued.len(), count, "a number was issued twice");
    assert!(keys.open(EMAIL, &b).is_ok(), "the parent goes on");
}
