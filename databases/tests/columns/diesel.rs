//! Column types through diesel: one set of tests, run against SQLite and PostgreSQL.

use diesel::prelude::*;
use diesel::result::Error;
use oubliette::columns::{MaybeSealed, OnPlaintext, SealedText};
use oubliette::personal::{Email, Name, Text};
use oubliette::{CustomerId, OpenError, ParseError, SealError, Sealed, Token};
use oubliette_databases::shop::{self, ALICE, BOB, BY_EMAIL, EMAIL};

diesel::table! {
    people (no) {
        no -> BigInt,
        referrer -> Nullable<BigInt>,
        email -> Binary,
        name -> Nullable<Binary>,
        note -> Text,
        memo -> Nullable<Text>,
        email_idx -> Binary,
        old_idx -> Nullable<Binary>,
    }
}

diesel::table! {
    members (no) {
        no -> BigInt,
        email -> Nullable<Text>,
    }
}

#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable, Identifiable, AsChangeset)]
#[diesel(table_name = people, primary_key(no), treat_none_as_null = true)]
struct Person {
    no: CustomerId,
    referrer: Option<CustomerId>,
    email: Sealed<Email>,
    name: Option<Sealed<Name>>,
    note: SealedText<Text>,
    memo: Option<SealedText<Text>>,
    email_idx: Token<Email>,
    old_idx: Option<Token<Email>>,
}

impl From<shop::Person> for Person {
    fn from(person: shop::Person) -> Person {
        let shop::Person { no, referrer, email, name, note, memo, email_idx, old_idx } = person;
        Person { no, referrer, email, name, note, memo, email_idx, old_idx }
    }
}

#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = members)]
struct Member {
    no: CustomerId,
    email: Option<MaybeSealed<Email>>,
}

