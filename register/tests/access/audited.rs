//! What is handed out is opened, and so it is noted where an audit is set: by whom and what for, whatever comes of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use oubliette::audit::{Audit, AuditBuilder, AuditError, Batch, OpeningResult, Openings};
use oubliette::testing::assert_no_plaintext;
use oubliette::{CustomerId, OpenError, Outcome};
use oubliette_register::access::AccessError;
use oubliette_register::{Disclosure, DisclosureError, Register, Rules};

use crate::Db;
use crate::disclosed::{customers, declared, parsed, told, written};
use crate::shop::{self, ADDRESS, NAME, User};
use crate::support::*;
use crate::table;

/// An audit in memory, which fails when told to.
#[derive(Clone, Default)]
struct Memory {
    noted: Arc<Mutex<Vec<Openings>>>,
    fails: Arc<AtomicBool>,
}

impl Memory {
    fn audit(&self) -> AuditBuilder {
        let memory = self.clone();
        Audit::to(move |batch: &Batch| -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            if memory.fails.load(Ordering::SeqCst) {
                return Err("the disk is full".into());
            }
            memory.noted.lock().unwrap().extend_from_slice(batch.openings());
            Ok(())
        })
        .room_for(1_024)
    }

    /// What was noted since it was last asked: how often each field of a customer's, and how it ended.
    fn taken(&self, audit: &Audit) -> BTreeMap<(CustomerId, &'static str, OpeningResult), u64> {
        audit.flush().unwrap();
        let mut all = BTreeMap::new();
        for noted in self.noted.lock().unwrap().drain(..) {
            assert_eq!((noted.who().as_str(), noted.why().as_str()), ("privacy desk", "request 2026-114"));
            assert_no_plaintext(format!("{noted:?}").as_bytes(), ["Bhriain", "alice", "ultramarine", "rings"]);
            for (customer, last) in noted.customers().ranges() {
                assert_eq!(customer, last);
                *all.entry((customer.into(), noted.label(), noted.result())).or_default() += noted.each();
            }
        }
        all
    }
}

fn desk(register: &Register, audit: &Audit) -> Register {
    register.audited(audit, "privacy desk".parse().unwrap(), "request 2026-114".parse().unwrap())
}

