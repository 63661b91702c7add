//! Known answers: lines, heads and receipts with every intermediate, and what must be refused.
//!
//! The file in tests/vectors is for those who write a decoder from FORMAT.md, and holds this crate to what it once wrote.
//! After a change of the format that is meant, `WRITE_VECTORS=1 cargo test -p oubliette-journal vectors` writes it anew, and
//! fails once.

use std::path::Path;

use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest, Sha256};

use super::inputs::{SALT, SEED, VAULT, after_a_gap, entries, events, facts, label, other_kinds, ours, run, time};
use super::node::{Node, hex};
use super::*;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/journal.json");

#[test]
fn the_committed_file_is_what_is_computed() {
    let text = serde_json::to_string_pretty(&vectors()).unwrap() + "\n";
    if std::env::var_os("WRITE_VECTORS").is_some() {
        std::fs::write(FILE, text).unwrap();
        panic!("written; look at what changed, and run the test without WRITE_VECTORS");
    }
    let committed = std::fs::read_to_string(FILE).unwrap();
    let differs = committed.lines().zip(text.lines()).position(|(committed, computed)| committed != computed);
    assert_eq!(differs.map(|line| line + 1), None, "it differs in this line");
    assert!(committed == text, "it differs in length or line ends");
    let beside = Path::new(FILE).parent().unwrap().read_dir().unwrap().count();
    assert_eq!(beside, 1, "a file that is not computed here");
}

/// Signed here with nothing of the crate's own, from what FORMAT.md says.
fn signature(label: &str, signed: &str) -> ([u8; 64], Vec<u8>) {
    let message = [label.as_bytes(), &VAULT, signed.as_bytes()].concat();
    (SigningKey::from_bytes(&SEED).sign(&message).to_bytes(), message)
}

fn shown(entry: &Entry) -> Node {
    let line = entry.line();
    let signed = &line[..line.len() - 96];
    let (signature, message) = signature("oubliette/1/journal", signed);
    let sig = base64(&signature);
    assert_eq!(format!("{signed},\"sig\":\"{sig}\"}}"), line);
    let hash: [u8; 32] = Sha256::digest(&line).into();
    assert_eq!(entry.anchor(), Anchor { n: entry.n(), hash: Hash::from_bytes(hash) });
    Node::Named(vec![
        ("n", entry.n().into()),
        ("signed", signed.into()),
        ("message", hex(message)),
        ("signature", hex(signature)),
        ("line", line.as_str().into()),
        ("hash", hex(hash)),
    ])
}

fn head(anchor: Anchor) -> Node {
    let line = head_line(anchor, &ours());
    let signed = &line[..line.len() - 97];
    let (signature, message) = signature("oubliette/1/head", signed);
    assert!(line.contains(&base64(&signature)));
    Node::Named(vec![
        ("n", anchor.n().into()),
        ("hash", hex(anchor.hash().as_bytes())),
        ("message", hex(message)),
        ("signature", hex(signature)),
        ("line", line.trim_end().into()),
    ])
}

fn receipt(facts: Facts) -> Node {
    let whose = facts.whose.clone();
    let receipt = Receipt::issue(facts, SALT, &ours()).unwrap();
    let mut content = serde_json::to_value(receipt.content()).unwrap();
    let committed = [b"oubliette/1/whose", &SALT[..], whose.as_str().as_bytes()].concat();
    assert_eq!(receipt.content().commitment, Hash::from_bytes(Sha256::digest(&committed).into()));
    // With its members in order, this is the canonical form of this content.
    content.sort_all_objects();
    let canonical = serde_json::to_string(&content).unwrap();
    let message = ["oubliette/1/receipt", &canonical].concat();
    let signature = SigningKey::from_bytes(&SEED).sign(message.as_bytes()).to_bytes();
    let document = receipt.to_string();
    assert!(document.contains(&base64(&signature)));
    assert_eq!(Receipt::verify(&document, &ours().public_key()).unwrap(), receipt);
    Node::Named(vec![
        ("salt", hex(SALT)),
        ("committed", hex(committed)),
        ("commitment", hex(receipt.content().commitment.as_bytes())),
        ("canonical", canonical.into()),
        ("message", hex(message)),
        ("signature", hex(signature)),
        ("document", document.into()),
    ])
}

/// What it is, its lines, the anchor in its head, the error.
type Case = (&'static str, Vec<String>, Option<Anchor>, Option<&'static str>);

