//! What is held on somebody: access (Art. 15 GDPR) and portability (Art. 20), and the grants as the inventory counts them.

mod answer;
mod declared;
mod select;

use oubliette::{fields::FieldKind, journal};

pub use declared::DeclaredTables;
pub(crate) use select::Only;

use super::agreed;
use super::database::{Database, values};
use super::error::RegisterError;
use super::grants::{self, Found};
use super::outbox;
use super::register::Register;
use super::sqlite::InTransactionSqlite;
use super::subject::Subject;
use super::whose;
use crate::access::opening::{self, Numbers, Opening, Row};
use crate::access::table::Column;
use crate::access::{AccessError, Document, Table};
use crate::basis::Basis;
use crate::inventory::LiveGrants;

impl InTransactionSqlite<'_> {
    /// Gives all data on a customer (Art. 15 GDPR), as JSON that a person can read. It has the register's own data:
    /// purposes, legal bases, times, recipients, disclosures and requests. And it has, from every declared table, the
    /// rows with one of the customer's numbers, with their values opened. Shredded values are listed as shredded. The
    /// journal records the access.
    ///
    /// It shows the declared tables only: no logs, emails or paper. If the customer has live numbers for a purpose
    /// without a declared column, `not_shown` and [`Document::not_shown`] name the purpose. Read the document before
    /// you send it: a text may name other people (Art. 15(4)).
    ///
    /// # Errors
    /// [`AccessError`]; then nothing was recorded. A value that does not open is an error; it is never left out.
    pub fn access(&self, declared: &DeclaredTables, subject: &Subject) -> Result<Document, AccessError> {
        let mut database = self.write()?;
        let document = crate::sqlite::wait(access(self.register, &mut database, declared, subject))?;
        database.keep()?;
        Ok(document)
    }

    /// Gives the data that a customer may take along (Art. 20 GDPR): the rows of
    /// [`access`](InTransactionSqlite::access) for purposes with a live grant by consent or contract, as JSON on one
    /// line.
    ///
    /// The article covers data that the person provided: leave out columns that you inferred.
    ///
    /// # Errors
    /// As [`access`](InTransactionSqlite::access).
    pub fn portable(&self, declared: &DeclaredTables, subject: &Subject) -> Result<Document, AccessError> {
        let mut database = self.write()?;
        let document = crate::sqlite::wait(portable(self.register, &mut database, declared, subject))?;
        database.keep()?;
        Ok(document)
    }

    /// How many grants are live, for [`Inventory::to_markdown_with`](crate::inventory::Inventory::to_markdown_with).
    ///
    /// # Errors
    /// If the database fails.
    pub fn live_grants(&self) -> Result<LiveGrants, RegisterError> {
        crate::sqlite::wait(live_grants(self.register, &mut self.read()))
    }
}

#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
impl crate::postgres::InTransactionPostgres<'_> {
    /// All that is held on a customer (Art. 15 GDPR): see [`InTransactionSqlite::access`].
    ///
    /// # Errors
    /// As [`InTransactionSqlite::access`].
    pub async fn access(&mut self, declared: &DeclaredTables, subject: &Subject) -> Result<Document, AccessError> {
        let register = self.register;
        let mut database = self.write().await?;
        let document = access(register, &mut database, declared, subject).await?;
        database.keep().await?;
        Ok(document)
    }

    /// What a customer may take along (Art. 20 GDPR): see [`InTransactionSqlite::portable`].
    ///
    /// # Errors
    /// As [`InTransactionSqlite::portable`].
    pub async fn portable(&mut self, declared: &DeclaredTables, subject: &Subject) -> Result<Document, AccessError> {
        let register = self.register;
        let mut database = self.write().await?;
        let document = portable(register, &mut database, declared, subject).await?;
        database.keep().await?;
        Ok(document)
    }

    /// How many grants are live, for [`Inventory::to_markdown_with`](crate::inventory::Inventory::to_markdown_with).
    ///
    /// # Errors
    /// If the database fails.
    pub async fn live_grants(&mut self) -> Result<LiveGrants, RegisterError> {
        live_grants(self.register, &mut self.read()).await
    }
}

async fn access<D: Database>(
    register: &Register,
    db: &mut D,
    declared: &DeclaredTables,
    subject: &Subject,
) -> Result<Document, AccessError> {
    opening::check(&register.reader, &declared.readers, &declared.tables, |_, _| true)?;
    let (found, whose) = begin(register, db, subject).await?;
    let answer = answer::of(register, db, declared, subject, &found).await?;
    let rows = rows(register, db, declared, &whose, |_, _| true, &[], declared.marks_damaged).await?;
    let damaged = damaged(&rows);
    let not_shown = answer::not_shown(db, declared, &found, |_| true).await?;
    let document = Document::for_people(&answer.with(rows, &not_shown)).with_damaged(damaged);
    Ok(document.lacking(not_shown.into_keys().collect()))
}

