//! Pages in memory, linked as they are loaded.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::derivation::{PageKey, TreeId};
use crate::journal::VaultName;
use crate::key_tree::page::{self, Kind, Page};
use crate::key_tree::pages::{Pages, TreeError};
use crate::key_tree::position::Position;
use crate::secret;

/// Counts the pages in memory of all trees of a vault, against a stated limit.
pub(crate) struct Resident {
    count: AtomicUsize,
    most: usize,
}

impl Resident {
    pub(crate) fn at_most(pages: usize) -> Arc<Resident> {
        Arc::new(Resident { count: AtomicUsize::new(0), most: pages })
    }

    /// Pages in memory now.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// How many more could be read and kept, with some room left for those that are read as they are needed: once it is
    /// [full](Resident::is_full), all may be let go.
    pub(crate) fn room(&self) -> usize {
        (self.most - self.most / 8).saturating_sub(self.count())
    }

    /// True when pages read from now on are not kept.
    pub(crate) fn is_full(&self) -> bool {
        self.count() >= self.most
    }
}

/// A page in memory. Immutable, but for the links to pages below it that were loaded since.
pub(crate) struct Node {
    page: Page,
    /// 256 of them above the leaves, none at the leaves.
    below: Box<[OnceLock<Arc<Node>>]>,
    resident: Arc<Resident>,
}

impl Node {
    pub(super) fn new(page: Page, below: Box<[OnceLock<Arc<Node>>]>, resident: &Arc<Resident>) -> Arc<Node> {
        resident.count.fetch_add(1, Ordering::Relaxed);
        Arc::new(Node { page, below, resident: resident.clone() })
    }

    pub(super) fn load<P: Pages>(
        key: &PageKey,
        vault: VaultName,
        tree: TreeId,
        position: Position,
        newest: u64,
        resident: &Arc<Resident>,
        pages: &P,
    ) -> Result<Arc<Node>, TreeError<P::Error>> {
        let name = page::name(key);
        let bytes = pages.load(&name).map_err(TreeError::Pages)?.ok_or(TreeError::Missing(name, position))?;
        let page = Page::open(bytes, key, vault, tree, position, newest)
            .map_err(|damage| TreeError::Damaged(name, position, damage))?;
        Ok(Node::new(page, no_links(position), resident))
    }

    pub(super) fn page(&self) -> &Page {
        &self.page
    }

    /// The page below `byte`, loaded if need be, and kept if there is room.
    pub(super) fn below<P: Pages>(
        &self,
        byte: u8,
        vault: VaultName,
        tree: TreeId,
        position: Position,
        pages: &P,
    ) -> Result<Arc<Node>, TreeError<P::Error>> {
        self.load_below(byte, vault, tree, position, || !self.resident.is_full(), pages)
    }

    fn load_below<P: Pages>(
        &self,
        byte: u8,
        vault: VaultName,
        tree: TreeId,
        position: Position,
        is_kept: impl FnOnce() -> bool,
        pages: &P,
    ) -> Result<Arc<Node>, TreeError<P::Error>> {
        let link = self.below.get(usize::from(byte));
        if let Some(node) = link.and_then(OnceLock::get) {
            return Ok(node.clone());
        }
        let key = self.page.page_key(byte);
        let newest = self.page.generation();
        let node = Node::load(&key, vault, tree, position.child(byte), newest, &self.resident, pages)?;
        match link {
            Some(link) if is_kept() => Ok(link.get_or_init(|| node).clone()),
            _ => Ok(node),
        }
    }

    /// Links the pages that `before`, an older version of this page, has in memory and that this one names too. Of one that changed, the
    /// new version is loaded, for what lies below it.
    ///
    /// A page is what its key says: it was encrypted under that key alone, and names those below it by theirs. So a page whose key this one
    /// holds leads to nobody who cannot be reached from here, whoever read it first.
    pub(super) fn take_over<P: Pages>(
        &self,
        before: &Node,
        vault: VaultName,
        tree: TreeId,
        position: Position,
        pages: &P,
    ) {
        for ((byte, link), known) in (0..=u8::MAX).zip(&self.below).zip(&before.below) {
            let Some(known) = known.get() else { continue };
            if self.page.kind(byte) != Kind::Page || before.page.kind(byte) != Kind::Page {
                continue;
            }
            if secret::equal(self.page.key(byte), before.page.key(byte)) {
                link.get_or_init(|| known.clone());
                continue;
            }
            // Kept whether there is room or not: the one that it replaces is about to go. What cannot be had is told to whoever needs it.
            if let Ok(changed) = self.load_below(byte, vault, tree, position, || true, pages) {
                changed.take_over(known, vault, tree, position.child(byte), pages);
            }
        }
    }

    /// Copies of the links to loaded pages, for the node that replaces this one.
    pub(super) fn links(&self) -> Box<[OnceLock<Arc<Node>>]> {
        self.below.clone()
    }

    pub(super) fn without_children(&self, resident: &Arc<Resident>) -> Arc<Node> {
        let links = self.below.iter().map(|_| OnceLock::new()).collect();
        Node::new(self.page.copy(), links, resident)
    }
}

#[cfg(test)]
impl Node {
    pub(super) fn loaded(&self) -> impl Iterator<Item = (u8, &Node)> {
        (0..=u8::MAX).zip(&self.below).filter_map(|(byte, link)| Some((byte, &**link.get()?)))
    }
}

pub(super) fn no_links(position: Position) -> Box<[OnceLock<Arc<Node>>]> {
    let count = if position.is_leaf() { 0 } else { 256 };
    (0..count).map(|_| OnceLock::new()).collect()
}

impl Drop for Node {
    fn drop(&mut self) {
        self.resident.count.fetch_sub(1, Ordering::Relaxed);
    }
}
