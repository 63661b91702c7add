//! The record of processing activities (Art. 30 GDPR), made from the code: what is kept, why, how long, who receives
//! it.
//!
//! The columns come from the `FIELDS` of your records, so you cannot forget one. The words come from a [`Declaration`]
//! for each purpose. Call [`check`](Inventory::check) in a test: it compares both with a file that you commit, and
//! fails if a record has a new field or a purpose has no declaration.
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
//! // Once, and again after each change that you want: in an `#[ignore]`d test, or in a program of its own.
//! inventory().write(&file)?;
//! // In a test that always runs.
//! inventory().check(&file)?;
//! println!("{}", inventory().to_markdown());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it does not do
//! It knows what the records declare. It does not know logs, emails, spreadsheets and paper, and it does not judge
//! whether a reason is good.

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
pub use error::{Finding, InventoryError};
pub use live::{Difference, LiveGrants};

use crate::access::tree::Tree;

impl Inventory {
    /// What is missing: purposes without a declaration, and incomplete declarations.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        check::findings(self)
    }

    /// Compares the inventory with the file from [`write`](Inventory::write). Keep the file under version control, and
    /// call this in a test.
    ///
    /// # Errors
    /// [`InventoryError`]. It names each field, record and declaration that is new, gone, changed or missing.
    pub fn check(&self, path: impl AsRef<Path>) -> Result<(), InventoryError> {
        check::check(self, path.as_ref())
    }

    /// Writes the file that [`check`](Inventory::check) compares with. Do not call it in a test that always runs: the
    /// check would then accept everything.
    ///
    /// # Errors
    /// [`InventoryError::NotUpToDate`] while something is missing: then nothing is written. Also if the file cannot be
    /// written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), InventoryError> {
        check::write(self, path.as_ref())
    }

    /// The inventory as JSON, always in the same order.
    #[must_use]
    pub fn to_json(&self) -> String {
        json(&document::document(self))
    }

    /// The inventory as JSON, with the live grants and their differences from the declarations.
    /// [`check`](Inventory::check) does not read this form.
    #[must_use]
    pub fn to_json_with(&self, live: &LiveGrants) -> String {
        let mut document = document::document(self);
        if let Tree::Object(members) = &mut document {
            members.push(("live".to_owned(), live.document(self)));
        }
        json(&document)
    }

    /// The inventory as Markdown, always in the same order.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        markdown::markdown(self, None)
    }

    /// The inventory as Markdown, with the live grants and their differences from the declarations.
    #[must_use]
    pub fn to_markdown_with(&self, live: &LiveGrants) -> String {
        markdown::markdown(self, Some(live))
    }

    /// The differences between the declarations and the live grants.
    #[must_use]
    pub fn differences(&self, live: &LiveGrants) -> Vec<Difference> {
        live.differences(self)
    }
}

/// Nothing of it is personal.
fn json(document: &Tree) -> String {
    String::from_utf8_lossy(document.pretty().as_bytes()).into_owned()
}
