//! Several instances, processes and callers on one journal: one chain.

use std::time::Duration;

use oubliette::journal::{Ending, Event};

use super::support::*;

#[test]
fn instances_that_append_at_once_keep_one_chain() {
    let scratch = Scratch::new();
    let first = scratch.vault().create(key()).unwrap();
    let public = first.public_key().unwrap();
    let second = scratch.vault().unlock(key()).unwrap();
    let rows: Vec<Vec<Row>> = [&first, &second].map(|vault| (0..10).map(|_| enroll(vault)).collect()).into();
    std::thread::scope(|scope| {
        for (vault, rows) in [&first, &second].into_iter().zip(&rows) {
            scope.spawn(move || {
                for row in rows {
                    let _ = vault.shred([row.0]).unwrap();
                }
            });
        }
    });
    let deeds = scratch.deeds(&public);
    assert_eq!(deeds.len(), 20);
    assert!(deeds.iter().all(|(_, ending)| *ending == Some(Ending::Done)));
    assert_eq!(scratch.verify(&public).entries, 41);
    for vault in [&first, &second] {
        vault.refresh().unwrap();
        assert!(rows.iter().flatten().all(|row| alive(vault, row) == (false, false)));
    }
}

/// A shred shares its commit, and its entries, with all that came while the one before ran.
#[test]
fn concurrent_shreds_share_commits_and_entries() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let public = vault.public_key().unwrap();
    let customers: Vec<_> = (0..200).map(|_| vault.enroll().unwrap()).collect();
    let before = vault.generation().unwrap();
    let pending: Vec<_> = customers.iter().map(|customer| vault.shredding([*customer]).start()).collect();
    for pending in pending {
        let shredded = wait(pending).unwrap();
        assert!(shredded.already_shredded().is_empty());
    }
    let commits = vault.generation().unwrap() - before;
    assert!(commits <= 20, "{commits} commits");
    let deeds = scratch.deeds(&public);
    // One commit may have reserved numbers.
    assert!((1..=commits).contains(&(deeds.len() as u64)), "{} entries, {commits} commits", deeds.len());
    let numbers: u64 = deeds
        .iter()
        .map(|(event, _)| match event {
            Event::Shred { whom: oubliette::journal::Whom::Numbers(numbers), .. } => numbers.count(),
            other => panic!("{other:?}"),
        })
        .sum();
    assert_eq!(numbers, 200);
}

/// Reasons are not mixed up: an entry for each.
#[test]
fn each_reason_has_its_own_entry() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let public = vault.public_key().unwrap();
    let customers: Vec<_> = (0..30).map(|_| vault.enroll().unwrap()).collect();
    let reason = |n: usize| oubliette::journal::Reason::new(format!("reason {n}")).unwrap();
    let pending: Vec<_> = customers
        .iter()
        .enumerate()
        .map(|(n, customer)| (n, vault.shredding([*customer]).reason(reason(n % 3)).start()))
        .collect();
    for (_, pending) in pending {
        wait(pending).unwrap();
    }
    let mut found = 0;
    for (event, ending) in scratch.deeds(&public) {
        let Event::Shred { whom: oubliette::journal::Whom::Numbers(numbers), why: Some(why), .. } = event else {
            panic!()
        };
        assert_eq!(ending, Some(Ending::Done));
        for (n, customer) in customers.iter().enumerate().filter(|(_, customer)| numbers.contains(**customer)) {
            assert_eq!(why, reason(n % 3), "{customer}");
            found += 1;
        }
    }
    assert_eq!(found, 30);
}

pub fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A child goes on with a journal of its own view, and its parent reads what it wrote.
#[cfg(target_os = "linux")]
#[test]
#[allow(unsafe_code)] // a real fork
fn a_forked_child_writes_into_the_same_chain() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let public = vault.public_key().unwrap();
    let rows: Vec<Row> = (0..3).map(|_| enroll(&vault)).collect();
    let _ = vault.shred([rows[0].0]).unwrap();
    // SAFETY: the child only uses the vault, which starts over in it, and exits without unwinding.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let shredded = vault.shred([rows[1].0]).is_ok();
        // SAFETY: no destructor of the parent's may run here.
        unsafe { libc::_exit(i32::from(!shredded)) };
    }
    let mut status = 0;
    // SAFETY: waits for the child above.
    unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!(status, 0, "the child could not shred");
    let _ = vault.shred([rows[2].0]).unwrap();
    assert_eq!(scratch.verify(&public).entries, 7);
    assert!(rows.iter().all(|row| alive(&vault, row) == (false, false)));
}
