//! The application's tables, as its records declare them.

use oubliette::{
    Purpose,
    fields::{FieldInfo, FieldKind},
};

/// One table of the application, and what its columns hold: the `FIELDS` of the record that the table stores.
///
/// ```
/// use oubliette_register::access::{Binding, Table};
/// use oubliette::personal::{Email, Text};
/// use oubliette::{CustomerId, Field, Personal, Purpose};
///
/// const ORDERS: Purpose = Purpose::new("orders");
/// const EMAIL: Field<Email> = ORDERS.field("email");
/// const NOTE: Field<Text> = ORDERS.field("note");
///
/// #[derive(Personal)]
/// #[personal(purpose = ORDERS, sealed = SealedOrder)]
/// struct Order {
///     #[personal(customer)]
///     no: CustomerId,
///     #[personal(plain)]
///     id: i32,
///     #[personal(seal = EMAIL)]
///     email: Email,
///     #[personal(seal = NOTE, context = id)]
///     note: Text,
/// }
///
/// // `no` is called `customer_no` in the database, and what `id` binds are the four bytes of an `i32`.
/// let orders = Table::new("orders", Order::FIELDS).renamed("no", "customer_no").binding("id", Binding::Integer(4));
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    name: String,
    columns: Vec<Column>,
    invalid: Option<String>,
}

/// One column of a table, or a field within a group's column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// Its name in the database; of a field within a group, which has no column of its own, the record's name of it.
    pub(crate) name: String,
    pub(crate) info: FieldInfo,
    pub(crate) binding: Binding,
}

/// Which bytes of a column a sealed value is bound to, when the record names it as `context`.
///
/// [`Table`] has an example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Binding {
    /// Eight bytes of an integer, most significant first; text and bytes as they are. So bind an `oubliette_jobs::Job`,
    /// and a record with an `i64`, a `u64`, a `String`, a `Vec<u8>`, or a `Uuid` stored as bytes or as PostgreSQL's
    /// `uuid`.
    #[default]
    AsStored,
    /// An integer of so many bytes, 1, 2, 4, 8 or 16: so binds a record with a `u8` to `i128`.
    Integer(u8),
    /// The 16 bytes of a `Uuid` that is stored as text.
    UuidInText,
}

fn is_known(kind: FieldKind) -> bool {
    use FieldKind::{Customer, Group, Member, Plain, Sealed, Token};
    matches!(kind, Customer { .. } | Sealed { .. } | Group { .. } | Member { .. } | Token { .. } | Plain)
}

impl Table {
    /// A table (`customers`, or `shop.customers`) that stores the record with these `FIELDS`. Its columns have the
    /// names of the record's fields.
    #[must_use]
    pub fn new(name: impl Into<String>, fields: &[FieldInfo]) -> Table {
        let columns =
            fields.iter().map(|info| Column { name: info.column.to_owned(), info: *info, binding: Binding::AsStored });
        let mut table = Table { name: name.into(), columns: columns.collect(), invalid: None };
        let names: Vec<String> = table.name.split('.').map(str::to_owned).collect();
        names.iter().for_each(|name| table.check_name(name));
        if !table.columns.iter().any(|column| matches!(column.info.kind, FieldKind::Customer { own: true, .. })) {
            table.refuse("has no customer's number of its own");
        }
        let is_group = |of: &str| {
            table
                .columns
                .iter()
                .any(|other| matches!(other.info.kind, FieldKind::Group { .. }) && other.info.column == of)
        };
        let astray = table.columns.iter().find_map(|column| match column.info.kind {
            FieldKind::Member { of, .. } if !is_group(of) => Some((column.name.clone(), of)),
            _ => None,
        });
        if let Some((name, of)) = astray {
            table.refuse(&format!("has the field {name:?} in {of:?}, which is no group's column"));
        }
        // One that a newer vault declares must not be left out in silence.
        if table.columns.iter().any(|column| !is_known(column.info.kind)) {
            table.refuse("has a column of a kind that this version does not know");
        }
        table
    }

    /// Says that the record's field `column` is called `name` in the database.
    #[must_use]
    pub fn renamed(mut self, column: &str, name: impl Into<String>) -> Table {
        let name = name.into();
        self.check_name(&name);
        if let Some(found) = self.column_mut(column) {
            found.name = name;
        }
        self
    }

