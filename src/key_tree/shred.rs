//! Shredding: the path to each shredded customer is written down anew, under new page keys.

use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use crate::derivation::PageKey;
use crate::journal::Ranges;
use crate::key_tree::derived::{Derived, DerivedLinks};
use crate::key_tree::node::{Below, Node, no_links};
use crate::key_tree::page::{Kind, Page};
use crate::key_tree::pages::{Pages, TreeError};
use crate::key_tree::position::Position;
use crate::key_tree::ranges::within;
use crate::key_tree::survey::count_below;
use crate::key_tree::tree::{Root, RootPage, Top, Tree, copy_key};
use crate::secret::Secret32;
use crate::store::StoredPage;

/// What shredding a set of numbers came to.
pub(crate) struct Rewritten {
    /// The tree without them, or nothing if all were shredded before.
    pub(crate) tree: Option<Tree>,
    /// Pages to store before the root record points to the new tree.
    pub(crate) pages: Vec<StoredPage>,
    /// Numbers shredded now that were not before.
    pub(crate) newly: u64,
}

impl Tree {
    /// The tree without these numbers. This one stays as it is.
    ///
    /// `generation` is that of the root record to come.
    pub(crate) fn shred<P: Pages>(
        &self,
        numbers: &Ranges,
        generation: u64,
        pages: &P,
    ) -> Result<Rewritten, TreeError<P::Error>> {
        self.rewrite(numbers, None, generation, pages)
    }

    /// Shreds one number, and gives another in the same leaf a new key that follows from nothing: whoever had a copy of
    /// this tree cannot derive it.
    pub(crate) fn shred_and_renew<P: Pages>(
        &self,
        shredded: u64,
        renewed: u64,
        generation: u64,
        pages: &P,
    ) -> Result<Rewritten, TreeError<P::Error>> {
        self.rewrite(&Ranges::of_numbers([shredded]), Some(renewed), generation, pages)
    }

    fn rewrite<P: Pages>(
        &self,
        numbers: &Ranges,
        renewed: Option<u64>,
        generation: u64,
        pages: &P,
    ) -> Result<Rewritten, TreeError<P::Error>> {
        let mut rewrite = Rewrite { tree: self, generation, renewed, pages, written: Vec::new(), newly: 0 };
        let state = match self.top(pages)? {
            Top::Seed(root) => State::of(root.derived(), root.seed.0.bytes()),
            Top::Page(node) => State::Node(node.clone()),
        };
        let tree = match rewrite.node(state, Position::ROOT, numbers.as_slice())? {
            // The root is never dropped, so it is never all shredded either.
            Outcome::Unchanged | Outcome::AllShredded => None,
            Outcome::Page(key, node) => {
                let root = Root::Page(RootPage::written(copy_key(&key), generation, node));
                Some(Tree { vault: self.vault, id: self.id, root, resident: self.resident.clone() })
            }
        };
        Ok(Rewritten { tree, pages: rewrite.written, newly: rewrite.newly })
    }
}

struct Rewrite<'a, P> {
    tree: &'a Tree,
    generation: u64,
    renewed: Option<u64>,
    pages: &'a P,
    written: Vec<StoredPage>,
    newly: u64,
}

enum State {
    Key(Secret32),
    Derived(Arc<Derived>),
    Node(Arc<Node>),
}

impl State {
    /// Of what is not written down: by the node that is kept of it, which knows of others.
    fn of(derived: Option<&Arc<Derived>>, seed: &[u8; 32]) -> State {
        derived.map_or_else(|| State::Key(Secret32::copy_of(seed)), |node| State::Derived(node.clone()))
    }

    /// Derived nodes below it.
    fn derived(&self) -> Option<&DerivedLinks> {
        match self {
            State::Key(_) => None,
            State::Derived(node) => node.links(),
            State::Node(node) => node.derived(),
        }
    }
}

enum Outcome {
    Unchanged,
    AllShredded,
    Page(PageKey, Arc<Node>),
}

