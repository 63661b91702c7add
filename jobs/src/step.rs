//! What is done to one row: steps, and how they read and write values.

use std::fmt;
use std::str::FromStr;

use oubliette::personal::{PersonalData, Plaintext};
use oubliette::{
    CustomerId, CustomerKeys, Field, ParseError, Purpose, Sealed, Vault, fields::FieldWithin, search::Epochs,
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::cell::{Cell, Column, Row};
use super::error::{Cause, Fault, JobError};
use super::parts::Parsed;

/// A field, and the column whose content its values are bound to, if any. A [`Field`] converts to a field that is bound
/// to no column.
///
/// ```
/// use oubliette::{Field, Purpose, personal::Text};
/// use oubliette_jobs::{InRow, Job, Key};
///
/// const NOTE: Field<Text> = Purpose::new("orders").field("note");
/// // The note of an order is bound to the order's own number: it opens in no other row.
/// let job = Job::on("orders", ("id", Key::Integer), "no").seal_into("note", "note_sealed", InRow::new(NOTE).within_column("id"));
/// ```
pub struct InRow<T> {
    field: Field<T>,
    context: Option<String>,
}

impl<T> InRow<T> {
    /// The values of this field, bound to no column.
    #[must_use]
    pub fn new(field: Field<T>) -> InRow<T> {
        InRow { field, context: None }
    }

    /// Binds the values to the content of this column of the same row, as [`Field::within`] does. The context is the
    /// bytes of a text or of bytes (16 for PostgreSQL's `uuid`), or the eight bytes of an integer, most significant
    /// first. If you call it twice, the last column counts.
    #[must_use]
    pub fn within_column(self, column: impl Into<String>) -> InRow<T> {
        InRow { context: Some(column.into()), ..self }
    }

    pub(super) fn into_parts(self) -> (Field<T>, Option<String>) {
        (self.field, self.context)
    }
}

impl<T> From<Field<T>> for InRow<T> {
    fn from(field: Field<T>) -> InRow<T> {
        InRow::new(field)
    }
}

impl<T> fmt::Debug for InRow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InRow({:?}, context: {:?})", self.field, self.context)
    }
}

/// A field, and the place of its context among the columns selected.
pub(super) struct At<T> {
    pub(super) field: Field<T>,
    pub(super) context: Option<Column>,
}

impl Row {
    /// The bytes that a value is bound to.
    pub(super) fn context(&self, column: Option<Column>) -> Result<Option<Vec<u8>>, Cause> {
        let Some(column) = column else { return Ok(None) };
        match self.cell(column) {
            Cell::Null => Err(Cause::NoContext),
            Cell::Integer(number) => Ok(Some(number.to_be_bytes().to_vec())),
            other => Ok(Some(other.content().unwrap_or_default().to_vec())),
        }
    }
}

impl<T: PersonalData> At<T> {
    fn placed<'c>(&self, context: Option<&'c [u8]>) -> FieldWithin<'c, T> {
        context.map_or_else(|| self.field.into(), |context| self.field.within(context))
    }

    pub(super) fn open(&self, row: &Row, sealed: &Sealed<T>, hand: &Hand<'_>) -> Result<T, Fault> {
        let context = row.context(self.context)?;
        Ok(hand.keys()?.open(self.placed(context.as_deref()), sealed)?)
    }

    /// Seals a value, and opens it again, before anything of it is written.
    pub(super) fn seal(&self, row: &Row, value: &T, hand: &Hand<'_>) -> Result<Sealed<T>, Fault> {
        let context = row.context(self.context)?;
        let placed = self.placed(context.as_deref());
        let keys = hand.keys()?;
        let sealed = keys.seal(placed, value)?;
        let opened = keys.open(placed, &sealed)?;
        if !same(value, &opened) {
            return Err(JobError::NotItself { customer: keys.customer() }.into());
        }
        Ok(sealed)
    }
}

/// Types need not be comparable; what they would be sealed as is.
pub(super) fn same<T: PersonalData>(one: &T, other: &T) -> bool {
    let [one, other] = [one, other].map(|value| {
        let mut bytes = Plaintext::with_capacity(value.size_hint());
        value.encode(&mut bytes);
        bytes
    });
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// What a cell of a personal column holds.
pub(super) enum Held<T> {
    Nothing,
    Plaintext,
    Sealed(Sealed<T>, Form),
    /// Of a newer version.
    Unreadable(ParseError),
}

/// How a sealed value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Bytes,
}

impl Form {
    pub(super) fn cell<T>(self, sealed: Sealed<T>) -> Cell {
        match self {
            Form::Text => Cell::text(sealed.to_string()),
            Form::Bytes => Cell::bytes(sealed.into_bytes()),
        }
    }
}

impl<T> Held<T> {
    /// What begins like a sealed value and is none is damaged, never plaintext: sealed once more it would look whole.
    pub(super) fn of(cell: &Cell) -> Held<T> {
        let (parsed, form) = match cell {
            Cell::Null => return Held::Nothing,
            Cell::Integer(_) | Cell::Number(_) => return Held::Plaintext,
            Cell::Text(text) => (text.parse(), Form::Text),
            Cell::Bytes(bytes) => (Sealed::from_bytes(bytes.as_slice()), Form::Bytes),
        };
        match parsed {
            Ok(sealed) => Held::Sealed(sealed, form),
            Err(error @ ParseError::Malformed) => {
                let content = cell.content().unwrap_or_default();
                if !Sealed::<T>::looks_like(content) {
                    // Text in another encoding too, such as Latin-1: it is refused as that when it is read.
                    return Held::Plaintext;
                }
                // Of bytes too: a column whose text is called bytes.
                let text = std::str::from_utf8(content).ok().and_then(|text| text.parse().ok());
                text.map_or(Held::Unreadable(error), |sealed| Held::Sealed(sealed, Form::Text))
            }
            Err(error) => Held::Unreadable(error),
        }
    }

