//! The inventory against the file that was committed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oubliette::fields::FieldKind;
use serde_json::Value;

use super::contents::Inventory;
use super::document::FORMAT;
use super::error::{Finding, InventoryError};

/// What of the inventory itself is missing, whatever a file says.
pub(super) fn findings(inventory: &Inventory) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        inventory.tables.iter().filter_map(|table| table.fault()).map(|fault| Finding::BadTable { fault }).collect();
    let tables = inventory.tables();
    let twice = tables.iter().zip(tables.iter().skip(1)).filter(|(one, next)| one.name() == next.name());
    findings.extend(twice.map(|(table, _)| Finding::Twice { what: format!("table {:?}", table.name()) }));
    let declarations = inventory.declarations();
    let twice = declarations.iter().zip(declarations.iter().skip(1)).filter(|(one, next)| one.purpose == next.purpose);
    findings
        .extend(twice.map(|(declared, _)| Finding::Twice { what: format!("purpose {:?}", declared.purpose.name()) }));
    let mut missing = Vec::new();
    for table in tables {
        for column in table.columns() {
            let (FieldKind::Sealed { purpose, .. }
            | FieldKind::Group { purpose, .. }
            | FieldKind::Member { purpose, .. }) = column.info.kind
            else {
                continue;
            };
            if inventory.declaration(purpose.name()).is_none() && !missing.contains(&purpose) {
                missing.push(purpose);
                let (table, column) = (table.name().to_owned(), column.name.clone());
                findings.push(Finding::NoDeclaration { purpose: purpose.name().to_owned(), table, column });
            }
        }
    }
    for declared in declarations {
        let purpose = declared.purpose.name();
        let lacks = declared.lacks().into_iter();
        findings.extend(lacks.map(|lacks| Finding::Incomplete { purpose: purpose.to_owned(), lacks }));
    }
    findings
}

pub(super) fn check(inventory: &Inventory, path: &Path) -> Result<(), InventoryError> {
    let mut findings = findings(inventory);
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(InventoryError::NotWritten { path: path.to_owned(), findings });
        }
        Err(error) => return Err(InventoryError::file(path, error)),
    };
    let (before, now) = (Known::read(&text, path)?, Known::read(&inventory.to_json(), path)?);
    before.compare(&now, &mut findings);
    if findings.is_empty() { Ok(()) } else { Err(InventoryError::NotUpToDate { path: path.to_owned(), findings }) }
}

pub(super) fn write(inventory: &Inventory, path: &Path) -> Result<(), InventoryError> {
    let findings = findings(inventory);
    if !findings.is_empty() {
        return Err(InventoryError::NotUpToDate { path: path.to_owned(), findings });
    }
    std::fs::write(path, inventory.to_json()).map_err(|error| InventoryError::file(path, error))
}

/// What a document says, part by part.
struct Known {
    /// By table and column.
    fields: BTreeMap<(String, String), Value>,
    /// By what a message calls it.
    said: BTreeMap<String, Value>,
}

impl Known {
    fn read(text: &str, path: &Path) -> Result<Known, InventoryError> {
        Known::parse(text).ok_or_else(|| InventoryError::NotAnInventory { path: path.to_owned() })
    }

    fn parse(text: &str) -> Option<Known> {
        let mut document: Value = serde_json::from_str(text).ok()?;
        if document.get("format")?.as_str()? != FORMAT {
            return None;
        }
        let mut known = Known { fields: BTreeMap::new(), said: BTreeMap::new() };
        for table in document.get("tables")?.as_array()? {
            let name = table.get("table")?.as_str()?;
            for column in table.get("columns")?.as_array()? {
                let place = (name.to_owned(), column.get("column")?.as_str()?.to_owned());
                known.fields.insert(place, column.clone());
            }
        }
        for purpose in document.get("purposes")?.as_array()? {
            let name = purpose.get("purpose")?.as_str()?;
            for (member, said) in purpose.as_object()? {
                // The fields have messages of their own.
                if member != "fields" {
                    known.said.insert(format!("{member:?} of purpose {name:?}"), said.clone());
                }
            }
        }
        let head = document.as_object_mut()?;
        head.remove("tables");
        head.remove("purposes");
        known.said.extend(head.iter().map(|(member, said)| (format!("{member:?}"), said.clone())));
        Some(known)
    }

    fn compare(&self, now: &Known, findings: &mut Vec<Finding>) {
        for ((table, column), field) in &now.fields {
            let (table, column, holds) = (table.clone(), column.clone(), in_words(field));
            match self.fields.get(&(table.clone(), column.clone())) {
                None => findings.push(Finding::NewField { table, column, holds }),
                Some(before) if before != field => {
                    findings.push(Finding::FieldChanged { table, column, before: in_words(before), holds });
                }
                Some(_) => {}
            }
        }
        let gone = self.fields.keys().filter(|place| !now.fields.contains_key(*place));
        findings
            .extend(gone.map(|(table, column)| Finding::FieldGone { table: table.clone(), column: column.clone() }));
        let parts = self.said.keys().chain(now.said.keys().filter(|part| !self.said.contains_key(*part)));
        let changed = parts.filter(|part| self.said.get(*part) != now.said.get(*part));
        findings.extend(changed.map(|part| Finding::DeclarationChanged { part: part.clone() }));
    }
}

/// A column as a message shows it: "sealed obl.email, purpose orders, label email".
fn in_words(column: &Value) -> String {
    let said = |member: &str| match column.get(member) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let mut words = said("is").unwrap_or_else(|| "nothing known".into());
    for (member, name) in [
        ("type", "type"),
        ("purpose", "purpose"),
        ("label", "label"),
        ("in", "in"),
        ("bound_to", "bound to"),
        ("of", "of"),
        ("index", "index"),
        ("bits", "bits"),
    ] {
        if let Some(text) = said(member) {
            words.push_str(&format!(", {name} {text}"));
        }
    }
    words
}

impl InventoryError {
    fn file(path: &Path, source: io::Error) -> InventoryError {
        InventoryError::File { path: PathBuf::from(path), source: Arc::new(source) }
    }
}
