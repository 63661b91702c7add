//! What each of a history's acts may change, and what it must have changed when it says that it is done.

use std::collections::{BTreeMap, BTreeSet};

use oubliette::CustomerId;

use super::ops::{NAMES, Of, Op};
use super::seen::{Grant, Hold, Number, Person, Request, Seen};
use super::world::{NEWS_DAYS, ORDER_DAYS, purpose};

const DAY: i64 = 24 * 3600 * 1000;

/// What holds whatever becomes of the register's tables.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// Numbers that must not open any more, in any state that an operator has mended.
    pub gone: BTreeSet<CustomerId>,
    /// All numbers that were ever issued: whose row it was, in which purpose, and by what name.
    pub issued: BTreeMap<CustomerId, (i64, bool, String)>,
    /// Rows of people who were erased.
    pub erased: BTreeSet<i64>,
    /// Numbers that are nobody's any more, since a database was restored.
    pub lost: BTreeSet<CustomerId>,
    /// Holds and requests, as they came.
    pub order: Vec<i64>,
    /// How many of the receipts were checked.
    pub receipts: usize,
    /// The journal lost entries, and an operator has accepted it.
    pub has_gap: bool,
    /// The tables, after the last act.
    pub seen: Seen,
}

/// What an act may change.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Numbers that may be destroyed, and must be if it is done.
    pub destroys: BTreeSet<CustomerId>,
    /// Numbers that are not sealed under any more, and wait for a hold's end.
    pub ends: BTreeSet<CustomerId>,
    /// People who may be erased, and must be if it is done.
    pub erases: BTreeSet<i64>,
    /// People whose grants may end.
    pub touches: BTreeSet<i64>,
    /// Why it must be refused, if it must.
    pub refused: Option<&'static str>,
}

impl Grant {
    fn end(&self, mark: Option<i64>) -> i64 {
        let by_rule = match self.purpose == purpose(true).name() {
            true => self.granted_at + NEWS_DAYS * DAY,
            false => self.granted_at.max(mark.unwrap_or(self.granted_at)) + ORDER_DAYS * DAY,
        };
        self.until.map_or(by_rule, |until| until.min(by_rule))
    }

    fn is_live(&self) -> bool {
        !self.ended && self.recipient.is_empty()
    }
}

/// What an act may do, by what was seen before it.
pub fn plan(before: &Seen, op: Op, now: i64) -> Plan {
    let mut plan = Plan::default();
    let named = |who: usize| before.named(NAMES[who]);
    match op {
        Op::Withdraw(of) => withdrawal(before, of, now, true, &mut plan),
        Op::EndPurpose(of) => withdrawal(before, of, now, false, &mut plan),
        Op::Erase(who) => match named(who) {
            Some(owner) if before.state(owner) == "live" && before.is_held(owner, None, now) => {
                plan.refused = Some("Held")
            }
            Some(owner) => plan.erase(before, owner),
            None => plan.refused = Some("UnknownSubject"),
        },
        Op::ShredNumbers(who, despite) => {
            let Some(owner) = named(who) else { return plan };
            let left = before.left(owner, None);
            let keeps = |number: &CustomerId| before.is_held(owner, Some(&before.numbers[number].purpose), now);
            match left.iter().any(keeps) && !despite {
                true => plan.refused = Some("HoldsStand"),
                false => plan.destroys = left,
            }
            plan.touches.insert(owner);
        }
        Op::Sweep if before.is_unconfirmed => plan.refused = Some("Unconfirmed"),
        Op::Sweep => sweep(before, now, &mut plan),
        Op::Resume => resume(before, now, &mut plan),
        _ => {}
    }
    plan
}

impl Plan {
    fn erase(&mut self, before: &Seen, owner: i64) {
        self.destroys.extend(before.left(owner, None));
        self.erases.insert(owner);
        self.touches.insert(owner);
    }
}

