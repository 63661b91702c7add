//! Shredding: many requests, one commit.

use std::ops::RangeToInclusive;
use std::sync::Arc;
use std::time::SystemTime;

use crate::customer::CustomerId;
use crate::error::{KeyStoreError, ShredError};
use crate::events;
use crate::field::Purpose;
use crate::journal::{Ranges, Reason};
use crate::key_tree::{Found, Rewritten, Walker};
use crate::stack::with_clean_stack;
use crate::vault::commit::{CommitError, Done, Draft, Step, replace, rewrite_tree};
use crate::vault::journal::IntentEntry;
use crate::vault::process::shred_entries::ShredEntries;
use crate::vault::process::{Commit, Process};
use crate::vault::state::{LoadedTree, tree_error};
use crate::vault::workers::oneshot;

/// One caller's wish.
pub(crate) struct ShredRequest {
    pub(crate) target: Target,
    /// All purposes if `None`.
    pub(crate) purpose: Option<Purpose>,
    pub(crate) why: Option<Reason>,
    pub(crate) answer: oneshot::Sender<Result<Shredded, ShredError>>,
}

/// Whom a shred is for: customers by their numbers, or everybody up to a number. Made by `From`, or collected.
///
/// ```
/// use oubliette::{CustomerId, ShredTarget};
/// let (alice, bob) = (CustomerId::from_stored(7)?, CustomerId::from_stored(8)?);
/// let one = ShredTarget::from(alice);
/// let both = ShredTarget::from([alice, bob]);
/// let all_up_to_bob = ShredTarget::from(..=bob);
/// let collected: ShredTarget = [alice, bob].into_iter().collect();
/// # let _ = (one, both, all_up_to_bob, collected);
/// # Ok::<(), oubliette::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ShredTarget(Target);

#[derive(Clone, Debug)]
pub(in crate::vault) enum Target {
    These(Vec<CustomerId>),
    Through(CustomerId),
}

impl ShredTarget {
    pub(in crate::vault) fn into_target(self) -> Target {
        self.0
    }
}

impl FromIterator<CustomerId> for ShredTarget {
    fn from_iter<I: IntoIterator<Item = CustomerId>>(customers: I) -> ShredTarget {
        ShredTarget(Target::These(customers.into_iter().collect()))
    }
}

impl From<CustomerId> for ShredTarget {
    fn from(customer: CustomerId) -> ShredTarget {
        ShredTarget::from_iter([customer])
    }
}

/// The number that a row may have.
impl From<Option<CustomerId>> for ShredTarget {
    fn from(customer: Option<CustomerId>) -> ShredTarget {
        ShredTarget::from_iter(customer)
    }
}

impl From<Vec<CustomerId>> for ShredTarget {
    fn from(customers: Vec<CustomerId>) -> ShredTarget {
        ShredTarget(Target::These(customers))
    }
}

impl From<&[CustomerId]> for ShredTarget {
    fn from(customers: &[CustomerId]) -> ShredTarget {
        ShredTarget::from(customers.to_vec())
    }
}

impl<const N: usize> From<[CustomerId; N]> for ShredTarget {
    fn from(customers: [CustomerId; N]) -> ShredTarget {
        ShredTarget::from_iter(customers)
    }
}

/// Everybody up to this number, in all purposes; numbers that were reserved and never issued, too. It costs one path of pages, however many they are. For
/// one lease more, a process may issue such a number that it reserved long ago; that customer is shredded from the start.
impl From<RangeToInclusive<CustomerId>> for ShredTarget {
    fn from(through: RangeToInclusive<CustomerId>) -> ShredTarget {
        ShredTarget(Target::Through(through.end))
    }
}

/// What a shred did. It is durable: the keys are gone from every place that holds the root record.
///
/// ```
/// # use oubliette::{Purpose, Vault};
/// # const ORDERS: Purpose = Purpose::new("orders");
/// # let vault = Vault::in_memory([ORDERS]);
/// let (alice, bob) = (vault.enroll()?, vault.enroll()?);
/// vault.shred([alice])?;
/// let shredded = vault.shred([alice, bob])?;
/// assert_eq!((shredded.already_shredded(), shredded.newly_shredded()), (&[alice][..], 1));
/// # Ok::<(), oubliette::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Shredded {
    already: Vec<CustomerId>,
    newly: u64,
    commit: Commit,
    pub(in crate::vault) written: Written,
}

