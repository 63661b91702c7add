//! Shreds in the journal: one entry for all requests of a commit that ask for the same, for the same reason.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::{Deed, Entries, Fruit, Why};
use crate::error::KeyStoreError;
use crate::field::Purpose;
use crate::key_tree::Ranges;
use crate::vault::engine::{CommitError, Draft};
use crate::vault::process::{Done, Process};
use crate::vault::shred::{Outcome, ShredRequest, Whom, ranges};

/// What a commit of shreds writes down.
#[derive(Default)]
pub(crate) struct Paper {
    entries: Entries,
    /// For each request that is written down, which deed covers it.
    covered: BTreeMap<usize, usize>,
    deeds: usize,
}

/// Requests with the same key share an entry.
type Key<'r> = (bool, Option<Purpose>, &'r Why);

fn key(request: &ShredRequest) -> Key<'_> {
    (matches!(request.whom, Whom::Through(_)), request.purpose, &request.why)
}

impl Paper {
    /// Writes down those requests that are granted, and were not by an earlier run of the plan.
    pub(crate) fn intend(
        &mut self,
        process: &Process,
        draft: &mut Draft<'_>,
        requests: &[ShredRequest],
        is_granted: impl Fn(usize) -> bool,
    ) -> Result<(), KeyStoreError> {
        let mut groups: Vec<(Key<'_>, Vec<usize>)> = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            let is_empty = matches!(&request.whom, Whom::These(customers) if customers.is_empty());
            if is_empty || !is_granted(index) || self.covered.contains_key(&index) {
                continue;
            }
            let key = key(request);
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, group)) => group.push(index),
                None => groups.push((key, vec![index])),
            }
        }
        let deeds = groups.iter().map(|(_, group)| deed(group.iter().filter_map(|index| requests.get(*index))));
        let deeds: Vec<Deed> = deeds.flatten().collect();
        process.intend(draft, &mut self.entries, deeds)?;
        for (_, group) in groups {
            self.covered.extend(group.into_iter().map(|index| (index, self.deeds)));
            self.deeds += 1;
        }
        Ok(())
    }

    /// Writes down what came of them.
    pub(crate) fn conclude(
        &mut self,
        process: &Process,
        done: &Result<Done<Outcome>, CommitError>,
        effective_at: SystemTime,
    ) {
        // What a commit newly shredded cannot be divided among those that shared it.
        let newly = done.as_ref().ok().filter(|_| self.deeds == 1).map(|done| done.value.newly);
        let already = |deed: usize| {
            let done = &done.as_ref().ok()?.value;
            let requests = self.covered.iter().filter(|(_, covered)| **covered == deed);
            Some(requests.map(|(request, _)| done.already(*request) as u64).sum())
        };
        let fruit =
            |deed| Fruit { newly, already: already(deed), effective_at: Some(effective_at), ..Fruit::default() };
        process.conclude_each(&mut self.entries, done, fruit);
    }

    /// What one request's receipt names.
    #[cfg(feature = "journal")]
    pub(crate) fn written(&self, request: usize, asked: &ShredRequest, at: SystemTime) -> super::Written {
        let deed = self.covered.get(&request);
        super::Written {
            whom: asked.whom.clone(),
            purpose: asked.purpose,
            why: asked.why.clone(),
            at,
            noted: deed.map_or_else(Vec::new, |deed| self.entries.of(*deed).to_vec()),
        }
    }
}

/// Of requests that share a key.
fn deed<'r>(requests: impl Iterator<Item = &'r ShredRequest>) -> Option<Deed> {
    let mut requests = requests.peekable();
    let first = *requests.peek()?;
    let (purpose, why) = (first.purpose.map(|purpose| purpose.name()), first.why.clone());
    if let Whom::Through(last) = first.whom {
        let last = requests.fold(last, |last, request| match request.whom {
            Whom::Through(other) => last.max(other),
            Whom::These(_) => last,
        });
        return Some(Deed::ShredThrough { last, why });
    }
    let all = requests.flat_map(|request| ranges(&request.whom).as_slice().to_vec());
    Some(Deed::Shred { whom: Ranges::of(all.collect()), purpose, why })
}
