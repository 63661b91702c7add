//! The drills of DRILLS.md that need servers.

use std::fs;
use std::path::Path;
use std::process::Command;

use oubliette::{RootKey, Vault};
use oubliette_postgres::PostgresStore;

use crate::key_store::Keys;
use crate::page::{self, Step, steps};
use crate::servers::{self, Server, text};
use crate::support::{Customer, NEWS, ORDERS, wait_for};

/// `sudo` is what becomes the server's user here; a server's programs are found.
fn shell() -> String {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    let tools = newest.map(|version| format!("PATH=/usr/lib/postgresql/{version}/bin:$PATH\n")).unwrap_or_default();
    let as_server = "setpriv --reuid postgres --regid postgres --init-groups";
    format!("{tools}sudo() {{ shift 2; cd /; if [ $(id -u) = 0 ]; then {as_server} \"$@\"; else \"$@\"; fi; }}\n")
}

/// A vault with a journal, of whose customers the first one is shredded in the drill, and the second was before.
struct Drill {
    keys: Keys,
    customers: Vec<Customer>,
    variables: Vec<(&'static str, String)>,
}

impl Drill {
    fn new(arguments: &[&str]) -> Drill {
        let keys = Keys::new(arguments).with_vault();
        keys.configure("journal = \"privacy.journal\"");
        let vault = keys.builder().journal(keys.world.path("privacy.journal")).unlock(RootKey::bytes([7; 32])).unwrap();
        let customers: Vec<Customer> = (0..4).map(|_| Customer::new(&vault)).collect();
        vault.shred([customers[1].number]).unwrap();
        vault.close().unwrap();
        let directory = keys.server.directory();
        let variables = vec![
            ("PGHOST", text(directory)),
            ("PGUSER", "postgres".to_owned()),
            ("PRIMARY", text(&directory.join("data"))),
            ("NUMBER", customers[0].number.to_string()),
            ("HIGHEST", customers[3].number.to_string()),
        ];
        Drill { keys, customers, variables }
    }

    fn run(&self, step: &Step) {
        page::run(&self.keys.world, &shell(), &self.variables, step);
    }

    /// Who is opened, with this root key.
    fn opened(&self, url: String, key: RootKey) -> Vec<bool> {
        let store = PostgresStore::at(url).open().unwrap();
        let builder = Vault::on(store.clone(), store).purposes([ORDERS, NEWS]);
        let vault = builder.journal(self.keys.world.path("privacy.journal")).unlock(key).unwrap();
        let opened = self.customers.iter().map(|customer| customer.opens(&vault) == (true, true)).collect();
        vault.close().unwrap();
        opened
    }
}

/// A key as `--generate` writes it.
fn key_in(path: &Path) -> RootKey {
    let digits = fs::read_to_string(path).unwrap();
    let mut key = [0; 32];
    for (byte, at) in key.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    }
    RootKey::bytes(key)
}

#[test]
#[ignore = "starts PostgreSQL servers of its own; `.ci/run databases` runs it"]
fn a_failover_of_the_key_store() {
    let mut drill = Drill::new(&["-c", "wal_level=replica", "-c", "max_wal_senders=5", "-c", "fsync=on"]);
    let standby = Server::follow_set(&drill.keys.server, &["-c", "fsync=on"]);
    drill.keys.server.set("synchronous_standby_names", "standby");
    let sync = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
    wait_for("the standby to confirm", || drill.keys.server.sql(sync) == "1");
    let both =
        format!("host={},{} user=app dbname=postgres", text(drill.keys.server.directory()), text(standby.directory()));
    drill.keys.world.write("url", &both);
    drill.variables.push(("STANDBY", text(&standby.directory().join("data"))));
    for step in steps("8. A failover of the key store") {
        drill.run(&step);
    }
    assert_eq!(drill.opened(both, RootKey::bytes([7; 32])), [false, false, true, true]);
}

/// A directory of the server's user, removed whatever became of the test.
struct Kept(String);

impl Kept {
    fn new() -> Kept {
        let template = text(&std::env::temp_dir().join("oubliette-XXXXXXXX"));
        let made = servers::run(&["mktemp", "-d", &template]);
        Kept(String::from_utf8(made.stdout).unwrap().trim_end().to_owned())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let command = servers::as_user(&["rm", "-rf", &self.0]);
        let _ = Command::new(&command[0]).args(&command[1..]).status();
    }
}

/// Stops what `pg_ctl` started, whatever became of the test.
struct Stops(String);

impl Drop for Stops {
    fn drop(&mut self) {
        let pid = fs::read_to_string(format!("{}/postmaster.pid", self.0)).unwrap_or_default();
        if let Some(pid) = pid.lines().next() {
            let command = servers::as_user(&["kill", "-s", "QUIT", pid]);
            let _ = Command::new(&command[0]).args(&command[1..]).status();
            while Path::new(&format!("/proc/{pid}")).exists() {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
    }
}

#[test]
#[ignore = "starts PostgreSQL servers of its own; `.ci/run databases` runs it"]
fn a_key_store_that_was_restored() {
    let directory = Kept::new();
    let kept = &directory.0;
    servers::run(&["mkdir", &format!("{kept}/archive")]);
    let archive = format!("archive_command=cp %p {kept}/archive/%f");
    let mut drill = Drill::new(&["-c", "wal_level=replica", "-c", "archive_mode=on", "-c", &archive]);
    // What it was started with, for `pg_ctl`, too.
    let server = &drill.keys.server;
    server.sql(&format!("ALTER SYSTEM SET unix_socket_directories = '{}'", text(server.directory())));
    server.sql("ALTER SYSTEM SET listen_addresses = ''");
    server.sql("ALTER SYSTEM SET max_connections = 200");
    let _stops = Stops(text(&server.directory().join("data")));
    drill.variables.push(("BACKUP", format!("{kept}/base")));
    drill.variables.push(("ARCHIVE", format!("{kept}/archive")));
    let mut steps = steps("9. A key store that was restored");
    let rest = steps.split_off(1);
    drill.run(&steps[0]);
    std::thread::sleep(std::time::Duration::from_millis(50));
    let before = drill.keys.server.sql("SELECT clock_timestamp()");
    std::thread::sleep(std::time::Duration::from_millis(50));
    drill.variables.push(("BEFORE", before));
    for step in rest {
        drill.run(&step);
    }
    let key = key_in(&drill.keys.world.path("new.key"));
    assert_eq!(drill.opened(drill.keys.url("app"), key), [false, false, true, true]);
}
