//! Drills 1 to 7 of DRILLS.md, line by line, on a shop with a register in SQLite: what an operator types, and what the page says of it. What opens afterwards is
//! looked at apart from the command.

use std::fs;

use jiff::Timestamp;
use oubliette::journal::Receipt;
use oubliette::personal::Email;
use oubliette::{
    CustomerId, OpenError, RootKey, Sealed, Vault, VaultBuilder,
    recovery::{RecoverError, Recovery},
};
use oubliette_register::{Basis, Evidence, Grant, Register, RegisterError, Subject};
use rusqlite::{Connection, params};

use crate::page::{run, steps, steps_around};
use crate::shop::{BY_EMAIL, RULES, TABLES, rules};
use crate::support::{EMAIL, NEWS, NEWS_EMAIL, ORDERS, World};

const CONFIGURATION: &str = "vault = \"privacy\"\njournal = \"journal/privacy.journal\"\n\n[root_key]\nkey_file = \"key\"\n\
    [database]\nsqlite = \"shop/shop.sqlite\"\n";

/// Three customers, of whom 1002 is erased after last night's copy, and what the drills are told of it.
struct Drill {
    world: World,
    rows: Vec<Row>,
    variables: Vec<(&'static str, String)>,
}

struct Row {
    orders: CustomerId,
    news: CustomerId,
    email: Sealed<Email>,
    news_email: Sealed<Email>,
}

impl Drill {
    /// Does what the page says to do before.
    fn new() -> Drill {
        let world = World::empty();
        for directory in ["drill", "drill/journal", "drill/shop", "drill/receipts"] {
            fs::create_dir(world.path(directory)).unwrap();
            world.mode(directory, 0o700);
        }
        world.write("drill/key", &"07".repeat(32));
        world.write("drill/oubliette.toml", &format!("copy = true\n{CONFIGURATION}{RULES}{TABLES}"));
        let builder = Vault::at(world.path("drill/privacy")).purposes([ORDERS, NEWS]);
        let vault =
            builder.journal(world.path("drill/journal/privacy.journal")).create(RootKey::bytes([7; 32])).unwrap();
        let register = Register::new(&vault, rules()).unwrap();
        let mut connection = Connection::open(world.path("drill/shop/shop.sqlite")).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE customers (id INTEGER PRIMARY KEY, no BIGINT UNIQUE, news_no BIGINT, \
                 email BLOB, email_idx BLOB, news BLOB)",
            )
            .unwrap();
        register.in_transaction(&connection).create_tables().unwrap();
        let rows: Vec<Row> = [1001, 1002, 1003].map(|id| sign_up(&vault, &register, &connection, id)).into();
        register.own_transaction(&mut connection).flush().unwrap();
        drop(register);
        vault.close().unwrap();
        let mut drill = Drill { world, rows, variables: Vec::new() };
        drill.shell("mkdir last-night && cp -a privacy journal shop last-night/");
        drill.steps("Before");
        let verified = drill.shell("oubliette journal verify");
        let anchor = verified.split_whitespace().find(|word| word.contains(':') && word.len() > 40).unwrap().to_owned();
        let highest = drill.rows.iter().map(|row| row.news.max(row.orders)).max().unwrap();
        let entries = fs::read_to_string(drill.world.path("drill/last-night/journal/privacy.journal")).unwrap();
        drill.variables.push(("ANCHOR", anchor));
        drill.variables.push(("HIGHEST", highest.to_string()));
        drill.variables.push(("LAST", entries.lines().count().to_string()));
        drill
    }

    fn shell(&self, script: &str) -> String {
        self.world.shell(&format!("cd drill && {script}")).ends(0).out
    }

    fn steps(&self, heading: &str) {
        for step in steps(heading) {
            run(&self.world, "cd drill", &self.variables, &step);
        }
    }

    /// Everybody but 1002 opens, with this key file, and a new customer gets a number that nobody had.
    fn ends_well(&self, key_file: &str) {
        self.ends_well_in("privacy", key_file);
    }

