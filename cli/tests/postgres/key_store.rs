//! A vault in PostgreSQL, operated by the command.

use std::collections::HashMap;

use oubliette::{RootKey, Vault};
use oubliette_postgres::PostgresStore;
use serde_json::json;

use crate::servers::Server;
use crate::support::{Customer, NEWS, ORDERS, World};

/// A role of daily use and an owner in a database of the key store's own, and a configuration that names the former.
pub struct Keys {
    pub world: World,
    pub server: Server,
}

impl Keys {
    pub fn new(arguments: &[&str]) -> Keys {
        Keys::on(Server::start(arguments), World::empty())
    }

    pub fn on(server: Server, world: World) -> Keys {
        let keys = Keys { world, server };
        keys.server.sql("CREATE ROLE owner LOGIN; CREATE ROLE app LOGIN; GRANT CREATE ON DATABASE postgres TO owner");
        keys.world.write("key", &"07".repeat(32));
        keys.world.write("owner-url", &keys.url("owner"));
        keys.world.write("url", &format!("{}\n", keys.url("app")));
        keys.configure("");
        keys
    }

    pub fn url(&self, user: &str) -> String {
        self.server.address(user)
    }

    pub fn configure(&self, more: &str) {
        self.configure_key_store("", more);
    }

    pub fn configure_key_store(&self, key_store: &str, more: &str) {
        let common = format!("[root_key]\nkey_file = \"key\"\n[key_store]\npostgres_url_file = \"url\"\n{key_store}\n");
        // What belongs to no table comes first.
        let (top, tables): (Vec<&str>, Vec<&str>) = more.lines().partition(|line| line.starts_with("journal"));
        self.world.write("oubliette.toml", &format!("{}\n{common}{}\n", top.join("\n"), tables.join("\n")));
    }

    /// The tables, by the command, and a vault in them, by the application.
    pub fn with_vault(self) -> Keys {
        let migrate = ["key-store", "migrate", "--owner-url-file", "owner-url", "--grant-to", "app"];
        self.world.run(&migrate).ends(0);
        self.builder().create(RootKey::bytes([7; 32])).unwrap().close().unwrap();
        self
    }

    pub fn builder(&self) -> oubliette::VaultBuilder {
        let store = PostgresStore::at(self.url("app")).open().unwrap();
        Vault::on(store.clone(), store).purposes([ORDERS, NEWS])
    }

    pub fn vault(&self) -> Vault {
        self.builder().unlock(RootKey::bytes([7; 32])).unwrap()
    }

    pub fn customers(&self, count: usize) -> Vec<Customer> {
        let vault = self.vault();
        let customers = (0..count).map(|_| Customer::new(&vault)).collect();
        vault.close().unwrap();
        customers
    }
}

