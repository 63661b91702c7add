//! The example, as a newcomer runs it, twice in a row.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Builds the example and asks cargo where it is: there is no `CARGO_BIN_EXE` for examples, and `cargo test --test` does not
/// build them. With the features that its first lines name, in this test's own target directory.
fn life() -> Command {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--example", "life", "--features", "age", "--message-format=json", "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).unwrap();
    let mut messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let built = messages.find(|message| message["target"]["name"] == "life").expect("cargo built the example");
    let mut command = Command::new(built["executable"].as_str().unwrap());
    command.current_dir(std::env::temp_dir());
    command
}

fn succeeded(output: &Output) -> &str {
    assert!(output.status.success(), "{:?}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    std::str::from_utf8(&output.stdout).unwrap()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn a_life_is_told_and_nothing_personal_is_left_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut life = life();
    for run in 1..=2 {
        let output = life.env("LIFE_DIR", dir.path()).output().unwrap();
        let shown = succeeded(&output);
        for expected in [
            " 1. Sign-up (Art. 6, 7 GDPR)",
            "asked for a key for Bob's newsletter, the register refuses",
            "which alone opens it",
            "To be told: privacy@carrier.example.",
            "checks it offline, with the public key alone",
            "records her as erased again",
            "2 persons concerned, one of them erased since; readable: 0.",
            "none is there.",
        ] {
            assert!(shown.contains(expected), "run {run} does not say {expected:?}:\n{shown}");
        }
        assert!(shown.lines().count() <= 60, "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= 115), "{shown}");
    }
    // Looked at from outside, the parcel and the key store included.
    let files = files(dir.path());
    assert!(files.iter().any(|file| file.ends_with("carrier/parcel-4711.age")), "{files:?}");
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        oubliette::testing::assert_no_plaintext(&bytes, ["Bhriain", "Duibhir", "@example.com", "rue de la Paix"]);
    }
    let receipt = std::fs::read_to_string(dir.path().join("alice/receipt.json")).unwrap();
    let key = std::fs::read_to_string(dir.path().join("officer/vault.pub")).unwrap();
    let receipt = oubliette::journal::Receipt::verify(&receipt, &key.parse().unwrap()).unwrap();
    assert_eq!(receipt.content().whose.as_str(), "1001");
    let database = rusqlite::Connection::open(dir.path().join("shop/shop.sqlite")).unwrap();
    let states = "SELECT group_concat(state) FROM (SELECT state FROM oubliette_subjects ORDER BY since, state DESC)";
    let states: String = database.query_row(states, [], |row| row.get(0)).unwrap();
    assert_eq!(states, "erased,live", "Alice and Bob");
}
