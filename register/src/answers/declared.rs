//! Where the application keeps personal data.

use oubliette::personal::{ExposePersonalData, PersonalData};

use crate::access::{Readers, Table};
use crate::inventory::Inventory;

/// The application's tables with personal data, and the types that it can show. Declare them once.
///
/// Declare every table with personal data: an answer shows only declared tables. It says so if a purpose has no
/// declared column.
///
/// [The guide](crate::guide) has an example.
#[derive(Clone, Debug)]
pub struct DeclaredTables {
    pub(crate) tables: Vec<Table>,
    pub(crate) readers: Readers,
    pub(crate) inventory: Option<Inventory>,
    pub(crate) marks_damaged: bool,
}

impl DeclaredTables {
    /// The tables of the inventory. With them, answers say why each purpose is kept, for how long, and who receives it.
    #[must_use]
    pub fn of(inventory: Inventory) -> DeclaredTables {
        let tables = inventory.declared_tables().to_vec();
        DeclaredTables { tables, readers: Readers::new(), inventory: Some(inventory), marks_damaged: false }
    }

    /// These tables, without an inventory.
    #[must_use]
    pub fn in_tables(tables: impl IntoIterator<Item = Table>) -> DeclaredTables {
        DeclaredTables {
            tables: tables.into_iter().collect(),
            readers: Readers::new(),
            inventory: None,
            marks_damaged: false,
        }
    }

    /// Answers mark a value that cannot be read, and say why, instead of failing: a person gets an answer although a
    /// cell is damaged. [`Document::damaged`](crate::access::Document::damaged) counts the marked values. A fault of
    /// more than one value, such as a vault that was rolled back, is still an error. Disclosures to others never have
    /// marked values: they are whole, or refused.
    #[must_use]
    pub fn marking_damaged(mut self) -> DeclaredTables {
        self.marks_damaged = true;
        self
    }

    /// Adds a type of yours, such as a `Json` of a type: see [`Readers`].
    #[must_use]
    pub fn reading<T: PersonalData + ExposePersonalData>(mut self) -> DeclaredTables {
        self.readers = self.readers.reading::<T>();
        self
    }
}
