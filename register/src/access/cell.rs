//! One value of a row, as a database gives it.

use std::fmt;

use oubliette::personal::Plaintext;
use zeroize::Zeroizing;

use super::table::Binding;
use super::tree::Tree;

/// The content of one column of one row. It is wiped on drop and redacted in `Debug`: a plain column may say much about
/// a person.
///
/// [The module](crate::access) has an example.
#[derive(Clone)]
#[non_exhaustive]
pub enum Cell {
    /// Nothing.
    Null,
    /// An integer.
    Integer(i64),
    /// An invalid number.
    Real(f64),
    /// Text.
    Text(Zeroizing<String>),
    /// Bytes.
    Bytes(Zeroizing<Vec<u8>>),
    /// JSON that the database made of a plain column, whatever its type.
    Json(Zeroizing<String>),
}

impl Cell {
    /// Text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Cell {
        Cell::Text(Zeroizing::new(text.into()))
    }

    /// Bytes.
    #[must_use]
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Cell {
        Cell::Bytes(Zeroizing::new(bytes.into()))
    }

    /// As a document shows it; bytes as PostgreSQL does, in hexadecimal digits after `\x`. `None` if it says to be JSON and
    /// is not.
    pub(super) fn shown(&self) -> Option<Tree> {
        Some(match self {
            Cell::Null => Tree::Null,
            Cell::Integer(number) => Tree::Number(*number),
            Cell::Real(number) => {
                let mut json = Plaintext::with_capacity(24);
                serde_json::to_writer(super::tree::Writer(&mut json), number).ok()?;
                Tree::written(json)?
            }
            Cell::Text(text) => Tree::Text(text.clone()),
            Cell::Bytes(bytes) => {
                let mut text = Zeroizing::new(String::with_capacity(bytes.len().saturating_mul(2).saturating_add(2)));
                text.push_str("\\x");
                for byte in bytes.iter() {
                    for digit in [byte >> 4, byte & 15] {
                        text.extend(char::from_digit(digit.into(), 16));
                    }
                }
                Tree::Text(text)
            }
            Cell::Json(json) => {
                let mut copy = Plaintext::with_capacity(json.len());
                copy.extend(json.as_bytes());
                Tree::written(copy)?
            }
        })
    }

    /// What a sealed value is bound to.
    pub(super) fn context(&self, binding: Binding) -> Option<Vec<u8>> {
        match (binding, self) {
            (Binding::AsStored, Cell::Integer(number)) => Some(number.to_be_bytes().to_vec()),
            (Binding::AsStored, Cell::Text(text)) => Some(text.as_bytes().to_vec()),
            (Binding::AsStored, Cell::Bytes(bytes)) => Some(bytes.to_vec()),
            (Binding::Integer(bytes), Cell::Integer(number)) => cut(*number, usize::from(bytes)),
            (Binding::UuidInText, Cell::Text(text)) => uuid(text),
            _ => None,
        }
    }
}

/// An integer's last bytes, if those cut off say nothing: as a signed or an unsigned one of that size.
fn cut(number: i64, bytes: usize) -> Option<Vec<u8>> {
    let whole = i128::from(number);
    let bits = bytes.checked_mul(8).and_then(|bits| u32::try_from(bits).ok())?;
    let fits = bits >= 64 || (-(1_i128 << (bits - 1))..1_i128 << bits).contains(&whole);
    let all = whole.to_be_bytes();
    all.get(all.len().checked_sub(bytes)?..).filter(|_| fits).map(<[u8]>::to_vec)
}

fn uuid(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    if digits.len() != 32 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let pairs = digits.as_chunks::<2>().0.iter();
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cell::Null => "Null",
            Cell::Integer(_) => "Integer(redacted)",
            Cell::Real(_) => "Real(redacted)",
            Cell::Text(_) => "Text(redacted)",
            Cell::Bytes(_) => "Bytes(redacted)",
            Cell::Json(_) => "Json(redacted)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(cell: &Cell) -> Option<String> {
        cell.shown().map(|tree| String::from_utf8(tree.compact().as_bytes().to_vec()).unwrap())
    }

    #[test]
    fn whatever_stands_in_a_column_is_shown() {
        let json = |json: &str| Cell::Json(Zeroizing::new(json.into()));
        for (cell, expected) in [
            (Cell::Null, "null"),
            (Cell::Integer(-7), "-7"),
            (Cell::Real(1.5), "1.5"),
            (Cell::Real(f64::NAN), "null"),
            (Cell::text("a\"b"), r#""a\"b""#),
            (Cell::bytes([0, 0xff]), r#""\\x00ff""#),
            (json("\"2026-01-02T03:04:05\""), "\"2026-01-02T03:04:05\""),
        ] {
            assert_eq!(shown(&cell).as_deref(), Some(expected));
            assert!(!format!("{cell:?}").contains('7'));
        }
        assert_eq!(shown(&json("2026-01-02")), None);
    }

    #[test]
    fn contexts_are_those_of_records() {
        use oubliette::fields::Context;
        let integer = |number: i64, bytes| Cell::Integer(number).context(Binding::Integer(bytes));
        assert_eq!(Cell::Integer(-2).context(Binding::AsStored).as_deref(), Some(&*(-2_i64).context()));
        assert_eq!(integer(-2, 4).as_deref(), Some(&*(-2_i32).context()));
        assert_eq!(integer(0xffff_fffe, 4).as_deref(), Some(&*0xffff_fffe_u32.context()));
        assert_eq!(integer(-2, 16).as_deref(), Some(&*(-2_i128).context()));
        assert_eq!(integer(255, 1).as_deref(), Some(&*255_u8.context()));
        assert_eq!(integer(i64::MIN, 8).as_deref(), Some(&*i64::MIN.context()));
        for (number, bytes) in [(256, 1), (-129, 1), (1 << 32, 4), (i64::MIN, 4)] {
            assert_eq!(integer(number, bytes), None);
        }
        let id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        let bytes = hex::decode(id.replace('-', "")).unwrap();
        assert_eq!(Cell::text(id).context(Binding::UuidInText), Some(bytes.clone()));
        assert_eq!(Cell::bytes(bytes.clone()).context(Binding::AsStored), Some(bytes));
        assert_eq!(Cell::text("né").context(Binding::AsStored).as_deref(), Some("né".as_bytes()));
        for cell in [Cell::Null, Cell::Real(1.0), Cell::text("6ba7"), Cell::Integer(1)] {
            assert_eq!(cell.context(Binding::UuidInText), None);
        }
        assert_eq!(Cell::Null.context(Binding::AsStored), None);
    }
}
