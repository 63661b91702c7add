//! Walks over a whole tree: which pages it needs, which numbers it has shredded.

use std::collections::HashSet;

use crate::journal::Ranges;
use crate::key_tree::node::Node;
use crate::key_tree::page::{self, Kind};
use crate::key_tree::pages::{Pages, TreeError};
use crate::key_tree::position::Position;
use crate::key_tree::tree::{Root, Top, Tree};
use crate::store::PageName;
#[cfg(test)]
use {
    crate::key_tree::derived::{Derived, DerivedLinks},
    std::any::Any,
    std::sync::{Arc, Weak},
};

impl Tree {
    /// Every shredded number, number 0 included once its page was written down.
    pub(crate) fn shredded<P: Pages>(&self, pages: &P) -> Result<Ranges, TreeError<P::Error>> {
        let mut found = Vec::new();
        if let Top::Page(node) = self.top(pages)? {
            visit(self, node, Position::ROOT, pages, &mut |position, byte, kind| {
                if kind == Kind::Shredded {
                    found.push(position.numbers_below(byte));
                }
            })?;
        }
        Ok(Ranges::of(found))
    }

    /// The names of all pages that this tree needs. Interior ones were read; leaves are named only.
    pub(crate) fn page_names<P: Pages>(
        &self,
        pages: &P,
        names: &mut HashSet<PageName>,
    ) -> Result<(), TreeError<P::Error>> {
        if let Root::Page(root) = &self.root {
            names.insert(page::name(&root.key));
        }
        if let Top::Page(node) = self.top(pages)? {
            visit_above_leaves(self, node, Position::ROOT, pages, &mut |name| {
                names.insert(name);
            })?;
        }
        Ok(())
    }
}

/// Shredded numbers below a node, number 0 left out: it counts as shredded only once its leaf is written down.
pub(super) fn count_below<P: Pages>(
    tree: &Tree,
    node: &Node,
    position: Position,
    pages: &P,
) -> Result<u64, TreeError<P::Error>> {
    let mut count = 0;
    visit(tree, node, position, pages, &mut |position, byte, kind| {
        if kind == Kind::Shredded {
            let numbers = position.numbers_below(byte);
            count += numbers.end() - numbers.start() + u64::from(*numbers.start() > 0);
        }
    })?;
    Ok(count)
}

fn visit<P: Pages>(
    tree: &Tree,
    node: &Node,
    position: Position,
    pages: &P,
    seen: &mut dyn FnMut(Position, u8, Kind),
) -> Result<(), TreeError<P::Error>> {
    for byte in 0..=u8::MAX {
        let kind = node.page().kind(byte);
        seen(position, byte, kind);
        if kind == Kind::Page {
            let child = node.below(byte, tree.vault, tree.id, position, pages)?;
            visit(tree, &child, position.child(byte), pages, seen)?;
        }
    }
    Ok(())
}

/// Goes on behind a page that cannot be had, and tells of it at the end: a caller that fetches pages wants them all at once.
fn visit_above_leaves<P: Pages>(
    tree: &Tree,
    node: &Node,
    position: Position,
    pages: &P,
    seen: &mut dyn FnMut(PageName),
) -> Result<(), TreeError<P::Error>> {
    let mut all = Ok(());
    for byte in 0..=u8::MAX {
        if node.page().kind(byte) == Kind::Page {
            seen(page::name(&node.page().page_key(byte)));
            if !position.child(byte).is_leaf() {
                let below = node.below(byte, tree.vault, tree.id, position, pages);
                let visited =
                    below.and_then(|child| visit_above_leaves(tree, &child, position.child(byte), pages, seen));
                all = all.and(visited);
            }
        }
    }
    all
}

#[cfg(test)]
impl Tree {
    /// Derived nodes that are kept, and where they stand.
    pub(super) fn derived(&self) -> Vec<(Position, Arc<Derived>)> {
        fn of_page(node: &Node, position: Position, found: &mut Vec<(Position, Arc<Derived>)>) {
            for (byte, node) in node.derived().into_iter().flat_map(DerivedLinks::iter) {
                of_derived(node, position.child(byte), found);
            }
            for (byte, child) in node.loaded() {
                of_page(child, position.child(byte), found);
            }
        }
        fn of_derived(node: &Arc<Derived>, position: Position, found: &mut Vec<(Position, Arc<Derived>)>) {
            found.push((position, node.clone()));
            for (byte, node) in node.links().into_iter().flat_map(DerivedLinks::iter) {
                of_derived(node, position.child(byte), found);
            }
        }
        let mut found = Vec::new();
        match &self.root {
            Root::Seed(root) => {
                root.derived().into_iter().for_each(|node| of_derived(node, Position::ROOT, &mut found))
            }
            Root::Page(root) => root.loaded().into_iter().for_each(|node| of_page(node, Position::ROOT, &mut found)),
        }
        found
    }

    /// Derived nodes on the way to a customer that are kept now; whoever holds these can tell later whether they are gone.
    pub(crate) fn kept_towards(&self, number: u64) -> Vec<Weak<dyn Any + Send + Sync>> {
        let on_path = self.derived().into_iter().filter(|(position, _)| position.is_above(number));
        on_path.map(|(_, node)| Arc::downgrade(&node) as Weak<dyn Any + Send + Sync>).collect()
    }

    /// A name for each page in memory, the root's included.
    pub(super) fn names_in_memory(&self, names: &mut Vec<PageName>) {
        fn below(node: &Node, names: &mut Vec<PageName>) {
            for (byte, child) in node.loaded() {
                names.push(page::name(&node.page().page_key(byte)));
                below(child, names);
            }
        }
        if let Root::Page(root) = &self.root
            && let Some(node) = root.loaded()
        {
            names.push(page::name(&root.key));
            below(node, names);
        }
    }

    pub(super) fn page_name_of_root(&self) -> Option<PageName> {
        match &self.root {
            Root::Seed(_) => None,
            Root::Page(root) => Some(page::name(&root.key)),
        }
    }
}
