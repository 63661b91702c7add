//! Pages, and the mark beside them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use oubliette::store::{Mark, PAGE_BYTES, PageName, PageStore, Problem, StoreError, StoreName, StoredPage, Usage};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::failure::Failure;
use crate::pool::transaction;
use crate::schema::Schema;
use crate::session::{Asked, Parameter, Session};
use crate::store::{Inner, PostgresStore};

/// Pages in one statement, a quarter of a megabyte. The server takes two thirds more time for a thousand pages in one: it moves a long message, and
/// arrays of its own, through memory that it asks the system for each time.
pub(crate) const CHUNK: usize = 32;
/// Longer than anything is kept; PostgreSQL's intervals end somewhere behind it.
const FOR_EVER: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// Each page that is new, or there with the same bytes. A page that is put again is in use again.
const PUT: &str = "WITH put AS (
        INSERT INTO {s}.pages AS p (name, generation, bytes)
        SELECT n.name, $3::numeric, n.bytes FROM unnest($1, $2) AS n (name, bytes)
        ON CONFLICT (name) DO UPDATE SET generation = greatest(p.generation, excluded.generation), superseded = NULL
            WHERE p.bytes = excluded.bytes
        RETURNING 1)
    SELECT count(*) FROM put";

// The length first: what has another one is not fetched.
const GET: &str =
    "SELECT pg_is_in_recovery(), octet_length(p.bytes), CASE WHEN octet_length(p.bytes) = $2 THEN p.bytes END
    FROM (SELECT) AS one LEFT JOIN {s}.pages p ON p.name = $1";

/// The page of each name, in the order of the names.
const GET_MANY: &str = "SELECT pg_is_in_recovery(), octet_length(p.bytes),
        CASE WHEN octet_length(p.bytes) = $2 THEN p.bytes END
    FROM unnest($1) WITH ORDINALITY AS n (name, nth) LEFT JOIN {s}.pages p ON p.name = n.name ORDER BY n.nth";

/// The pages of the latest generations. A standby is asked too, although it may lack some: those are fetched by name.
const NEWER_THAN: &str = "SELECT name, bytes FROM {s}.pages
    WHERE generation > $1::numeric AND octet_length(bytes) = $2 ORDER BY generation DESC LIMIT $3";

const MARK: &str = "SELECT generation::text, vault, proof FROM {s}.mark";
const RAISE_MARK: &str =
    "UPDATE {s}.mark SET generation = $1::numeric, vault = $2, proof = $3 WHERE generation <= $1::numeric";
const SET_MARK: &str = "UPDATE {s}.mark SET generation = $1::numeric, vault = $2, proof = $3";

const LOST: &str = "SELECT l.name FROM unnest($1) AS l (name)
    WHERE NOT EXISTS (SELECT FROM {s}.pages p WHERE p.name = l.name AND octet_length(p.bytes) = $2) LIMIT 1";
/// `NOT IN`, since the server then looks the names up in a hash whatever it guesses of how many there are: no join over all of them for each page.
const IS_DEAD: &str = "p.generation <= $2::numeric AND p.name NOT IN (SELECT unnest($1))";
const REVIVE: &str = "UPDATE {s}.pages p SET superseded = NULL WHERE superseded IS NOT NULL AND NOT ({dead})";
const SUPERSEDE: &str = "UPDATE {s}.pages p SET superseded = clock_timestamp() WHERE superseded IS NULL AND {dead}";
const FORGET: &str = "WITH gone AS (
        DELETE FROM {s}.pages p WHERE {dead} AND superseded + make_interval(secs => $3) <= clock_timestamp()
        RETURNING octet_length(bytes) AS length)
    SELECT count(*), coalesce(sum(length), 0)::bigint FROM gone";

const USAGE: &str = "SELECT count(*), coalesce(sum(octet_length(bytes)), 0)::bigint FROM {s}.pages";

impl PageStore for PostgresStore {
    /// In one transaction: all of it, or nothing.
    fn put(&self, mark: &Mark, pages: &[StoredPage]) -> Result<(), StoreError> {
        let batch = self.inner.batch(pages)?;
        let (mark, batch, schema) = (*mark, Arc::new(batch), self.inner.schema.clone());
        self.inner.write(move |session| {
            let (batch, schema) = (batch.clone(), schema.clone());
            async move {
                let puts = Puts::of(&schema, &mark, &batch);
                puts.prepare(&session).await?;
                transaction(&session, put(&session, &schema, &mark, &puts)).await
            }
        })
    }

