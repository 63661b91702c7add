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
mod contents;
mod declaration;
pub(crate) mod document;
mod error;
mod live;
mod markdown;

use std::path::Path;

pub use contents::Inventory;
pub use declaration::Declaration;
pub use error::{Gap, InventoryError};
pub use live::{Difference, Live};

use crate::access::tree::Tree;

impl Inventory {
    /// What must be said and is not: purposes without a declaration, and incomplete declarations.
    #[must_use]
    pub fn gaps(&self) -> Vec<Gap> {
        check::gaps(self)
    }

    /// Compares the inventory with the file that [`write`](Inventory::write) wrote; keep that under version control. Call
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
}

/// Nothing of it is personal.
fn json(document: &Tree) -> String {
    String::from_utf8_lossy(document.pretty().as_bytes()).into_owned()
}
