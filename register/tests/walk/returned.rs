//! What came back with a restore and what was lost with it, against what the journal knows; and what people enter again.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use jiff::Timestamp;
use oubliette::CustomerId;
use oubliette::journal::{Entry, Event};
use oubliette_register::{Answer, HoldId, RegisterError, RequestId};

use super::model::Truth;
use super::seen::Seen;
use super::world::{World, purpose};
use crate::support::*;

/// What a journal tells of the register's rows, by their ids.
#[derive(Debug, Default)]
pub struct Told {
    pub grants: BTreeSet<i64>,
    pub granted: BTreeSet<CustomerId>,
    pub ends: BTreeSet<i64>,
    pub holds: BTreeSet<i64>,
    pub hold_ends: BTreeSet<i64>,
    pub requests: BTreeSet<i64>,
    pub closes: BTreeSet<i64>,
    /// Whose hold, request or erasure it is, is told by numbers.
    pub numbers: Vec<(i64, Vec<CustomerId>)>,
    pub erased: BTreeSet<CustomerId>,
}

impl Told {
    pub fn of(entries: &[Entry]) -> Told {
        let mut told = Told::default();
        let id = |id: u64| i64::try_from(id).unwrap();
        for entry in entries {
            match entry.event() {
                Event::Granted { grant, number, .. } => {
                    told.grants.insert(id(*grant));
                    told.granted.insert((*number).into());
                }
                Event::Ended { grant, .. } => drop(told.ends.insert(id(*grant))),
                Event::Hold { hold, numbers, .. } => {
                    told.holds.insert(id(*hold));
                    told.numbers.push((id(*hold), all(numbers)));
                }
                Event::HoldEnded { hold, .. } => drop(told.hold_ends.insert(id(*hold))),
                Event::Requested { request, numbers, .. } => {
                    told.requests.insert(id(*request));
                    told.numbers.push((id(*request), all(numbers)));
                }
                Event::RequestClosed { request, .. } => drop(told.closes.insert(id(*request))),
                Event::Erased { numbers, .. } => told.erased.extend(all(numbers)),
                _ => {}
            }
        }
        told
    }

    /// Whether the journal tells whose a hold or a request is, in words that these tables understand.
    fn is_known_of(&self, id: i64, owner: i64, seen: &Seen) -> bool {
        let theirs = |number: &CustomerId| seen.numbers.get(number).is_some_and(|row| row.owner == owner);
        self.numbers.iter().any(|(known, numbers)| *known == id && numbers.iter().any(theirs))
    }
}

fn all(numbers: &oubliette::journal::Numbers) -> Vec<CustomerId> {
    numbers
        .ranges()
        .flat_map(|(first, last)| first.get()..=last.get())
        .map(|n| CustomerId::from_stored(n.try_into().unwrap()).unwrap())
        .collect()
}

/// A restore, as far as it was mended.
pub struct Returned {
    /// That the journal has lost entries was accepted.
    pub accepted: bool,
    /// An operator says that numbers stand beside the right ids.
    pub vouches: bool,
    /// The tables before anything was mended.
    pub restored: Seen,
    pub is_database: bool,
    /// What the journal told before, and what of it is left.
    pub told: Told,
    pub still_told: Told,
    /// Numbers that were reported as lost.
    pub lost: BTreeSet<CustomerId>,
}

impl Returned {
    /// Whether there is something that shows the loss: a root record that vouched for what the journal has lost, or the journal itself.
    fn tells(&self, still_told: &BTreeSet<i64>, told: &BTreeSet<i64>, id: i64) -> bool {
        still_told.contains(&id) || (self.accepted && told.contains(&id))
    }
}

