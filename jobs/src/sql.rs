//! The few statements of a job, in the words of three databases.

use super::cell::{Cell, Column, Row};
use super::job::Job;
use super::key::{Key, RowKey};

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
    columns: Vec<Named>,
    key: Vec<(String, Key)>,
}

/// A selected column.
struct Named {
    quoted: String,
    is_context: bool,
    /// PostgreSQL's name of its type, once it is known.
    kind: Option<String>,
}

/// On which side of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    After,
    From,
    Through,
}

impl Side {
    /// The comparison of a whole key, and of a column that another one follows.
    fn signs(self) -> [&'static str; 2] {
        match self {
            Side::After => [">", ">"],
            Side::From => [">=", ">"],
            Side::Through => ["<=", "<"],
        }
    }
}

impl Statements {
    pub(super) fn of(job: &Job, dialect: Dialect) -> Statements {
        let table: Vec<String> = job.table.split('.').map(|part| dialect.quoted(part)).collect();
        let columns = job.columns.iter().map(|column| Named {
            quoted: dialect.quoted(&column.name),
            is_context: column.is_context,
            kind: None,
        });
        let columns: Vec<Named> = columns.collect();
        let names = columns.iter().skip(Column::KEY.0).map(|column| column.quoted.clone());
        let key = names.zip(job.key.0.iter().copied()).collect();
        Statements { dialect, table: table.join("."), columns, key }
    }

