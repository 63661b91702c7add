//! What a job is told: a table, its columns, and what is to become of them.

use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;

use oubliette::Index;
use oubliette::personal::PersonalData;

use super::cell::Column;
use super::error::JobError;
use super::key::{Key, KeyColumns, Kinds, RowKey};
use super::parts::Parsed;
use super::step::{At, InRow, Step, of_type};
use super::steps::{ForgetTokens, Relabel, Reseal, Seal, Source, Tokens};

/// Rows a batch, unless said otherwise.
const BATCH: usize = 500;
/// How long a batch holds its locks, unless said otherwise: well below the five seconds that most programs wait for SQLite.
const BATCH_TIME: Duration = Duration::from_millis(250);
/// Most rows a batch: they are all in memory, and locked for as long as it takes.
const MOST_BATCH: usize = 10_000;

/// A column that is selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) name: String,
    /// A context is read as the column stores it; the key column, when it is a `uuid`, as text.
    pub(super) is_context: bool,
}

/// One pass over one table of the application, in batches. [The crate's page](crate) has an example.
///
/// The job does its steps to each row, in the order in which you name them. It leaves a row with a problem as it is,
/// and writes a batch whole or not at all. Rows that are added after the last key while the job runs are done too.
pub struct Job {
    pub(super) table: String,
    pub(super) key: Kinds,
    pub(super) columns: Vec<Selected>,
    pub(super) enrolls: bool,
    pub(super) steps: Vec<Box<dyn Step>>,
    pub(super) batch: usize,
    pub(super) tolerated: usize,
    pub(super) after: Option<RowKey>,
    pub(super) batch_time: Duration,
    pub(super) pause: Option<Duration>,
    pub(super) verifies: bool,
    invalid: Option<String>,
}

impl Job {
    /// A job over a table (`customers`, or `shop.customers`). `key` names the columns of the table's [key](KeyColumns).
    /// `customer` names the column of customer numbers. If a purpose has numbers of its own, make another job with that
    /// column.
    ///
    /// Write names exactly as the database has them, upper and lower case included: the job quotes them. A name that is
    /// not there is a database error before anything is written.
    pub fn on(table: impl Into<String>, key: impl Into<KeyColumns>, customer: impl Into<String>) -> Job {
        let (names, kinds): (Vec<_>, Vec<_>) = key.into().0.into_iter().unzip();
        let names = std::iter::once(customer.into()).chain(names);
        let columns: Vec<_> = names.map(|name| Selected { name, is_context: false }).collect();
        let mut job = Job {
            table: table.into(),
            key: Kinds(kinds),
            columns: Vec::new(),
            enrolls: false,
            steps: Vec::new(),
            batch: BATCH,
            tolerated: 0,
            after: None,
            batch_time: BATCH_TIME,
            pause: None,
            verifies: false,
            invalid: None,
        };
        if job.key.len() == 0 {
            job.refuse("a job needs a key of at least one column".into());
        }
        // The customer's column may be the key.
        let keys = columns.get(Column::KEY.0..).unwrap_or_default();
        if let Some((_, twice)) =
            keys.iter().enumerate().find(|(at, column)| keys.iter().take(*at).any(|it| it == *column))
        {
            job.refuse(format!("column {:?} is named twice in the key", twice.name));
        }
        job.table.clone().split('.').for_each(|part| job.check_name(part));
        columns.iter().for_each(|column| job.check_name(&column.name));
        job.columns.extend(columns);
        job
    }

    /// Gives a new number to each row whose customer column is NULL. Use it on the table with one row a customer: two
    /// rows of one person must share a number.
    #[must_use]
    pub fn enroll(mut self) -> Job {
        self.enrolls = true;
        self
    }

    /// Seals plaintext in a column of text, in place: the column then holds sealed values as text. An email of up to 63
    /// bytes takes 200 characters, the longest 456. **`VARCHAR(255)` is too narrow**; use `TEXT`.
    #[must_use]
    pub fn seal<T>(mut self, column: impl Into<String>, field: impl Into<InRow<T>>) -> Job
    where
        T: PersonalData + FromStr + 'static,
        T::Err: Display,
    {
        let column = self.column(column);
        let at = self.at(field.into());
        self.step(Seal { from: column, to: column, at, parse: of_type() })
    }

