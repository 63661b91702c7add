//! One customer's life with a shop, for developers and privacy officers:
//! `cargo run -p oubliette-register --example life --features age`
//!
//! Alice signs up, orders, has a parcel sent, leaves the newsletter, asks what is held on her, asks to be erased; then a
//! backup brings her row back, and that backup turns out to have been stolen. Each step is one or two calls of the register
//! and names the article that it supports. Every claim printed is checked first; if one is false, the program says so and
//! fails.
//!
//! What lies where, below `target/life` (or the directory named by `LIFE_DIR`):
//!
//! - `shop/shop.sqlite`: the live database with the register's tables in it, made anew in each run;
//! - `backups/last-night.sqlite`: its backup;
//! - `privacy/`, `journal/`: the vault and its journal, which no backup of the database holds. The first run creates them;
//! - `carrier/`, `alice/`, `officer/`: what was handed to each, the officer's copy of the public key among it.
//!
//! The passphrase is **for this demonstration only**. Left out: a second disk for the vault (`VaultBuilder::mirror`), legal
//! holds, retention that comes due (`sweep`), limits and audits of reading. The guide in the crate's documentation has them.

// Of JSON, where what is missing is null, and of lists whose length was claimed before.
#![allow(clippy::indexing_slicing)]

#[path = "life/outside.rs"]
mod outside;
#[path = "life/shop.rs"]
mod shop;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use age::x25519::Identity;
use jiff::Timestamp;
use oubliette::journal::Reason;
use oubliette::testing::assert_no_plaintext; // feature `testing`: for demonstrations and tests only
use oubliette::{OpenError, RootKey, Vault};
use oubliette_register::breach::{Breach, Column, Leak};
use oubliette_register::{
    Answer, Basis, Disclosure, DisclosureError, Evidence, Grant, Register, RegisterError, RequestKind, Subject,
};
use rusqlite::Connection;
use rusqlite::backup::Progress;
use serde_json::Value;

use outside::{decrypted, officer, rows};
use shop::{ADDRESS, Customer, NAME, NEWSLETTER, ORDERS, Order};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// None of it may stand in a file in clear.
const PERSONAL: [&str; 4] = ["Bhriain", "alice@example", "rue de la Paix", "bob@example"];

