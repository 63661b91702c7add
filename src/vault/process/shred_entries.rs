//! Shreds in the journal: one entry for all requests of a commit that ask for the same, for the same reason.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::error::KeyStoreError;
use crate::field::Purpose;
use crate::journal::{self, Event, Numbers, Ranges, Reason, Results};
use crate::vault::commit::{CommitError, Done, Draft};
use crate::vault::journal::Entries;
use crate::vault::process::Process;
use crate::vault::process::shred::{Outcome, ShredRequest, Target, Written, ranges};

/// What a commit of shreds writes down.
#[derive(Default)]
pub(crate) struct ShredEntries {
    entries: Entries,
    /// For each request that is written down, which intent covers it.
    covered: BTreeMap<usize, usize>,
    intents: usize,
}

/// Requests with the same key share an entry.
type Key<'r> = (bool, Option<Purpose>, Option<&'r Reason>);

fn key(request: &ShredRequest) -> Key<'_> {
    (matches!(request.target, Target::Through(_)), request.purpose, request.why.as_ref())
}

impl ShredEntries {
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
            let is_empty = matches!(&request.target, Target::These(customers) if customers.is_empty());
            if is_empty || !is_granted(index) || self.covered.contains_key(&index) {
                continue;
            }
            let key = key(request);
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, group)) => group.push(index),
                None => groups.push((key, vec![index])),
            }
        }
        let intents = groups.iter().map(|(_, group)| intent(group.iter().filter_map(|index| requests.get(*index))));
        process.journal.intend(&process.commits, draft, &mut self.entries, intents.flatten().collect())?;
        for (_, group) in groups {
            self.covered.extend(group.into_iter().map(|index| (index, self.intents)));
            self.intents += 1;
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
        let newly = done.as_ref().ok().filter(|_| self.intents == 1).map(|done| done.value.newly);
        let already = |intent: usize| {
            let done = &done.as_ref().ok()?.value;
            let requests = self.covered.iter().filter(|(_, covered)| **covered == intent);
            Some(requests.map(|(request, _)| done.already(*request) as u64).sum())
        };
        let results = |intent| Results {
            newly,
            already: already(intent),
            effective_at: Some(effective_at.into()),
            ..Results::default()
        };
        process.journal.conclude_each(&process.commits, &mut self.entries, done, results);
    }

    /// What one request's receipt names.
    pub(crate) fn written(&self, request: usize, asked: &ShredRequest, at: SystemTime) -> Written {
        let intent = self.covered.get(&request);
        Written {
            target: asked.target.clone(),
            purpose: asked.purpose,
            why: asked.why.clone(),
            at,
            entries: intent.map_or_else(Vec::new, |intent| self.entries.of(*intent).to_vec()),
        }
    }
}

/// Of requests that share a key.
fn intent<'r>(requests: impl Iterator<Item = &'r ShredRequest>) -> Option<Event> {
    let mut requests = requests.peekable();
    let first = *requests.peek()?;
    let (purpose, why) = (first.purpose.map(Into::into), first.why.clone());
    if let Target::Through(last) = first.target {
        let last = requests.fold(last, |last, request| match request.target {
            Target::Through(other) => last.max(other),
            Target::These(_) => last,
        });
        return Some(Event::Shred { whom: journal::Whom::Through(last.into()), purpose: None, why });
    }
    let all = requests.flat_map(|request| ranges(&request.target).as_slice().to_vec());
    let numbers = Numbers::from(Ranges::of(all.collect()));
    Some(Event::Shred { whom: journal::Whom::Numbers(numbers), purpose, why })
}