    /// Says which bytes of the record's field `column` values are bound to.
    #[must_use]
    pub fn binding(mut self, column: &str, binding: Binding) -> Table {
        if let Binding::Integer(bytes) = binding
            && !matches!(bytes, 1 | 2 | 4 | 8 | 16)
        {
            self.refuse("binds an integer that has not 1, 2, 4, 8 or 16 bytes");
        }
        if let Some(found) = self.column_mut(column) {
            found.binding = binding;
        }
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is wrong with the declaration.
    pub(crate) fn fault(&self) -> Option<String> {
        // Looked for last of all, since two columns may swap their names.
        let mut names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        names.sort_unstable();
        let twice = names.iter().zip(names.iter().skip(1)).find(|(one, next)| one == next);
        let twice = twice.map(|(name, _)| format!("table {:?} has two columns of the name {name:?}", self.name));
        self.invalid.clone().or(twice)
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The fields within the group that is in this column.
    pub(crate) fn members<'t>(&'t self, group: &'t Column) -> impl Iterator<Item = &'t Column> {
        let is_in =
            |column: &&Column| matches!(column.info.kind, FieldKind::Member { of, .. } if of == group.info.column);
        self.columns.iter().filter(is_in)
    }

    /// By the name of the record's field.
    pub(crate) fn column(&self, field: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.info.column == field)
    }

    /// The column with the numbers that values of a purpose go by: the record's own unless it declares another.
    pub(crate) fn number_of(&self, purpose: Purpose) -> Option<&Column> {
        let declared = self.columns.iter().find(|column| match column.info.kind {
            FieldKind::Customer { purpose: of, .. } => of == purpose,
            _ => false,
        });
        declared.or_else(|| self.own_number())
    }

    pub(crate) fn own_number(&self) -> Option<&Column> {
        self.columns.iter().find(|column| matches!(column.info.kind, FieldKind::Customer { own: true, .. }))
    }

    fn column_mut(&mut self, field: &str) -> Option<&mut Column> {
        let at = self.columns.iter().position(|column| column.info.column == field);
        if at.is_none() {
            self.refuse(&format!("has no column {field:?}"));
        }
        self.columns.get_mut(at?)
    }

    fn check_name(&mut self, name: &str) {
        // PostgreSQL's limit is 63 bytes.
        if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
            self.refuse(&format!("has {name:?} for a name: 1 to 64 bytes, no control characters"));
        }
    }

    fn refuse(&mut self, what: &str) {
        self.invalid.get_or_insert_with(|| format!("table {:?} {what}", self.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oubliette::personal::Email;

    const ORDERS: Purpose = Purpose::new("orders");
    const NEWS: Purpose = Purpose::new("newsletter");
    const FIELDS: &[FieldInfo] = &[
        FieldInfo::customer("news_no", NEWS, false),
        FieldInfo::customer("no", ORDERS, true),
        FieldInfo::plain("id"),
        FieldInfo::sealed::<Email>("email", ORDERS.field("email"), Some("id")),
    ];

    #[test]
    fn values_go_by_the_number_of_their_purpose() {
        let table = Table::new("customers", FIELDS).renamed("no", "customer_no");
        let number = |purpose| table.number_of(purpose).map(|column| column.name.as_str());
        assert_eq!(
            [ORDERS, NEWS, Purpose::new("other")].map(number),
            [Some("customer_no"), Some("news_no"), Some("customer_no")]
        );
        assert_eq!(table.fault(), None);
    }

    #[test]
    fn a_declaration_that_cannot_be_is_told() {
        let faults = [
            Table::new("", FIELDS),
            Table::new("shop.", FIELDS),
            Table::new("customers", &[FieldInfo::plain("id")]),
            Table::new("customers", FIELDS).renamed("nothing", "x"),
            Table::new("customers", FIELDS).renamed("id", "a\0b"),
            Table::new("customers", FIELDS).renamed("id", "email"),
            Table::new("customers", FIELDS).binding("id", Binding::Integer(3)),
            Table::new("customers", FIELDS).binding("nothing", Binding::UuidInText),
            Table::new(
                "customers",
                &[FIELDS[1], FIELDS[2], FieldInfo::member::<Email>("email", "id", ORDERS.field("email"))],
            ),
        ];
        for table in faults {
            assert!(table.fault().is_some_and(|fault| fault.starts_with("table")), "{table:?}");
        }
        assert_eq!(Table::new("shop.customers", FIELDS).binding("id", Binding::Integer(4)).fault(), None);
        assert_eq!(Table::new("customers", FIELDS).renamed("id", "email").renamed("email", "id").fault(), None);
    }
}
