//! What every command works with: the configuration, where root keys come from, and the vault once it is open.

use std::cell::RefCell;
use std::rc::Rc;

use oubliette::journal::Reason;
use oubliette::store::{PlaceId, Problem};
use oubliette::{CustomerId, KeyStoreError, Purpose, UnlockError, Vault, VaultBuilder};

use crate::args::Common;
use crate::commands::status::{bring_back, places};
use crate::config::Config;
use crate::confirm;
use crate::exit::{Exit, Failure};
use crate::key_store::{self, Store};
use crate::permissions;
use crate::secrets::Secrets;

#[derive(Debug)]
pub struct Context {
    pub config: Config,
    pub secrets: Secrets,
    store: RefCell<Option<Rc<Store>>>,
    /// Vaults that were opened, for a command that fails before it closes them.
    opened: RefCell<Vec<Vault>>,
    yes: bool,
}

impl Context {
    pub fn new(common: &Common) -> Result<Context, Failure> {
        let config = Config::load(common)?;
        let secrets = Secrets::new(common, &config.root_key);
        Ok(Context { config, secrets, store: RefCell::default(), opened: RefCell::default(), yes: common.yes })
    }

    /// Where the vault is, in words.
    pub fn shown(&self) -> Result<String, Failure> {
        key_store::shown(&self.config)
    }

    /// The key store, which is opened once. A directory is looked at each time it is asked for.
    pub fn store(&self) -> Result<Rc<Store>, Failure> {
        if let Some(store) = self.store.borrow().as_ref().filter(|store| !matches!(***store, Store::Directory(..))) {
            return Ok(store.clone());
        }
        let store = Rc::new(Store::open(&self.config)?);
        *self.store.borrow_mut() = Some(store.clone());
        Ok(store)
    }

    /// That the vault is in a directory, for what is done to directories alone.
    pub fn in_directory(&self, instead: &str) -> Result<(), Failure> {
        match self.config.key_store {
            Some(_) => {
                Err(Failure::usage(format!("the vault is in PostgreSQL, which replicates by itself: {instead}")))
            }
            None => Ok(()),
        }
    }

    pub fn builder(&self) -> Result<VaultBuilder, Failure> {
        let builder = self.builder_without_journal()?;
        Ok(match &self.config.journal {
            Some(journal) => builder.journal(journal),
            None => builder,
        })
    }

    /// For a vault that is not there yet: nothing is opened.
    pub fn builder_for_new(&self) -> Result<VaultBuilder, Failure> {
        let builder = key_store::for_new(&self.config)?;
        Ok(match &self.config.journal {
            Some(journal) => builder.journal(journal),
            None => builder,
        })
    }

    /// For what only looks.
    pub fn builder_without_journal(&self) -> Result<VaultBuilder, Failure> {
        let builder = self.store()?.vault();
        Ok(if self.config.copy { builder.as_copy() } else { builder })
    }

    /// A journal begins when a vault is opened with one, and binds the vault to it for ever: that is the application's to
    /// decide, not a typing mistake's.
    fn journal_is_there(&self) -> Result<(), Failure> {
        match &self.config.journal {
            Some(journal) if journal.exists() => permissions::no_pipe(journal),
            Some(journal) => Err(Failure::new(
                Exit::Missing,
                format!(
                    "there is no journal at {}; correct the path, or let the application begin it. If it is lost, \
                     run `oubliette journal accept-loss`",
                    journal.display()
                ),
            )),
            None => Ok(()),
        }
    }

    /// Opens the vault with these purposes unlocked; the others are shredded all the same, and shown.
    pub fn unlock(&mut self, purposes: &[Purpose]) -> Result<Vault, Failure> {
        let builder = self.builder()?.purposes(purposes.iter().copied());
        self.is_there()?;
        let vault = builder.unlock(self.secrets.current()?)?;
        Ok(self.opened(vault))
    }

    /// Has a vault closed when its command fails.
    pub fn opened(&self, vault: Vault) -> Vault {
        self.opened.borrow_mut().push(vault.clone());
        vault
    }

    /// After a failure: waits for the vaults' threads. A token's module takes its leave when the process ends, and must not be called then.
    pub fn close_all(&self) {
        for vault in self.opened.borrow_mut().drain(..) {
            // What failed is told already.
            let _ = vault.close();
        }
    }

