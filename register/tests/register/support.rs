//! A shop with two purposes, a table with tokens, and a clock that moves when told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use oubliette::journal::{self, Event, Expectations, Reason};
use oubliette::personal::Email;
use oubliette::testing::Steps;
use oubliette::testing::TestVault;
use oubliette::{CustomerId, Field, OpenError, Purpose, Sealed, Vault};
use oubliette_register::{Basis, Evidence, Grant, GrantedKeys, KeylessRegister, Register, Rules, Subject};
use tempfile::TempDir;

pub const ORDERS: Purpose = Purpose::new("orders");
pub const NEWSLETTER: Purpose = Purpose::new("newsletter");
pub const EMAIL: Field<Email> = ORDERS.field("email");
pub const NEWS_EMAIL: Field<Email> = NEWSLETTER.field("email");

pub fn who(id: &str) -> Subject {
    Subject::new(id).unwrap()
}

pub fn why(text: &str) -> Reason {
    Reason::new(text).unwrap()
}

pub fn email() -> Email {
    "alice@example.com".parse().unwrap()
}

pub fn consent() -> Grant {
    consent_by("sign-up form")
}

pub fn consent_by(how: &str) -> Grant {
    Grant::consent(NEWSLETTER, Evidence::new(at("2026-01-31T09:00:00Z"), "newsletter, version 3", how))
}

pub fn contract() -> Grant {
    Grant::on(ORDERS, Basis::Contract)
}

pub fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// The shop's own table: a number column, and a column of tokens beside whatever else it has.
pub const CUSTOMERS: &str = "CREATE TABLE customers (no BIGINT UNIQUE, email_idx TEXT, \"odd \"\"name`\" TEXT)";

pub fn with_tokens() -> Rules {
    Rules::new().tokens("customers", "no", ["email_idx", "odd \"name`"])
}

/// A vault with a journal, a register and their clock.
pub struct Shop {
    pub memory: TestVault,
    pub vault: Vault,
    pub register: Register,
    /// Of the register.
    pub steps: Steps,
    pub place: TempDir,
    now: Arc<AtomicI64>,
}

impl Shop {
    pub fn new(rules: Rules) -> Shop {
        let place = tempfile::tempdir().unwrap();
        let memory = Vault::in_memory([ORDERS, NEWSLETTER]);
        let vault = memory.builder().journal(place.path().join("journal")).unlock(TestVault::root_key()).unwrap();
        let now = Arc::new(AtomicI64::new(at("2026-01-31T10:00:00Z").as_millisecond()));
        let (clock, steps) = (now.clone(), Steps::new());
        let rules = rules.clock(move || Timestamp::from_millisecond(clock.load(Ordering::Relaxed)).unwrap());
        let register = Register::new(&vault, rules.steps(&steps)).unwrap();
        Shop { memory, vault, register, steps, now, place }
    }

    /// Of whoever has neither root key nor key store.
    pub fn desk(&self, rules: Rules) -> KeylessRegister {
        self.desk_of(self.vault.public_key().unwrap(), rules)
    }

    pub fn desk_of(&self, key: journal::PublicKey, rules: Rules) -> KeylessRegister {
        let clock = self.now.clone();
        let rules = rules.clock(move || Timestamp::from_millisecond(clock.load(Ordering::Relaxed)).unwrap());
        KeylessRegister::new(key, [ORDERS, NEWSLETTER], rules).unwrap()
    }

    /// The same shop with its vault opened anew.
    pub fn with(self, vault: Vault, rules: Rules) -> Shop {
        let clock = self.now.clone();
        let rules = rules.clock(move || Timestamp::from_millisecond(clock.load(Ordering::Relaxed)).unwrap());
        let register = Register::new(&vault, rules.steps(&self.steps)).unwrap();
        Shop { vault, register, ..self }
    }

    pub fn set_now(&self, time: &str) {
        self.now.store(at(time).as_millisecond(), Ordering::Relaxed);
    }

    /// What the register's clock shows.
    pub fn register_now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now.load(Ordering::Relaxed)).unwrap()
    }

    /// What the journal says, after all of it was checked.
    pub fn journal(&self) -> Vec<Event> {
        let (path, key) = (self.place.path().join("journal"), self.vault.public_key().unwrap());
        journal::verify(&path, &key, &Expectations::new(), |_| ()).unwrap();
        journal::entries(&path, &key).unwrap().map(|entry| entry.unwrap().into_event()).collect()
    }

    pub fn opens(&self, keys: &GrantedKeys, sealed: &Sealed<Email>, field: Field<Email>) -> bool {
        self.opens_by(keys.customer(), sealed, field)
    }

    /// True if it opens, false if its customer was shredded.
    pub fn opens_by(&self, number: CustomerId, sealed: &Sealed<Email>, field: Field<Email>) -> bool {
        match self.vault.open(number, field, sealed) {
            Ok(_) => true,
            Err(OpenError::Shredded { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }
}

/// How many of the journal's events are of a kind.
pub fn count(journal: &[Event], is: impl Fn(&Event) -> bool) -> usize {
    journal.iter().filter(|event| is(event)).count()
}
