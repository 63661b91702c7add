//! What the journal costs: `cargo test --release --features journal,testing --test journalled -- --ignored --nocapture`.

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
