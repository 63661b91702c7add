//! An application with a register: customers with a contract and a consent, in SQLite.

use std::fs;

use jiff::{SignedDuration, Timestamp, ToSpan};
use oubliette::journal::Receipt;
use oubliette::{CustomerId, Index, Sealed, Token, Vault, bits, personal::Email};
use oubliette_register::{Basis, Evidence, Grant, Keep, Register, Rules, Subject};
use rusqlite::{Connection, params};

use crate::support::{EMAIL, NEWS, NEWS_EMAIL, ORDERS, World};

pub const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(64));

pub const DATABASE: &str = "[database]\nsqlite = \"app.db\"\n";

pub const RULES: &str = r#"
[register]
receipts = "receipts"
keep_evidence = ["when"]
[retention]
newsletter = { after_grant = "2 years" }
orders = { after_last = { mark = "order", kept = "10 years" } }
"#;

pub const TABLES: &str = r#"
[[tables]]
table = "customers"
number = "no"
purpose = "orders"
numbers = { newsletter = "news_no" }
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
type = "email"
"#;

/// As the application says them.
pub fn rules() -> Rules {
    Rules::new()
        .keep(NEWS, Keep::after_grant(2.years()))
        .keep(ORDERS, Keep::after_last("order", 10.years()))
        .tokens("customers", "no", ["email_idx"])
        .keep_evidence(["when"])
}

pub struct Shop {
    pub world: World,
}

impl Shop {
    pub fn new() -> Shop {
        let shop = Shop { world: World::journalled() };
        shop.configure("", DATABASE, RULES, TABLES);
        fs::create_dir(shop.world.path("receipts")).unwrap();
        shop.world.mode("receipts", 0o700);
        shop.connection()
            .execute_batch(
                "CREATE TABLE customers (id INTEGER PRIMARY KEY, no BIGINT UNIQUE, news_no BIGINT, \
                 email BLOB, email_idx BLOB, news BLOB)",
            )
            .unwrap();
        shop.application(|_, register, connection| register.in_transaction(connection).create_tables().unwrap());
        shop
    }

    /// The world's configuration in these parts; what is at the top goes first.
    pub fn configure(&self, top: &str, database: &str, rules: &str, tables: &str) {
        let common = "journal = \"log/journal\"\nbackups_kept = \"90 days\"\n";
        self.world.configure(&format!("{common}{top}{database}{rules}{tables}"));
    }

    /// A connection of its own.
    pub fn connection(&self) -> Connection {
        let connection = Connection::open(self.world.path("app.db")).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
        connection
    }

    /// What the application does, in this process.
    pub fn application<T>(&self, work: impl FnOnce(&Vault, &Register, &mut Connection) -> T) -> T {
        let vault = self.world.application();
        let register = Register::new(&vault, rules()).unwrap();
        let mut connection = self.connection();
        let done = work(&vault, &register, &mut connection);
        register.own_transaction(&mut connection).flush().unwrap();
        drop(register);
        vault.close().unwrap();
        done
    }

    /// Somebody who signed up: a contract for orders, a consent for the newsletter, and a row.
    pub fn customer(&self, id: &str) -> Person {
        let subject = Subject::new(id).unwrap();
        self.application(|vault, register, connection| {
            let on = register.in_transaction(connection);
            let orders = on.grant(&subject, Grant::on(ORDERS, Basis::Contract)).unwrap().number;
            let evidence = Evidence::new(Timestamp::now(), "newsletter, version 3", "sign-up form");
            let news = on.grant(&subject, Grant::consent(NEWS, evidence)).unwrap().number;
            on.mark(&subject, "order", Timestamp::now()).unwrap();
            let email: Email = secret(id).parse().unwrap();
            let sealed = on.keys(&subject, ORDERS).unwrap().seal(EMAIL, &email).unwrap();
            let of_news = on.keys(&subject, NEWS).unwrap().seal(NEWS_EMAIL, &email).unwrap();
            let token = vault.token(BY_EMAIL, &email).unwrap();
            let insert = "INSERT INTO customers (no, news_no, email, email_idx, news) VALUES (?, ?, ?, ?, ?)";
            connection.execute(insert, params![orders, news, sealed, token, of_news]).unwrap();
            Person { orders, news, email: sealed, news_email: of_news }
        })
    }

    /// Makes a customer's grants for a purpose older.
    pub fn age(&self, purpose: &str, id: &str, days: i64) {
        let age = SignedDuration::from_hours(24 * days).as_millis();
        let older = "UPDATE oubliette_grants SET granted_at = granted_at - ?3 WHERE purpose = ?1 \
            AND subject_id = (SELECT id FROM oubliette_subjects WHERE subject = ?2)";
        let changed = self.connection().execute(older, params![purpose, id, i64::try_from(age).unwrap()]).unwrap();
        assert!(changed > 0);
    }

    pub fn ask(&self, sql: &str) -> i64 {
        self.connection().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    pub fn tokens(&self) -> Vec<bool> {
        let connection = self.connection();
        let mut select = connection.prepare("SELECT email_idx FROM customers ORDER BY id").unwrap();
        let rows = select.query_map([], |row| row.get::<_, Option<Token<Email>>>(0)).unwrap();
        rows.map(|token| token.unwrap().is_some()).collect()
    }

    /// A receipt in a file, checked: readable by its owner alone, and signed by the vault.
    pub fn receipt(&self, path: &str) -> Receipt {
        self.receipt_under(path, "key")
    }

    /// The same when the root key is in another file.
    pub fn receipt_under(&self, path: &str, key_file: &str) -> Receipt {
        use std::os::unix::fs::PermissionsExt;
        let path = self.world.path(path);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let key = self.world.run(&["journal", "key", "--key-file", key_file]).ends(0).out;
        Receipt::verify(&fs::read_to_string(path).unwrap(), &key.trim().parse().unwrap()).unwrap()
    }

    /// The receipts in the configuration's directory.
    pub fn receipts(&self) -> Vec<String> {
        let entries = fs::read_dir(self.world.path("receipts")).unwrap();
        entries.map(|entry| format!("receipts/{}", entry.unwrap().file_name().into_string().unwrap())).collect()
    }
}

pub struct Person {
    pub orders: CustomerId,
    pub news: CustomerId,
    email: Sealed<Email>,
    news_email: Sealed<Email>,
}

impl Person {
    /// What can be opened: in orders, in the newsletter.
    pub fn opens(&self, vault: &Vault) -> (bool, bool) {
        let opens = |opened: Result<Email, oubliette::OpenError>| match opened {
            Ok(_) => true,
            Err(oubliette::OpenError::Shredded { .. }) => false,
            Err(error) => panic!("{error}"),
        };
        (opens(vault.open(self.orders, EMAIL, &self.email)), opens(vault.open(self.news, NEWS_EMAIL, &self.news_email)))
    }
}

/// The personal data of a customer of this id.
pub fn secret(id: &str) -> String {
    format!("{}.secret@example.com", id.replace(|c: char| !c.is_ascii_alphanumeric(), "x"))
}
