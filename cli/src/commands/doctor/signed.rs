//! Whether the journal says of requests and holds what the register's rows say.

use jiff::Timestamp;
use oubliette_register::{DamagedRow, HoldId, RequestId, Signed};

use super::findings::{Findings, Severity};
use crate::database::{Database, Given};
use crate::exit::Failure;
use crate::register::{Office, at_desk};

const PLACE: &str = "the register";
const SHOWN: usize = 5;

pub fn look(office: &Office, now: Timestamp, findings: &mut Findings) -> Result<(), Failure> {
    let (of_outbox, others): (Vec<DamagedRow>, Vec<DamagedRow>) =
        at_desk!(office, damaged_rows())?.into_iter().partition(|row| row.table == "oubliette_outbox");
    if let Some(which) = named(of_outbox.iter().map(|row| (true, row.to_string()))) {
        findings.add(
            Severity::Grave,
            "outbox",
            PLACE,
            format!("the register did not write this row that waits for the journal: {which}"),
            "the journal does not get this row; it gets all others",
            "find out who wrote it, keep the row as evidence, and remove it from oubliette_outbox",
        );
    }
    if let Some(which) = named(others.iter().map(|row| (true, row.to_string()))) {
        findings.add(
            Severity::Grave,
            "row-damaged",
            PLACE,
            which,
            "lists and sweeps leave these rows out, and their customers cannot be erased",
            "find out who changed them; `oubliette journal show` prints the signed entries; correct the rows, or \
             restore the database",
        );
    }
    let missing = at_desk!(office, missing_holds())?;
    if let Some(which) = named(missing.iter().map(|hold| (true, hold.to_string()))) {
        findings.add(
            Severity::Grave,
            "hold-gone",
            PLACE,
            format!("by the journal hold {which} stands, but the register has no such hold"),
            "somebody removed its row by hand, and the next erasure or sweep shreds data that must be kept",
            "`oubliette journal show` prints its numbers and its reason; place it again with \
             `oubliette holds add`. This finding stays until the end of the lost hold",
        );
    }
    const REQUESTS: &str = "SELECT id FROM oubliette_requests WHERE state = 'open' ORDER BY due_at, id";
    const HOLDS: &str = "SELECT id FROM oubliette_holds WHERE until > ?1 ORDER BY until, id";
    let requests: Vec<RequestId> = ids(office.database(), REQUESTS, &[])?;
    // Those too that have ended: an end that nobody signed is how a hold is taken away.
    let holds: Vec<HoldId> = ids(office.database(), HOLDS, &[Given::Integer(now.as_millisecond())])?;
    let differ = |signed: Vec<crate::register::IsSigned>| signed.into_iter().map(|signed| signed.0 == Signed::Differs);
    let of_requests = differ(office.signed_requests(&requests)?).zip(requests.iter().map(ToString::to_string));
    let of_holds = differ(office.signed_holds(&holds)?).zip(holds.iter().map(ToString::to_string));
    for (what, which) in [("request", named(of_requests)), ("hold", named(of_holds))] {
        if let Some(which) = which {
            findings.add(
                Severity::Grave,
                "not-as-signed",
                PLACE,
                format!("the register and the journal differ about {what} {which}"),
                "rows were changed by hand, or the journal or its table lost entries; a request or a hold may be forgotten",
                "`oubliette requests show ID` and `oubliette holds` show the register, `oubliette journal show` \
                 the signed entries; correct the differences with the commands for requests and holds",
            );
        }
    }
    Ok(())
}

fn named(found: impl Iterator<Item = (bool, String)>) -> Option<String> {
    let all: Vec<String> = found.filter(|(differs, _)| *differs).map(|(_, id)| id).collect();
    let first = all.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match all.len() {
        0 => None,
        many if many > SHOWN => Some(format!("{first} and {} more", many.saturating_sub(SHOWN))),
        _ => Some(first),
    }
}

fn ids<T: std::str::FromStr>(database: &Database, sql: &str, given: &[Given<'_>]) -> Result<Vec<T>, Failure> {
    let rows = database.query(sql, given)?;
    // Those that are none are named among the damaged rows.
    Ok(rows.iter().filter_map(|row| row.integer(0).ok()?.to_string().parse().ok()).collect())
}
