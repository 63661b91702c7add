//! What a root key version with each commit costs, in SoftHSM, beside a root key that stays.
//!
//! `cargo bench -p oubliette-benches --bench token`. Needs SoftHSM (`apt-get install softhsm2`). A hardware token takes longer: SoftHSM keeps
//! its objects in files, and each key made and destroyed is a few of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use common::ours::{self, ORDERS, some};
use common::race::{heading, median};
use oubliette::{RootKey, Vault, root_keys::VersionPolicy};
use oubliette_pkcs11::Token;
use zeroize::Zeroizing;

const SCRATCH: &str = "OUBLIETTE_BENCH_SCRATCH";
const CUSTOMERS: i64 = 100_000;
const ROUNDS: usize = 60;

/// SoftHSM finds its tokens by its environment, so what is measured is in a process of its own.
fn main() {
    if let Some(scratch) = std::env::var_os(SCRATCH) {
        return measure(Path::new(&scratch));
    }
    let scratch = tempfile::tempdir().unwrap();
    let (tokens, config) = (scratch.path().join("tokens"), scratch.path().join("softhsm2.conf"));
    std::fs::create_dir(&tokens).unwrap();
    std::fs::write(&config, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display())).unwrap();
    let slots = ["--init-token", "--free", "--label", "bench", "--so-pin", "0000", "--pin", "1234"];
    let made = Command::new("softhsm2-util").args(slots).env("SOFTHSM2_CONF", &config).output().expect("softhsm2-util");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut child = Command::new(std::env::current_exe().unwrap());
    assert!(child.env("SOFTHSM2_CONF", &config).env(SCRATCH, scratch.path()).status().unwrap().success());
}

fn module() -> PathBuf {
    let found = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so", "/usr/lib/libsofthsm2.so"];
    found.iter().map(PathBuf::from).find(|path| path.exists()).expect("SoftHSM is needed: apt-get install softhsm2")
}

fn versions(policy: VersionPolicy) -> RootKey {
    let token = Token::at(module(), "bench").open(Zeroizing::new("1234".to_owned())).unwrap();
    RootKey::versions(token, policy)
}

fn measure(scratch: &Path) {
    let make = |name: &str, key: RootKey| {
        let vault = Vault::at(scratch.join(name)).purposes([ORDERS]).create(key).unwrap();
        ours::enroll(&vault, CUSTOMERS);
        vault
    };
    let lanes = [
        ("a root key of 32 bytes, which stays", make("stays", RootKey::bytes([7; 32]))),
        ("a version with each shred", make("versions", versions(VersionPolicy::with_each_shred().allow_one_place()))),
    ];
    let mut left = some(CUSTOMERS, lanes.len() * ROUNDS);
    let mut taken: Vec<Vec<f64>> = vec![Vec::new(); lanes.len()];
    for _ in 0..ROUNDS {
        for ((_, vault), taken) in lanes.iter().zip(&mut taken) {
            let one = left.pop().unwrap();
            let begun = Instant::now();
            drop(vault.shred([one]).unwrap());
            taken.push(begun.elapsed().as_secs_f64() * 1e3);
        }
    }
    heading("One shred in a directory", &["root key", "ms: median", "p90", "ratio"]);
    let first = median(taken[0].clone());
    for ((name, _), mut taken) in lanes.iter().zip(taken) {
        taken.sort_unstable_by(f64::total_cmp);
        let middle = taken[taken.len() / 2];
        println!("| {name} | {middle:.2} | {:.2} | {:.2} |", taken[taken.len() * 9 / 10], middle / first);
    }
    println!();
    lanes.iter().for_each(|(_, vault)| vault.clone().close().unwrap());
}
