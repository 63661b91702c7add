//! The register: grants, requests, retention, and what was begun and not finished. It only looks.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use oubliette::{Purpose, Vault};

use super::findings::{Findings, Severity};
use super::signed;
use crate::answer::count;
use crate::commands::requests::SOON;
use crate::config::Retention;
use crate::context::{Context, purpose};
use crate::database::{Database, Given};
use crate::exit::Failure;
use crate::receipts::Receipts;
use crate::register::{Office, Tables, at_desk, lengthened, of_config};

const PLACE: &str = "the register";
/// An erasure takes seconds.
const UNDER_WAY: SignedDuration = SignedDuration::from_mins(5);
/// A receipt takes milliseconds.
const WRITTEN_IN: std::time::Duration = std::time::Duration::from_secs(60);
/// A daily sweep, or a daily `resume`, may be a little late.
const A_DAY: SignedDuration = SignedDuration::from_hours(26);
const DAYS_OVERDUE: i32 = 1;

/// The register's tables, if there are any.
pub fn tables(context: &Context, findings: &mut Findings) -> Option<Tables> {
    let config = &context.config;
    let named = &config.database;
    if !named.is_named() {
        return None;
    }
    let found = Database::open(named).and_then(|database| Ok((database.has_register()?, database)));
    match found {
        Ok((true, database)) => return Some(Tables { database }),
        Ok((false, _)) if config.retention.is_empty() => {}
        Ok((false, _)) => findings.add(
            Severity::Warning,
            "register-missing",
            PLACE,
            "the database has no tables of the register, although the configuration has [retention]",
            "no retention ends, and no customer can be erased by their own id",
            "correct [database], or let the application start first, which makes the tables",
        ),
        Err(failure) => findings.add(
            Severity::Warning,
            "database",
            PLACE,
            failure.message,
            "grants, requests and retention were not checked",
            "correct [database], or look at the server",
        ),
    }
    None
}

pub fn purposes(tables: &Tables) -> Result<Vec<Purpose>, Failure> {
    tables.own_purposes()?.iter().map(|name| purpose(name)).collect()
}

pub fn is_of_another_vault(purpose: &str, findings: &mut Findings) {
    findings.add(
        Severity::Grave,
        "register-of-another-vault",
        PLACE,
        format!("it has a purpose {purpose:?} that the vault does not have"),
        "the register and the vault do not belong together, or the vault's root record is older than the purpose",
        "correct [database] or `vault`; if a root record was restored, run `oubliette replay`",
    );
}

/// Whatever cannot be looked at is a finding, too.
pub fn look(context: &Context, vault: Option<&Vault>, tables: Tables, findings: &mut Findings) {
    if let Err(failure) = try_to_look(context, vault, tables, findings) {
        findings.add(
            Severity::Grave,
            "register",
            PLACE,
            failure.message,
            "the register cannot be used with this configuration",
            "do what the message says",
        );
    }
}

fn try_to_look(
    context: &Context,
    vault: Option<&Vault>,
    tables: Tables,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let office = match vault {
        Some(vault) => {
            let open = tables.with(vault.clone(), of_config(&context.config)?, Receipts::default())?;
            Office::Vault(Box::new(open))
        }
        None => Office::desk(tables, context)?,
    };
    let now = Timestamp::now();
    of_rules(context, &office, findings)?;
    of_requests(&office, now, findings)?;
    signed::look(&office, now, findings)?;
    receipts(context, findings);
    unfinished(office.database(), now, findings)?;
    without_grant(office.database(), findings)?;
    unknown_numbers(context, &office, findings);
    let office = office.with_rules(vault, context, lengthened(&context.config, DAYS_OVERDUE)?)?;
    overdue(&office, findings)
}

