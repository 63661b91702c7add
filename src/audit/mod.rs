//! The audit of openings: who opened which field of whom, and why, written down in batches.
//!
//! A [`Reader`](crate::Reader) that is [audited](crate::Reader::audited) notes each opening before the value is returned:
//! the second, the customer's number, purpose and label, and whether it was opened, refused by the limits, or failed. No
//! value is ever in it. A note costs a few dozen nanoseconds, next to no allocation, and no lock that other processors take; a thread of the audit's own groups notes
//! that have second, reasons and field in common, and hands them to a [sink](AuditSink) in batches.
//!
//! Of a [group](crate::Group) each member that was given out is noted, by its own label; where the group did not open, each that was
//! asked for.
//!
//! ```
//! use std::sync::mpsc::channel;
//!
//! use oubliette::audit::{Audit, Batch};
//! use oubliette::{Field, Limits, Purpose, Vault, personal::Email};
//! const ORDERS: Purpose = Purpose::new("orders");
//! const EMAIL: Field<Email> = ORDERS.field("email");
//!
//! let (written, batches) = channel();
//! let audit = Audit::to(move |batch: &Batch| Ok(written.send(batch.clone())?)).start()?;
//!
//! let vault = Vault::in_memory([ORDERS]);
//! let alice = vault.enroll()?;
//! let email = vault.seal(alice, EMAIL, &"alice@example.com".parse()?)?;
//! let orders = vault.reader(Limits::nothing().purpose(ORDERS));
//! let page = orders.audited(&audit, "support desk".parse()?, "ticket 4711".parse()?);
//! let _ = page.open(alice, EMAIL, &email)?;
//!
//! audit.flush()?;
//! let batch = batches.recv()?;
//! let noted = &batch.openings()[0];
//! assert_eq!((noted.who().as_str(), noted.why().as_str()), ("support desk", "ticket 4711"));
//! assert_eq!((noted.purpose(), noted.label(), noted.count()), ("orders", "email", 1));
//! assert!(noted.customers().contains(alice));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`AuditFile`] writes it to a signed and chained file, in the form of a [journal](crate::journal).
//!
//! # What can be lost
//! - A process that is killed, or ends without [`flush`](Audit::flush), loses what was noted since the last batch: at most
//!   one [interval](AuditBuilder::interval) (a second unless said otherwise) and the batch that was being written.
//!   An [`AuditFile`] says so (`torn`) where a process was killed within a line; a kill between two batches leaves no trace.
//! - While the sink fails, notes are kept in memory and offered again. When the buffer is full, values are no longer
//!   opened ([`OnTrouble::Refuse`]) or are opened and counted as [`lost`](Audit::lost) ([`OnTrouble::Drop`]). A process
//!   that is killed then loses what the buffer held.
//! - What is opened with the vault itself, or by a reader or a register that is not audited, is not noted. A register
//!   that is (`Register::audited`) notes what it hands out on access, portability and disclosure.
//!   `reseal` and `jobs` move values without giving them out, and are not noted.

mod buffer;
mod error;
mod group;
mod keeper;
mod opening;
mod sink;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use error::AuditError;
pub use keeper::OnTrouble;
pub(crate) use opening::{NOT_NOTED, entry_id};
pub use opening::{Opening, openings};
pub use sink::{AuditSink, Batch, Openings};

pub use crate::journal::OpeningResult;
pub use crate::vault::AuditFile;

use crate::customer::CustomerId;
use crate::field::FieldId;
use crate::journal::Reason;
use buffer::Reasons;
use keeper::{Live, Settings};

/// Where openings are written down. Cheap to clone, and shared by all readers that it audits.
///
/// Dropping the last clone writes what was noted, for at most ten seconds. The audit works on as long as a reader has it.
///
/// The [module](crate::audit) has an example.
#[derive(Clone)]
pub struct Audit {
    handles: Arc<Handles>,
}

/// The audit's own handles, apart from those of readers: the last of them flushes.
struct Handles {
    live: Arc<Live>,
}

