//! Rows of the application's tables, whatever the types of their columns.

use std::collections::HashMap;

use oubliette::fields::FieldKind;
use zeroize::Zeroizing;

use crate::access::opening::Numbers;
use crate::access::table::Column;
use crate::access::{AccessError, Cell, Table};
use crate::database::{Dialect, Row, Value};

/// Each column is read as two values, its type and its content, both of a kind that every driver knows:
/// SQLite's bytes as hexadecimal digits, PostgreSQL's content as JSON, which it makes of all its types.
pub(super) struct Select<'t> {
    table: &'t Table,
    columns: Vec<&'t Column>,
}

/// What is read of one row, by the name of the column.
pub(super) type Cells = HashMap<String, Read>;

pub(super) struct Read {
    /// For opening: as the column's type has it.
    pub(super) stored: Cell,
    /// For showing.
    pub(super) shown: Cell,
}

/// Only rows in which a column is, as text, this.
#[derive(Clone, Debug)]
pub(crate) struct Only {
    pub(crate) table: String,
    pub(crate) column: String,
    pub(crate) is: Zeroizing<String>,
}

impl<'t> Select<'t> {
    /// The columns wanted, and those that they need to be opened.
    pub(super) fn of(table: &'t Table, wanted: impl Fn(&Column) -> bool) -> Select<'t> {
        // A group is read for any of its fields, which have no columns of their own.
        let is_read = |column: &Column| match column.info.kind {
            FieldKind::Member { .. } => false,
            FieldKind::Group { .. } => wanted(column) || table.members(column).any(&wanted),
            _ => wanted(column),
        };
        let bound = |field: &str| {
            table.columns().iter().filter(|column| is_read(column)).any(|column| match column.info.kind {
                FieldKind::Sealed { context, .. } | FieldKind::Group { context, .. } => context == Some(field),
                _ => false,
            })
        };
        let columns = table.columns().iter().filter(|column| match column.info.kind {
            FieldKind::Customer { .. } => true,
            FieldKind::Token { .. } | FieldKind::Member { .. } => false,
            _ => is_read(column) || bound(column.info.column),
        });
        Select { table, columns: columns.collect() }
    }

    /// The rows that have one of these numbers in any of their columns of numbers.
    pub(super) fn statement(&self, dialect: Dialect, whose: &Numbers, only: Option<&Only>) -> (String, Vec<Value>) {
        let columns: Vec<String> = self.columns.iter().map(|column| read(dialect, &column.name)).collect();
        let numbers = self.columns.iter().filter(|column| matches!(column.info.kind, FieldKind::Customer { .. }));
        let among = dialect.parameters(1, whose.len());
        let theirs: Vec<String> =
            numbers.map(|column| format!("{} IN ({among})", dialect.quoted(&column.name))).collect();
        let mut values: Vec<Value> = whose.iter().map(|number| Value::from(number.to_stored())).collect();
        let mut condition = format!("({})", theirs.join(" OR "));
        if let Some(only) = only {
            values.push(Value::from(only.is.as_str()));
            let (column, is) = (dialect.quoted(&only.column), dialect.parameter(values.len()));
            condition.push_str(&format!(" AND CAST({column} AS TEXT) = {is}"));
        }
        let own = self.table.own_number().map(|column| dialect.quoted(&column.name)).unwrap_or_default();
        let (columns, table) = (columns.join(", "), dialect.quoted_table(self.table.name()));
        (format!("SELECT {columns} FROM {table} WHERE {condition} ORDER BY {table}.{own}"), values)
    }

    pub(super) fn read(&self, dialect: Dialect, row: &Row) -> Result<Cells, AccessError> {
        let mut cells = Cells::new();
        for (column, values) in self.columns.iter().zip(row.0.chunks(2)) {
            let read = match dialect {
                Dialect::Sqlite => sqlite(values),
                #[cfg(feature = "postgres")]
                Dialect::Postgres => postgres(values),
            };
            let (table, name) = (self.table.name().to_owned(), column.name.clone());
            cells.insert(column.name.clone(), read.ok_or(AccessError::Unsupported { table, column: name })?);
        }
        Ok(cells)
    }
}

fn read(dialect: Dialect, column: &str) -> String {
    let column = dialect.quoted(column);
    match dialect {
        // Seventeen digits are the number itself, and not only near it.
        Dialect::Sqlite => format!(
            "typeof({column}), CASE typeof({column}) WHEN 'blob' THEN hex({column}) \
             WHEN 'real' THEN printf('%!.17g', {column}) ELSE {column} END"
        ),
        #[cfg(feature = "postgres")]
        Dialect::Postgres => format!("CAST(pg_typeof({column}) AS text), CAST(to_json({column}) AS text)"),
    }
}

fn same(cell: Cell) -> Read {
    Read { shown: cell.clone(), stored: cell }
}

fn sqlite(values: &[Value]) -> Option<Read> {
    let [Value::Text(Some(kind)), content] = values else { return None };
    let cell = match (kind.as_str(), content) {
        ("null", _) => Cell::Null,
        ("integer", Value::Integer(Some(number))) => Cell::Integer(*number),
        ("real", Value::Text(Some(digits))) => Cell::Real(digits.parse().ok()?),
        ("text", Value::Text(Some(text))) => Cell::text(text.as_str()),
        // Damaged: as bytes it is told apart from what was written.
        ("text", Value::NotUtf8(bytes)) => Cell::bytes(bytes.as_slice()),
        ("blob", Value::Text(Some(digits))) => Cell::bytes(from_hex(digits)?),
        _ => return None,
    };
    Some(same(cell))
}

#[cfg(feature = "postgres")]
fn postgres(values: &[Value]) -> Option<Read> {
    let [Value::Text(Some(kind)), Value::Text(json)] = values else { return None };
    let Some(json) = json else { return Some(same(Cell::Null)) };
    let shown = Cell::Json(Zeroizing::new(json.clone()));
    let text = || serde_json::from_str::<String>(json).ok().map(Zeroizing::new);
    let stored = match kind.as_str() {
        "smallint" | "integer" | "bigint" => Cell::Integer(json.parse().ok()?),
        "uuid" => Cell::bytes(from_hex(&text()?.replace('-', ""))?),
        // Unless the server was told to write bytes in the old way, which is then no hexadecimal digits.
        "bytea" => Cell::bytes(from_hex(text()?.strip_prefix("\\x")?)?),
        _ => match text() {
            Some(text) => Cell::Text(text),
            None => shown.clone(),
        },
    };
    Some(Read { stored, shown })
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_bytes() {
        assert_eq!(from_hex("00fFa0"), Some(vec![0, 0xff, 0xa0]));
        for bad in ["0", "zz", "0x", "é"] {
            assert_eq!(from_hex(bad), None, "{bad}");
        }
    }

    #[test]
    fn content_that_is_not_of_its_type_is_refused() {
        let text = |text: &str| Value::from(text);
        assert!(matches!(sqlite(&[text("real"), text("0.1")]).unwrap().stored, Cell::Real(number) if number == 0.1));
        assert!(sqlite(&[text("blob"), text("0")]).is_none());
        assert!(sqlite(&[text("integer"), text("7")]).is_none());
        assert!(sqlite(&[text("text")]).is_none());
        #[cfg(feature = "postgres")]
        {
            assert!(matches!(postgres(&[text("bigint"), text("-7")]).unwrap().stored, Cell::Integer(-7)));
            assert!(
                matches!(postgres(&[text("bytea"), text("\"\\\\x00ff\"")]).unwrap().stored, Cell::Bytes(bytes) if *bytes == [0, 0xff])
            );
            assert!(postgres(&[text("bytea"), text("\"\\\\000\"")]).is_none());
            assert!(matches!(postgres(&[text("numeric"), text("1.50")]).unwrap().stored, Cell::Json(_)));
        }
    }
}
