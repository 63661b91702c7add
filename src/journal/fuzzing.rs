//! Doors for fuzzing: lines, journals and receipts as anybody could have written them.

#![allow(clippy::panic, clippy::missing_panics_doc)] // a finding is a panic

use super::entry::{Entry, LINE_BYTES};
use super::error::JournalError;
use super::event::{EVENT_BYTES, Event};
use super::key::{PublicKey, Signer, sign};
use super::receipt::Receipt;
use super::text::{Time, VaultName};
use super::verify::{Expectations, verify_from};
use crate::derivation::VaultId;
use crate::error::KeyStoreError;
use crate::root_record::Anchor;
use crate::secret::Secret32;

struct Fixed(Secret32);

impl Signer for Fixed {
    fn vault(&self) -> VaultId {
        VaultId([1; 16])
    }

    fn public_key(&self) -> PublicKey {
        PublicKey::of_seed(&self.0)
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyStoreError> {
        Ok(sign(&self.0, message))
    }
}

fn signer() -> Fixed {
    Fixed(Secret32::copy_of(&[2; 32]))
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
    let opened = Event::Opened { vault: VaultName(signer.vault()), public_key: signer.public_key() };
    let write = |after, event| Entry::write(after, Time::FIRST, 1, None, event, &signer);
    let Ok(first) = write(super::chain::START, opened) else { panic!("it can be written") };
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
            let canonical = message.get(crate::derivation::RECEIPT.len()..).unwrap_or_default();
            serde_json::from_slice(canonical).is_ok_and(|again: super::ReceiptContent| again == *content)
        });
        assert!(is_canonical);
        let _ = Expectations::new().receipt(&receipt).anchor(Anchor { n: 1, hash: [0; 32] });
    }
}
