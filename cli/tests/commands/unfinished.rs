//! What was interrupted, and what was restored.

use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::json;

use crate::shop::{DATABASE, RULES, Shop, TABLES};

const PATIENCE: Duration = Duration::from_secs(30);

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited for: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Holds the database's lock, as a long transaction of the application's does.
fn locked(shop: &Shop) -> Connection {
    let connection = shop.connection();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

/// An erasure of alice that has been decided, and cannot shred yet since another process is committing.
fn decided(shop: &Shop, more: &[&str]) -> (Child, File) {
    let database = locked(shop);
    let mut child = shop.world.command(&[&["erase", "alice", "--why", "request", "--yes"], more].concat());
    let child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // The thread that keeps the lease: the vault is open, and the command waits for the database.
    let tasks = format!("/proc/{}/task", child.id());
    until("the vault to be open", || fs::read_dir(&tasks).is_ok_and(|tasks| tasks.count() > 1));
    let vault = File::options().read(true).write(true).open(shop.world.path("privacy/root/lock")).unwrap();
    vault.lock().unwrap();
    database.execute_batch("ROLLBACK").unwrap();
    let erasing = "SELECT count(*) FROM oubliette_subjects WHERE state = 'erasing'";
    until("the decision", || shop.ask(erasing) == 1);
    (child, vault)
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
}

#[test]
fn an_erasure_that_was_killed_before_the_shred_is_finished_by_the_next_command() {
    let shop = Shop::new();
    let (alice, bob) = (shop.customer("alice"), shop.customer("bob"));
    let (child, vault) = decided(&shop, &["--receipt", "r.json"]);
    kill(child);
    vault.unlock().unwrap();
    assert_eq!(alice.opens(&shop.world.vault()), (true, true), "decided, and not done");
    // Any command of the register's.
    let ran = shop.world.run(&["requests"]).ends(0).hides(&["alice"]);
    assert!(ran.err.contains("1 erasure"), "{ran:?}");
    let vault = shop.world.vault();
    assert_eq!((alice.opens(&vault), bob.opens(&vault)), ((false, false), (true, true)));
    drop(vault);
    let receipts = shop.receipts();
    assert_eq!(receipts.len(), 1);
    assert_eq!(shop.receipt(&receipts[0]).content().whose.as_str(), "alice");
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_subjects WHERE subject = 'alice'"), 0);
    assert_eq!(shop.tokens(), [false, true]);
    let (_, again) = shop.world.json(&["requests"]);
    assert_eq!(again["finished_before"], json!(null));
}

#[test]
fn an_erasure_that_was_killed_after_the_shred_is_finished_by_the_next_command() {
    let shop = Shop::new();
    let alice = shop.customer("alice");
    let application = shop.world.application();
    let (child, vault) = decided(&shop, &[]);
    let database = locked(&shop);
    vault.unlock().unwrap();
    until("the shred", || {
        application.refresh().unwrap();
        alice.opens(&application) == (false, false)
    });
    std::thread::sleep(Duration::from_millis(200));
    kill(child);
    database.execute_batch("ROLLBACK").unwrap();
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_subjects WHERE state = 'erasing'"), 1);
    assert_eq!(shop.receipts().len(), 0);
    let (code, report) = shop.world.json(&["doctor"]);
    assert_eq!(code, 0, "just now is no finding yet: {report}");
    shop.connection().execute("UPDATE oubliette_subjects SET decided_at = decided_at - 600000", []).unwrap();
    let (code, report) = shop.world.json(&["doctor"]);
    assert!(code == 1 && report.to_string().contains("erasure has begun and is not finished"), "{report}");
    let (code, done) = shop.world.json(&["resume"]);
    assert_eq!((code, &done["finished"]["erased"]), (0, &json!(1)));
    assert_eq!(shop.receipts().len(), 1);
    let (code, report) = shop.world.json(&["doctor"]);
    assert_eq!(code, 0, "{report}");
    application.close().unwrap();
}

#[test]
fn an_erasure_is_finished_by_calling_it_again_with_its_receipt() {
    let shop = Shop::new();
    shop.configure("", DATABASE, &RULES.replace("receipts =", "#"), TABLES);
    let alice = shop.customer("alice");
    let (child, vault) = decided(&shop, &["--receipt", "r.json"]);
    kill(child);
    vault.unlock().unwrap();
    // What has no place for the receipt loses none, and says so.
    let ran = shop.world.run(&["resume"]).ends(76).hides(&["alice"]);
    assert!(ran.err.contains("receipts ="), "{ran:?}");
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_subjects WHERE state = 'erasing'"), 1);
    shop.world.run(&["requests"]).ends(0);
    let asked = shop.world.run(&["erase", "alice", "--why", "request", "--receipt", "again.json"]).ends(77);
    assert!(asked.err.contains("has begun"), "{asked:?}");
    shop.world.run(&["erase", "alice", "--why", "request", "--yes", "--receipt", "again.json"]).ends(0);
    assert_eq!(shop.receipt("again.json").content().whose.as_str(), "alice");
    assert_eq!(alice.opens(&shop.world.vault()), (false, false));
    assert_eq!(fs::read(shop.world.path("r.json")).unwrap().len(), 0, "the one that was killed wrote none");
}

// Whoever is erased next is not shown the receipt of the first.
#[test]
fn each_is_shown_their_own_receipt_when_an_erasure_was_interrupted() {
    for own in [None, Some("bob.json")] {
        let shop = Shop::new();
        shop.customer("alice");
        shop.customer("bob");
        let (child, vault) = decided(&shop, &[]);
        kill(child);
        vault.unlock().unwrap();
        let mut erase = vec!["erase", "bob", "--why", "request", "--yes"];
        erase.extend(own.iter().flat_map(|own| ["--receipt", own]));
        let (code, done) = shop.world.json(&erase);
        assert_eq!(code, 0, "{done}");
        let shown = |receipts: &serde_json::Value| -> Vec<String> {
            let paths = receipts.as_array().unwrap().iter().map(|path| path.as_str().unwrap().to_owned());
            paths.map(|path| shop.receipt(&path).content().whose.as_str().to_owned()).collect()
        };
        assert_eq!(
            (shown(&done["receipts"]), shown(&done["finished_before"]["receipts"])),
            (vec!["bob".to_owned()], vec!["alice".to_owned()])
        );
    }
    // In words: hers on the standard error, to be handed on, and his as the answer.
    let shop = Shop::new();
    shop.customer("alice");
    shop.customer("bob");
    let (child, vault) = decided(&shop, &[]);
    kill(child);
    vault.unlock().unwrap();
    let ran = shop.world.run(&["erase", "bob", "--why", "request", "--yes"]).ends(0);
    assert_eq!((ran.out.matches("receipt is in").count(), ran.err.matches("receipt is in").count()), (1, 1), "{ran:?}");
    let receipts = shop.receipts();
    let hers = receipts.iter().find(|path| shop.receipt(path).content().whose.as_str() == "alice").unwrap();
    assert!(ran.err.contains(hers.as_str()) && !ran.out.contains(hers.as_str()), "{ran:?}");
}

#[test]
fn a_vault_that_is_busy_leaves_the_erasure_unsettled_and_says_so() {
    let shop = Shop::new();
    let alice = shop.customer("alice");
    let (child, vault) = decided(&shop, &["--receipt", "r.json"]);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(76));
    assert!(!shop.world.path("r.json").exists(), "no empty file is left for a receipt");
    vault.unlock().unwrap();
    shop.world.run(&["erase", "alice", "--why", "request", "--yes"]).ends(0);
    assert_eq!(alice.opens(&shop.world.vault()), (false, false));
}

