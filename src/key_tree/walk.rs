//! From the root to a customer's key.

use std::sync::Arc;

use crate::derivation::{self, CUSTOMER_LEVEL, Children};
use crate::key_tree::node::Node;
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
/// Holds seeds: make one for a call or a chunk, and drop it, which wipes them.
pub(crate) struct Walker {
    /// The keys at levels 0 to 5, on the heap so that they never move. Level 5 is the customer's.
    keys: Box<[[u8; 32]; 6]>,
    steps: [Step; 5],
    path: [u8; 5],
    /// Levels of `path` whose `steps` are known.
    known: usize,
    /// The keyed state of the last leaf, worth keeping only when more of its customers follow.
    siblings: Option<Children>,
    for_many: bool,
}

#[derive(Clone)]
enum Step {
    Unknown,
    Seed,
    Node(Arc<Node>),
}

impl Walker {
    /// For one customer.
    pub(crate) fn for_one() -> Walker {
        Walker {
            keys: Box::new([[0; 32]; 6]),
            steps: [const { Step::Unknown }; 5],
            path: [0; 5],
            known: 0,
            siblings: None,
            for_many: false,
        }
    }

    /// For many customers, best in order of number.
    pub(crate) fn for_many() -> Walker {
        let mut walker = Walker::for_one();
        walker.for_many = true;
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
            Step::Node(node) => Some(node.page().generation()),
            Step::Seed | Step::Unknown => None,
        });
        pages.next().unwrap_or(0)
    }

    /// Finds a customer's key. The same tree must be given every time.
    ///
    /// Leaves copies of seeds on the stack: call it within [`with_clean_stack`](crate::stack::with_clean_stack).
    pub(crate) fn walk<P: Pages>(
        &mut self,
        tree: &Tree,
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

    fn start<P: Pages>(&mut self, tree: &Tree, pages: &P) -> Result<(), TreeError<P::Error>> {
        let [first, ..] = &mut self.steps;
        match tree.top(pages)? {
            Top::Seed(seed) => {
                let [root, ..] = &mut *self.keys;
                root.copy_from_slice(seed.0.bytes());
                *first = Step::Seed;
            }
            Top::Page(node) => *first = Step::Node(node),
        }
        Ok(())
    }

    /// One step down, from `level` to the next.
    fn step<P: Pages>(
        &mut self,
        tree: &Tree,
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
            Some(Step::Node(node)) => match node.page().kind(byte) {
                Kind::Shredded => return Ok(Found::Shredded),
                Kind::Key => {
                    child.copy_from_slice(node.page().key(byte));
                    Step::Seed
                }
                Kind::Page => Step::Node(node.below(byte, tree.vault, tree.id, position, pages)?),
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

impl Drop for Walker {
    fn drop(&mut self) {
        wipe(self.keys.as_flattened_mut());
    }
}
