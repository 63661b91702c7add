//! Whether what was recorded can be: independent of the vault's code.
//!
//! A call that was answered happened at some moment between its two lines. One that has no answer, or the answer "unknown", happened or
//! did not; what others saw later settles it. What is promised:
//!
//! | rule | |
//! |---|---|
//! | `late` | no open of a customer begins after her shred is effective everywhere, and succeeds |
//! | `number twice` | no number is issued twice |
//! | `wrong content` | what is opened is what was sealed |
//! | `survivor` | whoever nobody asked to shred is neither refused nor shredded |
//! | `again` | a life of a process that saw a customer shredded never opens her again |
//! | `order` | all opens and shreds can be put in one order (below) |
//! | `not closed`, `not back` | who is cut off stops one lease later, and goes on by itself afterwards |
//! | `verdict` | in the end a new process opens every value of each survivor, and none of whoever was answered to be shredded |
//!
//! After a server was lost that had commits which nobody else had, or a restore to an earlier moment, these shreds and numbers may be gone
//! ([`Fault::Lost`]): of them that is not asked until a recovery, and a refusal is no fault. All else is.

mod order;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use crate::history::{Answer, Call, Fault, History, Life, What};

/// A rule that was broken, and by what.
#[derive(Debug)]
pub struct Violation {
    pub rule: &'static str,
    pub says: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.says)
    }
}

/// What was asked of one customer's shred, by whomever.
#[derive(Clone, Copy, Debug)]
struct Shred {
    /// When the first call began that may have done it.
    begun: u64,
    /// When the first call ended that was answered Ok.
    done: Option<u64>,
    /// From when on it holds everywhere, as the first of them said.
    effective: Option<u64>,
    /// It may have been lost with a server.
    doubtful: bool,
}

/// What the checks share.
struct Facts<'h> {
    history: &'h History,
    lease: u64,
    lost: Option<(u64, u64)>,
    recovered: Option<u64>,
    shreds: BTreeMap<u64, Shred>,
    /// By the sealed value: whose, and what.
    sealed: HashMap<&'h str, (u64, &'h str, u64)>,
    violations: Vec<Violation>,
}

/// How much there was to check: a run that did nothing proves nothing.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub lives: usize,
    pub opened: usize,
    pub seen_shredded: usize,
    pub enrolled: usize,
    pub sealed: usize,
    pub shreds: usize,
    pub unknown: usize,
    pub unavailable: usize,
    pub refused: usize,
}

pub fn counts(history: &History) -> Counts {
    let lives: BTreeSet<Life> = history.calls.iter().map(|call| call.by).collect();
    let mut counts = Counts { lives: lives.len(), ..Counts::default() };
    for call in &history.calls {
        match (&call.what, call.answer.as_ref().map(|(_, answer)| answer)) {
            (What::Open { .. }, Some(Answer::Ok(_))) => counts.opened += 1,
            (What::Open { .. }, Some(Answer::Shredded)) => counts.seen_shredded += 1,
            (What::Enroll, Some(Answer::Ok(_))) => counts.enrolled += 1,
            (What::Seal { .. }, Some(Answer::Ok(_))) => counts.sealed += 1,
            (What::Shred { .. }, Some(Answer::Ok(_))) => counts.shreds += 1,
            (_, None | Some(Answer::Unknown(_))) => counts.unknown += 1,
            (_, Some(Answer::Unavailable(_))) => counts.unavailable += 1,
            (_, Some(Answer::Refused(_))) => counts.refused += 1,
            _ => {}
        }
    }
    counts
}

/// All rules that were broken.
pub fn check(history: &History) -> Vec<Violation> {
    let mut facts = Facts::of(history);
    facts.late();
    facts.numbers();
    facts.contents();
    facts.survivors();
    facts.never_again();
    order::check(&mut facts);
    facts.cut_off();
    facts.verdict();
    facts.violations
}

fn ok(call: &Call) -> Option<(u64, &str)> {
    match &call.answer {
        Some((at, Answer::Ok(what))) => Some((*at, what)),
        _ => None,
    }
}

/// When a call ended; one that never did, never.
fn end(call: &Call) -> u64 {
    call.answer.as_ref().map_or(u64::MAX, |(at, _)| *at)
}