#[test]
fn a_restored_database_is_noticed_and_brought_up_to_date() {
    let shop = Shop::new();
    let people = ["alice", "bob", "carol"].map(|id| shop.customer(id));
    fs::copy(shop.world.path("app.db"), shop.world.path("backup.db")).unwrap();
    shop.world.run(&["erase", "alice", "--why", "request", "--yes"]).ends(0);
    shop.world.run(&["withdraw", "bob", "--purpose", "newsletter", "--why", "unsubscribed", "--yes"]).ends(0);
    let dave = shop.customer("dave");
    fs::copy(shop.world.path("backup.db"), shop.world.path("app.db")).unwrap();
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_subjects WHERE subject = 'alice'"), 1, "her id is back");
    let ran = shop.world.run(&["requests"]).ends(0).hides(&["alice"]);
    for named in ["older than the journal", "1 customer erased again", &dave.orders.to_string(), "Shred them"] {
        assert!(ran.err.contains(named), "{named}: {ran:?}");
    }
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_subjects WHERE subject = 'alice'"), 0);
    assert_eq!(shop.tokens(), [false, true, true]);
    let vault = shop.world.vault();
    let opens = people.each_ref().map(|person| person.opens(&vault));
    assert_eq!(opens, [(false, false), (true, false), (true, true)]);
    drop(vault);
    // As one document, and once.
    fs::copy(shop.world.path("backup.db"), shop.world.path("app.db")).unwrap();
    let (code, done) = shop.world.json(&["resume"]);
    assert_eq!((code, &done["finished"]["reconciled"]["erased_again"]), (1, &json!(1)), "{done}");
    assert!(done["finished"]["reconciled"]["ownerless"].as_array().unwrap().contains(&json!(dave.news)), "{done}");
    assert_eq!(shop.world.json(&["resume"]), (1, json!({ "finished": null, "awaits_confirmation": true })));
    // Bob's consent is three years old by the backup; what the database forgot may say otherwise.
    shop.age("newsletter", "carol", 1100);
    let ran = shop.world.run(&["sweep", "--yes"]).ends(65);
    assert!(ran.err.contains("--confirm-restored"), "{ran:?}");
    shop.world.run(&["sweep", "--dry-run"]).ends(1);
    assert_eq!(people[2].opens(&shop.world.vault()), (true, true));
    let ran = shop.world.run(&["resume", "--confirm-restored", "marks of 2026-11-30 were entered again"]).ends(0);
    assert!(ran.out.contains("sweeps go on"), "{ran:?}");
    shop.world.run(&["sweep", "--yes"]).ends(0);
    assert_eq!(people[2].opens(&shop.world.vault()), (true, false));
    let key = shop.world.run(&["journal", "key"]).ends(0).out;
    let ran = shop.world.run(&["journal", "show", "--key", key.trim()]).ends(0);
    assert_eq!(ran.out.matches("were entered again").count(), 1, "{ran:?}");
}

