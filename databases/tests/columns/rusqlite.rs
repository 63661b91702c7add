//! Column types in SQLite, through rusqlite.

use oubliette::columns::{MaybeSealed, OnPlaintext, SealedText};
use oubliette::personal::Email;
use oubliette::{CustomerId, OpenError, ParseError, SealError, Sealed, Token};
use oubliette_databases::shop::{self, ALICE, BOB, BY_EMAIL, EMAIL, Person};
use rusqlite::types::{ToSql, Value};
use rusqlite::{Connection, Row, params, params_from_iter};

fn database() -> Connection {
    let database = Connection::open_in_memory().unwrap();
    database.execute_batch(&format!("{}; {};", shop::people("BLOB", "BLOB"), shop::MEMBERS)).unwrap();
    database
}

fn insert(database: &Connection, person: &Person) {
    let Person { no, referrer, email, name, note, memo, email_idx, old_idx } = person;
    database.execute(shop::INSERT, params![no, referrer, email, name, note, memo, email_idx, old_idx]).unwrap();
}

fn read(row: &Row<'_>) -> rusqlite::Result<Person> {
    Ok(Person {
        no: row.get("no")?,
        referrer: row.get("referrer")?,
        email: row.get("email")?,
        name: row.get("name")?,
        note: row.get("note")?,
        memo: row.get("memo")?,
        email_idx: row.get("email_idx")?,
        old_idx: row.get("old_idx")?,
    })
}

fn all(database: &Connection) -> Vec<Person> {
    let mut select = database.prepare("SELECT * FROM people ORDER BY no").unwrap();
    select.query_map([], read).unwrap().map(Result::unwrap).collect()
}

#[test]
fn every_type_comes_back() {
    let (vault, database) = (shop::vault(), database());
    let people = shop::two_people(&vault);
    people.iter().for_each(|person| insert(&database, person));
    let found = all(&database);
    assert_eq!(found, people);
    shop::opens(&vault, [&found[0], &found[1]]);
    let types = "SELECT typeof(no) || typeof(email) || typeof(note) || typeof(email_idx) || typeof(name) FROM people";
    let mut types = database.prepare(&format!("{types} ORDER BY no")).unwrap();
    let types: Vec<String> = types.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(types, ["integerblobtextblobblob", "integerblobtextblobnull"]);
}

#[test]
fn tokens_of_all_epochs_and_customers_are_found() {
    let (vault, database) = (shop::vault(), database());
    let [alice, mut bob] = shop::two_people(&vault);
    insert(&database, &alice);
    let _ = vault.begin_epoch(BY_EMAIL).unwrap();
    bob.email_idx = vault.token(BY_EMAIL, &shop::email(BOB)).unwrap();
    insert(&database, &bob);
    for (email, person) in [("Alice@Example.com", &alice), (BOB, &bob)] {
        let tokens = vault.tokens(BY_EMAIL, &shop::email(email)).unwrap();
        assert_eq!(tokens.len(), 2);
        let query = "SELECT * FROM people WHERE email_idx IN (?, ?)";
        let mut select = database.prepare(query).unwrap();
        let found: Vec<Person> =
            select.query_map(params_from_iter(&tokens), read).unwrap().map(Result::unwrap).collect();
        assert_eq!(found, std::slice::from_ref(person));
        assert_eq!(&database.query_row("SELECT * FROM people WHERE no = ?", [person.no], read).unwrap(), person);
    }
}

#[test]
fn what_has_not_the_form_is_a_typed_error_that_repeats_nothing() {
    let (vault, database) = (shop::vault(), database());
    let [alice, _] = shop::two_people(&vault);
    insert(&database, &alice);
    let refusal = |column: &str, bad: &dyn ToSql| {
        database.execute(&format!("UPDATE people SET {column} = ?"), [bad]).unwrap();
        let error = database.query_row("SELECT * FROM people", [], read).unwrap_err();
        database.execute("DELETE FROM people", []).unwrap();
        insert(&database, &alice);
        error
    };
    for bad in shop::bad_bytes(alice.email.as_bytes()) {
        assert!(matches!(
            shop::typed::<ParseError>(&refusal("email", &bad)),
            ParseError::Malformed | ParseError::CutOff
        ));
        assert!(matches!(
            shop::typed::<ParseError>(&refusal("note", &bad)),
            ParseError::Malformed | ParseError::CutOff
        ));
    }
    for bad in shop::bad_text(alice.note.as_str()) {
        for column in ["note", "memo", "email", "name"] {
            assert!(matches!(
                shop::typed::<ParseError>(&refusal(column, &bad)),
                ParseError::Malformed | ParseError::CutOff
            ));
        }
    }
    // SQLite holds anything anywhere.
    for bad in [Value::Integer(33_612_345_678), Value::Real(0.5)] {
        for column in ["email", "note"] {
            assert!(matches!(
                shop::typed::<ParseError>(&refusal(column, &bad)),
                ParseError::Malformed | ParseError::CutOff
            ));
        }
        assert_eq!(shop::typed::<ParseError>(&refusal("old_idx", &bad)), ParseError::NotAToken);
    }
    for bad in shop::bad_tokens() {
        assert_eq!(shop::typed::<ParseError>(&refusal("email_idx", &bad)), ParseError::NotAToken);
    }
    for bad in shop::BAD_NUMBERS {
        assert_eq!(shop::typed::<ParseError>(&refusal("referrer", &bad)), ParseError::NotACustomerNumber);
    }
    shop::repeats_nothing(&refusal("referrer", &ALICE));
    let not_utf8 = "UPDATE people SET note = CAST(x'616c696365ff' AS TEXT)";
    database.execute(not_utf8, []).unwrap();
    let error = database.query_row("SELECT * FROM people", [], read).unwrap_err();
    assert!(matches!(shop::typed::<ParseError>(&error), ParseError::Malformed | ParseError::CutOff));
    // NULL is told from a bad value.
    for column in [get::<Sealed<Email>>, get::<SealedText<Email>>, get::<MaybeSealed<Email>>] {
        assert!(matches!(column(&database), rusqlite::Error::InvalidColumnType(0, ..)));
    }
    for column in [get::<Token<Email>>, get::<CustomerId>] {
        assert!(matches!(column(&database), rusqlite::Error::InvalidColumnType(0, ..)));
    }
}

