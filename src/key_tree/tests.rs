//! The tree against a model, and what an attacker finds in the pages it wrote.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use proptest::prelude::*;

use super::tree::copy_key;
use super::*;
use crate::derivation::{PageKey, Seed, TreeId};
use crate::journal::{Ranges, VaultName};
use crate::secret::Secret32;
use crate::store::PageName;

pub(super) const VAULT: VaultName = VaultName::from_bytes([1; 16]);
pub(super) const TREE: TreeId = TreeId([2; 8]);

/// Pages in a map; randomness from a counter, which is fresh enough for a test.
#[derive(Default)]
pub(crate) struct Shelf {
    pages: RefCell<HashMap<PageName, Vec<u8>>>,
    drawn: Cell<u64>,
    pub(super) loads: Cell<usize>,
}

impl Pages for Shelf {
    type Error = std::convert::Infallible;

    fn load(&self, name: &PageName) -> Result<Option<Vec<u8>>, Self::Error> {
        self.loads.set(self.loads.get() + 1);
        Ok(self.pages.borrow().get(name).cloned())
    }

    fn fresh(&self, out: &mut [u8; 32]) -> Result<(), Self::Error> {
        self.drawn.set(self.drawn.get() + 1);
        out[..8].copy_from_slice(&self.drawn.get().to_be_bytes());
        Ok(())
    }
}

impl Shelf {
    pub(super) fn names(&self) -> HashSet<PageName> {
        self.pages.borrow().keys().copied().collect()
    }

    pub(super) fn page(&self, name: &PageName) -> Option<Vec<u8>> {
        self.pages.borrow().get(name).cloned()
    }

    /// Gives what was there.
    pub(super) fn replace(&self, name: &PageName, page: Option<Vec<u8>>) -> Option<Vec<u8>> {
        match page {
            Some(page) => self.pages.borrow_mut().insert(*name, page),
            None => self.pages.borrow_mut().remove(name),
        }
    }

    fn keep(&self, rewritten: &Rewritten) {
        for page in &rewritten.pages {
            let before = self.pages.borrow_mut().insert(page.name, page.bytes.clone());
            assert!(before.is_none(), "two pages share a name");
        }
    }
}

pub(super) fn untouched() -> Tree {
    Tree::untouched(VAULT, TREE, Seed(Secret32::copy_of(&[7; 32])), Resident::of_pages(10_000))
}

pub(super) fn path(number: u64) -> [u8; 5] {
    let [_, _, _, path @ ..] = number.to_be_bytes();
    path
}

pub(super) fn key(tree: &Tree, number: u64, shelf: &Shelf) -> Option<[u8; 32]> {
    let mut walker = Walker::for_one();
    match walker.walk(tree, path(number), shelf).unwrap() {
        Found::Key => Some(*walker.customer_key()),
        Found::Shredded => None,
    }
}

pub(super) fn shred(tree: &mut Tree, numbers: Ranges, generation: u64, shelf: &Shelf) -> u64 {
    let rewritten = tree.shred(&numbers, generation, shelf).unwrap();
    shelf.keep(&rewritten);
    assert_eq!(rewritten.tree.is_some(), !rewritten.pages.is_empty());
    if let Some(new) = rewritten.tree {
        *tree = new;
    }
    rewritten.newly
}

fn reload(tree: &Tree, generation: u64) -> Tree {
    match tree.root() {
        RootState::Seed(_) => untouched(),
        RootState::Page(key) => Tree::from_page(VAULT, TREE, copy_key(key), generation, Resident::of_pages(3)),
    }
}

