//! Tokens of indexes, and the epochs that their keys come in.
//!
//! An index is a node at level 4 of the tree of the indexes. Its children 0 to 127 are the keys of its epochs: retiring
//! an epoch shreds its key. Its children 128 to 255 are marks, whose keys are never used: beginning epoch e shreds child
//! 128 + e, so that what has begun is as durable, and as well known to every process, as what was shredded. The key of a
//! new epoch is then replaced by one that follows from nothing: whoever copied the root record before has not got it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::derivation;
use crate::error::{EpochError, KeyStoreError, TokenError};
use crate::index::{Bits, Epoch, IndexName, Token};
use crate::journal::{Event, Ranges, Results};
use crate::key_tree::{Found, Pages, Tree, Walker};
use crate::personal::CanonicalForm;
use crate::secret::Secret32;
use crate::stack::with_clean_stack;
use crate::store::StoredPage;
use crate::vault::Retired;
use crate::vault::commit::{CommitError, Draft, Step};
use crate::vault::journal::{Entries, index_name};
use crate::vault::process::Process;
use crate::vault::state::{Fetched, PagesError, VaultState, tree_error};

/// Which epochs of an index there are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Epochs {
    /// The one that new tokens are made in.
    pub current: Epoch,
    /// Those whose tokens can still be made, to query by: the current one first, then older ones.
    pub live: Vec<Epoch>,
}

/// A new epoch of an index.
#[derive(Clone, Debug)]
pub struct EpochBegun {
    current: Epoch,
    generation: u64,
    effective_at: SystemTime,
}

impl EpochBegun {
    /// The new epoch.
    #[must_use]
    pub fn current(&self) -> Epoch {
        self.current
    }

    /// The generation of the root record from which on it is the current one.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// When every other process writes and queries tokens of it, one lease after the commit. Renew older tokens from
    /// then on: one that was written by a process that had not heard of it is then older too.
    #[must_use]
    pub fn effective_everywhere_at(&self) -> SystemTime {
        self.effective_at
    }
}

/// The node of an index: [`derivation::place_of_index`].
pub(crate) type Place = [u8; 4];

/// One index in one snapshot of its tree.
struct Leaves<'a, P> {
    tree: &'a Tree,
    pages: &'a P,
    walker: Walker,
    place: Place,
}

impl<'a, P: Pages<Error = PagesError>> Leaves<'a, P> {
    fn of(tree: &'a Tree, pages: &'a P, place: Place) -> Leaves<'a, P> {
        Leaves { tree, pages, walker: Walker::for_many(), place }
    }

    fn find(&mut self, child: u8) -> Result<Found, KeyStoreError> {
        let [a, b, c, d] = self.place;
        self.walker.walk(self.tree, [a, b, c, d, child], self.pages).map_err(tree_error)
    }

    fn current(&mut self) -> Result<Epoch, KeyStoreError> {
        let mut current = Epoch::FIRST;
        while let Some(next) = Epoch::new(current.number() + 1) {
            if self.find(mark(next))? != Found::Shredded {
                break;
            }
            current = next;
        }
        Ok(current)
    }

    /// The epoch to make tokens in when `durable` is the newest generation that is known to be so: the key of a later one could be
    /// lost. `None`: that cannot be told.
    fn find_writable(&mut self, state: &VaultState, durable: u64) -> Result<Option<Epoch>, KeyStoreError> {
        let is_made = state.indexes.as_ref().is_some_and(|indexes| indexes.made <= durable);
        // Nothing of a recovery counts before it is durable.
        if state.facts.floor > durable || !is_made {
            return Ok(None);
        }
        let current = self.current()?;
        // The page that says what has begun is written anew when an epoch begins, and when one is retired.
        if current == Epoch::FIRST || self.walker.written() <= durable {
            return Ok(Some(current));
        }
        let before = current.number().checked_sub(1).and_then(Epoch::new);
        match before {
            Some(before) if self.find(before.number())? == Found::Key => Ok(Some(before)),
            // Retired since, by a commit that made durable first what it was based on, the beginning of `current` included.
            _ => Ok(Some(current)),
        }
    }

    /// The key of an epoch, unless it is retired. On the stack of the caller, within [`with_clean_stack`].
    fn key(&mut self, epoch: Epoch, name: IndexName) -> Result<Option<Secret32>, KeyStoreError> {
        if self.find(epoch.number())? == Found::Shredded {
            return Ok(None);
        }
        let mut key = Secret32::empty();
        derivation::index(self.walker.customer_key(), name, key.bytes_mut());
        Ok(Some(key))
    }

    fn live(&mut self) -> Result<Epochs, KeyStoreError> {
        let current = self.current()?;
        let mut live = Vec::new();
        for number in (0..=current.number()).rev() {
            if self.find(number)? == Found::Key {
                live.extend(Epoch::new(number));
            }
        }
        Ok(Epochs { current, live })
    }
}

/// The child that says that an epoch has begun.
fn mark(epoch: Epoch) -> u8 {
    Epoch::COUNT | epoch.number()
}

