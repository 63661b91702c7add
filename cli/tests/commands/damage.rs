//! What is damaged is told and marked, and hides nothing that is good; what only looks mends nothing.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::reindex;
use crate::shop::Shop;
use crate::support::World;

/// All files below a place, with their content.
fn content(world: &World, name: &str) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut left = vec![world.path(name)];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files.push((path.clone(), fs::read(path).unwrap()));
        }
    }
    files.sort();
    files
}

fn checks(report: &Value) -> Vec<(&str, &str)> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|finding| (finding["severity"].as_str().unwrap(), finding["check"].as_str().unwrap())).collect()
}

#[test]
fn the_doctor_tells_of_a_damaged_slot_and_leaves_it() {
    let world = World::journalled();
    let slot = world.path("privacy/root/slot-a");
    let mut bytes = fs::read(&slot).unwrap();
    bytes[200] ^= 1;
    fs::write(&slot, &bytes).unwrap();
    let places = || ["privacy", "mirror", "log"].map(|name| content(&world, name));
    let before = places();
    for _ in 0..2 {
        let (code, report) = world.json(&["doctor"]);
        assert!(code == 2 && checks(&report).contains(&("grave", "root-copy")), "{report:#}");
        assert!(report["findings"].to_string().contains("slot-a"), "{report:#}");
    }
    assert_eq!(places(), before, "the doctor changed what it looked at");
    // Whatever opens it to work mends it.
    world.run(&["status"]).ends(0);
    world.run(&["doctor"]).ends(0);
    assert_ne!(places(), before);
}

#[test]
fn one_bad_line_hides_no_other() {
    let world = World::journalled();
    let customers = world.customers(4);
    for customer in &customers {
        world.run(&["shred", &customer.number.to_string(), "--yes"]).ends(0);
    }
    let key = world.run(&["journal", "key"]).ends(0).out.trim().to_owned();
    let whole = fs::read_to_string(world.path("log/journal")).unwrap();
    let all = whole.lines().count() as u64;
    let mut lines: Vec<String> = whole.lines().map(|line| format!("{line}\n")).collect();
    lines[3] = lines[3].replace("shred", "shrad");
    fs::write(world.path("log/journal"), lines.concat()).unwrap();
    let (code, shown) = world.json(&["journal", "show", "--key", &key]);
    let entries = shown["entries"].as_array().unwrap();
    assert_eq!((code, entries.len() as u64, &shown["damaged"][0]["line"]), (5, all - 1, &json!(4)), "{shown:#}");
    let ran = world.run(&["journal", "show", "--key", &key]).ends(5);
    assert!(ran.out.contains("DAMAGED  line 4") && ran.out.contains("INCOMPLETE: 1 fault"), "{ran:?}");
    // Of what is no journal of this vault nothing is shown.
    world.write("other", "x\n");
    world.run(&["journal", "show", "other", "--key", &key]).ends(65);
    let other = World::journalled().run(&["journal", "key"]).ends(0).out;
    world.run(&["journal", "show", "--key", other.trim()]).ends(65);
}

#[test]
fn a_failed_replay_leaves_no_key_file_behind() {
    let world = World::journalled();
    world.customers(2);
    let replay = ["replay", "--highest-number", "2", "--generate", "new-key", "--yes"];
    fs::rename(world.path("log/journal"), world.path("log/away")).unwrap();
    for _ in 0..2 {
        let ran = world.run(&replay);
        assert!(ran.code != 0 && !ran.err.contains("exists"), "{ran:?}");
        assert!(!world.path("new-key").exists(), "{ran:?}");
    }
    fs::rename(world.path("log/away"), world.path("log/journal")).unwrap();
    world.write("wrong", &"09".repeat(32));
    world.run(&[&replay[..], &["--key-file", "wrong"]].concat()).ends(77);
    assert!(!world.path("new-key").exists());
    // The same of a rotation: a mirror is away, and nothing can be committed.
    fs::rename(world.path("mirror"), world.path("hidden")).unwrap();
    let ran = world.run(&["rotate", "root-key", "--generate", "new-key", "--yes"]);
    assert!(ran.code != 0 && !world.path("new-key").exists(), "{ran:?}");
    fs::rename(world.path("hidden"), world.path("mirror")).unwrap();
    world.run(&["rotate", "root-key", "--generate", "new-key", "--yes"]).ends(0);
    // A file that was there before is nobody's to remove.
    world.run(&["rotate", "root-key", "--generate", "new-key", "--key-file", "new-key", "--yes"]).ends(77);
    world.run(&["status", "--key-file", "new-key"]).ends(0);
}

/// Nobody can say whether the vault is under the new key: its file is kept, and named.
#[test]
fn the_key_file_of_a_rotation_stays_when_nobody_can_look() {
    let world = World::new();
    let lock = fs::File::options().read(true).write(true).open(world.path("privacy/root/lock")).unwrap();
    lock.lock().unwrap();
    let mut rotating = world.command(&["rotate", "root-key", "--generate", "new-key", "--yes"]);
    let child = rotating.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !world.path("new-key").exists() {
        assert!(begun.elapsed() < Duration::from_secs(30), "waited for the new key's file");
        std::thread::sleep(Duration::from_millis(10));
    }
    // The commit waits for the lock, and then nothing is there to look at.
    fs::rename(world.path("privacy"), world.path("away")).unwrap();
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success() && said.contains("the key stays in"), "{said}");
    assert!(world.path("new-key").exists(), "{said}");
    lock.unlock().unwrap();
    fs::rename(world.path("away"), world.path("privacy")).unwrap();
    world.run(&["status"]).ends(0);
    world.run(&["rotate", "root-key", "--new-key-file", "new-key", "--yes"]).ends(0);
}

