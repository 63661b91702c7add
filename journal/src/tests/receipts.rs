//! Receipts: issued, checked, changed.

use super::*;

fn facts(entries: Vec<Anchor>) -> Facts {
    let time = |text: &str| text.parse::<Time>().unwrap();
    Facts {
        whose: Whose::new("customer 4711, Zoë \"Z\" O’Connor").unwrap(),
        numbers: ids([5, 7, 8]),
        shredded_before: Numbers::default(),
        purposes: Purposes::All,
        why: Some(Reason::new("Art. 17 request of 2026-11-20").unwrap()),
        requested_at: Some(time("2026-11-20T08:00:00.000Z")),
        shredded_at: time("2026-11-24T18:36:13.123Z"),
        generation: 57,
        effective_everywhere_at: time("2026-11-24T18:36:14.123Z"),
        entries,
        may_remain: vec![
            Remains {
                what: Reason::new("copies of the root record").unwrap(),
                until: Until::Event(Reason::new("the root key is rotated").unwrap()),
            },
            Remains {
                what: Reason::new("backups of the root record").unwrap(),
                until: Until::Time(time("2026-12-24T18:36:13.123Z")),
            },
        ],
    }
}

/// With a salt that no other has.
fn issue(facts: Facts, signer: &dyn Signer) -> Result<Receipt, ReceiptError> {
    static ISSUED: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);
    let salt = [ISSUED.fetch_add(1, std::sync::atomic::Ordering::Relaxed); 32];
    Receipt::issue(facts, salt, signer)
}

#[test]
fn a_receipt_is_accepted_however_it_is_laid_out() {
    let receipt = issue(facts(vec![]), &ours()).unwrap();
    let (text, key) = (receipt.to_string(), ours().public_key());
    assert_eq!(Receipt::verify(&text, &key).unwrap(), receipt);
    assert!(text.lines().count() > 20, "it is laid out for people");
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    // One line, members sorted.
    assert_eq!(Receipt::verify(&value.to_string(), &key).unwrap(), receipt);
    assert_eq!(receipt.content().purposes, Purposes::All);
    let again = issue(facts(vec![]), &ours()).unwrap();
    assert_ne!(again.content().salt, receipt.content().salt);
    assert_ne!(again.content().commitment, receipt.content().commitment);
    let named = Facts { purposes: Purposes::Named(vec![Label::new("all").unwrap()]), ..facts(vec![]) };
    let named = issue(named, &ours()).unwrap();
    assert_eq!(Receipt::verify(&named.to_string(), &key).unwrap(), named);
}

#[test]
fn every_changed_byte_of_a_receipt_is_found() {
    let anchor = Place::small().entries()[1].anchor();
    let receipt = issue(facts(vec![anchor]), &ours()).unwrap();
    let (good, key) = (receipt.to_string().into_bytes(), ours().public_key());
    for at in 0..good.len() {
        for byte in [good[at] ^ 1, b' ', b'0'] {
            let mut bad = good.clone();
            bad[at] = byte;
            let Ok(text) = std::str::from_utf8(&bad) else { continue };
            if let Ok(accepted) = Receipt::verify(text, &key) {
                assert_eq!(accepted, receipt, "byte {at}");
                assert!(bad == good || good[at].is_ascii_whitespace(), "byte {at} says something");
            }
        }
    }
    for length in 0..good.len() {
        if let Ok(text) = std::str::from_utf8(&good[..length]) {
            assert!(matches!(Receipt::verify(text, &key), Err(ReceiptError::Form(_))));
        }
    }
}

#[test]
fn why_a_receipt_is_refused_is_told_apart() {
    let receipt = issue(facts(vec![]), &ours()).unwrap();
    let (text, key) = (receipt.to_string(), ours().public_key());
    let other = TestSigner::new([8; 32], [1; 16]);
    let refused = Receipt::verify(&text, &other.public_key());
    assert!(matches!(refused, Err(ReceiptError::OtherKey { found }) if found == key));
    // Naming our key does not make it ours.
    let forged = issue(facts(vec![]), &other).unwrap().to_string();
    let forged = forged.replace(&other.public_key().to_string(), &key.to_string());
    assert!(matches!(Receipt::verify(&forged, &key), Err(ReceiptError::Changed)));
    assert!(matches!(Receipt::verify(&text.replace("57", "58"), &key), Err(ReceiptError::Changed)));
    let later = text.replace("\"format\": 1", "\"format\": 2");
    assert!(matches!(Receipt::verify(&later, &key), Err(ReceiptError::NewerFormat { format: 2 })));
    let later = text.replace("\"format\": 1,", "\"format\": 2, \"more\": [1.5],");
    assert!(matches!(Receipt::verify(&later, &key), Err(ReceiptError::NewerFormat { format: 2 })));
    let form = |text: &str| matches!(Receipt::verify(text, &key), Err(ReceiptError::Form(_)));
    assert!(form(&text.replace("\"format\": 1", "\"format\": 0")));
    assert!(form(&text.replace("\"format\": 1", "\"format\": 1, \"format\": 1")));
    assert!(form(&text.replace("\"format\": 1", "\"format\": 1, \"more\": 1")));
    assert!(form(&text.replace("\"all\"", "\"some\"")));
    assert!(form(&text.replace("57", "9007199254740992")));
    assert!(form(&(text.clone() + "x")));
    assert!(form(&"[".repeat(RECEIPT_BYTES)));
    assert!(form(&" ".repeat(RECEIPT_BYTES + 1)));
}