    fn get(&self, name: &PageName) -> Result<Option<Vec<u8>>, StoreError> {
        let (sql, name) = (self.inner.schema.sql(GET), *name);
        let found = self.inner.read(move |session| {
            let sql = sql.clone();
            async move {
                let rows = session.query_often(&sql, &[(&&name.0[..], Type::BYTEA), (&length()?, Type::INT4)]).await?;
                page_in(one(&rows)?)?.map_err(Failure::Damaged)
            }
        });
        found.map_err(|error| of_page(error, &name))
    }

    /// In one round trip, however many.
    fn get_many(&self, names: &[PageName]) -> Vec<Result<Option<Vec<u8>>, StoreError>> {
        let sql = self.inner.schema.sql(GET_MANY);
        let wanted: Arc<Vec<Vec<u8>>> = Arc::new(names.iter().map(|name| name.0.to_vec()).collect());
        let found = self.inner.read(move |session| {
            let (sql, wanted) = (sql.clone(), wanted.clone());
            async move {
                let rows =
                    session.query_often(&sql, &[(&*wanted, Type::BYTEA_ARRAY), (&length()?, Type::INT4)]).await?;
                rows.iter().map(page_in).collect::<Result<Vec<_>, Failure>>()
            }
        });
        let damaged = |what| self.inner.error(Failure::Damaged(what));
        match found {
            Ok(pages) => {
                names.iter().zip(pages).map(|(name, page)| page.map_err(|what| of_page(damaged(what), name))).collect()
            }
            Err(error) => names.iter().map(|name| Err(of_page(error.clone(), name))).collect(),
        }
    }

    /// In one round trip. What a sweep took since is not there.
    fn newer_than(&self, generation: u64, most: usize) -> Vec<StoredPage> {
        let newer = Newer::than(&self.inner.schema, generation, most);
        let found = self.inner.read(move |session| {
            let newer = newer.clone();
            async move { newer.ask(&session, session.within()).await }
        });
        found.unwrap_or_default()
    }

    fn together(&self) -> Option<StoreName> {
        Some(self.inner.together)
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        let sql = self.inner.schema.sql(MARK);
        self.inner.read(move |session| {
            let sql = sql.clone();
            async move { kept(one(&session.query(&sql, &[]).await?)?) }
        })
    }

    fn replace_mark(&self, mark: &Mark) -> Result<(), StoreError> {
        let (mark, schema) = (*mark, self.inner.schema.clone());
        self.inner.write(move |session| {
            let schema = schema.clone();
            async move { transaction(&session, set_mark(&session, &schema, &mark)).await }
        })
    }

    /// By the server's clock. In one transaction: all that is due, or nothing.
    fn sweep(&self, live: &HashSet<PageName>, generation: u64, keep: Duration) -> Result<Usage, StoreError> {
        let sweep = Sweep {
            live: live.iter().map(|name| name.0.to_vec()).collect(),
            generation: generation.to_string(),
            keep: (keep < FOR_EVER).then_some(keep.as_secs_f64()),
            most: self.inner.work_within,
            schema: self.inner.schema.clone(),
        };
        let sweep = Arc::new(sweep);
        let (pages, bytes) = self.inner.write(move |session| {
            let sweep = sweep.clone();
            async move { transaction(&session, sweep.run(&session)).await }
        })?;
        let mut swept = Usage::default();
        (swept.pages, swept.bytes) = (pages, bytes);
        Ok(swept)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        let sql = self.inner.schema.sql(USAGE);
        let (pages, bytes) = self.inner.read(move |session| {
            let sql = sql.clone();
            async move { two(&session.query(&sql, &[]).await?) }
        })?;
        let mut usage = Usage::default();
        (usage.pages, usage.bytes) = (pages, bytes);
        Ok(usage)
    }
}

impl Inner {
    /// As it can be put. An error: nothing is.
    pub(crate) fn batch(&self, pages: &[StoredPage]) -> Result<Batch, StoreError> {
        let mut batch = Batch::new();
        for page in pages {
            let location = || format!("{}, page {}", self.schema.location, page.name);
            if page.bytes.len() != PAGE_BYTES {
                return Err(StoreError::new(Problem::Io, location()).caused_by("another size"));
            }
            if batch.insert(page.name, page.bytes.clone()).is_some_and(|other| other != page.bytes) {
                return Err(StoreError::new(Problem::PageExists, location()));
            }
        }
        Ok(batch)
    }
}