#[test]
fn nothing_is_given_up_that_rows_still_need() {
    let (world, database, _) = reindex::shop(3);
    let retire = ["retire", "epoch", "customers.email", "0", "--yes"];
    world.run(&["rotate", "index", "customers.email", "--yes"]).ends(0);
    let ran = world.run(&retire).ends(77);
    assert!(ran.err.contains("3 rows of email_idx still need it") && ran.err.contains("oubliette reindex"), "{ran:?}");
    world.run(&["reindex"]).ends(0);
    world.run(&retire).ends(0);
    assert_eq!(reindex::epochs(&database), [Some(1), Some(1), Some(1)]);
    // An override is explicit.
    world.run(&["rotate", "index", "customers.email", "--yes"]).ends(0);
    let retire = ["retire", "epoch", "customers.email", "1", "--yes"];
    world.run(&retire).ends(77);
    world.run(&[&retire[..], &["--leave-behind"]].concat()).ends(0);
    // The same of key trees, whose values would be lost.
    let (_, rotated) = world.json(&["rotate", "purpose", "newsletter", "--yes"]);
    let tree = ["retire", "tree", "newsletter", rotated["tree"].as_str().unwrap(), "--yes"];
    let ran = world.run(&tree).ends(77);
    assert!(ran.err.contains("3 rows of news still need it") && ran.err.contains("--reseal"), "{ran:?}");
    world.run(&["reindex", "--reseal"]).ends(0);
    world.run(&tree).ends(0);
    // What cannot be looked at is not taken for done.
    world.configure("");
    let (_, rotated) = world.json(&["rotate", "purpose", "newsletter", "--yes"]);
    let tree = ["retire", "tree", "newsletter", rotated["tree"].as_str().unwrap(), "--yes"];
    let ran = world.run(&tree).ends(77);
    assert!(ran.err.contains("nobody knows whether rows still need it"), "{ran:?}");
    world.run(&[&tree[..], &["--leave-behind"]].concat()).ends(0);
}

#[test]
fn a_receipt_of_a_withdrawal_is_not_read_as_an_erasure() {
    let shop = Shop::new();
    shop.customer("alice");
    let key = shop.world.run(&["journal", "key"]).ends(0).out.trim().to_owned();
    let withdraw = ["withdraw", "alice", "--purpose", "newsletter", "--why", "by mail", "--receipt", "r.json", "--yes"];
    shop.world.run(&withdraw).ends(0);
    let ran = shop.world.run(&["verify", "r.json", "--key", &key]).ends(0);
    assert!(ran.out.contains("newsletter only: this is no erasure"), "{ran:?}");
    assert!(ran.out.contains("why          by mail"), "{ran:?}");
    shop.world.run(&["erase", "alice", "--why", "request 7", "--receipt", "e.json", "--yes"]).ends(0);
    let ran = shop.world.run(&["verify", "e.json", "--key", &key]).ends(0);
    assert!(ran.out.contains("purposes     all") && ran.out.contains("why          request 7"), "{ran:?}");
}

/// An officer must not read today's date as the day on which somebody became unreadable.
#[test]
fn a_receipt_for_somebody_shredded_before_says_so() {
    let world = World::journalled();
    let customers = world.customers(2);
    let [first, second] = [0, 1].map(|at: usize| customers[at].number.to_string());
    world.run(&["shred", &first, "--yes"]).ends(0);
    let shred = ["shred", &first, &second, "--receipt", "r.json", "--whose", "them", "--yes"];
    let ran = world.run(&shred).ends(0);
    assert!(ran.out.contains("which of them were shredded before"), "{ran:?}");
    let key = world.run(&["journal", "key"]).ends(0).out.trim().to_owned();
    let ran = world.run(&["verify", "r.json", "--key", &key]).ends(0);
    assert!(ran.out.contains(&format!("before       {first}: shredded earlier")), "{ran:?}");
    // It is signed.
    let receipt = fs::read_to_string(world.path("r.json")).unwrap();
    assert!(receipt.contains("shredded_before"), "{receipt}");
    world.write("forged.json", &receipt.replace("shredded_before", "shredded_befora"));
    world.run(&["verify", "forged.json", "--key", &key]).ends(2);
    // Of whom it was the first shred, nothing is said.
    world.run(&["shred", &second, "--purpose", "orders", "--yes"]).ends(0);
    let third = world.customers(1)[0].number.to_string();
    world.run(&["shred", &third, "--receipt", "t.json", "--whose", "her", "--yes"]).ends(0);
    assert!(!fs::read_to_string(world.path("t.json")).unwrap().contains("shredded_before"));
}
