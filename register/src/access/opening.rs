//! One row, opened by what its table's declaration says.

use std::collections::BTreeSet;

use oubliette::{
    CustomerId, OpenError, ParseError, Purpose, Reader, Sealed,
    fields::{FieldId, FieldKind},
};

use super::groups;

use super::cell::Cell;
use super::error::AccessError;
use super::readers::{NotRead, Readers};
use super::table::{Column, Table};
use super::tree::Tree;

/// Whose rows are read: the numbers of one person, for all purposes.
pub(crate) type Numbers = BTreeSet<CustomerId>;

/// One row, as a document shows it: by purpose, and apart from those what is stored as it is and what was shredded.
pub(crate) struct Row {
    pub(crate) plain: Vec<(String, Tree)>,
    pub(crate) opened: Vec<(Purpose, Vec<(String, Tree)>)>,
    pub(crate) shredded: Vec<(Purpose, Vec<String>)>,
    /// Columns that could not be read, and why.
    pub(crate) damaged: Vec<(String, String)>,
}

/// Opens rows of one table.
pub(crate) struct Opening<'o> {
    pub(crate) reader: &'o Reader,
    pub(crate) readers: &'o Readers,
    pub(crate) table: &'o Table,
    pub(crate) whose: &'o Numbers,
    /// What is wrong with one value is marked in the row, and no error.
    pub(crate) marks_damaged: bool,
}

/// Whether all that tables declare can be opened and read, before anything is.
pub(crate) fn check(
    reader: &Reader,
    readers: &Readers,
    tables: &[Table],
    wanted: impl Fn(&Table, &Column) -> bool,
) -> Result<(), AccessError> {
    for (at, table) in tables.iter().enumerate() {
        if let Some(what) = table.fault() {
            return Err(AccessError::Invalid { what });
        }
        if tables.iter().skip(at + 1).any(|other| other.name() == table.name()) {
            return Err(AccessError::Invalid { what: format!("table {:?} is declared twice", table.name()) });
        }
        for column in table.columns().iter().filter(|column| wanted(table, column)) {
            let (FieldKind::Sealed { purpose, label, tag, .. } | FieldKind::Member { purpose, label, tag, .. }) =
                column.info.kind
            else {
                continue;
            };
            let (table, name) = (table.name().to_owned(), column.name.clone());
            if !readers.knows(tag) {
                let (purpose, tag) = (purpose.name(), tag.as_str());
                return Err(AccessError::UnknownType { table, column: name, purpose, label, tag });
            }
            if !reader.is_unlocked(purpose).map_err(|error| open_error(&table, column, error.into()))? {
                return Err(open_error(&table, column, OpenError::PurposeNotUnlocked { purpose: purpose.name() }));
            }
        }
    }
    Ok(())
}

pub(super) fn open_error(table: &str, column: &Column, source: OpenError) -> AccessError {
    AccessError::Open { table: table.to_owned(), column: column.name.clone(), source }
}

