//! Whether the journal has what the tables say of requests and holds: by a signed entry, not yet, or not at all.
//!
//! Who can write the tables can write any row. So a row counts as signed only if all entries about it, each with the vault's
//! signature, and what waits in the outbox behind them come to what the row says.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use oubliette::CustomerId;
use oubliette::journal::{Entry, Event, Numbers, PublicKey, Time, VaultName};

use super::database::{Database, Row, Value, values};
use super::error::RegisterError;
use super::grants::time;
use super::ids::{HoldId, RequestId};
use super::keyless::{AnyRegister, KeylessRegister};
use super::operations::at_desk;
use super::outbox;
use crate::times;

/// Whether a request or a hold, as the tables have it, is signed. The journal's table shows it.
///
/// [`KeylessRegister`](crate::KeylessRegister) has an example of signing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signed {
    /// Not yet: the last act waits in the outbox. The next flush of a process with the vault signs it.
    NotYet,
    /// Signed by this entry of the journal, the last about it. The signature was checked with the vault's public key.
    Entry(u64),
    /// The row differs from the signed entries and the waiting events: somebody changed the row by hand, or the journal
    /// or its table lost entries.
    Differs,
}

/// An act on a request or a hold that the journal does not have yet.
///
/// [`KeylessRegister`](crate::KeylessRegister) has an example of signing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Unsigned {
    /// When, by the clock of the person who acted.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}

at_desk! {
    /// Says of these requests, as they are stored now, whether they are signed: one answer for each, in their order.
    ///
    /// # Errors
    /// [`RegisterError::Invalid`] when there is no such request.
    read fn signed_requests(requests: &[RequestId]) -> Vec<Signed> = of_requests;

    /// Says of these holds, as they are stored now, whether they are signed: one answer for each, in their order.
    ///
    /// # Errors
    /// [`RegisterError::Invalid`] when there is no such hold.
    read fn signed_holds(holds: &[HoldId]) -> Vec<Signed> = of_holds;

    /// Lists holds that stand by the journal's table and whose rows are missing, although their numbers are not all
    /// shredded: somebody removed the rows by hand.
    ///
    /// # Errors
    /// If the database fails.
    read fn missing_holds() -> Vec<HoldId> = missing;

    /// Lists the acts on requests and holds that are not signed yet, the oldest first.
    /// [`damaged_rows`](Self::damaged_rows) lists rows that are not events.
    ///
    /// # Errors
    /// If the database fails.
    read fn unsigned() -> Vec<Unsigned> = waiting;
}

/// Rows that are asked for at once.
const MOST: usize = 500;

/// The request or the hold that an event is about.
pub(crate) fn about(event: &Event) -> Option<i64> {
    let id = match event {
        Event::Requested { request, .. }
        | Event::RequestExtended { request, .. }
        | Event::RequestNoted { request, .. }
        | Event::RequestClosed { request, .. } => request,
        Event::Hold { hold, .. } | Event::HoldEnded { hold, .. } | Event::HoldOverridden { hold, .. } => hold,
        _ => return None,
    };
    i64::try_from(*id).ok()
}

/// Refuses a table of the journal whose newest line this key did not sign.
pub(crate) async fn check_line<D: Database>(
    keyless: &KeylessRegister,
    db: &mut D,
    newest: i64,
) -> Result<(), RegisterError> {
    if keyless.knows(newest) {
        return Ok(());
    }
    let key = Key::of(keyless, db).await?;
    let rows = db.rows("SELECT line FROM oubliette_journal WHERE n = ?1", values![newest]).await?;
    let Some(row) = rows.first() else { return Ok(()) };
    key.read(newest, row.text(0)?).ok_or(RegisterError::NotSigned)?;
    keyless.signed.store(newest, Ordering::Release);
    Ok(())
}

/// What lines of the table are checked with.
struct Key {
    vault: VaultName,
    key: PublicKey,
}

impl Key {
    async fn of<O: AnyRegister, D: Database>(any: &O, db: &mut D) -> Result<Key, RegisterError> {
        let rows = db.rows("SELECT value FROM oubliette_meta WHERE name = 'vault'", values![]).await?;
        let vault = rows.first().ok_or(RegisterError::NoTables)?.text(0)?.parse();
        let vault = vault.map_err(|_| RegisterError::NotOurs { what: "no vault's name" })?;
        Ok(Key { vault, key: any.key()? })
    }

