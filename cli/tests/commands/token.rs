//! A vault moves from a key file to a token (SoftHSM), and lives there: the command as the operator runs it.

use std::process::Command;

use serde_json::json;

use crate::page::{run, steps};
use crate::support::{Ran, World};

/// A token directory beside the vault, and the command that sees it.
struct Tokens(World);

impl Tokens {
    fn new() -> Tokens {
        Tokens::beside(World::new())
    }

    fn beside(world: World) -> Tokens {
        std::fs::create_dir(world.path("tokens")).unwrap();
        world.write("softhsm2.conf", &format!("directories.tokendir = {}\n", world.path("tokens").display()));
        let tokens = Tokens(world);
        tokens.make("privacy");
        tokens
    }

    fn make(&self, label: &str) {
        let slots = ["--init-token", "--free", "--label", label, "--so-pin", "0000", "--pin", "1234"];
        let mut made = Command::new("softhsm2-util");
        made.args(slots).env("SOFTHSM2_CONF", self.0.path("softhsm2.conf"));
        assert!(made.output().expect("SoftHSM is needed: apt-get install softhsm2").status.success());
    }

    fn configure(&self, token: &str) {
        let common = "vault = \"privacy\"\nmirrors = [\"mirror\"]\n[root_key]\nkey_file = \"key\"\n";
        self.0.write("oubliette.toml", &format!("{common}{token}"));
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.0.command(arguments);
        Ran::of(command.env("SOFTHSM2_CONF", self.0.path("softhsm2.conf")).output().unwrap())
    }
}

fn module() -> &'static str {
    let module = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so"];
    module.into_iter().find(|path| std::path::Path::new(path).exists()).expect("SoftHSM's module")
}

fn section() -> String {
    let module = module();
    format!("[root_key.token]\nmodule = \"{module}\"\nlabel = \"privacy\"\npin_file = \"pin\"\n")
}

