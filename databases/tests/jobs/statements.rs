//! The statements that the docs of jobs give for new columns, run on a table that is in use. Included once for each database.

use std::ops::ControlFlow;

use oubliette_databases::shop::{self, BY_EMAIL, EMAIL};
use oubliette_jobs::{self as jobs, Job, Key};
use sqlx::{AssertSqlSafe, Row};

use super::{STATEMENTS_OF, pool};

const DOCS: &str = include_str!("../../../jobs/src/statements.md");

/// Those of one database, before the job and after it.
fn statements(of: &str) -> [Vec<String>; 2] {
    let (_, behind) = DOCS.split_once(&format!("\n{of}")).unwrap();
    let (_, block) = behind.split_once("```sql\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let (before, after) = block.split_once("-- the job\n").unwrap();
    [before, after].map(|block| block.lines().map(|line| line.strip_suffix(';').unwrap().to_owned()).collect())
}

pub async fn statements_of_the_docs() {
    let (vault, pool) = (shop::vault(), pool().await);
    let run = async |sql: &str| sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&pool).await;
    run("CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR(400) NOT NULL)").await.unwrap();
    run("INSERT INTO customers VALUES (1, 'a@example.com'), (2, 'b@example.com'), (3, 'c@example.com')").await.unwrap();
    let [before, after] = statements(STATEMENTS_OF);
    assert!(before.len() >= 2 && !after.is_empty());
    for statement in before {
        run(&statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    let job = Job::on("customers", ("id", Key::Integer), "no").enroll().seal("email", EMAIL);
    let job = job.index("email_idx", "email", BY_EMAIL);
    let report = jobs::sqlx::run(&pool, &vault, &job, |_| ControlFlow::Continue(())).await.unwrap();
    assert_eq!(report.progress.changed, 3);
    for statement in after {
        run(&statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    assert!(jobs::sqlx::left_behind(&pool, &vault, &job).await.unwrap().is_empty());
    // Numbers and tokens are unique from now on.
    for column in ["no", "email_idx"] {
        let twice = format!("SELECT {column} FROM customers WHERE id = 1");
        let update = format!("UPDATE customers SET {column} = ({twice}) WHERE id = 2");
        // MySQL does not read the table that it writes.
        let update = update.replace(&twice, &format!("SELECT * FROM ({twice}) AS one"));
        let refused = run(&update).await.unwrap_err();
        assert!(refused.as_database_error().unwrap().is_unique_violation(), "{column}: {refused}");
    }
    let rows: i64 = sqlx::query("SELECT count(*) FROM customers").fetch_one(&pool).await.unwrap().get(0);
    assert_eq!(rows, 3);
    // What the docs say of the short form.
    let short = run("ALTER TABLE customers ADD COLUMN other BIGINT UNIQUE").await;
    assert_eq!(short.is_err(), STATEMENTS_OF == "SQLite:", "{short:?}");
    assert!(STATEMENTS_OF != "SQLite:" || short.unwrap_err().to_string().contains("Cannot add a UNIQUE column"));
}
