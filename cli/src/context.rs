//! What every command works with: the configuration, where root keys come from, and the vault once it is open.

use std::cell::RefCell;
use std::rc::Rc;

use oubliette::journal::Reason;
use oubliette::store::PlaceId;
use oubliette::{CustomerId, Purpose, Vault, VaultBuilder};

use crate::args::Common;
use crate::config::Config;
use crate::confirm;
use crate::exit::{Exit, Failure};
use crate::key_store::{self, Store};
use crate::secrets::Secrets;

#[derive(Debug)]
pub struct Context {
    pub config: Config,
    pub secrets: Secrets,
    store: RefCell<Option<Rc<Store>>>,
    yes: bool,
}

impl Context {
    pub fn new(common: &Common) -> Result<Context, Failure> {
        let config = Config::load(common)?;
        let secrets = Secrets::new(common, &config.root_key);
        Ok(Context { config, secrets, store: RefCell::default(), yes: common.yes })
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

    /// For what only looks.
    pub fn builder_without_journal(&self) -> Result<VaultBuilder, Failure> {
        let builder = self.store()?.vault();
        Ok(if self.config.copy { builder.as_copy() } else { builder })
    }

    /// A journal begins when a vault is opened with one, and binds the vault to it for ever: that is the application's to
    /// decide, not a typing mistake's.
    fn journal_is_there(&self) -> Result<(), Failure> {
        match &self.config.journal {
            Some(journal) if !journal.exists() => Err(Failure::new(
                Exit::Missing,
                format!(
                    "there is no journal at {}; correct the path, or let the application begin it. If it is lost: `oubliette journal accept-loss`",
                    journal.display()
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Opens the vault with these purposes unlocked; the others are shredded all the same, and shown.
    pub fn unlock(&mut self, purposes: &[Purpose]) -> Result<Vault, Failure> {
        // Before the passphrase is asked for: a mistyped path is told at once.
        let builder = self.builder()?.purposes(purposes.iter().copied());
        self.journal_is_there()?;
        Ok(builder.unlock(self.secrets.current()?)?)
    }

    /// Opens the vault at the mirror that is to take over from places that are lost.
    pub fn promote(&mut self, lost: Vec<PlaceId>) -> Result<Vault, Failure> {
        let builder = self.builder()?;
        self.journal_is_there()?;
        Ok(builder.promote(self.secrets.current()?, lost)?)
    }

    /// Opens the vault on the word of an operator that its alarm was a false one.
    pub fn clear_alarm(&mut self, highest_number: Option<CustomerId>, why: Reason) -> Result<Vault, Failure> {
        let builder = self.builder()?;
        let builder = highest_number.into_iter().fold(builder, VaultBuilder::highest_number_known);
        self.journal_is_there()?;
        Ok(builder.clear_alarm(self.secrets.current()?, why)?)
    }

    pub fn confirm(&self, question: &str) -> Result<(), Failure> {
        confirm::confirm(self.yes, question)
    }
}

/// A purpose whose name is known only now.
pub fn purpose(name: &str) -> Result<Purpose, Failure> {
    // A handful a run: the program ends soon, and they with it.
    Purpose::try_new(name.to_owned().leak())
        .map_err(|error| Failure::usage(format!("{name:?} is no purpose's name: {error}")))
}

/// Ends a vault's work; trouble that it was in is the command's.
pub fn close(vault: Vault) -> Result<(), Failure> {
    vault.close().map_err(|error| Failure::of(Exit::from(error.outcome()), &error))
}
