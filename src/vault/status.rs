//! What operators and readiness probes ask.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::customer::CustomerId;
use crate::error::KeyStoreError;
use crate::journal::KeyTreeId;
use crate::key_tree::Walker;
use crate::secret::with_clean_stack;
use crate::store::{Directory, PAGE_BYTES, PlaceId, Usage};
use crate::vault::commit::{CommitError, Draft, Step, live_pages};
use crate::vault::held::{StoredPages, tree_error};
use crate::vault::process::Process;

/// Whether a vault can be used now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// True when values can be sealed and opened.
    pub ready: bool,
    /// How long what is known may still be used without another read.
    pub lease_left: Duration,
    /// Why the last read failed, or everything is refused.
    pub trouble: Option<KeyStoreError>,
}

impl Health {
    pub(super) fn of(process: Result<&Arc<Process>, KeyStoreError>) -> Health {
        match process {
            Err(error) => Health { ready: false, lease_left: Duration::ZERO, trouble: Some(error) },
            Ok(process) => {
                let lease_left = process.lease.remaining();
                let held = process.snapshot();
                let gone_back = held.as_ref().and_then(|held| {
                    let have = held.facts.clear.generation;
                    held.facts.gone_back.map(|seen| KeyStoreError::RolledBack { have, seen })
                });
                let ready = held.is_some() && gone_back.is_none() && !lease_left.is_zero();
                Health { ready, lease_left, trouble: gone_back.or_else(|| process.trouble()) }
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
}

impl Process {
    pub(crate) fn status(self: &Arc<Process>) -> Result<Status, KeyStoreError> {
        let held = self.held()?;
        let stored = StoredPages(self.pages());
        let mut purposes = Vec::with_capacity(held.trees.len());
        let mut indexes = HashSet::new();
        if let Some(held) = &held.indexes {
            held.tree.page_names(&stored, &mut indexes).map_err(tree_error)?;
        }
        let mut live = indexes.len() as u64;
        for tree in &held.trees {
            let mut names = HashSet::new();
            if let Some(tree) = &tree.tree {
                tree.page_names(&stored, &mut names).map_err(tree_error)?;
            }
            let pages = names.len() as u64;
            live += pages;
            purposes.push(PurposeStatus {
                tree: tree.id.into(),
                purpose: tree.purpose.clone(),
                active: tree.active,
                retired: tree.tree.is_none(),
                shredded: tree.shredded,
                pages,
                bytes: pages * PAGE_BYTES as u64,
            });
        }
        let usage = self.pages().usage()?;
        Ok(Status {
            generation: held.facts.clear.generation,
            issued: held.facts.next_number - 1,
            lease: held.facts.lease,
            purposes,
            pages: usage,
            superseded: usage.pages.saturating_sub(live),
            journalled: held.facts.anchor.map(|anchor| anchor.n()),
            places: held.facts.places.clone(),
            unlisted: self.scope().unlisted,
            resident_pages: self.resident.count(),
        })
    }

    pub(crate) fn preload(
        self: &Arc<Process>,
        customers: impl IntoIterator<Item = CustomerId>,
    ) -> Result<(), KeyStoreError> {
        // The caller's iterator may take its time: no snapshot is held meanwhile.
        let mut customers: Vec<CustomerId> = customers.into_iter().collect();
        customers.sort_unstable();
        let held = self.held()?;
        let stored = StoredPages(self.pages());
        for tree in held.trees.iter().filter_map(|tree| tree.tree.as_ref()) {
            with_clean_stack(|| {
                let mut walker = Walker::for_many();
                for customer in &customers {
                    walker.walk(tree, customer.to_path(), &stored).map_err(tree_error)?;
                }
                Ok::<_, KeyStoreError>(())
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
        let done = self.commit_then(plan, &mut |live, held, _| {
            Ok(directory.copy_to(path, held.facts.clear.generation, &held.bytes, live)?)
        });
        done.map_err(CommitError::cause)?.old_copy.map_or(Ok(()), Err)
    }
}
