use serde_json::json;

use crate::support::World;

#[test]
fn a_vault_is_shown_to_people() {
    let world = World::new();
    let ran = world.run(&["status"]).ends(0);
    for needed in ["ready", "generation", "orders", "newsletter", "active", "root record in"] {
        assert!(ran.out.contains(needed), "{needed} is missing in {}", ran.out);
    }
    assert!(ran.err.is_empty());
}

#[test]
fn a_vault_is_shown_to_machines() {
    let world = World::new();
    let customers = world.customers(3);
    let vault = world.vault();
    vault.shred([customers[0].number]).unwrap();
    vault.shred([customers[1].number]).unwrap();
    let (code, status) = world.json(&["status"]);
    assert_eq!(code, 0);
    assert_eq!(status["generation"], vault.generation().unwrap());
    assert_eq!(status["lease_ms"], 1000);
    assert_eq!(status["health"]["ready"], true);
    assert_eq!(status["health"]["trouble"], json!(null));
    assert_eq!(status["has_mirror"], true);
    assert_eq!(status["purposes"][0]["purpose"], "orders");
    assert_eq!(status["purposes"][1]["shredded"], 2);
    assert_eq!(status["pages"]["superseded"], 10, "the first path of two trees");
    let places = status["places"].as_array().unwrap();
    assert_eq!(places.len(), 2);
    assert!(places.iter().all(|place| place["open"] == true && place["listed"] == true));
    assert!(places[0]["root"].as_str().unwrap().ends_with("privacy/root"));
}

#[test]
fn a_mirror_that_was_not_named_is_shown_as_not_open() {
    let world = World::new();
    let vault = world.path("privacy").display().to_string();
    let (code, status) = world.json(&["status", "--vault", &vault]);
    assert_eq!((code, &status["health"]["ready"], &status["health"]["can_open"]), (75, &json!(false), &json!(true)));
    let ran = world.run(&["status", "--vault", &vault]).ends(75);
    assert!(ran.out.contains("READS ONLY: no shred is possible"), "{ran:?}");
    assert_eq!(status["places"][1]["open"], false);
    assert_eq!(status["places"][1]["root"], json!(null));
}

#[test]
fn what_is_not_there_is_told_apart() {
    let world = World::new();
    let ran = world.run(&["status", "--vault", "elsewhere"]).ends(66);
    assert!(ran.err.contains("elsewhere") && ran.out.is_empty());
    world.run(&["status", "--config", "elsewhere.toml"]).ends(66);
    let (code, error) = world.json(&["status", "--vault", "elsewhere"]);
    assert_eq!((code, &error["error"]["kind"]), (66, &json!("missing")));
    assert_eq!(error["error"]["exit"], 66);
    let empty = World::empty();
    let ran = empty.run(&["status"]).ends(64);
    assert!(ran.err.contains("--vault"), "{ran:?}");
}

#[test]
fn a_configuration_that_is_wrong_says_where() {
    let world = World::new();
    for (wrong, named) in [
        ("vualt = \"x\"", "vualt"),
        ("[database]\nsqlite = \"a\"\npostgres_url_env = \"B\"", "more than one database"),
        ("[[tables]]\ntable = \"t\"", "number"),
    ] {
        world.write("wrong.toml", wrong);
        let ran = world.run(&["status", "--config", "wrong.toml"]).ends(78);
        assert!(ran.err.contains(named) && ran.err.contains("wrong.toml"), "{ran:?}");
    }
}