impl Opening<'_> {
    /// Opens what of the row is wanted and theirs. `stored` gives what a sealed, number or context column holds, `shown`
    /// what one that is stored as it is holds, both by the column's name in the database.
    pub(crate) fn row(
        &self,
        wanted: impl Fn(&Column) -> bool,
        stored: impl Fn(&Column) -> Cell,
        shown: impl Fn(&Column) -> Cell,
    ) -> Result<Row, AccessError> {
        let mut row = Row { plain: Vec::new(), opened: Vec::new(), shredded: Vec::new(), damaged: Vec::new() };
        let own = match self.table.own_number().map(|column| (column, self.number(column, &stored))) {
            Some((column, number)) => self.unless_damaged(&mut row, column, number)?.flatten(),
            None => None,
        };
        let is_theirs = own.is_some_and(|own| self.whose.contains(&own));
        for column in self.table.columns().iter().filter(|column| wanted(column)) {
            match column.info.kind {
                // Of a row that is another's the person has single values, and nothing else.
                FieldKind::Plain if is_theirs => {
                    let tree = shown(column).shown().ok_or_else(|| self.not_writable(column));
                    if let Some(tree) = self.unless_damaged(&mut row, column, tree)? {
                        row.plain.push((column.name.clone(), tree));
                    }
                }
                FieldKind::Sealed { purpose, context, .. } => {
                    let Some(field) = column.info.field_id() else { continue };
                    let value = self.value(column, field, context, &stored);
                    self.put(&mut row, column, purpose, value)?;
                }
                _ => {}
            }
        }
        for column in self.table.columns() {
            let FieldKind::Group { .. } = column.info.kind else { continue };
            let members: Vec<&Column> = self.table.members(column).filter(|member| wanted(member)).collect();
            if wanted(column) || !members.is_empty() {
                groups::open(self, &mut row, column, &members, wanted(column), &stored)?;
            }
        }
        Ok(row)
    }

    pub(super) fn put(
        &self,
        row: &mut Row,
        column: &Column,
        purpose: Purpose,
        value: Result<Value, AccessError>,
    ) -> Result<(), AccessError> {
        match self.unless_damaged(row, column, value)?.unwrap_or(Value::NotTheirs) {
            Value::NotTheirs => {}
            Value::Null => at(&mut row.opened, purpose).push((column.name.clone(), Tree::Null)),
            Value::Kept(tree) => at(&mut row.opened, purpose).push((column.name.clone(), tree)),
            Value::Shredded => at(&mut row.shredded, purpose).push(column.name.clone()),
        }
        Ok(())
    }

    /// Marks the column if that is wanted, and nothing but this one value is the matter.
    pub(super) fn unless_damaged<T>(
        &self,
        row: &mut Row,
        column: &Column,
        read: Result<T, AccessError>,
    ) -> Result<Option<T>, AccessError> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error) if self.marks_damaged && error.is_of_one_value() => {
                row.damaged.push((column.name.clone(), error.to_string()));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn value(
        &self,
        column: &Column,
        field: FieldId,
        context: Option<&str>,
        stored: &impl Fn(&Column) -> Cell,
    ) -> Result<Value, AccessError> {
        let (number, context, sealed) =
            match self.locate::<oubliette::personal::Plaintext>(column, field.purpose(), context, stored)? {
                Located::NotTheirs => return Ok(Value::NotTheirs),
                Located::Null => return Ok(Value::Null),
                Located::At { number, context, sealed } => (number, context, sealed),
            };
        match self.reader.open_encoded(number, field, context.as_deref(), &sealed) {
            Ok(opened) => self.read(column, field, number, opened.as_bytes()),
            Err(OpenError::Shredded { .. } | OpenError::Retired { .. }) => Ok(Value::Shredded),
            Err(source) => Err(open_error(self.table.name(), column, source)),
        }
    }

    /// A sealed value, whose it is, and what it is bound to.
    pub(super) fn locate<T>(
        &self,
        column: &Column,
        purpose: Purpose,
        context: Option<&str>,
        stored: &impl Fn(&Column) -> Cell,
    ) -> Result<Located<T>, AccessError> {
        let number = match self.table.number_of(purpose) {
            Some(numbers) => self.number(numbers, stored)?,
            None => None,
        };
        let sealed = self.sealed::<T>(column, &stored(column))?;
        // Beside no number it is the value itself that says whose it is; opening it shows whether that is true.
        let number = number.or_else(|| sealed.as_ref().map(Sealed::customer));
        let Some(number) = number.filter(|number| self.whose.contains(number)) else { return Ok(Located::NotTheirs) };
        let Some(sealed) = sealed else { return Ok(Located::Null) };
        let context = match context {
            None => None,
            Some(name) => {
                let bound = self.table.column(name).and_then(|bound| stored(bound).context(bound.binding));
                let missing =
                    || AccessError::Context { table: self.table.name().to_owned(), column: column.name.clone() };
                Some(bound.ok_or_else(missing)?)
            }
        };
        Ok(Located::At { number, context, sealed })
    }

    /// What a value was encoded as, as a document shows it.
    pub(super) fn read(
        &self,
        column: &Column,
        field: FieldId,
        number: CustomerId,
        encoded: &[u8],
    ) -> Result<Value, AccessError> {
        let Some(read) = self.readers.reader(field.tag()) else { return Err(self.not_writable(column)) };
        match read(encoded) {
            Ok(tree) => Ok(Value::Kept(tree)),
            Err(NotRead::NotWritable) => Err(self.not_writable(column)),
            Err(NotRead::Content) => {
                let source = OpenError::InvalidContent { at: field.of(number) };
                Err(open_error(self.table.name(), column, source))
            }
        }
    }

    fn number(&self, column: &Column, stored: &impl Fn(&Column) -> Cell) -> Result<Option<CustomerId>, AccessError> {
        let number = match stored(column) {
            Cell::Null => return Ok(None),
            Cell::Integer(number) => CustomerId::from_stored(number).ok(),
            _ => None,
        };
        let no_number = || AccessError::Number { table: self.table.name().to_owned(), column: column.name.clone() };
        number.map(Some).ok_or_else(no_number)
    }

    fn sealed<T>(&self, column: &Column, cell: &Cell) -> Result<Option<Sealed<T>>, AccessError> {
        let (table, name) = (self.table.name(), column.name.as_str());
        let content = match cell {
            Cell::Null => return Ok(None),
            Cell::Text(text) => text.as_bytes(),
            Cell::Bytes(bytes) => bytes,
            Cell::Integer(_) | Cell::Real(_) | Cell::Json(_) => {
                return Err(AccessError::NotSealed { table: table.to_owned(), column: name.to_owned() });
            }
        };
        // A driver may call one column's content text or bytes, by its collation.
        let parsed = match std::str::from_utf8(content) {
            Ok(text) if Sealed::<T>::looks_like(content) => text.parse(),
            Ok(_) => return Err(AccessError::NotSealed { table: table.to_owned(), column: name.to_owned() }),
            Err(_) => Sealed::from_bytes(content),
        };
        parsed.map(Some).map_err(|source: ParseError| {
            let (table, column) = (table.to_owned(), name.to_owned());
            AccessError::Unreadable { table, column, source }
        })
    }

    fn not_writable(&self, column: &Column) -> AccessError {
        AccessError::NotWritable { table: self.table.name().to_owned(), column: column.name.clone() }
    }
}

