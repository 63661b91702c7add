//! With `--cfg fuzzing` alone. Doors for fuzzing: lines, journals and receipts as anybody could have written them.

#![allow(clippy::panic, clippy::missing_panics_doc)] // a finding is a panic

use std::sync::OnceLock;

use ed25519_dalek::{Signer as _, SigningKey};

use super::anchor::Anchor;
use super::entry::Entry;
use super::error::JournalError;
use super::event::Event;
use super::ids::{Hash, VaultName};
use super::key::{PublicKey, SignError, Signer};
use super::limits::LINE_BYTES;
use super::numbers::Numbers;
use super::receipt::{Facts, Purposes, Receipt, Remains, Whose};
use super::split::EVENT_BYTES;
use super::text::Reason;
use super::time::Time;
use super::verify::{Expectations, verify_from};

struct Fixed(SigningKey, PublicKey);

impl Signer for Fixed {
    fn vault(&self) -> VaultName {
        VaultName::from_bytes([1; 16])
    }

    fn public_key(&self) -> PublicKey {
        self.1
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(self.0.sign(message).to_bytes())
    }
}

fn signer() -> Fixed {
    let key = SigningKey::from_bytes(&[2; 32]);
    let Ok(public) = PublicKey::from_bytes(&key.verifying_key().to_bytes()) else { panic!("it is a key") };
    Fixed(key, public)
}

/// What is changed: by itself a fuzzer never comes upon a signature, nor upon an event.
struct Ours {
    journal: Vec<u8>,
    last: Anchor,
    receipt: Receipt,
    key: PublicKey,
}

const EVENTS: [&str; 14] = [
    r#"{"kind":"shred","whom":{"numbers":[5,[7,12],300]},"purpose":"orders","why":"a \"letter\" \\ é"}"#,
    r#"{"kind":"shred","whom":{"through":400}}"#,
    r#"{"kind":"outcome","of":2,"result":"done","newly":8,"already":0,"trees":["a0a1a2a3a4a5a6a7"],"epoch":3,"effective_at":"2026-11-24T18:36:13.123Z"}"#,
    r#"{"kind":"retire_replaced","purpose":"orders","new":"b0b1b2b3b4b5b6b7"}"#,
    r#"{"kind":"begin_epoch","index":{"purpose":"orders","field":"email","tag":"obl.email","label":"exact","bits":32},"epoch":2}"#,
    r#"{"kind":"recover","seen":61,"highest_number":1099511627775}"#,
    r#"{"kind":"places","attached":["a1"],"detached":["b1","b2"],"first":"c1"}"#,
    r#"{"kind":"granted","grant":9007199254740991,"number":6,"purpose":"orders","basis":"consent","until":"9999-12-30T21:59:59.999Z"}"#,
    r#"{"kind":"disclosed","number":6,"recipient":"carrier","purpose":"orders","fields":["name","address"],"encrypted":true}"#,
    r#"{"kind":"openings","at":"2026-11-25T08:00:00.000Z","who":"support","why":"ticket 12","purpose":"orders","field":"email","result":"refused","count":70,"numbers":[5,[7,8]]}"#,
    r#"{"kind":"gap","vault":"01010101010101010101010101010101","from":2,"to":1,"after":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","why":"lost"}"#,
    r#"{"kind":"root_key","version":{"series":"10101010101010101010101010101010","number":13,"id":"20202020202020202020202020202020","generation":62,"began":"age","begun":"2026-11-24T18:36:13.000Z","kept":{"from":9,"until":"2026-12-24T18:36:13.123Z"}}}"#,
    r#"{"kind":"forget_series","series":"30303030303030303030303030303030"}"#,
    r#"{"kind":"note","text":"anything"}"#,
];

impl Ours {
    fn make() -> Ours {
        let signer = signer();
        let opened = Event::Opened { vault: signer.vault(), public_key: signer.public_key() };
        let events = EVENTS.iter().take(2).filter_map(|text| serde_json::from_str::<Event>(text).ok());
        let (mut journal, mut last) = (Vec::new(), Anchor::START);
        for event in std::iter::once(opened).chain(events) {
            let Ok(entry) = Entry::write(last, Time::FIRST, 1, None, event, &signer) else {
                panic!("it can be written")
            };
            journal.extend_from_slice(entry.line().as_bytes());
            journal.push(b'\n');
            last = entry.anchor();
        }
        let (Ok(whose), Ok(what), Ok(until)) = (Whose::new("somebody"), Reason::new("copies"), "they are gone".parse())
        else {
            panic!("these are texts")
        };
        let facts = Facts {
            whose,
            numbers: Numbers::default(),
            shredded_before: Numbers::default(),
            purposes: Purposes::All,
            why: None,
            requested_at: None,
            shredded_at: Time::FIRST,
            generation: 57,
            effective_everywhere_at: Time::FIRST,
            entries: vec![last],
            may_remain: vec![Remains { what, until }],
        };
        let Ok(receipt) = Receipt::issue(facts, [3; 32], &signer) else { panic!("it can be issued") };
        Ours { journal, last, receipt, key: signer.public_key() }
    }
}

