//! What the journal was told since the moment that a restored database remembers, and what of it can be done again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use oubliette::CustomerId;
use oubliette::journal::{Event, Hash, Numbers, Ranges, Reason, Whom};

use super::database::{Database, Value, values};
use super::error::RegisterError;
use super::grants::stored;
use super::ids::{RequestId, hex};
use super::merge;
use super::outbox;
use super::reconciled::Reconciled;
use super::register::Register;
use super::request_kinds::RequestKind;
use super::requests::{self, Request};
use super::subject::{self, Subject};
use super::whose;
use crate::basis::Basis;
use crate::times::timestamp;

/// Numbers that one statement names.
const MOST: usize = 1000;

/// What the journal tells of the time since.
#[derive(Default)]
pub(crate) struct Since {
    /// Of erasures that came to their end.
    pub(crate) erased: Vec<(Numbers, Hash)>,
    /// Numbers that were to be shredded in all purposes: of erasures, and of others.
    pub(crate) shreds: Numbers,
    /// What began, in order, and then what ended: clocks differ, and nothing that ended begins again.
    pub(crate) events: Vec<(Timestamp, Event)>,
}

/// What the journal was told behind an entry: by this database, and by the vault of those shredded in all purposes.
pub(crate) async fn events_since<D: Database>(register: &Register, db: &mut D, n: i64) -> Result<Since, RegisterError> {
    let tag = tag(db).await?;
    let mut since = Since::default();
    let (mut shreds, mut ends) = (Vec::new(), Vec::new());
    for entry in register.vault.journal_entries_after(n.max(0).unsigned_abs())? {
        let entry = entry?;
        let ours = entry.id().is_some_and(|id| outbox::is_of(&hex(&id.to_bytes()), &tag));
        let at = timestamp(entry.at());
        match entry.into_event() {
            Event::Erased { numbers, commitment } if ours => since.erased.push((numbers, commitment)),
            Event::Shred { whom: Whom::Numbers(numbers), purpose: None, .. } => {
                shreds.extend(numbers.as_ranges().as_slice().iter().cloned());
            }
            event @ (Event::Ended { .. } | Event::HoldEnded { .. } | Event::RequestClosed { .. }) if ours => {
                ends.push((at, event));
            }
            event if ours => since.events.push((at, event)),
            _ => {}
        }
    }
    since.events.extend(ends);
    since.shreds = Numbers::from(Ranges::of(shreds));
    Ok(since)
}

