//! Keys of rows: the columns by which a job walks a table, and how a key is written in problems and bookmarks.

use super::cell::Cell;

/// The kind of a key column. Keys show in problems and bookmarks, so a key must not be personal data.
///
/// [`KeyColumns`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Key {
    /// An integer that fits into 64 bits with a sign.
    Integer,
    /// Text of any width or of a fixed one (`CHAR(8)`), in the order of the column's collation. A key of fixed width is
    /// shown without its padding spaces. In PostgreSQL also every type with a text form: `citext`, dates, enums.
    Text,
    /// PostgreSQL's and MariaDB's `uuid`; text elsewhere.
    Uuid,
    /// Bytes.
    Bytes,
    /// A decimal number: `NUMERIC`, `DECIMAL`, and integers beyond 64 bits. SQLite keeps such numbers as integers or
    /// floating point; each stays distinct from its neighbours.
    Number,
}

impl Key {
    pub(super) fn holds(self, cell: &Cell) -> bool {
        match self {
            Key::Integer => matches!(cell, Cell::Integer(_)),
            Key::Number => matches!(cell, Cell::Integer(_) | Cell::Number(_)),
            Key::Text | Key::Uuid => cell.content().is_some_and(|content| std::str::from_utf8(content).is_ok()),
            Key::Bytes => cell.content().is_some(),
        }
    }

    /// Whether the database may take two keys for one that differ in their bytes: by a collation, or by trailing zeros.
    pub(super) fn is_compared_by_database(self) -> bool {
        matches!(self, Key::Text | Key::Uuid | Key::Number)
    }

    fn read(self, text: &str) -> Option<Cell> {
        Some(match self {
            Key::Integer => Cell::Integer(text.parse().ok()?),
            Key::Number => Cell::number(text.to_owned())?,
            Key::Text | Key::Uuid => Cell::text(text.to_owned()),
            Key::Bytes => {
                let digits = text.as_bytes().chunks(2);
                let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
                let plain = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                Cell::bytes(digits.map(byte).collect::<Option<Vec<u8>>>().filter(|_| plain)?)
            }
        })
    }

    fn write(self, cell: &Cell) -> String {
        match (self, cell) {
            (_, Cell::Integer(number)) => number.to_string(),
            (Key::Bytes, cell) => cell.content().unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect(),
            (_, Cell::Number(number)) => number.to_string(),
            (_, cell) => String::from_utf8_lossy(cell.content().unwrap_or_default()).into_owned(),
        }
    }
}

/// The key of a table: one column, or several that are unique together, in the order of their index.
///
/// ```
/// use oubliette_jobs::{Job, Key};
///
/// let by_one = Job::on("customers", ("id", Key::Integer), "no");
/// let by_two = Job::on("customers", [("tenant", Key::Integer), ("code", Key::Text)], "no");
/// ```
///
/// The columns must be unique together and never NULL. A job goes through the table in the order of the key, so these
/// columns need an index in this order; a primary key has one.
#[derive(Clone, Debug)]
pub struct KeyColumns(pub(super) Vec<(String, Key)>);

impl<S: Into<String>> From<(S, Key)> for KeyColumns {
    fn from((name, kind): (S, Key)) -> KeyColumns {
        KeyColumns(vec![(name.into(), kind)])
    }
}

impl<S: Into<String>, const N: usize> From<[(S, Key); N]> for KeyColumns {
    fn from(columns: [(S, Key); N]) -> KeyColumns {
        KeyColumns(columns.into_iter().map(|(name, kind)| (name.into(), kind)).collect())
    }
}

impl<S: Into<String>> From<Vec<(S, Key)>> for KeyColumns {
    fn from(columns: Vec<(S, Key)>) -> KeyColumns {
        KeyColumns(columns.into_iter().map(|(name, kind)| (name.into(), kind)).collect())
    }
}

/// The kinds of a table's key columns.
#[derive(Clone, Debug)]
pub(super) struct Kinds(pub(super) Vec<Key>);

/// The key of one row: one cell for each key column.
#[derive(Clone, Debug)]
pub(super) struct RowKey(pub(super) Vec<Cell>);

impl RowKey {
    pub(super) fn is(&self, other: &[Cell]) -> bool {
        self.0.len() == other.len() && self.0.iter().zip(other).all(|(one, other)| one.is(other))
    }
}

impl Kinds {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn hold(&self, key: &[Cell]) -> bool {
        self.0.len() == key.len() && self.0.iter().zip(key).all(|(kind, cell)| kind.holds(cell))
    }

    /// Parts apart by commas; a comma and a backslash of a part's own after a backslash. A key of one column is written as it is.
    pub(super) fn write(&self, key: &[Cell]) -> String {
        let mut parts = self.0.iter().zip(key).map(|(kind, cell)| kind.write(cell));
        if self.0.len() == 1 {
            return parts.next().unwrap_or_default();
        }
        let escaped = parts.map(|part| part.replace('\\', "\\\\").replace(',', "\\,"));
        escaped.collect::<Vec<_>>().join(",")
    }

    pub(super) fn read(&self, text: &str) -> Option<RowKey> {
        let parts = if self.0.len() == 1 { vec![text.to_owned()] } else { parts(text)? };
        if parts.len() != self.0.len() {
            return None;
        }
        self.0.iter().zip(&parts).map(|(kind, part)| kind.read(part)).collect::<Option<_>>().map(RowKey)
    }
}

fn parts(text: &str) -> Option<Vec<String>> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => part.push(chars.next()?),
            ',' => parts.push(std::mem::take(&mut part)),
            c => part.push(c),
        }
    }
    parts.push(part);
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bookmarks_are_read_as_they_were_written() {
        let number = |text: &str| Cell::number(text.into()).unwrap();
        let keys = [
            (vec![Key::Integer], vec![Cell::Integer(-7)], "-7"),
            (vec![Key::Text], vec![Cell::text(r"a'b,c\d".into())], r"a'b,c\d"),
            (vec![Key::Bytes], vec![Cell::bytes(vec![0, 0xff])], "00ff"),
            (vec![Key::Number], vec![number("12.50")], "12.50"),
            (vec![Key::Number], vec![number("98765432109876543210")], "98765432109876543210"),
            (vec![Key::Integer, Key::Text], vec![Cell::Integer(3), Cell::text("a,b\\".into())], r"3,a\,b\\"),
            (vec![Key::Text, Key::Text], vec![Cell::text(String::new()), Cell::text(",".into())], r",\,"),
        ];
        for (kinds, cells, text) in keys {
            let kinds = Kinds(kinds);
            assert_eq!(kinds.write(&cells), text);
            assert!(kinds.hold(&cells) && kinds.read(text).is_some_and(|read| read.is(&cells)), "{text}");
        }
        let bad = [
            (vec![Key::Integer], "x"),
            (vec![Key::Bytes], "0"),
            (vec![Key::Bytes], "+f"),
            (vec![Key::Bytes], "é"),
            (vec![Key::Number], "1e3"),
            (vec![Key::Number], "1."),
            (vec![Key::Integer, Key::Text], "3"),
            (vec![Key::Integer, Key::Text], "3,a,b"),
            (vec![Key::Integer, Key::Text], r"3,a\"),
        ];
        for (kinds, text) in bad {
            assert!(Kinds(kinds).read(text).is_none(), "{text}");
        }
    }
}
