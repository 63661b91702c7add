//! What must hold in every database. Included once for each, beside its types.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use oubliette::personal::Email;
use oubliette::{CustomerId, Group, Members, Sealed, Vault, search::Epoch};
use oubliette_databases::shop::{self, BY_EMAIL, EMAIL, NAME, ORDERS};
use oubliette_jobs::{self as jobs, GroupInRow, InRow, Job, JobError, Key};
use sqlx::{AssertSqlSafe, Pool, Row};

use super::{BEGIN, BYTES, Db, LOCK, NARROW, NUMBERED, TOKEN, UUID, UUID_PARAMETER, pool};

const CONTACT: Group = ORDERS.group("contact");

pub const GO_ON: ControlFlow<()> = ControlFlow::Continue(());

/// The statement, in the database's own way to write parameters.
fn sql(statement: &str) -> AssertSqlSafe<String> {
    let statement = statement.replace(":uuid", UUID_PARAMETER);
    let mut parts = statement.split('?');
    let mut numbered = parts.next().unwrap().to_owned();
    for (number, part) in (1..).zip(parts) {
        numbered += &if NUMBERED { format!("${number}{part}") } else { format!("?{part}") };
    }
    AssertSqlSafe(numbered)
}

/// Keys in another order than that in which rows are made.
fn uuid(id: u32) -> String {
    format!("{:08x}-0000-4000-8000-{id:012x}", id.wrapping_mul(2_654_435_761))
}

fn email_of(id: u32) -> String {
    format!("Person.{id}@example.com")
}