    /// The entry of a line, if the vault wrote it as this one.
    fn read(&self, n: i64, line: &str) -> Option<Entry> {
        let entry = Entry::parse(line.as_bytes()).ok()?;
        (outbox::number(&entry) == n && entry.is_signed_by(self.vault, &self.key)).then_some(entry)
    }
}

/// The journal as its table has it, each line signed, and none missing between two.
pub(crate) async fn all<O: AnyRegister, D: Database>(any: &O, db: &mut D) -> Result<Vec<Entry>, RegisterError> {
    const MISSING: RegisterError = RegisterError::JournalDiffers { what: "differ: lines of the table are missing" };
    let key = Key::of(any, db).await?;
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let after = all.last().map_or(0, outbox::number);
        const PAGE: &str = "SELECT n, line FROM oubliette_journal WHERE n > ?1 ORDER BY n LIMIT 1000";
        let rows = db.rows(PAGE, values![after]).await?;
        if rows.is_empty() {
            return Ok(all);
        }
        for row in rows {
            let entry = key.read(row.integer(0)?, row.text(1)?).ok_or(RegisterError::NotSigned)?;
            let before = all.last().map(Entry::anchor);
            let last = before.map_or(0, |before| before.n());
            let (n, hash) = match entry.event() {
                // It takes the number behind the last that is missing.
                Event::Gap { from, after, .. } => (*from, *after),
                _ => (entry.n(), entry.prev()),
            };
            // The first entry follows from none.
            let follows = before.is_none_or(|before| before.hash() == hash);
            if n != last.saturating_add(1) || !follows {
                return Err(MISSING);
            }
            all.push(entry);
        }
    }
}

/// What was told of one request or hold.
#[derive(Default)]
struct Told {
    /// Signed ones in their order, and then those that wait.
    events: Vec<Event>,
    last: Option<u64>,
    waits: bool,
    /// A line about it that the vault did not sign.
    is_forged: bool,
}

impl Told {
    fn signed(&self, is_the_row: bool) -> Signed {
        match self.last {
            _ if self.is_forged || !is_the_row => Signed::Differs,
            _ if self.waits => Signed::NotYet,
            Some(n) => Signed::Entry(n),
            None => Signed::Differs,
        }
    }
}

async fn told<O: AnyRegister, D: Database>(
    any: &O,
    db: &mut D,
    ids: &[i64],
) -> Result<HashMap<i64, Told>, RegisterError> {
    let key = Key::of(any, db).await?;
    let mut told: HashMap<i64, Told> = ids.iter().map(|id| (*id, Told::default())).collect();
    for ids in ids.chunks(MOST) {
        let among = D::DIALECT.parameters(1, ids.len());
        let sql = format!("SELECT about, n, line FROM oubliette_journal WHERE about IN ({among}) ORDER BY n");
        for row in db.rows_made(sql.into(), ids.iter().map(|id| Value::from(*id)).collect()).await? {
            let (id, n) = (row.integer(0)?, row.integer(1)?);
            let Some(told) = told.get_mut(&id) else { continue };
            match key.read(n, row.text(2)?).filter(|entry| about(entry.event()) == Some(id)) {
                Some(entry) => {
                    told.last = Some(entry.n());
                    told.events.push(entry.into_event());
                }
                None => told.is_forged = true,
            }
        }
    }
    for row in db.rows(OUTBOX, values![]).await? {
        // What is no event is about nothing. The flush leaves it where it is.
        let Ok((_, event)) = outbox::read(&row) else { continue };
        if let Some(told) = about(&event).and_then(|id| told.get_mut(&id)) {
            told.waits = true;
            told.events.push(event);
        }
    }
    Ok(told)
}

/// The whole outbox is read: only the event itself says what it is about.
const OUTBOX: &str = "SELECT id, event FROM oubliette_outbox ORDER BY id";

