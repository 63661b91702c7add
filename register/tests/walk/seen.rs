//! What stands in the register's tables, as an auditor reads them.

use std::collections::{BTreeMap, BTreeSet};

use oubliette::CustomerId;

use crate::Db;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Empty once they are erased.
    pub name: String,
    pub state: String,
    pub commitment: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    pub owner: i64,
    pub purpose: String,
    pub state: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub owner: i64,
    pub purpose: String,
    pub basis: String,
    pub recipient: String,
    pub granted_at: i64,
    pub until: Option<i64>,
    pub ended: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub owner: i64,
    /// Empty for all.
    pub purpose: String,
    pub until: i64,
    pub ended: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub owner: i64,
    pub kind: String,
    pub state: String,
    pub received_at: i64,
    pub due_at: i64,
    pub not_before: Option<i64>,
}

/// By their ids, which are the same in every copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub people: BTreeMap<i64, Person>,
    pub numbers: BTreeMap<CustomerId, Number>,
    pub grants: BTreeMap<i64, Grant>,
    pub holds: BTreeMap<i64, Hold>,
    pub requests: BTreeMap<i64, Request>,
    /// When they ordered last.
    pub marks: BTreeMap<i64, i64>,
    /// Numbers in the application's tables, beside whose name, and what is sealed under them.
    pub rows: BTreeSet<(CustomerId, String, String)>,
    pub is_behind: bool,
    pub is_unconfirmed: bool,
}

const ALL: &str = "SELECT 'person|' || id || '|' || coalesce(subject, '') || '|' || state || '|' || coalesce(commitment, '') \
        AS answer FROM oubliette_subjects \
    UNION ALL SELECT 'number|' || number || '|' || subject_id || '|' || purpose || '|' || state FROM oubliette_numbers \
    UNION ALL SELECT 'grant|' || id || '|' || subject_id || '|' || purpose || '|' || basis || '|' || coalesce(recipient, '') \
        || '|' || granted_at || '|' || coalesce(CAST(until AS TEXT), '') || '|' || coalesce(CAST(ended_at AS TEXT), '') \
        FROM oubliette_grants \
    UNION ALL SELECT 'hold|' || id || '|' || subject_id || '|' || coalesce(purpose, '') || '|' || until \
        || '|' || coalesce(CAST(ended_at AS TEXT), '') FROM oubliette_holds \
    UNION ALL SELECT 'request|' || id || '|' || subject_id || '|' || kind || '|' || state || '|' || received_at || '|' || due_at \
        || '|' || coalesce(CAST(not_before AS TEXT), '') FROM oubliette_requests \
    UNION ALL SELECT 'mark|' || subject_id || '|' || at FROM oubliette_marks \
    UNION ALL SELECT 'row|' || no || '|' || id || '|' || mail FROM mails UNION ALL SELECT 'row|' || no || '|' || id || '|' || mail FROM letters \
    UNION ALL SELECT 'meta|' || name FROM oubliette_meta WHERE name IN ('behind', 'unconfirmed')";

impl Seen {
    pub async fn now(db: &mut Db) -> Seen {
        let mut seen = Seen::default();
        for row in db.ask(ALL).await {
            let cells: Vec<&str> = row.split('|').collect();
            let text = |at: usize| cells[at].to_owned();
            let int = |at: usize| cells[at].parse::<i64>().unwrap();
            let maybe = |at: usize| (!cells[at].is_empty()).then(|| int(at));
            match cells[0] {
                "person" => {
                    let person = Person { name: text(2), state: text(3), commitment: text(4) };
                    seen.people.insert(int(1), person);
                }
                "number" => {
                    let number = Number { owner: int(2), purpose: text(3), state: text(4) };
                    seen.numbers.insert(cells[1].parse().unwrap(), number);
                }
                "grant" => {
                    let grant = Grant {
                        owner: int(2),
                        purpose: text(3),
                        basis: text(4),
                        recipient: text(5),
                        granted_at: int(6),
                        until: maybe(7),
                        ended: maybe(8).is_some(),
                    };
                    seen.grants.insert(int(1), grant);
                }
                "hold" => {
                    let hold = Hold { owner: int(2), purpose: text(3), until: int(4), ended: maybe(5).is_some() };
                    seen.holds.insert(int(1), hold);
                }
                "request" => {
                    let request = Request {
                        owner: int(2),
                        kind: text(3),
                        state: text(4),
                        received_at: int(5),
                        due_at: int(6),
                        not_before: maybe(7),
                    };
                    seen.requests.insert(int(1), request);
                }
                "mark" => {
                    seen.marks.insert(int(1), int(2));
                }
                "row" => {
                    seen.rows.insert((cells[1].parse().unwrap(), text(2), text(3)));
                }
                "meta" if cells[1] == "behind" => seen.is_behind = true,
                "meta" => seen.is_unconfirmed = true,
                other => panic!("{other}"),
            }
        }
        seen
    }

    /// Who has this name now.
    pub fn named(&self, name: &str) -> Option<i64> {
        self.people.iter().find(|(_, person)| person.name == name).map(|(id, _)| *id)
    }

    /// Whether a hold keeps a purpose of somebody; any of theirs, if none is named.
    pub fn is_held(&self, owner: i64, purpose: Option<&str>, now: i64) -> bool {
        self.holds.values().any(|hold| {
            let covers = hold.purpose.is_empty() || purpose.is_none_or(|purpose| purpose == hold.purpose);
            hold.owner == owner && hold.stands(now) && covers
        })
    }

    /// Numbers of somebody that were not shredded, of one purpose or of all.
    pub fn left(&self, owner: i64, purpose: Option<&str>) -> BTreeSet<CustomerId> {
        let theirs = self.numbers.iter().filter(|(_, number)| {
            number.owner == owner
                && number.state != "shredded"
                && purpose.is_none_or(|purpose| purpose == number.purpose)
        });
        theirs.map(|(number, _)| *number).collect()
    }

    pub fn state(&self, owner: i64) -> &str {
        self.people.get(&owner).map_or("", |person| person.state.as_str())
    }
}

impl Hold {
    pub fn stands(&self, now: i64) -> bool {
        !self.ended && self.until > now
    }
}
