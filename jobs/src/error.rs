//! Why a job stopped, and what is the matter with a row.

use std::fmt;

use oubliette::{
    CustomerId, KeyStoreError, OpenError, ParseError, SealError,
    search::{Epoch, TokenError},
};

/// A problem with one row. It names the row's key and the column, never a value.
/// [`DryRun`](super::DryRun) has an example.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RowProblem {
    /// The row's key, as [`Job::resume_after`](super::Job::resume_after) would take it.
    pub key: String,
    /// The column.
    pub column: String,
    /// What is the matter.
    pub cause: Cause,
}

impl fmt::Display for RowProblem {
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
    /// The customer column holds something else than a customer number.
    #[error("the customer column does not hold a customer number; correct it, and run the job again")]
    InvalidCustomer,
    /// A plaintext that the field's type refuses.
    #[error("the plaintext is not a value of the field's type: {rule}")]
    InvalidPlaintext {
        /// The rule it breaks, in the words of the type.
        rule: String,
    },
    /// A plaintext where a sealed value is needed.
    #[error("the value is still in plaintext; `seal` it first")]
    NotSealed,
    /// A sealed value that this version cannot parse.
    #[error(transparent)]
    Unreadable(#[from] ParseError),
    /// The value is sealed under a different number from the row's number. A shred of the row's number leaves the value
    /// readable. Such a row comes from an upsert that writes the value without the number.
    #[error(
        "the value is sealed under customer {under}, but the row has a different number: a shred of the row's \
         number leaves the value readable; write the number and the values together"
    )]
    OtherNumber {
        /// The number that the value is sealed under.
        under: CustomerId,
    },
    /// Another row has this value, and the column is UNIQUE: there are two spellings of one value, or two rows of one
    /// person. The row was left as it was.
    #[error("another row has this value, and the column is UNIQUE; decide which row keeps it, and run the job again")]
    Duplicate,
    /// The row has both a sealed value and plaintext, and the job does not know which of them is right.
    #[error(
        "the row has both a sealed value and plaintext; decide which is right, set the other to NULL, and run the job again"
    )]
    Both,
    /// The column that a value is bound to is NULL.
    #[error("the column that the value is bound to is NULL; fill it, and run the job again")]
    NoContext,
    /// A sealed value does not open.
    #[error(transparent)]
    Open(OpenError),
    /// A value cannot be sealed.
    #[error(transparent)]
    Seal(SealError),
    /// A value of the old field cannot become a value of the new field.
    #[error("the value cannot be converted: {rule}")]
    NotConverted {
        /// What the conversion said.
        rule: String,
    },
}

/// Why a job stopped. Batches that were committed stay; the batch under way was rolled back. Run the job again, from
/// the last bookmark or from the beginning.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The job's description contradicts itself. Nothing was done.
    #[error("{what}")]
    Invalid {
        /// What is wrong.
        what: String,
    },
    /// More rows had a problem than [`tolerate`](super::Job::tolerate) allows.
    #[error("{} rows have problems; the first: {first}", others + 1)]
    Problems {
        /// The first problem.
        first: Box<RowProblem>,
        /// How many came after.
        others: usize,
        /// All of them, in order.
        all: Vec<RowProblem>,
    },
    /// The key column does not keep its promise: unique, never NULL, of one kind.
    #[error("the key column {problem}; a job needs a unique column of one kind that is never NULL")]
    Key {
        /// What is the matter.
        problem: &'static str,
    },
    /// A column holds something else than integers, text or bytes.
    #[error("column {column} holds something else than integers, text or bytes; let the job work on another column")]
    Unsupported {
        /// The column.
        column: String,
    },
    /// The database gave back something else than the job wrote: the column is too narrow, or a trigger or a conversion
    /// changed it.
    #[error(
        "row {key}, column {column}: the database gave back something else than the job wrote, and the batch was \
         rolled back; check the column's width and its triggers"
    )]
    ReadBack {
        /// The row's key.
        key: String,
        /// The column.
        column: String,
    },
    /// A value that was just sealed did not open as the same value.
    #[error(
        "a value that was sealed for customer {customer} did not open as the same value; nothing of the batch was \
         written; report this as a bug"
    )]
    NotItself {
        /// The customer.
        customer: CustomerId,
    },
    /// The index has more live epochs than two columns can hold: one even and one odd.
    #[error(
        "epochs {live:?} of the index are live, but its two columns hold one even and one odd epoch; retire the others"
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

/// An error of the database crate. It prints the message only, in `Debug` too: PostgreSQL's own errors quote the whole
/// row that a constraint refused. The server's log may have such a row.
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

    pub(super) fn problems(all: Vec<RowProblem>) -> JobError {
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