/// The question for pages of later generations.
#[derive(Clone)]
pub(crate) struct Newer {
    sql: String,
    generation: String,
    most: i64,
}

impl Newer {
    pub(crate) fn than(schema: &Schema, generation: u64, most: usize) -> Newer {
        let (sql, generation) = (schema.sql(NEWER_THAN), generation.to_string());
        Newer { sql, generation, most: i64::try_from(most).unwrap_or(i64::MAX) }
    }

    pub(crate) async fn ask(&self, session: &Session, within: Duration) -> Result<Vec<StoredPage>, Failure> {
        let parameters: [Parameter<'_>; 3] =
            [(&self.generation, Type::TEXT), (&length()?, Type::INT4), (&self.most, Type::INT8)];
        session.query_often_within(within, &self.sql, &parameters).await?.iter().map(named_page).collect()
    }
}

fn named_page(row: &Row) -> Result<StoredPage, Failure> {
    let damaged = |_| Failure::Damaged("a page's name has another length".to_owned());
    Ok(StoredPage { name: PageName(row.try_get::<_, &[u8]>(0)?.try_into().map_err(damaged)?), bytes: row.try_get(1)? })
}

fn of_page(error: StoreError, name: &PageName) -> StoreError {
    StoreError::new(error.problem(), format!("{}, page {name}", error.location())).caused_by(error)
}

/// The page in a row, or what is wrong with this one.
fn page_in(row: &Row) -> Result<Result<Option<Vec<u8>>, String>, Failure> {
    if row.try_get(0)? {
        return Err(Failure::Standby);
    }
    let bytes: Option<Vec<u8>> = row.try_get(2)?;
    Ok(match (bytes, row.try_get::<_, Option<i32>>(1)?) {
        (Some(bytes), _) => Ok(Some(bytes)),
        (None, None) => Ok(None),
        (None, Some(length)) => Err(format!("a page of {length} bytes")),
    })
}

/// Pages as they are put: each with its bytes, and none twice.
pub(crate) type Batch = BTreeMap<PageName, Vec<u8>>;

/// What is asked in one go: sixteen megabytes.
const AT_ONCE: usize = 64;

/// Names, and the bytes of each.
type Chunk<'b> = (Vec<&'b [u8]>, Vec<&'b [u8]>);

/// Statements that put a batch, so many pages each.
pub(crate) struct Puts<'b> {
    sql: String,
    chunks: Vec<Chunk<'b>>,
    generation: String,
}

impl<'b> Puts<'b> {
    pub(crate) fn of(schema: &Schema, mark: &Mark, batch: &'b Batch) -> Puts<'b> {
        let pages: Vec<(&[u8], &[u8])> = batch.iter().map(|(name, bytes)| (&name.0[..], bytes.as_slice())).collect();
        let chunks = pages.chunks(CHUNK).map(|chunk| chunk.iter().copied().unzip()).collect();
        Puts { sql: schema.sql(PUT), chunks, generation: mark.generation.to_string() }
    }

    /// Before the transaction, since what cannot be prepared ends one.
    pub(crate) async fn prepare(&self, session: &Session) -> Result<(), Failure> {
        if self.chunks.len() < 2 {
            return Ok(());
        }
        session.prepare(session.within(), &self.sql, &[Type::BYTEA_ARRAY, Type::BYTEA_ARRAY, Type::TEXT]).await
    }

    fn statements(&self) -> impl Iterator<Item = Asked<'_>> {
        self.chunks.iter().map(|(names, bytes)| {
            let parameters: [Parameter<'_>; 3] =
                [(names, Type::BYTEA_ARRAY), (bytes, Type::BYTEA_ARRAY), (&self.generation, Type::TEXT)];
            (self.sql.as_str(), parameters.to_vec())
        })
    }

    /// With `last` behind them: what each answered, and that. As many at once as memory is taken for.
    pub(crate) async fn ask<'p>(
        &'p self,
        session: &Session,
        first: Option<Asked<'p>>,
        last: Asked<'p>,
    ) -> Result<Vec<Vec<Row>>, Failure> {
        let statements: Vec<Asked<'_>> = first.into_iter().chain(self.statements()).chain([last]).collect();
        let mut answers = Vec::with_capacity(statements.len());
        for asked in statements.chunks(AT_ONCE) {
            // An answer's time for each two megabytes.
            let times = u32::try_from(asked.len() / 8).unwrap_or(u32::MAX).saturating_add(1);
            answers.extend(session.queries(session.within().saturating_mul(times), asked).await?);
        }
        Ok(answers)
    }

