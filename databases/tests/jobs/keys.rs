//! Keys of every kind: walked through, gone on after a bookmark, and named. Included once for each database, beside its types.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use oubliette::{CustomerId, Sealed, personal::Name};
use oubliette_databases::shop::{self, NAME};
use oubliette_jobs::{self as jobs, Job, JobError, Key};
use sqlx::{AssertSqlSafe, Pool, Row};

use super::{Db, NAME_OF_NATIVE_UUID, NO_CASE, NO_CASE_FIRST, NUMBERS_ARE_EXACT, pool};

const ROWS: u32 = 25;

/// A table whose key columns are these.
struct Table {
    columns: &'static str,
    key: Vec<(&'static str, Key)>,
    /// The key of a row as SQL writes it, and as a job does.
    of: fn(u32) -> (String, String),
}

impl Table {
    async fn filled(&self) -> Pool<Db> {
        let pool = pool().await;
        let names: Vec<_> = self.key.iter().map(|(name, _)| *name).collect();
        let (columns, names) = (self.columns, names.join(", "));
        let create = format!(
            "CREATE TABLE people ({columns}, ref INTEGER, no BIGINT UNIQUE, name VARCHAR(1000), PRIMARY KEY ({names}))"
        );
        sqlx::query(AssertSqlSafe(create)).execute(&pool).await.unwrap();
        // In another order than that of keys.
        for id in (1..=ROWS).map(|at| 1 + at * 7 % ROWS) {
            let insert =
                format!("INSERT INTO people ({names}, ref, name) VALUES ({}, {id}, 'Ann {id}')", (self.of)(id).0);
            sqlx::query(AssertSqlSafe(insert)).execute(&pool).await.unwrap();
        }
        pool
    }

    fn job(&self) -> Job {
        let job = Job::on("people", self.key.clone(), "no").enroll().seal("name", NAME);
        job.batch(4).batch_time(Duration::from_secs(600)).pause(Duration::ZERO)
    }

