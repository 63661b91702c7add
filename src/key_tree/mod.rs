//! The key tree: keys of up to 2^40 customers, derived from one seed, of which single ones can be forgotten.
//!
//! See FORMAT.md for the construction. This module knows nothing of files: whoever calls it hands in a [`Pages`], from
//! which encrypted pages come by name, and takes away the pages that a shred wrote down.

#[cfg(fuzzing)]
mod fuzzing;
mod node;
mod page;
mod position;
mod ranges;
mod shred;
mod survey;
mod walk;

use std::sync::Arc;

use crate::derivation::{PageKey, Seed, TreeId};
use crate::journal::VaultName;
use crate::secret::{self, Secret32};
use crate::store::PageName;

pub(crate) use crate::journal::Ranges;
#[cfg(fuzzing)]
pub(crate) use fuzzing::{content_of_page, open_page, seal_page};
pub(crate) use node::Resident;
pub(crate) use page::Damage;
pub(crate) use position::Position;
pub(crate) use shred::Rewritten;
pub(crate) use walk::{Found, Walker};

use node::Node;

/// Where encrypted pages and fresh randomness come from.
pub(crate) trait Pages {
    /// What can go wrong there.
    type Error;
    /// The stored bytes of a page, or `None` if it is not there.
    fn load(&self, name: &PageName) -> Result<Option<Vec<u8>>, Self::Error>;
    /// 32 bytes from the operating system.
    fn fresh(&self, out: &mut [u8; 32]) -> Result<(), Self::Error>;
}

/// Why a tree could not be read or changed. None of these means shredded.
#[derive(Debug)]
pub(crate) enum TreeError<E> {
    /// A page that must exist is not in the store.
    Missing(PageName, Position),
    /// A page is there and wrong.
    Damaged(PageName, Position, Damage),
    /// The store or the randomness failed.
    Pages(E),
    /// A page could not be encrypted or a step not be taken: a bug of this crate.
    Lost,
}

/// The keys of one purpose: an immutable snapshot, replaced by a shred.
pub(crate) struct Tree {
    vault: VaultName,
    id: TreeId,
    root: Root,
    resident: Arc<Resident>,
}

enum Root {
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

fn copy_key(key: &PageKey) -> PageKey {
    PageKey(Secret32::copy_of(key.0.bytes()))
}

#[cfg(test)]
pub(crate) use page::{Kind, Page};

#[cfg(test)]
pub(crate) mod tests;
