//! From plaintext to sealed columns, with people in the database and the service running.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use oubliette::testing::assert_no_plaintext;

use crate::support::postgres::{Postgres, raw, succeeded};
use crate::support::{AFTER, BEFORE, DURING, Person, Service, keeper, kept};

const FIRST: [&str; 25] = [
    "Aoife",
    "Björn",
    "Chloé",
    "Dmytro",
    "Eilidh",
    "François",
    "Gülşen",
    "Håkon",
    "Inês",
    "Jürgen",
    "Kateřina",
    "Łukasz",
    "María José",
    "Niamh",
    "Øystein",
    "Paweł",
    "Quirijn",
    "Renée",
    "Siân",
    "Theodoros",
    "Ursula",
    "Véronique",
    "Wiebke",
    "Ximena",
    "Zoë",
];
const LAST: [&str; 21] = [
    "d'Ormeval",
    "Núñez",
    "Kowalski-Brandt",
    "O'Sullivan",
    "van der Meer",
    "Țepeș",
    "Lindqvist",
    "Papadopoulos",
    "Ferreira",
    "Müller",
    "Šimek",
    "Nic Dhiarmada",
    "Haugen",
    "Rossi",
    "Kovács",
    "Dubois",
    "Jansons",
    "Ødegård",
    "Marković",
    "Vella",
    "Tamm",
];

/// 525 people of all spellings; every third takes the newsletter.
fn people() -> Vec<Person> {
    let names = FIRST.iter().flat_map(|first| LAST.iter().map(move |last| (first, last)));
    let person = |(at, (first, last)): (usize, (&&str, &&str))| Person {
        name: format!("{first} {last}"),
        email: format!("Person.{at:03}@Mail{at:03}.example.org"),
        phone: (at % 2 == 0).then(|| format!("+3360000{at:04} ext. {at}")),
        newsletter: (at % 3 == 0).then(|| format!("news.{at:03}@mail{at:03}.example.net")),
    };
    names.enumerate().map(person).collect()
}

/// As years of use would have left it: rows, and a session each. All have the password of `known`.
fn fill(server: &Postgres, database: &str, people: &[Person], known: &str) {
    let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let optional = |value: &Option<String>| value.as_deref().map_or_else(|| "NULL".to_owned(), text);
    let mut sql = String::from("BEGIN;");
    for Person { name, email, phone, newsletter } in people {
        sql += &format!(
            "WITH one AS (INSERT INTO users (name, email, phone, password, news_email) SELECT {}, {}, {}, password, {}
                 FROM users WHERE email = {} RETURNING id, email)
             INSERT INTO sessions (hash, user_id) SELECT sha256(email::bytea), id FROM one;\n",
            text(name),
            text(email),
            optional(phone),
            optional(newsletter),
            text(known)
        );
    }
    sql += "COMMIT; ANALYZE users;";
    server.script(database, &sql);
}