    /// Seals text that the type cannot read without help: national phone numbers, addresses without a country. With one
    /// column it works as [`seal`](Job::seal), with two as [`seal_into`](Job::seal_into). `parse` gives a value, or a
    /// [`Parsed`] value that says what was guessed. Its errors show in problems, so they must never repeat the value.
    ///
    /// ```
    /// use oubliette::personal::{Address, Country};
    /// use oubliette::{Field, Purpose};
    /// use oubliette_jobs::{Job, Key, address_in};
    ///
    /// const ORDERS: Purpose = Purpose::new("orders");
    /// const ADDRESS: Field<Address> = ORDERS.field("address");
    /// let job = Job::on("customers", ("id", Key::Integer), "no")
    ///     .enroll()
    ///     .seal_parsed("address", "address", ADDRESS, address_in(Country::new("FR")));
    /// ```
    #[must_use]
    pub fn seal_parsed<T, P, E>(
        mut self,
        from: impl Into<String>,
        to: impl Into<String>,
        field: impl Into<InRow<T>>,
        parse: impl Fn(&str) -> Result<P, E> + Send + Sync + 'static,
    ) -> Job
    where
        T: PersonalData + 'static,
        P: Into<Parsed<T>>,
        E: Display,
    {
        let (from, to) = (self.column(from), self.column(to));
        let at = self.at(field.into());
        let parse = Box::new(move |text: &str| parse(text).map(Into::into).map_err(|error| error.to_string()));
        self.step(Seal { from, to, at, parse })
    }

    /// Seals plaintext of one column of text into another column, as bytes. The plaintext becomes NULL, so drop its NOT
    /// NULL first. **Every process that writes the sealed column must set the plaintext to NULL in the same
    /// statement**: if both have a value, the job takes the plaintext as the newer one and replaces the sealed value.
    /// Read in the same way: the plaintext if there is one, otherwise the sealed value.
    #[must_use]
    pub fn seal_into<T>(mut self, from: impl Into<String>, to: impl Into<String>, field: impl Into<InRow<T>>) -> Job
    where
        T: PersonalData + FromStr + 'static,
        T::Err: Display,
    {
        let (from, to) = (self.column(from), self.column(to));
        let at = self.at(field.into());
        self.step(Seal { from, to, at, parse: of_type() })
    }

