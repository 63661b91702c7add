//! Loading a tree's pages before anybody needs them, a few at a time.

use std::ops::RangeInclusive;

use crate::journal::Ranges;
use crate::key_tree::node::Node;
use crate::key_tree::page::Kind;
use crate::key_tree::pages::{Pages, TreeError};
use crate::key_tree::position::Position;
use crate::key_tree::ranges::within;
use crate::key_tree::tree::{Top, Tree};

/// One step of loading ahead, in order of customers' numbers.
pub(crate) struct Ahead<'a, E> {
    /// Numbers below it need nothing any more.
    pub(crate) from: u64,
    /// How many pages may be missed before the step ends.
    pub(crate) most: usize,
    /// Told why a page was not loaded; true if it will come: then the next step looks for it again.
    pub(crate) missed: &'a mut dyn FnMut(TreeError<E>) -> bool,
}

/// Where a step stands.
struct Place {
    /// The lowest number whose page is to come.
    next: Option<u64>,
    missed: usize,
}

impl Tree {
    /// Loads what `pages` has of the pages that follow `ahead.from`. Gives the number from which on the next step must look; `None` if nothing is left.
    pub(crate) fn load_ahead<P: Pages>(&self, ahead: &mut Ahead<'_, P::Error>, pages: &P) -> Option<u64> {
        let mut place = Place { next: None, missed: 0 };
        match self.top(pages) {
            Ok(Top::Seed(_)) => {}
            Ok(Top::Page(node)) => self.load_below(node, Position::ROOT, ahead, &mut place, pages),
            Err(error) => {
                if (ahead.missed)(error) {
                    place.next = Some(ahead.from);
                }
            }
        }
        place.next
    }

    /// Loads what `pages` has of the pages that lead to these numbers. What it lacks it is asked for all the same: so it hears of several at once.
    pub(crate) fn load_towards<P: Pages>(&self, numbers: &Ranges, pages: &P) {
        if let Ok(Top::Page(node)) = self.top(pages) {
            self.load_paths(node, Position::ROOT, numbers.as_slice(), pages);
        }
    }

    fn load_paths<P: Pages>(&self, node: &Node, position: Position, numbers: &[RangeInclusive<u64>], pages: &P) {
        let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return };
        for byte in position.child_towards(*first.start())..=position.child_towards(*last.end()) {
            let all = position.numbers_below(byte);
            let some = within(numbers, &all);
            // Below one that goes as a whole nothing is rewritten.
            if some.is_empty() || some == [all] || node.page().kind(byte) != Kind::Page {
                continue;
            }
            if let Ok(child) = node.below(byte, self.vault, self.id, position, pages)
                && !position.child(byte).is_leaf()
            {
                self.load_paths(&child, position.child(byte), &some, pages);
            }
        }
    }

    fn load_below<P: Pages>(
        &self,
        node: &Node,
        position: Position,
        ahead: &mut Ahead<'_, P::Error>,
        place: &mut Place,
        pages: &P,
    ) {
        for byte in 0..=u8::MAX {
            let numbers = position.numbers_below(byte);
            if node.page().kind(byte) != Kind::Page || *numbers.end() < ahead.from {
                continue;
            }
            if place.missed >= ahead.most {
                place.next.get_or_insert(*numbers.start());
                return;
            }
            match node.below(byte, self.vault, self.id, position, pages) {
                Ok(child) if !position.child(byte).is_leaf() => {
                    self.load_below(&child, position.child(byte), ahead, place, pages);
                }
                Ok(_) => {}
                Err(error) => {
                    if (ahead.missed)(error) {
                        place.missed += 1;
                        place.next.get_or_insert(*numbers.start());
                    }
                }
            }
        }
    }
}
