//! The few statements of a job, in the words of three databases.

use super::cell::{Cell, Column, Row};
use super::job::{Job, Key};

/// Whose SQL it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    #[cfg_attr(not(any(feature = "rusqlite", feature = "sqlx", test)), allow(dead_code))]
    Sqlite,
    #[cfg_attr(not(any(feature = "sqlx", test)), allow(dead_code))]
    Postgres,
    /// MariaDB too.
    #[cfg_attr(not(any(feature = "sqlx", test)), allow(dead_code))]
    MySql,
}

impl Dialect {
    /// SQLite takes a name in double quotes that is no column's for a text, so that a mistyped one would seem to hold
    /// plaintext in every row. In backquotes it is an error.
    fn quoted(self, name: &str) -> String {
        let quote = if self == Dialect::Postgres { '"' } else { '`' };
        let mut quoted = String::from(quote);
        for c in name.chars() {
            quoted.extend(std::iter::repeat_n(c, if c == quote { 2 } else { 1 }));
        }
        quoted.push(quote);
        quoted
    }

    fn parameter(self, number: usize) -> String {
        if self == Dialect::Postgres { format!("${number}") } else { "?".into() }
    }
}

/// A statement and what it is given.
#[derive(Debug)]
pub struct Statement<'s> {
    pub(super) sql: String,
    pub(super) parameters: Vec<&'s Cell>,
}

impl Statement<'static> {
    /// One that is given nothing.
    #[cfg_attr(not(feature = "sqlx"), allow(dead_code))]
    pub(super) fn bare(sql: &str) -> Statement<'static> {
        Statement { sql: sql.to_owned(), parameters: Vec::new() }
    }
}

/// The statements of one job.
pub(super) struct Statements {
    dialect: Dialect,
    table: String,
    columns: Vec<String>,
    key: String,
    key_kind: Key,
    batch: usize,
}

impl Statements {
    pub(super) fn of(job: &Job, dialect: Dialect) -> Statements {
        let table: Vec<String> = job.table.split('.').map(|part| dialect.quoted(part)).collect();
        let columns: Vec<String> = job.columns.iter().map(|column| dialect.quoted(&column.name)).collect();
        let key = columns.first().cloned().unwrap_or_default();
        Statements { dialect, table: table.join("."), columns, key, key_kind: job.key, batch: job.batch }
    }

