//! The record of processing activities (Art. 30 GDPR), from what the code declares: what is kept, why, how long, who
//! receives it.
//!
//! The columns come from the `FIELDS` of your records, so none can be forgotten; the words come from a [`Declaration`] a
//! purpose. [`check`](Inventory::check), in a test, compares both with a file that you commit, and fails when a record has
//! gained a field that the file does not know, or a purpose has no declaration.
//!
//! ```
//! use oubliette_register::access::Table;
//! use oubliette_register::inventory::{Declaration, Inventory};
//! use oubliette::personal::Email;
//! use oubliette::{CustomerId, Field, Personal, Purpose};
//! use oubliette_register::Basis;
//!
//! const ORDERS: Purpose = Purpose::new("orders");
//! const EMAIL: Field<Email> = ORDERS.field("email");
//!
//! #[derive(Personal)]
//! #[personal(purpose = ORDERS, sealed = SealedCustomer)]
//! struct Customer {
//!     #[personal(customer)]
//!     no: CustomerId,
//!     #[personal(seal = EMAIL)]
//!     email: Email,
//! }
//!
//! fn inventory() -> Inventory {
//!     Inventory::of("Shop SAS, 1 rue de la Paix, 75002 Paris, privacy@shop.example")
//!         .table(Table::new("customers", Customer::FIELDS))
//!         .purpose(
//!             Declaration::of(ORDERS)
//!                 .why("to deliver what was ordered, and to answer for it")
//!                 .basis(Basis::Contract)
//!                 .kept("three years after the last order")
//!                 .recipient("DHL"),
//!         )
//! }
//!
//! # let place = tempfile::tempdir()?;
//! # let file = place.path().join("inventory.json");
//! // The first time, and whenever a change is meant: from a test that is `#[ignore]`d, or from a program of its own.
//! inventory().write(&file)?;
//! // In a test that always runs.
//! inventory().check(&file)?;
//! println!("{}", inventory().to_markdown());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it does not do
//! It knows what the records declare, and nothing of logs, emails, spreadsheets and paper. Whether a reason is a good one
//! is not for a program to say.

mod check;
mod declaration;
pub(crate) mod document;
mod live;
mod markdown;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use check::Gap;
pub use declaration::Declaration;
pub use live::{Difference, Live};

use crate::access::Table;
use crate::access::tree::Tree;

/// What is kept on people: tables and declarations. See [the module](self).
#[derive(Clone, Debug)]
pub struct Inventory {
    controller: String,
    officer: Option<String>,
    measures: Vec<String>,
    tables: Vec<Table>,
    declarations: Vec<Declaration>,
}

impl Inventory {
    /// Of this controller: name and contact details.
    #[must_use]
    pub fn of(controller: impl Into<String>) -> Inventory {
        let (tables, declarations, measures) = (Vec::new(), Vec::new(), Vec::new());
        Inventory { controller: controller.into(), officer: None, measures, tables, declarations }
    }

    /// The data protection officer, with contact details.
    #[must_use]
    pub fn officer(mut self, officer: impl Into<String>) -> Inventory {
        self.officer = Some(officer.into());
        self
    }

    /// A measure of security, beside the sealing, which is said anyway.
    #[must_use]
    pub fn measure(mut self, measure: impl Into<String>) -> Inventory {
        self.measures.push(measure.into());
        self
    }

    /// A table of the application's.
    #[must_use]
    pub fn table(mut self, table: Table) -> Inventory {
        self.tables.push(table);
        self
    }

    /// What a purpose is for.
    #[must_use]
    pub fn purpose(mut self, declaration: Declaration) -> Inventory {
        self.declarations.push(declaration);
        self
    }

    /// What is not said and must be: purposes without a declaration, and declarations with holes.
    #[must_use]
    pub fn gaps(&self) -> Vec<Gap> {
        check::gaps(self)
    }

    /// Compares the inventory with the file that [`write`](Inventory::write) wrote, which belongs into version control. Call
    /// it in a test.
    ///
    /// # Errors
    /// [`InventoryError`], which names every field and record, and every declaration, that is new, gone, changed or missing.
    pub fn check(&self, path: impl AsRef<Path>) -> Result<(), InventoryError> {
        check::check(self, path.as_ref())
    }

    /// Writes the file that [`check`](Inventory::check) compares with. Not in a test that always runs: it would agree with
    /// everything.
    ///
    /// # Errors
    /// [`InventoryError::Gaps`] while something is not said that must be, and then nothing is written; the file's own.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), InventoryError> {
        check::write(self, path.as_ref())
    }

    /// As JSON, in an order that stays the same.
    #[must_use]
    pub fn to_json(&self) -> String {
        json(&document::document(self))
    }

    /// As JSON, with the grants that are live and where they differ from what is declared. Not for [`check`](Inventory::check).
    #[must_use]
    pub fn to_json_with(&self, live: &Live) -> String {
        let mut document = document::document(self);
        if let Tree::Object(members) = &mut document {
            members.push(("live".to_owned(), live.document(self)));
        }
        json(&document)
    }

    /// As Markdown, in an order that stays the same.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        markdown::markdown(self, None)
    }

    /// As Markdown, with the grants that are live and where they differ from what is declared.
    #[must_use]
    pub fn to_markdown_with(&self, live: &Live) -> String {
        markdown::markdown(self, Some(live))
    }

    /// Where what is declared and what is granted differ.
    #[must_use]
    pub fn differences(&self, live: &Live) -> Vec<Difference> {
        live.differences(self)
    }

    pub(crate) fn declared_tables(&self) -> &[Table] {
        &self.tables
    }

    pub(crate) fn declaration(&self, purpose: &str) -> Option<&Declaration> {
        self.declarations.iter().find(|declared| declared.purpose.name() == purpose)
    }

    /// By purpose.
    fn declarations(&self) -> Vec<&Declaration> {
        let mut sorted: Vec<&Declaration> = self.declarations.iter().collect();
        sorted.sort_by_key(|declared| declared.purpose);
        sorted
    }

    /// By name.
    fn tables(&self) -> Vec<&Table> {
        let mut sorted: Vec<&Table> = self.tables.iter().collect();
        sorted.sort_by(|one, other| one.name().cmp(other.name()));
        sorted
    }
}

/// Nothing of it is personal.
fn json(document: &Tree) -> String {
    String::from_utf8_lossy(document.pretty().as_bytes()).into_owned()
}

/// Why an inventory is not what its file says. `Debug` prints the message, since tests print it.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum InventoryError {
    /// Something is new, gone, changed or missing.
    #[error(
        "the inventory in {} is not up to date; if all of this is meant, `write` it anew:{}", path.display(), listed(gaps)
    )]
    Gaps {
        /// The file.
        path: PathBuf,
        /// All of it.
        gaps: Vec<Gap>,
    },
    /// There is no such file yet.
    #[error("there is no inventory in {} yet: `write` it once, and commit it{}", path.display(), listed(gaps))]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// What must be said before it can be written.
        gaps: Vec<Gap>,
    },
    /// The file is no inventory, or one of a newer version.
    #[error("{} is no inventory that this version can read; `write` it anew", path.display())]
    NotAnInventory {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: Arc<io::Error>,
    },
}

impl fmt::Debug for InventoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn listed(gaps: &[Gap]) -> String {
    gaps.iter().map(|gap| format!("\n- {gap}")).collect()
}