impl World {
    pub async fn returned(&mut self, truth: &mut Truth, returned: &Returned, shreds_lost: bool) -> Result<(), String> {
        let before = std::mem::take(&mut truth.seen);
        truth.seen = self.seen().await;
        let was_asked = truth.seen.is_unconfirmed;
        if returned.vouches {
            own_transaction!(self.db, self.register, confirm_restored(why("it is from before the rotation")))
                .map_err(|error| format!("vouch: {error:?}"))?;
            let strangers = own_transaction!(self.db, self.register, reconcile())
                .map_err(|error| format!("{error:?}"))?
                .misassigned;
            if !strangers.is_empty() {
                return Err(format!("still others': {strangers:?}"));
            }
        }
        self.numbers_returned(truth, &before, returned)?;
        self.check_receipts(truth)?;
        self.people_returned(truth, &before, returned).await?;
        truth.seen.is_unconfirmed |= was_asked;
        grants_returned(&truth.seen, &before, returned)?;
        self.holds_returned(truth, &before, returned).await?;
        self.requests_returned(truth, &before, returned).await?;
        for (owner, at) in &before.marks {
            if let Some(person) = truth.seen.people.get(owner).filter(|person| person.state == "live") {
                let at = Timestamp::from_millisecond(*at).unwrap();
                on!(self.db, self.register, mark(&who(&person.name), "order", at))
                    .map_err(|error| format!("mark: {error:?}"))?;
            }
        }
        truth.seen = self.seen().await;
        if truth.seen.is_unconfirmed {
            let swept = own_transaction!(self.db, self.register, sweep(|_| ControlFlow::Continue(())));
            if !matches!(swept, Err(RegisterError::Unconfirmed)) {
                return Err(format!("it was swept, and nobody has confirmed: {swept:?}"));
            }
            own_transaction!(self.db, self.register, confirm_restored(why("all was entered again")))
                .map_err(|error| format!("confirm: {error:?}"))?;
        }
        if shreds_lost {
            for number in returned.lost.iter().filter(|number| !truth.seen.numbers.contains_key(number)) {
                let Some((_, news, _)) = truth.issued.get(number) else { continue };
                self.vault
                    .shredding([*number])
                    .purpose(purpose(*news))
                    .run()
                    .map_err(|error| format!("lost: {error:?}"))?;
            }
        }
        own_transaction!(self.db, self.register, flush()).map_err(|error| format!("flush: {error:?}"))?;
        let once = self.seen().await;
        own_transaction!(self.db, self.register, resume()).map_err(|error| format!("again: {error:?}"))?;
        let again = self.seen().await;
        if once != again && !shreds_lost {
            return Err(format!("a second resume does more: {once:?}, {again:?}"));
        }
        truth.seen = self.seen().await;
        self.look(truth)?;
        let lives = |number: &CustomerId| truth.seen.numbers.get(number).is_some_and(|row| row.state != "shredded");
        if let Some(number) = truth.gone.iter().find(|number| lives(number)) {
            return Err(format!(
                "number {number} is shredded, and the register has it as {:?}",
                truth.seen.numbers[number]
            ));
        }
        self.check_receipts(truth)?;
        self.check_values(truth).await?;
        truth.seen = self.seen().await;
        self.check_journal(truth)
    }

