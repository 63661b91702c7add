//! The tree itself: its root, and what the root record holds of it.

use std::sync::Arc;

use crate::derivation::{PageKey, Seed, TreeId};
use crate::journal::VaultName;
use crate::key_tree::node::{Node, Resident};
use crate::key_tree::pages::{Pages, TreeError};
use crate::key_tree::position::Position;
use crate::secret::{self, Secret32};

/// The keys of one purpose: an immutable snapshot, replaced by a shred.
pub(crate) struct Tree {
    pub(super) vault: VaultName,
    pub(super) id: TreeId,
    pub(super) root: Root,
    pub(super) resident: Arc<Resident>,
}

pub(super) enum Root {
    Seed(Seed),
    Page(PageKey, Arc<Node>),
}

impl Tree {
    /// A tree in which nothing was shredded yet.
    pub(crate) fn untouched(vault: VaultName, id: TreeId, seed: Seed, resident: Arc<Resident>) -> Tree {
        Tree { vault, id, root: Root::Seed(seed), resident }
    }

    /// A tree whose root was written down. Reads the root page; `newest` is the root record's generation.
    pub(crate) fn from_page<P: Pages>(
        vault: VaultName,
        id: TreeId,
        key: PageKey,
        newest: u64,
        resident: Arc<Resident>,
        pages: &P,
    ) -> Result<Tree, TreeError<P::Error>> {
        let root = Node::load(&key, vault, id, Position::ROOT, newest, &resident, pages)?;
        Ok(Tree { vault, id, root: Root::Page(key, root), resident })
    }

    /// The same tree without the pages below the root that reads had loaded.
    pub(crate) fn without_loaded(&self) -> Tree {
        let root = match &self.root {
            Root::Seed(seed) => Root::Seed(Seed(Secret32::copy_of(seed.0.bytes()))),
            Root::Page(key, node) => Root::Page(copy_key(key), node.without_children(&self.resident)),
        };
        Tree { vault: self.vault, id: self.id, root, resident: self.resident.clone() }
    }

    /// This tree, with the pages it has loaded, if the record's page key is still the same.
    pub(crate) fn same_root(&self, key: &PageKey) -> Option<Tree> {
        let Root::Page(known, node) = &self.root else { return None };
        secret::equal(known.0.bytes(), key.0.bytes()).then(|| Tree {
            vault: self.vault,
            id: self.id,
            root: Root::Page(copy_key(known), node.clone()),
            resident: self.resident.clone(),
        })
    }

    pub(crate) fn has_same_root_as(&self, other: &Tree) -> bool {
        match (&self.root, &other.root) {
            (Root::Seed(a), Root::Seed(b)) => secret::equal(a.0.bytes(), b.0.bytes()),
            (Root::Page(a, _), Root::Page(b, _)) => secret::equal(a.0.bytes(), b.0.bytes()),
            _ => false,
        }
    }

    /// Where the pages in memory are counted.
    pub(crate) fn resident(&self) -> Arc<Resident> {
        self.resident.clone()
    }

    /// What the root record must hold of this tree.
    pub(crate) fn root(&self) -> RootState<'_> {
        match &self.root {
            Root::Seed(seed) => RootState::Seed(seed),
            Root::Page(key, _) => RootState::Page(key),
        }
    }
}

/// What the root record holds of a tree.
pub(crate) enum RootState<'t> {
    Seed(&'t Seed),
    Page(&'t PageKey),
}

pub(super) fn copy_key(key: &PageKey) -> PageKey {
    PageKey(Secret32::copy_of(key.0.bytes()))
}
