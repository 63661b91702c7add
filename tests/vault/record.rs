//! A record in a SQLite database: written, searched, withdrawn, erased.

use oubliette::personal::{Email, Name};
use oubliette::testing::assert_no_plaintext;
use oubliette::{CustomerId, Field, Held, Index, Personal, Purpose, UnlessShredded, Vault, bits, fields::FieldKind};
use rusqlite::{Connection, Row, params, params_from_iter};

const ORDERS: Purpose = Purpose::new("orders");
const NEWSLETTER: Purpose = Purpose::new("newsletter");
const EMAIL: Field<Email> = ORDERS.field("email");
const NAME: Field<Name> = ORDERS.field("name");
const NEWS_EMAIL: Field<Email> = NEWSLETTER.field("email");
const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(32));

#[derive(Clone, Debug, PartialEq, Personal)]
#[personal(purpose = ORDERS, sealed = SealedUser)]
struct User {
    #[personal(customer)]
    no: CustomerId,
    #[personal(plain)]
    id: i64,
    #[personal(seal = EMAIL, index(email_idx = BY_EMAIL))]
    email: Email,
    #[personal(seal = NAME, text, context = id)]
    name: Option<Name>,
    #[personal(seal = NEWS_EMAIL, text)]
    news: Held<Email>,
}

impl SealedUser {
    fn insert(&self, database: &Connection) -> rusqlite::Result<usize> {
        let SealedUser { no, id, email, email_idx, name, news } = self;
        database.execute(
            "INSERT INTO users (no, id, email, email_idx, name, news) VALUES (?, ?, ?, ?, ?, ?)",
            params![no, id, email, email_idx, name, news],
        )
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<SealedUser> {
        Ok(SealedUser {
            no: row.get("no")?,
            id: row.get("id")?,
            email: row.get("email")?,
            email_idx: row.get("email_idx")?,
            name: row.get("name")?,
            news: row.get("news")?,
        })
    }

    fn find(database: &Connection, vault: &Vault, email: &Email) -> Vec<SealedUser> {
        let tokens = vault.tokens(BY_EMAIL, email).unwrap();
        let places = vec!["?"; tokens.len()].join(", ");
        let mut query = database.prepare(&format!("SELECT * FROM users WHERE email_idx IN ({places})")).unwrap();
        query.query_map(params_from_iter(tokens), SealedUser::from_row).unwrap().collect::<Result<_, _>>().unwrap()
    }
}

#[test]
fn a_record_s_life_in_a_table() {
    let vault = Vault::in_memory([ORDERS, NEWSLETTER]);
    let place = tempfile::NamedTempFile::new().unwrap();
    let database = Connection::open(place.path()).unwrap();
    database
        .execute_batch(
            "CREATE TABLE users (id INTEGER PRIMARY KEY, no INTEGER NOT NULL UNIQUE, email BLOB NOT NULL,
             email_idx BLOB, name TEXT, news TEXT) STRICT",
        )
        .unwrap();
    let email = |of: &str| format!("{of}@example.com").parse::<Email>().unwrap();
    let user = |id, of: &str, name: Option<&str>, news| User {
        no: vault.enroll().unwrap(),
        id,
        email: email(of),
        name: name.map(|name| name.parse().unwrap()),
        news,
    };
    let users =
        [user(1, "alice", Some("Alice Martin"), Held::Kept(email("alice.news"))), user(2, "bob", None, Held::Absent)];
    for user in &users {
        assert_eq!(user.seal(&vault).unwrap().insert(&database).unwrap(), 1);
    }
    let text: String = database.query_row("SELECT name FROM users WHERE id = 1", [], |row| row.get(0)).unwrap();
    assert!(text.starts_with("obl1."));
    let bytes = std::fs::read(place.path()).unwrap();
    assert_no_plaintext(&bytes, ["alice", "Alice Martin", "bob@", "alice.news"]);

    let all = || {
        let mut query = database.prepare("SELECT * FROM users ORDER BY no").unwrap();
        let rows: Vec<_> = query.query_map([], SealedUser::from_row).unwrap().collect::<Result<_, _>>().unwrap();
        SealedUser::open_all(rows, &vault).map(UnlessShredded::unless_shredded).collect::<Result<Vec<_>, _>>().unwrap()
    };
    assert_eq!(all(), users.iter().cloned().map(Some).collect::<Vec<_>>());
    let found = SealedUser::find(&database, &vault, &email("ALICE"));
    assert_eq!(found.iter().map(|row| row.open(&vault).unwrap()).collect::<Vec<_>>(), users[..1]);
    assert!(SealedUser::find(&database, &vault, &email("carol")).is_empty());

    // Text columns are moved to a new key tree as well.
    for purpose in [ORDERS, NEWSLETTER] {
        let _ = vault.rotate_purpose(purpose).unwrap();
    }
    let mut row = found.into_iter().next().unwrap();
    let before = row.name.clone().unwrap();
    assert!(row.reseal(&vault).unwrap());
    assert_ne!(row.name, Some(before));
    assert!(!vault.needs_reseal(row.news.as_ref().unwrap().sealed()).unwrap());
    assert_eq!(row.open(&vault).unwrap(), users[0]);

    let _ = vault.shredding([users[0].no]).purpose(NEWSLETTER).run().unwrap();
    assert_eq!(all()[0], Some(User { news: Held::Shredded, ..users[0].clone() }));
    let _ = vault.shred([users[0].no]).unwrap();
    assert_eq!(all(), [None, Some(users[1].clone())]);
    // The list of columns tells which tokens are left to clear.
    for field in User::FIELDS.iter().filter(|field| matches!(field.kind, FieldKind::Token { .. })) {
        let clear = format!("UPDATE users SET {} = NULL WHERE no = ?", field.column);
        assert_eq!(database.execute(&clear, [users[0].no]).unwrap(), 1);
    }
    assert!(SealedUser::find(&database, &vault, &users[0].email).is_empty());
}
