//! Pages for those who read: fetched while nothing is held.
//!
//! A store may take its time, or hang for ever. Whoever waits for it must not hold a snapshot, a handle's lock or a key meanwhile: when the
//! lease runs out these are wiped, and nothing that a store does may be in the way of that.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::key_tree::Pages;
use crate::nonce;
use crate::store::{PageName, PageStore, StoreError, StoredPage};
use crate::vault::state::PagesError;

/// A page as stored, encrypted; or that there is none.
type Page = Result<Option<Vec<u8>>, StoreError>;

/// Pages that a store is asked for at once: two megabytes.
pub(crate) const PAGES_AT_ONCE: usize = 256;

/// Pages by their names.
pub(crate) fn get_many(store: &dyn PageStore, names: &[PageName]) -> impl Iterator<Item = (PageName, Page)> {
    let mut pages = match names {
        [name] => vec![store.get(name)],
        names => store.get_many(names),
    };
    // A store that answers fewer than it was asked for.
    pages.extend(names.iter().skip(pages.len()).map(|name| store.get(name)));
    names.iter().copied().zip(pages)
}

/// Pages that came, and names of others that were looked for.
#[derive(Default)]
pub(crate) struct Arrived {
    pub(crate) pages: BTreeMap<PageName, Page>,
    wanted: RefCell<Vec<PageName>>,
}

impl Arrived {
    pub(crate) fn add(&mut self, pages: impl IntoIterator<Item = StoredPage>) {
        self.pages.extend(pages.into_iter().map(|page| (page.name, Ok(Some(page.bytes)))));
    }

    /// What was looked for and is not here, each once.
    pub(crate) fn take_wanted(&self) -> Vec<PageName> {
        let wanted: BTreeSet<PageName> = self.wanted.take().into_iter().collect();
        wanted.into_iter().collect()
    }
}

impl Pages for Arrived {
    type Error = PagesError;

    fn load(&self, name: &PageName) -> Result<Option<Vec<u8>>, PagesError> {
        match self.pages.get(name) {
            Some(Ok(page)) => Ok(page.clone()),
            Some(Err(error)) => Err(PagesError::of(name, error.clone())),
            None => {
                self.wanted.borrow_mut().push(*name);
                Err(PagesError::Wanted)
            }
        }
    }

    fn fresh(&self, out: &mut [u8; 32]) -> Result<(), PagesError> {
        nonce::fill(out).map_err(|_| PagesError::Randomness)
    }
}

/// What was fetched so far for one piece of work.
pub(crate) struct Fetched<'s> {
    store: &'s dyn PageStore,
    /// The work was begun so often that its pages are read in it, whatever it holds: others shred faster than pages come.
    is_last: bool,
    arrived: Arrived,
}

/// A path has five pages. More often than that it is begun anew only if it is another path each time, since somebody was shredded near by.
const MOST_TRIES: u32 = 16;

impl Fetched<'_> {
    /// Does `work`, which finds some of the pages that it needs in memory and some in what it is given. Those that it finds in neither are
    /// fetched, and the work is done again from the start; what came of it before is dropped. It may go on behind a page that it lacks, so as
    /// to want several at once.
    ///
    /// `work` must let go of all that it holds before it returns, and change nothing else unless it succeeds.
    pub(crate) fn with<T>(store: &dyn PageStore, mut work: impl FnMut(&Fetched<'_>) -> T) -> T {
        let mut fetched = Fetched { store, is_last: false, arrived: Arrived::default() };
        for _ in 1..MOST_TRIES {
            let done = work(&fetched);
            if !fetched.wants_more() {
                return done;
            }
            // Keys, perhaps.
            drop(done);
            for names in fetched.arrived.take_wanted().chunks(PAGES_AT_ONCE) {
                fetched.arrived.pages.extend(get_many(store, names));
            }
        }
        fetched.is_last = true;
        work(&fetched)
    }

    /// Whether what is done now will be done again, so that nothing of it may be kept.
    pub(crate) fn wants_more(&self) -> bool {
        !self.arrived.wanted.borrow().is_empty()
    }
}

impl Pages for Fetched<'_> {
    type Error = PagesError;

    fn load(&self, name: &PageName) -> Result<Option<Vec<u8>>, PagesError> {
        if self.is_last && !self.arrived.pages.contains_key(name) {
            return self.store.get(name).map_err(|error| PagesError::of(name, error));
        }
        self.arrived.load(name)
    }

    fn fresh(&self, out: &mut [u8; 32]) -> Result<(), PagesError> {
        self.arrived.fresh(out)
    }
}
