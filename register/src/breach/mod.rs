//! A breach: given what leaked, who is concerned, and whether it was readable; for the notice within 72 hours (Art. 33
//! GDPR), and for telling the persons (Art. 34).
//!
//! What leaked is given as a set, since that is what counts: a copy of the database opens with nothing, a root record
//! neither, the root key neither; the three together open, but for those who were shredded before the record was
//! written. [`Breach::assess`] works that out for each customer, from [`Facts`]: who was registered when, the columns
//! there are, and the vault's journal, which tells what became of the keys.
//!
//! ```
//! use oubliette_register::breach::{Breach, Column, Facts, History, Holding, Leak, Stored};
//! use oubliette::{CustomerId, Purpose};
//!
//! let time = |text: &str| text.parse::<jiff::Timestamp>();
//! // `register.in_transaction(&connection).breach_facts(columns, openings)` gives these.
//! let facts = Facts {
//!     holdings: vec![Holding {
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
//!     history: History::unknown(&["orders"]),
//!     openings: None,
//!     issued: None,
//! };
//!
//! let dump = Leak::Database { at: time("2026-11-01T03:00:00Z")? };
//! let breach = Breach::known_since(time("2026-11-24T08:00:00Z")?).leaked(dump);
//! let found = breach.assess(&facts, time("2026-11-24T12:00:00Z")?);
//! assert_eq!((found.report().scope.persons, found.report().scope.persons_readable), (1, 0));
//!
//! // With the key store and the root key in the same hands it is another matter.
//! let breach = breach.leaked_all(Leak::key_store(57)).leaked(Leak::RootKey { generation: 57 });
//! let found = breach.assess(&facts, time("2026-11-24T12:00:00Z")?);
//! assert_eq!(found.report().scope.persons_readable, 1);
//! println!("{}", found.report().to_markdown());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it does not do
//! It counts what the register, the inventory and the journal know. It says what it assumes, and errs towards readable.
//! Whether the risk to the persons is high, and what to tell them, is for the controller to judge; it supports the notice,
//! and does not write it for you. Who must be told, and by when, may differ under other laws.

mod assess;
mod assessment;
mod facts;
mod given;
mod history;
mod leak;
mod materials;
mod measures;
mod report;
mod sentences;
mod versions;

use jiff::Timestamp;

pub use assessment::Assessment;
pub use facts::{Column, Facts, Holding, Opened, Stored};
pub use given::Breach;
pub use history::{History, Moment};
pub use leak::{Leak, Taken};
pub use measures::{Action, Measure};
pub use report::{ColumnScope, Concerned, InPurpose, PlainColumn, PurposeScope, Report, Scope, State};

impl Breach {
    /// Who is concerned, and what of them was readable. `now` is the time that the report shows.
    #[must_use]
    pub fn assess(&self, facts: &Facts, now: Timestamp) -> Assessment {
        assess::assess(self, facts, now)
    }
}
