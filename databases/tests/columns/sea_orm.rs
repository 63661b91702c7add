//! Column types through sea-orm: one set of tests, run against SQLite and PostgreSQL.

use std::error::Error;

use oubliette::columns::{MaybeSealed, OnPlaintext};
use oubliette::personal::Email;
use oubliette::{CustomerId, OpenError, ParseError};
use oubliette_databases::shop::{self, ALICE, BOB, BY_EMAIL, EMAIL};
use sea_orm::prelude::*;
use sea_orm::{
    ActiveValue::Set, ConnectOptions, Database, DatabaseConnection, FromQueryResult, IntoActiveModel, QueryOrder,
    Schema, Statement,
};

mod person {
    use oubliette::columns::SealedText;
    use oubliette::personal::{Email, Name, Text};
    use oubliette::{CustomerId, Sealed, Token};
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "people")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub no: CustomerId,
        pub referrer: Option<CustomerId>,
        pub email: Sealed<Email>,
        pub name: Option<Sealed<Name>>,
        pub note: SealedText<Text>,
        pub memo: Option<SealedText<Text>>,
        pub email_idx: Token<Email>,
        pub old_idx: Option<Token<Email>>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod member {
    use oubliette::CustomerId;
    use oubliette::columns::SealedText;
    use oubliette::personal::Email;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "members")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub no: CustomerId,
        pub email: Option<SealedText<Email>>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl From<shop::Person> for person::Model {
    fn from(person: shop::Person) -> person::Model {
        let shop::Person { no, referrer, email, name, note, memo, email_idx, old_idx } = person;
        person::Model { no, referrer, email, name, note, memo, email_idx, old_idx }
    }
}

/// How a member is read while the column is migrated; written is the entity.
#[derive(FromQueryResult)]
struct Member {
    no: CustomerId,
    email: Option<MaybeSealed<Email>>,
}

async fn connect(url: String) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    // A database in memory lives in its one connection.
    let database = Database::connect(options.max_connections(1).to_owned()).await.unwrap();
    // The columns are those that sea-orm makes of the entity.
    let schema = Schema::new(database.get_database_backend());
    for table in [schema.create_table_from_entity(person::Entity), schema.create_table_from_entity(member::Entity)] {
        database.execute(&table).await.unwrap();
    }
    database
}

async fn insert(database: &DatabaseConnection, person: &person::Model) {
    let inserted = person.clone().into_active_model().insert(database).await.unwrap();
    assert_eq!(&inserted, person);
}

async fn all(database: &DatabaseConnection) -> Vec<person::Model> {
    person::Entity::find().order_by_asc(person::Column::No).all(database).await.unwrap()
}

async fn every_type_comes_back(database: DatabaseConnection) {
    let vault = shop::vault();
    let expected = shop::two_people(&vault);
    let people = expected.clone().map(person::Model::from);
    for person in &people {
        insert(&database, person).await;
    }
    assert_eq!(all(&database).await, people);
    shop::opens(&vault, [&expected[0], &expected[1]]);
    let mut change = people[0].clone().into_active_model();
    change.email = Set(people[1].email.clone());
    change.memo = Set(None);
    let changed = change.update(&database).await.unwrap();
    assert_eq!((&changed.email, &changed.memo, &changed.name), (&people[1].email, &None, &people[0].name));
    assert_eq!(all(&database).await[0], changed);
}

async fn tokens_of_all_epochs_and_customers_are_found(database: DatabaseConnection) {
    let vault = shop::vault();
    let [alice, mut bob] = shop::two_people(&vault).map(person::Model::from);
    insert(&database, &alice).await;
    let _ = vault.begin_epoch(BY_EMAIL).unwrap();
    bob.email_idx = vault.token(BY_EMAIL, &shop::email(BOB)).unwrap();
    insert(&database, &bob).await;
    for (email, person) in [("Alice@Example.com", &alice), (BOB, &bob)] {
        let tokens = vault.tokens(BY_EMAIL, &shop::email(email)).unwrap();
        assert_eq!(tokens.len(), 2);
        let by_token = person::Entity::find().filter(person::Column::EmailIdx.is_in(tokens));
        assert_eq!(by_token.all(&database).await.unwrap(), std::slice::from_ref(person));
        let by_customer = person::Entity::find_by_id(person.no);
        assert_eq!(by_customer.one(&database).await.unwrap().as_ref(), Some(person));
    }
}

async fn what_has_not_the_form_is_a_typed_error_that_repeats_nothing(database: DatabaseConnection) {
    let vault = shop::vault();
    let [alice, _] = shop::two_people(&vault).map(person::Model::from);
    for bad in shop::bad_bytes(alice.email.as_bytes()) {
        for column in ["email", "name"] {
            let error = refusal::<ParseError>(&database, &alice, column, bad.clone().into()).await;
            assert!(matches!(error, ParseError::Malformed | ParseError::CutOff));
        }
    }
    for bad in shop::bad_text(alice.note.as_str()) {
        for column in ["note", "memo"] {
            let error = refusal::<ParseError>(&database, &alice, column, bad.clone().into()).await;
            assert!(matches!(error, ParseError::Malformed | ParseError::CutOff));
        }
    }
    for bad in shop::bad_tokens() {
        for column in ["email_idx", "old_idx"] {
            let error = refusal::<ParseError>(&database, &alice, column, bad.clone().into()).await;
            assert_eq!(error, ParseError::NotAToken);
        }
    }
    for bad in shop::BAD_NUMBERS {
        for column in ["no", "referrer"] {
            let error = refusal::<ParseError>(&database, &alice, column, bad.into()).await;
            assert_eq!(error, ParseError::NotACustomerNumber);
        }
    }
}

