//! What the journal costs: `cargo test --release --features testing --test journalled -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use oubliette::VaultBuilder;
use oubliette::store::Directory;

use super::support::*;

#[test]
#[ignore = "a measurement"]
fn a_shred_with_and_without() {
    let times = |mirrored: bool, with: bool| -> Duration {
        let scratch = Scratch::new();
        let one_place = || VaultBuilder::in_directory(Directory::at(scratch.at("main"))).purposes([ORDERS, NEWS]);
        let builder = if mirrored { scratch.bare() } else { one_place() };
        let builder = if with { builder.journal(scratch.journal()) } else { builder };
        let vault = builder.create(key()).unwrap();
        let customers: Vec<_> = (0..60).map(|_| vault.enroll().unwrap()).collect();
        let mut times: Vec<Duration> = customers
            .iter()
            .map(|customer| {
                let begun = Instant::now();
                let _ = vault.shred([*customer]).unwrap();
                begun.elapsed()
            })
            .collect();
        times.sort();
        times[times.len() / 2]
    };
    for mirrored in [false, true] {
        let (without, with) = (times(mirrored, false), times(mirrored, true));
        let ratio = with.as_secs_f64() / without.as_secs_f64();
        println!("mirrored {mirrored}: median shred {without:?} without, {with:?} with: {ratio:.2} times");
        assert!(with < without * 3);
    }
}

/// A year of a busy application: `... -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn unlocking_with_a_long_journal() {
    let scratch = Scratch::new();
    let vault = scratch.vault().create(key()).unwrap();
    let public = vault.public_key().unwrap();
    let customers: Vec<_> = (0..50_000).map(|_| vault.enroll().unwrap()).collect();
    // A reason each, so that each has an entry and an outcome.
    for (at, customers) in customers.chunks(5_000).enumerate() {
        let pending: Vec<_> = customers
            .iter()
            .enumerate()
            .map(|(n, customer)| {
                let why = oubliette::journal::Reason::new(format!("request {at}-{n}")).unwrap();
                vault.shredding([*customer]).reason(why).start()
            })
            .collect();
        for pending in pending {
            super::together::wait(pending).unwrap();
        }
    }
    vault.close().unwrap();
    let begun = Instant::now();
    scratch.bare().unlock(key()).unwrap().close().unwrap();
    let without = begun.elapsed();
    let begun = Instant::now();
    let vault = scratch.vault().unlock(key()).unwrap();
    let with = begun.elapsed();
    let begun = Instant::now();
    let _ = vault.shred([customers[0]]).unwrap();
    let shred = begun.elapsed();
    let begun = Instant::now();
    let entries = scratch.verify(&public).entries;
    println!(
        "{entries} entries: unlock {with:?}, {without:?} without; a shred {shred:?}; verify {:?}",
        begun.elapsed()
    );
    assert!(with < Duration::from_secs(10));
}
