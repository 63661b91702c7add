//! Why the register did not do what it was asked to.

use std::fmt;

use jiff::Timestamp;
use oubliette::journal::{JournalError, Reason, ReceiptError};
use oubliette::{ChangeError, CustomerId, KeyStoreError, OpenError, Outcome, SealError, ShredError};

use crate::basis::InvalidBasis;
use crate::ids::HoldId;

/// Why the register did not do what it was asked to. **None repeats a customer's id, or a value.**
///
/// What is true after one: a call within a transaction did nothing (its savepoint was rolled back). One that shreds may
/// have come half-way, and [`resume`](super::OwnTransactionSqlite::resume) finishes it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// There is no live grant for the customer and purpose. Nothing was sealed.
    #[error("there is no live grant for the purpose {purpose:?}; record the legal basis by `grant` first")]
    NoGrant {
        /// The purpose.
        purpose: String,
    },
    /// The register knows no such customer.
    #[error("the register knows no customer of this id")]
    UnknownSubject,
    /// The customer's erasure has begun and not ended.
    #[error("the customer's erasure has begun; finish it by `resume`, then try again")]
    BeingErased,
    /// A number of the customer's is being shredded, and it is too late to hold it.
    #[error("a shred that the hold would block has begun; finish it by `resume`")]
    BeingShredded,
    /// A legal hold stands. Nothing was shredded. An [erasure](crate::OwnTransactionSqlite::erase) is kept, and a sweep carries it out when
    /// no hold stands any more.
    #[error("a legal hold stands until {until}: {reason}")]
    Held {
        /// Why it was placed.
        reason: Reason,
        /// When it ends.
        until: Timestamp,
        /// The purpose that is held, or all.
        purpose: Option<String>,
    },
    /// Legal holds stand on what was to be destroyed. Nothing was.
    #[error("{}; nothing was destroyed", holds_stand(holds.len(), numbers.len(), until))]
    HoldsStand {
        /// Which.
        holds: Vec<HoldId>,
        /// The numbers that they keep, of those that were to be shredded.
        numbers: Vec<CustomerId>,
        /// When the last of them ends.
        until: Timestamp,
    },
    /// The request is closed, and stays as it is.
    #[error("the request is closed already, as {how:?}{}; a closed request stays as it is", since(at))]
    RequestClosed {
        /// How: `done`, `refused`, `withdrawn`, or `unanswered` when the customer was erased before.
        how: String,
        /// When.
        at: Option<Timestamp>,
    },
    /// A request is extended within its first month, in which the person must be told why (GDPR Art. 12(3)).
    #[error("the request was due at {due}, and it is too late to extend it; answer it")]
    TooLateToExtend {
        /// When it was due.
        due: Timestamp,
    },
    /// A consent needs its evidence.
    #[error("a consent needs evidence of when, to which text and how it was given; make it by `Grant::consent`")]
    NoEvidence,
    /// A name, an id or a text that the register does not take.
    #[error("{what}")]
    Invalid {
        /// What is wrong.
        what: &'static str,
    },
    /// The tables are not there.
    #[error("the register's tables are not there; make them by `create_tables`")]
    NoTables,
    /// The tables are of another version.
    #[error(
        "the register's tables are of version {found}, and this program knows {known}; upgrade the older of the two"
    )]
    OtherSchema {
        /// The version found.
        found: String,
        /// The version known.
        known: &'static str,
    },
    /// The tables belong to another vault.
    #[error("the register's tables belong to another vault; is the database, or the vault, the wrong one?")]
    OtherVault,
    /// The database says that a number is live, and the vault that it is shredded: the database went back in time.
    #[error(
        "the vault has shredded a number that is live in the database: the database was restored; call `reconcile`"
    )]
    NeedsReconcile,
    /// The purpose was not among those the vault was unlocked with.
    #[error("purpose {purpose:?} is not unlocked; name it in `purposes` when unlocking")]
    PurposeNotUnlocked {
        /// The purpose.
        purpose: String,
    },
    /// A table of the register's holds what the register never wrote.
    #[error("the register's tables hold {what}; were they changed by hand?")]
    NotOurs {
        /// What.
        what: &'static str,
    },
    /// A time that lies outside what can be reckoned with.
    #[error("a time lies outside the calendar")]
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
    /// The application did not take a receipt. The erasure is unfinished; `resume` issues another.
    #[error("the receipt was not taken; the erasure is unfinished until `resume` has it taken")]
    ReceiptNotTaken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database was restored, and nobody has said yet that what it forgot was entered again. Nothing was swept.
    #[error(
        "the database was restored: what it forgot and the journal does not tell (holds, requests, marks) must be entered again; then say so by `confirm_restored`, and sweep"
    )]
    Unconfirmed,
    /// The journal in the database knows more than the file, or something else.
    #[error("the journal's table and its file {what}; was one of them restored? Compare them before anything else")]
    JournalDiffers {
        /// How.
        what: &'static str,
    },
    /// A line of the journal in the database was not signed with the public key that a [`Desk`](crate::Desk) was given.
    #[error(
        "a line of the journal's table was not signed by the vault of this public key: the key or the database is another vault's, or the table was changed by hand"
    )]
    NotSigned,
    /// A number of the customer's was issued for another id, or nobody can tell for which: the register's rows were changed by hand, or are
    /// from before a key tree was given up, which takes an operator's word ([`confirm_restored`](super::OwnTransactionSqlite::confirm_restored)).
    /// Nothing was opened or shredded.
    #[error(
        "a number stands beside an id that it was not issued for: the register's rows were changed by hand, or the database is from before a key tree was given up; nothing was opened or shredded; `reconcile` lists all such numbers"
    )]
    NotTheirs,
    /// The application's table has a row of the customer's with a number that the register does not have for them: an erasure would leave it
    /// readable, and the receipt would not say so. Nothing was shredded.
    #[error(
        "table {table:?} has a row of this customer's under a number that the register does not list for them; an erasure would leave the row readable. Nothing was shredded; find out whose number it is"
    )]
    RowsDiffer {
        /// Which table.
        table: String,
    },
    /// The vault opens what the register has recorded as shredded: the vault was rolled back, or a row was changed by hand. Nothing of
    /// the customer was opened.
    #[error(
        "the vault opens {numbers} of a customer's numbers that the register has recorded as shredded: the vault was rolled back, or rows were changed by hand; nothing was opened. Find out which by `reconcile`"
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

/// What a database crate said. It prints its message and no more, in `Debug` too: PostgreSQL's own errors quote the whole
/// row that a constraint refused. The server's log may have done so.
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

/// Why a value was not sealed by a handle of the register's.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum GrantedSealError {
    /// The field is of another purpose than the grant.
    #[error("the grant is for the purpose {granted:?}, and the field is of {asked:?}; ask for `keys` of that purpose")]
    OtherPurpose {
        /// The purpose of the grant.
        granted: &'static str,
        /// The purpose of the field.
        asked: &'static str,
    },
    /// The grant has run out since the handle was made.
    #[error("the grant ran out at {until}; record a new one by `grant`")]
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