#[test]
#[ignore = "starts a PostgreSQL server of its own; `.ci/run databases` runs it"]
fn the_owner_makes_the_tables_and_the_command_works_as_the_role_of_daily_use() {
    let keys = Keys::new(&[]);
    let world = &keys.world;
    // What is missing, and what to do.
    let ran = world.run(&["status"]).ends(66);
    assert!(ran.err.contains("oubliette key-store migrate"), "{ran:?}");
    world.run(&["key-store", "migrate"]).ends(64);
    world.write("app-url", &keys.url("app"));
    world.run(&["key-store", "migrate", "--owner-url-file", "app-url"]).ends(75);
    world.run(&["key-store", "migrate", "--owner-url-file", "owner-url", "--grant-to", "nobody"]).ends(75);
    let (code, made) = world.json(&[
        "key-store",
        "migrate",
        "--owner-url-file",
        "owner-url",
        "--grant-to",
        "app",
        "--grant-to",
        "app",
    ]);
    assert_eq!((code, &made["granted_to"]), (0, &json!(["app", "app"])), "{made}");
    let mut command = world.command(&["key-store", "migrate", "--owner-url-env", "OWNER"]);
    assert!(
        command.env("OWNER", keys.url("owner")).status().unwrap().success(),
        "again, and as an environment variable"
    );
    world.run(&["status"]).ends(66);
    keys.builder().create(RootKey::bytes([7; 32])).unwrap().close().unwrap();

    // The vault is operated as one in a directory is.
    let (code, status) = world.json(&["status"]);
    assert_eq!((code, &status["health"]["ready"], &status["replicated"]), (0, &json!(true), &json!(false)), "{status}");
    let shown = status["vault"].as_str().unwrap().to_owned();
    assert!(shown.starts_with("PostgreSQL at") && shown.ends_with("/postgres, schema oubliette"), "{shown}");
    assert_eq!(status["places"][0]["root"], json!(shown));
    assert!(world.run(&["status"]).ends(0).out.contains("no synchronous standbys"));
    let customers = keys.customers(3);
    let beside = keys.vault();
    world.run(&["shred", &customers[0].number.to_string(), "--wait"]).ends(77);
    world.run(&["shred", &customers[0].number.to_string(), "--wait", "--yes"]).ends(0);
    assert_eq!(customers[0].opens(&beside), (false, false));
    world.run(&["shred", &customers[1].number.to_string(), "--purpose", "orders", "--wait", "--yes"]).ends(0);
    assert_eq!([customers[1].opens(&beside), customers[2].opens(&beside)], [(false, true), (true, true)]);
    let (code, rotated) = world.json(&["rotate", "purpose", "newsletter", "--yes"]);
    assert_eq!(code, 0, "{rotated}");
    beside.close().unwrap();
    let new = customers_tree(&rotated);
    // A tree is given up where that survives the loss of a machine.
    let refused = world.run(&["retire", "tree", "newsletter", &new, "--yes"]).ends(77);
    assert!(refused.err.contains("replicated_disk"), "{refused:?}");
    keys.configure_key_store("replicated_disk = true", "");
    world.run(&["retire", "tree", "newsletter", &new, "--yes"]).ends(0);
    world.run(&["rotate", "root-key", "--generate", "new", "--yes"]).ends(0);
    world.run(&["status"]).ends(77);
    world.run(&["status", "--key-file", "new"]).ends(0);
    world.run(&["doctor", "--key-file", "new", "--files-only"]).ends(2);
}

fn customers_tree(rotated: &serde_json::Value) -> String {
    rotated["tree"].as_str().unwrap().to_owned()
}

#[test]
#[ignore = "starts a PostgreSQL server of its own; `.ci/run databases` runs it"]
fn what_is_for_directories_alone_says_what_to_do_instead() {
    let keys = Keys::new(&[]).with_vault();
    let world = &keys.world;
    for (command, said) in [
        (&["mirror", "attach", "third", "--yes"][..], "synchronous_standby_names"),
        (&["mirror", "detach", "0123456789abcdef", "--yes"], "destroy its data directory"),
        (&["mirror", "hand-over", "0123456789abcdef", "--yes"], "failover manager"),
        (&["mirror", "promote", "--lost", "0123456789abcdef", "--yes"], "pg_promote"),
    ] {
        let ran = world.run(command).ends(64);
        assert!(ran.err.contains("in PostgreSQL") && ran.err.contains(said), "{ran:?}");
    }
    assert!(!world.path("third").exists());
    for parts in [["--mirror", "second"], ["--root-at", "root"], ["--pages-at", "pages"]] {
        assert!(world.run(&[&["status"][..], &parts].concat()).ends(64).err.contains("standbys"));
    }
}

