//! What a purpose is for, in words.

use oubliette::Purpose;

use crate::basis::Basis;

/// The words about one purpose: why it is kept, on which basis, how long, who receives it.
///
/// All four are required. If nobody receives the data, say [`nobody_receives_it`](Declaration::nobody_receives_it).
/// [`Inventory::findings`](super::Inventory::findings) lists what is missing.
///
/// [The module](crate::inventory) has an example.
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
    /// A declaration of this purpose.
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

    /// Adds a recipient, or a category of recipients: "DHL, to deliver". Use the exact name that the register's grants
    /// use.
    #[must_use]
    pub fn recipient(mut self, who: impl Into<String>) -> Declaration {
        self.recipients.get_or_insert_default().push(who.into());
        self
    }

    /// Says that nobody receives the data.
    #[must_use]
    pub fn nobody_receives_it(mut self) -> Declaration {
        self.recipients.get_or_insert_default();
        self
    }

    /// Adds a category of people: "customers".
    #[must_use]
    pub fn whose(mut self, people: impl Into<String>) -> Declaration {
        self.whose.push(people.into());
        self
    }

    /// Adds a category of data: "contact details".
    #[must_use]
    pub fn category(mut self, of_data: impl Into<String>) -> Declaration {
        self.categories.push(of_data.into());
        self
    }

    /// Adds a transfer to a country outside the European Economic Area or to an international organisation, with the
    /// safeguards: "Switzerland, adequacy decision 2000/518/EC".
    #[must_use]
    pub fn transfer(mut self, to: impl Into<String>) -> Declaration {
        self.transfers.get_or_insert_default().push(to.into());
        self
    }

    /// Says that nothing is transferred outside the European Economic Area.
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