    /// Rows, and rows that have a key.
    pub(super) fn count(&self) -> Statement<'_> {
        let sql = format!("SELECT count(*), count({}) FROM {}", self.key, self.table);
        Statement { sql, parameters: Vec::new() }
    }

    /// One row more than a batch, to see whether there is another and whether its key is another.
    ///
    /// Locked rows cannot change between here and the commit. Comparing old values in the update instead would follow the
    /// columns' collations, in which `Alice` and `alice` may be the same; SQLite needs no lock, since its transaction has
    /// the whole file.
    pub(super) fn page<'s>(&self, after: Option<&'s Cell>, lock: bool) -> Statement<'s> {
        let condition = after.map_or(String::new(), |_| format!(" WHERE {} > {}", self.key, self.key_parameter(1)));
        let lock = if lock && self.dialect != Dialect::Sqlite { " FOR UPDATE" } else { "" };
        let (select, order, rows) = (self.select(), self.order(), self.batch.saturating_add(1));
        let sql = format!("{select}{condition}{order} LIMIT {rows}{lock}");
        Statement { sql, parameters: after.into_iter().collect() }
    }

    /// All rows between two, these included.
    pub(super) fn range<'s>(&self, first: &'s Cell, last: &'s Cell) -> Statement<'s> {
        let (select, key, order) = (self.select(), &self.key, self.order());
        let (from, to) = (self.key_parameter(1), self.key_parameter(2));
        let sql = format!("{select} WHERE {key} >= {from} AND {key} <= {to}{order}");
        Statement { sql, parameters: vec![first, last] }
    }

    pub(super) fn update<'s>(&self, row: &'s Row, written: &[Column]) -> Statement<'s> {
        let mut parameters = Vec::new();
        let mut assignments = Vec::new();
        for column in written {
            let name = self.columns.get(column.0).map_or("", String::as_str);
            let cell = row.cell(*column);
            // A parameter has a type, and NULL would have that of no column in particular.
            if cell.is_null() {
                assignments.push(format!("{name} = NULL"));
            } else {
                parameters.push(cell);
                assignments.push(format!("{name} = {}", self.dialect.parameter(parameters.len())));
            }
        }
        parameters.push(row.cell(Column::KEY));
        let (key, place) = (&self.key, self.key_parameter(parameters.len()));
        let sql = format!("UPDATE {} SET {} WHERE {key} = {place}", self.table, assignments.join(", "));
        Statement { sql, parameters }
    }

    /// By the table's column: the name alone would be that of what was selected, such as a `uuid` as text, whose order
    /// may be another.
    fn order(&self) -> String {
        format!(" ORDER BY {}.{}", self.table, self.key)
    }

    fn select(&self) -> String {
        let mut columns = self.columns.clone();
        if let Some(key) = columns.first_mut()
            && self.is_native_uuid()
        {
            *key = format!("CAST({key} AS text)");
        }
        format!("SELECT {} FROM {}", columns.join(", "), self.table)
    }

    fn key_parameter(&self, number: usize) -> String {
        let parameter = self.dialect.parameter(number);
        if self.is_native_uuid() { format!("CAST({parameter} AS uuid)") } else { parameter }
    }

    fn is_native_uuid(&self) -> bool {
        self.key_kind == Key::Uuid && self.dialect == Dialect::Postgres
    }
}

#[cfg(test)]
mod tests {
    use oubliette::personal::Email;
    use oubliette::{Field, Purpose};

    use super::*;

    const EMAIL: Field<Email> = Purpose::new("orders").field("email");

    #[test]
    fn names_are_quoted_and_parameters_numbered() {
        let job = Job::on("shop.us\"e`rs", ("id", Key::Uuid), "no").seal_into("e`m\"ail", "sealed", EMAIL).batch(10);
        let row = Row::new(vec![Cell::text("k".into()), Cell::Integer(1), Cell::Null, Cell::bytes(vec![1])]);
        let statements = Statements::of(&job, Dialect::Postgres);
        let key = Cell::text("k".into());
        assert_eq!(
            statements.page(Some(&key), true).sql,
            "SELECT CAST(\"id\" AS text), \"no\", \"e`m\"\"ail\", \"sealed\" FROM \"shop\".\"us\"\"e`rs\" \
             WHERE \"id\" > CAST($1 AS uuid) ORDER BY \"shop\".\"us\"\"e`rs\".\"id\" LIMIT 11 FOR UPDATE"
        );
        let update = statements.update(&row, &[Column(2), Column(3)]);
        assert_eq!(
            update.sql,
            "UPDATE \"shop\".\"us\"\"e`rs\" SET \"e`m\"\"ail\" = NULL, \"sealed\" = $1 WHERE \"id\" = CAST($2 AS uuid)"
        );
        assert_eq!(update.parameters.len(), 2);
        let statements = Statements::of(&job, Dialect::Sqlite);
        assert_eq!(
            statements.page(None, true).sql,
            "SELECT `id`, `no`, `e``m\"ail`, `sealed` FROM `shop`.`us\"e``rs` ORDER BY `shop`.`us\"e``rs`.`id` LIMIT 11"
        );
        assert_eq!(
            Statements::of(&job, Dialect::MySql).range(&key, &key).sql,
            "SELECT `id`, `no`, `e``m\"ail`, `sealed` FROM `shop`.`us\"e``rs` WHERE `id` >= ? AND `id` <= ? \
             ORDER BY `shop`.`us\"e``rs`.`id`"
        );
    }
}
