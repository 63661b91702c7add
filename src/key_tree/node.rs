//! Pages in memory, linked as they are loaded.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use crate::derivation::{PageKey, TreeId};
use crate::journal::VaultName;
use crate::key_tree::derived::{Derived, DerivedLinks};
use crate::key_tree::page::{self, Kind, Page};
use crate::key_tree::pages::{Pages, TreeError};
use crate::key_tree::position::Position;
use crate::key_tree::resident::{PAGE_MEMORY, PageRoom, Resident};
use crate::secret;
use crate::stack::on_clean_stack;

/// A page in memory. Immutable, but for the links to what lies below it and was loaded or derived since.
pub(crate) struct Node {
    page: Page,
    /// 256 of them above the leaves, none at the leaves.
    below: Box<[OnceLock<Arc<Node>>]>,
    /// Below entries that hold a seed; the first that is kept makes room for all.
    derived: OnceLock<DerivedLinks>,
    room: PageRoom,
}

/// A page below another one.
pub(super) enum Below<'n> {
    /// Kept as long as that one.
    Linked(&'n Arc<Node>),
    /// Read for the caller alone, since there is no room to keep it.
    Read(Arc<Node>),
}

impl Below<'_> {
    pub(super) fn into_arc(self) -> Arc<Node> {
        match self {
            Below::Linked(node) => node.clone(),
            Below::Read(node) => node,
        }
    }
}

impl Deref for Below<'_> {
    type Target = Node;

    fn deref(&self) -> &Node {
        match self {
            Below::Linked(node) => node,
            Below::Read(node) => node,
        }
    }
}

impl Node {
    pub(super) fn new(page: Page, below: Box<[OnceLock<Arc<Node>>]>, resident: &Arc<Resident>) -> Arc<Node> {
        let room = PageRoom::taken(PAGE_MEMORY + size_of_val(&*below), resident);
        on_clean_stack(|| Arc::new(Node { page, below, derived: OnceLock::new(), room }))
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
    ) -> Result<Below<'_>, TreeError<P::Error>> {
        self.load_below(byte, vault, tree, position, || !self.resident().is_full(), pages)
    }

    fn load_below<P: Pages>(
        &self,
        byte: u8,
        vault: VaultName,
        tree: TreeId,
        position: Position,
        is_kept: impl FnOnce() -> bool,
        pages: &P,
    ) -> Result<Below<'_>, TreeError<P::Error>> {
        let link = self.below.get(usize::from(byte));
        if let Some(node) = link.and_then(OnceLock::get) {
            return Ok(Below::Linked(node));
        }
        let key = self.page.page_key(byte);
        let newest = self.page.generation();
        // Before: it counts itself.
        let is_kept = is_kept();
        let node = Node::load(&key, vault, tree, position.child(byte), newest, self.resident(), pages)?;
        match link {
            Some(link) if is_kept => Ok(Below::Linked(link.get_or_init(|| node))),
            _ => Ok(Below::Read(node)),
        }
    }

    /// The node above the leaves that follows from the seed of entry `byte`, derived if need be; `None` if there is no room to keep it.
    #[inline]
    pub(super) fn derived_below(&self, byte: u8, position: Position) -> Option<&Derived> {
        if let Some(node) = self.derived.get().and_then(|links| links.get(byte)) {
            return Some(node);
        }
        self.link_derived(byte, Derived::of(self.page.key(byte), position.child(byte), self.resident())?)
    }

    /// Links a derived node, if this page's entry holds the seed that it follows from. So it leads to nobody who cannot be reached from here, whichever
    /// version of the tree it was derived in.
    fn link_derived(&self, byte: u8, node: Arc<Derived>) -> Option<&Derived> {
        if self.page.kind(byte) != Kind::Key || !secret::equal(self.page.key(byte), node.seed()) {
            return None;
        }
        self.derived.get_or_init(|| on_clean_stack(DerivedLinks::none)).link(byte, node)
    }

    /// Links those of an older version's derived nodes that this page's entries lead to.
    pub(super) fn keep_derived(&self, before: &DerivedLinks) {
        for (byte, node) in before.iter() {
            let _ = self.link_derived(byte, node.clone());
        }
    }

    /// Derived nodes below this page's entries, as far as they are kept.
    pub(super) fn derived(&self) -> Option<&DerivedLinks> {
        self.derived.get()
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
        if let Some(known) = before.derived() {
            self.take_over_derived(known, vault, tree, position, pages);
        }
    }

    /// The same for nodes that an older version had derived: as long as the entry is the same they stay. Of one that was written down since, the page is
    /// loaded, for what lies below it.
    pub(super) fn take_over_derived<P: Pages>(
        &self,
        before: &DerivedLinks,
        vault: VaultName,
        tree: TreeId,
        position: Position,
        pages: &P,
    ) {
        for (byte, known) in before.iter() {
            if self.page.kind(byte) != Kind::Page {
                let _ = self.link_derived(byte, known.clone());
            } else if let Ok(written) = self.below(byte, vault, tree, position, pages)
                && let Some(known) = known.links()
            {
                written.take_over_derived(known, vault, tree, position.child(byte), pages);
            }
        }
    }

    /// Copies of the links to loaded pages, for the node that replaces this one.
    pub(super) fn links(&self) -> Box<[OnceLock<Arc<Node>>]> {
        self.below.clone()
    }

    pub(super) fn without_children(&self) -> Arc<Node> {
        let links = self.below.iter().map(|_| OnceLock::new()).collect();
        Node::new(self.page.copy(), links, self.resident())
    }

    fn resident(&self) -> &Arc<Resident> {
        self.room.resident()
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
    on_clean_stack(|| (0..count).map(|_| OnceLock::new()).collect())
}