async fn waiting<O: AnyRegister, D: Database>(_: &O, db: &mut D) -> Result<Vec<Unsigned>, RegisterError> {
    let mut all = Vec::new();
    for row in db.rows(OUTBOX, values![]).await? {
        let Ok((id, event)) = outbox::read(&row) else { continue };
        if about(&event).is_some() {
            // The ids of events begin with their time. One that somebody made up may lie beyond the calendar, and hides no other.
            let [a, b, c, d, e, f, ..] = id.to_bytes();
            let millisecond = i64::from_be_bytes([0, 0, a, b, c, d, e, f]);
            all.push(Unsigned { at: Timestamp::from_millisecond(millisecond).unwrap_or(Timestamp::MAX), event });
        }
    }
    Ok(all)
}

async fn missing<O: AnyRegister, D: Database>(any: &O, db: &mut D) -> Result<Vec<HoldId>, RegisterError> {
    // An erasure takes the rows of holds away, and its numbers are shredded.
    const WITHOUT_ROW: &str = "SELECT about, n, line FROM oubliette_journal WHERE about IS NOT NULL \
        AND NOT EXISTS (SELECT 1 FROM oubliette_holds h WHERE h.id = oubliette_journal.about) \
        AND NOT EXISTS (SELECT 1 FROM oubliette_requests r WHERE r.id = oubliette_journal.about) ORDER BY n";
    let (key, now) = (Key::of(any, db).await?, any.clock());
    let mut standing: BTreeMap<i64, Numbers> = BTreeMap::new();
    for row in db.rows(WITHOUT_ROW, values![]).await? {
        let id = row.integer(0)?;
        let entry = key.read(row.integer(1)?, row.text(2)?).filter(|entry| about(entry.event()) == Some(id));
        match entry.map(Entry::into_event) {
            Some(Event::Hold { numbers, until, .. }) if until.is_none_or(|until| times::timestamp(until) > now) => {
                standing.insert(id, numbers);
            }
            Some(Event::HoldEnded { .. }) => drop(standing.remove(&id)),
            _ => {}
        }
    }
    let mut missing = Vec::new();
    for (id, numbers) in standing {
        if any_is_left(db, &numbers).await? {
            missing.push(HoldId::made(id));
        }
    }
    Ok(missing)
}

