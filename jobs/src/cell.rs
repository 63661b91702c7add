//! One value of a row, and one row, as a database gives them.

use std::fmt;

use zeroize::Zeroizing;

/// What stands in one column of one row. It may be plaintext: redacted, and wiped on drop.
#[derive(Clone)]
pub enum Cell {
    Null,
    Integer(i64),
    /// A number that is no integer of 64 bits, in decimal digits.
    Number(Zeroizing<String>),
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

    /// A number in decimal digits: an integer where it is one of 64 bits. Nothing else, such as an exponent.
    pub(super) fn number(text: String) -> Option<Cell> {
        if let Ok(integer) = text.parse() {
            return Some(Cell::Integer(integer));
        }
        let digits = text.strip_prefix('-').unwrap_or(&text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        (all_digits(whole) && all_digits(fraction)).then(|| Cell::Number(Zeroizing::new(text)))
    }

    /// A number of floating point, whose integers are integers as far as floating point tells them apart.
    pub(super) fn float(number: f64) -> Option<Cell> {
        // The shortest digits that are this number again.
        let text = number.to_string();
        Cell::number(text.strip_suffix(".0").unwrap_or(&text).to_owned())
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Cell::Null)
    }

    /// The bytes of text or bytes.
    pub(super) fn content(&self) -> Option<&[u8]> {
        match self {
            Cell::Null | Cell::Integer(_) | Cell::Number(_) => None,
            Cell::Text(text) => Some(text.as_bytes()),
            Cell::Bytes(bytes) => Some(bytes),
        }
    }

    /// Equality. A driver may call one column's content text or bytes, by its collation.
    pub(super) fn is(&self, other: &Cell) -> bool {
        match (self, other) {
            (Cell::Null, Cell::Null) => true,
            (Cell::Integer(one), Cell::Integer(other)) => one == other,
            (Cell::Number(one), Cell::Number(other)) => one == other,
            _ => self.content().is_some() && self.content() == other.content(),
        }
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cell::Null => "Null",
            Cell::Integer(_) => "Integer(redacted)",
            Cell::Number(_) => "Number(redacted)",
            Cell::Text(_) => "Text(redacted)",
            Cell::Bytes(_) => "Bytes(redacted)",
        })
    }
}

/// A column of a job's table, by its place among those selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Column(pub(super) usize);

impl Column {
    pub(super) const CUSTOMER: Column = Column(0);
    /// The first of the key's columns; the others follow it.
    pub(super) const KEY: Column = Column(1);
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

    /// The key: of so many columns.
    pub(super) fn key(&self, columns: usize) -> &[Cell] {
        self.0.get(Column::KEY.0..Column::KEY.0.saturating_add(columns)).unwrap_or_default()
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

    #[test]
    fn numbers_are_kept_digit_by_digit() {
        for (number, text) in
            [(0.1, "0.1"), (33_612_345_678.0, "33612345678"), (-2.5, "-2.5"), (1e20, "100000000000000000000")]
        {
            let shown = match Cell::float(number).unwrap() {
                Cell::Integer(integer) => integer.to_string(),
                Cell::Number(number) => number.to_string(),
                other => panic!("{other:?}"),
            };
            assert_eq!(shown, text);
        }
        assert!(Cell::float(f64::NAN).is_none() && Cell::float(f64::INFINITY).is_none());
        assert!(matches!(Cell::number("12.00".into()), Some(Cell::Number(text)) if *text == "12.00"));
        for bad in ["", "-", ".", "1.", ".5", "1e5", "NaN", "0x1"] {
            assert!(Cell::number(bad.into()).is_none(), "{bad}");
        }
    }
}