/// Vault and journal of an earlier day beside the database of today: they agree with each other, and open whoever was erased since.
#[test]
fn whoever_was_shredded_is_shown_by_nothing_when_vault_and_journal_went_back() {
    let shop = Shop::new();
    let people = ["alice", "bob"].map(|id| shop.customer(id));
    shop.world.run(&["resume"]).ends(0);
    let copies = ["privacy", "mirror", "log"];
    for part in copies {
        copy(&shop.world.path(part), &shop.world.path(&format!("old-{part}")));
    }
    let sealed = "SELECT hex(email) FROM customers WHERE id = 1";
    let row: String = shop.connection().query_row(sealed, [], |row| row.get(0)).unwrap();
    shop.world.run(&["erase", "alice", "--why", "request", "--yes"]).ends(0);
    assert_eq!(shop.connection().query_row(sealed, [], |row| row.get::<_, String>(0)).unwrap(), row);
    for part in copies {
        fs::remove_dir_all(shop.world.path(part)).unwrap();
        copy(&shop.world.path(&format!("old-{part}")), &shop.world.path(part));
    }
    shop.world.run(&["status"]).ends(0);
    assert_eq!(people[0].opens(&shop.world.vault()), (true, true), "this is what must not be");
    let number = people[1].orders.to_string();
    let all: [&[&str]; 17] = [
        &["export", "bob"],
        &["export", "bob", "--portable"],
        &["requests"],
        &["requests", "add", "bob", "--kind", "access"],
        &["sweep", "--dry-run"],
        &["sweep", "--yes"],
        &["resume"],
        &["resume", "--reconcile"],
        &["erase", "bob", "--why", "request", "--yes"],
        &["withdraw", "bob", "--purpose", "newsletter", "--why", "unsubscribed", "--yes"],
        &["holds", "add", "bob", "--until", "2099-01-01", "--why", "case 7"],
        &["shred", &number, "--yes"],
        &["shred", &number, "--despite-holds", "the court allows it", "--yes"],
        &["shred", "--through", &number, "--yes"],
        &["reindex", "--yes"],
        &["reindex", "--check"],
        &["reindex", "--reseal", "--yes"],
    ];
    let before = fs::read(shop.world.path("app.db")).unwrap();
    for arguments in all {
        let ran = shop.world.run(arguments);
        assert_eq!(ran.code, 65, "{arguments:?}: {ran:?}");
        let told = ran.err.contains("the journal's table in the database and the journal's file differ");
        assert!(told, "{arguments:?}: {ran:?}");
    }
    assert_eq!(fs::read(shop.world.path("app.db")).unwrap(), before, "nothing was written");
    let (code, found) = shop.world.json(&["doctor"]);
    let is_grave = |finding: &serde_json::Value| {
        finding["severity"] == "grave"
            && finding["what"].as_str().is_some_and(|what| what.contains("one of them was restored"))
    };
    assert!(code == 2 && found["findings"].as_array().unwrap().iter().any(is_grave), "{found}");
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let done = std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(done.success());
}

