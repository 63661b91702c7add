//! A PostgreSQL database, and the register's calls on it.

use std::process::{Command, Stdio};

use jiff::Timestamp;
use oubliette_register::{Erased, Granted, HoldId, KeylessRegister, Register, RegisterError};
use sqlx::{AssertSqlSafe, Column, Executor, PgPool, Row};

use crate::support::{consent, contract, who, why};

pub struct Db {
    pub pool: PgPool,
    url: String,
    backup: Vec<u8>,
}

macro_rules! own_transaction {
    ($db:expr, $register:expr, $call:ident($($argument:expr),* $(,)?)) => {
        $register.own_transaction_postgres(&$db.pool).$call($($argument),*).await
    };
}

macro_rules! on {
    ($db:expr, $register:expr, $call:ident($($argument:expr),* $(,)?)) => {{
        let mut connection = $db.pool.acquire().await.unwrap();
        $register.in_transaction_postgres(&mut connection).$call($($argument),*).await
    }};
}

macro_rules! rolled_back {
    ($db:expr, $register:expr, $call:ident($($argument:expr),* $(,)?)) => {{
        let mut transaction = $db.pool.begin().await.unwrap();
        let done = $register.in_transaction_postgres(&mut transaction).$call($($argument),*).await;
        transaction.rollback().await.unwrap();
        done
    }};
}

impl Db {
    /// Made up at random by one test. Each runs `pg_dump` and `psql` several times.
    pub const HISTORIES: u32 = 12;

    /// Of the walk.
    pub const WALKS: u64 = 6;

    /// Within a test, which has a runtime of its own.
    pub fn run(body: impl Future<Output = ()>) {
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(body));
    }

    pub async fn new() -> Db {
        let url = oubliette_databases::postgres();
        Db { pool: PgPool::connect(&url).await.unwrap(), url, backup: Vec::new() }
    }

    /// For other processes.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn grants_at_once(&self, register: &Register, calls: usize) -> Vec<Granted> {
        // Spawned, so that the futures must be `Send`.
        let call = || {
            let (pool, register) = (self.pool.clone(), register.clone());
            tokio::spawn(async move {
                let mut connection = pool.acquire().await.unwrap();
                register.in_transaction_postgres(&mut connection).grant(&who("alice"), contract()).await.unwrap()
            })
        };
        let tasks: Vec<_> = (0..calls).map(|_| call()).collect();
        let mut granted = Vec::new();
        for task in tasks {
            granted.push(task.await.unwrap());
        }
        granted
    }

    pub async fn race(&self, register: &Register) -> (Result<Granted, RegisterError>, Result<Erased, RegisterError>) {
        let (pool, grants) = (self.pool.clone(), register.clone());
        let grant = tokio::spawn(async move {
            let mut connection = pool.acquire().await.unwrap();
            grants.in_transaction_postgres(&mut connection).grant(&who("alice"), consent()).await
        });
        let (pool, erases) = (self.pool.clone(), register.clone());
        let erase =
            tokio::spawn(async move { erases.own_transaction_postgres(&pool).erase(&who("alice"), why("race")).await });
        (grant.await.unwrap(), erase.await.unwrap())
    }

    pub async fn held_in_a_race(
        &self,
        desk: &KeylessRegister,
        register: &Register,
        until: Timestamp,
    ) -> (Result<HoldId, RegisterError>, Result<Erased, RegisterError>) {
        let (pool, desk) = (self.pool.clone(), desk.clone());
        let hold = tokio::spawn(async move {
            let mut connection = pool.acquire().await.unwrap();
            desk.in_transaction_postgres(&mut connection).hold(&who("alice"), None, why("case 7"), until).await
        });
        let (pool, erases) = (self.pool.clone(), register.clone());
        let erase =
            tokio::spawn(async move { erases.own_transaction_postgres(&pool).erase(&who("alice"), why("race")).await });
        (hold.await.unwrap(), erase.await.unwrap())
    }

    pub async fn back_up(&mut self) {
        let dump = Command::new("pg_dump").args(["--clean", "--if-exists", &self.url]).output().unwrap();
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        self.backup = dump.stdout;
    }

    pub async fn stolen(&mut self) -> Db {
        self.back_up().await;
        let mut stolen = Db::new().await;
        stolen.backup = std::mem::take(&mut self.backup);
        stolen.restore().await;
        stolen
    }

    pub async fn restore(&mut self) {
        // With no connection left, whose prepared statements would know the old tables.
        self.pool.close().await;
        let mut psql = Command::new("psql");
        psql.args(["-q", "-v", "ON_ERROR_STOP=1", "-1", &self.url]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut psql = psql.spawn().unwrap();
        std::io::Write::write_all(&mut psql.stdin.take().unwrap(), &self.backup).unwrap();
        assert!(psql.wait().unwrap().success());
        self.pool = PgPool::connect(&self.url).await.unwrap();
    }

    pub async fn snapshot(&mut self) -> Vec<u8> {
        self.back_up().await;
        self.backup.clone()
    }

    pub async fn replace(&mut self, content: &[u8]) {
        self.backup = content.to_vec();
        self.restore().await;
    }

    pub async fn sql(&mut self, sql: &str) {
        self.pool.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
    }

    pub async fn ask(&mut self, sql: &str) -> Vec<String> {
        let sql = format!("SELECT CAST(answer AS TEXT) FROM ({sql}) AS asked");
        let rows = self.pool.fetch_all(AssertSqlSafe(sql)).await.unwrap();
        rows.iter().map(|row| row.get::<Option<String>, _>(0).unwrap_or_default()).collect()
    }

    pub async fn dump(&mut self) -> String {
        let mut all = String::new();
        for table in self.ask("SELECT tablename AS answer FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").await
        {
            for row in
                self.pool.fetch_all(AssertSqlSafe(format!("SELECT * FROM \"{table}\" ORDER BY 1"))).await.unwrap()
            {
                for column in row.columns() {
                    let text = row.try_get::<Option<String>, _>(column.ordinal()).map(Option::unwrap_or_default);
                    let number = || row.try_get::<Option<i64>, _>(column.ordinal()).map(|number| format!("{number:?}"));
                    all += &text.or_else(|_| number()).unwrap_or_else(|_| "bytes".into());
                    all += " ";
                }
                all += "\n";
            }
        }
        all
    }
}
