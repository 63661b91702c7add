//! Receipts for shreds, from facts that are known.

use std::time::{Duration, SystemTime};

use crate::customer::CustomerId;
use crate::error::{KeyStoreError, TokenError};
use crate::index::{Index, IndexName};
use crate::journal::{
    Facts, Label, Numbers, Purposes, Ranges, Reason, Receipt, ReceiptError, Remains, Time, Until, Whose,
};
use crate::nonce;
use crate::personal::PersonalData;
use crate::root_key::Readable;
use crate::vault::Vault;
use crate::vault::journal::VaultSigner;
use crate::vault::operations::Operations;
use crate::vault::process::{Shredded, Target, Written};

/// What only the application knows about a shred and the copies that it does not reach: for a [receipt](Vault::receipt).
///
/// State facts only, since a receipt is signed.
///
/// [`Vault::receipt`] has an example.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ReceiptContext {
    numbers: Option<Numbers>,
    requested_at: Option<Time>,
    root_copies_kept: Option<Duration>,
    backups_kept: Option<Duration>,
    indexes: Vec<IndexName>,
    remains: Vec<(Reason, Reason)>,
}

impl ReceiptContext {
    /// Nothing is known.
    pub fn new() -> ReceiptContext {
        ReceiptContext::default()
    }

    /// The person's own numbers, if the shred was of several people. By default all numbers of the shred.
    pub fn numbers(mut self, customers: impl IntoIterator<Item = CustomerId>) -> ReceiptContext {
        self.numbers = Some(Numbers::of(customers));
        self
    }

    /// When it was asked for.
    pub fn requested_at(mut self, time: impl Into<Time>) -> ReceiptContext {
        self.requested_at = Some(time.into());
        self
    }

    /// Every copy of the root record, in backups and snapshots too, is destroyed after this time.
    pub fn root_copies_kept(mut self, most: Duration) -> ReceiptContext {
        self.root_copies_kept = Some(most);
        self
    }

    /// Backups of the database, where the values lie that nothing opens any more, are kept this long.
    pub fn backups_kept(mut self, most: Duration) -> ReceiptContext {
        self.backups_kept = Some(most);
        self
    }

    /// Tokens of the person were made in this index: they remain in copies of the database until its epoch is retired.
    pub fn index<T: PersonalData>(mut self, index: Index<T>) -> ReceiptContext {
        self.indexes.push(index.name());
        self
    }

    /// Something else may remain, until something happens: `"values in the table of old orders"`, `"they are sealed"`. Never personal data.
    pub fn remains(mut self, what: Reason, until: Reason) -> ReceiptContext {
        self.remains.push((what, until));
        self
    }
}

impl Vault {
    /// A signed receipt for a shred, for the person whose data it was, as the application names them. Whoever has it
    /// checks it with the vault's [public key](Vault::public_key) and [`Receipt::verify`], offline.
    ///
    /// It names the entries of the journal, and what may remain and until when: from the vault's own settings, and from
    /// what `context` says.
    ///
    /// # Errors
    /// [`ReceiptError`]: also when the shred is not in a journal. Then shred once more, which is no error, and take the receipt of
    /// that shred.
    pub fn receipt(
        &self,
        shredded: &Shredded,
        whose: Whose,
        context: &ReceiptContext,
    ) -> Result<Receipt, ReceiptError> {
        let Written { target, purpose, why, at, entries: written } = &shredded.written;
        let mut entries = Vec::new();
        for entry in written {
            let outcome = entry.outcome.ok_or(ReceiptError::Content(
                "the outcome of the shred is not in the journal; shred once more, and take the receipt of that",
            ))?;
            entries.extend([entry.intent, outcome]);
        }
        if entries.is_empty() {
            return Err(ReceiptError::Content(
                "the shred is in no journal; open the vault with one, and shred once more",
            ));
        }
        let all = match target {
            Target::These(customers) => Numbers::of(customers.iter().copied()),
            Target::Through(last) => Numbers::from(Ranges::of(vec![1..=last.get()])),
        };
        let numbers = match &context.numbers {
            None => all,
            Some(own) if *own == own.and(&all) && !own.is_empty() => own.clone(),
            Some(_) => return Err(ReceiptError::Content("a number that it is for was not among those shredded")),
        };
        let shredded_before = Numbers::of(shredded.already_shredded().iter().copied()).and(&numbers);
        let may_remain = self.may_remain(*at, shredded, context).map_err(signing)?;
        let state = self.process().and_then(|process| process.state()).map_err(signing)?;
        let seed = state.facts.signer.copy();
        let vault = state.facts.clear.vault;
        drop(state);
        let facts = Facts {
            whose,
            numbers,
            shredded_before,
            purposes: purpose.map_or(Purposes::All, |purpose| Purposes::Named(vec![Label::from(purpose)])),
            why: why.clone(),
            requested_at: context.requested_at,
            shredded_at: (*at).into(),
            generation: shredded.commit().generation(),
            effective_everywhere_at: shredded.commit().effective_everywhere_at().into(),
            entries,
            may_remain,
        };
        let salt = nonce::fresh().map_err(|_| signing(KeyStoreError::Randomness))?;
        Receipt::issue(facts, salt, &VaultSigner::new(vault, &seed).map_err(signing)?)
    }