async fn any_is_left<D: Database>(db: &mut D, numbers: &Numbers) -> Result<bool, RegisterError> {
    const LEFT: &str = "SELECT number FROM oubliette_numbers \
        WHERE number >= ?1 AND number <= ?2 AND state <> 'shredded' LIMIT 1";
    for (first, last) in numbers.ranges() {
        let [first, last] = [first, last].map(|number| CustomerId::from(number).to_stored());
        if !db.rows(LEFT, values![first, last]).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn rows_of<D: Database>(db: &mut D, select: &str, ids: &[i64]) -> Result<HashMap<i64, Row>, RegisterError> {
    let mut rows = HashMap::new();
    for ids in ids.chunks(MOST) {
        let sql = format!("{select} WHERE id IN ({})", D::DIALECT.parameters(1, ids.len()));
        for row in db.rows_made(sql.into(), ids.iter().map(|id| Value::from(*id)).collect()).await? {
            rows.insert(row.integer(0)?, row);
        }
    }
    Ok(rows)
}

/// Rows that stand beside a customer who has not the numbers that were told: somebody moved them to another. Of whoever had no number then, nobody
/// can tell.
async fn moved<D: Database>(
    db: &mut D,
    told: &HashMap<i64, Told>,
    rows: &HashMap<i64, Row>,
    owner: usize,
) -> Result<HashSet<i64>, RegisterError> {
    let mut moved = HashSet::new();
    for (id, told) in told {
        let (Some(Event::Hold { numbers, .. } | Event::Requested { numbers, .. }), Some(row)) =
            (told.events.first(), rows.get(id))
        else {
            continue;
        };
        let Ok(owner) = row.integer(owner) else { continue };
        const OTHERS: &str = "SELECT CAST(coalesce(sum(CASE WHEN subject_id = ?3 THEN 1 ELSE 0 END), 0) AS BIGINT), \
            CAST(count(*) AS BIGINT) FROM oubliette_numbers WHERE number >= ?1 AND number <= ?2";
        let (mut theirs, mut all) = (0_i64, 0_i64);
        for (first, last) in numbers.ranges() {
            let [first, last] = [first, last].map(|number| CustomerId::from(number).to_stored());
            for row in db.rows(OTHERS, values![first, last, owner]).await? {
                theirs = theirs.saturating_add(row.integer(0)?);
                all = all.saturating_add(row.integer(1)?);
            }
        }
        if !numbers.is_empty() && (theirs == 0 || theirs < all) {
            moved.insert(*id);
        }
    }
    Ok(moved)
}

async fn of_requests<O: AnyRegister, D: Database>(
    any: &O,
    db: &mut D,
    requests: &[RequestId],
) -> Result<Vec<Signed>, RegisterError> {
    let ids: Vec<i64> = requests.iter().map(|request| request.to_stored()).collect();
    let told = told(any, db, &ids).await?;
    const ROW: &str = "SELECT id, kind, received_at, due_at, state, subject_id FROM oubliette_requests";
    let rows = rows_of(db, ROW, &ids).await?;
    let moved = moved(db, &told, &rows, 5).await?;
    let one = |id: &i64| {
        let (told, row) = told.get(id).zip(rows.get(id)).ok_or(super::requests::NO_REQUEST)?;
        let says = |told: AsTold<'_>| {
            let AsTold { what, begins, ends, state } = told;
            Ok::<_, RegisterError>(
                (what, state) == (row.text(1)?, row.text(4)?)
                    && begins == times::time(time(row.integer(2)?)?)
                    && ends == times::time(time(row.integer(3)?)?),
            )
        };
        // What was damaged says something else.
        let is_the_row =
            !moved.contains(id) && AsTold::request(&told.events).is_some_and(|told| says(told).unwrap_or(false));
        Ok(told.signed(is_the_row))
    };
    ids.iter().map(one).collect()
}

async fn of_holds<O: AnyRegister, D: Database>(
    any: &O,
    db: &mut D,
    holds: &[HoldId],
) -> Result<Vec<Signed>, RegisterError> {
    let ids: Vec<i64> = holds.iter().map(|hold| hold.to_stored()).collect();
    let told = told(any, db, &ids).await?;
    const ROW: &str = "SELECT id, purpose, reason, until, ended_at, subject_id FROM oubliette_holds";
    let rows = rows_of(db, ROW, &ids).await?;
    let moved = moved(db, &told, &rows, 5).await?;
    let one = |id: &i64| {
        let (told, row) = told.get(id).zip(rows.get(id)).ok_or(super::holds::NO_HOLD)?;
        let is_ended = told.events.iter().any(|event| matches!(event, Event::HoldEnded { .. }));
        let says = |event: &Event| match event {
            Event::Hold { purpose, why, until, .. } => {
                let ends = row.integer(3)?;
                let is_its_end = match until {
                    // The journal's last time comes before a table's.
                    Some(until) => *until == times::time(time(ends)?),
                    // What came by a journal may hold for ever.
                    None => ends == Timestamp::MAX.as_millisecond(),
                };
                Ok::<_, RegisterError>(
                    purpose.as_ref().map(|purpose| purpose.as_str()) == row.maybe_text(1)?
                        && why.as_str() == row.text(2)?
                        && is_its_end
                        && is_ended == row.maybe_integer(4)?.is_some(),
                )
            }
            _ => Ok(false),
        };
        let is_the_row = !moved.contains(id) && told.events.first().is_some_and(|told| says(told).unwrap_or(false));
        Ok(told.signed(is_the_row))
    };
    ids.iter().map(one).collect()
}

/// A request, as all that was told of it comes to.
struct AsTold<'e> {
    what: &'e str,
    begins: Time,
    ends: Time,
    state: &'e str,
}

impl AsTold<'_> {
    fn request(events: &[Event]) -> Option<AsTold<'_>> {
        let mut all = events.iter();
        let Some(Event::Requested { what, received, due, .. }) = all.next() else { return None };
        let mut request = AsTold { what: what.as_str(), begins: *received, ends: *due, state: "open" };
        for event in all {
            match event {
                Event::RequestExtended { due, .. } => request.ends = *due,
                Event::RequestClosed { how, .. } => request.state = how.as_str(),
                _ => {}
            }
        }
        Some(request)
    }
}