/// Whole journals, and the error that checking each comes to.
fn journals() -> Vec<Node> {
    let lines: Vec<String> = entries().iter().chain(&after_a_gap()).map(Entry::line).collect();
    let last = after_a_gap().last().unwrap().anchor();
    let stranger = TestSigner::new([7; 32], VAULT);
    let of_stranger = |events| write_lines(&stranger, None, events).iter().map(Entry::line).collect::<Vec<_>>();
    let mut opened_by_stranger = events();
    opened_by_stranger[0].3 = Event::Opened { vault: stranger.vault(), public_key: stranger.public_key() };
    let fork = {
        let mut events = events();
        events[1].0 = time("2026-11-24T18:36:13.124Z");
        write_lines(&ours(), None, events).iter().map(Entry::line).collect::<Vec<_>>()
    };
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut changed = lines.clone();
        change(&mut changed);
        changed
    };
    let newer = Anchor { n: 17, hash: Hash::from_bytes(run(0x40)) };
    let cases: Vec<Case> = vec![
        ("as it was written", lines.clone(), Some(last), None),
        ("a head that lags behind", lines.clone(), Some(entries()[3].anchor()), None),
        ("no head", lines[..6].to_vec(), None, None),
        ("a changed number", with(&|lines| lines[1] = lines[1].replace("300", "301")), None, Some("changed")),
        ("a space", with(&|lines| lines[1] = lines[1].replacen(':', ": ", 1)), None, Some("form")),
        ("one dropped", with(&|lines| drop(lines.remove(2))), None, Some("dropped")),
        ("the first dropped", with(&|lines| drop(lines.remove(0))), None, Some("dropped")),
        ("one dropped before a gap", with(&|lines| drop(lines.remove(9))), None, Some("dropped")),
        ("two swapped", with(&|lines| lines.swap(2, 4)), None, Some("reordered")),
        ("one repeated", with(&|lines| lines.insert(3, lines[1].clone())), None, Some("reordered")),
        ("one of another journal", with(&|lines| lines[3] = fork[3].clone()), None, Some("spliced")),
        ("cut off", lines[..8].to_vec(), Some(entries()[9].anchor()), Some("cut_off")),
        ("cut off at the end", lines.clone(), Some(newer), Some("cut_off")),
        ("another history", fork.clone(), Some(entries()[9].anchor()), Some("other_history")),
        ("another key", of_stranger(opened_by_stranger), None, Some("other_vault")),
        ("another key that names this one", of_stranger(events()), None, Some("changed")),
    ];
    let node = |(what, lines, anchor, error): Case| {
        let head = anchor.map(|anchor| head_line(anchor, &ours()));
        assert_eq!(check(&lines, head.as_deref(), &ours().public_key()), error, "{what}");
        Node::Named(vec![
            ("what", what.into()),
            ("lines", lines.into_iter().map(Node::from).collect::<Vec<_>>().into()),
            ("head", head.map(|head| Node::from(head.trim_end())).into()),
            ("error", error.into()),
        ])
    };
    cases.into_iter().map(node).collect()
}

/// Lines that are no entry's one form, whatever signs them.
fn refused_lines() -> Vec<Node> {
    let lines: Vec<String> = entries().iter().map(Entry::line).collect();
    let second = |from: &str, to: &str| {
        assert!(lines[1].contains(from), "{from}");
        lines[1].replace(from, to)
    };
    let list = "[5,[7,12],300]";
    let cases = [
        ("a number with a zero before it", second("{\"n\":2", "{\"n\":02")),
        ("a number of 0", second("{\"n\":2", "{\"n\":0")),
        ("a number above 2^53 - 1", second("{\"n\":2", "{\"n\":9007199254740992")),
        ("a generation above 2^40 - 1", second("\"generation\":56", "\"generation\":1099511627776")),
        ("members in another order", second("\"n\":2,\"prev\"", "\"prev\"").replacen(",\"at\"", ",\"n\":2,\"at\"", 1)),
        ("a member twice", second("{\"n\":2,", "{\"n\":2,\"n\":2,")),
        ("a member of another name", second("{\"n\":2,", "{\"n\":2,\"m\":2,")),
        ("a member missing", second("\"generation\":56,", "")),
        ("a kind that does not exist", second("\"shred\"", "\"later\"")),
        ("a member that the kind has not", second("\"kind\":\"shred\",", "\"kind\":\"shred\",\"of\":1,")),
        ("null for what is not there", second("\"why\":\"a \\\"letter\\\" \\\\ é 😀\"", "\"why\":null")),
        ("an escape that is not needed", second("é", "\\u00e9")),
        ("a time of another form", second("13.123Z", "13.12Z")),
        ("a time of another zone", second("13.123Z", "13.123+00:00")),
        ("a day that does not exist", second("2026-11-24", "2026-11-31")),
        ("ranges that touch", second(list, "[5,6,[7,12],300]").replace("[5,6,", "[[5,6],")),
        ("numbers out of order", second(list, "[[7,12],5,300]")),
        ("a range of one", second(list, "[[5,5],[7,12],300]")),
        ("a range that ends before it begins", second(list, "[5,[12,7],300]")),
        ("customer 0", second(list, "[0,5,[7,12],300]")),
        ("a customer above 2^40 - 1", second(list, "[5,[7,12],1099511627776]")),
        ("an empty text", second("a \\\"letter\\\" \\\\ é 😀", "")),
        ("a control character", second("é", "\u{85}")),
        ("a line separator", second("é", "\u{2028}")),
        ("a text that turns its direction", second("é", "\u{202e}")),
        ("a text that isolates a direction", second("é", "\u{2069}")),
        ("a text of 201 bytes", second("a \\\"letter\\\" \\\\ é 😀", &"x".repeat(201))),
        ("a signature with another last character", {
            let mut line = lines[1].clone();
            let last = line.remove(line.len() - 3);
            line.insert(line.len() - 2, char::from(last as u8 + 1));
            line
        }),
        ("a space at the end", lines[1].clone() + " "),
    ];
    let node = |(what, line): (&str, String)| {
        assert!(Entry::parse(line.as_bytes()).is_err(), "{what}");
        Node::Named(vec![("what", what.into()), ("line", line.into())])
    };
    cases.into_iter().map(node).collect()
}