#[test]
fn a_vault_moves_to_a_token_and_is_operated_there() {
    let tokens = Tokens::new();
    let world = &tokens.0;
    let customers = world.customers(2);
    let refused = tokens.run(&["rotate", "root-key", "--to-token", "--yes"]).ends(78);
    assert!(refused.err.contains("[root_key.token]"), "{refused:?}");
    assert!(tokens.run(&["rotate", "root-key", "--next-version", "--yes"]).ends(77).err.contains("no versions"));
    let section = section();
    tokens.configure(&section);
    world.write("pin", "1234\n");
    tokens.run(&["rotate", "root-key", "--to-token"]).ends(77);
    tokens.run(&["rotate", "root-key", "--to-token", "--yes"]).ends(0);
    let shown = tokens.run(&["status"]).ends(0);
    assert!(shown.out.contains("root key     version 1, since"), "{shown:?}");
    tokens.run(&["shred", &customers[0].number.to_string(), "--yes"]).ends(0);
    let version = |number: u64| {
        let ran = tokens.run(&["status", "--json"]).ends(0);
        let status: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(status["root_key_version"], json!(number), "{status}");
    };
    version(2);
    tokens.run(&["rotate", "root-key", "--next-version"]).ends(77);
    tokens.run(&["rotate", "root-key", "--next-version", "--yes"]).ends(0);
    version(3);
    tokens.run(&["doctor"]).ends(0);
    // The series in use is listed, and never destroyed.
    let series = || {
        let ran = tokens.run(&["retire", "series", "--json"]).ends(0);
        let listed: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        listed["series"].as_array().unwrap().clone()
    };
    assert!(series().len() == 1 && series()[0]["in_use"] == json!(true));
    let in_use = series()[0]["series"].as_str().unwrap().to_owned();
    assert!(tokens.run(&["retire", "series", &in_use, "--yes"]).ends(77).err.contains("is under the series"));
    tokens.run(&["retire", "series", "0707", "--yes"]).ends(64);
    let stranger = "07".repeat(16);
    assert!(tokens.run(&["retire", "series", &stranger, "--yes"]).ends(66).err.contains("has no series"));
    // What a commit left that came to nothing: `doctor` says so and leaves it, and whoever opens the vault to work destroys it.
    let keys = |more: &[&str]| {
        let arguments = ["--module", module(), "--login", "--pin", "1234", "--token-label", "privacy"];
        let mut tool = Command::new("pkcs11-tool");
        let ran = tool.args(arguments).args(more).env("SOFTHSM2_CONF", world.path("softhsm2.conf")).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8_lossy(&ran.stdout).matches("oubliette ").count()
    };
    let (label, id) = (format!("oubliette {in_use}"), format!("{in_use}0000000000000004{stranger}"));
    keys(&["--keygen", "--key-type", "aes:32", "--sensitive", "--private", "--label", &label, "--id", &id]);
    let list = ["--list-objects", "--type", "secrkey"];
    assert_eq!(keys(&list), 2);
    let found = tokens.run(&["doctor"]).ends(1);
    assert!(found.out.contains("1 key that no root record needs"), "{found:?}");
    assert_eq!(keys(&list), 2, "it only looks");
    tokens.run(&["status"]).ends(0);
    assert_eq!(keys(&list), 1);
    tokens.run(&["doctor"]).ends(0);
    // The key file opens nothing any more; and a PIN may come by a descriptor.
    tokens.configure("");
    tokens.run(&["status"]).ends(77);
    tokens.configure(&section.replace("pin_file = \"pin\"\n", ""));
    tokens.run(&["status", "--passphrase-file", "pin"]).ends(0);
    world.write("pin", "9999\n");
    let refused = tokens.run(&["status", "--passphrase-file", "pin"]).ends(77);
    assert!(refused.err.contains("refuses the PIN") && !refused.err.contains("9999"), "{refused:?}");
    world.mode("pin", 0o644);
    tokens.run(&["status", "--passphrase-file", "pin"]).ends(77);
    tokens.configure(&section.replace("privacy", "elsewhere"));
    world.mode("pin", 0o600);
    assert!(tokens.run(&["status"]).ends(75).err.contains("no token with the label"));
    let away = tokens.run(&["doctor"]).ends(2);
    assert!(away.out.contains("no token with the label") && away.out.contains("plug the token in"), "{away:?}");
    // Back to the key file: the series is left, and is destroyed when somebody asks for it.
    tokens.configure(&section);
    world.write("pin", "1234\n");
    tokens.run(&["rotate", "root-key", "--new-key-file", "key", "--yes"]).ends(0);
    tokens.run(&["retire", "series", &in_use, "--yes"]).ends(77);
    tokens.run(&["retire", "series", &in_use, "--not-in-token"]).ends(77);
    assert_eq!(keys(&list), 1);
    let forgotten = tokens.run(&["retire", "series", &in_use, "--not-in-token", "--yes"]).ends(0);
    assert!(forgotten.out.contains("1 key of the series"), "{forgotten:?}");
    assert_eq!(keys(&list), 0);
    tokens.run(&["retire", "series", &in_use, "--not-in-token", "--yes"]).ends(66);
    let listed = tokens.run(&["retire", "series", "--not-in-token"]).ends(0);
    assert!(!listed.out.contains(&in_use), "{listed:?}");
}

/// As DRILLS.md has it, line by line.
#[test]
fn a_token_that_was_lost() {
    let tokens = Tokens::beside(World::journalled());
    let world = &tokens.0;
    let customers = world.customers_of(world.application(), 4);
    world.write("pin", "1234\n");
    let common =
        "vault = \"privacy\"\nmirrors = [\"mirror\"]\njournal = \"log/journal\"\n[root_key]\nkey_file = \"key\"\n";
    world.write("oubliette.toml", &format!("{common}{}", section()));
    tokens.run(&["rotate", "root-key", "--to-token", "--yes"]).ends(0);
    tokens.run(&["shred", &customers[1].number.to_string(), "--yes"]).ends(0);
    let variables = [
        ("SOFTHSM2_CONF", world.path("softhsm2.conf").display().to_string()),
        ("NUMBER", customers[0].number.to_string()),
        ("HIGHEST", customers[3].number.to_string()),
    ];
    for step in steps("10. A lost token") {
        run(world, "", &variables, &step);
    }
    let digits = std::fs::read_to_string(world.path("new.key")).unwrap();
    let mut key = [0; 32];
    for (byte, at) in key.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    }
    let builder = oubliette::Vault::at(world.path("privacy")).mirror(world.path("mirror"));
    let builder = builder.purposes([crate::support::ORDERS, crate::support::NEWS]).journal(world.path("log/journal"));
    let vault = builder.unlock(oubliette::RootKey::bytes(key)).unwrap();
    let opens: Vec<bool> = customers.iter().map(|customer| customer.opens(&vault) == (true, true)).collect();
    assert_eq!(opens, [false, false, true, true]);
}

