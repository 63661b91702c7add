//! A shop on real files, last night's copies of them, and a day of which these do not know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use oubliette::journal::{self, Anchor, Event, Expectations, PublicKey, Receipt};
use oubliette::personal::Email;
use oubliette::{CustomerId, Field, OpenError, Personal, RootKey, Sealed, UnlockError, Vault, VaultBuilder};
use oubliette_register::access::Table;
use oubliette_register::{DeclaredTables, Disclosure, Register, RequestKind, Rules};

use crate::Db;
use crate::support::*;

/// What opens of somebody's orders and of their newsletter, whoever has an old copy of the values.
pub type Opens = BTreeMap<&'static str, (bool, bool)>;

pub struct Shop {
    place: tempfile::TempDir,
    pub db: Db,
    pub vault: Vault,
    pub register: Register,
    pub public: PublicKey,
    values: BTreeMap<&'static str, [(CustomerId, Sealed<Email>); 2]>,
}

/// A row of the shop's table.
#[derive(Personal)]
#[personal(purpose = ORDERS, sealed = SealedCustomer)]
#[allow(dead_code)] // for its FIELDS
struct Customer {
    #[personal(customer)]
    no: CustomerId,
    #[personal(plain)]
    id: String,
}

/// What was noted elsewhere at the end of the day.
pub struct Noted {
    /// Generations of the root record: last night's, and the day's last.
    pub last_night: u64,
    pub generation: u64,
    /// The journal's last entries: last night's, and the day's.
    pub entry_last_night: Anchor,
    pub entry: Anchor,
    pub highest: CustomerId,
    pub alices_receipt: Receipt,
}

pub fn key() -> RootKey {
    RootKey::bytes([7; 32])
}

pub fn new_key() -> RootKey {
    RootKey::bytes([8; 32])
}

fn rules() -> Rules {
    Rules::new().tokens("customers", "no", ["email_idx"])
}

impl Shop {
    /// Alice, Bob, Carol, who all have the newsletter, and Dave, who was erased already.
    pub async fn open() -> Shop {
        let place = tempfile::tempdir().unwrap();
        let vault = builder(place.path()).create(key()).unwrap();
        let register = Register::new(&vault, rules()).unwrap();
        let public = vault.public_key().unwrap();
        let mut shop = Shop { place, db: Db::new().await, vault, register, public, values: BTreeMap::new() };
        shop.db.sql("CREATE TABLE customers (id TEXT, no BIGINT UNIQUE, email_idx TEXT)").await;
        on!(shop.db, shop.register, create_tables()).unwrap();
        for id in ["alice", "bob", "carol", "dave"] {
            shop.sign_up(id).await;
        }
        own_transaction!(shop.db, shop.register, erase(&who("dave"), why("asked"))).unwrap();
        own_transaction!(shop.db, shop.register, flush()).unwrap();
        shop
    }

    pub async fn sign_up(&mut self, id: &'static str) {
        let granted = on!(self.db, self.register, grant(&who(id), contract())).unwrap();
        on!(self.db, self.register, grant(&who(id), consent())).unwrap();
        self.db.sql(&format!("INSERT INTO customers VALUES ('{id}', {}, 'token')", granted.number)).await;
        let orders = on!(self.db, self.register, keys(&who(id), ORDERS)).unwrap();
        let news = on!(self.db, self.register, keys(&who(id), NEWSLETTER)).unwrap();
        let orders = (orders.customer(), orders.seal(EMAIL, &email()).unwrap());
        self.values.insert(id, [orders, (news.customer(), news.seal(NEWS_EMAIL, &email()).unwrap())]);
    }

