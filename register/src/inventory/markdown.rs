//! The inventory for people.

use std::fmt::Write as _;

use oubliette::{Purpose, fields::FieldKind};

use super::contents::Inventory;
use super::declaration::Declaration;
use super::live::LiveGrants;
use crate::access::Table;

pub(super) fn markdown(inventory: &Inventory, live: Option<&LiveGrants>) -> String {
    let mut out = String::from("# Record of processing activities\n\n");
    let mut head = vec![("Controller", inventory.controller.clone())];
    head.extend(inventory.officer.clone().map(|officer| ("Data protection officer", officer)));
    if let Some(live) = live {
        head.push(("Grants counted at", live.at().to_owned()));
    }
    table_of(&mut out, &["", ""], head.into_iter().map(|(what, text)| vec![what.to_owned(), text]));
    for declaration in inventory.declarations() {
        purpose(&mut out, inventory, declaration, live);
    }
    differences(&mut out, inventory, live);
    stored_as_it_is(&mut out, inventory);
    out.push_str("\n## Security\n\n");
    out.push_str(
        "- Columns listed under a purpose are sealed: AES-256-GCM, under keys of one person, one purpose and one field, \
         which can be destroyed for one person in all copies.\n",
    );
    for measure in &inventory.measures {
        let _ = writeln!(out, "- {}", one_line(measure));
    }
    out
}

fn purpose(out: &mut String, inventory: &Inventory, declaration: &Declaration, live: Option<&LiveGrants>) {
    let _ = writeln!(out, "\n## {}\n", one_line(declaration.purpose.name()));
    let not_said = || "**not said**".to_owned();
    let said = |texts: &[String]| if texts.is_empty() { not_said() } else { texts.join("; ") };
    let list = |texts: &[String]| if texts.is_empty() { "none".to_owned() } else { texts.join("; ") };
    let basis = declaration.basis.map_or_else(not_said, |basis| format!("{}, {} GDPR", basis, basis.article()));
    let mut rows = vec![
        ("Why", declaration.why.clone().unwrap_or_else(not_said)),
        ("Legal basis", basis),
        ("Kept", declaration.kept.clone().unwrap_or_else(not_said)),
        ("Of whom", said(&declaration.whose)),
        ("Categories of data", said(&declaration.categories)),
        ("Recipients", declaration.recipients.as_deref().map_or_else(not_said, list)),
        ("Transfers outside the EEA", declaration.transfers.as_deref().map_or_else(not_said, list)),
    ];
    if let Some(live) = live {
        rows.push(("Live grants", live.in_words(declaration.purpose.name())));
    }
    table_of(out, &["", ""], rows.into_iter().map(|(what, text)| vec![what.to_owned(), text]));
    let fields = inventory.tables().into_iter().flat_map(|table| fields_of(table, declaration.purpose));
    let fields: Vec<Vec<String>> = fields.collect();
    if fields.is_empty() {
        out.push_str("\nNo column is kept for it.\n");
    } else {
        out.push('\n');
        table_of(out, &["table", "column", "holds", "bound to", "searchable by"], fields.into_iter());
    }
}

fn fields_of(table: &Table, of: Purpose) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for column in table.columns() {
        let (purpose, tag, context, group) = match column.info.kind {
            FieldKind::Sealed { purpose, tag, context, .. } => (purpose, tag, context, None),
            FieldKind::Member { of, purpose, tag, .. } => {
                let group = table.column(of);
                let context = match group.map(|group| group.info.kind) {
                    Some(FieldKind::Group { context, .. }) => context,
                    _ => None,
                };
                (purpose, tag, context, group)
            }
            _ => continue,
        };
        if purpose != of {
            continue;
        }
        let context = context.and_then(|field| table.column(field)).map_or("", |column| column.name.as_str());
        let name = group.map_or_else(|| column.name.clone(), |group| format!("{}, in {}", column.name, group.name));
        let tokens = table
            .columns()
            .iter()
            .filter(|token| matches!(token.info.kind, FieldKind::Token { of, .. } if of == column.info.column));
        let tokens: Vec<&str> = tokens.map(|token| token.name.as_str()).collect();
        let row = [table.name(), &name, holds(tag.as_str()), context, &tokens.join(", ")];
        rows.push(row.map(str::to_owned).to_vec());
    }
    rows
}

fn holds(tag: &str) -> &str {
    match tag {
        "obl.name" => "name",
        "obl.email" => "email address",
        "obl.phone" => "telephone number",
        "obl.address" => "postal address",
        "obl.date" => "date",
        "obl.text" => "text",
        "obl.json" => "JSON",
        other => other,
    }
}

fn differences(out: &mut String, inventory: &Inventory, live: Option<&LiveGrants>) {
    let Some(live) = live else { return };
    let differences = live.differences(inventory);
    out.push_str("\n## Declared and granted\n\n");
    if differences.is_empty() {
        out.push_str("What is declared here and what the register has grants for agree.\n");
    }
    for difference in differences {
        let _ = writeln!(out, "- **{}**", one_line(&difference.to_string()));
    }
}

fn stored_as_it_is(out: &mut String, inventory: &Inventory) {
    let plain = inventory.tables().into_iter().flat_map(|table| {
        let plain = table.columns().iter().filter(|column| column.info.kind == FieldKind::Plain);
        plain.map(|column| vec![table.name().to_owned(), column.name.clone()])
    });
    let plain: Vec<Vec<String>> = plain.collect();
    if !plain.is_empty() {
        out.push_str("\n## Stored as it is\n\nDeclared as not personal, and readable by whoever has the database.\n\n");
        table_of(out, &["table", "column"], plain.into_iter());
    }
}

fn table_of(out: &mut String, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let _ = writeln!(out, "| {} |", head.join(" | "));
    let _ = writeln!(out, "|{}", "---|".repeat(head.len()));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| one_line(cell)).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
}

/// A line break would end the table, the heading or the list; and a name is no cell, no link and no tag.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.split_whitespace().collect::<Vec<_>>().join(" ").chars() {
        if matches!(c, '\\' | '|' | '<' | '[' | '`') {
            line.push('\\');
        }
        line.push(c);
    }
    line
}
