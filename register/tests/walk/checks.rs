//! What must be true of receipts, of the journal, and of what each call gives out.

use std::collections::BTreeSet;

use oubliette::journal::{Event, Expectations};
use oubliette::{CustomerId, OpenError};
use oubliette_register::Disclosure;

use super::model::Truth;
use super::ops::NAMES;
use super::world::{World, declared, field};
use crate::support::*;

impl World {
    /// Receipts since the last check: whoever they name has nothing left that opens.
    pub fn check_receipts(&self, truth: &mut Truth) -> Result<(), String> {
        let receipts = self.receipts_from(truth.receipts);
        truth.receipts += receipts.len();
        for receipt in receipts {
            let content = receipt.content();
            let said: BTreeSet<CustomerId> =
                truth.issued.keys().filter(|number| content.numbers.contains(**number)).copied().collect();
            let Some((owner, _, name)) = said.first().map(|number| &truth.issued[number]) else {
                return Err("a receipt of nobody's numbers".to_owned());
            };
            if content.whose.as_str() != name {
                return Err(format!("a receipt for numbers of {name} names {}", content.whose.as_str()));
            }
            if let Some(number) = said.iter().find(|number| !truth.gone.contains(number)) {
                return Err(format!("a receipt says that number {number} was shredded, and it opens"));
            }
            let theirs = |number: &&CustomerId| truth.issued[*number].0 == *owner && !truth.lost.contains(number);
            if let Some(number) = truth.issued.keys().filter(theirs).find(|number| !said.contains(number)) {
                return Err(format!("{name} has a receipt, and number {number} is not in it"));
            }
        }
        Ok(())
    }

    /// Each value opens as long as it may, by the vault and by the register's calls, and not any longer.
    pub async fn check_values(&mut self, truth: &Truth) -> Result<(), String> {
        for value in &self.values {
            let is_gone = truth.gone.contains(&value.number);
            match self.vault.open(value.number, field(value.news), &value.sealed) {
                Ok(_) if !is_gone => {}
                Err(OpenError::Shredded { .. }) if is_gone => {}
                other => {
                    return Err(format!("{} of {}, gone: {is_gone}: {:?}", value.says, value.number, other.map(drop)));
                }
            }
        }
        let disclosure = Disclosure::to("carrier").field(crate::support::EMAIL);
        for name in NAMES {
            let access = on!(self.db, self.register, access(&declared(), &who(name)));
            let portable = on!(self.db, self.register, portable(&declared(), &who(name)));
            let disclosed =
                own_transaction!(self.db, self.register, disclose_in_clear(&declared(), &who(name), &disclosure));
            let owner = truth.seen.named(name);
            let left = owner.map(|owner| truth.seen.left(owner, None)).unwrap_or_default();
            let is_live = owner.is_some_and(|owner| truth.seen.state(owner) == "live");
            // Rows of a database that was restored may be under a key tree that was given up since.
            let is_moved = |number: &CustomerId, sealed: &str| {
                self.values.iter().any(|value| value.number == *number && value.sealed.to_string() == sealed)
            };
            let rows_open =
                truth.seen.rows.iter().filter(|row| left.contains(&row.0)).all(|row| is_moved(&row.0, &row.2));
            let must_show = is_live && rows_open && left.iter().all(|number| !truth.gone.contains(number));
            match &access {
                Ok(document) => {
                    for value in self.values.iter().filter(|value| left.contains(&value.number)) {
                        let is_row =
                            truth.seen.rows.contains(&(value.number, name.to_owned(), value.sealed.to_string()));
                        if is_row
                            && !truth.gone.contains(&value.number)
                            && !document.expose_personal_data().contains(&value.says)
                        {
                            return Err(format!("{name}'s {} is not in the answer", value.says));
                        }
                    }
                }
                Err(error) if must_show => return Err(format!("{name} is not answered: {error:?}")),
                Err(_) => {}
            }
            let access = access.ok().map(|document| document.expose_personal_data().to_owned());
            let portable = portable.ok().map(|document| document.expose_personal_data().to_owned());
            let disclosed = disclosed.ok().map(|document| document.expose_personal_data().to_owned());
            for given in [access, portable, disclosed].into_iter().flatten() {
                let shown = |value: &&super::world::Value| given.contains(&value.says) && !left.contains(&value.number);
                if let Some(value) = self.values.iter().find(shown) {
                    return Err(format!("{} of {} is given out as {name}'s", value.says, value.number));
                }
            }
        }
        Ok(())
    }

    /// The journal is whole, and has each event once.
    pub fn check_journal(&self, truth: &Truth) -> Result<(), String> {
        let mut expected = Expectations::new();
        if !truth.has_gap {
            expected = self.receipts_from(0).iter().fold(expected, Expectations::receipt);
        }
        let (mut ids, mut told) = (BTreeSet::new(), BTreeSet::new());
        for entry in self.entries(&expected)? {
            if entry.id().is_some_and(|id| !ids.insert(id.to_bytes())) {
                return Err(format!("entry {} was delivered before: {:?}", entry.n(), entry.event()));
            }
            let once = match entry.event() {
                Event::Granted { grant, .. } => format!("grant {grant}"),
                Event::Hold { hold, .. } => format!("hold {hold}"),
                Event::Requested { request, .. } => format!("request {request}"),
                Event::Erased { commitment, .. } => format!("erased {commitment}"),
                _ => continue,
            };
            if !told.insert(once.clone()) {
                return Err(format!("the journal tells twice: {once}"));
            }
        }
        if truth.has_gap || truth.seen.is_behind {
            return Ok(());
        }
        let seen = &truth.seen;
        let grants = seen.grants.keys().map(|id| format!("grant {id}"));
        let holds = seen.holds.keys().map(|id| format!("hold {id}"));
        let requests = seen.requests.keys().map(|id| format!("request {id}"));
        let with = seen.people.values().filter(|person| person.state == "erased" && !person.commitment.is_empty());
        let erased = with.map(|person| format!("erased {}", person.commitment));
        match grants.chain(holds).chain(requests).chain(erased).find(|fact| !told.contains(fact)) {
            Some(fact) => Err(format!("the journal does not tell: {fact}")),
            None => Ok(()),
        }
    }
}
