use std::fs;
use std::os::unix::fs::PermissionsExt;

use jiff::{SignedDuration, Timestamp};
use oubliette::audit::{Audit, AuditFile};
use oubliette::{Limits, Sealed, personal::Email};
use serde_json::{Value, json};

use crate::shop::{DATABASE, RULES, Shop, TABLES, secret};
use crate::support::{EMAIL, ORDERS};

fn now() -> String {
    Timestamp::now().to_string()
}

fn before() -> String {
    (Timestamp::now() - SignedDuration::from_hours(1)).to_string()
}

/// A report, and who of how many was readable.
fn breach(shop: &Shop, leaks: &[&str]) -> (Value, u64, u64) {
    let (code, answer) = shop.world.json(&[&["breach", "--known-since", &now()], leaks].concat());
    assert_eq!(code, 0, "{answer}");
    let scope = answer["report"]["scope"].clone();
    (answer, scope["persons_readable"].as_u64().unwrap(), scope["persons"].as_u64().unwrap())
}

#[test]
fn copies_that_open_only_together_are_told_apart() {
    let shop = Shop::new();
    for id in ["alice", "bob", "carol"] {
        shop.customer(id);
    }
    shop.world.run(&["erase", "carol", "--why", "request", "--yes"]).ends(0);
    let generation = shop.world.json(&["status"]).1["generation"].to_string();
    let at = now();
    let scope = |leaks: &[&str]| {
        let (_, readable, persons) = breach(&shop, leaks);
        (readable, persons)
    };
    assert_eq!(scope(&["--database", &at]).0, 0);
    assert_eq!(scope(&["--root-key", &generation, "--key-store", &generation]), (0, 0));
    assert_eq!(scope(&["--backup", &at, "--root-key", &generation]).0, 0);
    assert_eq!(scope(&["--backup", &at, "--key-store", &generation, "--root-key", &generation]).0, 2);
    assert_eq!(
        scope(&["--backup", &at, "--root-record", &generation, "--pages", &generation, "--root-key", &generation]).0,
        2
    );
    let from = before();
    assert_eq!(scope(&["--service", "newsletter", &from, &at]).0, 3, "carol was there until just now");
    assert_eq!(scope(&["--service-memory", "orders", &from, &at]).0, 3);
    // With a copy of the database, what its root key opens of other purposes is readable too.
    let (answer, _, _) = breach(&shop, &["--service-memory", "orders", &from, &at, "--database", &at]);
    let purposes = answer["report"]["purposes"].as_array().unwrap();
    assert!(purposes.len() == 2 && purposes.iter().all(|purpose| purpose["numbers_readable"] == 3), "{answer:#}");
    // The same for people, who are not named.
    let ran = shop.world.run(&["breach", "--known-since", &at, "--database", &at]).ends(0);
    let ran = ran.hides(&["alice", "bob", &secret("alice")]);
    for named in ["# ", "72", "ssum", "customers"] {
        assert!(ran.out.contains(named), "{named}: {ran:?}");
    }
}

#[test]
fn the_list_of_persons_is_apart_and_private() {
    let shop = Shop::new();
    shop.customer("alice");
    let (answer, _, _) = breach(&shop, &["--service", "orders", &before(), &now(), "--persons", "persons.json"]);
    assert!(answer["persons"].as_str().unwrap().ends_with("persons.json") && !answer.to_string().contains("alice"));
    let path = shop.world.path("persons.json");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let persons: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!((&persons[0]["customer"], &persons[0]["purposes"][0]["purpose"]), (&json!("alice"), &json!("orders")));
    let again = ["breach", "--known-since", &now(), "--database", &now(), "--persons", "persons.json"];
    shop.world.run(&again).ends(77);
    assert_eq!(serde_json::from_str::<Value>(&fs::read_to_string(&path).unwrap()).unwrap(), persons);
}

