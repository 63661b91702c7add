use jiff::{SignedDuration, Timestamp};
use oubliette::{Sealed, personal::Email};

use crate::shop::{BY_EMAIL, DATABASE, RULES, Shop, TABLES, secret};
use crate::support::EMAIL;

/// The doctor's exit code, and its findings as (check, what) but for the notes.
fn doctor(shop: &Shop) -> (u8, Vec<(String, String)>) {
    let (code, report) = shop.world.json(&["doctor"]);
    let text = report.to_string();
    assert!(!text.contains("alice") && !text.contains(&secret("alice")), "{report}");
    let findings = report["findings"].as_array().unwrap().iter().filter(|finding| finding["severity"] != "note");
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    (code, findings.map(|finding| (text(&finding["check"]), text(&finding["what"]))).collect())
}

#[track_caller]
fn finds(shop: &Shop, code: u8, check: &str, what: &str) {
    let found = doctor(shop);
    assert_eq!(found.0, code, "{found:?}");
    assert!(
        found.1.iter().all(|found| found.0 == check) && found.1.iter().any(|found| found.1.contains(what)),
        "{found:?}"
    );
}

#[test]
fn a_healthy_register_has_nothing_to_see_to() {
    let shop = Shop::new();
    assert_eq!(doctor(&shop), (0, vec![]));
    shop.customer("alice");
    shop.customer("bob");
    shop.world.run(&["erase", "bob", "--why", "request", "--yes"]).ends(0);
    assert_eq!(doctor(&shop), (0, vec![]));
    let (_, report) = shop.world.json(&["doctor"]);
    assert_eq!(report["looked_at"]["register"], true);
    shop.world.mode("receipts", 0o750);
    finds(&shop, 2, "receipts-permissions", "750");
    shop.world.mode("receipts", 0o700);
    let ran = shop.world.run(&["doctor"]).ends(0);
    assert!(!ran.out.contains("register was not checked"), "{ran:?}");
    shop.configure("", "", RULES, "");
    let ran = shop.world.run(&["doctor"]).ends(0);
    assert!(ran.out.contains("register was not checked"), "{ran:?}");
}

#[test]
fn late_requests_and_those_due_soon_are_found() {
    let shop = Shop::new();
    shop.customer("alice");
    let add = |days: i64| {
        let arrived = (Timestamp::now() - SignedDuration::from_hours(24 * days)).to_string();
        shop.world.run(&["requests", "add", "alice", "--kind", "access", "--arrived", &arrived]).ends(0);
    };
    add(1);
    assert_eq!(doctor(&shop), (0, vec![]));
    add(26);
    finds(&shop, 1, "request-due", "1 request must");
    shop.connection().execute("UPDATE oubliette_requests SET due_at = due_at - 86400000 * 25", []).unwrap();
    let (code, found) = doctor(&shop);
    assert_eq!((code, found[0].0.as_str()), (2, "late-request"), "{found:?}");
}

#[test]
fn customers_without_a_grant_are_found() {
    let shop = Shop::new();
    shop.customer("alice");
    shop.connection().execute("UPDATE oubliette_grants SET ended_at = 1 WHERE purpose = 'newsletter'", []).unwrap();
    finds(&shop, 1, "no-grant", "1 customer without a grant");
    let shop = Shop::new();
    shop.customer("alice");
    // A row that went past the register.
    shop.application(|vault, _, connection| {
        let number = vault.enroll().unwrap();
        let email: Email = secret("alice").parse().unwrap();
        let sealed: Sealed<Email> = vault.seal(number, EMAIL, &email).unwrap();
        let token = vault.token(BY_EMAIL, &email).unwrap();
        let insert = "INSERT INTO customers (no, email, email_idx) VALUES (?, ?, ?)";
        connection.execute(insert, rusqlite::params![number, sealed, token]).unwrap();
    });
    finds(&shop, 1, "no-grant", "1 row of numbers that the register does not know");
    shop.configure("", DATABASE, RULES, &TABLES.replace("\"news_no\"", "\"news number\""));
    let (_, found) = doctor(&shop);
    assert!(found.iter().any(|found| found.0 == "table" && found.1.contains("news number")), "{found:?}");
}

#[test]
fn what_was_kept_for_too_long_is_found() {
    let shop = Shop::new();
    shop.customer("alice");
    shop.age("newsletter", "alice", 730);
    assert_eq!(doctor(&shop).0, 0, "a sweep may be a day late");
    shop.age("newsletter", "alice", 3);
    finds(&shop, 1, "retention-overdue", "1 customer's data is kept for longer");
    shop.world.run(&["holds", "add", "alice", "--until", "2099-01-01", "--why", "case 7"]).ends(0);
    assert_eq!(doctor(&shop), (0, vec![]), "what is held is not overdue");
}

#[test]
fn other_rules_than_the_applications_are_found() {
    let shop = Shop::new();
    shop.customer("alice");
    shop.configure("", DATABASE, &RULES.replace("2 years", "3 years"), TABLES);
    finds(&shop, 1, "rules-differ", "P3Y");
    shop.configure("", DATABASE, &RULES.replace("\"order\"", "\"odrer\""), TABLES);
    let (code, found) = doctor(&shop);
    let checks: Vec<&str> = found.iter().map(|found| found.0.as_str()).collect();
    assert_eq!((code, checks), (1, vec!["rules-differ", "no-mark"]));
    shop.configure("", DATABASE, RULES, TABLES);
    shop.connection().execute("DELETE FROM oubliette_meta WHERE name = 'rules'", []).unwrap();
    assert_eq!(doctor(&shop), (0, vec![]));
    // A purpose that nothing ends, told as a note.
    shop.configure("", DATABASE, &RULES.replace("newsletter =", "#"), TABLES);
    let (code, report) = shop.world.json(&["doctor"]);
    assert!(code == 0 && report.to_string().contains("no-retention"), "{report}");
}