impl Shredded {
    /// The customers asked for who had been shredded before, in every purpose of this shred.
    #[must_use]
    pub fn already_shredded(&self) -> &[CustomerId] {
        &self.already
    }

    /// How many numbers the commit newly shredded, each counted once a purpose. Shreds that share a commit all tell the sum.
    #[must_use]
    pub fn newly_shredded(&self) -> u64 {
        self.newly
    }

    /// The commit that shredded them.
    #[must_use]
    pub fn commit(&self) -> &Commit {
        &self.commit
    }
}

/// Each request's own answer, once it is known that the commit can be made.
#[derive(Clone)]
enum Verdict {
    Refused(ShredError),
    Already(Vec<CustomerId>),
}

/// What a shred has in the journal, for a receipt.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) target: Target,
    pub(crate) purpose: Option<Purpose>,
    pub(crate) why: Option<Reason>,
    pub(crate) at: SystemTime,
    pub(crate) entries: Vec<IntentEntry>,
}

#[derive(Clone)]
pub(in crate::vault) struct Outcome {
    verdicts: Vec<Verdict>,
    pub(in crate::vault) newly: u64,
    pages: usize,
}

impl Outcome {
    /// How many of a request's customers had been shredded before.
    pub(in crate::vault) fn already(&self, request: usize) -> usize {
        match self.verdicts.get(request) {
            Some(Verdict::Already(already)) => already.len(),
            _ => 0,
        }
    }
}

/// Commits all requests at once, and answers each. `more`: those that came while the commit waited for its turn.
pub(crate) fn shred_together(
    process: &Arc<Process>,
    mut requests: Vec<ShredRequest>,
    more: &mut dyn FnMut() -> Vec<ShredRequest>,
) {
    let mut entries = ShredEntries::default();
    process.load_paths(&requests);
    let done = process.commit(&mut |draft| {
        // Each keeps its place: a plan may be asked twice.
        requests.extend(more());
        plan(process, draft, &requests, &mut entries)
    });
    let committed_at = SystemTime::now();
    let effective_at = done.as_ref().map_or(committed_at, |done| committed_at + done.state.facts.lease);
    entries.conclude(process, &done, effective_at);
    match done {
        Err(error) => {
            for request in requests {
                request.answer.send(Err(match &error {
                    CommitError::NothingHappened(cause) => ShredError::NothingHappened(cause.clone()),
                    CommitError::Unknown(cause) => ShredError::Unknown(cause.clone()),
                }));
            }
        }
        Ok(Done { value, old_copy, state, .. }) => {
            let commit = process.made(state, effective_at);
            events::committed(commit.generation(), value.newly, value.pages);
            for (index, (request, verdict)) in requests.into_iter().zip(value.verdicts).enumerate() {
                let written = entries.written(index, &request, committed_at);
                request.answer.send(match (verdict, &old_copy) {
                    (Verdict::Refused(error), _) => Err(error),
                    (Verdict::Already(_), Some(cause)) => Err(ShredError::OldCopyRemains(cause.clone())),
                    (Verdict::Already(already), None) => {
                        Ok(Shredded { already, newly: value.newly, commit: commit.clone(), written })
                    }
                });
            }
        }
    }
}

fn plan(
    process: &Process,
    draft: &mut Draft<'_>,
    requests: &[ShredRequest],
    entries: &mut ShredEntries,
) -> Result<Step<Outcome>, KeyStoreError> {
    draft.refuse_if_gone_back()?;
    let mut verdicts: Vec<Verdict> = requests.iter().map(|request| judge(draft, request)).collect();
    let rewritten = match rewrite_all(draft, &granted(requests, &verdicts)) {
        Err(KeyStoreError::PageDamaged { .. }) => {
            // A page that is lost concerns those behind it. Whose it is, each request's own try tells.
            for (request, verdict) in requests.iter().zip(&mut verdicts) {
                if let (Verdict::Already(_), Err(error)) = (&*verdict, rewrite_all(draft, &[request])) {
                    *verdict = Verdict::Refused(ShredError::NothingHappened(error));
                }
            }
            rewrite_all(draft, &granted(requests, &verdicts))?
        }
        rewritten => rewritten?,
    };
    let granted = granted(requests, &verdicts);
    let is_granted = |index: usize| matches!(verdicts.get(index), Some(Verdict::Already(_)));
    // Until here nothing was changed, not even in the draft.
    entries.intend(process, draft, requests, is_granted)?;
    let (mut pages, mut newly) = (Vec::new(), 0);
    for (loaded, rewritten) in draft.trees.iter_mut().zip(rewritten) {
        newly += rewritten.map_or(0, |rewritten| replace(loaded, rewritten, &mut pages));
    }
    let before = draft.record.shredded_through;
    for request in &granted {
        if let (Target::Through(customer), None) = (&request.target, request.purpose) {
            draft.record.shredded_through = draft.record.shredded_through.max(customer.get());
        }
    }
    let outcome = Outcome { verdicts, newly, pages: pages.len() };
    // All may have been shredded one by one; other processes' blocks are overtaken all the same.
    if !pages.is_empty() || draft.record.shredded_through != before {
        draft.forgets = !pages.is_empty();
        return Ok(Step::Write(pages, outcome));
    }
    // Somebody shredded them before. That commit may have been killed half-way, so all copies are written again.
    Ok(if granted.is_empty() { Step::Keep(outcome) } else { Step::Rewrite(outcome) })
}

