//! Bugs planted in the crate (`.ci/planted`). The game must see every one of them, or it shows nothing.

use oubliette::planted::{Bug, plant};
use oubliette::store::Problem;
use oubliette::{KeyStoreError, ShredError};

use super::world::{Scale, World};
use crate::attack::Effort;

/// A few customers who have written much, so that hardly a shred meets nobody.
fn world(seed: u64) -> World {
    let mut world = World::new(seed, Scale { steps: 0, wave: 4, leaps: false });
    (0..4).for_each(|_| world.enroll());
    (0..20).for_each(|_| world.seal());
    world
}

/// In how many of 20 histories the adversary wins, when `work` is done under a bug and without it.
fn wins(bug: Bug, before: impl Fn(&mut World), work: impl Fn(&mut World)) -> (usize, usize) {
    let won = |bug| {
        (0..20)
            .filter(|seed| {
                let mut world = world(*seed);
                before(&mut world);
                plant(bug);
                work(&mut world);
                plant(None);
                let lost = world.attack(Effort::Knowing);
                let other = lost.as_ref().err().filter(|won| !won.contains("was shredded"));
                assert!(other.is_none(), "no survivor is lost by any of these: {other:?}");
                lost.is_err()
            })
            .count()
    };
    (won(Some(bug)), won(None))
}

#[test]
fn a_root_page_key_carried_over_from_before_is_seen() {
    let (with, without) = wins(Bug::StaleRootKey, |_| (), |world| world.shred(None));
    assert!(with > 10 && without == 0, "{with}, {without}");
    // Not the first shred of a tree either.
    let (with, without) = wins(Bug::StaleRootKey, |world| world.shred(Some(0)), |world| world.shred(None));
    assert!(with > 10 && without == 0, "{with}, {without}");
}

#[test]
fn a_key_left_in_a_page_is_seen() {
    let (with, without) = wins(Bug::SeedLeft, |_| (), |world| world.shred(None));
    assert!(with > 10 && without == 0, "{with}, {without}");
}

#[test]
fn a_tree_that_was_left_out_is_seen() {
    let (with, without) = wins(Bug::OneTreeOnly, |_| (), |world| (0..2).for_each(|_| world.shred(None)));
    assert!(with > 10 && without == 0, "{with}, {without}");
}

#[test]
fn a_new_tree_in_which_the_shredded_live_on_is_seen() {
    let shred = |world: &mut World| (0..5).for_each(|_| world.shred(None));
    let add_and_seal = |world: &mut World| {
        world.add_purpose();
        (0..40).for_each(|_| world.seal());
    };
    let (with, without) = wins(Bug::NewTreeForgets, shred, |world| {
        // Sealing asserts that the vault refuses the shredded; with the bug it does not.
        add_and_seal(world);
    });
    assert!(with > 10 && without == 0, "{with}, {without}");
}

/// Under a key used twice, the old version of a page opens with the key of the new one.
#[test]
fn a_page_key_used_twice_is_refused_and_else_seen() {
    let mut won = 0;
    for seed in 0..20 {
        let mut world = world(seed);
        plant(Some(Bug::ReusedPageKey));
        let mut refused = None;
        for _ in 0..10 {
            refused = refused.or(world.try_shred(None).err());
        }
        plant(None);
        let refused = refused.expect("two versions of the root page have one name");
        let ShredError::NothingHappened(KeyStoreError::Store(cause)) = &refused else { panic!("{refused:?}") };
        assert_eq!(cause.problem(), Problem::PageExists);
        world.attack(Effort::Knowing).unwrap();

        // A store that had forgotten the first version, or did not look: backups have it.
        plant(Some(Bug::ReusedPageKey));
        for _ in 0..4 {
            for name in world.test.memory().page_names() {
                world.test.memory().lose_page(&name);
            }
            // Only the instance that made the pages still has them.
            let _ = world.try_shred(None);
        }
        plant(None);
        won += usize::from(world.attack(Effort::Knowing).is_err_and(|won| won.contains("was shredded")));
    }
    assert!(won > 5, "{won}");
}
