//! Who is concerned, and what of them could be read.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::assessment::Assessment;
use super::facts::{Column, Facts, Holding, Opened, Stored};
use super::given::Breach;
use super::history::within_a_lease;
use super::leak::{Leak, Taken};
use super::materials::Materials;
use super::measures;
use super::report::{ColumnScope, Concerned, InPurpose, PlainColumn, PurposeScope, Report, Scope, State};
use super::sentences;

/// What leaked of one holding: how each column stood, the worst of all copies.
#[derive(Default)]
struct Hit {
    columns: BTreeMap<usize, State>,
}

impl Hit {
    fn note(&mut self, column: usize, state: State) {
        let worst = self.columns.entry(column).or_insert(state);
        *worst = state.max(*worst);
    }

    fn is_readable(&self) -> bool {
        self.columns.values().any(|state| state.is_readable())
    }
}

pub(super) fn assess(breach: &Breach, facts: &Facts, now: Timestamp) -> Assessment {
    let materials = Materials::of(&breach.leaks, &facts.history);
    let mut hits: Vec<(&Holding, Hit)> = Vec::new();
    let mut erased_before = 0;
    for holding in &facts.holdings {
        let mut hit = Hit::default();
        for leak in &breach.leaks {
            match leak {
                Leak::Database { at } => {
                    erased_before += u64::from(in_database(facts, &materials, holding, *at, &mut hit));
                }
                Leak::Service { purposes, from, until, taken } if purposes.contains(&holding.purpose) => {
                    given_out(facts, holding, (*from, *until), *taken, &mut hit);
                }
                _ => {}
            }
        }
        if !hit.columns.is_empty() {
            hits.push((holding, hit));
        }
    }
    let customers = customers(facts, &hits);
    let report = Report {
        aware_at: breach.aware_at,
        notify_by: breach.notify_by(),
        made_at: now,
        leaked: breach.leaks.iter().map(ToString::to_string).collect(),
        categories: breach.categories.clone(),
        contact: breach.contact.clone(),
        scope: scope(&customers),
        purposes: purposes(facts, &hits),
        in_clear: in_clear(breach, facts),
        measures: measures::measures(breach, facts, &materials),
        consequences: Vec::new(),
        assumptions: sentences::assumptions(breach, facts, &materials, erased_before),
    };
    let report = Report { consequences: sentences::consequences(breach, &report, &materials, facts), ..report };
    Assessment { report, customers }
}

/// True for somebody shredded before the copy was made, of whom nothing in it opens.
fn in_database(facts: &Facts, materials: &Materials, holding: &Holding, at: Timestamp, hit: &mut Hit) -> bool {
    if holding.since > at {
        return false;
    }
    let is_gone = holding.shredded.is_some_and(|shredded| shredded.at <= at);
    let opens = materials.open(&facts.history, holding, at);
    for (place, column) in columns(facts, &holding.purpose) {
        match &column.stored {
            Stored::Sealed { since, .. } => match since {
                Some(since) if at < *since => hit.note(place, State::Clear),
                _ if opens => hit.note(place, State::Opened),
                _ if !is_gone => hit.note(place, State::Sealed),
                _ => {}
            },
            // Whoever shreds clears these: what a copy from before has in them stays there.
            Stored::Token { index } if holding.tokens_cleared.is_none_or(|cleared| at < cleared) => {
                let guessed = materials.test_guesses(&facts.history, &holding.purpose, index, at);
                hit.note(place, if guessed { State::Guessable } else { State::Comparable });
            }
            // A shred does not reach these. Whoever erases a customer deletes the rows; after a withdrawal they stay.
            Stored::Plain if !is_gone || holding.customer.is_some() => hit.note(place, State::Clear),
            Stored::Token { .. } | Stored::Plain => {}
        }
    }
    is_gone && hit.columns.is_empty()
}

