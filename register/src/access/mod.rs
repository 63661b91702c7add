//! Answers about one person, from the columns that the application's records declare.
//!
//! A [`Table`] is made of a record's `FIELDS`. It opens rows without the record's type, so an answer shows everything
//! that is there. With a register, `access` and `portable` answer a whole request from such tables. Without one, read
//! the rows yourself, and open each:
//! ```
//! use oubliette_register::access::{Cell, Readers, Table};
//! use oubliette::personal::Email;
//! use oubliette::{CustomerId, Field, Personal, Purpose, Vault};
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
//! # let vault = Vault::in_memory([ORDERS]);
//! # let customer = Customer { no: vault.enroll()?, email: "alice@example.com".parse()? };
//! # let row = customer.seal(&vault)?;
//! let customers = Table::new("customers", Customer::FIELDS);
//! let shown = customers.open_row(&vault, &Readers::new(), [row.no], |column| match column {
//!     "no" => Cell::Integer(row.no.to_stored()),
//!     _ => Cell::bytes(row.email.as_bytes().to_vec()),
//! })?;
//! assert!(shown.expose_personal_data().contains("alice@example.com"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A value that does not open is an error; it is never left out. Shredded values are listed as shredded. Name types of
//! your own to [`Readers`]. Columns that no record declares are not seen. A group with fields that no record declares
//! is an error, [`AccessError::Undeclared`].

mod cell;
mod document;
mod error;
mod groups;
pub(crate) mod opening;
mod readers;
pub(crate) mod table;
pub(crate) mod tree;

use oubliette::{CustomerId, Opens};

pub use cell::Cell;
pub use document::Document;
pub use error::AccessError;
pub use readers::Readers;
pub use table::{Binding, Table};

use opening::{Numbers, Opening};

impl Table {
    /// Opens one row that you have read, and gives as JSON the part of it that belongs to the person with these
    /// `numbers`.
    ///
    /// It opens with a [`Vault`](oubliette::Vault), or with a [`Reader`](oubliette::Reader), whose limits and audits
    /// then apply.
    ///
    /// `cell` gives the content of a column by its name in the database: customer numbers, sealed columns and plain
    /// columns. A field within a group goes by its name in the record. The document has `in_clear` (plain columns,
    /// unless the row belongs to another person), `opened` (values by purpose) and `shredded` (columns by purpose whose
    /// values are gone).
    ///
    /// # Errors
    /// [`AccessError`], of the first column that cannot be read.
    pub fn open_row(
        &self,
        opens: &(impl Opens + ?Sized),
        readers: &Readers,
        numbers: impl IntoIterator<Item = CustomerId>,
        cell: impl Fn(&str) -> Cell,
    ) -> Result<Document, AccessError> {
        let reader = opens.reader();
        opening::check(&reader, readers, std::slice::from_ref(self), |_, _| true)?;
        let whose: Numbers = numbers.into_iter().collect();
        let opening = Opening { reader: &reader, readers, table: self, whose: &whose, marks_damaged: false };
        let row = opening.row(|_| true, |column| cell(&column.name), |column| cell(&column.name))?;
        Ok(Document::for_people(&row.into_tree()))
    }
}
