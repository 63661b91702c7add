//! What is written, how large a key store gets, and how long commits take, each beside its target.
//!
//! `cargo bench -p oubliette-benches --bench size`. Linux only: the kernel counts the bytes that this process writes. It works in the
//! directory for temporary files (`TMPDIR`), which should lie on a real disk; allow 2 GB and some minutes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::ours::{self, some};
use common::race::{heading, median, verdict};
use oubliette::{CustomerId, RootKey, Vault, VaultBuilder};

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let mut targets: Vec<(String, f64, f64)> = Vec::new();
    heading(
        "A shred, with 5 % of all customers shredded at random before",
        &["customers", "bytes written: median", "most", "blocks written, most", "ms: median"],
    );
    let mut million = None;
    for customers in [10_000, 1_000_000, 10_000_000] {
        let (path, started) = (dir.path().join(customers.to_string()), Instant::now());
        let store = Store::make(&path, customers);
        let single = store.single_shreds(21);
        println!(
            "| {customers} | {} | {} | {} | {:.1} |",
            single.median_bytes, single.most_bytes, single.most_blocks, single.millis
        );
        eprintln!("{customers} customers: {:.0} s", started.elapsed().as_secs_f64());
        targets.push((format!("KiB written for a shred among {customers}"), single.most_bytes as f64 / 1024.0, 48.0));
        if customers == 1_000_000 {
            million = Some(store);
        } else {
            store.vault.close().unwrap();
        }
    }
    let store = million.unwrap();
    println!();

    heading("Enrolling a million customers", &["commits", "bytes written a commit", "pages", "seconds"]);
    let Enrolled { commits, bytes, pages, seconds } = store.enrolled;
    println!("| {commits} | {:.0} | {pages} | {seconds:.1} |\n", bytes as f64 / commits as f64);
    targets.push(("commits to enroll a million".to_owned(), commits as f64, 260.0));
    targets.push(("pages written to enroll a million".to_owned(), pages as f64, 0.0));

    let path = dir.path().join("fresh");
    let fresh = Store::make(&path, 1_000_000);
    fresh.vault.close().unwrap();
    let bytes = size_of(&path);
    let unlock = median((0..31).map(|_| unlock(&path)).collect());
    targets.push(("MB of a million customers, 50 000 shredded in one commit".to_owned(), bytes as f64 / 1e6, 35.0));
    targets.push(("ms to unlock it".to_owned(), unlock, 50.0));

    let path = dir.path().join("swept");
    let swept = Store::in_commits(&path, 1_000_000, 100);
    let before = size_of(&path);
    let _ = swept.vault.sweep().unwrap();
    // The first sweep finds what is superseded; two leases later nobody reads it any more.
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let _ = swept.vault.sweep().unwrap();
    swept.vault.close().unwrap();
    let after = size_of(&path);
    heading("50 000 of a million shredded in 100 commits", &["", "bytes"]);
    println!("| before a sweep | {before} |\n| after | {after} |\n");
    targets.push(("MB of it after a sweep".to_owned(), after as f64 / 1e6, 35.0));

    let (one, many) = store.one_and_many(15, 1000);
    heading("Shreds in one commit, a million customers", &["customers", "ms: median"]);
    println!("| 1 | {one:.2} |\n| 1000 | {many:.2} |\n");
    targets.push(("time of 1 000 shreds in one commit / of one".to_owned(), many / one, 20.0));
    store.vault.close().unwrap();

    heading("Targets", &["size or time", "measured", "target", "met"]);
    for (what, value, limit) in targets {
        verdict(&what, value, limit, true);
    }
}

fn at(path: &Path) -> VaultBuilder {
    Vault::at(path).purposes([ours::ORDERS]).keep_superseded(Duration::ZERO)
}

struct Store {
    vault: Vault,
    enrolled: Enrolled,
    /// Not shredded, in no order.
    left: std::cell::RefCell<Vec<CustomerId>>,
}

