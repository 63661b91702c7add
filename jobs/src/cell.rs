//! One value of a row, and one row, as a database gives them.

use std::fmt;

use zeroize::Zeroizing;

/// What stands in one column of one row. It may be plaintext: redacted, and wiped on drop.
#[derive(Clone)]
pub enum Cell {
    Null,
    Integer(i64),
    Text(Zeroizing<String>),
    Bytes(Zeroizing<Vec<u8>>),
}

impl Cell {
    pub(super) fn text(text: String) -> Cell {
        Cell::Text(Zeroizing::new(text))
    }

    pub(super) fn bytes(bytes: Vec<u8>) -> Cell {
        Cell::Bytes(Zeroizing::new(bytes))
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Cell::Null)
    }

    /// The bytes of text or bytes.
    pub(super) fn content(&self) -> Option<&[u8]> {
        match self {
            Cell::Null | Cell::Integer(_) => None,
            Cell::Text(text) => Some(text.as_bytes()),
            Cell::Bytes(bytes) => Some(bytes),
        }
    }

    /// Equality. A driver may call one column's content text or bytes, by its collation.
    pub(super) fn is(&self, other: &Cell) -> bool {
        match (self, other) {
            (Cell::Null, Cell::Null) => true,
            (Cell::Integer(one), Cell::Integer(other)) => one == other,
            _ => self.content().is_some() && self.content() == other.content(),
        }
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cell::Null => "Null",
            Cell::Integer(_) => "Integer(redacted)",
            Cell::Text(_) => "Text(redacted)",
            Cell::Bytes(_) => "Bytes(redacted)",
        })
    }
}

/// A column of a job's table, by its place among those selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Column(pub(super) usize);

impl Column {
    pub(super) const KEY: Column = Column(0);
    pub(super) const CUSTOMER: Column = Column(1);
}

/// The columns of a job that were selected, of one row.
#[derive(Clone, Debug)]
pub struct Row(Vec<Cell>);

impl Row {
    pub(super) fn new(cells: Vec<Cell>) -> Row {
        Row(cells)
    }

    pub(super) fn cell(&self, column: Column) -> &Cell {
        self.0.get(column.0).unwrap_or(&Cell::Null)
    }

    pub(super) fn set(&mut self, column: Column, cell: Cell) {
        if let Some(place) = self.0.get_mut(column.0) {
            *place = cell;
        }
    }

    pub(super) fn is(&self, other: &Row) -> bool {
        self.0.len() == other.0.len() && self.changed_from(other).is_empty()
    }

    /// The columns that differ.
    pub(super) fn changed_from(&self, before: &Row) -> Vec<Column> {
        let pairs = self.0.iter().zip(&before.0).enumerate();
        pairs.filter(|(_, (after, before))| !after.is(before)).map(|(at, _)| Column(at)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_redacted_and_compared_exactly() {
        let row = Row::new(vec![Cell::text("alice".into()), Cell::bytes(vec![7, 7]), Cell::Integer(7), Cell::Null]);
        let shown = format!("{row:?}");
        assert!(!shown.contains("alice") && !shown.contains('7'), "{shown}");
        let mut other = row.clone();
        assert!(row.is(&other));
        other.set(Column(0), Cell::text("Alice".into()));
        other.set(Column(3), Cell::text(String::new()));
        assert_eq!(other.changed_from(&row), [Column(0), Column(3)]);
        assert!(!row.is(&other) && !Cell::Integer(0).is(&Cell::Null));
        assert!(Cell::text("ab".into()).is(&Cell::bytes(b"ab".to_vec())));
    }
}
