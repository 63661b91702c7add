//! What is held on somebody, by what the application's records say of their columns.

mod cell;
mod document;
mod error;
pub(crate) mod opening;
mod readers;
pub(crate) mod table;
pub(crate) mod tree;

pub use cell::Cell;
pub use document::Document;
pub use error::AccessError;
pub use readers::Readers;
pub use table::{Binding, Table};

use crate::customer::CustomerId;
use crate::record::support::Opens;
use opening::{Numbers, Opening};

impl Table {
    /// Opens one row, read by whatever means, as JSON: what of it belongs to the person with these `numbers`.
    ///
    /// It is opened with a [`Vault`](crate::Vault), or with a [`Reader`](crate::Reader) within its limits and seen by its
    /// audits.
    ///
    /// `cell` gives the content of a column by its name in the database: the customers' numbers, the sealed columns and
    /// those stored as they are. The document has `in_clear` (columns stored as they are, unless the row itself is another
    /// person's), `opened` (values by purpose) and `shredded` (columns by purpose whose values are gone).
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
        let source = opens.source();
        opening::check(&source, readers, std::slice::from_ref(self), |_, _| true)?;
        let whose: Numbers = numbers.into_iter().collect();
        let opening = Opening { source: &source, readers, table: self, whose: &whose };
        let row = opening.row(|_| true, |column| cell(&column.name), |column| cell(&column.name))?;
        Ok(Document::for_people(&row.into_tree()))
    }
}
