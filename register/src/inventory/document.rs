//! The inventory as JSON.

use oubliette::{Purpose, fields::FieldKind};

use super::contents::Inventory;
use super::declaration::Declaration;
use crate::access::Table;
use crate::access::tree::Tree;

/// What the file says it is.
pub(super) const FORMAT: &str = "oubliette/1/inventory";

pub(super) fn document(inventory: &Inventory) -> Tree {
    let purposes = inventory.declarations().into_iter().map(|declaration| {
        let mut members = declared(declaration);
        let fields = fields_of(inventory, declaration.purpose);
        members.push(("fields", Tree::texts(fields)));
        Tree::object(members)
    });
    Tree::object([
        ("format", Tree::text(FORMAT)),
        ("controller", Tree::text(inventory.controller.as_str())),
        ("officer", Tree::maybe(inventory.officer.as_deref())),
        ("measures", Tree::texts(inventory.measures.iter().map(String::as_str))),
        ("purposes", Tree::List(purposes.collect())),
        ("tables", Tree::List(inventory.tables().into_iter().map(table).collect())),
    ])
}

pub(crate) fn declared(declaration: &Declaration) -> Vec<(&'static str, Tree)> {
    let list = |texts: &[String]| Tree::texts(texts.iter().map(String::as_str));
    // Nobody is a category of nobody's: a list without any was not said.
    let said = |texts: &[String]| if texts.is_empty() { Tree::Null } else { list(texts) };
    vec![
        ("purpose", Tree::text(declaration.purpose.name())),
        ("why", Tree::maybe(declaration.why.as_deref())),
        ("basis", Tree::maybe(declaration.basis.map(|basis| basis.as_str()))),
        ("article", Tree::maybe(declaration.basis.map(|basis| basis.article()))),
        ("kept", Tree::maybe(declaration.kept.as_deref())),
        ("whose", said(&declaration.whose)),
        ("categories", said(&declaration.categories)),
        ("recipients", declaration.recipients.as_deref().map_or(Tree::Null, list)),
        ("transfers", declaration.transfers.as_deref().map_or(Tree::Null, list)),
    ]
}

/// The sealed fields of a purpose, as `table.column`; within a group by the record's name.
fn fields_of(inventory: &Inventory, of: Purpose) -> Vec<String> {
    let mut fields = Vec::new();
    for table in inventory.tables() {
        for column in table.columns() {
            if let FieldKind::Sealed { purpose, .. } | FieldKind::Member { purpose, .. } = column.info.kind
                && purpose == of
            {
                fields.push(format!("{}.{}", table.name(), column.name));
            }
        }
    }
    fields
}

fn table(table: &Table) -> Tree {
    let named = |field: &str| table.column(field).map_or_else(|| field.to_owned(), |column| column.name.clone());
    let columns = table.columns().iter().map(|column| {
        let mut members = vec![("column", Tree::text(column.name.as_str()))];
        match column.info.kind {
            FieldKind::Sealed { purpose, label, tag, context, .. } => members.extend([
                ("is", Tree::text("sealed")),
                ("purpose", Tree::text(purpose.name())),
                ("label", Tree::text(label)),
                ("type", Tree::text(tag.as_str())),
                ("bound_to", Tree::maybe(context.map(named))),
            ]),
            FieldKind::Group { purpose, label, context, .. } => members.extend([
                ("is", Tree::text("group")),
                ("purpose", Tree::text(purpose.name())),
                ("label", Tree::text(label)),
                ("bound_to", Tree::maybe(context.map(named))),
            ]),
            FieldKind::Member { of, purpose, label, tag, .. } => members.extend([
                ("is", Tree::text("sealed")),
                ("purpose", Tree::text(purpose.name())),
                ("label", Tree::text(label)),
                ("type", Tree::text(tag.as_str())),
                ("in", Tree::text(named(of))),
            ]),
            FieldKind::Token { of, purpose, label, bits, .. } => members.extend([
                ("is", Tree::text("token")),
                ("purpose", Tree::text(purpose.name())),
                ("of", Tree::text(named(of))),
                ("index", Tree::text(label)),
                ("bits", Tree::Number(i64::from(bits.get()))),
            ]),
            FieldKind::Customer { purpose, .. } => {
                members.extend([("is", Tree::text("number")), ("purpose", Tree::text(purpose.name()))]);
            }
            // No table with others is taken.
            _ => members.push(("is", Tree::text("plain"))),
        }
        Tree::object(members)
    });
    Tree::object([("table", Tree::text(table.name())), ("columns", Tree::List(columns.collect()))])
}