    /// Whether each page is there.
    pub(crate) fn check(&self, answers: &[Vec<Row>]) -> Result<(), Failure> {
        if answers.len() != self.chunks.len() {
            return Err(Failure::Incomplete);
        }
        for ((names, _), stored) in self.chunks.iter().zip(answers) {
            let stored: i64 = one(stored)?.try_get(0)?;
            if usize::try_from(stored) != Ok(names.len()) {
                return Err(Failure::PageExists);
            }
        }
        Ok(())
    }
}

/// Within a transaction.
async fn put(session: &Session, schema: &Schema, mark: &Mark, puts: &Puts<'_>) -> Result<(), Failure> {
    let [there, raise] = [&format!("{MARK} FOR UPDATE"), RAISE_MARK].map(|sql| schema.sql(sql));
    let (vault, proof) = (&mark.vault[..], &mark.proof[..]);
    let raised: [Parameter<'_>; 3] = [(&puts.generation, Type::TEXT), (&vault, Type::BYTEA), (&proof, Type::BYTEA)];
    // Who puts at the same time waits at the first one.
    let answers = puts.ask(session, Some((&there, Vec::new())), (&raise, raised.to_vec())).await?;
    let [found, stored @ .., _raised] = &*answers else { return Err(Failure::Incomplete) };
    if !kept(one(found)?)?.admits(mark) {
        return Err(Failure::OtherVault);
    }
    puts.check(stored)
}

async fn set_mark(session: &Session, schema: &Schema, mark: &Mark) -> Result<(), Failure> {
    let generation = mark.generation.to_string();
    let parameters: [Parameter<'_>; 3] =
        [(&generation, Type::TEXT), (&&mark.vault[..], Type::BYTEA), (&&mark.proof[..], Type::BYTEA)];
    session.query(&schema.sql(SET_MARK), &parameters).await.map(drop)
}

struct Sweep {
    live: Vec<Vec<u8>>,
    generation: String,
    /// In seconds; `None`: for ever.
    keep: Option<f64>,
    /// How long each statement may take.
    most: Duration,
    schema: Schema,
}

impl Sweep {
    async fn run(&self, session: &Session) -> Result<(u64, u64), Failure> {
        let most = self.most.as_millis().clamp(1, i32::MAX as u128);
        session.batch(&format!("SET LOCAL statement_timeout = {most}")).await?;
        let live: Parameter<'_> = (&self.live, Type::BYTEA_ARRAY);
        let generation: Parameter<'_> = (&self.generation, Type::TEXT);
        let sql = |statement: &str| self.schema.sql(&statement.replace("{dead}", IS_DEAD));
        let lost = [live.clone(), (&length()?, Type::INT4)];
        if let Some(row) = session.query_within(self.most, &sql(LOST), &lost).await?.first() {
            let name: &[u8] = row.try_get(0)?;
            let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
            return Err(Failure::Damaged(format!("page {name} is in use, and missing or damaged")));
        }
        let both = [live.clone(), generation.clone()];
        session.query_within(self.most, &sql(REVIVE), &both).await?;
        session.query_within(self.most, &sql(SUPERSEDE), &both).await?;
        // Kept for ever: the pages are looked for, and counted from now on.
        let Some(keep) = &self.keep else { return Ok((0, 0)) };
        two(&session.query_within(self.most, &sql(FORGET), &[live, generation, (keep, Type::FLOAT8)]).await?)
    }
}

/// Of a page, as PostgreSQL counts.
fn length() -> Result<i32, Failure> {
    i32::try_from(PAGE_BYTES).map_err(|_| Failure::Incomplete)
}

fn one(rows: &[Row]) -> Result<&Row, Failure> {
    rows.first().ok_or(Failure::Incomplete)
}

fn two(rows: &[Row]) -> Result<(u64, u64), Failure> {
    let row = one(rows)?;
    let (first, second): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    Ok((u64::try_from(first).unwrap_or(0), u64::try_from(second).unwrap_or(0)))
}

fn kept(row: &Row) -> Result<Mark, Failure> {
    let damaged = || Failure::Damaged("the mark cannot be read".to_owned());
    let (generation, vault, proof): (&str, &[u8], &[u8]) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    Ok(Mark {
        generation: generation.parse().map_err(|_| damaged())?,
        vault: vault.try_into().map_err(|_| damaged())?,
        proof: proof.try_into().map_err(|_| damaged())?,
    })
}
