use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::shop::{Shop, secret};

fn ago(days: i64) -> String {
    (Timestamp::now() - SignedDuration::from_hours(24 * days + 1)).to_string()
}

fn add(shop: &Shop, who: &str, kind: &str, days: i64) -> Value {
    let (code, done) = shop.world.json(&["requests", "add", who, "--kind", kind, "--arrived", &ago(days)]);
    assert_eq!(code, 0, "{done}");
    done["recorded"].clone()
}

#[test]
fn requests_are_listed_with_the_late_ones_first() {
    let shop = Shop::new();
    for id in ["alice", "bob", "carol"] {
        shop.customer(id);
    }
    let (code, none) = shop.world.json(&["requests"]);
    assert_eq!((code, &none["requests"]), (0, &json!([])));
    add(&shop, "alice", "access", 1);
    assert_eq!(shop.world.json(&["requests"]).0, 0, "there is time");
    let soon = add(&shop, "carol", "portability", 26);
    assert_eq!((shop.world.json(&["requests"]).0, &soon["late"]), (1, &json!(false)));
    let late = add(&shop, "bob", "erasure", 40);
    assert!(late["days_left"].as_i64().unwrap() < 0);
    let (code, listed) = shop.world.json(&["requests"]);
    let subjects: Vec<&str> =
        listed["requests"].as_array().unwrap().iter().map(|it| it["subject"].as_str().unwrap()).collect();
    assert_eq!((code, subjects), (2, vec!["bob", "carol", "alice"]));
    let (code, listed) = shop.world.json(&["requests", "--late"]);
    assert_eq!((code, &listed["requests"]), (2, &json!([late])));
    let ran = shop.world.run(&["requests"]).ends(2).hides(&[&secret("bob")]);
    assert!(ran.out.starts_with(&format!("{:>16}  erasure", late["request"].as_i64().unwrap())), "{ran:?}");
    assert!(ran.out.contains("LATE") && ran.out.contains("3 open requests"), "{ran:?}");
}

#[test]
fn requests_are_answered() {
    let shop = Shop::new();
    shop.customer("alice");
    let id = |request: &Value| request["request"].to_string();
    let [access, erasure, other] = ["access", "erasure", "objection"].map(|kind| id(&add(&shop, "alice", kind, 2)));
    shop.world.run(&["requests", "answer", &access, "done"]).ends(0);
    // A refusal has its reason, which the person is told.
    shop.world.run(&["requests", "answer", &other, "refused"]).ends(64);
    let (code, extended) = shop.world.json(&["requests", "extend", &other, "--why", "complex"]);
    assert!(code == 0 && extended["extended"]["days_left"].as_i64().unwrap() > 80, "{extended}");
    shop.world.run(&["requests", "answer", &other, "refused", "--why", "compelling grounds"]).ends(0);
    // Done is not said lightly of what was not done: it is confirmed, and the journal has what was done instead.
    let restriction = id(&add(&shop, "alice", "restriction", 2));
    for (request, named) in [(&erasure, "not erased"), (&restriction, "nothing here is restricted")] {
        let ran = shop.world.run(&["requests", "answer", request, "done"]).ends(64);
        assert!(ran.err.contains(named) && ran.err.contains("--why"), "{ran:?}");
        let ran = shop.world.run(&["requests", "answer", request, "done", "--why", "by hand"]).ends(77);
        assert!(ran.err.contains(named), "{ran:?}");
    }
    shop.world
        .run(&["requests", "answer", &restriction, "done", "--why", "orders are frozen in the shop", "--yes"])
        .ends(0);
    // A closed request stays as it is, and what is printed is what is stored.
    for again in [&["done"][..], &["withdrawn"], &["refused", "--why", "another reason"]] {
        let ran = shop.world.run(&[&["requests", "answer", &other][..], again].concat()).ends(77);
        assert!(ran.err.contains("\"refused\"") && !ran.out.contains("is closed"), "{ran:?}");
    }
    shop.world.run(&["requests", "answer", &other, "refused", "--why", "compelling grounds"]).ends(0);
    shop.world.run(&["requests", "extend", &other, "--why", "complex"]).ends(77);
    let stored = format!(
        "SELECT count(*) FROM oubliette_requests WHERE id = {other} AND state = 'refused' AND why = 'compelling grounds'"
    );
    assert_eq!(shop.ask(&stored), 1);
    shop.world.run(&["requests", "note", &other, "asked again by telephone"]).ends(0);
    shop.world.run(&["requests", "note", "12", "of nobody"]).ends(64);
    // Nobody revives what is late.
    let late = id(&add(&shop, "alice", "portability", 60));
    let ran = shop.world.run(&["requests", "extend", &late, "--why", "we were busy"]).ends(77);
    assert!(ran.err.contains("was due"), "{ran:?}");
    shop.world.run(&["requests", "answer", &late, "done"]).ends(0);
    let (_, listed) = shop.world.json(&["requests"]);
    assert_eq!(listed["requests"].as_array().unwrap().len(), 1);
    shop.world.run(&["erase", "alice", "--why", "request", "--yes"]).ends(0);
    let (code, listed) = shop.world.json(&["requests"]);
    assert_eq!((code, &listed["requests"]), (0, &json!([])), "the erasure closes it");
    shop.world.run(&["requests", "answer", &erasure, "done"]).ends(0);
    for wrong in ["12", "alice", "0"] {
        shop.world.run(&["requests", "answer", wrong, "done"]).ends(64);
    }
    shop.world.run(&["requests", "--late", "answer", &erasure, "done"]).ends(64);
    let (_, journal) = shop.world.json(&["journal", "show", "--key", shop.world.run(&["journal", "key"]).out.trim()]);
    let text = journal.to_string();
    for named in
        ["requested", "compelling grounds", "complex", "asked again by telephone", "orders are frozen in the shop"]
    {
        assert!(text.contains(named), "{named}: {text}");
    }
    assert!(!text.contains("alice") && !text.contains("we were busy") && !text.contains("another reason"), "{text}");
}

