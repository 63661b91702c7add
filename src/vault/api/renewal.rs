//! The calls for search and for the life of a column: tokens, epochs, new key trees.

use crate::customer::CustomerId;
use crate::error::{EpochError, KeyStoreError, OpenError, PurposeError, ResealError, TokenError};
use crate::field::{Placed, Purpose};
use crate::index::{Epoch, Index, Token};
use crate::journal::KeyTreeId;
use crate::personal::{CanonicalForm, PersonalData};
use crate::sealed::Sealed;
use crate::vault::operations::Operations;
use crate::vault::{EpochBegun, Epochs, Retired, Rotated, Vault};

impl Vault {
    /// The token to write beside a sealed value, made in the index's current epoch.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn token<T: PersonalData>(&self, index: Index<T>, value: &T) -> Result<Token<T>, TokenError> {
        Operations::on(self.process()?).token(index.name(), &index.form_of(value))
    }

    /// The tokens to query by, for `WHERE email_idx IN (...)`: one in every live epoch, the current one first. There is
    /// one, but for the time of a re-index. Rows that match may do so by chance: open them and compare.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn tokens<T: PersonalData>(&self, index: Index<T>, value: &T) -> Result<Vec<Token<T>>, TokenError> {
        Operations::on(self.process()?).tokens(index.name(), &index.form_of(value))
    }

    /// The token to write for a form that is not made from the value alone: of a name with a postcode.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn token_of<T: PersonalData>(&self, index: Index<T>, form: &CanonicalForm) -> Result<Token<T>, TokenError> {
        Operations::on(self.process()?).token(index.name(), form)
    }

    /// The tokens to query by for such a form, or for one that is typed on its own: four digits.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn tokens_of<T: PersonalData>(
        &self,
        index: Index<T>,
        form: &CanonicalForm,
    ) -> Result<Vec<Token<T>>, TokenError> {
        Operations::on(self.process()?).tokens(index.name(), form)
    }

    /// The index's epochs.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn epochs<T: PersonalData>(&self, index: Index<T>) -> Result<Epochs, TokenError> {
        Operations::on(self.process()?).epochs(index.name())
    }

    /// Begins a new epoch of an index: from now on tokens are made in it, under a key that follows from nothing that
    /// anybody could have copied before, and older ones are still queried by. Then renew the column, and
    /// [retire](Vault::retire_epoch) the old epoch. A commit.
    ///
    /// # Errors
    /// [`EpochError`] tells what is true.
    pub fn begin_epoch<T: PersonalData>(&self, index: Index<T>) -> Result<EpochBegun, EpochError> {
        self.epochs(index).map_err(EpochError::NoIndex)?;
        let name = index.name();
        let posted =
            self.post(move |process| Operations::on(process).begin_epoch(name)).map_err(EpochError::NothingHappened)?;
        posted.wait().unwrap_or_else(|| Err(self.no_answer().into()))
    }

    /// Retires an epoch: its key is gone for good, and its tokens in the database and in every backup say nothing any
    /// more, not even to whoever has the root record and root key of after. A commit, with the reach and the limits of a
    /// [shred](Vault::shred). Retiring one twice is no error.
    ///
    /// It first has the record say that the current epoch is durable, in a commit of its own where it does not yet, and waits one
    /// lease, so that no other process still makes tokens of an epoch that was current until a moment ago. Rows whose token was not renewed are found by no query from then on.
    ///
    /// # Errors
    /// [`EpochError`] tells what is true.
    pub fn retire_epoch<T: PersonalData>(&self, index: Index<T>, epoch: Epoch) -> Result<Retired, EpochError> {
        let epochs = self.epochs(index).map_err(EpochError::NoIndex)?;
        let name = index.name();
        if epoch < epochs.current {
            let posted = self
                .post(move |process| Operations::on(process).publish_epochs(name))
                .map_err(EpochError::NothingHappened)?;
            posted.wait().unwrap_or_else(|| Err(self.no_answer().into()))?;
            self.process()
                .and_then(|process| Operations::on(process).wait_a_lease())
                .map_err(EpochError::NothingHappened)?;
        }
        let posted = self
            .post(move |process| Operations::on(process).retire_epoch(name, epoch))
            .map_err(EpochError::NothingHappened)?;
        posted.wait().unwrap_or_else(|| Err(self.no_answer().into()))
    }

    /// Gives a purpose a new key tree: new values are sealed under it, and old ones still open. Then
    /// [`reseal`](Vault::reseal) them, and [give up](Vault::retire_replaced) the old tree. A commit.
    ///
    /// Do it when somebody may have read the root record: rotating the root key takes nothing back from them. Those who
    /// were shredded in the old tree are shredded in the new one from the start; the commit reads and writes as many
    /// pages as they took, and other commits wait for it.
    ///
    /// **The new tree's root record must not be lost**: values sealed under it would be.
    ///
    /// A vault has room for 22 trees. Once they are used up, those retired first make room for new ones; what is still
    /// sealed under such a one then answers [`OpenError::OtherVault`], of the shredded too.
    ///
    /// # Errors
    /// [`PurposeError`] tells what is true.
    pub fn rotate_purpose(&self, purpose: Purpose) -> Result<Rotated, PurposeError> {
        self.unlocked(purpose)?;
        let posted = self
            .post(move |process| Operations::on(process).rotate_purpose(purpose))
            .map_err(PurposeError::NothingHappened)?;
        posted.wait().unwrap_or_else(|| Err(self.no_answer().into()))
    }

    /// Gives up the key trees of a purpose that were replaced by `new` and by those before it: [`Rotated::tree`] tells
    /// its name, and [`status`](Vault::status). **What is still sealed under them is unreadable from then on**, in the
    /// database and in every backup: that is also what it is good for. A commit, with the reach and the limits of a
    /// [shred](Vault::shred). If they were given up before it is no error.
    ///
    /// Legal holds are not looked at: `retire_replaced` of `oubliette-register` does that.
    ///
    /// It first has the record say that the new tree is durable, in a commit of its own where it does not yet, and waits one lease,
    /// so that no other process still seals under them. It is refused unless the root record is
    /// [replicated](crate::store::RootStore::is_replicated): in a directory and a mirror.
    ///
    /// # Errors
    /// [`PurposeError`] tells what is true.
    pub fn retire_replaced(&self, purpose: Purpose, new: KeyTreeId) -> Result<Retired, PurposeError> {
        self.unlocked(purpose)?;
        let posted = self
            .post(move |process| Operations::on(process).publish_tree(new))
            .map_err(PurposeError::NothingHappened)?;
        posted.wait().unwrap_or_else(|| Err(self.no_answer().into()))?;
        self.process()
            .and_then(|process| Operations::on(process).wait_a_lease())
            .map_err(PurposeError::NothingHappened)?;
        let posted = self.post(move |process| Operations::on(process).retire_replaced(purpose, new));
        posted.map_err(PurposeError::NothingHappened)?.wait().unwrap_or_else(|| Err(self.no_answer().into()))
    }

    fn unlocked(&self, purpose: Purpose) -> Result<(), PurposeError> {
        let process = self.process().map_err(PurposeError::NothingHappened)?;
        if Operations::on(process).is_unlocked(purpose) {
            Ok(())
        } else {
            Err(PurposeError::PurposeNotUnlocked { purpose: purpose.name() })
        }
    }

    /// True when a value is not under a key tree that seals now: [`reseal`](Vault::reseal) moves it, or tells why it
    /// cannot be opened.
    ///
    /// # Errors
    /// When the key store cannot be used.
    pub fn needs_reseal<T>(&self, sealed: &Sealed<T>) -> Result<bool, KeyStoreError> {
        Operations::on(self.process()?).needs_reseal(sealed)
    }

    /// Opens a value and seals it under its purpose's newest key tree. `None` if it is under that already; it was not
    /// opened then, and nothing is said of whether it could be.
    ///
    /// # Errors
    /// [`ResealError`]; the value given stays as good as it was.
    pub fn reseal<'c, T: PersonalData>(
        &self,
        customer: CustomerId,
        field: impl Into<Placed<'c, T>>,
        sealed: &Sealed<T>,
    ) -> Result<Option<Sealed<T>>, ResealError> {
        Operations::on(self.process()?).reseal(customer, field.into(), sealed)
    }

    /// Those of these customers who are shredded in a purpose, in order of number: whose rows to clean up.
    ///
    /// # Errors
    /// [`OpenError::PurposeNotUnlocked`], and [`OpenError::KeyStore`].
    pub fn shredded_among(
        &self,
        purpose: Purpose,
        customers: impl IntoIterator<Item = CustomerId>,
    ) -> Result<Vec<CustomerId>, OpenError> {
        Operations::on(self.process()?).shredded_among(purpose, customers)
    }
}
