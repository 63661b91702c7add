use std::fs;

use serde_json::json;

use crate::support::World;

/// A world in which somebody was shredded, with a receipt; and the public key.
fn shredded() -> (World, String) {
    let world = World::journalled();
    let customers = world.customers(3);
    let number = customers[1].number.to_string();
    let receipt = ["--why", "request 2026-114", "--receipt", "receipt.json", "--whose", "customer 4711"];
    let (code, done) = world.json(&[&["shred", &number, "--yes"], &receipt[..]].concat());
    assert_eq!((code, &done["receipt"]), (0, &json!("receipt.json")));
    let key = world.run(&["journal", "key"]).ends(0).out.trim().to_owned();
    assert!(key.starts_with("obl-key-1."));
    (world, key)
}

#[test]
fn a_receipt_is_checked_offline() {
    let (world, key) = shredded();
    // As a person would who has nothing but the receipt and the key.
    let offline = World::empty();
    fs::copy(world.path("receipt.json"), offline.path("receipt.json")).unwrap();
    let (code, verified) = offline.json(&["verify", "receipt.json", "--key", &key]);
    assert_eq!((code, &verified["verified"]), (0, &json!(true)));
    assert_eq!(verified["receipt"]["whose"], "customer 4711");
    assert_eq!(verified["receipt"]["why"], "request 2026-114");
    assert_eq!(verified["journal"], json!(null));
    let ran = offline.run(&["verify", "receipt.json", "--key", &key]).ends(0);
    assert!(ran.out.contains("customer 4711") && ran.out.contains("may remain"), "{ran:?}");
    assert!(ran.out.contains("backups of the database"), "what the configuration states is in it: {ran:?}");
    // The journal has its entries.
    let (code, verified) = world.json(&["verify", "receipt.json", "--key", &key]);
    assert_eq!((code, &verified["journal"]["gaps"]), (0, &json!([])));
}

#[test]
fn a_receipt_that_was_changed_does_not_verify() {
    let (world, key) = shredded();
    let receipt = fs::read_to_string(world.path("receipt.json")).unwrap();
    for (from, to) in [
        ("customer 4711", "customer 4712"),
        ("request 2026", "request 2025"),
        ("\"generation\": ", "\"generation\": 1"),
    ] {
        assert!(receipt.contains(from));
        world.write("changed.json", &receipt.replace(from, to));
        let (code, verified) = world.json(&["verify", "changed.json", "--key", &key]);
        assert_eq!((code, &verified["verified"]), (2, &json!(false)), "{from}");
    }
    let other = World::journalled().run(&["journal", "key"]).ends(0).out;
    let ran = world.run(&["verify", "receipt.json", "--key", other.trim()]).ends(2);
    assert!(ran.out.contains("DOES NOT VERIFY"), "{ran:?}");
    world.run(&["verify", "receipt.json"]).ends(64);
    world.run(&["verify", "receipt.json", "--key", "obl-key-1.abc"]).ends(64);
    world.run(&["verify", "absent.json", "--key", &key]).ends(66);
    // No other bytes: what is not UTF-8 is not read as if it were.
    let named = world.path("receipt.json");
    let mut bytes = fs::read(&named).unwrap();
    let at = receipt.find("customer").unwrap();
    bytes[at] = 0xff;
    fs::write(world.path("bytes.json"), &bytes).unwrap();
    let (code, verified) = world.json(&["verify", "bytes.json", "--key", &key]);
    assert_eq!(
        (code, &verified["why"]),
        (2, &json!("this is no receipt: it is not UTF-8; get the document again, as it was issued"))
    );
    world.write("not.json", "{}");
    world.run(&["verify", "not.json", "--key", &key]).ends(2);
}

