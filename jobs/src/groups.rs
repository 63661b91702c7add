//! Steps about groups: fields that are sealed with others in one column.

use std::fmt::{self, Display};
use std::str::FromStr;

use oubliette::personal::PersonalData;
use oubliette::{
    CustomerId, Field, Group, Index, Members, Purpose, Sealed,
    fields::{FieldId, FieldWithin},
};

use super::cell::{Cell, Column, Row};
use super::error::{Cause, Fault, JobError};
use super::job::{Job, Selected};
use super::step::{At, Form, Hand, Held, InRow, Parse, Step, of_type, parse};
use super::steps::{Source, Tokens};

/// A group, and the column whose content it is bound to, if any. A [`Group`] converts to a group that is bound to no
/// column.
///
/// ```
/// use oubliette::{Field, Group, Purpose, personal::Phone};
/// use oubliette_jobs::{GroupInRow, Job, Key};
///
/// const ORDERS: Purpose = Purpose::new("orders");
/// const PHONE: Field<Phone> = ORDERS.field("phone");
/// const CONTACT: Group = ORDERS.group("contact");
/// let contact = GroupInRow::new(CONTACT).within_column("id");
/// let job = Job::on("customers", ("id", Key::Integer), "no").into_group("phone", PHONE, "contact", contact);
/// ```
#[derive(Clone)]
pub struct GroupInRow {
    group: Group,
    context: Option<String>,
}

impl GroupInRow {
    /// The group, bound to no column.
    #[must_use]
    pub fn new(group: Group) -> GroupInRow {
        GroupInRow { group, context: None }
    }

    /// Binds the group to the content of this column of the same row, as
    /// [`InRow::within_column`](super::InRow::within_column) says.
    #[must_use]
    pub fn within_column(self, column: impl Into<String>) -> GroupInRow {
        GroupInRow { context: Some(column.into()), ..self }
    }

    pub(super) fn into_parts(self) -> (Group, Option<String>) {
        (self.group, self.context)
    }
}

impl From<Group> for GroupInRow {
    fn from(group: Group) -> GroupInRow {
        GroupInRow::new(group)
    }
}

impl fmt::Debug for GroupInRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupInRow({:?}, context: {:?})", self.group, self.context)
    }
}

/// A group, its column, and the place of its context among the columns selected.
pub(super) struct AtGroup {
    pub(super) group: Group,
    pub(super) column: Column,
    pub(super) context: Option<Column>,
}

impl AtGroup {
    fn placed<'c>(&self, context: Option<&'c [u8]>) -> FieldWithin<'c, Members> {
        context.map_or_else(|| self.group.into(), |context| self.group.within(context))
    }

    /// The number that the group is sealed under.
    fn number(&self, row: &Row) -> Option<(Column, CustomerId)> {
        Held::<Members>::number(row, self.column)
    }

    fn stored(&self, row: &Row) -> Result<Option<(Sealed<Members>, Form)>, Cause> {
        Held::of(row.cell(self.column)).sealed()
    }

    /// What is in the row's group, and how that is written; `None` for NULL.
    pub(super) fn open(&self, row: &Row, asked: &[FieldId], hand: &Hand<'_>) -> Result<Option<(Members, Form)>, Fault> {
        let Some((sealed, form)) = self.stored(row)? else { return Ok(None) };
        let context = row.context(self.context)?;
        let members = hand.keys()?.open_group(self.placed(context.as_deref()), asked, &sealed)?;
        Ok(Some((members, form)))
    }

    pub(super) fn value<T: PersonalData>(
        &self,
        row: &Row,
        field: Field<T>,
        hand: &Hand<'_>,
    ) -> Result<Option<T>, Fault> {
        let Some((sealed, _)) = self.stored(row)? else { return Ok(None) };
        let context = row.context(self.context)?;
        Ok(hand.keys()?.open_member(self.placed(context.as_deref()), field, &sealed)?)
    }

    /// Seals a group, and opens it again, before anything of it is written.
    fn seal(&self, row: &mut Row, members: &Members, form: Form, hand: &Hand<'_>) -> Result<(), Fault> {
        let context = row.context(self.context)?;
        let (place, keys) = (self.placed(context.as_deref()), hand.keys()?);
        let sealed = keys.seal_group(place, members)?;
        let asked: Vec<FieldId> = members.fields().collect();
        if keys.open_group(place, &asked, &sealed)? != *members {
            return Err(JobError::NotItself { customer: keys.customer() }.into());
        }
        row.set(self.column, form.cell(sealed));
        Ok(())
    }
}

