use serde_json::json;

use crate::shop::{DATABASE, RULES, Shop, TABLES, rules, secret};

#[test]
fn what_is_due_is_listed_and_then_shredded() {
    let shop = Shop::new();
    let people = ["alice", "bob", "carol"].map(|id| shop.customer(id));
    let (code, none) = shop.world.json(&["sweep", "--dry-run"]);
    assert_eq!((code, &none["due"]), (0, &json!([])));
    shop.world.run(&["sweep"]).ends(0);
    shop.age("newsletter", "alice", 800);
    shop.age("newsletter", "bob", 800);
    // The mark is later than the grant.
    shop.age("orders", "alice", 4000);
    shop.world.run(&["holds", "add", "bob", "--until", "2099-01-01", "--why", "case 7"]).ends(0);
    let (code, due) = shop.world.json(&["sweep", "--dry-run"]);
    let mut listed = due["due"].as_array().unwrap().clone();
    listed.sort_by_key(|due| due["subject"].to_string());
    let one = |who, number, held| json!({ "subject": who, "purpose": "newsletter", "numbers": [number], "held": held });
    assert_eq!((code, listed), (1, vec![one("alice", people[0].news, false), one("bob", people[1].news, true)]));
    let ran = shop.world.run(&["sweep", "--dry-run"]).ends(1).hides(&[&secret("alice")]);
    assert!(ran.out.contains("newsletter: 1 customer, and 1 left alone"), "{ran:?}");
    let asked = shop.world.run(&["sweep"]).ends(77).hides(&["alice"]);
    assert!(asked.err.contains("newsletter: 1 customer") && asked.err.contains("--yes"), "{asked:?}");
    let opens = || {
        let vault = shop.world.vault();
        people.each_ref().map(|person| person.opens(&vault))
    };
    assert_eq!(opens(), [(true, true); 3], "nothing yet");
    let (code, swept) = shop.world.json(&["sweep", "--yes"]);
    assert_eq!((code, &swept["shredded"], &swept["held"]), (0, &json!(1), &json!(1)), "{swept}");
    assert_eq!(opens(), [(true, false), (true, true), (true, true)]);
    let ran = shop.world.run(&["sweep", "--yes"]).ends(0);
    assert!(ran.out.contains("a legal hold protects what is due"), "{ran:?}");
}

#[test]
fn requested_erasures_are_carried_out_after_their_grace() {
    let shop = Shop::new();
    let graceful = RULES.replace("[register]", "[register]\ngrace = \"7 days\"");
    shop.configure("", DATABASE, &graceful, TABLES);
    shop.application(|vault, _, connection| {
        let rules = rules().grace(jiff::SignedDuration::from_hours(7 * 24));
        let register = oubliette_register::Register::new(vault, rules).unwrap();
        register.in_transaction(connection).create_tables().unwrap();
    });
    let (alice, bob) = (shop.customer("alice"), shop.customer("bob"));
    let asked = shop.world.run(&["erase", "alice", "--why", "request"]).ends(77);
    assert!(asked.err.contains("does not wait for the grace (7 days)"), "{asked:?}");
    let (_, early) = shop.world.json(&["requests", "add", "bob", "--kind", "erasure"]);
    assert!(early["recorded"]["carried_out_at"].is_string(), "{early}");
    shop.world.run(&["sweep", "--dry-run"]).ends(0);
    let arrived = (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(8 * 24)).to_string();
    shop.world.run(&["requests", "add", "alice", "--kind", "erasure", "--arrived", &arrived]).ends(0);
    let (_, due) = shop.world.json(&["sweep", "--dry-run"]);
    assert_eq!((&due["due"][0]["subject"], &due["due"][0]["purpose"]), (&json!("alice"), &json!(null)));
    // Its receipt would be lost.
    shop.configure("", DATABASE, &graceful.replace("receipts =", "#"), TABLES);
    let ran = shop.world.run(&["sweep", "--yes"]).ends(78);
    assert!(ran.err.contains("receipts ="), "{ran:?}");
    assert_eq!(alice.opens(&shop.world.vault()), (true, true));
    shop.configure("", DATABASE, &graceful, TABLES);
    let (code, swept) = shop.world.json(&["sweep", "--yes"]);
    assert_eq!((code, &swept["erased"]), (0, &json!(1)));
    let vault = shop.world.vault();
    assert_eq!((alice.opens(&vault), bob.opens(&vault)), ((false, false), (true, true)));
    drop(vault);
    assert_eq!(shop.receipt(&shop.receipts()[0]).content().whose.as_str(), "alice");
}

