//! From a builder to a running process: what `create`, `unlock` and the recoveries share.

use std::sync::Arc;

use super::VaultBuilder;
use super::builder::Where;
use crate::error::{KeyStoreError, UnlockError};
use crate::key_tree::Resident;
use crate::rehearsal;
use crate::root_key::RootKey;
use crate::store::{Directory, Mark};
use crate::sync::Mutex;
use crate::vault::commit::{self, CommitError, Engine, Seen, Step, Stores, Terms};
use crate::vault::operations::Operations;
use crate::vault::process::{Process, Settings};
use crate::vault::state::{Keyring, RollbackProof, Scope, page_mark};
use crate::vault::{Vault, VaultInner};

impl VaultBuilder {
    /// The first thing that is done, whatever the vault is opened for.
    pub(in crate::vault) fn stores(&self, create: bool) -> Result<(Stores, Option<Directory>), KeyStoreError> {
        // Before a key is used.
        rehearsal::measure_stack();
        match &self.place {
            Where::Stores(pages, roots) => Ok((Stores::new(pages.clone(), roots.clone(), self.threaded), None)),
            Where::Directory(builder) => {
                let directory = if create { builder.create()? } else { builder.open()? };
                Ok((stores_of(&directory, self.threaded), Some(directory)))
            }
        }
    }

    pub(in crate::vault) fn engine(&self, stores: Stores, root_key: RootKey) -> Engine {
        let keys = std::iter::once(root_key).chain(self.next_root_key.clone()).collect();
        Engine {
            stores,
            keyring: Mutex::new(Keyring::new(keys)),
            resident: Resident::at_most(self.most_tree_memory),
            lock_wait: self.lock_wait,
            is_copy: self.is_copy,
            read_only: self.read_only,
        }
    }

    /// Reads the record, and starts a process on it. Tells whether copies need repair.
    pub(in crate::vault) fn process(
        &self,
        engine: Engine,
        scope: Scope,
    ) -> Result<(Arc<Process>, bool), KeyStoreError> {
        let read = || commit::read(&engine, &|| None, &scope, [self.patience; 2]);
        let seen = match read() {
            Err(KeyStoreError::FirstPlaceBehind { .. }) if !self.read_only => {
                // It was put back from a backup. A commit sees every place, and brings it forward.
                let terms = Terms { scope: scope.clone(), ..Terms::default() };
                let repaired = engine.commit(&terms, &|| None, &mut |_| Ok(Step::Rewrite(())), None);
                repaired.map_err(CommitError::cause)?;
                read()?
            }
            seen => seen?,
        };
        let Seen::Changed { state, needs_repair, .. } = seen else {
            return Err(KeyStoreError::Bug("nothing was state before"));
        };
        let vault = state.facts.clear.vault;
        drop(state);
        let settings = Arc::new(Settings {
            vault,
            purposes: self.purposes.clone(),
            most_tree_memory: self.most_tree_memory,
            lock_wait: self.lock_wait,
            patience: self.patience,
            keep_superseded: self.keep_superseded,
            clock: self.clock.clone(),
            threaded: self.threaded,
            is_copy: self.is_copy,
            read_only: self.read_only,
            journal: self.journal.clone(),
            reopen: match &self.place {
                Where::Directory(builder) => {
                    let (builder, threaded) = (builder.clone(), self.threaded);
                    Box::new(move || Ok(stores_of(&builder.open()?, threaded)))
                }
                Where::Stores(pages, roots) => {
                    let (pages, roots, threaded) = (pages.clone(), roots.clone(), self.threaded);
                    // The threads that read places are the parent's.
                    Box::new(move || Ok(Stores::new(pages.clone(), roots.clone(), threaded)))
                }
            },
        });
        let process = Process::new(settings, engine, scope)?;
        process.refresh().inspect_err(|_| drop(process.leave()))?;
        Ok((process, needs_repair))
    }

    pub(super) fn start(
        self,
        engine: Engine,
        directory: Option<Directory>,
        existing: bool,
    ) -> Result<Vault, UnlockError> {
        // Before the record: a commit in between would raise the mark above a record that was read earlier.
        let mark = engine.stores.pages.mark().map_err(KeyStoreError::from)?;
        let (process, needs_repair) = self.process(engine, Scope::default()).map_err(|error| match error {
            // Slots that were never written, beside the mark of later commits: they were put back, or made anew.
            KeyStoreError::NoVault if mark.generation > 0 => {
                KeyStoreError::RolledBack { have: 0, seen: mark.generation }
            }
            error => error,
        })?;
        let inner = VaultInner { process, directory };
        // From here on an error drops the owner, which stops the threads.
        if existing {
            self.check_existing(&inner.process, mark, needs_repair)?;
        } else {
            Operations::on(&inner.process).open_journal(&self.journal)?;
        }
        inner.tell_unlocked();
        Ok(Vault::of(inner))
    }

    pub(in crate::vault) fn check_existing(
        &self,
        process: &Arc<Process>,
        mark: Mark,
        needs_repair: bool,
    ) -> Result<(), UnlockError> {
        // Of the listed places alone: another one may hold another history. Not above what it was before the record was read.
        let again = process.page_store().mark().map_err(KeyStoreError::from)?;
        let mark = if again.generation < mark.generation { again } else { mark };
        let state = process.state()?;
        let marked = page_mark::check(&state.facts, &mark, self.is_copy)?;
        let recipe = state.facts.clear.recipe.clone();
        let (have, next_number) = (state.facts.clear.generation, state.facts.next_number);
        let unknown = self.purposes.iter().find(|purpose| state.active(purpose.name()).is_none());
        let is_missing = unknown.is_some() || state.indexes.is_none();
        drop(state);
        process.unless_proven(RollbackProof::Mark(marked))?;
        let may_finish = !self.is_copy && !self.read_only;
        let needs_repair =
            needs_repair || may_finish && !process.commits.keyring().is_finished(&recipe).unwrap_or(true);
        process.can_read_some_tree(&self.purposes)?;
        self.check_demands(have, next_number)?;
        if needs_repair && !self.read_only {
            // Best effort: a vault on a read-only mount can still be read.
            if let Err(error) = run(process, |process| process.repair()) {
                crate::events::read_failed(&error);
            }
        }
        Operations::on(process).open_journal(&self.journal)?;
        match unknown {
            _ if self.add_missing && is_missing => {
                Ok(run(process, |process| Operations::on(process).add_missing_purposes())?)
            }
            None => Ok(()),
            Some(purpose) => Err(UnlockError::UnknownPurpose { purpose: purpose.name() }),
        }
    }

    /// What the caller knows of the vault must be so.
    pub(in crate::vault) fn check_demands(&self, have: u64, next_number: u64) -> Result<(), UnlockError> {
        if self.highest_number.is_some_and(|number| number.get() >= next_number) {
            // Not written down: the number may be a mistake, which must not stop every other process.
            return Err(KeyStoreError::RolledBack { have, seen: have + 1 }.into());
        }
        if have < self.demanded {
            return Err(UnlockError::BehindDemand { have, demanded: self.demanded });
        }
        Ok(())
    }
}

fn run(
    process: &Arc<Process>,
    job: impl FnOnce(&Arc<Process>) -> Result<(), KeyStoreError> + Send + 'static,
) -> Result<(), KeyStoreError> {
    process.workers.commits.run(process, None, job).unwrap_or(Err(KeyStoreError::Closed))
}

pub(super) fn stores_of(directory: &Directory, threaded: bool) -> Stores {
    Stores::new(Arc::new(directory.clone()), Arc::new(directory.clone()), threaded)
}