/// The tests, for one connection. Generic functions would have to repeat every bound of diesel's.
macro_rules! tests {
    ($connection:ty, $connect:expr, bytes: $bytes:literal $(, #[$attribute:meta])?) => {
        use super::*;

        fn database() -> $connection {
            let mut database: $connection = $connect;
            for table in [shop::people($bytes, $bytes).as_str(), shop::MEMBERS] {
                diesel::sql_query(table).execute(&mut database).unwrap();
            }
            database
        }

        fn insert(database: &mut $connection, person: &Person) {
            assert_eq!(person.insert_into(people::table).execute(database), Ok(1));
        }

        fn all(database: &mut $connection) -> QueryResult<Vec<Person>> {
            people::table.select(Person::as_select()).order(people::no).load(database)
        }

        #[test]
        $(#[$attribute])?
        fn every_type_comes_back() {
            let (vault, mut database) = (shop::vault(), database());
            let expected = shop::two_people(&vault);
            let people = expected.clone().map(Person::from);
            // By reference and by value.
            insert(&mut database, &people[0]);
            diesel::insert_into(people::table).values(people[1].clone()).execute(&mut database).unwrap();
            let found = all(&mut database).unwrap();
            assert_eq!(found, people);
            shop::opens(&vault, [&expected[0], &expected[1]]);
            let changed = Person { email: people[1].email.clone(), memo: None, ..people[0].clone() };
            assert_eq!(diesel::update(&changed).set(&changed).execute(&mut database), Ok(1));
            assert_eq!(all(&mut database).unwrap()[0], changed);
        }

        #[test]
        $(#[$attribute])?
        fn tokens_of_all_epochs_and_customers_are_found() {
            let (vault, mut database) = (shop::vault(), database());
            let [alice, mut bob] = shop::two_people(&vault).map(Person::from);
            insert(&mut database, &alice);
            let _ = vault.begin_epoch(BY_EMAIL).unwrap();
            bob.email_idx = vault.token(BY_EMAIL, &shop::email(BOB)).unwrap();
            insert(&mut database, &bob);
            for (email, person) in [("Alice@Example.com", &alice), (BOB, &bob)] {
                let tokens = vault.tokens(BY_EMAIL, &shop::email(email)).unwrap();
                assert_eq!(tokens.len(), 2);
                let by_token = people::table.filter(people::email_idx.eq_any(&tokens));
                assert_eq!(by_token.select(Person::as_select()).load(&mut database).unwrap(), std::slice::from_ref(person));
                let by_customer = people::table.filter(people::no.eq(person.no));
                assert_eq!(&by_customer.select(Person::as_select()).first(&mut database).unwrap(), person);
                assert_eq!(&people::table.find(person.no).first::<Person>(&mut database).unwrap(), person);
            }
        }

        #[test]
        $(#[$attribute])?
        fn what_has_not_the_form_is_a_typed_error_that_repeats_nothing() {
            let (vault, mut database) = (shop::vault(), database());
            let [alice, _] = shop::two_people(&vault).map(Person::from);
            macro_rules! refusal {
                ($column:ident, $bad:expr, $error:ty) => {{
                    diesel::delete(people::table).execute(&mut database).unwrap();
                    insert(&mut database, &alice);
                    let update = diesel::update(people::table).set(people::$column.eq($bad));
                    update.execute(&mut database).unwrap();
                    let error = all(&mut database).unwrap_err();
                    assert!(matches!(error, Error::DeserializationError(_)), "{error:?}");
                    shop::typed::<$error>(&error)
                }};
            }
            for bad in shop::bad_bytes(alice.email.as_bytes()) {
                assert!(matches!(refusal!(email, &bad, ParseError), ParseError::Malformed | ParseError::CutOff));
                assert!(matches!(refusal!(name, &bad, ParseError), ParseError::Malformed | ParseError::CutOff));
            }
            for bad in shop::bad_text(alice.note.as_str()) {
                assert!(matches!(refusal!(note, &bad, ParseError), ParseError::Malformed | ParseError::CutOff));
                assert!(matches!(refusal!(memo, &bad, ParseError), ParseError::Malformed | ParseError::CutOff));
            }
            for bad in shop::bad_tokens() {
                assert_eq!(refusal!(email_idx, &bad, ParseError), ParseError::NotAToken);
                assert_eq!(refusal!(old_idx, &bad, ParseError), ParseError::NotAToken);
            }
            for bad in shop::BAD_NUMBERS {
                assert_eq!(refusal!(no, bad, ParseError), ParseError::NotACustomerNumber);
                assert_eq!(refusal!(referrer, bad, ParseError), ParseError::NotACustomerNumber);
            }
        }

        #[test]
        $(#[$attribute])?
        fn a_value_moved_to_another_row_does_not_open() {
            let (vault, mut database) = (shop::vault(), database());
            let [alice, bob] = shop::two_people(&vault).map(Person::from);
            insert(&mut database, &Person { email: bob.email.clone(), ..alice.clone() });
            insert(&mut database, &Person { email: alice.email.clone(), ..bob.clone() });
            for (person, other) in all(&mut database).unwrap().iter().zip([bob, alice]) {
                let error = vault.open(person.no, EMAIL, &person.email).unwrap_err();
                assert!(matches!(error, OpenError::OtherCustomer { found, .. } if found == other.no), "{error:?}");
            }
        }

        #[test]
        $(#[$attribute])?
        fn a_column_of_plaintext_is_sealed_under_its_readers() {
            let (vault, mut database) = (shop::vault(), database());
            let people: Vec<CustomerId> = (0..3).map(|_| vault.enroll().unwrap()).collect();
            for (no, email) in people.iter().zip([Some(ALICE), None, Some(BOB)]) {
                let row = (members::no.eq(no), members::email.eq(email));
                diesel::insert_into(members::table).values(row).execute(&mut database).unwrap();
            }
            let rows = |database: &mut $connection| -> Vec<shop::Migrating> {
                let rows = members::table.order(members::no).select(Member::as_select()).load(database);
                rows.unwrap().into_iter().map(|Member { no, email }| (no, email)).collect()
            };
            let write = |database: &mut $connection, no: CustomerId, email: &MaybeSealed<Email>| {
                diesel::update(members::table.find(no)).set(members::email.eq(email)).execute(database)
            };
            let expected = [Some(shop::email(ALICE)), None, Some(shop::email(BOB))];

            // Before: nothing is sealed, and what was read as plaintext cannot be written.
            let before = rows(&mut database);
            assert_eq!(shop::emails(&vault, &before, OnPlaintext::Accept).unwrap(), expected);
            let error = write(&mut database, people[0], before[0].1.as_ref().unwrap()).unwrap_err();
            let Error::SerializationError(error) = error else { panic!("{error:?}") };
            assert!(matches!(shop::typed::<SealError>(&*error), SealError::Plaintext));

            // During.
            let seal = |no, email: &Email| MaybeSealed::from(vault.seal(no, EMAIL, email).unwrap());
            write(&mut database, people[0], &seal(people[0], &shop::email(ALICE))).unwrap();
            let during = rows(&mut database);
            assert_eq!(shop::emails(&vault, &during, OnPlaintext::Accept).unwrap(), expected);
            let error = shop::emails(&vault, &during, OnPlaintext::Refuse).unwrap_err();
            assert!(matches!(error, OpenError::PlaintextRefused { at } if at.customer == people[2]));

            // After.
            write(&mut database, people[2], &seal(people[2], &shop::email(BOB))).unwrap();
            assert_eq!(shop::emails(&vault, &rows(&mut database), OnPlaintext::Refuse).unwrap(), expected);
            let sealed = members::table.select(members::email).filter(members::email.is_not_null());
            assert_eq!(sealed.load::<Option<SealedText<Email>>>(&mut database).unwrap().len(), 2);

            // A new row, and neither plaintext nor half a sealed value.
            let carol = vault.enroll().unwrap();
            let member = Member { no: carol, email: Some(seal(carol, &shop::email("carol@example.com"))) };
            diesel::insert_into(members::table).values(&member).execute(&mut database).unwrap();
            for bad in ["obl1.", "obl1.alice"] {
                diesel::update(members::table).set(members::email.eq(bad)).execute(&mut database).unwrap();
                let error = members::table.select(Member::as_select()).load(&mut database).unwrap_err();
                assert!(matches!(shop::typed::<ParseError>(&error), ParseError::Malformed | ParseError::CutOff));
            }
        }
    };
}

mod sqlite {
    tests!(SqliteConnection, SqliteConnection::establish(":memory:").unwrap(), bytes: "BLOB");
}

mod postgres {
    tests!(
        PgConnection,
        PgConnection::establish(&oubliette_databases::postgres()).unwrap(),
        bytes: "BYTEA",
        #[ignore = "starts a PostgreSQL server of its own; `.ci/run databases` runs it"]
    );
}