fn run() -> Result<()> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let home = env::var_os("LIFE_DIR").map_or_else(|| base.join("target/life"), PathBuf::from);
    for place in ["shop", "backups", "journal", "carrier", "alice", "officer"] {
        fs::create_dir_all(home.join(place))?;
    }
    let (live, backup) = (home.join("shop/shop.sqlite"), home.join("backups/last-night.sqlite"));
    for file in [&live, &backup] {
        let _ = fs::remove_file(file);
    }
    let journal = home.join("journal/privacy.journal");
    let (public_key, receipt_file) = (home.join("officer/vault.pub"), home.join("alice/receipt.json"));

    println!("oubliette: one customer's life with a shop, and what her privacy officer can show for it.");
    let builder = Vault::at(home.join("privacy")).purposes([ORDERS, NEWSLETTER]).journal(&journal);
    let key = RootKey::passphrase("for this demonstration only");
    // Once, by hand or by a script: a service only unlocks, so that a mistyped path or a disk that is not mounted is an error, and no new vault.
    let vault = if home.join("privacy").exists() { builder.unlock(key)? } else { builder.create(key)? };
    fs::write(&public_key, vault.public_key()?.to_string())?;
    let mut db = Connection::open(&live)?;
    db.execute_batch(shop::SCHEMA)?;
    let register = Register::new(&vault, shop::rules())?;
    register.in_transaction(&db).create_tables()?;
    register.own_transaction(&mut db).resume()?; // at every start: finishes what was interrupted
    let declared = shop::declared();
    let (alice, bob) = (Subject::new(1001)?, Subject::new(1002)?);

    // Grants and rows in one transaction of the application's: both are there, or neither is.
    let sign_up = db.transaction()?;
    register.in_transaction(&sign_up).grant(&alice, Grant::on(ORDERS, Basis::Contract))?;
    let evidence = Evidence::new(Timestamp::now(), "newsletter, version 3", "box ticked on the sign-up form");
    register.in_transaction(&sign_up).grant(&alice, Grant::consent(NEWSLETTER, evidence))?;
    register.in_transaction(&sign_up).grant(&bob, Grant::on(ORDERS, Basis::Contract))?;
    let orders = register.in_transaction(&sign_up).keys(&alice, ORDERS)?.customer();
    let news = register.in_transaction(&sign_up).keys(&alice, NEWSLETTER)?.customer();
    Customer::alice(orders, news)?.store(&vault, &sign_up)?;
    Customer::bob(register.in_transaction(&sign_up).keys(&bob, ORDERS)?.customer())?.store(&vault, &sign_up)?;
    sign_up.commit()?;
    let refused = register.in_transaction(&db).keys(&bob, NEWSLETTER);
    claim(matches!(refused, Err(RegisterError::NoGrant { .. })), "without a consent there is no key to seal with")?;
    step(
        1,
        "Sign-up",
        "Art. 6, 7",
        "Alice makes a contract and consents to the newsletter; when, to which text and how is recorded.\n\
         Bob only makes a contract: asked for a key for Bob's newsletter, the register refuses.",
    );

    Order::new(4711, orders)?.store(&vault, &db)?;
    Order::new(4712, orders)?.store(&vault, &db)?;
    register.in_transaction(&db).mark(&alice, "order", Timestamp::now())?; // retention counts from her last order
    step(
        2,
        "Orders",
        "Art. 5",
        "Alice orders twice. By rule, data of orders is kept for ten years after the last one.",
    );

    let (carrier, stranger) = (Identity::generate(), Identity::generate());
    register.in_transaction(&db).set_key("carrier", &carrier.to_public().to_string())?;
    register.in_transaction(&db).describe_recipient("carrier", "privacy@carrier.example")?;
    let label = Disclosure::to("carrier").field(NAME).field(ADDRESS).column("orders", "id").only("orders", "id", 4711);
    let refused = register.own_transaction(&mut db).disclose(&declared, &alice, &label);
    claim(matches!(refused, Err(DisclosureError::NoGrant { .. })), "without a grant nothing is handed on")?;
    register.in_transaction(&db).grant(&alice, Grant::on(ORDERS, Basis::Contract).to("carrier"))?;
    let parcel = register.own_transaction(&mut db).disclose(&declared, &alice, &label)?;
    fs::write(home.join("carrier/parcel-4711.age"), &parcel)?;
    let read = decrypted(&parcel, &carrier)?;
    claim(rows(&read, "customers").len() == 1 && rows(&read, "orders").len() == 1, "one order, and not the other")?;
    claim(rows(&read, "customers")[0]["name"] == "Alice Ní Bhriain", "the carrier reads the name")?;
    claim(!read.to_string().contains("example.com"), "and not the email, which it does not need")?;
    claim(decrypted(&parcel, &stranger).is_err(), "nobody else opens the file")?;
    step(
        3,
        "Disclosure",
        "Art. 28, 30",
        "The carrier needs name and address of order 4711. Refused without a grant; with one, it is written down\n\
         and leaves encrypted to the carrier's own key, which alone opens it. The email does not leave.",
    );

    let sealed = Customer::read(&db, 1001)?;
    register.own_transaction(&mut db).withdraw(&alice, NEWSLETTER, Reason::new("unsubscribed by link")?)?;
    let row = sealed.open(&vault)?;
    claim(row.news_email == oubliette::Held::Shredded, "the newsletter's email is gone")?;
    claim(row.email.expose_personal_data() == "alice@example.com", "the order's email stays")?;
    step(
        4,
        "Withdrawal",
        "Art. 7(3)",
        "Alice leaves the newsletter. Her email as kept for that purpose can never be read again, in any copy of\n\
         the database; as kept for her orders it can. A consent given again would get new keys, and revive nothing.",
    );

    let request = register.in_transaction(&db).request(&alice, RequestKind::Access, Timestamp::now())?;
    let answer = register.in_transaction(&db).access(&declared, &alice)?;
    let told: Value = serde_json::from_str(answer.expose_personal_data())?;
    claim(told["disclosures"][0]["recipient"] == "carrier", "it says who received what")?;
    claim(rows(&told, "customers").len() == 1, "it has her row")?;
    claim(rows(&told, "customers")[0]["opened"]["orders"]["name"] == "Alice Ní Bhriain", "it has her data")?;
    claim(rows(&told, "orders").len() == 2 && told["purposes"][0]["purpose"] == "newsletter", "all of it, by purpose")?;
    register.in_transaction(&db).close_request(request.id, Answer::Done, None)?;
    step(
        5,
        "Access",
        "Art. 15",
        &format!(
            "Alice asks what is held on her; due by {:.0}. One call answers with JSON of {} bytes:\n\
             her data by purpose, on which basis, how long, who received what, and what was withdrawn.",
            request.due_at,
            answer.len(),
        ),
    );

    let (backed_up_at, that_night) = (Timestamp::now(), vault.generation()?);
    db.backup("main", &backup, None::<fn(Progress)>)?;
    step(6, "Backup", "Art. 32", "The database is backed up, as every night. The vault and its journal are not in it.");

    let request = register.in_transaction(&db).request(&alice, RequestKind::Erasure, Timestamp::now())?;
    let to_tell = register.in_transaction(&db).recipients_of(&alice)?; // before: afterwards nobody knows whose they were
    claim(to_tell.len() == 1 && to_tell[0].about.as_deref() == Some("privacy@carrier.example"), "whom to tell")?;
    let erased = register.own_transaction(&mut db).erase(&alice, Reason::new("asked for, Art. 17")?)?;
    let receipt = erased.receipt.ok_or("this claim is false: there is a receipt")?;
    fs::write(&receipt_file, receipt.to_string())?;
    claim(matches!(sealed.open(&vault), Err(OpenError::Shredded { .. })), "her row does not open")?;
    claim(register.in_transaction(&db).requests()?.iter().all(|open| open.id != request.id), "the request is closed")?;
    db.execute("DELETE FROM customers WHERE id = 1001", [])?;
    db.execute("DELETE FROM orders WHERE no = ?1", [orders])?;
    step(
        7,
        "Erasure",
        "Art. 17, 19",
        &format!(
            "Alice asks to be erased, and is at once (a rule may grant days of grace first). All that is sealed of\n\
             her is unreadable in every copy of the database; her rows are deleted as usual.\nTo be told: {}.",
            to_tell[0].about.as_deref().unwrap_or_default(),
        ),
    );

    let remains = officer(&receipt_file, &public_key, &journal)?;
    step(
        8,
        "Receipt",
        "Art. 5(2)",
        &format!(
            "Alice gets a signed receipt. Her officer checks it offline, with the public key alone, and finds its\n\
             entries in the journal; with one letter changed it is refused. It says what may remain, such as\n\"{remains}\"."
        ),
    );

    db.restore("main", &backup, None::<fn(Progress)>)?;
    let sealed = Customer::read(&db, 1001)?; // the backup has her row
    claim(matches!(sealed.open(&vault), Err(OpenError::Shredded { .. })), "what the backup brings back does not open")?;
    let reconciled = register.own_transaction(&mut db).reconcile()?; // `resume`, at the next start, does it too
    claim(reconciled.erased_again == 1 && reconciled.ownerless.is_empty(), "she is erased again, and nobody was lost")?;
    let keys = register.in_transaction(&db).keys(&alice, ORDERS);
    claim(matches!(keys, Err(RegisterError::NoGrant { .. })), "the register does not know her any more")?;
    let tokens = "SELECT count(*) FROM customers WHERE id = 1001 AND email_idx IS NOT NULL";
    claim(db.query_row(tokens, [], |row| row.get::<_, i64>(0))? == 0, "her search token is cleared again")?;
    claim(Customer::read(&db, 1002)?.open(&vault)?.email.expose_personal_data() == "bob@example.com", "Bob is there")?;
    db.execute("DELETE FROM customers WHERE id = 1001", [])?;
    db.execute("DELETE FROM orders WHERE no = ?1", [orders])?;
    step(
        9,
        "Restore",
        "Art. 17, 32",
        "The disk fails; the backup of step 6 goes over the database, and brings Alice's row back. It does not\n\
         open. The register sees that the journal knows more than it does, and records her as erased again.",
    );

    let columns = [Column::all_of("customers", Customer::FIELDS), Column::all_of("orders", Order::FIELDS)].concat();
    let facts = register.in_transaction(&db).breach_situation(columns, None)?;
    let stolen = Breach::known_since(Timestamp::now())
        .categories("customers of the shop")
        .contact("privacy@shop.example")
        .leaked(Leak::Database { at: backed_up_at });
    let assess = |breach: Breach| breach.assess(&facts, Timestamp::now());
    let found = assess(stolen.clone());
    let scope = found.report().scope;
    claim(
        (scope.persons, scope.persons_readable, scope.persons_without_id) == (2, 0, 1),
        "two persons, none readable",
    )?;
    fs::write(home.join("officer/breach.md"), found.report().to_markdown())?;
    // What it would be with the key store and its root key in the same hands: those of today, and those of that night.
    let keys = |generation| stolen.clone().leaked_all(Leak::key_store(generation)).leaked(Leak::RootKey { generation });
    let readable = |generation| {
        // Alice has no id any more, so she comes first.
        let customers = assess(keys(generation)).customers().to_vec();
        customers.iter().flat_map(|person| &person.purposes).map(|of| of.readable.join(", ")).collect::<Vec<_>>()
    };
    let (today, then) = (readable(vault.generation()?), readable(that_night));
    let all = "customers.name, customers.email, customers.email_idx, orders.address";
    claim(today == ["customers.email_idx", all], "with today's keys: all of Bob, and of Alice a token")?;
    claim(then == [all, all], "with that night's keys: all of both")?;
    step(
        10,
        "Breach",
        "Art. 33, 34",
        &format!(
            "That backup was stolen. The report for the authority, to be sent by {:.0}:\n\
             {} persons concerned, one of them erased since; readable: {}. Had today's key store and root key been\n\
             stolen too, Bob would be readable, and guesses at Alice's email could be tried on her search token (until\n\
             the index's epoch is retired). With the key store of that night, both would be: keep no copies of it.",
            found.report().notify_by,
            scope.persons,
            scope.persons_readable,
        ),
    );

    vault.close()?;
    drop(db);
    let mut searched = 0;
    for file in [&live, &backup, &journal, &receipt_file, &home.join("officer/breach.md")] {
        assert_no_plaintext(&fs::read(file)?, PERSONAL);
        searched += 1;
    }
    println!(
        "\nEvery claim above was checked, and {searched} files were searched for personal texts: none is there.\n\
         What this rests on: no copy of privacy/ from before an erasure, with its passphrase, is left anywhere. What it\n\
         cannot reach: what was read, printed or handed on, such as the carrier's parcel. See SECURITY.md.\n\
         Look at {}",
        home.display(),
    );
    Ok(())
}

fn claim(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(format!("this claim is false: {what}").into()) }
}

fn step(number: u8, title: &str, article: &str, text: &str) {
    println!("\n{number:>2}. {title} ({article} GDPR)\n    {}", text.replace('\n', "\n    "));
}

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("\nlife failed: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
    ExitCode::FAILURE
}