/// Pieces that change what JSON says, or only how it is written.
const PIECES: [&str; 24] = [
    " ",
    "\n",
    "\t",
    "\0",
    "0",
    "1",
    ".0",
    "e0",
    "-",
    ",",
    ":",
    "\"",
    "\\",
    "\\u0061",
    "null",
    "true",
    "[",
    "]",
    "{",
    "}",
    "\"why\":null,",
    "\"n\":1,",
    "\u{feff}",
    "\u{2028}",
];

/// Changes as bytes tell: four for each.
fn changed(base: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut text = base.to_vec();
    for [high, low, what, with] in edits.as_chunks().0.iter().take(6) {
        let at = usize::from(u16::from_be_bytes([*high, *low])) % (text.len() + 1);
        let end = match what % 4 {
            0 => at,
            1 => (at + 1).min(text.len()),
            2 => (at + usize::from(*with)).min(text.len()),
            _ => at,
        };
        let piece = match what % 4 {
            0 | 1 => std::slice::from_ref(with),
            2 => &[],
            _ => PIECES.get(usize::from(*with) % PIECES.len()).map_or(&[][..], |piece| piece.as_bytes()),
        };
        text.splice(at..end, piece.iter().copied());
    }
    text
}

/// What the key signed, changed: refused, or what it was.
pub fn changed_journal(bytes: &[u8]) {
    static OURS: OnceLock<Ours> = OnceLock::new();
    let Some((which, edits)) = bytes.split_first() else { return };
    let Ours { journal, last, receipt, key } = OURS.get_or_init(Ours::make);
    match which % 4 {
        0 => {
            let text = changed(journal, edits);
            let found = verify_from(&text[..], key, &Expectations::new().anchor(*last), |_| ());
            assert!(found.is_err() || text == *journal);
        }
        1 => {
            let lines = journal.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            lines.for_each(|line| journal_line(&changed(line, edits)));
        }
        2 => {
            let text = changed(receipt.to_string().as_bytes(), edits);
            let Ok(text) = std::str::from_utf8(&text) else { return };
            journal_receipt_of(text, receipt, key);
        }
        _ => {
            let base = EVENTS.get(usize::from(which / 4) % EVENTS.len()).copied().unwrap_or_default();
            if let Ok(text) = std::str::from_utf8(&changed(base.as_bytes(), edits)) {
                signed_event(text);
            }
        }
    }
}

/// Accepted only if it says what was issued, and has nothing beside it.
fn journal_receipt_of(text: &str, receipt: &Receipt, key: &PublicKey) {
    if let Ok(read) = Receipt::verify(text, key) {
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        assert!(read == *receipt && value(text) == value(&receipt.to_string()));
    }
}

/// A line that is accepted is written anew to the same bytes.
pub fn journal_line(bytes: &[u8]) {
    if let Ok(entry) = Entry::parse(bytes) {
        assert!(entry.line().as_bytes() == bytes && bytes.len() < LINE_BYTES && entry.n() > 0);
        let size = |event: &Event| serde_json::to_vec(event).map_or(0, |bytes| bytes.len());
        let parts = entry.into_event().split();
        assert!(parts.len() == 1 || parts.iter().all(|part| size(part) <= EVENT_BYTES));
    }
}

/// Any bytes as a journal: no key of ours signed them, so nothing may come of it.
pub fn journal_lines(bytes: &[u8]) {
    let checked = verify_from(bytes, &signer().public_key(), &Expectations::new(), |_| ());
    assert!(checked.is_err());
}

/// Any text as an event: one that can be read is written, signed, and read again as what it was.
pub fn signed_event(text: &str) {
    let Ok(event) = serde_json::from_str::<Event>(text) else { return };
    let signer = signer();
    let opened = Event::Opened { vault: signer.vault(), public_key: signer.public_key() };
    let write = |after, event| Entry::write(after, Time::FIRST, 1, None, event, &signer);
    let Ok(first) = write(Anchor::START, opened) else { panic!("it can be written") };
    let second = match write(first.anchor(), event.clone()) {
        Ok(entry) => entry,
        Err(JournalError::TooLong { .. } | JournalError::Unwritable(_)) => return,
        Err(error) => panic!("{error}"),
    };
    let journal = [first.line(), second.line(), String::new()].join("\n");
    match verify_from(journal.as_bytes(), &signer.public_key(), &Expectations::new(), |_| ()) {
        Ok(found) => assert!(found.entries == 2 && found.last == second.anchor() && *second.event() == event),
        // Some events belong elsewhere.
        Err(error) => assert!(matches!(event, Event::Opened { .. } | Event::Gap { .. }), "{error}"),
    }
}

/// A receipt that can be read is written anew to one that says the same; none is accepted, since no key of ours signed it.
pub fn journal_receipt(text: &str) {
    assert!(Receipt::verify(text, &signer().public_key()).is_err());
    if let Ok(receipt) = Receipt::parse(text) {
        assert!(Receipt::parse(&receipt.to_string()).is_ok_and(|again| again == receipt));
        let content = receipt.content();
        let is_canonical = content.message().is_none_or(|message| {
            let canonical = message.get(super::labels::RECEIPT.len()..).unwrap_or_default();
            serde_json::from_slice(canonical).is_ok_and(|again: super::ReceiptContent| again == *content)
        });
        assert!(is_canonical);
        let _ = Expectations::new().receipt(&receipt).anchor(Anchor { n: 1, hash: Hash::NONE });
    }
}
