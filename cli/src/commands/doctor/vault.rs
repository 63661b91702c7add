//! What only an open vault tells.

use std::path::Path;
use std::time::{Duration, SystemTime};

use oubliette::store::{CopyContent, Directory, Problem, RootCopy, RootStore};
use oubliette::{KeyStoreError, UnlockError, VaultBuilder, status::Status};

use super::findings::{Findings, Severity};
use super::{journal, register, rows, versions};
use crate::commands::status::places;
use crate::context::{Context, close};
use crate::exit::{Exit, Failure, chain, told};
use crate::key_store::Store;
use crate::permissions;

/// Superseded pages are kept a day, and a process with the vault open sweeps every hour.
pub const OVERDUE: Duration = Duration::from_secs(26 * 3600);
/// Of 22 that fit.
const MANY_TREES: usize = 20;
/// Half of all numbers there are.
const MANY_NUMBERS: u64 = 1 << 39;

/// What was looked at.
pub struct Seen {
    pub generation: u64,
    pub has_register: bool,
}

/// Looks at an open vault, and at its register. A wrong root key is the operator's mistake, not a finding.
pub fn look(context: &mut Context, longest_lease: Duration, findings: &mut Findings) -> Result<Option<Seen>, Failure> {
    let shown = context.shown()?;
    let opened = match context.store() {
        Ok(opened) => opened,
        Err(failure) if context.config.vault().is_ok_and(|vault| !vault.exists()) => {
            findings.add(Severity::Grave, "cannot-be-opened", &shown, &failure.message, REFUSES, MAY_NEVER_HAVE_BEEN);
            return Ok(None);
        }
        Err(failure) => return Ok(cannot_be_opened(&shown, &failure.message, findings)),
    };
    let root_key = match context.secrets.current() {
        Err(failure) if context.config.root_key.token.is_some() && failure.exit != Exit::Refused => {
            versions::token_is_away(context, &failure, findings);
            return Ok(None);
        }
        root_key => root_key?,
    };
    // Before the vault is opened, and as nobody left it.
    versions::look(context, &root_key, findings)?;
    // Opening it with one would begin a journal.
    let has_journal = context.config.journal.as_ref().is_some_and(|journal| journal.exists());
    let builder = || -> Result<VaultBuilder, Failure> {
        if has_journal { context.builder() } else { context.builder_without_journal() }
    };
    let mut tables = if has_journal { register::tables(context, findings) } else { None };
    let of_register = tables.as_ref().map(register::purposes).transpose()?.unwrap_or_default();
    let mut purposes = rows::purposes(context)?;
    purposes.extend(&of_register);
    // It only looks: a damaged copy that opening mends would be told of by nobody.
    let mut unlocked = builder()?.purposes(purposes.clone()).unlock_read_only(root_key.clone());
    while let Err(UnlockError::UnknownPurpose { purpose }) = &unlocked
        && purposes.iter().any(|known| known.name() == *purpose)
    {
        if of_register.iter().any(|known| known.name() == *purpose) {
            register::is_of_another_vault(purpose, findings);
            tables = None;
        }
        // Of a column's, `of_trees` says more.
        purposes.retain(|known| known.name() != *purpose);
        unlocked = builder()?.purposes(purposes.clone()).unlock_read_only(root_key.clone());
    }
    let vault = match unlocked {
        Ok(vault) => vault,
        Err(error) => {
            let failure = Failure::from(error);
            if failure.exit == Exit::Refused {
                return Err(failure);
            }
            return Ok(cannot_be_opened(&shown, &failure.message, findings));
        }
    };
    let (status, health, key) = (vault.status(), vault.health(), vault.public_key());
    match &health.trouble {
        Some(trouble) if !health.can_open => {
            findings.add(Severity::Grave, "trouble", &shown, told(trouble), REFUSES, LOOK_AT_IT);
        }
        // Of places and the journal the findings below say more.
        Some(trouble) if !is_found_below(trouble) => {
            findings.add(Severity::Grave, "cannot-shred", &shown, told(trouble), "no shred is possible", LOOK_AT_IT);
        }
        _ => {}
    }
    if let Some(seen) = health.alarm {
        findings.add(
            Severity::Grave,
            "alarm",
            &shown,
            format!("a value names generation {seen}, which does not belong to this vault's history"),
            "either the vault was restored from a backup, and data that was shredded since is readable again; or \
             rows of a copy, such as a staging system, got into the database",
            "find out which. If the vault was restored, put the newest vault back, or run `oubliette replay`. If \
             not, remove the rows, and run `oubliette clear-alarm`",
        );
    }
    let status = match status {
        Ok(status) => status,
        Err(error) => {
            let what = chain(&error);
            findings.add(Severity::Grave, "trouble", &shown, what, REFUSES, LOOK_AT_IT);
            return Ok(None);
        }
    };
    let has_register = tables.is_some();
    if let Some(tables) = tables {
        register::look(context, Some(&vault), tables, findings);
    }
    rows::look(context, &vault, findings);
    close(vault)?;
    journal::look(context, &status, key.ok().as_ref(), findings);
    of_lease(&shown, &status, longest_lease, findings);
    of_trees(context, &status, findings);
    if let Some(directory) = opened.directory() {
        of_places(&opened, directory, &status, findings);
        of_pages(context, &status, findings)?;
    }
    Ok(Some(Seen { generation: status.generation, has_register }))
}