    async fn is_walked_resumed_and_named(&self) {
        let (vault, pool, columns) = (shop::vault(), self.filled().await, self.columns);
        let written: BTreeSet<String> = (1..=ROWS).map(|id| (self.of)(id).1).collect();
        let left = jobs::sqlx::left_behind(&pool, &vault, &self.job()).await.unwrap();
        assert_eq!((left.looked_at, left.remaining[0].rows), (u64::from(ROWS), u64::from(ROWS)), "{columns}");
        assert!(left.remaining[0].first.iter().all(|key| written.contains(key)), "{columns}: {left}");

        let spoil = format!("UPDATE people SET name = '' WHERE ref IN (3, {ROWS})");
        sqlx::query(AssertSqlSafe(spoil)).execute(&pool).await.unwrap();
        let dry = jobs::sqlx::dry_run(&pool, &vault, &self.job()).await.unwrap();
        let named: BTreeSet<String> = dry.problems.iter().map(|problem| problem.key.clone()).collect();
        assert_eq!(named, [(self.of)(3).1, (self.of)(ROWS).1].into(), "{columns}");
        let mend = "UPDATE people SET name = 'Ann 3' WHERE ref = 3";
        sqlx::query(AssertSqlSafe(mend)).execute(&pool).await.unwrap();

        let job = self.job().tolerate(1);
        let first = jobs::sqlx::run(&pool, &vault, &job, |progress| {
            if progress.looked_at == 12 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let first = first.await.unwrap();
        let bookmark = first.progress.bookmark.unwrap();
        assert!(written.contains(&bookmark), "{columns}: {bookmark}");
        let rest = self.job().tolerate(1).resume_after(&bookmark);
        let rest = jobs::sqlx::run(&pool, &vault, &rest, |_| ControlFlow::Continue(())).await.unwrap();
        assert_eq!((rest.progress.before, rest.progress.looked_at), (12, u64::from(ROWS) - 12), "{columns}");
        assert_eq!(first.progress.changed + rest.progress.changed, u64::from(ROWS) - 1, "{columns}");
        let problems = [first.problems, rest.problems].concat();
        assert_eq!((problems.len(), &problems[0].key), (1, &(self.of)(ROWS).1), "{columns}");
        let left = jobs::sqlx::left_behind(&pool, &vault, &self.job()).await.unwrap();
        assert!(left.remaining.iter().all(|one| one.first == [(self.of)(ROWS).1]), "{columns}: {left}");

        let mut numbers = BTreeSet::new();
        for row in sqlx::query("SELECT ref, no, name FROM people").fetch_all(&pool).await.unwrap() {
            let id: i32 = row.get(0);
            if id == i32::try_from(ROWS).unwrap() {
                continue;
            }
            let customer: CustomerId = row.get(1);
            let sealed: Sealed<Name> = row.get::<String, _>(2).parse().unwrap();
            assert_eq!(vault.open(customer, NAME, &sealed).unwrap().expose_personal_data(), format!("Ann {id}"));
            assert!(numbers.insert(customer), "{columns}: a number of its own each");
        }
        assert_eq!(numbers.len(), 24);
    }
}

pub async fn keys_of_several_columns() {
    let table = Table {
        columns: "tenant BIGINT NOT NULL, code VARCHAR(20) NOT NULL",
        key: vec![("tenant", Key::Integer), ("code", Key::Text)],
        of: |id| (format!("{}, 'c,{}'", id % 3, id / 3), format!("{},c\\,{}", id % 3, id / 3)),
    };
    table.is_walked_resumed_and_named().await;
    let table = Table {
        columns: "a DECIMAL(30, 2) NOT NULL, b CHAR(6) NOT NULL, c BIGINT NOT NULL",
        key: vec![("a", Key::Number), ("b", Key::Text), ("c", Key::Integer)],
        of: |id| {
            let (a, b, c) = (id % 2, id % 5, id);
            (format!("{a}.25, 'b{b}', {c}"), format!("{a}.25,b{b},{c}"))
        },
    };
    table.is_walked_resumed_and_named().await;
}

pub async fn keys_of_a_fixed_width() {
    let of = |id: u32| {
        (
            format!("'{}'", "k".repeat(1 + id as usize % 9) + &id.to_string()),
            "k".repeat(1 + id as usize % 9) + &id.to_string(),
        )
    };
    let table = Table { columns: "code CHAR(12) NOT NULL", key: vec![("code", Key::Text)], of };
    table.is_walked_resumed_and_named().await;
}

pub async fn keys_that_are_decimal_numbers() {
    // Neighbours that floating point does not tell apart.
    let of = |id: u32| (format!("12345678901234567890.{id:04}"), format!("12345678901234567890.{id:04}"));
    let exact = Table { columns: "n DECIMAL(30, 4) NOT NULL", key: vec![("n", Key::Number)], of };
    // What SQLite keeps of such a column.
    let of = |id: u32| {
        if id.is_multiple_of(2) { (format!("{id}"), format!("{id}")) } else { (format!("{id}.5"), format!("{id}.5")) }
    };
    let float = Table { columns: "n NUMERIC NOT NULL", key: vec![("n", Key::Number)], of };
    if NUMBERS_ARE_EXACT { exact } else { float }.is_walked_resumed_and_named().await;
}

pub async fn keys_that_are_uuids_or_texts() {
    let uuid = |id: u32| format!("{:08x}-0000-4000-8000-{id:012x}", id.wrapping_mul(2_654_435_761));
    let columns = format!("id {NAME_OF_NATIVE_UUID} NOT NULL").leak();
    let of = |id: u32| {
        let uuid = format!("{:08x}-0000-4000-8000-{id:012x}", id.wrapping_mul(2_654_435_761));
        (format!("'{uuid}'"), uuid)
    };
    assert_eq!(of(7).1, uuid(7));
    Table { columns, key: vec![("id", Key::Uuid)], of }.is_walked_resumed_and_named().await;
    let of = |id: u32| {
        let text = format!("{}{id}", ["é", "E", "e ", "Ø", "-"][id as usize % 5]);
        (format!("'{text}'"), text)
    };
    let table = Table { columns: "code VARCHAR(20) NOT NULL", key: vec![("code", Key::Text)], of };
    table.is_walked_resumed_and_named().await;
}

/// `A` and `a` are one key to such a column: an update of one row would write to both.
pub async fn keys_that_a_collation_takes_for_one_are_refused() {
    let (vault, pool) = (shop::vault(), pool().await);
    for statement in NO_CASE_FIRST {
        sqlx::query(*statement).execute(&pool).await.unwrap();
    }
    let create = format!("CREATE TABLE people (code VARCHAR(20) {NO_CASE} NOT NULL, no BIGINT, name VARCHAR(1000))");
    sqlx::query(AssertSqlSafe(create)).execute(&pool).await.unwrap();
    sqlx::query("INSERT INTO people (code, name) VALUES ('a', 'Ann'), ('b', 'Bob'), ('B', 'Ben'), ('c', 'Cid')")
        .execute(&pool)
        .await
        .unwrap();
    for batch in 1..=4 {
        let job = Job::on("people", ("code", Key::Text), "no").enroll().seal("name", NAME).batch(batch);
        let failed = jobs::sqlx::run(&pool, &vault, &job, |_| ControlFlow::Continue(())).await.unwrap_err();
        assert!(matches!(failed, JobError::Key { problem: "is not unique" }), "{batch}: {failed:?}");
        let failed = jobs::sqlx::left_behind(&pool, &vault, &job).await.unwrap_err();
        assert!(matches!(failed, JobError::Key { .. }), "{batch}: {failed:?}");
    }
    let untouched: i64 = sqlx::query("SELECT count(*) FROM people WHERE name IN ('Bob', 'Ben') AND no IS NULL")
        .fetch_one(&pool)
        .await
        .unwrap()
        .get(0);
    assert_eq!(untouched, 2);
}
