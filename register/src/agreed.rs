//! Whether the database, the journal and the vault agree on who was shredded.
//!
//! Each of them may be put back from a backup alone. A vault and a journal that went back together agree with each other, open whoever was
//! shredded since, and only the copy of the journal in this database shows it. So nothing is opened, granted or shredded before its newest
//! line was found in the journal's file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use oubliette::CustomerId;

use super::damaged;
use super::database::{Database, Row, Transactions, values};
use super::error::RegisterError;
use super::grants::stored;
use super::keyless::{AnyRegister, Who};
use super::outbox;
use super::register::Register;
use super::schema;
use super::signed;

/// Refuses a database whose newest line of the journal is not in the journal. `newest` is that line's number, as it was read in this
/// transaction. Whoever has no journal, but the public key, looks whether it is signed.
pub(crate) async fn check<O: AnyRegister, D: Database>(
    any: &O,
    db: &mut D,
    newest: Option<i64>,
) -> Result<(), RegisterError> {
    let Some(newest) = newest else { return Ok(()) };
    let register = match any.who() {
        Who::Vault(register) => register,
        Who::Key(keyless) => return signed::check_line(keyless, db, newest).await,
    };
    // A running vault finds out by itself when its own journal is exchanged, so that a line need be looked for once.
    if register.agreed.load(Ordering::Acquire) == newest {
        return Ok(());
    }
    let rows = db.rows("SELECT line FROM oubliette_journal WHERE n = ?1", values![newest]).await?;
    // Somebody may have taken it out since, by hand; then the next call looks for the one before.
    let Some(row) = rows.first() else { return Ok(()) };
    let there = register.vault.journal_after(newest.saturating_sub(1).max(0).unsigned_abs(), 1)?;
    outbox::compare(newest, row.text(0)?, there.first())?;
    register.agreed.store(newest, Ordering::Release);
    Ok(())
}

/// As [`check`], if the number of the newest line is not known yet.
pub(crate) async fn check_newest<O: AnyRegister, D: Database>(any: &O, db: &mut D) -> Result<(), RegisterError> {
    let rows = db.rows("SELECT max(n) FROM oubliette_journal", values![]).await?;
    let newest = rows.first().map(|row| row.maybe_integer(0)).transpose()?.flatten();
    check(any, db, newest).await
}

/// Tables of this version, of this vault, and of no newer journal.
pub(crate) async fn check_tables<O: AnyRegister, D: Database>(any: &O, db: &mut D) -> Result<(), RegisterError> {
    schema::check(any, db).await?;
    check_newest(any, db).await
}

/// Before something is decided that cannot be taken back: tells the journal what it was not told, and refuses a database that turns
/// out to be older than the journal. What stands against a shred, a hold say, may be what it does not remember. Numbers that were shredded past
/// the register stop nothing: `resume` records them.
pub(crate) async fn up_to_date<D: Transactions>(register: &Register, db: &mut D) -> Result<(), RegisterError> {
    outbox::flush(register, db).await?;
    let was_restored = outbox::is_behind(db).await? && outbox::awaits_confirmation(db).await?;
    if was_restored { Err(RegisterError::NeedsReconcile) } else { Ok(()) }
}

/// Before a sweep, which asks nobody: refuses a database of which people have not said that what it forgot was entered again.
pub(crate) async fn confirmed<D: Transactions>(register: &Register, db: &mut D) -> Result<(), RegisterError> {
    up_to_date(register, db).await?;
    if outbox::awaits_confirmation(db).await? { Err(RegisterError::Unconfirmed) } else { Ok(()) }
}

/// Refuses a table of the journal that is not the journal, line for line. Lines that the file lost, in a gap that somebody has accepted, may
/// still be there.
pub(crate) async fn compare_journal<D: Database>(register: &Register, db: &mut D) -> Result<(), RegisterError> {
    let mut entries = register.vault.journal_entries_after(0)?;
    let (mut entry, mut after) = (entries.next().transpose()?, 0);
    loop {
        let rows =
            db.rows("SELECT n, line FROM oubliette_journal WHERE n > ?1 ORDER BY n LIMIT 1000", values![after]).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.integer(0)?;
        for row in &rows {
            let n = row.integer(0)?;
            while entry.as_ref().is_some_and(|entry| outbox::number(entry) < n) {
                entry = entries.next().transpose()?;
            }
            outbox::compare(n, row.text(1)?, entry.as_ref())?;
        }
    }
}

/// Numbers that are recorded as shredded and that the vault opens.
pub(crate) async fn opened<D: Database>(register: &Register, db: &mut D) -> Result<Vec<CustomerId>, RegisterError> {
    const SHREDDED: &str = "SELECT purpose, number FROM oubliette_numbers \
        WHERE number > ?1 AND state = 'shredded' ORDER BY number LIMIT 2000";
    let (mut opened, mut after) = (Vec::new(), 0);
    loop {
        let rows = db.rows(SHREDDED, values![after]).await?;
        opened.extend(opened_among(register, &rows)?);
        match damaged::next(&rows, 1) {
            Some(last) => after = last,
            None => return Ok(opened),
        }
    }
}

/// Of rows of a purpose and a number, the numbers that the vault opens. Of a purpose that is not unlocked nothing is opened.
fn opened_among(register: &Register, rows: &[Row]) -> Result<Vec<CustomerId>, RegisterError> {
    let mut by_purpose: BTreeMap<&str, BTreeSet<CustomerId>> = BTreeMap::new();
    for row in rows {
        // `damaged_rows` names those that cannot be read.
        let (Ok(purpose), Ok(number)) = (row.text(0), row.integer(1).and_then(stored)) else { continue };
        by_purpose.entry(purpose).or_default().insert(number);
    }
    let mut opened = Vec::new();
    for (purpose, mut numbers) in by_purpose {
        let Some(purpose) = register.vault.purpose_named(purpose)? else { continue };
        for number in register.vault.shredded_among(purpose, numbers.iter().copied())? {
            numbers.remove(&number);
        }
        opened.extend(numbers);
    }
    Ok(opened)
}

/// Refuses to open anything of a customer of whom the vault opens what the register has recorded as shredded.
pub(crate) async fn check_shredded<D: Database>(
    register: &Register,
    db: &mut D,
    owner: i64,
) -> Result<(), RegisterError> {
    const SHREDDED: &str = "SELECT purpose, number FROM oubliette_numbers WHERE state = 'shredded' AND subject_id IN \
        (SELECT id FROM oubliette_subjects WHERE id = ?1 OR merged_into = ?1)";
    let rows = db.rows(SHREDDED, values![owner]).await?;
    match opened_among(register, &rows)?.len() {
        0 => Ok(()),
        opened => Err(RegisterError::ShreddedOpens { numbers: u64::try_from(opened).unwrap_or(u64::MAX) }),
    }
}
