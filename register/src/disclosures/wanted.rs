//! What is to be handed out, to whom.

use std::fmt::{self, Display};

use oubliette::personal::PersonalData;
use oubliette::{
    Field, Purpose,
    fields::{FieldId, FieldKind},
};
use zeroize::Zeroizing;

use crate::access::table::Column;
use crate::access::{AccessError, Table};
use crate::answers::{DeclaredTables, Only};

/// Which data of a customer to hand to a recipient.
///
/// ```
/// use oubliette::personal::{Address, Name};
/// use oubliette_register::Disclosure;
/// use oubliette::{Field, Purpose};
///
/// const ORDERS: Purpose = Purpose::new("orders");
/// const NAME: Field<Name> = ORDERS.field("name");
/// const ADDRESS: Field<Address> = ORDERS.field("address");
///
/// // The name and address of one order, and its number.
/// let label = Disclosure::to("carrier").field(NAME).field(ADDRESS).column("orders", "id").only("orders", "id", 4711);
/// ```
#[derive(Clone)]
pub struct Disclosure {
    pub(super) recipient: String,
    wanted: Vec<Wanted>,
    pub(super) only: Vec<Only>,
}

#[derive(Clone)]
enum Wanted {
    /// A field, in every table that has it.
    Field(FieldId),
    Column {
        table: String,
        column: String,
    },
}

impl Disclosure {
    /// Names the recipient as its grants do.
    #[must_use]
    pub fn to(recipient: impl Into<String>) -> Disclosure {
        Disclosure { recipient: recipient.into(), wanted: Vec::new(), only: Vec::new() }
    }

    /// Adds a field, from every table that has it.
    #[must_use]
    pub fn field<T: PersonalData>(mut self, field: Field<T>) -> Disclosure {
        self.wanted.push(Wanted::Field(field.into()));
        self
    }

    /// Adds a column, sealed or plain, by its name in the database; a field within a group goes by its name in the
    /// record. A plain column belongs to the purpose of its record.
    #[must_use]
    pub fn column(mut self, table: impl Into<String>, column: impl Into<String>) -> Disclosure {
        self.wanted.push(Wanted::Column { table: table.into(), column: column.into() });
        self
    }

    /// Takes only the rows of this table whose column has this value, compared as text. Use it once for each table.
    #[must_use]
    pub fn only(mut self, table: impl Into<String>, column: impl Into<String>, is: impl Display) -> Disclosure {
        let is = Zeroizing::new(is.to_string());
        self.only.push(Only { table: table.into(), column: column.into(), is });
        self
    }

    pub(super) fn is_wanted(&self, table: &Table, column: &Column) -> bool {
        self.wanted.iter().any(|wanted| wanted.is(table, column))
    }

    /// Refuses what no table has: it would be left out in silence.
    pub(super) fn check(&self, declared: &DeclaredTables) -> Result<(), AccessError> {
        let invalid = |what: String| Err(AccessError::Invalid { what });
        if self.wanted.is_empty() {
            return invalid("a disclosure names fields or columns".into());
        }
        for wanted in &self.wanted {
            let mut found = declared.tables.iter().flat_map(|table| table.columns().iter().map(move |it| (table, it)));
            if !found.any(|(table, column)| wanted.is(table, column) && purpose_of(table, column).is_some()) {
                return invalid(format!("no table that was declared has {wanted} to hand out"));
            }
        }
        for (at, only) in self.only.iter().enumerate() {
            let table = declared.tables.iter().find(|table| table.name() == only.table);
            let column = table.and_then(|table| table.columns().iter().find(|column| column.name == only.column));
            let is_plain = column.is_some_and(|column| column.info.kind == FieldKind::Plain);
            if !is_plain || self.only.iter().skip(at + 1).any(|other| other.table == only.table) {
                return invalid(format!(
                    "rows of {:?} are chosen by one column that is stored as it is, and not by {:?}",
                    only.table, only.column
                ));
            }
        }
        Ok(())
    }
}

impl Wanted {
    fn is(&self, table: &Table, column: &Column) -> bool {
        match self {
            Wanted::Field(field) => column.info.field_id() == Some(*field),
            Wanted::Column { table: of, column: name } => of == table.name() && *name == column.name,
        }
    }
}

impl Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wanted::Field(field) => write!(f, "the field {}/{}", field.purpose(), field.label()),
            Wanted::Column { table, column } => write!(f, "{table}.{column}"),
        }
    }
}

/// `None` for numbers and tokens, which are nobody else's business, and for a whole group, which may hold more than is known.
pub(super) fn purpose_of(table: &Table, column: &Column) -> Option<Purpose> {
    match (column.info.kind, table.own_number()?.info.kind) {
        (FieldKind::Sealed { purpose, .. } | FieldKind::Member { purpose, .. }, _)
        | (FieldKind::Plain, FieldKind::Customer { purpose, .. }) => Some(purpose),
        _ => None,
    }
}

impl fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted: Vec<String> = self.wanted.iter().map(ToString::to_string).collect();
        write!(f, "Disclosure(to {:?}, {wanted:?})", self.recipient)
    }
}