#[test]
#[ignore = "starts a PostgreSQL server of its own; `.ci/run` runs it"]
fn a_database_with_people_in_it_is_sealed_while_the_service_runs() {
    let (server, place) = (Postgres::start(), tempfile::tempdir().unwrap());
    let (database, vault) = (server.database(), place.path().join("vault"));
    let url = server.url(&database);
    let count = |condition: &str| server.ask(&database, &format!("SELECT count(*) FROM users WHERE {condition}"));

    // The service as it was, with people in it.
    let before = Service::start(BEFORE, &url, &vault);
    let known = Person::new("Kim Known", "kim.known@example.com", None);
    assert_eq!(before.register(&known), 201);
    let mut people = people();
    assert!(people.len() >= 500);
    fill(&server, &database, &people, &known.email);
    assert_eq!(before.me(&people[7].email), (200, people[7].shown()));

    // The new columns do not hinder it.
    kept("create", "", &vault);
    kept("expand", &url, &vault);
    assert_eq!(before.register(&Person::new("Last Plain", "last.plain@example.com", None)), 201);
    assert!(before.log_in(&known.email).is_ok());

    // Not before every row is sealed.
    let refused = keeper("contract", &url, &vault);
    assert!(!refused.status.success());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("plaintext") && !said.contains('@'), "{said}");

    // The service that reads both and writes sealed; no job has run yet.
    before.kill();
    let during = Service::start(DURING, &url, &vault);
    assert_eq!(during.me(&people[7].email), (200, people[7].shown()));
    let kim = during.log_in("KIM.known@example.com").unwrap();
    assert_eq!(during.me(&kim), (200, known.shown()));
    assert_eq!(during.register(&Person::new("Mallory", "person.007@MAIL007.example.org", None)), 409);
    let new = Person::new("New Sealed", "new.sealed@example.com", Some("+353201234567"));
    assert_eq!(during.register(&new), 201);
    assert_eq!(during.register(&Person { email: "NEW.sealed@example.com".into(), ..known.clone() }), 409);
    let taken = Person { email: "Person.008@mail008.example.org".into(), ..people[7].clone() };
    assert_eq!(during.send("PUT", "/me", Some(&people[7].email), Some(taken.shown())).0, 409);
    // A change seals a row, newsletter and all; consent is given and withdrawn; somebody leaves.
    people[0].name = "Aoife Changed-Name".into();
    assert_eq!(during.send("PUT", "/me", Some(&people[0].email), Some(people[0].shown())).0, 204);
    assert_eq!(count("name LIKE 'obl1.%'"), "2");
    assert_eq!(during.send("PUT", "/me/newsletter", Some(&people[1].email), None).0, 204);
    people[1].newsletter = Some(people[1].email.clone());
    assert_eq!(during.send("DELETE", "/me/newsletter", Some(&people[3].email), None).0, 204);
    people[3].newsletter = None;
    assert_eq!(during.send("DELETE", "/me", Some(&people[2].email), None).0, 204);
    people.remove(2);

    // The rows, while people use the service.
    let done = AtomicBool::new(false);
    let asked = thread::scope(|scope| {
        let users = scope.spawn(|| {
            let mut asked = 0;
            while !done.load(Ordering::Relaxed) || asked < 50 {
                let person = &people[asked * 37 % people.len()];
                assert_eq!(during.me(&person.email), (200, person.shown()));
                assert_eq!(during.send("PUT", "/me", Some(&person.email), Some(person.shown())).0, 204);
                asked += 1;
            }
            asked
        });
        let said = kept("seal", &url, &vault);
        done.store(true, Ordering::Relaxed);
        assert!(said.contains("0 with problems"), "{said}");
        users.join().unwrap()
    });
    assert!(asked >= 50);
    for column in ["name", "email", "phone", "password", "news_email"] {
        assert_eq!(count(&format!("{column} NOT LIKE 'obl1.%'")), "0", "{column}");
    }
    kept("seal", &url, &vault);
    kept("contract", &url, &vault);

    // Sealed only. Everybody is still there.
    during.kill();
    let after = Service::start(AFTER, &url, &vault);
    for person in &people {
        assert_eq!(after.me(&person.email), (200, person.shown()));
    }
    assert_eq!(count("true"), (people.len() + 3).to_string());
    assert_eq!(after.me(&kim), (200, known.shown()));
    for email in [&known.email, &new.email, "Last.Plain@example.com"] {
        assert!(after.log_in(email).is_ok(), "{email}");
    }
    assert_eq!(after.register(&Person { email: "PERSON.011@mail011.example.org".into(), ..known.clone() }), 409);

    // Nothing of them is left in clear: in a dump, or in a physical backup with indexes and statistics. `sessions` have
    // an email of this test's making, hashed.
    let some: Vec<&str> = people[..12].iter().chain([&known, &new]).flat_map(Person::texts).collect();
    let dump = succeeded(server.tool("pg_dump").arg(&database));
    assert!(String::from_utf8_lossy(&dump).contains("obl1."));
    assert_no_plaintext(&dump, some.iter().copied().chain(["example.org", "example.net", "$argon2id"]));
    let backup = server.base_backup();
    let bytes = raw(&backup);
    assert!(bytes.windows(5).any(|window| window == b"obl1."));
    assert_no_plaintext(&bytes, some.iter().copied().take(8).chain(["example.org", "example.net", "$argon2id$v"]));
    std::fs::remove_dir_all(backup).unwrap();
}