/// Groups. See [the crate](crate#between-a-column-and-a-group).
impl Job {
    /// Makes the tokens of a field that is in a group, as [`index`](Job::index) does for a field in a column. The job
    /// opens each group, since a group may lack the field.
    #[must_use]
    pub fn index_member<T: PersonalData + 'static>(
        mut self,
        tokens: impl Into<String>,
        column: impl Into<String>,
        group: impl Into<GroupInRow>,
        index: Index<T>,
    ) -> Job {
        let columns = vec![self.column(tokens)];
        let group = self.at_group(column, group.into());
        self.step(Tokens { columns, from: group.column, source: Source::Group(group), index })
    }

    /// Moves a field from a sealed column of its own into a group; the field's column becomes NULL. **Every process
    /// that writes the field to the group must set the field's column to NULL in the same statement**: if both have a
    /// value, the job takes the column's value as the newer one. Tokens stay. If the group is NULL, the job begins one,
    /// as text or bytes like the column. See [the crate](crate#between-a-column-and-a-group).
    #[must_use]
    pub fn into_group<T: PersonalData + 'static>(
        mut self,
        from: impl Into<String>,
        field: impl Into<InRow<T>>,
        column: impl Into<String>,
        group: impl Into<GroupInRow>,
    ) -> Job {
        let from = self.column(from);
        let (at, group) = (self.at(field.into()), self.at_group(column, group.into()));
        self.step(IntoGroup { from, at, group, parse: None })
    }

    /// Moves plaintext from a column of text into a group; the plaintext becomes NULL. This is
    /// [`seal_into`](Job::seal_into) and [`into_group`](Job::into_group) in one step. If the group is NULL, the job
    /// begins one as bytes.
    #[must_use]
    pub fn seal_into_group<T>(
        mut self,
        from: impl Into<String>,
        field: Field<T>,
        column: impl Into<String>,
        group: impl Into<GroupInRow>,
    ) -> Job
    where
        T: PersonalData + FromStr + 'static,
        T::Err: Display,
    {
        let from = self.column(from);
        let (at, group) = (At { field, context: None }, self.at_group(column, group.into()));
        self.step(IntoGroup { from, at, group, parse: Some(of_type()) })
    }

    /// Moves a field from a group into a sealed column of its own: the way back. **Every process that writes the field
    /// to its column must take it out of the group in the same statement**: if both have a value, the job takes the
    /// group's value as the newer one. The column gets text or bytes, as the group is.
    #[must_use]
    pub fn out_of_group<T: PersonalData + 'static>(
        mut self,
        column: impl Into<String>,
        group: impl Into<GroupInRow>,
        to: impl Into<String>,
        field: impl Into<InRow<T>>,
    ) -> Job {
        let to = self.column(to);
        let (at, group) = (self.at(field.into()), self.at_group(column, group.into()));
        self.step(OutOfGroup { group, to, at })
    }

    /// Removes the field of this label from a group. Its values are lost: use this for a field that no program reads
    /// any more.
    #[must_use]
    pub fn remove_member(
        mut self,
        column: impl Into<String>,
        group: impl Into<GroupInRow>,
        label: impl Into<String>,
    ) -> Job {
        let group = self.at_group(column, group.into());
        self.step(RemoveMember { group, label: label.into() })
    }

    /// Moves groups from a replaced key tree to the newest tree of their purpose, with all their fields.
    #[must_use]
    pub fn reseal_group(mut self, column: impl Into<String>, group: impl Into<GroupInRow>) -> Job {
        let group = self.at_group(column, group.into());
        self.step(ResealGroup { group })
    }

    fn at_group(&mut self, column: impl Into<String>, group: GroupInRow) -> AtGroup {
        let (group, context) = group.into_parts();
        let column = self.column(column);
        let context = context.map(|name| self.select(Selected { name, is_context: true }));
        AtGroup { group, column, context }
    }
}

/// A field in a column of its own, sealed or still in plaintext, is sealed with the rest of a group.
pub(super) struct IntoGroup<T> {
    pub(super) from: Column,
    pub(super) at: At<T>,
    pub(super) group: AtGroup,
    /// Reads what is in plaintext, if that is wanted.
    pub(super) parse: Option<Parse<T>>,
}