fn of_rules(context: &Context, open: &Office, findings: &mut Findings) -> Result<(), Failure> {
    if let Some(disagreement) = open.disagreement()? {
        findings.add(
            Severity::Warning,
            "rules-differ",
            PLACE,
            disagreement,
            "this command refuses to write to the register; findings about retention go by the configuration's rules",
            "do what the message says",
        );
    }
    let retention = &context.config.retention;
    for (purpose, rule) in retention {
        let (Retention::Last(after) | Retention::End(after)) = rule else { continue };
        const MARKS: &str = "SELECT what FROM oubliette_marks WHERE what = ?1 LIMIT 1";
        const GRANTS: &str = "SELECT purpose FROM oubliette_grants WHERE purpose = ?1 AND ended_at IS NULL LIMIT 1";
        let is_marked = !open.database().query(MARKS, &[Given::Text(&after.mark)])?.is_empty();
        if !is_marked && !open.database().query(GRANTS, &[Given::Text(purpose)])?.is_empty() {
            findings.add(
                Severity::Warning,
                "no-mark",
                purpose,
                format!("its retention counts from the mark {:?}, but no customer has this mark", after.mark),
                "the retention counts from the grant, or never begins",
                "correct the name in [retention]; if the name is right, the application never sets the mark: tell its developers",
            );
        }
    }
    const FOR_EVER: &str = "SELECT purpose, count(*) FROM oubliette_grants \
        WHERE ended_at IS NULL AND recipient IS NULL AND until IS NULL GROUP BY purpose ORDER BY purpose";
    for row in open.database().query(FOR_EVER, &[])? {
        let (purpose, grants) = (row.text(0)?, row.integer(1)?.unsigned_abs());
        if !retention.contains_key(purpose) {
            findings.add(
                Severity::Note,
                "no-retention",
                purpose,
                format!("{} without an end, and the purpose has no rule", count(grants, "grant", "grants")),
                "the data is kept until the customer withdraws or is erased (Art. 5(1)(e) GDPR requires a limit)",
                "give the purpose a rule, in the application and under [retention]",
            );
        }
    }
    Ok(())
}

fn of_requests(open: &Office, now: Timestamp, findings: &mut Findings) -> Result<(), Failure> {
    let requests = at_desk!(*open, requests())?;
    let soon = now.saturating_add(SignedDuration::from_hours(24 * SOON)).unwrap_or(Timestamp::MAX);
    let late = requests.iter().filter(|request| request.due_at < now).count() as u64;
    let is_soon = |due: Timestamp| now <= due && due < soon;
    let due_soon = requests.iter().filter(|request| is_soon(request.due_at)).count() as u64;
    if late > 0 {
        findings.add(
            Severity::Grave,
            "late-request",
            PLACE,
            format!("the deadline of {} is over", count(late, "request", "requests")),
            "Art. 12(3) GDPR gives one month",
            "`oubliette requests --late` lists them; answer them, then close them with `oubliette requests answer`",
        );
    }
    if due_soon > 0 {
        findings.add(
            Severity::Warning,
            "request-due",
            PLACE,
            format!("{} must be answered within {SOON} days", count(due_soon, "request", "requests")),
            "Art. 12(3) GDPR gives one month",
            "`oubliette requests` lists them",
        );
    }
    Ok(())
}

/// Receipts that were begun when whoever wrote them was killed.
fn receipts(context: &Context, findings: &mut Findings) {
    let Some(directory) = &context.config.register.receipts else { return };
    // One that cannot be read is told of by its permissions.
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let is_unfinished = |path: &std::path::Path| path.extension().is_some_and(|end| end == "unfinished");
    let begun = entries.flatten().filter(|entry| is_unfinished(&entry.path()));
    let old = begun.filter(|entry| {
        let age = entry.metadata().and_then(|found| found.modified()).ok().and_then(|at| at.elapsed().ok());
        age.is_none_or(|age| age > WRITTEN_IN)
    });
    let many = old.count() as u64;
    if many > 0 {
        findings.add(
            Severity::Warning,
            "receipt-unfinished",
            directory.display(),
            format!("{} begun and not finished", count(many, "receipt was", "receipts were")),
            "an unfinished receipt names a person and proves nothing; the erasure may be unfinished too",
            "`oubliette resume` finishes the erasure, with a new receipt; then delete the files that end in .unfinished",
        );
    }
}

