//! What every store must do, as checks to run on yours.
//!
//! ```
//! use oubliette::store::{Memory, conformance};
//!
//! conformance::page_store(Memory::new, Memory::clone)?;
//! conformance::root_store(Memory::new, Memory::clone)?;
//! # Ok::<(), conformance::Failure>(())
//! ```
//!
//! Both take two closures: one makes a new, empty store each time; the other opens a second handle on what a given
//! store holds, the way another process would. A handle is dropped before its successor is asked, where that matters.
//!
//! What no check from outside can see: whether what was written survives a power failure, and whether an old root record
//! can still be found on the medium. Say in your documentation how far yours goes.

#[cfg(test)]
mod broken;
mod pages;
mod root;

use std::fmt;

use super::{PAGE_BYTES, PageName, PageStore, Problem, RECORD_BYTES, RootStore, StoreError, StoredPage};

/// A check that a store did not pass.
///
/// The [module](self) has an example.
#[derive(Debug)]
pub struct Failure {
    check: &'static str,
    expected: &'static str,
    found: String,
    source: Option<StoreError>,
}

impl Failure {
    fn new(expected: &'static str, found: impl fmt::Debug) -> Failure {
        Failure { check: "", expected, found: format!("{found:?}"), source: None }
    }

    /// The name of the check.
    #[must_use]
    pub fn check(&self) -> &'static str {
        self.check
    }

    /// What it expected.
    #[must_use]
    pub fn expected(&self) -> &'static str {
        self.expected
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let found = error.to_string();
        Failure { check: "", expected: "no error", found, source: Some(error) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.check, self.expected, self.found)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

type Check<S> = fn(S, &mut dyn FnMut(&S) -> S) -> Result<(), Failure>;

fn run<S>(
    checks: &[(&'static str, Check<S>)],
    mut fresh: impl FnMut() -> S,
    mut again: impl FnMut(&S) -> S,
) -> Result<(), Failure> {
    checks
        .iter()
        .try_for_each(|(name, check)| check(fresh(), &mut again).map_err(|failure| Failure { check: name, ..failure }))
}

/// Runs every check of a [`PageStore`] on new stores from `fresh`; `again` opens a second handle.
///
/// # Errors
/// The first check that fails.
pub fn page_store<S: PageStore>(fresh: impl FnMut() -> S, again: impl FnMut(&S) -> S) -> Result<(), Failure> {
    run(&pages::checks::<S>(), fresh, again)
}

/// Runs every check of a [`RootStore`] on new stores from `fresh`; `again` opens a second handle.
///
/// # Errors
/// The first check that fails.
pub fn root_store<S: RootStore>(fresh: impl FnMut() -> S, again: impl FnMut(&S) -> S) -> Result<(), Failure> {
    run(&root::checks::<S>(), fresh, again)
}

fn ensure(holds: bool, expected: &'static str, found: impl fmt::Debug) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::new(expected, found)) }
}

fn page(n: u8, content: u8) -> StoredPage {
    StoredPage { name: PageName([n; 16]), bytes: vec![content; PAGE_BYTES] }
}

fn record(n: u64) -> Vec<u8> {
    n.to_be_bytes().iter().copied().cycle().take(RECORD_BYTES).collect()
}

fn is_problem<T>(result: &Result<T, StoreError>, problem: Problem) -> bool {
    matches!(result, Err(error) if error.problem() == problem)
}
