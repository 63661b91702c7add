//! Why the register did not do what it was asked to.

use std::fmt;

use jiff::Timestamp;
use oubliette::journal::{JournalError, Reason, ReceiptError};
use oubliette::{ChangeError, CustomerId, KeyStoreError, OpenError, Outcome, SealError, ShredError};

use crate::basis::InvalidBasis;
use crate::ids::HoldId;

/// Why the register did not do what it was asked to do. **No error repeats a customer's id or a value.**
///
/// After an error, a call within a transaction has done nothing: its savepoint was rolled back. A call that shreds may
/// have come half-way; [`resume`](super::OwnTransactionSqlite::resume) finishes it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// There is no live grant for the customer and purpose. Nothing was sealed.
    #[error("there is no live grant for the purpose {purpose:?}; record the legal basis by `grant` first")]
    NoGrant {
        /// The purpose.
        purpose: String,
    },
    /// The register does not know this customer.
    #[error("the register does not know a customer of this id; check the id, or record a first grant")]
    UnknownSubject,
    /// The customer's erasure has begun and is not finished.
    #[error("the customer's erasure has begun; finish it by `resume`, then try again")]
    BeingErased,
    /// A number of the customer is being shredded: the hold comes too late.
    #[error("a shred that this hold would stop has already begun, and no hold was placed; finish it by `resume`")]
    BeingShredded,
    /// A legal hold stands. Nothing was shredded. An [erasure](crate::OwnTransactionSqlite::erase) waits; the first
    /// sweep after the last hold ends carries it out.
    #[error("a legal hold stands until {until}: {reason}")]
    Held {
        /// Why it was placed.
        reason: Reason,
        /// When it ends.
        until: Timestamp,
        /// The purpose that is held, or all.
        purpose: Option<String>,
    },
    /// Legal holds protect what was to be destroyed. Nothing was destroyed.
    #[error("{}; nothing was destroyed", holds_stand(holds.len(), numbers.len(), until))]
    HoldsStand {
        /// Which.
        holds: Vec<HoldId>,
        /// The numbers under these holds, among those to shred.
        numbers: Vec<CustomerId>,
        /// When the last of them ends.
        until: Timestamp,
    },
    /// The request is closed. A closed request cannot change.
    #[error("the request was closed as {how:?}{} and cannot change; record a note, or a new request", since(at))]
    RequestClosed {
        /// How it was closed: `done`, `refused`, `withdrawn`, or `unanswered` if the customer was erased first.
        how: String,
        /// When.
        at: Option<Timestamp>,
    },
    /// The first month of the request is over. An extension, and the reason that the person is told, must come within
    /// it (GDPR Art. 12(3)).
    #[error("the request was due at {due}, too long ago to extend it; answer it now")]
    TooLateToExtend {
        /// When it was due.
        due: Timestamp,
    },
    /// The consent has no evidence.
    #[error("a consent needs evidence of when, to which text and how it was given; make it by `Grant::consent`")]
    NoEvidence,
    /// The register refuses a name, an id or a text.
    #[error("{what}")]
    Invalid {
        /// What is wrong.
        what: &'static str,
    },
    /// The register's tables are missing.
    #[error("the register's tables are missing; make them by `create_tables`")]
    NoTables,
    /// The tables are of another version.
    #[error(
        "the register's tables have version {found}, but this program knows version {known}; upgrade the older of the two"
    )]
    OtherSchema {
        /// The version found.
        found: String,
        /// The version known.
        known: &'static str,
    },
    /// The tables belong to another vault.
    #[error("the register's tables belong to another vault; check which database and which vault this program opens")]
    OtherVault,
    /// The vault has shredded a number that the database calls live: the database was restored from a backup.
    #[error(
        "the vault has shredded a number that the database calls live: the database was restored from a backup; call `reconcile`"
    )]
    NeedsReconcile,
    /// The purpose was not among those the vault was unlocked with.
    #[error("purpose {purpose:?} is not unlocked; name it in `purposes` when unlocking")]
    PurposeNotUnlocked {
        /// The purpose.
        purpose: String,
    },
    /// A table of the register holds something that the register did not write.
    #[error(
        "the register's tables hold {what}, which the register did not write; find out who changed them, and correct them"
    )]
    NotOurs {
        /// What.
        what: &'static str,
    },
    /// A time outside the calendar.
    #[error("a time lies outside the calendar; give another time")]
    Time(#[source] jiff::Error),
    /// The vault did not shred.
    #[error(transparent)]
    Shred(#[from] ShredError),
    /// The vault did not give up key trees.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The customer was shredded, and no receipt could be issued. The erasure is unfinished; `resume` tries again.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The application refused a receipt. The erasure is unfinished; `resume` issues another receipt.
    #[error("the application refused the receipt, so the erasure is unfinished; `resume` issues another receipt")]
    ReceiptNotTaken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database was restored, and nobody has confirmed yet that the lost entries are back. Nothing was swept.
    #[error(
        "the database was restored, and nothing was swept; enter again what is lost and not in the journal \
         (holds, requests, marks), confirm it by `confirm_restored`, then sweep"
    )]
    Unconfirmed,
    /// The journal's table in the database and the journal's file differ.
    #[error(
        "the journal's table and the journal's file {what}; one of them was restored; find out which before you \
         do anything else"
    )]
    JournalDiffers {
        /// How they differ.
        what: &'static str,
    },
    /// A line of the journal's table has no signature of the public key that a
    /// [`KeylessRegister`](crate::KeylessRegister) was given.
    #[error(
        "a line of the journal's table has no signature of this public key: the key or the database belongs to \
         another vault, or the table was changed by hand; compare the key with the vault's"
    )]
    NotSigned,
    /// A number stands beside an id that it was not issued for, or its proof is lost: somebody changed the register's
    /// rows by hand, or the rows are older than the last retirement of a key tree
    /// ([`confirm_restored`](super::OwnTransactionSqlite::confirm_restored) settles that). Nothing was opened or
    /// shredded.
    #[error(
        "a number stands beside an id that it was not issued for, and nothing was opened or shredded: rows were \
         changed by hand, or the database is older than the last retirement of a key tree; `reconcile` lists all \
         such numbers"
    )]
    NotTheirs,
    /// The application's table has a row of this customer under a number that the register does not list for the
    /// customer. An erasure would leave the row readable, and the receipt would hide that. Nothing was shredded.
    #[error(
        "table {table:?} has a row of this customer under a number that the register does not list for the \
         customer; an erasure would leave the row readable, so nothing was shredded; find out whose number it is"
    )]
    RowsDiffer {
        /// The table.
        table: String,
    },
    /// The vault opens numbers that the register records as shredded: the vault was rolled back, or a row was changed
    /// by hand. Nothing of the customer was opened.
    #[error(
        "the vault opens {numbers} of a customer's numbers that the register records as shredded: the vault was \
         rolled back, or rows were changed by hand; nothing was opened. Find out which by `reconcile`"
    )]
    ShreddedOpens {
        /// How many numbers.
        numbers: u64,
    },
    /// The key store could not be used.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(DatabaseError),
}

