//! Several instances of the service, on one key store in PostgreSQL.

use std::time::{Duration, Instant};

use crate::support::postgres::Postgres;
use crate::support::{AFTER, KeyStore, Person, Service, keeper, kept};

/// The vault's lease: what an instance that was told nothing takes at most.
const LEASE: Duration = Duration::from_secs(1);

#[test]
#[ignore = "starts PostgreSQL servers of its own; `.ci/run` runs it"]
fn who_is_erased_through_one_instance_is_refused_by_the_other_at_once() {
    // The keys on a server of their own: a restore of the data does not take them along.
    let (data, keys) = (Postgres::start(), Postgres::start());
    let (database, key_database) = (data.database(), keys.database());
    let url = data.url(&database);
    keys.ask(&key_database, "CREATE ROLE owner LOGIN; CREATE ROLE app LOGIN");
    keys.ask(&key_database, &format!("GRANT CREATE ON DATABASE {key_database} TO owner"));
    let store = KeyStore {
        // Its server runs without fsync.
        url: format!("{} allow_fsync_off=yes", keys.pairs(&key_database, "app")),
        owner_url: keys.pairs(&key_database, "owner"),
        role: "app".to_owned(),
    };
    assert!(!keeper("sweep", &url, &store).status.success(), "there is no key store yet");
    kept("create", "", &store);
    let (one, other) = (Service::start(AFTER, &url, &store), Service::start(AFTER, &url, &store));

    let people = [
        Person::new("Alice Leaves", "alice@example.com", Some("+353201234567")),
        Person::new("Bob Leaves", "bob@example.com", None),
        Person::new("Carol Stays", "carol@example.org", None),
    ];
    // Signed up at one of the two, and known to both.
    assert_eq!([one.register(&people[0]), other.register(&people[1]), one.register(&people[2])], [201; 3]);
    let sessions = people.each_ref().map(|person| other.log_in(&person.email).unwrap());
    for service in [&one, &other] {
        for (person, session) in people.iter().zip(&sessions) {
            assert_eq!(service.me(session), (200, person.shown()));
        }
    }

    // Their rows stay, as in a backup: only the key tells that they left.
    data.ask(&database, "CREATE RULE keep AS ON DELETE TO users DO INSTEAD NOTHING");
    for (who, [through, beside]) in [(0, [&one, &other]), (1, [&other, &one])] {
        assert_eq!(through.send("DELETE", "/me", Some(&sessions[who]), None).0, 204);
        let answered = Instant::now();
        assert_eq!(through.me(&sessions[who]).0, 410);
        while beside.me(&sessions[who]).0 != 410 {
            assert!(answered.elapsed() < LEASE, "customer {who} is opened a lease after the erasure was answered");
        }
        println!("refused by the other instance within {:?}", answered.elapsed());
        assert_eq!(beside.me(&sessions[who]).0, 410, "and from then on");
    }
    for service in [&one, &other] {
        assert_eq!(service.me(&sessions[2]), (200, people[2].shown()));
    }
    assert_eq!(data.ask(&database, "SELECT count(*) FROM users"), "3", "the rows are there");
    data.ask(&database, "DROP RULE keep ON users");
    assert_eq!(kept("sweep", &url, &store), "2 deleted, 0 consents cleared\n");
    assert_eq!(other.me(&sessions[2]), (200, people[2].shown()));
}
