//! Tokens of indexes, and the epochs that their keys come in: `state::index_leaves` says where these lie.

use std::time::Duration;

use crate::derivation;
use crate::error::{ChangeError, KeyStoreError, TokenError};
use crate::index::{Bits, Epoch, IndexName, Token};
use crate::journal::{Event, Results};
use crate::personal::CanonicalForm;
use crate::secret::Secret32;
use crate::stack::with_clean_stack;
use crate::vault::commit::{Draft, LOST, Step};
use crate::vault::journal::{Entries, index_name};
use crate::vault::operations::Operations;
use crate::vault::process::Commit;
use crate::vault::state::{Epochs, Fetched, Leaves, VaultState};

/// How often a token is made anew because a commit came in between: a handful would take a store that stalls each time.
const TRIES: u32 = 16;

impl Operations<'_> {
    /// Runs `work` on an index as of now.
    fn with_index<R>(
        &self,
        name: IndexName,
        work: impl Fn(&mut Leaves<'_, Fetched<'_>>, &VaultState) -> Result<R, KeyStoreError>,
    ) -> Result<R, TokenError> {
        if !self.is_unlocked(name.purpose) {
            return Err(TokenError::PurposeNotUnlocked { purpose: name.purpose.name() });
        }
        let place = derivation::place_of_index(name);
        for _ in 0..TRIES {
            let changes = self.known.changes();
            let result = self.with_pages(|pages| {
                let state = self.state()?;
                let tree = &state.indexes.as_ref().ok_or(TokenError::NoIndexes)?.tree;
                // The snapshot outlives every key derived from it: whoever retires an epoch waits for it.
                Ok::<_, TokenError>(with_clean_stack(|| work(&mut Leaves::of(tree, pages, place), &state))?)
            })?;
            self.confirm_lease()?;
            // The lease may run because of a newer snapshot, in which an epoch began or was retired.
            if self.known.changes() == changes {
                return Ok(result);
            }
        }
        Err(KeyStoreError::Busy { waited: Duration::ZERO }.into())
    }

    pub(crate) fn token<T>(&self, name: IndexName, form: &CanonicalForm) -> Result<Token<T>, TokenError> {
        let make = || {
            self.with_index(name, |leaves, state| {
                let Some(epoch) = leaves.find_writable(state, self.known.durable())? else { return Ok(None) };
                // Never retired while it is the current one.
                let key = leaves.key(epoch, name)?.ok_or(KeyStoreError::Bug("the current epoch was retired"))?;
                Ok(Some(cut(epoch, &key, form, name.bits)))
            })
        };
        match make()? {
            Some(token) => Ok(token),
            None => {
                self.settle()?;
                make()?.ok_or(TokenError::KeyStore(KeyStoreError::NotDurableYet))
            }
        }
    }

    pub(crate) fn tokens<T>(&self, name: IndexName, form: &CanonicalForm) -> Result<Vec<Token<T>>, TokenError> {
        self.with_index(name, |leaves, _| {
            let mut tokens = Vec::new();
            for number in (0..=leaves.current()?.number()).rev() {
                let Some(epoch) = Epoch::new(number) else { continue };
                if let Some(key) = leaves.key(epoch, name)? {
                    tokens.push(cut(epoch, &key, form, name.bits));
                }
            }
            Ok(tokens)
        })
    }

    pub(crate) fn epochs(&self, name: IndexName) -> Result<Epochs, TokenError> {
        self.with_index(name, |leaves, _| leaves.live())
    }

    /// On the thread that commits.
    pub(crate) fn begin_epoch(&self, name: IndexName) -> Result<(Epoch, Commit), ChangeError> {
        let place = derivation::place_of_index(name);
        let mut entries = Entries::default();
        let done = self.commit(&mut |draft| {
            draft.refuse_if_gone_back()?;
            let current = draft.epochs(place)?.current;
            let Some(epoch) = Epoch::new(current.number() + 1) else { return Ok(Step::Keep(None)) };
            let intent = || Ok(Event::BeginEpoch { index: index_name(name)?, epoch: Some(epoch.number()), why: None });
            self.intend_once(draft, &mut entries, intent)?;
            Ok(Step::Write(draft.begin_epoch(place, epoch)?, Some(epoch)))
        });
        let epoch = done.as_ref().ok().and_then(|done| done.value).map(Epoch::number);
        self.conclude(&mut entries, &done, &Results { epoch, ..Results::default() });
        // An older copy of the record holds nothing that was given up.
        let done = self.reread_if_unknown(done)?.in_every_place().map_err(ChangeError::NotInEveryPlace)?;
        let current = done.value.ok_or(ChangeError::EpochsExhausted)?;
        Ok((current, self.made_now(done.state)))
    }

    /// On the thread that commits. A process that does not know whether the current epoch is durable makes tokens of the one before.
    pub(crate) fn publish_epochs(&self, name: IndexName) -> Result<(), ChangeError> {
        let place = derivation::place_of_index(name);
        let made = |draft: &Draft<'_>| {
            let indexes = draft.indexes.as_ref().ok_or(LOST)?;
            with_clean_stack(|| {
                let mut leaves = Leaves::of(&indexes.tree, &draft.pages, place);
                leaves.current()?;
                Ok(leaves.walker.written())
            })
        };
        Ok(self.publish_as_durable(made)?)
    }

    /// On the thread that commits.
    pub(crate) fn retire_epoch(&self, name: IndexName, epoch: Epoch) -> Result<Commit, ChangeError> {
        let place = derivation::place_of_index(name);
        let mut refused = None;
        let mut entries = Entries::default();
        let done = self.commit(&mut |draft| {
            draft.refuse_if_gone_back()?;
            let current = draft.epochs(place)?.current;
            if epoch >= current {
                refused = Some(if epoch == current {
                    ChangeError::CurrentEpoch { epoch }
                } else {
                    ChangeError::EpochNotBegun { epoch }
                });
                return Ok(Step::Keep(()));
            }
            let intent = || Ok(Event::RetireEpoch { index: index_name(name)?, epoch: epoch.number(), why: None });
            self.intend_once(draft, &mut entries, intent)?;
            let pages = draft.retire_epoch(place, epoch)?;
            // Somebody retired it before. That commit may have been killed half-way, so all copies are written again.
            Ok(if pages.is_empty() { Step::Rewrite(()) } else { Step::Write(pages, ()) })
        });
        self.conclude(&mut entries, &done, &Results::default());
        let done = self.reread_if_unknown(done)?;
        if let Some(refused) = refused {
            return Err(refused);
        }
        match done.old_copy {
            Some(cause) => Err(ChangeError::OldCopyRemains(cause)),
            None => Ok(self.retired_now(done)),
        }
    }
}

fn cut<T>(epoch: Epoch, key: &Secret32, form: &CanonicalForm, bits: Bits) -> Token<T> {
    let mut mac = [0; 32];
    derivation::token(key.bytes(), form.expose_personal_data(), &mut mac);
    Token::new(epoch, &mac, bits)
}
