//! What must hold in every database. Included once for each, beside its types.

use oubliette::columns::{MaybeSealed, OnPlaintext, SealedText};
use oubliette::personal::Email;
use oubliette::{CustomerId, OpenError, ParseError};
use oubliette_databases::shop::{self, ALICE, BOB, BY_EMAIL, EMAIL, Migrating, Person};
use sqlx::{AssertSqlSafe, Pool};

use super::{BYTES, Db, NUMBERED, TOKEN, pool};

/// The statement, in the database's own way to write parameters.
fn sql(statement: &str) -> AssertSqlSafe<String> {
    let mut parts = statement.split('?');
    let mut numbered = parts.next().unwrap().to_owned();
    for (number, part) in (1..).zip(parts) {
        numbered += &if NUMBERED { format!("${number}{part}") } else { format!("?{part}") };
    }
    AssertSqlSafe(numbered)
}

pub async fn database() -> Pool<Db> {
    let pool = pool().await;
    sqlx::query(sql(&shop::people(BYTES, TOKEN))).execute(&pool).await.unwrap();
    sqlx::query(shop::MEMBERS).execute(&pool).await.unwrap();
    pool
}

pub async fn insert(pool: &Pool<Db>, person: &Person) {
    let Person { no, referrer, email, name, note, memo, email_idx, old_idx } = person;
    let insert = sqlx::query(sql(shop::INSERT)).bind(no).bind(referrer).bind(email).bind(name);
    insert.bind(note).bind(memo).bind(email_idx).bind(old_idx).execute(pool).await.unwrap();
}

async fn all(pool: &Pool<Db>) -> Vec<Person> {
    sqlx::query_as("SELECT * FROM people ORDER BY no").fetch_all(pool).await.unwrap()
}

pub async fn every_type_comes_back() {
    let (vault, pool) = (shop::vault(), database().await);
    let people = shop::two_people(&vault);
    for person in &people {
        insert(&pool, person).await;
    }
    let found = all(&pool).await;
    assert_eq!(found, people);
    shop::opens(&vault, [&found[0], &found[1]]);
}

pub async fn tokens_of_all_epochs_and_customers_are_found() {
    let (vault, pool) = (shop::vault(), database().await);
    let [alice, mut bob] = shop::two_people(&vault);
    insert(&pool, &alice).await;
    let _ = vault.begin_epoch(BY_EMAIL).unwrap();
    bob.email_idx = vault.token(BY_EMAIL, &shop::email(BOB)).unwrap();
    insert(&pool, &bob).await;
    for (email, person) in [("Alice@Example.com", &alice), (BOB, &bob)] {
        let tokens = vault.tokens(BY_EMAIL, &shop::email(email)).unwrap();
        assert_eq!(tokens.len(), 2);
        let mut query = sqlx::QueryBuilder::<Db>::new("SELECT * FROM people WHERE email_idx IN (");
        let mut parameters = query.separated(", ");
        for token in tokens {
            parameters.push_bind(token);
        }
        parameters.push_unseparated(")");
        let found: Vec<Person> = query.build_query_as().fetch_all(&pool).await.unwrap();
        assert_eq!(found, std::slice::from_ref(person));
        let by_customer = sqlx::query_as::<_, Person>(sql("SELECT * FROM people WHERE no = ?")).bind(person.no);
        assert_eq!(by_customer.fetch_all(&pool).await.unwrap(), std::slice::from_ref(person));
    }
}

/// The error that reading a row gives once one of its columns holds `bad`.
async fn refusal<V>(pool: &Pool<Db>, person: &Person, column: &str, bad: V) -> sqlx::Error
where
    for<'q> V: sqlx::Encode<'q, Db> + sqlx::Type<Db> + Send + 'q,
{
    sqlx::query("DELETE FROM people").execute(pool).await.unwrap();
    insert(pool, person).await;
    sqlx::query(sql(&format!("UPDATE people SET {column} = ?"))).bind(bad).execute(pool).await.unwrap();
    let error = sqlx::query_as::<_, Person>("SELECT * FROM people").fetch_one(pool).await.unwrap_err();
    assert!(matches!(error, sqlx::Error::ColumnDecode { .. }), "{error:?}");
    error
}