fn is_found_below(trouble: &KeyStoreError) -> bool {
    match trouble {
        KeyStoreError::PlaceMissing { .. } | KeyStoreError::NeedsJournal => true,
        KeyStoreError::Store(error) => {
            matches!(error.problem(), Problem::UnknownPlace | Problem::Missing | Problem::Io | Problem::NoAnswer)
        }
        _ => false,
    }
}

const REFUSES: &str = "the application cannot seal, open or shred";
const MAY_NEVER_HAVE_BEEN: &str = "mount its disk, or correct the path in the configuration; where there never was a vault, `oubliette create` makes one";
const LOOK_AT_IT: &str = "do what the message says; delete nothing before you understand it";

pub fn cannot_be_opened(vault: &str, what: &str, findings: &mut Findings) -> Option<Seen> {
    findings.add(Severity::Grave, "cannot-be-opened", vault, what, REFUSES, LOOK_AT_IT);
    None
}

fn of_lease(vault: &str, status: &Status, longest: Duration, findings: &mut Findings) {
    if status.lease > longest {
        findings.add(
            Severity::Warning,
            "long-lease",
            vault,
            format!("its lease is {:?}, more than {longest:?}", status.lease),
            "other processes may open shredded data for that long",
            "the lease is fixed when a vault is created; wait for it after each shred (`oubliette shred --wait`), \
             or accept it with --longest-lease",
        );
    }
}

fn of_places(store: &Store, opened: &Directory, status: &Status, findings: &mut Findings) {
    let all = places(store, &status.places);
    if status.has_no_mirror() {
        findings.add(
            Severity::Warning,
            "no-mirror",
            all.iter().find_map(|place| place.root.clone()).unwrap_or_default(),
            "the root record is in one place only",
            "losing it loses every sealed value, for good",
            "attach a mirror on another disk or machine: `oubliette mirror attach DIR`, then `mirrors` in the configuration",
        );
    }
    for place in &all {
        let (what, advice) = match (&place.root, place.is_listed) {
            (None, true) => (
                "the vault lists this place, and it is not open here",
                "name it among `mirrors`, or mount it; if it is lost for good, run `oubliette mirror detach PLACE`",
            ),
            (Some(_), false) => (
                "this place is configured as a mirror, but the vault does not list it",
                "attach it (`oubliette mirror attach DIR`), or remove it from the configuration and destroy it",
            ),
            _ => continue,
        };
        let where_ = place.root.clone().unwrap_or_else(|| format!("place {}", place.id));
        let meaning = "every commit is refused until all places are there, so no shred is possible";
        findings.add(Severity::Grave, "place-missing", where_, what, meaning, advice);
    }
    let copies: Vec<RootCopy> = opened.places().into_iter().flat_map(|place| opened.read(place)).collect();
    for copy in &copies {
        let what = match &copy.content {
            CopyContent::Unreachable(error) => chain(error),
            CopyContent::Damaged => "this copy of the root record is torn or damaged".to_owned(),
            _ => continue,
        };
        let meaning = "the root record has one good copy fewer; if a place is away, every commit is refused";
        let advice =
            "bring the place back; the next commit writes damaged copies anew. If this finding stays, check the disk";
        findings.add(Severity::Grave, "root-copy", &copy.location, what, meaning, advice);
    }
}

