//! Key trees and epochs: replaced, and given up.

use oubliette::personal::Text;
use oubliette::{ChangeError, Error, SealError, Sealed, search::TokenError};

use super::model::*;

impl World {
    pub(crate) fn excuse_change(&self, error: ChangeError) {
        match error {
            ChangeError::NothingHappened(error) | ChangeError::OldCopyRemains(error) | ChangeError::Unknown(error) => {
                self.excuse(&error)
            }
            error => panic!("{error:?}"),
        }
    }

    pub(crate) fn reseal(&mut self, process: usize, value: usize, by_handle: bool) {
        let Value { customer, purpose, sealed, text } = &self.values[value];
        let (customer, purpose, sealed, text) = (*customer, *purpose, sealed.clone(), text.clone());
        let id = self.customers[customer].id;
        let resealed = if by_handle {
            self.keys(process, customer).reseal(FIELDS[purpose], &sealed)
        } else {
            self.processes[process].1.reseal(id, FIELDS[purpose], &sealed)
        };
        match resealed {
            Ok(None) => {}
            Ok(Some(sealed)) => {
                self.seen_alive(process, customer, purpose);
                self.values.push(Value { customer, purpose, sealed, text });
            }
            Err(Error::Open(error)) => self.opened(process, value, Err(error)),
            Err(Error::Seal(SealError::Shredded { .. })) => self.seen_shredded(customer, purpose),
            Err(Error::Seal(SealError::KeyStore(error))) => self.excuse(&error),
            Err(error) => panic!("{error:?}"),
        }
    }

    pub(crate) fn retire(&mut self, process: usize, purpose: usize) {
        let by = self.processes[process].0;
        let vault = &self.processes[process].1;
        let trees = match vault.status() {
            Ok(status) => status.purposes,
            Err(error) => return self.excuse(&error),
        };
        let new = trees.iter().find(|tree| tree.active && tree.purpose == PURPOSES[purpose].name()).unwrap().tree;
        match vault.retire_replaced(PURPOSES[purpose], new) {
            Ok(retired) => {
                for tree in retired.0 {
                    let state = Keys::GivenUp { since: self.now, by };
                    given_up(self.trees.entry(tree.to_string()).or_insert(state), state);
                }
            }
            Err(error) => {
                if !matches!(error, ChangeError::NothingHappened(_)) {
                    for value in self.values.iter().filter(|value| value.purpose == purpose) {
                        self.trees.entry(tree_of(&value.sealed)).or_insert(Keys::Perhaps);
                    }
                }
                self.excuse_change(error);
            }
        }
    }

    pub(crate) fn token(&mut self, process: usize) {
        let (by, vault, _) = &self.processes[process];
        let tokens = vault.tokens(BY_NOTE, &"what is searched".parse().unwrap());
        let tokens = match tokens {
            Ok(tokens) => tokens,
            Err(TokenError::KeyStore(error)) => return self.excuse(&error),
            Err(error) => panic!("{error:?}"),
        };
        assert!(tokens.is_sorted_by(|a, b| a.epoch() > b.epoch()) && !tokens.is_empty());
        for token in tokens {
            let epoch = token.epoch().number();
            assert_eq!(*self.tokens.entry(epoch).or_insert(token), token, "the same in every process");
            if let Some(Keys::GivenUp { since, by: whom }) = self.epochs.get(&epoch) {
                assert!(whom != by && self.now - since < LEASE, "a token of a retired epoch");
            }
        }
    }
}

pub(crate) fn tree_of(sealed: &Sealed<Text>) -> String {
    sealed.as_bytes()[1..9].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What was given up stays so from the first time on.
pub(crate) fn given_up(state: &mut Keys, now: Keys) {
    if *state == Keys::Perhaps {
        *state = now;
    }
}
