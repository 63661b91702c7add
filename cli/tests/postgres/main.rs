//! The command on real PostgreSQL servers: its work with the register, and with vaults whose key store is there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod drills;
mod key_store;
mod key_store_doctor;
mod officer;
#[path = "../commands/page.rs"]
mod page;
#[allow(dead_code)]
#[path = "../../../examples/service/tests/support/postgres.rs"]
mod server;
/// Servers that have standbys, and can be stopped and started again.
#[allow(dead_code)]
#[path = "../../../postgres/tests/postgres/server.rs"]
mod servers;
#[allow(dead_code)]
#[path = "../commands/support.rs"]
mod support;

use std::fs;

use jiff::{SignedDuration, Timestamp, ToSpan};
use oubliette::journal::Receipt;
use oubliette::personal::Email;
use oubliette::{Index, OpenError, Sealed, Vault, bits};
use oubliette_register::{Basis, Evidence, Grant, Keep, Register, RegisterError, Rules, ShredByNumber, Subject};
use serde_json::{Value, json};
use server::Postgres;
use sqlx::{Connection, Executor, PgConnection, PgPool};
use support::{EMAIL, NEWS, NEWS_EMAIL, ORDERS, World};

const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(64));

const CONFIGURATION: &str = r#"
journal = "log/journal"
[database]
postgres_url_file = "url"
[register]
receipts = "receipts"
[retention]
newsletter = { after_grant = "2 years" }
[[tables]]
table = "shop.customers"
number = "no"
purpose = "orders"
numbers = { newsletter = "news_no" }
plain = ["id", "joined"]
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

/// An application in a database of its own.
struct Shop {
    world: World,
    runtime: tokio::runtime::Runtime,
    database: String,
    url: String,
}

struct Person {
    orders: i64,
    news: i64,
    email: Sealed<Email>,
    news_email: Sealed<Email>,
}

impl Shop {
    fn new() -> Shop {
        let world = World::journalled();
        let server = Postgres::shared();
        let database = server.database();
        let url = server.url(&database);
        world.write("url", &url);
        world.configure(CONFIGURATION);
        fs::create_dir(world.path("receipts")).unwrap();
        world.mode("receipts", 0o700);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let shop = Shop { world, runtime, database, url };
        shop.application(async |_, register, connection| {
            register.in_transaction_postgres(connection).create_tables().await.unwrap();
            let tables = "CREATE SCHEMA shop; CREATE TABLE shop.customers (id BIGSERIAL PRIMARY KEY, \
                joined TIMESTAMPTZ NOT NULL DEFAULT now(), no BIGINT UNIQUE, news_no BIGINT, \
                email BYTEA, email_idx BYTEA, news BYTEA)";
            connection.execute(tables).await.unwrap();
        });
        shop
    }

    /// What the application does, in this process.
    fn application<T>(&self, work: impl AsyncFnOnce(&Vault, &Register, &mut PgConnection) -> T) -> T {
        let vault = self.world.application();
        let rules = Rules::new().keep(NEWS, Keep::after_grant(2.years())).tokens("shop.customers", "no", ["email_idx"]);
        let register = Register::new(&vault, rules).unwrap();
        let done = self.runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            let done = work(&vault, &register, &mut connection).await;
            connection.close().await.unwrap();
            let pool = PgPool::connect(&self.url).await.unwrap();
            register.own_transaction_postgres(&pool).flush().await.unwrap();
            pool.close().await;
            done
        });
        drop(register);
        vault.close().unwrap();
        done
    }

    fn customer(&self, id: &str) -> Person {
        self.application(async |vault, register, connection| {
            let subject = Subject::new(id).unwrap();
            let mut on = register.in_transaction_postgres(connection);
            let orders = on.grant(&subject, Grant::on(ORDERS, Basis::Contract)).await.unwrap().number;
            let evidence = Evidence::new(Timestamp::now(), "newsletter, version 3", "sign-up form");
            let news = on.grant(&subject, Grant::consent(NEWS, evidence)).await.unwrap().number;
            let email: Email = secret(id).parse().unwrap();
            let sealed = on.keys(&subject, ORDERS).await.unwrap().seal(EMAIL, &email).unwrap();
            let news_email = on.keys(&subject, NEWS).await.unwrap().seal(NEWS_EMAIL, &email).unwrap();
            let insert = "INSERT INTO shop.customers (no, news_no, email, email_idx, news) VALUES ($1, $2, $3, $4, $5)";
            let token = vault.token(BY_EMAIL, &email).unwrap();
            let row = sqlx::query(insert).bind(orders.to_stored()).bind(news.to_stored()).bind(&sealed);
            row.bind(token).bind(&news_email).execute(connection).await.unwrap();
            Person { orders: orders.to_stored(), news: news.to_stored(), email: sealed, news_email }
        })
    }

    fn ask(&self, sql: &str) -> String {
        Postgres::shared().ask(&self.database, sql)
    }

    fn opens(&self, person: &Person) -> (bool, bool) {
        let vault = self.world.vault();
        let opens = |opened: Result<Email, OpenError>| match opened {
            Ok(_) => true,
            Err(OpenError::Shredded { .. }) => false,
            Err(error) => panic!("{error}"),
        };
        let number = |stored| oubliette::CustomerId::from_stored(stored).unwrap();
        (
            opens(vault.open(number(person.orders), EMAIL, &person.email)),
            opens(vault.open(number(person.news), NEWS_EMAIL, &person.news_email)),
        )
    }
}

