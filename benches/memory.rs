//! What is kept of the key trees in memory: what it takes, what it saves, and what happens beyond its bound.
//!
//! `cargo bench -p oubliette-benches --bench memory`. Linux only: it asks the kernel how much memory the process has. Ten million customers are
//! enrolled and half a million of them shredded in one commit, so that every leaf is a page: allow 2 GB on the disk, 1 GB of memory, and some minutes.
//! `-- shreds`, `-- bound` run a part.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use common::ours::{self, ORDERS, Padded, some};
use common::race::{cpu_nanos, heading, median};
use oubliette::{CustomerId, RootKey, Sealed, Vault};

const MILLION: i64 = 1_000_000;
const MB: usize = 1 << 20;
const ROWS: usize = 120_000;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wants = |part: &str| asked.is_empty() || asked.iter().any(|one| one == part);
    if let [one, path, rows, room] = &*asked
        && one == "one"
    {
        return one_room(Path::new(path), Path::new(rows), room.parse().unwrap());
    }
    let dir = tempfile::tempdir().unwrap();
    if wants("shreds") {
        heading(
            "The first seal after a shred, of a customer never seen before; nanoseconds of thread CPU time, medians of 101",
            &["a million customers", "cold", "again, right after", "first after a shred", "second", "first / cold"],
        );
        for (name, gone) in [("untouched before the first", 0), ("100 shredded", 100), ("5 % shredded", 50_000)] {
            after_a_shred(&dir.path().join(name.replace(' ', "_")), name, gone);
        }
        println!();
    }
    if wants("bound") {
        beyond_the_bound(dir.path());
    }
}

fn seal(vault: &Vault, customer: CustomerId, value: &Padded<64>) -> f64 {
    let before = cpu_nanos();
    black_box(vault.seal(customer, Padded::<64>::FIELD, value).unwrap());
    (cpu_nanos() - before) as f64
}

fn after_a_shred(path: &Path, name: &str, gone: usize) {
    let vault = ours::vault(path, MILLION);
    let gone = if gone == 0 { Default::default() } else { ours::shred(&vault, MILLION, gone) };
    let value = Padded::<64>::new();
    let met: Vec<CustomerId> = some(MILLION, 8192).into_iter().filter(|one| !gone.contains(one)).collect();
    vault.preload(met.iter().copied()).unwrap();
    let (victims, rest) = met.split_at(101);
    let mut times: [Vec<f64>; 4] = Default::default();
    for (victim, others) in victims.iter().zip(rest.chunks(8)) {
        times[0].push(seal(&vault, others[0], &value));
        times[1].push(seal(&vault, others[1], &value));
        let _ = vault.shred([*victim]).unwrap();
        times[2].push(seal(&vault, others[2], &value));
        times[3].push(seal(&vault, others[3], &value));
    }
    let [cold, again, first, second] = times.map(median);
    println!("| {name} | {cold:.0} | {again:.0} | {first:.0} | {second:.0} | {:.2} |", first / cold);
    vault.close().unwrap();
}

/// Opens customers at random with more and less room than there are pages: each in a process of its own, whose memory nothing else was in.
fn beyond_the_bound(dir: &Path) {
    let (path, rows) = (dir.join("ten"), dir.join("rows"));
    let customers = 10 * MILLION;
    let started = Instant::now();
    let vault = ours::vault(&path, customers);
    let gone = ours::shred(&vault, customers, 500_000);
    eprintln!("made in {:.0} s", started.elapsed().as_secs_f64());
    let value = Padded::<64>::new();
    let mut file = BufWriter::new(File::create(&rows).unwrap());
    for customer in some(customers, ROWS + ROWS / 10).into_iter().filter(|one| !gone.contains(one)).take(ROWS) {
        let sealed = vault.seal(customer, Padded::<64>::FIELD, &value).unwrap();
        file.write_all(&i64::from(customer).to_be_bytes()).unwrap();
        file.write_all(sealed.as_bytes()).unwrap();
    }
    file.flush().unwrap();
    vault.close().unwrap();
    heading(
        "Ten million customers, 5 % shredded at random: 39 063 leaves. Customers at random, opened from a directory by one thread",
        &[
            "room, MiB",
            "pages in memory",
            "MB, by the vault",
            "by the kernel",
            "opened a second, first 60 000",
            "then, microseconds: median",
            "mean",
            "99 %",
        ],
    );
    for room in [512, 384, 256, 128, 64, 16, 1] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let done = child.arg("one").arg(&path).arg(&rows).arg(room.to_string()).status().unwrap();
        assert!(done.success());
    }
    println!();
}

/// In that process.
fn one_room(path: &Path, rows: &Path, room: usize) {
    let bytes = std::fs::read(rows).unwrap();
    let rows: Vec<(CustomerId, Sealed<Padded<64>>)> = bytes
        .chunks_exact(bytes.len() / ROWS)
        .map(|row| {
            let (customer, sealed) = row.split_first_chunk().unwrap();
            (ours::customer(i64::from_be_bytes(*customer)), Sealed::try_from(sealed.to_vec()).unwrap())
        })
        .collect();
    let open = |(customer, sealed): &(CustomerId, Sealed<Padded<64>>), vault: &Vault| {
        black_box(vault.open(*customer, Padded::<64>::FIELD, sealed).unwrap());
    };
    let vault = Vault::at(path).purposes([ORDERS]).most_tree_memory(room * MB).unlock(RootKey::bytes([7; 32])).unwrap();
    let before = resident_set();
    let (first, then) = rows.split_at(ROWS / 2);
    let started = Instant::now();
    first.iter().for_each(|row| open(row, &vault));
    let per_second = first.len() as f64 / started.elapsed().as_secs_f64();
    let mut times: Vec<f64> = Vec::with_capacity(then.len());
    for row in then {
        let started = Instant::now();
        open(row, &vault);
        times.push(started.elapsed().as_nanos() as f64 / 1000.0);
    }
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    times.sort_by(f64::total_cmp);
    let of = |share: f64| times[(times.len() as f64 * share) as usize];
    let status = vault.status().unwrap();
    println!(
        "| {room} | {} | {:.1} | {:.1} | {per_second:.0} | {:.1} | {mean:.1} | {:.1} |",
        status.resident_pages,
        status.resident_bytes as f64 / 1e6,
        (resident_set() - before) as f64 / 1e6,
        of(0.5),
        of(0.99),
    );
    vault.close().unwrap();
}

/// Bytes of memory that the process has, by the kernel.
fn resident_set() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}