/// What was decided and is not done.
fn unfinished(database: &Database, now: Timestamp, findings: &mut Findings) -> Result<(), Failure> {
    let before = |age| Given::Integer(now.saturating_sub(age).unwrap_or(Timestamp::MIN).as_millisecond());
    let ask = |sql: &str, given: &[Given<'_>]| {
        let rows = database.query(sql, given)?;
        Ok::<_, Failure>(rows.first().map(|row| row.integer(0)).transpose()?.unwrap_or_default().unsigned_abs())
    };
    const ERASING: &str = "SELECT count(*) FROM oubliette_subjects WHERE state = 'erasing' AND decided_at < ?1";
    const SHRED_PENDING: &str = "SELECT count(*) FROM oubliette_numbers n JOIN oubliette_subjects s ON s.id = n.subject_id \
        WHERE n.state = 'shred_pending' AND s.state = 'live'";
    const OVER: &str = "SELECT count(*) FROM oubliette_numbers n WHERE n.state = 'ended' AND NOT EXISTS \
        (SELECT 1 FROM oubliette_holds h WHERE h.subject_id = n.subject_id AND h.ended_at IS NULL AND h.until > ?1 \
            AND (h.purpose IS NULL OR h.purpose = n.purpose))";
    const TOKENS: &str = "SELECT count(*) FROM oubliette_work";
    let undone = [
        (
            ask(ERASING, &[before(UNDER_WAY)])?,
            "erasure has begun and is not finished",
            "erasures have begun and are not finished",
        ),
        (ask(SHRED_PENDING, &[])?, "number waits to be shredded", "numbers wait to be shredded"),
        (
            ask(OVER, &[before(A_DAY)])?,
            "number waited for a hold that is over",
            "numbers waited for a hold that is over",
        ),
        (ask(TOKENS, &[])?, "token waits to be cleared", "tokens wait to be cleared"),
    ];
    let undone: Vec<String> =
        undone.iter().filter(|(many, ..)| *many > 0).map(|(many, one, several)| count(*many, one, several)).collect();
    if !undone.is_empty() {
        findings.add(
            Severity::Warning,
            "unfinished",
            PLACE,
            undone.join("; "),
            "this work was interrupted, or is under way now",
            "`oubliette resume` finishes it; run it daily, from a timer",
        );
    }
    let waiting = ask("SELECT count(*) FROM oubliette_outbox", &[])?;
    // The ids of events begin with their time.
    const OLDEST: &str = "SELECT min(id) FROM oubliette_outbox";
    let rows = database.query(OLDEST, &[])?;
    let oldest = rows.first().map(|row| row.maybe_text(0)).transpose()?.flatten();
    let millisecond = oldest.and_then(|id| i64::from_str_radix(id.get(..12)?, 16).ok());
    let oldest = millisecond.and_then(|millisecond| Timestamp::from_millisecond(millisecond).ok());
    if oldest.is_some_and(|oldest| now.duration_since(oldest) > A_DAY) {
        findings.add(
            Severity::Warning,
            "not-journalled",
            PLACE,
            "grants, requests and holds have waited for the journal for more than a day",
            "a restore of the database now would lose them",
            "`oubliette resume` writes them to the journal; run it daily, from a timer",
        );
    } else if waiting > 0 {
        findings.add(
            Severity::Note,
            "not-journalled",
            PLACE,
            format!("{} for the journal: grants, requests and holds", count(waiting, "event waits", "events wait")),
            "a restore of the database before that would lose them",
            "`oubliette resume` writes them to the journal now",
        );
    }
    const EMPTY: &str = "SELECT count(*) FROM oubliette_subjects s WHERE s.state = 'live' AND s.merged_into IS NULL \
        AND EXISTS (SELECT 1 FROM oubliette_numbers n WHERE n.subject_id = s.id) \
        AND NOT EXISTS (SELECT 1 FROM oubliette_numbers n WHERE n.subject_id = s.id AND n.state <> 'shredded')";
    let empty = ask(EMPTY, &[])?;
    if empty > 0 {
        findings.add(
            Severity::Note,
            "nothing-left",
            PLACE,
            format!(
                "{} no readable data left, but the register still knows their ids",
                count(empty, "customer has", "customers have")
            ),
            "a sweep or a withdrawal shreds data and keeps the customer's id",
            "`oubliette erase` also forgets the id; use it unless the customer may come back",
        );
    }
    if !database.query("SELECT name FROM oubliette_meta WHERE name = 'behind'", &[])?.is_empty() {
        findings.add(
            Severity::Grave,
            "restored",
            PLACE,
            "the database is older than the journal: it was restored, and is not up to date yet",
            "customers who were erased since have their ids again, and grants that ended are live again",
            "`oubliette resume` brings it up to date",
        );
    }
    Ok(())
}

