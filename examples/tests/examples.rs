//! The examples, as a newcomer runs them: the plain command with default features, twice in a row.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::Value;

const BASE: &str = env!("CARGO_MANIFEST_DIR");

/// Builds the examples and asks cargo where they are: there is no `CARGO_BIN_EXE` for examples, and `cargo test --test`
/// does not build them. From the top of the workspace and into this test's own target directory, so that after the
/// README's `cargo test` they are built already, with the same features.
static BUILT: LazyLock<Vec<(String, PathBuf)>> = LazyLock::new(|| {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--example", "quickstart", "--example", "events"])
        .args(["--message-format=json", "--target-dir"])
        .arg(target)
        .current_dir(Path::new(BASE).parent().unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).unwrap();
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter(|message| message["reason"] == "compiler-artifact" && message["target"]["kind"][0] == "example")
        .map(|message| {
            let name = message["target"]["name"].as_str().unwrap().to_owned();
            (name, message["executable"].as_str().unwrap().into())
        })
        .collect()
});

fn example(name: &str) -> Command {
    let (_, path) = BUILT.iter().find(|(built, _)| built == name).expect("cargo built the example");
    let mut command = Command::new(path);
    command.env_remove("QUICKSTART_PASSPHRASE").current_dir(std::env::temp_dir());
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn succeeded(output: &Output) -> &str {
    assert!(output.status.success(), "{:?}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    text(&output.stdout)
}

fn quickstart(dir: &Path) -> Command {
    let mut command = example("quickstart");
    command.env("QUICKSTART_DIR", dir);
    command
}

#[test]
fn quickstart_works_twice_in_a_row() {
    let dir = tempfile::tempdir().unwrap();
    for run in 1..=2 {
        let output = quickstart(dir.path()).output().unwrap();
        let shown = succeeded(&output);
        for expected in [
            "64 customers from 28 countries",
            "336 personal texts were searched for",
            ": none is there.",
            "Jean-François d'Ormeval",
            "orders/name was shredded: the value is gone for good",
            "outcome Erased",
            "63 others: all open",
            &format!("earlier runs included: {run}."),
        ] {
            assert!(shown.contains(expected), "run {run} does not say {expected:?}:\n{shown}");
        }
        assert!(shown.lines().count() <= 35, "one screen:\n{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= 115), "one screen:\n{shown}");
    }

    // Looked at from outside: no personal text in anything that was written, and the backup whole.
    let mut lines = csv::Reader::from_path(Path::new(BASE).join("customers.csv")).unwrap();
    let people: Vec<csv::StringRecord> = lines.records().map(Result::unwrap).collect();
    assert!(people.len() >= 60);
    let texts: Vec<&str> = people
        .iter()
        .flat_map(|person| [&person[0], &person[1], &person[2]].into_iter().chain(person[4].lines()))
        .filter(|text| text.len() >= 6)
        .collect();
    assert!(texts.len() > 300);
    let files = files(dir.path());
    let mut names: Vec<&str> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    names.sort_unstable();
    assert!(names.contains(&"customers.sqlite") && names.contains(&"last-night.sqlite"), "{names:?}");
    assert!(names.contains(&"slot-a") && names.iter().any(|name| name.ends_with(".pages")), "{names:?}");
    for file in &files {
        oubliette::testing::assert_no_plaintext(&std::fs::read(file).unwrap(), texts.iter().copied());
    }
    for database in ["shop/customers.sqlite", "backups/last-night.sqlite"] {
        let database = rusqlite::Connection::open(dir.path().join(database)).unwrap();
        let rows: i64 = database.query_row("SELECT count(*) FROM customers", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 64);
    }
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
fn quickstart_fails_aloud() {
    let dir = tempfile::tempdir().unwrap();
    let broken = dir.path().join("broken.csv");
    std::fs::write(
        &broken,
        "name,email,phone,country,address,plan,since\nJo Bloggs,jo.bloggs at example.com,,IE,1 High St,plus,2024-01-01\n",
    )
    .unwrap();
    let output = quickstart(dir.path()).arg(&broken).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no @") && !said.contains("bloggs at"), "the rule is named, the value is not: {said}");

    let output = quickstart(dir.path()).env("QUICKSTART_PASSPHRASE", "another one").output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("not the vault's root key"), "{said}");

    let output = quickstart(dir.path()).output().unwrap();
    assert!(succeeded(&output).contains("63 others: all open"), "failures leave nothing that hinders");
}

#[test]
fn events_stay_and_the_person_goes() {
    let dir = tempfile::tempdir().unwrap();
    for run in 1..=2_usize {
        let output = example("events").env("EVENTS_DIR", dir.path()).output().unwrap();
        let shown = succeeded(&output);
        assert!(shown.contains(&format!("{} events", run * 6)), "{shown}");
        assert!(shown.contains("(shredded), 2 orders, 61.50 euros, note: (shredded)"), "{shown}");
        assert!(shown.contains(&format!("{} others replay as before", run * 2 - 1)), "{shown}");
        assert!(shown.lines().count() <= 20, "{shown}");
    }
    let log = std::fs::read_to_string(dir.path().join("log/events.jsonl")).unwrap();
    assert!(log.lines().all(|line| line.contains("\"customer\":")) && log.contains("obl1."));
    oubliette::testing::assert_no_plaintext(log.as_bytes(), ["Brádaigh", "aoife@", "Ferreira", "the bell"]);
}