struct Enrolled {
    commits: u64,
    bytes: u64,
    pages: u64,
    seconds: f64,
}

struct Single {
    median_bytes: u64,
    most_bytes: u64,
    most_blocks: u64,
    millis: f64,
}

impl Store {
    /// That many customers, 5 % of them shredded in one commit.
    fn make(path: &Path, customers: i64) -> Store {
        Store::in_commits(path, customers, 1)
    }

    fn in_commits(path: &Path, customers: i64, commits: usize) -> Store {
        let vault = at(path).create(RootKey::bytes([7; 32])).unwrap();
        let (generation, written, started) = (vault.generation().unwrap(), Written::now(), Instant::now());
        ours::enroll(&vault, customers);
        let enrolled = Enrolled {
            commits: vault.generation().unwrap() - generation,
            bytes: Written::now().bytes - written.bytes,
            pages: vault.status().unwrap().pages.pages,
            seconds: started.elapsed().as_secs_f64(),
        };
        let gone = usize::try_from(customers / 20).unwrap();
        let mut chosen = some(customers, gone + 25_000.min(gone));
        let left = chosen.split_off(gone);
        for part in chosen.chunks(gone.div_ceil(commits)) {
            let shredded = vault.shred(part.iter().copied()).unwrap();
            assert_eq!(shredded.newly_shredded(), part.len() as u64);
        }
        Store { vault, enrolled, left: left.into() }
    }

    fn shred(&self, count: usize) -> (Duration, Written) {
        let mut left = self.left.borrow_mut();
        let at = left.len() - count;
        let them = left.split_off(at);
        let (written, started) = (Written::now(), Instant::now());
        let shredded = self.vault.shred(them).unwrap();
        let took = started.elapsed();
        let now = Written::now();
        assert_eq!(shredded.newly_shredded(), count as u64);
        (took, Written { bytes: now.bytes - written.bytes, blocks: now.blocks - written.blocks })
    }

    fn single_shreds(&self, count: usize) -> Single {
        let all: Vec<(Duration, Written)> = (0..count).map(|_| self.shred(1)).collect();
        let mut bytes: Vec<u64> = all.iter().map(|(_, written)| written.bytes).collect();
        bytes.sort_unstable();
        Single {
            median_bytes: bytes[count / 2],
            most_bytes: bytes[count - 1],
            most_blocks: all.iter().map(|(_, written)| written.blocks).max().unwrap(),
            millis: median(all.iter().map(|(took, _)| took.as_secs_f64() * 1e3).collect()),
        }
    }

    /// Milliseconds for one, and for many, taking turns.
    fn one_and_many(&self, rounds: usize, many: usize) -> (f64, f64) {
        let millis = |count| self.shred(count).0.as_secs_f64() * 1e3;
        let (ones, manys) = (0..rounds).map(|_| (millis(1), millis(many))).unzip();
        (median(ones), median(manys))
    }
}

fn unlock(path: &Path) -> f64 {
    let started = Instant::now();
    let vault = at(path).unlock(RootKey::bytes([7; 32])).unwrap();
    let took = started.elapsed().as_secs_f64() * 1e3;
    vault.close().unwrap();
    took
}

/// The lengths of all files.
fn size_of(path: &Path) -> u64 {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| if entry.path().is_dir() { size_of(&entry.path()) } else { entry.metadata().unwrap().len() })
        .sum()
}

/// What this process has written so far.
struct Written {
    /// Bytes handed to the kernel.
    bytes: u64,
    /// Bytes of the blocks that these made dirty: what reaches the disk, journals aside.
    blocks: u64,
}

impl Written {
    fn now() -> Written {
        let text = fs::read_to_string("/proc/self/io").unwrap();
        let of = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().parse().unwrap();
        Written { bytes: of("wchar:"), blocks: of("write_bytes:") }
    }
}
