//! What the register needs of a database: two calls, transactions, and the few words in which two of them differ.

use std::borrow::Cow;
use std::future::Future;

use super::error::RegisterError;

/// Whose SQL it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
}

impl Dialect {
    /// One of the register's own statements, in which parameters are `?1`, `?2`, and rows are locked where they can be.
    pub(crate) fn own(self, statement: &'static str) -> Cow<'static, str> {
        match self {
            // Its transaction has the whole file.
            Dialect::Sqlite if statement.contains(" FOR UPDATE") => {
                statement.replace(" FOR UPDATE SKIP LOCKED", "").replace(" FOR UPDATE", "").into()
            }
            Dialect::Sqlite => statement.into(),
            #[cfg(feature = "postgres")]
            Dialect::Postgres => statement.replace('?', "$").into(),
        }
    }

    /// The name of a table or a column of the application's; a table may be `schema.table`.
    ///
    /// SQLite takes a name in double quotes that is no column's for a text; in backquotes it is an error.
    pub(crate) fn quoted(self, name: &str) -> String {
        let quote = match self {
            Dialect::Sqlite => '`',
            #[cfg(feature = "postgres")]
            Dialect::Postgres => '"',
        };
        let mut quoted = String::from(quote);
        for c in name.chars() {
            quoted.extend(std::iter::repeat_n(c, if c == quote { 2 } else { 1 }));
        }
        quoted.push(quote);
        quoted
    }

    pub(crate) fn quoted_table(self, table: &str) -> String {
        table.split('.').map(|part| self.quoted(part)).collect::<Vec<_>>().join(".")
    }

    pub(crate) fn parameter(self, number: usize) -> String {
        match self {
            Dialect::Sqlite => format!("?{number}"),
            #[cfg(feature = "postgres")]
            Dialect::Postgres => format!("${number}"),
        }
    }

    /// `?1, ?2, ?3`, from a first number on.
    pub(crate) fn parameters(self, first: usize, count: usize) -> String {
        let numbers = first..first.saturating_add(count);
        numbers.map(|number| self.parameter(number)).collect::<Vec<_>>().join(", ")
    }
}

/// What a statement is given. NULL has a type as well, since PostgreSQL asks for it.
#[derive(Clone)]
pub(crate) enum Value {
    Integer(Option<i64>),
    Text(Option<String>),
    /// What SQLite calls a text, and is not UTF-8: only ever read, from a damaged cell.
    NotUtf8(Vec<u8>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Integer(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Value {
        Value::Integer(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(Some(text))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Value {
        Value::Text(text)
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Value {
        Value::Text(text.map(str::to_owned))
    }
}

/// `values![a, b]`: what a statement is given.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::database::Value::from($value)),*] };
}
pub(crate) use values;

/// A row that was read. Without `Debug`: it may name a person.
pub(crate) struct Row(pub(crate) Vec<Value>);

impl Row {
    pub(crate) fn integer(&self, at: usize) -> Result<i64, RegisterError> {
        self.maybe_integer(at)?.ok_or(RegisterError::NotOurs { what: "a NULL where a number belongs" })
    }

    pub(crate) fn maybe_integer(&self, at: usize) -> Result<Option<i64>, RegisterError> {
        match self.0.get(at) {
            Some(Value::Integer(number)) => Ok(*number),
            Some(Value::Text(None)) => Ok(None),
            _ => Err(RegisterError::NotOurs { what: "a text where a number belongs" }),
        }
    }

    pub(crate) fn text(&self, at: usize) -> Result<&str, RegisterError> {
        self.maybe_text(at)?.ok_or(RegisterError::NotOurs { what: "a NULL where a text belongs" })
    }

    pub(crate) fn maybe_text(&self, at: usize) -> Result<Option<&str>, RegisterError> {
        match self.0.get(at) {
            Some(Value::Text(text)) => Ok(text.as_deref()),
            Some(Value::Integer(None)) => Ok(None),
            Some(Value::NotUtf8(_)) => Err(RegisterError::NotOurs { what: "a text that is not UTF-8" }),
            _ => Err(RegisterError::NotOurs { what: "a number where a text belongs" }),
        }
    }
}

/// A connection, or what stands for one. Futures of SQLite's wait for nothing.
pub(crate) trait Database {
    const DIALECT: Dialect;

    /// Rows changed.
    fn run_made(
        &mut self,
        sql: Cow<'static, str>,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<u64, RegisterError>>;

    fn rows_made(
        &mut self,
        sql: Cow<'static, str>,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<Vec<Row>, RegisterError>>;

    /// Changes rows, by one of the register's own statements.
    fn run(&mut self, statement: &'static str, values: Vec<Value>) -> impl Future<Output = Result<u64, RegisterError>> {
        self.run_made(Self::DIALECT.own(statement), values)
    }

    /// Reads rows, by one of the register's own statements.
    fn rows(
        &mut self,
        statement: &'static str,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<Vec<Row>, RegisterError>> {
        self.rows_made(Self::DIALECT.own(statement), values)
    }
}

/// A connection that nobody else has a transaction on. Between two transactions each statement is one of its own; an
/// error or a drop in the middle of one rolls it back.
pub(crate) trait Transactions: Database {
    fn begin(&mut self) -> impl Future<Output = Result<(), RegisterError>>;

    /// Begins what may be lost to a power cut, whole, since whoever comes next does it again: its commit need not wait for
    /// the disk.
    fn begin_what_can_be_redone(&mut self) -> impl Future<Output = Result<(), RegisterError>>;

    fn commit(&mut self) -> impl Future<Output = Result<(), RegisterError>>;

    fn roll_back(&mut self) -> impl Future<Output = Result<(), RegisterError>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_put_into_the_words_of_each_database() {
        let statement = "SELECT id FROM t WHERE a = ?1 AND b = ?2 FOR UPDATE";
        assert_eq!(Dialect::Sqlite.own(statement), "SELECT id FROM t WHERE a = ?1 AND b = ?2");
        assert_eq!(Dialect::Sqlite.parameters(2, 3), "?2, ?3, ?4");
        #[cfg(feature = "postgres")]
        {
            assert_eq!(Dialect::Postgres.own(statement), "SELECT id FROM t WHERE a = $1 AND b = $2 FOR UPDATE");
            assert_eq!(Dialect::Postgres.quoted_table("a.b\"; DROP"), "\"a\".\"b\"\"; DROP\"");
        }
        assert_eq!(Dialect::Sqlite.quoted_table("a.b`; DROP"), "`a`.`b``; DROP`");
    }
}
