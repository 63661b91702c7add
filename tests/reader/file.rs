//! The audit as a file.

use std::path::PathBuf;

use oubliette::audit::{Audit, AuditFile, OpeningResult};
use oubliette::journal::{self, Event, Expectations, JournalError};
use oubliette::testing::assert_no_plaintext;
use oubliette::{KeyStoreError, Limits, OpenError, Reader};

use super::{Alice, EMAIL, NAME, NEWS_EMAIL, ORDERS, PLAINTEXT};

struct Desk {
    alice: Alice,
    _place: tempfile::TempDir,
    path: PathBuf,
}

impl Desk {
    fn new() -> Desk {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("openings");
        Desk { alice: Alice::new(), path, _place: place }
    }

    fn create(&self) -> Audit {
        Audit::to(AuditFile::create(&self.path, &self.alice.vault).unwrap()).start().unwrap()
    }

    fn reader(&self, audit: &Audit) -> Reader {
        let reader = self.alice.vault.reader(Limits::nothing().purpose(ORDERS));
        reader.audited(audit, "support desk".parse().unwrap(), "ticket 4711".parse().unwrap())
    }

    /// Every entry of the file, which is verified as a stranger would.
    fn entries(&self) -> Vec<Event> {
        let key = self.alice.vault.public_key().unwrap();
        journal::verify(&self.path, &key, &Expectations::new(), |_| ()).unwrap();
        let entries = journal::entries(&self.path, &key).unwrap();
        entries.map(|entry| entry.unwrap().event().clone()).collect()
    }

    /// Openings by label and end.
    fn openings(&self) -> Vec<(String, OpeningResult, u64)> {
        let openings = self.entries().into_iter().filter_map(|event| match event {
            Event::Openings { field, result, count, numbers, .. } => {
                assert!(numbers.contains(self.alice.number) && numbers.count() == 1);
                Some((field.to_string(), result, count))
            }
            _ => None,
        });
        openings.collect()
    }
}

#[test]
fn is_written_verified_and_gone_on_with() {
    let desk = Desk::new();
    let audit = desk.create();
    let reader = desk.reader(&audit);
    reader.open(desk.alice.number, EMAIL, &desk.alice.email).unwrap();
    reader.open(desk.alice.number, EMAIL, &desk.alice.email).unwrap();
    reader.open(desk.alice.number, NEWS_EMAIL, &desk.alice.news_email).unwrap_err();
    drop((reader, audit));
    let first = [("email".to_owned(), OpeningResult::Refused, 1), ("email".to_owned(), OpeningResult::Opened, 2)];
    assert_eq!(desk.openings(), first);

    let audit = Audit::to(AuditFile::open(&desk.path, &desk.alice.vault).unwrap()).start().unwrap();
    desk.reader(&audit).open(desk.alice.number, NAME, &desk.alice.name).unwrap();
    audit.flush().unwrap();
    assert_eq!(desk.openings()[2..], [("name".to_owned(), OpeningResult::Opened, 1)]);
    assert_no_plaintext(&std::fs::read(&desk.path).unwrap(), PLAINTEXT);
    let again = AuditFile::create(&desk.path, &desk.alice.vault);
    let Err(KeyStoreError::Journal(error)) = again else { panic!("{again:?}") };
    assert!(matches!(*error, JournalError::Exists { .. }), "{error:?}");
}

#[test]
fn two_writers_share_one_file() {
    let desk = Desk::new();
    let one = desk.create();
    let other = Audit::to(AuditFile::open(&desk.path, &desk.alice.vault).unwrap()).start().unwrap();
    for audit in [&one, &other, &one] {
        desk.reader(audit).open(desk.alice.number, EMAIL, &desk.alice.email).unwrap();
        audit.flush().unwrap();
    }
    assert_eq!(desk.openings().len(), 3);
}

/// With the file gone or changed under it the audit fails, keeps what it has, and writes it once the file is back.
#[test]
fn a_file_that_goes_away_stops_the_audit_and_loses_nothing() {
    let desk = Desk::new();
    let audit = desk.create();
    let reader = desk.reader(&audit);
    let away = desk.path.with_extension("away");
    std::fs::rename(&desk.path, &away).unwrap();
    reader.open(desk.alice.number, EMAIL, &desk.alice.email).unwrap();
    assert!(audit.flush().is_err() && audit.trouble().is_some());
    reader.open(desk.alice.number, NAME, &desk.alice.name).unwrap();
    std::fs::rename(&away, &desk.path).unwrap();
    while audit.flush().is_err() {}
    let both = [("email".to_owned(), OpeningResult::Opened, 1), ("name".to_owned(), OpeningResult::Opened, 1)];
    assert_eq!(desk.openings(), both, "and nothing is there twice");
}

#[test]
fn whoever_changes_the_file_is_found_out() {
    let desk = Desk::new();
    let audit = desk.create();
    desk.reader(&audit).open(desk.alice.number, EMAIL, &desk.alice.email).unwrap();
    audit.flush().unwrap();
    let (key, text) = (desk.alice.vault.public_key().unwrap(), std::fs::read_to_string(&desk.path).unwrap());
    let changed = [
        text.replace("support desk", "support dusk"),
        text.replace("\"opened\"", "\"failed\""),
        text.split_inclusive('\n').take(1).collect::<String>(),
    ];
    for changed in changed {
        assert_ne!(changed, text);
        std::fs::write(&desk.path, changed).unwrap();
        assert!(journal::verify(&desk.path, &key, &Expectations::new(), |_| ()).is_err());
        assert!(AuditFile::open(&desk.path, &desk.alice.vault).is_err());
    }
}

#[test]
fn nothing_is_opened_while_the_vault_cannot_sign() {
    let desk = Desk::new();
    let audit = desk.create();
    let reader = desk.reader(&audit);
    reader.open(desk.alice.number, EMAIL, &desk.alice.email).unwrap();
    desk.alice.vault.lose_store();
    assert!(matches!(reader.open(desk.alice.number, EMAIL, &desk.alice.email), Err(OpenError::KeyStore(_))));
    assert!(audit.flush().is_err());
    desk.alice.vault.find_store();
    while audit.flush().is_err() {}
    let counted: u64 = desk.openings().iter().map(|(.., count)| count).sum();
    assert_eq!(counted, 2, "the one that failed too");
}
