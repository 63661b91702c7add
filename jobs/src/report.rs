//! How far a job has come, and what it found.

use std::fmt;
use std::time::{Duration, Instant};

use super::error::RowProblem;

/// How far a job is.
///
/// [The crate's example](crate) shows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// Rows in the table when the job began.
    pub total: u64,
    /// Of these, rows up to the [bookmark](super::Job::resume_after) from which this run went on.
    pub before: u64,
    /// Rows looked at by this run.
    pub looked_at: u64,
    /// Of these, rows that were changed.
    pub changed: u64,
    /// Of these, rows of shredded customers: those shredded in a purpose of the job. Their values were left as they
    /// are.
    pub erased: u64,
    /// Of these, rows with a problem, which were left as they are.
    pub problems: u64,
    /// The key of the last row that was committed, for [`Job::resume_after`](super::Job::resume_after).
    pub bookmark: Option<String>,
    begun: Instant,
}

impl Progress {
    pub(super) fn new(total: u64, before: u64) -> Progress {
        Progress {
            total,
            before,
            looked_at: 0,
            changed: 0,
            erased: 0,
            problems: 0,
            bookmark: None,
            begun: Instant::now(),
        }
    }

    /// Rows that an earlier run or this one has been through.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.before.saturating_add(self.looked_at)
    }

    /// Rows that are left for this run, as counted when it began.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.total.saturating_sub(self.done())
    }

    /// How long the rest takes at the pace so far; `None` before the first batch.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        let pace = self.elapsed().as_secs_f64() / f64_of(self.looked_at);
        Duration::try_from_secs_f64(pace * f64_of(self.left())).ok().filter(|_| self.looked_at > 0)
    }

    /// Time since the run began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Rows looked at a second, so far.
    #[must_use]
    pub fn rows_a_second(&self) -> f64 {
        f64_of(self.looked_at) / self.elapsed().as_secs_f64().max(f64::EPSILON)
    }
}

/// Exact up to 2^53 rows.
#[allow(clippy::cast_precision_loss)]
fn f64_of(rows: u64) -> f64 {
    rows as f64
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} rows, {} left, {} changed, {} of shredded customers, {} with problems, {:.0} rows a second",
            self.done(),
            self.total,
            self.left(),
            self.changed,
            self.erased,
            self.problems,
            self.rows_a_second()
        )
    }
}

/// The result of a run.
///
/// [The crate's example](crate) shows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// How far it came.
    pub progress: Progress,
    /// The rows that were left because of a problem.
    pub problems: Vec<RowProblem>,
    /// False if the callback stopped the run.
    pub finished: bool,
}

/// What steps of a job still have to do. A driver's `left_behind` gives it, as in [the crate's example](crate).
///
/// [The crate's example](crate) shows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LeftBehind {
    /// Rows looked at.
    pub looked_at: u64,
    /// One entry for each step with something left.
    pub remaining: Vec<Remaining>,
}

/// What one step of a job still has to do.
///
/// [`LeftBehind`] lists it; it is only read, so there is no example.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Remaining {
    /// Why the rows are listed: "plaintext", "under a replaced key tree".
    pub what: &'static str,
    /// The column.
    pub column: String,
    /// How many rows.
    pub rows: u64,
    /// The keys of the first ten.
    pub first: Vec<String>,
}

impl LeftBehind {
    /// True when every step of the job has nothing left to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remaining.is_empty()
    }

    pub(super) fn add(&mut self, what: &'static str, column: &str, key: impl FnOnce() -> String) {
        let known = self.remaining.iter().position(|one| one.what == what && one.column == column);
        let at = known.unwrap_or_else(|| {
            self.remaining.push(Remaining { what, column: column.to_owned(), rows: 0, first: Vec::new() });
            self.remaining.len().saturating_sub(1)
        });
        if let Some(one) = self.remaining.get_mut(at) {
            one.rows = one.rows.saturating_add(1);
            if one.first.len() < 10 {
                one.first.push(key());
            }
        }
    }
}

