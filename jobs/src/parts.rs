//! Several plain columns become one value, and one value plain columns again.

use std::fmt::{self, Display};

use oubliette::personal::PersonalData;
use oubliette::{CustomerId, Purpose};
use zeroize::Zeroizing;

use super::cell::{Cell, Column, Row};
use super::error::{Cause, Fault};
use super::job::Job;
use super::step::{At, Form, Hand, Held, InRow, Step, same, text_of};

/// A value that was read from plaintext, and the guess that it took, if any. Every value converts to a `Parsed` value
/// without a guess.
///
/// ```
/// use oubliette::{Field, Purpose, personal::Name};
/// use oubliette_jobs::{Job, Key, Parsed};
///
/// const NAME: Field<Name> = Purpose::new("orders").field("name");
/// // Some names are stored as "Lee, Bob": turned round, which is a guess.
/// let job = Job::on("customers", ("id", Key::Integer), "no").seal_parsed("name", "name", NAME, |text: &str| {
///     match text.split_once(", ") {
///         Some((last, first)) => format!("{first} {last}").parse().map(|name| Parsed::guessed(name, "the name was turned round")),
///         None => text.parse::<Name>().map(Parsed::from),
///     }
/// });
/// ```
#[derive(Debug)]
pub struct Parsed<T> {
    pub(super) value: T,
    pub(super) guess: Option<&'static str>,
}

impl<T> Parsed<T> {
    /// A value that took a guess. A dry run lists such rows by the text of the guess, so the text must not be personal
    /// data.
    #[must_use]
    pub fn guessed(value: T, what: &'static str) -> Parsed<T> {
        Parsed { value, guess: Some(what) }
    }
}

impl<T> From<T> for Parsed<T> {
    fn from(value: T) -> Parsed<T> {
        Parsed { value, guess: None }
    }
}

type Join<T, const N: usize> = Box<dyn Fn([Option<&str>; N]) -> Result<Parsed<T>, String> + Send + Sync>;
type Split<T, const N: usize> = Box<dyn Fn(&T) -> Option<[Option<String>; N]> + Send + Sync>;
type Alike = fn(usize, &str, &str) -> bool;

/// How the texts of several columns become one value, and how a value becomes these texts again.
///
/// [`Job::seal_columns`] and [`Job::unseal_columns`] have examples.
pub struct Parts<T, const N: usize> {
    join: Join<T, N>,
    split: Option<Split<T, N>>,
    alike: Alike,
}

impl<T, const N: usize> Parts<T, N> {
    /// How to make a value of the columns' texts. The texts are trimmed, and `None` stands for a column that is NULL or
    /// blank. Errors show in problems, so they must never repeat a value.
    #[must_use]
    pub fn new<P, E>(join: impl Fn([Option<&str>; N]) -> Result<P, E> + Send + Sync + 'static) -> Parts<T, N>
    where
        P: Into<Parsed<T>>,
        E: Display,
    {
        let join = Box::new(move |parts: [Option<&str>; N]| match join(parts) {
            Ok(made) => Ok(made.into()),
            Err(error) => Err(error.to_string()),
        });
        Parts { join, split: None, alike: |_, one, other| one == other }
    }

    /// How to take a value apart; `None` if that is impossible. With this way back, [`seal_columns`](Job::seal_columns)
    /// refuses a row whose columns would not come back as they were, apart from white space at the ends.
    #[must_use]
    pub fn and_back(
        mut self,
        split: impl Fn(&T) -> Option<[Option<String>; N]> + Send + Sync + 'static,
    ) -> Parts<T, N> {
        self.split = Some(Box::new(split));
        self
    }

    /// Drops the way back, so that no row is refused because of it.
    #[must_use]
    pub fn one_way(self) -> Parts<T, N> {
        Parts { split: None, ..self }
    }

    /// When a part that comes back in other words is the same, by its place.
    pub(super) fn alike(self, alike: Alike) -> Parts<T, N> {
        Parts { alike, ..self }
    }

    fn comes_back(&self, value: &T, parts: [Option<&str>; N]) -> bool {
        let Some(split) = &self.split else { return true };
        let Some(again) = split(value).map(|parts| parts.map(|part| part.map(Zeroizing::new))) else { return false };
        parts.iter().zip(&again).enumerate().all(|(at, (one, other))| match (one, other) {
            (Some(one), Some(other)) => (self.alike)(at, one, other),
            (None, None) => true,
            // What was guessed for a blank column comes back as it was guessed.
            (None, Some(other)) => (self.alike)(at, "", other),
            (Some(_), None) => false,
        })
    }
}

impl<T, const N: usize> fmt::Debug for Parts<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parts(columns: {N}, and back: {})", self.split.is_some())
    }
}

