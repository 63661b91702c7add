//! Tests: derived nodes that are kept in memory, and what an attacker finds in them after a shred.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use proptest::prelude::*;

use super::derived::Derived;
use super::taken_over::read_anew;
use super::tests::{Shelf, TREE, VAULT, key, number, path, shred, untouched};
use super::*;
use crate::derivation::{self, Seed};
use crate::journal::Ranges;
use crate::secret::Secret32;

const FAR: u64 = 0x0102030405;

fn with_room(resident: &Arc<Resident>) -> Tree {
    Tree::untouched(VAULT, TREE, Seed(Secret32::copy_of(&[7; 32])), resident.clone())
}

fn levels(tree: &Tree, number: u64) -> Vec<u8> {
    let on_path = tree.derived().into_iter().filter(|(position, _)| position.is_above(number));
    on_path.map(|(position, _)| position.level()).collect()
}

fn nodes(tree: &Tree) -> Vec<(Position, Weak<Derived>)> {
    tree.derived().iter().map(|(position, node)| (*position, Arc::downgrade(node))).collect()
}

/// What whoever reads the memory makes of the seeds in it: each is tried as that of every level above a customer.
fn finds(tree: &Tree, number: u64, of: [u8; 32]) -> bool {
    let path = path(number);
    tree.derived().iter().any(|(_, node)| {
        (0..5).any(|level| {
            let mut key = *node.seed();
            for (byte, to) in path.into_iter().zip(1..).skip(level) {
                let parent = key;
                derivation::child(&parent, TREE, to, byte, &mut key);
            }
            key == of
        })
    })
}

#[test]
fn nodes_above_the_leaves_are_kept_and_shared() {
    let (shelf, tree) = (Shelf::default(), untouched());
    let first = key(&tree, 5, &shelf);
    assert_eq!(levels(&tree, 5), [0, 1, 2, 3]);
    let before = nodes(&tree);
    for number in [5, 6, 255, 256, 65_535] {
        assert!(key(&tree, number, &shelf).is_some());
    }
    assert_eq!(key(&tree, 5, &shelf), first);
    let still = nodes(&tree);
    assert!(still.len() == 4 && before.iter().zip(&still).all(|(a, b)| a.1.ptr_eq(&b.1)), "one path for all");
    assert!(key(&tree, 65_536, &shelf).is_some());
    assert_eq!(tree.derived().len(), 5, "and one node for each 65 536 customers");
    assert!(finds(&tree, 5, first.unwrap()), "whoever reads the memory now finds them");
}

/// Of a million customers in order these are the nodes.
#[test]
fn a_million_customers_share_some_twenty_nodes() {
    let (shelf, resident) = (Shelf::default(), Resident::at_most(2 << 20));
    let tree = with_room(&resident);
    let mut walker = Walker::for_many();
    for number in (1..1_000_000).step_by(200) {
        walker.walk(&tree, path(number), &shelf).unwrap();
    }
    drop(walker);
    assert_eq!(tree.derived().len(), 19);
    assert!(resident.bytes() < 200_000 && resident.pages() == 0);
    drop(tree);
    assert_eq!(resident.bytes(), 0);
}

#[test]
fn the_tree_of_the_indexes_keeps_none() {
    let (shelf, tree) = (Shelf::default(), untouched());
    let mut walker = Walker::for_indexes();
    for number in [FAR, FAR + 1, FAR << 1] {
        assert_eq!(walker.walk(&tree, path(number), &shelf).unwrap(), Found::Key);
        assert_eq!(Some(*walker.customer_key()), key(&with_room(&Resident::at_most(0)), number, &shelf));
    }
    drop(walker);
    assert!(tree.derived().is_empty());
    // With pages, too.
    let mut tree = tree;
    shred(&mut tree, Ranges::of_numbers([FAR]), 1, &shelf);
    assert_eq!(Walker::for_indexes().walk(&tree, path(FAR << 1), &shelf).unwrap(), Found::Key);
    assert!(tree.derived().is_empty());
}