impl<'h> Facts<'h> {
    fn of(history: &'h History) -> Facts<'h> {
        let mut facts = Facts {
            history,
            lease: 0,
            lost: None,
            recovered: None,
            shreds: BTreeMap::new(),
            sealed: HashMap::new(),
            violations: Vec::new(),
        };
        for fault in &history.faults {
            match fault {
                Fault::Lease(lease) => facts.lease = *lease,
                Fault::Lost { from, to } => facts.lost = Some((*from, *to)),
                Fault::Recovered(at) => facts.recovered = Some(*at),
                Fault::CutOff { .. } | Fault::Judged { .. } => {}
            }
        }
        assert!(facts.lease > 0, "a history says its lease");
        for call in &history.calls {
            match &call.what {
                What::Shred { customers } => customers.iter().for_each(|customer| facts.shred(*customer, call)),
                What::Seal { customer, text } => {
                    if let Some((_, value)) = ok(call) {
                        facts.sealed.insert(value, (*customer, text, call.begun));
                    }
                }
                _ => {}
            }
        }
        facts
    }

    fn shred(&mut self, customer: u64, call: &Call) {
        // What did not happen.
        if matches!(call.answer, Some((_, Answer::Unavailable(_) | Answer::Refused(_)))) {
            return;
        }
        let done = ok(call);
        // Written before the loss, and answered after it began: to the server that was lost, perhaps.
        let doubtful = self.lost.is_some_and(|(from, to)| end(call) > from && call.begun < to);
        let new = Shred {
            begun: call.begun,
            done: done.map(|(at, _)| at),
            effective: done.map(|(_, from)| from.parse().expect("a shred says from when it holds")),
            doubtful,
        };
        let shred = self.shreds.entry(customer).or_insert(new);
        shred.begun = shred.begun.min(new.begun);
        // Of several answers the first one that is in no doubt counts.
        let better =
            new.done.is_some() && (shred.done.is_none() || (shred.doubtful, shred.done) > (new.doubtful, new.done));
        if better {
            (shred.done, shred.effective) = (new.done, new.effective);
        }
        shred.doubtful = if shred.done.is_some() && !better { shred.doubtful } else { new.doubtful };
    }

    fn broken(&mut self, rule: &'static str, says: String) {
        self.violations.push(Violation { rule, says });
    }

    /// Whether another state had taken the place of what was lost, and no recovery had mended that.
    fn is_after_loss(&self, time: u64) -> bool {
        self.lost.is_some_and(|(_, to)| time >= to) && self.recovered.is_none_or(|recovered| time < recovered)
    }

    /// Whether it can be asked at this time that this shred holds.
    fn holds_at(&self, shred: &Shred, time: u64) -> bool {
        !(shred.doubtful && self.is_after_loss(time))
    }

    fn opens(&self) -> impl Iterator<Item = (&'h Call, u64, &'h str)> + use<'h> {
        let history = self.history;
        history.calls.iter().filter_map(|call| match &call.what {
            What::Open { customer, sealed } => Some((call, *customer, sealed.as_str())),
            _ => None,
        })
    }

    fn late(&mut self) {
        for (call, customer, _) in self.opens() {
            let Some(shred) = self.shreds.get(&customer) else { continue };
            let Some(effective) = shred.effective else { continue };
            if ok(call).is_some() && call.begun > effective && self.holds_at(shred, end(call)) {
                let late = (call.begun - effective) / 1_000_000;
                self.broken("late", format!("{late} ms after it was effective everywhere: {call:?}; {shred:?}"));
            }
        }
    }

    fn numbers(&mut self) {
        let mut issued: HashMap<&str, &Call> = HashMap::new();
        for call in &self.history.calls {
            let (What::Enroll, Some((_, number))) = (&call.what, ok(call)) else { continue };
            let Some(first) = issued.insert(number, call) else { continue };
            // A block that was reserved in the state that was lost, and one of the state after it.
            let excused = self.lost.is_some_and(|(from, to)| end(first) > from && end(call) > to)
                && self.recovered.is_none_or(|recovered| call.begun < recovered);
            if !excused {
                self.broken("number twice", format!("{number}: {first:?} and {call:?}"));
            }
        }
    }

    fn contents(&mut self) {
        for (call, customer, value) in self.opens() {
            let Some((_, text)) = ok(call) else { continue };
            match self.sealed.get(value) {
                Some((whose, sealed, _)) if *whose == customer && *sealed == text => {}
                other => self.broken("wrong content", format!("{other:?} was sealed, and {call:?}")),
            }
        }
    }