#[test]
fn shredding_one_leaves_its_neighbours_their_keys() {
    let (shelf, mut tree) = (Shelf::default(), untouched());
    let near = [0x0102030404, 0x0102030405, 0x0102030406, 0x01, 0xff_ffff_ffff];
    let before = near.map(|number| key(&tree, number, &shelf));
    assert_eq!(shred(&mut tree, Ranges::of_numbers([0x0102030405]), 1, &shelf), 1);
    assert_eq!(shelf.pages.borrow().len(), 5);
    for tree in [&tree, &reload(&tree, 1), &tree.without_loaded()] {
        assert_eq!(key(tree, 0x0102030405, &shelf), None);
        for (number, before) in near.into_iter().zip(before) {
            assert!(number == 0x0102030405 || key(tree, number, &shelf) == before);
        }
    }
    assert_eq!(shred(&mut tree, Ranges::of_numbers([0x0102030405]), 2, &shelf), 0, "idempotent");
    assert_eq!(shelf.pages.borrow().len(), 5, "and nothing is written");
}

#[test]
fn a_page_whose_children_are_all_shredded_is_dropped() {
    let (shelf, mut tree) = (Shelf::default(), untouched());
    assert_eq!(shred(&mut tree, Ranges::of(vec![256..=510]), 1, &shelf), 255);
    let mut names = HashSet::new();
    tree.page_names(&shelf, &mut names).unwrap();
    assert_eq!(names.len(), 5);
    assert_eq!(shred(&mut tree, Ranges::of_numbers([511]), 2, &shelf), 1);
    names.clear();
    tree.page_names(&shelf, &mut names).unwrap();
    assert_eq!(names.len(), 4, "the leaf page is gone");
    // Number 0 is never issued, so the first leaf must collapse without it.
    assert_eq!(shred(&mut tree, Ranges::of(vec![1..=255]), 3, &shelf), 255);
    names.clear();
    tree.page_names(&shelf, &mut names).unwrap();
    assert_eq!(names.len(), 4);
    assert_eq!(key(&tree, 512, &shelf), key(&untouched(), 512, &shelf));
}

/// Number 0 counts once, whether its leaf was written down before or not.
#[test]
fn what_is_newly_shredded_is_counted_without_number_zero() {
    for (before, newly) in [(vec![], 65_535), (vec![5], 65_534), (vec![300], 65_534), (vec![5, 300], 65_533)] {
        let (shelf, mut tree) = (Shelf::default(), untouched());
        shred(&mut tree, Ranges::of_numbers(before.clone()), 1, &shelf);
        assert_eq!(shred(&mut tree, Ranges::of(vec![0..=65_535]), 2, &shelf), newly, "{before:?}");
    }
}

/// Rule 18: shredding all numbers up to one costs a path, however many there are.
#[test]
fn shredding_by_age_costs_almost_no_state() {
    let (shelf, mut tree) = (Shelf::default(), untouched());
    shred(&mut tree, Ranges::of_numbers((1..40_000).step_by(7)), 1, &shelf);
    let through = 10_000_000;
    assert_eq!(shred(&mut tree, Ranges::of(vec![0..=through]), 2, &shelf), through - 39_999_u64.div_ceil(7));
    let mut names = HashSet::new();
    tree.page_names(&shelf, &mut names).unwrap();
    assert_eq!(names.len(), 5);
    assert_eq!(key(&tree, through, &shelf), None);
    assert_eq!(key(&tree, through + 1, &shelf), key(&untouched(), through + 1, &shelf));
    assert_eq!(tree.shredded(&shelf).unwrap(), Ranges::of(vec![0..=through]));
}

