//! Nodes that were not written down: what follows from a seed, kept as far as somebody asked for it. In memory only.
//!
//! A node leads to nobody who does not follow from its seed. So it may hang below an entry that holds this very seed, whichever version of the tree
//! that is in, and below no other (`Node::link_derived`, `RootSeed`). Levels 0 to 3 are kept; of leaves, whose 256 customers seldom come together, the seed alone.

use std::sync::{Arc, OnceLock};

use crate::derivation::{self, TreeId};
use crate::key_tree::position::Position;
use crate::key_tree::resident::{DerivedRoom, Resident};
use crate::key_tree::seeds::{SEEDS_MEMORY, Seeds};
use crate::secret::Secret32;
use crate::stack::on_clean_stack;

/// A node above the leaves.
pub(super) struct Derived {
    seed: Secret32,
    children: Children,
    room: DerivedRoom,
}

enum Children {
    /// At levels 0 to 2.
    Nodes(DerivedLinks),
    /// At level 3.
    Leaves(Seeds),
}

/// With what the allocator needs.
const OWN_MEMORY: usize = 192;

impl Derived {
    /// The node at `position`, above the leaves, whose seed this is; `None` if there is no room for it.
    pub(super) fn of(seed: &[u8; 32], position: Position, resident: &Arc<Resident>) -> Option<Arc<Derived>> {
        let is_above_leaves = position.child(0).is_leaf();
        let bytes = OWN_MEMORY + if is_above_leaves { SEEDS_MEMORY } else { DerivedLinks::MEMORY };
        let room = DerivedRoom::take(bytes, resident)?;
        let seed = Secret32::copy_of(seed);
        Some(on_clean_stack(|| {
            let children =
                if is_above_leaves { Children::Leaves(Seeds::none()) } else { Children::Nodes(DerivedLinks::none()) };
            Arc::new(Derived { seed, children, room })
        }))
    }

    pub(super) fn seed(&self) -> &[u8; 32] {
        self.seed.bytes()
    }

    /// Its child `byte` if that is a node that is kept; else the child's seed is in `out`.
    ///
    /// Leaves copies of seeds on the stack: call it within [`with_clean_stack`](crate::stack::with_clean_stack).
    #[inline]
    pub(super) fn child(&self, byte: u8, tree: TreeId, position: Position, out: &mut [u8; 32]) -> Option<&Derived> {
        let derive = |out: &mut [u8; 32]| derivation::child(self.seed(), tree, position.level() + 1, byte, out);
        match &self.children {
            Children::Leaves(seeds) => {
                seeds.get_or_derive(byte, out, derive);
                None
            }
            Children::Nodes(links) => match links.get(byte) {
                Some(node) => Some(node),
                None => {
                    derive(out);
                    links.link(byte, Derived::of(out, position.child(byte), self.room.resident())?)
                }
            },
        }
    }

    /// The nodes below it that are kept.
    pub(super) fn links(&self) -> Option<&DerivedLinks> {
        match &self.children {
            Children::Nodes(links) => Some(links),
            Children::Leaves(_) => None,
        }
    }
}

/// Places for a node's 256 children, as far as they are kept. They are derived nodes; those that are pages have places of their own.
pub(super) struct DerivedLinks(Box<[OnceLock<Arc<Derived>>]>);

impl DerivedLinks {
    pub(super) const MEMORY: usize = 256 * size_of::<OnceLock<Arc<Derived>>>();

    pub(super) fn none() -> DerivedLinks {
        DerivedLinks((0..256).map(|_| OnceLock::new()).collect())
    }

    #[inline]
    pub(super) fn get(&self, byte: u8) -> Option<&Arc<Derived>> {
        self.0.get(usize::from(byte))?.get()
    }

    /// Keeps a child, unless another thread was faster: it has the same.
    pub(super) fn link(&self, byte: u8, node: Arc<Derived>) -> Option<&Derived> {
        Some(&**self.0.get(usize::from(byte))?.get_or_init(|| node))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u8, &Arc<Derived>)> {
        (0..=u8::MAX).zip(&self.0).filter_map(|(byte, link)| Some((byte, link.get()?)))
    }
}