fn given_out(facts: &Facts, holding: &Holding, (from, until): (Timestamp, Timestamp), taken: Taken, hit: &mut Hit) {
    // Another process than the one that shredded goes on for a lease.
    let is_gone = holding.shredded.is_some_and(|shredded| within_a_lease(shredded.at) <= from);
    if holding.since > until || is_gone {
        return;
    }
    let audited = facts.openings.as_ref().filter(|_| taken == Taken::Answers);
    // An opening has its second, by a clock that may be a tick late.
    let window = from.as_second().saturating_sub(1)..=until.as_second();
    for (place, column) in columns(facts, &holding.purpose) {
        let Stored::Sealed { label, .. } = &column.stored else { continue };
        let was_opened = audited.is_none_or(|openings| {
            openings.iter().any(|opened| match opened {
                Opened::Values { at, purpose, label: opened, numbers } => {
                    window.contains(&at.as_second())
                        && *purpose == holding.purpose
                        && opened == label
                        && numbers.contains(holding.number)
                }
                Opened::NotNoted { from, until } => {
                    from.as_second() <= *window.end() && until.as_second() >= *window.start()
                }
            })
        });
        if was_opened {
            hit.note(place, State::GivenOut);
        }
    }
}

/// Those of a purpose; plain ones that no purpose was said of are shown apart.
fn columns<'f>(facts: &'f Facts, purpose: &'f str) -> impl Iterator<Item = (usize, &'f Column)> {
    facts.columns.iter().enumerate().filter(move |(_, column)| column.purpose.as_deref() == Some(purpose))
}

fn customers(facts: &Facts, hits: &[(&Holding, Hit)]) -> Vec<Concerned> {
    let mut by_person: BTreeMap<(Option<&str>, u64), Vec<InPurpose>> = BTreeMap::new();
    for (holding, hit) in hits {
        let read = |state: fn(State) -> bool| {
            let columns = hit.columns.iter().filter(|(_, column)| state(**column));
            let columns = columns.filter_map(|(place, _)| facts.columns.get(*place));
            columns.map(|column| format!("{}.{}", column.table, column.column)).collect()
        };
        by_person.entry((holding.customer.as_deref(), holding.person)).or_default().push(InPurpose {
            purpose: holding.purpose.clone(),
            number: holding.number,
            is_shredded: holding.shredded.is_some(),
            readable: read(State::is_readable),
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

fn purposes(facts: &Facts, hits: &[(&Holding, Hit)]) -> Vec<PurposeScope> {
    let names: BTreeSet<&str> = hits.iter().map(|(holding, _)| holding.purpose.as_str()).collect();
    let of_purpose = |name: &str| {
        let hits: Vec<&Hit> = hits.iter().filter(|(holding, _)| holding.purpose == name).map(|(_, hit)| hit).collect();
        let column = |(place, column): (usize, &Column)| {
            let mut states: BTreeMap<State, u64> = BTreeMap::new();
            for hit in &hits {
                if let Some(state) = hit.columns.get(&place) {
                    *states.entry(*state).or_default() += 1;
                }
            }
            (!states.is_empty()).then(|| ColumnScope { column: column.clone(), states })
        };
        PurposeScope {
            purpose: name.to_owned(),
            holdings: hits.len() as u64,
            holdings_readable: hits.iter().filter(|hit| hit.is_readable()).count() as u64,
            columns: columns(facts, name).filter_map(column).collect(),
        }
    };
    names.into_iter().map(of_purpose).collect()
}

fn in_clear(breach: &Breach, facts: &Facts) -> Vec<PlainColumn> {
    if !breach.leaks.iter().any(|leak| matches!(leak, Leak::Database { .. })) {
        return Vec::new();
    }
    let plain = facts.columns.iter().filter(|column| column.stored == Stored::Plain && column.purpose.is_none());
    plain.map(|column| PlainColumn { table: column.table.clone(), column: column.column.clone() }).collect()
}