#[test]
fn what_was_begun_and_not_finished_is_found() {
    let shop = Shop::new();
    shop.customer("alice");
    let sql = |sql: &str| shop.connection().execute(sql, []).unwrap();
    sql("UPDATE oubliette_numbers SET state = 'shred_pending', why = 'unsubscribed' WHERE purpose = 'newsletter'");
    sql("INSERT INTO oubliette_work VALUES ('customers', 'no', 'email_idx', 1)");
    let (code, found) = doctor(&shop);
    let checks: Vec<&str> = found.iter().map(|found| found.0.as_str()).collect();
    assert_eq!((code, checks), (1, vec!["unfinished", "retention-overdue"]), "a sweep would shred it, too");
    assert_eq!(found[0].1, "1 number waits to be shredded; 1 token waits to be cleared");
    shop.world.run(&["resume"]).ends(0);
    sql("INSERT INTO oubliette_outbox VALUES ('0000000000000000000000000000000a', '{}')");
    let (_, found) = doctor(&shop);
    assert!(["not-journalled", "outbox"].iter().all(|check| found.iter().any(|found| found.0 == *check)), "{found:?}");
    sql("DELETE FROM oubliette_outbox");
    sql("INSERT INTO oubliette_meta VALUES ('behind', '3')");
    let (code, found) = doctor(&shop);
    assert!(code == 2 && found.iter().any(|found| found.0 == "restored"), "{found:?}");
}

#[test]
fn a_register_that_cannot_be_used_is_found() {
    let shop = Shop::new();
    shop.customer("alice");
    let another = Shop::new();
    another.customer("bob");
    std::fs::copy(another.world.path("app.db"), shop.world.path("another.db")).unwrap();
    shop.configure("", &DATABASE.replace("app.db", "another.db"), RULES, TABLES);
    finds(&shop, 2, "register", "another vault");
    shop.configure("", &DATABASE.replace("app.db", "absent.db"), RULES, TABLES);
    finds(&shop, 1, "database", "absent.db");
    rusqlite::Connection::open(shop.world.path("absent.db")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let (code, found) = doctor(&shop);
    let checks: Vec<&str> = found.iter().map(|found| found.0.as_str()).collect();
    assert_eq!((code, checks), (1, vec!["register-missing", "rows"]), "{found:?}");
    shop.configure("", DATABASE, RULES, TABLES);
    shop.connection()
        .execute("UPDATE oubliette_numbers SET purpose = 'advertising' WHERE purpose = 'newsletter'", [])
        .unwrap();
    finds(&shop, 2, "register-of-another-vault", "advertising");
}

/// Findings of one check, notes too, as (severity, what).
fn of_check(shop: &Shop, check: &str) -> Vec<(String, String)> {
    let (_, report) = shop.world.json(&["doctor"]);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter().filter(|finding| finding["check"] == check);
    findings.map(|finding| (text(&finding["severity"]), text(&finding["what"]))).collect()
}

#[test]
fn what_waits_in_the_outbox_is_told() {
    use oubliette_register::{Basis, Grant, Register, Subject};
    let shop = Shop::new();
    let vault = shop.world.application();
    let register = Register::new(&vault, crate::shop::rules()).unwrap();
    let connection = shop.connection();
    let grant = Grant::on(crate::support::ORDERS, Basis::Contract);
    register.in_transaction(&connection).grant(&Subject::new("alice").unwrap(), grant).unwrap();
    drop(register);
    vault.close().unwrap();
    let found = of_check(&shop, "not-journalled");
    assert!(found.len() == 1 && found[0].0 == "note" && found[0].1.contains("1 event waits"), "{found:?}");
    // Looking told nobody.
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_outbox"), 1);
    shop.world.run(&["resume"]).ends(0);
    assert_eq!(of_check(&shop, "not-journalled"), []);
}

#[test]
fn customers_of_whom_nothing_is_left_are_told() {
    let shop = Shop::new();
    for id in ["alice", "bob"] {
        shop.customer(id);
    }
    assert_eq!(of_check(&shop, "nothing-left"), []);
    shop.age("newsletter", "alice", 800);
    shop.world.run(&["sweep", "--yes"]).ends(0);
    assert_eq!(of_check(&shop, "nothing-left"), [], "her orders are there");
    shop.world.run(&["withdraw", "alice", "--purpose", "orders", "--every-basis", "--why", "over", "--yes"]).ends(0);
    let found = of_check(&shop, "nothing-left");
    assert!(found.len() == 1 && found[0].1.contains("1 customer has no readable data left"), "{found:?}");
    shop.world.run(&["erase", "alice", "--why", "request", "--yes"]).ends(0);
    assert_eq!(of_check(&shop, "nothing-left"), []);
}

#[test]
fn a_receipt_that_was_begun_is_told() {
    let shop = Shop::new();
    let path = "receipts/receipt-7-abc.unfinished";
    shop.world.write(path, "{");
    assert_eq!(doctor(&shop), (0, vec![]), "it is being written");
    let file = std::fs::File::options().write(true).open(shop.world.path(path)).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(3600)).unwrap();
    finds(&shop, 1, "receipt-unfinished", "1 receipt was begun");
}