pub(super) enum Located<T> {
    /// Of the same row, and another person's.
    NotTheirs,
    Null,
    At {
        number: CustomerId,
        context: Option<Vec<u8>>,
        sealed: Sealed<T>,
    },
}

pub(super) enum Value {
    /// Of the same row, and another person's.
    NotTheirs,
    Null,
    Kept(Tree),
    /// Or of a key tree that was given up.
    Shredded,
}

fn at<T>(groups: &mut Vec<(Purpose, Vec<T>)>, purpose: Purpose) -> &mut Vec<T> {
    let at = groups.iter().position(|(known, _)| *known == purpose).unwrap_or_else(|| {
        groups.push((purpose, Vec::new()));
        groups.len() - 1
    });
    // It is there: found, or just pushed.
    #[allow(clippy::indexing_slicing)]
    &mut groups[at].1
}

impl Row {
    /// `{"in_clear": {column: value}, "opened": {purpose: {column: value}}, "shredded": {purpose: [column]}, "damaged":
    /// {column: why}}`, without those that would be empty.
    pub(crate) fn into_tree(self) -> Tree {
        let mut members = Vec::new();
        if !self.plain.is_empty() {
            members.push(("in_clear", Tree::Object(self.plain)));
        }
        if !self.opened.is_empty() {
            let opened = self.opened.into_iter().map(|(purpose, values)| (purpose.name(), Tree::Object(values)));
            members.push(("opened", Tree::object(opened)));
        }
        if !self.shredded.is_empty() {
            let shredded = self.shredded.into_iter().map(|(purpose, columns)| (purpose.name(), Tree::texts(columns)));
            members.push(("shredded", Tree::object(shredded)));
        }
        if !self.damaged.is_empty() {
            let damaged = self.damaged.into_iter().map(|(column, why)| (column, Tree::text(why)));
            members.push(("damaged", Tree::Object(damaged.collect())));
        }
        Tree::object(members)
    }
}
