//! The tree itself: its root, and what the root record holds of it.

use std::sync::{Arc, OnceLock};

use crate::derivation::{PageKey, Seed, TreeId};
use crate::journal::VaultName;
use crate::key_tree::derived::Derived;
use crate::key_tree::node::Node;
use crate::key_tree::pages::{Pages, TreeError};
use crate::key_tree::position::Position;
use crate::key_tree::resident::Resident;
use crate::secret::{self, Secret32};

/// The keys of one purpose: an immutable snapshot, replaced by a shred.
pub(crate) struct Tree {
    pub(super) vault: VaultName,
    pub(super) id: TreeId,
    pub(super) root: Root,
    pub(super) resident: Arc<Resident>,
}

pub(super) enum Root {
    Seed(RootSeed),
    Page(RootPage),
}

/// A root that was not written down, and the node that follows from it once somebody came that way.
pub(super) struct RootSeed {
    pub(super) seed: Seed,
    derived: OnceLock<Arc<Derived>>,
}

/// A root that was written down. It is read when a walk first needs it, so that a page that is lost concerns this tree alone.
pub(super) struct RootPage {
    pub(super) key: PageKey,
    /// A generation of the root record that named it: no page of it is newer.
    newest: u64,
    node: OnceLock<Arc<Node>>,
}