fn withdrawal(before: &Seen, of: Of, now: i64, consents_only: bool, plan: &mut Plan) {
    let purpose = purpose(of.news).name();
    let Some(owner) = before.named(NAMES[of.who]) else { return plan.refused = Some("UnknownSubject") };
    if before.state(owner) != "live" {
        return plan.refused = Some("BeingErased");
    }
    plan.touches.insert(owner);
    let mark = before.marks.get(&owner).copied();
    let stays = |grant: &Grant| {
        let theirs = grant.owner == owner && grant.purpose == purpose && grant.is_live();
        theirs && consents_only && grant.basis != "consent" && grant.end(mark) > now
    };
    if before.grants.values().any(stays) {
        return;
    }
    let left = before.left(owner, Some(purpose));
    match before.is_held(owner, Some(purpose), now) {
        true => plan.ends = left,
        false => plan.destroys = left,
    }
}

/// What waited for a hold's end, and what was decided before.
fn left_over(before: &Seen, now: i64, plan: &mut Plan) {
    for (number, Number { owner, purpose, state }) in &before.numbers {
        let is_pending = state == "shred_pending" && before.state(*owner) == "live";
        if is_pending || (state == "ended" && !before.is_held(*owner, Some(purpose), now)) {
            plan.destroys.insert(*number);
            plan.touches.insert(*owner);
        }
    }
}

fn sweep(before: &Seen, now: i64, plan: &mut Plan) {
    left_over(before, now, plan);
    for (owner, person) in before.people.iter().filter(|(_, person)| person.state == "live") {
        let mark = before.marks.get(owner).copied();
        for purpose in [purpose(false).name(), purpose(true).name()] {
            let mut grants = before
                .grants
                .values()
                .filter(|grant| grant.owner == *owner && grant.purpose == purpose && grant.is_live())
                .peekable();
            let is_due = grants.peek().is_some() && grants.all(|grant| grant.end(mark) <= now);
            if is_due && !before.is_held(*owner, Some(purpose), now) {
                plan.destroys.extend(before.left(*owner, Some(purpose)));
                plan.touches.insert(*owner);
            }
        }
        let asked = before.requests.values().any(|request| {
            request.owner == *owner
                && request.kind == "erasure"
                && request.state == "open"
                && request.not_before.is_some_and(|at| at <= now)
        });
        if asked && !before.is_held(*owner, None, now) && !person.name.is_empty() {
            plan.erase(before, *owner);
        }
    }
}

fn resume(before: &Seen, now: i64, plan: &mut Plan) {
    left_over(before, now, plan);
    for (owner, person) in &before.people {
        if person.state == "erasing" {
            plan.erase(before, *owner);
        }
    }
}

/// Compares the tables before an act with those after it: nothing but what was planned has changed.
pub fn compare(before: &Seen, after: &Seen, op: Op, plan: &Plan) -> Result<(), String> {
    people(before, after, op, plan)?;
    numbers(before, after, op, plan)?;
    let grants = |one: &Grant, other: &Grant| {
        let may_end = other.ended && (one.ended || plan.touches.contains(&one.owner));
        (one.ended == other.ended || may_end) && Grant { ended: one.ended, ..other.clone() } == *one
    };
    let granting = matches!(op, Op::Grant(_) | Op::GrantByLaw(..) | Op::ToRecipient(_));
    same("grant", &before.grants, &after.grants, granting, |_| false, grants)?;
    let gone = |owner: i64| plan.erases.contains(&owner) && after.state(owner) == "erased";
    let holds = |one: &Hold, other: &Hold| {
        let may_end = !one.ended && other.ended && matches!(op, Op::EndHold(_));
        one == other || (may_end && Hold { ended: false, ..other.clone() } == *one)
    };
    same("hold", &before.holds, &after.holds, matches!(op, Op::Hold(..)), |hold| gone(hold.owner), holds)?;
    let requests = |one: &Request, other: &Request| {
        let is_answered = gone(one.owner) && one.state == "open" && {
            let answer = if one.kind == "erasure" { "done" } else { "unanswered" };
            Request { state: answer.to_owned(), ..one.clone() } == *other
        };
        let may_close = one.state == "open"
            && matches!(op, Op::Close(..))
            && Request { state: other.state.clone(), ..one.clone() } == *other;
        let may_extend = one.state == "open"
            && matches!(op, Op::Extend(_))
            && Request { due_at: other.due_at, ..one.clone() } == *other;
        one == other || is_answered || may_close || may_extend
    };
    // An erasure that a hold forbids is kept as a request.
    let defers = matches!(op, Op::Erase(_)) && plan.refused == Some("Held");
    let requests = |one: &Request, other: &Request| {
        let deferred = defers && one.kind == "erasure" && one.state == "open" && other.not_before.is_some();
        requests(one, other) || (deferred && Request { not_before: one.not_before, ..other.clone() } == *one)
    };
    same("request", &before.requests, &after.requests, matches!(op, Op::Request(..)) || defers, |_| false, requests)
}