/// The first shred of all, and one below a page: the path goes, and what lies beside it stays.
#[test]
fn a_shred_keeps_what_lies_beside_its_path_and_nothing_on_it() {
    let (shelf, resident) = (Shelf::default(), Resident::at_most(2 << 20));
    let mut tree = with_room(&resident);
    let all = [5, 1 << 16, 2 << 16, 1 << 24, 1 << 32, FAR];
    let keys = all.map(|number| key(&tree, number, &shelf).unwrap());
    for (generation, gone, stay) in [(1, 5, &all[1..]), (2, 1 << 16, &all[2..])] {
        let victims_key = keys[all.iter().position(|number| *number == gone).unwrap()];
        assert!(finds(&tree, gone, victims_key));
        let before = nodes(&tree);
        shred(&mut tree, Ranges::of_numbers([gone]), generation, &shelf);
        assert!(!finds(&tree, gone, victims_key));
        assert!(levels(&tree, gone).is_empty(), "the old tree is gone, and with it its path");
        for (position, node) in before {
            assert_eq!(node.strong_count() == 0, position.is_above(gone), "{position}");
        }
        let kept = nodes(&tree);
        for number in stay {
            assert!(!levels(&tree, *number).is_empty(), "{number}");
        }
        for (number, known) in all.into_iter().zip(keys).filter(|(number, _)| stay.contains(number)) {
            assert_eq!(key(&tree, number, &shelf), Some(known));
        }
        assert_eq!(nodes(&tree).len(), kept.len(), "nothing had to be derived anew");
    }
    drop(tree);
    assert_eq!(resident.bytes(), 0);
}

/// A whole part of the tree goes, and what was derived below it.
#[test]
fn shredding_by_age_lets_go_of_all_that_it_covers() {
    let (shelf, mut tree) = (Shelf::default(), untouched());
    for number in (1..8 << 16).step_by(1 << 12) {
        key(&tree, number, &shelf);
    }
    let before = nodes(&tree);
    shred(&mut tree, Ranges::of(vec![0..=(3 << 16) + 7]), 1, &shelf);
    let kept = before.iter().filter(|(_, node)| node.strong_count() > 0);
    assert_eq!(kept.map(|(position, _)| position.numbers_below(0).start() >> 16).collect::<Vec<_>>(), [4, 5, 6, 7]);
}

/// Somebody is shredded by another process: what this one had derived is taken over as far as the new tree leads to it.
#[test]
fn what_was_derived_is_taken_over_as_pages_are() {
    let (shelf, mut theirs, resident) = (Shelf::default(), untouched(), Resident::at_most(2 << 20));
    let mut ours = with_room(&resident);
    let all = [5, 1 << 16, 1 << 24, 1 << 32, FAR];
    let keys = all.map(|number| key(&ours, number, &shelf).unwrap());
    for (generation, gone) in [(1, 5), (2, 1 << 16), (3, FAR)] {
        let before = ours;
        let (derived, loads) = (nodes(&before), shelf.loads.get());
        shred(&mut theirs, Ranges::of_numbers([gone]), generation, &shelf);
        ours = read_anew(&theirs, generation, &resident);
        ours.take_over(&before, &shelf);
        ours.take_over(&before, &shelf);
        assert!(shelf.loads.get() - loads <= 5, "a path");
        drop(before);
        for (position, node) in derived {
            assert_eq!(node.strong_count() == 0, position.is_above(gone), "{position}");
        }
        for (number, known) in all.into_iter().zip(keys) {
            assert!(!(number == gone && finds(&ours, number, known)), "{number}");
            assert!(key(&ours, number, &shelf).is_none_or(|key| key == known));
        }
        assert_eq!(key(&ours, gone, &shelf), None);
    }
    drop(ours);
    assert_eq!((resident.bytes(), resident.pages()), (0, 0));
}

/// A tree with the same position and another seed: nothing of it hangs below this one.
#[test]
fn a_node_hangs_below_its_own_seed_only() {
    let (shelf, resident) = (Shelf::default(), Resident::at_most(2 << 20));
    let other = Tree::untouched(VAULT, TREE, Seed(Secret32::copy_of(&[8; 32])), resident.clone());
    let mut tree = with_room(&resident);
    for number in [5, 1 << 24] {
        key(&other, number, &shelf);
    }
    shred(&mut tree, Ranges::of_numbers([5]), 1, &shelf);
    let ours = read_anew(&tree, 1, &resident);
    ours.take_over(&other, &shelf);
    assert!(ours.derived().is_empty());
    assert!(other.same_seed(&Seed(Secret32::copy_of(&[7; 32]))).is_none());
    assert!(tree.same_seed(&Seed(Secret32::copy_of(&[7; 32]))).is_none(), "it has a page");
}

