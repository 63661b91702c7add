//! What the journal is to be told, in the same transaction as what it tells of; and the journal as a table.
//!
//! An event lies in the outbox from the transaction on that it tells of. [`flush`] appends what lies there to the journal's
//! file, and copies the file's new lines into the table. A crash between the two leaves both: the ids of events, which
//! are in the lines, say what the next flush must not append again.

use jiff::Timestamp;
use oubliette::journal::{Entry, Event, EventId, Whom};
use oubliette::{CustomerId, KeyStoreError};

use super::damaged::DamagedRow;
use super::database::{Database, Transactions, Value, values};
use super::error::RegisterError;
use super::ids::{self, hex};
use super::operations::own_transaction;
use super::register::Register;
use super::schema;
use super::signed;

/// Lines that one transaction copies.
const LINES: usize = 2000;

/// Events that one append tells: the limit in the statement below.
const MOST: usize = 1000;

own_transaction! {
    /// Appends the waiting events to the journal, with one sync, and copies the journal's new lines into the table
    /// `oubliette_journal`. Calls that shred flush by themselves. After transactions of the application, call it now
    /// and then.
    ///
    /// Events are appended in the order of their ids, which is the order of time, so a grant, a request or a hold
    /// begins before it ends, and an order to shred comes before the shred. A row that is not an event of this register
    /// stays in the outbox and stops no other event: [`Flushed::refused`] lists it. If somebody corrects it, a later
    /// flush appends it.
    ///
    /// # Errors
    /// If the journal or the database cannot be written. No event is lost, and none is appended twice.
    fn flush() -> Flushed = flush;
}

/// The result of a flush.
///
/// [`KeylessRegister`](crate::KeylessRegister) has an example of signing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flushed {
    /// How many events were appended. Events that an earlier flush appended are not counted.
    pub told: u64,
    /// Rows that are not events of this register: somebody else wrote or changed them. They stay in the outbox.
    pub refused: Vec<DamagedRow>,
}

/// Puts an event into the outbox.
pub(crate) async fn tell<D: Database>(db: &mut D, now: Timestamp, event: &Event) -> Result<(), RegisterError> {
    let text = serde_json::to_string(event).map_err(|_| KeyStoreError::Bug("an event that is no JSON"))?;
    let (first, last) = ids::event(now)?;
    const INSERT: &str = "INSERT INTO oubliette_outbox (id, event) \
        SELECT ?1 || value || ?2, ?3 FROM oubliette_meta WHERE name = 'register'";
    match db.run(INSERT, values![first, last, text]).await? {
        1 => Ok(()),
        _ => Err(RegisterError::NoTables),
    }
}

/// A flush after something that is done whatever becomes of it: what fails is left to the next one.
pub(crate) async fn flush_if_possible<D: Transactions>(register: &Register, db: &mut D) {
    if flush(register, db).await.is_err() {
        let _ = db.roll_back().await;
    }
}

pub(crate) async fn flush<D: Transactions>(register: &Register, db: &mut D) -> Result<Flushed, RegisterError> {
    let mut flushed = Flushed::default();
    let mut after = String::new();
    loop {
        // What is lost of it is in the journal's file, and found there again.
        db.begin_what_can_be_redone().await?;
        // One at a time.
        const TAG: &str = "SELECT value, (SELECT value FROM oubliette_meta WHERE name = 'vault') \
            FROM oubliette_meta WHERE name = 'register' FOR UPDATE";
        let rows = db.rows(TAG, values![]).await?;
        let row = rows.first().ok_or(RegisterError::NoTables)?;
        schema::check_vault(register, row.maybe_text(1)?)?;
        let tag = row.text(0)?.to_owned();
        if tag.len() != ids::TAG.len() {
            return Err(RegisterError::NotOurs { what: "an invalid tag" });
        }
        if copy(register, db, &tag, false).await? {
            db.commit().await?;
            continue;
        }
        const PENDING: &str = "SELECT id, event FROM oubliette_outbox WHERE id > ?1 ORDER BY id LIMIT 1000";
        let pending = db.rows(PENDING, values![after.as_str()]).await?;
        let mut events: Vec<(EventId, Event)> = Vec::new();
        for row in &pending {
            match read_ours(row, &tag) {
                Ok(event) => events.push(event),
                Err(refused) => flushed.refused.push(refused),
            }
        }
        if !events.is_empty() {
            register.step("write to the journal")?;
            register.vault.write_down(&events)?;
            register.step("empty the outbox")?;
            while copy(register, db, &tag, false).await? {}
        }
        db.commit().await?;
        flushed.told = flushed.told.saturating_add(u64::try_from(events.len()).unwrap_or(u64::MAX));
        // In SQLite what is no text comes behind all texts.
        match pending.last().filter(|_| pending.len() == MOST).map(|last| last.text(0)) {
            Some(Ok(last)) => last.clone_into(&mut after),
            _ => return Ok(flushed),
        }
    }
}