fn holds_stand(holds: usize, numbers: usize, until: &Timestamp) -> String {
    let stand = if holds == 1 { "a legal hold stands" } else { "legal holds stand" };
    match numbers {
        0 => format!("{stand} until {until}"),
        1 => format!("{stand} on one of the numbers until {until}"),
        _ => format!("{stand} on {numbers} of the numbers until {until}"),
    }
}

fn since(at: &Option<Timestamp>) -> String {
    at.map(|at| format!(" since {at}")).unwrap_or_default()
}

/// An error of the database crate. It prints the message only, in `Debug` too: PostgreSQL's own errors quote the whole
/// row that a constraint refused. The server's log may have such a row.
pub struct DatabaseError(Box<dyn std::error::Error + Send + Sync>);

impl DatabaseError {
    pub(crate) fn new(error: impl std::error::Error + Send + Sync + 'static) -> DatabaseError {
        DatabaseError(Box::new(error))
    }

    /// The database crate's own error. **Its `Debug` may quote a row.**
    #[must_use]
    pub fn expose(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseError({:?})", self.to_string())
    }
}

// Without a source: whoever prints the chain would print what this hides.
impl std::error::Error for DatabaseError {}

impl RegisterError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            RegisterError::BeingErased
            | RegisterError::BeingShredded
            | RegisterError::Held { .. }
            | RegisterError::HoldsStand { .. }
            | RegisterError::ReceiptNotTaken(_)
            | RegisterError::Database(_) => Outcome::TryAgain,
            RegisterError::Receipt(error) => error.outcome(),
            RegisterError::Shred(error) => error.outcome(),
            RegisterError::Change(error) => error.outcome(),
            RegisterError::KeyStore(error) => error.outcome(),
            RegisterError::NoGrant { .. }
            | RegisterError::UnknownSubject
            | RegisterError::NoEvidence
            | RegisterError::RequestClosed { .. }
            | RegisterError::TooLateToExtend { .. }
            | RegisterError::Invalid { .. }
            | RegisterError::NoTables
            | RegisterError::OtherSchema { .. }
            | RegisterError::OtherVault
            | RegisterError::NeedsReconcile
            | RegisterError::JournalDiffers { .. }
            | RegisterError::NotSigned
            | RegisterError::ShreddedOpens { .. }
            | RegisterError::NotTheirs
            | RegisterError::RowsDiffer { .. }
            | RegisterError::Unconfirmed
            | RegisterError::PurposeNotUnlocked { .. }
            | RegisterError::NotOurs { .. }
            | RegisterError::Time(_) => Outcome::Investigate,
        }
    }

    pub(crate) fn database(error: impl std::error::Error + Send + Sync + 'static) -> RegisterError {
        RegisterError::Database(DatabaseError::new(error))
    }
}