impl<T: PersonalData> Step for IntoGroup<T> {
    fn looks_for(&self) -> &'static str {
        "in a column of its own"
    }

    fn column(&self) -> Column {
        self.from
    }

    fn purpose(&self) -> Purpose {
        self.group.group.purpose()
    }

    /// The plaintext of a shredded customer is what must not be overlooked.
    fn concerns_shredded(&self) -> bool {
        self.parse.is_some()
    }

    fn puts_into(&self) -> Option<Column> {
        Some(self.group.column)
    }

    fn sealed_in(&self, row: &Row) -> Option<(Column, CustomerId)> {
        Held::<T>::number(row, self.from).or_else(|| self.group.number(row))
    }

    fn is_due(&self, row: &Row, hand: &Hand<'_>) -> Result<bool, Fault> {
        match (Held::<T>::of(row.cell(self.from)), &self.parse) {
            (Held::Nothing, _) => Ok(false),
            (Held::Plaintext, Some(_)) => Ok(true),
            (Held::Plaintext, None) => Err(Cause::NotSealed.into()),
            // What is sealed of a shredded customer's is gone, wherever it lies.
            (Held::Sealed(..), _) => Ok(!hand.shredded),
            (Held::Unreadable(error), _) => Err(Cause::from(error).into()),
        }
    }

    fn apply(&self, row: &mut Row, hand: &Hand<'_>) -> Result<(), Fault> {
        hand.keys()?;
        let (value, form) = match (Held::<T>::of(row.cell(self.from)), &self.parse) {
            (Held::Plaintext, Some(of)) => (parse(row.cell(self.from), of)?, Form::Bytes),
            (held, _) => match held.sealed()? {
                Some((sealed, form)) => (self.at.open(row, &sealed, hand)?, form),
                None => return Ok(()),
            },
        };
        let (mut members, form) = self.group.open(row, &[], hand)?.unwrap_or_else(|| (Members::new(), form));
        members.put(self.at.field, &value);
        self.group.seal(row, &members, form, hand)?;
        row.set(self.from, Cell::Null);
        Ok(())
    }
}

/// A field in a group is sealed in a column of its own.
pub(super) struct OutOfGroup<T> {
    pub(super) group: AtGroup,
    pub(super) to: Column,
    pub(super) at: At<T>,
}

impl<T: PersonalData> Step for OutOfGroup<T> {
    fn looks_for(&self) -> &'static str {
        "in a group"
    }

    fn column(&self) -> Column {
        self.group.column
    }

    fn purpose(&self) -> Purpose {
        self.group.group.purpose()
    }

    fn puts_into(&self) -> Option<Column> {
        Some(self.to)
    }

    fn sealed_in(&self, row: &Row) -> Option<(Column, CustomerId)> {
        self.group.number(row)
    }

    fn is_due(&self, row: &Row, hand: &Hand<'_>) -> Result<bool, Fault> {
        Ok(self.group.value(row, self.at.field, hand)?.is_some())
    }

    fn apply(&self, row: &mut Row, hand: &Hand<'_>) -> Result<(), Fault> {
        let Some((mut members, form)) = self.group.open(row, &[], hand)? else { return Ok(()) };
        let Some(value) = self.group.value(row, self.at.field, hand)? else { return Ok(()) };
        let sealed = self.at.seal(row, &value, hand)?;
        members.remove(self.at.field.label());
        self.group.seal(row, &members, form, hand)?;
        row.set(self.to, form.cell(sealed));
        Ok(())
    }
}

/// A field that nobody uses any more is taken out of a group.
pub(super) struct RemoveMember {
    pub(super) group: AtGroup,
    pub(super) label: String,
}

impl Step for RemoveMember {
    fn looks_for(&self) -> &'static str {
        "a member to take out"
    }

    fn column(&self) -> Column {
        self.group.column
    }

    fn purpose(&self) -> Purpose {
        self.group.group.purpose()
    }

    fn puts_into(&self) -> Option<Column> {
        Some(self.group.column)
    }

    fn sealed_in(&self, row: &Row) -> Option<(Column, CustomerId)> {
        self.group.number(row)
    }

    fn is_due(&self, row: &Row, hand: &Hand<'_>) -> Result<bool, Fault> {
        let opened = self.group.open(row, &[], hand)?;
        Ok(opened.is_some_and(|(members, _)| members.kept().any(|label| label == self.label)))
    }

    fn apply(&self, row: &mut Row, hand: &Hand<'_>) -> Result<(), Fault> {
        let Some((mut members, form)) = self.group.open(row, &[], hand)? else { return Ok(()) };
        if members.remove(&self.label) {
            self.group.seal(row, &members, form, hand)?;
        }
        Ok(())
    }
}

/// A group under a replaced key tree moves to the newest.
pub(super) struct ResealGroup {
    pub(super) group: AtGroup,
}

impl Step for ResealGroup {
    fn looks_for(&self) -> &'static str {
        "under a replaced key tree"
    }

    fn column(&self) -> Column {
        self.group.column
    }

    fn purpose(&self) -> Purpose {
        self.group.group.purpose()
    }

    fn sealed_in(&self, row: &Row) -> Option<(Column, CustomerId)> {
        self.group.number(row)
    }

    fn is_due(&self, row: &Row, hand: &Hand<'_>) -> Result<bool, Fault> {
        match Held::<Members>::of(row.cell(self.group.column)) {
            Held::Sealed(sealed, _) => Ok(hand.vault.needs_reseal(&sealed)?),
            _ => Ok(false),
        }
    }

    fn apply(&self, row: &mut Row, hand: &Hand<'_>) -> Result<(), Fault> {
        let Some((members, form)) = self.group.open(row, &[], hand)? else { return Ok(()) };
        self.group.seal(row, &members, form, hand)
    }
}