/// The error that reading a row gives once one of its columns holds `bad`.
async fn refusal<E: Error + Clone + 'static>(
    database: &DatabaseConnection,
    person: &person::Model,
    column: &str,
    bad: Value,
) -> E {
    person::Entity::delete_many().exec(database).await.unwrap();
    insert(database, person).await;
    let update = format!("UPDATE people SET {column} = $1");
    let update = Statement::from_sql_and_values(database.get_database_backend(), update, [bad]);
    database.execute_raw(update).await.unwrap();
    let error = person::Entity::find().one(database).await.unwrap_err();
    shop::repeats_nothing(&error);
    // sea-orm does not give the cause as the error's `source`.
    let DbErr::TryIntoErr { source, .. } = error else { panic!("{error:?}") };
    shop::typed(&*source)
}

async fn a_value_moved_to_another_row_does_not_open(database: DatabaseConnection) {
    let vault = shop::vault();
    let [alice, bob] = shop::two_people(&vault).map(person::Model::from);
    insert(&database, &person::Model { email: bob.email.clone(), ..alice.clone() }).await;
    insert(&database, &person::Model { email: alice.email.clone(), ..bob.clone() }).await;
    for (person, other) in all(&database).await.iter().zip([bob, alice]) {
        let error = vault.open(person.no, EMAIL, &person.email).unwrap_err();
        assert!(matches!(error, OpenError::OtherCustomer { found, .. } if found == other.no), "{error:?}");
    }
}

async fn a_column_of_plaintext_is_sealed_under_its_readers(database: DatabaseConnection) {
    let vault = shop::vault();
    let people: Vec<CustomerId> = (0..3).map(|_| vault.enroll().unwrap()).collect();
    let backend = database.get_database_backend();
    for (no, email) in people.iter().zip([Some(ALICE), None, Some(BOB)]) {
        let values = [(*no).into(), email.into()];
        let insert = Statement::from_sql_and_values(backend, "INSERT INTO members VALUES ($1, $2)", values);
        database.execute_raw(insert).await.unwrap();
    }
    let rows = async || -> Result<Vec<shop::Migrating>, DbErr> {
        let rows = member::Entity::find().order_by_asc(member::Column::No).into_model::<Member>();
        Ok(rows.all(&database).await?.into_iter().map(|Member { no, email }| (no, email)).collect())
    };
    let seal = async |no: CustomerId, email: &str| {
        let sealed = vault.seal(no, EMAIL, &shop::email(email)).unwrap();
        let row = member::ActiveModel { no: Set(no), email: Set(Some(sealed.into())) };
        row.update(&database).await.unwrap();
    };
    let expected = [Some(shop::email(ALICE)), None, Some(shop::email(BOB))];

    // Before.
    assert_eq!(shop::emails(&vault, &rows().await.unwrap(), OnPlaintext::Accept).unwrap(), expected);

    // During.
    seal(people[0], ALICE).await;
    let during = rows().await.unwrap();
    assert_eq!(shop::emails(&vault, &during, OnPlaintext::Accept).unwrap(), expected);
    let error = shop::emails(&vault, &during, OnPlaintext::Refuse).unwrap_err();
    assert!(matches!(error, OpenError::PlaintextRefused { at } if at.customer == people[2]));

    // After.
    seal(people[2], BOB).await;
    assert_eq!(shop::emails(&vault, &rows().await.unwrap(), OnPlaintext::Refuse).unwrap(), expected);
    assert_eq!(member::Entity::find().all(&database).await.unwrap().len(), 3);

    // Neither plaintext nor half a sealed value.
    for bad in ["obl1.", "obl1.alice"] {
        let update = Statement::from_sql_and_values(backend, "UPDATE members SET email = $1", [bad.into()]);
        database.execute_raw(update).await.unwrap();
        let error = rows().await.unwrap_err();
        shop::repeats_nothing(&error);
        let DbErr::TryIntoErr { source, .. } = error else { panic!("{error:?}") };
        assert!(matches!(shop::typed::<ParseError>(&*source), ParseError::Malformed | ParseError::CutOff));
    }
}

/// The tests above in one database, each under the attribute given.
macro_rules! tests {
    ($url:expr; [$($attributes:tt)*]) => {
        tests!($url; [$($attributes)*]
            every_type_comes_back
            tokens_of_all_epochs_and_customers_are_found
            what_has_not_the_form_is_a_typed_error_that_repeats_nothing
            a_value_moved_to_another_row_does_not_open
            a_column_of_plaintext_is_sealed_under_its_readers
        );
    };
    ($url:expr; $attributes:tt $($test:ident)+) => { $(tests!(@ $url; $attributes $test);)+ };
    (@ $url:expr; [$($attributes:tt)*] $test:ident) => {
        #[tokio::test]
        $($attributes)*
        async fn $test() {
            super::$test(super::connect($url).await).await;
        }
    };
}

mod sqlite {
    tests!("sqlite::memory:".to_owned(); []);
}

mod postgres {
    tests!(
        oubliette_databases::postgres();
        [#[ignore = "starts a PostgreSQL server of its own; `.ci/run databases` runs it"]]
    );
}
