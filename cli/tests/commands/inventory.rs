use serde_json::json;

use crate::support::World;

const SHOP: &str = r#"
[controller]
name = "Shop SAS, 1 rue de la Paix, 75002 Paris"
officer = "dpo@shop.example"
measures = ["disks are encrypted"]
[[purposes]]
name = "orders"
why = "to deliver what was ordered"
basis = "contract"
kept = "three years after the last order"
recipients = ["DHL"]
[[purposes]]
name = "newsletter"
why = "to send news"
basis = "consent"
kept = "until it is withdrawn"
recipients = []
[[tables]]
table = "customers"
number = "no"
purpose = "orders"
plain = ["id"]
numbers = { newsletter = "news_no" }
[[tables.columns]]
column = "email"
label = "email"
type = "email"
index = { column = "email_idx", label = "exact", bits = 64 }
[[tables.columns]]
column = "news"
purpose = "newsletter"
label = "email"
type = "email"
"#;

fn shop(configuration: &str) -> World {
    let world = World::empty();
    world.write("oubliette.toml", configuration);
    world
}

#[test]
fn an_inventory_says_what_is_kept_and_why() {
    let ran = shop(SHOP).run(&["inventory"]).ends(0);
    for needed in ["Shop SAS", "dpo@shop.example", "disks are encrypted", "orders", "DHL", "email", "three years"] {
        assert!(ran.out.contains(needed), "{needed} is missing in {}", ran.out);
    }
    let (code, inventory) = shop(SHOP).json(&["inventory"]);
    assert_eq!((code, &inventory["not_said"]), (0, &json!([])));
    assert!(inventory["inventory"].to_string().contains("email_idx"));
}

#[test]
fn what_is_not_said_is_named() {
    let (code, inventory) = shop(&SHOP.replace("why = \"to send news\"\n", "")).json(&["inventory"]);
    assert_eq!(code, 1);
    assert!(inventory["not_said"][0].as_str().unwrap().contains("newsletter"), "{inventory}");
    let wrong = shop(&SHOP.replace("\"contract\"", "\"because\"")).run(&["inventory"]).ends(78);
    assert!(wrong.err.contains("legal_obligation"), "{wrong:?}");
    shop("vault = \"privacy\"").run(&["inventory"]).ends(78);
}

#[test]
fn a_file_that_was_committed_is_compared() {
    let world = shop(SHOP);
    let (code, checked) = world.json(&["inventory", "--check", "inventory.json"]);
    assert_eq!((code, &checked["up_to_date"]), (2, &json!(false)));
    world.run(&["inventory", "--write", "inventory.json"]).ends(0);
    world.run(&["inventory", "--check", "inventory.json"]).ends(0);
    world.write("oubliette.toml", &SHOP.replace("plain = [\"id\"]", "plain = [\"id\", \"shoe_size\"]"));
    let ran = world.run(&["inventory", "--check", "inventory.json"]).ends(2);
    assert!(ran.out.contains("shoe_size"), "{ran:?}");
}