    /// Last night's copies of everything; then Alice is erased, Bob withdraws the newsletter, and Erin signs up. The shop
    /// is closed in the end.
    pub async fn day(&mut self) -> Noted {
        self.vault.clone().close().unwrap();
        for part in ["vault", "log"] {
            self.keep(part);
        }
        self.db.back_up().await;
        self.start().unwrap();
        let (last_night, entry_last_night) = (self.vault.generation().unwrap(), self.verified().last);
        let erased = own_transaction!(self.db, self.register, erase(&who("alice"), why("asked"))).unwrap();
        self.db.sql("DELETE FROM customers WHERE id = 'alice'").await;
        own_transaction!(self.db, self.register, withdraw(&who("bob"), NEWSLETTER, why("unsubscribed"))).unwrap();
        self.sign_up("erin").await;
        // A vault reserves its next block of numbers when half of one is gone, and nobody waits for that commit: it would
        // vouch for the entries that follow, or not, as it comes.
        self.vault.clone().close().unwrap();
        self.start().unwrap();
        own_transaction!(self.db, self.register, flush()).unwrap();
        let highest = self.values.values().flatten().map(|(number, _)| *number).max().unwrap();
        let (generation, entry) = (self.vault.generation().unwrap(), self.verified().last);
        self.vault.clone().close().unwrap();
        let alices_receipt = erased.receipt.unwrap();
        Noted { last_night, generation, entry_last_night, entry, highest, alices_receipt }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    pub fn journal(&self) -> PathBuf {
        self.at("log/journal")
    }

    /// Copies `vault` or `log`, while nobody works.
    pub fn keep(&self, part: &str) {
        copy(&self.at(part), &self.at("last-night").join(part));
    }

    /// Puts back last night's copy of `vault`, of `vault/root` or of `log`.
    pub fn put_back(&self, part: &str) {
        copy(&self.at("last-night").join(part), &self.at(part));
    }

    pub fn builder(&self) -> VaultBuilder {
        builder(self.place.path())
    }

    pub fn start(&mut self) -> Result<(), UnlockError> {
        self.start_with(self.builder().unlock(key())?);
        Ok(())
    }

    pub fn start_with(&mut self, vault: Vault) {
        self.register = Register::new(&vault, rules()).unwrap();
        self.vault = vault;
    }

    /// The whole journal, checked offline with what was noted and with receipts.
    pub fn verify(&self, expected: &Expectations) -> Result<journal::Verified, journal::JournalError> {
        journal::verify(self.journal(), &self.public, expected, |_| ())
    }

    pub fn verified(&self) -> journal::Verified {
        self.verify(&Expectations::new()).unwrap()
    }

    pub fn events(&self) -> Vec<Event> {
        let entries = journal::entries(self.journal(), &self.public).unwrap();
        entries.map(|entry| entry.unwrap().into_event()).collect()
    }

    /// The journal's file, from the table that the register keeps.
    pub async fn write_journal_from_table(&mut self) {
        let lines = self.db.ask("SELECT line AS answer, n FROM oubliette_journal ORDER BY n").await;
        std::fs::write(self.journal(), lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        // The head is of the older one.
        std::fs::remove_file(self.at("log/journal.head")).unwrap();
    }

    pub fn opens(&self) -> Opens {
        let both = self
            .values
            .iter()
            .map(|(id, [orders, news])| (*id, (self.opens_value(orders, EMAIL), self.opens_value(news, NEWS_EMAIL))));
        both.collect()
    }

    /// Of one alone: a vault that was rolled back may prove it by the values of others.
    pub fn opens_of(&self, whose: &str) -> bool {
        match whose {
            "bob's newsletter" => self.opens_value(&self.values["bob"][1], NEWS_EMAIL),
            whose => self.opens_value(&self.values[whose][0], EMAIL),
        }
    }

    fn opens_value(&self, (number, sealed): &(CustomerId, Sealed<Email>), field: Field<Email>) -> bool {
        match self.vault.open(*number, field, sealed) {
            Ok(_) => true,
            Err(OpenError::Shredded { .. }) => false,
            Err(error) => panic!("neither there nor shredded: {error:?}"),
        }
    }

    /// No call of the register opens, grants or shreds anything while journal and table differ.
    pub async fn refuses_all(&mut self) {
        let (bob, later) = (who("bob"), at("2099-01-01T00:00:00Z"));
        macro_rules! refused {
            ($($call:expr),* $(,)?) => {$({
                let refused = $call;
                let error = refused.map(|_| ()).expect_err(stringify!($call)).to_string();
                assert!(error.contains("the journal's table and the journal's file"), "{}: {error}", stringify!($call));
            })*};
        }
        let declared = DeclaredTables::in_tables([Table::new("customers", Customer::FIELDS)]);
        let before = self.db.dump().await;
        refused!(
            on!(self.db, self.register, keys(&bob, ORDERS)),
            on!(self.db, self.register, grant(&bob, contract())),
            on!(self.db, self.register, access(&declared, &bob)),
            on!(self.db, self.register, portable(&declared, &bob)),
            on!(self.db, self.register, due()),
            on!(self.db, self.register, mark(&bob, "order", Timestamp::now())),
            on!(self.db, self.register, hold(&bob, None, why("case 7"), later)),
            on!(self.db, self.register, request(&bob, RequestKind::Erasure, Timestamp::now())),
            own_transaction!(
                self.db,
                self.register,
                disclose_in_clear(&declared, &bob, &Disclosure::to("carrier").column("customers", "id"))
            ),
            own_transaction!(self.db, self.register, sweep(|_| std::ops::ControlFlow::Continue(()))),
            own_transaction!(self.db, self.register, withdraw(&bob, ORDERS, why("asked"))),
            own_transaction!(self.db, self.register, erase(&bob, why("asked"))),
            own_transaction!(self.db, self.register, reconcile()),
            own_transaction!(self.db, self.register, resume()),
        );
        assert_eq!(self.db.dump().await, before);
    }

    /// How the register has everybody: state and numbers of theirs that are live.
    pub async fn registered(&mut self) -> Vec<String> {
        let ask = "SELECT coalesce(s.subject, s.state) || ' ' || CAST(count(n.number) AS TEXT) AS answer \
            FROM oubliette_subjects s LEFT JOIN oubliette_numbers n ON n.subject_id = s.id AND n.state = 'live' \
            GROUP BY s.id, s.subject, s.state ORDER BY 1";
        self.db.ask(ask).await
    }

    /// All that must be true once everything is mended; Erin is in the database or was lost with it.
    pub async fn is_mended(&mut self, noted: &Noted, with_erin: bool) {
        assert_eq!(self.opens(), truth(), "whatever was restored");
        let erin = with_erin.then_some("erin 2").into_iter();
        let registered: Vec<&str> = ["bob 1", "carol 2", "erased 0", "erased 0"].into_iter().chain(erin).collect();
        assert_eq!(self.registered().await, registered);
        let subjects = self.db.ask("SELECT subject AS answer FROM oubliette_subjects").await;
        assert!(!subjects.contains(&"alice".to_owned()), "the register does not name her");
        let tokens = "SELECT id AS answer FROM customers WHERE email_idx IS NOT NULL ORDER BY id";
        let searchable: Vec<&str> = ["bob", "carol"].into_iter().chain(with_erin.then_some("erin")).collect();
        assert_eq!(self.db.ask(tokens).await, searchable);
        assert!(on!(self.db, self.register, keys(&who("alice"), ORDERS)).is_err());
        assert!(on!(self.db, self.register, keys(&who("bob"), NEWSLETTER)).is_err());
        assert!(on!(self.db, self.register, keys(&who("bob"), ORDERS)).is_ok());
        // No number comes twice.
        let granted = on!(self.db, self.register, grant(&who("frank"), contract())).unwrap();
        assert!(granted.is_new_number && granted.number > noted.highest, "{} was issued before", granted.number);
        assert!(self.vault.generation().unwrap() >= noted.generation);
        // The next start finds nothing left to do.
        own_transaction!(self.db, self.register, flush()).unwrap();
        let before = self.db.dump().await;
        own_transaction!(self.db, self.register, resume()).unwrap();
        assert_eq!(self.db.dump().await, before);
    }
}

pub fn truth() -> Opens {
    let truth = [("alice", (false, false)), ("bob", (true, false)), ("carol", (true, true)), ("dave", (false, false))];
    truth.into_iter().chain([("erin", (true, true))]).collect()
}

fn builder(at: &Path) -> VaultBuilder {
    std::fs::create_dir_all(at.join("log")).unwrap();
    let vault = Vault::at(at.join("vault")).purposes([ORDERS, NEWSLETTER]).lease(Duration::from_secs(1));
    vault.journal(at.join("log/journal"))
}

/// A directory in place of another, files and all.
pub fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), &to).unwrap();
        }
    }
}