    /// Before the passphrase is asked for: a mistyped path is told at once.
    pub fn is_there(&self) -> Result<(), Failure> {
        self.store()?;
        self.journal_is_there()
    }

    /// Refuses before anything is decided: a commit writes every place that the record lists, or is refused.
    pub fn every_place_is_there(&self, vault: &Vault) -> Result<(), Failure> {
        // A copy's record may list the places of its original, which are not for it to look at.
        if self.config.copy {
            return Ok(());
        }
        let (store, listed) = (self.store()?, vault.status()?.places);
        for place in places(&store, &listed).iter().filter(|place| place.is_listed) {
            if let Some(why) = &place.away {
                let id = place.id.to_string();
                let message = format!("nothing happened: place {id} is away ({why}); {}", bring_back(&id));
                return Err(Failure::new(Exit::TryAgain, message));
            }
        }
        Ok(())
    }

    /// Opens the vault at the mirror that is to take over from places that are lost.
    pub fn promote(&mut self, lost: Vec<PlaceId>) -> Result<Vault, Failure> {
        let builder = self.builder()?;
        self.journal_is_there()?;
        let vault = builder.promote(self.secrets.current()?, lost)?;
        Ok(self.opened(vault))
    }

    /// Opens the vault on the word of an operator that its alarm was a false one.
    pub fn clear_alarm(&mut self, highest_number: Option<CustomerId>, why: Reason) -> Result<Vault, Failure> {
        let builder = self.builder()?;
        let builder = highest_number.into_iter().fold(builder, VaultBuilder::highest_number_known);
        self.journal_is_there()?;
        let vault = builder.clear_alarm(self.secrets.current()?, why)?;
        Ok(self.opened(vault))
    }

    /// What a move to a new root key came to. One that failed leaves no key file behind, which would stop the next try; but
    /// only when it is certain that the vault is not under that key.
    pub fn settle_key<T>(&mut self, done: Result<T, Failure>) -> Result<T, Failure> {
        self.settle(done, Context::builder_without_journal, |error| {
            matches!(error, UnlockError::KeyStore(KeyStoreError::WrongRootKey))
        })
    }

    /// What making a new vault came to, as [`settle_key`](Context::settle_key). Where there is no vault, the key opens
    /// nothing.
    pub fn settle_new_vault<T>(&mut self, done: Result<T, Failure>) -> Result<T, Failure> {
        self.settle(
            done,
            |context| key_store::for_new(&context.config),
            |error| match error {
                UnlockError::KeyStore(KeyStoreError::WrongRootKey | KeyStoreError::NoVault) => true,
                UnlockError::KeyStore(KeyStoreError::Store(error)) => {
                    matches!(error.problem(), Problem::NotAVault | Problem::Missing)
                }
                _ => false,
            },
        )
    }

    fn settle<T>(
        &mut self,
        done: Result<T, Failure>,
        builder: impl FnOnce(&Context) -> Result<VaultBuilder, Failure>,
        opens_nothing: impl FnOnce(&UnlockError) -> bool,
    ) -> Result<T, Failure> {
        let (mut failure, generated) = match (done, self.secrets.take_generated()) {
            (Err(failure), Some(generated)) => (failure, generated),
            (done, _) => return done,
        };
        let (path, key) = generated;
        let found = builder(self).map(|builder| builder.unlock_read_only(key));
        if matches!(found, Ok(Err(error)) if opens_nothing(&error)) {
            // It is ours, and opens nothing.
            let _ = std::fs::remove_file(&path);
        } else {
            failure.message.push_str(&format!(
                "; the vault may be under the new root key already, so the key stays in {}: when you try again, \
                 give `--new-key-file {}`",
                path.display(),
                path.display()
            ));
        }
        Err(failure)
    }

    pub fn confirm(&self, question: &str) -> Result<(), Failure> {
        confirm::confirm(self.yes, question)
    }
}

/// A purpose whose name is known only now.
pub fn purpose(name: &str) -> Result<Purpose, Failure> {
    // A handful a run: the program ends soon, and they with it.
    Purpose::try_new(name.to_owned().leak())
        .map_err(|error| Failure::usage(format!("{name:?} is not the name of a purpose: {error}")))
}

/// Ends a vault's work; trouble that it was in is the command's.
pub fn close(vault: Vault) -> Result<(), Failure> {
    vault.close().map_err(|error| Failure::of(Exit::from(error.outcome()), &error))
}