/// A second token is added, one is lost and given up for good, and the other goes on alone.
#[test]
fn a_backup_token_is_added_and_a_lost_one_given_up() {
    let tokens = Tokens::beside(World::journalled());
    let world = &tokens.0;
    let customers = world.customers_of(world.application(), 4);
    world.write("pin", "1234\n");
    let common =
        "vault = \"privacy\"\nmirrors = [\"mirror\"]\njournal = \"log/journal\"\n[root_key]\nkey_file = \"key\"\n";
    let configure = |token: &str| world.write("oubliette.toml", &format!("{common}{token}"));
    let others =
        |label: &str| format!("[[root_key.token.others]]\nname = \"safe\"\nlabel = \"{label}\"\npin_file = \"pin\"\n");
    let shred = |nth: usize| tokens.run(&["shred", &customers[nth].number.to_string(), "--yes"]);
    configure(&section());
    tokens.run(&["rotate", "root-key", "--to-token", "--yes"]).ends(0);
    assert!(tokens.run(&["rotate", "tokens", "--yes"]).ends(78).err.contains("has no name"));
    // What does not fit together is told at once.
    configure(&format!("{}{}", section(), others("safe")));
    assert!(tokens.run(&["status"]).ends(78).err.contains("needs a name"));
    configure(&format!("{}name = \"desk\"\nkey = \"one\"\n", section()));
    assert!(tokens.run(&["status"]).ends(78).err.contains("a key, which has none"));

    let both = format!("{}name = \"desk\"\n{}", section(), others("safe"));
    configure(&both);
    assert!(
        tokens.run(&["rotate", "tokens", "--from-one", "--yes"]).ends(75).err.contains("\"safe\""),
        "it is not there yet"
    );
    tokens.make("safe");
    let alone = tokens.run(&["status"]).ends(75);
    assert!(alone.err.contains("`oubliette rotate tokens --from-one`"), "{alone:?}");
    let asked = tokens.run(&["rotate", "tokens", "--from-one"]).ends(77);
    assert!(asked.err.contains("desk, safe"), "{asked:?}");
    let added = tokens.run(&["rotate", "tokens", "--from-one", "--yes", "--json"]).ends(0);
    let added: serde_json::Value = serde_json::from_str(&added.out).unwrap();
    assert!(added["tokens"] == json!(["desk", "safe"]) && added["version"] == json!(2), "{added}");
    shred(0).ends(0);
    // Each alone opens it, and forgets nothing for good.
    let desk_gone = both.replace("label = \"privacy\"", "label = \"burnt\"");
    for away in [both.replace("label = \"safe\"", "label = \"burnt\""), desk_gone.clone()] {
        configure(&away);
        let shown = tokens.run(&["status"]).ends(0);
        assert!(shown.err.contains("caution: the token") && shown.err.contains("is away"), "{shown:?}");
        assert!(shred(1).ends(75).err.contains("`oubliette rotate tokens`"));
        tokens.run(&["rotate", "tokens", "--yes"]).ends(75);
    }
    // A PIN that is refused is no token that is away.
    world.write("wrong", "9999\n");
    configure(&both.replace("pin_file = \"pin\"\nname = \"desk\"", "pin_file = \"wrong\"\nname = \"desk\""));
    tokens.run(&["status"]).ends(77);
    // The desk burnt: it is taken out of the configuration, and given up.
    let left = section().replace("privacy", "safe") + "name = \"safe\"\n";
    configure(&left);
    tokens.run(&["status"]).ends(0);
    assert!(shred(1).ends(75).err.contains("desk"));
    assert!(tokens.run(&["rotate", "tokens"]).ends(77).err.contains("no other token: safe?"));
    tokens.run(&["rotate", "tokens", "--yes"]).ends(0);
    shred(1).ends(0);
    tokens.run(&["doctor"]).ends(0);
    let key = tokens.run(&["journal", "key"]).ends(0);
    let log = tokens.run(&["journal", "show", "--key", key.out.trim()]).ends(0);
    assert_eq!(
        log.out.matches("\"rotate_root_key\"").count(),
        3,
        "to the token, to both, to the one that is left: {log:?}"
    );
    // What was given up opens nothing any more.
    configure(&format!("{}name = \"desk\"\n", section()));
    assert!(tokens.run(&["status"]).ends(65).err.contains("destroyed or superseded"));
}
