//! The register: what may be sealed of whom, on which legal basis and for how long; and the proof when it is gone.
//!
//! It maps the application's own customer ids to the vault's numbers, in tables in the application's database
//! (`oubliette_..`, SQLite or PostgreSQL), within the application's transactions where it wishes. It holds nothing secret.
//!
//! ```
//! use std::ops::ControlFlow;
//! use jiff::{Timestamp, ToSpan};
//! use oubliette::journal::{Reason, Receipt};
//! use oubliette::personal::Email;
//! use oubliette_register::{Basis, Evidence, Grant, Keep, Register, RegisterError, Rules, Subject};
//! use oubliette::{Field, Purpose, RootKey, Vault};
//!
//! const ORDERS: Purpose = Purpose::new("orders");
//! const NEWSLETTER: Purpose = Purpose::new("newsletter");
//! const EMAIL: Field<Email> = NEWSLETTER.field("email");
//!
//! # let place = tempfile::tempdir()?;
//! # let vault = place.path().join("privacy");
//! # let journal = place.path().join("journal");
//! # let mut connection = rusqlite::Connection::open_in_memory()?;
//! # connection.execute_batch("CREATE TABLE customers (no BIGINT UNIQUE, email_idx BLOB)")?;
//! let vault = Vault::at(vault).purposes([ORDERS, NEWSLETTER]).journal(journal).create(RootKey::bytes([7; 32]))?;
//! let rules = Rules::new()
//!     .keep(ORDERS, Keep::after_last("order", 10.years()))
//!     .keep(NEWSLETTER, Keep::after_grant(2.years()))
//!     .tokens("customers", "no", ["email_idx"]);
//! let register = Register::new(&vault, rules)?;
//! register.in_transaction(&connection).create_tables()?;
//! register.own_transaction(&mut connection).resume()?; // at every start: finishes what was interrupted
//!
//! // Within a transaction of yours.
//! let alice = Subject::new("alice")?;
//! let transaction = connection.transaction()?;
//! let evidence = Evidence::new(Timestamp::now(), "newsletter, version 3", "sign-up form");
//! register.in_transaction(&transaction).grant(&alice, Grant::consent(NEWSLETTER, evidence))?;
//! let keys = register.in_transaction(&transaction).keys(&alice, NEWSLETTER)?;
//! let sealed = keys.seal(EMAIL, &"alice@example.com".parse()?)?; // for a row whose number is `keys.customer()`
//! transaction.commit()?;
//! assert!(matches!(register.in_transaction(&connection).keys(&alice, ORDERS), Err(RegisterError::NoGrant { .. })));
//!
//! // What cannot be rolled back has the connection to itself.
//! register.own_transaction(&mut connection).withdraw(&alice, NEWSLETTER, Reason::new("unsubscribed")?)?;
//! let swept = register.own_transaction(&mut connection).sweep(|_| ControlFlow::Continue(()))?;
//! let erased = register.own_transaction(&mut connection).erase(&alice, Reason::new("request 2026-114, Art. 17")?)?;
//! let receipt = erased.receipt.expect("she had a number").to_string();
//! Receipt::verify(&receipt, &vault.public_key()?)?;
//! # assert!(swept.finished && keys.open(EMAIL, &sealed).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! In PostgreSQL (feature `postgres`) the same calls are `async`: `register.in_transaction_postgres(&mut transaction)` and
//! `register.own_transaction_postgres(&pool)`.
//!
//! # One number a customer and purpose
//! The first [`grant`](InTransactionSqlite::grant) for a purpose issues a number, and [`keys`](InTransactionSqlite::keys) seals under it while a grant
//! is live: not before, not for another purpose, not after the grant has ended or run out. Keep the number beside what it
//! sealed ([`GrantedKeys::customer`]); reading goes by the row's own number, through
//! [`Vault::customer`](oubliette::Vault::customer). A withdrawal shreds the number. Consent given again gets a new one, and what was
//! sealed under the old one stays unreadable.
//!
//! - **[Two ids that are one customer](InTransactionSqlite::merge)** are merged: numbers stay, since values are sealed under them, and an
//!   erasure shreds all.
//! - **Data about two people in one field** (a joint address, a message) has one number: that of the person whose purpose it
//!   serves. Where it is as much the other's, make the two a subject of its own (`"household 7"`), with a grant of each in
//!   its evidence, and erase that subject when either leaves.
//!
//! # What is decided is done
//! Whatever shreds is decided in one transaction, done in one commit of the vault's, and recorded in another transaction. A
//! process that is killed in between leaves what was decided, and [`resume`](OwnTransactionSqlite::resume) finishes it: at the next
//! start, in any process. Between the decision and its end nothing is granted or sealed for the customer.
//!
//! What the journal is to be told goes into an outbox, in the same transaction. If that is rolled back, the journal hears
//! nothing; if it is committed, the journal gets each event exactly once, also across crashes.
//!
//! # What a legal hold keeps
//! A [hold](InTransactionSqlite::hold) binds whatever this register destroys: [`erase`](OwnTransactionSqlite::erase) is refused, a
//! [sweep](OwnTransactionSqlite::sweep) leaves the customer alone, a [withdrawal](OwnTransactionSqlite::withdraw) stops the sealing and waits,
//! [`shred_numbers`](OwnTransactionSqlite::shred_numbers) and [`retire_replaced`](OwnTransactionSqlite::retire_replaced) are refused unless the
//! hold is overridden for a reason that the journal keeps. A hold that is placed while one of these is decided comes before
//! it and binds it, or after it and is refused.
//!
//! **It does not bind the vault's own calls**: [`Vault::shred`](oubliette::Vault::shred), `shredding`,
//! `retire_replaced` and `recover` ask no register. A program that has one calls the register's instead. Nor does it keep the
//! application from deleting rows, and a row that is gone is gone.
//!
//! # Without the vault
//! A [`Desk`] has the calls that need no key, for a privacy officer with the database and the public key: requests, holds, what is due, reports.
//! What it does counts at once, and is [not yet signed](Signed) until a process that has the vault flushes.
//!
//! # What stays of an erased customer
//! Their row without their id: a commitment that only their receipt opens, and dates. Numbers, which name nobody any more.
//! Grants with purpose, basis, recipient, beginning and end, and of the evidence what
//! [the application's rule](Rules::keep_evidence) keeps, since a controller must be able to show that there was a basis
//! (GDPR Art. 5(2), 7(1)). Requests with their dates; disclosures with recipient and labels, to tell recipients (Art. 19).
//! **Reasons are texts of the application's and stay in the journal: never put a name into one.** The journal says which
//! numbers went when. Deleting the application's own rows stays its own part.
//!
//! The databases themselves forget late: SQLite keeps old content in free pages and in the WAL (`PRAGMA secure_delete`,
//! `wal_checkpoint(TRUNCATE)`), PostgreSQL until `VACUUM` and in its WAL. The id of an erased customer is then there, never
//! a key.
//!
//! # After a restore
//! The drill, for any Tuesday, on a copy: erase somebody, restore yesterday's database, start, look. DRILLS.md, of the
//! operator's command `oubliette-cli`, has it step by step, and those where vault or journal went back as well.
//! 1. Start no application on the restored database before step 3.
//! 2. The vault and the journal stay as they are: they are not restored with the database. If they went back as well, see
//!    [`VaultBuilder::replay`](oubliette::VaultBuilder::replay) first.
//! 3. [`resume`](OwnTransactionSqlite::resume) notices that the journal knows more of this database than it remembers, and
//!    [reconciles](OwnTransactionSqlite::reconcile): the erased come back as erased, under the same commitment; withdrawals and sweeps
//!    since are recorded, tokens cleared again; ended grants end, holds stand.
//! 4. [`Resumed::reconciled`] tells what was found. [`Reconciled::lost`] lists numbers of customers who
//!    signed up since the backup: whose they are is not known any more.
//! 5. Evidence and marks since are lost, and, if the journal lost entries too, holds and requests. Nothing is swept before an operator has
//!    entered them again and [said so](OwnTransactionSqlite::confirm_restored).
//!
//! # Tables
//! Times are milliseconds since 1970 in UTC, ids random numbers below 2^53. Read them, join them
//! (`oubliette_subjects.subject` is the application's id); write them by the calls only.
//!
//! | table | a row is |
//! |---|---|
//! | `oubliette_meta` | `schema` (the version, 2), `vault`, `register` (tags this database's events), `behind` (to be reconciled), `unconfirmed` (no sweep before people have looked), `rules` (the application's, in words) |
//! | `oubliette_subjects` | a customer: `state` is `live`, `erasing`, `erased` (then without `subject`), or `merged` into another |
//! | `oubliette_numbers` | a number of a customer and purpose: `live`, `ended` (waits for a hold's end), `shred_pending` (decided on), `shredded`; `sealing` is 1 for the one that is sealed under; `whose` is the customer's id, sealed under the number |
//! | `oubliette_grants` | a basis, with evidence, beginning, `until`, end; with a `recipient` one to disclose |
//! | `oubliette_marks` | the last time that something happened which retention counts from |
//! | `oubliette_requests` | a request: `open`, `done`, `refused`, `withdrawn`, or `unanswered` (the customer was erased before) |
//! | `oubliette_holds` | a legal hold |
//! | `oubliette_work` | a token column that is to be cleared for a number |
//! | `oubliette_recipients`, `oubliette_disclosures` | who receives data, and what was handed on |
//! | `oubliette_outbox`, `oubliette_journal` | events on their way, and the journal line for line; `about` is the request or hold that a line is about |