/// What a parser would put up with and nobody signed.
#[test]
fn other_ways_to_write_a_receipt_are_refused() {
    let anchor = Place::small().entries()[1].anchor();
    let bare = Facts { why: None, requested_at: None, ..facts(vec![anchor]) };
    let receipt = issue(bare, &ours()).unwrap();
    let (text, key) = (receipt.to_string(), ours().public_key());
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    let list = |value: &serde_json::Value| -> serde_json::Value {
        let members = value.as_object().unwrap();
        // In the order of the type, which is that of the text.
        let mut names: Vec<&String> = members.keys().collect();
        names.sort_by_key(|name| text.find(&format!("\"{name}\":")));
        names.into_iter().map(|name| members[name].clone()).collect()
    };
    let compact = value.to_string();
    assert!(Receipt::verify(&compact, &key).is_ok());
    let others = [
        with("\"format\": 1,", "\"format\": 1, \"why\": null,"),
        with("\"format\": 1,", "\"format\": 1, \"requested_at\": null,"),
        with("\"format\": 1,", "\"format\": 1.0,"),
        with("\"format\": 1,", "\"format\": 1e0,"),
        with("\"format\": 1,", "\"format\": 01,"),
        with("\"generation\": 57", "\"generation\": 57.0"),
        with("\"generation\": 57", "\"generation\": 5.7e1"),
        format!("\u{feff}{text}"),
        text.clone() + ",",
        text.clone() + &text,
        list(&value).to_string(),
        serde_json::json!({ "receipt": value["receipt"], "sig": value["sig"], "more": 1 }).to_string(),
        compact.replace(
            &format!("[{}]", value["receipt"]["entries"][0]),
            &format!("[[{},\"{}\"]]", anchor.n(), anchor.hash()),
        ),
    ];
    for other in others {
        assert_ne!(other, text);
        assert_ne!(other, compact);
        let refused = Receipt::verify(&other, &key);
        assert!(matches!(refused, Err(ReceiptError::Form(_))), "{other}: {refused:?}");
    }
    // Signatures have one form, too.
    let sig = value["sig"].as_str().unwrap();
    let last = sig.chars().last().unwrap() as u8;
    let malleable = with(sig, &(sig[..85].to_owned() + &char::from(last + 1).to_string()));
    assert!(matches!(Receipt::verify(&malleable, &key), Err(ReceiptError::Form(_))));
}

#[test]
fn a_receipt_commits_to_the_person_it_names() {
    // Only a vault with a bug, or whoever holds its keys, can sign one that does not.
    let receipt = issue(facts(vec![]), &ours()).unwrap();
    let mut content = receipt.content().clone();
    content.salt = Hash::from_bytes([9; 32]);
    let sig = super::super::text::encode(&ours().sign(&content.message().unwrap()).unwrap());
    let text = serde_json::json!({ "receipt": content, "sig": sig }).to_string();
    assert!(matches!(Receipt::verify(&text, &ours().public_key()), Err(ReceiptError::Commitment)));
}

#[test]
fn the_person_is_not_shown_by_debug() {
    let receipt = issue(facts(vec![]), &ours()).unwrap();
    assert!(receipt.to_string().contains("O’Connor"));
    assert!(!format!("{receipt:?} {:?}", receipt.content()).contains("Connor"));
}

#[test]
fn a_receipt_that_would_be_too_long_is_not_issued() {
    let numbers = ids((1..300_000).map(|n| n * 2));
    let long = issue(Facts { numbers, ..facts(vec![]) }, &ours());
    assert!(matches!(long, Err(ReceiptError::Content(_))));
    let large = issue(Facts { generation: 1 << 53, ..facts(vec![]) }, &ours());
    assert!(matches!(large, Err(ReceiptError::Content(_))));
}

#[test]
fn a_receipts_entries_must_be_in_the_journal() {
    let place = Place::small();
    let (old, old_head) = (place.bytes(), fs::read(place.head()).unwrap());
    let journal = place.open().unwrap();
    let intent = journal.append(&ours(), 57, &[shred([5, 7, 8])]).unwrap();
    let outcome = journal.append(&ours(), 57, &[outcome(7, Ending::Done)]).unwrap();
    let receipt = issue(facts([intent, outcome].concat()), &ours()).unwrap();
    let receipt = Receipt::verify(&receipt.to_string(), &ours().public_key()).unwrap();
    let expected = Expectations::new().receipt(&receipt);
    place.verify_with(&expected).unwrap();
    // Older than the receipt, then another history of the same length.
    place.put(&old);
    fs::write(place.head(), &old_head).unwrap();
    place.verify().unwrap();
    let cut = place.verify_with(&expected).unwrap_err();
    assert!(matches!(cut, JournalError::CutOff { have: 6, known: 8 }), "{cut:?}");
    place.open().unwrap().append(&ours(), 57, &[note("x"), note("y")]).unwrap();
    place.verify().unwrap();
    let other = place.verify_with(&expected).unwrap_err();
    assert!(matches!(other, JournalError::OtherHistory { n: 7, known_from: KnownFrom::Receipt }), "{other:?}");
}