/// A child of an index's node, as the number that a shred takes.
fn number(place: Place, child: u8) -> u64 {
    let [a, b, c, d] = place;
    u64::from_be_bytes([0, 0, 0, a, b, c, d, child])
}

impl Draft<'_> {
    /// Shreds children of indexes. Gives the pages to write, or none if all was done before.
    pub(crate) fn shred_in_indexes(&mut self, numbers: &Ranges) -> Result<Vec<StoredPage>, KeyStoreError> {
        let Some(indexes) = self.indexes.as_mut() else { return Ok(Vec::new()) };
        let rewritten = indexes.tree.shred(numbers, self.generation, &self.pages).map_err(tree_error)?;
        if let Some(tree) = rewritten.tree {
            indexes.tree = tree;
        }
        Ok(rewritten.pages)
    }

    /// Gives up the key of an epoch. Gives the pages to write, or none if it was done before.
    pub(in crate::vault) fn retire_epoch(
        &mut self,
        place: Place,
        epoch: Epoch,
    ) -> Result<Vec<StoredPage>, KeyStoreError> {
        let pages = self.shred_in_indexes(&Ranges::of_numbers([number(place, epoch.number())]))?;
        self.forgets |= !pages.is_empty();
        Ok(pages)
    }

    /// Begins an epoch under a key of its own. Gives the pages to write.
    fn begin_epoch(&mut self, place: Place, epoch: Epoch) -> Result<Vec<StoredPage>, KeyStoreError> {
        let indexes = self.indexes.as_mut().ok_or(LOST)?;
        let (mark, key) = (number(place, mark(epoch)), number(place, epoch.number()));
        let rewritten = indexes.tree.shred_and_renew(mark, key, self.generation, &self.pages).map_err(tree_error)?;
        if let Some(tree) = rewritten.tree {
            indexes.tree = tree;
        }
        Ok(rewritten.pages)
    }

    /// After a record was restored that may not know of epochs up to `last`: their keys are lost, or back. Another epoch
    /// begins after them, and those that this record did not know are retired; so is `last` itself if it was.
    pub(crate) fn recover_epoch(
        &mut self,
        place: Place,
        last: Epoch,
        was_retired: bool,
    ) -> Result<Vec<StoredPage>, KeyStoreError> {
        let (known, last) = (self.epochs(place)?.current.number(), last.number());
        let mut pages = Vec::new();
        if last > known || was_retired && last == known {
            for epoch in known + 1..=last + 1 {
                let epoch = Epoch::new(epoch).ok_or(KeyStoreError::Full { what: "128 epochs of an index" })?;
                pages.extend(self.begin_epoch(place, epoch)?);
            }
        }
        let gone = (known + 1..=last).chain(was_retired.then_some(last)).map(|child| number(place, child));
        pages.extend(self.shred_in_indexes(&Ranges::of_numbers(gone))?);
        Ok(pages)
    }

    pub(in crate::vault) fn epochs(&self, place: Place) -> Result<Epochs, KeyStoreError> {
        let indexes = self.indexes.as_ref().ok_or(LOST)?;
        with_clean_stack(|| Leaves::of(&indexes.tree, &self.pages, place).live())
    }
}

/// How often a token is made anew because a commit came in between: a handful would take a store that stalls each time.
const TRIES: u32 = 16;

const LOST: KeyStoreError = KeyStoreError::Bug("a vault lost its tree of indexes");

impl Process {
    /// Runs `work` on an index as of now.
    fn with_index<R>(
        self: &Arc<Process>,
        name: IndexName,
        work: impl Fn(&mut Leaves<'_, Fetched<'_>>, &VaultState) -> Result<R, KeyStoreError>,
    ) -> Result<R, TokenError> {
        if !self.is_unlocked(name.purpose) {
            return Err(TokenError::PurposeNotUnlocked { purpose: name.purpose.name() });
        }
        let place = derivation::place_of_index(name);
        for _ in 0..TRIES {
            let changes = self.known.changes();
            let result = self.with_pages(|pages| {
                let state = self.state()?;
                let tree = &state.indexes.as_ref().ok_or(TokenError::NoIndexes)?.tree;
                // The snapshot outlives every key derived from it: whoever retires an epoch waits for it.
                Ok::<_, TokenError>(with_clean_stack(|| work(&mut Leaves::of(tree, pages, place), &state))?)
            })?;
            self.confirm_lease()?;
            // The lease may run because of a newer snapshot, in which an epoch began or was retired.
            if self.known.changes() == changes {
                return Ok(result);
            }
        }
        Err(KeyStoreError::Busy { waited: Duration::ZERO }.into())
    }

    pub(crate) fn token<T>(self: &Arc<Process>, name: IndexName, form: &CanonicalForm) -> Result<Token<T>, TokenError> {
        let make = || {
            self.with_index(name, |leaves, state| {
                let Some(epoch) = leaves.find_writable(state, self.known.durable())? else { return Ok(None) };
                // Never retired while it is the current one.
                let key = leaves.key(epoch, name)?.ok_or(KeyStoreError::Bug("the current epoch was retired"))?;
                Ok(Some(cut(epoch, &key, form, name.bits)))
            })
        };
        match make()? {
            Some(token) => Ok(token),
            None => {
                self.settle()?;
                make()?.ok_or(TokenError::KeyStore(KeyStoreError::NotDurableYet))
            }
        }
    }

