//! What can go wrong with a server, and what a vault is told of it.

use std::time::Duration;

use oubliette::store::{Problem, StoreError};
use tokio_postgres::error::SqlState;

/// What went wrong. None of it names a password, or bytes of a record or page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Driver(#[from] tokio_postgres::Error),
    #[error("the host's name could not be looked up")]
    Lookup(#[source] std::io::Error),
    #[error("the host's name has no address")]
    NoHost,
    #[error("the password for the server could not be had")]
    NoPassword(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("no answer within {0:?}")]
    NoAnswer(Duration),
    #[error(
        "the wait for the standbys was cancelled, so they have not confirmed the commit: it is visible here, but a failover may \
         lose it"
    )]
    NotConfirmed,
    #[error(
        "the server has no synchronous standbys (synchronous_standby_names is empty), but this store requires them \
         (confirm_reads), since the loss of one machine may undo commits"
    )]
    NotSynchronous,
    #[error(
        "the commit is visible here, but it may not be on the disk and on the standbys yet: a crash or a failover may lose it"
    )]
    NotFlushed(#[source] Box<Failure>),
    #[error("this server is a standby (in recovery); connect to the primary")]
    Standby,
    #[error(
        "nothing was written: this connection does not hold the lock any more. The connection was lost, or a connection pooler \
         in transaction mode stands in between; use the pooler's session mode, or none"
    )]
    LockLost,
    #[error(
        "the connection that answers is not the one that was set up: a connection pooler in transaction mode stands in between; use the \
         pooler's session mode, or none"
    )]
    Pooled,
    #[error("the operating system gave no randomness")]
    Randomness,
    #[error("the place is a different one: the schema was made anew, or another server answers")]
    OtherPlace,
    #[error(
        "the store does not know which servers may be promoted, so no key is destroyed that one of them may need: name them to the store \
         (`standbys`), or say that there is none (`no_standbys`)"
    )]
    StandbysUnknown,
    #[error(
        "this role may not see how far standbys are, so no key is destroyed that one of them may need: GRANT pg_read_all_stats to it, as a superuser"
    )]
    MayNotSeeStandbys,
    #[error("the schema lacks rows that its migration made")]
    Incomplete,
    #[error("{0}")]
    Damaged(String),
    #[error("the pages there belong to another vault")]
    OtherVault,
    #[error("another page has this name")]
    PageExists,
    #[error("this process was forked; open the store again in the child")]
    Forked,
    #[error("the thread that speaks to the server ended")]
    DriverEnded,
}

impl Failure {
    /// Whether the connection is gone, so that another one may do better.
    pub(crate) fn lost_connection(&self) -> bool {
        match self {
            Failure::Driver(error) => error.is_closed() || error.as_db_error().is_none() || ended(error),
            _ => false,
        }
    }

    /// Whether a statement that was a transaction by itself may have been carried out all the same; or another connection, with a lock of its own, may do
    /// better.
    pub(crate) fn is_unclear(&self) -> bool {
        matches!(self, Failure::NoAnswer(_) | Failure::NotConfirmed | Failure::NotFlushed(_) | Failure::LockLost)
            || self.lost_connection()
    }

    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Failure::Driver(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE))
    }

    fn problem(&self) -> Problem {
        match self {
            Failure::Driver(error) => problem_of(error),
            Failure::NoAnswer(_) => Problem::NoAnswer,
            Failure::NotFlushed(cause) => cause.problem(),
            Failure::Standby => Problem::ReadOnly,
            Failure::OtherPlace => Problem::UnknownPlace,
            Failure::Damaged(_) | Failure::Incomplete => Problem::Damaged,
            Failure::OtherVault => Problem::OtherVault,
            Failure::PageExists => Problem::PageExists,
            Failure::Lookup(_)
            | Failure::NoHost
            | Failure::NoPassword(_)
            | Failure::NotConfirmed
            | Failure::NotSynchronous
            | Failure::Pooled
            | Failure::Randomness
            | Failure::LockLost
            | Failure::StandbysUnknown
            | Failure::MayNotSeeStandbys
            | Failure::Forked
            | Failure::DriverEnded => Problem::Io,
        }
    }

    pub(crate) fn at(self, location: &str) -> StoreError {
        StoreError::new(self.problem(), location).caused_by(self)
    }
}

/// The server ended the connection: it is stopped, or somebody told it to.
fn ended(error: &tokio_postgres::Error) -> bool {
    let codes = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::IDLE_SESSION_TIMEOUT];
    error.code().is_some_and(|code| codes.contains(code))
}

fn problem_of(error: &tokio_postgres::Error) -> Problem {
    let Some(code) = error.code() else { return Problem::Io };
    let problems = [
        (SqlState::DISK_FULL, Problem::Full),
        (SqlState::READ_ONLY_SQL_TRANSACTION, Problem::ReadOnly),
        (SqlState::QUERY_CANCELED, Problem::NoAnswer),
        (SqlState::LOCK_NOT_AVAILABLE, Problem::Busy),
        (SqlState::UNDEFINED_TABLE, Problem::Missing),
        (SqlState::INVALID_SCHEMA_NAME, Problem::Missing),
        (SqlState::DATA_CORRUPTED, Problem::Damaged),
        (SqlState::INDEX_CORRUPTED, Problem::Damaged),
    ];
    problems.iter().find(|(known, _)| known == code).map_or(Problem::Io, |(_, problem)| *problem)
}