fn of_trees(context: &Context, status: &Status, findings: &mut Findings) {
    let known = |name: &str| status.purposes.iter().any(|purpose| purpose.purpose == name);
    for column in context.config.columns().filter(|column| !known(&column.purpose)) {
        findings.add(
            Severity::Warning,
            "unknown-purpose",
            format!("{}.{}", column.table, column.column),
            format!("the vault has no purpose {:?}", column.purpose),
            "the configuration misspells it, or no deploy has added it yet",
            "correct the name; `oubliette status` lists the vault's purposes",
        );
    }
    for purpose in status.purposes.iter().filter(|purpose| !purpose.active && !purpose.retired) {
        findings.add(
            Severity::Note,
            "replaced-tree",
            &purpose.purpose,
            format!("its key tree {} was replaced and is not retired yet", purpose.tree),
            "values under it still open, also for somebody who copied the old keys",
            "reseal the purpose's columns (`oubliette reindex --reseal`), then run `oubliette retire tree`",
        );
    }
    if status.purposes.len() >= MANY_TREES {
        findings.add(
            Severity::Warning,
            "many-trees",
            "the root record",
            format!("it holds {} key trees of 22", status.purposes.len()),
            "when it is full, no new purpose or key tree fits",
            "retire replaced trees",
        );
    }
    if status.issued >= MANY_NUMBERS {
        findings.add(
            Severity::Warning,
            "many-numbers",
            "the root record",
            format!("{} of 2^40 customer numbers are used up", status.issued),
            "when all are used up, no customer can be enrolled",
            "look for a process that enrols in a loop",
        );
    }
}

fn of_pages(context: &Context, status: &Status, findings: &mut Findings) -> Result<(), Failure> {
    let vault = context.config.vault()?;
    let pages = context.config.pages_at.clone().unwrap_or_else(|| vault.join("pages"));
    // Without a list nobody has swept since the newest pages were written.
    let newest = || (status.superseded > 0).then(|| newest_pages(&pages)).flatten();
    let oldest = oldest_superseded(&pages).or_else(newest);
    let now = SystemTime::now();
    if let Some(age) = oldest.and_then(|since| now.duration_since(since).ok()).filter(|age| *age > OVERDUE) {
        findings.add(
            Severity::Warning,
            "not-swept",
            pages.display(),
            format!("superseded pages have been kept for {} hours; {} in all", age.as_secs() / 3600, status.superseded),
            "the store grows, and a copy of an older root record still finds its pages",
            "keep the application running for an hour with the vault open: it removes them",
        );
    }
    Ok(())
}

fn newest_pages(pages: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(pages).ok()?.flatten();
    let batches = entries.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "pages"));
    batches.filter_map(|entry| entry.metadata().ok()?.modified().ok()).max()
}

/// Since when the oldest file of pages is known to be superseded: see FORMAT.md, 9.6.
fn oldest_superseded(pages: &Path) -> Option<SystemTime> {
    const HEADER: usize = 8;
    const ROW: usize = 24;
    const CHECKSUM: usize = 32;
    let bytes = permissions::read_bounded(&pages.join("superseded"), 1 << 28).ok()?;
    let body = bytes.strip_prefix(b"OBLsupd\x01")?;
    let rows = body.get(..bytes.len().checked_sub(HEADER + CHECKSUM)?)?.chunks_exact(ROW);
    let since = |row: &[u8]| Some(u64::from_be_bytes(row.get(16..24)?.try_into().ok()?));
    let oldest = rows.filter_map(since).min()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(oldest))
}