    pub(crate) fn tokens<T>(
        self: &Arc<Process>,
        name: IndexName,
        form: &CanonicalForm,
    ) -> Result<Vec<Token<T>>, TokenError> {
        self.with_index(name, |leaves, _| {
            let mut tokens = Vec::new();
            for number in (0..=leaves.current()?.number()).rev() {
                let Some(epoch) = Epoch::new(number) else { continue };
                if let Some(key) = leaves.key(epoch, name)? {
                    tokens.push(cut(epoch, &key, form, name.bits));
                }
            }
            Ok(tokens)
        })
    }

    pub(crate) fn epochs(self: &Arc<Process>, name: IndexName) -> Result<Epochs, TokenError> {
        self.with_index(name, |leaves, _| leaves.live())
    }

    /// On the thread that commits.
    pub(crate) fn begin_epoch(self: &Arc<Process>, name: IndexName) -> Result<EpochBegun, EpochError> {
        let place = derivation::place_of_index(name);
        let mut entries = Entries::default();
        let done = self.commit(&mut |draft| {
            draft.refuse_if_gone_back()?;
            let current = draft.epochs(place)?.current;
            let Some(epoch) = Epoch::new(current.number() + 1) else { return Ok(Step::Keep(None)) };
            let intent = || Ok(Event::BeginEpoch { index: index_name(name)?, epoch: Some(epoch.number()), why: None });
            self.intend_once(draft, &mut entries, intent)?;
            Ok(Step::Write(draft.begin_epoch(place, epoch)?, Some(epoch)))
        });
        let epoch = done.as_ref().ok().and_then(|done| done.value).map(Epoch::number);
        self.conclude(&mut entries, &done, &Results { epoch, ..Results::default() });
        // An older copy of the record holds nothing that was given up.
        let done = self.reread_if_unknown(done)?.in_every_place().map_err(EpochError::NotInEveryPlace)?;
        let current = done.value.ok_or(EpochError::Exhausted)?;
        let (generation, lease) = (done.state.facts.clear.generation, done.state.facts.lease);
        drop(done);
        self.known.wait_for_readers(self.settings.patience);
        Ok(EpochBegun { current, generation, effective_at: SystemTime::now() + lease })
    }

    /// On the thread that commits. A process that does not know whether the current epoch is durable makes tokens of the one before.
    pub(crate) fn publish_epochs(self: &Arc<Process>, name: IndexName) -> Result<(), EpochError> {
        let place = derivation::place_of_index(name);
        let made = |draft: &Draft<'_>| {
            let indexes = draft.indexes.as_ref().ok_or(LOST)?;
            with_clean_stack(|| {
                let mut leaves = Leaves::of(&indexes.tree, &draft.pages, place);
                leaves.current()?;
                Ok(leaves.walker.written())
            })
        };
        Ok(self.publish_as_durable(made)?)
    }

    /// On the thread that commits.
    pub(crate) fn retire_epoch(self: &Arc<Process>, name: IndexName, epoch: Epoch) -> Result<Retired, EpochError> {
        let place = derivation::place_of_index(name);
        let mut refused = None;
        let mut entries = Entries::default();
        let done = self.commit(&mut |draft| {
            draft.refuse_if_gone_back()?;
            let current = draft.epochs(place)?.current;
            if epoch >= current {
                refused =
                    Some(if epoch == current { EpochError::Current { epoch } } else { EpochError::NotBegun { epoch } });
                return Ok(Step::Keep(()));
            }
            let intent = || Ok(Event::RetireEpoch { index: index_name(name)?, epoch: epoch.number(), why: None });
            self.intend_once(draft, &mut entries, intent)?;
            let pages = draft.retire_epoch(place, epoch)?;
            // Somebody retired it before. That commit may have been killed half-way, so all copies are written again.
            Ok(if pages.is_empty() { Step::Rewrite(()) } else { Step::Write(pages, ()) })
        });
        self.conclude(&mut entries, &done, &Results::default());
        let done = self.reread_if_unknown(done)?;
        if let Some(refused) = refused {
            return Err(refused);
        }
        match done.old_copy {
            Some(cause) => Err(EpochError::OldCopyRemains(cause)),
            None => Ok(Retired::after(self, done, Vec::new())),
        }
    }
}

impl From<CommitError> for EpochError {
    fn from(error: CommitError) -> EpochError {
        match error {
            CommitError::NothingHappened(cause) => EpochError::NothingHappened(cause),
            CommitError::Unknown(cause) => EpochError::Unknown(cause),
        }
    }
}

fn cut<T>(epoch: Epoch, key: &Secret32, form: &CanonicalForm, bits: Bits) -> Token<T> {
    let mut mac = [0; 32];
    derivation::token(key.bytes(), form.expose_personal_data(), &mut mac);
    Token::new(epoch, &mac, bits)
}