pub async fn plaintext_shop(pool: &Pool<Db>, text: &str, rows: u32) {
    let create = format!(
        "CREATE TABLE customers (id {UUID} NOT NULL PRIMARY KEY, no BIGINT UNIQUE, name {}, email {text}, \
         email_idx {TOKEN}, sealed {BYTES})",
        if NUMBERED { "VARCHAR(1000)" } else { "VARCHAR(500)" }
    );
    sqlx::query(AssertSqlSafe(create)).execute(pool).await.unwrap();
    let mut transaction = pool.begin().await.unwrap();
    for id in 1..=rows {
        let insert = sqlx::query(sql("INSERT INTO customers (id, name, email) VALUES (:uuid, ?, ?)"));
        let name = (id % 4 != 0).then(|| format!("Zoë Müller {id}"));
        insert.bind(uuid(id)).bind(name).bind(email_of(id)).execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

pub fn backfill() -> Job {
    Job::on("customers", ("id", Key::Uuid), "no").enroll().seal("name", NAME).seal("email", EMAIL).index(
        "email_idx",
        "email",
        BY_EMAIL,
    )
}

/// Batches of as many rows as they may have, however slow the machine is.
fn unhurried(job: Job) -> Job {
    job.batch_time(std::time::Duration::from_secs(600)).pause(std::time::Duration::ZERO)
}

/// A database whose columns are wide enough.
async fn wide_shop(rows: u32) -> Pool<Db> {
    let pool = pool().await;
    plaintext_shop(&pool, "TEXT", rows).await;
    pool
}

pub async fn assert_untouched(pool: &Pool<Db>, rows: u32) {
    for id in 1..=rows {
        let (no, email) = read(pool, id).await;
        assert_eq!((no, email), (None, email_of(id)));
    }
}

async fn read(pool: &Pool<Db>, id: u32) -> (Option<i64>, String) {
    let select = sqlx::query(sql("SELECT no, email FROM customers WHERE id = :uuid")).bind(uuid(id));
    let row = select.fetch_one(pool).await.unwrap();
    (row.get(0), row.get(1))
}

/// What the application reads while some rows are sealed and some are not.
async fn email_in(pool: &Pool<Db>, vault: &Vault, id: u32) -> String {
    let (no, stored) = read(pool, id).await;
    match stored.parse::<Sealed<Email>>() {
        Ok(sealed) => {
            let customer = CustomerId::from_stored(no.unwrap()).unwrap();
            vault.open(customer, EMAIL, &sealed).unwrap().expose_personal_data().to_owned()
        }
        Err(_) => stored,
    }
}

/// What it writes then: always sealed, with a token, under a number that the row keeps.
async fn write_email(pool: &Pool<Db>, vault: &Vault, id: u32, text: &str) {
    let mut transaction = pool.begin_with(BEGIN).await.unwrap();
    let select = sqlx::query(sql(&format!("SELECT no FROM customers WHERE id = :uuid{LOCK}"))).bind(uuid(id));
    let no: Option<i64> = select.fetch_one(&mut *transaction).await.unwrap().get(0);
    let customer = no.map_or_else(|| vault.enroll().unwrap(), |no| CustomerId::from_stored(no).unwrap());
    let email = shop::email(text);
    let sealed = vault.seal(customer, EMAIL, &email).unwrap().to_string();
    let token = vault.token(BY_EMAIL, &email).unwrap();
    let update = sqlx::query(sql("UPDATE customers SET no = ?, email = ?, email_idx = ? WHERE id = :uuid"));
    let update = update.bind(customer).bind(sealed).bind(token).bind(uuid(id));
    update.execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
}

/// How many rows a search finds.
async fn found(pool: &Pool<Db>, vault: &Vault, text: &str) -> i64 {
    let tokens = vault.tokens(BY_EMAIL, &shop::email(text)).unwrap();
    let places = vec!["?"; tokens.len()].join(", ");
    let query = sql(&format!("SELECT count(*) FROM customers WHERE email_idx IN ({places})"));
    tokens.into_iter().fold(sqlx::query(query), |query, token| query.bind(token)).fetch_one(pool).await.unwrap().get(0)
}

pub async fn a_live_table_is_sealed_while_rows_are_written() {
    const ROWS: u32 = 400;
    let (vault, pool) = (Arc::new(shop::vault()), wide_shop(ROWS).await);
    let running = Arc::new(AtomicBool::new(true));
    let writer = tokio::spawn({
        let (vault, pool, running) = (vault.clone(), pool.clone(), running.clone());
        async move {
            let mut written = HashMap::new();
            for round in 0_u32.. {
                if !running.load(Ordering::Relaxed) && round > 20 {
                    break;
                }
                let id = 1 + round * 97 % ROWS;
                let email = format!("changed{round}@example.com");
                write_email(&pool, &vault, id, &email).await;
                assert_eq!(email_in(&pool, &vault, id).await, email);
                written.insert(id, email);
            }
            written
        }
    });
    let mut batches = 0;
    let job = unhurried(backfill().batch(15));
    let report = jobs::sqlx::run(&pool, &vault, &job, |progress| {
        batches += 1;
        assert_eq!(progress.total, u64::from(ROWS));
        GO_ON
    });
    let report = report.await;
    running.store(false, Ordering::Relaxed);
    let written = writer.await.unwrap();
    let report = report.unwrap();
    assert_eq!((report.progress.looked_at, batches, report.finished), (u64::from(ROWS), 27, true));
    assert!(report.problems.is_empty());
    let left = jobs::sqlx::left_behind(&pool, &vault, &backfill()).await.unwrap();
    assert!(left.is_empty(), "{left}");
    for id in 1..=ROWS {
        let expected = written.get(&id).cloned().unwrap_or_else(|| email_of(id));
        assert_eq!(email_in(&pool, &vault, id).await, expected);
        assert_eq!(found(&pool, &vault, &expected).await, 1);
    }
    let numbers: i64 = sqlx::query("SELECT count(DISTINCT no) FROM customers").fetch_one(&pool).await.unwrap().get(0);
    assert_eq!(numbers, i64::from(ROWS));
    let again = jobs::sqlx::run(&pool, &vault, &backfill(), |_| GO_ON).await.unwrap();
    assert_eq!(again.progress.changed, 0);
}

pub async fn into_a_group_that_is_bound_to_its_row() {
    let (vault, pool) = (shop::vault(), wide_shop(40).await);
    let contact = || GroupInRow::new(CONTACT).within_column("id");
    let job = || {
        Job::on("customers", ("id", Key::Uuid), "no")
            .enroll()
            .seal_into_group("email", EMAIL, "sealed", contact())
            .seal_into_group("name", NAME, "sealed", contact())
            .index_member("email_idx", "sealed", contact(), BY_EMAIL)
            .batch(7)
            .batch_time(std::time::Duration::from_secs(600))
    };
    let first = job();
    let half =
        jobs::sqlx::run(
            &pool,
            &vault,
            &first,
            |progress| {
                if progress.looked_at == 21 { ControlFlow::Break(()) } else { GO_ON }
            },
        );
    let bookmark = half.await.unwrap().progress.bookmark.unwrap();
    let rest = jobs::sqlx::run(&pool, &vault, &job().resume_after(&bookmark), |_| GO_ON).await.unwrap();
    assert_eq!((rest.progress.looked_at, rest.progress.changed), (19, 19));
    assert!(jobs::sqlx::left_behind(&pool, &vault, &job()).await.unwrap().is_empty());
    for id in 1..=40 {
        let select = sqlx::query(sql("SELECT no, sealed FROM customers WHERE id = :uuid")).bind(uuid(id));
        let row = select.fetch_one(&pool).await.unwrap();
        let (customer, sealed): (CustomerId, Sealed<Members>) = (row.get(0), row.get(1));
        let (keys, context) = (vault.customer(customer), bytes_of(id));
        let place = CONTACT.within(&context);
        assert_eq!(keys.open_member(place, EMAIL, &sealed).unwrap(), Some(shop::email(&email_of(id))));
        assert_eq!(keys.open_member(place, NAME, &sealed).unwrap().is_some(), id % 4 != 0);
        assert_eq!(found(&pool, &vault, &email_of(id)).await, 1);
    }
    let _ = vault.rotate_purpose(ORDERS).unwrap();
    let reseal = Job::on("customers", ("id", Key::Uuid), "no").reseal_group("sealed", contact());
    assert_eq!(jobs::sqlx::run(&pool, &vault, &reseal, |_| GO_ON).await.unwrap().progress.changed, 40);
}

/// What a value is bound to, as the column stores it: sixteen bytes of a `uuid`, or text.
fn bytes_of(id: u32) -> Vec<u8> {
    if UUID == "UUID" {
        u128::from_str_radix(&uuid(id).replace('-', ""), 16).unwrap().to_be_bytes().to_vec()
    } else {
        uuid(id).into_bytes()
    }
}

pub async fn into_other_columns_by_a_key_of_bytes_or_text() {
    let (vault, pool) = (shop::vault(), wide_shop(40).await);
    let bound = || InRow::new(EMAIL).within_column("id");
    let job = || {
        Job::on("customers", ("id", Key::Uuid), "no")
            .enroll()
            .seal_into("email", "sealed", bound())
            .index_within("email_idx", "sealed", BY_EMAIL, bound())
            .batch(7)
            .batch_time(std::time::Duration::from_secs(600))
    };
    let first = job();
    let half =
        jobs::sqlx::run(
            &pool,
            &vault,
            &first,
            |progress| {
                if progress.looked_at == 21 { ControlFlow::Break(()) } else { GO_ON }
            },
        );
    let half = half.await.unwrap();
    assert!(!half.finished);
    let bookmark = half.progress.bookmark.unwrap();
    let rest = jobs::sqlx::run(&pool, &vault, &job().resume_after(&bookmark), |_| GO_ON).await.unwrap();
    assert_eq!((rest.progress.looked_at, rest.progress.changed), (19, 19));
    for id in 1..=40 {
        let select = sqlx::query(sql("SELECT no, email, sealed FROM customers WHERE id = :uuid")).bind(uuid(id));
        let row = select.fetch_one(&pool).await.unwrap();
        assert_eq!(row.get::<Option<String>, _>(1), None);
        let (customer, sealed): (CustomerId, Sealed<Email>) = (row.get(0), row.get(2));
        let context = bytes_of(id);
        let email = vault.open(customer, EMAIL.within(&context), &sealed).unwrap();
        assert_eq!(email.expose_personal_data(), email_of(id));
        assert_eq!(found(&pool, &vault, &email_of(id)).await, 1);
    }
    assert!(jobs::sqlx::left_behind(&pool, &vault, &job()).await.unwrap().is_empty());
}

pub async fn a_new_tree_a_new_epoch_and_a_shred() {
    let (vault, pool) = (shop::vault(), wide_shop(60).await);
    jobs::sqlx::run(&pool, &vault, &backfill(), |_| GO_ON).await.unwrap();
    let rotated = vault.rotate_purpose(ORDERS).unwrap();
    let _ = vault.begin_epoch(BY_EMAIL).unwrap();
    let renew = || {
        Job::on("customers", ("id", Key::Uuid), "no")
            .reseal("name", NAME)
            .reseal("email", EMAIL)
            .index("email_idx", "email", BY_EMAIL)
            .forget_tokens("email_idx", BY_EMAIL)
            .batch(25)
    };
    let gone = CustomerId::from_stored(read(&pool, 17).await.0.unwrap()).unwrap();
    let _ = vault.shred([gone]).unwrap();
    let left = jobs::sqlx::left_behind(&pool, &vault, &renew()).await.unwrap();
    let mut left: Vec<_> = left.remaining.into_iter().map(|one| (one.what, one.column, one.rows)).collect();
    left.sort_unstable();
    assert_eq!(
        left,
        [
            ("a token of a shredded customer", "email_idx".to_owned(), 1),
            ("under a replaced key tree", "email".to_owned(), 59),
            ("under a replaced key tree", "name".to_owned(), 44),
            ("without its token of the current epoch", "email_idx".to_owned(), 59),
        ]
    );
    let report = jobs::sqlx::run(&pool, &vault, &renew(), |_| GO_ON).await.unwrap();
    assert_eq!((report.progress.changed, report.progress.erased), (60, 1));
    assert!(jobs::sqlx::left_behind(&pool, &vault, &renew()).await.unwrap().is_empty());
    let _ = vault.retire_epoch(BY_EMAIL, Epoch::FIRST).unwrap();
    let _ = vault.retire_replaced(ORDERS, rotated.0).unwrap();
    for id in (1..=60).filter(|id| *id != 17) {
        assert_eq!(email_in(&pool, &vault, id).await, email_of(id));
        assert_eq!(found(&pool, &vault, &email_of(id)).await, 1);
    }
    assert_eq!(found(&pool, &vault, &email_of(17)).await, 0);
}

pub async fn a_duplicate_is_a_problem_of_its_row_alone() {
    let (vault, pool) = (shop::vault(), wide_shop(40).await);
    sqlx::query(sql("CREATE UNIQUE INDEX by_token ON customers (email_idx)")).execute(&pool).await.unwrap();
    for id in [4, 27] {
        let twice = sqlx::query(sql("UPDATE customers SET email = 'Twice@Example.com' WHERE id = :uuid"));
        twice.bind(uuid(id)).execute(&pool).await.unwrap();
    }
    let foreseen = jobs::sqlx::dry_run(&pool, &vault, &backfill()).await.unwrap();
    assert_eq!((foreseen.would_change, foreseen.duplicates.len(), foreseen.problems.len()), (40, 1, 0), "{foreseen}");
    let report = jobs::sqlx::run(&pool, &vault, &backfill().batch(15).tolerate(1), |_| GO_ON).await.unwrap();
    assert_eq!((report.progress.changed, report.problems.len(), report.finished), (39, 1, true));
    assert!(matches!(report.problems[0].cause, jobs::Cause::Duplicate), "{:?}", report.problems);
    assert_eq!(report.problems[0].key, foreseen.duplicates[0].key);
    assert_eq!(found(&pool, &vault, "twice@example.com").await, 1);
}

pub async fn what_does_not_fit_is_not_committed() {
    let (vault, pool) = (shop::vault(), pool().await);
    plaintext_shop(&pool, NARROW, 20).await;
    let failed = jobs::sqlx::run(&pool, &vault, &backfill().batch(8), |_| GO_ON).await.unwrap_err();
    assert!(matches!(failed, JobError::Database(_)), "{failed:?}");
    assert_untouched(&pool, 20).await;
    let misnamed = Job::on("customers", ("id", Key::Uuid), "no").enroll().seal("mail", EMAIL);
    let failed = jobs::sqlx::run(&pool, &vault, &misnamed, |_| GO_ON).await.unwrap_err();
    assert!(matches!(failed, JobError::Database(_)), "{failed:?}");
}