impl Job {
    /// Seals plaintext of several columns as one value, as bytes in another column. The plain columns become NULL, so
    /// drop their NOT NULL first. A row with both a sealed value and plaintext is a problem: an update may have written
    /// one plain column alone, and the job cannot know which is right.
    ///
    /// ```
    /// use oubliette::personal::{Address, Country};
    /// use oubliette::{Field, Purpose};
    /// use oubliette_jobs::{Job, Key, Parts};
    ///
    /// const ORDERS: Purpose = Purpose::new("orders");
    /// const ADDRESS: Field<Address> = ORDERS.field("address");
    /// const COLUMNS: [&str; 4] = ["street", "postcode", "town", "country"];
    ///
    /// let job = Job::on("customers", ("id", Key::Integer), "no")
    ///     .enroll()
    ///     .seal_columns(COLUMNS, "address", ADDRESS, Parts::address(Some(Country::new("FR"))));
    /// // And for a version that must be rolled back:
    /// let back = Job::on("customers", ("id", Key::Integer), "no")
    ///     .unseal_columns("address", COLUMNS, ADDRESS, Parts::address(None));
    /// ```
    #[must_use]
    pub fn seal_columns<T: PersonalData + 'static, const N: usize>(
        mut self,
        from: [&str; N],
        to: impl Into<String>,
        field: impl Into<InRow<T>>,
        parts: Parts<T, N>,
    ) -> Job {
        let (from, to) = (from.map(|name| self.column(name)), self.column(to));
        let at = self.at(field.into());
        self.refuse_shared(&from, to);
        self.step(SealColumns { from, to, at, parts })
    }

    /// The way back, for a deploy that must be rolled back: takes a sealed value apart into plain columns by
    /// [`Parts::and_back`], and sets it to NULL. **Its plaintext is then in the table, in its free pages and in its
    /// backups**, where no shred reaches it. A value that cannot be taken apart, or that would not come together as the
    /// same value, is a problem. If the value was sealed [one way](Parts::one_way), a word may end in a different
    /// column from the one where it began.
    ///
    /// With one column:
    /// ```
    /// use oubliette::personal::Email;
    /// use oubliette::{Field, Purpose};
    /// use oubliette_jobs::{Job, Key, Parts};
    ///
    /// const EMAIL: Field<Email> = Purpose::new("orders").field("email");
    /// let email = Parts::new(|[text]: [Option<&str>; 1]| text.unwrap_or_default().parse::<Email>())
    ///     .and_back(|email| Some([Some(email.expose_personal_data().to_owned())]));
    /// let back = Job::on("customers", ("id", Key::Integer), "no").unseal_columns("email_sealed", ["email"], EMAIL, email);
    /// ```
    #[must_use]
    pub fn unseal_columns<T: PersonalData + 'static, const N: usize>(
        mut self,
        from: impl Into<String>,
        to: [&str; N],
        field: impl Into<InRow<T>>,
        parts: Parts<T, N>,
    ) -> Job {
        let (from, to) = (self.column(from), to.map(|name| self.column(name)));
        let at = self.at(field.into());
        self.refuse_shared(&to, from);
        self.step(UnsealColumns { from, to, at, parts })
    }

    fn refuse_shared(&mut self, plain: &[Column], sealed: Column) {
        let twice = plain.iter().enumerate().find(|(at, column)| plain.iter().take(*at).any(|other| other == *column));
        if let Some(column) = twice.map(|(_, column)| *column).or(plain.contains(&sealed).then_some(sealed)) {
            self.refuse(format!("column {:?} is named twice in one step", self.name_of(column)));
        }
        if plain.is_empty() {
            self.refuse("a step over several columns needs one".into());
        }
    }
}

struct SealColumns<T, const N: usize> {
    from: [Column; N],
    to: Column,
    at: At<T>,
    parts: Parts<T, N>,
}

impl<T: PersonalData, const N: usize> SealColumns<T, N> {
    /// The columns' texts as they are typed, and the value that they make.
    fn value(&self, row: &Row) -> Result<Parsed<T>, Fault> {
        let texts = self.from.map(|column| match row.cell(column) {
            Cell::Null => Ok(None),
            // A sealed value in one of them is no part of another.
            cell => match Held::<T>::of(cell) {
                Held::Plaintext => text_of(cell).map(Some),
                Held::Unreadable(error) => Err(error.into()),
                Held::Nothing | Held::Sealed(..) => Err(Cause::Both),
            },
        });
        let mut read = [const { None }; N];
        for (place, text) in read.iter_mut().zip(texts) {
            *place = text?;
        }
        let parts = read.each_ref().map(|text| text.as_ref().map(|text| text.trim()).filter(|text| !text.is_empty()));
        let refused = |rule: &str| Fault::Row(Cause::InvalidPlaintext { rule: rule.into() });
        let made = (self.parts.join)(parts).map_err(|rule| {
            let echoes = parts.iter().flatten().any(|part| part.chars().count() >= 4 && rule.contains(part));
            refused(if echoes {
                "the type refuses the value (its message is not shown, since it repeats the value)"
            } else {
                &rule
            })
        })?;
        if !self.parts.comes_back(&made.value, parts) {
            return Err(refused("the way back would give other columns than these; seal it one way, or by hand"));
        }
        Ok(made)
    }