fn without_grant(database: &Database, findings: &mut Findings) -> Result<(), Failure> {
    // One that has run out is the sweep's.
    const WITHOUT: &str = "SELECT n.purpose, count(*), min(n.number) FROM oubliette_numbers n \
        JOIN oubliette_subjects s ON s.id = n.subject_id AND s.state = 'live' \
        WHERE n.state = 'live' AND NOT EXISTS (SELECT 1 FROM oubliette_grants g WHERE g.subject_id = n.subject_id \
            AND g.purpose = n.purpose AND g.recipient IS NULL AND g.ended_at IS NULL) \
        GROUP BY n.purpose ORDER BY n.purpose";
    for row in database.query(WITHOUT, &[])? {
        findings.add(
            Severity::Warning,
            "no-grant",
            row.text(0)?,
            format!(
                "{} without a grant, such as number {}",
                count(row.integer(1)?.unsigned_abs(), "customer", "customers"),
                row.integer(2)?
            ),
            "their data has no legal basis (Art. 6 GDPR)",
            "if there is no basis, run `oubliette shred NUMBER`; if there is one, let the application record it",
        );
    }
    Ok(())
}

/// Rows whose numbers the register never issued.
fn unknown_numbers(context: &Context, office: &Office, findings: &mut Findings) {
    let database = office.database();
    for table in &context.config.tables {
        let mut columns = BTreeSet::from([table.number.as_str()]);
        columns.extend(table.numbers.values().map(String::as_str));
        for column in columns {
            let (quoted, number) = (database.quoted(&table.table), database.quoted(column));
            let sql = format!(
                "SELECT count(*), min(t.{number}) FROM {quoted} t WHERE t.{number} IS NOT NULL \
                 AND NOT EXISTS (SELECT 1 FROM oubliette_numbers n WHERE n.number = t.{number})"
            );
            let place = format!("{}.{column}", table.table);
            let found = database.query(&sql, &[]).and_then(|rows| match rows.first() {
                Some(row) => Ok((row.integer(0)?.unsigned_abs(), row.maybe_integer(1)?.unwrap_or_default())),
                None => Ok((0, 0)),
            });
            match found {
                Ok((0, _)) => {}
                Ok((rows, first)) => findings.add(
                    Severity::Warning,
                    "no-grant",
                    place,
                    format!(
                        "{} of numbers that the register does not know, such as {first}",
                        count(rows, "row", "rows")
                    ),
                    "nobody knows their customer or their legal basis, and no erasure reaches them",
                    "shred numbers that nobody needs (`oubliette shred NUMBER`); the application must take the \
                     others from the register: tell its developers",
                ),
                // An officer's role need not read the application's tables.
                Err(failure) if office.is_desk() => findings.add(
                    Severity::Note,
                    "table",
                    place,
                    failure.message,
                    "its numbers were not compared with the register",
                    "nothing, if this role must not read the table; otherwise correct [[tables]]",
                ),
                Err(failure) => findings.add(
                    Severity::Warning,
                    "table",
                    place,
                    failure.message,
                    "the configuration does not describe the database: an export or a breach report would be wrong",
                    "correct [[tables]]",
                ),
            }
        }
    }
}

fn overdue(open: &Office, findings: &mut Findings) -> Result<(), Failure> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for due in at_desk!(*open, due())?.iter().filter(|due| !due.held) {
        *counts.entry(due.purpose.map_or(PLACE, Purpose::name)).or_default() += 1;
    }
    for (place, many) in counts {
        let what = match place {
            PLACE => format!("{} overdue", count(many, "requested erasure", "requested erasures")),
            _ => format!("{} kept for longer than allowed", count(many, "customer's data is", "customers' data is")),
        };
        findings.add(
            Severity::Warning,
            "retention-overdue",
            place,
            what,
            "Art. 5(1)(e) GDPR: no longer than necessary",
            "`oubliette sweep --dry-run` lists them, and `oubliette sweep` shreds them; run it daily",
        );
    }
    Ok(())
}