fn refused_receipts() -> Vec<Node> {
    let document = Receipt::issue(facts(), SALT, &ours()).unwrap().to_string();
    let other = Receipt::issue(facts(), SALT, &TestSigner::new([7; 32], VAULT)).unwrap().to_string();
    let bare = Receipt::issue(Facts { why: None, ..facts() }, SALT, &ours()).unwrap().to_string();
    let mut value: serde_json::Value = serde_json::from_str(&document).unwrap();
    value.sort_all_objects();
    let list = serde_json::json!([value["receipt"], value["sig"]]);
    let with = |from: &str, to: &str| {
        assert!(document.contains(from), "{from}");
        document.replace(from, to)
    };
    let cases = [
        ("a changed generation", with("57", "58"), "changed"),
        ("another person", with("4711", "4712"), "changed"),
        ("another format", with("\"format\": 1", "\"format\": 2"), "newer_format"),
        ("a member more", with("\"format\": 1", "\"format\": 1, \"more\": 1"), "form"),
        ("another key", other, "other_key"),
        ("null for what is not there", bare.replace("\"format\": 1", "\"format\": 1, \"why\": null"), "form"),
        ("a list for an object", list.to_string(), "form"),
    ];
    let node = |(what, document, error): (&str, String, &str)| {
        use crate::ReceiptError as E;
        let found = match Receipt::verify(&document, &ours().public_key()).unwrap_err() {
            E::Changed => "changed",
            E::NewerFormat { .. } => "newer_format",
            E::Form(_) => "form",
            E::OtherKey { .. } => "other_key",
            other => panic!("{other:?}"),
        };
        assert_eq!(found, error, "{what}");
        Node::Named(vec![("what", what.into()), ("document", document.into()), ("error", error.into())])
    };
    cases.into_iter().map(node).collect()
}

fn vectors() -> Node {
    let key = PublicKey::from_bytes(&SigningKey::from_bytes(&SEED).verifying_key().to_bytes()).unwrap();
    assert_eq!(key, ours().public_key());
    let named = Facts {
        purposes: Purposes::Named(vec![label("orders"), label("lettre d’été")]),
        why: None,
        requested_at: None,
        entries: Vec::new(),
        may_remain: Vec::new(),
        ..facts()
    };
    let again = Facts { shredded_before: ids([5, 9, 10]), ..facts() };
    let written: Vec<Entry> = entries().into_iter().chain(after_a_gap()).collect();
    Node::Named(vec![
        (
            "about",
            "FORMAT.md, section 10. `entries` are lines of one journal with a gap in it, without their line feeds. \
             `journals`: what checking them with the key and the head comes to. `refused_lines` have not the form of an \
             entry. `refused_receipts`: what checking them with the key comes to."
                .into(),
        ),
        ("seed", hex(SEED)),
        ("vault", hex(VAULT)),
        ("public_key", hex(key.to_bytes())),
        ("public_key_text", key.to_string().into()),
        ("entries", written.iter().chain(&other_kinds()).map(shown).collect::<Vec<_>>().into()),
        ("heads", vec![head(written[0].anchor()), head(written.last().unwrap().anchor())].into()),
        ("journals", journals().into()),
        ("refused_lines", refused_lines().into()),
        ("receipts", vec![receipt(facts()), receipt(named), receipt(again)].into()),
        ("refused_receipts", refused_receipts().into()),
    ])
}