    fn survivors(&mut self) {
        for call in &self.history.calls {
            let Some((at, answer)) = &call.answer else { continue };
            let customer = match &call.what {
                What::Open { customer, .. } | What::Seal { customer, .. } => Some(*customer),
                _ => None,
            };
            let asked = customer.is_some_and(|customer| self.shreds.contains_key(&customer));
            let wrong = match answer {
                Answer::Refused(_) => !self.is_after_loss(*at),
                Answer::Shredded => !asked,
                _ => false,
            };
            if wrong {
                self.broken("survivor", format!("{call:?}"));
            }
        }
    }

    fn never_again(&mut self) {
        let mut seen: HashMap<(Life, u64), u64> = HashMap::new();
        for call in &self.history.calls {
            let Some((at, answer)) = &call.answer else { continue };
            let customers: &[u64] = match (&call.what, answer) {
                (What::Open { customer, .. } | What::Seal { customer, .. }, Answer::Shredded) => {
                    std::slice::from_ref(customer)
                }
                (What::Shred { customers }, Answer::Ok(_)) => customers,
                _ => continue,
            };
            for customer in customers {
                let first = seen.entry((call.by, *customer)).or_insert(*at);
                *first = (*first).min(*at);
            }
        }
        for (call, customer, _) in self.opens() {
            let Some(at) = seen.get(&(call.by, customer)) else { continue };
            if ok(call).is_some() && call.begun > *at {
                self.broken("again", format!("the same process knew at {at} that she is shredded: {call:?}"));
            }
        }
    }

    fn cut_off(&mut self) {
        for fault in &self.history.faults {
            let Fault::CutOff { process, from, to } = *fault else { continue };
            let used = |call: &&Call| {
                call.by.process == process
                    && matches!(call.what, What::Open { .. } | What::Seal { .. } | What::Enroll)
                    && ok(call).is_some()
            };
            let closed = from + self.lease;
            if let Some(call) =
                self.history.calls.iter().filter(used).find(|call| call.begun > closed && end(call) < to)
            {
                self.broken("not closed", format!("cut off since {from}, lease {}: {call:?}", self.lease));
            }
            if !self.history.calls.iter().filter(used).any(|call| call.begun > to) {
                self.broken("not back", format!("process {process} opened and sealed nothing after {to}"));
            }
            // One call may wait for longer than its process was cut off.
            let within = |time: u64| time > closed && time < to;
            let asked = |call: &&Call| call.by.process == process && (within(call.begun) || within(end(call)));
            if !self.history.calls.iter().any(|call| asked(&call)) {
                self.broken("not closed", format!("process {process} asked nothing between {closed} and {to}"));
            }
        }
    }

    fn verdict(&mut self) {
        let judged = self.history.faults.iter().find_map(|fault| match fault {
            Fault::Judged { by, from } => Some((*by, *from)),
            _ => None,
        });
        let Some((by, from)) = judged else {
            self.broken("verdict", "nobody looked at every value in the end".to_owned());
            return;
        };
        let judged = self.opens().filter(|(call, ..)| call.by.process == by && call.begun >= from);
        let last: HashMap<&str, &Answer> =
            judged.filter_map(|(call, _, value)| Some((value, &call.answer.as_ref()?.1))).collect();
        let values: Vec<_> = self.sealed.iter().map(|(value, (customer, _, at))| (*value, *customer, *at)).collect();
        for (value, customer, sealed_at) in values {
            let lost = self.lost.is_some_and(|(since, _)| sealed_at > since)
                && self.recovered.is_none_or(|recovered| sealed_at < recovered);
            let right = match (self.shreds.get(&customer), last.get(value)) {
                (None, Some(Answer::Ok(_))) => true,
                (Some(Shred { done: Some(_), .. }), Some(Answer::Shredded)) => true,
                (Some(Shred { done: None, .. }), Some(Answer::Ok(_) | Answer::Shredded)) => true,
                // A number of the state that was lost may have been shredded for somebody else's sake.
                (None, Some(Answer::Shredded | Answer::Refused(_))) => lost,
                _ => false,
            };
            if !right {
                let (shred, found) = (self.shreds.get(&customer), last.get(value));
                self.broken(
                    "verdict",
                    format!("customer {customer}, {value}, sealed at {sealed_at}: {shred:?}, and in the end {found:?}"),
                );
            }
        }
    }
}
