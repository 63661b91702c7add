//! A shop on real files: a database, a vault with a mirror, a journal; their copies of every night; and a clock that is set.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, ToSpan};
use oubliette::journal::{self, Anchor, Entry, Expectations, PublicKey, Receipt};
use oubliette::personal::Email;
use oubliette::store::Directory;
use oubliette::testing::Steps;
use oubliette::{CustomerId, Field, OpenError, Personal, Purpose, RootKey, Sealed, UnlockError, Vault, VaultBuilder};
use oubliette_register::access::Table;
use oubliette_register::{DeclaredTables, Keep, Register, Rules};

use super::seen::Seen;
use crate::Db;
use crate::stage::copy;
use crate::support::*;

/// Rows of the shop's two tables.
#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedMail)]
#[allow(dead_code)] // for its FIELDS
struct Mail {
    #[personal(customer)]
    no: CustomerId,
    #[personal(plain)]
    id: String,
    #[personal(seal = EMAIL, text)]
    mail: Email,
}

#[derive(Personal)]
#[personal(purpose = NEWSLETTER, sealed = SealedLetter)]
#[allow(dead_code)] // for its FIELDS
struct Letter {
    #[personal(customer)]
    no: CustomerId,
    #[personal(plain)]
    id: String,
    #[personal(seal = NEWS_EMAIL, text)]
    mail: Email,
}

/// What was sealed, and what it says: no two say the same.
pub struct Value {
    pub number: CustomerId,
    pub news: bool,
    pub says: String,
    pub sealed: Sealed<Email>,
}

/// Copies of one night.
pub struct Night {
    pub database: Vec<u8>,
    pub files: PathBuf,
    /// Which root key the vault's copy is under: with another one it was destroyed.
    pub key: u8,
    /// Of the journal, that were accepted before.
    pub losses: usize,
    /// Numbers that its tables have.
    pub numbers: BTreeSet<CustomerId>,
    /// It has numbers of which nothing else knows any more, and which may be issued once more: it is of another history.
    pub is_of_another: bool,
}

pub struct World {
    pub place: tempfile::TempDir,
    pub db: Db,
    pub vault: Vault,
    pub register: Register,
    /// Of the process that runs: the register's and the vault's.
    pub steps: Steps,
    pub public: PublicKey,
    pub key: u8,
    pub losses: usize,
    /// How often key trees were given up.
    pub retired: usize,
    pub nights: Vec<Night>,
    pub values: Vec<Value>,
    /// How many there were.
    pub sealed: usize,
    /// As they were handed out, in order.
    pub receipts: Arc<Mutex<Vec<String>>>,
    clock: Arc<AtomicI64>,
}

/// How long the newsletter and the orders are kept, and how long an erasure waits: in days, which are the same in every month.
pub const NEWS_DAYS: i64 = 40;
pub const ORDER_DAYS: i64 = 90;
pub const GRACE_DAYS: i64 = 5;

pub fn purpose(news: bool) -> Purpose {
    if news { NEWSLETTER } else { ORDERS }
}

pub fn field(news: bool) -> Field<Email> {
    if news { NEWS_EMAIL } else { EMAIL }
}

pub fn table(news: bool) -> &'static str {
    if news { "letters" } else { "mails" }
}

pub fn declared() -> DeclaredTables {
    DeclaredTables::in_tables([Table::new("mails", Mail::FIELDS), Table::new("letters", Letter::FIELDS)])
}

pub fn key(number: u8) -> RootKey {
    RootKey::bytes([number; 32])
}

pub fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

