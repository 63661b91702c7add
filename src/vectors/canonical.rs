//! The canonical and wide forms of spellings in many scripts: those of tests/canonical/pairs.txt.

use super::{Node, hex};
use crate::personal::{Address, Canonical, CanonicalForm, Email, Name, PersonalData, Plaintext};

const PAIRS: &str = include_str!("../../tests/canonical/pairs.txt");

pub(super) fn names() -> Node {
    forms(|kind, text| {
        let name: Option<Name> = (kind == "name").then(|| text.parse().unwrap());
        name.map(|name| form(&name, text, Some(name.wide_form())))
    })
}

pub(super) fn addresses() -> Node {
    forms(|kind, text| {
        let country = kind.strip_prefix("address ")?.parse().unwrap();
        let address = Address::new(country, text.split(" / ")).unwrap();
        Some(form(&address, text, Some(address.wide_form())))
    })
}

pub(super) fn emails() -> Node {
    forms(|kind, text| {
        let email: Option<Email> = (kind == "email").then(|| text.parse().unwrap());
        email.map(|email| form(&email, text, None))
    })
}

fn form<T: Canonical + PersonalData>(value: &T, typed: &str, wide: Option<CanonicalForm>) -> Node {
    let mut content = Plaintext::with_capacity(0);
    value.encode(&mut content);
    let mut members = vec![
        ("typed", typed.into()),
        ("content", hex(content.as_bytes())),
        ("canonical", hex(value.canonical_form().expose_personal_data())),
    ];
    members.extend(wide.map(|wide| ("wide", hex(wide.expose_personal_data()))));
    Node::Named(members)
}

/// What `form` says of every spelling, each once.
fn forms(form: impl Fn(&str, &str) -> Option<Node>) -> Node {
    let mut seen = Vec::new();
    let mut forms = Vec::new();
    for line in PAIRS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let [kind, _, spellings @ ..] = &line.split(" | ").collect::<Vec<_>>()[..] else { panic!("{line}") };
        for spelling in spellings {
            if !seen.contains(&(*kind, *spelling)) {
                seen.push((*kind, *spelling));
                forms.extend(form(kind, &unescaped(spelling)));
            }
        }
    }
    Node::Named(vec![
        ("about", "FORMAT.md, section 8.1. Spellings, and what they are compared by.".into()),
        ("forms", forms.into()),
    ])
}

/// `\u{..}` is a character, `\\` a backslash.
fn unescaped(text: &str) -> String {
    let mut pieces = text.split("\\u{");
    let mut out = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let (number, rest) = piece.split_once('}').unwrap();
        out.push(char::from_u32(u32::from_str_radix(number, 16).unwrap()).unwrap());
        out.push_str(rest);
    }
    out.replace("\\\\", "\\")
}