/// Does again what can be done again. Twice does nothing more.
pub(crate) async fn apply<D: Database>(
    register: &Register,
    db: &mut D,
    since: &Since,
    reconciled: &mut Reconciled,
) -> Result<(), RegisterError> {
    for (at, event) in &since.events {
        #[cfg(planted)]
        if let (Event::Hold { .. }, true) = (event, crate::planted::is_planted(crate::planted::Bug::HoldsForgotten)) {
            continue;
        }
        #[cfg(planted)]
        if let (Event::RequestClosed { .. }, true) =
            (event, crate::planted::is_planted(crate::planted::Bug::RequestsRevived))
        {
            continue;
        }
        let at_ms = at.as_millisecond();
        let changed = match event {
            // Whoever can write the outbox had it signed; it stays in the journal for ever, and must not stop this, or what comes after, for ever.
            Event::Granted { basis, .. } if basis.as_str().parse::<Basis>().is_err() => continue,
            Event::Requested { what, .. } if what.as_str().parse::<RequestKind>().is_err() => continue,
            Event::Granted { grant, number, purpose, basis, recipient, until } => {
                const GRANT: &str = "INSERT INTO oubliette_grants \
                    (id, subject_id, purpose, recipient, basis, granted_at, until) \
                    SELECT CAST(?1 AS BIGINT), subject_id, purpose, CAST(?3 AS TEXT), CAST(?4 AS TEXT), \
                        CAST(?5 AS BIGINT), CAST(?6 AS BIGINT) \
                    FROM oubliette_numbers WHERE number = ?2 AND purpose = ?7 AND state <> 'shredded' \
                    ON CONFLICT (id) DO NOTHING";
                let customer = CustomerId::from(*number);
                let given = values![
                    signed(*grant),
                    customer.to_stored(),
                    recipient.as_ref().map(oubliette::journal::Label::as_str),
                    basis.as_str(),
                    at_ms,
                    until.map(|until| timestamp(until).as_millisecond()),
                    purpose.as_str(),
                ];
                db.run(GRANT, given).await?
            }
            Event::Ended { grant, why, .. } => {
                const END: &str = "UPDATE oubliette_grants SET ended_at = ?2, why = ?3 \
                    WHERE id = ?1 AND ended_at IS NULL";
                let why = why.as_ref().map(Reason::as_str);
                let done = db.run(END, values![signed(*grant), at_ms, why]).await?;
                // What was sealed waits for a hold's end, or was about to be shredded; it is not what a new consent is for.
                const NUMBERS: &str = "UPDATE oubliette_numbers SET state = 'ended', sealing = NULL, why = ?2 \
                    WHERE state = 'live' AND EXISTS (SELECT 1 FROM oubliette_grants g WHERE g.id = ?1 \
                        AND g.recipient IS NULL AND g.subject_id = oubliette_numbers.subject_id \
                        AND g.purpose = oubliette_numbers.purpose) \
                    AND NOT EXISTS (SELECT 1 FROM oubliette_grants g WHERE g.subject_id = oubliette_numbers.subject_id \
                        AND g.purpose = oubliette_numbers.purpose AND g.recipient IS NULL AND g.ended_at IS NULL) \
                    AND subject_id = (SELECT subject_id FROM oubliette_grants WHERE id = ?1)";
                let why = why.unwrap_or("ended before the database was restored");
                done.saturating_add(db.run(NUMBERS, values![signed(*grant), why]).await?)
            }
            Event::Merged { numbers, into } => {
                let (gone, kept) = (owner_of(db, numbers).await?, owner_of(db, into).await?);
                match gone.zip(kept) {
                    // What is merged is sealed for the one who stays: it must not be somebody else's, moved there by hand.
                    Some(((gone, _), (kept, _)))
                        if gone != kept
                            && whose::are_theirs(register, db, gone).await?
                            && whose::are_theirs(register, db, kept).await? =>
                    {
                        merge::make_one(register, db, kept, gone).await.map(|()| 1)?
                    }
                    _ => 0,
                }
            }
            Event::Hold { hold, numbers, purpose, why, until } => {
                let Some((owner, _)) = owner_of(db, numbers).await? else { continue };
                let until = until.map_or(Timestamp::MAX, timestamp).as_millisecond();
                const HOLD: &str = "INSERT INTO oubliette_holds (id, subject_id, purpose, reason, placed_at, until) \
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING";
                let purpose = purpose.as_ref().map(oubliette::journal::Label::as_str);
                db.run(HOLD, values![signed(*hold), owner, purpose, why.as_str(), at_ms, until]).await?
            }
            Event::HoldEnded { hold, .. } => {
                const END: &str = "UPDATE oubliette_holds SET ended_at = ?2 WHERE id = ?1 AND ended_at IS NULL";
                db.run(END, values![signed(*hold), at_ms]).await?
            }
            Event::Requested { request, what, numbers, received, due } => {
                let Some((owner, subject)) = owner_of(db, numbers).await? else { continue };
                let request = Request {
                    id: RequestId::made(signed(*request)),
                    subject,
                    kind: what.as_str().parse()?,
                    received_at: timestamp(*received),
                    due_at: timestamp(*due),
                    // Whoever took it back may have done so outside the register: it is for a person to carry out.
                    carried_out_at: None,
                    held_until: None,
                };
                requests::insert(db, owner, &request).await?
            }
            Event::RequestExtended { request, due, why } => {
                const EXTEND: &str = "UPDATE oubliette_requests SET due_at = ?2, why = ?3 \
                    WHERE id = ?1 AND due_at < ?2 AND state = 'open'";
                db.run(EXTEND, values![signed(*request), timestamp(*due).as_millisecond(), why.as_str()]).await?
            }
            Event::RequestClosed { request, how, why } => {
                const CLOSE: &str = "UPDATE oubliette_requests SET state = ?2, closed_at = ?3, why = ?4 \
                    WHERE id = ?1 AND state = 'open'";
                let why = why.as_ref().map(Reason::as_str);
                db.run(CLOSE, values![signed(*request), how.as_str(), at_ms, why]).await?
            }
            _ => 0,
        };
        reconciled.changed_again = reconciled.changed_again.saturating_add(changed);
    }
    Ok(())
}

