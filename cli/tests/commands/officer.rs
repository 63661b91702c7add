//! A privacy officer's machine: the application's database, the vault's public key, and nothing else.

use std::fs;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::shop::{RULES, Shop, TABLES};
use crate::support::World;

/// What only the operator's machine has.
const KEYS: [&str; 4] = ["privacy", "mirror", "log", "key"];

struct Office {
    shop: Shop,
    officer: World,
}

impl Office {
    /// With a customer each of these names, and the key store taken away.
    fn new(customers: &[&str]) -> Office {
        let shop = Shop::new();
        customers.iter().for_each(|id| drop(shop.customer(id)));
        let key = shop.world.run(&["journal", "key"]).ends(0).out;
        let office = Office { shop, officer: World::empty() };
        office.configure(key.trim(), RULES);
        office.take_keys_away();
        office
    }

    fn configure(&self, key: &str, rules: &str) {
        let database = self.shop.world.path("app.db");
        let rules = rules.replace("receipts = \"receipts\"\n", "");
        self.officer.write(
            "oubliette.toml",
            &format!(
                "public_key = \"{key}\"\n[controller]\nname = \"The shop\"\n[database]\nsqlite = \"{}\"\n{rules}{TABLES}",
                database.display()
            ),
        );
    }

    fn take_keys_away(&self) {
        for name in KEYS {
            fs::rename(self.shop.world.path(name), self.shop.world.path(&format!("{name}.away"))).unwrap();
        }
        self.shop.world.run(&["status"]).ends(66);
    }

    fn bring_keys_back(&self) {
        for name in KEYS {
            fs::rename(self.shop.world.path(&format!("{name}.away")), self.shop.world.path(name)).unwrap();
        }
    }

    /// A command of the officer's, which must succeed.
    fn does(&self, arguments: &[&str]) -> Value {
        let (code, done) = self.officer.json(arguments);
        assert_eq!(code, 0, "{done}");
        done
    }

    fn adds(&self, who: &str, kind: &str) -> String {
        let done = self.does(&["requests", "add", who, "--kind", kind, "--new"]);
        assert_eq!(done["recorded"]["signed"], "not_yet", "{done}");
        done["recorded"]["request"].to_string()
    }

    fn holds(&self, who: &str) -> String {
        let done = self.does(&["holds", "add", who, "--until", "2099-01-01", "--why", "case 7"]);
        assert_eq!(done["signed"], "not_yet", "{done}");
        done["hold"].to_string()
    }

    fn dump(&self) -> Vec<u8> {
        fs::read(self.shop.world.path("app.db")).unwrap()
    }
}

