//! The restore drills: backups made by PostgreSQL's own tools before a customer left, restored afterwards.

use std::time::{Duration, Instant};

use oubliette::personal::{Email, Name, PersonalData, Text};
use oubliette::testing::assert_no_plaintext;
use oubliette::{CustomerId, Field, Index, OpenError, Sealed, Token, UnlessShredded, Vault, bits};

use crate::support::postgres::{Postgres, raw, succeeded};
use crate::support::{AFTER, PURPOSES, Person, Service, kept, unlock};

const NAME: Field<Name> = PURPOSES[0].field("name");
const EMAIL: Field<Email> = PURPOSES[0].field("email");
const PHONE: Field<Text> = PURPOSES[0].field("phone as typed");
const PASSWORD: Field<Text> = PURPOSES[0].field("password hash");
const NEWS_EMAIL: Field<Email> = PURPOSES[1].field("email");
const BY_EMAIL: Index<Email> = EMAIL.index("unique", bits(128));

/// How long the service may take to shred somebody.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who leaves, who withdraws the newsletter, and who stays as they are.
const LEAVES: usize = 0;
const WITHDRAWS: usize = 1;

struct Drill {
    server: Postgres,
    database: String,
    place: tempfile::TempDir,
    people: Vec<Person>,
    sessions: Vec<String>,
    /// The service before the backups.
    service: Service,
}

impl Drill {
    /// A service with people in it, all of whom take the newsletter.
    fn begin() -> Drill {
        let (server, place) = (Postgres::start(), tempfile::tempdir().unwrap());
        let database = server.database();
        kept("create", "", &vault(&place));
        let service = Service::start(AFTER, &server.url(&database), &vault(&place));
        let mut people = vec![
            Person::new("Alice Ní Bhriain", "alice.leaves@example.com", Some("+353201234567")),
            Person::new("Bob O'Neill", "bob.withdraws@example.com", None),
            Person::new("Çiğdem Öztürk", "cigdem.stays@example.org", Some("+905551234567")),
            Person::new("Dov Lieberman", "dov.stays@example.net", Some("0 55 123 45 67")),
        ];
        people.iter_mut().for_each(|person| person.newsletter = Some(person.email.clone()));
        let join = |person: &Person| {
            assert_eq!(service.register(person), 201);
            let session = service.log_in(&person.email).unwrap();
            assert_eq!(service.send("PUT", "/me/newsletter", Some(&session), None).0, 204);
            session
        };
        let sessions = people.iter().map(join).collect();
        Drill { server, database, place, people, sessions, service }
    }

    /// One leaves, one withdraws the newsletter, and a new epoch begins; the service runs on.
    fn shred(&self) {
        let session = |who: usize| Some(self.sessions[who].as_str());
        assert_eq!(self.service.send("DELETE", "/me", session(LEAVES), None).0, 204);
        assert_eq!(self.service.send("DELETE", "/me/newsletter", session(WITHDRAWS), None).0, 204);
        kept("renew", &self.server.url(&self.database), &vault(&self.place));
        assert!(self.service.log_in(&self.people[2].email).is_ok());
    }

    /// The tokens that can still be made of everybody's email.
    fn tokens(&self) -> Vec<Token<Email>> {
        let vault = unlock(&vault(&self.place));
        let of = |person: &Person| vault.tokens(BY_EMAIL, &person.email.parse().unwrap()).unwrap();
        self.people.iter().flat_map(of).collect()
    }

    /// The raw files of a backup: no plaintext, and of these tokens none, as bytes or as a dump writes them.
    fn search(&self, bytes: &[u8], before: &[Token<Email>]) {
        let texts = self.people.iter().flat_map(Person::texts);
        assert_no_plaintext(bytes, texts.chain(["$argon2id$v"]));
        // That it would be found: the sealed values are, and so are the tokens of then.
        assert!(holds(bytes, b"obl1."));
        for token in before {
            assert!(holds_token(bytes, token), "the backup has everybody's token of then");
        }
        for token in self.tokens() {
            assert!(!holds_token(bytes, &token), "a token that can still be made is in the backup");
        }
    }