#![cfg_attr(docsrs, feature(doc_cfg))]
// A test that fails should panic.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::unwrap_in_result
    )
)]

pub mod access;
mod agreed;
mod agreement;
mod basis;
pub mod breach;
mod breach_facts;
mod by_number;
mod clock;
mod damaged;
mod database;
mod deferred;
mod desk;
mod disclosures;
mod due;
mod erase;
mod error;
mod evidence;
mod finish;
mod grants;
#[doc = include_str!("guide/guide.md")]
pub mod guide {}
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
mod holdings;
mod holds;
mod ids;
pub mod inventory;
mod keys;
mod marks;
mod merge;
mod names;
mod operations;
mod ordered;
mod outbox;
#[cfg(test)]
mod plans;
#[cfg(planted)]
#[doc(hidden)]
pub mod planted;
#[cfg(feature = "postgres")]
mod postgres;
mod reconcile;
mod reconciled;
mod register;
mod requests;
mod rows;
mod rules;
mod schema;
mod signed;
mod since;
mod sqlite;
mod steps;
mod subject;
mod sweep;
mod tables;
mod times;
mod whose;
mod withdraw;
mod work;

pub use agreement::Disagreement;
pub use basis::{Basis, InvalidBasis};
pub use by_number::{NumbersShredded, ShredByNumber};
pub use damaged::DamagedRow;
pub use desk::Desk;
pub use disclosures::{Disclosure, DisclosureError, Received};
pub use due::Due;
pub use erase::Erased;
pub use error::{DatabaseError, GrantedSealError, RegisterError};
pub use evidence::{Evidence, Grant};
pub use finish::Resumed;
pub use grants::Granted;
pub use holdings::Holdings;
pub use holds::Hold;
pub use ids::{GrantId, HoldId, InvalidId, RequestId};
pub use keys::GrantedKeys;
pub use outbox::Flushed;
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use postgres::{InTransactionPostgres, OwnTransactionPostgres};
pub use reconciled::Reconciled;
pub use register::Register;
pub use requests::{Answer, Request, RequestKind};
pub use rules::{Keep, Rules};
pub use signed::{Signed, Unsigned};
pub use sqlite::{InTransactionSqlite, OwnTransactionSqlite};
pub use subject::{InvalidSubject, Subject};
pub use sweep::Swept;
pub use withdraw::Withdrawn;