/// What is in one list and in the other: one more at most, none less unless it may go, and none changed but as it may be.
fn same<T: std::fmt::Debug>(
    what: &str,
    before: &BTreeMap<i64, T>,
    after: &BTreeMap<i64, T>,
    may_grow: bool,
    may_go: impl Fn(&T) -> bool,
    may_become: impl Fn(&T, &T) -> bool,
) -> Result<(), String> {
    for (id, one) in before {
        match after.get(id) {
            Some(other) if may_become(one, other) => {}
            None if may_go(one) => {}
            other => return Err(format!("{what} {id} was {one:?}, and is {other:?}")),
        }
    }
    let new = after.keys().filter(|id| !before.contains_key(id)).count();
    if new <= usize::from(may_grow) { Ok(()) } else { Err(format!("there are {new} more of kind {what}")) }
}

fn people(before: &Seen, after: &Seen, op: Op, plan: &Plan) -> Result<(), String> {
    let person = |one: &(i64, Person), other: &(i64, Person)| {
        let may_change = plan.erases.contains(&one.0);
        let is_erasing = one.1.state == "live" && Person { state: "erasing".to_owned(), ..one.1.clone() } == other.1;
        let is_erased = one.1.state != "erased" && other.1.state == "erased" && other.1.name.is_empty();
        one == other || (may_change && (is_erasing || is_erased))
    };
    let keyed =
        |seen: &Seen| seen.people.iter().map(|(id, person)| (*id, (*id, person.clone()))).collect::<BTreeMap<_, _>>();
    let may_grow = matches!(op, Op::Grant(_) | Op::GrantByLaw(..) | Op::ToRecipient(_) | Op::Request(..));
    same("person", &keyed(before), &keyed(after), may_grow, |_| false, person)
}

fn numbers(before: &Seen, after: &Seen, op: Op, plan: &Plan) -> Result<(), String> {
    for (number, one) in &before.numbers {
        let Some(other) = after.numbers.get(number) else {
            return Err(format!("number {number} is not there any more"));
        };
        let may_become = match other.state.as_str() {
            state if state == one.state => true,
            "ended" => one.state == "live" && plan.ends.contains(number),
            "shred_pending" => one.state != "shredded" && plan.destroys.contains(number),
            "shredded" => plan.destroys.contains(number),
            _ => false,
        };
        if !may_become || one.owner != other.owner || one.purpose != other.purpose {
            return Err(format!("number {number} was {one:?}, and is {other:?}"));
        }
    }
    let new = after.numbers.keys().filter(|number| !before.numbers.contains_key(number)).count();
    let may_grow = matches!(op, Op::Grant(_) | Op::GrantByLaw(..) | Op::ToRecipient(_));
    if new <= usize::from(may_grow) { Ok(()) } else { Err(format!("there are {new} more numbers")) }
}

/// What was said to be done is done.
pub fn is_done(after: &Seen, gone: &BTreeSet<CustomerId>, plan: &Plan) -> Result<(), String> {
    for number in &plan.destroys {
        let state = after.numbers.get(number).map(|number| number.state.as_str());
        if !gone.contains(number) || state != Some("shredded") {
            return Err(format!(
                "it is done, and number {number} is {state:?}, {}",
                if gone.contains(number) { "gone" } else { "readable" }
            ));
        }
    }
    for number in &plan.ends {
        let state = after.numbers.get(number).map(|number| number.state.as_str());
        if !matches!(state, Some("ended" | "shred_pending")) {
            return Err(format!("it is done, and number {number} is sealed under: {state:?}"));
        }
    }
    match plan.erases.iter().find(|owner| after.state(**owner) != "erased") {
        Some(owner) => Err(format!("it is done, and {owner} is {:?}", after.state(*owner))),
        None => Ok(()),
    }
}
