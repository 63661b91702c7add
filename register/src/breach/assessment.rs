//! What a breach came to.

use std::fmt;

use super::report::{Concerned, Report};

/// What a breach came to: the report, and the list of persons, which is personal data and is kept apart from it.
#[derive(Clone)]
pub struct Assessment {
    pub(super) report: Report,
    pub(super) customers: Vec<Concerned>,
}

impl Assessment {
    /// For the authority. No customer is named in it.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Those concerned, by the application's ids. **Personal data:** hand it to whoever tells them, and to nobody else.
    #[must_use]
    pub fn customers(&self) -> &[Concerned] {
        &self.customers
    }
}

impl fmt::Debug for Assessment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Assessment({:?})", self.report.scope)
    }
}
