//! The mark beside the pages: made for each commit, and believed only if this vault made it.

use crate::derivation;
use crate::error::KeyStoreError;
use crate::root_record::Record;
use crate::secret;
use crate::stack::with_clean_stack;
use crate::store::{Mark, PageStore, Problem, StoreError};

/// The mark that says that there is, or is about to be, a record of that generation. `is_copy`: made by a process that was unlocked as a copy.
pub(crate) fn make(record: &Record, generation: u64, is_copy: bool) -> Mark {
    let vault = record.clear.vault;
    let mut proof = [0; 32];
    with_clean_stack(|| derivation::mark(record.signer.0.bytes(), vault, generation, is_copy, &mut proof));
    Mark { generation, vault: vault.to_bytes(), proof }
}

/// The generation that a mark proves; 0 where nothing was put yet. `is_copy`: who asks was unlocked as a copy.
pub(crate) fn check(record: &Record, mark: &Mark, is_copy: bool) -> Result<u64, KeyStoreError> {
    if *mark == Mark::NONE {
        return Ok(0);
    }
    if mark.vault != record.clear.vault.to_bytes() {
        return Err(KeyStoreError::PagesOfAnotherVault);
    }
    let is_made = |is_copy| secret::equal(&make(record, mark.generation, is_copy).proof, &mark.proof);
    match (is_made(false), is_copy) {
        (true, _) => Ok(mark.generation),
        (false, _) if !is_made(true) => Err(KeyStoreError::MarkNotAuthentic),
        (false, true) => Ok(mark.generation),
        (false, false) => Err(KeyStoreError::PagesOfCopy),
    }
}

/// What stood beside the pages when an operator came to mend something.
#[derive(Clone, Copy)]
pub(crate) enum MarkFound {
    /// It proves this generation.
    Good(u64),
    /// Damaged, forged, or of a copy that takes its original's place: to be replaced.
    Bad,
}

impl MarkFound {
    /// Another vault's is an error still: its pages are no concern of whoever mends this one.
    pub(crate) fn of(
        record: &Record,
        mark: Result<Mark, StoreError>,
        is_copy: bool,
    ) -> Result<MarkFound, KeyStoreError> {
        match mark.map_err(KeyStoreError::from).and_then(|mark| check(record, &mark, is_copy)) {
            Ok(generation) => Ok(MarkFound::Good(generation)),
            Err(KeyStoreError::MarkNotAuthentic | KeyStoreError::PagesOfCopy) => Ok(MarkFound::Bad),
            Err(KeyStoreError::Store(error)) if error.problem() == Problem::Damaged => Ok(MarkFound::Bad),
            Err(error) => Err(error),
        }
    }

    /// The generation that it proves.
    pub(crate) fn generation(self) -> u64 {
        match self {
            MarkFound::Good(generation) => generation,
            MarkFound::Bad => 0,
        }
    }

    /// Within a plan, where nobody else puts pages: a mark that proves nothing would refuse the next one, or outlast it.
    pub(crate) fn replace_unless_good(
        self,
        record: &Record,
        pages: &dyn PageStore,
        is_copy: bool,
    ) -> Result<(), KeyStoreError> {
        match self {
            MarkFound::Good(_) => Ok(()),
            MarkFound::Bad => Ok(pages.replace_mark(&make(record, record.clear.generation, is_copy))?),
        }
    }
}
