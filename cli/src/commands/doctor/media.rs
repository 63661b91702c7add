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

/// What is to be known of a kind of file system.
#[cfg(any(target_os = "linux", target_os = "android"))]
struct Kind {
    /// As the kernel numbers it (`statfs(2)`).
    magic: i64,
    name: &'static str,
    means: Means,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[derive(Clone, Copy)]
enum Means {
    KeepsOldBlocks,
    InMemory,
    OfAContainer,
    OverTheNetwork,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const KINDS: [Kind; 13] = [
    Kind { magic: 0x9123_683e, name: "btrfs", means: Means::KeepsOldBlocks },
    Kind { magic: 0x2fc1_2fc1, name: "ZFS", means: Means::KeepsOldBlocks },
    Kind { magic: 0xca45_1a4e, name: "bcachefs", means: Means::KeepsOldBlocks },
    Kind { magic: 0xf2f5_2010, name: "f2fs", means: Means::KeepsOldBlocks },
    Kind { magic: 0x3434, name: "NILFS", means: Means::KeepsOldBlocks },
    Kind { magic: 0x0102_1994, name: "tmpfs", means: Means::InMemory },
    Kind { magic: 0x8584_58f6, name: "ramfs", means: Means::InMemory },
    Kind { magic: 0x794c_7630, name: "overlay", means: Means::OfAContainer },
    Kind { magic: 0x6969, name: "NFS", means: Means::OverTheNetwork },
    Kind { magic: 0xff53_4d42, name: "CIFS", means: Means::OverTheNetwork },
    Kind { magic: 0xfe53_4d42, name: "SMB", means: Means::OverTheNetwork },
    Kind { magic: 0x00c3_6400, name: "Ceph", means: Means::OverTheNetwork },
    Kind { magic: 0x0102_1997, name: "9P", means: Means::OverTheNetwork },
];

#[cfg(any(target_os = "linux", target_os = "android"))]
fn kind(place: &Place, findings: &mut Findings) {
    let Ok(found) = rustix::fs::statfs(&place.root) else { return };
    // The field's type differs from one architecture to the next.
    #[allow(clippy::unnecessary_cast, clippy::cast_possible_wrap)]
    let magic = found.f_type as i64 & 0xffff_ffff;
    let Some(Kind { name, means, .. }) = KINDS.iter().find(|kind| kind.magic == magic) else { return };
    let (check, what, meaning, advice) = match means {
        Means::KeepsOldBlocks => (
            "copy-on-write",
            format!(
                "the root record lies on {name}, which does not overwrite in place and keeps old blocks and snapshots"
            ),
            "after a shred the medium may still have an older root record; each snapshot is a copy of it",
            "move it (root_at) to a file system that overwrites in place, or rotate to a random root key from \
             time to time and destroy the old one",
        ),
        Means::InMemory => (
            "in-memory",
            "the root record lies on a file system in memory".to_owned(),
            "it is gone when the machine restarts; without a mirror elsewhere, every value is lost with it",
            "move it to a disk, or attach a mirror that is on one",
        ),
        Means::OfAContainer => (
            "container-layer",
            "the root record lies in the layer that a container writes to, not on a volume".to_owned(),
            "it goes with the container; without a mirror elsewhere, every value is lost with it. And an image that is made \
             of the container is a copy of the root record",
            "move it to a volume, or attach a mirror that is on one",
        ),
        Means::OverTheNetwork => (
            "network-file-system",
            format!("the root record lies on {name}, a file system over the network"),
            "where file locks do not exclude processes of other machines, two that commit at once lose shreds; and what the \
             server keeps of a file that is overwritten, nobody here knows",
            "move it to a disk of this machine, or for several machines to a key store in PostgreSQL ([key_store])",
        ),
    };
    findings.add(Severity::Note, check, place.root.display(), what, meaning, advice);
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
fn kind(_: &Place, _: &mut Findings) {}
