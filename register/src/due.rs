//! What is due: of which customers a purpose was kept long enough.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use oubliette::{CustomerId, Purpose};

use super::agreed;
use super::database::{Database, Row, Value, values};
use super::error::RegisterError;
use super::grants::{self, stored};
use super::holds;
use super::keyless::AnyRegister;
use super::operations::at_desk;
use super::requests;
use super::rules::From;
use super::schema;
use super::subject::{self, Subject};

/// Customers a batch: one commit of the vault's, two transactions.
pub(crate) const BATCH: usize = 1000;

/// Customers that are looked for at once, and put into the order of their numbers: a batch of neighbours is in few of the
/// vault's pages, and of the database's.
pub(crate) const WINDOW: usize = 100_000;

/// One thing that a sweep would shred now.
///
/// [The guide](crate::guide) has an example.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Due {
    /// The customer.
    pub subject: Subject,
    /// The purpose; `None` stands for all, if an erasure was requested and its grace is over.
    pub purpose: Option<Purpose>,
    /// The numbers that would be shredded.
    pub numbers: Vec<CustomerId>,
    /// Whether a legal hold stands. Then a sweep leaves it alone.
    pub held: bool,
}

at_desk! {
    /// Lists what a [`sweep`](crate::OwnTransactionSqlite::sweep) would shred now. It writes nothing.
    ///
    /// # Errors
    /// If the database fails.
    read fn due() -> Vec<Due> = due;
}

/// One customer and purpose that is due.
pub(crate) struct DuePurpose {
    pub(crate) owner: i64,
    pub(crate) grants: Vec<i64>,
    pub(crate) numbers: Vec<CustomerId>,
    pub(crate) held: bool,
}

async fn due<O: AnyRegister, D: Database>(register: &O, db: &mut D) -> Result<Vec<Due>, RegisterError> {
    schema::check(register, db).await?;
    agreed::check_newest(register, db).await?;
    let now = register.clock();
    let mut all = Vec::new();
    for purpose in register.purposes()? {
        let mut after = 0;
        while let Some(last) = candidates(register, db, purpose, after, now, WINDOW).await? {
            for owners in last.owners.chunks(BATCH) {
                let (due_now, _) = due_now(register, db, purpose, owners, now).await?;
                let names = names(db, &due_now).await?;
                for one in due_now {
                    let Some(subject) = names.get(&one.owner).cloned() else { continue };
                    all.push(Due { subject, purpose: Some(purpose), numbers: one.numbers, held: one.held });
                }
            }
            after = last.after;
        }
        let listed: HashSet<CustomerId> = all.iter().flat_map(|due| due.numbers.iter().copied()).collect();
        for mut due in left_over(db, now, purpose).await? {
            due.numbers.retain(|number| !listed.contains(number));
            if !due.numbers.is_empty() {
                all.push(due);
            }
        }
    }
    for (owner, subject) in requests::erasures_due(db, now).await? {
        // Whoever has a hold that cannot be read is held.
        let held = holds::standing(db, owner, now).await.map_or(true, |holds| !holds.is_empty());
        const NUMBERS: &str = "SELECT number FROM oubliette_numbers WHERE subject_id = ?1 AND state <> 'shredded'";
        let rows = db.rows(NUMBERS, values![owner]).await?;
        let Ok(numbers) = rows.iter().map(|row| stored(row.integer(0)?)).collect::<Result<_, _>>() else { continue };
        all.push(Due { subject, purpose: None, numbers, held });
    }
    Ok(all)
}

/// Customers of whom some grant for a purpose is due, or nearly, in the order of their numbers.
pub(crate) struct Page {
    pub(crate) owners: Vec<i64>,
    pub(crate) after: i64,
}

