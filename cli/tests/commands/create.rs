//! A vault that is made by the command: what it holds, and where it refuses to make one.

use std::fs;

use oubliette::{RootKey, Vault};
use serde_json::json;

use crate::secrets::at_a_terminal;
use crate::support::{Customer, NEWS, ORDERS, World};

#[test]
fn a_vault_is_made_as_the_configuration_says() {
    let world = World::empty();
    world.write("key", &"07".repeat(32));
    let tables = "[[purposes]]\nname = \"newsletter\"\n[[tables]]\ntable = \"customers\"\nnumber = \"no\"\npurpose = \"orders\"\n";
    fs::create_dir(world.path("log")).unwrap();
    let common = "vault = \"privacy\"\nmirrors = [\"mirror\"]\njournal = \"log/journal\"\n";
    world.write("oubliette.toml", &format!("{common}[root_key]\nkey_file = \"key\"\n{tables}"));
    world.run(&["status"]).ends(66);
    world.run(&["create"]).ends(77);
    assert!(!world.path("privacy").exists(), "nobody said yes");
    let (code, made) = world.json(&["create", "--yes", "--lease", "2s"]);
    assert_eq!((code, &made["purposes"], &made["places"]), (0, &json!(["newsletter", "orders"]), &json!(2)), "{made}");
    let (code, status) = world.json(&["status"]);
    assert!(code == 0 && status.to_string().contains("orders"), "{status}");
    let key = world.run(&["journal", "key"]).ends(0).out;
    world.run(&["journal", "verify", "--key", key.trim()]).ends(0);

    // The application's own from then on, as if it had made it.
    let vault = world.application();
    assert_eq!(vault.status().unwrap().lease, std::time::Duration::from_secs(2));
    let alice = Customer::new(&vault);
    vault.close().unwrap();
    world.run(&["shred", &alice.number.to_string(), "--yes"]).ends(0);
}

/// Whatever is there stays as it is, and no key file is left that opens nothing.
#[test]
fn no_vault_is_made_where_there_is_one() {
    let world = World::new();
    let before = fs::read(world.path("privacy/root/slot-a")).ok();
    let create = ["create", "--purpose", "orders", "--generate", "new.key", "--yes"];
    let ran = world.run(&create).ends(77);
    assert!(ran.err.contains("already") && ran.err.contains("oubliette status"), "{ran:?}");
    assert!(!world.path("new.key").exists());
    assert_eq!(fs::read(world.path("privacy/root/slot-a")).ok(), before);
    world.run(&["status"]).ends(0);

    // A directory with something else in it.
    fs::create_dir(world.path("other")).unwrap();
    fs::write(world.path("other/notes.txt"), "mine").unwrap();
    let ran = world.run(&["create", "--vault", "other", "--purpose", "orders", "--generate", "new.key", "--yes"]);
    assert_ne!(ran.code, 0, "{ran:?}");
    assert!(!world.path("new.key").exists(), "{ran:?}");
    assert_eq!(fs::read(world.path("other/notes.txt")).unwrap(), b"mine");
}

#[test]
fn a_generated_key_opens_what_was_made() {
    let world = World::empty();
    let create =
        ["create", "--vault", "privacy", "--purpose", "orders", "--purpose", "newsletter", "--generate", "new.key"];
    let ran = world.run(&[&create[..], &["--yes"]].concat()).ends(0);
    assert!(ran.out.contains("mirror attach"), "one place is said to be one: {ran:?}");
    world.run(&["status", "--vault", "privacy", "--key-file", "new.key"]).ends(0);
    let key = RootKey::from_file(world.path("new.key")).unwrap();
    Vault::at(world.path("privacy")).purposes([ORDERS, NEWS]).unlock(key).unwrap().close().unwrap();
    // The same file is not written over.
    world.run(&["create", "--vault", "second", "--purpose", "orders", "--generate", "new.key", "--yes"]).ends(77);
    assert!(!world.path("second").exists());
}

#[test]
fn what_is_misspelt_makes_nothing() {
    let world = World::empty();
    world.write("key", &"07".repeat(32));
    let none = world.run(&["create", "--vault", "privacy", "--key-file", "key", "--yes"]).ends(64);
    assert!(none.err.contains("--purpose"), "{none:?}");
    for wrong in [["--lease", "soon"], ["--lease", "2 hours"], ["--purpose", ""]] {
        let ran = world.run(&[
            "create",
            "--vault",
            "privacy",
            "--key-file",
            "key",
            "--purpose",
            "orders",
            wrong[0],
            wrong[1],
            "--yes",
        ]);
        assert_eq!(ran.code, 64, "{ran:?}");
        assert!(!world.path("privacy").exists(), "{wrong:?}");
    }
}

#[test]
fn a_new_passphrase_is_asked_for_twice() {
    let world = World::empty();
    let create = "create --vault privacy --purpose orders --yes";
    let (code, shown) =
        at_a_terminal(&world, create, &[("New passphrase: ", "six random words"), ("once more: ", "six randon words")]);
    assert_eq!(code, 77, "{shown}");
    assert!(!world.path("privacy").exists());
    let typed = "six random words, not these ones";
    let (code, shown) = at_a_terminal(&world, create, &[("New passphrase: ", typed), ("once more: ", typed)]);
    assert_eq!(code, 0, "{shown}");
    let (code, shown) = at_a_terminal(&world, "status --vault privacy", &[("Passphrase", typed)]);
    assert_eq!(code, 0, "{shown}");
}
