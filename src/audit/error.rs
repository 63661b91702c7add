//! What can be wrong with an audit.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::journal::Outcome;

/// Why openings are not written down. Cheap to clone, since one cause may answer many calls.
///
/// ```
/// use oubliette::{OpenError, audit::AuditError};
///
/// fn say(error: &OpenError) {
///     if let OpenError::NotAudited { source, .. } = error {
///         match source {
///             AuditError::Full | AuditError::Slow { .. } => eprintln!("the audit's table is behind: later"),
///             error => eprintln!("nothing is opened until the audit is mended: {error}"),
///         }
///     }
/// }
/// # let _ = say;
/// ```
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The sink failed. What was noted is kept and offered again.
    #[error("the audit's sink failed; openings are kept until its buffer is full, so mend the sink")]
    Sink(#[source] Arc<dyn Error + Send + Sync>),
    /// The sink panicked. What was noted is kept and offered again.
    #[error("the audit's sink panicked; openings are kept until its buffer is full, so mend the sink")]
    Panicked,
    /// The sink has been busy with one batch for too long. It may yet finish.
    #[error("the audit's sink has been busy for {waited:?}; is what it writes to reachable?")]
    Slow {
        /// How long the call waited.
        waited: Duration,
    },
    /// More threads open values at once than the buffer has room for.
    #[error("the audit's buffer is full; give it more room with `room_for`")]
    Full,
    /// The audit has ended: its thread stopped.
    #[error("the audit has ended; start another, and new readers with it")]
    Ended,
    /// This process was forked from the one that the audit runs in.
    #[error("this process was forked, and the audit runs in its parent; start another audit in it")]
    Forked,
    /// The system gave no thread.
    #[error("the audit's thread could not be started")]
    Thread(#[source] Arc<io::Error>),
}

impl AuditError {
    /// What to do about it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            AuditError::Sink(_)
            | AuditError::Slow { .. }
            | AuditError::Full
            | AuditError::Ended
            | AuditError::Forked
            | AuditError::Thread(_) => Outcome::TryAgain,
            AuditError::Panicked => Outcome::Investigate,
        }
    }
}

crate::journal::message::debug_as_message!(AuditError);
