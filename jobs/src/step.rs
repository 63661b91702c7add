//! What is done to one row: steps, and how they read and write values.

use std::fmt;
use std::str::FromStr;

use oubliette::personal::{PersonalData, Plaintext};
use oubliette::{CustomerKeys, Epochs, Field, ParseError, Placed, Purpose, Sealed, Vault};
use subtle::ConstantTimeEq;

use super::cell::{Cell, Column, Row};
use super::error::{Cause, Fault, JobError};

/// A field, and the column whose content its values are bound to, if any. A [`Field`] alone is one whose values are bound
/// to none.
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

    /// The values are bound to what stands in this column of the same row, as [`Field::within`] binds them. The context is
    /// the bytes of text or bytes (the 16 of PostgreSQL's `uuid`), or the eight of an integer, most significant first.
    /// Called again, the last column counts.
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
    fn placed<'c>(&self, context: Option<&'c [u8]>) -> Placed<'c, T> {
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
fn same<T: PersonalData>(one: &T, other: &T) -> bool {
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
            Cell::Integer(_) => return Held::Plaintext,
            Cell::Text(text) => (text.parse(), Form::Text),
            Cell::Bytes(bytes) => (Sealed::from_bytes(bytes.as_slice()), Form::Bytes),
        };
        match parsed {
            Ok(sealed) => Held::Sealed(sealed, form),
            Err(error @ ParseError::Malformed) => match std::str::from_utf8(cell.content().unwrap_or_default()) {
                // Of bytes too: a column whose text is called bytes.
                Ok(text) if Sealed::<T>::looks_like(text.as_bytes()) => {
                    text.parse().map_or(Held::Unreadable(error), |sealed| Held::Sealed(sealed, Form::Text))
                }
                Ok(_) => Held::Plaintext,
                Err(_) => Held::Unreadable(error),
            },
            Err(error) => Held::Unreadable(error),
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

pub(super) type Parse<T> = fn(&Cell) -> Result<T, Cause>;

/// Reads a plaintext as the field's type.
pub(super) fn parse<T: FromStr>(cell: &Cell) -> Result<T, Cause>
where
    T::Err: fmt::Display,
{
    let text = cell.content().and_then(|content| std::str::from_utf8(content).ok());
    let Some(text) = text else { return Err(Cause::InvalidPlaintext { rule: "not text".into() }) };
    text.parse().map_err(|error: T::Err| {
        // The types of `oubliette` never repeat a value in an error; those of others may.
        let rule = error.to_string();
        let echoes = !text.is_empty() && rule.contains(text);
        Cause::InvalidPlaintext { rule: if echoes { "refused".into() } else { rule } }
    })
}

/// What a step has at hand for one row.
pub(super) struct Hand<'h> {
    pub(super) vault: &'h Vault,
    /// `None` for a row without a customer.
    pub(super) keys: Option<&'h CustomerKeys>,
    /// Whether the customer is shredded in the step's purpose.
    pub(super) shredded: bool,
    pub(super) epochs: Option<&'h Epochs>,
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

    /// The column whose values it follows: it is due when one was put there in this pass.
    fn follows(&self) -> Option<Column> {
        None
    }

    /// Whether the row still needs it.
    fn is_due(&self, row: &Row, hand: &Hand<'_>) -> Result<bool, Fault>;

    /// Does it, when it is due.
    fn apply(&self, row: &mut Row, hand: &Hand<'_>) -> Result<(), Fault>;
}
