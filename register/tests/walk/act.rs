//! One act of a history: done by the register, and compared with what the model says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use oubliette::store::Problem;
use oubliette::testing::Stop;
use oubliette::{CustomerId, Purpose};
use oubliette_register::{Answer, Basis, Grant, HoldId, RegisterError, RequestId, RequestKind, ShredByNumber};

use super::model::{self, Plan, Truth};
use super::ops::{Act, NAMES, Of, Op, Trip};
use super::world::{Value, World, days, field, purpose, table};
use crate::support::*;

/// What came of an act.
#[derive(Debug)]
pub enum Outcome {
    Done,
    /// There was nothing to do it to.
    Nothing,
    Refused(RegisterError),
}

impl<T> From<Result<T, RegisterError>> for Outcome {
    fn from(done: Result<T, RegisterError>) -> Outcome {
        done.map_or_else(Outcome::Refused, |_| Outcome::Done)
    }
}

impl World {
    /// Does it, and checks what it did.
    pub async fn act(&mut self, truth: &mut Truth, act: &Act) -> Result<(), String> {
        match act.op {
            Op::Night => {
                self.night().await;
                return self.compare(truth, act.op, &Plan::default(), false).await;
            }
            Op::Restore { .. } => return self.restore(truth, act).await,
            _ => {}
        }
        let plan = model::plan(&truth.seen, act.op, self.now_ms());
        match act.trip {
            Some(Trip::Killed { step, torn }) => self.steps.stop_at(step, Stop::Die { torn }),
            Some(Trip::Fails { step }) => self.steps.stop_at(step, Stop::Fail(Problem::Full)),
            None => {}
        }
        let outcome = self.take(truth, act.op).await?;
        let was_killed = self.steps.died();
        if was_killed {
            self.stop();
            self.start().map_err(|error| format!("after a kill: {error:?}"))?;
        }
        self.steps.reset();
        // The answer to a call that was killed reached nobody.
        let is_tripped = act.trip.is_some();
        if !is_tripped {
            is_right(&outcome, &plan, truth)?;
        }
        let is_done = matches!(outcome, Outcome::Done) && !was_killed;
        self.compare(truth, act.op, &plan, is_done).await
    }

    /// Everything that is seen now follows from what was seen before.
    async fn compare(&mut self, truth: &mut Truth, op: Op, plan: &Plan, is_done: bool) -> Result<(), String> {
        let after = self.seen().await;
        let before = std::mem::replace(&mut truth.seen, after);
        model::compare(&before, &truth.seen, op, plan)?;
        let newly = self.look(truth)?;
        if let Some(number) = newly.iter().find(|number| !plan.destroys.contains(number)) {
            return Err(format!("number {number} is shredded, and nobody decided it: {:?}", truth.issued[number]));
        }
        if is_done {
            model::is_done(&truth.seen, &truth.gone, plan)?;
        }
        self.check_receipts(truth)
    }

    /// Takes note of who is there, and asks the vault who is gone: those that were not before.
    pub fn look(&self, truth: &mut Truth) -> Result<BTreeSet<CustomerId>, String> {
        for (number, row) in &truth.seen.numbers {
            let name = truth.seen.people.get(&row.owner).map(|person| person.name.clone()).unwrap_or_default();
            truth.issued.entry(*number).or_insert((row.owner, row.purpose == purpose(true).name(), name));
        }
        for id in truth.seen.holds.keys().chain(truth.seen.requests.keys()) {
            if !truth.order.contains(id) {
                truth.order.push(*id);
            }
        }
        let erased = truth.seen.people.iter().filter(|(_, person)| person.state == "erased").map(|(id, _)| *id);
        truth.erased.extend(erased);
        let all = truth.issued.iter().map(|(number, (_, news, _))| (*number, *news));
        let gone: BTreeSet<CustomerId> =
            self.gone(all).map_err(|error| format!("the vault: {error:?}"))?.into_iter().collect();
        if let Some(number) = truth.gone.difference(&gone).next() {
            return Err(format!("number {number} was shredded, and is back: {:?}", truth.issued[number]));
        }
        for (number, row) in &truth.seen.numbers {
            if row.state == "shredded" && !gone.contains(number) {
                return Err(format!("the register calls number {number} shredded, and the vault opens it"));
            }
        }
        let newly = gone.difference(&truth.gone).copied().collect();
        truth.gone = gone;
        Ok(newly)
    }