impl From<JournalError> for RegisterError {
    fn from(error: JournalError) -> RegisterError {
        KeyStoreError::from(error).into()
    }
}

impl From<InvalidBasis> for RegisterError {
    fn from(_: InvalidBasis) -> RegisterError {
        RegisterError::NotOurs { what: "no legal basis of GDPR Art. 6(1)" }
    }
}

impl From<OpenError> for RegisterError {
    fn from(error: OpenError) -> RegisterError {
        match error {
            OpenError::KeyStore(error) => error.into(),
            OpenError::PurposeNotUnlocked { purpose } => {
                RegisterError::PurposeNotUnlocked { purpose: purpose.to_owned() }
            }
            _ => KeyStoreError::Bug("asking who is shredded opened a value").into(),
        }
    }
}

/// Why a handle of the register did not seal a value.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum GrantedSealError {
    /// The field and the grant have different purposes.
    #[error(
        "the grant is for the purpose {granted:?}, but the field belongs to {asked:?}; ask for `keys` of that purpose"
    )]
    OtherPurpose {
        /// The purpose of the grant.
        granted: &'static str,
        /// The purpose of the field.
        asked: &'static str,
    },
    /// The grant has ended since the handle was made.
    #[error("the grant ended at {until}; record a new one by `grant`")]
    RanOut {
        /// When.
        until: Timestamp,
    },
    /// The vault did not seal.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl GrantedSealError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            GrantedSealError::OtherPurpose { .. } | GrantedSealError::RanOut { .. } => Outcome::Investigate,
            GrantedSealError::Seal(error) => error.outcome(),
        }
    }
}

oubliette::journal::message::debug_as_message!(RegisterError, GrantedSealError);

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("a constraint was broken")]
    struct Quoting {
        #[allow(dead_code)] // in `Debug`, as of PostgreSQL's own errors
        row: &'static str,
    }

    #[test]
    fn what_a_database_said_quotes_no_row() {
        let error = RegisterError::database(Quoting { row: "alice@example.com" });
        assert_eq!(error.to_string(), "the database failed: a constraint was broken");
        let RegisterError::Database(said) = &error else { panic!("{error:?}") };
        assert!(std::error::Error::source(said).is_none() && !format!("{error:?}").contains("alice"), "{error:?}");
        assert!(format!("{:?}", said.expose()).contains("alice"), "unless asked for");
    }
}