    /// The number that a value in this column is sealed under.
    pub(super) fn number(row: &Row, column: Column) -> Option<(Column, CustomerId)> {
        match Held::<T>::of(row.cell(column)) {
            Held::Sealed(sealed, _) => Some((column, sealed.customer())),
            Held::Nothing | Held::Plaintext | Held::Unreadable(_) => None,
        }
    }

    pub(super) fn sealed(self) -> Result<Option<(Sealed<T>, Form)>, Cause> {
        match self {
            Held::Nothing => Ok(None),
            Held::Plaintext => Err(Cause::NotSealed),
            Held::Sealed(sealed, form) => Ok(Some((sealed, form))),
            Held::Unreadable(error) => Err(error.into()),
        }
    }
}

/// Reads a plaintext as the field's type: an error is the rule that it breaks.
pub(super) type Parse<T> = Box<dyn Fn(&str) -> Result<Parsed<T>, String> + Send + Sync>;

/// As the type itself reads it.
pub(super) fn of_type<T>() -> Parse<T>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    Box::new(|text| text.parse::<T>().map(Parsed::from).map_err(|error| error.to_string()))
}

pub(super) fn parse<T>(cell: &Cell, parse: &Parse<T>) -> Result<T, Cause> {
    parsed(cell, parse).map(|parsed| parsed.value)
}

pub(super) fn parsed<T>(cell: &Cell, parse: &Parse<T>) -> Result<Parsed<T>, Cause> {
    let text = text_of(cell)?;
    parse(&text).map_err(|rule| {
        // The types of `oubliette` never repeat a value in an error; those of others may. What is shorter than a word is in many a message by chance.
        let echoes = text.trim().chars().count() >= 4 && rule.contains(text.trim());
        Cause::InvalidPlaintext {
            rule: if echoes {
                "the type refuses the value (its message is not shown, since it repeats the value)".into()
            } else {
                rule
            },
        }
    })
}

/// The text of a plaintext, or of a number as its digits.
pub(super) fn text_of(cell: &Cell) -> Result<Zeroizing<String>, Cause> {
    let text = match cell {
        // A column of phone numbers, or of dates, that somebody made of integers.
        Cell::Integer(integer) => Ok(Zeroizing::new(integer.to_string())),
        // A point is a separator to some types, and the digits after it another value's.
        Cell::Number(digits) if digits.contains('.') => {
            Err("a number with a fraction; turn the column into text or whole numbers, and run the job again")
        }
        Cell::Number(digits) => Ok(digits.clone()),
        Cell::Null => Err("no value"),
        Cell::Text(text) => Ok(text.clone()),
        Cell::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Zeroizing::new(text.to_owned())),
            Err(_) => Err("it is not UTF-8"),
        },
    };
    text.map_err(|rule| Cause::InvalidPlaintext { rule: rule.into() })
}

/// What a step has at hand for one row.
pub(super) struct Hand<'h> {
    pub(super) vault: &'h Vault,
    /// `None` for a row without a customer.
    pub(super) keys: Option<&'h CustomerKeys>,
    /// Whether the customer is shredded in the step's purpose.
    pub(super) shredded: bool,
    pub(super) epochs: Option<&'h Epochs>,
    /// Whether tokens are compared with their values.
    pub(super) verifies: bool,
}

impl Hand<'_> {
    pub(super) fn keys(&self) -> Result<&CustomerKeys, Cause> {
        self.keys.ok_or(Cause::NotEnrolled)
    }
}

/// One thing that a job does to a row.
pub(super) trait Step: Send + Sync {
    /// What it looks for, for a report: "plaintext", "under a replaced key tree".
    fn looks_for(&self) -> &'static str;

    /// The column it is about.
    fn column(&self) -> Column;

    /// The purpose whose shredded customers it must know.
    fn purpose(&self) -> Purpose;

    /// False when rows of shredded customers are nothing to be done about: their values are gone wherever they lie.
    fn concerns_shredded(&self) -> bool {
        false
    }

    /// The epochs that it works by.
    fn epochs(&self, _vault: &Vault) -> Result<Option<Epochs>, JobError> {
        Ok(None)
    }

    /// The column in which it puts a value that may be another than the one its tokens were made of.
    fn puts_into(&self) -> Option<Column> {
        None
    }

    /// The columns in which it puts tokens.
    fn tokens(&self) -> &[Column] {
        &[]
    }

    /// The column whose values it follows: it is due when one was put there in this pass.
    fn follows(&self) -> Option<Column> {
        None
    }

    /// The sealed value that it reads, and the number that is sealed under.
    fn sealed_in(&self, _row: &Row) -> Option<(Column, CustomerId)> {
        None
    }

    /// What would have to be guessed for this row, and the column it is about.
    fn guess(&self, _row: &Row) -> Option<(Column, &'static str)> {
        None
    }

    /// Whether the row still needs it.
    fn is_due(&self, row: &Row, hand: &Hand<'_>) -> Result<bool, Fault>;

    /// Does it, when it is due.
    fn apply(&self, row: &mut Row, hand: &Hand<'_>) -> Result<(), Fault>;
}