    /// A database from before the shred: every value of everybody, and then the service on it.
    fn open(&self, server: &Postgres, database: &str) {
        self.open_values(server, database, &unlock(&vault(&self.place)));
        let url = server.url(database);
        let service = Service::start(AFTER, &url, &vault(&self.place));
        assert_eq!(service.me(&self.sessions[LEAVES]).0, 410);
        let mut withdrew = self.people[WITHDRAWS].clone();
        withdrew.newsletter = None;
        for (who, session) in self.sessions.iter().enumerate().skip(1) {
            let person = if who == WITHDRAWS { &withdrew } else { &self.people[who] };
            assert_eq!(service.me(session), (200, person.shown()), "every survivor opens");
        }

        // Put back into use: the deletion is done again, and search works again.
        assert_eq!(service.log_in(&self.people[2].email), Err(401), "tokens of then match nothing");
        assert_eq!(kept("sweep", &url, &vault(&self.place)), "1 deleted, 1 consents cleared\n");
        kept("renew", &url, &vault(&self.place));
        assert_eq!(service.me(&self.sessions[LEAVES]).0, 401);
        assert_eq!(service.log_in(&self.people[LEAVES].email), Err(401));
        for person in &self.people[1..] {
            assert!(service.log_in(&person.email).is_ok(), "every survivor is found");
        }
    }

    fn open_values(&self, server: &Postgres, database: &str, vault: &Vault) {
        let rows =
            server.ask(database, "SELECT no, name, email, phone, password, news_no, news_email FROM users ORDER BY id");
        let rows: Vec<Vec<&str>> = rows.lines().map(|row| row.split('|').collect()).collect();
        assert_eq!(rows.len(), self.people.len());
        for (who, (row, person)) in rows.iter().zip(&self.people).enumerate() {
            let [no, name, email, phone, password, news_no, news_email] = row[..] else { panic!("{row:?}") };
            let name = opened(vault, no, NAME, name).map(|name| name.expose_personal_data().to_owned());
            let email = opened(vault, no, EMAIL, email).map(|email| email.expose_personal_data().to_owned());
            let phone = (!phone.is_empty()).then(|| opened(vault, no, PHONE, phone));
            let phone = phone.map(|phone| phone.map(|phone| phone.expose_personal_data().to_owned()));
            let password = opened(vault, no, PASSWORD, password);
            let news = opened(vault, news_no, NEWS_EMAIL, news_email);
            assert_eq!(news.is_some(), who != LEAVES && who != WITHDRAWS);
            if who == LEAVES {
                assert_eq!((name, email, phone), (None, None, Some(None)));
                assert!(password.is_none());
            } else {
                assert_eq!((name, email), (Some(person.name.clone()), Some(person.email.clone())));
                assert_eq!(phone, person.phone.clone().map(Some));
                assert!(password.is_some_and(|hash| hash.expose_personal_data().starts_with("$argon2id$v")));
            }
        }
    }
}

fn vault(place: &tempfile::TempDir) -> std::path::PathBuf {
    place.path().join("vault")
}