/// Numbers that this database granted, does not know any more, and that the vault has not shredded. From the whole journal: whoever was told
/// of them first may have been killed before it told anybody.
pub(crate) async fn lost<D: Database>(register: &Register, db: &mut D) -> Result<Vec<CustomerId>, RegisterError> {
    let tag = tag(db).await?;
    let (mut lost, mut granted) = (Vec::new(), BTreeMap::<CustomerId, String>::new());
    for entry in register.vault.journal_entries_after(0)? {
        let entry = entry?;
        if !entry.id().is_some_and(|id| outbox::is_of(&hex(&id.to_bytes()), &tag)) {
            continue;
        }
        if let Event::Granted { number, purpose, .. } = entry.event() {
            granted.insert((*number).into(), purpose.as_str().to_owned());
        }
        if granted.len() >= MOST {
            unknown(register, db, std::mem::take(&mut granted), &mut lost).await?;
        }
    }
    unknown(register, db, granted, &mut lost).await?;
    lost.sort_unstable();
    lost.dedup();
    Ok(lost)
}

/// Adds those that no table has and the vault opens.
async fn unknown<D: Database>(
    register: &Register,
    db: &mut D,
    mut granted: BTreeMap<CustomerId, String>,
    lost: &mut Vec<CustomerId>,
) -> Result<(), RegisterError> {
    if granted.is_empty() {
        return Ok(());
    }
    let sql =
        format!("SELECT number FROM oubliette_numbers WHERE number IN ({})", D::DIALECT.parameters(1, granted.len()));
    let given = granted.keys().map(|number| Value::from(number.to_stored())).collect();
    for row in db.rows_made(sql.into(), given).await? {
        granted.remove(&stored(row.integer(0)?)?);
    }
    let mut by_purpose: BTreeMap<String, Vec<CustomerId>> = BTreeMap::new();
    for (number, purpose) in granted {
        by_purpose.entry(purpose).or_default().push(number);
    }
    for (purpose, mut numbers) in by_purpose {
        // Of a purpose that is not unlocked nobody can ask: it is better listed than forgotten.
        if let Some(purpose) = register.vault.purpose_named(&purpose)? {
            let shredded = register.vault.shredded_among(purpose, numbers.iter().copied())?;
            numbers.retain(|number| !shredded.contains(number));
        }
        lost.extend(numbers);
    }
    Ok(())
}

pub(crate) async fn tag<D: Database>(db: &mut D) -> Result<String, RegisterError> {
    let tag = db.rows("SELECT value FROM oubliette_meta WHERE name = 'register'", values![]).await?;
    Ok(tag.first().ok_or(RegisterError::NoTables)?.text(0)?.to_owned())
}

fn signed(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

/// The living customer who has one of these numbers.
async fn owner_of<D: Database>(db: &mut D, numbers: &Numbers) -> Result<Option<(i64, Subject)>, RegisterError> {
    const OWNER: &str = "SELECT s.id, s.subject FROM oubliette_numbers n JOIN oubliette_subjects s ON s.id = n.subject_id \
        WHERE n.number >= ?1 AND n.number <= ?2 AND s.state = 'live' LIMIT 1";
    let stored = |number| Value::from(CustomerId::from(number).to_stored());
    for (first, last) in numbers.ranges() {
        let rows = db.rows(OWNER, vec![stored(first), stored(last)]).await?;
        if let Some(row) = rows.first() {
            return Ok(Some((row.integer(0)?, subject::stored(row.text(1)?)?)));
        }
    }
    Ok(None)
}

/// Living customers without any number that is left, whose request for erasure was answered since: nothing else tells
/// that they were erased.
pub(crate) async fn erased_without_numbers<D: Database>(db: &mut D, since: &Since) -> Result<Vec<i64>, RegisterError> {
    const ERASED: &str = "SELECT s.id FROM oubliette_requests r JOIN oubliette_subjects s ON s.id = r.subject_id \
        WHERE r.id = ?1 AND r.kind = 'erasure' AND r.state = 'done' AND s.state = 'live' AND NOT EXISTS \
            (SELECT 1 FROM oubliette_numbers n WHERE n.subject_id = s.id AND n.state <> 'shredded')";
    let mut owners = Vec::new();
    for (_, event) in &since.events {
        if let Event::RequestClosed { request, how, .. } = event
            && how.as_str() == "done"
        {
            for row in db.rows(ERASED, values![signed(*request)]).await? {
                owners.push(row.integer(0)?);
            }
        }
    }
    Ok(owners)
}