    /// The types of the columns, where a parameter must be given one: PostgreSQL does not compare a `CHAR(8)` with a text as it
    /// compares two `CHAR(8)`. Of a table without rows there is no answer, and no need of one.
    #[cfg_attr(not(feature = "sqlx"), allow(dead_code))]
    pub(super) fn types(&self) -> Option<Statement<'static>> {
        let types = self.columns.iter().map(|column| format!("CAST(pg_typeof({}) AS text)", column.quoted));
        let types = types.collect::<Vec<_>>().join(", ");
        (self.dialect == Dialect::Postgres)
            .then(|| Statement { sql: format!("SELECT {types} FROM {} LIMIT 1", self.table), parameters: Vec::new() })
    }

    #[cfg_attr(not(feature = "sqlx"), allow(dead_code))]
    pub(super) fn learn(&mut self, types: &Row) {
        for (at, column) in self.columns.iter_mut().enumerate() {
            let Some(kind) = types.cell(Column(at)).content() else { continue };
            column.kind = std::str::from_utf8(kind).ok().map(|kind| match kind {
                // `character` alone is one of a single letter.
                "character" => "bpchar".to_owned(),
                kind => kind.to_owned(),
            });
        }
    }

    /// PostgreSQL's name of a column's type.
    pub(super) fn kind_of(&self, column: Column) -> Option<&str> {
        self.columns.get(column.0)?.kind.as_deref()
    }

    /// Rows, and rows that have each column of a key.
    pub(super) fn count(&self) -> Statement<'_> {
        let keys: String = self.key.iter().map(|(name, _)| format!(", count({name})")).collect();
        Statement { sql: format!("SELECT count(*){keys} FROM {}", self.table), parameters: Vec::new() }
    }

    /// Rows up to a key.
    pub(super) fn count_through<'s>(&self, key: &'s RowKey) -> Statement<'s> {
        let mut parameters = Vec::new();
        let condition = self.side(Side::Through, &key.0, &mut parameters);
        Statement { sql: format!("SELECT count(*) FROM {} WHERE {condition}", self.table), parameters }
    }

    /// One row more than a batch, to see whether there is another and whether its key is another.
    ///
    /// Locked rows cannot change between here and the commit. Comparing old values in the update instead would follow the
    /// columns' collations, in which `Alice` and `alice` may be the same; SQLite needs no lock, since its transaction has
    /// the whole file.
    pub(super) fn page<'s>(&self, after: Option<&'s RowKey>, rows: usize, lock: bool) -> Statement<'s> {
        let mut parameters = Vec::new();
        let condition = after
            .map_or(String::new(), |after| format!(" WHERE {}", self.side(Side::After, &after.0, &mut parameters)));
        let lock = if lock && self.dialect != Dialect::Sqlite { " FOR UPDATE" } else { "" };
        let (select, order, rows) = (self.select(), self.order(), rows.saturating_add(1));
        Statement { sql: format!("{select}{condition}{order} LIMIT {rows}{lock}"), parameters }
    }

    /// All rows between two, these included.
    pub(super) fn range<'s>(&self, first: &'s [Cell], last: &'s [Cell]) -> Statement<'s> {
        let mut parameters = Vec::new();
        let range = self.between(first, last, &mut parameters);
        Statement { sql: format!("{} WHERE {range}{}", self.select(), self.order()), parameters }
    }

    /// How many keys between two stand in more than one row, as the database compares them: by a collation in which `a` is `A` an
    /// update of one row would write to both, and the walk would pass over one.
    pub(super) fn twice<'s>(&self, first: &'s [Cell], last: &'s [Cell]) -> Option<Statement<'s>> {
        if !self.key.iter().any(|(_, kind)| kind.is_compared_by_database()) {
            return None;
        }
        let mut parameters = Vec::new();
        let (table, range) = (&self.table, self.between(first, last, &mut parameters));
        let names = self.key.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        let of_one = format!("SELECT count(*) AS n FROM {table} WHERE {range} GROUP BY {names} HAVING count(*) > 1");
        Some(Statement { sql: format!("SELECT count(*) FROM ({of_one}) AS twice"), parameters })
    }

    pub(super) fn update<'s>(&self, row: &'s Row, written: &[Column]) -> Statement<'s> {
        let mut parameters = Vec::new();
        let mut assignments = Vec::new();
        for column in written {
            let name = self.columns.get(column.0).map_or("", |column| column.quoted.as_str());
            let cell = row.cell(*column);
            // A parameter has a type, and NULL would have that of no column in particular.
            if cell.is_null() {
                assignments.push(format!("{name} = NULL"));
            } else {
                parameters.push(cell);
                let parameter = self.dialect.parameter(parameters.len());
                let is_text =
                    matches!(self.kind_of(*column), None | Some("text" | "character varying" | "bpchar" | "bytea"));
                let parameter = match self.kind_of(*column) {
                    Some(kind) if !is_text && matches!(cell, Cell::Text(_) | Cell::Number(_)) => {
                        format!("CAST({parameter} AS {kind})")
                    }
                    _ => parameter,
                };
                assignments.push(format!("{name} = {parameter}"));
            }
        }
        let mut conditions = Vec::new();
        for ((name, _), at) in self.key.iter().zip(0..) {
            conditions.push(format!("{name} = {}", self.key_parameter(at, row.key(self.key.len()), &mut parameters)));
        }
        let (assignments, conditions) = (assignments.join(", "), conditions.join(" AND "));
        Statement { sql: format!("UPDATE {} SET {assignments} WHERE {conditions}", self.table), parameters }
    }

    fn between<'s>(&self, first: &'s [Cell], last: &'s [Cell], parameters: &mut Vec<&'s Cell>) -> String {
        let from = self.side(Side::From, first, parameters);
        format!("{from} AND {}", self.side(Side::Through, last, parameters))
    }

    /// Rows on one side of a key. MySQL does not use an index for a comparison of several columns at once, the others do.
    fn side<'s>(&self, side: Side, key: &'s [Cell], parameters: &mut Vec<&'s Cell>) -> String {
        let [whole, part] = side.signs();
        if let [(name, _)] = self.key.as_slice() {
            return format!("{name} {whole} {}", self.key_parameter(0, key, parameters));
        }
        if self.dialect != Dialect::MySql {
            let names = self.key.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            let places: Vec<_> = (0..self.key.len()).map(|at| self.key_parameter(at, key, parameters)).collect();
            return format!("({names}) {whole} ({})", places.join(", "));
        }
        let mut cases = Vec::new();
        for last in 0..self.key.len() {
            let is_last = last.saturating_add(1) == self.key.len();
            let mut equal = Vec::new();
            for ((name, _), at) in self.key.iter().take(last.saturating_add(1)).zip(0..) {
                let sign = if at < last {
                    "="
                } else if is_last {
                    whole
                } else {
                    part
                };
                equal.push(format!("{name} {sign} {}", self.key_parameter(at, key, parameters)));
            }
            cases.push(format!("({})", equal.join(" AND ")));
        }
        format!("({})", cases.join(" OR "))
    }

    /// By the table's column: the name alone would be that of what was selected, such as a `uuid` as text, whose order
    /// may be another.
    fn order(&self) -> String {
        let names: Vec<_> = self.key.iter().map(|(name, _)| format!("{}.{name}", self.table)).collect();
        format!(" ORDER BY {}", names.join(", "))
    }

    fn select(&self) -> String {
        let columns: Vec<_> = self.columns.iter().enumerate().map(|(at, column)| self.selected(at, column)).collect();
        format!("SELECT {} FROM {}", columns.join(", "), self.table)
    }

    /// A column as integers, text or bytes.
    fn selected(&self, at: usize, column: &Named) -> String {
        let name = &column.quoted;
        let key = at.checked_sub(Column::KEY.0).and_then(|at| self.key.get(at)).map(|(_, kind)| *kind);
        match (self.dialect, key, column.kind.as_deref()) {
            (Dialect::Postgres, Some(Key::Text | Key::Uuid | Key::Number), _) => format!("CAST({name} AS text)"),
            // The spaces that fill up a fixed width say nothing, and would not come back as they were written.
            (Dialect::Postgres, None, Some("numeric" | "json" | "jsonb" | "bpchar")) if !column.is_context => {
                format!("CAST({name} AS text)")
            }
            (Dialect::MySql, Some(Key::Number | Key::Uuid), _) => format!("CAST({name} AS CHAR)"),
            _ => name.clone(),
        }
    }

    fn key_parameter<'s>(&self, at: usize, key: &'s [Cell], parameters: &mut Vec<&'s Cell>) -> String {
        parameters.push(key.get(at).unwrap_or(&Cell::Null));
        let parameter = self.dialect.parameter(parameters.len());
        let Some((_, kind)) = self.key.get(at) else { return parameter };
        let known = self.kind_of(Column(Column::KEY.0.saturating_add(at)));
        match (self.dialect, kind) {
            (Dialect::Postgres, Key::Text) => match known {
                Some("text" | "character varying") | None => parameter,
                Some(kind) => format!("CAST({parameter} AS {kind})"),
            },
            (Dialect::Postgres, Key::Uuid) => format!("CAST({parameter} AS uuid)"),
            // An integer is bound as one, and a number of more digits as text.
            (Dialect::Postgres, Key::Number) => {
                format!("CAST(CAST({parameter} AS text) AS {})", known.unwrap_or("numeric"))
            }
            // As a text it would be compared by floating point.
            (Dialect::MySql, Key::Number) => format!("CAST({parameter} AS DECIMAL(65, {}))", fraction(key.get(at))),
            _ => parameter,
        }
    }
}

