//! Whether the journal says of requests and holds what the register's rows say.

use jiff::Timestamp;
use oubliette_register::{HoldId, RequestId, Signed};

use super::findings::{Findings, Severity};
use crate::database::{Database, Given};
use crate::exit::{Exit, Failure};
use crate::register::{Office, at_desk};

const PLACE: &str = "the register";
const SHOWN: usize = 5;

pub fn look(office: &Office, now: Timestamp, findings: &mut Findings) -> Result<(), Failure> {
    if let Err(failure) = at_desk!(office, unsigned()) {
        findings.add(
            Severity::Grave,
            "outbox",
            PLACE,
            format!("the outbox cannot be read: {}", failure.message),
            "nothing that is done from now on gets into the journal",
            "find out who wrote it, keep the row as evidence, and take it out of oubliette_outbox",
        );
    }
    let missing = at_desk!(office, missing_holds())?;
    if let Some(which) = named(missing.iter().map(|hold| (true, hold.to_string()))) {
        findings.add(
            Severity::Grave,
            "hold-gone",
            PLACE,
            format!("the journal says that hold {which} stands, and the register has no such hold"),
            "its row was taken away by hand: the next erasure or sweep shreds what must be kept",
            "`oubliette journal show` has of which numbers and why; place it again by `oubliette holds add`. This finding ends with the time of the hold that is gone",
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
                format!("the journal does not say of {what} {which} what the register says"),
                "rows were changed by hand, or the journal or its table lost entries: what was asked or held may be forgotten",
                "`oubliette requests show ID` and `oubliette holds` show what the register says, `oubliette journal show` what was signed: correct by these commands what differs",
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
    let wrong = || Failure::new(Exit::Investigate, "the register's tables hold an id that the register never gave");
    let rows = database.query(sql, given)?;
    rows.iter().map(|row| row.integer(0)?.to_string().parse().map_err(|_| wrong())).collect()
}