#[test]
fn a_lost_page_is_not_a_shredded_customer() {
    let (shelf, mut tree) = (Shelf::default(), untouched());
    shred(&mut tree, Ranges::of_numbers([5, 300]), 1, &shelf);
    let tree = reload(&tree, 1);
    let names: Vec<_> = shelf.pages.borrow().keys().copied().collect();
    let root = tree.page_name_of_root();
    for name in names.into_iter().filter(|name| Some(*name) != root) {
        let saved = shelf.pages.borrow_mut().remove(&name).unwrap();
        let fresh = reload(&tree, 1);
        let outcomes = [5, 6, 300].map(|number| Walker::for_one().walk(&fresh, path(number), &shelf));
        assert!(outcomes.iter().any(|outcome| matches!(outcome, Err(TreeError::Missing(..)))));
        let [_, six, _] = &outcomes;
        assert!(!matches!(six, Ok(Found::Shredded)), "a neighbour that was never shredded never counts as shredded");
        assert!(fresh.shred(&Ranges::of_numbers([6, 301]), 2, &shelf).is_err(), "a commit through it is refused");
        let mut bad = saved.clone();
        bad[100] ^= 1;
        shelf.pages.borrow_mut().insert(name, bad);
        let fresh = reload(&tree, 1);
        let outcomes = [5, 6, 300].map(|number| Walker::for_one().walk(&fresh, path(number), &shelf));
        assert!(outcomes.iter().any(|outcome| matches!(outcome, Err(TreeError::Damaged(_, _, Damage::NotAuthentic)))));
        shelf.pages.borrow_mut().insert(name, saved);
    }
}

#[test]
fn resident_pages_stay_within_their_limit() {
    let (shelf, mut tree) = (Shelf::default(), untouched());
    shred(&mut tree, Ranges::of_numbers((0..20).map(|leaf| leaf * 256 + 1)), 1, &shelf);
    let RootState::Page(key_of_root) = tree.root() else { panic!() };
    let resident = Resident::of_pages(8);
    let small = Tree::from_page(VAULT, TREE, copy_key(key_of_root), 1, resident.clone());
    for number in 0..20 * 256 {
        assert_eq!(key(&small, number, &shelf), key(&tree, number, &shelf));
        assert!(resident.pages() <= 8);
    }
    drop(small);
    assert_eq!(resident.pages(), 0);
}

/// The attacker's view: all pages ever written and the newest root key.
fn reachable_keys(tree: &Tree, shelf: &Shelf, numbers: impl Iterator<Item = u64>) -> BTreeMap<u64, [u8; 32]> {
    let fresh = reload(tree, u64::MAX);
    numbers.filter_map(|number| key(&fresh, number, shelf).map(|key| (number, key))).collect()
}

#[derive(Clone, Debug)]
enum Op {
    One(u64),
    Many(Vec<u64>),
    Through(u64),
    Reload,
}

pub(super) fn number() -> impl Strategy<Value = u64> {
    // Few leaves, so that they fill up; and far corners.
    prop_oneof![8 => 1u64..600, 2 => 65_280u64..65_800, 1 => (1u64 << 40) - 300..1u64 << 40, 1 => 1u64..1 << 40]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => number().prop_map(Op::One),
        2 => proptest::collection::vec(number(), 1..300).prop_map(Op::Many),
        1 => prop_oneof![4 => 1u64..700, 1 => 65_500u64..65_600].prop_map(Op::Through),
        1 => Just(Op::Reload),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn behaves_as_a_set_of_the_shredded(ops in proptest::collection::vec(op(), 1..12)) {
        let (shelf, mut tree, first) = (Shelf::default(), untouched(), untouched());
        let mut dead = BTreeSet::new();
        for (generation, op) in (1u64..).zip(ops) {
            let ranges = match op {
                Op::One(number) => Ranges::of_numbers([number]),
                Op::Many(numbers) => Ranges::of_numbers(numbers),
                Op::Through(number) => Ranges::of(vec![0..=number]),
                Op::Reload => { tree = reload(&tree, generation); continue }
            };
            let all: BTreeSet<u64> = ranges.as_slice().iter().cloned().flatten().filter(|n| *n != 0).collect();
            let newly = all.difference(&dead).count() as u64;
            prop_assert_eq!(shred(&mut tree, ranges, generation, &shelf), newly);
            dead.extend(all);
        }
        let asked = (1..700).chain(65_280..65_800).chain(dead.iter().copied());
        let keys = reachable_keys(&tree, &shelf, asked.clone());
        for number in asked {
            if dead.contains(&number) {
                prop_assert!(!keys.contains_key(&number));
            } else {
                prop_assert_eq!(keys.get(&number).copied(), key(&first, number, &shelf));
            }
        }
        let mut found = tree.shredded(&shelf).unwrap();
        if !found.is_empty() { found = found.or(&Ranges::of_numbers([0])); dead.insert(0); }
        prop_assert_eq!(found, Ranges::of_numbers(dead));
    }

    #[test]
    fn a_walker_that_keeps_its_path_finds_what_a_new_one_finds(
        numbers in proptest::collection::vec(number(), 1..80),
        gone in proptest::collection::vec(number(), 0..20),
    ) {
        let (shelf, mut tree) = (Shelf::default(), untouched());
        if !gone.is_empty() { shred(&mut tree, Ranges::of_numbers(gone), 1, &shelf); }
        let mut walker = Walker::for_many();
        for number in numbers {
            let found = walker.walk(&tree, path(number), &shelf).unwrap();
            let kept = (found == Found::Key).then(|| *walker.customer_key());
            prop_assert_eq!(kept, key(&tree, number, &shelf), "{}", number);
        }
    }
}