    async fn take(&mut self, truth: &Truth, op: Op) -> Result<Outcome, String> {
        let ids = NAMES.map(who);
        let now = self.now();
        Ok(match op {
            Op::Grant(of) => {
                let grant = if of.news { consent() } else { contract() };
                self.grant(of, grant).await
            }
            Op::GrantByLaw(one, until) => {
                let of = Of { who: one, news: false };
                self.grant(of, Grant::on(purpose(false), Basis::LegalObligation).until(now + days(until))).await
            }
            Op::ToRecipient(one) => on!(self.db, self.register, grant(&ids[one], contract().to("carrier"))).into(),
            Op::Mark(one) => on!(self.db, self.register, mark(&ids[one], "order", now)).into(),
            Op::Withdraw(of) => {
                own_transaction!(self.db, self.register, withdraw(&ids[of.who], purpose(of.news), why("asked"))).into()
            }
            Op::EndPurpose(of) => {
                own_transaction!(self.db, self.register, end_purpose(&ids[of.who], purpose(of.news), why("closed")))
                    .into()
            }
            Op::Erase(one) => own_transaction!(self.db, self.register, erase(&ids[one], why("asked"))).into(),
            Op::EraseHidden(one) => self.erase_hidden(truth, one).await?,
            Op::EraseSwapped(one, other) => self.erase_swapped(truth, one, other).await?,
            Op::Hold(one, news, until) => {
                let of: Option<Purpose> = news.map(purpose);
                on!(self.db, self.register, hold(&ids[one], of, why("case 7"), now + days(until))).into()
            }
            Op::EndHold(at) => match nth(truth, &truth.seen.holds, at) {
                Some(id) => {
                    let hold: HoldId = id.to_string().parse().unwrap();
                    on!(self.db, self.register, end_hold(hold, why("settled"))).into()
                }
                None => Outcome::Nothing,
            },
            Op::Request(one, kind, ago) => {
                let (kind, received) = (RequestKind::ALL[kind], now - days(ago));
                on!(self.db, self.register, request(&ids[one], kind, received)).into()
            }
            Op::Extend(at) => match request(truth, at) {
                Some(id) => on!(self.db, self.register, extend(id, why("complex"))).into(),
                None => Outcome::Nothing,
            },
            Op::Close(at, how) => match request(truth, at) {
                Some(id) => {
                    let answer = [Answer::Done, Answer::Refused, Answer::Withdrawn][how];
                    on!(self.db, self.register, close_request(id, answer, Some(why("by letter")))).into()
                }
                None => Outcome::Nothing,
            },
            Op::Sweep => match own_transaction!(self.db, self.register, sweep(|_| ControlFlow::Continue(()))) {
                Ok(swept) => swept.unfinished.map_or(Outcome::Done, Outcome::Refused),
                Err(error) => Outcome::Refused(error),
            },
            Op::Flush => own_transaction!(self.db, self.register, flush()).into(),
            Op::Resume => match own_transaction!(self.db, self.register, resume()) {
                Ok(resumed) => resumed.unfinished.map_or(Outcome::Done, Outcome::Refused),
                Err(error) => Outcome::Refused(error),
            },
            Op::Days(by) => {
                self.advance(by);
                Outcome::Done
            }
            Op::ShredNumbers(one, despite) => {
                let Some(owner) = truth.seen.named(NAMES[one]) else { return Ok(Outcome::Nothing) };
                let numbers = truth.seen.left(owner, None);
                if numbers.is_empty() {
                    return Ok(Outcome::Nothing);
                }
                let order = ShredByNumber::these(numbers).reason(why("by hand"));
                let order = if despite { order.despite_holds(why("a court says so")) } else { order };
                own_transaction!(self.db, self.register, shred_numbers(order)).into()
            }
            Op::Retire(news) => self.retire(truth, news).await?,
            Op::Reopen => {
                self.stop();
                self.start().map_err(|error| format!("another process: {error:?}"))?;
                Outcome::Done
            }
            Op::Night | Op::Restore { .. } => Outcome::Nothing,
        })
    }