pub(crate) async fn candidates<O: AnyRegister, D: Database>(
    register: &O,
    db: &mut D,
    purpose: Purpose,
    after: i64,
    now: Timestamp,
    window: usize,
) -> Result<Option<Page>, RegisterError> {
    // By a generous bound, which SQL can check; the calendar has the last word.
    const CANDIDATES: &str = "SELECT DISTINCT g.subject_id, (SELECT min(n.number) FROM oubliette_numbers n \
            WHERE n.subject_id = g.subject_id AND n.purpose = ?1) FROM oubliette_grants g \
        LEFT JOIN oubliette_marks m ON m.subject_id = g.subject_id AND m.what = ?6 \
        WHERE g.purpose = ?1 AND g.ended_at IS NULL AND g.recipient IS NULL AND g.subject_id > ?2 \
            AND (g.until <= ?3 OR (?5 = 1 AND g.granted_at <= ?4 AND coalesce(m.at, g.granted_at) <= ?4) \
                OR (?5 = 2 AND m.at <= ?4)) \
        ORDER BY g.subject_id LIMIT ?7";
    let keep = register.rules().keep_of(purpose.name());
    let (kind, latest) = match keep {
        None => (0, Timestamp::MIN),
        Some(keep) => (if matches!(keep.from, From::End(_)) { 2 } else { 1 }, keep.latest_due(now)?),
    };
    let mark = register.rules().mark_of(purpose.name());
    let window = i64::try_from(window).unwrap_or(i64::MAX);
    let given = values![purpose.name(), after, now.as_millisecond(), latest.as_millisecond(), kind, mark, window];
    let found = |row: &Row| Ok((row.maybe_integer(1)?, row.integer(0)?));
    let mut found: Vec<(Option<i64>, i64)> =
        db.rows(CANDIDATES, given).await?.iter().map(found).collect::<Result<_, RegisterError>>()?;
    let Some((_, after)) = found.last().copied() else { return Ok(None) };
    found.sort_unstable();
    Ok(Some(Page { owners: found.into_iter().map(|(_, owner)| owner).collect(), after }))
}

