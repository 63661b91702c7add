//! What an inventory is told.

use super::declaration::Declaration;
use crate::access::Table;

/// What is kept on people: tables and declarations. See [the module](super).
#[derive(Clone, Debug)]
pub struct Inventory {
    pub(super) controller: String,
    pub(super) officer: Option<String>,
    pub(super) measures: Vec<String>,
    pub(super) tables: Vec<Table>,
    pub(super) declarations: Vec<Declaration>,
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