/// Whoever can write the database says of a number that it was shredded, or whose it is.
#[test]
fn rows_that_were_changed_by_hand_are_told() {
    let shop = Shop::new();
    let people = ["alice", "bob", "carol"].map(|id| shop.customer(id));
    let mark = format!("UPDATE oubliette_numbers SET state = 'shredded' WHERE number = {}", people[0].orders);
    shop.connection().execute_batch(&mark).unwrap();
    let exchange = ["'x' WHERE subject = 'bob'", "'bob' WHERE subject = 'carol'", "'carol' WHERE subject = 'x'"];
    for step in exchange {
        shop.connection().execute_batch(&format!("UPDATE oubliette_subjects SET subject = {step}")).unwrap();
    }
    let ran = shop.world.run(&["resume", "--reconcile"]).ends(2).hides(&["alice", "bob", "carol"]);
    let misassigned = ["beside the wrong customer's id", &people[1].orders.to_string(), &people[2].news.to_string()];
    for told in
        ["6 numbers compared", "but the vault opens them", &people[0].orders.to_string()].into_iter().chain(misassigned)
    {
        assert!(ran.out.contains(told), "{told}: {ran:?}");
    }
    for id in ["bob", "carol"] {
        for arguments in [&["export", id][..], &["erase", id, "--why", "request", "--yes"]] {
            let ran = shop.world.run(arguments).ends(65);
            assert!(ran.err.contains("it was not issued for"), "{ran:?}");
        }
    }
    let ran = shop.world.run(&["export", "alice"]).ends(65);
    assert!(ran.err.contains("records as shredded"), "{ran:?}");
    let vault = shop.world.vault();
    assert!(people.iter().all(|person| person.opens(&vault) == (true, true)));
}

#[test]
fn database_and_journal_restored_together_are_compared_with_the_vault_when_asked() {
    let shop = Shop::new();
    let people = ["alice", "bob"].map(|id| shop.customer(id));
    for (from, to) in [("app.db", "backup.db"), ("log/journal", "journal.backup")] {
        fs::copy(shop.world.path(from), shop.world.path(to)).unwrap();
    }
    shop.world.run(&["erase", "alice", "--why", "request", "--yes"]).ends(0);
    shop.world.run(&["withdraw", "bob", "--purpose", "newsletter", "--why", "unsubscribed", "--yes"]).ends(0);
    for (from, to) in [("backup.db", "app.db"), ("journal.backup", "log/journal")] {
        fs::copy(shop.world.path(from), shop.world.path(to)).unwrap();
    }
    shop.world.run(&["resume"]).ends(65);
    shop.world.run(&["journal", "accept-loss", "--why", "both were restored", "--yes"]).ends(0);
    let live = "SELECT count(*) FROM oubliette_numbers WHERE state = 'live'";
    shop.world.run(&["resume"]).ends(1);
    assert_eq!(shop.ask(live), 4, "nothing shows that the database went back");
    let ran = shop.world.run(&["resume", "--reconcile"]).ends(1).hides(&["alice", "bob"]);
    assert!(ran.out.contains("1 customer erased again, 1 number recorded as shredded"), "{ran:?}");
    assert_eq!(shop.ask(live), 1);
    assert_eq!(shop.receipts().len(), 2, "of the erasure, and of its repetition");
    let vault = shop.world.vault();
    assert_eq!(people.each_ref().map(|person| person.opens(&vault)), [(false, false), (true, false)]);
    drop(vault);
    let (code, again) = shop.world.json(&["resume", "--reconcile"]);
    assert_eq!((code, &again["finished"]["reconciled"]["shredded_again"]), (1, &json!(0)), "{again}");
}
