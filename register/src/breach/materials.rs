//! What copies of a key store open, taken together.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::history::{KeyHistory, Tree};
use super::leak::{Leak, Taken};
use super::situation::Enrolment;

/// All that leaked of keys, wherever it came from: each alone opens nothing.
#[derive(Debug, Default)]
pub(super) struct Materials {
    records: BTreeSet<u64>,
    /// Root keys, as the history counts them.
    root_keys: BTreeSet<usize>,
    /// When a token could be used.
    tokens: Vec<(Timestamp, Timestamp)>,
    pages: BTreeSet<u64>,
}

impl Materials {
    pub(super) fn of(leaks: &[Leak], history: &KeyHistory) -> Materials {
        let mut all = Materials::default();
        for leak in leaks {
            match leak {
                Leak::RootRecord { generation } => drop(all.records.insert(*generation)),
                Leak::RootKey { generation } => drop(all.root_keys.insert(history.root_key(*generation))),
                Leak::RootKeyVersion { number } => all.root_keys.extend(history.root_keys_of_version(*number)),
                Leak::Token { from, until } => all.tokens.push((*from, *until)),
                Leak::Pages { generation } => drop(all.pages.insert(*generation)),
                Leak::Service { from, until, taken: Taken::Memory, .. } => {
                    let during = history.generation_at(*from)..=history.generation_at(*until);
                    for generation in history.generations(during) {
                        all.records.insert(generation);
                        all.root_keys.insert(history.root_key(generation));
                        all.pages.insert(generation);
                    }
                    // Whoever was in it could use the token as it did, for records of before that came from elsewhere too.
                    if history.has_versions() {
                        all.tokens.push((*from, *until));
                    }
                }
                Leak::Service { .. } | Leak::Database { .. } => {}
            }
        }
        all
    }

    /// The generations of the root records that leaked with their root key.
    pub(super) fn opened(&self, history: &KeyHistory) -> Vec<u64> {
        let opens = |generation: &&u64| {
            self.root_keys.contains(&history.root_key(**generation))
                || self.tokens.iter().any(|when| history.token_opens(**generation, *when))
        };
        self.records.iter().filter(opens).copied().collect()
    }

    /// Whether what was sealed of somebody until a time opens.
    ///
    /// A record opens whoever was not shredded when it was written, those enrolled later too: their keys derive from the
    /// same tree.
    pub(super) fn open(&self, history: &KeyHistory, enrolment: &Enrolment, sealed_until: Timestamp) -> bool {
        self.opened(history).into_iter().any(|record| {
            let is_shredded = enrolment.shredded.is_some_and(|shredded| shredded.generation <= record);
            let sealed_under = |tree: &&Tree| tree.may_seal(enrolment.since, sealed_until) && tree.is_in(record);
            !is_shredded
                && history.trees(&enrolment.purpose).iter().filter(sealed_under).any(|tree| {
                    // Pages are kept for a while after they were superseded, so a later copy may have these as well. One
                    // made before they were written has not.
                    let needed = tree.pages_of(record).filter(|_| history.is_complete());
                    needed.is_none_or(|written| self.pages.iter().any(|copied| *copied >= written))
                })
        })
    }

    /// Whether whoever guesses a value can tell by its token that the guess is right.
    pub(super) fn test_guesses(
        &self,
        history: &KeyHistory,
        purpose: &str,
        index: &str,
        filled_until: Timestamp,
    ) -> bool {
        let records = self.opened(history);
        history.epochs(purpose, index).into_iter().filter(|(begun, _)| begun.at <= filled_until).any(
            |(begun, retired)| {
                records.iter().any(|record| {
                    begun.generation <= *record && retired.is_none_or(|retired| retired.generation > *record)
                })
            },
        )
    }

    pub(super) fn root_keys(&self) -> &BTreeSet<usize> {
        &self.root_keys
    }
}