    fn ends_well_in(&self, vault: &str, key_file: &str) {
        let digits = fs::read_to_string(self.world.path("drill").join(key_file)).unwrap();
        let mut key = [0; 32];
        for (byte, at) in key.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        }
        let builder = Vault::at(self.world.path("drill").join(vault)).purposes([ORDERS, NEWS]).as_copy();
        let vault =
            builder.journal(self.world.path("drill/journal/privacy.journal")).unlock(RootKey::bytes(key)).unwrap();
        let opens = |opened: Result<Email, OpenError>| match opened {
            Ok(_) => true,
            Err(OpenError::Shredded { .. }) => false,
            Err(error) => panic!("{error}"),
        };
        let of = |row: &Row| {
            [opens(vault.open(row.orders, EMAIL, &row.email)), opens(vault.open(row.news, NEWS_EMAIL, &row.news_email))]
        };
        assert_eq!(self.rows.iter().map(of).collect::<Vec<_>>(), [[true; 2], [false; 2], [true; 2]]);
        let register = Register::new(&vault, rules()).unwrap();
        let mut connection = Connection::open(self.world.path("drill/shop/shop.sqlite")).unwrap();
        register.own_transaction(&mut connection).resume().unwrap();
        let back = register.in_transaction(&connection).keys(&Subject::new(1002).unwrap(), ORDERS);
        assert!(matches!(back, Err(RegisterError::NoGrant { .. })), "{back:?}");
        let new = sign_up(&vault, &register, &connection, 1004);
        let highest = self.rows.iter().map(|row| row.news.max(row.orders)).max().unwrap();
        assert!(new.orders > highest && new.news > highest);
    }
}

fn sign_up(vault: &Vault, register: &Register, connection: &Connection, id: i64) -> Row {
    let subject = Subject::new(id).unwrap();
    let register = register.in_transaction(connection);
    let orders = register.grant(&subject, Grant::on(ORDERS, Basis::Contract)).unwrap().number;
    let evidence = Evidence::new(Timestamp::now(), "newsletter, version 3", "sign-up form");
    let news = register.grant(&subject, Grant::consent(NEWS, evidence)).unwrap().number;
    register.mark(&subject, "order", Timestamp::now()).unwrap();
    let email: Email = format!("customer.{id}@example.com").parse().unwrap();
    let sealed = register.keys(&subject, ORDERS).unwrap().seal(EMAIL, &email).unwrap();
    let of_news = register.keys(&subject, NEWS).unwrap().seal(NEWS_EMAIL, &email).unwrap();
    let token = vault.token(BY_EMAIL, &email).unwrap();
    let insert = "INSERT INTO customers (id, no, news_no, email, email_idx, news) VALUES (?, ?, ?, ?, ?, ?)";
    connection.execute(insert, params![id, orders, news, sealed, token, of_news]).unwrap();
    Row { orders, news, email: sealed, news_email: of_news }
}

#[test]
#[ignore = "needs sqlite3 on the PATH; `.ci/run databases` runs it"]
fn the_database_was_restored() {
    let drill = Drill::new();
    drill.steps("1. The database");
    drill.ends_well("key");
}

#[test]
#[ignore = "needs sqlite3 on the PATH; `.ci/run databases` runs it"]
fn the_vault_was_restored() {
    let drill = Drill::new();
    drill.steps("2. The vault");
    drill.ends_well("new.key");
}

#[test]
#[ignore = "needs sqlite3 on the PATH; `.ci/run databases` runs it"]
fn the_first_place_was_lost() {
    let drill = Drill::new();
    drill.steps("The first place is lost, and there is a mirror");
    drill.ends_well_in("mirror", "key");
}

#[test]
#[ignore = "needs sqlite3 on the PATH; `.ci/run databases` runs it"]
fn the_journal_was_restored() {
    let drill = Drill::new();
    drill.steps("3. The journal");
    drill.steps("From the table");
    drill.ends_well("key");
}

