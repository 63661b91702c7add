//! Files: who may read them, what lies where it should not, and when they claim to have been written.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::findings::{Findings, Severity};
use crate::context::Context;
use crate::exit::Failure;
use crate::permissions::{self, Fault};

/// Nobody's clock is this much wrong unless it is wrong.
const SLACK: Duration = Duration::from_secs(300);
/// 2026-01-01: this program is younger.
const YOUNGEST: Duration = Duration::from_secs(1_767_225_600);

const READABLE: &str = "other users of this machine can read or change it";
const FOREIGN: &str = "the vault refuses files of another user";

/// A place, as the configuration says: the vault's own, then the mirrors.
#[derive(Debug)]
pub struct Place {
    pub base: Option<PathBuf>,
    pub root: PathBuf,
    pub pages: PathBuf,
    pub is_mirror: bool,
}

pub fn places(context: &Context) -> Result<Vec<Place>, Failure> {
    let config = &context.config;
    if config.key_store.is_some() {
        return Ok(Vec::new());
    }
    let vault = config.vault()?;
    let apart = config.root_at.is_some() || config.pages_at.is_some();
    let own = Place {
        base: (!apart).then(|| vault.to_path_buf()),
        root: config.root_at.clone().unwrap_or_else(|| vault.join("root")),
        pages: config.pages_at.clone().unwrap_or_else(|| vault.join("pages")),
        is_mirror: false,
    };
    let mirrors = config.mirrors.iter().map(|mirror| Place {
        base: Some(mirror.clone()),
        root: mirror.join("root"),
        pages: mirror.join("pages"),
        is_mirror: true,
    });
    Ok(std::iter::once(own).chain(mirrors).collect())
}

pub fn look(context: &Context, places: &[Place], findings: &mut Findings) {
    clock(findings);
    for place in places {
        look_at(place, findings);
    }
    if let Some(key) = context.secrets.file() {
        check(key, 0o077, true, Severity::Grave, "key-file-permissions", findings);
        beside_the_root_record(key, places, findings);
    }
    if let Some(journal) = context.config.journal.as_ref().filter(|journal| journal.exists()) {
        check(journal, 0o077, false, Severity::Warning, "journal-permissions", findings);
        beside_the_journal(journal, places, findings);
    }
    if let Some(receipts) = &context.config.register.receipts {
        check(receipts, 0o077, false, Severity::Grave, "receipts-permissions", findings);
    }
    if let Some(config) = &context.config.file {
        check(config, 0o022, true, Severity::Warning, "configuration-permissions", findings);
    }
}

fn clock(findings: &mut Findings) {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    if since < YOUNGEST {
        findings.add(
            Severity::Grave,
            "clock",
            "this machine",
            "the machine's clock shows a time before this program was written",
            "leases, the age of superseded pages, due dates and the journal go by it",
            "set the clock, and let it be kept right (NTP)",
        );
    }
}

fn look_at(place: &Place, findings: &mut Findings) {
    if let Some(base) = &place.base {
        if !check(base, 0o022, false, Severity::Grave, "permissions", findings) {
            // What is below it is told with it.
            return;
        }
        above(base, findings);
    }
    for directory in [&place.root, &place.pages] {
        if !check(directory, 0o077, false, Severity::Grave, "permissions", findings) {
            continue;
        }
        let Ok(entries) = fs::read_dir(directory) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            check(&path, 0o077, false, Severity::Grave, "permissions", findings);
            if let Ok(found) = entry.metadata() {
                from_the_future(&path, &found, findings);
            }
        }
    }
    let tag = place.root.join("CACHEDIR.TAG");
    if place.root.is_dir() && !tag.exists() {
        findings.add(
            Severity::Warning,
            "no-cachedir-tag",
            place.root.display(),
            "CACHEDIR.TAG is missing",
            "backup tools that leave caches out will copy the root record, and each copy delays shreds",
            format!(
                "printf 'Signature: 8a477f597d28d172789f06886806bc55\\n' > {} && chmod 600 {}",
                tag.display(),
                tag.display()
            ),
        );
    }
}

