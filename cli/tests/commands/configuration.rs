//! The reference of the configuration file, against what the command accepts.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::World;

const PAGE: &str = include_str!("../../CONFIGURATION.md");

/// A key that no section has.
const UNKNOWN: &str = "xyzzy";

/// What the command says of a configuration that ends with this.
fn said(world: &World, toml: &str) -> String {
    world.write("oubliette.toml", toml);
    world.run(&["status"]).err
}

/// The names in backquotes behind a word of an error.
fn names_behind(said: &str, word: &str) -> Option<BTreeSet<String>> {
    let (_, rest) = said.split_once(word)?;
    let line = rest.lines().next().unwrap_or_default();
    Some(line.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

/// The keys that a section accepts, which the parser lists when it meets another. `None` if there is no such section.
fn keys(world: &World, header: &str) -> Option<BTreeSet<String>> {
    let said = said(world, &format!("{header}\n{UNKNOWN} = 1\n"));
    if !said.contains(&format!("unknown field `{UNKNOWN}`")) && !said.contains(&format!("unknown variant `{UNKNOWN}`"))
    {
        return None;
    }
    names_behind(&said, "expected")
}

/// What a value of a key must be, as the parser says when it is given a time.
fn kind(world: &World, header: &str, key: &str) -> &'static str {
    let said = said(world, &format!("{header}\n{key} = 1979-05-27\n"));
    let words = [
        ("expected path string", "path"),
        ("expected a string", "text"),
        ("expected string", "text"),
        ("wanted string or table", "text"),
        ("expected a boolean", "true or false"),
        ("expected a sequence", "list"),
        ("expected u8", "number"),
        ("expected u16", "number"),
        ("expected a map", "table"),
        ("expected struct", "table"),
        ("expected tuple struct", "list"),
        // A map whose values are of a few kinds: a time is a map to the parser.
        ("unknown variant `1979", "table"),
        ("unknown field `$__toml", "table"),
        // A time is a table to the parser, where any is taken: what it misses then is another key.
        ("missing field `table`", "table"),
    ];
    let found = words.iter().find(|(words, _)| said.contains(words));
    found.unwrap_or_else(|| panic!("what {key} of {header} is cannot be told from: {said}")).1
}

/// Every section that the command accepts, with its keys and what each must be.
fn accepted(world: &World) -> BTreeMap<String, BTreeMap<String, &'static str>> {
    let mut all = BTreeMap::new();
    let mut left: Vec<(String, String)> = vec![("Top level".to_owned(), String::new())];
    while let Some((name, header)) = left.pop() {
        let keys = keys(world, &header).unwrap_or_else(|| panic!("{name} is no section"));
        let path = name.trim_matches(['[', ']']).to_owned();
        let mut kinds = BTreeMap::new();
        for key in keys {
            let kind = kind(world, &header, &key);
            kinds.insert(key.clone(), kind);
            if !["table", "list"].contains(&kind) {
                continue;
            }
            let below = if header.is_empty() { key.clone() } else { format!("{path}.{key}") };
            for (open, close) in [("[", "]"), ("[[", "]]")] {
                let section = format!("{open}{below}{close}");
                let inner = format!("{header}\n{section}");
                if self::keys(world, &inner).is_some() {
                    left.push((section, inner));
                    break;
                }
            }
            // A map whose keys are the application's: one of them is tried.
            let named = format!("[{below}.PURPOSE]");
            if kind == "table"
                && self::keys(world, &format!("{header}\n[{below}]")).is_none()
                && self::keys(world, &format!("{header}\n{named}")).is_some()
            {
                left.push((named.clone(), format!("{header}\n{named}")));
            }
        }
        all.insert(name, kinds);
    }
    all
}

/// The same as the page has it: section, key, and the cells behind it.
fn documented() -> BTreeMap<String, BTreeMap<String, Vec<String>>> {
    let mut all = BTreeMap::new();
    for part in PAGE.split("\n## ").skip(1) {
        let (heading, text) = part.split_once('\n').unwrap();
        let rows = text.lines().filter(|line| line.starts_with("| `"));
        let rows: BTreeMap<String, Vec<String>> = rows
            .map(|row| {
                let cells: Vec<String> = row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
                (cells[0].trim_matches('`').to_owned(), cells[1..].to_vec())
            })
            .collect();
        for section in heading.split(" and ") {
            all.insert(section.to_owned(), rows.clone());
        }
    }
    // The page says it beside the purposes, whose names are the keys there.
    let retention = all.remove("[retention]").unwrap();
    all.insert("[retention.PURPOSE]".to_owned(), retention);
    all
}

#[test]
fn every_key_is_in_the_reference_with_its_type() {
    let world = World::empty();
    let (accepted, documented) = (accepted(&world), documented());
    let sections = |all: Vec<&String>| all.into_iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(sections(accepted.keys().collect()), sections(documented.keys().collect()));
    for (section, keys) in &accepted {
        let rows = &documented[section];
        assert_eq!(
            keys.keys().collect::<BTreeSet<_>>(),
            rows.keys().collect::<BTreeSet<_>>(),
            "the keys of {section}: accepted on the left, documented on the right"
        );
        for (key, kind) in keys {
            let [documented, default, meaning] = &rows[key][..] else { panic!("{section} {key}: {:?}", rows[key]) };
            assert_eq!(documented, kind, "the type of {key} in {section}");
            assert!(!default.is_empty() && meaning.len() > 10, "{section} {key}");
        }
    }
    // As many as there are: the walk through the sections found them all.
    assert!(accepted.len() > 12 && accepted.values().map(BTreeMap::len).sum::<usize>() > 60, "{accepted:#?}");
    assert!(PAGE.contains("The vault is made once, by `oubliette create` or by the *application*"));
}

/// What is said to be required is, and nothing else is.
#[test]
fn what_is_required_is_said() {
    let world = World::empty();
    for (section, keys) in documented() {
        let open = section.replace("PURPOSE", "orders");
        let path = open.trim_matches(['[', ']']);
        // The sections above it, whose own required keys are missed only behind its own.
        let above = if path.starts_with("tables.columns") { "[[tables]]\n" } else { "" };
        let above = if path == "tables.columns.index" { "[[tables]]\n[[tables.columns]]\n" } else { above };
        let token = "[root_key.token]\nmodule = \"x\"\nlabel = \"x\"\n";
        let above = if path == "root_key.token.others" { token } else { above };
        let required: Vec<&String> =
            keys.iter().filter(|(_, cells)| cells[1] == "required").map(|(key, _)| key).collect();
        let value = |key: &str| if key == "bits" { "64" } else { "\"x\"" };
        for missing in &required {
            let given = required.iter().filter(|key| key != &missing).map(|key| format!("{key} = {}\n", value(key)));
            let said = said(&world, &format!("{above}{open}\n{}", given.collect::<String>()));
            assert!(said.contains(&format!("missing field `{missing}`")), "{missing} of {section}: {said}");
        }
        let header = if section == "Top level" { "" } else { &open };
        let given = required.iter().map(|key| format!("{key} = {}\n", value(key))).collect::<String>();
        let said = said(&world, &format!("{above}{header}\n{given}"));
        let missed = names_behind(&said, "missing field").unwrap_or_default();
        assert!(missed.is_disjoint(&keys.keys().cloned().collect()) || !above.is_empty(), "{section}: {said}");
    }
}
