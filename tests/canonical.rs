//! Spellings that mean the same and spellings that do not, over many scripts; and the tables in the types' docs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use oubliette::personal::{Address, Canonical, CanonicalForm, Country, Email, Name, Text};

/// The text that a line of the files means: `\u{..}` is a character, `\\` a backslash.
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

struct Forms {
    canonical: CanonicalForm,
    wide: Option<CanonicalForm>,
}

fn forms(kind: &str, text: &str) -> Forms {
    match kind.split_once(' ').unwrap_or((kind, "")) {
        ("name", _) => {
            let name: Name = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            Forms { canonical: name.canonical_form(), wide: Some(name.wide_form()) }
        }
        ("email", _) => {
            let email: Email = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            Forms { canonical: email.canonical_form(), wide: None }
        }
        ("text", _) => Forms { canonical: text.parse::<Text>().unwrap().canonical_form(), wide: None },
        ("address", country) => {
            let country: Country = country.parse().unwrap();
            let address = Address::new(country, text.split(" / ")).unwrap_or_else(|error| panic!("{text}: {error}"));
            Forms { canonical: address.canonical_form(), wide: Some(address.wide_form()) }
        }
        other => panic!("there is no type {other:?}"),
    }
}

/// `same`, `wide` or `apart`.
fn relation(kind: &str, one: &str, other: &str) -> &'static str {
    let (one, other) = (forms(kind, &unescaped(one)), forms(kind, &unescaped(other)));
    match (one.canonical == other.canonical, one.wide.is_some() && one.wide == other.wide) {
        (true, wide) => {
            assert_eq!(wide, one.wide.is_some(), "the wide form brings together all that the canonical form does");
            "same"
        }
        (false, true) => "wide",
        (false, false) => "apart",
    }
}

#[test]
fn pairs_of_spellings_come_to_what_they_should() {
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    for line in include_str!("canonical/pairs.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let [kind, expected, one, other] = line.split(" | ").collect::<Vec<_>>()[..] else { panic!("{line}") };
        let found = relation(kind, one, other);
        if found != expected {
            wrong.push(format!("{found}: {line}"));
        }
        *counts.entry(expected).or_insert(0) += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(counts["same"] > 100 && counts["wide"] > 40 && counts["apart"] > 40, "{counts:?}");
}

/// Every character, alone and among others, by the decoder that was written from FORMAT.md alone: as far as its Unicode
/// knows them.
#[test]
#[ignore = "needs PYTHON, an interpreter with cryptography; tests/decoder/run runs it"]
fn the_independent_decoder_folds_every_character_alike() {
    let python = std::env::var_os("PYTHON").expect("PYTHON names no interpreter");
    let mut lines = String::new();
    for c in ('\0'..='\u{33ff}')
        .chain('\u{a000}'..='\u{abff}')
        .chain('\u{f900}'..='\u{1ffff}')
        .chain('\u{2f800}'..='\u{2fa1f}')
    {
        for text in
            [c.to_string(), format!("a{c}\u{345}\u{301}x"), format!("1{c}2"), format!("カ{c} 1"), format!("i{c} {c}b")]
        {
            // What no name may have is not compared.
            let Ok(name) = text.parse::<Name>() else { continue };
            let form = |form: CanonicalForm| String::from_utf8(form.expose_personal_data().to_vec()).unwrap();
            let line =
                serde_json::json!([name.expose_personal_data(), form(name.canonical_form()), form(name.wide_form())]);
            lines += &format!("{line}\n");
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/decoder/decoder.py");
    let status = std::process::Command::new(python).arg(script).arg("characters").arg(file.path()).status().unwrap();
    assert!(status.success(), "the decoder found a difference");
}

/// The tables in the types' docs say what is folded: every row is looked up.
#[test]
fn the_tables_in_the_docs_are_true() {
    let tables = [
        ("name", include_str!("../src/personal/folding/name.md"), 35),
        ("address", include_str!("../src/personal/folding/address.md"), 20),
        ("email", include_str!("../src/personal/folding/email.md"), 15),
        ("text", include_str!("../src/personal/folding/text.md"), 5),
    ];
    for (kind, table, rows) in tables {
        let mut found = 0;
        for row in table.lines().filter(|line| line.contains('`') && line.starts_with('|')) {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let (country, one) = cells[0].split_once('`').unwrap();
            let kind = format!("{kind} {country}");
            let expected = match cells[2..cells.len() - 1] {
                ["same"] | ["same", "same"] => "same",
                ["apart", "same"] => "wide",
                ["apart"] | ["apart", "apart"] => "apart",
                _ => panic!("{row}"),
            };
            assert_eq!(relation(kind.trim(), one.trim_matches('`'), cells[1].trim_matches('`')), expected, "{row}");
            found += 1;
        }
        assert!(found >= rows, "{kind}: {found} rows");
    }
}