/// A row of the outbox that the journal may be told.
pub(crate) fn read_ours(row: &super::database::Row, tag: &str) -> Result<(EventId, Event), DamagedRow> {
    let refused = |what| DamagedRow::new("oubliette_outbox", row.text(0).ok(), what);
    let (id, event) = read(row).map_err(|_| refused("is no event"))?;
    // By the tag a line that was told is known, and taken out of here: another's would be told again with each flush.
    if !row.text(0).is_ok_and(|id| is_of(id, tag)) {
        return Err(refused("is an event of another register"));
    }
    // Whoever can write this table must not have the vault sign, and then finish, what only the vault does.
    if event.is_the_vaults() {
        return Err(refused("is an event that only the vault writes"));
    }
    if !event.fits_a_line() {
        return Err(refused("is an event that is too long for the journal"));
    }
    Ok((id, event))
}

/// Copies the journal as it is into the table of a new database. So whoever restores it later, from however early, has a line to compare with.
pub(crate) async fn begin<D: Database>(register: &Register, db: &mut D) -> Result<(), RegisterError> {
    let rows = db.rows("SELECT value FROM oubliette_meta WHERE name = 'register'", values![]).await?;
    let tag = rows.first().ok_or(RegisterError::NoTables)?.text(0)?.to_owned();
    while copy(register, db, &tag, true).await? {}
    Ok(())
}

/// Whether a line of the table is the first of the file from that entry on; false past a gap that somebody has accepted.
fn agrees(n: i64, line: &str, there: Option<(i64, &str)>) -> Result<bool, RegisterError> {
    match there {
        Some((first, _)) if first > n => Ok(false),
        Some((_, text)) if text == line => Ok(true),
        Some(_) => Err(RegisterError::JournalDiffers { what: "differ" }),
        None => Err(RegisterError::JournalDiffers { what: "differ: the file ends before the table" }),
    }
}

/// Refuses a line of the table that is not the first entry of the file from there on.
pub(crate) fn compare(n: i64, line: &str, there: Option<&Entry>) -> Result<(), RegisterError> {
    let there = there.map(|entry| (number(entry), entry.line()));
    agrees(n, line, there.as_ref().map(|(n, text)| (*n, text.as_str()))).map(drop)
}

pub(crate) fn number(entry: &Entry) -> i64 {
    i64::try_from(entry.n()).unwrap_or(i64::MAX)
}

/// One row of the outbox.
pub(crate) fn read(row: &super::database::Row) -> Result<(EventId, Event), RegisterError> {
    let event = serde_json::from_str::<Event>(row.text(1)?);
    let event = event.map_err(|_| RegisterError::NotOurs { what: "no event" })?;
    Ok((ids::event_id(row.text(0)?)?, event))
}

struct Line {
    n: i64,
    text: String,
    id: Option<String>,
    about: Option<i64>,
    shred: Option<(Ranges, Option<String>)>,
}

/// Numbers from the first to the last.
type Ranges = Vec<(CustomerId, CustomerId)>;

/// Copies new lines of the file into the table, and takes from the outbox what they hold. True when there may be more.
/// What a new database has not told, it cannot have lost in a gap.
async fn copy<D: Database>(register: &Register, db: &mut D, tag: &str, is_new: bool) -> Result<bool, RegisterError> {
    let newest = db.rows("SELECT n, line FROM oubliette_journal ORDER BY n DESC LIMIT 1", values![]).await?;
    let newest =
        newest.first().map(|row| Ok::<_, RegisterError>((row.integer(0)?, row.text(1)?.to_owned()))).transpose()?;
    let known = newest.as_ref().map_or(0, |(n, _)| *n);
    let mut lines = lines_after(register, known.saturating_sub(1), LINES)?;
    let full = lines.len() == LINES;
    if let Some((_, line)) = newest
        && agrees(known, &line, lines.first().map(|first| (first.n, first.text.as_str())))?
    {
        lines.remove(0);
    }
    // What was told in a gap, holds and requests too, nobody can tell again.
    let mut before = known;
    for line in lines.iter().filter(|_| !is_new) {
        if line.n != before.saturating_add(1) {
            await_confirmation(db).await?;
        }
        before = line.n;
    }
    for lines in lines.chunks(500) {
        let row = |at: usize| format!("({})", D::DIALECT.parameters(at, 3));
        let rows: Vec<String> = (1..).step_by(3).take(lines.len()).map(row).collect();
        let sql = format!("INSERT INTO oubliette_journal (n, line, about) VALUES {}", rows.join(", "));
        let of = |line: &Line| [Value::from(line.n), Value::from(line.text.as_str()), Value::from(line.about)];
        let given = lines.iter().flat_map(of);
        db.run_made(sql.into(), given.collect()).await?;
    }
    let ours: Vec<&str> = lines.iter().filter_map(|line| line.id.as_deref()).filter(|id| is_of(id, tag)).collect();
    for ids in ours.chunks(1000) {
        #[cfg(planted)]
        if crate::planted::is_planted(crate::planted::Bug::DeliveredTwice) {
            continue;
        }
        let sql = format!("DELETE FROM oubliette_outbox WHERE id IN ({})", D::DIALECT.parameters(1, ids.len()));
        let deleted = db.run_made(sql.into(), ids.iter().map(|id| Value::from(*id)).collect()).await?;
        // This database told the journal of something that it does not remember.
        if deleted < u64::try_from(ids.len()).unwrap_or(u64::MAX) {
            fall_behind(db, known).await?;
            await_confirmation(db).await?;
        }
    }
    // What the register shreds is decided on before, in a transaction of its own: it does not remember that either.
    for (ranges, purpose) in lines.iter().filter_map(|line| line.shred.as_ref()) {
        if holds_for_live(db, ranges, purpose.as_deref()).await? {
            fall_behind(db, known).await?;
        }
    }
    Ok(full)
}