fn granted<'r>(requests: &'r [ShredRequest], verdicts: &[Verdict]) -> Vec<&'r ShredRequest> {
    let is_granted = |(_, verdict): &(&ShredRequest, &Verdict)| matches!(verdict, Verdict::Already(_));
    requests.iter().zip(verdicts).filter(is_granted).map(|(request, _)| request).collect()
}

/// What each tree of a draft becomes if all of these are shredded; `None` for one that does not change.
fn rewrite_all(draft: &Draft<'_>, requests: &[&ShredRequest]) -> Result<Vec<Option<Rewritten>>, KeyStoreError> {
    let rewrite = |(index, loaded): (usize, &LoadedTree)| {
        #[cfg(planted)]
        if crate::planted::is_planted(crate::planted::Bug::OneTreeOnly) && index > 0 {
            return Ok(None);
        }
        let _ = index;
        rewrite_tree(draft, loaded, &numbers_in(loaded, requests.iter().copied()))
    };
    draft.trees.iter().enumerate().map(rewrite).collect()
}

/// All whom requests are about in one tree.
pub(super) fn numbers_in<'r>(loaded: &LoadedTree, requests: impl Iterator<Item = &'r ShredRequest>) -> Ranges {
    let theirs = requests.filter(|request| concerns(request, Some(loaded)));
    theirs.fold(Ranges::default(), |all, request| all.or(&ranges(&request.target)))
}

fn concerns(request: &ShredRequest, tree: Option<&LoadedTree>) -> bool {
    tree.is_some_and(|tree| request.purpose.is_none_or(|purpose| purpose.name() == tree.purpose))
}

pub(in crate::vault) fn ranges(target: &Target) -> Ranges {
    match target {
        Target::These(customers) => Ranges::of_numbers(customers.iter().map(|customer| customer.get())),
        Target::Through(customer) => Ranges::of(vec![0..=customer.get()]),
    }
}

fn judge(draft: &Draft<'_>, request: &ShredRequest) -> Verdict {
    match &request.target {
        Target::Through(customer) => {
            let newest = draft.record.newest_block;
            if customer.get() < newest {
                Verdict::Already(Vec::new())
            } else {
                Verdict::Refused(ShredError::TooNew { newest })
            }
        }
        Target::These(customers) => {
            let unknown = customers.iter().find(|customer| customer.get() >= draft.record.next_number);
            if let Some(customer) = unknown {
                return Verdict::Refused(ShredError::NotEnrolled { customer: *customer });
            }
            match already_shredded(draft, request, customers) {
                Ok(already) => Verdict::Already(already),
                // A page of theirs cannot be read: nobody else's wish depends on it.
                Err(error) => Verdict::Refused(ShredError::NothingHappened(error)),
            }
        }
    }
}

/// Those who are shredded in every tree that the request concerns.
fn already_shredded(
    draft: &Draft<'_>,
    request: &ShredRequest,
    customers: &[CustomerId],
) -> Result<Vec<CustomerId>, KeyStoreError> {
    let trees: Vec<_> =
        draft.trees.iter().filter(|tree| concerns(request, Some(tree))).filter_map(|tree| tree.tree.as_ref()).collect();
    let mut sorted = customers.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    for tree in trees {
        sorted = with_clean_stack(|| {
            let mut walker = Walker::for_many();
            let mut left = Vec::new();
            for customer in sorted {
                if walker.walk(tree, customer.to_path(), &draft.pages).map_err(tree_error)? == Found::Shredded {
                    left.push(customer);
                }
            }
            Ok::<_, KeyStoreError>(left)
        })?;
    }
    Ok(sorted)
}