#[test]
fn trees_are_the_same_if_their_roots_are() {
    let (shelf, mut tree) = (Shelf::default(), untouched());
    let other_seed = Tree::untouched(VAULT, TREE, Seed(Secret32::copy_of(&[8; 32])), Resident::of_pages(1));
    assert!(tree.has_same_root_as(&untouched()) && !tree.has_same_root_as(&other_seed));
    shred(&mut tree, Ranges::of_numbers([5]), 1, &shelf);
    assert!(!tree.has_same_root_as(&untouched()) && !untouched().has_same_root_as(&tree));
    let before = reload(&tree, 1);
    assert!(tree.has_same_root_as(&before));
    shred(&mut tree, Ranges::of_numbers([6]), 2, &shelf);
    assert!(!tree.has_same_root_as(&before));
}

#[test]
fn an_unchanged_root_keeps_the_pages_it_loaded() {
    let (shelf, mut tree) = (Shelf::default(), untouched());
    shred(&mut tree, Ranges::of_numbers([5]), 1, &shelf);
    let RootState::Page(root) = tree.root() else { panic!() };
    let again = tree.same_root(root).unwrap();
    let loads = shelf.loads.get();
    assert!(key(&again, 6, &shelf).is_some());
    assert_eq!(shelf.loads.get(), loads, "nothing was read");
    assert!(tree.same_root(&PageKey(Secret32::copy_of(&[0; 32]))).is_none());
    assert!(untouched().same_root(root).is_none());
}

#[test]
fn pages_are_kept_up_to_a_limit() {
    let (shelf, mut tree) = (Shelf::default(), untouched());
    shred(&mut tree, Ranges::of_numbers([5, 5 << 32]), 1, &shelf);
    let RootState::Page(root) = tree.root() else { panic!() };
    // The root, and four pages on each of two paths: nine in all, of which those above the leaves count for one and a half.
    let cases = [(100, 9, 0, false), (14, 9, 0, false), (13, 9, 0, true), (12, 8, 1, true), (5, 3, 6, true)];
    for (most, kept, again, full) in cases.into_iter().chain([(1, 1, 8, true)]) {
        let resident = Resident::of_pages(most);
        let loads = shelf.loads.get();
        let tree = Tree::from_page(VAULT, TREE, copy_key(root), 1, resident.clone());
        let read = |tree: &Tree| [6, 5 << 32 | 1].map(|number| key(tree, number, &shelf));
        let keys = read(&tree);
        assert_eq!((shelf.loads.get() - loads, resident.pages()), (9, kept), "at most {most}");
        assert_eq!(resident.is_full(), full, "at most {most}");
        let loads = shelf.loads.get();
        assert_eq!(read(&tree), keys);
        assert_eq!(shelf.loads.get() - loads, again, "at most {most}");
        drop(tree);
        assert_eq!((resident.pages(), resident.bytes()), (0, 0));
    }
}
