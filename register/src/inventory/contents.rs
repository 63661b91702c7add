//! What an inventory is told.

use super::declaration::Declaration;
use crate::access::Table;

/// The record of processing activities: tables and declarations. [The module](super) has an example.
#[derive(Clone, Debug)]
pub struct Inventory {
    pub(super) controller: String,
    pub(super) officer: Option<String>,
    pub(super) measures: Vec<String>,
    pub(super) tables: Vec<Table>,
    pub(super) declarations: Vec<Declaration>,
}

impl Inventory {
    /// The inventory of this controller: name and contact details.
    #[must_use]
    pub fn of(controller: impl Into<String>) -> Inventory {
        let (tables, declarations, measures) = (Vec::new(), Vec::new(), Vec::new());
        Inventory { controller: controller.into(), officer: None, measures, tables, declarations }
    }

    /// Names the data protection officer, with contact details.
    #[must_use]
    pub fn officer(mut self, officer: impl Into<String>) -> Inventory {
        self.officer = Some(officer.into());
        self
    }

    /// Adds a security measure. Sealing is listed by itself.
    #[must_use]
    pub fn measure(mut self, measure: impl Into<String>) -> Inventory {
        self.measures.push(measure.into());
        self
    }

    /// Adds a table of the application.
    #[must_use]
    pub fn table(mut self, table: Table) -> Inventory {
        self.tables.push(table);
        self
    }

    /// Adds the declaration of a purpose.
    #[must_use]
    pub fn purpose(mut self, declaration: Declaration) -> Inventory {
        self.declarations.push(declaration);
        self
    }

    pub(crate) fn declared_tables(&self) -> &[Table] {
        &self.tables
    }

    pub(crate) fn declaration(&self, purpose: &str) -> Option<&Declaration> {
        self.declarations.iter().find(|declared| declared.purpose.name() == purpose)
    }

    /// By purpose.
    pub(super) fn declarations(&self) -> Vec<&Declaration> {
        let mut sorted: Vec<&Declaration> = self.declarations.iter().collect();
        sorted.sort_by_key(|declared| declared.purpose);
        sorted
    }

    /// By name.
    pub(super) fn tables(&self) -> Vec<&Table> {
        let mut sorted: Vec<&Table> = self.tables.iter().collect();
        sorted.sort_by(|one, other| one.name().cmp(other.name()));
        sorted
    }
}
