use oubliette::personal::{Canonical, Email, Name};
use oubliette::{CustomerId, Field, Index, Sealed, Token, bits};
use rusqlite::{Connection, params};
use serde_json::json;

use crate::support::{EMAIL, NEWS_EMAIL, ORDERS, World};

const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(64));

const COLUMNS: &str = r#"
[database]
sqlite = "app.db"
[[tables]]
table = "customers"
number = "no"
purpose = "orders"
plain = ["id"]
[[tables.columns]]
column = "email"
label = "email"
type = "email"
index = { column = "email_idx", label = "exact", bits = 64 }
[[tables.columns]]
column = "news"
purpose = "newsletter"
label = "email"
type = "obl.email"
context = "id"
"#;

/// An application's table, with rows of this many customers.
pub fn shop(rows: usize) -> (World, Connection, Vec<CustomerId>) {
    let world = World::new();
    world.configure(COLUMNS);
    let database = Connection::open(world.path("app.db")).unwrap();
    database
        .execute_batch(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY, no BIGINT UNIQUE, email BLOB, email_idx BLOB, news BLOB)",
        )
        .unwrap();
    let vault = world.vault();
    let numbers = (0..rows).map(|row| {
        let (no, email) = (vault.enroll().unwrap(), format!("row{row}@example.com").parse::<Email>().unwrap());
        let id = i64::try_from(row).unwrap();
        let sealed = vault.seal(no, EMAIL, &email).unwrap();
        let news = vault.seal(no, NEWS_EMAIL.within(&id.to_be_bytes()), &email).unwrap();
        let token = vault.token(BY_EMAIL, &email).unwrap();
        let insert = "INSERT INTO customers VALUES (?, ?, ?, ?, ?)";
        database.execute(insert, params![id, no, sealed, token, news]).unwrap();
        no
    });
    let numbers = numbers.collect();
    (world, database, numbers)
}

pub fn epochs(database: &Connection) -> Vec<Option<u8>> {
    let mut select = database.prepare("SELECT email_idx FROM customers ORDER BY id").unwrap();
    let tokens = select.query_map([], |row| row.get::<_, Option<Token<Email>>>(0)).unwrap();
    tokens.map(|token| token.unwrap().map(|token| token.epoch().number())).collect()
}

#[test]
fn tokens_are_renewed_and_those_of_the_shredded_emptied() {
    let (world, database, numbers) = shop(7);
    world.run(&["rotate", "index", "customers.email", "--yes"]).ends(0);
    world.run(&["shred", &numbers[2].to_string(), "--yes", "--wait"]).ends(0);
    let (code, checked) = world.json(&["reindex", "--check"]);
    assert_eq!(code, 1);
    let remaining = checked["checked"][0]["remaining"].as_array().unwrap();
    assert!(remaining.iter().all(|it| it["column"] == "email_idx"), "{checked}");
    let (code, done) = world.json(&["reindex", "--batch", "2"]);
    assert_eq!(code, 0);
    assert_eq!(done["reindexed"][0]["looked_at"], 7);
    assert_eq!(done["reindexed"][0]["bookmark"], "6");
    assert_eq!(epochs(&database), [Some(1), Some(1), None, Some(1), Some(1), Some(1), Some(1)]);
    world.run(&["reindex", "--check"]).ends(0);
    let ran = world.run(&["reindex", "customers.email"]).ends(0);
    assert!(ran.out.contains("7 rows looked at, 0 changed"), "{ran:?}");
}

