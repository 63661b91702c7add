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
//! use oubliette::register::{Basis, Evidence, Grant, Keep, Register, RegisterError, Rules, Subject};
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
//! register.on(&connection).create_tables()?;
//! register.alone(&mut connection).resume()?; // at every start: finishes what was interrupted
//!
//! // Within a transaction of yours.
//! let alice = Subject::new("alice")?;
//! let transaction = connection.transaction()?;
//! let evidence = Evidence::new(Timestamp::now(), "newsletter, version 3", "sign-up form");
//! register.on(&transaction).grant(&alice, Grant::consent(NEWSLETTER, evidence))?;
//! let keys = register.on(&transaction).keys(&alice, NEWSLETTER)?;
//! let sealed = keys.seal(EMAIL, &"alice@example.com".parse()?)?; // for a row whose number is `keys.customer()`
//! transaction.commit()?;
//! assert!(matches!(register.on(&connection).keys(&alice, ORDERS), Err(RegisterError::NoGrant { .. })));
//!
//! // What cannot be rolled back has the connection to itself.
//! register.alone(&mut connection).withdraw(&alice, NEWSLETTER, Reason::new("unsubscribed")?)?;
//! let swept = register.alone(&mut connection).sweep(|_| ControlFlow::Continue(()))?;
//! let erased = register.alone(&mut connection).erase(&alice, Reason::new("request 2026-114, Art. 17")?)?;
//! let receipt = erased.receipt.expect("she had a number").to_string();
//! Receipt::verify(&receipt, &vault.public_key()?)?;
//! # assert!(swept.finished && keys.open(EMAIL, &sealed).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! In PostgreSQL (feature `register-postgres`) the same calls are `async`: `register.on_postgres(&mut transaction)` and
//! `register.alone_postgres(&pool)`.
//!
//! # One number a customer and purpose
//! The first [`grant`](OnSqlite::grant) for a purpose issues a number, and [`keys`](OnSqlite::keys) seals under it while a grant
//! is live: not before, not for another purpose, not after the grant has ended or run out. Keep the number beside what it
//! sealed ([`GrantedKeys::customer`]); reading goes by the row's own number, through
//! [`Vault::customer`](crate::Vault::customer). A withdrawal shreds the number. Consent given again gets a new one, and what was
//! sealed under the old one stays unreadable.
//!
//! - **[Two ids that are one customer](OnSqlite::merge)** are merged: numbers stay, since values are sealed under them, and an
//!   erasure shreds all.
//! - **Data about two people in one field** (a joint address, a message) has one number: that of the person whose purpose it
//!   serves. Where it is as much the other's, make the two a subject of its own (`"household 7"`), with a grant of each in
//!   its evidence, and erase that subject when either leaves.
//!
//! # What is decided is done
//! Whatever shreds is decided in one transaction, done in one commit of the vault's, and recorded in another transaction. A
//! process that is killed in between leaves what was decided, and [`resume`](AloneSqlite::resume) finishes it: at the next
//! start, in any process. Between the decision and its end nothing is granted or sealed for the customer.
//!
//! What the journal is told lies in an outbox from the same transaction on: a transaction that is rolled back tells it
//! nothing, one that is committed tells it once, however often somebody is killed.
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
//! The drill, for any Tuesday, on a copy: erase somebody, restore yesterday's database, start, look. DRILLS.md, in the
//! repository and the package, has it step by step, and those where vault or journal went back as well.
//! 1. Start no application on the restored database before step 3.
//! 2. The vault and the journal stay as they are: they are not restored with the database. If they went back as well, see
//!    [`VaultBuilder::replay`](crate::VaultBuilder::replay) first.
//! 3. [`resume`](AloneSqlite::resume) notices that the journal knows more of this database than it remembers, and
//!    [reconciles](AloneSqlite::reconcile): the erased come back as erased, under the same commitment; withdrawals and sweeps
//!    since are recorded, tokens cleared again; ended grants end, holds stand.
//! 4. [`Resumed::reconciled`] tells what was found. What [`Reconciled::lost`] lists are numbers of customers who signed up since; nobody knows any more whose they are.
//!
//! # Tables
//! Times are milliseconds since 1970 in UTC, ids random numbers below 2^53. Read them, join them
//! (`oubliette_subjects.subject` is the application's id); write them by the calls only.
//!
//! | table | a row is |
//! |---|---|
//! | `oubliette_meta` | `schema` (the version, 1), `vault`, `register` (tags this database's events), `behind` (to be reconciled), `rules` (the application's, in words) |
//! | `oubliette_subjects` | a customer: `state` is `live`, `erasing`, `erased` (then without `subject`), or `merged` into another |
//! | `oubliette_numbers` | a number of a customer and purpose: `live`, `ended` (waits for a hold's end), `doomed` (decided on), `shredded`; `sealing` is 1 for the one that is sealed under |
//! | `oubliette_grants` | a basis, with evidence, beginning, `until`, end; with a `recipient` one to disclose |
//! | `oubliette_marks` | the last time that something happened which retention counts from |
//! | `oubliette_requests` | a request: `open`, `done`, `refused`, `withdrawn` |
//! | `oubliette_holds` | a legal hold |
//! | `oubliette_work` | a token column that is to be cleared for a number |
//! | `oubliette_recipients`, `oubliette_disclosures` | who receives data, and what was handed on |
//! | `oubliette_outbox`, `oubliette_journal` | events on their way, and the journal line for line |

