//! The register without the vault, and what both have: whoever has no key works on the same tables, by the same code.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use oubliette::Purpose;
use oubliette::journal::PublicKey;

use crate::error::RegisterError;
use crate::register::Register;
use crate::rules::Rules;

/// The register for whoever has neither root key nor key store: a privacy officer. It works on the same tables as a
/// [`Register`], and has those of its calls that need no key: requests, holds, what is due, reports. It opens, seals and
/// shreds nothing.
///
/// What it does counts at once: a hold that is placed here binds every [`Register`] on these tables from the commit on. The journal
/// cannot be written without the vault, so what it is to be told lies in the outbox, **not yet signed**, until a process that
/// has the vault [flushes](crate::OwnTransactionSqlite::flush); [`signed_requests`](crate::InTransactionSqlite::signed_requests),
/// [`signed_holds`](crate::InTransactionSqlite::signed_holds) and [`unsigned`](crate::InTransactionSqlite::unsigned) tell.
///
/// **An act that is not signed proves nothing**: whoever can write the tables can write it, change it, or take it away. That the journal
/// has it later proves that it was in the outbox then, and not who put it there.
///
/// ```
/// use jiff::{Timestamp, ToSpan};
/// use oubliette::journal::Reason;
/// # use oubliette::{Purpose, RootKey, Vault};
/// use oubliette_register::{Desk, Keep, Register, RequestKind, Rules, Signed, Subject};
///
/// # const ORDERS: Purpose = Purpose::new("orders");
/// # let place = tempfile::tempdir()?;
/// # let vault = Vault::at(place.path().join("privacy")).purposes([ORDERS]).journal(place.path().join("journal"));
/// # let vault = vault.create(RootKey::bytes([7; 32]))?;
/// # let mut db = rusqlite::Connection::open_in_memory()?;
/// # let rules = || Rules::new().keep(ORDERS, Keep::after_last("order", 10.years()));
/// # let register = Register::new(&vault, rules())?;
/// # register.in_transaction(&db).create_tables()?;
/// # let public_key = vault.public_key()?;
/// // On the officer's machine: the database, the public key, the application's rules.
/// let desk = Desk::new(public_key, [ORDERS], rules())?;
/// desk.in_transaction(&db).check_tables()?;
/// let request = desk.in_transaction(&db).request(&Subject::new("alice")?, RequestKind::Access, Timestamp::now())?;
/// assert_eq!(desk.in_transaction(&db).signed_requests(&[request.id])?, [Signed::NotYet]);
///
/// // Where the vault is.
/// register.own_transaction(&mut db).flush()?;
/// assert!(matches!(desk.in_transaction(&db).signed_requests(&[request.id])?[..], [Signed::Entry(_)]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Desk {
    key: PublicKey,
    purposes: Arc<[Purpose]>,
    rules: Arc<Rules>,
    /// The newest line of the journal's table that was found to be signed; 0 for none.
    pub(crate) signed: Arc<AtomicI64>,
}

impl Desk {
    /// The desk of the vault with this public key, under the application's rules. What is [due](crate::InTransactionSqlite::due)
    /// is told of these purposes.
    ///
    /// # Errors
    /// [`RegisterError::Invalid`] of rules that are not well made.
    pub fn new(
        key: PublicKey,
        purposes: impl IntoIterator<Item = Purpose>,
        rules: Rules,
    ) -> Result<Desk, RegisterError> {
        rules.check()?;
        let signed = Arc::new(AtomicI64::new(0));
        Ok(Desk { key, purposes: purposes.into_iter().collect(), rules: Arc::new(rules), signed })
    }

    /// Whether this line of the journal's table was checked before.
    pub(crate) fn knows(&self, line: i64) -> bool {
        self.signed.load(Ordering::Acquire) == line
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Desk({:?})", self.key)
    }
}

/// Who works on the tables.
#[derive(Debug)]
pub enum Who<'o> {
    /// Whoever has the vault: it is asked what it has shredded, and its journal what it was told.
    Vault(&'o Register),
    /// Whoever has the public key alone.
    Key(&'o Desk),
}

/// A [`Register`] or a [`Desk`], and what every call may ask of it. Other crates cannot name it.
pub trait Office: Sync {
    fn who(&self) -> Who<'_>;

    fn rules(&self) -> &Rules {
        match self.who() {
            Who::Vault(register) => &register.rules,
            Who::Key(desk) => &desk.rules,
        }
    }

    fn clock(&self) -> Timestamp {
        self.rules().clock.now()
    }

    fn key(&self) -> Result<PublicKey, RegisterError> {
        match self.who() {
            Who::Vault(register) => Ok(register.vault.public_key()?),
            Who::Key(desk) => Ok(desk.key),
        }
    }

    /// Those that retention is looked at for.
    fn purposes(&self) -> Result<Vec<Purpose>, RegisterError> {
        match self.who() {
            Who::Vault(register) => Ok(register.vault.unlocked_purposes()?),
            Who::Key(desk) => Ok(desk.purposes.to_vec()),
        }
    }
}

impl Office for Register {
    fn who(&self) -> Who<'_> {
        Who::Vault(self)
    }
}

impl Office for Desk {
    fn who(&self) -> Who<'_> {
        Who::Key(self)
    }
}
