//! A connection pooler in front of the server: PgBouncer, which the test starts.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use oubliette::store::{CopyContent, RootStore};
use oubliette_postgres::PostgresStore;

use super::server::{Server, run, text};
use super::support::*;

struct Pooler {
    process: Child,
    port: u16,
}

impl Pooler {
    fn start(server: &Server, mode: &str) -> Pooler {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let directory = text(server.directory());
        let file = format!("{directory}/pooler-{mode}.ini");
        // Every transaction has another connection to the server: the one that waited longest.
        let settings = format!(
            "[databases]\npostgres = host={directory} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = {mode}\nserver_round_robin = 1\nmin_pool_size = 4\n\
             ignore_startup_parameters = extra_float_digits\nlogfile = {directory}/pooler.log\n"
        );
        run(&["sh", "-c", "printf %s \"$1\" > \"$0\"", &file, &settings]);
        let command = super::server::as_user(&["pgbouncer", "-q", &file]);
        let process = Command::new(&command[0]).args(&command[1..]).stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        let pooler = Pooler { process: process.expect("PgBouncer is needed: apt-get install pgbouncer"), port };
        wait_for("the pooler", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        pooler
    }

    fn address(&self) -> String {
        let port = self.port;
        format!("host=127.0.0.1 port={port} user=postgres dbname=postgres sslmode=disable allow_fsync_off=yes")
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Has the pooler make so many connections to the server, by as many transactions at once.
fn fill(pooler: &Pooler, connections: usize) {
    let sessions: Vec<_> = (0..connections)
        .map(|_| {
            let port = pooler.port.to_string();
            let command = super::server::as_user(&[
                "psql",
                "-h",
                "127.0.0.1",
                "-p",
                &port,
                "-U",
                "postgres",
                "-Atqc",
                "SELECT pg_sleep(0.5)",
            ]);
            Command::new(&command[0]).args(&command[1..]).spawn().unwrap()
        })
        .collect();
    sessions.into_iter().for_each(|mut session| assert!(session.wait().unwrap().success()));
}

/// In transaction mode the lock and the settings are another connection's by the next statement. A read of the record there is confirmed by nobody, whatever
/// the role's default is: so it is refused, and nothing is unlocked. In session mode all works.
#[test]
fn a_pooler_in_transaction_mode_is_refused() {
    let server = Server::start(&[]);
    let schema = server.new_schema();
    at(&server, &schema).migrate().unwrap();
    server.sql("ALTER ROLE postgres SET synchronous_commit = off");
    let direct = create(&at(&server, &schema), LEASE);
    let (alice, bob) = (customer(&direct), customer(&direct));

    let pooler = Pooler::start(&server, "transaction");
    fill(&pooler, 4);
    let through = PostgresStore::at(pooler.address()).schema(&schema).answer_within(Duration::from_secs(2));
    let unlocked = through.open().map(|store| {
        let read = store.read(store.places()[0]);
        assert!(matches!(read[0].content, CopyContent::Unreachable(_)), "it was read, and nobody confirms it");
        oubliette::Vault::on(store.clone(), store).purposes([ORDERS]).unlock(root_key()).map(drop)
    });
    let said = format!("{unlocked:?}");
    assert!(said.contains("a connection pooler in transaction mode"), "{said}");
    // Nobody holds the lock by way of it.
    assert!(opens(&direct, &alice) && opens(&direct, &bob));
    direct.shred([bob.0]).unwrap();
    drop(pooler);

    let pooler = Pooler::start(&server, "session");
    let through = PostgresStore::at(pooler.address()).schema(&schema);
    let vault = unlock(&through);
    assert!(opens(&vault, &alice) && !opens(&vault, &bob));
    vault.shred([alice.0]).unwrap();
    assert!(!opens(&vault, &alice));
    wait_for("the other to hear of it", || direct.open(alice.0, NOTE, &alice.1).is_err());
    assert!(!opens(&direct, &alice));
}
