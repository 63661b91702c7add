//! A privacy officer's command on PostgreSQL, as the role that OFFICER.md makes, without vault and root key.

use std::fs;

use serde_json::{Value, json};

use crate::support::World;
use crate::{CONFIGURATION, Shop};

const OFFICER: &str = include_str!("../../OFFICER.md");

#[test]
#[ignore = "starts a PostgreSQL server of its own; `.ci/run databases` runs it"]
fn an_officer_works_as_a_role_that_may_do_no_more() {
    let shop = Shop::new();
    shop.customer("alice");
    let key = shop.world.run(&["journal", "key"]).ends(0).out;
    shop.ask(OFFICER.split("```sql\n").nth(1).unwrap().split("```").next().unwrap());
    let officer = World::empty();
    officer.write("url", &shop.url.replace("postgres://postgres@", "postgres://officer@"));
    assert_ne!(shop.url, fs::read_to_string(officer.path("url")).unwrap());
    let same = CONFIGURATION.replace("journal = \"log/journal\"\n", "").replace("receipts = \"receipts\"\n", "");
    officer.write("oubliette.toml", &format!("public_key = \"{}\"\n{same}", key.trim()));
    let away = ["privacy", "mirror", "log", "key"];
    let name = |name: &str| shop.world.path(name);
    away.iter().for_each(|it| fs::rename(name(it), name(&format!("{it}.away"))).unwrap());

    let does = |arguments: &[&str]| {
        let (code, done) = officer.json(arguments);
        assert_eq!(code, 0, "{done}");
        done
    };
    let request = does(&["requests", "add", "alice", "--kind", "access"])["recorded"]["request"].to_string();
    does(&["requests", "extend", &request, "--why", "complex"]);
    does(&["requests", "answer", &request, "done"]);
    let new = does(&["requests", "add", "nobody", "--kind", "erasure", "--new"])["recorded"]["request"].to_string();
    let hold = does(&["holds", "add", "alice", "--until", "2099-01-01", "--why", "case 7"])["hold"].to_string();
    assert_eq!(does(&["holds", "list", "alice"])["holds"][0]["signed"], "not_yet");
    assert_eq!(does(&["requests"])["not_yet_signed"].as_array().unwrap().len(), 5);
    assert_eq!(does(&["requests", "show", &request])["signed"], "not_yet");
    assert_eq!(does(&["sweep", "--dry-run"])["due"], json!([]));
    let now = jiff::Timestamp::now().to_string();
    assert_eq!(does(&["breach", "--known-since", &now, "--database", &now])["report"]["scope"]["persons"], 1);
    // The application's table is none of the role's, which is said and no more than a note.
    let found = does(&["doctor"]);
    let findings = found["findings"].as_array().unwrap();
    assert!(findings.iter().any(|it| it["check"] == "table" && it["severity"] == "note"), "{found}");
    assert!(findings.iter().all(|it| it["severity"] == "note"), "{found}");
    officer.run(&["erase", "alice", "--why", "asked", "--yes"]).ends(6);

    away.iter().for_each(|it| fs::rename(name(&format!("{it}.away")), name(it)).unwrap());
    shop.world.run(&["erase", "alice", "--why", "asked", "--yes"]).ends(4);
    shop.world.run(&["resume"]).ends(0);
    assert!([&request, &new].iter().all(|id| does(&["requests", "show", id])["signed"].is_u64()));
    let lifted = does(&["holds", "lift", &hold, "--why", "settled", "--yes"]);
    assert_eq!(lifted["signed"], Value::from("not_yet"));
    shop.world.run(&["erase", "alice", "--why", "asked", "--yes"]).ends(0);
}
