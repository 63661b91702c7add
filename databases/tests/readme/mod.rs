//! What README.md and examples/README.md show of a database does what they say. The snippets are included here and run; what the
//! pages show is these files, word for word.

use oubliette_databases::shop::{self, ALICE, BOB};

mod with_rusqlite {
    include!("rusqlite.rs");

    #[test]
    fn it_registers_finds_and_forgets() {
        use super::*;

        let (vault, db) = (shop::vault(), Connection::open_in_memory().unwrap());
        let table = "CREATE TABLE customers (no INTEGER PRIMARY KEY, email BLOB NOT NULL, email_idx BLOB)";
        db.execute(table, []).unwrap();
        let alice = register(&vault, &db, &shop::email(ALICE)).unwrap();
        let bob = register(&vault, &db, &shop::email(BOB)).unwrap();
        let find = |email| find(&vault, &db, &shop::email(email)).unwrap();
        assert_eq!(find("Alice@EXAMPLE.com"), Some(alice));
        assert_eq!(find("carol@example.com"), None);

        db.execute("CREATE TABLE backup AS SELECT * FROM customers", []).unwrap();
        forget(&vault, &db, alice).unwrap();
        assert_eq!((find(ALICE), find(BOB)), (None, Some(bob)));
        db.execute("INSERT OR REPLACE INTO customers SELECT * FROM backup", []).unwrap();
        assert_eq!((find(ALICE), find(BOB)), (None, Some(bob)), "a restored backup brings nobody back");
    }
}

mod with_sqlx {
    include!("sqlx.rs");

    #[tokio::test]
    #[ignore = "starts a PostgreSQL server of its own; `.ci/run databases` runs it"]
    async fn it_registers_finds_and_forgets() {
        use super::*;

        let (vault, db) = (shop::vault(), PgPool::connect(&oubliette_databases::postgres()).await.unwrap());
        let table = "CREATE TABLE customers (no BIGINT PRIMARY KEY, email BYTEA NOT NULL, email_idx BYTEA)";
        sqlx::query(table).execute(&db).await.unwrap();
        let alice = register(&vault, &db, &shop::email(ALICE)).await.unwrap();
        let bob = register(&vault, &db, &shop::email(BOB)).await.unwrap();
        let find = async |email| find(&vault, &db, &shop::email(email)).await.unwrap();
        assert_eq!(find("Alice@EXAMPLE.com").await, Some(alice));
        assert_eq!(find("carol@example.com").await, None);

        sqlx::query("CREATE TABLE backup AS SELECT * FROM customers").execute(&db).await.unwrap();
        forget(&vault, &db, alice).await.unwrap();
        assert_eq!((find(ALICE).await, find(BOB).await), (None, Some(bob)));
        let restore = "INSERT INTO customers SELECT * FROM backup WHERE no NOT IN (SELECT no FROM customers)";
        assert_eq!(sqlx::query(restore).execute(&db).await.unwrap().rows_affected(), 1);
        assert_eq!((find(ALICE).await, find(BOB).await), (None, Some(bob)), "a restored backup brings nobody back");
    }
}

#[test]
fn the_pages_show_what_is_run_here() {
    let readme = include_str!("../../../README.md");
    assert_eq!(shown(readme, "## In your database\n"), [include_str!("sqlx.rs")]);
    let examples = include_str!("../../../examples/README.md");
    assert_eq!(shown(examples, "## With rusqlite\n"), [include_str!("rusqlite.rs")]);
}

/// The Rust blocks of one section of a page.
fn shown<'page>(page: &'page str, heading: &str) -> Vec<&'page str> {
    let (_, section) = page.split_once(heading).expect("the section");
    let (section, _) = section.split_once("\n##").expect("another section after it");
    section.split("```rust\n").skip(1).map(|block| block.split_once("```").unwrap().0).collect()
}
