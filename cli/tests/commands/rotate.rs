use std::fs;
use std::os::unix::fs::PermissionsExt;

use oubliette::{RootKey, Vault, root_keys::PassphraseCost};

use crate::support::World;

#[test]
fn a_root_key_is_rotated_to_a_random_one() {
    let world = World::new();
    let (code, done) = world.json(&["rotate", "root-key", "--generate", "new-key", "--yes"]);
    assert_eq!((code, done["rotated"].as_str()), (0, Some("root-key")));
    let mode = fs::metadata(world.path("new-key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    world.run(&["status"]).ends(77);
    world.run(&["status", "--key-file", "new-key"]).ends(0);
    let again = world.run(&["rotate", "root-key", "--generate", "new-key", "--key-file", "new-key", "--yes"]).ends(77);
    assert!(again.err.contains("exists"), "{again:?}");
    world.run(&["status", "--key-file", "new-key"]).ends(0);
}

#[test]
fn a_root_key_is_rotated_to_a_passphrase_of_the_next_line() {
    let world = World::new();
    let secret = "six random words, not these ones";
    world.write("lines", &format!("{secret}\nanother {secret}\n"));
    let script = "oubliette rotate root-key --new-passphrase-fd 3 --yes 3<lines";
    world.shell(script).ends(0).hides(&[secret]);
    let script = "oubliette rotate root-key --passphrase-fd 3 --new-passphrase-fd 3 --yes 3<lines";
    world.shell(script).ends(0).hides(&[secret]);
    world.shell("oubliette status --passphrase-fd 3 3<lines").ends(77).hides(&[secret]);
    world.shell("tail -n 1 lines | oubliette status --passphrase-fd 0").ends(0).hides(&[secret]);
}

#[test]
fn the_same_key_again_is_refused() {
    let world = World::new();
    let ran = world.run(&["rotate", "root-key", "--new-key-file", "key", "--yes"]).ends(77);
    assert!(ran.err.contains("current"), "{ran:?}");
    world.run(&["rotate", "root-key", "--generate", "new-key"]).ends(77);
    assert!(!world.path("new-key").exists(), "not confirmed, so nothing is written");
}

#[test]
fn a_purpose_gets_a_new_tree_and_gives_up_the_old() {
    let world = World::new();
    let customers = world.customers(1);
    let (code, rotated) = world.json(&["rotate", "purpose", "orders", "--yes"]);
    assert_eq!(code, 0);
    let tree = rotated["tree"].as_str().unwrap();
    let (_, status) = world.json(&["status"]);
    let states: Vec<&str> =
        status["purposes"].as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["replaced", "active", "active"]);
    assert_eq!(customers[0].opens(&world.vault()), (true, true));

    world.run(&["retire", "tree", "orders", tree]).ends(77);
    assert_eq!(customers[0].opens(&world.vault()), (true, true), "without a yes nothing happens");
    let ran = world.run(&["retire", "tree", "orders", "0123456789abcdef", "--yes"]).ends(64);
    assert!(ran.err.contains("0123456789abcdef"), "{ran:?}");
    world.run(&["retire", "tree", "orders", "first", "--yes"]).ends(64);
    let (code, retired) = world.json(&["retire", "tree", "orders", tree, "--yes", "--leave-behind"]);
    assert_eq!((code, retired["trees"].as_array().unwrap().len()), (0, 1));
    assert_eq!(customers[0].opens(&world.vault()), (false, true));
}

#[test]
fn a_tree_is_not_retired_while_there_is_one_place_only() {
    let world = World::empty();
    world.write("key", &"07".repeat(32));
    let create = Vault::at(world.path("alone")).purposes([crate::support::ORDERS]);
    create.create(RootKey::bytes([7; 32])).unwrap().close().unwrap();
    let on = ["--vault", "alone", "--key-file", "key", "--yes"];
    let (_, rotated) = world.json(&[&["rotate", "purpose", "orders"], &on[..]].concat());
    let tree = rotated["tree"].as_str().unwrap();
    let ran = world.run(&[&["retire", "tree", "orders", tree], &on[..]].concat()).ends(77);
    assert!(ran.err.contains("mirror"), "{ran:?}");
}

#[test]
fn an_index_moves_from_epoch_to_epoch() {
    let world = World::new();
    let columns = r#"
        [[tables]]
        table = "customers"
        number = "no"
        purpose = "orders"
        [[tables.columns]]
        column = "email"
        label = "email"
        type = "email"
        index = { column = "email_idx", label = "exact", bits = 32 }
        [[tables.columns]]
        column = "shoe"
        label = "shoe"
        type = "shop.shoe"
        index = { column = "shoe_idx", label = "exact", bits = 32 }
        [[tables.columns]]
        column = "name"
        label = "name"
        type = "name"
    "#;
    world.configure(columns);
    let (code, begun) = world.json(&["rotate", "index", "customers.email", "--yes"]);
    assert_eq!((code, begun["epoch"].as_u64()), (0, Some(1)));
    world.run(&["retire", "epoch", "customers.email", "0"]).ends(77);
    world.run(&["retire", "epoch", "customers.email", "1", "--yes"]).ends(64);
    let (code, retired) = world.json(&["retire", "epoch", "customers.email", "0", "--yes", "--leave-behind"]);
    assert_eq!((code, retired["epoch"].as_u64()), (0, Some(0)));
    let vault = world.vault();
    let index = crate::support::EMAIL.index("exact", oubliette::bits(32));
    let epochs = vault.epochs(index).unwrap();
    assert_eq!((epochs.current.number(), epochs.live.len()), (1, 1));

    world.run(&["rotate", "index", "customers.phone", "--yes"]).ends(64);
    world.run(&["rotate", "index", "customers.name", "--yes"]).ends(64);
    let ran = world.run(&["rotate", "index", "customers.shoe", "--yes"]).ends(78);
    assert!(ran.err.contains("shop.shoe"), "{ran:?}");
}

#[test]
fn a_cheap_passphrase_opens_too() {
    let world = World::empty();
    let cost = PassphraseCost { memory_kib: 8192, passes: 1, lanes: 1 };
    let key = RootKey::passphrase_at_cost("größer", cost);
    Vault::at(world.path("v")).purposes([crate::support::ORDERS]).create(key).unwrap().close().unwrap();
    world.write("words", "größer\r\n");
    world.run(&["status", "--vault", "v", "--passphrase-file", "words"]).ends(0).hides(&["größer"]);
}
