//! What a reader may open: purposes, or single fields.

use std::fmt;

use crate::field::{FieldId, Purpose};

/// What a [`Reader`](crate::Reader) may open, and whether it may seal too.
///
/// ```
/// use oubliette::{Field, Limits, Purpose, personal::Email};
/// const ORDERS: Purpose = Purpose::new("orders");
/// const NEWSLETTER: Purpose = Purpose::new("newsletter");
/// const EMAIL: Field<Email> = ORDERS.field("email");
///
/// let all_of_orders = Limits::nothing().purpose(ORDERS);
/// let two_addresses = Limits::nothing().field(EMAIL).field(NEWSLETTER.field::<Email>("email"));
/// let may_seal = Limits::nothing().purpose(NEWSLETTER).with_sealing();
/// ```
///
/// A field within a [group](crate::Group) is named as any other. What must be allowed is what is given out, not the group.
#[derive(Clone, Default)]
#[must_use]
pub struct Limits {
    purposes: Vec<Purpose>,
    fields: Vec<FieldId>,
    everything: bool,
    sealing: bool,
}

impl Limits {
    /// Nothing at all, to add to.
    pub fn nothing() -> Limits {
        Limits::default()
    }

    /// All fields of all purposes: for a reader that is [audited](crate::Reader::audited) and not limited.
    pub fn everything() -> Limits {
        Limits { everything: true, ..Limits::default() }
    }

    /// All fields of one more purpose, those declared later too.
    pub fn purpose(mut self, purpose: Purpose) -> Limits {
        self.purposes.push(purpose);
        self
    }

    /// One more field, in any context.
    pub fn field(mut self, field: impl Into<FieldId>) -> Limits {
        self.fields.push(field.into());
        self
    }

    /// Values may also be sealed, and moved to newer key trees, within the same limits.
    pub fn with_sealing(mut self) -> Limits {
        self.sealing = true;
        self
    }

    #[inline]
    pub(crate) fn allow_opening(&self, name: FieldId) -> bool {
        self.everything || self.fields.iter().any(|field| field.is(name)) || self.purposes.contains(&name.purpose)
    }

    pub(crate) fn allow_sealing(&self, name: FieldId) -> bool {
        self.sealing && self.allow_opening(name)
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.fields.iter().map(|field| format!("{}/{}", field.purpose, field.label));
        let all = self.everything.then(|| "everything".to_owned());
        let names: Vec<String> =
            all.into_iter().chain(self.purposes.iter().map(Purpose::to_string)).chain(fields).collect();
        write!(f, "Limits({}, sealing: {})", names.join(", "), self.sealing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Field;
    use crate::personal::{Email, Name, PersonalData, TypeTag};

    const ORDERS: Purpose = Purpose::new("orders");
    const NEWS: Purpose = Purpose::new("newsletter");
    const EMAIL: Field<Email> = ORDERS.field("email");

    fn name(purpose: Purpose, label: &'static str, tag: TypeTag) -> FieldId {
        FieldId { purpose, label, tag }
    }

    #[test]
    fn a_field_is_all_three_of_its_parts() {
        let limits = Limits::nothing().field(EMAIL);
        assert!(limits.allow_opening(name(ORDERS, "email", Email::TAG)));
        assert!(!limits.allow_opening(name(NEWS, "email", Email::TAG)));
        assert!(!limits.allow_opening(name(ORDERS, "emails", Email::TAG)));
        assert!(!limits.allow_opening(name(ORDERS, "email", Name::TAG)));
        assert!(!limits.allow_sealing(name(ORDERS, "email", Email::TAG)));
    }

    #[test]
    fn nothing_is_nothing_and_sealing_stays_within() {
        assert!(!Limits::nothing().with_sealing().allow_sealing(name(ORDERS, "email", Email::TAG)));
        let limits = Limits::nothing().purpose(ORDERS).with_sealing();
        assert!(limits.allow_opening(name(ORDERS, "anything", Name::TAG)));
        assert!(limits.allow_sealing(name(ORDERS, "anything", Name::TAG)));
        assert!(!limits.allow_sealing(name(NEWS, "email", Email::TAG)));
    }

    #[test]
    fn everything_is_opened_and_sealed_only_if_said() {
        let anything = name(NEWS, "anything", Name::TAG);
        assert!(Limits::everything().allow_opening(anything) && !Limits::everything().allow_sealing(anything));
        assert!(Limits::everything().with_sealing().allow_sealing(anything));
    }

    #[test]
    fn debug_says_what_is_allowed() {
        assert_eq!(format!("{:?}", Limits::everything()), "Limits(everything, sealing: false)");
        let limits = Limits::nothing().purpose(NEWS).field(EMAIL);
        assert_eq!(format!("{limits:?}"), "Limits(newsletter, orders/email, sealing: false)");
    }
}