pub async fn what_has_not_the_form_is_a_typed_error_that_repeats_nothing() {
    let (vault, pool) = (shop::vault(), database().await);
    let [alice, _] = shop::two_people(&vault);
    for bad in shop::bad_bytes(alice.email.as_bytes()) {
        for column in ["email", "name"] {
            let error = refusal(&pool, &alice, column, bad.clone()).await;
            assert!(matches!(shop::typed::<ParseError>(&error), ParseError::Malformed | ParseError::CutOff));
        }
    }
    for bad in shop::bad_text(alice.note.as_str()) {
        for column in ["note", "memo"] {
            let error = refusal(&pool, &alice, column, bad.clone()).await;
            assert!(matches!(shop::typed::<ParseError>(&error), ParseError::Malformed | ParseError::CutOff));
        }
    }
    // A column of this many bytes takes no longer one.
    for bad in shop::bad_tokens().into_iter().filter(|bad| bad.len() <= 33) {
        for column in ["email_idx", "old_idx"] {
            let error = refusal(&pool, &alice, column, bad.clone()).await;
            assert_eq!(shop::typed::<ParseError>(&error), ParseError::NotAToken);
        }
    }
    for bad in shop::BAD_NUMBERS {
        for column in ["no", "referrer"] {
            let error = refusal(&pool, &alice, column, bad).await;
            assert_eq!(shop::typed::<ParseError>(&error), ParseError::NotACustomerNumber);
        }
    }
}

pub async fn a_value_moved_to_another_row_does_not_open() {
    let (vault, pool) = (shop::vault(), database().await);
    let [alice, bob] = shop::two_people(&vault);
    insert(&pool, &Person { email: bob.email.clone(), ..alice.clone() }).await;
    insert(&pool, &Person { email: alice.email.clone(), ..bob.clone() }).await;
    for (person, other) in all(&pool).await.iter().zip([bob, alice]) {
        let error = vault.open(person.no, EMAIL, &person.email).unwrap_err();
        assert!(matches!(error, OpenError::OtherCustomer { found, .. } if found == other.no), "{error:?}");
    }
}

pub async fn a_column_of_plaintext_is_sealed_under_its_readers() {
    let (vault, pool) = (shop::vault(), database().await);
    let people: Vec<CustomerId> = (0..4).map(|_| vault.enroll().unwrap()).collect();
    for (no, email) in people.iter().zip([Some(ALICE), Some(BOB), None, Some("carol@example.com")]) {
        sqlx::query(sql("INSERT INTO members VALUES (?, ?)")).bind(no).bind(email).execute(&pool).await.unwrap();
    }
    let rows = async || -> Vec<Migrating> {
        sqlx::query_as("SELECT no, email FROM members ORDER BY no").fetch_all(&pool).await.unwrap()
    };
    let write = async |no: CustomerId, email: Option<MaybeSealed<Email>>| {
        sqlx::query(sql("UPDATE members SET email = ? WHERE no = ?")).bind(email).bind(no).execute(&pool).await
    };
    let expected = [ALICE, BOB, "", "carol@example.com"].map(|text| (!text.is_empty()).then(|| shop::email(text)));

    // Before: nothing is sealed, and what was read as plaintext cannot be written.
    let before = rows().await;
    assert_eq!(shop::emails(&vault, &before, OnPlaintext::Accept).unwrap(), expected);
    let error = write(people[0], before[0].1.clone()).await.unwrap_err();
    // sqlx keeps the text of such an error only.
    assert!(matches!(&error, sqlx::Error::Encode(why) if why.to_string().contains("seal it first")), "{error:?}");
    shop::repeats_nothing(&error);
    write(people[2], None).await.unwrap();

    // During.
    let seal = |no, email: &Email| MaybeSealed::from(vault.seal(no, EMAIL, email).unwrap());
    write(people[0], Some(seal(people[0], &shop::email(ALICE)))).await.unwrap();
    let during = rows().await;
    assert_eq!(shop::emails(&vault, &during, OnPlaintext::Accept).unwrap(), expected);
    let error = shop::emails(&vault, &during, OnPlaintext::Refuse).unwrap_err();
    assert!(matches!(error, OpenError::PlaintextRefused { at } if at.customer == people[1]));
    shop::repeats_nothing(&error);

    // After.
    for (no, email) in during {
        if let Some(email) = email.filter(|email| email.sealed().is_none()) {
            let email = email.open(&vault, no, EMAIL, OnPlaintext::Accept).unwrap();
            write(no, Some(seal(no, &email))).await.unwrap();
        }
    }
    assert_eq!(shop::emails(&vault, &rows().await, OnPlaintext::Refuse).unwrap(), expected);
    let sealed = sqlx::query_scalar::<_, SealedText<Email>>("SELECT email FROM members WHERE email IS NOT NULL");
    assert_eq!(sealed.fetch_all(&pool).await.unwrap().len(), 3);

    // Neither plaintext nor half a sealed value.
    for bad in ["obl1.", "obl1.alice"] {
        sqlx::query(sql("UPDATE members SET email = ?")).bind(bad).execute(&pool).await.unwrap();
        let read = sqlx::query_as::<_, Migrating>("SELECT no, email FROM members");
        let error = read.fetch_all(&pool).await.unwrap_err();
        assert!(matches!(shop::typed::<ParseError>(&error), ParseError::Malformed | ParseError::CutOff));
    }
}
