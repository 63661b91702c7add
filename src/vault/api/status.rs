//! What operators and readiness probes ask.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use crate::customer::CustomerId;
use crate::error::KeyStoreError;
use crate::journal::{KeyTreeId, SeriesName};
use crate::key_tree::Walker;
use crate::nonce;
use crate::root_key::Recipe;
use crate::secret::Secret32;
use crate::stack::with_clean_stack;
use crate::store::{Directory, PAGE_BYTES, PlaceId, Usage};
use crate::vault::commit::{CommitError, Draft, Step, live_pages};
use crate::vault::process::Process;
use crate::vault::state::{LoadedIndexes, LoadedTree, VaultState, page_mark, tree_error};

/// Whether a vault can be used now, and for what.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// True when somebody could be shredded now: the record and every place that it lists can be read and seem to take a write, and the last
    /// commit succeeded. Values can then be sealed and opened, too.
    pub ready: bool,
    /// True when values can be sealed and opened. They can while a mirror is away, and on a disk that is full.
    pub can_open: bool,
    /// How long what is known may still be used without another read.
    pub lease_left: Duration,
    /// Why it is not ready, if it is not.
    pub trouble: Option<KeyStoreError>,
    /// A value was opened that this vault cannot have sealed as it is now, and the generation that it names. That value alone is refused. Either
    /// the key store was rolled back, or the value was sealed in a copy that was not [unlocked as one](crate::VaultBuilder::as_copy).
    /// It stays until [`recover`](crate::VaultBuilder::recover) or [`clear_alarm`](crate::VaultBuilder::clear_alarm).
    pub alarm: Option<u64>,
}

impl Health {
    pub(in crate::vault) fn of(process: Result<&Arc<Process>, KeyStoreError>) -> Health {
        match process {
            Err(error) => {
                let lease_left = Duration::ZERO;
                Health { ready: false, can_open: false, lease_left, trouble: Some(error), alarm: None }
            }
            Ok(process) => {
                let lease_left = process.known.remaining();
                let state = process.known.snapshot();
                let gone_back = state.as_ref().and_then(|state| {
                    let have = state.facts.clear.generation;
                    state.facts.gone_back().map(|seen| KeyStoreError::RolledBack { have, seen })
                });
                let can_open = state.is_some() && gone_back.is_none() && !lease_left.is_zero();
                let lapsed = || (!can_open).then(|| process.known.lapsed());
                let trouble = gone_back.or_else(lapsed).or_else(|| process.cannot_shred());
                let trouble = trouble.or_else(|| process.known.trouble());
                let alarm = state.and_then(|state| state.facts.alarm()).or_else(|| process.known.alarm.seen());
                Health { ready: can_open && trouble.is_none(), can_open, lease_left, trouble, alarm }
            }
        }
    }
}

/// What a vault holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// Commits so far.
    pub generation: u64,
    /// Customer numbers reserved, those that processes wasted included.
    pub issued: u64,
    /// The lease that all processes share.
    pub lease: Duration,
    /// Each purpose, in the order they were added.
    pub purposes: Vec<PurposeStatus>,
    /// Pages kept, superseded ones included.
    pub pages: Usage,
    /// How many of them nothing needs any more: a [sweep](crate::Vault::sweep) forgets them in time.
    pub superseded: u64,
    /// The entry of the [journal](crate::journal) up to which the root record vouches; `None` if the vault keeps none.
    pub journalled: Option<u64>,
    /// The places that hold the root record; the first one decides. With one alone, losing it loses every value.
    pub places: Vec<PlaceId>,
    /// Places that this process opened, or that were listed while it runs, and that the root record does not list. They are neither read nor
    /// written, and may hold an old record: empty them, and attach them anew if they are wanted.
    pub unlisted: Vec<PlaceId>,
    /// Pages in this process's memory.
    pub resident_pages: usize,
    /// The version of the root key that the record is under, and when it began; `None` where it has no [versions](crate::RootKey::versions).
    pub root_key_version: Option<(u64, SystemTime)>,
    /// Why a version of the root key before that one could not be destroyed yet, if it should be: a server that may be promoted lacks the record
    /// ([`NotOnEveryServer`](KeyStoreError::NotOnEveryServer)), or the token failed. It is tried again by itself; until then older copies of the root
    /// record can be read. Of a token that cannot be asked it is not known.
    pub older_root_key: Option<KeyStoreError>,
}

impl Status {
    /// True when there is no mirror: losing the one directory loses every value.
    #[must_use]
    pub fn has_no_mirror(&self) -> bool {
        self.places.len() < 2
    }
}

/// One purpose's key tree.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PurposeStatus {
    /// The key tree.
    pub tree: KeyTreeId,
    /// The purpose.
    pub purpose: String,
    /// False for a tree that only opens values sealed before it was replaced.
    pub active: bool,
    /// True for one that was given up: nothing of it opens any more.
    pub retired: bool,
    /// Numbers shredded.
    pub shredded: u64,
    /// Pages it needs.
    pub pages: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Why its pages cannot all be read, if so: what needs a page that is lost is neither opened nor shredded. Other trees are not concerned.
    pub trouble: Option<KeyStoreError>,
}

/// Customers that are looked at together.
const CHUNK: usize = 256;

