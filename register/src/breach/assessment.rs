//! What a breach came to.

use std::fmt;

use super::report::{BreachReport, Concerned};

/// The result of [`Breach::assess`](super::Breach::assess): the report, and apart from it the list of persons, which is
/// personal data.
///
/// [The module](crate::breach) has an example.
#[derive(Clone)]
pub struct Assessment {
    pub(super) report: BreachReport,
    pub(super) customers: Vec<Concerned>,
}

impl Assessment {
    /// The report for the authority. It names no customer.
    #[must_use]
    pub fn report(&self) -> &BreachReport {
        &self.report
    }

    /// The persons concerned, by the application's ids. **Personal data:** give it only to the people who inform them.
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
