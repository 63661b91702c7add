//! Tests: pages that a newer version of a tree takes over from an older one.

use std::collections::HashSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::tests::{Shelf, TREE, VAULT, key, number, path, shred, untouched};
use super::tree::copy_key;
use super::*;
use crate::journal::Ranges;

/// The same tree as another process reads it, with nothing in memory.
pub(super) fn read_anew(tree: &Tree, generation: u64, resident: &Arc<Resident>) -> Tree {
    let RootState::Page(key) = tree.root() else { panic!() };
    Tree::from_page(VAULT, TREE, copy_key(key), generation, resident.clone())
}

/// Of every thousandth number, and of those in the first leaves.
fn some() -> impl Iterator<Item = u64> + Clone {
    (1..2000).chain((0..200).map(|n| n * 1000))
}

/// Somebody is shredded elsewhere: five pages are read, whatever was in memory, and nothing for anybody afterwards.
#[test]
fn only_what_changed_is_read() {
    let (shelf, mut theirs) = (Shelf::default(), untouched());
    shred(&mut theirs, Ranges::of_numbers((0..200).map(|n| n * 1000 + 1)), 1, &shelf);
    let resident = Resident::of_pages(10_000);
    let before = read_anew(&theirs, 1, &resident);
    let keys: Vec<_> = some().map(|number| key(&before, number, &shelf)).collect();
    let in_memory = resident.pages();
    shred(&mut theirs, Ranges::of_numbers([5000]), 2, &shelf);

    let ours = read_anew(&theirs, 2, &resident);
    let loads = shelf.loads.get();
    ours.take_over(&before, &shelf);
    assert_eq!(shelf.loads.get() - loads, 5, "the path to the one who was shredded");
    drop(before);
    assert_eq!(resident.pages(), in_memory, "the old path is gone, and nothing else");
    let loads = shelf.loads.get();
    for (number, known) in some().zip(keys) {
        assert_eq!(key(&ours, number, &shelf), known.filter(|_| number != 5000), "{number}");
    }
    assert_eq!(shelf.loads.get(), loads, "nothing was read");
    // Nothing changed: nothing is read. The same if nothing was in memory.
    let again = read_anew(&theirs, 2, &resident);
    again.take_over(&ours, &shelf);
    read_anew(&theirs, 2, &resident).take_over(&read_anew(&theirs, 2, &resident), &shelf);
    assert_eq!(shelf.loads.get(), loads);
    assert!(key(&again, 6, &shelf).is_some());
}

/// One page on the changed path is lost, or damaged, or an old version of it is put in its place: it alone is missed, and nobody is opened by an
/// older one.
#[test]
fn a_page_that_cannot_be_had_is_not_replaced_by_its_older_version() {
    for lost in 0..5 {
        let (shelf, mut theirs) = (Shelf::default(), untouched());
        shred(&mut theirs, Ranges::of_numbers([1, 300, 70_000]), 1, &shelf);
        let resident = Resident::of_pages(100);
        let before = read_anew(&theirs, 1, &resident);
        for number in [2, 301, 70_001] {
            assert!(key(&before, number, &shelf).is_some());
        }
        let old: HashSet<_> = shelf.names();
        shred(&mut theirs, Ranges::of_numbers([301]), 2, &shelf);
        let mut new: Vec<_> = shelf.names().difference(&old).copied().collect();
        new.sort();
        assert_eq!(new.len(), 5);
        let name = new[lost];
        for content in [None, Some(vec![1; 8281]), shelf.page(&old.iter().next().copied().unwrap())] {
            let kept = shelf.replace(&name, content);
            let ours = read_anew(&theirs, 2, &resident);
            ours.take_over(&before, &shelf);
            let mut missed = 0;
            for number in [2, 300, 301, 302, 70_001] {
                let found = Walker::for_one().walk(&ours, path(number), &shelf);
                missed += usize::from(found.is_err());
                let is_dead = [300, 301].contains(&number);
                assert!(found.is_err() || (found.unwrap() == Found::Shredded) == is_dead, "{number}");
            }
            assert!(missed > 0, "a page of the path");
            shelf.replace(&name, kept);
            assert!(key(&ours, 302, &shelf).is_some(), "it goes on");
        }
    }
}

/// With no room left, nothing is let go for that: what changed takes the place of what it was before.
#[test]
fn with_no_room_left_nothing_is_let_go() {
    let (shelf, mut theirs) = (Shelf::default(), untouched());
    shred(&mut theirs, Ranges::of_numbers((0..20).map(|n| n * 256 + 1)), 1, &shelf);
    let resident = Resident::of_pages(12);
    let mut ours = read_anew(&theirs, 1, &resident);
    let look = |tree: &Tree| (0..20 * 256).step_by(64).map(|number| key(tree, number, &shelf)).collect::<Vec<_>>();
    look(&ours);
    for generation in 2..10 {
        let in_memory = resident.pages();
        assert!((9..=10).contains(&in_memory), "{in_memory}");
        let before = ours;
        shred(&mut theirs, Ranges::of_numbers([generation * 128]), generation, &shelf);
        ours = read_anew(&theirs, generation, &resident);
        ours.take_over(&before, &shelf);
        drop(before);
        assert_eq!(resident.pages(), in_memory);
        assert_eq!(look(&ours), look(&theirs));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever was in memory, and whatever was shredded elsewhere meanwhile: what is taken over is named by the new tree, and all else is gone.
    #[test]
    fn what_is_taken_over_is_the_new_trees(
        first in proptest::collection::vec(number(), 1..60),
        looked_at in proptest::collection::vec(number(), 0..60),
        rounds in proptest::collection::vec(proptest::collection::vec(number(), 1..40), 1..5),
    ) {
        let (shelf, mut theirs) = (Shelf::default(), untouched());
        shred(&mut theirs, Ranges::of_numbers(first), 1, &shelf);
        let resident = Resident::of_pages(10_000);
        let mut ours = read_anew(&theirs, 1, &resident);
        for number in &looked_at {
            key(&ours, *number, &shelf);
        }
        for (generation, shredded) in (2..).zip(rounds) {
            let before = ours;
            shred(&mut theirs, Ranges::of_numbers(shredded.clone()), generation, &shelf);
            ours = read_anew(&theirs, generation, &resident);
            ours.take_over(&before, &shelf);
            drop(before);
            let (mut loaded, mut named) = (Vec::new(), HashSet::new());
            ours.names_in_memory(&mut loaded);
            theirs.page_names(&shelf, &mut named).unwrap();
            prop_assert!(loaded.iter().all(|name| named.contains(name)));
            prop_assert_eq!(resident.pages(), loaded.len(), "no page but those that it leads to");
            for number in shredded {
                prop_assert_eq!(key(&ours, number, &shelf), None);
            }
            for number in looked_at.iter().copied().chain(1..600) {
                prop_assert_eq!(key(&ours, number, &shelf), key(&theirs, number, &shelf));
            }
        }
    }
}
