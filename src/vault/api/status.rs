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

/// Whether a vault can be used now, and for what. From [`Vault::health`](crate::Vault::health).
///
/// ```
/// # use oubliette::{Purpose, Vault};
/// # let vault = Vault::in_memory([Purpose::new("orders")]);
/// let health = vault.health();
/// let status = if health.can_open { 200 } else { 503 }; // of the readiness probe
/// if let Some(trouble) = &health.trouble {
///     eprintln!("nobody can be shredded now: {trouble}");
/// }
/// # assert_eq!(status, 200);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// True when a shred should succeed now: every place that the root record lists can be read and seems to take a write, and the last commit
    /// succeeded. Values can then be sealed and opened, too.
    pub ready: bool,
    /// True when values can be sealed and opened. They can while a mirror is away, and on a disk that is full.
    pub can_open: bool,
    /// How long values may be sealed and opened before the root record must be read again.
    pub lease_left: Duration,
    /// Why [`ready`](Health::ready) is false.
    pub trouble: Option<KeyStoreError>,
    /// The generation named by a value that was sealed in a state not of this vault's history. That value alone is refused. Either the key store
    /// was rolled back, or the value was sealed in a copy that was not [unlocked as one](crate::VaultBuilder::as_copy). The alarm stays until [`recover`](crate::VaultBuilder::recover) or [`clear_alarm`](crate::VaultBuilder::clear_alarm).
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

/// What a vault holds. From [`Vault::status`](crate::Vault::status).
///
/// ```
/// # use oubliette::{Purpose, Vault};
/// # const ORDERS: Purpose = Purpose::new("orders");
/// # let vault = Vault::in_memory([ORDERS]);
/// # vault.shred([vault.enroll()?])?;
/// let status = vault.status()?;
/// for purpose in &status.purposes {
///     println!("{}: {} shredded, {} bytes of pages", purpose.purpose, purpose.shredded, purpose.bytes);
/// }
/// # Ok::<(), oubliette::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// Commits so far.
    pub generation: u64,
    /// Customer numbers reserved by processes: issued, still free, or wasted.
    pub issued: u64,
    /// The lease that all processes share.
    pub lease: Duration,
    /// Each purpose, in the order they were added.
    pub purposes: Vec<PurposeStatus>,
    /// Pages kept, superseded ones included.
    pub pages: Usage,
    /// How many of these pages are superseded: a [sweep](crate::Vault::sweep) deletes them in time.
    pub superseded: u64,
    /// The entry of the [journal](crate::journal) up to which the root record vouches; `None` if the vault keeps none.
    pub journalled: Option<u64>,
    /// The places that hold the root record; the first one decides. If there is one only, losing it loses every value.
    pub places: Vec<PlaceId>,
    /// Places that this process knows and the root record does not list. They are neither read nor written, and may hold an old record: empty
    /// them, and attach them anew if they are wanted.
    pub unlisted: Vec<PlaceId>,
    /// Pages in this process's memory.
    pub resident_pages: usize,
    /// Bytes of memory that these pages and derived nodes take; [limited](crate::VaultBuilder::most_tree_memory).
    pub resident_bytes: usize,
    /// The version of the root key that the record is under, and when it began; `None` where it has no [versions](crate::RootKey::versions).
    pub root_key_version: Option<(u64, SystemTime)>,
    /// Why an older version of the root key, which should be destroyed, is left: a server that may be promoted lacks the record
    /// ([`NotOnEveryServer`](KeyStoreError::NotOnEveryServer)), or the token failed. The vault tries again by itself; until then older copies of the
    /// root record can be read. `None` also while the token cannot be asked.
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
///
/// [`Status`] has an example.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PurposeStatus {
    /// The key tree.
    pub tree: KeyTreeId,
    /// The purpose.
    pub purpose: String,
    /// False for a tree that was replaced: it opens values, and seals none.
    pub active: bool,
    /// True for a tree that was retired: nothing sealed under it opens.
    pub retired: bool,
    /// Numbers shredded.
    pub shredded: u64,
    /// Pages it needs.
    pub pages: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Why not all of its pages can be read. Customers below a lost page can be neither opened nor shredded; other trees are not affected.
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
