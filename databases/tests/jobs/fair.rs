//! What an asynchronous job leaves to the other tasks of its thread, while it reads and while it looks at what it read.

use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use oubliette::personal::{Canonical, CanonicalForm, Invalid, Padding, PersonalData, Plaintext, Text, TypeTag};
use oubliette::{Field, Index, bits};
use oubliette_databases::shop::{self, ORDERS};
use oubliette_jobs::{self as jobs, Job, Key};

use super::sqlite;

const NOTE: Field<Slow> = ORDERS.field("note");
const BY_NOTE: Index<Slow> = NOTE.index("exact", bits(64));
const ROWS: u64 = 400;

/// How often the other task had its turn.
static TURNS: AtomicU64 = AtomicU64::new(0);
/// The same, each time a value was read.
static READ: Mutex<Vec<u64>> = Mutex::new(Vec::new());

/// A text that takes a millisecond to read.
struct Slow(Text);

impl FromStr for Slow {
    type Err = <Text as FromStr>::Err;

    fn from_str(text: &str) -> Result<Slow, Self::Err> {
        thread::sleep(Duration::from_millis(1));
        READ.lock().unwrap().push(TURNS.load(Ordering::Relaxed));
        text.parse().map(Slow)
    }
}

impl PersonalData for Slow {
    const TAG: TypeTag = TypeTag::new("tests.slow");
    const PADDING: Padding = Padding::steps_of(64);

    fn encode(&self, out: &mut Plaintext) {
        self.0.encode(out);
    }

    fn decode(bytes: &[u8]) -> Result<Slow, Invalid> {
        Text::decode(bytes).map(Slow)
    }
}

impl Canonical for Slow {
    fn canonical_form(&self) -> CanonicalForm {
        self.0.canonical_form()
    }
}

/// The most values that were read without another task having its turn.
fn longest() -> usize {
    let read = std::mem::take(&mut *READ.lock().unwrap());
    assert!(read.len() >= usize::try_from(ROWS).unwrap(), "all were read");
    read.chunk_by(|one, next| one == next).map(<[u64]>::len).max().unwrap()
}

#[tokio::test(flavor = "current_thread")]
async fn other_tasks_go_on_while_a_page_is_looked_at() {
    let vault = shop::vault();
    let pool = sqlite::pool().await;
    let create = "CREATE TABLE people (id INTEGER PRIMARY KEY, no BIGINT UNIQUE, note TEXT, token BLOB)";
    sqlx::query(create).execute(&pool).await.unwrap();
    for id in 1..=ROWS {
        let insert = sqlx::query("INSERT INTO people (id, no, note) VALUES (?, ?, ?)").bind(i64::try_from(id).unwrap());
        insert.bind(vault.enroll().unwrap()).bind(format!("note {id}")).execute(&pool).await.unwrap();
    }
    let is_over = &*Box::leak(Box::new(AtomicBool::new(false)));
    let other = tokio::spawn(async {
        while !is_over.load(Ordering::Relaxed) {
            TURNS.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    // One page.
    let job = Job::on("people", ("id", Key::Integer), "no").index_plaintext("token", "note", BY_NOTE).batch(1_000);
    let left = jobs::sqlx::left_behind(&pool, &vault, &job).await.unwrap();
    assert_eq!((left.looked_at, left.is_empty()), (ROWS, false));
    let looking = longest();
    let found = jobs::sqlx::dry_run(&pool, &vault, &job).await.unwrap();
    assert_eq!((found.looked_at, found.would_change), (ROWS, ROWS));
    let trying = longest();
    is_over.store(true, Ordering::Relaxed);
    other.await.unwrap();
    // Ten milliseconds are enough for nine of them.
    assert!(looking <= 20 && trying <= 20, "{looking} and {trying} values without a turn for others");
}
