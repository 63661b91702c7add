//! The register: whose data may be sealed, on which legal basis and for how long; and the proof of its erasure.
//!
//! *Chapter 7 of [the book of oubliette](https://docs.rs/oubliette/latest/oubliette/#the-book): duties. Before it: [tokens](https://docs.rs/oubliette-pkcs11). After it: [testing](https://docs.rs/oubliette/latest/oubliette/testing/index.html).*
//!
//! It maps the application's own customer ids to the vault's numbers, in tables of the application's database
//! (`oubliette_..`, SQLite or PostgreSQL), within the application's transactions. It holds no secret.
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
//! // Calls that shred cannot be rolled back, so they take the connection for themselves.
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
//! The first [`grant`](InTransactionSqlite::grant) for a purpose issues a number. [`keys`](InTransactionSqlite::keys)
//! seals under it while a grant for the purpose is live, never before and never after. Store the number beside each
//! sealed value ([`GrantedKeys::customer`]). To read, take the row's own number, through
//! [`Vault::customer`](oubliette::Vault::customer). A withdrawal shreds the number. A later consent gets a new number,
//! and values under the old number stay unreadable.
//!
//! - **[Two ids that are one customer](InTransactionSqlite::merge)** are merged: numbers stay, since values are sealed
//!   under them, and an
//!   erasure shreds all.
//! - **Data about two people in one field** (a joint address, a message) has one number: that of the person whose
//!   purpose it serves. If it belongs to both, make the two a subject of its own (`"household 7"`), with the consent
//!   of each in its evidence, and erase that subject when either leaves.
//!
//! # What is decided is done
//! A shred is decided in one transaction, done in one commit of the vault, and recorded in another transaction. If a
//! process is killed in between, [`resume`](OwnTransactionSqlite::resume) finishes it at the next start, in any
//! process. Between the decision and its end, nothing is granted or sealed for the customer.
//!
//! Events for the journal go into an outbox, in the same transaction. If the transaction is rolled back, the journal
//! gets nothing. If it is committed, the journal gets each event exactly once, also across crashes.
//!
//! # What a legal hold protects
//! A [hold](InTransactionSqlite::hold) stops every destruction by this register. [`erase`](OwnTransactionSqlite::erase)
//! is refused. A [sweep](OwnTransactionSqlite::sweep) leaves the customer alone. A
//! [withdrawal](OwnTransactionSqlite::withdraw) stops the sealing, and its shred waits.
//! [`shred_numbers`](OwnTransactionSqlite::shred_numbers) and
//! [`retire_replaced`](OwnTransactionSqlite::retire_replaced) are refused, unless the hold is overridden for a reason
//! that the journal keeps. A hold and a shred at the same moment are put in order: either the hold stops the shred, or
//! the hold is refused.
//!
//! **A hold does not bind the vault's own calls**: [`Vault::shred`](oubliette::Vault::shred), `shredding`,
//! `retire_replaced` and `recover` do not ask a register. If you have a register, call its methods instead. A hold does
//! not stop the application from deleting rows either.
//!
//! # Without the vault's keys
//! A [`KeylessRegister`] has the calls that need no key, for a privacy officer with the database and the public key:
//! requests, holds, the list of what is due, reports. Its acts count at once, and are [not yet signed](Signed) until a
//! process with the vault flushes.
//!
//! # What stays of an erased customer
//! The customer's row stays without the id: dates, and a commitment that only the receipt opens. Numbers stay; they
//! name nobody any more. Grants stay with purpose, basis, recipient, beginning and end, and with the evidence that [the
//! application's rule](Rules::keep_evidence) keeps: a controller must be able to show that there was a basis (GDPR Art.
//! 5(2), 7(1)). Requests stay with their dates, disclosures with recipient and labels, so that recipients can be told
//! (Art. 19). **Reasons are texts of the application and stay in the journal: never put a name into one.** The journal
//! says which numbers were shredded when. The application deletes its own rows itself.
//!
//! Databases keep old content for a while: SQLite in free pages and in the WAL (`PRAGMA secure_delete`,
//! `wal_checkpoint(TRUNCATE)`), PostgreSQL until `VACUUM` and in its WAL. There the id of an erased customer may
//! remain, never a key.
//!
//! # After a restore
//! Try it on a copy: erase somebody, restore yesterday's database, start, look. DRILLS.md of the operator's command, in
//! the package `oubliette-cli`, has this drill step by step, and others in which the vault or the journal was restored
//! too.
//! 1. Do not start the application on the restored database before step 3.
//! 2. Leave the vault and the journal as they are: do not restore them with the database. If they were restored too,
//!    see [`VaultBuilder::replay`](oubliette::VaultBuilder::replay) first.
//! 3. [`resume`](OwnTransactionSqlite::resume) finds that the journal knows more than this database, and
//!    [reconciles](OwnTransactionSqlite::reconcile): erased customers are erased again, under the same commitment;
//!    withdrawals and sweeps are recorded again, and tokens cleared again; grants end again, holds stand again.
//! 4. [`Resumed::reconciled`] says what was found. [`Reconciled::ownerless`] lists numbers of customers who signed up
//!    since the backup: the database does not know them any more.
//! 5. Evidence and marks since the backup are lost; if the journal lost entries too, holds and requests are lost as
//!    well. Nothing is swept before an operator has entered them again and [confirmed
//!    it](OwnTransactionSqlite::confirm_restored).
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
mod breach_situation;
mod by_number;
mod clock;
mod damaged;
mod database;
mod deferred;
mod disclosures;
mod due;
mod erase;
mod error;
mod evidence;
mod finish;
mod grants;
mod keyless;
#[doc = include_str!("guide/guide.md")]
pub mod guide {}
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
mod answers;
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
mod request_kinds;
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
pub use answers::DeclaredTables;
pub use basis::{Basis, InvalidBasis};
pub use by_number::{NumbersShredded, ShredByNumber};
pub use damaged::DamagedRow;
pub use disclosures::{Disclosure, DisclosureError, Received};
pub use due::Due;
pub use erase::Erased;
pub use error::{DatabaseError, GrantedSealError, RegisterError};
pub use evidence::{Evidence, Grant};
pub use finish::Resumed;
pub use grants::Granted;
pub use holds::Hold;
pub use ids::{GrantId, HoldId, InvalidId, RequestId};
pub use keyless::KeylessRegister;
pub use keys::GrantedKeys;
pub use outbox::Flushed;
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use postgres::{InTransactionPostgres, OwnTransactionPostgres};
pub use reconciled::Reconciled;
pub use register::Register;
pub use request_kinds::{Answer, RequestKind};
pub use requests::Request;
pub use rules::{Keep, Rules};
pub use signed::{Signed, Unsigned};
pub use sqlite::{InTransactionSqlite, OwnTransactionSqlite};
pub use subject::{InvalidSubject, Subject};
pub use sweep::SweepReport;
pub use withdraw::Withdrawn;