impl fmt::Display for LeftBehind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return write!(f, "nothing left behind in {} rows", self.looked_at);
        }
        for (at, one) in self.remaining.iter().enumerate() {
            let (separator, keys) = (if at == 0 { "" } else { "; " }, one.first.join(", "));
            write!(f, "{separator}column {}: {} rows: {} (the first: {keys})", one.column, one.rows, one.what)?;
        }
        Ok(())
    }
}

/// What a job would do. A driver's `dry_run` gives it.
///
/// ```
/// # #[cfg(feature = "rusqlite")] {
/// use oubliette::{Field, Purpose, Vault, personal::Email};
/// use oubliette_jobs::{self as jobs, Job, Key};
///
/// const ORDERS: Purpose = Purpose::new("orders");
/// const EMAIL: Field<Email> = ORDERS.field("email");
///
/// # let vault = Vault::in_memory([ORDERS]);
/// # let connection = rusqlite::Connection::open_in_memory()?;
/// # connection.execute_batch(
/// #     "CREATE TABLE customers (id INTEGER PRIMARY KEY, no BIGINT, email TEXT);
/// #      INSERT INTO customers (email) VALUES ('alice@example.com'), ('bob at example.com');",
/// # )?;
/// let job = Job::on("customers", ("id", Key::Integer), "no").enroll().seal("email", EMAIL);
/// let found = jobs::rusqlite::dry_run(&connection, &vault, &job)?;
/// assert_eq!((found.would_change, found.problems.len()), (1, 1));
/// println!("{found}"); // row 2, column email: ..
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DryRun {
    /// Rows looked at.
    pub looked_at: u64,
    /// Of these, rows that would be changed.
    pub would_change: u64,
    /// Rows that would be left as they are, each with the rule that it breaks.
    pub problems: Vec<RowProblem>,
    /// Rows that would get the same token as another row, since their values have one canonical form. A UNIQUE column
    /// refuses all but one of them.
    pub duplicates: Vec<DuplicateToken>,
    /// Rows that would take a guess, such as the country of an address: one entry for each guess and column.
    pub guesses: Vec<Guessed>,
}

/// Rows that take the same guess.
///
/// [`DryRun`] lists it; it is only read, so there is no example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Guessed {
    /// The guess.
    pub what: &'static str,
    /// The column.
    pub column: String,
    /// How many rows.
    pub rows: u64,
    /// The keys of the first hundred.
    pub first: Vec<String>,
}

/// Two rows with the same token.
///
/// [`DryRun`] lists it; it is only read, so there is no example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DuplicateToken {
    /// The column of tokens.
    pub column: String,
    /// The row's key.
    pub key: String,
    /// The key of the first row that has the same token.
    pub same_as: String,
}

impl DryRun {
    pub(super) fn guess(&mut self, what: &'static str, column: &str, key: &str) {
        let known = self.guesses.iter().position(|one| one.what == what && one.column == column);
        let at = known.unwrap_or_else(|| {
            self.guesses.push(Guessed { what, column: column.to_owned(), rows: 0, first: Vec::new() });
            self.guesses.len().saturating_sub(1)
        });
        if let Some(one) = self.guesses.get_mut(at) {
            one.rows = one.rows.saturating_add(1);
            if one.first.len() < 100 {
                one.first.push(key.to_owned());
            }
        }
    }
}

impl fmt::Display for DryRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DryRun { looked_at, would_change, problems, duplicates, guesses } = self;
        let (problems_count, duplicates_count) = (problems.len(), duplicates.len());
        write!(
            f,
            "{looked_at} rows, {would_change} would be changed, {problems_count} have problems, \
             {duplicates_count} would have another row's token"
        )?;
        problems.iter().try_for_each(|problem| write!(f, "\n{problem}"))?;
        duplicates.iter().try_for_each(|DuplicateToken { column, key, same_as }| {
            write!(f, "\nrow {key}, column {column}: the same as row {same_as}")
        })?;
        guesses.iter().try_for_each(|Guessed { what, column, rows, first }| {
            let keys: Vec<&str> = first.iter().take(10).map(String::as_str).collect();
            write!(f, "\ncolumn {column}: {rows} rows: {what} (the first: {})", keys.join(", "))
        })
    }
}