#[test]
fn an_unchanged_seed_keeps_what_was_derived_and_a_bare_tree_does_not() {
    let (shelf, resident) = (Shelf::default(), Resident::at_most(2 << 20));
    let tree = with_room(&resident);
    let known = key(&tree, FAR, &shelf);
    let again = tree.same_seed(&Seed(Secret32::copy_of(&[7; 32]))).unwrap();
    let bytes = resident.bytes();
    assert!(nodes(&tree).iter().zip(nodes(&again)).all(|(a, b)| a.1.ptr_eq(&b.1)));
    assert_eq!((key(&again, FAR, &shelf), resident.bytes()), (known, bytes));
    let bare = again.without_loaded();
    assert!(bare.derived().is_empty());
    drop((tree, again));
    assert_eq!(resident.bytes(), 0);
    assert_eq!(key(&bare, FAR, &shelf), known);
    // The same below a page.
    let mut tree = bare;
    shred(&mut tree, Ranges::of_numbers([5]), 1, &shelf);
    key(&tree, FAR, &shelf);
    assert!(!tree.derived().is_empty() && tree.without_loaded().derived().is_empty());
}

/// They take no room from pages; where they have none, keys are derived as ever.
#[test]
fn they_have_an_eighth_of_the_room() {
    for most in [0, 1000, 100_000, 1 << 20] {
        let (shelf, resident) = (Shelf::default(), Resident::at_most(most));
        let (tree, plain) = (with_room(&resident), with_room(&Resident::at_most(0)));
        for number in (0..200).map(|nth| nth << 16 | 1) {
            assert_eq!(key(&tree, number, &shelf), key(&plain, number, &shelf));
        }
        assert!(resident.bytes() <= most / 8);
        assert_eq!(tree.derived().is_empty(), most < 100_000);
        assert!(most < 1 << 20 || resident.bytes() > most / 9, "what there is of it is used");
        assert_eq!((plain.derived().len(), resident.is_full()), (0, most < 9600));
    }
}

#[test]
fn threads_that_come_the_same_way_at_once_keep_one_path() {
    for _ in 0..20 {
        let resident = Resident::at_most(2 << 20);
        let tree = with_room(&resident);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let shelf = Shelf::default();
                    for number in [FAR, FAR + 1, 5, 1 << 16] {
                        let plain = key(&with_room(&Resident::at_most(0)), number, &shelf);
                        assert_eq!(key(&tree, number, &shelf), plain);
                    }
                });
            }
        });
        // The root, three on the way to the first, and those that differ on the way to the others.
        assert_eq!(tree.derived().len(), 8);
        let bytes = resident.bytes();
        let alone = Resident::at_most(2 << 20);
        let other = with_room(&alone);
        let _ = [FAR, 5, 1 << 16].map(|number| key(&other, number, &Shelf::default()));
        assert_eq!(bytes, alone.bytes(), "what another thread had made first was given back");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever was looked at, and whoever was shredded, here or elsewhere: no node that is kept leads to any of them, and every key is what it was.
    #[test]
    fn no_node_that_is_kept_leads_to_the_shredded(
        looked_at in proptest::collection::vec(number(), 1..40),
        rounds in proptest::collection::vec((proptest::collection::vec(number(), 1..30), any::<bool>()), 1..6),
    ) {
        let (shelf, resident) = (Shelf::default(), Resident::at_most(4 << 20));
        let (mut theirs, first) = (untouched(), with_room(&Resident::at_most(0)));
        let mut ours = with_room(&resident);
        let mut dead = BTreeSet::new();
        for (generation, (gone, is_ours)) in (1..).zip(rounds) {
            for number in &looked_at {
                prop_assert_eq!(key(&ours, *number, &shelf), key(&first, *number, &shelf).filter(|_| !dead.contains(number)));
            }
            let before = nodes(&ours);
            if is_ours {
                shred(&mut ours, Ranges::of_numbers(gone.clone()), generation, &shelf);
                if let RootState::Page(_) = ours.root() { theirs = read_anew(&ours, generation, &theirs.resident()); }
            } else {
                shred(&mut theirs, Ranges::of_numbers(gone.clone()), generation, &shelf);
                let new = read_anew(&theirs, generation, &resident);
                new.take_over(&ours, &shelf);
                ours = new;
            }
            dead.extend(gone.iter().copied());
            for (position, _) in ours.derived() {
                prop_assert!(!dead.iter().any(|number| position.is_above(*number)), "{}", position);
            }
            for (position, node) in before {
                prop_assert_eq!(node.strong_count() == 0, gone.iter().any(|number| position.is_above(*number)), "{}", position);
            }
        }
        for number in looked_at.iter().copied().filter(|number| dead.contains(number)) {
            prop_assert!(!finds(&ours, number, key(&first, number, &shelf).unwrap()));
        }
        drop(ours);
        prop_assert_eq!((resident.bytes(), resident.pages()), (0, 0));
    }
}
