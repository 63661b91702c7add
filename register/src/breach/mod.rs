//! A breach: given what leaked, who is concerned, and whether it was readable; for the notice within 72 hours (Art. 33
//! GDPR), and for telling the persons (Art. 34).
//!
//! Give everything that leaked together. A copy of the database alone opens nothing; so does a root record alone, or
//! the root key alone. The three together open the values of everyone who was not shredded before the record was
//! written. [`Breach::assess`] works that out for each customer from the [`Situation`]: who was registered when, which
//! columns there are, and what became of the keys.
//!
//! ```
//! use oubliette_register::breach::{Breach, Column, Enrolment, KeyHistory, Leak, Situation, Stored};
//! use oubliette::{CustomerId, Purpose};
//!
//! let time = |text: &str| text.parse::<jiff::Timestamp>();
//! // `register.in_transaction(&connection).breach_situation(columns, openings)` gives these.
//! let situation = Situation {
//!     enrolments: vec![Enrolment {
//!         customer: Some("customer 4711".to_owned()),
//!         person: 1,
//!         purpose: "orders".to_owned(),
//!         number: CustomerId::MIN,
//!         since: time("2026-01-31T10:00:00Z")?,
//!         shredded: None,
//!         tokens_cleared: None,
//!     }],
//!     columns: vec![Column {
//!         table: "customers".to_owned(),
//!         column: "email".to_owned(),
//!         purpose: Some("orders".to_owned()),
//!         stored: Stored::Sealed { label: "email".to_owned(), since: None },
//!     }],
//!     history: KeyHistory::unknown(&["orders"]),
//!     openings: None,
//!     issued: None,
//! };
//!
//! let dump = Leak::Database { at: time("2026-11-01T03:00:00Z")? };
//! let breach = Breach::known_since(time("2026-11-24T08:00:00Z")?).leaked(dump);
//! let found = breach.assess(&situation, time("2026-11-24T12:00:00Z")?);
//! assert_eq!((found.report().scope.persons, found.report().scope.persons_readable), (1, 0));
//!
//! // With the key store and the root key in the same hands, the value is readable.
//! let breach = breach.leaked_all(Leak::key_store(57)).leaked(Leak::RootKey { generation: 57 });
//! let found = breach.assess(&situation, time("2026-11-24T12:00:00Z")?);
//! assert_eq!(found.report().scope.persons_readable, 1);
//! println!("{}", found.report().to_markdown());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it does not do
//! It counts what the register, the inventory and the journal know. It says what it assumes, and in doubt it counts a
//! value as readable. The controller judges whether the risk is high and what to tell the persons: the report supports
//! the notice, and is not the notice. Other laws may name other people to inform, and other deadlines.

mod assess;
mod assessment;
mod given;
mod history;
mod leak;
mod materials;
mod measures;
mod report;
mod sentences;
mod situation;
mod versions;

use jiff::Timestamp;

pub use assessment::Assessment;
pub use given::Breach;
pub use history::{KeyHistory, Moment};
pub use leak::{Leak, Taken};
pub use measures::{Action, Measure};
pub use report::{BreachReport, ColumnScope, Concerned, Exposure, InPurpose, PlainColumn, PurposeScope, Scope};
pub use situation::{Column, Enrolment, Opened, Situation, Stored};

impl Breach {
    /// Works out who is concerned, and which of their values were readable. `now` is the time that the report shows.
    #[must_use]
    pub fn assess(&self, situation: &Situation, now: Timestamp) -> Assessment {
        assess::assess(self, situation, now)
    }
}
