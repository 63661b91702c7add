//! What kind of file system a vault lies on: some keep what was overwritten.

use super::files::Place;
use super::findings::{Findings, Severity};

#[cfg(unix)]
pub fn look(places: &[Place], findings: &mut Findings) {
    use std::os::unix::fs::MetadataExt;
    let device = |place: &Place| std::fs::metadata(&place.root).ok().map(|found| found.dev());
    let own = places.first().and_then(device);
    for place in places {
        kind(place, findings);
        if place.is_mirror && own.is_some() && device(place) == own {
            findings.add(
                Severity::Note,
                "mirror-on-same-disk",
                place.root.display(),
                "this mirror is on the same file system as the vault",
                "one failing disk takes both",
                "give the mirror a disk of its own",
            );
        }
    }
}

#[cfg(not(unix))]
pub fn look(_: &[Place], _: &mut Findings) {}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn kind(place: &Place, findings: &mut Findings) {
    const BTRFS: i64 = 0x9123_683e;
    const ZFS: i64 = 0x2fc1_2fc1;
    const BCACHEFS: i64 = 0xca45_1a4e;
    const TMPFS: i64 = 0x0102_1994;
    let Ok(found) = rustix::fs::statfs(&place.root) else { return };
    // The field's type differs from one architecture to the next.
    #[allow(clippy::unnecessary_cast, clippy::cast_possible_wrap)]
    let kind = found.f_type as i64 & 0xffff_ffff;
    let keeps = [(BTRFS, "btrfs"), (ZFS, "ZFS"), (BCACHEFS, "bcachefs")].into_iter().find(|(magic, _)| *magic == kind);
    if let Some((_, name)) = keeps {
        findings.add(
            Severity::Note,
            "copy-on-write",
            place.root.display(),
            format!(
                "the root record lies on {name}, which does not overwrite in place and keeps old blocks and snapshots"
            ),
            "after a shred the medium may still have an older root record; each snapshot is a copy of it",
            "move it (root_at) to a file system that overwrites in place, or rotate to a random root key from \
             time to time and destroy the old one",
        );
    }
    if kind == TMPFS {
        findings.add(
            Severity::Note,
            "in-memory",
            place.root.display(),
            "the root record lies on a file system in memory",
            "it is gone when the machine restarts; without a mirror elsewhere, every value is lost with it",
            "move it to a disk, or attach a mirror that is on one",
        );
    }
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
fn kind(_: &Place, _: &mut Findings) {}