fn secret(id: &str) -> String {
    format!("{id}.secret@example.com")
}

#[test]
#[ignore = "starts a PostgreSQL server of its own; `.ci/run databases` runs it"]
fn a_customers_life_with_the_command() {
    let shop = Shop::new();
    let (alice, bob, carol) = (shop.customer("alice"), shop.customer("bob"), shop.customer("carol"));
    let world = &shop.world;
    let secrets = [secret("alice"), secret("bob"), secret("carol")];
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();

    let (code, healthy) = world.json(&["doctor"]);
    assert_eq!((code, &healthy["looked_at"]["register"]), (0, &json!(true)), "{healthy:#}");

    // Access and portability, over PostgreSQL's types.
    let (code, document) = world.json(&["export", "alice"]);
    let row = &document["tables"][0]["rows"][0];
    assert_eq!((code, &row["opened"]["orders"]["email"]), (0, &json!(secret("alice"))), "{document:#}");
    assert!(row["in_clear"]["joined"].is_string(), "{document:#}");
    world.run(&["export", "alice", "--portable", "--output", "out.json"]).ends(0).hides(&secrets);
    let portable: Value = serde_json::from_str(&fs::read_to_string(world.path("out.json")).unwrap()).unwrap();
    assert_eq!(portable["tables"][0]["rows"][0]["opened"]["newsletter"]["news"], secret("alice").as_str());

    // Requests and holds.
    let arrived = (Timestamp::now() - SignedDuration::from_hours(24 * 40)).to_string();
    world.run(&["requests", "add", "bob", "--kind", "erasure", "--arrived", &arrived]).ends(0);
    let (code, late) = world.json(&["requests", "--late"]);
    assert_eq!((code, &late["requests"][0]["subject"]), (2, &json!("bob")));
    let (_, hold) = world.json(&["holds", "add", "bob", "--until", "2099-01-01", "--why", "case 7"]);
    assert_eq!(world.json(&["holds"]).1["holds"][0]["reason"], "case 7");
    let held = world.run(&["erase", "bob", "--why", "request", "--yes"]).ends(4).hides(&secrets);
    assert!(held.err.contains("2099-01-01") && held.err.contains("case 7"), "{held:?}");
    let (code, found) = world.json(&["doctor"]);
    assert!(code == 2 && found["findings"][0]["check"] == "late-request", "{found:#}");

    // Withdrawal, retention, erasure.
    let withdraw = ["withdraw", "alice", "--purpose", "newsletter", "--why", "unsubscribed", "--yes"];
    world.run(&withdraw).ends(0).hides(&secrets);
    assert_eq!((shop.opens(&alice), shop.opens(&bob)), ((true, false), (true, true)));
    shop.ask(
        "UPDATE oubliette_grants SET granted_at = granted_at - 86400000::bigint * 800 WHERE purpose = 'newsletter'",
    );
    let (code, due) = world.json(&["sweep", "--dry-run"]);
    let held: Vec<bool> = due["due"].as_array().unwrap().iter().map(|due| due["held"] == true).collect();
    assert_eq!((code, held.iter().filter(|held| **held).count(), held.len()), (1, 1, 2), "{due:#}");
    let (code, swept) = world.json(&["sweep", "--yes"]);
    assert_eq!((code, &swept["shredded"], &swept["held"]), (0, &json!(1), &json!(1)), "{swept:#}");
    assert_eq!((shop.opens(&bob), shop.opens(&carol)), ((true, true), (true, false)));
    world.run(&["holds", "lift", &hold["hold"].to_string(), "--why", "closed", "--yes"]).ends(0);
    let (code, erased) = world.json(&["erase", "bob", "--why", "request", "--yes", "--receipt", "bob.json"]);
    assert_eq!((code, &erased["erased"], shop.opens(&bob)), (0, &json!(true), (false, false)), "{erased:#}");
    let key = world.run(&["journal", "key"]).ends(0).out;
    let receipt = fs::read_to_string(world.path("bob.json")).unwrap();
    assert_eq!(Receipt::verify(&receipt, &key.trim().parse().unwrap()).unwrap().content().whose.as_str(), "bob");
    assert_eq!(shop.ask("SELECT count(*) FROM shop.customers WHERE email_idx IS NULL"), "1");
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_subjects WHERE subject = 'bob'"), "0");
    assert_eq!(world.json(&["requests"]).1["requests"], json!([]));

    // A breach.
    let (code, breach) = world.json(&[
        "breach",
        "--known-since",
        &Timestamp::now().to_string(),
        "--database",
        &Timestamp::now().to_string(),
    ]);
    let scope = &breach["report"]["scope"];
    assert!(code == 0 && scope["persons_readable"] == 0 && !breach.to_string().contains("alice"), "{breach:#}");
    let (code, healthy) = world.json(&["doctor"]);
    assert_eq!(code, 0, "{healthy:#}");
}

