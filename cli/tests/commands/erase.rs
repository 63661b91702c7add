use serde_json::json;

use crate::shop::{DATABASE, RULES, Shop, TABLES, secret};

const WHY: [&str; 3] = ["--why", "request 2026-114", "--yes"];

#[test]
fn a_customer_is_erased_with_a_receipt() {
    let shop = Shop::new();
    let (alice, bob) = (shop.customer("alice"), shop.customer("bob"));
    let asked = shop.world.run(&["erase", "alice", "--why", "request"]).ends(77).hides(&["alice"]);
    for named in ["\"orders\" (contract)", "\"newsletter\" (consent)", "cannot undo this", "--yes"] {
        assert!(asked.err.contains(named), "{named}: {asked:?}");
    }
    let ran = shop.world.run(&[&["erase", "alice", "--receipt", "r.json"][..], &WHY].concat()).ends(0);
    let ran = ran.hides(&[&secret("alice"), "alice"]);
    assert!(ran.out.contains("r.json"), "{ran:?}");
    let vault = shop.world.vault();
    assert_eq!((alice.opens(&vault), bob.opens(&vault)), ((false, false), (true, true)));
    drop(vault);
    assert_eq!(shop.tokens(), [false, true]);
    let receipt = shop.receipt("r.json");
    assert_eq!((receipt.content().whose.as_str(), shop.receipts().len()), ("alice", 0));
    let remains: Vec<String> = receipt.content().may_remain.iter().map(|it| it.what.as_str().to_owned()).collect();
    assert!(remains.iter().any(|what| what.contains("index")), "{remains:?}");
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_subjects WHERE subject = 'alice'"), 0);
    let kept: String = shop
        .connection()
        .query_row("SELECT evidence FROM oubliette_grants WHERE evidence IS NOT NULL ORDER BY granted_at", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert!(kept.contains("when") && !kept.contains("sign-up"), "what [register] says stays, and no more: {kept}");
    let key = shop.world.run(&["journal", "key"]).ends(0).out;
    shop.world.run(&["verify", "r.json", "--key", key.trim()]).ends(0);
    // Twice: nobody knows them any more.
    let (code, again) = shop.world.json(&[&["erase", "alice"][..], &WHY].concat());
    assert_eq!((code, &again["error"]["kind"]), (64, &json!("usage")));
    let message = again["error"]["message"].as_str().unwrap();
    assert!(message.contains("forgotten") && !message.contains("alice"), "{message}");
}

#[test]
fn a_receipt_goes_to_the_directory_unless_a_file_is_named() {
    let shop = Shop::new();
    shop.customer("alice");
    shop.customer("7");
    shop.customer("-8");
    let (code, done) = shop.world.json(&[&["erase", "7"][..], &WHY].concat());
    let receipts = shop.receipts();
    assert_eq!((code, receipts.len(), &done["purposes"]), (0, 1, &json!(["newsletter", "orders"])));
    assert!(done["receipts"][0].as_str().unwrap().ends_with(&receipts[0]), "{done}");
    assert_eq!(shop.receipt(&receipts[0]).content().whose.as_str(), "7");
    // One whose id begins with a sign, and one whose id is not for the list of processes.
    shop.world.run(&[&["erase", "-8"][..], &WHY].concat()).ends(0);
    shop.world.shell("echo alice | oubliette erase - --why request --yes").ends(0);
    assert_eq!(shop.receipts().len(), 3);
    // Neither: it is said.
    let shop = Shop::new();
    shop.configure("", DATABASE, &RULES.replace("receipts =", "#"), TABLES);
    let alice = shop.customer("alice");
    let asked = shop.world.run(&["erase", "alice", "--why", "request"]).ends(77);
    assert!(asked.err.contains("No receipt will be kept"), "{asked:?}");
    let ran = shop.world.run(&[&["erase", "alice"][..], &WHY].concat()).ends(0);
    assert!(ran.out.contains("No receipt was kept"), "{ran:?}");
    assert_eq!(alice.opens(&shop.world.vault()), (false, false));
}

#[test]
fn a_hold_blocks_an_erasure_and_says_which() {
    let shop = Shop::new();
    let alice = shop.customer("alice");
    let (_, hold) = shop.world.json(&["holds", "add", "alice", "--until", "2099-06-30", "--why", "case 7"]);
    for more in [&["--yes"][..], &[]] {
        let erase = [&["erase", "alice", "--why", "request", "--receipt", "r.json"][..], more].concat();
        let ran = shop.world.run(&erase).ends(4).hides(&["alice"]);
        for named in ["case 7", "2099-06-30", &hold["hold"].to_string()] {
            assert!(ran.err.contains(named), "{named}: {ran:?}");
        }
    }
    let (code, held) = shop.world.json(&[&["erase", "alice"][..], &WHY].concat());
    assert_eq!((code, &held["error"]["kind"]), (4, &json!("held")));
    assert!(!shop.world.path("r.json").exists());
    assert_eq!(alice.opens(&shop.world.vault()), (true, true));
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_subjects WHERE state <> 'live'"), 0);
    shop.world.run(&["holds", "lift", &hold["hold"].to_string(), "--why", "closed", "--yes"]).ends(0);
    shop.world.run(&[&["erase", "alice"][..], &WHY].concat()).ends(0);
}

#[test]
fn an_erasure_that_is_asked_for_under_a_hold_waits_and_is_done_by_a_sweep() {
    let shop = Shop::new();
    let alice = shop.customer("alice");
    let (_, hold) = shop.world.json(&["holds", "add", "alice", "--until", "2099-06-30", "--why", "case 7"]);
    let ran = shop.world.run(&[&["erase", "alice"][..], &WHY].concat()).ends(4);
    assert!(ran.err.contains("`oubliette requests add`"), "{ran:?}");
    let ran = shop.world.run(&["requests", "add", "alice", "--kind", "erasure"]).ends(0);
    assert!(ran.out.contains("A legal hold stands until 2099-06-30"), "{ran:?}");
    let listed = shop.world.run(&["requests"]);
    assert!(listed.out.contains("waits for the first sweep after a hold ends, on 2099-06-30"), "{listed:?}");
    assert!(listed.out.lines().all(|line| line.chars().count() <= 80), "{listed:?}");
    let (_, listed) = shop.world.json(&["requests"]);
    assert!(listed["requests"][0]["held_until"].as_str().unwrap().starts_with("2099-06-30"), "{listed}");
    shop.world.run(&["sweep", "--yes"]).ends(0);
    assert_eq!(alice.opens(&shop.world.vault()), (true, true));
    shop.world.run(&["holds", "lift", &hold["hold"].to_string(), "--why", "closed", "--yes"]).ends(0);
    let (code, swept) = shop.world.json(&["sweep", "--yes"]);
    assert_eq!((code, &swept["erased"], swept["receipts"].as_array().unwrap().len()), (0, &json!(1), 1), "{swept}");
    assert_eq!(alice.opens(&shop.world.vault()), (false, false));
    shop.world.run(&["requests"]).ends(0);
}

#[test]
fn what_cannot_be_done_rightly_is_not_begun() {
    let shop = Shop::new();
    let alice = shop.customer("alice");
    let erase = [&["erase", "alice"][..], &WHY].concat();
    // No place for the receipt.
    shop.world.write("taken", "something");
    shop.world.run(&[&erase[..], &["--receipt", "taken"]].concat()).ends(77);
    shop.world.run(&[&erase[..], &["--receipt", "absent/r.json"]].concat()).ends(66);
    shop.world.mode("receipts", 0o755);
    let ran = shop.world.run(&erase).ends(77);
    assert!(ran.err.contains("chmod 700"), "{ran:?}");
    shop.world.mode("receipts", 0o700);
    // The wrong root key, a database without a register, one of another vault.
    shop.world.write("other", &"08".repeat(32));
    shop.world.run(&[&erase[..], &["--key-file", "other"]].concat()).ends(77);
    shop.configure("", "[database]\nsqlite = \"empty.db\"\n", RULES, TABLES);
    shop.world.run(&erase).ends(66);
    rusqlite::Connection::open(shop.world.path("empty.db")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let ran = shop.world.run(&erase).ends(66);
    assert!(ran.err.contains("has no register"), "{ran:?}");
    let another = Shop::new();
    another.customer("alice");
    std::fs::copy(another.world.path("app.db"), shop.world.path("empty.db")).unwrap();
    let ran = shop.world.run(&erase).ends(78);
    assert!(ran.err.contains("another vault"), "{ran:?}");
    // Rules that are not the application's.
    for (rules, tables, named) in [
        (RULES.replace("2 years", "2 months"), TABLES.to_owned(), "P2M"),
        (RULES.replace("keep_evidence = [\"when\"]", ""), TABLES.to_owned(), "when"),
        (RULES.replace("[register]", "[register]\ngrace = \"7 days\""), TABLES.to_owned(), "168"),
        (RULES.to_owned(), TABLES.replace("index = {", "#"), "email_idx"),
    ] {
        shop.configure("", DATABASE, &rules, &tables);
        let ran = shop.world.run(&erase).ends(78);
        assert!(ran.err.contains(named) && ran.err.contains("application"), "{named}: {ran:?}");
    }
    shop.configure("", DATABASE, RULES, TABLES);
    assert_eq!(alice.opens(&shop.world.vault()), (true, true));
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_subjects WHERE state <> 'live'"), 0);
    assert_eq!(std::fs::read_to_string(shop.world.path("taken")).unwrap(), "something");
    shop.world.run(&erase).ends(0);
}

#[test]
fn merged_ids_are_one_customer() {
    use oubliette_register::Subject;
    let shop = Shop::new();
    let (alice, other) = (shop.customer("alice"), shop.customer("alice again"));
    shop.application(|_, register, connection| {
        let who = |id| Subject::new(id).unwrap();
        register.in_transaction(connection).merge(&who("alice"), &who("alice again")).unwrap();
    });
    shop.world.run(&[&["erase", "alice again", "--receipt", "r.json"][..], &WHY].concat()).ends(0);
    let vault = shop.world.vault();
    assert_eq!((alice.opens(&vault), other.opens(&vault)), ((false, false), (false, false)));
    drop(vault);
    assert_eq!(shop.receipt("r.json").content().whose.as_str(), "alice");
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_subjects WHERE subject IS NOT NULL"), 0);
}