    /// Moves values from a replaced key tree to the newest tree of their purpose.
    #[must_use]
    pub fn reseal<T: PersonalData + 'static>(mut self, column: impl Into<String>, field: impl Into<InRow<T>>) -> Job {
        let column = self.column(column);
        let at = self.at(field.into());
        self.step(Reseal { column, at })
    }

    /// Turns values of one field into values of another: under a new label, of a new type, or bound to a new context.
    /// Values that already open as the new field stay. The errors of `convert` show in problems, so they must never
    /// repeat the value.
    #[must_use]
    pub fn relabel<Old, New, E>(
        mut self,
        column: impl Into<String>,
        old: impl Into<InRow<Old>>,
        new: impl Into<InRow<New>>,
        convert: impl Fn(&Old) -> Result<New, E> + Send + Sync + 'static,
    ) -> Job
    where
        Old: PersonalData + 'static,
        New: PersonalData + 'static,
        E: Display,
    {
        let column = self.column(column);
        let (old, new) = (self.at(old.into()), self.at(new.into()));
        let convert = Box::new(move |old: &Old| convert(old).map_err(|rule| rule.to_string()));
        self.step(Relabel { column, old, new, convert })
    }

    /// Fills a column of tokens from a column of sealed values. The job makes a token if it is missing, if it is of an
    /// older epoch, or if an earlier step of the job changed the value. A token beside NULL becomes NULL. All other
    /// tokens stay, and their values are not opened: the application keeps tokens right when it changes values, and
    /// [`verify_indexes`](Job::verify_indexes) finds where it did not.
    #[must_use]
    pub fn index<T: PersonalData + 'static>(
        self,
        tokens: impl Into<String>,
        from: impl Into<String>,
        index: Index<T>,
    ) -> Job {
        self.index_within(tokens, from, index, index.field())
    }

    /// Fills a column of tokens, as [`index`](Job::index) does, from values that are bound to a context:
    /// `InRow::new(EMAIL).within_column("id")`.
    #[must_use]
    pub fn index_within<T: PersonalData + 'static>(
        mut self,
        tokens: impl Into<String>,
        from: impl Into<String>,
        index: Index<T>,
        field: impl Into<InRow<T>>,
    ) -> Job {
        let columns = vec![self.column(tokens)];
        let from = self.column(from);
        let at = self.at(field.into());
        self.step(Tokens { columns, from, source: Source::Column(at, None), index })
    }

    /// Fills a column of tokens, as [`index`](Job::index) does, from values in plaintext or sealed. Run it before the
    /// column is sealed: from then on the application can search by token, and tokens can be UNIQUE. The job makes
    /// tokens of plaintext anew each time, since a program without tokens may have changed the plaintext.
    #[must_use]
    pub fn index_plaintext<T>(mut self, tokens: impl Into<String>, from: impl Into<String>, index: Index<T>) -> Job
    where
        T: PersonalData + FromStr + 'static,
        T::Err: Display,
    {
        let columns = vec![self.column(tokens)];
        let from = self.column(from);
        let at = At { field: index.field(), context: None };
        self.step(Tokens { columns, from, source: Source::Column(at, Some(of_type())), index })
    }

    /// Fills two columns of tokens, one for even and one for odd epochs, as [`pair_of`](super::pair_of) does. With two
    /// columns, tokens stay unique while the epoch changes: see [the crate](crate#unique-tokens).
    #[must_use]
    pub fn index_pair<T: PersonalData + 'static>(
        mut self,
        even_and_odd: [&str; 2],
        from: impl Into<String>,
        index: Index<T>,
    ) -> Job {
        let columns = even_and_odd.into_iter().map(|name| self.column(name)).collect();
        let from = self.column(from);
        let at = At { field: index.field(), context: None };
        self.step(Tokens { columns, from, source: Source::Column(at, None), index })
    }

    /// Opens each value and compares it with its token, and makes the token anew if it belongs to a different value.
    /// Such a row comes from an update that writes the value and forgets the token: a search finds it by the old value
    /// only. `left_behind` names these rows too.
    #[must_use]
    pub fn verify_indexes(mut self) -> Job {
        self.verifies = true;
        self
    }

    /// Sets the tokens of shredded customers to NULL: those shredded in the purpose of the index.
    #[must_use]
    pub fn forget_tokens<T: PersonalData>(mut self, tokens: impl Into<String>, index: Index<T>) -> Job {
        let column = self.column(tokens);
        self.step(ForgetTokens { column, purpose: index.field().purpose() })
    }

    /// The largest batch in rows, 1 to 10 000; the default is 500. The rows of a batch are locked while the job works
    /// on it: about 20 microseconds for each row and value (a hundred times that in a debug build), and the time of the
    /// database. [`batch_time`](Job::batch_time) may end a batch earlier.
    #[must_use]
    pub fn batch(mut self, rows: usize) -> Job {
        self.batch = rows.clamp(1, MOST_BATCH);
        self
    }

    /// How long a batch may hold its locks; the default is 250 milliseconds. After two fifths of this time the job
    /// works on no more rows. After four fifths it writes no more, reads back what it wrote, and commits. A batch has
    /// at least one row, and one slow statement can make it longer.
    #[must_use]
    pub fn batch_time(mut self, time: Duration) -> Job {
        self.batch_time = time;
        self
    }

    /// How long the job leaves the database free after its batches have held locks for one
    /// [`batch_time`](Job::batch_time). On SQLite the default is 100 milliseconds: a writer that waits asks at most
    /// that far apart whether the file is free, so a busy timeout of half a second is enough. On other databases the
    /// default is no pause: only the rows of a batch are locked, and a writer that waits for a row comes next.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Job {
        self.pause = Some(pause);
        self
    }

    /// How many rows may have a problem before the job stops; the default is none. The job leaves such rows as they
    /// are, and lists them in the [`Report`](super::Report).
    #[must_use]
    pub fn tolerate(mut self, problems: usize) -> Job {
        self.tolerated = problems;
        self
    }

    /// Goes on after the row of this [bookmark](super::Progress::bookmark). Without a bookmark the job looks at every
    /// row again. With one, it skips rows before the bookmark, even those that were written since; `left_behind` always
    /// looks at all rows.
    #[must_use]
    pub fn resume_after(mut self, bookmark: &str) -> Job {
        match self.key.read(bookmark) {
            Some(key) => self.after = Some(key),
            None => self.refuse(format!(
                "the bookmark is not a key of the kind {:?}; take it from this job's progress",
                self.key.0
            )),
        }
        self
    }

    pub(super) fn check(&self) -> Result<(), JobError> {
        match &self.invalid {
            Some(what) => Err(JobError::Invalid { what: what.clone() }),
            None if self.steps.is_empty() && !self.enrolls => {
                Err(JobError::Invalid { what: "the job has no step; name at least one, such as `seal`".into() })
            }
            None => Ok(()),
        }
    }

    /// Columns that are no keys and hold numbers in decimal digits, by PostgreSQL's names of types, and number keys.
    pub(super) fn numbers<'t>(&self, kind_of: impl Fn(Column) -> Option<&'t str>) -> Vec<Column> {
        let columns = self.columns.iter().enumerate().map(|(at, selected)| (Column(at), selected));
        let numbers = columns.filter(|(column, selected)| match self.key.0.get(column.0.wrapping_sub(Column::KEY.0)) {
            Some(kind) => *kind == Key::Number,
            None => !selected.is_context && kind_of(*column) == Some("numeric"),
        });
        numbers.map(|(column, _)| column).collect()
    }

    /// A column that a step writes sealed values to must be of a type that can hold them.
    #[cfg_attr(not(feature = "sqlx"), allow(dead_code))]
    pub(super) fn check_types<'t>(&self, kind_of: impl Fn(Column) -> Option<&'t str>) -> Result<(), JobError> {
        for column in self.steps.iter().filter_map(|step| step.puts_into()) {
            if let Some(kind @ ("json" | "jsonb" | "numeric" | "bigint" | "integer" | "smallint")) = kind_of(column) {
                let name = self.name_of(column);
                let what = format!(
                    "column {name:?} has the type {kind}, which cannot hold sealed values; let the job seal into another column"
                );
                return Err(JobError::Invalid { what });
            }
        }
        Ok(())
    }

    pub(super) fn name_of(&self, column: Column) -> &str {
        self.columns.get(column.0).map_or("", |selected| selected.name.as_str())
    }

    /// The column at this place among those selected holds what no cell can.
    pub(super) fn unsupported(&self, at: usize) -> JobError {
        JobError::Unsupported { column: self.name_of(Column(at)).to_owned() }
    }

    pub(super) fn step(mut self, step: impl Step + 'static) -> Job {
        self.steps.push(Box::new(step));
        self
    }

    pub(super) fn at<T: PersonalData>(&mut self, field: InRow<T>) -> At<T> {
        let (field, context) = field.into_parts();
        let context = context.map(|name| self.select(Selected { name, is_context: true }));
        At { field, context }
    }

    /// A column that steps may write.
    pub(super) fn column(&mut self, name: impl Into<String>) -> Column {
        let selected = Selected { name: name.into(), is_context: false };
        let column = self.select(selected);
        if column.0 <= self.key.len() {
            self.refuse(format!(
                "column {:?} is the key or the customer number, and a job does not change it",
                self.name_of(column)
            ));
        }
        column
    }

    pub(super) fn select(&mut self, selected: Selected) -> Column {
        if let Some(at) = self.columns.iter().position(|known| *known == selected) {
            return Column(at);
        }
        self.check_name(&selected.name);
        self.columns.push(selected);
        Column(self.columns.len().saturating_sub(1))
    }

    fn check_name(&mut self, name: &str) {
        // PostgreSQL's limit is 63 bytes, MySQL's 64 characters.
        if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
            self.refuse(format!(
                "{name:?} is not a name of a table or column; a name has 1 to 64 bytes and no control characters"
            ));
        }
    }

    pub(super) fn refuse(&mut self, what: String) {
        self.invalid.get_or_insert(what);
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Job({:?}", self.table)?;
        let steps = self.steps.iter();
        steps.map(|step| self.name_of(step.column())).try_for_each(|name| write!(f, ", {name:?}"))?;
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!(Job::on("shop.customers", ("id", Key::Integer), "no").enroll().check().is_ok());
        for bad in ["", "a\0b", "a.", &"x".repeat(65)] {
            assert!(Job::on(bad, ("id", Key::Integer), "no").enroll().check().is_err(), "{bad:?}");
        }
        assert!(Job::on("t", ("id", Key::Integer), "no").check().is_err(), "nothing to do");
        let no_key: [(&str, Key); 0] = [];
        assert!(Job::on("t", no_key, "no").enroll().check().is_err());
        assert!(Job::on("t", [("id", Key::Integer), ("id", Key::Integer)], "no").enroll().check().is_err());
        assert!(Job::on("t", ("no", Key::Integer), "no").enroll().check().is_ok());
        assert!(Job::on("t", ("id", Key::Integer), "no").enroll().resume_after("x").check().is_err());
    }
}
