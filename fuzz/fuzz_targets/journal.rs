//! A line of a journal, a receipt, and a whole journal: what is accepted is written anew to the same, and nothing that
//! the key did not sign is. What it did sign is changed in a few places, since no fuzzer comes upon a signature by itself.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oubliette::journal::fuzzing::{changed_journal, journal_line, journal_lines, journal_receipt, signed_event};

fuzz_target!(|bytes: &[u8]| {
    changed_journal(bytes);
    journal_line(bytes);
    journal_lines(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        journal_receipt(text);
        signed_event(text);
    }
});