/// The customers whose grants for the purpose are all due; and the fault of the first customer whose rows cannot be
/// read, who does not count as due.
pub(crate) async fn due_now<O: AnyRegister, D: Database>(
    register: &O,
    db: &mut D,
    purpose: Purpose,
    owners: &[i64],
    now: Timestamp,
) -> Result<(Vec<DuePurpose>, Result<(), RegisterError>), RegisterError> {
    let mut damaged = Ok(());
    let dialect = D::DIALECT;
    let places = dialect.parameters(4, owners.len());
    let [one, two, three] = [1, 2, 3].map(|number| dialect.parameter(number));
    let mark = register.rules().mark_of(purpose.name());
    let given = |second: Value, third: Value| {
        let mut given = vec![Value::from(purpose.name()), second, third];
        given.extend(owners.iter().map(|owner| Value::from(*owner)));
        given
    };
    let sql = format!(
        "SELECT g.subject_id, g.id, g.granted_at, g.until, m.at FROM oubliette_grants g \
         JOIN oubliette_subjects s ON s.id = g.subject_id AND s.state = {three} \
         LEFT JOIN oubliette_marks m ON m.subject_id = g.subject_id AND m.what = {two} \
         WHERE g.purpose = {one} AND g.ended_at IS NULL AND g.recipient IS NULL AND g.subject_id IN ({places}) \
         ORDER BY g.subject_id"
    );
    let mut found: Vec<(DuePurpose, bool)> = Vec::new();
    for row in db.rows_made(sql.into(), given(mark.into(), "live".into())).await? {
        let owner = row.integer(0)?;
        let is_due = match grants::end(register, purpose.name(), &row, [2, 3, 4]) {
            Ok(end) => end.is_some_and(|end| end <= now),
            Err(error) => {
                damaged = damaged.and(Err(error));
                false
            }
        };
        match found.last_mut().filter(|(due_now, _)| due_now.owner == owner) {
            Some((due_now, all)) => {
                due_now.grants.push(row.integer(1)?);
                *all &= is_due;
            }
            None => {
                let due_now = DuePurpose { owner, grants: vec![row.integer(1)?], numbers: Vec::new(), held: false };
                found.push((due_now, is_due));
            }
        }
    }
    let sql = format!(
        "SELECT subject_id, number FROM oubliette_numbers \
         WHERE purpose = {one} AND state IN ({two}, {three}) AND subject_id IN ({places})"
    );
    let mut numbers: HashMap<i64, Vec<CustomerId>> = HashMap::new();
    let mut unreadable: HashSet<i64> = HashSet::new();
    for row in db.rows_made(sql.into(), given("live".into(), "ended".into())).await? {
        let owner = row.integer(0)?;
        match row.integer(1).and_then(stored) {
            Ok(number) => numbers.entry(owner).or_default().push(number),
            Err(error) => {
                unreadable.insert(owner);
                damaged = damaged.and(Err(error));
            }
        }
    }
    found.retain(|(due_now, _)| !unreadable.contains(&due_now.owner));
    let sql = format!(
        "SELECT DISTINCT subject_id FROM oubliette_holds \
         WHERE (purpose IS NULL OR purpose = {one} OR purpose = {two}) AND ended_at IS NULL AND until > {three} \
             AND subject_id IN ({places})"
    );
    let held = db.rows_made(sql.into(), given(purpose.name().into(), now.as_millisecond().into())).await?;
    #[cfg_attr(not(planted), allow(unused_mut))]
    let mut held: HashSet<i64> = held.iter().map(|row| row.integer(0)).collect::<Result<_, _>>()?;
    #[cfg(planted)]
    if crate::planted::is_planted(crate::planted::Bug::SweepsTheHeld) {
        held.clear();
    }
    let due_now = found.into_iter().filter(|(_, all_due)| *all_due).map(|(mut due_now, _)| {
        due_now.numbers = numbers.remove(&due_now.owner).unwrap_or_default();
        due_now.held = held.contains(&due_now.owner);
        due_now
    });
    Ok((due_now.collect(), damaged))
}

/// Grants to recipients of what is shredded: whoever consents anew does not consent to them.
pub(crate) async fn of_recipients<D: Database>(
    db: &mut D,
    purpose: Purpose,
    due_now: &[DuePurpose],
) -> Result<Vec<i64>, RegisterError> {
    if due_now.is_empty() {
        return Ok(Vec::new());
    }
    let (first, places) = (D::DIALECT.parameter(1), D::DIALECT.parameters(2, due_now.len()));
    let sql = format!(
        "SELECT id FROM oubliette_grants \
         WHERE purpose = {first} AND ended_at IS NULL AND recipient IS NOT NULL AND subject_id IN ({places})"
    );
    let owners = due_now.iter().map(|due_now| Value::from(due_now.owner));
    let given = std::iter::once(Value::from(purpose.name())).chain(owners).collect();
    db.rows_made(sql.into(), given).await?.iter().map(|row| row.integer(0)).collect()
}

