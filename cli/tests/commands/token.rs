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
        let slots = ["--init-token", "--free", "--label", "privacy", "--so-pin", "0000", "--pin", "1234"];
        let mut made = Command::new("softhsm2-util");
        made.args(slots).env("SOFTHSM2_CONF", world.path("softhsm2.conf"));
        assert!(made.output().expect("SoftHSM is needed: apt-get install softhsm2").status.success());
        Tokens(world)
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

fn section() -> String {
    let module = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so"];
    let module = module.iter().find(|path| std::path::Path::new(path).exists()).expect("SoftHSM's module");
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
