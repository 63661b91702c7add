//! Versions of the root key, beside a commit: one begins before the record is written, and those before it are destroyed once the record is durable
//! in every listed place. ARCHITECTURE.md, "Versions of the root key", names the rules (E1 to E15).

use std::time::Duration;

use super::{Draft, Engine, NewKey};
use crate::error::KeyStoreError;
use crate::journal::Began;
use crate::root_key::{Recipe, RootKeyError, is_of_a_missing_token};
use crate::store::RootStore;
use crate::sync::lock;

impl Engine {
    /// Begins the next version, if this commit is to have one. After an error nothing is written: what could not be forgotten for good is not
    /// forgotten at all.
    pub(super) fn begin_version(
        &self,
        recipe: &Recipe,
        draft: &mut Draft<'_>,
        roots: &dyn RootStore,
    ) -> Result<(), KeyStoreError> {
        // E7: a copy that made or destroyed a key would do so in the series of its original.
        if self.is_copy {
            return Ok(());
        }
        if let Some(new) = &draft.rekey {
            // It was made before this lock was taken: somebody may have forgotten its series meanwhile.
            new.key.confirm(&new.recipe, true)?;
            let why = if draft.starts_anew { Began::Recovery } else { Began::NewKey };
            lock(&self.keyring).has_begun(&new.recipe, why);
            return Ok(());
        }
        let places = draft.record.places.len();
        let begins = lock(&self.keyring).begins_version(recipe, draft.forgets, draft.begins_version);
        let Some(must_begin) = begins else { return Ok(()) };
        // E12: where nobody can tell what may be promoted no version would ever be finished. Without the keyring: it may take its time.
        if let Err(error) = roots.lagging(Duration::ZERO) {
            return if must_begin { Err(error.into()) } else { Ok(()) };
        }
        let mut keyring = lock(&self.keyring);
        let next = match keyring.next_version(recipe, draft.forgets, draft.begins_version, places) {
            // An operator gives up a place, and has one left, or has lost a token with it: that must be possible, or nothing could be committed ever
            // again, since a token is given up by a rotation, which needs every place. What lies there is to be destroyed.
            Err(KeyStoreError::RootKey(error))
                if draft.gives_up_a_place
                    && (matches!(*error, RootKeyError::OnePlace) || is_of_a_missing_token(&error)) =>
            {
                None
            }
            next => next?,
        };
        if let Some((key, secret, recipe)) = next {
            let why = match (draft.gives_up_a_place, draft.begins_version) {
                (true, _) => Began::Place,
                (_, true) => Began::ByHand,
                _ if draft.forgets && key.begins_when_it_forgets() => Began::Forgot,
                _ => Began::Age,
            };
            keyring.has_begun(&recipe, why);
            draft.rekey = Some(NewKey { key, secret, recipe });
        }
        Ok(())
    }

    /// Whether older versions may be left that this process could destroy.
    pub(super) fn has_unfinished_versions(&self, recipe: &Recipe) -> bool {
        !self.is_copy && !self.read_only && !lock(&self.keyring).has_finished(recipe)
    }

    /// E1: the record was written and synced in every listed place under this lock, so that no crash brings an older one back, which would need
    /// its key. Gives why something is left that opens an older copy, if so.
    pub(super) fn finish_versions(&self, recipe: &Recipe, roots: &dyn RootStore) -> Option<KeyStoreError> {
        if !self.has_unfinished_versions(recipe) {
            return None;
        }
        // E12: a server that may be promoted, and has a record under a version before, must be able to open that. A version is complete once they all have
        // it, so what is only kept for a while need not be asked for again.
        let is_finished = lock(&self.keyring).is_finished(recipe);
        match is_finished {
            Ok(true) => {}
            Ok(false) => match roots.lagging(self.lock_wait) {
                Ok(lagging) if lagging.is_empty() => {}
                Ok(lagging) => return Some(KeyStoreError::NotOnEveryServer { lagging }),
                Err(error) => return Some(error.into()),
            },
            Err(error) => return Some(error),
        }
        lock(&self.keyring).finish(recipe).err()
    }
}