#[test]
fn an_officer_works_with_neither_root_key_nor_key_store() {
    let office = Office::new(&["alice", "bob"]);
    let access = office.adds("alice", "access");
    let unknown = office.adds("nobody", "erasure");
    office.does(&["requests", "extend", &access, "--why", "complex"]);
    office.does(&["requests", "note", &access, "asked for proof"]);
    let ran = office.officer.run(&["requests", "answer", &unknown, "refused", "--why", "unknown here"]).ends(0);
    assert!(ran.out.contains("closed: refused") && ran.out.contains("not yet signed"), "{ran:?}");
    let hold = office.holds("alice");
    let over = office.holds("bob");
    let ran = office.officer.run(&["holds", "lift", &over, "--why", "settled", "--yes"]).ends(0);
    assert!(ran.out.contains("not yet signed"), "{ran:?}");

    let listed = office.does(&["requests"]);
    assert_eq!(listed["requests"].as_array().unwrap().len(), 1);
    assert_eq!(listed["requests"][0]["signed"], "not_yet");
    let waiting = listed["not_yet_signed"].as_array().unwrap();
    assert_eq!(waiting.len(), 8, "{listed}");
    assert_eq!(
        (&waiting[4]["event"]["kind"], &waiting[4]["event"]["how"]),
        (&json!("request_closed"), &json!("refused"))
    );
    let ran = office.officer.run(&["requests"]).ends(0);
    assert!(ran.out.contains("8 acts are not yet signed") && ran.out.contains("unknown here"), "{ran:?}");
    let listed = office.does(&["holds", "list"]);
    assert_eq!((listed["holds"].as_array().unwrap().len(), &listed["holds"][0]["signed"]), (1, &json!("not_yet")));
    let shown = office.does(&["requests", "show", &unknown]);
    assert_eq!((&shown["state"], &shown["signed"]), (&json!("refused"), &json!("not_yet")));

    let (code, due) = office.officer.json(&["sweep", "--dry-run"]);
    assert_eq!((code, &due["due"]), (0, &json!([])), "{due}");
    office.shop.age("newsletter", "bob", 3 * 366);
    let (code, due) = office.officer.json(&["sweep", "--dry-run"]);
    assert_eq!((code, due["due"].as_array().unwrap().len()), (1, 1), "{due}");
    let now = Timestamp::now().to_string();
    let report = office.does(&["breach", "--known-since", &now, "--database", &now]);
    assert_eq!(report["report"]["scope"]["persons"], 2, "{report}");
    office.officer.run(&["breach", "--known-since", &now, "--key-store", "99"]).ends(64);
    office.officer.run(&["inventory"]).ends(1);
    let (code, found) = office.officer.json(&["doctor"]);
    assert_eq!((code, &found["vault"], &found["looked_at"]["register"]), (1, &Value::Null, &json!(true)), "{found}");
    let checks: Vec<&str> =
        found["findings"].as_array().unwrap().iter().map(|it| it["check"].as_str().unwrap()).collect();
    assert!(checks.contains(&"retention-overdue") && checks.contains(&"not-journalled"), "{checks:?}");

    // The operator's machine signs it, and the officer sees by which entry.
    office.bring_keys_back();
    office.shop.world.run(&["resume"]).ends(0);
    let listed = office.does(&["requests"]);
    assert!(listed["requests"][0]["signed"].is_u64() && listed["not_yet_signed"] == json!([]), "{listed}");
    for (id, what) in [(&access, "requests"), (&unknown, "requests")] {
        assert!(office.does(&[what, "show", id])["signed"].is_u64());
    }
    assert!(office.does(&["holds"])["holds"][0]["signed"].is_u64());
    let journal = office.shop.world.path("log/journal").display().to_string();
    let shown = office.does(&["journal", "show", &journal]);
    let told = shown["entries"].as_array().unwrap().iter().filter(|entry| {
        let kind = entry["event"]["kind"].as_str().unwrap();
        kind.starts_with("request") || kind.starts_with("hold")
    });
    assert_eq!(told.count(), 8, "each once");
    office.officer.run(&["journal", "verify", &journal]).ends(0);
    office.does(&["holds", "lift", &hold, "--why", "settled", "--yes"]);
    office.shop.world.run(&["erase", "alice", "--why", "asked", "--receipt", "r.json", "--yes"]).ends(0);
    let receipt = office.shop.world.path("r.json").display().to_string();
    office.officer.run(&["verify", &receipt]).ends(0);
    // The operator's own commands say by which entry at once.
    let (_, added) = office.shop.world.json(&["requests", "add", "bob", "--kind", "access"]);
    assert!(added["recorded"]["signed"].is_u64(), "{added}");
}

#[test]
fn what_needs_the_vault_says_so_and_does_nothing() {
    let office = Office::new(&["alice"]);
    let before = office.dump();
    let reason = ["--why", "asked", "--yes"];
    for asked in [
        &["status"][..],
        &["erase", "alice"],
        &["withdraw", "alice", "--purpose", "newsletter"],
        &["shred", "1"],
        &["sweep"],
        &["resume"],
        &["resume", "--confirm-restored", "looked"],
        &["export", "alice"],
        &["rotate", "purpose", "orders"],
        &["retire", "epoch", "customers.email", "0"],
        &["reindex"],
        &["mirror", "attach", "m"],
        &["journal", "key"],
        &["journal", "accept-loss"],
        &["doctor", "--files-only"],
    ] {
        let mut arguments = asked.to_vec();
        if ["erase", "withdraw", "shred"].contains(&asked[0]) || asked[1..].contains(&"accept-loss") {
            arguments.extend(reason);
        }
        let ran = office.officer.run(&arguments).ends(6);
        assert!(ran.err.contains("needs the vault") && ran.err.contains("nothing happened"), "{ran:?}");
        let (code, said) = office.officer.json(&arguments);
        assert_eq!((code, &said["error"]["kind"]), (6, &json!("needs_vault")), "{said}");
    }
    assert_eq!(office.dump(), before);
}

