//! Who is concerned, and what of them could be read.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::assessment::Assessment;
use super::given::Breach;
use super::history::within_a_lease;
use super::leak::{Leak, Taken};
use super::materials::Materials;
use super::measures;
use super::report::{BreachReport, ColumnScope, Concerned, Exposure, InPurpose, PlainColumn, PurposeScope, Scope};
use super::sentences;
use super::situation::{Column, Enrolment, Opened, Situation, Stored};

/// What leaked of one enrolment: how each column stood, the worst of all copies.
#[derive(Default)]
struct Hit {
    columns: BTreeMap<usize, Exposure>,
}

impl Hit {
    fn note(&mut self, column: usize, state: Exposure) {
        let worst = self.columns.entry(column).or_insert(state);
        *worst = state.max(*worst);
    }

    fn is_readable(&self) -> bool {
        self.columns.values().any(|state| state.is_readable())
    }
}

pub(super) fn assess(breach: &Breach, situation: &Situation, now: Timestamp) -> Assessment {
    let materials = Materials::of(&breach.leaks, &situation.history);
    let mut hits: Vec<(&Enrolment, Hit)> = Vec::new();
    let mut erased_before = 0;
    for enrolment in &situation.enrolments {
        let mut hit = Hit::default();
        for leak in &breach.leaks {
            match leak {
                Leak::Database { at } => {
                    erased_before += u64::from(in_database(situation, &materials, enrolment, *at, &mut hit));
                }
                Leak::Service { purposes, from, until, taken } if purposes.contains(&enrolment.purpose) => {
                    given_out(situation, enrolment, (*from, *until), *taken, &mut hit);
                }
                _ => {}
            }
        }
        if !hit.columns.is_empty() {
            hits.push((enrolment, hit));
        }
    }
    let customers = customers(situation, &hits);
    let report = BreachReport {
        aware_at: breach.aware_at,
        notify_by: breach.notify_by(),
        made_at: now,
        leaked: breach.leaks.iter().map(ToString::to_string).collect(),
        categories: breach.categories.clone(),
        contact: breach.contact.clone(),
        scope: scope(&customers),
        purposes: purposes(situation, &hits),
        in_clear: in_clear(breach, situation),
        measures: measures::measures(breach, situation, &materials),
        consequences: Vec::new(),
        assumptions: sentences::assumptions(breach, situation, &materials, erased_before),
    };
    let report =
        BreachReport { consequences: sentences::consequences(breach, &report, &materials, situation), ..report };
    Assessment { report, customers }
}

/// True for somebody shredded before the copy was made, of whom nothing in it opens.
fn in_database(
    situation: &Situation,
    materials: &Materials,
    enrolment: &Enrolment,
    at: Timestamp,
    hit: &mut Hit,
) -> bool {
    if enrolment.since > at {
        return false;
    }
    let is_gone = enrolment.shredded.is_some_and(|shredded| shredded.at <= at);
    let opens = materials.open(&situation.history, enrolment, at);
    for (place, column) in columns(situation, &enrolment.purpose) {
        match &column.stored {
            Stored::Sealed { since, .. } => match since {
                Some(since) if at < *since => hit.note(place, Exposure::Clear),
                _ if opens => hit.note(place, Exposure::Opened),
                _ if !is_gone => hit.note(place, Exposure::Sealed),
                _ => {}
            },
            // Whoever shreds clears these: what a copy from before has in them stays there.
            Stored::Token { index } if enrolment.tokens_cleared.is_none_or(|cleared| at < cleared) => {
                let guessed = materials.test_guesses(&situation.history, &enrolment.purpose, index, at);
                hit.note(place, if guessed { Exposure::Guessable } else { Exposure::Comparable });
            }
            // A shred does not reach these. Whoever erases a customer deletes the rows; after a withdrawal they stay.
            Stored::Plain if !is_gone || enrolment.customer.is_some() => hit.note(place, Exposure::Clear),
            Stored::Token { .. } | Stored::Plain => {}
        }
    }
    is_gone && hit.columns.is_empty()
}

