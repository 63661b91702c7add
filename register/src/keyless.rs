//! The register without the vault's keys, and what it shares with the register that has them: the same tables and the
//! same code.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use oubliette::Purpose;
use oubliette::journal::PublicKey;

use crate::error::RegisterError;
use crate::register::Register;
use crate::rules::Rules;

/// The register without the vault's keys, for a privacy officer. It works on the same tables as a [`Register`] and has
/// the calls that need no key: requests, holds, the list of what is due, reports. It opens, seals and shreds nothing.
///
/// Its acts count at once: a hold binds every [`Register`] on these tables from the commit on. Only the vault can write
/// the journal. So an act waits in the outbox, **not yet signed**, until a process with the vault
/// [flushes](crate::OwnTransactionSqlite::flush) it. [`signed_requests`](crate::InTransactionSqlite::signed_requests),
/// [`signed_holds`](crate::InTransactionSqlite::signed_holds) and [`unsigned`](crate::InTransactionSqlite::unsigned)
/// show which acts are signed.
///
/// **An act that is not signed proves nothing**: everybody who can write the tables can write it, change it or remove
/// it. A signed act proves that it was in the outbox when it was signed. It does not prove who put it there.
///
/// ```
/// use jiff::{Timestamp, ToSpan};
/// use oubliette::journal::Reason;
/// # use oubliette::{Purpose, RootKey, Vault};
/// use oubliette_register::{KeylessRegister, Keep, Register, RequestKind, Rules, Signed, Subject};
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
/// let keyless = KeylessRegister::new(public_key, [ORDERS], rules())?;
/// keyless.in_transaction(&db).check_tables()?;
/// let request = keyless.in_transaction(&db).request(&Subject::new("alice")?, RequestKind::Access, Timestamp::now())?;
/// assert_eq!(keyless.in_transaction(&db).signed_requests(&[request.id])?, [Signed::NotYet]);
///
/// // Where the vault is.
/// register.own_transaction(&mut db).flush()?;
/// assert!(matches!(keyless.in_transaction(&db).signed_requests(&[request.id])?[..], [Signed::Entry(_)]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct KeylessRegister {
    key: PublicKey,
    purposes: Arc<[Purpose]>,
    rules: Arc<Rules>,
    /// The newest line of the journal's table that was found to be signed; 0 for none.
    pub(crate) signed: Arc<AtomicI64>,
}

impl KeylessRegister {
    /// The register of the vault with this public key, under the application's rules.
    /// [`due`](crate::InTransactionSqlite::due) covers these purposes.
    ///
    /// # Errors
    /// [`RegisterError::Invalid`] if a rule is invalid.
    pub fn new(
        key: PublicKey,
        purposes: impl IntoIterator<Item = Purpose>,
        rules: Rules,
    ) -> Result<KeylessRegister, RegisterError> {
        rules.check()?;
        let signed = Arc::new(AtomicI64::new(0));
        Ok(KeylessRegister { key, purposes: purposes.into_iter().collect(), rules: Arc::new(rules), signed })
    }

    /// Whether this line of the journal's table has already been checked.
    pub(crate) fn knows(&self, line: i64) -> bool {
        self.signed.load(Ordering::Acquire) == line
    }
}

impl fmt::Debug for KeylessRegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeylessRegister({:?})", self.key)
    }
}

/// Who works on the tables.
#[derive(Debug)]
pub enum Who<'o> {
    /// A register with the vault, which says what is shredded, and with its journal.
    Vault(&'o Register),
    /// A register with the public key alone.
    Key(&'o KeylessRegister),
}

/// A [`Register`] or a [`KeylessRegister`], with what every call needs of either. Other crates cannot name it, so there
/// is no example.
pub trait AnyRegister: Sync {
    fn who(&self) -> Who<'_>;

    fn rules(&self) -> &Rules {
        match self.who() {
            Who::Vault(register) => &register.rules,
            Who::Key(keyless) => &keyless.rules,
        }
    }

    fn clock(&self) -> Timestamp {
        self.rules().clock.now()
    }

    fn key(&self) -> Result<PublicKey, RegisterError> {
        match self.who() {
            Who::Vault(register) => Ok(register.vault.public_key()?),
            Who::Key(keyless) => Ok(keyless.key),
        }
    }

    /// The purposes whose retention is checked.
    fn purposes(&self) -> Result<Vec<Purpose>, RegisterError> {
        match self.who() {
            Who::Vault(register) => Ok(register.vault.unlocked_purposes()?),
            Who::Key(keyless) => Ok(keyless.purposes.to_vec()),
        }
    }
}

impl AnyRegister for Register {
    fn who(&self) -> Who<'_> {
        Who::Vault(self)
    }
}

impl AnyRegister for KeylessRegister {
    fn who(&self) -> Who<'_> {
        Who::Key(self)
    }
}