impl<P: Pages> Rewrite<'_, P> {
    fn node(
        &mut self,
        state: State,
        position: Position,
        numbers: &[RangeInclusive<u64>],
    ) -> Result<Outcome, TreeError<P::Error>> {
        let (mut page, mut below) = match &state {
            State::Key(key) => (Page::expanded(key.bytes(), self.tree.id, position), no_links(position)),
            State::Derived(node) => (Page::expanded(node.seed(), self.tree.id, position), no_links(position)),
            State::Node(node) => (node.page().copy(), node.links()),
        };
        let mut changed = false;
        let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return Ok(Outcome::Unchanged) };
        for byte in position.child_towards(*first.start())..=position.child_towards(*last.end()) {
            let all = position.numbers_below(byte);
            let some = within(numbers, &all);
            if some.is_empty() || page.kind(byte) == Kind::Shredded {
                continue;
            }
            let shredded_whole = if some == [all.clone()] {
                self.newly += self.unshredded(&state, &page, position, byte, &all)?;
                true
            } else {
                let child = match page.kind(byte) {
                    Kind::Page => State::Node(self.below(&state, byte, position)?),
                    _ => State::of(state.derived().and_then(|links| links.get(byte)), page.key(byte)),
                };
                match self.node(child, position.child(byte), &some)? {
                    Outcome::Unchanged => continue,
                    Outcome::AllShredded => true,
                    Outcome::Page(key, node) => {
                        page.set_page(byte, &key);
                        link(&mut below, byte, Some(node));
                        false
                    }
                }
            };
            if shredded_whole {
                page.shred(byte);
                link(&mut below, byte, None);
            }
            changed = true;
        }
        if !changed {
            return Ok(Outcome::Unchanged);
        }
        if let Some(renewed) = self.renewed.filter(|_| position.is_leaf()) {
            self.renew(&mut page, position, renewed)?;
        }
        if page.is_all_shredded() && position != Position::ROOT {
            return Ok(Outcome::AllShredded);
        }
        self.seal(page, below, state.derived(), position)
    }

    fn renew(&self, page: &mut Page, position: Position, number: u64) -> Result<(), TreeError<P::Error>> {
        let byte = position.child_towards(number);
        if position.numbers_below(byte) == (number..=number) && page.kind(byte) == Kind::Key {
            let mut fresh = Secret32::empty();
            self.pages.fresh(fresh.bytes_mut()).map_err(TreeError::Pages)?;
            page.set_key(byte, fresh.bytes());
        }
        Ok(())
    }

    fn seal(
        &mut self,
        mut page: Page,
        below: Box<[OnceLock<Arc<Node>>]>,
        derived: Option<&DerivedLinks>,
        position: Position,
    ) -> Result<Outcome, TreeError<P::Error>> {
        let mut fresh = Secret32::empty();
        self.pages.fresh(fresh.bytes_mut()).map_err(TreeError::Pages)?;
        let sealed = page.seal(fresh.bytes(), self.tree.vault, self.tree.id, position, self.generation);
        let (key, stored) = sealed.map_err(|_| TreeError::Lost)?;
        self.written.push(stored);
        let node = Node::new(page, below, &self.tree.resident);
        if let Some(derived) = derived {
            // Those off the path: whoever is sealed for next need not wait for them to be derived again.
            node.keep_derived(derived);
        }
        Ok(Outcome::Page(key, node))
    }

    fn below(&self, state: &State, byte: u8, position: Position) -> Result<Arc<Node>, TreeError<P::Error>> {
        match state {
            State::Node(node) => {
                node.below(byte, self.tree.vault, self.tree.id, position, self.pages).map(Below::into_arc)
            }
            State::Key(_) | State::Derived(_) => Err(TreeError::Lost),
        }
    }

    /// How many numbers below a child are not shredded yet.
    fn unshredded(
        &self,
        state: &State,
        page: &Page,
        position: Position,
        byte: u8,
        all: &RangeInclusive<u64>,
    ) -> Result<u64, TreeError<P::Error>> {
        // Number 0 is never issued.
        let size = all.end() - all.start() + u64::from(*all.start() > 0);
        let already = match page.kind(byte) {
            Kind::Page => {
                let node = self.below(state, byte, position)?;
                count_below(self.tree, &node, position.child(byte), self.pages)?
            }
            _ => 0,
        };
        Ok(size.saturating_sub(already))
    }
}

fn link(below: &mut [OnceLock<Arc<Node>>], byte: u8, node: Option<Arc<Node>>) {
    if let Some(place) = below.get_mut(usize::from(byte)) {
        *place = node.map_or_else(OnceLock::new, OnceLock::from);
    }
}
