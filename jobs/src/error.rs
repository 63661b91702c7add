//! Why a job stopped, and what is the matter with a row.

use std::fmt;

use oubliette::{
    CustomerId, KeyStoreError, OpenError, ParseError, SealError,
    search::{Epoch, TokenError},
};

/// What is the matter with one row: named by its key and column, never by a value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Problem {
    /// The row's key, as [`Job::resume_after`](super::Job::resume_after) would take it.
    pub key: String,
    /// The column.
    pub column: String,
    /// What is the matter.
    pub cause: Cause,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}, column {}: {}", self.key, self.column, self.cause)
    }
}

/// Why a row could not be worked on.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The row has no customer number.
    #[error("the row has no customer number; let the job `enroll`")]
    NotEnrolled,
    /// What stands in the customer column is no customer number.
    #[error("not a customer number")]
    InvalidCustomer,
    /// A plaintext that the field's type refuses.
    #[error("not a value of the field's type: {rule}")]
    InvalidPlaintext {
        /// The rule it breaks, in the words of the type.
        rule: String,
    },
    /// A plaintext where a sealed value is needed.
    #[error("still in plaintext; `seal` it first")]
    NotSealed,
    /// A sealed value that this version cannot parse.
    #[error(transparent)]
    Unreadable(#[from] ParseError),
    /// A value is sealed under another number than the row's: shredding the row's number leaves the value readable. An upsert that writes
    /// the value and not the number leaves such a row.
    #[error(
        "the value is sealed under customer {under}, and the row has another number: shredding the row's number would leave the value readable; write number and values together"
    )]
    OtherNumber {
        /// The number that the value is sealed under.
        under: CustomerId,
    },
    /// Another row has it already, under a UNIQUE constraint: two spellings of one thing, or one person twice. The row was left as it was.
    #[error(
        "another row has this value already, and the column is UNIQUE: settle which of the two stays, and run the job again"
    )]
    Duplicate,
    /// The row has a value twice, in plain columns and sealed, and the job does not know which of them counts.
    #[error(
        "the row has both a sealed value and plaintext: settle which of them counts, make the other NULL, and run the job again"
    )]
    Both,
    /// The column that a value is bound to is NULL.
    #[error("the column that the value is bound to is NULL")]
    NoContext,
    /// A sealed value does not open.
    #[error(transparent)]
    Open(OpenError),
    /// A value cannot be sealed.
    #[error(transparent)]
    Seal(SealError),
    /// A value of the old field is none of the new one.
    #[error("cannot be converted: {rule}")]
    NotConverted {
        /// What the conversion said.
        rule: String,
    },
}

/// Why a job stopped. Batches committed before stay; the one under way was rolled back. Run the job again, from the last
/// bookmark or from the beginning.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The job is not well made. Nothing was done.
    #[error("{what}")]
    Invalid {
        /// What is wrong.
        what: String,
    },
    /// More rows had a problem than [`tolerate`](super::Job::tolerate) allows.
    #[error("{} rows have problems; the first: {first}", others + 1)]
    Problems {
        /// The first problem.
        first: Box<Problem>,
        /// How many came after.
        others: usize,
        /// All of them, in order.
        all: Vec<Problem>,
    },
    /// The key column is not what the job says: unique, never NULL, of one kind.
    #[error("the key column {problem}; a job needs a unique column of one kind that is never NULL")]
    Key {
        /// What is the matter.
        problem: &'static str,
    },
    /// A column holds what is neither an integer, text nor bytes.
    #[error("column {column} holds neither integers, text nor bytes")]
    Unsupported {
        /// The column.
        column: String,
    },
    /// What was written did not come back the same: a column too narrow, a trigger, a conversion.
    #[error("row {key}, column {column}: what was written did not come back the same; is the column wide enough?")]
    ReadBack {
        /// The row's key.
        key: String,
        /// The column.
        column: String,
    },
    /// What was just sealed for a customer did not open as the value it was made of.
    #[error("a value sealed for customer {customer} did not open as itself; nothing of the batch was written")]
    NotItself {
        /// The customer.
        customer: CustomerId,
    },
    /// Two columns hold the tokens of two epochs at most, of which one is odd and one even.
    #[error(
        "epochs {live:?} of the index are live, and its two columns have room for one even and one odd epoch; retire the others"
    )]
    TooManyEpochs {
        /// The live epochs.
        live: Vec<Epoch>,
    },
    /// A purpose was not among those the vault was unlocked with.
    #[error("purpose {purpose:?} is not unlocked; name it in `purposes` when unlocking")]
    PurposeNotUnlocked {
        /// The purpose.
        purpose: &'static str,
    },
    /// No token was made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The key store could not be used.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] DatabaseError),
}

/// What a database crate said. It prints its message and no more, in `Debug` too: PostgreSQL's own errors quote the whole
/// row that a constraint refused. The server's log may have done so.
pub struct DatabaseError(Box<dyn std::error::Error + Send + Sync>);

impl DatabaseError {
    pub(super) fn new(error: impl std::error::Error + Send + Sync + 'static) -> DatabaseError {
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

impl JobError {
    pub(super) fn database(error: impl std::error::Error + Send + Sync + 'static) -> JobError {
        JobError::Database(DatabaseError::new(error))
    }

    pub(super) fn problems(all: Vec<Problem>) -> JobError {
        match all.first() {
            Some(first) => {
                JobError::Problems { first: Box::new(first.clone()), others: all.len().saturating_sub(1), all }
            }
            None => KeyStoreError::Bug("a job stopped without a problem").into(),
        }
    }
}

/// What keeps a step from being done for one row.
pub(super) enum Fault {
    /// The row's own problem.
    Row(Cause),
    /// The customer is shredded, or the value's key tree was given up.
    Erased,
    /// Nothing can go on.
    Job(JobError),
}

impl From<Cause> for Fault {
    fn from(cause: Cause) -> Fault {
        Fault::Row(cause)
    }
}

impl From<JobError> for Fault {
    fn from(error: JobError) -> Fault {
        Fault::Job(error)
    }
}

impl From<TokenError> for Fault {
    fn from(error: TokenError) -> Fault {
        Fault::Job(error.into())
    }
}

impl From<KeyStoreError> for Fault {
    fn from(error: KeyStoreError) -> Fault {
        Fault::Job(error.into())
    }
}

impl From<OpenError> for Fault {
    fn from(error: OpenError) -> Fault {
        match error {
            OpenError::Shredded { .. } | OpenError::Retired { .. } => Fault::Erased,
            OpenError::KeyStore(error) => error.into(),
            OpenError::PurposeNotUnlocked { purpose } => JobError::PurposeNotUnlocked { purpose }.into(),
            other => Cause::Open(other).into(),
        }
    }
}

impl From<SealError> for Fault {
    fn from(error: SealError) -> Fault {
        match error {
            SealError::Shredded { .. } => Fault::Erased,
            SealError::KeyStore(error) => error.into(),
            SealError::PurposeNotUnlocked { purpose } => JobError::PurposeNotUnlocked { purpose }.into(),
            other => Cause::Seal(other).into(),
        }
    }
}

oubliette::journal::message::debug_as_message!(Cause, JobError);