impl Process {
    pub(crate) fn status(self: &Arc<Process>) -> Result<Status, KeyStoreError> {
        let usage = self.page_store().usage()?;
        let mut status = self.with_pages(|pages| {
            let state = self.state()?;
            let mut purposes = Vec::with_capacity(state.trees.len());
            let mut live = 0;
            if let Some(indexes) = &state.indexes {
                let mut names = HashSet::new();
                // A page that is lost is told where it matters: nothing is opened with these.
                let _ = indexes.tree.page_names(pages, &mut names);
                live += names.len() as u64;
            }
            for tree in &state.trees {
                let mut names = HashSet::new();
                let named = tree.tree.as_ref().map_or(Ok(()), |tree| tree.page_names(pages, &mut names));
                let of_tree = names.len() as u64;
                live += of_tree;
                purposes.push(PurposeStatus {
                    tree: tree.id.into(),
                    purpose: tree.purpose.clone(),
                    active: tree.active,
                    retired: tree.tree.is_none(),
                    shredded: tree.shredded,
                    pages: of_tree,
                    bytes: of_tree * PAGE_BYTES as u64,
                    trouble: named.err().map(tree_error),
                });
            }
            Ok::<_, KeyStoreError>(Status {
                generation: state.facts.clear.generation,
                issued: state.facts.next_number - 1,
                lease: state.facts.lease,
                purposes,
                pages: usage,
                superseded: usage.pages.saturating_sub(live),
                journalled: state.facts.anchor.map(|anchor| anchor.n()),
                places: state.facts.places.clone(),
                unlisted: self.known.scope().unlisted,
                resident_pages: self.commits.resident().count(),
                root_key_version: state.facts.clear.recipe.began(),
                older_root_key: None,
            })
        })?;
        // The store and the token are asked while no snapshot is held.
        let recipe = self.state()?.facts.clear.recipe.clone();
        status.older_root_key = self.older_root_key(&recipe);
        Ok(status)
    }

    /// Why an older version of the root key is there still that should not be.
    fn older_root_key(&self, recipe: &Recipe) -> Option<KeyStoreError> {
        if recipe.version().is_none() || self.settings.is_copy {
            return None;
        }
        match self.commits.keyring().is_finished(recipe) {
            Ok(true) => return None,
            Ok(false) => {}
            Err(error) => return Some(error),
        }
        match self.commits.stores().roots.lagging(Duration::ZERO) {
            Ok(lagging) if lagging.is_empty() => self.commits.readiness.trouble(),
            Ok(lagging) => Some(KeyStoreError::NotOnEveryServer { lagging }),
            Err(error) => Some(error.into()),
        }
    }

    pub(crate) fn preload(
        self: &Arc<Process>,
        customers: impl IntoIterator<Item = CustomerId>,
    ) -> Result<(), KeyStoreError> {
        // The caller's iterator may take its time: no snapshot is held meanwhile.
        let mut customers: Vec<CustomerId> = customers.into_iter().collect();
        customers.sort_unstable();
        for customers in customers.chunks(CHUNK) {
            self.with_pages(|pages| {
                let state = self.state()?;
                with_clean_stack(|| {
                    for tree in state.trees.iter().filter_map(|tree| tree.tree.as_ref()) {
                        let mut walker = Walker::for_many();
                        for customer in customers {
                            match walker.walk(tree, customer.to_path(), pages) {
                                // All that this chunk lacks is fetched at once.
                                Err(_) if pages.wants_more() => {}
                                walked => drop(walked.map_err(tree_error)?),
                            }
                        }
                    }
                    Ok::<_, KeyStoreError>(())
                })
            })?;
        }
        Ok(())
    }

    pub(crate) fn copy_to(self: &Arc<Process>, directory: &Directory, path: &Path) -> Result<(), KeyStoreError> {
        let plan = &mut |draft: &mut Draft<'_>| {
            draft.refuse_if_gone_back()?;
            Ok(Step::Done(live_pages(draft)?.into_iter().collect::<Vec<_>>()))
        };
        // Of what is durable: a copy of a record that vanishes would be of a history that never was.
        let mut failed: Option<KeyStoreError> = None;
        let done = self.commit_then(plan, &mut |live, state, _| {
            // What is wrong with the copy says nothing about the vault.
            let mark = page_mark::make(&state.facts, state.facts.clear.generation, self.settings.is_copy);
            failed = match self.record_for_copy(state) {
                Ok(Some(own)) => directory.copy_to(path, &mark, &own, live).err().map(Into::into),
                Ok(None) => directory.copy_to(path, &mark, &state.bytes, live).err().map(Into::into),
                Err(error) => Some(error),
            };
            Ok(())
        });
        let old_copy = done.map_err(CommitError::cause)?.old_copy;
        failed.or(old_copy).map_or(Ok(()), Err)
    }

    /// E7: where the root key has versions a copy is under a version of a series of its own: nobody who uses it makes or destroys a key of
    /// the vault, and it outlives the vault's versions. `None`: as it is.
    fn record_for_copy(&self, state: &VaultState) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        let Some(series) = self.commits.keyring().new_series(&state.facts.clear)? else {
            return Ok(None);
        };
        // Before there is a key that nobody knows of.
        self.write_down_copy(&state.facts, SeriesName::from_bytes(series))?;
        let (secret, recipe) = self.commits.keyring().begin_series(series)?;
        let mut record = state.facts.without_trees();
        record.clear.recipe = recipe;
        record.trees = state.trees.iter().map(LoadedTree::to_record).collect();
        record.indexes = state.indexes.as_ref().map(LoadedIndexes::to_record);
        let mut fresh = Secret32::empty();
        nonce::fill(fresh.bytes_mut()).map_err(|_| KeyStoreError::Randomness)?;
        let sealed = record.seal(&secret, fresh.bytes());
        Ok(Some(Zeroizing::new(sealed.map_err(|_| KeyStoreError::Bug("a root record for a copy"))?)))
    }
}