/// Where a walk begins.
pub(super) enum Top<'t> {
    Seed(&'t RootSeed),
    Page(&'t Arc<Node>),
}

impl RootSeed {
    fn of(seed: Seed) -> RootSeed {
        RootSeed { seed, derived: OnceLock::new() }
    }

    /// The same, with what was derived from it.
    fn copy(&self) -> RootSeed {
        RootSeed { seed: copy_seed(&self.seed), derived: self.derived.clone() }
    }

    /// The node that follows from it, derived if need be; `None` if there is no room to keep it.
    #[inline]
    pub(super) fn derived_or_new(&self, resident: &Arc<Resident>) -> Option<&Derived> {
        if let Some(node) = self.derived.get() {
            return Some(node);
        }
        let node = Derived::of(self.seed.0.bytes(), Position::ROOT, resident)?;
        Some(self.derived.get_or_init(|| node))
    }

    pub(super) fn derived(&self) -> Option<&Arc<Derived>> {
        self.derived.get()
    }
}

impl RootPage {
    pub(super) fn written(key: PageKey, newest: u64, node: Arc<Node>) -> RootPage {
        RootPage { key, newest, node: OnceLock::from(node) }
    }

    fn copy(&self, node: Option<Arc<Node>>) -> RootPage {
        let node = node.map_or_else(OnceLock::new, OnceLock::from);
        RootPage { key: copy_key(&self.key), newest: self.newest, node }
    }
}

#[cfg(test)]
impl RootPage {
    pub(super) fn loaded(&self) -> Option<&Node> {
        self.node.get().map(|node| &**node)
    }
}

impl Tree {
    /// A tree in which nothing was shredded yet.
    pub(crate) fn untouched(vault: VaultName, id: TreeId, seed: Seed, resident: Arc<Resident>) -> Tree {
        Tree { vault, id, root: Root::Seed(RootSeed::of(seed)), resident }
    }

    /// A tree whose root was written down; `newest` is the root record's generation. Nothing is read yet.
    pub(crate) fn from_page(vault: VaultName, id: TreeId, key: PageKey, newest: u64, resident: Arc<Resident>) -> Tree {
        Tree { vault, id, root: Root::Page(RootPage { key, newest, node: OnceLock::new() }), resident }
    }

    /// The root, read if need be.
    pub(super) fn top<P: Pages>(&self, pages: &P) -> Result<Top<'_>, TreeError<P::Error>> {
        match &self.root {
            Root::Seed(seed) => Ok(Top::Seed(seed)),
            Root::Page(root) => match root.node.get() {
                Some(node) => Ok(Top::Page(node)),
                None => {
                    let (key, newest) = (&root.key, root.newest);
                    let node = Node::load(key, self.vault, self.id, Position::ROOT, newest, &self.resident, pages)?;
                    Ok(Top::Page(root.node.get_or_init(|| node)))
                }
            },
        }
    }

    /// Whether nothing need be read of the root.
    pub(crate) fn has_root(&self) -> bool {
        match &self.root {
            Root::Seed(_) => true,
            Root::Page(root) => root.node.get().is_some(),
        }
    }

    /// Reads the root page, if there is one and it is not in memory.
    pub(crate) fn load_root<P: Pages>(&self, pages: &P) -> Result<(), TreeError<P::Error>> {
        self.top(pages).map(drop)
    }

    /// The same tree without the pages below the root that reads had loaded, and without derived nodes.
    pub(crate) fn without_loaded(&self) -> Tree {
        let root = match &self.root {
            Root::Seed(root) => Root::Seed(RootSeed::of(copy_seed(&root.seed))),
            Root::Page(root) => Root::Page(root.copy(root.node.get().map(|node| node.without_children()))),
        };
        Tree { vault: self.vault, id: self.id, root, resident: self.resident.clone() }
    }

    /// This tree, with the pages it has loaded, if the record's page key is still the same.
    pub(crate) fn same_root(&self, key: &PageKey) -> Option<Tree> {
        let Root::Page(known) = &self.root else { return None };
        secret::equal(known.key.0.bytes(), key.0.bytes()).then(|| Tree {
            vault: self.vault,
            id: self.id,
            root: Root::Page(known.copy(known.node.get().cloned())),
            resident: self.resident.clone(),
        })
    }

    /// This tree, with the nodes it has derived, if the record's seed is still the same.
    pub(crate) fn same_seed(&self, seed: &Seed) -> Option<Tree> {
        let Root::Seed(known) = &self.root else { return None };
        secret::equal(known.seed.0.bytes(), seed.0.bytes()).then(|| Tree {
            vault: self.vault,
            id: self.id,
            root: Root::Seed(known.copy()),
            resident: self.resident.clone(),
        })
    }

    /// Takes over the pages and derived nodes that another version of this tree has in memory and that this one leads to too, and loads the pages
    /// between the root and them that are not the same. What cannot be loaded is left out: it is read when it is needed.
    pub(crate) fn take_over<P: Pages>(&self, before: &Tree, pages: &P) {
        let Root::Page(root) = &self.root else { return };
        match &before.root {
            Root::Page(known) => {
                let Some(known_node) = known.node.get() else { return };
                if secret::equal(root.key.0.bytes(), known.key.0.bytes()) {
                    root.node.get_or_init(|| known_node.clone());
                } else if let Ok(Top::Page(node)) = self.top(pages) {
                    node.take_over(known_node, self.vault, self.id, Position::ROOT, pages);
                }
            }
            Root::Seed(known) => {
                if let Some(known) = known.derived().and_then(|node| node.links())
                    && let Ok(Top::Page(node)) = self.top(pages)
                {
                    node.take_over_derived(known, self.vault, self.id, Position::ROOT, pages);
                }
            }
        }
    }

    pub(crate) fn has_same_root_as(&self, other: &Tree) -> bool {
        match (&self.root, &other.root) {
            (Root::Seed(a), Root::Seed(b)) => secret::equal(a.seed.0.bytes(), b.seed.0.bytes()),
            (Root::Page(a), Root::Page(b)) => secret::equal(a.key.0.bytes(), b.key.0.bytes()),
            _ => false,
        }
    }

    /// Where what is in memory is counted.
    pub(crate) fn resident(&self) -> Arc<Resident> {
        self.resident.clone()
    }

    /// What the root record must hold of this tree.
    pub(crate) fn root(&self) -> RootState<'_> {
        match &self.root {
            Root::Seed(root) => RootState::Seed(&root.seed),
            Root::Page(root) => RootState::Page(&root.key),
        }
    }
}

/// What the root record holds of a tree.
pub(crate) enum RootState<'t> {
    Seed(&'t Seed),
    Page(&'t PageKey),
}

fn copy_seed(seed: &Seed) -> Seed {
    Seed(Secret32::copy_of(seed.0.bytes()))
}

pub(super) fn copy_key(key: &PageKey) -> PageKey {
    PageKey(Secret32::copy_of(key.0.bytes()))
}
