//! What cannot be printed whole is an error, in every command and in both forms.

use std::collections::BTreeSet;
use std::fs::OpenOptions;

use crate::shop::Shop;
use crate::support::{Ran, World};

/// Where nothing can be written to.
#[derive(Clone, Copy, Debug)]
enum To {
    FullDevice,
    ClosedPipe,
}

/// Runs a command whose standard output goes there.
fn run(world: &World, arguments: &[&str], to: To) -> Ran {
    let mut command = world.command(arguments);
    match to {
        To::FullDevice => {
            command.stdout(OpenOptions::new().write(true).open("/dev/full").unwrap());
        }
        To::ClosedPipe => {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            command.stdout(writer);
        }
    }
    Ran::of(command.output().unwrap())
}

/// The standard output fails, and the exit code says so.
#[track_caller]
fn fails(world: &World, arguments: &[&str], to: To) {
    let ran = run(world, arguments, to);
    assert_eq!(ran.code, 74, "{arguments:?} to {to:?}: {ran:?}");
    assert!(ran.err.contains("could not be written whole"), "{arguments:?}: {ran:?}");
}

/// A shop with somebody in it, a receipt, and a request.
fn shop() -> (Shop, String) {
    let shop = Shop::new();
    for id in ["alice", "bob", "carol", "dave"] {
        shop.customer(id);
    }
    shop.world.run(&["erase", "dave", "--why", "request", "--receipt", "dave.json", "--yes"]).ends(0);
    shop.world.run(&["requests", "add", "alice", "--kind", "access"]).ends(0);
    shop.world.run(&["holds", "add", "bob", "--until", "2100-01-01", "--why", "case 7"]).ends(0);
    let key = shop.world.run(&["journal", "key"]).ends(0).out.trim().to_owned();
    shop.world.write("oubliette.toml", &{
        let toml = std::fs::read_to_string(shop.world.path("oubliette.toml")).unwrap();
        format!("public_key = \"{key}\"\n{toml}\n[controller]\nname = \"Shop Ltd\"\n")
    });
    (shop, key)
}

#[test]
fn a_report_that_was_not_written_whole_is_an_error() {
    let (shop, _) = shop();
    let world = &shop.world;
    let now = jiff::Timestamp::now().to_string();
    let looks: &[&[&str]] = &[
        &["status"],
        &["doctor"],
        &["requests"],
        &["holds"],
        &["holds", "list", "bob"],
        &["sweep", "--dry-run"],
        &["sweep", "--yes"],
        &["resume", "--reconcile"],
        &["export", "alice"],
        &["export", "alice", "--portable"],
        &["breach", "--known-since", &now, "--database", &now],
        &["inventory"],
        &["reindex", "--check"],
        &["reindex"],
        &["verify", "dave.json"],
        &["journal", "verify"],
        &["journal", "show"],
        &["journal", "key"],
        &["completions", "bash"],
        &["completions", "zsh"],
        &["man", "pages"],
    ];
    for arguments in looks {
        let before = world.run(arguments).code;
        for to in [To::FullDevice, To::ClosedPipe] {
            fails(world, arguments, to);
            fails(world, &[arguments, &["--json"][..]].concat(), to);
        }
        assert_eq!(world.run(arguments).code, before, "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["--version"], &["help", "erase"], &["erase", "--help"], &["-h"]] {
        fails(world, arguments, To::FullDevice);
        fails(world, arguments, To::ClosedPipe);
    }
    // What failed for another reason says that reason.
    assert_eq!(run(world, &["status", "--vault", "elsewhere", "--json"], To::FullDevice).code, 66);
}

#[test]
fn what_was_done_is_done_though_it_could_not_be_said() {
    let (shop, _) = shop();
    let world = &shop.world;
    let id = |sql: &str| shop.ask(sql).to_string();
    let request = id("SELECT id FROM oubliette_requests");
    let hold = id("SELECT id FROM oubliette_holds");
    let changes: &[&[&str]] = &[
        &["requests", "add", "bob", "--kind", "access"],
        &["requests", "extend", &request, "--why", "complex"],
        &["requests", "answer", &request, "done"],
        &["holds", "lift", &hold, "--why", "over", "--yes"],
        &["holds", "add", "bob", "--until", "2100-01-01", "--why", "case 8"],
        &["withdraw", "carol", "--purpose", "newsletter", "--why", "mail", "--yes"],
        &["erase", "carol", "--why", "request", "--receipt", "carol.json", "--yes"],
        &["shred", "1", "--yes"],
        &["rotate", "index", "customers.email", "--yes"],
        &["rotate", "purpose", "newsletter", "--yes"],
        &["mirror", "attach", "third", "--yes"],
        &["inventory", "--write", "inventory.json"],
        &["journal", "accept-loss", "--why", "a drill", "--yes"],
        &["clear-alarm", "--why", "a drill", "--yes"],
        &["rotate", "root-key", "--generate", "new-key", "--yes"],
    ];
    for arguments in changes {
        fails(world, arguments, To::FullDevice);
    }
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_subjects WHERE state = 'erased'"), 2);
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_holds WHERE ended_at IS NULL"), 1);
    assert_eq!(shop.receipt_under("carol.json", "new-key").content().why.as_ref().unwrap().as_str(), "request");
    world.run(&["status", "--key-file", "new-key"]).ends(0);
}

/// No command prints by itself: then the tests above would say nothing of it.
#[test]
fn there_is_one_place_that_prints() {
    let mut printing = BTreeSet::new();
    let mut left = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let prints = text.contains("stdout().lock()") || text.contains("stdout().flush()");
            if prints || text.contains("print!(") || text.contains("println!(") {
                printing.insert(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    assert_eq!(printing, BTreeSet::from(["answer.rs".to_owned()]));
}

#[test]
fn a_disk_that_becomes_full_is_an_error() {
    let world = World::empty();
    // Files may have 1 KiB, and the script is longer.
    for command in ["completions bash > out", "completions bash --json > out", "--help > out", "man pages"] {
        let ran = world.shell(&format!("trap '' XFSZ; ulimit -f 1; oubliette {command}"));
        assert_eq!(ran.code, 74, "{command}: {ran:?}");
    }
}
