//! Bugs planted in the crate, so that tests of tests can see them fail.
//!
//! With `--cfg planted` alone, which no feature turns on: `.ci/planted` runs those tests.

use std::cell::Cell;

/// A bug to plant in shreds of this thread, so that tests of tests can see them fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The root record keeps the page key that the process remembers, not the new one.
    StaleRootKey,
    /// A page is written again under the key it had.
    ReusedPageKey,
    /// The key of a shredded child stays in its page.
    SeedLeft,
    /// A shred of all purposes reaches the first key tree only.
    OneTreeOnly,
    /// The tree of a new purpose starts with nobody shredded.
    NewTreeForgets,
}

thread_local! {
    static BUG: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Plants a bug in this thread, or takes it away.
pub fn plant(bug: Option<Bug>) {
    BUG.set(bug);
}

pub(crate) fn is_planted(bug: Bug) -> bool {
    BUG.get() == Some(bug)
}