impl World {
    pub async fn open() -> World {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join("log")).unwrap();
        let steps = Steps::new();
        let vault = builder(&place, &steps).create(key(1)).unwrap();
        // Entries of the journal have the machine's time, which must not be later than the register's.
        let clock = Arc::new(AtomicI64::new(Timestamp::now().as_millisecond()));
        let receipts = Arc::new(Mutex::new(Vec::new()));
        let register = Register::new(&vault, rules(&clock, &receipts, &steps)).unwrap();
        let public = vault.public_key().unwrap();
        let mut db = Db::new().await;
        for news in [false, true] {
            db.sql(&format!("CREATE TABLE {} (no BIGINT NOT NULL, id TEXT NOT NULL, mail TEXT NOT NULL)", table(news)))
                .await;
        }
        on!(db, register, create_tables()).unwrap();
        let (nights, values) = (Vec::new(), Vec::new());
        let mut world = World {
            place,
            db,
            vault,
            register,
            steps,
            public,
            key: 1,
            losses: 0,
            retired: 0,
            nights,
            values,
            sealed: 0,
            receipts,
            clock,
        };
        world.night().await;
        world
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms()).unwrap()
    }

    pub fn now_ms(&self) -> i64 {
        self.clock.load(Ordering::Relaxed)
    }

    pub fn advance(&self, by: i64) {
        self.clock.fetch_add(days(by).as_millis().try_into().unwrap(), Ordering::Relaxed);
    }

    pub fn journal_path(&self) -> PathBuf {
        self.place.path().join("log/journal")
    }

    pub fn builder(&self) -> VaultBuilder {
        builder(&self.place, &self.steps)
    }

    /// The process ends, by itself or because it was killed.
    pub fn stop(&mut self) {
        // One that was killed has nothing to say.
        let _ = self.vault.clone().close();
        // What is left of it, on threads of its own, stays dead.
        self.steps = Steps::new();
    }

    /// Another process begins.
    pub fn start(&mut self) -> Result<(), UnlockError> {
        let vault = self.builder().unlock(key(self.key))?;
        self.start_with(vault);
        Ok(())
    }

    pub fn start_with(&mut self, vault: Vault) {
        self.register = Register::new(&vault, rules(&self.clock, &self.receipts, &self.steps)).unwrap();
        self.vault = vault;
    }

    /// Copies of everything, while nobody works.
    pub async fn night(&mut self) {
        self.stop();
        let files = self.place.path().join(format!("night-{}", self.nights.len()));
        for part in ["vault", "log"] {
            copy(&self.place.path().join(part), &files.join(part));
        }
        let database = self.db.snapshot().await;
        let numbers = self.seen().await.numbers.into_keys().collect();
        let (key, losses) = (self.key, self.losses);
        self.nights.push(Night { database, files, key, losses, numbers, is_of_another: false });
        self.start().unwrap();
    }

    pub fn put_back(&self, part: &str, night: usize) {
        copy(&self.nights[night].files.join(part), &self.place.path().join(part));
    }

    /// The whole journal's entries, after all of it was checked.
    pub fn entries(&self, expected: &Expectations) -> Result<Vec<Entry>, String> {
        let (path, key) = (self.journal_path(), &self.public);
        let mut expected = expected.clone();
        // Until the first entry after the file was written from the table.
        if !self.place.path().join("log/journal.head").exists() {
            expected = expected.without_head();
        }
        journal::verify(&path, key, &expected, |_| ())
            .map_err(|error| format!("the journal does not verify: {error}"))?;
        let entries = journal::entries(&path, key).map_err(|error| error.to_string())?;
        entries.map(|entry| entry.map_err(|error| error.to_string())).collect()
    }

    /// The last entry that the file has.
    pub fn last_entry(&self) -> Option<Anchor> {
        let expected = Expectations::new().without_head();
        journal::verify(self.journal_path(), &self.public, &expected, |_| ()).ok().map(|verified| verified.last)
    }

    /// Those of the numbers that the vault has shredded in their purpose.
    pub fn gone(&self, numbers: impl Iterator<Item = (CustomerId, bool)>) -> Result<Vec<CustomerId>, OpenError> {
        let (news, orders): (Vec<_>, Vec<_>) = numbers.partition(|(_, news)| *news);
        let only = |numbers: Vec<(CustomerId, bool)>| numbers.into_iter().map(|(number, _)| number);
        let mut gone = self.vault.shredded_among(NEWSLETTER, only(news))?;
        gone.extend(self.vault.shredded_among(ORDERS, only(orders))?);
        Ok(gone)
    }

    pub async fn seen(&mut self) -> Seen {
        Seen::now(&mut self.db).await
    }

    /// Receipts that were handed out since there were so many.
    pub fn receipts_from(&self, known: usize) -> Vec<Receipt> {
        let receipts = self.receipts.lock().unwrap();
        receipts[known..].iter().map(|receipt| Receipt::verify(receipt, &self.public).unwrap()).collect()
    }
}

fn builder(place: &tempfile::TempDir, steps: &Steps) -> VaultBuilder {
    let at = place.path().join("vault");
    let layout = Directory::at(at.join("main")).mirror(at.join("mirror")).steps(steps);
    let builder = VaultBuilder::in_directory(layout).purposes([ORDERS, NEWSLETTER]).lease(Duration::from_secs(1));
    builder.journal(place.path().join("log/journal"))
}

fn rules(clock: &Arc<AtomicI64>, receipts: &Arc<Mutex<Vec<String>>>, steps: &Steps) -> Rules {
    let (clock, receipts) = (clock.clone(), receipts.clone());
    Rules::new()
        .keep(NEWSLETTER, Keep::after_grant(NEWS_DAYS.days()))
        .keep(ORDERS, Keep::after_last("order", ORDER_DAYS.days()))
        .grace(days(GRACE_DAYS))
        .rows("mails", "id", "no")
        .rows("letters", "id", "no")
        .receipts(move |receipt| {
            receipts.lock().unwrap().push(receipt.to_string());
            Ok(())
        })
        .clock(move || Timestamp::from_millisecond(clock.load(Ordering::Relaxed)).unwrap())
        .steps(steps)
}