/// The digits after a number's point.
fn fraction(cell: Option<&Cell>) -> usize {
    match cell {
        Some(Cell::Number(number)) => number.split_once('.').map_or(0, |(_, fraction)| fraction.len()),
        _ => 0,
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
        let job = Job::on("shop.us\"e`rs", ("id", Key::Uuid), "no").seal_into("e`m\"ail", "sealed", EMAIL);
        let row = Row::new(vec![Cell::Integer(1), Cell::text("k".into()), Cell::Null, Cell::bytes(vec![1])]);
        let statements = Statements::of(&job, Dialect::Postgres);
        let key = RowKey(vec![Cell::text("k".into())]);
        assert_eq!(
            statements.page(Some(&key), 10, true).sql,
            "SELECT \"no\", CAST(\"id\" AS text), \"e`m\"\"ail\", \"sealed\" FROM \"shop\".\"us\"\"e`rs\" \
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
            statements.page(None, 10, true).sql,
            "SELECT `no`, `id`, `e``m\"ail`, `sealed` FROM `shop`.`us\"e``rs` ORDER BY `shop`.`us\"e``rs`.`id` LIMIT 11"
        );
        assert_eq!(
            Statements::of(&job, Dialect::MySql).range(&key.0, &key.0).sql,
            "SELECT `no`, CAST(`id` AS CHAR), `e``m\"ail`, `sealed` FROM `shop`.`us\"e``rs` WHERE `id` >= ? AND `id` <= ? \
             ORDER BY `shop`.`us\"e``rs`.`id`"
        );
    }

    #[test]
    fn keys_of_several_columns_are_compared_as_a_whole() {
        let job = Job::on("t", [("a", Key::Integer), ("b", Key::Number), ("c", Key::Text)], "no").enroll();
        let key = RowKey(vec![Cell::Integer(1), Cell::number("2.50".into()).unwrap(), Cell::text("x".into())]);
        let page = |dialect| {
            let statements = Statements::of(&job, dialect);
            let page = statements.page(Some(&key), 1, false);
            let condition = page.sql.split_once(" WHERE ").unwrap().1.split_once(" ORDER ").unwrap().0.to_owned();
            (condition, page.parameters.len())
        };
        assert_eq!(page(Dialect::Sqlite), ("(`a`, `b`, `c`) > (?, ?, ?)".into(), 3));
        let numbered = r#"("a", "b", "c") > ($1, CAST(CAST($2 AS text) AS numeric), $3)"#;
        assert_eq!(page(Dialect::Postgres), (numbered.into(), 3));
        let b = "CAST(? AS DECIMAL(65, 2))";
        let cases = format!("((`a` > ?) OR (`a` = ? AND `b` > {b}) OR (`a` = ? AND `b` = {b} AND `c` > ?))");
        assert_eq!(page(Dialect::MySql), (cases, 6));
        let mut statements = Statements::of(&job, Dialect::Postgres);
        let types = ["bigint", "numeric", "character"].map(|kind| Cell::text(kind.into()));
        statements.learn(&Row::new([vec![Cell::text("bigint".into())], types.to_vec()].concat()));
        let count = statements.count_through(&key).sql;
        assert!(
            count.ends_with(r#"("a", "b", "c") <= ($1, CAST(CAST($2 AS text) AS numeric), CAST($3 AS bpchar))"#),
            "{count}"
        );
        let twice = statements.twice(&key.0, &key.0).unwrap();
        assert!(twice.sql.contains(r#"GROUP BY "a", "b", "c" HAVING count(*) > 1"#) && twice.parameters.len() == 6);
        let by_integer = Job::on("t", ("a", Key::Integer), "no").enroll();
        let key = [Cell::Integer(1)];
        assert!(Statements::of(&by_integer, Dialect::Sqlite).twice(&key, &key).is_none());
    }
}
