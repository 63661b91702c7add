//! Fields that are sealed with others in one column.

use oubliette::{
    Members, OpenError,
    fields::{FieldId, FieldKind},
};

use super::cell::Cell;
use super::error::AccessError;
use super::opening::{Located, Opening, Row, Value, open_error};
use super::table::Column;

/// Opens those members of a group that are wanted. `whole`: all that is in the column is, and what the table does not declare
/// must not be left out in silence.
pub(super) fn open(
    opening: &Opening<'_>,
    row: &mut Row,
    column: &Column,
    wanted: &[&Column],
    whole: bool,
    stored: &impl Fn(&Column) -> Cell,
) -> Result<(), AccessError> {
    let FieldKind::Group { purpose, label, context, .. } = column.info.kind else { return Ok(()) };
    let invalid = |error| AccessError::Invalid { what: format!("table {:?}: {error}", opening.table.name()) };
    let group = purpose.try_group(label).map_err(invalid)?;
    let fields: Vec<FieldId> = wanted.iter().filter_map(|member| member.info.field_id()).collect();
    let open = || {
        let (number, context, sealed) = match opening.locate::<Members>(column, purpose, context, stored)? {
            Located::NotTheirs => return Ok(Found::NotTheirs),
            Located::Null => return Ok(Found::Null),
            Located::At { number, context, sealed } => (number, context, sealed),
        };
        let place = context.as_deref().map_or_else(|| group.into(), |context| group.within(context));
        match opening.reader.customer(number).open_group(place, &fields, &sealed) {
            Ok(members) => Ok(Found::Kept(number, members)),
            Err(OpenError::Shredded { .. } | OpenError::Retired { .. }) => Ok(Found::Shredded),
            Err(source) => Err(open_error(opening.table.name(), column, source)),
        }
    };
    match open() {
        Ok(found) => {
            for member in wanted {
                let Some(field) = member.info.field_id() else { continue };
                let value = found.value(opening, member, field);
                opening.put(row, member, purpose, value)?;
            }
            let undeclared = if whole { found.undeclared(opening, column) } else { Ok(()) };
            opening.unless_damaged(row, column, undeclared)?;
        }
        // One of them may be the matter, and not the others.
        Err(error) if wanted.len() > 1 && error.is_of_one_value() => {
            for (at, member) in wanted.iter().enumerate() {
                open_one(opening, row, (column, member), whole && at == 0, stored)?;
            }
        }
        Err(error) => {
            let named = wanted.first().copied().unwrap_or(column);
            opening.unless_damaged(row, named, Err::<(), _>(error))?;
        }
    }
    Ok(())
}

fn open_one(
    opening: &Opening<'_>,
    row: &mut Row,
    (column, member): (&Column, &Column),
    whole: bool,
    stored: &impl Fn(&Column) -> Cell,
) -> Result<(), AccessError> {
    open(opening, row, column, &[member], whole, stored)
}

enum Found {
    NotTheirs,
    Null,
    Shredded,
    Kept(oubliette::CustomerId, Members),
}

impl Found {
    fn value(&self, opening: &Opening<'_>, member: &Column, field: FieldId) -> Result<Value, AccessError> {
        let (number, members) = match self {
            Found::NotTheirs => return Ok(Value::NotTheirs),
            Found::Null => return Ok(Value::Null),
            Found::Shredded => return Ok(Value::Shredded),
            Found::Kept(number, members) => (*number, members),
        };
        // It was asked for, so that all there can be is that it is missing.
        match members.encoded(field) {
            Ok(Some(encoded)) => opening.read(member, field, number, encoded),
            Ok(None) | Err(_) => Ok(Value::Null),
        }
    }

    fn undeclared(&self, opening: &Opening<'_>, column: &Column) -> Result<(), AccessError> {
        let Found::Kept(_, members) = self else { return Ok(()) };
        let declared: Vec<&str> =
            opening.table.members(column).filter_map(|member| member.info.field_id()).map(FieldId::label).collect();
        let unknown: Vec<String> =
            members.kept().filter(|label| !declared.contains(label)).map(|label| format!("{label:?}")).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let (table, column) = (opening.table.name().to_owned(), column.name.clone());
        Err(AccessError::Undeclared { table, column, labels: unknown.join(", ") })
    }
}