#[test]
#[ignore = "starts a PostgreSQL server of its own; `.ci/run databases` runs it"]
fn a_database_that_was_dumped_and_restored_is_reconciled() {
    let shop = Shop::new();
    let alice = shop.customer("alice");
    let server = Postgres::shared();
    let dump = server::succeeded(server.tool("pg_dump").args(["--clean", "--if-exists", &shop.database]));
    shop.world.run(&["erase", "alice", "--why", "request", "--yes"]).ends(0);
    server.script(&shop.database, std::str::from_utf8(&dump).unwrap());
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_subjects WHERE subject = 'alice'"), "1");
    let ran = shop.world.run(&["requests"]).ends(0).hides(&["alice"]);
    assert!(ran.err.contains("older than the journal") && ran.err.contains("1 customer erased again"), "{ran:?}");
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_subjects WHERE subject = 'alice'"), "0");
    assert_eq!(shop.ask("SELECT count(*) FROM shop.customers WHERE email_idx IS NOT NULL"), "0");
    assert_eq!(shop.opens(&alice), (false, false));
}

#[test]
#[ignore = "starts a PostgreSQL server of its own; `.ci/run databases` runs it"]
fn a_database_that_cannot_be_used_is_said_to_be() {
    let shop = Shop::new();
    let alice = shop.customer("alice");
    let erase = ["erase", "alice", "--why", "request", "--yes"];
    // Without the register's tables; away; and with somebody else's transaction in the way, which is waited for.
    shop.world.write("url", &Postgres::shared().url(&Postgres::shared().database()));
    let ran = shop.world.run(&erase).ends(66);
    assert!(ran.err.contains("has no register"), "{ran:?}");
    shop.world.write("url", "postgres://app:hunter2@127.0.0.1:1/app");
    shop.world.run(&erase).ends(75).hides(&["hunter2", "alice"]);
    shop.world.write("url", &shop.url);
    let child = shop.runtime.block_on(async {
        let mut connection = PgConnection::connect(&shop.url).await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        transaction.execute("SELECT id FROM oubliette_subjects WHERE subject = 'alice' FOR UPDATE").await.unwrap();
        let mut command = shop.world.command(&erase);
        let child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        assert_eq!(shop.opens(&alice), (true, true));
        transaction.rollback().await.unwrap();
        child
    });
    let mut child = child;
    assert!(child.wait().unwrap().success());
    assert_eq!(shop.opens(&alice), (false, false));
}