#[test]
fn an_officers_hold_stops_whoever_has_the_vault() {
    let office = Office::new(&["alice"]);
    let hold = office.holds("alice");
    office.shop.age("newsletter", "alice", 3 * 366);
    office.bring_keys_back();
    let number = office.shop.ask("SELECT min(number) FROM oubliette_numbers").to_string();
    // Not one of these has had the journal told before it looks.
    office.shop.world.run(&["erase", "alice", "--why", "asked", "--yes"]).ends(4);
    office.shop.world.run(&["shred", &number, "--why", "asked", "--yes"]).ends(4);
    let (code, swept) = office.shop.world.json(&["sweep", "--yes"]);
    assert_eq!((code, &swept["shredded"], &swept["held"]), (0, &json!(0), &json!(1)), "{swept}");
    office.shop.world.run(&["withdraw", "alice", "--purpose", "newsletter", "--why", "asked", "--yes"]).ends(4);
    assert_eq!(office.shop.ask("SELECT count(*) FROM oubliette_numbers WHERE state = 'shredded'"), 0);
    office.does(&["holds", "lift", &hold, "--why", "settled", "--yes"]);
    office.shop.world.run(&["erase", "alice", "--why", "asked", "--yes"]).ends(0);
}

// Who can write the database can fake an act that is not signed. What was signed they cannot change without its being seen.
#[test]
fn acts_that_somebody_else_wrote_are_seen() {
    let office = Office::new(&["alice"]);
    let request = office.adds("alice", "access");
    let hold = office.holds("alice");
    office.bring_keys_back();
    office.shop.world.run(&["resume"]).ends(0);
    let (_, clean) = office.shop.world.json(&["doctor"]);
    assert!(!clean.to_string().contains("not-as-signed"), "{clean}");

    office
        .shop
        .connection()
        .execute(&format!("UPDATE oubliette_requests SET due_at = due_at + 1000000000 WHERE id = {request}"), [])
        .unwrap();
    office
        .shop
        .connection()
        .execute(&format!("UPDATE oubliette_holds SET ended_at = 1 WHERE id = {hold}"), [])
        .unwrap();
    let ran = office.officer.run(&["requests"]).ends(0);
    assert!(ran.out.contains("NOT AS SIGNED"), "{ran:?}");
    let (code, shown) = office.officer.json(&["requests", "show", &request]);
    assert_eq!((code, &shown["signed"]), (2, &json!("differs")));
    for world in [&office.officer, &office.shop.world] {
        let (code, found) = world.json(&["doctor"]);
        let findings = found["findings"].as_array().unwrap();
        let differing: Vec<&Value> = findings.iter().filter(|it| it["check"] == "not-as-signed").collect();
        assert_eq!((code, differing.len()), (2, 2), "{found}");
        assert!(
            differing.iter().any(|it| it["what"].as_str().unwrap().contains(&hold)),
            "the hold that was taken away"
        );
    }

    office.shop.connection().execute("DELETE FROM oubliette_holds", []).unwrap();
    for world in [&office.officer, &office.shop.world] {
        let (code, found) = world.json(&["doctor"]);
        let gone = found["findings"].as_array().unwrap().iter().filter(|it| it["check"] == "hold-gone");
        assert!(code == 2 && gone.into_iter().any(|it| it["what"].as_str().unwrap().contains(&hold)), "{found}");
    }

    // An act that was put into the outbox is listed there, for whoever did not do it.
    let tag: String = office
        .shop
        .connection()
        .query_row("SELECT value FROM oubliette_meta WHERE name = 'register'", [], |row| row.get(0))
        .unwrap();
    let faked = format!(
        "INSERT INTO oubliette_outbox (id, event) VALUES ('00000000000000aa{tag}00000001', \
         '{{\"kind\":\"request_closed\",\"request\":{request},\"how\":\"withdrawn\"}}')"
    );
    office.shop.connection().execute(&faked, []).unwrap();
    let listed = office.does(&["requests"]);
    assert_eq!(listed["not_yet_signed"][0]["event"]["how"], "withdrawn", "{listed}");
    // What is no event hides no request.
    office.shop.connection().execute("UPDATE oubliette_outbox SET event = '{}'", []).unwrap();
    let (code, listed) = office.officer.json(&["requests"]);
    assert_eq!((code, listed["requests"].as_array().unwrap().len(), &listed["not_yet_signed"]), (5, 1, &json!([])));
    assert!(listed["damaged_rows"][0].as_str().unwrap().ends_with("is no event"), "{listed}");
    let (_, found) = office.officer.json(&["doctor"]);
    assert!(found.to_string().contains("the register did not write this row that waits for the journal"), "{found}");
    // Nor does a request that cannot be read: the others are shown, and it is named.
    office.shop.connection().execute("DELETE FROM oubliette_outbox", []).unwrap();
    office.does(&["requests", "add", "alice", "--kind", "access"]);
    office.shop.connection().execute("UPDATE oubliette_requests SET kind = 'whim' WHERE kind = 'access'", []).unwrap();
    let (code, listed) = office.officer.json(&["requests"]);
    let shown = listed["requests"].as_array().unwrap().len();
    assert!(
        code == 5 && listed["damaged_rows"][0].as_str().unwrap().contains("oubliette_requests"),
        "{shown}: {listed}"
    );
    let (code, found) = office.officer.json(&["doctor"]);
    assert!(
        code == 2 && found["findings"].as_array().unwrap().iter().any(|it| it["check"] == "row-damaged"),
        "{found}"
    );
}

