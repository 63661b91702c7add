//! Rows of the register's tables that cannot be read, as somebody wrote or changed them. Each stops its own customer's affairs alone, and is
//! named here: what goes through all rows leaves it out.

use std::fmt;

use oubliette::journal::{Label, Reason};

use super::database::{Database, Row, values};
use super::error::RegisterError;
use super::grants::{stored, time};
use super::keyless::AnyRegister;
use super::operations::at_desk;
use super::outbox;
use super::request_kinds::RequestKind;
use super::since;
use super::subject;
use crate::basis::Basis;

/// A row that the register did not write as it is.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide/shop.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let Shop { place: _place, register, db, .. } = shop()?;
/// assert!(register.in_transaction(&db).damaged_rows()?.is_empty());
/// db.execute("UPDATE oubliette_grants SET basis = 'whim' WHERE purpose = 'orders'", [])?; // by hand
/// assert_eq!(register.in_transaction(&db).damaged_rows()?[0].table, "oubliette_grants");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedRow {
    /// The table.
    pub table: &'static str,
    /// Its key, unless the key is damaged.
    pub id: Option<String>,
    /// What is wrong with it.
    pub what: &'static str,
}

impl DamagedRow {
    /// The key is repeated only if it has the form of one: anything may stand there.
    pub(crate) fn new(table: &'static str, id: Option<&str>, what: &'static str) -> DamagedRow {
        let id = id.filter(|id| (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        DamagedRow { table, id: id.map(str::to_owned), what }
    }
}

impl fmt::Display for DamagedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DamagedRow { table, id, what } = self;
        match id {
            Some(id) => write!(f, "row {id} of {table} {what}"),
            None => write!(f, "a row of {table}, whose key is damaged, {what}"),
        }
    }
}

at_desk! {
    /// Lists rows of the register's tables that were changed by hand or damaged. Lists and sweeps leave such rows out;
    /// a call about one of these customers is refused. This call reads all rows.
    ///
    /// # Errors
    /// If the database fails.
    read fn damaged_rows() -> Vec<DamagedRow> = all;
}

/// A table with a number for its key, what is read of it, and what each row must be.
struct Look {
    table: &'static str,
    sql: &'static str,
    check: fn(&Row) -> Result<(), RegisterError>,
}

const LOOKS: [Look; 5] = [
    Look {
        table: "oubliette_subjects",
        sql: "SELECT id, subject, state, why, requested_at FROM oubliette_subjects WHERE id > ?1 ORDER BY id LIMIT 2000",
        check: |row| match row.text(2)? {
            "erased" => Ok(()),
            state @ ("live" | "merged" | "erasing") => {
                subject::stored(row.text(1)?)?;
                if state == "erasing" {
                    super::holds::reason(row.text(3)?)?;
                    row.maybe_integer(4)?.map(time).transpose()?;
                }
                Ok(())
            }
            _ => Err(STATE),
        },
    },
    Look {
        table: "oubliette_numbers",
        sql: "SELECT number, purpose, state, why, whose FROM oubliette_numbers WHERE number > ?1 ORDER BY number LIMIT 2000",
        check: |row| {
            stored(row.integer(0)?)?;
            Label::new(row.text(1)?).map_err(|_| STATE)?;
            row.maybe_text(4)?;
            match row.text(2)? {
                "live" | "ended" | "shredded" => Ok(()),
                "shred_pending" => Reason::new(row.text(3)?).map(drop).map_err(|_| STATE),
                _ => Err(STATE),
            }
        },
    },
    Look {
        table: "oubliette_grants",
        sql: "SELECT id, purpose, basis, recipient, granted_at, until, ended_at FROM oubliette_grants WHERE id > ?1 ORDER BY id LIMIT 2000",
        check: |row| {
            Label::new(row.text(1)?).map_err(|_| STATE)?;
            row.text(2)?.parse::<Basis>()?;
            row.maybe_text(3)?;
            time(row.integer(4)?)?;
            [5, 6].into_iter().try_for_each(|at| row.maybe_integer(at)?.map(time).transpose().map(drop))
        },
    },
    Look {
        table: "oubliette_requests",
        sql: "SELECT id, kind, received_at, due_at, not_before, state FROM oubliette_requests WHERE id > ?1 ORDER BY id LIMIT 2000",
        check: |row| {
            row.text(1)?.parse::<RequestKind>()?;
            [2, 3].into_iter().try_for_each(|at| time(row.integer(at)?).map(drop))?;
            row.maybe_integer(4)?.map(time).transpose()?;
            match row.text(5)? {
                "open" | "done" | "refused" | "withdrawn" | "unanswered" => Ok(()),
                _ => Err(STATE),
            }
        },
    },
    Look {
        table: "oubliette_holds",
        sql: "SELECT id, purpose, reason, placed_at, until, ended_at FROM oubliette_holds WHERE id > ?1 ORDER BY id LIMIT 2000",
        check: |row| {
            row.maybe_text(1)?;
            super::holds::reason(row.text(2)?)?;
            time(row.integer(3)?)?;
            // What came by a journal may hold for ever.
            row.integer(4)?;
            row.maybe_integer(5)?.map(time).transpose().map(drop)
        },
    },
];

/// What is wrong is in no message of these: a row has one reason to be listed, that it is not as the register writes it.
const STATE: RegisterError = RegisterError::NotOurs { what: "a word that is not the register's" };

async fn all<O: AnyRegister, D: Database>(_: &O, db: &mut D) -> Result<Vec<DamagedRow>, RegisterError> {
    let mut found = of_outbox(db).await?;
    for Look { table, sql, check } in LOOKS {
        // Below every number, damaged ones too.
        let mut after = i64::MIN;
        loop {
            let rows = db.rows(sql, values![after]).await?;
            let damaged = rows.iter().filter(|row| row.integer(0).is_err() || check(row).is_err());
            found.extend(damaged.map(|row| {
                let id = row.integer(0).ok().map(|id| id.to_string());
                DamagedRow::new(table, id.as_deref(), "is not as the register writes it")
            }));
            match next(&rows, 0) {
                Some(last) => after = last,
                None => break,
            }
        }
    }
    Ok(found)
}

async fn of_outbox<D: Database>(db: &mut D) -> Result<Vec<DamagedRow>, RegisterError> {
    let tag = since::tag(db).await?;
    let rows = db.rows("SELECT id, event FROM oubliette_outbox ORDER BY id", values![]).await?;
    Ok(rows.iter().filter_map(|row| outbox::read_ours(row, &tag).err()).collect())
}

/// Where the next rows begin, in the order of a number; none after the last, nor where what is no number begins, which SQLite has behind all.
pub(crate) fn next(rows: &[Row], at: usize) -> Option<i64> {
    rows.last().and_then(|row| row.integer(at).ok())
}
