//! What an answer says beside the application's rows: the register's own.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use oubliette::fields::FieldKind;
use oubliette::personal::Plaintext;

use super::declared::DeclaredTables;
use crate::access::Table;
use crate::access::opening::Row;
use crate::access::tree::Tree;
use crate::database::{self, Database, values};
use crate::error::RegisterError;
use crate::grants::{Found, time};
use crate::inventory::document;
use crate::register::Register;
use crate::subject::Subject;

/// An answer without the application's rows.
pub(super) struct Answer {
    before: Vec<(&'static str, Tree)>,
    after: Vec<(&'static str, Tree)>,
}

impl Answer {
    pub(super) fn with(self, rows: Vec<(&Table, Vec<Row>)>, not_shown: &NotShown) -> Tree {
        let tables = [("tables", tables(rows))].into_iter().chain(not_shown_tree(not_shown));
        Tree::object(self.before.into_iter().chain(tables).chain(self.after))
    }
}

/// Purposes, and the customer's live numbers of each, of which no column is declared.
pub(super) type NotShown = BTreeMap<String, Vec<i64>>;

/// What the answer cannot show, since nobody has said where it is.
pub(super) async fn not_shown<D: Database>(
    db: &mut D,
    declared: &DeclaredTables,
    found: &Found,
    wanted: impl Fn(&str) -> bool,
) -> Result<NotShown, RegisterError> {
    const LIVE: &str = "SELECT purpose, number FROM oubliette_numbers WHERE state <> 'shredded' \
        AND subject_id IN (SELECT id FROM oubliette_subjects WHERE id = ?1 OR merged_into = ?1) ORDER BY purpose, number";
    let is_declared = |name: &str| {
        let mut columns = declared.tables.iter().flat_map(|table| table.columns());
        columns.any(|column| match column.info.kind {
            FieldKind::Sealed { purpose, .. } | FieldKind::Member { purpose, .. } => purpose.name() == name,
            _ => false,
        })
    };
    let mut not_shown = NotShown::new();
    for row in db.rows(LIVE, values![found.id]).await? {
        let purpose = row.text(0)?;
        if wanted(purpose) && !is_declared(purpose) {
            not_shown.entry(purpose.to_owned()).or_default().push(row.integer(1)?);
        }
    }
    Ok(not_shown)
}

/// Left out when there is nothing to say.
fn not_shown_tree(not_shown: &NotShown) -> Option<(&'static str, Tree)> {
    const WHY: &str = "no column of this purpose is declared: what is held for it is not in this document";
    let of = |(purpose, numbers): (&String, &Vec<i64>)| {
        let numbers = numbers.iter().map(|number| Tree::Number(*number)).collect();
        Tree::object([
            ("purpose", Tree::text(purpose.as_str())),
            ("numbers", Tree::List(numbers)),
            ("why", Tree::text(WHY)),
        ])
    };
    (!not_shown.is_empty()).then(|| ("not_shown", Tree::List(not_shown.iter().map(of).collect())))
}

pub(super) fn tables(tables: Vec<(&Table, Vec<Row>)>) -> Tree {
    let shown = tables.into_iter().map(|(table, rows)| {
        let rows = rows.into_iter().map(Row::into_tree).collect();
        Tree::object([("table", Tree::text(table.name())), ("rows", Tree::List(rows))])
    });
    Tree::List(shown.collect())
}

pub(super) fn portable(
    register: &Register,
    subject: &Subject,
    rows: Vec<(&Table, Vec<Row>)>,
    not_shown: &NotShown,
) -> Tree {
    let members = [
        ("format", Tree::text("oubliette/1/portable")),
        ("subject", Tree::text(subject.as_str())),
        ("at", Tree::text(register.now().to_string())),
        ("tables", tables(rows)),
    ];
    Tree::object(members.into_iter().chain(not_shown_tree(not_shown)))
}

/// Of a live grant by consent or contract that is not for a recipient.
pub(super) async fn portable_purposes<D: Database>(
    register: &Register,
    db: &mut D,
    found: &Found,
) -> Result<Vec<String>, RegisterError> {
    const PORTABLE: &str = "SELECT DISTINCT purpose FROM oubliette_grants \
        WHERE subject_id IN (SELECT id FROM oubliette_subjects WHERE id = ?1 OR merged_into = ?1) AND recipient IS NULL AND basis IN ('consent', 'contract') AND ended_at IS NULL \
            AND (until IS NULL OR until > ?2)";
    let rows = db.rows(PORTABLE, values![found.id, register.now().as_millisecond()]).await?;
    rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()
}

pub(super) async fn of<D: Database>(
    register: &Register,
    db: &mut D,
    declared: &DeclaredTables,
    subject: &Subject,
    found: &Found,
) -> Result<Answer, RegisterError> {
    let of = || values![found.id];
    let since = db.rows("SELECT since FROM oubliette_subjects WHERE id = ?1", of()).await?;
    let since = since.first().map(|row| row.integer(0).and_then(time)).transpose()?;
    const NUMBERS: &str = "SELECT purpose, number, since, shredded_at, state FROM oubliette_numbers \
        WHERE subject_id IN (SELECT id FROM oubliette_subjects WHERE id = ?1 OR merged_into = ?1) ORDER BY purpose, number";
    let numbers = db.rows(NUMBERS, of()).await?;
    const GRANTS: &str = "SELECT purpose, basis, recipient, granted_at, until, ended_at, why, evidence \
        FROM oubliette_grants WHERE subject_id IN (SELECT id FROM oubliette_subjects WHERE id = ?1 OR merged_into = ?1) ORDER BY purpose, granted_at, id";
    let grants = db.rows(GRANTS, of()).await?;
    const DISCLOSURES: &str = "SELECT at, recipient, purpose, fields, encrypted FROM oubliette_disclosures \
        WHERE subject_id IN (SELECT id FROM oubliette_subjects WHERE id = ?1 OR merged_into = ?1) ORDER BY at, id";
    let disclosures = db.rows(DISCLOSURES, of()).await?;
    const REQUESTS: &str = "SELECT kind, received_at, due_at, state, closed_at, why FROM oubliette_requests \
        WHERE subject_id IN (SELECT id FROM oubliette_subjects WHERE id = ?1 OR merged_into = ?1) ORDER BY received_at, id";
    let requests = db.rows(REQUESTS, of()).await?;
    let marks = db.rows("SELECT what, at FROM oubliette_marks WHERE subject_id IN (SELECT id FROM oubliette_subjects WHERE id = ?1 OR merged_into = ?1) ORDER BY what", of()).await?;
    let names = numbers.iter().chain(&grants).map(|row| row.text(0)).collect::<Result<BTreeSet<_>, _>>()?;
    let purposes = names.into_iter().map(|name| purpose(declared, name, &numbers, &grants));
    Ok(Answer {
        before: vec![
            ("format", Tree::text("oubliette/1/access")),
            ("subject", Tree::text(subject.as_str())),
            ("at", Tree::text(register.now().to_string())),
            ("known_since", Tree::maybe(since.map(|since| since.to_string()))),
            ("purposes", Tree::List(purposes.collect::<Result<_, _>>()?)),
        ],
        after: vec![
            ("disclosures", list(&disclosures, disclosure)?),
            ("requests", list(&requests, request)?),
            ("marks", list(&marks, |row| Ok(Tree::object([("what", text(row, 0)?), ("at", moment(row, 1)?)])))?),
        ],
    })
}

fn purpose(
    declared: &DeclaredTables,
    name: &str,
    numbers: &[database::Row],
    grants: &[database::Row],
) -> Result<Tree, RegisterError> {
    let declaration = declared.inventory.as_ref().and_then(|inventory| inventory.declaration(name));
    let mut members = declaration.map_or_else(|| vec![("purpose", Tree::text(name))], document::declared);
    let (mut of_grants, mut of_numbers) = (Vec::new(), Vec::new());
    for row in grants {
        if row.text(0)? == name {
            of_grants.push(grant(row)?);
        }
    }
    for row in numbers {
        if row.text(0)? == name {
            of_numbers.push(Tree::object([
                ("number", Tree::Number(row.integer(1)?)),
                ("since", moment(row, 2)?),
                ("shredded", moment(row, 3)?),
            ]));
        }
    }
    members.extend([("grants", Tree::List(of_grants)), ("numbers", Tree::List(of_numbers))]);
    Ok(Tree::object(members))
}

fn grant(row: &database::Row) -> Result<Tree, RegisterError> {
    Ok(Tree::object([
        ("basis", text(row, 1)?),
        ("recipient", text(row, 2)?),
        ("since", moment(row, 3)?),
        ("until", moment(row, 4)?),
        ("ended", moment(row, 5)?),
        ("why", text(row, 6)?),
        ("evidence", json(row, 7)?),
    ]))
}

fn disclosure(row: &database::Row) -> Result<Tree, RegisterError> {
    Ok(Tree::object([
        ("at", moment(row, 0)?),
        ("recipient", text(row, 1)?),
        ("purpose", text(row, 2)?),
        ("fields", json(row, 3)?),
        ("form", Tree::text(if row.integer(4)? == 1 { "encrypted to the recipient" } else { "in clear" })),
    ]))
}

fn request(row: &database::Row) -> Result<Tree, RegisterError> {
    Ok(Tree::object([
        ("kind", text(row, 0)?),
        ("received", moment(row, 1)?),
        ("due", moment(row, 2)?),
        ("state", text(row, 3)?),
        ("closed", moment(row, 4)?),
        ("why", text(row, 5)?),
    ]))
}

fn list(
    rows: &[database::Row],
    of: impl Fn(&database::Row) -> Result<Tree, RegisterError>,
) -> Result<Tree, RegisterError> {
    Ok(Tree::List(rows.iter().map(of).collect::<Result<_, _>>()?))
}

fn text(row: &database::Row, at: usize) -> Result<Tree, RegisterError> {
    Ok(Tree::maybe(row.maybe_text(at)?))
}

fn moment(row: &database::Row, at: usize) -> Result<Tree, RegisterError> {
    let moment: Option<Timestamp> = row.maybe_integer(at)?.map(time).transpose()?;
    Ok(Tree::maybe(moment.map(|moment| moment.to_string())))
}

fn json(row: &database::Row, at: usize) -> Result<Tree, RegisterError> {
    let Some(text) = row.maybe_text(at)? else { return Ok(Tree::Null) };
    let mut copy = Plaintext::with_capacity(text.len());
    copy.extend(text.as_bytes());
    Tree::written(copy).ok_or(RegisterError::NotOurs { what: "a text where JSON belongs" })
}
