//! The libraries' errors speak of calls, for whoever programs with them. An operator has commands.

/// What a library says, and what the command says in its place.
const IN_COMMANDS: &[(&str, &str)] = &[
    (
        "unlock with that one, and rotate to the tokens that it is to be",
        "`oubliette rotate tokens --from-one` moves it to those of the configuration",
    ),
    (
        "name it, or give it up by rotating to the tokens that are left",
        "name it under [root_key.token], or `oubliette rotate tokens` gives it up",
    ),
    (
        "bring it back, or give it up by rotating to the tokens that are left",
        "bring it back, or take it out of the configuration and give it up by `oubliette rotate tokens`",
    ),
    ("rotate to all of the tokens to add it", "`oubliette rotate tokens` adds it"),
    ("let the job `enroll`", "let the application give it one"),
    ("`seal` it first", "seal it first, in the application"),
    (
        "is not unlocked; name it in `purposes` when unlocking",
        "is not open here: is it misspelt? `oubliette status` lists the vault's purposes",
    ),
    (
        "`accept_journal_loss` goes on without those entries",
        "`oubliette journal accept-loss` goes on without those entries",
    ),
    ("To go on without, `accept_journal_loss`", "To go on without, `oubliette journal accept-loss`"),
    ("add `.reading::<T>()` with the type of that tag", "only the application, which has the type, can show it"),
    ("or not as `binding` says", "or not as `context_bytes` in the configuration says"),
    ("see its `serialize_exposed`", "that is for the application to mend"),
    ("record the legal basis by `grant` first", "let the application record the legal basis first"),
    ("finish it by `resume`", "`oubliette resume` finishes it"),
    ("make it by `Grant::consent`", "the application records it"),
    ("make them by `create_tables`", "the application makes them; is it the right database?"),
    ("call `reconcile`", "`oubliette resume --reconcile` mends it"),
    ("Find out which by `reconcile`", "`oubliette resume --reconcile` finds out which"),
    ("`reconcile` lists all such numbers", "`oubliette resume --reconcile` lists all such numbers"),
    (
        "confirm it by `confirm_restored`, then sweep",
        "confirm it by `oubliette resume --confirm-restored REASON`, then sweep",
    ),
    (
        "call `migrate` as the owner, once, and `grant_to` for the role of daily use",
        "`oubliette key-store migrate` makes it, as the owner of the tables",
    ),
    ("call `migrate` as the owner", "`oubliette key-store migrate` does it, as the owner of the tables"),
    (
        "name them to the store (`standbys`), or say that there is none (`no_standbys`)",
        "name them as `standbys` under [key_store], or give `[]` there if there is none",
    ),
    ("`resume` issues another receipt", "`oubliette resume` issues another receipt"),
    ("ask for `keys` of that purpose", "that is for the application to mend"),
    ("record a new one by `grant`", "let the application record a new one"),
    ("`write` it anew", "`oubliette inventory --write FILE` writes it anew"),
    ("`write` it once", "`oubliette inventory --write FILE` writes it once"),
    ("take it from the column that `enroll` filled", "take it from the application's column of customer numbers"),
    ("take it from `enroll`", "take it from the application's column of customer numbers"),
    ("A new one is made by `create`, and never", "A new one is made by `oubliette create`, and never"),
    ("bind `SealedText` there, or", "have the application bind the text of sealed values there, or"),
    (
        "or `replay` the journal; or `recover` with those shredded since",
        "or `oubliette replay`; if you looked and it was not rolled back, `oubliette clear-alarm`",
    ),
    ("; or `recover`, if older versions are kept", ""),
    (
        "open the vault with `VaultBuilder::journal`, at the path where its journal lies",
        "name it with --journal, or as `journal` in the configuration",
    ),
    ("unlock it by `VaultBuilder::unlock` to change something", "nothing was changed"),
    ("`unlock` it, or choose another place", "choose another place"),
    ("give `purposes` between", "it needs between"),
    ("If it is new, `add_missing_purposes`", "If it is new, let the application start first, which adds it"),
    ("`rotate_root_key` moves to another one", "`oubliette rotate root-key` moves to another one"),
    ("unlock it once with `add_missing_purposes`", "let the application start once, which adds it"),
    ("ask `status` or `epochs`", "ask `oubliette status` or `oubliette reindex --check`"),
    ("; `enroll` one", "; let the application give them one"),
    ("take it from `rotate_purpose` or `status`", "`oubliette status` lists them"),
    ("as `status` shows them", "as `oubliette status` shows them"),
    ("ask `status`", "ask `oubliette status`"),
    ("for consent given anew, `enroll` a new number", "consent given anew needs a new number, from the application"),
    ("widen its `Limits`, or use the vault", "the application allows it or not"),
    ("widen its `Limits`, or find out why it was asked for", "find out why it was asked for"),
];