    fn may_remain(
        &self,
        shredded: SystemTime,
        which: &Shredded,
        told: &ReceiptContext,
    ) -> Result<Vec<Remains>, KeyStoreError> {
        let process = self.process()?;
        let mut remains = Vec::new();
        let mut add = |what: &str, until: Until| {
            let what = Reason::new(what).map_err(|_| KeyStoreError::Bug("a text of a receipt"))?;
            remains.push(Remains { what, until });
            Ok::<_, KeyStoreError>(())
        };
        // Beyond what a clock can tell it is the last time there is, never an earlier one.
        let after = |time: Duration| shredded.checked_add(time).map_or_else(|| Time::LAST, Time::from);
        let when =
            |what: &str| Reason::new(what).map(Until::Event).map_err(|_| KeyStoreError::Bug("a text of a receipt"));
        const COPIES: &str =
            "copies of the root record from before the shred, which open the values with the root key of then";
        let recipe = process.state()?.facts.clear.recipe.clone();
        let readable = process.commits.keyring().readable(&recipe, which.commit().generation())?;
        match (readable, told.root_copies_kept) {
            // No key is left that opens one, but in a copy of what held the keys.
            (Some(Readable::Never), told) => {
                add(
                    "a backup of the token that holds the root key, or a token that was given up, from before the shred, with a copy of the root record of then",
                    when("either is destroyed")?,
                )?;
                // Such a copy is under a key of its own, or under one from before the versions that are looked after.
                let until = match told {
                    Some(time) => Until::Time(after(time)),
                    None => when("they or their keys are destroyed")?,
                };
                add("copies of the vault, made as copies or under another root key, from before the shred", until)?;
            }
            (_, Some(time)) => add(COPIES, Until::Time(after(time)))?,
            (Some(Readable::Until(time)), None) => add(COPIES, Until::Time(time.into()))?,
            (Some(Readable::UntilTheNext), None) => {
                add(COPIES, when("the next version of the root key begins, and the one of then is destroyed")?)?;
            }
            (Some(Readable::UntilDestroyed), None) => {
                add(COPIES, when("the version of the root key of then is destroyed, which is not certain yet")?)?;
            }
            // Of whatever kind it was then: it may have been rotated since.
            (None, None) => {
                add(
                    COPIES,
                    when("they are destroyed, or the root key of then is: a passphrase never, unless nobody knows it")?,
                )?;
            }
        }
        let swept = format!("the first sweep after {}", after(process.settings.keep_superseded));
        add("superseded pages, which open nothing without such a copy", when(&swept)?)?;
        if !which.commit().is_wiped_here() {
            add(
                "keys in the memory of the process that shredded, in a call that was under way",
                when("that call ends")?,
            )?;
        }
        if let Some(time) = told.backups_kept {
            let until = Until::Time(after(time));
            add("sealed values in backups of the database, which open with such a copy alone", until)?;
        }
        for index in &told.indexes {
            let [purpose, field, _, label] = index.parts();
            let what = format!("tokens in copies of the index {purpose}/{field}/{label}");
            let epochs = Operations::on(process).epochs(*index).map_err(|error| match error {
                TokenError::KeyStore(error) => error,
                _ => KeyStoreError::Bug("an index of a receipt"),
            })?;
            let until = format!("each epoch up to {} is retired", epochs.current.number());
            add(&shortened(&what), when(&until)?)?;
        }
        for (what, until) in &told.remains {
            add(what.as_str(), Until::Event(until.clone()))?;
        }
        Ok(remains)
    }
}

/// Cut to what a text of the journal may be.
fn shortened(text: &str) -> String {
    let mut end = text.len().min(Reason::MOST_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

fn signing(error: KeyStoreError) -> ReceiptError {
    ReceiptError::Signing(error.into())
}
