//! Plain columns that are no text: JSON, decimal numbers, fixed widths. Included once for each database, beside its types.

use std::ops::ControlFlow;

use oubliette::personal::{Address, Json, Phone};
use oubliette::{CustomerId, Field, Sealed, Vault};
use oubliette_databases::shop::{self, ORDERS};
use oubliette_jobs::{self as jobs, Job, JobError, Key, Parts, Report};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Pool, Row};

use super::{BYTES, DECIMAL, Db, FRACTION, JSONS, TYPED, pool};

const PROFILE: Field<Json<Value>> = ORDERS.field("profile");
const PHONE: Field<Phone> = ORDERS.field("phone");
const ADDRESS: Field<Address> = ORDERS.field("address");
const COLUMNS: [&str; 4] = ["street", "postcode", "town", "country"];

async fn filled(columns: &str, insert: &str) -> Pool<Db> {
    let pool = pool().await;
    let create = format!("CREATE TABLE people (id INTEGER PRIMARY KEY, no BIGINT UNIQUE, {columns}, sealed {BYTES})");
    for statement in [create, format!("INSERT INTO people {insert}")] {
        sqlx::query(AssertSqlSafe(statement)).execute(&pool).await.unwrap();
    }
    pool
}

fn job() -> Job {
    Job::on("people", ("id", Key::Integer), "no").enroll()
}

async fn run(pool: &Pool<Db>, vault: &Vault, job: Job) -> Report {
    jobs::sqlx::run(pool, vault, &job.tolerate(9), |_| ControlFlow::Continue(())).await.unwrap()
}

async fn opened<T: oubliette::personal::PersonalData>(pool: &Pool<Db>, vault: &Vault, field: Field<T>, id: u32) -> T {
    let select = AssertSqlSafe(format!("SELECT no, sealed FROM people WHERE id = {id}"));
    let row = sqlx::query(select).fetch_one(pool).await.unwrap();
    let (customer, sealed): (CustomerId, Sealed<T>) = (row.get(0), row.get(1));
    vault.open(customer, field, &sealed).unwrap()
}

/// What is sealed opens as it was, exactly; what would not is refused and named, and stays.
pub async fn columns_of_json() {
    for kind in JSONS {
        let vault = shop::vault();
        let insert = r#"(id, profile) VALUES (1, '{"seen": [97.68117019787599, 9007199254740993, true, null], "né": "ü"}'),
            (2, '{"id": 12345678901234567890123}'), (3, NULL), (4, '"a text"'), (5, '{"price": 9007199254740993.0}'),
            (6, '{"price": 0.12345678901234567890123}')"#;
        let pool = filled(&format!("profile {kind}"), insert).await;
        let seal = || job().seal_into("profile", "sealed", PROFILE);
        let foreseen = jobs::sqlx::dry_run(&pool, &vault, &seal()).await.unwrap();
        let report = run(&pool, &vault, seal()).await;
        let problems: Vec<_> = report.problems.iter().map(|it| it.key.as_str()).collect();
        assert_eq!(problems, ["2", "5", "6"], "{kind}: {:?}", report.problems);
        assert_eq!(foreseen.problems.len(), 3, "{kind}: {foreseen}");
        let seen = json!({"seen": [97.681_170_197_875_99, 9_007_199_254_740_993_i64, true, null], "né": "ü"});
        assert_eq!(opened(&pool, &vault, PROFILE, 1).await.expose_personal_data(), &seen, "{kind}");
        assert_eq!(opened(&pool, &vault, PROFILE, 4).await.expose_personal_data(), &json!("a text"), "{kind}");
        let kept: i64 = sqlx::query("SELECT count(*) FROM people WHERE profile IS NOT NULL AND sealed IS NULL")
            .fetch_one(&pool)
            .await
            .unwrap()
            .get(0);
        assert_eq!(kept, 3, "{kind}");
        let left = jobs::sqlx::left_behind(&pool, &vault, &seal()).await.unwrap();
        assert_eq!(left.remaining[0].first, ["2", "5", "6"], "{kind}");
        // In its own place a sealed value would be no JSON.
        if TYPED && *kind != "TEXT" {
            let in_place = job().seal("profile", PROFILE);
            let failed = jobs::sqlx::run(&pool, &vault, &in_place, |_| ControlFlow::Continue(())).await.unwrap_err();
            assert!(matches!(&failed, JobError::Invalid { what } if what.contains(&kind.to_lowercase())), "{failed:?}");
        }
    }
}