/// True if the file is there.
pub fn check(
    path: &Path,
    forbidden: u32,
    root_may_own: bool,
    severity: Severity,
    name: &'static str,
    findings: &mut Findings,
) -> bool {
    match fs::metadata(path) {
        Ok(found) => {
            if let Some(fault) = permissions::check(&found, forbidden, root_may_own) {
                let meaning = if matches!(fault, Fault::Foreign { .. }) { FOREIGN } else { READABLE };
                findings.add(severity, name, path.display(), fault.what(), meaning, fault.advice(path));
            }
            true
        }
        // A file that was replaced or swept just now.
        Err(error) if error.kind() == ErrorKind::NotFound && name == "permissions" && !is_fixed(path) => false,
        Err(error) => {
            findings.add(
                Severity::Grave,
                "unreachable",
                path.display(),
                error.to_string(),
                "it cannot be read, and a vault commits to all its places or to none",
                "mount or restore it, or correct the path in the configuration",
            );
            false
        }
    }
}

/// Directories, and files that are never renamed or removed.
fn is_fixed(path: &Path) -> bool {
    path.extension().is_none() && path.file_name().is_none_or(|name| name != "superseded")
}

/// Whoever may write to the directory above can put another vault here.
#[cfg(unix)]
fn above(base: &Path, findings: &mut Findings) {
    use std::os::unix::fs::MetadataExt;
    const STICKY: u32 = 0o1000;
    let Some(above) = base.canonicalize().ok().and_then(|base| base.parent().map(Path::to_path_buf)) else { return };
    let Ok(found) = fs::metadata(&above) else { return };
    if found.mode() & 0o022 != 0 && found.mode() & STICKY == 0 {
        findings.add(
            Severity::Warning,
            "permissions-above",
            above.display(),
            format!("its mode is {:03o}: other users may rename and replace its content", found.mode() & 0o777),
            "another user can move the vault away and put an older copy of it in its place",
            format!("chmod go-w {}", above.display()),
        );
    }
}

#[cfg(not(unix))]
fn above(_: &Path, _: &mut Findings) {}

fn from_the_future(path: &Path, found: &Metadata, findings: &mut Findings) {
    let ahead = found.modified().ok().and_then(|at| at.duration_since(SystemTime::now()).ok());
    if let Some(ahead) = ahead.filter(|ahead| *ahead > SLACK) {
        findings.add(
            Severity::Warning,
            "clock",
            path.display(),
            format!("it was written {} s in the future", ahead.as_secs()),
            "this machine's clock was wrong then or is wrong now; leases and due dates go by it",
            "set the clock, and let it be kept right (NTP)",
        );
    }
}

fn beside_the_root_record(key: &Path, places: &[Place], findings: &mut Findings) {
    let Ok(key) = key.canonicalize() else { return };
    for place in places {
        let directories = [Some(&place.root), Some(&place.pages), place.base.as_ref()];
        let inside = |directory: &&PathBuf| directory.canonicalize().is_ok_and(|directory| key.starts_with(directory));
        if let Some(directory) = directories.into_iter().flatten().find(inside) {
            findings.add(
                Severity::Grave,
                "key-beside-record",
                key.display(),
                format!("the root key lies in {}", directory.display()),
                "a copy of that directory has the key together with what it protects, and opens everything",
                "move it elsewhere: best on another machine, handed over at the start of the service",
            );
        }
    }
}

/// What proves that a root record was put back must not be put back with it.
fn beside_the_journal(journal: &Path, places: &[Place], findings: &mut Findings) {
    let Ok(journal) = journal.canonicalize() else { return };
    for place in places {
        let directories = [Some(&place.root), Some(&place.pages), place.base.as_ref()];
        let inside =
            |directory: &&PathBuf| directory.canonicalize().is_ok_and(|directory| journal.starts_with(directory));
        if let Some(directory) = directories.into_iter().flatten().find(inside) {
            findings.add(
                Severity::Warning,
                "journal-beside-record",
                journal.display(),
                format!("the journal lies in {}", directory.display()),
                "a restore brings both back together, and then nothing shows that the vault was rolled back",
                "keep the journal elsewhere; move it while no process has the vault open",
            );
        }
    }
}
