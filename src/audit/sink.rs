//! What is written down, and where to.

use std::error::Error;

use crate::journal::{Numbers, OpeningResult, Reason, Time};

/// Where an audit is written: a file, a table, a queue; or a closure, for tests.
///
/// It is called on the audit's own thread, one batch after the other. It may block: openings wait for it only once the
/// buffer is full.
///
/// The [module](crate::audit) has an example.
pub trait AuditSink: Send + 'static {
    /// Makes a batch durable.
    ///
    /// A batch that failed is offered again, with the same bytes and the same [number](Batch::number). So a sink that wrote a
    /// part of it can tell.
    ///
    /// # Errors
    /// Whatever kept it from being durable. A panic counts as an error.
    fn write(&mut self, batch: &Batch) -> Result<(), Box<dyn Error + Send + Sync>>;
}

impl<F: FnMut(&Batch) -> Result<(), Box<dyn Error + Send + Sync>> + Send + 'static> AuditSink for F {
    fn write(&mut self, batch: &Batch) -> Result<(), Box<dyn Error + Send + Sync>> {
        self(batch)
    }
}

/// What was noted since the last batch.
///
/// The [module](crate::audit) has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub(super) number: u64,
    pub(super) openings: Vec<Openings>,
    pub(super) lost: u64,
}

impl Batch {
    /// Counts this audit's batches from 1.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The openings, in order of time.
    #[must_use]
    pub fn openings(&self) -> &[Openings] {
        &self.openings
    }

    /// How many openings were not noted since the last batch, because the buffer was full.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

/// Openings of one field in one second by one reader, for the same reason, with the same end.
///
/// The [module](crate::audit) has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Openings {
    pub(super) at: Time,
    pub(super) reasons: std::sync::Arc<super::buffer::Reasons>,
    pub(super) purpose: &'static str,
    pub(super) label: &'static str,
    pub(super) result: OpeningResult,
    pub(super) each: u64,
    pub(super) customers: Numbers,
}

impl Openings {
    /// The second, by the wall clock.
    #[must_use]
    pub fn at(&self) -> Time {
        self.at
    }

    /// Who opened.
    #[must_use]
    pub fn who(&self) -> &Reason {
        &self.reasons.who
    }

    /// What for.
    #[must_use]
    pub fn why(&self) -> &Reason {
        &self.reasons.why
    }

    /// The field's purpose.
    #[must_use]
    pub fn purpose(&self) -> &'static str {
        self.purpose
    }

    /// The field's label.
    #[must_use]
    pub fn label(&self) -> &'static str {
        self.label
    }

    /// What they came to.
    #[must_use]
    pub fn result(&self) -> OpeningResult {
        self.result
    }

    /// Whose values.
    #[must_use]
    pub fn customers(&self) -> &Numbers {
        &self.customers
    }

    /// How often the values of each customer were opened. Customers with another count are in another entry.
    #[must_use]
    pub fn each(&self) -> u64 {
        self.each
    }

    /// How many openings these are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.customers.count().saturating_mul(self.each)
    }
}
