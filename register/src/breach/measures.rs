//! What was done about it, and what there is to do.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::given::Breach;
use super::leak::{Leak, Taken};
use super::materials::Materials;
use super::situation::{Situation, Stored};

/// A measure that was taken, or that should be. Art. 33(3)(d).
///
/// It is only read, so there is no example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Measure {
    /// What.
    pub what: Action,
    /// When it was taken; `None` if it is proposed.
    pub taken_at: Option<Timestamp>,
}

/// What to do about a leak.
///
/// It is only read, so there is no example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Customers in the copy were shredded since.
    Shredded {
        /// How many numbers.
        numbers: u64,
    },
    /// Move to a new root key and destroy the old one: the old key does not open root records from then on.
    RotateRootKey,
    /// Move the vault to another token, and change the old token's PIN or destroy its keys.
    ReplaceToken,
    /// Begin a new key tree, move the values to it, and give up the old tree: the copied keys open old copies only.
    RotatePurpose {
        /// The purpose.
        purpose: String,
    },
    /// Begin a new epoch, renew the tokens, and retire the old epoch: guesses can be tested on old copies only.
    RetireEpoch {
        /// The purpose.
        purpose: String,
        /// The index's label.
        index: String,
    },
    /// End the access to the program, and change its secrets.
    CloseService {
        /// Its purposes.
        purposes: Vec<String>,
    },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Shredded { numbers } => {
                write!(f, "{numbers} customer numbers in the copied database were shredded since it was copied")
            }
            Action::RotateRootKey => f.write_str(
                "rotate the root key to a random one, and destroy the old one: root records written \
                 from then on are of no use to whoever has it",
            ),
            Action::ReplaceToken => f.write_str(
                "move the vault to a root key in another token, destroy the keys in the old one \
                 if it can be reached, and change the PIN: root records written from then on are of no use \
                 to whoever has the old token",
            ),
            Action::RotatePurpose { purpose } => write!(
                f,
                "give the purpose {purpose} a new key tree, move its values there, and give up \
                 the old one: the copied keys then open the copied values only"
            ),
            Action::RetireEpoch { purpose, index } => {
                write!(f, "begin a new epoch of the index {purpose}/{index}, renew its tokens, and retire the old one")
            }
            Action::CloseService { purposes } => write!(
                f,
                "close the way into the program for {}, and change every secret that it had",
                purposes.join(", ")
            ),
        }
    }
}

pub(super) fn measures(breach: &Breach, situation: &Situation, materials: &Materials) -> Vec<Measure> {
    let history = &situation.history;
    let mut all = Vec::new();
    let copies = breach.leaks.iter().filter_map(|leak| match leak {
        Leak::Database { at } => Some(*at),
        _ => None,
    });
    if let Some(oldest) = copies.min() {
        let since: Vec<Timestamp> = situation
            .enrolments
            .iter()
            .filter_map(|held| held.shredded)
            .map(|shred| shred.at)
            .filter(|at| *at > oldest)
            .collect();
        if let Some(last) = since.iter().max() {
            all.push(Measure { what: Action::Shredded { numbers: since.len() as u64 }, taken_at: Some(*last) });
        }
    }
    if let Some(newest) = materials.root_keys().last() {
        let taken_at = history.rotated_away(*newest).map(|moment| moment.at);
        all.push(Measure { what: Action::RotateRootKey, taken_at });
    }
    if breach.leaks.iter().any(|leak| matches!(leak, Leak::Token { .. })) {
        all.push(Measure { what: Action::ReplaceToken, taken_at: None });
    }
    let opened = materials.opened(history);
    if let Some(newest) = opened.iter().max() {
        let mut purposes: Vec<&str> = situation.columns.iter().filter_map(|column| column.purpose.as_deref()).collect();
        purposes.sort_unstable();
        purposes.dedup();
        for purpose in purposes {
            let trees = history.trees(purpose);
            // Done once every tree that the copied keys reach is given up.
            let reached: Vec<_> = trees.iter().filter(|tree| tree.is_in(*newest)).collect();
            if reached.is_empty() {
                continue;
            }
            let retired: Option<Vec<Timestamp>> =
                reached.iter().map(|tree| tree.retired.map(|moment| moment.at)).collect();
            let taken_at = retired.and_then(|at| at.into_iter().max());
            all.push(Measure { what: Action::RotatePurpose { purpose: purpose.to_owned() }, taken_at });
        }
        for column in &situation.columns {
            if let (Some(purpose), Stored::Token { index }) = (&column.purpose, &column.stored) {
                let live = history.epochs(purpose, index).into_iter();
                let reached: Vec<_> = live.filter(|(begun, _)| begun.generation <= *newest).collect();
                if reached.is_empty() {
                    continue;
                }
                let retired: Option<Vec<Timestamp>> =
                    reached.iter().map(|(_, retired)| retired.map(|moment| moment.at)).collect();
                let what = Action::RetireEpoch { purpose: purpose.clone(), index: index.clone() };
                let measure = Measure { what, taken_at: retired.and_then(|at| at.into_iter().max()) };
                if !all.contains(&measure) {
                    all.push(measure);
                }
            }
        }
    }
    for leak in &breach.leaks {
        if let Leak::Service { purposes, taken: Taken::Answers | Taken::Memory, .. } = leak {
            all.push(Measure { what: Action::CloseService { purposes: purposes.clone() }, taken_at: None });
        }
    }
    all
}