mod agreement;
mod basis;
mod breach;
mod database;
#[cfg(feature = "derive")]
mod disclosures;
mod erase;
mod error;
mod finish;
mod grants;
#[cfg(feature = "derive")]
mod holdings;
mod holds;
mod ids;
mod keys;
mod marks;
mod merge;
mod names;
mod operations;
mod outbox;
#[cfg(test)]
mod plans;
#[cfg(feature = "register-postgres")]
mod postgres;
mod reconcile;
mod requests;
mod rules;
mod schema;
mod since;
mod sqlite;
mod steps;
mod subject;
mod sweep;
mod withdraw;
mod work;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

pub use crate::basis::Basis;
pub use agreement::Disagreement;
pub use basis::{Evidence, Grant};
#[cfg(feature = "derive")]
#[cfg_attr(docsrs, doc(cfg(feature = "derive")))]
pub use disclosures::{Disclosure, DisclosureError, Received};
pub use erase::Erased;
pub use error::{DatabaseError, GrantedSealError, RegisterError};
pub use finish::Resumed;
pub use grants::Granted;
#[cfg(feature = "derive")]
#[cfg_attr(docsrs, doc(cfg(feature = "derive")))]
pub use holdings::Holdings;
pub use holds::Hold;
pub use ids::{GrantId, HoldId, InvalidId, RequestId};
pub use keys::GrantedKeys;
#[cfg(feature = "register-postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "register-postgres")))]
pub use postgres::{AlonePostgres, OnPostgres};
pub use reconcile::Reconciled;
pub use requests::{Answer, Request, RequestKind};
pub use rules::{Keep, Rules};
pub use sqlite::{AloneSqlite, OnSqlite};
pub use subject::{InvalidSubject, Subject};
pub use sweep::{Due, Swept};
pub use withdraw::Withdrawn;

use crate::audit::Audit;
use crate::error::KeyStoreError;
use crate::journal::Reason;
use crate::limits::Limits;
use crate::vault::{Reader, Vault};

/// The register of one vault, in the application's databases. Cheap to clone, and shared by all threads. See
/// [the module](crate::register).
///
/// A vault may have registers in several databases; each is reconciled by itself.
#[derive(Clone)]
pub struct Register {
    vault: Vault,
    /// The same vault, behind the audits that openings are written down in.
    reader: Reader,
    rules: Arc<Rules>,
}

impl Register {
    /// The register of this vault, under these rules.
    ///
    /// # Errors
    /// [`KeyStoreError::NeedsJournal`] when the vault was opened without a journal, and [`RegisterError::Invalid`] of rules
    /// that are not well made.
    pub fn new(vault: &Vault, rules: Rules) -> Result<Register, RegisterError> {
        rules.check()?;
        if !vault.has_journal()? {
            return Err(KeyStoreError::NeedsJournal.into());
        }
        let reader = vault.reader(Limits::everything().with_sealing());
        Ok(Register { vault: vault.clone(), reader, rules: Arc::new(rules) })
    }

    /// The same register, whose openings are written down, with who opens and why: for the length of a request. That is
    /// each value in what `access`, `portable`, `disclose` and `disclose_in_clear` give out, and each that
    /// [`GrantedKeys`] open. It is noted when it is opened, whether or not the transaction around it is committed.
    ///
    /// While the audit cannot take more, these calls fail, and give nothing out: see
    /// [`OpenError::NotAudited`](crate::OpenError::NotAudited). An audit is never taken off: a register that is audited
    /// already notes in both from then on.
    ///
    /// ```no_run
    /// # fn example(
    /// #     register: oubliette::register::Register, audit: oubliette::audit::Audit, connection: rusqlite::Connection,
    /// #     subject: oubliette::register::Subject,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let desk = register.audited(&audit, "privacy desk".parse()?, "request 2026-114, Art. 15".parse()?);
    /// let keys = desk.on(&connection).keys(&subject, oubliette::Purpose::new("orders"))?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn audited(&self, audit: &Audit, who: Reason, why: Reason) -> Register {
        Register { reader: self.reader.audited(audit, who, why), ..self.clone() }
    }

    /// The vault.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    fn now(&self) -> Timestamp {
        self.rules.clock.now()
    }
}

impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Register({:?})", self.vault)
    }
}
