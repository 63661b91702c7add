//! Groups: several fields of one purpose, sealed as one value in one column.

mod encoding;
mod members;

pub(crate) use encoding::GROUP;
#[cfg(test)]
pub(crate) use encoding::Tag;
#[cfg(any(test, fuzzing))]
pub(crate) use encoding::{Malformed, Raw, read, write};
pub use members::Members;

use std::fmt;
use std::marker::PhantomData;

use crate::field::{Field, FieldId, FieldWithin, LABEL_BYTES, Purpose};
use crate::journal::{InvalidName, check_name};

/// Several fields of one purpose that are sealed as one value, in one column: a label fixed for ever, and a purpose.
///
/// Each sealed value costs 82 bytes and a cipher of its own, whatever is in it. The fields of a row that are mostly read
/// together, a customer's name, address and phone, cost that once when they are sealed as one:
///
/// ```
/// use oubliette::personal::{Email, Phone};
/// use oubliette::{Field, Group, Members, Purpose, Vault};
/// const ORDERS: Purpose = Purpose::new("orders");
/// const EMAIL: Field<Email> = ORDERS.field("email");
/// const PHONE: Field<Phone> = ORDERS.field("phone");
/// const CONTACT: Group = ORDERS.group("contact");
///
/// let vault = Vault::in_memory([ORDERS]);
/// let alice = vault.customer(vault.enroll()?);
/// let mut members = Members::new();
/// members.put(EMAIL, &"alice@example.com".parse()?);
/// members.put(PHONE, &"+33 6 12 34 56 78".parse()?);
/// let sealed = alice.seal_group(CONTACT, &members)?; // one column
///
/// let email = alice.open_member(CONTACT, EMAIL, &sealed)?;
/// assert_eq!(email.unwrap().expose_personal_data(), "alice@example.com");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Records have it from the derive, where a field says `group = CONTACT`.
///
/// # Members
/// What is in a group is a field like any other: it has its own label and type, its index makes the same tokens, and
/// limits, audits and documents name it by its label. Which fields are in a group is not fixed: each is kept with its
/// label and the tag of its type, so that fields can be added and taken out later. **Nothing that a program does not know is
/// lost**: what was opened without being asked for is kept, and sealed again with the rest. See [`Members`].
///
/// # What limits and audits make of it
/// A member is under [`Limits`](crate::Limits) and in [audits](crate::audit) as it would be in a column of its own. What counts
/// is what is given out: opening a group decrypts all of it, and gives out the members that were asked for alone. The
/// limits must allow each of these, before anything is decrypted; the audit notes each of these that was there, by its
/// label. The group's own label is noted only where somebody who may not asked for none of its members.
///
/// # When not
/// A field that is often read alone, whose length must not show in a sum, or that can be shredded alone (since it is of another
/// purpose) stays in a column of its own. A group that changes in one member is sealed anew as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Group {
    purpose: Purpose,
    label: &'static str,
}

impl Purpose {
    /// Declares a group of fields of this purpose; meant for constants.
    ///
    /// The label is fixed for ever: it takes part in the key. It is not the name of a column, which may change.
    ///
    /// # Panics
    /// Outside a constant, on a label that [`Purpose::try_group`] would refuse.
    #[must_use]
    #[allow(clippy::panic)] // this is how a const fn refuses at compile time
    pub const fn group(self, label: &'static str) -> Group {
        match self.try_group(label) {
            Ok(group) => group,
            Err(_) => panic!("a group's label has 1 to 64 bytes and no control characters"),
        }
    }

    /// Declares a group whose label is known at run time only.
    ///
    /// # Errors
    /// [`InvalidName`] unless the label has 1 to 64 bytes and no control characters.
    pub const fn try_group(self, label: &'static str) -> Result<Group, InvalidName> {
        match check_name(label, LABEL_BYTES) {
            Ok(()) => Ok(Group { purpose: self, label }),
            Err(error) => Err(error),
        }
    }
}

impl Group {
    /// The purpose of the group and of all its members.
    #[must_use]
    pub const fn purpose(self) -> Purpose {
        self.purpose
    }

    /// The label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        self.label
    }

    /// Binds the whole group to a context of the application's as well, as [`Field::within`](crate::Field::within) does.
    #[must_use]
    pub const fn within(self, context: &[u8]) -> FieldWithin<'_, Members> {
        FieldWithin { field: self.whole(), context: Some(context) }
    }

    /// What the column holds, as a field. It has no type of personal data, so no call takes it for one.
    const fn whole(self) -> Field<Members> {
        Field { purpose: self.purpose, label: self.label, holds: PhantomData }
    }

    /// What its keys are derived for: no field of this label has the same, since no field's type has this tag.
    pub(crate) const fn id(self) -> FieldId {
        FieldId { purpose: self.purpose, label: self.label, tag: GROUP }
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Group({:?}, {:?})", self.purpose.name(), self.label)
    }
}

impl FieldWithin<'_, Members> {
    /// The group, whatever the context.
    #[must_use]
    pub const fn group(self) -> Group {
        Group { purpose: self.field.purpose, label: self.field.label }
    }
}

impl From<Group> for FieldWithin<'_, Members> {
    fn from(group: Group) -> Self {
        FieldWithin { field: group.whole(), context: None }
    }
}