async fn fall_behind<D: Database>(db: &mut D, known: i64) -> Result<(), RegisterError> {
    const BEHIND: &str = "INSERT INTO oubliette_meta (name, value) VALUES ('behind', ?1) ON CONFLICT (name) DO NOTHING";
    db.run(BEHIND, values![known.to_string()]).await.map(drop)
}

/// Nothing is swept from here on, until people have said that what was forgotten is there again.
async fn await_confirmation<D: Database>(db: &mut D) -> Result<(), RegisterError> {
    #[cfg(planted)]
    if crate::planted::is_planted(crate::planted::Bug::NobodyAsked) {
        return Ok(());
    }
    const AWAIT: &str =
        "INSERT INTO oubliette_meta (name, value) VALUES ('unconfirmed', '1') ON CONFLICT (name) DO NOTHING";
    db.run(AWAIT, values![]).await.map(drop)
}

pub(crate) async fn awaits_confirmation<D: Database>(db: &mut D) -> Result<bool, RegisterError> {
    Ok(!db.rows("SELECT value FROM oubliette_meta WHERE name = 'unconfirmed'", values![]).await?.is_empty())
}

/// Whether a number that was shredded in a purpose, or in all, is one that this database holds for live.
async fn holds_for_live<D: Database>(
    db: &mut D,
    ranges: &Ranges,
    purpose: Option<&str>,
) -> Result<bool, RegisterError> {
    let (single, wide): (Ranges, Ranges) = ranges.iter().partition(|(first, last)| first == last);
    const IN_RANGE: &str = "SELECT number FROM oubliette_numbers WHERE number >= ?1 AND number <= ?2 \
        AND (state = 'live' OR state = 'ended') AND purpose = coalesce(?3, purpose) LIMIT 1";
    for (first, last) in wide {
        if !db.rows(IN_RANGE, values![first.to_stored(), last.to_stored(), purpose]).await?.is_empty() {
            return Ok(true);
        }
    }
    for single in single.chunks(1000) {
        let (of, among) = (D::DIALECT.parameter(1), D::DIALECT.parameters(2, single.len()));
        let sql = format!(
            "SELECT number FROM oubliette_numbers WHERE number IN ({among}) \
             AND (state = 'live' OR state = 'ended') AND purpose = coalesce({of}, purpose) LIMIT 1"
        );
        let numbers = single.iter().map(|(number, _)| Value::from(number.to_stored()));
        let given = std::iter::once(Value::from(purpose)).chain(numbers).collect();
        if !db.rows_made(sql.into(), given).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What an event shreds.
fn shredded_by(event: &Event) -> Option<(Ranges, Option<String>)> {
    let Event::Shred { whom, purpose, .. } = event else { return None };
    let ranges = match whom {
        Whom::Numbers(numbers) => numbers.ranges().map(|(first, last)| (first.into(), last.into())).collect(),
        Whom::Through(last) => vec![(CustomerId::MIN, (*last).into())],
    };
    Some((ranges, purpose.as_ref().map(|purpose| purpose.as_str().to_owned())))
}

/// Whether an event's id is one of this database's.
pub(crate) fn is_of(id: &str, tag: &str) -> bool {
    id.get(ids::TAG) == Some(tag)
}

fn lines_after(register: &Register, n: i64, most: usize) -> Result<Vec<Line>, RegisterError> {
    let line = |entry: &Entry| Line {
        n: number(entry),
        text: entry.line(),
        id: entry.id().map(|id| hex(&id.to_bytes())),
        about: signed::about(entry.event()),
        shred: shredded_by(entry.event()),
    };
    Ok(register.vault.journal_after(n.max(0).unsigned_abs(), most)?.iter().map(line).collect())
}

/// The entry up to which the database knew the journal when it was found to be older than that, if it was.
pub(crate) async fn behind<D: Database>(db: &mut D) -> Result<Option<i64>, RegisterError> {
    let rows = db.rows("SELECT value FROM oubliette_meta WHERE name = 'behind'", values![]).await?;
    let number = |row: &super::database::Row| {
        row.text(0)?.parse().map_err(|_| RegisterError::NotOurs { what: "an invalid number" })
    };
    rows.first().map(number).transpose()
}

pub(crate) async fn is_behind<D: Database>(db: &mut D) -> Result<bool, RegisterError> {
    Ok(behind(db).await?.is_some())
}