    /// A grant, and a value that is sealed under it.
    async fn grant(&mut self, of: Of, grant: Grant) -> Outcome {
        let granted = on!(self.db, self.register, grant(&who(NAMES[of.who]), grant));
        if granted.is_err() {
            return granted.into();
        }
        let keys = match on!(self.db, self.register, keys(&who(NAMES[of.who]), purpose(of.news))) {
            Ok(keys) => keys,
            Err(error) => return Outcome::Refused(error),
        };
        self.sealed += 1;
        let says = format!("v{}x@example.com", self.sealed);
        if let Ok(sealed) = keys.seal(field(of.news), &says.parse().unwrap()) {
            let number = keys.customer();
            let row = format!(
                "INSERT INTO {} (no, id, mail) VALUES ({number}, '{}', '{sealed}')",
                table(of.news),
                NAMES[of.who]
            );
            self.db.sql(&row).await;
            self.values.push(Value { number, news: of.news, says, sealed });
        }
        Outcome::Done
    }

    /// Whoever can write the register's tables hides a number of somebody's for as long as an erasure lasts.
    async fn erase_hidden(&mut self, truth: &Truth, one: usize) -> Result<Outcome, String> {
        let seen = &truth.seen;
        let Some(owner) = seen.named(NAMES[one]).filter(|owner| seen.state(*owner) == "live") else {
            return Ok(Outcome::Nothing);
        };
        let left = seen.left(owner, None);
        let Some((number, ..)) = seen.rows.iter().find(|(number, name, _)| left.contains(number) && name == NAMES[one])
        else {
            return Ok(Outcome::Nothing);
        };
        self.db.sql(&format!("UPDATE oubliette_numbers SET subject_id = 1 WHERE number = {number}")).await;
        let erased = own_transaction!(self.db, self.register, erase(&who(NAMES[one]), why("asked")));
        self.db.sql(&format!("UPDATE oubliette_numbers SET subject_id = {owner} WHERE number = {number}")).await;
        match erased {
            Ok(_) => Err(format!("{} is erased, and number {number} was hidden", NAMES[one])),
            Err(_) => Ok(Outcome::Nothing),
        }
    }
}

impl World {
    /// Whoever can write the register's tables exchanges two ids for as long as an erasure lasts.
    async fn erase_swapped(&mut self, truth: &Truth, one: usize, other: usize) -> Result<Outcome, String> {
        let seen = &truth.seen;
        let found = |who: usize| seen.named(NAMES[who]).filter(|owner| seen.state(*owner) == "live");
        let (Some(first), Some(second)) = (found(one), found(other)) else { return Ok(Outcome::Nothing) };
        if first == second || seen.left(second, None).is_empty() {
            return Ok(Outcome::Nothing);
        }
        let named =
            |name: &str, owner: i64| format!("UPDATE oubliette_subjects SET subject = '{name}' WHERE id = {owner}");
        for (name, owner) in [("nobody", first), (NAMES[one], second), (NAMES[other], first)] {
            self.db.sql(&named(name, owner)).await;
        }
        let erased = own_transaction!(self.db, self.register, erase(&who(NAMES[one]), why("asked")));
        for (name, owner) in [("nobody", first), (NAMES[other], second), (NAMES[one], first)] {
            self.db.sql(&named(name, owner)).await;
        }
        match erased {
            Ok(_) => Err(format!("{} is erased as {}", NAMES[other], NAMES[one])),
            Err(_) => Ok(Outcome::Nothing),
        }
    }

