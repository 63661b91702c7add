//! From the root to a customer's key.

use std::sync::Arc;

use crate::derivation::{self, CUSTOMER_LEVEL, Children};
use crate::key_tree::derived::Derived;
use crate::key_tree::node::{Below, Node};
use crate::key_tree::page::Kind;
use crate::key_tree::pages::{Pages, TreeError};
use crate::key_tree::position::Position;
use crate::key_tree::tree::{Top, Tree};
use crate::secret::wipe;

/// What a walk found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The customer's key is in the walker.
    Key,
    /// The customer is shredded.
    Shredded,
}

/// Walks down one tree, and keeps what it passed so that a neighbour costs only the steps that differ.
///
/// Holds seeds, and borrows the nodes that it passed: make one for a call or a chunk, and drop it, which wipes them.
pub(crate) struct Walker<'t> {
    /// The keys at levels 0 to 5, on the heap so that they never move. Level 5 is the customer's; of those above it only what a step began from a seed.
    keys: Box<[[u8; 32]; 6]>,
    steps: [Step<'t>; 5],
    path: [u8; 5],
    /// Levels of `path` whose `steps` are known.
    known: usize,
    /// The keyed state of the last leaf, worth keeping only when more of its customers follow.
    siblings: Option<Children>,
    for_many: bool,
    /// What it derives on the way may be kept in the tree.
    keeps_derived: bool,
}

/// Where the walk stands at a level.
enum Step<'t> {
    Unknown,
    /// At a node of which only the seed is known.
    Seed,
    Derived(&'t Derived),
    Page(&'t Node),
    /// At a page that was read for this walk, since there was no room to keep it.
    Read(Arc<Node>),
}

impl<'t> Walker<'t> {
    /// For one customer.
    pub(crate) fn for_one() -> Walker<'t> {
        Walker {
            keys: Box::new([[0; 32]; 6]),
            steps: [const { Step::Unknown }; 5],
            path: [0; 5],
            known: 0,
            siblings: None,
            for_many: false,
            keeps_derived: true,
        }
    }

    /// For many customers, best in order of number.
    pub(crate) fn for_many() -> Walker<'t> {
        let mut walker = Walker::for_one();
        walker.for_many = true;
        walker
    }

    /// In the tree of the indexes: their places are random, so that nodes on the way to one lead to no other.
    pub(crate) fn for_indexes() -> Walker<'t> {
        let mut walker = Walker::for_many();
        walker.keeps_derived = false;
        walker
    }

    /// The key found by the last [`walk`](Walker::walk) that gave [`Found::Key`].
    pub(crate) fn customer_key(&self) -> &[u8; 32] {
        let [.., key] = &*self.keys;
        key
    }

    /// The generation that wrote the deepest page that the last walk came to; 0 if it came to none.
    pub(crate) fn written(&self) -> u64 {
        let mut pages = self.steps.iter().take(self.known).rev().filter_map(|step| match step {
            Step::Page(node) => Some(node.page().generation()),
            Step::Read(node) => Some(node.page().generation()),
            Step::Derived(_) | Step::Seed | Step::Unknown => None,
        });
        pages.next().unwrap_or(0)
    }

    /// Finds a customer's key. The same tree must be given every time.
    ///
    /// Leaves copies of seeds on the stack: call it within [`with_clean_stack`](crate::stack::with_clean_stack).
    pub(crate) fn walk<P: Pages>(
        &mut self,
        tree: &'t Tree,
        path: [u8; 5],
        pages: &P,
    ) -> Result<Found, TreeError<P::Error>> {
        let shared = path.iter().zip(&self.path).take_while(|(a, b)| a == b).count();
        let mut level = shared.min(self.known.saturating_sub(1));
        if self.known == 0 {
            self.start(tree, pages)?;
        }
        if level < usize::from(CUSTOMER_LEVEL) - 1 {
            self.siblings = None;
        }
        // Until the walk is through, what lies below the shared part is not known.
        self.known = level + 1;
        self.path = path;
        let mut position = path.iter().take(level).fold(Position::ROOT, |position, byte| position.child(*byte));
        for byte in path.into_iter().skip(level) {
            if self.step(tree, level, byte, position, pages)? == Found::Shredded {
                return Ok(Found::Shredded);
            }
            position = position.child(byte);
            level += 1;
            self.known = self.known.max(level + 1).min(self.steps.len());
        }
        Ok(Found::Key)
    }

    fn start<P: Pages>(&mut self, tree: &'t Tree, pages: &P) -> Result<(), TreeError<P::Error>> {
        let [first, ..] = &mut self.steps;
        *first = match tree.top(pages)? {
            Top::Page(node) => Step::Page(node),
            Top::Seed(root) => match self.keeps_derived.then(|| root.derived_or_new(&tree.resident)).flatten() {
                Some(node) => Step::Derived(node),
                None => {
                    let [key, ..] = &mut *self.keys;
                    key.copy_from_slice(root.seed.0.bytes());
                    Step::Seed
                }
            },
        };
        Ok(())
    }

    /// One step down, from `level` to the next.
    #[inline]
    fn step<P: Pages>(
        &mut self,
        tree: &'t Tree,
        level: usize,
        byte: u8,
        position: Position,
        pages: &P,
    ) -> Result<Found, TreeError<P::Error>> {
        let is_last = position.is_leaf();
        let Some([parent, child]) = self.keys.get_mut(level..).and_then(|keys| keys.first_chunk_mut::<2>()) else {
            return Err(TreeError::Lost);
        };
        let next = match self.steps.get(level) {
            Some(Step::Seed) => {
                if is_last && self.for_many {
                    let (id, to) = (tree.id, CUSTOMER_LEVEL);
                    self.siblings.get_or_insert_with(|| Children::of(parent, id, to)).derive(byte, child);
                } else {
                    derivation::child(parent, tree.id, position.level() + 1, byte, child);
                }
                Step::Seed
            }
            Some(&Step::Derived(node)) => node.child(byte, tree.id, position, child).map_or(Step::Seed, Step::Derived),
            Some(&Step::Page(node)) => match node.page().kind(byte) {
                Kind::Shredded => return Ok(Found::Shredded),
                Kind::Key => {
                    // Leaves, and the customers below them, are not kept.
                    let keeps = self.keeps_derived && !is_last && !position.child(byte).is_leaf();
                    match keeps.then(|| node.derived_below(byte, position)).flatten() {
                        Some(node) => Step::Derived(node),
                        None => {
                            child.copy_from_slice(node.page().key(byte));
                            Step::Seed
                        }
                    }
                }
                Kind::Page => match node.below(byte, tree.vault, tree.id, position, pages)? {
                    Below::Linked(node) => Step::Page(node),
                    Below::Read(node) => Step::Read(node),
                },
            },
            // What hangs below it goes with it.
            Some(Step::Read(node)) => match node.page().kind(byte) {
                Kind::Shredded => return Ok(Found::Shredded),
                Kind::Key => {
                    child.copy_from_slice(node.page().key(byte));
                    Step::Seed
                }
                Kind::Page => Step::Read(node.below(byte, tree.vault, tree.id, position, pages)?.into_arc()),
            },
            // A walk fills the steps in order, so this is a bug of ours; and absence never means shredded.
            Some(Step::Unknown) | None => return Err(TreeError::Lost),
        };
        if let Some(place) = self.steps.get_mut(level + 1) {
            *place = next;
        }
        Ok(Found::Key)
    }
}

impl Drop for Walker<'_> {
    fn drop(&mut self) {
        wipe(self.keys.as_flattened_mut());
    }
}