/// `None` if it was shredded; nothing else may keep it from opening.
fn opened<T: PersonalData>(vault: &Vault, no: &str, field: Field<T>, text: &str) -> Option<T> {
    let no = CustomerId::from_stored(no.parse().unwrap()).unwrap();
    let sealed: Sealed<T> = text.parse().unwrap();
    let opened: Result<T, OpenError> = vault.open(no, field, &sealed);
    opened.unless_shredded().unwrap()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn holds_token(bytes: &[u8], token: &Token<Email>) -> bool {
    holds(bytes, token.as_bytes()) || holds(bytes, hex::encode(token.as_bytes()).as_bytes())
}

#[test]
#[ignore = "starts a PostgreSQL server of its own; `.ci/run` runs it"]
fn a_dump_from_before_says_nothing_of_who_left() {
    let drill = Drill::begin();
    let before = drill.tokens();
    let dump = drill.place.path().join("last-night.dump");
    // The custom format; `--compress=0` only so that it can be searched.
    let dumped = ["--format=custom", "--compress=0"];
    std::fs::write(&dump, succeeded(drill.server.tool("pg_dump").args(dumped).arg(&drill.database))).unwrap();
    drill.shred();
    drill.search(&std::fs::read(&dump).unwrap(), &before);

    let restored = drill.server.database();
    let mut restore = drill.server.tool("pg_restore");
    let file = std::fs::File::open(&dump).unwrap();
    let status = restore.args(["--exit-on-error", "-d", &restored]).stdin(file).status().unwrap();
    assert!(status.success());
    drill.open(&drill.server, &restored);
}

/// A backup brings back the token of whoever left, and the column is UNIQUE: until the deletion is done again their email counts as taken.
#[test]
#[ignore = "starts a PostgreSQL server of its own; `.ci/run` runs it"]
fn who_left_can_sign_up_again_after_a_restore() {
    let drill = Drill::begin();
    let dump = drill.place.path().join("last-night.dump");
    let dumped = drill.server.tool("pg_dump").arg("--format=custom").arg(&drill.database).output().unwrap();
    std::fs::write(&dump, dumped.stdout).unwrap();
    let leaves = &drill.people[LEAVES];
    assert_eq!(drill.service.send("DELETE", "/me", Some(&drill.sessions[LEAVES]), None).0, 204);

    let restored = drill.server.database();
    let file = std::fs::File::open(&dump).unwrap();
    let mut restore = drill.server.tool("pg_restore");
    assert!(restore.args(["--exit-on-error", "-d", &restored]).stdin(file).status().unwrap().success());
    let url = drill.server.url(&restored);
    let service = Service::start(AFTER, &url, &vault(&drill.place));
    assert_eq!(service.register(leaves), 409, "the token is back, and nobody can say whose it was");
    // What a restore ends with.
    assert_eq!(kept("sweep", &url, &vault(&drill.place)), "1 deleted, 0 consents cleared\n");
    assert_eq!(service.register(leaves), 201);
    let session = service.log_in(&leaves.email).unwrap();
    assert_eq!(service.me(&session).0, 200);
}

#[test]
#[ignore = "starts a PostgreSQL server of its own; `.ci/run` runs it"]
fn a_physical_backup_from_before_says_nothing_of_who_left() {
    let drill = Drill::begin();
    let before = drill.tokens();
    let backup = drill.server.base_backup();
    drill.shred();
    drill.search(&raw(&backup), &before);
    drill.open(&Postgres::restored(backup), &drill.database);
}

/// The live database after the shred: the deleted row is in old pages and in the log of changes for long.
#[test]
#[ignore = "starts a PostgreSQL server of its own; `.ci/run` runs it"]
fn the_live_files_say_nothing_of_who_left() {
    let drill = Drill::begin();
    let before = drill.tokens();
    drill.shred();
    let bytes = drill.server.raw();
    assert!(holds_token(&bytes, &before[LEAVES]), "PostgreSQL does not forget");
    assert_no_plaintext(&bytes, drill.people.iter().flat_map(Person::texts).chain(["$argon2id$v"]));
    let vault = unlock(&vault(&drill.place));
    let leaves: Email = drill.people[LEAVES].email.parse().unwrap();
    for token in vault.tokens(BY_EMAIL, &leaves).unwrap() {
        assert!(!holds_token(&bytes, &token));
    }
}

/// The process dies between the shred and the deletion of the row, and is started again.
#[test]
#[ignore = "starts a PostgreSQL server of its own; `.ci/run` runs it"]
fn a_deletion_cut_off_by_a_crash_is_ended_by_a_sweep() {
    let drill = Drill::begin();
    let url = drill.server.url(&drill.database);
    // The row cannot be deleted, so the request fails after the shred.
    drill.server.ask(&drill.database, "CREATE RULE hold AS ON DELETE TO users DO INSTEAD SELECT pg_sleep(600)");
    std::thread::scope(|scope| {
        let leaving = scope.spawn(|| drill.service.try_send("DELETE", "/me", &drill.sessions[LEAVES]));
        let beside = unlock(&vault(&drill.place));
        let no = drill.server.ask(&drill.database, "SELECT min(no) FROM users").parse().unwrap();
        let no = CustomerId::from_stored(no).unwrap();
        let begun = Instant::now();
        let is_shredded = || !beside.shredded_among(PURPOSES[0], [no]).unwrap().is_empty();
        while !is_shredded() && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        drill.service.kill();
        assert!(is_shredded(), "the shred comes before the deletion");
        assert!(leaving.join().unwrap().is_err(), "it got no answer");
    });
    drill.server.ask(
        &drill.database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
    );
    drill.server.ask(&drill.database, "DROP RULE hold ON users");
    assert_eq!(drill.server.ask(&drill.database, "SELECT count(*) FROM users"), "4", "the row is still there");

    let service = Service::start(AFTER, &url, &vault(&drill.place));
    assert_eq!(service.me(&drill.sessions[LEAVES]).0, 410);
    assert_eq!(kept("sweep", &url, &vault(&drill.place)), "1 deleted, 0 consents cleared\n");
    assert_eq!(service.register(&drill.people[LEAVES]), 201, "the email is free again");
    assert_eq!(service.me(&drill.sessions[2]), (200, drill.people[2].shown()));
}