pub async fn phones_in_columns_of_numbers() {
    let seal = || {
        let parse = |text: &str| format!("+33{}", text.trim_start_matches("33")).parse::<Phone>();
        job().seal_parsed("phone", "sealed", PHONE, parse)
    };
    for kind in [DECIMAL, "BIGINT"] {
        let vault = shop::vault();
        let insert = "(id, phone) VALUES (1, 33612345678), (2, 612345678), (3, 1), (4, NULL)";
        let pool = filled(&format!("phone {kind}"), insert).await;
        let report = run(&pool, &vault, seal()).await;
        assert_eq!((report.progress.changed, report.problems.len()), (3, 1), "{kind}: {:?}", report.problems);
        assert!(report.problems[0].to_string().starts_with("row 3, column phone: "), "{}", report.problems[0]);
        for id in [1, 2] {
            assert_eq!(opened(&pool, &vault, PHONE, id).await.expose_personal_data(), "+33612345678", "{kind}");
        }
        let kept: i64 = sqlx::query("SELECT count(phone) FROM people").fetch_one(&pool).await.unwrap().get(0);
        assert_eq!(kept, 1, "{kind}");
    }
    // A point is a separator to a phone number: `33612345678.5` would be somebody else's.
    let (vault, insert) = (shop::vault(), "(id, phone) VALUES (1, 33612345678.5)");
    let pool = filled(&format!("phone {FRACTION}"), insert).await;
    let report = run(&pool, &vault, seal()).await;
    let said = report.problems[0].to_string();
    assert!(said.contains("a number with a fraction") && !said.contains("336"), "{said}");
}

pub async fn columns_of_an_address_and_back() {
    let vault = shop::vault();
    let insert = "(id, street, postcode, town, country) VALUES (1, '12 rue de la Paix', '75002', 'Paris', 'FR'),
        (2, 'Dam 1', '1012 JS', 'Amsterdam', 'NL'), (3, NULL, NULL, NULL, NULL)";
    let columns = "street VARCHAR(100), postcode CHAR(10), town VARCHAR(100), country CHAR(2)";
    let pool = filled(columns, insert).await;
    let seal = job().seal_columns(COLUMNS, "sealed", ADDRESS, Parts::address(None));
    assert_eq!(run(&pool, &vault, seal).await.progress.changed, 3);
    assert_eq!(
        opened(&pool, &vault, ADDRESS, 2).await.expose_personal_data(),
        "Dam 1\n1012 JS Amsterdam\nNetherlands (NL)"
    );
    let back = job().unseal_columns("sealed", COLUMNS, ADDRESS, Parts::address(None));
    assert_eq!(run(&pool, &vault, back).await.progress.changed, 2);
    let select = "SELECT street, TRIM(postcode), town, country FROM people ORDER BY id";
    let rows = sqlx::query(select).fetch_all(&pool).await.unwrap();
    let read: Vec<[Option<String>; 4]> = rows.iter().map(|row| [0, 1, 2, 3].map(|at| row.get(at))).collect();
    let some = |parts: [&str; 4]| parts.map(|part| Some(part.to_owned()));
    let first = some(["12 rue de la Paix", "75002", "Paris", "FR"]);
    assert_eq!(read, [first, some(["Dam 1", "1012 JS", "Amsterdam", "NL"]), [const { None }; 4]]);
}
