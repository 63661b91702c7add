//! The calls for search and for the life of a column: tokens, epochs, new key trees.

use crate::customer::CustomerId;
use crate::error::{ChangeError, Error, KeyStoreError, OpenError, TokenError};
use crate::field::{FieldWithin, Purpose};
use crate::index::{Epoch, Index, Token};
use crate::journal::KeyTreeId;
use crate::personal::{CanonicalForm, PersonalData};
use crate::sealed::Sealed;
use crate::vault::operations::Operations;
use crate::vault::{Commit, Epochs, Vault};

impl Vault {
    /// The token to write beside a sealed value, made in the index's current epoch.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn token<T: PersonalData>(&self, index: Index<T>, value: &T) -> Result<Token<T>, TokenError> {
        Operations::on(self.process()?).token(index.name(), &index.form_of(value))
    }

    /// The tokens to query by, for `WHERE email_idx IN (...)`: one for every live epoch, the current one first. More than one
    /// epoch is live only while a column is re-indexed. Rows may match by chance: open them and compare.
    ///
    /// ```
    /// use oubliette::{Field, Index, Purpose, Vault, bits, personal::Email};
    /// const ORDERS: Purpose = Purpose::new("orders");
    /// const EMAIL: Field<Email> = ORDERS.field("email");
    /// const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(32));
    ///
    /// let vault = Vault::in_memory([ORDERS]);
    /// let stored = vault.token(BY_EMAIL, &"alice@example.com".parse()?)?; // beside the sealed value
    /// let asked = vault.tokens(BY_EMAIL, &"Alice@Example.com".parse()?)?; // for the query
    /// assert_eq!(asked, [stored]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn tokens<T: PersonalData>(&self, index: Index<T>, value: &T) -> Result<Vec<Token<T>>, TokenError> {
        Operations::on(self.process()?).tokens(index.name(), &index.form_of(value))
    }

    /// The token to write for a form that follows from more than the value, such as a name with a postcode.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn token_of<T: PersonalData>(&self, index: Index<T>, form: &CanonicalForm) -> Result<Token<T>, TokenError> {
        Operations::on(self.process()?).token(index.name(), form)
    }

    /// The tokens to query by for a form: one for [`token_of`](Vault::token_of), or one that somebody types, such as four digits.
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

    /// Begins a new epoch of an index, in a commit. From now on tokens are made in it, under a key that no earlier copy of the
    /// root record leads to; queries still find those of older epochs. Then renew the column, and [retire](Vault::retire_epoch)
    /// the old epoch.
    ///
    /// Gives the new epoch, and the commit that began it. Every other process writes and queries its tokens from
    /// [`effective_everywhere_at`](Commit::effective_everywhere_at) on. Renew older tokens after that: until then a process may still write some.
    ///
    /// ```
    /// # use oubliette::{Field, Index, Purpose, Vault, bits, personal::Email};
    /// # const ORDERS: Purpose = Purpose::new("orders");
    /// # const EMAIL: Field<Email> = ORDERS.field("email");
    /// # const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(32));
    /// # let vault = Vault::in_memory([ORDERS]);
    /// let old = vault.epochs(BY_EMAIL)?.current;
    /// let (epoch, commit) = vault.begin_epoch(BY_EMAIL)?;
    /// commit.wait_until_effective_everywhere();
    /// // Now renew every row's token: `vault.token(..)` makes it in the new epoch. Then retire the old one.
    /// assert_eq!(vault.token(BY_EMAIL, &"alice@example.com".parse()?)?.epoch(), epoch);
    /// vault.retire_epoch(BY_EMAIL, old)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ChangeError`] tells what is true.
    pub fn begin_epoch<T: PersonalData>(&self, index: Index<T>) -> Result<(Epoch, Commit), ChangeError> {
        self.epochs(index)?;
        let name = index.name();
        let posted = self
            .post(move |process| Operations::on(process).begin_epoch(name))
            .map_err(ChangeError::NothingHappened)?;
        posted.wait().unwrap_or_else(|| Err(self.no_answer().into()))
    }

    /// Retires an epoch, in a commit with the reach and the limits of a [shred](Vault::shred). Its key is gone for good: its
    /// tokens, in the database and in every backup, tell nothing even to whoever has a later root record and root key.
    /// **Rows whose token was not renewed are found by no query from then on.** Retiring twice is no error.
    ///
    /// First it makes sure, by a commit of its own if need be, that the record calls the current epoch durable. Then it waits one lease,
    /// so that no process still makes tokens in the epoch that is retired.
    ///
    /// # Errors
    /// [`ChangeError`] tells what is true.
    pub fn retire_epoch<T: PersonalData>(&self, index: Index<T>, epoch: Epoch) -> Result<Commit, ChangeError> {
        let epochs = self.epochs(index)?;
        let name = index.name();
        if epoch < epochs.current {
            let posted = self
                .post(move |process| Operations::on(process).publish_epochs(name))
                .map_err(ChangeError::NothingHappened)?;
            posted.wait().unwrap_or_else(|| Err(self.no_answer().into()))?;
            self.process()
                .and_then(|process| Operations::on(process).wait_a_lease())
                .map_err(ChangeError::NothingHappened)?;
        }
        let posted = self
            .post(move |process| Operations::on(process).retire_epoch(name, epoch))
            .map_err(ChangeError::NothingHappened)?;
        posted.wait().unwrap_or_else(|| Err(self.no_answer().into()))
    }

    /// Gives a purpose a new key tree, in a commit: new values are sealed under it, and old ones still open. Then
    /// [`reseal`](Vault::reseal) the old values, and [retire](Vault::retire_replaced) the old tree.
    ///
    /// Do it when somebody may have read the root record: rotating the root key takes nothing back from them. Whoever was
    /// shredded in the old tree is shredded in the new one from the start. The commit reads and writes as many pages as the old
    /// tree has, and other commits wait for it.
    ///
    /// Gives the new tree, and the commit that made it. Every other process seals under it from
    /// [`effective_everywhere_at`](Commit::effective_everywhere_at) on: begin to move values then, or look for leftovers after it.
    ///
    /// **Losing the root record loses what is sealed under the new tree.**
    ///
    /// A vault has room for 22 trees. Once they are used up, the trees that were retired first make room. A value still sealed
    /// under one of these then answers [`OpenError::OtherVault`], of a shredded customer too.
    ///
    /// ```
    /// # use oubliette::{Field, Purpose, Vault, personal::Email};
    /// # const ORDERS: Purpose = Purpose::new("orders");
    /// # const EMAIL: Field<Email> = ORDERS.field("email");
    /// # let vault = Vault::in_memory([ORDERS]);
    /// # let alice = vault.enroll()?;
    /// let column = vault.seal(alice, EMAIL, &"alice@example.com".parse()?)?;
    /// let (tree, commit) = vault.rotate_purpose(ORDERS)?;
    /// let moved = vault.reseal(alice, EMAIL, &column)?.ok_or("it is under the new tree already")?;
    /// assert!(!vault.needs_reseal(&moved)?);
    /// // Once every row was moved: `vault.retire_replaced(ORDERS, tree)`.
    /// # let _ = (tree, commit);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ChangeError`] tells what is true.
    pub fn rotate_purpose(&self, purpose: Purpose) -> Result<(KeyTreeId, Commit), ChangeError> {
        self.unlocked(purpose)?;
        let posted = self
            .post(move |process| Operations::on(process).rotate_purpose(purpose))
            .map_err(ChangeError::NothingHappened)?;
        posted.wait().unwrap_or_else(|| Err(self.no_answer().into()))
    }

    /// Retires the key trees of a purpose that are older than `new`, in a commit with the reach and the limits of a
    /// [shred](Vault::shred). `new` is from [`rotate_purpose`](Vault::rotate_purpose) or [`status`](Vault::status). **What is still sealed under the older
    /// trees is unreadable from then on**, in the database and in every backup. Retiring twice is no error.
    ///
    /// Gives the key trees of the purpose that are retired, by this call or before, and the commit. Keep them with the journal of shreds, for
    /// [`Recovery::retired`](crate::recovery::Recovery::retired). A value that is still sealed under one answers [`OpenError::Retired`] from now on, here and
    /// in every backup.
    ///
    /// Legal holds are not looked at: `retire_replaced` of `oubliette-register` does that.
    ///
    /// First it makes sure, by a commit of its own if need be, that the record calls the new tree durable. Then it waits one lease, so that
    /// no process still seals under the older trees. It is refused unless the root record is
    /// [replicated](crate::store::RootStore::is_replicated), as in a directory and a mirror.
    ///
    /// # Errors
    /// [`ChangeError`] tells what is true.
    pub fn retire_replaced(&self, purpose: Purpose, new: KeyTreeId) -> Result<(Vec<KeyTreeId>, Commit), ChangeError> {
        self.unlocked(purpose)?;
        let posted = self
            .post(move |process| Operations::on(process).publish_tree(new))
            .map_err(ChangeError::NothingHappened)?;
        posted.wait().unwrap_or_else(|| Err(self.no_answer().into()))?;
        self.process()
            .and_then(|process| Operations::on(process).wait_a_lease())
            .map_err(ChangeError::NothingHappened)?;
        let posted = self.post(move |process| Operations::on(process).retire_replaced(purpose, new));
        posted.map_err(ChangeError::NothingHappened)?.wait().unwrap_or_else(|| Err(self.no_answer().into()))
    }

    fn unlocked(&self, purpose: Purpose) -> Result<(), ChangeError> {
        let process = self.process().map_err(ChangeError::NothingHappened)?;
        if Operations::on(process).is_unlocked(purpose) {
            Ok(())
        } else {
            Err(ChangeError::PurposeNotUnlocked { purpose: purpose.name() })
        }
    }

    /// True when a value is under a key tree that seals no longer: [`reseal`](Vault::reseal) moves it, or tells why it cannot be
    /// opened.
    ///
    /// # Errors
    /// When the key store cannot be used.
    pub fn needs_reseal<T>(&self, sealed: &Sealed<T>) -> Result<bool, KeyStoreError> {
        Operations::on(self.process()?).needs_reseal(sealed)
    }

    /// Opens a value and seals it under its purpose's newest key tree. `None` if it is under that tree already: then it was not
    /// opened, and may be damaged.
    ///
    /// # Errors
    /// [`Error::Open`] or [`Error::Seal`]; the value given is unchanged.
    pub fn reseal<'c, T: PersonalData>(
        &self,
        customer: CustomerId,
        field: impl Into<FieldWithin<'c, T>>,
        sealed: &Sealed<T>,
    ) -> Result<Option<Sealed<T>>, Error> {
        Operations::on(self.process()?).reseal(customer, field.into(), sealed)
    }

    /// Which of these customers are shredded in a purpose, in order of number: whose rows to clean up.
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
