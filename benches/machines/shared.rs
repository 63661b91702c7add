//! Vaults on the server, processes of their own, and connections to a plain table.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use oubliette::{RootKey, Vault, VaultBuilder};
use oubliette_postgres::PostgresStore;

use crate::common::ours::{self, ORDERS};
use crate::server::Server;

pub struct Target {
    pub what: String,
    pub value: f64,
    pub limit: f64,
    pub at_most: bool,
}

pub fn at_most(what: impl Into<String>, value: f64, limit: f64) -> Target {
    Target { what: what.into(), value, limit, at_most: true }
}

pub fn at_least(what: impl Into<String>, value: f64, limit: f64) -> Target {
    Target { what: what.into(), value, limit, at_most: false }
}

pub fn key() -> RootKey {
    RootKey::bytes([7; 32])
}

/// A store as a process of its own would open it.
pub fn store(address: &str, schema: &str) -> PostgresStore {
    PostgresStore::at(address).schema(schema).open().unwrap()
}

pub fn on(address: &str, schema: &str) -> VaultBuilder {
    let store = store(address, schema);
    Vault::on(store.clone(), store).purposes([ORDERS])
}

/// A new vault on the server, that many customers, `gone` of them shredded at random in one commit.
pub fn make(server: &Server, schema: &str, customers: i64, gone: usize) -> Vault {
    let address = server.address("postgres");
    PostgresStore::at(&address).schema(schema).migrate().unwrap();
    let vault = on(&address, schema).create(key()).unwrap();
    ours::enroll(&vault, customers);
    if gone > 0 {
        drop(ours::shred(&vault, customers, gone));
    }
    vault
}

const ROLE: &str = "OUBLIETTE_BENCH_ROLE";
const TOLD: &str = "OUBLIETTE_BENCH_TOLD";

/// What this process is to do, and what it was told, if it is not the first one.
pub fn role() -> Option<(String, Vec<String>)> {
    let told = std::env::var(TOLD).unwrap_or_default();
    Some((std::env::var(ROLE).ok()?, told.split('\n').map(str::to_owned).collect()))
}

/// Another process of this program.
pub struct Other {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Other {
    pub fn start(role: &str, told: &[&str]) -> Other {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(ROLE, role).env(TOLD, told.join("\n")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Other { child, input, output }
    }

    pub fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// The numbers in its next line.
    pub fn numbers(&mut self) -> Vec<f64> {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.split_whitespace().map(|number| number.parse().unwrap_or_else(|_| panic!("{line}"))).collect()
    }

    pub fn end(mut self) {
        drop(self.input);
        assert!(self.child.wait().unwrap().success());
    }
}

/// In the other process: says numbers.
pub fn say(numbers: &[f64]) {
    let line: Vec<String> = numbers.iter().map(f64::to_string).collect();
    println!("{}", line.join(" "));
}

/// In the other process: waits to be told.
pub fn heed() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    line.trim().to_owned()
}

/// A connection without a vault.
pub struct Plain {
    runtime: tokio::runtime::Runtime,
    client: tokio_postgres::Client,
}

impl Plain {
    pub fn connect(address: &str) -> Plain {
        // A word for the store alone.
        let address = &address.replace("allow_fsync_off=yes", "");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (client, connection) = runtime.block_on(tokio_postgres::connect(address, tokio_postgres::NoTls)).unwrap();
        runtime.spawn(connection);
        Plain { runtime, client }
    }

    pub fn prepare(&self, sql: &str) -> tokio_postgres::Statement {
        self.runtime.block_on(self.client.prepare(sql)).unwrap()
    }

    pub fn key(&self, statement: &tokio_postgres::Statement, customer: i64) -> Vec<u8> {
        self.runtime.block_on(self.client.query_one(statement, &[&customer])).unwrap().get(0)
    }

    pub fn delete(&self, statement: &tokio_postgres::Statement, customer: i64) -> u64 {
        self.runtime.block_on(self.client.execute(statement, &[&customer])).unwrap()
    }

    pub fn put(&self, statement: &tokio_postgres::Statement, pages: &[(Vec<u8>, Vec<u8>)]) {
        let (names, bytes): (Vec<&[u8]>, Vec<&[u8]>) =
            pages.iter().map(|(name, bytes)| (&name[..], &bytes[..])).unzip();
        let put = self.runtime.block_on(self.client.execute(statement, &[&names, &bytes])).unwrap();
        assert_eq!(usize::try_from(put).unwrap(), pages.len());
    }

    pub fn delete_all(&self, statement: &tokio_postgres::Statement, customers: &[i64]) -> u64 {
        self.runtime.block_on(self.client.execute(statement, &[&customers])).unwrap()
    }
}

/// A table with a row of 32 bytes for each customer, as one would keep keys without a vault.
pub fn fill_table(server: &Server, name: &str, customers: i64) {
    server.sql(&format!(
        "CREATE TABLE {name} (customer bigint PRIMARY KEY, key bytea NOT NULL);
        INSERT INTO {name} SELECT n, decode(md5(n::text) || md5((-n)::text), 'hex') FROM generate_series(1, {customers}) n"
    ));
    // Not in one transaction with the others.
    server.sql(&format!("VACUUM ANALYZE {name}"));
}

pub fn millis(since: std::time::Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