fn get<T: rusqlite::types::FromSql + std::fmt::Debug>(database: &Connection) -> rusqlite::Error {
    database.query_row("SELECT NULL", [], |row| row.get::<_, T>(0)).unwrap_err()
}

#[test]
fn a_value_moved_to_another_row_does_not_open() {
    let (vault, database) = (shop::vault(), database());
    let [alice, bob] = shop::two_people(&vault);
    insert(&database, &Person { email: bob.email.clone(), ..alice.clone() });
    insert(&database, &Person { email: alice.email.clone(), ..bob.clone() });
    for (person, other) in all(&database).iter().zip([&bob, &alice]) {
        let error = vault.open(person.no, EMAIL, &person.email).unwrap_err();
        assert!(matches!(error, OpenError::OtherCustomer { found, .. } if found == other.no), "{error:?}");
    }
    database.execute("UPDATE people SET email = substr(?, 1, 100)", [&alice.email]).unwrap();
    shop::cut_off_does_not_open(&vault, alice.no, &all(&database)[0].email);
}

#[test]
fn a_column_of_plaintext_is_sealed_under_its_readers() {
    let (vault, database) = (shop::vault(), database());
    let people: Vec<CustomerId> = (0..4).map(|_| vault.enroll().unwrap()).collect();
    for (no, email) in people.iter().zip([Some(ALICE), Some(BOB), None, Some("carol@example.com")]) {
        database.execute("INSERT INTO members VALUES (?, ?)", params![no, email]).unwrap();
    }
    let rows = || -> Vec<shop::Migrating> {
        let mut select = database.prepare("SELECT no, email FROM members ORDER BY no").unwrap();
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let expected = [ALICE, BOB, "", "carol@example.com"].map(|text| (!text.is_empty()).then(|| shop::email(text)));
    let write = |no: CustomerId, email: &dyn ToSql| {
        database.execute("UPDATE members SET email = ? WHERE no = ?", params![email, no])
    };

    // Before: nothing is sealed, and what was read as plaintext cannot be written.
    assert_eq!(shop::emails(&vault, &rows(), OnPlaintext::Accept).unwrap(), expected);
    let error = write(people[0], &rows()[0].1).unwrap_err();
    assert!(matches!(shop::typed::<SealError>(&error), SealError::Plaintext));

    // During: one row as text, one as the bytes that SQLite allows.
    let seal = |no, email: &Email| vault.seal(no, EMAIL, email).unwrap();
    write(people[0], &MaybeSealed::from(seal(people[0], &shop::email(ALICE)))).unwrap();
    write(people[1], &seal(people[1], &shop::email(BOB))).unwrap();
    assert_eq!(shop::emails(&vault, &rows(), OnPlaintext::Accept).unwrap(), expected);
    let error = shop::emails(&vault, &rows(), OnPlaintext::Refuse).unwrap_err();
    assert!(matches!(error, OpenError::PlaintextRefused { at } if at.customer == people[3]));
    shop::repeats_nothing(&error);

    // After: what was missed is sealed too, and rewritten as text where it was bytes.
    for (no, email) in rows() {
        let Some(email) = email else { continue };
        let sealed = email.sealed().cloned();
        let email = email.open(&vault, no, EMAIL, OnPlaintext::Accept).unwrap();
        write(no, &SealedText::from(sealed.unwrap_or_else(|| seal(no, &email)))).unwrap();
    }
    assert_eq!(shop::emails(&vault, &rows(), OnPlaintext::Refuse).unwrap(), expected);
    let mut select = database.prepare("SELECT email FROM members").unwrap();
    let sealed: Vec<Option<SealedText<Email>>> =
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(sealed.iter().flatten().count(), 3);

    // Neither plaintext nor half a sealed value.
    for bad in ["obl1.", "obl1.alice", &sealed[0].as_ref().unwrap().as_str()[..100]] {
        write(people[0], &bad).unwrap();
        let error = database
            .query_row("SELECT email FROM members ORDER BY no", [], |row| row.get::<_, MaybeSealed<Email>>(0))
            .unwrap_err();
        assert!(matches!(shop::typed::<ParseError>(&error), ParseError::Malformed | ParseError::CutOff));
    }
}