/// An index on the wide form gets tokens of that form.
#[test]
fn tokens_are_of_the_form_that_is_configured() {
    const NAME: Field<Name> = ORDERS.field("name");
    const HEARD: Index<Name> = NAME.index_by("heard", bits(64), Canonical::wide_form);
    let world = World::new();
    let columns = COLUMNS.split("[[tables.columns]]").next().unwrap();
    world.configure(&format!(
        "{columns}[[tables.columns]]\ncolumn = \"name\"\nlabel = \"name\"\ntype = \"name\"\n\
         index = {{ column = \"name_idx\", label = \"heard\", bits = 64, form = \"wide\" }}\n"
    ));
    let database = Connection::open(world.path("app.db")).unwrap();
    database
        .execute_batch("CREATE TABLE customers (id INTEGER PRIMARY KEY, no BIGINT, name BLOB, name_idx BLOB)")
        .unwrap();
    let vault = world.vault();
    let (no, name) = (vault.enroll().unwrap(), "José Müller".parse::<Name>().unwrap());
    let sealed = vault.seal(no, NAME, &name).unwrap();
    database.execute("INSERT INTO customers VALUES (1, ?, ?, NULL)", params![no, sealed]).unwrap();
    world.run(&["reindex"]).ends(0);
    let heard = vault.tokens(HEARD, &"jose mueller".parse().unwrap()).unwrap();
    let token: Token<Name> = database.query_row("SELECT name_idx FROM customers", [], |row| row.get(0)).unwrap();
    assert!(heard.contains(&token));
}

#[test]
fn values_are_resealed_before_a_tree_is_retired() {
    let (world, database, numbers) = shop(3);
    let (_, rotated) = world.json(&["rotate", "purpose", "newsletter", "--yes"]);
    world.run(&["reindex", "--reseal", "--check"]).ends(1);
    world.run(&["reindex", "--reseal"]).ends(0);
    world.run(&["reindex", "--reseal", "--check"]).ends(0);
    world.run(&["retire", "tree", "newsletter", rotated["tree"].as_str().unwrap(), "--yes"]).ends(0);
    let vault = world.vault();
    for (id, number) in [0_i64, 1, 2].into_iter().zip(numbers) {
        let select = "SELECT news FROM customers WHERE id = ?";
        let news: Sealed<Email> = database.query_row(select, [id], |row| row.get(0)).unwrap();
        assert!(vault.open(number, NEWS_EMAIL.within(&id.to_be_bytes()), &news).is_ok());
    }
}

#[test]
fn rows_with_problems_are_named_and_not_quoted() {
    let (world, database, _) = shop(4);
    database.execute("UPDATE customers SET email = 'secret@example.com', email_idx = NULL WHERE id = 1", []).unwrap();
    world.run(&["rotate", "index", "customers.email", "--yes"]).ends(0);
    let ran = world.run(&["reindex"]).ends(2).hides(&["secret@example.com"]);
    assert!(ran.err.contains("email"), "{ran:?}");
    let (code, done) = world.json(&["reindex", "--tolerate", "5"]);
    assert_eq!((code, &done["reindexed"][0]["problems"][0]["key"]), (1, &json!("1")));
    assert_eq!(epochs(&database), [Some(1), None, Some(1), Some(1)]);
}

#[test]
fn what_cannot_be_worked_on_is_refused() {
    let (world, database, _) = shop(1);
    world.run(&["reindex", "customers.phone"]).ends(64);
    world.run(&["reindex", "customers.news"]).ends(64);
    world.configure(&COLUMNS.replace("app.db", "absent.db"));
    world.run(&["reindex"]).ends(66);
    assert!(!world.path("absent.db").exists());
    world.configure(&COLUMNS.replace("email_idx", "absent_idx"));
    let ran = world.run(&["reindex"]).ends(75);
    assert!(ran.err.contains("absent_idx"), "{ran:?}");
    world.configure("");
    world.run(&["reindex"]).ends(64);
    assert_eq!(epochs(&database), [Some(0)]);
}

#[test]
fn a_database_url_stays_out_of_sight() {
    let (world, _, _) = shop(1);
    let secret = "hunter2";
    let columns = COLUMNS.replace("sqlite = \"app.db\"", "postgres_url_file = \"url\"");
    world.configure(&columns);
    world.write("url", &format!("postgres://app:{secret}@127.0.0.1:1/app\n"));
    world.run(&["reindex"]).ends(75).hides(&[secret]);
    world.write("url", &format!("mysql:/{secret}@@@"));
    world.run(&["reindex"]).ends(78).hides(&[secret]);
    world.mode("url", 0o644);
    world.run(&["reindex"]).ends(77).hides(&[secret]);
    world.configure(&columns.replace("postgres_url_file = \"url\"", "postgres_url_env = \"NO_SUCH_VARIABLE\""));
    let ran = world.run(&["reindex"]).ends(78);
    assert!(ran.err.contains("NO_SUCH_VARIABLE"), "{ran:?}");
}

