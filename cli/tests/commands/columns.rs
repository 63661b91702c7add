//! Tables of all kinds: keys of several columns, two indexes of one column, JSON.

use oubliette::personal::{Canonical, Json, Name};
use oubliette::{Field, Index, Token, bits};
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::shop::{DATABASE, RULES, Shop, TABLES};
use crate::support::{ORDERS, World};

const NAME: Field<Name> = ORDERS.field("name");
const EXACT: Index<Name> = NAME.index("exact", bits(64));
const HEARD: Index<Name> = NAME.index_by("heard", bits(64), Canonical::wide_form);
const PROFILE: Field<Json<Value>> = ORDERS.field("profile");

const COLUMNS: &str = r#"
[database]
sqlite = "app.db"
[[tables]]
table = "people"
key = ["tenant", "code"]
key_type = ["number", "text"]
number = "no"
purpose = "orders"
[[tables.columns]]
column = "name"
label = "name"
type = "name"
index = [
    { column = "name_idx", label = "exact", bits = 64 },
    { column = "heard_idx", label = "heard", bits = 64, form = "wide" },
]
[[tables.columns]]
column = "profile"
label = "profile"
type = "json"
"#;

fn people(world: &World) -> Connection {
    world.configure(COLUMNS);
    let database = Connection::open(world.path("app.db")).unwrap();
    database
        .execute_batch(
            "CREATE TABLE people (tenant NUMERIC, code CHAR(8), no BIGINT UNIQUE, name BLOB, name_idx BLOB, heard_idx BLOB,
                 profile BLOB, PRIMARY KEY (tenant, code))",
        )
        .unwrap();
    let vault = world.vault();
    for row in 0..7_u32 {
        let no = vault.enroll().unwrap();
        let name = vault.seal(no, NAME, &format!("José Nr{row}").parse().unwrap()).unwrap();
        let profile = vault.seal(no, PROFILE, &Json::new(json!({ "row": row })).unwrap()).unwrap();
        let insert = "INSERT INTO people (tenant, code, no, name, profile) VALUES (?, ?, ?, ?, ?)";
        database.execute(insert, params![f64::from(row % 2) + 0.5, format!("c,{row}"), no, name, profile]).unwrap();
    }
    vault.close().unwrap();
    database
}

#[test]
fn a_table_with_a_key_of_two_columns_and_two_indexes_of_one() {
    let world = World::new();
    let database = people(&world);
    let (code, checked) = world.json(&["reindex", "--check"]);
    assert_eq!(code, 1);
    let remaining = checked["checked"][0]["remaining"].as_array().unwrap();
    assert_eq!(remaining.len(), 2, "{checked}");
    for it in remaining {
        assert_eq!(
            (&it["rows"], &it["first"][0], &it["first"][6]),
            (&json!(7), &json!("0.5,c\\,0"), &json!("1.5,c\\,5"))
        );
    }
    let (code, done) = world.json(&["reindex", "--batch", "2"]);
    assert_eq!((code, &done["reindexed"][0]["bookmark"]), (0, &json!("1.5,c\\,5")), "{done}");
    let vault = world.vault();
    let tokens = |name: &str| {
        let name = name.parse().unwrap();
        [vault.tokens(EXACT, &name).unwrap(), vault.tokens(HEARD, &name).unwrap()].concat()
    };
    let select = "SELECT name_idx, heard_idx FROM people WHERE code = 'c,3'";
    let read = || -> (Token<Name>, Token<Name>) {
        database.query_row(select, [], |row| Ok((row.get(0).unwrap(), row.get(1).unwrap()))).unwrap()
    };
    let found = read();
    assert!(tokens("josé nr3").contains(&found.0) && tokens("jose nr3")[1] == found.1 && found.0 != found.1);
    world.run(&["reindex", "--after", "1.5,c\\,1", "--check"]).ends(0);
    let ran = world.run(&["reindex", "--after", "1.5"]).ends(78);
    assert!(ran.err.contains("not a key of the kind [Number, Text]"), "{ran:?}");

    // One index of the two moves to a new epoch.
    let ran = world.run(&["rotate", "index", "people.name", "--yes"]).ends(64);
    assert!(ran.err.contains("people.name:exact, people.name:heard"), "{ran:?}");
    world.run(&["rotate", "index", "people.name:other", "--yes"]).ends(64);
    world.run(&["rotate", "index", "people.name:heard", "--yes"]).ends(0);
    world.run(&["reindex", "people.name:exact", "--check"]).ends(0);
    let ran = world.run(&["retire", "epoch", "people.name:heard", "0", "--yes"]);
    assert!(ran.err.contains("7 rows of heard_idx still need it"), "{ran:?}");
    world.run(&["reindex", "people.name:heard"]).ends(0);
    world.run(&["retire", "epoch", "people.name:heard", "0", "--yes"]).ends(0);
    let now = read();
    assert!(now.0 == found.0 && now.1.epoch().number() == 1);
    // JSON is resealed too.
    let (_, rotated) = world.json(&["rotate", "purpose", "orders", "--yes"]);
    world.run(&["reindex", "--reseal"]).ends(0);
    world.run(&["retire", "tree", "orders", rotated["tree"].as_str().unwrap(), "--yes"]).ends(0);
}