    /// Values are moved to a new key tree, and the old one is given up: not while somebody is held, of whom there may be more.
    async fn retire(&mut self, truth: &Truth, news: bool) -> Result<Outcome, String> {
        let (seen, now, purpose) = (&truth.seen, self.now_ms(), purpose(news));
        let is_held = seen.people.keys().any(|owner| {
            seen.is_held(*owner, Some(purpose.name()), now) && !seen.left(*owner, Some(purpose.name())).is_empty()
        });
        let rotated = self.vault.rotate_purpose(purpose).map_err(|error| format!("rotate: {error:?}"))?;
        // The copies of the vault from before open nothing that is sealed from here on: no operator puts them back.
        self.nights.iter_mut().for_each(|night| night.key = 0);
        if is_held {
            let refused = own_transaction!(self.db, self.register, retire_replaced(purpose, rotated.0, None));
            return match refused {
                Err(RegisterError::HoldsStand { .. }) => Ok(Outcome::Nothing),
                other => Err(format!("somebody is held, and it is retired: {other:?}")),
            };
        }
        for value in self.values.iter_mut().filter(|value| value.news == news && !truth.gone.contains(&value.number)) {
            let moved = self
                .vault
                .reseal(value.number, field(news), &value.sealed)
                .map_err(|error| format!("reseal: {error:?}"))?;
            let Some(moved) = moved else { continue };
            let row = format!("UPDATE {} SET mail = '{moved}' WHERE mail = '{}'", table(news), value.sealed);
            self.db.sql(&row).await;
            value.sealed = moved;
        }
        self.retired += 1;
        Ok(own_transaction!(self.db, self.register, retire_replaced(purpose, rotated.0, None)).into())
    }
}

/// One of those that are there, in the order in which they came: ids are random, and a seed is to make the same history.
fn nth<T>(truth: &Truth, all: &BTreeMap<i64, T>, at: usize) -> Option<i64> {
    let there: Vec<i64> = truth.order.iter().filter(|id| all.contains_key(id)).copied().collect();
    there.get(at % there.len().max(1)).copied()
}

fn request(truth: &Truth, at: usize) -> Option<RequestId> {
    nth(truth, &truth.seen.requests, at).map(|id| id.to_string().parse().unwrap())
}

/// Whether an answer is one that the act may have.
fn is_right(outcome: &Outcome, plan: &Plan, truth: &Truth) -> Result<(), String> {
    let Outcome::Refused(error) = outcome else {
        return match (outcome, plan.refused) {
            (Outcome::Done, Some(refusal)) => Err(format!("it was done, and must be refused: {refusal}")),
            _ => Ok(()),
        };
    };
    let seen = &truth.seen;
    // A shred past the register, or of a process that was killed, which a later `resume` records.
    let is_ahead = seen.numbers.iter().any(|(number, row)| row.state != "shredded" && truth.gone.contains(number));
    let name = match error {
        RegisterError::UnknownSubject => "UnknownSubject",
        RegisterError::BeingErased => "BeingErased",
        RegisterError::Held { .. } => "Held",
        RegisterError::HoldsStand { .. } => "HoldsStand",
        RegisterError::Unconfirmed => "Unconfirmed",
        RegisterError::NeedsReconcile if is_ahead || (seen.is_behind && seen.is_unconfirmed) => return Ok(()),
        RegisterError::BeingShredded if seen.numbers.values().any(|number| number.state == "shred_pending") => {
            return Ok(());
        }
        RegisterError::NoGrant { .. } | RegisterError::RequestClosed { .. } | RegisterError::TooLateToExtend { .. } => {
            return Ok(());
        }
        RegisterError::Invalid { .. } => return Ok(()),
        error => return Err(format!("unexpected: {error:?}")),
    };
    let has_state = |state: &str| seen.people.values().any(|person| person.state == state);
    match name {
        _ if plan.refused == Some(name) => Ok(()),
        // Of acts that the model does not plan.
        "UnknownSubject" if plan.destroys.is_empty() => Ok(()),
        "BeingErased" if has_state("erasing") => Ok(()),
        name => Err(format!("refused as {name}, and should be {:?}", plan.refused)),
    }
}