    fn has_plaintext(&self, row: &Row) -> bool {
        self.from.iter().any(|column| match row.cell(*column) {
            Cell::Null => false,
            cell => text_of(cell).map_or(true, |text| !text.trim().is_empty()),
        })
    }
}

impl<T: PersonalData, const N: usize> Step for SealColumns<T, N> {
    fn looks_for(&self) -> &'static str {
        "plaintext"
    }

    fn column(&self) -> Column {
        self.from.first().copied().unwrap_or(self.to)
    }

    fn purpose(&self) -> Purpose {
        self.at.field.purpose()
    }

    /// The plaintext of a shredded customer is what must not be overlooked.
    fn concerns_shredded(&self) -> bool {
        true
    }

    fn puts_into(&self) -> Option<Column> {
        Some(self.to)
    }

    fn sealed_in(&self, row: &Row) -> Option<(Column, CustomerId)> {
        Held::<T>::number(row, self.to)
    }

    fn guess(&self, row: &Row) -> Option<(Column, &'static str)> {
        if !self.has_plaintext(row) {
            return None;
        }
        self.value(row).ok()?.guess.map(|guess| (self.column(), guess))
    }

    /// Blank columns beside a sealed value are nothing to be kept; without one they become NULL too.
    fn is_due(&self, row: &Row, _: &Hand<'_>) -> Result<bool, Fault> {
        Ok(self.from.iter().any(|column| !row.cell(*column).is_null()))
    }

    fn apply(&self, row: &mut Row, hand: &Hand<'_>) -> Result<(), Fault> {
        if self.has_plaintext(row) {
            if !row.cell(self.to).is_null() {
                return Err(Cause::Both.into());
            }
            hand.keys()?;
            let made = self.value(row)?;
            let sealed = self.at.seal(row, &made.value, hand)?;
            row.set(self.to, Form::Bytes.cell(sealed));
        }
        for column in &self.from {
            row.set(*column, Cell::Null);
        }
        Ok(())
    }
}

struct UnsealColumns<T, const N: usize> {
    from: Column,
    to: [Column; N],
    at: At<T>,
    parts: Parts<T, N>,
}

impl<T: PersonalData, const N: usize> Step for UnsealColumns<T, N> {
    fn looks_for(&self) -> &'static str {
        "sealed"
    }

    fn column(&self) -> Column {
        self.from
    }

    fn purpose(&self) -> Purpose {
        self.at.field.purpose()
    }

    fn sealed_in(&self, row: &Row) -> Option<(Column, CustomerId)> {
        Held::<T>::number(row, self.from)
    }

    fn is_due(&self, row: &Row, _: &Hand<'_>) -> Result<bool, Fault> {
        Ok(!row.cell(self.from).is_null())
    }

    fn apply(&self, row: &mut Row, hand: &Hand<'_>) -> Result<(), Fault> {
        let Some((sealed, _)) = Held::<T>::of(row.cell(self.from)).sealed()? else { return Ok(()) };
        if self.to.iter().any(|column| !row.cell(*column).is_null()) {
            return Err(Cause::Both.into());
        }
        let value = self.at.open(row, &sealed, hand)?;
        let refused = |rule: &str| Fault::Row(Cause::NotConverted { rule: rule.into() });
        let split = self.parts.split.as_ref().and_then(|split| split(&value));
        let Some(texts) = split.map(|texts| texts.map(|text| text.map(Zeroizing::new))) else {
            return Err(refused("the value cannot be taken apart into these columns"));
        };
        let parts = texts.each_ref().map(|text| text.as_ref().map(|text| text.as_str()));
        match (self.parts.join)(parts) {
            Ok(again) if same(&again.value, &value) => {}
            _ => return Err(refused("the columns would not come together as the same value")),
        }
        for (column, text) in self.to.iter().zip(&texts) {
            row.set(*column, text.as_ref().map_or(Cell::Null, |text| Cell::text(text.to_string())));
        }
        row.set(self.from, Cell::Null);
        Ok(())
    }
}