#[test]
fn a_journal_is_checked_offline() {
    let (world, key) = shredded();
    let (code, verified) =
        world.json(&["journal", "verify", "log/journal", "--key", &key, "--receipt", "receipt.json"]);
    assert_eq!((code, &verified["verified"]), (0, &json!(true)));
    let anchor = verified["journal"]["last"].as_str().unwrap();
    world.run(&["journal", "verify", "--key", &key, "--anchor", anchor]).ends(0);
    let journal = fs::read_to_string(world.path("log/journal")).unwrap();
    let lines: Vec<&str> = journal.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 3, "opened, shred, outcome");
    for (what, damaged) in [
        ("changed", journal.replacen("2026-114", "2026-115", 1)),
        ("dropped", [lines[0], lines[2]].concat()),
        ("reordered", [lines[0], lines[2], lines[1]].concat()),
        ("cut off", lines[..2].concat()),
    ] {
        world.write("damaged", &damaged);
        fs::copy(world.path("log/journal.head"), world.path("damaged.head")).unwrap();
        let (code, verified) = world.json(&["journal", "verify", "damaged", "--key", &key]);
        assert_eq!((code, &verified["verified"]), (2, &json!(false)), "{what}");
        assert!(verified["why"].as_str().unwrap().contains(what), "{what}: {verified}");
    }
    // Without its head only what others kept tells that the end is missing.
    world.write("short", &lines[..2].concat());
    world.run(&["journal", "verify", "short", "--key", &key]).ends(2);
    world.run(&["journal", "verify", "short", "--key", &key, "--without-head"]).ends(0);
    world.run(&["journal", "verify", "short", "--key", &key, "--without-head", "--anchor", anchor]).ends(2);
    world.run(&["journal", "verify", "short", "--key", &key, "--without-head", "--receipt", "receipt.json"]).ends(2);
    world.run(&["journal", "verify", "--key", &key, "--anchor", "third"]).ends(64);
    world.run(&["journal", "verify", "absent", "--key", &key]).ends(66);
}

#[test]
fn a_journal_is_shown() {
    let (world, key) = shredded();
    let (code, shown) = world.json(&["journal", "show", "--key", &key]);
    assert_eq!(code, 0);
    let kinds = |shown: &serde_json::Value| {
        let entries = shown["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["event"]["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&shown), ["opened", "shred", "outcome"]);
    let (_, shown) = world.json(&["journal", "show", "--key", &key, "--from", "3"]);
    assert_eq!(kinds(&shown), ["outcome"]);
    world.configure(&format!("journal = \"log/journal\"\npublic_key = \"{key}\""));
    let ran = world.run(&["journal", "show"]).ends(0);
    assert!(ran.out.contains("request 2026-114"), "{ran:?}");
}

#[test]
fn what_must_be_written_down_needs_the_journal() {
    let (world, _) = shredded();
    world.configure("");
    let ran = world.run(&["shred", "1", "--yes"]).ends(78);
    assert!(ran.err.contains("journal"), "{ran:?}");
    world.run(&["shred", "1", "--yes", "--receipt", "r", "--whose", "x"]).ends(64);
    let ran = world.run(&["status"]).ends(78);
    assert!(ran.out.contains("READS ONLY") && ran.out.contains("--journal"), "{ran:?}");
    world.configure("journal = \"log/journal\"");
    world.run(&["shred", "1", "--yes", "--receipt", "receipt.json", "--whose", "x"]).ends(77);
    world.run(&["shred", "1", "--yes", "--why", "two\nlines"]).ends(64);
    world.run(&["shred", "4000000", "--yes", "--receipt", "r", "--whose", "x"]).ends(64);
    assert!(!world.path("r").exists());
    let (_, status) = world.json(&["status"]);
    assert_eq!(status["purposes"][0]["shredded"], 1, "nobody but the first");
}

#[test]
fn a_lost_end_is_accepted_by_hand_and_shown() {
    let (world, key) = shredded();
    let journal = fs::read_to_string(world.path("log/journal")).unwrap();
    let first = journal.split_inclusive('\n').next().unwrap();
    fs::write(world.path("log/journal"), first).unwrap();
    let ran = world.run(&["status"]);
    assert!(ran.code == 65 && ran.err.contains("cut off"), "{ran:?}");
    world.run(&["journal", "accept-loss", "--why", "the disk of the log failed"]).ends(77);
    world.run(&["journal", "accept-loss", "--why", "the disk of the log failed", "--yes"]).ends(0);
    let (code, verified) = world.json(&["journal", "verify", "--key", &key]);
    assert_eq!(code, 1);
    assert_eq!(verified["journal"]["gaps"][0]["why"], "the disk of the log failed");
    world.run(&["shred", "1", "--yes"]).ends(0);
}
