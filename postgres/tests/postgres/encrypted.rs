//! TLS, with an authority of our own.

use std::net::TcpListener;

use oubliette_postgres::{PostgresStore, StoreOpenError};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::server::{Server, run, text};
use super::support::{create, customer, opens, unlock};

/// A certificate of an authority, and one that it made for `localhost` with its key.
fn certificates() -> [String; 3] {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let own = authority.self_signed(&key).unwrap();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    [own.pem(), server.pem(), key.serialize_pem()]
}

fn write(server: &Server, name: &str, content: &str) -> String {
    let path = text(&server.directory().join(name));
    // As the server's user, to whom it must belong.
    run(&["sh", "-c", "umask 077; printf '%s' \"$2\" > \"$1\"", "write", &path, content]);
    path
}

#[test]
fn the_server_must_show_a_certificate_for_its_name() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Server::start_at(&["-h", "127.0.0.1", "-c", "fsync=on"], port);
    let [authority, certificate, key] = certificates();
    let (certificate, key) = (write(&server, "server.pem", &certificate), write(&server, "server.key", &key));
    let foreign = certificates();
    let files = tempfile::tempdir().unwrap();
    let (known, unknown) = (files.path().join("known.pem"), files.path().join("unknown.pem"));
    std::fs::write(&known, authority).unwrap();
    std::fs::write(&unknown, &foreign[0]).unwrap();
    let (known, unknown) = (text(&known), text(&unknown));
    server.sql("CREATE ROLE app LOGIN SUPERUSER PASSWORD 'p'");
    server.sql(&format!("ALTER SYSTEM SET ssl_cert_file = '{certificate}'"));
    server.sql(&format!("ALTER SYSTEM SET ssl_key_file = '{key}'"));
    server.sql("ALTER SYSTEM SET ssl = on");
    let hba = text(&server.directory().join("data/pg_hba.conf"));
    run(&[
        "sh",
        "-c",
        "echo 'local all postgres trust\nhostssl all app 127.0.0.1/32 scram-sha-256' > \"$1\"",
        "hba",
        &hba,
    ]);
    server.kill();
    server.go_on();

    let at =
        |host: &str, options: &str| PostgresStore::at(format!("postgres://app:p@{host}:{port}/postgres?{options}"));
    let good = at("localhost", &format!("sslrootcert={known}"));
    good.migrate().unwrap();
    let vault = create(&good, super::support::LEASE);
    let alice = customer(&vault);
    assert!(opens(&unlock(&good), &alice));
    at("localhost", "").certificates(&known).open().unwrap();
    at("localhost", "sslmode=require").open().unwrap();
    at("localhost", "sslmode=prefer").open().unwrap();
    // SCRAM bound to the channel.
    at("localhost", &format!("sslrootcert={known}&channel_binding=require")).open().unwrap();

    for refused in [
        at("localhost", &format!("sslrootcert={unknown}")),
        at("localhost", &format!("sslmode=require&sslrootcert={unknown}")),
        // Another name.
        at("127.0.0.1", &format!("sslrootcert={known}")),
        // The system trusts nobody of ours, whatever it has.
        at("localhost", ""),
        // The server wants TLS.
        at("localhost", "sslmode=disable"),
    ] {
        assert!(refused.open().is_err());
    }
    assert!(matches!(at("localhost", "sslrootcert=/nowhere").open(), Err(StoreOpenError::Tls(_))));
}
