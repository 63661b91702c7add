//! A shop whose key store, journal and database are real files, which somebody copies as time goes by; and what that
//! somebody reads with a decoder of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use oubliette::personal::{Email, Name};
use oubliette::{CustomerId, Field, Index, OpenError, RootKey, Vault, bits};
use oubliette_register::breach::{Column, Opened, Situation, Stored};
use oubliette_register::{Register, Rules};

use crate::Db;
use crate::attack::decoder::{Key, Record, Value};
use crate::attack::directory::steal;
use crate::attack::{Attacker, Effort, Loot};
use crate::literal::{BYTES, bytes, hex};
use crate::support::{EMAIL, NEWS_EMAIL, NEWSLETTER, ORDERS, consent, contract, who, why};

pub const NAME: Field<Name> = ORDERS.field("name");
pub const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(32));

/// One value of one column.
pub type Cell = (i64, &'static str);

/// All that can be copied, at one moment.
pub struct Copy {
    pub at: Timestamp,
    pub generation: u64,
    /// Which of the root keys was in use.
    pub key: usize,
    record: Vec<u8>,
    pages: Vec<Vec<u8>>,
    /// The database's sealed values.
    pub values: BTreeMap<Cell, Vec<u8>>,
    /// Numbers beside which there is a token.
    pub tokens: BTreeSet<i64>,
    /// Numbers whose values the vault itself no longer opened.
    pub gone: BTreeSet<i64>,
}

pub struct World {
    pub db: Db,
    pub vault: Vault,
    pub register: Register,
    pub place: tempfile::TempDir,
    pub copies: Vec<Copy>,
    keys: Vec<Key>,
    /// Whose each number is: somebody, and the id that the application knows them by.
    pub owners: BTreeMap<i64, (u32, Option<&'static str>)>,
    persons: u32,
    outside: BTreeSet<CustomerId>,
    /// Ids that were merged into others, which they name from then on.
    aliases: BTreeMap<&'static str, &'static str>,
    opened: BTreeMap<Tried, BTreeSet<Vec<u8>>>,
}

/// The copies that were taken, and the root key, if there was one.
type Tried = (BTreeSet<usize>, Option<usize>);

fn root_key(number: usize) -> Key {
    [0x5a + u8::try_from(number).unwrap(); 32]
}

impl World {
    pub async fn new() -> World {
        let place = tempfile::tempdir().unwrap();
        // A key tree is given up only where the root record lies in two places.
        let builder = Vault::at(place.path().join("vault")).mirror(place.path().join("mirror"));
        let builder = builder.purposes([ORDERS, NEWSLETTER]);
        let vault = builder.journal(place.path().join("journal")).create(RootKey::bytes(root_key(0))).unwrap();
        let rules = Rules::new().tokens("orders", "no", ["email_idx"]);
        let register = Register::new(&vault, rules).unwrap();
        let mut db = Db::new().await;
        on!(db, register, create_tables()).unwrap();
        db.sql(&format!("CREATE TABLE orders (no BIGINT, email {BYTES}, name {BYTES}, email_idx {BYTES}, plan TEXT)"))
            .await;
        db.sql(&format!("CREATE TABLE letters (no BIGINT, email {BYTES})")).await;
        let (copies, keys, owners, opened) = (Vec::new(), vec![root_key(0)], BTreeMap::new(), BTreeMap::new());
        World {
            db,
            vault,
            register,
            place,
            copies,
            keys,
            owners,
            persons: 0,
            outside: BTreeSet::new(),
            aliases: BTreeMap::new(),
            opened,
        }
    }

    /// A new customer with an order and the newsletter.
    pub async fn sign_up(&mut self, id: &'static str) {
        self.persons += 1;
        let number = on!(self.db, self.register, grant(&who(id), contract())).unwrap().number;
        self.owners.insert(number.to_stored(), (self.persons, Some(id)));
        let address = format!("{id}@example.com").parse::<Email>().unwrap();
        let email = self.vault.seal(number, EMAIL, &address).unwrap();
        let name = self.vault.seal(number, NAME, &"Somebody".parse().unwrap()).unwrap();
        let token = self.vault.token(BY_EMAIL, &address).unwrap();
        let [email, name, token] = [email.as_bytes(), name.as_bytes(), token.as_bytes()].map(bytes);
        self.db.sql(&format!("INSERT INTO orders VALUES ({number}, {email}, {name}, {token}, 'gold')")).await;
        self.subscribe(id).await;
    }

    /// A consent to the newsletter, the first one or another; and an address that is sealed for it.
    pub async fn subscribe(&mut self, id: &'static str) {
        let granted = on!(self.db, self.register, grant(&who(id), consent())).unwrap();
        let number = granted.number;
        if granted.is_new_number {
            self.owners.insert(number.to_stored(), (self.person(id), Some(id)));
            let sealed = self.vault.seal(number, NEWS_EMAIL, &format!("{id}@example.org").parse().unwrap()).unwrap();
            self.db.sql(&format!("INSERT INTO letters VALUES ({number}, {})", bytes(sealed.as_bytes()))).await;
        }
    }

    fn person(&self, id: &'static str) -> u32 {
        self.owners.values().find(|(_, known)| *known == Some(id)).unwrap().0
    }

    pub fn knows(&self, id: &'static str) -> bool {
        self.owners.values().any(|(_, known)| *known == Some(id))
    }

    pub fn is_free(&self, id: &'static str) -> bool {
        !self.knows(id) && !self.aliases.contains_key(id)
    }

    pub fn numbers(&self, id: &'static str) -> Vec<CustomerId> {
        let theirs = self.owners.iter().filter(|(_, (_, known))| *known == Some(id));
        theirs.map(|(number, _)| CustomerId::from_stored(*number).unwrap()).collect()
    }

    /// Whether the register takes for live what the vault has shredded, and so grants nothing before it is reconciled.
    pub fn shredded_outside(&self, id: &'static str) -> bool {
        self.numbers(id).iter().any(|number| self.outside.contains(number))
    }

    pub async fn withdraw(&mut self, id: &'static str) {
        own_transaction!(self.db, self.register, withdraw(&who(id), NEWSLETTER, why("unsubscribed"))).unwrap();
    }

    pub async fn merge(&mut self, id: &'static str, other: &'static str) {
        on!(self.db, self.register, merge(&who(id), &who(other))).unwrap();
        let person = self.person(id);
        let theirs = self.owners.values_mut().filter(|(_, known)| *known == Some(other));
        theirs.for_each(|owner| *owner = (person, Some(id)));
        self.aliases.values_mut().filter(|named| **named == other).for_each(|named| *named = id);
        self.aliases.insert(other, id);
    }

    pub async fn erase(&mut self, id: &'static str) {
        own_transaction!(self.db, self.register, erase(&who(id), why("asked"))).unwrap();
        self.owners.values_mut().filter(|(_, known)| *known == Some(id)).for_each(|owner| owner.1 = None);
        self.aliases.retain(|_, named| *named != id);
    }

    /// A shred that the register was not told of.
    pub fn shred(&mut self, id: &'static str) {
        let numbers = self.numbers(id);
        let _ = self.vault.shred(numbers.iter().copied()).unwrap();
        self.outside.extend(numbers);
    }

    pub fn rotate_root_key(&mut self) {
        self.keys.push(root_key(self.keys.len()));
        self.vault.rotate_root_key(RootKey::bytes(*self.keys.last().unwrap())).unwrap();
    }

    /// Copies everything.
    pub async fn copy(&mut self) {
        // Register and journal count milliseconds.
        std::thread::sleep(Duration::from_millis(5));
        let at = Timestamp::now();
        let mut stolen = self.db.stolen().await;
        let everything = steal(&[&self.place.path().join("vault")], &self.keys);
        let key = self.keys.len() - 1;
        let newest =
            |record: &Vec<u8>| Record::read(record, &self.keys[key]).map(|read| (read.generation, record.clone()));
        let (generation, record) = everything.records.iter().filter_map(newest).max().unwrap();
        let mut copy = Copy {
            at,
            generation,
            key,
            record,
            pages: everything.pages,
            values: BTreeMap::new(),
            tokens: BTreeSet::new(),
            gone: BTreeSet::new(),
        };
        for (table, column, name) in [
            ("orders", "email", "orders.email"),
            ("orders", "name", "orders.name"),
            ("letters", "email", "letters.email"),
        ] {
            let rows = format!("SELECT no || ' ' || {} AS answer FROM {table}", hex(column));
            for row in stolen.ask(&rows).await {
                let (number, value) = row.split_once(' ').unwrap();
                copy.values.insert((number.parse().unwrap(), name), unhex(value));
            }
        }
        let tokens = stolen.ask("SELECT no AS answer FROM orders WHERE email_idx IS NOT NULL").await;
        copy.tokens.extend(tokens.iter().map(|number| number.parse::<i64>().unwrap()));
        for ((number, column), value) in copy.values.iter().filter(|((_, column), _)| column.ends_with("email")) {
            let field = if *column == "letters.email" { NEWS_EMAIL } else { EMAIL };
            let sealed = oubliette::Sealed::from_bytes(value.as_slice()).unwrap();
            match self.vault.open(CustomerId::from_stored(*number).unwrap(), field, &sealed) {
                Ok(_) => {}
                Err(OpenError::Shredded { .. }) => drop(copy.gone.insert(*number)),
                Err(error) => panic!("{error}"),
            }
        }
        self.copies.push(copy);
        std::thread::sleep(Duration::from_millis(5));
    }

    /// What is read with these root records, these root keys and the pages of one copy: of all values that were ever in
    /// the database, since what is read in one copy of it is read in another.
    pub fn attack(&mut self, records: &[usize], keys: &BTreeSet<usize>, pages: Option<usize>) -> BTreeSet<Vec<u8>> {
        let readable: BTreeSet<usize> = records.iter().copied().filter(|at| self.reads(*at, keys)).collect();
        if readable.is_empty() {
            return BTreeSet::new();
        }
        let asked = (readable.clone(), pages);
        if let Some(known) = self.opened.get(&asked) {
            return known.clone();
        }
        let values: BTreeSet<&Vec<u8>> = self.copies.iter().flat_map(|copy| copy.values.values()).collect();
        let values: Vec<&Vec<u8>> = values.into_iter().collect();
        let loot = Loot {
            pages: pages.map(|at| self.copies[at].pages.clone()).unwrap_or_default(),
            records: readable.iter().map(|at| self.copies[*at].record.clone()).collect(),
            root_keys: self.keys.clone(),
            values: values.iter().map(|bytes| Value::read(bytes, None)).collect(),
            fields: vec![("email", "obl.email"), ("name", "obl.name")],
        };
        let opened = Attacker::new(&loot, Effort::Knowing).run();
        let opened: BTreeSet<Vec<u8>> = opened.into_keys().map(|at| values[at].clone()).collect();
        self.opened.insert(asked, opened.clone());
        opened
    }

    /// Whether one of the keys decrypts a copy's root record.
    pub fn reads(&self, copy: usize, keys: &BTreeSet<usize>) -> bool {
        keys.iter().any(|key| Record::read(&self.copies[copy].record, &self.keys[*key]).is_some())
    }

    pub async fn situation(&mut self, openings: Option<Vec<Opened>>) -> Situation {
        on!(self.db, self.register, breach_situation(columns(), openings)).unwrap()
    }
}

fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect()
}

pub fn purpose_of(column: &str) -> &'static str {
    if column.starts_with("letters") { "newsletter" } else { "orders" }
}

pub fn columns() -> Vec<Column> {
    let column = |table: &str, column: &str, stored: Stored| {
        let purpose = (stored != Stored::Plain).then(|| purpose_of(table).to_owned());
        Column { table: table.to_owned(), column: column.to_owned(), purpose, stored }
    };
    let sealed = |label: &str| Stored::Sealed { label: label.to_owned(), since: None };
    vec![
        column("orders", "email", sealed("email")),
        column("orders", "name", sealed("name")),
        column("orders", "email_idx", Stored::Token { index: "exact".to_owned() }),
        column("orders", "plan", Stored::Plain),
        column("letters", "email", sealed("email")),
    ]
}