impl Drop for Handles {
    fn drop(&mut self) {
        if let Err(error) = self.live.flush() {
            crate::events::audit_failed(&error);
        }
    }
}

impl Audit {
    /// An audit that writes there. See [`AuditBuilder`].
    pub fn to(sink: impl AuditSink) -> AuditBuilder {
        AuditBuilder { sink: Box::new(sink), settings: Settings::default() }
    }

    /// Waits until everything that was noted before is written, at most ten seconds.
    ///
    /// # Errors
    /// [`AuditError`]: why it is not written. It is kept, and offered to the sink again.
    pub fn flush(&self) -> Result<(), AuditError> {
        self.handles.live.flush()
    }

    /// How many openings were not noted so far, because the buffer was full: those that [`OnTrouble::Drop`] let through, and those
    /// that the limits refused.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.handles.live.lost()
    }

    /// Why the sink's last batch could not be written, while that is so: for health checks.
    #[must_use]
    pub fn trouble(&self) -> Option<AuditError> {
        self.handles.live.trouble()
    }

    pub(crate) fn scope(&self, who: Reason, why: Reason) -> Scope {
        Scope { live: self.handles.live.clone(), reasons: Arc::new(Reasons { who, why }) }
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Audit({:?})", self.handles.live.settings())
    }
}

/// How an audit writes; nothing runs before [`start`](AuditBuilder::start).
///
/// The [module](crate::audit) has an example.
#[must_use]
pub struct AuditBuilder {
    sink: Box<dyn AuditSink>,
    settings: Settings,
}

impl AuditBuilder {
    /// How long a note waits for others at most: by default one second, at least ten milliseconds. A killed process loses
    /// the notes of this time.
    pub fn interval(mut self, interval: Duration) -> AuditBuilder {
        self.settings.interval = interval.max(Duration::from_millis(10));
        self
    }

    /// How many openings may wait to be written: 1 024 to four million, by default 65 536. As many again may be under way to the
    /// sink, so the room takes 16 bytes for each. Threads take it in blocks of up to 64, so that up to a sixteenth of it may be with threads that do not use it. A batch begins
    /// when a quarter is full.
    pub fn room_for(mut self, openings: usize) -> AuditBuilder {
        self.settings.capacity = openings.clamp(1_024, 4_000_000);
        self
    }

    /// How long an opening waits for room in a full buffer while the sink is busy: by default two seconds. It does not wait
    /// after the sink failed, or was busy for that long.
    pub fn patience(mut self, most: Duration) -> AuditBuilder {
        self.settings.patience = most;
        self
    }

    /// What happens to openings when the sink is in trouble and the buffer is full: by default they are refused.
    pub fn on_trouble(mut self, on_trouble: OnTrouble) -> AuditBuilder {
        self.settings.on_trouble = on_trouble;
        self
    }

    /// Starts the audit's thread.
    ///
    /// # Errors
    /// [`AuditError::Thread`] if the system gives none.
    pub fn start(self) -> Result<Audit, AuditError> {
        let live = Live::start(self.settings, self.sink)?;
        Ok(Audit { handles: Arc::new(Handles { live: Arc::new(live) }) })
    }
}

impl fmt::Debug for AuditBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditBuilder({:?})", self.settings)
    }
}

/// Who reads through one reader, and why.
pub(crate) struct Scope {
    live: Arc<Live>,
    reasons: Arc<Reasons>,
}

impl Scope {
    /// Waits for room. To be asked before anything is opened: after it, the value would be kept waiting in memory.
    #[inline]
    pub(crate) fn admit(&self) -> Result<(), AuditError> {
        self.live.admit()
    }

    /// Notes an opening that was admitted, or one that is refused.
    #[inline]
    pub(crate) fn note(
        &self,
        name: FieldId,
        customer: CustomerId,
        result: OpeningResult,
        second: u64,
    ) -> Result<(), AuditError> {
        self.live.note(&self.reasons, name, customer, result, second)
    }
}