#[test]
fn what_does_not_fit_together_is_said() {
    let world = World::new();
    drop(people(&world));
    for (from, to, said) in [
        ("[\"number\", \"text\"]", "[\"number\", \"text\", \"text\"]", "names 2 columns, and `key_type` 3 types"),
        ("[\"number\", \"text\"]", "[]", "the list is empty"),
        ("[\"number\", \"text\"]", "\"decimal\"", "unknown variant `decimal`"),
        ("label = \"heard\"", "label = \"exact\"", "have the same `label` or `column`"),
        ("column = \"heard_idx\"", "colum = \"heard_idx\"", "unknown field `colum`"),
        (
            "type = \"json\"",
            "type = \"json\"\nindex = { column = \"i\", label = \"i\", bits = 8 }",
            "JSON has no canonical form",
        ),
    ] {
        assert!(COLUMNS.contains(from));
        world.configure(&COLUMNS.replace(from, to));
        let ran = world.run(&["reindex"]).ends(78);
        assert!(ran.err.contains(said), "{said}: {ran:?}");
    }
    // One type is that of all key columns.
    world.configure(&COLUMNS.replace("[\"number\", \"text\"]", "\"number\""));
    let ran = world.run(&["reindex"]).ends(78);
    assert!(ran.err.contains("of another kind in some rows"), "{ran:?}");
}

#[test]
fn json_is_shown_by_an_export() {
    let shop = Shop::new();
    shop.customer("alice");
    let profile = "[[tables.columns]]\ncolumn = \"profile\"\nlabel = \"profile\"\ntype = \"json\"\n";
    shop.configure("", DATABASE, RULES, &format!("{TABLES}{profile}"));
    let connection = shop.connection();
    connection.execute_batch("ALTER TABLE customers ADD profile BLOB").unwrap();
    let no = connection.query_row("SELECT no FROM customers", [], |row| row.get(0)).unwrap();
    let vault = shop.world.application();
    let sealed = vault.seal(no, PROFILE, &Json::new(json!({ "likes": ["tea", 2.5] })).unwrap()).unwrap();
    vault.close().unwrap();
    connection.execute("UPDATE customers SET profile = ?", [sealed]).unwrap();
    let (code, document) = shop.world.json(&["export", "alice"]);
    assert_eq!(code, 0);
    let row = &document["tables"][0]["rows"][0];
    assert_eq!(row["opened"]["orders"]["profile"], json!({ "likes": ["tea", 2.5] }), "{document:#}");
}