#[test]
fn other_rules_than_the_applications_sweep_nothing() {
    let shop = Shop::new();
    let alice = shop.customer("alice");
    shop.age("newsletter", "alice", 100);
    shop.configure("", DATABASE, &RULES.replace("2 years", "1 month"), TABLES);
    for sweep in [&["sweep", "--yes"][..], &["sweep", "--dry-run"]] {
        let ran = shop.world.run(sweep).ends(78);
        assert!(ran.err.contains("P2Y") && ran.err.contains("P1M"), "{ran:?}");
    }
    assert_eq!(alice.opens(&shop.world.vault()), (true, true));
    // An application of a version that wrote none down cannot be compared with.
    shop.connection().execute("DELETE FROM oubliette_meta WHERE name = 'rules'", []).unwrap();
    shop.world.run(&["sweep", "--dry-run"]).ends(1);
    for (wrong, named) in [
        ("newsletter = { after_grant = \"two years\" }", "two years"),
        ("newsletter = { after_grant = \"0 days\" }", "one rule"),
        ("newsletter = { after_sale = \"2 years\" }", "after_sale"),
        ("newsletter = { after_last = { mark = \"order\" } }", "kept"),
        ("newsletter = { after_last = { mark = \"o\", kept = \"1 day\", or = 1 } }", "or"),
        ("news = { after_grant = \"2 years\" }", "news"),
        ("[register]\nretention = 1", "retention"),
    ] {
        let rules = if wrong.starts_with('[') { wrong.to_owned() } else { format!("[retention]\n{wrong}\n") };
        shop.configure("", DATABASE, &rules, TABLES);
        let ran = shop.world.run(&["sweep", "--yes"]);
        assert!([64, 78].contains(&ran.code) && ran.err.contains(named), "{named}: {ran:?}");
    }
}

#[test]
fn a_sweep_that_was_killed_goes_on() {
    let shop = Shop::new();
    shop.application(|_, register, connection| {
        let transaction = connection.transaction().unwrap();
        for at in 0..2400 {
            let grant = oubliette_register::Grant::on(crate::support::NEWS, oubliette_register::Basis::Contract);
            let subject = oubliette_register::Subject::new(format!("customer {at}")).unwrap();
            register.in_transaction(&transaction).grant(&subject, grant).unwrap();
        }
        transaction.execute("UPDATE oubliette_grants SET granted_at = 1000000000000", []).unwrap();
        transaction.commit().unwrap();
    });
    let mut runs = 0;
    while shop.ask("SELECT count(*) FROM oubliette_numbers WHERE state <> 'shredded'") > 0 {
        runs += 1;
        assert!(runs < 60, "it comes to an end");
        let mut child = shop.world.command(&["sweep", "--yes"]);
        let mut child = child.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(40 * runs));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(runs > 1, "it was killed at least once");
    shop.world.run(&["resume"]).ends(0);
    let (code, left) = shop.world.json(&["sweep", "--yes"]);
    assert_eq!((code, &left["shredded"]), (0, &json!(0)));
    let (_, status) = shop.world.json(&["status"]);
    let shredded = status["purposes"].as_array().unwrap().iter().find(|it| it["purpose"] == "newsletter").unwrap();
    assert_eq!(shredded["shredded"], 2400);
}
