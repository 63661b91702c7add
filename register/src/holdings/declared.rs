//! What an application declares of what it holds.

use oubliette::personal::{ExposePersonalData, PersonalData};

use crate::access::{Readers, Table};
use crate::inventory::Inventory;

/// Where the application keeps what it holds on people, and which types it can show. Declared once.
///
/// Every table that holds something on a customer belongs here: what is not declared is not in the answer. Of a purpose
/// without any declared column, the answer says so.
#[derive(Clone, Debug)]
pub struct Holdings {
    pub(crate) tables: Vec<Table>,
    pub(crate) readers: Readers,
    pub(crate) inventory: Option<Inventory>,
    pub(crate) marks_damaged: bool,
}

impl Holdings {
    /// In the tables of the inventory, so that answers say why each purpose is kept, for how long, and for whom.
    #[must_use]
    pub fn of(inventory: Inventory) -> Holdings {
        let tables = inventory.declared_tables().to_vec();
        Holdings { tables, readers: Readers::new(), inventory: Some(inventory), marks_damaged: false }
    }

    /// In these tables.
    #[must_use]
    pub fn in_tables(tables: impl IntoIterator<Item = Table>) -> Holdings {
        Holdings {
            tables: tables.into_iter().collect(),
            readers: Readers::new(),
            inventory: None,
            marks_damaged: false,
        }
    }

    /// Answers mark a value that cannot be read, with why, in place of an error: for whoever must answer a person although
    /// a cell is damaged. [`Document::damaged`](crate::access::Document::damaged) counts them. What is wrong with more than
    /// one value, such as a vault that was rolled back, is an error all the same. What is disclosed to others is never
    /// marked: it is whole, or refused.
    #[must_use]
    pub fn marking_damaged(mut self) -> Holdings {
        self.marks_damaged = true;
        self
    }

    /// A type of yours that fields have, such as a `Json` of a type: see [`Readers`].
    #[must_use]
    pub fn reading<T: PersonalData + ExposePersonalData>(mut self) -> Holdings {
        self.readers = self.readers.reading::<T>();
        self
    }
}
