use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::secrets::at_a_terminal;
use crate::shop::{DATABASE, RULES, Shop, TABLES, secret};

#[test]
fn all_that_is_held_is_printed_as_one_document() {
    let shop = Shop::new();
    let (alice, _bob) = (shop.customer("alice"), shop.customer("bob"));
    for more in [&[][..], &["--json"]] {
        let ran = shop.world.run(&[&["export", "alice"], more].concat()).ends(0).hides(&[&secret("bob"), "bob"]);
        let document: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        assert_eq!((&document["format"], &document["subject"]), (&json!("oubliette/1/access"), &json!("alice")));
        let row = &document["tables"][0]["rows"][0];
        assert_eq!(row["opened"]["orders"]["email"], secret("alice").as_str(), "{document:#}");
        assert_eq!(row["opened"]["newsletter"]["news"], secret("alice").as_str(), "{document:#}");
        assert!(document["purposes"].to_string().contains("sign-up form"), "{document:#}");
        assert!(ran.err.is_empty(), "{ran:?}");
    }
    let ran = shop.world.run(&["export", "alice", "--portable"]).ends(0);
    assert_eq!(ran.out.lines().count(), 1);
    assert!(serde_json::from_str::<Value>(&ran.out).unwrap()["format"] == "oubliette/1/portable");
    // What was shredded is said to be, and that it was asked for is in the journal.
    shop.world.run(&["withdraw", "alice", "--purpose", "newsletter", "--why", "unsubscribed", "--yes"]).ends(0);
    let (code, document) = shop.world.json(&["export", "alice"]);
    assert_eq!(
        (code, &document["tables"][0]["rows"][0]["shredded"]["newsletter"]),
        (0, &json!(["news"])),
        "{document:#}"
    );
    let key = shop.world.run(&["journal", "key"]).out;
    let (_, journal) = shop.world.json(&["journal", "show", "--key", key.trim()]);
    let accessed = journal["entries"].to_string();
    assert_eq!(accessed.matches("accessed").count(), 4, "{accessed}");
    assert!(accessed.contains(&alice.orders.to_string()));
}

#[test]
fn a_file_is_readable_by_its_owner_alone() {
    let shop = Shop::new();
    shop.customer("alice");
    let ran = shop.world.shell("umask 0; oubliette export alice --output out.json").ends(0).hides(&[&secret("alice")]);
    assert!(ran.out.contains("out.json"), "{ran:?}");
    let path = shop.world.path("out.json");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let document: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(document["subject"], "alice");
    // Nothing is overwritten, and a link is not followed.
    let (code, refused) = shop.world.json(&["export", "alice", "--output", "out.json"]);
    assert_eq!((code, &refused["error"]["kind"]), (77, &json!("refused")));
    std::os::unix::fs::symlink(shop.world.path("elsewhere"), shop.world.path("link")).unwrap();
    shop.world.run(&["export", "alice", "--output", "link"]).ends(77);
    assert!(!shop.world.path("elsewhere").exists());
    // Nothing is left of an export that failed.
    shop.connection().execute("ALTER TABLE customers RENAME COLUMN email TO mail", []).unwrap();
    shop.world.run(&["export", "alice", "--output", "failed.json"]).ends(75);
    assert!(!shop.world.path("failed.json").exists());
}

/// What is good is shown, and what is not is marked: the person is to be answered within a month.
#[test]
fn one_damaged_cell_does_not_block_an_answer() {
    for damage in [
        "UPDATE customers SET email = 'in clear: hunter2'",
        "UPDATE customers SET email = substr(email, 1, length(email) - 1) || x'00'",
        "UPDATE customers SET email = news",
        "UPDATE customers SET email = x'00ff'",
    ] {
        let shop = Shop::new();
        shop.customer("alice");
        shop.connection().execute(damage, []).unwrap();
        for more in [&[][..], &["--portable"], &["--json"]] {
            let ran = shop.world.run(&[&["export", "alice"], more].concat()).ends(5).hides(&["hunter2"]);
            let document: Value = serde_json::from_str(&ran.out).unwrap();
            let row = &document["tables"][0]["rows"][0];
            assert_eq!(row["opened"]["newsletter"]["news"], secret("alice").as_str(), "{damage}: {document:#}");
            assert!(row["damaged"]["email"].as_str().unwrap().contains("customers.email"), "{damage}: {document:#}");
            assert!(row["opened"]["orders"].is_null(), "{damage}: {document:#}");
            assert!(ran.err.contains("INCOMPLETE: 1 value is damaged"), "{damage}: {ran:?}");
        }
        let (code, done) = shop.world.json(&["export", "alice", "--output", "out.json"]);
        assert_eq!((code, &done["damaged"]), (5, &json!(1)));
        // What is wrong with the whole vault is refused as before.
        shop.world.run(&["export", "alice", "--key-file", "absent"]).ends(66);
    }
}

#[test]
fn a_terminal_is_asked_first() {
    let shop = Shop::new();
    shop.customer("alice");
    let (code, shown) = at_a_terminal(&shop.world, "export alice", &[("go on", "no")]);
    assert!(code == 77 && shown.contains("scrollback") && !shown.contains(&secret("alice")), "{shown}");
    let (code, shown) = at_a_terminal(&shop.world, "export alice", &[("go on", "yes")]);
    assert!(code == 0 && shown.contains(&secret("alice")), "{shown}");
    let (code, shown) = at_a_terminal(&shop.world, "export alice --yes", &[]);
    assert!(code == 0 && shown.contains(&secret("alice")), "{shown}");
}

#[test]
fn an_export_that_would_leave_things_out_is_refused() {
    let shop = Shop::new();
    shop.customer("alice");
    shop.world.run(&["export", "alise"]).ends(64);
    shop.configure("", DATABASE, RULES, "");
    let ran = shop.world.run(&["export", "alice"]).ends(78);
    assert!(ran.err.contains("[[tables]]"), "{ran:?}");
    shop.configure("", DATABASE, RULES, &TABLES.replace("type = \"email\"", "type = \"shop.shoe\""));
    shop.world.run(&["export", "alice"]).ends(78);
    // Rules that are not the application's do not keep somebody from an answer.
    shop.configure("", DATABASE, "", TABLES);
    let ran = shop.world.run(&["export", "alice"]).ends(0);
    assert!(ran.err.contains("caution"), "{ran:?}");
    // With the inventory, it says why.
    let said = "[controller]\nname = \"Shop Ltd\"\n[[purposes]]\nname = \"orders\"\nwhy = \"to deliver shoes\"\n";
    shop.configure("", DATABASE, &format!("{RULES}{said}"), TABLES);
    let ran = shop.world.run(&["export", "alice"]).ends(0);
    assert!(ran.out.contains("to deliver shoes"), "{ran:?}");
}
