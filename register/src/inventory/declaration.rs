//! What a purpose is for, in words.

use oubliette::Purpose;

use crate::basis::Basis;

/// What is said about one purpose: why, on which basis, how long, who receives it.
///
/// Why, basis, how long and recipients must be said, recipients by [`nobody_receives_it`](Declaration::nobody_receives_it)
/// if there are none; [`Inventory::gaps`](super::Inventory::gaps) tells what is missing.
#[derive(Clone, Debug)]
pub struct Declaration {
    pub(crate) purpose: Purpose,
    pub(crate) why: Option<String>,
    pub(crate) basis: Option<Basis>,
    pub(crate) kept: Option<String>,
    /// `None` until it was said who, or that nobody does.
    pub(crate) recipients: Option<Vec<String>>,
    pub(crate) whose: Vec<String>,
    pub(crate) categories: Vec<String>,
    /// `None` until it was said where to, or that there are none.
    pub(crate) transfers: Option<Vec<String>>,
}

impl Declaration {
    /// About this purpose.
    #[must_use]
    pub fn of(purpose: Purpose) -> Declaration {
        let (why, basis, kept, recipients) = (None, None, None, None);
        let (whose, categories, transfers) = (Vec::new(), Vec::new(), None);
        Declaration { purpose, why, basis, kept, recipients, whose, categories, transfers }
    }

    /// Why it is kept: "to deliver what was ordered, and to answer for it".
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Declaration {
        self.why = Some(why.into());
        self
    }

    /// On which legal basis.
    #[must_use]
    pub fn basis(mut self, basis: Basis) -> Declaration {
        self.basis = Some(basis);
        self
    }

    /// How long, or until what: "three years after the last order".
    #[must_use]
    pub fn kept(mut self, how_long: impl Into<String>) -> Declaration {
        self.kept = Some(how_long.into());
        self
    }

    /// One who receives it, or a category of such: "DHL, to deliver". A recipient that the register has grants for must be
    /// called here exactly as there.
    #[must_use]
    pub fn recipient(mut self, who: impl Into<String>) -> Declaration {
        self.recipients.get_or_insert_default().push(who.into());
        self
    }

    /// There are no recipients.
    #[must_use]
    pub fn nobody_receives_it(mut self) -> Declaration {
        self.recipients.get_or_insert_default();
        self
    }

    /// A category of people that it is about: "customers".
    #[must_use]
    pub fn whose(mut self, people: impl Into<String>) -> Declaration {
        self.whose.push(people.into());
        self
    }

    /// A category of data: "contact details".
    #[must_use]
    pub fn category(mut self, of_data: impl Into<String>) -> Declaration {
        self.categories.push(of_data.into());
        self
    }

    /// A country outside the European Economic Area or an international organisation that it is transferred to, with the
    /// safeguards: "Switzerland, adequacy decision 2000/518/EC".
    #[must_use]
    pub fn transfer(mut self, to: impl Into<String>) -> Declaration {
        self.transfers.get_or_insert_default().push(to.into());
        self
    }

    /// It is transferred to nobody outside the European Economic Area.
    #[must_use]
    pub fn stays_inside_the_eea(mut self) -> Declaration {
        self.transfers.get_or_insert_default();
        self
    }

    /// What must be said and was not.
    pub(crate) fn lacks(&self) -> Vec<&'static str> {
        let said = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
        [
            (said(&self.why), "why it is kept (`why`)"),
            (self.basis.is_some(), "its legal basis (`basis`)"),
            (said(&self.kept), "how long it is kept (`kept`)"),
            (self.recipients.is_some(), "who receives it (`recipient` or `nobody_receives_it`)"),
        ]
        .into_iter()
        .filter(|(said, _)| !said)
        .map(|(_, what)| what)
        .collect()
    }
}