#[test]
fn an_audit_says_what_was_opened() {
    let shop = Shop::new();
    let (alice, _bob) = (shop.customer("alice"), shop.customer("bob"));
    let from = before();
    shop.application(|vault, _, connection| {
        let file = AuditFile::create(shop.world.path("log/openings"), vault).unwrap();
        let audit = Audit::to(file).start().unwrap();
        let reader = vault.reader(Limits::nothing().purpose(ORDERS));
        let reader = reader.audited(&audit, "support".parse().unwrap(), "ticket 4711".parse().unwrap());
        let select = "SELECT email FROM customers WHERE no = ?";
        let sealed: Sealed<Email> = connection.query_row(select, [alice.orders], |row| row.get(0)).unwrap();
        reader.open(alice.orders, EMAIL, &sealed).unwrap();
        audit.flush().unwrap();
    });
    let until = (Timestamp::now() + SignedDuration::from_secs(2)).to_string();
    let service = ["--service", "orders", &from, &until];
    assert_eq!(breach(&shop, &service).1, 2, "without it, everybody");
    let audited = [&service[..], &["--audit", "log/openings"]].concat();
    assert_eq!(breach(&shop, &audited).1, 1);
    // One that was changed is no evidence.
    let text = fs::read_to_string(shop.world.path("log/openings")).unwrap();
    fs::write(shop.world.path("log/openings"), text.replace("ticket 4711", "ticket 4712")).unwrap();
    shop.world.run(&[&["breach", "--known-since", &now()], &audited[..]].concat()).ends(65);
}

#[test]
fn what_is_not_said_exactly_is_not_assessed() {
    let shop = Shop::new();
    shop.customer("alice");
    let at = now();
    for (leaks, named) in [
        (vec![], "--database"),
        (vec!["--database", "2026-11-24"], "hour"),
        (vec!["--backup", "last night"], "last night"),
        (vec!["--service", "odrers", &at, &at], "odrers"),
        (vec!["--service", "orders", &at, "2020-01-01T00:00:00Z"], "FROM is later"),
        (vec!["--service", "orders", &at], "3"),
        (vec!["--root-key", "current"], "current"),
    ] {
        let ran = shop.world.run(&[&["breach", "--known-since", &at], &leaks[..]].concat()).ends(64);
        assert!(ran.err.contains(named), "{named}: {ran:?}");
    }
    shop.world.run(&["breach", "--database", &at]).ends(64);
    shop.configure("", DATABASE, RULES, "");
    shop.world.run(&["breach", "--known-since", &at, "--database", &at]).ends(78);
    // A column that once held plaintext is readable in a copy from then.
    let since = (Timestamp::now() + SignedDuration::from_hours(1)).to_string();
    let tables = TABLES.replacen("label = \"email\"", &format!("label = \"email\"\nsealed_since = \"{since}\""), 1);
    shop.configure("", DATABASE, RULES, &tables);
    assert_eq!(breach(&shop, &["--database", &at]).1, 1);
}

#[test]
fn what_cannot_have_been_is_not_assessed() {
    let shop = Shop::new();
    shop.customer("alice");
    let newest = shop.world.json(&["status"]).1["generation"].as_u64().unwrap();
    let (at, tomorrow) = (now(), (Timestamp::now() + SignedDuration::from_hours(24)).to_string());
    let beyond = (newest + 1).to_string();
    for (known, leaks, named) in [
        (&tomorrow, vec!["--database", &at], "future"),
        (&at, vec!["--database", &tomorrow], "future"),
        (&at, vec!["--backup", &tomorrow], "future"),
        (&at, vec!["--service", "orders", &at, &tomorrow], "future"),
        (&at, vec!["--service-memory", "orders", &tomorrow, &tomorrow], "future"),
        (&at, vec!["--root-key", &beyond], "never had a generation"),
        (&at, vec!["--root-record", &beyond], "never had a generation"),
        (&at, vec!["--pages", "0"], "never had a generation"),
        (&at, vec!["--key-store", "999999"], "never had a generation"),
    ] {
        let ran = shop.world.run(&[&["breach", "--known-since", known], &leaks[..]].concat()).ends(64);
        assert!(ran.err.contains(named), "{leaks:?}: {ran:?}");
    }
    let newest = newest.to_string();
    shop.world.run(&["breach", "--known-since", &at, "--root-key", &newest, "--key-store", "1"]).ends(0);
}

#[test]
fn a_notice_that_is_late_says_so() {
    let shop = Shop::new();
    shop.customer("alice");
    let known = |hours: i64| (Timestamp::now() - SignedDuration::from_hours(hours)).to_string();
    let ran = shop.world.run(&["breach", "--known-since", &known(71), "--database", &now()]).ends(0);
    assert!(!ran.out.contains("LATE"), "{ran:?}");
    let ran = shop.world.run(&["breach", "--known-since", &known(24 * 365), "--database", &now()]).ends(2);
    assert!(ran.out.contains("**LATE** by 362 days and 0 hours: the notice must say why"), "{ran:?}");
    let (code, answer) = shop.world.json(&["breach", "--known-since", &known(73), "--database", &now()]);
    assert_eq!((code, &answer["late"]), (2, &json!(true)));
}