#[test]
#[ignore = "needs sqlite3 on the PATH; `.ci/run databases` runs it"]
fn the_journal_was_lost() {
    let drill = Drill::new();
    drill.steps("3. The journal");
    drill.steps("Nobody has the lines");
    drill.ends_well("key");
}

#[test]
#[ignore = "needs sqlite3 on the PATH; `.ci/run databases` runs it"]
fn database_and_vault_were_restored() {
    let drill = Drill::new();
    drill.shell("cp last-night/shop/shop.sqlite shop/");
    drill.steps("2. The vault");
    drill.ends_well("new.key");
}

#[test]
#[ignore = "needs sqlite3 on the PATH; `.ci/run databases` runs it"]
fn database_and_journal_were_restored() {
    let drill = Drill::new();
    drill.steps("5. Database and journal");
    drill.ends_well("key");
}

#[test]
#[ignore = "needs sqlite3 on the PATH; `.ci/run databases` runs it"]
fn vault_and_journal_were_restored() {
    let drill = Drill::new();
    drill.steps("6. Vault and journal");
    drill.ends_well("new.key");
}

#[test]
#[ignore = "needs sqlite3 on the PATH; `.ci/run databases` runs it"]
fn everything_was_restored() {
    let drill = Drill::new();
    let noted = drill.shell("oubliette status --json");
    let noted: serde_json::Value = serde_json::from_str(&noted).unwrap();
    let key = drill.shell("oubliette journal key").trim().parse().unwrap();
    let receipt = Receipt::verify(&fs::read_to_string(drill.world.path("drill/bob.json")).unwrap(), &key).unwrap();
    let numbers: Vec<CustomerId> = receipt
        .content()
        .numbers
        .ranges()
        .flat_map(|(first, last)| (first.get()..=last.get()).map(|number| number.to_string().parse().unwrap()))
        .collect();
    let (before, after) = steps_around("7. Everything", "```rust");
    before.iter().for_each(|step| run(&drill.world, "cd drill", &drill.variables, step));

    drill.world.write("drill/new.key", &"09".repeat(32));
    let builder = Vault::at(drill.world.path("drill/privacy")).purposes([ORDERS, NEWS]).as_copy();
    let builder = builder.journal(drill.world.path("drill/journal/privacy.journal"));
    let highest = drill.variables.iter().find(|(name, _)| *name == "HIGHEST").unwrap().1.parse().unwrap();
    let generation = noted["generation"].as_u64().unwrap();
    let [old, new] = [7, 9].map(|byte| RootKey::bytes([byte; 32]));
    recover(builder, old, generation, highest, numbers, new).unwrap().close().unwrap();

    after.iter().for_each(|step| run(&drill.world, "cd drill", &drill.variables, step));
    drill.ends_well("new.key");
    drill.steps("After");
}

/// The page's call, word for word.
fn recover(
    builder: VaultBuilder,
    current_root_key: RootKey,
    generation_noted: u64,
    highest_number: CustomerId,
    numbers_of_receipts: Vec<CustomerId>,
    new_root_key: RootKey,
) -> Result<Vault, RecoverError> {
    let recovery = Recovery::beyond(generation_noted, highest_number).shredded(numbers_of_receipts);
    let vault = builder.recover(current_root_key, recovery, new_root_key)?;
    Ok(vault)
}

#[test]
fn the_librarys_call_is_the_one_of_the_page() {
    let page = include_str!("../../DRILLS.md");
    let (_, block) = page.split_once("```rust,ignore\n").unwrap();
    let (block, rest) = block.split_once("```").unwrap();
    assert!(!rest.contains("```rust"), "each call of the page is run");
    let of_page: Vec<&str> = block.lines().map(str::trim).collect();
    let ours: Vec<&str> = include_str!("drills.rs").lines().map(str::trim).collect();
    assert!(of_page.len() == 2 && ours.windows(2).any(|two| two == of_page), "{of_page:?}");
}