async fn portable<D: Database>(
    register: &Register,
    db: &mut D,
    declared: &DeclaredTables,
    subject: &Subject,
) -> Result<Document, AccessError> {
    let (found, whose) = begin(register, db, subject).await?;
    let purposes = answer::portable_purposes(register, db, &found).await?;
    let wanted = |table: &Table, column: &Column| {
        let purpose = match (column.info.kind, table.own_number().map(|number| number.info.kind)) {
            (
                FieldKind::Sealed { purpose, .. }
                | FieldKind::Member { purpose, .. }
                | FieldKind::Group { purpose, .. },
                _,
            ) => purpose,
            (FieldKind::Plain, Some(FieldKind::Customer { purpose, .. })) => purpose,
            _ => return false,
        };
        purposes.iter().any(|portable| portable == purpose.name())
    };
    opening::check(&register.reader, &declared.readers, &declared.tables, wanted)?;
    let mut rows = rows(register, db, declared, &whose, wanted, &[], declared.marks_damaged).await?;
    let damaged = damaged(&rows);
    rows.iter_mut().flat_map(|(_, rows)| rows).for_each(|row| row.shredded.clear());
    let not_shown =
        answer::not_shown(db, declared, &found, |purpose| purposes.iter().any(|one| one == purpose)).await?;
    let tree = answer::portable(register, subject, rows, &not_shown);
    Ok(Document::for_machines(&tree).with_damaged(damaged).lacking(not_shown.into_keys().collect()))
}

fn damaged(tables: &[(&Table, Vec<Row>)]) -> u64 {
    tables.iter().flat_map(|(_, rows)| rows).map(|row| row.damaged.len() as u64).sum()
}

/// Looks the customer up, and writes down that it was asked for: first of all, since SQLite's transaction must begin as one
/// that writes. An error takes it back.
async fn begin<D: Database>(
    register: &Register,
    db: &mut D,
    subject: &Subject,
) -> Result<(Found, Numbers), AccessError> {
    let found = grants::lock(register, db, subject).await?.ok_or(RegisterError::UnknownSubject)?;
    agreed::check_shredded(register, db, found.id).await?;
    // All numbers that they ever had: rows of shredded ones may still be there, and are then said to be shredded.
    let whose: Numbers = whose::check(register, db, found.id, None, Some(subject)).await?.into_iter().collect();
    if !whose.is_empty() {
        let numbers = journal::Numbers::of(whose.iter().copied());
        outbox::tell(db, register.now(), &journal::Event::Accessed { numbers }).await?;
    }
    Ok((found, whose))
}

/// The rows of every table that has something wanted of theirs.
pub(crate) async fn rows<'h, D: Database>(
    register: &Register,
    db: &mut D,
    declared: &'h DeclaredTables,
    whose: &Numbers,
    wanted: impl Fn(&Table, &Column) -> bool + Sync,
    only: &[Only],
    marks_damaged: bool,
) -> Result<Vec<(&'h Table, Vec<Row>)>, AccessError> {
    let mut tables = Vec::new();
    for table in declared.tables.iter().filter(|table| table.columns().iter().any(|column| wanted(table, column))) {
        let mut opened = Vec::new();
        if !whose.is_empty() {
            let select = select::Select::of(table, |column| wanted(table, column));
            let only = only.iter().find(|only| only.table == table.name());
            let (sql, values) = select.statement(D::DIALECT, whose, only);
            let opening = Opening { reader: &register.reader, readers: &declared.readers, table, whose, marks_damaged };
            for row in db.rows_made(sql.into(), values).await? {
                let cells = select.read(D::DIALECT, &row)?;
                let cell = |column: &Column, of: fn(&select::Read) -> &crate::access::Cell| {
                    cells.get(&column.name).map_or(crate::access::Cell::Null, |read| of(read).clone())
                };
                let stored = |column: &Column| cell(column, |read| &read.stored);
                let shown = |column: &Column| cell(column, |read| &read.shown);
                opened.push(opening.row(|column| wanted(table, column), stored, shown)?);
            }
        }
        tables.push((table, opened));
    }
    Ok(tables)
}

async fn live_grants<D: Database>(register: &Register, db: &mut D) -> Result<LiveGrants, RegisterError> {
    const LIVE: &str = "SELECT g.purpose, g.basis, g.recipient, count(*) FROM oubliette_grants g \
        JOIN oubliette_subjects s ON s.id = g.subject_id AND s.state = 'live' \
        WHERE g.ended_at IS NULL AND (g.until IS NULL OR g.until > ?1) GROUP BY g.purpose, g.basis, g.recipient";
    let now = register.now();
    let rows = db.rows(LIVE, values![now.as_millisecond()]).await?;
    let mut live = LiveGrants::at_time(now.to_string());
    for row in rows {
        // What is on no basis counts for none: `damaged_rows` names it.
        let Ok(basis) = row.text(1).and_then(|basis| Ok(basis.parse::<Basis>()?)) else { continue };
        let (Ok(purpose), Ok(recipient)) = (row.text(0), row.maybe_text(2)) else { continue };
        live = live.grants(purpose, basis, recipient, u64::try_from(row.integer(3)?).unwrap_or_default());
    }
    Ok(live)
}