/// What was decided before and a sweep does as well: what waits for a hold's end, and what was interrupted.
pub(crate) async fn left_over<D: Database>(
    db: &mut D,
    now: Timestamp,
    purpose: Purpose,
) -> Result<Vec<Due>, RegisterError> {
    const LEFT: &str = "SELECT n.subject_id, s.subject, n.number, n.state FROM oubliette_numbers n \
        JOIN oubliette_subjects s ON s.id = n.subject_id AND s.state = 'live' AND s.subject IS NOT NULL \
        WHERE n.purpose = ?1 AND (n.state = 'ended' OR n.state = 'shred_pending') ORDER BY n.subject_id, n.state, n.number";
    let mut found: Vec<(i64, bool, Due)> = Vec::new();
    for row in db.rows(LEFT, values![purpose.name()]).await? {
        let readable = row.integer(2).and_then(stored).and_then(|number| Ok((number, subject::stored(row.text(1)?)?)));
        let Ok((number, subject)) = readable else { continue };
        let (owner, waits) = (row.integer(0)?, row.text(3)? == "ended");
        match found.last_mut() {
            Some((known, waited, due)) if (*known, *waited) == (owner, waits) => due.numbers.push(number),
            _ => {
                // Whoever has a hold that cannot be read is held.
                let covers = |holds: Vec<holds::Hold>| holds.iter().any(|hold| hold.covers(purpose.name()));
                let held = waits && holds::standing(db, owner, now).await.map_or(true, covers);
                let numbers = vec![number];
                found.push((owner, waits, Due { subject, purpose: Some(purpose), numbers, held }));
            }
        }
    }
    Ok(found.into_iter().map(|(.., due)| due).collect())
}

pub(crate) async fn names<D: Database>(
    db: &mut D,
    due_now: &[DuePurpose],
) -> Result<HashMap<i64, Subject>, RegisterError> {
    if due_now.is_empty() {
        return Ok(HashMap::new());
    }
    let places = D::DIALECT.parameters(1, due_now.len());
    let sql = format!("SELECT id, subject FROM oubliette_subjects WHERE subject IS NOT NULL AND id IN ({places})");
    let owners = due_now.iter().map(|due_now| Value::from(due_now.owner)).collect();
    let name = |row: &Row| Ok::<_, RegisterError>((row.integer(0)?, subject::stored(row.text(1)?)?));
    Ok(db.rows_made(sql.into(), owners).await?.iter().filter_map(|row| name(row).ok()).collect())
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use rusqlite::Connection;

    use super::*;
    use crate::register::Register;
    use crate::{Evidence, Grant, Keep, Rules};
    use oubliette::Vault;
    use oubliette::testing::TestVault;

    #[test]
    fn each_customer_is_in_one_window_in_the_order_of_the_numbers() {
        const NEWS: Purpose = Purpose::new("newsletter");
        let place = tempfile::tempdir().unwrap();
        let memory = Vault::in_memory([NEWS]);
        let vault = memory.builder().journal(place.path().join("journal")).unlock(TestVault::root_key()).unwrap();
        let register = Register::new(&vault, Rules::new().keep(NEWS, Keep::after_grant(1.month()))).unwrap();
        let connection = Connection::open_in_memory().unwrap();
        register.in_transaction(&connection).create_tables().unwrap();
        let evidence = Evidence::new(register.now(), "newsletter, version 3", "sign-up form");
        for id in 0..23 {
            let subject = Subject::new(id).unwrap();
            // Two grants are one customer.
            for _ in 0..2 {
                register.in_transaction(&connection).grant(&subject, Grant::consent(NEWS, evidence.clone())).unwrap();
            }
        }
        let later = register.now().checked_add(jiff::SignedDuration::from_hours(24 * 40)).unwrap();
        let number_of = |owner: &i64| -> i64 {
            let sql = "SELECT number FROM oubliette_numbers WHERE subject_id = ?";
            connection.query_row(sql, [owner], |row| row.get(0)).unwrap()
        };
        for window in [1, 2, 7, 22, 23, 24, WINDOW] {
            let (mut all, mut after) = (Vec::new(), 0);
            let on = register.in_transaction(&connection);
            let mut db = on.read();
            let mut page = |after| crate::sqlite::wait(candidates(&register, &mut db, NEWS, after, later, window));
            while let Some(found) = page(after).unwrap() {
                let numbers: Vec<i64> = found.owners.iter().map(number_of).collect();
                assert!(numbers.is_sorted() && (1..=window).contains(&numbers.len()));
                all.extend(numbers);
                after = found.after;
            }
            all.sort_unstable();
            assert_eq!(all, (1..=23).collect::<Vec<i64>>(), "{window}");
        }
    }
}