/// Written by an application with fewer bits, or by one that forgot the token: the first is seen without opening a value.
#[test]
fn tokens_that_no_search_finds_are_seen_and_renewed() {
    const FEWER: Index<Email> = EMAIL.index("exact", bits(32));
    let (world, database, _) = shop(5);
    let vault = world.vault();
    for row in 0..2 {
        let token = vault.token(FEWER, &format!("row{row}@example.com").parse().unwrap()).unwrap();
        database.execute("UPDATE customers SET email_idx = ? WHERE id = ?", params![token, row]).unwrap();
    }
    let other = vault.token(BY_EMAIL, &"before@example.com".parse().unwrap()).unwrap();
    database.execute("UPDATE customers SET email_idx = ? WHERE id = 3", params![other]).unwrap();
    vault.close().unwrap();
    let remaining = |arguments: &[&str]| {
        let (code, checked) = world.json(arguments);
        let rows = checked["checked"][0]["remaining"][0]["rows"].as_u64();
        (code, rows.unwrap_or(0))
    };
    assert_eq!(remaining(&["reindex", "--check"]), (1, 2));
    assert_eq!(remaining(&["reindex", "--check", "--verify"]), (1, 3));
    let found = world.run(&["doctor"]).ends(1);
    assert!(
        found.out.contains("2 rows (the first: 0, 1)") && found.out.contains("does not find these rows"),
        "{found:?}"
    );
    world.run(&["reindex"]).ends(0);
    world.run(&["doctor"]).ends(0);
    assert_eq!(remaining(&["reindex", "--check", "--verify"]), (1, 1));
    world.run(&["reindex", "--verify"]).ends(0);
    assert_eq!(remaining(&["reindex", "--check", "--verify"]), (0, 0));
}

/// An upsert by token that writes the value and keeps the row's number.
#[test]
fn a_value_under_another_number_than_the_rows_is_grave() {
    let (world, database, numbers) = shop(3);
    let vault = world.vault();
    let sealed = vault.seal(vault.enroll().unwrap(), EMAIL, &"row1@example.com".parse().unwrap()).unwrap();
    database.execute("UPDATE customers SET email = ? WHERE id = 1", params![sealed]).unwrap();
    vault.close().unwrap();
    world.run(&["shred", &numbers[1].to_string(), "--yes"]).ends(0);
    let found = world.run(&["doctor"]).ends(2);
    assert!(
        found.out.contains("GRAVE: customers.email: 1 row (the first: 1) with a value that is sealed under another"),
        "{found:?}"
    );
    assert!(!found.out.contains("example.com"), "{found:?}");
    let checked = world.run(&["reindex", "--check"]).ends(1);
    assert!(checked.out.contains("sealed under another number than the row's"), "{checked:?}");
    let refused = world.run(&["reindex"]).ends(2);
    assert!(refused.err.contains("but the row has a different number"), "{refused:?}");
}

#[test]
fn doctor_says_what_of_the_rows_it_could_not_look_at() {
    let (world, database, _) = shop(1);
    world.configure(&COLUMNS.replace("\"newsletter\"", "\"news\""));
    let found = world.run(&["doctor"]).ends(1);
    assert!(found.out.contains("rows were not checked") && found.out.contains("\"news\""), "{found:?}");
    world.configure(COLUMNS);
    database.execute_batch("ALTER TABLE customers RENAME TO people").unwrap();
    let found = world.run(&["doctor"]).ends(1);
    assert!(found.out.contains("rows were not checked"), "{found:?}");
}
