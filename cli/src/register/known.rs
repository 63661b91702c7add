//! What the register knows of a customer, and of holds: read from its tables, to be shown before something is asked.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use oubliette::CustomerId;
use oubliette_register::Subject;
use serde_json::{Value, json};

use crate::database::{Database, Given, Row};
use crate::exit::{Exit, Failure};
use crate::times::shown;

/// One customer.
pub struct Known {
    /// Their own id, or that of the customer they were merged into. Without `Debug`: it may name them.
    pub subject: String,
    /// Their erasure has begun.
    pub is_being_erased: bool,
    pub since: Timestamp,
    pub purposes: BTreeMap<String, InPurpose>,
    pub holds: Vec<Held>,
    /// Open requests that an erasure does not answer: what for, and when each is due.
    pub unanswered: Vec<(String, Timestamp)>,
}

/// What there is for one purpose.
#[derive(Default)]
pub struct InPurpose {
    /// Numbers that are not shredded.
    pub numbers: u64,
    /// Of grants that were not ended and have not run out.
    pub bases: BTreeSet<String>,
    pub recipients: BTreeSet<String>,
}

/// A hold that stands.
pub struct Held {
    pub id: i64,
    /// Whose, where all are listed.
    pub subject: Option<String>,
    pub purpose: Option<String>,
    pub reason: String,
    pub since: Timestamp,
    pub until: Timestamp,
}

impl Known {
    pub fn of(database: &Database, subject: &Subject) -> Result<Option<Known>, Failure> {
        const FIND: &str = "SELECT id, subject, state, since FROM oubliette_subjects \
            WHERE id = (SELECT coalesce(merged_into, id) FROM oubliette_subjects WHERE subject = ?1)";
        let rows = database.query(FIND, &[Given::Text(subject.as_str())])?;
        let Some(row) = rows.first() else { return Ok(None) };
        let of = Given::Integer(row.integer(0)?);
        let now = Given::Integer(Timestamp::now().as_millisecond());
        let mut purposes: BTreeMap<String, InPurpose> = BTreeMap::new();
        const NUMBERS: &str = "SELECT purpose, count(*) FROM oubliette_numbers \
            WHERE subject_id = ?1 AND state <> 'shredded' GROUP BY purpose";
        for row in database.query(NUMBERS, &[of])? {
            purposes.entry(row.text(0)?.to_owned()).or_default().numbers = row.integer(1)?.unsigned_abs();
        }
        const GRANTS: &str = "SELECT purpose, basis, recipient FROM oubliette_grants \
            WHERE subject_id = ?1 AND ended_at IS NULL AND (until IS NULL OR until > ?2)";
        for row in database.query(GRANTS, &[of, now])? {
            let purpose = purposes.entry(row.text(0)?.to_owned()).or_default();
            match row.maybe_text(2)? {
                Some(recipient) => purpose.recipients.insert(recipient.to_owned()),
                None => purpose.bases.insert(row.text(1)?.to_owned()),
            };
        }
        const HOLDS: &str = "SELECT id, NULL, purpose, reason, placed_at, until FROM oubliette_holds \
            WHERE subject_id = ?1 AND ended_at IS NULL AND until > ?2 ORDER BY until DESC";
        const REQUESTS: &str = "SELECT kind, due_at FROM oubliette_requests \
            WHERE subject_id = ?1 AND state = 'open' AND kind <> 'erasure' ORDER BY due_at, id";
        let request = |row: &Row| Ok::<_, Failure>((row.text(0)?.to_owned(), time(row, 1)?));
        Ok(Some(Known {
            subject: row.text(1)?.to_owned(),
            is_being_erased: row.text(2)? == "erasing",
            since: time(row, 3)?,
            purposes,
            holds: database.query(HOLDS, &[of, now])?.iter().map(hold).collect::<Result<_, _>>()?,
            unanswered: database.query(REQUESTS, &[of])?.iter().map(request).collect::<Result<_, _>>()?,
        }))
    }

    /// The hold that ends last of those that keep a purpose from being shredded.
    pub fn hold_on(&self, purpose: &str) -> Option<&Held> {
        self.holds.iter().find(|hold| hold.purpose.as_deref().is_none_or(|held| held == purpose))
    }
}

/// All holds that stand, those that end first first.
pub fn of_holds(database: &Database) -> Result<Vec<Held>, Failure> {
    const ALL: &str = "SELECT h.id, s.subject, h.purpose, h.reason, h.placed_at, h.until FROM oubliette_holds h \
        JOIN oubliette_subjects s ON s.id = h.subject_id WHERE h.ended_at IS NULL AND h.until > ?1 ORDER BY h.until, h.id";
    let now = Given::Integer(Timestamp::now().as_millisecond());
    database.query(ALL, &[now])?.iter().map(hold).collect()
}

/// A number that a hold keeps, its purpose, and the hold.
pub type HeldNumber = (CustomerId, String, Held);

/// Every number that a hold keeps.
pub fn of_numbers(database: &Database) -> Result<Vec<HeldNumber>, Failure> {
    const ALL: &str = "SELECT h.id, NULL, h.purpose, h.reason, h.placed_at, h.until, n.number, n.purpose \
        FROM oubliette_holds h JOIN oubliette_numbers n ON n.subject_id = h.subject_id \
        WHERE h.ended_at IS NULL AND h.until > ?1 AND n.state <> 'shredded' ORDER BY n.number, h.id";
    let now = Given::Integer(Timestamp::now().as_millisecond());
    let read = |row: &Row| {
        let number =
            CustomerId::from_stored(row.integer(6)?).map_err(|error| Failure::of(Exit::Investigate, &error))?;
        Ok((number, row.text(7)?.to_owned(), hold(row)?))
    };
    database.query(ALL, &[now])?.iter().map(read).collect()
}

fn hold(row: &Row) -> Result<Held, Failure> {
    Ok(Held {
        id: row.integer(0)?,
        subject: row.maybe_text(1)?.map(str::to_owned),
        purpose: row.maybe_text(2)?.map(str::to_owned),
        reason: row.text(3)?.to_owned(),
        since: time(row, 4)?,
        until: time(row, 5)?,
    })
}

fn time(row: &Row, at: usize) -> Result<Timestamp, Failure> {
    // What came by a journal may hold for ever.
    // jiff takes no millisecond of its last second.
    match Timestamp::from_millisecond(row.integer(at)?) {
        Err(_) if row.integer(at)? > 0 => Ok(Timestamp::MAX),
        read => read.map_err(|error| Failure::of(Exit::Investigate, &error)),
    }
}

impl Held {
    /// In a sentence, for whoever is told that it stands.
    pub fn text(&self) -> String {
        let what = self.purpose.as_ref().map_or_else(|| "everything".to_owned(), |purpose| format!("{purpose:?}"));
        format!("hold {} on {what} until {}: {}", self.id, shown(self.until), self.reason)
    }

    pub fn json(&self) -> Value {
        shown_hold(self.id, self.purpose.as_deref(), &self.reason, self.since, self.until)
    }
}

pub fn shown_hold(id: i64, purpose: Option<&str>, reason: &str, since: Timestamp, until: Timestamp) -> Value {
    json!({ "hold": id, "purpose": purpose, "reason": reason, "since": shown(since), "until": shown(until) })
}
