//! The operator's side: what is done to the vault and the database beside the running service.
//!
//! From plaintext, in this order: `create`, `expand`, stop `before` and start `during`, `seal`, `contract`, stop `during` and
//! start `after`. From then on: `sweep` after a crash and after a restore, `renew` to make the tokens in old backups
//! meaningless. Each can be run again, after a crash in its middle too.

#[path = "../after/service.rs"]
#[allow(dead_code)]
mod service;
#[path = "../session.rs"]
#[allow(dead_code)]
mod session;
#[path = "../after/user.rs"]
#[allow(dead_code)]
mod user;

use std::env;
use std::error::Error;
use std::ops::ControlFlow;

use oubliette::{CustomerId, RootKey, Vault};
use oubliette_jobs::{Job, Key, sqlx as jobs};
use sqlx::PgPool;
use user::{ACCOUNT, BY_EMAIL, EMAIL, NAME, NEWS_EMAIL, NEWSLETTER, PASSWORD, PHONE};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const COMMANDS: &str = "create | expand | seal | contract | sweep | renew";

#[tokio::main]
async fn main() -> Result<()> {
    let command = env::args().nth(1).unwrap_or_default();
    let vault = || -> Result<_> { Ok(key_store::vault()?.purposes([ACCOUNT, NEWSLETTER])) };
    let key = || -> Result<_> { Ok(RootKey::passphrase(env::var("VAULT_PASSPHRASE")?)) };
    if command == "create" {
        key_store::make_tables()?;
        return Ok(vault()?.create(key()?)?.close()?);
    }
    let db = PgPool::connect(&env::var("DATABASE_URL")?).await?;
    if command == "expand" {
        return expand(&db).await;
    }
    let vault = vault()?.unlock(key()?)?;
    match command.as_str() {
        "seal" => seal(&vault, &db).await?,
        "contract" => contract(&vault, &db).await?,
        "sweep" => sweep(&vault, &db).await?,
        "renew" => renew(&vault, &db).await?,
        _ => return Err(format!("keeper {COMMANDS}").into()),
    }
    Ok(vault.close()?)
}

/// New columns, which the plaintext service does not see.
async fn expand(db: &PgPool) -> Result<()> {
    sqlx::raw_sql(
        "ALTER TABLE users
             ADD COLUMN IF NOT EXISTS no BIGINT UNIQUE,
             ADD COLUMN IF NOT EXISTS email_idx BYTEA UNIQUE,
             ADD COLUMN IF NOT EXISTS news_no BIGINT UNIQUE",
    )
    .execute(db)
    .await?;
    Ok(())
}

fn account() -> Job {
    Job::on("users", ("id", Key::Integer), "no")
        .enroll()
        .seal("name", NAME)
        .seal("email", EMAIL)
        .index("email_idx", "email", BY_EMAIL)
        .seal("phone", PHONE)
        .seal("password", PASSWORD)
}

fn newsletter() -> Job {
    Job::on("users", ("id", Key::Integer), "news_no").seal("news_email", NEWS_EMAIL)
}

/// Seals every row, in batches, while `during` reads and writes them.
async fn seal(vault: &Vault, db: &PgPool) -> Result<()> {
    run(vault, db, &account()).await?;
    // A number for each consent, and none for those who gave none.
    let given: Vec<i64> = sqlx::query_scalar("SELECT id FROM users WHERE news_email IS NOT NULL AND news_no IS NULL")
        .fetch_all(db)
        .await?;
    for id in given {
        let number = "UPDATE users SET news_no = $2 WHERE id = $1 AND news_email IS NOT NULL AND news_no IS NULL";
        sqlx::query(number).bind(id).bind(vault.enroll_async().await?).execute(db).await?;
    }
    run(vault, db, &newsletter()).await
}

/// Refuses unless every row is sealed. Then the plaintext is taken out of what PostgreSQL keeps beside the rows: the index
/// by email, old versions of rows, and its statistics, which hold the commonest values of every column.
async fn contract(vault: &Vault, db: &PgPool) -> Result<()> {
    finished(vault, db, &account()).await?;
    finished(vault, db, &newsletter()).await?;
    let missed = "SELECT count(*) FROM users WHERE news_email IS NOT NULL AND news_no IS NULL";
    if sqlx::query_scalar::<_, i64>(missed).fetch_one(db).await? != 0 {
        return Err("consents without a number: run `seal` again".into());
    }
    for statement in [
        "DROP INDEX IF EXISTS users_email",
        "ALTER TABLE users ALTER COLUMN no SET NOT NULL, ALTER COLUMN email_idx SET NOT NULL",
        "VACUUM (FULL, ANALYZE) users",
        "VACUUM FULL pg_statistic",
        "CHECKPOINT",
    ] {
        sqlx::raw_sql(statement).execute(db).await?;
    }
    Ok(())
}

/// Deletes the rows of those who are shredded: of a deletion that a crash cut off after the shred, and of a database that
/// was restored, which is back to before the deletion. Clears consents that were withdrawn, likewise.
async fn sweep(vault: &Vault, db: &PgPool) -> Result<()> {
    let shredded = async |purpose, column: &'static str| -> Result<Vec<i64>> {
        let numbers = sqlx::AssertSqlSafe(format!("SELECT {column} FROM users WHERE {column} IS NOT NULL"));
        let numbers: Vec<CustomerId> = sqlx::query_scalar(numbers).fetch_all(db).await?;
        Ok(vault.shredded_among(purpose, numbers)?.into_iter().map(CustomerId::to_stored).collect())
    };
    let gone = sqlx::query("DELETE FROM users WHERE no = ANY($1)").bind(shredded(ACCOUNT, "no").await?);
    let withdrawn = sqlx::query("UPDATE users SET news_no = NULL, news_email = NULL WHERE news_no = ANY($1)")
        .bind(shredded(NEWSLETTER, "news_no").await?);
    let (gone, withdrawn) = (gone.execute(db).await?, withdrawn.execute(db).await?);
    println!("{} deleted, {} consents cleared", gone.rows_affected(), withdrawn.rows_affected());
    Ok(())
}

/// A new epoch of the index: every token is made anew while the service runs, then the old ones are made meaningless, in
/// every backup too. A backup from before it is found by nobody's email until `renew` was run on it.
async fn renew(vault: &Vault, db: &PgPool) -> Result<()> {
    let old = vault.epochs(BY_EMAIL)?.live;
    let begun = vault.begin_epoch(BY_EMAIL)?;
    // Until then another process may still write tokens of the old epoch.
    while let Ok(left) = begun.1.effective_everywhere_at().duration_since(std::time::SystemTime::now()) {
        tokio::time::sleep(left).await;
    }
    let tokens = Job::on("users", ("id", Key::Integer), "no").index("email_idx", "email", BY_EMAIL);
    run(vault, db, &tokens).await?;
    finished(vault, db, &tokens).await?;
    for epoch in old {
        let _ = vault.retire_epoch(BY_EMAIL, epoch)?;
    }
    Ok(())
}

async fn run(vault: &Vault, db: &PgPool, job: &Job) -> Result<()> {
    let report = jobs::run(db, vault, job, |progress| {
        println!("{progress}");
        ControlFlow::Continue(())
    });
    for problem in report.await?.problems {
        println!("{problem}");
    }
    Ok(())
}

async fn finished(vault: &Vault, db: &PgPool, job: &Job) -> Result<()> {
    let left = jobs::left_behind(db, vault, job).await?;
    if left.is_empty() { Ok(()) } else { Err(left.to_string().into()) }
}