#[test]
fn an_erasure_says_which_requests_it_leaves_unanswered() {
    let shop = Shop::new();
    shop.customer("alice");
    let access = add(&shop, "alice", "access", 60)["request"].to_string();
    let erasure = add(&shop, "alice", "erasure", 2)["request"].to_string();
    let asked = shop.world.run(&["erase", "alice", "--why", "request"]).ends(77);
    assert!(asked.err.contains("nobody can answer their open request for access"), "{asked:?}");
    let (code, done) = shop.world.json(&["erase", "alice", "--why", "request", "--yes"]);
    assert_eq!((code, &done["unanswered"]), (0, &json!(["access"])));
    let (_, journal) = shop.world.json(&["journal", "show", "--key", shop.world.run(&["journal", "key"]).out.trim()]);
    for (request, how) in [(access, "unanswered"), (erasure, "done")] {
        let stored = format!("SELECT count(*) FROM oubliette_requests WHERE id = {request} AND state = '{how}'");
        assert_eq!(shop.ask(&stored), 1);
        assert!(journal.to_string().contains(&format!("\"how\":\"{how}\"")), "{journal}");
    }
}

#[test]
fn somebody_unknown_is_asked_about() {
    let shop = Shop::new();
    shop.customer("alice");
    let ran = shop.world.run(&["requests", "add", "alise", "--kind", "access"]).ends(64).hides(&["alise"]);
    assert!(ran.err.contains("--new"), "{ran:?}");
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_subjects"), 1);
    shop.world.run(&["requests", "add", "alise", "--kind", "access", "--new"]).ends(0);
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_requests"), 1);
    for wrong in ["2099-01-01", "yesterday", "2026-01-01T00:00"] {
        shop.world.run(&["requests", "add", "alice", "--kind", "access", "--arrived", wrong]).ends(64);
    }
    shop.world.run(&["requests", "add", "alice", "--kind", "revenge"]).ends(64);
    shop.world.run(&["requests", "add", "alice", "--kind", "access", "--arrived", "2026-01-31"]).ends(0);
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_requests"), 2);
}

#[test]
fn holds_are_listed_and_lifted() {
    let shop = Shop::new();
    shop.customer("alice");
    shop.customer("bob");
    let add = ["holds", "add", "alice", "--why", "case 7", "--until"];
    let (_, all) = shop.world.json(&[&add[..], &["2099-01-01"]].concat());
    shop.world.run(&[&add[..], &["2098-01-01T12:00:00Z", "--purpose", "orders"]].concat()).ends(0);
    shop.world.run(&[&add[..], &["2020-01-01"]].concat()).ends(64);
    shop.world.run(&[&add[..], &["2098-01-01", "--purpose", "odrers"]].concat()).ends(64);
    shop.world.run(&["holds", "add", "alise", "--why", "x", "--until", "2099-01-01"]).ends(64);
    let (code, listed) = shop.world.json(&["holds"]);
    let holds = listed["holds"].as_array().unwrap();
    assert_eq!(
        (code, holds.len(), &holds[0]["purpose"], &holds[1]["subject"]),
        (0, 2, &json!("orders"), &json!("alice"))
    );
    assert_eq!(shop.world.json(&["holds", "list", "bob"]).1["holds"], json!([]));
    assert_eq!(shop.world.json(&["holds", "list", "alice"]).1["holds"].as_array().unwrap().len(), 2);
    let hold = all["hold"].to_string();
    shop.world.run(&["holds", "lift", &hold, "--why", "closed"]).ends(77);
    shop.world.run(&["holds", "lift", &hold, "--why", "closed", "--yes"]).ends(0);
    shop.world.run(&["holds", "lift", "99", "--why", "closed", "--yes"]).ends(64);
    let ran = shop.world.run(&["holds"]).ends(0);
    assert!(ran.out.contains("1 hold stands") && ran.out.contains("until 2098-01-01T12:00:00Z: case 7"), "{ran:?}");
}
