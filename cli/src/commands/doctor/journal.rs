//! The journal: whether it is there, whole, and known to whoever commits.

use std::time::{Duration, SystemTime};

use oubliette::journal::{Expectations, PublicKey};
use oubliette::status::Status;

use super::findings::{Findings, Severity};
use crate::commands::verify::with_bar;
use crate::context::Context;
use crate::exit::chain;

/// Nobody's clock is this much wrong unless it is wrong.
const SLACK: Duration = Duration::from_secs(300);

pub fn look(context: &Context, status: &Status, key: Option<&PublicKey>, findings: &mut Findings) {
    let vault = context.shown().unwrap_or_default();
    let Some(journal) = &context.config.journal else {
        match status.journalled {
            Some(entry) => findings.add(
                Severity::Grave,
                "journal-not-named",
                vault,
                format!("the vault keeps a journal (entry {entry} at least), and none is configured here"),
                "this command cannot shred, rotate or retire, and cannot check the journal",
                "name it: `journal` in the configuration, or --journal FILE",
            ),
            None => findings.add(
                Severity::Note,
                "no-journal",
                vault,
                "the vault keeps no journal",
                "nothing proves a shred afterwards, and nothing shows a restore of an older root record together with its pages",
                "let the application open the vault with a journal, and name the journal here: `journal` in the configuration",
            ),
        }
        return;
    };
    if !journal.exists() {
        let (severity, what) = match status.journalled {
            Some(entry) => {
                (Severity::Grave, format!("there is no journal, although at least entry {entry} was written"))
            }
            None => (Severity::Warning, "there is no journal yet".to_owned()),
        };
        let meaning = "a program that opens the vault with this journal cannot shred";
        let advice =
            "correct the path, or put the newest copy back; if it is lost for good, `oubliette journal accept-loss`";
        return findings.add(severity, "journal-missing", journal.display(), what, meaning, advice);
    }
    let Some(key) = key else { return };
    let verified = match with_bar(journal, key, &Expectations::new()) {
        Ok(verified) => verified,
        Err(error) => {
            return findings.add(
                Severity::Grave,
                "journal",
                journal.display(),
                chain(&*error),
                "from there on, the journal does not prove what was shredded, when and why",
                "do what the message says; keep this file as evidence",
            );
        }
    };
    for gap in &verified.gaps {
        findings.add(
            Severity::Note,
            "journal-gap",
            journal.display(),
            format!("entries {} to {} are missing; recorded {}: {}", gap.from, gap.to, gap.recorded, gap.why.as_str()),
            "receipts for them cannot be compared with the journal",
            "nothing, if you know of it; otherwise find out who recorded it",
        );
    }
    let last = SystemTime::from(verified.until);
    if last.duration_since(SystemTime::now()).is_ok_and(|ahead| ahead > SLACK) {
        findings.add(
            Severity::Warning,
            "clock",
            journal.display(),
            format!("its last entry is of {}, which is in the future", verified.until),
            "this machine's clock was wrong then or is wrong now; receipts and due dates go by it",
            "set the clock, and let it be kept right (NTP)",
        );
    }
}
