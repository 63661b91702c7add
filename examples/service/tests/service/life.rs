//! The whole life of a customer, in the service as it was and as it is: they answer alike.

use std::path::Path;

use oubliette::CustomerId;
use oubliette::testing::assert_no_plaintext;
use serde_json::json;

use crate::support::postgres::{Postgres, succeeded};
use crate::support::{AFTER, BEFORE, Person, Service, kept, password, unlock};

#[test]
#[ignore = "starts a PostgreSQL server of its own; `.ci/run` runs it"]
fn with_plaintext_columns() {
    let server = Postgres::shared();
    let database = server.database();
    let service = Service::start(BEFORE, &server.url(&database), Path::new("/nonexistent"));
    live(&service);
    // What this is all about, and the proof that the search below would find it.
    let dump = succeeded(server.tool("pg_dump").arg(&database));
    assert!(String::from_utf8(dump).unwrap().contains("bob@example.com"));
}

#[test]
#[ignore = "starts a PostgreSQL server of its own; `.ci/run` runs it"]
fn with_sealed_columns() {
    let (server, place) = (Postgres::shared(), tempfile::tempdir().unwrap());
    let (database, vault) = (server.database(), place.path().join("vault"));
    kept("create", "", &vault);
    let service = Service::start(AFTER, &server.url(&database), &vault);
    live(&service);
    let dump = succeeded(server.tool("pg_dump").arg(&database));
    assert!(String::from_utf8_lossy(&dump).contains("COPY public.users"));
    assert_no_plaintext(&dump, ["Alice", "Bhriain", "Neill", "example.com", "example.org", "201234567", "$argon2id"]);
}

/// Somebody who registers twice at once, with two spellings.
#[test]
#[ignore = "starts a PostgreSQL server of its own; `.ci/run` runs it"]
fn one_of_two_registrations_wins() {
    let (server, place) = (Postgres::shared(), tempfile::tempdir().unwrap());
    let (database, vault) = (server.database(), place.path().join("vault"));
    kept("create", "", &vault);
    let service = Service::start(AFTER, &server.url(&database), &vault);
    for round in 0..5 {
        let people =
            ["eve", "Eve", "EVE", "eVe"].map(|eve| Person::new("Eve", &format!("{eve}{round}@example.com"), None));
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let tries: Vec<_> = people.iter().map(|person| scope.spawn(|| service.register(person))).collect();
            tries.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|&&status| status == 201).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|&&status| status == 409).count(), 3, "{statuses:?}");
    }
    assert_eq!(server.ask(&database, "SELECT count(*) FROM users"), "5");
}

/// What each outcome is answered with, and that nothing of the person is in the service's log.
#[test]
#[ignore = "starts a PostgreSQL server of its own; `.ci/run` runs it"]
fn erased_and_mixed_up_are_told_apart() {
    let (server, place) = (Postgres::shared(), tempfile::tempdir().unwrap());
    let (database, vault) = (server.database(), place.path().join("vault"));
    kept("create", "", &vault);
    let service = Service::start(AFTER, &server.url(&database), &vault);
    let [alice, bob] = ["alice", "bob"].map(|name| Person::new(name, &format!("{name}@example.com"), None));
    assert_eq!((service.register(&alice), service.register(&bob)), (201, 201));
    let [alices, bobs] = [&alice, &bob].map(|person| service.log_in(&person.email).unwrap());

    // A value in another's row opens as nobody's.
    server.ask(&database, "UPDATE users SET name = (SELECT name FROM users WHERE id = 1) WHERE id = 2");
    assert_eq!(service.me(&bobs), (500, "".into()));
    assert_eq!(service.me(&alices), (200, alice.shown()));

    // A shred after which the process died: the row is there, and says nothing.
    let no: i64 = server.ask(&database, "SELECT no FROM users WHERE id = 1").parse().unwrap();
    let beside = unlock(&vault);
    let shredded = beside.shred([CustomerId::from_stored(no).unwrap()]).unwrap();
    shredded.commit().wait_until_effective_everywhere();
    assert_eq!(service.me(&alices).0, 410);
    assert_eq!(service.log_in(&alice.email), Err(410));
}

/// Leaves Bob behind.
fn live(service: &Service) {
    let mut alice = Person::new("Alice Ní Bhriain", "Alice@Example.com", Some("+353201234567"));
    let bob = Person::new("Bob O'Neill", "bob@example.com", None);
    assert_eq!((service.register(&alice), service.register(&bob)), (201, 201));

    // One account an email, however it is written.
    assert_eq!(service.register(&Person { name: "Mallory".into(), ..alice.clone() }), 409);
    assert_eq!(service.register(&Person { email: "aLICE@EXAMPLE.COM".into(), ..bob.clone() }), 409);

    // One logs in by email, however it is written, and with one's own password.
    let session = service.log_in("alice@example.com").unwrap();
    let bobs = service.log_in("BOB@example.com").unwrap();
    let wrong = json!({ "email": alice.email, "password": password(&bob.email) });
    assert_eq!(service.send("POST", "/sessions", None, Some(wrong)).0, 401);
    assert_eq!(service.log_in("carol@example.com"), Err(401));

    // Each sees their own, and nobody anything without a session.
    assert_eq!(service.me(&session), (200, alice.shown()));
    assert_eq!(service.me(&bobs), (200, bob.shown()));
    assert_eq!(service.me("no session").0, 401);
    assert_eq!(service.send("GET", "/me", None, None).0, 401);

    // A change; but not to somebody else's email.
    let taken = json!({ "name": alice.name, "email": "Bob@Example.com", "phone": null });
    assert_eq!(service.send("PUT", "/me", Some(&session), Some(taken)).0, 409);
    assert_eq!(service.me(&session).1, alice.shown());
    (alice.email, alice.phone) = ("alice.nb@example.org".into(), None);
    assert_eq!(service.send("PUT", "/me", Some(&session), Some(alice.shown())).0, 204);
    assert_eq!(service.me(&session), (200, alice.shown()));
    assert_eq!(service.log_in("alice@example.com"), Err(401));

    // Consent is given, withdrawn, and given anew; the account does not suffer.
    for _ in 0..2 {
        assert_eq!(service.send("PUT", "/me/newsletter", Some(&session), None).0, 204);
        assert_eq!(service.send("PUT", "/me/newsletter", Some(&session), None).0, 409);
        alice.newsletter = Some(alice.email.clone());
        assert_eq!(service.me(&session), (200, alice.shown()));
        for _ in 0..2 {
            assert_eq!(service.send("DELETE", "/me/newsletter", Some(&session), None).0, 204);
        }
        alice.newsletter = None;
        assert_eq!(service.me(&session), (200, alice.shown()));
    }
    assert_eq!(service.send("PUT", "/me/newsletter", Some(&session), None).0, 204);

    // She leaves: the account and its sessions are gone, and the email is free again.
    assert_eq!(service.send("DELETE", "/me", Some(&session), None).0, 204);
    assert_eq!(service.me(&session).0, 401);
    let again = json!({ "email": alice.email, "password": password("alice@example.com") });
    assert_eq!(service.send("POST", "/sessions", None, Some(again)).0, 401);
    assert_eq!(service.me(&bobs), (200, bob.shown()));
    assert_eq!(service.register(&alice), 201);
    let session = service.log_in(&alice.email).unwrap();
    assert_eq!(service.me(&session), (200, Person { newsletter: None, ..alice }.shown()));
    assert_eq!(service.send("DELETE", "/me", Some(&session), None).0, 204);
}