// Every statement of a shred by number, of key trees that are given up and of requests, in the words of this database.
#[test]
#[ignore = "starts a PostgreSQL server of its own; `.ci/run databases` runs it"]
fn holds_bind_and_requests_stay_closed() {
    let shop = Shop::new();
    let (alice, bob) = (shop.customer("alice"), shop.customer("bob"));
    let (hers, his) = (alice.orders.to_string(), bob.orders.to_string());
    let add = ["holds", "add", "alice", "--until", "2099-06-30", "--why", "case 7", "--purpose", "orders"];
    let (_, hold) = shop.world.json(&add);
    for arguments in [&[&*hers][..], &[&his, &hers], &["--through", &his], &[&hers, "--purpose", "orders"]] {
        let ran = shop.world.run(&[&["shred", "--yes"][..], arguments].concat()).ends(4);
        assert!(ran.err.contains("case 7"), "{ran:?}");
    }
    // Past the command's own look, the register's.
    let refused = shop.application(async |_, register, _| {
        let pool = PgPool::connect(&shop.url).await.unwrap();
        let numbers = [alice.orders, bob.orders].map(|number| oubliette::CustomerId::from_stored(number).unwrap());
        let mut refused = Vec::new();
        for order in [
            ShredByNumber::these(numbers),
            ShredByNumber::these(numbers).purpose(ORDERS),
            ShredByNumber::through(numbers[1]),
        ] {
            refused.push(register.own_transaction_postgres(&pool).shred_numbers(order).await);
        }
        // One that is being placed is waited for.
        let mut placing = pool.begin().await.unwrap();
        let (who, until) = (Subject::new("bob").unwrap(), Timestamp::now() + SignedDuration::from_hours(24));
        let why = || oubliette::journal::Reason::new("case 8").unwrap();
        let second = register.in_transaction_postgres(&mut placing).hold(&who, None, why(), until).await.unwrap();
        let order = ShredByNumber::these([numbers[1]]);
        let (shredding, of) = (register.clone(), pool.clone());
        let shred = tokio::spawn(async move { shredding.own_transaction_postgres(&of).shred_numbers(order).await });
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        assert!(!shred.is_finished(), "it waits for the row");
        placing.commit().await.unwrap();
        refused.push(shred.await.unwrap());
        let mut connection = pool.acquire().await.unwrap();
        register.in_transaction_postgres(&mut connection).end_hold(second, why()).await.unwrap();
        refused
    });
    for refused in refused {
        assert!(matches!(refused, Err(RegisterError::HoldsStand { .. })), "{refused:?}");
    }
    assert_eq!((shop.opens(&alice), shop.opens(&bob)), ((true, true), (true, true)));
    let (_, rotated) = shop.world.json(&["rotate", "purpose", "orders", "--yes"]);
    let tree = rotated["tree"].as_str().unwrap().to_owned();
    shop.world.run(&["retire", "tree", "orders", &tree, "--leave-behind", "--yes"]).ends(4);
    let (code, done) = shop.world.json(&["shred", &alice.news.to_string(), &his, "--why", "asked", "--yes"]);
    assert_eq!((code, &done["overridden"]), (0, &json!([])), "{done}");
    assert_eq!((shop.opens(&alice), shop.opens(&bob)), ((true, false), (false, true)));
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_numbers WHERE state = 'shredded'"), "2");
    assert_eq!(shop.ask("SELECT count(*) FROM oubliette_grants WHERE why = 'asked' AND ended_at IS NOT NULL"), "2");
    assert_eq!(
        shop.world.json(&["resume"]),
        (0, json!({ "finished": null, "awaits_confirmation": false })),
        "it was the register's own"
    );
    let (code, done) = shop.world.json(&["shred", &hers, "--despite-holds", "the court allows it", "--yes"]);
    assert_eq!((code, &done["overridden"]), (0, &json!([hold["hold"]])), "{done}");
    // Nothing of hers is left in the purpose that is held.
    shop.world.run(&["retire", "tree", "orders", &tree, "--leave-behind", "--yes"]).ends(0);

    let add = |kind: &str, days: i64| {
        let arrived = (Timestamp::now() - SignedDuration::from_hours(24 * days)).to_string();
        let (code, done) = shop.world.json(&["requests", "add", "bob", "--kind", kind, "--arrived", &arrived]);
        assert_eq!(code, 0, "{done}");
        done["recorded"]["request"].to_string()
    };
    let (early, late) = (add("access", 2), add("access", 60));
    shop.world.run(&["requests", "extend", &early, "--why", "complex"]).ends(0);
    shop.world.run(&["requests", "extend", &late, "--why", "we were busy"]).ends(77);
    shop.world.run(&["requests", "answer", &early, "refused", "--why", "not you"]).ends(0);
    shop.world.run(&["requests", "answer", &early, "done"]).ends(77);
    shop.world.run(&["requests", "note", &early, "asked again"]).ends(0);
    let (code, done) = shop.world.json(&["erase", "bob", "--why", "request", "--yes"]);
    assert_eq!((code, &done["unanswered"]), (0, &json!(["access"])), "{done}");
    assert_eq!(shop.ask(&format!("SELECT state FROM oubliette_requests WHERE id = {late}")), "unanswered");
    assert_eq!(shop.ask(&format!("SELECT state FROM oubliette_requests WHERE id = {early}")), "refused");
}