    fn numbers_returned(&self, truth: &mut Truth, before: &Seen, returned: &Returned) -> Result<(), String> {
        let known = truth.gone.clone();
        self.look(truth)?;
        let seen = &truth.seen;
        for number in truth.gone.difference(&known) {
            // Decided before, or of somebody who is erased, or nobody's.
            let lived =
                before.numbers.get(number).is_some_and(|row| row.state == "live" && before.state(row.owner) == "live");
            if lived {
                return Err(format!("a restore has shredded number {number}: {:?}", truth.issued[number]));
            }
        }
        for (number, (owner, news, _)) in &truth.issued {
            match seen.numbers.get(number) {
                Some(row) if row.owner != *owner => return Err(format!("number {number} is another's now: {row:?}")),
                Some(row)
                    if truth.gone.contains(number) != (row.state == "shredded") && row.state != "shred_pending" =>
                {
                    return Err(format!("number {number} is {row:?}, gone: {}", truth.gone.contains(number)));
                }
                Some(_) => drop(truth.lost.remove(number)),
                None if !returned.is_database && before.numbers.contains_key(number) => {
                    return Err(format!("number {number} is not there any more"));
                }
                None => {
                    truth.lost.insert(*number);
                    let lived = before.numbers.get(number).is_some_and(|row| row.state == "live");
                    let told = before.grants.iter().any(|(id, grant)| {
                        let theirs = grant.owner == *owner && purpose(*news).name() == grant.purpose;
                        theirs && !grant.ended && returned.still_told.grants.contains(id) && grant.recipient.is_empty()
                    });
                    if lived
                        && told
                        && !truth.gone.contains(number)
                        && !returned.lost.contains(number)
                        && !returned.restored.is_behind
                    {
                        return Err(format!("number {number} is nobody's, and not listed as lost"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Whoever was erased comes back as erased, or an operator knows of it.
    async fn people_returned(&mut self, truth: &mut Truth, before: &Seen, returned: &Returned) -> Result<(), String> {
        for (owner, person) in truth.seen.people.clone() {
            if truth.erased.contains(&owner) && before.state(owner) == "erased" && person.state != "erased" {
                let is_told = truth
                    .seen
                    .numbers
                    .iter()
                    .any(|(number, row)| row.owner == owner && returned.still_told.erased.contains(number));
                if is_told || !returned.is_database {
                    return Err(format!("{} was erased, and is {}", person.name, person.state));
                }
                for hold in
                    truth.seen.holds.iter().filter(|(_, hold)| hold.owner == owner && !hold.ended).map(|(id, _)| *id)
                {
                    let hold: HoldId = hold.to_string().parse().unwrap();
                    on!(self.db, self.register, end_hold(hold, why("erased before")))
                        .map_err(|error| format!("{error:?}"))?;
                }
                own_transaction!(self.db, self.register, erase(&who(&person.name), why("erased before")))
                    .map_err(|error| format!("erased again by hand: {error:?}"))?;
            }
            if before.state(owner) == "live" && person.state != "live" {
                // By what the restored tables know: what came since is nobody's.
                let nothing_left = returned.restored.left(owner, None).iter().all(|number| truth.gone.contains(number));
                if !nothing_left {
                    return Err(format!("{owner} was live, and is {}", person.state));
                }
            }
        }
        truth.seen = self.seen().await;
        self.look(truth).map(drop)
    }

    async fn holds_returned(&mut self, truth: &Truth, before: &Seen, returned: &Returned) -> Result<(), String> {
        let (now, seen) = (self.now_ms(), &truth.seen);
        for (id, hold) in before.holds.iter().filter(|(_, hold)| hold.stands(now)) {
            if seen.holds.get(id).is_some_and(|found| found.stands(now) && found.owner == hold.owner)
                || before.state(hold.owner) != "live"
            {
                continue;
            }
            let is_live = seen.state(hold.owner) == "live";
            let is_known = returned.still_told.is_known_of(*id, hold.owner, seen);
            if !returned.is_database || (returned.still_told.holds.contains(id) && is_known && is_live) {
                return Err(format!("hold {id} is lost: {hold:?}, {:?}", seen.holds.get(id)));
            }
            if returned.tells(&returned.still_told.holds, &returned.told.holds, *id) && !seen.is_unconfirmed {
                return Err(format!("hold {id} is lost, and nobody is asked for it: {hold:?}"));
            }
            if is_live {
                let of = (!hold.purpose.is_empty()).then(|| purpose(hold.purpose == NEWSLETTER.name()));
                let until = Timestamp::from_millisecond(hold.until).unwrap();
                let name = who(&seen.people[&hold.owner].name);
                match on!(self.db, self.register, hold(&name, of, why("case 7"), until)) {
                    Ok(_) | Err(RegisterError::BeingShredded) => {}
                    Err(error) => return Err(format!("a hold is entered again: {error:?}")),
                }
            }
        }
        for (id, _) in seen.holds.iter().filter(|(_, hold)| hold.stands(now)) {
            if before.holds.get(id).is_some_and(|hold| hold.ended) {
                if returned.still_told.hold_ends.contains(id) {
                    return Err(format!("hold {id} was ended, and stands again"));
                }
                let hold: HoldId = id.to_string().parse().unwrap();
                on!(self.db, self.register, end_hold(hold, why("settled before")))
                    .map_err(|error| format!("{error:?}"))?;
            }
        }
        Ok(())
    }

    async fn requests_returned(&mut self, truth: &Truth, before: &Seen, returned: &Returned) -> Result<(), String> {
        let seen = &truth.seen;
        for (id, request) in before.requests.iter().filter(|(_, request)| request.state == "open") {
            let found = seen.requests.get(id);
            if found.is_some_and(|found| found.state == "open") || before.state(request.owner) != "live" {
                continue;
            }
            // Whoever has nothing left in any purpose may count as erased.
            let is_live = seen.state(request.owner) == "live";
            if !is_live && seen.people.contains_key(&request.owner) {
                continue;
            }
            let is_known = returned.still_told.is_known_of(*id, request.owner, seen);
            if !returned.is_database || (returned.still_told.requests.contains(id) && is_known && is_live) {
                return Err(format!("request {id} is lost: {request:?}, {found:?}"));
            }
            if returned.tells(&returned.still_told.requests, &returned.told.requests, *id) && !seen.is_unconfirmed {
                return Err(format!("request {id} is lost, and nobody is asked for it: {request:?}"));
            }
            if is_live {
                let received = Timestamp::from_millisecond(request.received_at).unwrap();
                let (name, kind) = (who(&seen.people[&request.owner].name), request.kind.parse().unwrap());
                on!(self.db, self.register, request(&name, kind, received)).map_err(|error| format!("{error:?}"))?;
            }
        }
        for (id, _) in seen.requests.iter().filter(|(_, request)| request.state == "open") {
            if before.requests.get(id).is_some_and(|request| request.state != "open") {
                if returned.still_told.closes.contains(id) {
                    return Err(format!("request {id} was closed, and is open again"));
                }
                let request: RequestId = id.to_string().parse().unwrap();
                on!(self.db, self.register, close_request(request, Answer::Withdrawn, None))
                    .map_err(|error| format!("{error:?}"))?;
            }
        }
        Ok(())
    }
}

fn grants_returned(seen: &Seen, before: &Seen, returned: &Returned) -> Result<(), String> {
    for (id, grant) in &before.grants {
        let found = seen.grants.get(id);
        if grant.ended && returned.still_told.ends.contains(id) && found.is_some_and(|found| !found.ended) {
            return Err(format!("grant {id} was ended, and is live again: {grant:?}"));
        }
        let is_lost = found.is_none_or(|found| found.ended);
        let is_kept = !returned.is_database
            || (returned.still_told.grants.contains(id)
                && seen.state(grant.owner) == "live"
                && !seen.left(grant.owner, Some(&grant.purpose)).is_empty());
        if !grant.ended && is_lost && is_kept && before.state(grant.owner) == "live" {
            let lives = before.left(grant.owner, Some(&grant.purpose));
            if lives.iter().any(|number| seen.numbers.get(number).is_some_and(|row| row.state == "live")) {
                return Err(format!("grant {id} is lost: {grant:?}, {found:?}"));
            }
        }
    }
    Ok(())
}