#[test]
fn a_desk_takes_neither_another_vaults_key_nor_other_rules() {
    let office = Office::new(&["alice"]);
    let before = office.dump();
    let other = Shop::new();
    let foreign = other.world.run(&["journal", "key"]).ends(0).out;
    office.configure(foreign.trim(), RULES);
    for asked in [&["requests"][..], &["sweep", "--dry-run"], &["requests", "add", "alice", "--kind", "access"]] {
        let ran = office.officer.run(asked).ends(65);
        assert!(ran.err.contains("has no signature of this public key"), "{ran:?}");
    }
    office.configure("obl-key-1.none", RULES);
    office.officer.run(&["requests"]).ends(64);
    office.bring_keys_back();
    let key = office.shop.world.run(&["journal", "key"]).ends(0).out;
    // By no grace and no retention, what is recorded would be carried out otherwise.
    office.configure(key.trim(), "");
    office.officer.run(&["requests", "add", "alice", "--kind", "access"]).ends(78);
    office.officer.run(&["sweep", "--dry-run"]).ends(78);
    office.officer.run(&["holds", "add", "alice", "--until", "2099-01-01", "--why", "case 7"]).ends(78);
    assert_eq!(office.dump(), before);
}

// A terminal of eighty columns would break a row in two.
#[test]
fn tables_have_eighty_columns() {
    let office = Office::new(&["alice@example.com", "4711"]);
    for kind in ["access", "rectification", "erasure", "restriction", "portability", "objection"] {
        office.adds("alice@example.com", kind);
        let arrived = (Timestamp::now() - SignedDuration::from_hours(24 * 400)).to_string();
        office.does(&["requests", "add", "4711", "--kind", kind, "--arrived", &arrived]);
    }
    office.holds("alice@example.com");
    for id in ["alice@example.com", "4711"] {
        office.shop.age("newsletter", id, 3 * 366);
        office.shop.age("orders", id, 11 * 366);
    }
    let later = "UPDATE oubliette_marks SET at = 1";
    office.shop.connection().execute(later, []).unwrap();
    // Of a customer who was merged many times.
    let owner = "SELECT id FROM oubliette_subjects WHERE subject = '4711'";
    for number in 1_099_511_000_000_i64..1_099_511_000_020 {
        let insert = format!(
            "INSERT INTO oubliette_numbers (number, subject_id, purpose, state, since) \
             VALUES ({number}, ({owner}), 'orders', 'live', 0)"
        );
        office.shop.connection().execute(&insert, []).unwrap();
    }
    for (asked, code) in
        [(&["requests"][..], 2), (&["sweep", "--dry-run"], 1), (&["holds"], 0), (&["requests", "--late"], 2)]
    {
        let ran = office.officer.run(asked).ends(code);
        assert!(ran.out.lines().count() > 2, "{ran:?}");
        for line in ran.out.lines() {
            assert!(line.chars().count() <= 80, "{asked:?}: {line:?} has {}", line.chars().count());
        }
    }
    let ran = office.officer.run(&["sweep", "--dry-run"]).ends(1);
    assert!(ran.out.contains("1099511000000") && ran.out.contains("1099511000019"), "{ran:?}");
}
