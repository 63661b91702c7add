//! The game of the crate's promise: an adversary gets everything ever written but root records from before the last
//! shred, and learns nothing of the shredded, while everybody else stays readable.

#[cfg(planted)]
mod planted;
mod world;

use crate::attack::Effort;
use world::{Scale, World};

/// One history alone, to look closer at: `OUBLIETTE_SEED=17 cargo test --test histories game`.
fn seeds(count: u64) -> std::ops::Range<u64> {
    match std::env::var("OUBLIETTE_SEED").map(|seed| seed.parse::<u64>().unwrap()) {
        Ok(seed) => seed..seed + 1,
        Err(_) => 0..count,
    }
}

fn play(seeds: std::ops::Range<u64>, scale: Scale, effort: Effort) -> (usize, usize) {
    let (mut survivors, mut victims) = (0, 0);
    for seed in seeds {
        let mut world = World::new(seed, scale);
        world.play();
        world.attack(effort).unwrap_or_else(|won| panic!("seed {seed}: {won}"));
        world.restore_backups();
        survivors += world.survivors;
        victims += world.victims;
    }
    (survivors, victims)
}

#[test]
fn the_adversary_opens_all_survivors_and_nobody_who_was_shredded() {
    let (survivors, victims) = play(seeds(240), Scale { steps: 30, wave: 20, leaps: true }, Effort::Knowing);
    assert!(victims > 1000 && survivors > 1000, "{victims} shredded and {survivors} living values say little");
}

#[test]
fn neither_after_long_histories() {
    let (survivors, victims) = play(seeds(6), Scale { steps: 250, wave: 300, leaps: false }, Effort::Knowing);
    assert!(victims > 150 && survivors > 150, "{victims} shredded and {survivors} living values say little");
}

/// A key that was found is tried as the seed of any level of any tree, too.
#[test]
fn nor_by_trying_every_key_everywhere() {
    let (survivors, victims) = play(1000..1012, Scale { steps: 14, wave: 6, leaps: true }, Effort::Exhaustive);
    assert!(victims > 20 && survivors > 20, "{victims} shredded and {survivors} living values say little");
}
