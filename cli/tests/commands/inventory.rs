use serde_json::json;

use crate::shop::{DATABASE, RULES, Shop, TABLES};
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

#[test]
fn what_was_not_said_is_shown_as_not_said() {
    let shop = Shop::new();
    let said = |more: &str| {
        let purposes = format!("[controller]\nname = \"Shop Ltd\"\n[[purposes]]\nname = \"orders\"\n{more}");
        shop.configure("", DATABASE, &format!("{RULES}{purposes}"), TABLES);
        let ran = shop.world.run(&["inventory"]);
        let (_, rest) = ran.out.split_once("## orders").unwrap();
        let row = |of: &str| rest.lines().find(|line| line.starts_with(&format!("| {of} |"))).unwrap().to_owned();
        let rows = ["Of whom", "Categories of data", "Recipients", "Transfers outside the EEA"].map(row);
        let json = shop.world.json(&["inventory"]).1;
        let purposes = json["inventory"]["purposes"].as_array().unwrap();
        (rows, purposes.iter().find(|purpose| purpose["purpose"] == "orders").unwrap().clone())
    };
    let (rows, purpose) = said("");
    assert!(rows.iter().all(|row| row.contains("**not said**")), "{rows:?}");
    for key in ["whose", "categories", "recipients", "transfers"] {
        assert!(purpose[key].is_null(), "{key}: {purpose:#}");
    }
    let (rows, purpose) = said("recipients = []\ntransfers = []\nwhose = [\"guests\"]\ncategories = [\"contacts\"]\n");
    for (row, what) in rows.iter().zip(["guests", "contacts", "none", "none"]) {
        assert!(row.contains(what), "{row}");
    }
    assert_eq!(purpose["transfers"], serde_json::json!([]));
}
