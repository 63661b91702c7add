use std::fs;

use crate::support::World;

#[test]
fn help_names_every_command_and_exit_code() {
    let world = World::empty();
    let ran = world.run(&["--help"]).ends(0);
    for command in [
        "status",
        "doctor",
        "shred",
        "withdraw",
        "erase",
        "requests",
        "holds",
        "sweep",
        "resume",
        "export",
        "breach",
        "rotate",
        "retire",
        "reindex",
        "mirror",
        "key-store",
        "inventory",
        "verify",
        "journal",
        "replay",
        "completions",
        "man",
    ] {
        assert!(ran.out.contains(command), "{command} is missing");
        world.run(&[command, "--help"]).ends(0);
    }
    for (command, said) in [("erase", "Exit code 4"), ("sweep", "may stop it at any"), ("doctor", "Exit code: 0")] {
        let ran = world.run(&[command, "--help"]).ends(0);
        assert!(ran.out.contains(said), "{command}: {ran:?}");
    }
    for code in ["0", "1", "2", "3", "4", "5", "6", "64", "65", "66", "74", "75", "76", "77", "78"] {
        assert!(ran.out.lines().any(|line| line.starts_with(&format!("  {code:>2}  "))), "{code} is missing");
    }
    world.run(&["--version"]).ends(0);
    world.run(&[]).ends(64);
    world.run(&["conjure"]).ends(64);
}

#[test]
fn completions_are_made_for_each_shell() {
    let world = World::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = world.run(&["completions", shell]).ends(0);
        assert!(ran.out.contains("oubliette") && ran.out.contains("shred"), "{shell}");
    }
    world.shell("source <(oubliette completions bash) && complete -p oubliette").ends(0);
    world.run(&["completions", "cmd"]).ends(64);
}

#[test]
fn man_pages_are_written_for_each_command() {
    let world = World::empty();
    let (code, done) = world.json(&["man", "share/man1"]);
    assert_eq!(code, 0);
    let pages: Vec<&str> = done["pages"].as_array().unwrap().iter().map(|page| page.as_str().unwrap()).collect();
    for page in [
        "oubliette.1",
        "oubliette-shred.1",
        "oubliette-rotate-root-key.1",
        "oubliette-doctor.1",
        "oubliette-key-store-migrate.1",
        "oubliette-requests-answer.1",
    ] {
        assert!(pages.contains(&page), "{page} is not among {pages:?}");
        let text = fs::read_to_string(world.path("share/man1").join(page)).unwrap();
        assert!(text.contains(".TH") && text.len() > 500, "{page}");
    }
}

/// Each code begins a line, in every page: a paragraph of them is not read.
#[test]
fn exit_codes_are_a_list_in_every_man_page() {
    let world = World::empty();
    world.run(&["man", "."]).ends(0);
    for page in ["oubliette.1", "oubliette-erase.1", "oubliette-rotate-root-key.1"] {
        let text = fs::read_to_string(world.path(page)).unwrap();
        assert!(text.contains(".SH \"EXIT STATUS\"") && !text.contains("EXTRA"), "{page}");
        for code in [0, 1, 2, 3, 4, 5, 64, 65, 66, 74, 75, 76, 77, 78] {
            assert!(text.contains(&format!("\n.TP 4\n{code}\n")), "{code} in {page}");
        }
    }
}

/// No line of any help is wider than a terminal of the usual width.
#[test]
fn help_has_eighty_columns() {
    let world = World::empty();
    world.run(&["man", "."]).ends(0);
    let pages = fs::read_dir(world.path("")).unwrap().map(|page| page.unwrap().file_name().into_string().unwrap());
    let pages: Vec<String> = pages.filter(|page| page.ends_with(".1")).collect();
    assert!(pages.len() > 30, "{pages:?}");
    for page in &pages {
        // `rotate-root-key`: which of its dashes begin a command is tried.
        let name = page.strip_suffix(".1").unwrap().strip_prefix("oubliette").unwrap().trim_start_matches('-');
        let last = name.rsplit_once('-').map_or(name.to_owned(), |(front, back)| format!("{front} {back}"));
        let ways = [name.to_owned(), name.replacen('-', " ", 1), last].map(|name| {
            let words: Vec<String> = name.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
            [words, vec!["--help".to_owned()]].concat()
        });
        let run = |words: &Vec<String>| world.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let ran = ways.iter().map(run).find(|ran| ran.code == 0).unwrap_or_else(|| panic!("{name}"));
        let wide: Vec<&str> = ran.out.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(wide.is_empty(), "{name}: {wide:#?}");
    }
}

#[test]
fn the_configuration_in_the_readme_is_understood() {
    let world = World::empty();
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("```toml\n").unwrap();
    let (toml, _) = rest.split_once("```").unwrap();
    world.write("oubliette.toml", toml);
    // It gets as far as to miss what the README does not give.
    let ran = world.run(&["inventory"]).ends(78);
    assert!(ran.err.contains("[controller]"), "{ran:?}");
    world.write("oubliette.toml", &format!("{toml}\n[controller]\nname = \"Shop Ltd\"\n"));
    world.run(&["inventory"]).ends(1);
    // And what stands there for another vault.
    let (start, rest) = toml.split_once("# [key_store]").unwrap();
    let (key_store, rest) = rest.split_once("[root_key]").unwrap();
    let key_store: String = key_store.lines().map(|line| line.trim_start_matches("# ").to_owned() + "\n").collect();
    let start: String = start
        .lines()
        .filter(|line| !line.starts_with("vault") && !line.starts_with("mirrors"))
        .map(|line| line.to_owned() + "\n")
        .collect();
    let other = format!(
        "{start}\n[key_store]{key_store}\nwork_within = \"1 minute\"\n[root_key]{rest}\n[controller]\nname = \"Shop Ltd\"\n"
    );
    world.write("oubliette.toml", &other);
    world.run(&["inventory"]).ends(1);
    world.write("oubliette.toml", &toml.replace("keep_evidence", "keep_evidences"));
    let ran = world.run(&["inventory"]).ends(78);
    assert!(ran.err.contains("keep_evidences"), "{ran:?}");
}

#[test]
fn what_is_not_understood_is_one_document_too() {
    let world = World::empty();
    for wrong in [&["conjure"][..], &["erase"], &["requests", "answer", "7", "refused"], &["sweep", "--dry"], &[]] {
        let (code, failed) = world.json(wrong);
        assert_eq!((code, &failed["error"]["kind"]), (64, &serde_json::json!("usage")), "{failed}");
    }
}
