//! What operators and readiness probes ask.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::error::KeyStoreError;
use crate::journal::KeyTreeId;
use crate::root_key::Recipe;
use crate::store::{PAGE_BYTES, PlaceId, Usage};
use crate::vault::process::Process;
use crate::vault::state::tree_error;

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
    /// Bytes that these take, and what was derived of the key trees, of those that they [may](crate::VaultBuilder::most_tree_memory).
    pub resident_bytes: usize,
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

pub(super) fn status(process: &Arc<Process>) -> Result<Status, KeyStoreError> {
    let usage = process.page_store().usage()?;
    let mut status = process.with_pages(|pages| {
        let state = process.state()?;
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
            unlisted: process.known.scope().unlisted,
            resident_pages: process.commits.resident().pages(),
            resident_bytes: process.commits.resident().bytes(),
            root_key_version: state.facts.clear.recipe.began(),
            older_root_key: None,
        })
    })?;
    // The store and the token are asked while no snapshot is held.
    let recipe = process.state()?.facts.clear.recipe.clone();
    status.older_root_key = older_root_key(process, &recipe);
    Ok(status)
}

/// Why an older version of the root key is there still that should not be.
fn older_root_key(process: &Process, recipe: &Recipe) -> Option<KeyStoreError> {
    if recipe.version().is_none() || process.settings.is_copy {
        return None;
    }
    match process.commits.keyring().is_finished(recipe) {
        Ok(true) => return None,
        Ok(false) => {}
        Err(error) => return Some(error),
    }
    match process.commits.stores().roots.lagging(Duration::ZERO) {
        Ok(lagging) if lagging.is_empty() => process.commits.readiness.trouble(),
        Ok(lagging) => Some(KeyStoreError::NotOnEveryServer { lagging }),
        Err(error) => Some(error.into()),
    }
}