fn given_out(
    situation: &Situation,
    enrolment: &Enrolment,
    (from, until): (Timestamp, Timestamp),
    taken: Taken,
    hit: &mut Hit,
) {
    // Another process than the one that shredded goes on for a lease.
    let is_gone = enrolment.shredded.is_some_and(|shredded| within_a_lease(shredded.at) <= from);
    if enrolment.since > until || is_gone {
        return;
    }
    let audited = situation.openings.as_ref().filter(|_| taken == Taken::Answers);
    // An opening has its second, by a clock that may be a tick late.
    let window = from.as_second().saturating_sub(1)..=until.as_second();
    for (place, column) in columns(situation, &enrolment.purpose) {
        let Stored::Sealed { label, .. } = &column.stored else { continue };
        let was_opened = audited.is_none_or(|openings| {
            openings.iter().any(|opened| match opened {
                Opened::Values { at, purpose, label: opened, numbers } => {
                    window.contains(&at.as_second())
                        && *purpose == enrolment.purpose
                        && opened == label
                        && numbers.contains(enrolment.number)
                }
                Opened::NotNoted { from, until } => {
                    from.as_second() <= *window.end() && until.as_second() >= *window.start()
                }
            })
        });
        if was_opened {
            hit.note(place, Exposure::GivenOut);
        }
    }
}

/// The columns of a purpose. Plain columns without a purpose are shown apart.
fn columns<'f>(situation: &'f Situation, purpose: &'f str) -> impl Iterator<Item = (usize, &'f Column)> {
    situation.columns.iter().enumerate().filter(move |(_, column)| column.purpose.as_deref() == Some(purpose))
}

fn customers(situation: &Situation, hits: &[(&Enrolment, Hit)]) -> Vec<Concerned> {
    let mut by_person: BTreeMap<(Option<&str>, u64), Vec<InPurpose>> = BTreeMap::new();
    for (enrolment, hit) in hits {
        let read = |state: fn(Exposure) -> bool| {
            let columns = hit.columns.iter().filter(|(_, column)| state(**column));
            let columns = columns.filter_map(|(place, _)| situation.columns.get(*place));
            columns.map(|column| format!("{}.{}", column.table, column.column)).collect()
        };
        by_person.entry((enrolment.customer.as_deref(), enrolment.person)).or_default().push(InPurpose {
            purpose: enrolment.purpose.clone(),
            number: enrolment.number,
            is_shredded: enrolment.shredded.is_some(),
            readable: read(Exposure::is_readable),
            unreadable: read(|state| !state.is_readable()),
        });
    }
    let person = |((customer, _), purposes): ((Option<&str>, _), _)| Concerned {
        customer: customer.map(str::to_owned),
        purposes,
    };
    by_person.into_iter().map(person).collect()
}

fn scope(customers: &[Concerned]) -> Scope {
    let count = |of: fn(&Concerned) -> bool| customers.iter().filter(|customer| of(customer)).count() as u64;
    let values = |of: fn(&InPurpose) -> usize| {
        let purposes = customers.iter().flat_map(|customer| &customer.purposes);
        purposes.map(|purpose| of(purpose) as u64).sum()
    };
    Scope {
        persons: customers.len() as u64,
        persons_readable: count(Concerned::is_readable),
        persons_without_id: count(|customer| customer.customer.is_none()),
        values: values(|purpose| purpose.readable.len() + purpose.unreadable.len()),
        values_readable: values(|purpose| purpose.readable.len()),
    }
}

fn purposes(situation: &Situation, hits: &[(&Enrolment, Hit)]) -> Vec<PurposeScope> {
    let names: BTreeSet<&str> = hits.iter().map(|(enrolment, _)| enrolment.purpose.as_str()).collect();
    let of_purpose = |name: &str| {
        let hits: Vec<&Hit> =
            hits.iter().filter(|(enrolment, _)| enrolment.purpose == name).map(|(_, hit)| hit).collect();
        let column = |(place, column): (usize, &Column)| {
            let mut states: BTreeMap<Exposure, u64> = BTreeMap::new();
            for hit in &hits {
                if let Some(state) = hit.columns.get(&place) {
                    *states.entry(*state).or_default() += 1;
                }
            }
            (!states.is_empty()).then(|| ColumnScope { column: column.clone(), states })
        };
        PurposeScope {
            purpose: name.to_owned(),
            numbers: hits.len() as u64,
            numbers_readable: hits.iter().filter(|hit| hit.is_readable()).count() as u64,
            columns: columns(situation, name).filter_map(column).collect(),
        }
    };
    names.into_iter().map(of_purpose).collect()
}

fn in_clear(breach: &Breach, situation: &Situation) -> Vec<PlainColumn> {
    if !breach.leaks.iter().any(|leak| matches!(leak, Leak::Database { .. })) {
        return Vec::new();
    }
    let plain = situation.columns.iter().filter(|column| column.stored == Stored::Plain && column.purpose.is_none());
    plain.map(|column| PlainColumn { table: column.table.clone(), column: column.column.clone() }).collect()
}