#[test]
#[ignore = "starts a PostgreSQL server of its own; `.ci/run databases` runs it"]
fn a_vault_is_in_a_directory_or_in_postgresql_and_not_in_both() {
    let keys = Keys::new(&[]).with_vault();
    let world = &keys.world;
    let configured = std::fs::read_to_string(world.path("oubliette.toml")).unwrap();
    let with = |name: &str, content: String| world.write(name, &content);
    with("both.toml", format!("vault = \"privacy\"\n{configured}"));
    with("mirror.toml", format!("mirrors = [\"mirror\"]\n{configured}"));
    with("two.toml", format!("{configured}postgres_url_env = \"KEYS\"\n"));
    with("none.toml", "[key_store]\nschema = \"oubliette\"\n".to_owned());
    with("unknown.toml", format!("{configured}url = \"postgres://app:hunter2@db/keys\"\n"));
    for (file, said) in [
        ("both.toml", "a directory (`vault`) and a [key_store]"),
        ("mirror.toml", "standbys"),
        ("two.toml", "one of them"),
        ("none.toml", "postgres_url_file"),
        ("unknown.toml", "url"),
    ] {
        let ran = world.run(&["status", "--config", file]).ends(78);
        assert!(ran.err.contains(said), "{file}: {ran:?}");
    }
    let ran = world.run(&["status", "--vault", "privacy", "--key-store-url-file", "url"]).ends(64);
    assert!(ran.err.contains("--vault") && ran.err.contains("in one of the two"), "{ran:?}");
    world.run(&["status", "--key-store-url-env", "KEYS", "--key-store-url-file", "url"]).ends(64);
    // An argument means another vault, wherever the configured one is.
    world.run(&["status", "--vault", "privacy"]).ends(66);
    let other = World::new();
    other.run(&["status"]).ends(0);
    let url = world.path("url").display().to_string();
    let (code, status) = other.json(&["status", "--key-store-url-file", &url]);
    assert!(code == 0 && status["vault"].as_str().unwrap().starts_with("PostgreSQL"), "{status}");
    let mut command = other.command(&["status", "--key-store-url-env", "KEYS"]);
    assert!(command.env("KEYS", keys.url("app")).status().unwrap().success());
    let ran = other.run(&["status", "--key-store-url-env", "KEYS"]).ends(78);
    assert!(ran.err.contains("KEYS is not set"), "{ran:?}");
    // Another schema of the same server; and one that is not said to be of any.
    let ran = world.run(&["status", "--key-store-schema", "elsewhere"]).ends(66);
    assert!(ran.err.contains("schema elsewhere"), "{ran:?}");
    other.run(&["status", "--key-store-schema", "elsewhere"]).ends(64);

    // A password is neither shown nor read from where others can read it, too.
    for url in [
        "postgres://app:hunter2@127.0.0.1:1/keys",
        "postgres://app:hunter2@/keys",
        "hunter2",
        "host=a password='hunter2",
    ] {
        world.write("url", url);
        let ran = world.run(&["status"]).hides(&["hunter2"]);
        assert!([75, 78].contains(&ran.code), "{url}: {ran:?}");
        world.run(&["doctor"]).hides(&["hunter2"]);
    }
    world.write("url", &keys.url("app"));
    world.mode("url", 0o644);
    assert!(world.run(&["status"]).ends(77).err.contains("chmod 600"));
    let (code, report) = world.json(&["doctor"]);
    let checks: HashMap<&str, &str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| (finding["check"].as_str().unwrap(), finding["severity"].as_str().unwrap()))
        .collect();
    assert_eq!(code, 2, "{report:#}");
    assert_eq!((checks["key-store-url-permissions"], checks["cannot-be-opened"]), ("grave", "grave"));
}

#[test]
#[ignore = "starts a PostgreSQL server of its own; `.ci/run databases` runs it"]
fn each_setting_of_the_store_is_taken() {
    let keys = Keys::new(&[]).with_vault();
    let world = &keys.world;
    for settings in [
        "schema = \"oubliette\"\nreplicated_disk = true\nconfirm_reads = \"always\"\nanswer_within = \"2s\"\nwork_within = \"10s\"",
        "confirm_reads = \"never\"",
        "confirm_reads = \"when synchronous\"",
    ] {
        keys.configure_key_store(settings, "");
        world.run(&["status"]).ends(0);
    }
    // Nobody confirms here.
    keys.configure_key_store("confirm_reads = \"required\"", "");
    let ran = world.run(&["status"]);
    assert!(ran.code != 0 && ran.err.contains("synchronous_standby_names is empty"), "{ran:?}");
    for wrong in ["confirm_reads = \"sometimes\"", "answer_within = \"long\""] {
        keys.configure_key_store(wrong, "");
        let ran = world.run(&["status"]);
        assert!([64, 78].contains(&ran.code), "{ran:?}");
    }
    // What this server does without is for tests alone.
    keys.configure_key_store("", "");
    world.write("url", &keys.url("app").replace(" allow_fsync_off=yes", ""));
    assert!(world.run(&["status"]).ends(78).err.contains("set fsync = on"));
    // The certificates are looked at where there is a network between.
    keys.configure_key_store("certificates = \"none.pem\"", "");
    world.write("url", "postgres://app@127.0.0.1:1/keys");
    assert!(world.run(&["status"]).ends(78).err.contains("TLS"));
}