/// A message of a library's, as the command says it.
pub fn in_commands(message: &str) -> String {
    let mut said = message.to_owned();
    for (call, command) in IN_COMMANDS {
        if said.contains(call) {
            said = said.replace(call, command);
        }
    }
    said
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    /// Of no command: records and types of the application's, audits that it writes, handing data to others.
    const NOT_MET: &[&str] = &["personal", "audit", "disclosures"];

    /// What may be in backquotes: commands, options, keys of the configuration, what the operator's other tools know.
    fn is_for_operators(quoted: &str) -> bool {
        const OTHERS: &[&str] = &["pages_at", "journal", "context_bytes", "bytea_output", "hex", "standbys", "[]"];
        quoted.starts_with("oubliette ")
            || quoted.starts_with("--")
            || quoted.starts_with("pkcs11-tool ")
            || OTHERS.contains(&quoted)
    }

    fn sources(directory: PathBuf, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if NOT_MET.contains(&name) || name == "tests" {
                continue;
            }
            if path.is_dir() {
                sources(path, found);
            } else if name.ends_with(".rs") {
                found.push(path);
            }
        }
    }

    /// The texts of `#[error("..")]` in a source.
    fn messages(source: &str) -> Vec<String> {
        let mut all = Vec::new();
        for part in source.split("#[error(").skip(1) {
            let Some(text) = part.trim_start().strip_prefix('"') else { continue };
            let mut message = String::new();
            let mut characters = text.chars();
            while let Some(c) = characters.next() {
                match c {
                    '"' => break,
                    '\\' => match characters.next() {
                        // A line that goes on.
                        Some('\n') => characters = characters.as_str().trim_start().chars(),
                        Some(c) => message.push(c),
                        None => break,
                    },
                    c => message.push(c),
                }
            }
            all.push(message);
        }
        all
    }

    /// The command's own texts: what it advises must be something that an operator can do.
    #[test]
    fn no_text_of_the_command_speaks_of_calls() {
        /// Of the operator's other tools, examples of values, features to build with, and what is typed.
        const OTHERS: &[&str] = &[
            "[root_key.token]",
            "pg_dump --schema",
            "pg_dump --exclude-schema",
            "VACUUM FULL",
            "root",
            "root/",
            "FIRST 2 (b, c)",
            "ANY 2 (b, c)",
            "yes",
            "obl-key-1.",
            "postgres",
            "postgres-key-store",
            "500ms",
            "5s",
            "2 years",
            "30 days",
        ];
        const BEGINS: &[&str] = &["oubliette ", "--", "SELECT ", "ALTER ROLE ", "chown ", "{job}"];
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let page = std::fs::read_to_string(root.join("CONFIGURATION.md")).unwrap();
        let keys: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        let is_good = |quoted: &str| {
            // `key = value`, too.
            let name = quoted.split(" = ").next().unwrap_or_default();
            OTHERS.contains(&quoted) || keys.contains(&name) || BEGINS.iter().any(|begin| quoted.starts_with(begin))
        };
        let mut files = Vec::new();
        sources(root.join("src"), &mut files);
        let mut seen = 0;
        for file in files.iter().filter(|file| !file.ends_with("words.rs") && !file.to_string_lossy().contains("args"))
        {
            let source = std::fs::read_to_string(file).unwrap();
            let code = source.split("#[cfg(test)]").next().unwrap_or_default();
            for line in code.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
                // The character itself quotes names in SQLite.
                for quoted in line.replace("'`'", "").split('`').skip(1).step_by(2) {
                    seen += 1;
                    assert!(is_good(quoted), "{}: `{quoted}` in {line}", file.display());
                }
            }
        }
        assert!(seen > 100, "{seen}");
    }

    #[test]
    fn no_message_of_a_library_speaks_of_its_calls() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut files = Vec::new();
        for library in ["src", "journal/src", "register/src", "jobs/src", "pkcs11/src", "postgres/src"] {
            sources(root.join(library), &mut files);
        }
        let mut seen = 0;
        for file in files {
            for message in messages(&std::fs::read_to_string(&file).unwrap()) {
                seen += 1;
                let said = in_commands(&message);
                let calls: Vec<&str> =
                    said.split('`').skip(1).step_by(2).filter(|quoted| !is_for_operators(quoted)).collect();
                assert!(calls.is_empty() && !said.contains("::"), "{}: {said}", file.display());
            }
        }
        assert!(seen > 150, "{seen}");
    }

    /// None is left over that no library says any more.
    #[test]
    fn every_replacement_is_of_something() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut files = Vec::new();
        for library in ["src", "journal/src", "register/src", "jobs/src", "pkcs11/src", "postgres/src"] {
            sources(root.join(library), &mut files);
        }
        let texts: Vec<String> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        for (call, _) in IN_COMMANDS {
            let is_said = |text: &String| text.contains(call) || messages(text).iter().any(|said| said.contains(call));
            assert!(texts.iter().any(is_said), "{call}");
        }
    }
}
