//! Fields whose names and types are known only at run time: the configuration says them.

use oubliette::personal::{Canonical, CanonicalForm, Json, PersonalData};
use oubliette::{
    Bits, Field, Group, Index,
    fields::{FieldInfo, FieldKind},
};
use oubliette_register::access::Binding;

use crate::config::{Column, Form, IndexColumn};
use crate::context::purpose;
use crate::exit::{Exit, Failure};

/// Does the same for whichever of the crate's types a column holds. A type of the application's own has its reader and
/// its padding in the application, and only there.
macro_rules! with_type {
    ($column:expr, $T:ident => $work:expr) => {
        match $column.kind.strip_prefix("obl.").unwrap_or(&$column.kind) {
            "email" => {
                type $T = oubliette::personal::Email;
                $work
            }
            "name" => {
                type $T = oubliette::personal::Name;
                $work
            }
            "phone" => {
                type $T = oubliette::personal::Phone;
                $work
            }
            "address" => {
                type $T = oubliette::personal::Address;
                $work
            }
            "date" => {
                type $T = oubliette::personal::Date;
                $work
            }
            "text" => {
                type $T = oubliette::personal::Text;
                $work
            }
            "json" => {
                type $T = oubliette::personal::Json<serde_json::Value>;
                $work
            }
            _ => Err($crate::fields::unknown_type($column)),
        }
    };
}
pub(crate) use with_type;

pub fn unknown_type(column: &Column) -> Failure {
    let Column { table, column, kind, .. } = column;
    Failure::new(
        Exit::Config,
        format!(
            "{table}.{column} is of the type {kind:?}; this command knows email, name, phone, address, date, text and json"
        ),
    )
}

/// A column's field.
pub fn field<T: PersonalData>(column: &Column) -> Result<Field<T>, Failure> {
    purpose(&column.purpose)?.try_field(column.label.clone().leak()).map_err(|error| wrong(column, &error))
}

/// The group that a column's field is in, if it is in one.
pub fn group(column: &Column) -> Result<Option<Group>, Failure> {
    let Some(label) = &column.group else { return Ok(None) };
    let group = purpose(&column.purpose)?.try_group(label.clone().leak());
    group.map(Some).map_err(|error| wrong(column, &error))
}

/// What the command can do with a type: make its tokens, if it has a canonical form.
pub trait Kind: PersonalData + Sized + 'static {
    fn form(form: Form) -> Option<fn(&Self) -> CanonicalForm>;
}

macro_rules! kinds {
    ($($canonical:ident)*) => {
        $(
            impl Kind for oubliette::personal::$canonical {
                fn form(form: Form) -> Option<fn(&Self) -> CanonicalForm> {
                    Some(match form {
                        Form::Canonical => Canonical::canonical_form,
                        Form::Wide => Canonical::wide_form,
                    })
                }
            }
        )*
    };
}

kinds! { Email Name Phone Address Date Text }

impl Kind for Json<serde_json::Value> {
    fn form(_: Form) -> Option<fn(&Self) -> CanonicalForm> {
        None
    }
}

/// One of a column's indexes, on the whole value.
pub fn index<T: Kind>(column: &Column, index: &IndexColumn) -> Result<Index<T>, Failure> {
    let failed = |what: &str| Failure::new(Exit::Config, format!("{}.{}: {what}", column.table, column.column));
    let form = T::form(index.form).ok_or_else(|| failed("JSON has no canonical form, and so no index"))?;
    let bits = Bits::try_new(index.bits).ok_or_else(|| failed("an index keeps 1 to 256 bits"))?;
    field::<T>(column)?.try_index(index.label.clone().leak(), bits, form).map_err(|error| wrong(column, &error))
}

/// The column's only index, or the one that was named.
pub fn index_of(column: &Column) -> Result<&IndexColumn, Failure> {
    let name = format!("{}.{}", column.table, column.name());
    match column.index.as_slice() {
        [index] => Ok(index),
        [] => Err(Failure::usage(format!("the configuration gives {name} no index"))),
        several => {
            let names: Vec<String> = several.iter().map(|index| format!("{name}:{}", index.label)).collect();
            Err(Failure::usage(format!("{name} has several indexes; name one of them: {}", names.join(", "))))
        }
    }
}

fn wrong(column: &Column, error: &oubliette::InvalidName) -> Failure {
    Failure::new(Exit::Config, format!("{}.{}: {error}", column.table, column.column))
}

/// A table's columns, as the library's records would declare them.
pub fn columns(table: &crate::config::Table) -> Result<Vec<FieldInfo>, Failure> {
    let mut columns = vec![FieldInfo::customer(leak(&table.number), purpose(&table.purpose)?, true)];
    for (name, column) in &table.numbers {
        columns.push(FieldInfo::customer(leak(column), purpose(name)?, false));
    }
    columns.extend(table.plain.iter().map(|column| FieldInfo::plain(leak(column))));
    for column in table.columns() {
        with_type!(&column, T => sealed::<T>(&column, &mut columns))?;
    }
    Ok(columns)
}

/// A table as the library's records would declare it.
pub fn table(table: &crate::config::Table) -> Result<oubliette_register::access::Table, Failure> {
    let mut made = oubliette_register::access::Table::new(table.table.clone(), &columns(table)?);
    for column in &table.columns {
        if let (Some(context), Some(bytes)) = (&column.context, column.context_bytes) {
            made = made.binding(context, Binding::Integer(bytes));
        }
    }
    Ok(made)
}

fn sealed<T: Kind>(column: &Column, columns: &mut Vec<FieldInfo>) -> Result<(), Failure> {
    let (name, context) = (leak(column.name()), column.context.as_deref().map(leak));
    let field = field::<T>(column)?;
    match group(column)? {
        None => columns.push(FieldInfo::sealed(name, field, context)),
        Some(group) => {
            let of = leak(&column.column);
            let info = FieldInfo::group(of, group, context);
            match columns.iter().find(|known| known.column == of && matches!(known.kind, FieldKind::Group { .. })) {
                None => columns.push(info),
                Some(known) if *known == info => {}
                Some(_) => {
                    let message = "its entries differ in `purpose`, `group` or `context`, and it is one value";
                    return Err(Failure::new(Exit::Config, format!("{}.{}: {message}", column.table, column.column)));
                }
            }
            columns.push(FieldInfo::member(name, of, field));
        }
    }
    for tokens in &column.index {
        columns.push(FieldInfo::token(leak(&tokens.column), name, index::<T>(column, tokens)?));
    }
    Ok(())
}

/// Names of the configuration, which live as long as the program: a run reads it once.
fn leak(name: impl AsRef<str>) -> &'static str {
    name.as_ref().to_owned().leak()
}