/// Each of these fields once.
fn once(
    user: &User,
    orders: &[&'static str],
    news: &[&'static str],
) -> BTreeMap<(CustomerId, &'static str, OpeningResult), u64> {
    let news = news.iter().map(|label| ((user.news_no.unwrap(), *label, OpeningResult::Opened), 1));
    orders.iter().map(|label| ((user.no, *label, OpeningResult::Opened), 1)).chain(news).collect()
}

const ORDERS_FIELDS: [&str; 5] = ["name", "email", "phone", "address", "note"];
const NEWS_FIELDS: [&str; 2] = ["email", "taste"];

bodies! {
    async fn every_value_that_is_handed_out_is_noted() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let (user, _) = customers!(shop, db);
        let memory = Memory::default();
        let audit = memory.audit().start().unwrap();
        let desk = desk(&shop.register, &audit);
        on!(db, desk, grant(&who("alice"), contract().to("DHL"))).unwrap();
        // Without an audit nothing is noted, and the audited register gives the same answer.
        let plain = on!(db, shop.register, access(&declared(), &who("alice"))).unwrap();
        assert!(memory.taken(&audit).is_empty());
        let answer = on!(db, desk, access(&declared(), &who("alice"))).unwrap();
        assert_eq!(parsed(&answer), parsed(&plain));
        let everything = once(&user, &ORDERS_FIELDS, &NEWS_FIELDS);
        assert_eq!(memory.taken(&audit), everything);
        on!(db, desk, portable(&declared(), &who("alice"))).unwrap();
        assert_eq!(memory.taken(&audit), everything);
        let label = Disclosure::to("DHL").field(NAME).field(ADDRESS).column("users", "id");
        own_transaction!(db, desk, disclose_in_clear(&declared(), &who("alice"), &label)).unwrap();
        assert_eq!(memory.taken(&audit), once(&user, &["name", "address"], &[]));
        let keys = on!(db, desk, keys(&who("alice"), NEWSLETTER)).unwrap();
        let sealed = keys.seal(shop::NEWS_EMAIL, &"alice@example.org".parse().unwrap()).unwrap();
        assert!(memory.taken(&audit).is_empty(), "sealing gives nothing out");
        keys.open(shop::NEWS_EMAIL, &sealed).unwrap();
        assert_eq!(memory.taken(&audit), once(&user, &[], &["email"]));
        // What was opened was opened, whether or not the transaction is committed.
        rolled_back!(db, desk, access(&declared(), &who("alice"))).unwrap();
        assert_eq!(memory.taken(&audit), everything);
        // Whoever has no live grant sees nothing, and nothing was opened.
        let ups = Disclosure::to("UPS").field(NAME);
        assert!(own_transaction!(db, desk, disclose_in_clear(&declared(), &who("alice"), &ups)).is_err());
        assert!(memory.taken(&audit).is_empty());
    }

    async fn what_does_not_open_is_noted_as_that() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let (user, bob) = customers!(shop, db);
        let memory = Memory::default();
        let audit = memory.audit().start().unwrap();
        let desk = desk(&shop.register, &audit);
        let _ = shop.vault.shredding([user.news_no.unwrap()]).purpose(NEWSLETTER).run().unwrap();
        on!(db, desk, access(&declared(), &who("alice"))).unwrap();
        let mut expected = once(&user, &ORDERS_FIELDS, &[]);
        expected.extend(NEWS_FIELDS.map(|label| ((user.news_no.unwrap(), label, OpeningResult::Failed), 1)));
        assert_eq!(memory.taken(&audit), expected);
        // Bob's name is Alice's: what was opened before it was opened, and nothing was given out.
        db.sql(&format!("UPDATE users SET name = (SELECT name FROM users WHERE no = {}) WHERE no = {}", user.no, bob.no))
            .await;
        assert!(on!(db, desk, access(&declared(), &who("bob"))).is_err());
        let noted = memory.taken(&audit);
        assert_eq!(noted.get(&(bob.no, "name", OpeningResult::Failed)), Some(&1));
        assert!(!noted.contains_key(&(bob.no, "name", OpeningResult::Opened)));
    }

    async fn audits_are_added_and_never_taken_off() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let (user, _) = customers!(shop, db);
        let (first, second) = (Memory::default(), Memory::default());
        let (audit, other) = (first.audit().start().unwrap(), second.audit().start().unwrap());
        let both = desk(&desk(&shop.register, &audit), &other);
        on!(db, both.clone(), access(&declared(), &who("alice"))).unwrap();
        let everything = once(&user, &ORDERS_FIELDS, &NEWS_FIELDS);
        assert_eq!((first.taken(&audit), second.taken(&other)), (everything.clone(), everything));
    }

    async fn while_it_cannot_be_noted_nothing_is_handed_out() {
        let (shop, mut db) = (Shop::new(Rules::new()), Db::new().await);
        let _ = customers!(shop, db);
        let memory = Memory::default();
        let audit = memory.audit().start().unwrap();
        let desk = desk(&shop.register, &audit);
        on!(db, desk, grant(&who("alice"), contract().to("DHL"))).unwrap();
        let keys = on!(db, desk, keys(&who("bob"), NEWSLETTER)).unwrap();
        let sealed = keys.seal(shop::NEWS_EMAIL, &"bob@example.org".parse().unwrap()).unwrap();
        memory.fails.store(true, Ordering::SeqCst);
        keys.open(shop::NEWS_EMAIL, &sealed).unwrap();
        assert!(audit.flush().is_err());
        let mut opened = 1;
        while keys.open(shop::NEWS_EMAIL, &sealed).is_ok() {
            opened += 1;
            assert!(opened < 5_000, "the buffer is bounded");
        }
        let (before, accesses) = (written(&mut db).await, told(&mut db, "accessed").await);
        let refused = on!(db, desk, access(&declared(), &who("alice"))).unwrap_err();
        let not_audited = |error: &AccessError| {
            assert_eq!(error.outcome(), Outcome::TryAgain);
            matches!(error, AccessError::Open { source: OpenError::NotAudited { source: AuditError::Sink(_), .. }, .. })
        };
        assert!(not_audited(&refused), "{refused:?}");
        let label = Disclosure::to("DHL").field(NAME);
        let refused = own_transaction!(db, desk, disclose_in_clear(&declared(), &who("alice"), &label)).unwrap_err();
        assert!(matches!(&refused, DisclosureError::Access(error) if not_audited(error)), "{refused:?}");
        assert_eq!((written(&mut db).await, told(&mut db, "accessed").await), (before, accesses), "nothing was told");
        memory.fails.store(false, Ordering::SeqCst);
        while audit.flush().is_err() {}
        let noted: u64 = memory.taken(&audit).values().sum();
        assert_eq!(noted, opened, "and nothing that was refused is noted as opened");
        on!(db, desk, access(&declared(), &who("alice"))).unwrap();
    }
}
