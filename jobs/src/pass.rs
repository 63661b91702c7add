//! One pass over a table, without the table: a driver fetches rows, hands them over, writes what it is told to, and hands
//! over what it reads back.

mod looks;

pub(super) use looks::Page;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use oubliette::{CustomerId, CustomerKeys, KeyStoreError, OpenError, Purpose, Vault, search::Epochs};

use super::batch::{Batch, Change, Done, Outcome, Pace};
use super::cell::{Cell, Column, Row};
use super::error::{Cause, Fault, JobError, RowProblem};
use super::job::Job;
use super::key::RowKey;
use super::report::{LeftBehind, Progress, Report};
use super::sql::{Dialect, Statement, Statements};
use super::step::{Hand, Step};

/// A pass under way.
pub(super) struct Pass<'p> {
    job: &'p Job,
    vault: &'p Vault,
    statements: Statements,
    pace: Pace,
    after: Option<RowKey>,
    progress: Progress,
    problems: Vec<RowProblem>,
    left: LeftBehind,
}

/// What is the same for all rows of a batch.
struct Prepared {
    shredded: HashMap<Purpose, HashSet<CustomerId>>,
    /// One for each step.
    epochs: Vec<Option<Epochs>>,
}

/// What all steps together made of one row.
struct Worked {
    after: Row,
    erased: bool,
    problem: Option<(Column, Cause)>,
}

impl<'p> Pass<'p> {
    pub(super) fn new(job: &'p Job, vault: &'p Vault, dialect: Dialect) -> Result<Pass<'p>, JobError> {
        job.check()?;
        Ok(Pass {
            job,
            vault,
            statements: Statements::of(job, dialect),
            pace: Pace::new(job.batch, job.batch_time, job.pause, dialect == Dialect::Sqlite),
            after: job.after.clone(),
            progress: Progress::new(0, 0),
            problems: Vec::new(),
            left: LeftBehind { looked_at: 0, remaining: Vec::new() },
        })
    }

    /// A look at the whole table, wherever the job was to go on.
    pub(super) fn over_all(job: &'p Job, vault: &'p Vault, dialect: Dialect) -> Result<Pass<'p>, JobError> {
        Ok(Pass { after: None, ..Pass::new(job, vault, dialect)? })
    }

    /// The query that [`learn`](Pass::learn) is given the answer of, where one is needed.
    #[cfg_attr(not(feature = "sqlx"), allow(dead_code))]
    pub(super) fn types(&self) -> Option<Statement<'static>> {
        self.statements.types()
    }

    #[cfg_attr(not(feature = "sqlx"), allow(dead_code))]
    pub(super) fn learn(&mut self, types: Option<&Row>) -> Result<(), JobError> {
        let Some(types) = types else { return Ok(()) };
        self.statements.learn(types);
        self.job.check_types(|column| self.statements.kind_of(column))
    }

    /// The query that [`begin`](Pass::begin) is given the answer of.
    pub(super) fn count(&self) -> Statement<'_> {
        self.statements.count()
    }

    /// The query that counts the rows that an earlier run has done, if there are any.
    pub(super) fn count_before(&self) -> Option<Statement<'_>> {
        self.after.as_ref().map(|after| self.statements.count_through(after))
    }

    pub(super) fn begin(&mut self, counted: Option<&Row>, before: Option<&Row>) -> Result<(), JobError> {
        let count = |row: Option<&Row>, at| match row.map(|row| row.cell(Column(at))) {
            Some(Cell::Integer(count)) => u64::try_from(*count).unwrap_or(0),
            _ => 0,
        };
        let rows = count(counted, 0);
        if (1..=self.job.key.len()).any(|at| count(counted, at) != rows) {
            return Err(JobError::Key { problem: "is NULL in some rows" });
        }
        self.progress = Progress::new(rows, count(before, 0));
        Ok(())
    }

    /// The query for the next rows, in the transaction that will write them.
    pub(super) fn page(&self) -> Statement<'_> {
        self.statements.page(self.after.as_ref(), self.pace.rows(), true)
    }

    /// The query for the next rows, without locks.
    pub(super) fn page_to_look_at(&self) -> Statement<'_> {
        self.statements.page(self.after.as_ref(), self.pace.rows(), false)
    }

    /// A query that must find nothing among the rows of a page: keys that the database takes for one.
    pub(super) fn twice<'b>(&self, rows: &'b [Row]) -> Option<Statement<'b>> {
        let keys = self.job.key.len();
        self.statements.twice(rows.first()?.key(keys), rows.last()?.key(keys))
    }

    pub(super) fn none_twice(&self, counted: Option<&Row>) -> Result<(), JobError> {
        match counted.map(|row| row.cell(Column(0))) {
            Some(Cell::Integer(0)) => Ok(()),
            _ => Err(JobError::Key { problem: "is not unique" }),
        }
    }

    /// A batch of these rows, whose locks were taken at `begun`. Nothing is done yet.
    pub(super) fn batch(&self, rows: Vec<Row>, begun: Instant) -> Result<Batch, JobError> {
        Ok(Batch::new(self.whole_batch(rows)?, begun, self.job.batch_time))
    }

    /// What becomes of the next few of its rows; false when no more are to be worked on.
    pub(super) fn work(&self, batch: &mut Batch) -> Result<bool, JobError> {
        let begun = Instant::now();
        let before = batch.slice();
        if before.is_empty() {
            return Ok(false);
        }
        let mut start = before.clone();
        if self.job.enrolls {
            for row in start.iter_mut().filter(|row| row.cell(Column::CUSTOMER).is_null()) {
                row.set(Column::CUSTOMER, Cell::Integer(self.vault.enroll()?.to_stored()));
            }
        }
        let worked = self.each(&start, |row, keys, prepared| self.work_on(row, keys, prepared))?;
        let done = before.iter().zip(worked).map(|(before, worked)| {
            let outcome = match worked.problem {
                Some((column, cause)) => Outcome::Problem(self.problem(before, column, cause)),
                None => match worked.after.changed_from(before) {
                    written if written.is_empty() => Outcome::Same,
                    written => Outcome::Change(Change { after: worked.after, written }),
                },
            };
            Done { key: before.row_key(self.job.key.len()), erased: worked.erased, outcome }
        });
        batch.add(done, begun.elapsed());
        self.tolerates(batch)?;
        Ok(true)
    }

    /// The updates to run, in order. What one of them missed, reading back shows.
    pub(super) fn updates<'b>(&self, batch: &'b Batch) -> impl Iterator<Item = Statement<'b>> {
        batch.changes().map(|change| self.statements.update(&change.after, &change.written))
    }

    /// These changes were refused by a UNIQUE constraint: their rows stay as they were, and are problems.
    pub(super) fn refuse(&self, batch: &mut Batch, duplicates: &[usize]) -> Result<(), JobError> {
        for (at, outcome) in batch.changed() {
            if let Outcome::Change(change) = &*outcome
                && duplicates.contains(&at)
            {
                let tokens = self.job.steps.iter().flat_map(|step| step.tokens());
                let column = tokens.copied().find(|column| change.written.contains(column));
                let column = column.or(change.written.first().copied()).unwrap_or(Column::KEY);
                *outcome = Outcome::Problem(self.problem(&change.after, column, Cause::Duplicate));
            }
        }
        self.tolerates(batch)
    }

    fn problem(&self, row: &Row, column: Column, cause: Cause) -> RowProblem {
        RowProblem { key: self.key_of(row), column: self.job.name_of(column).to_owned(), cause }
    }

    fn tolerates(&self, batch: &Batch) -> Result<(), JobError> {
        let more: Vec<RowProblem> = batch.problems().cloned().collect();
        if self.problems.len().saturating_add(more.len()) > self.job.tolerated {
            return Err(JobError::problems([&self.problems[..], &more].concat()));
        }
        Ok(())
    }

    /// The query to read back what was written, if anything was.
    pub(super) fn read_back<'b>(&self, batch: &'b Batch) -> Option<Statement<'b>> {
        let keys = self.job.key.len();
        let first = batch.changes().next()?.after.key(keys);
        let last = batch.changes().next_back()?.after.key(keys);
        Some(self.statements.range(first, last))
    }

    /// What came back must be what was to be written, to the byte: that opened again as the value it was made of.
    pub(super) fn check(&self, batch: &Batch, rows: Vec<Row>) -> Result<(), JobError> {
        let (keys, rows) = (self.job.key.len(), self.read(rows)?);
        // In the same order; rows that were not changed, or came since, lie between.
        let mut rows = rows.iter();
        for change in batch.changes() {
            let key = change.after.row_key(keys);
            let found = rows.find(|row| key.is(row.key(keys)));
            let differs = match found {
                Some(found) if found.is(&change.after) => continue,
                Some(found) => found.changed_from(&change.after).first().copied(),
                None => None,
            };
            let column = self.job.name_of(differs.unwrap_or(Column::KEY)).to_owned();
            return Err(JobError::ReadBack { key: self.key_of(&change.after), column });
        }
        Ok(())
    }

    /// Called when a batch was committed. Breaks when it was the last one, or the callback says so; else, how long to wait
    /// before the next, if at all.
    pub(super) fn committed(
        &mut self,
        batch: Batch,
        progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> ControlFlow<Report, Option<Duration>> {
        let pause = self.pace.after(&batch);
        let count = |rows: usize| u64::try_from(rows).unwrap_or(u64::MAX);
        let add = |sum: &mut u64, rows: usize| *sum = sum.saturating_add(count(rows));
        add(&mut self.progress.looked_at, batch.done().len());
        add(&mut self.progress.changed, batch.changes().count());
        add(&mut self.progress.erased, batch.done().iter().filter(|done| done.erased).count());
        add(&mut self.progress.problems, batch.problems().count());
        self.problems.extend(batch.problems().cloned());
        if let Some(last) = batch.done().last() {
            self.progress.bookmark = Some(self.job.key.write(&last.key.0));
            self.after = Some(last.key.clone());
        }
        let goes_on = progress(&self.progress).is_continue();
        if goes_on && !batch.is_last() {
            return ControlFlow::Continue(pause);
        }
        let (progress, problems) = (self.progress.clone(), std::mem::take(&mut self.problems));
        ControlFlow::Break(Report { progress, problems, finished: batch.is_last() })
    }

    pub(super) fn job(&self) -> &'p Job {
        self.job
    }

    pub(super) fn goes_on_after(&mut self, rows: &[Row]) {
        self.after = rows.last().map(|row| row.row_key(self.job.key.len()));
    }

    /// Without the row that only shows whether there are more; and whether there are none.
    fn whole_batch(&self, rows: Vec<Row>) -> Result<(Vec<Row>, bool), JobError> {
        let mut rows = self.read(rows)?;
        let keys = self.job.key.len();
        if !rows.iter().all(|row| self.job.key.hold(row.key(keys))) {
            return Err(JobError::Key { problem: "is of another kind in some rows" });
        }
        if rows.windows(2).any(|pair| matches!(pair, [one, next] if one.row_key(keys).is(next.key(keys)))) {
            return Err(JobError::Key { problem: "is not unique" });
        }
        let most = self.pace.rows();
        let is_last = rows.len() <= most;
        rows.truncate(most);
        Ok((rows, is_last))
    }

    /// What was selected as text and is a number.
    fn read(&self, mut rows: Vec<Row>) -> Result<Vec<Row>, JobError> {
        let numbers = self.job.numbers(|column| self.statements.kind_of(column));
        for row in &mut rows {
            for column in &numbers {
                let Cell::Text(text) = row.cell(*column) else { continue };
                match Cell::number(text.to_string()) {
                    Some(number) => row.set(*column, number),
                    // A key that is none is told as that.
                    None if column.0 <= self.job.key.len() => {}
                    None => return Err(self.job.unsupported(column.0)),
                }
            }
        }
        Ok(rows)
    }

    /// Runs `work` on each row with its customer's keys, in order of customer, and gives what it made in order of row.
    fn each<R>(
        &self,
        rows: &[Row],
        mut work: impl FnMut(&Row, Result<Option<&CustomerKeys>, Cause>, &Prepared) -> Result<R, JobError>,
    ) -> Result<Vec<R>, JobError> {
        let mut known: Vec<(CustomerId, usize)> = Vec::with_capacity(rows.len());
        let mut unknown = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            match row.cell(Column::CUSTOMER) {
                Cell::Null => unknown.push((at, Ok(None))),
                Cell::Integer(number) if let Ok(customer) = CustomerId::from_stored(*number) => {
                    known.push((customer, at));
                }
                _ => unknown.push((at, Err(Cause::InvalidCustomer))),
            }
        }
        known.sort_unstable();
        let prepared = self.prepare(known.iter().map(|(customer, _)| *customer))?;
        let mut made: Vec<(usize, R)> = Vec::with_capacity(rows.len());
        for (at, keys) in unknown {
            made.push((at, work(rows.get(at).ok_or(OUT_OF_STEP)?, keys, &prepared)?));
        }
        for ((_, at), keys) in self.vault.each_customer(known, |(customer, _)| *customer) {
            made.push((at, work(rows.get(at).ok_or(OUT_OF_STEP)?, Ok(Some(&keys)), &prepared)?));
        }
        made.sort_unstable_by_key(|(at, _)| *at);
        Ok(made.into_iter().map(|(_, made)| made).collect())
    }

    fn prepare(&self, customers: impl Iterator<Item = CustomerId> + Clone) -> Result<Prepared, JobError> {
        let mut shredded = HashMap::new();
        let mut epochs = Vec::new();
        for step in &self.job.steps {
            epochs.push(step.epochs(self.vault)?);
            let purpose = step.purpose();
            if let Entry::Vacant(new) = shredded.entry(purpose) {
                let found = self.vault.shredded_among(purpose, customers.clone()).map_err(|error| match error {
                    OpenError::KeyStore(error) => JobError::KeyStore(error),
                    _ => JobError::PurposeNotUnlocked { purpose: purpose.name() },
                })?;
                new.insert(found.into_iter().collect());
            }
        }
        Ok(Prepared { shredded, epochs })
    }

    /// The steps, each with what it has at hand.
    fn with_each_step<'a>(
        &'a self,
        keys: Option<&'a CustomerKeys>,
        prepared: &'a Prepared,
    ) -> impl Iterator<Item = (&'a dyn Step, Hand<'a>)> {
        self.job.steps.iter().zip(&prepared.epochs).map(move |(step, epochs)| {
            let gone = prepared.shredded.get(&step.purpose());
            let shredded = keys.is_some_and(|keys| gone.is_some_and(|gone| gone.contains(&keys.customer())));
            (
                step.as_ref(),
                Hand { vault: self.vault, keys, shredded, epochs: epochs.as_ref(), verifies: self.job.verifies },
            )
        })
    }

    fn work_on(
        &self,
        before: &Row,
        keys: Result<Option<&CustomerKeys>, Cause>,
        prepared: &Prepared,
    ) -> Result<Worked, JobError> {
        let mut worked = Worked { after: before.clone(), erased: false, problem: None };
        let keys = match keys {
            Ok(keys) => keys,
            Err(cause) => return Ok(Worked { problem: Some((Column::CUSTOMER, cause)), ..worked }),
        };
        // What an older version wrote in plaintext stands beside the token of an older value.
        let mut put: Vec<Column> = Vec::new();
        for (step, hand) in self.with_each_step(keys, prepared) {
            // Also in rows of the shredded: their values may be another's, who is not.
            if let Some((column, under)) = of_another(step, &worked.after) {
                worked.problem = Some((column, Cause::OtherNumber { under }));
                break;
            }
            worked.erased |= hand.shredded;
            if hand.shredded && !step.concerns_shredded() {
                continue;
            }
            let follows = step.follows().is_some_and(|column| put.contains(&column));
            let done = step.is_due(&worked.after, &hand).and_then(|due| {
                if due || follows {
                    step.apply(&mut worked.after, &hand)?;
                    put.extend(step.puts_into());
                }
                Ok(())
            });
            match done {
                Ok(()) => {}
                Err(Fault::Erased) => worked.erased = true,
                Err(Fault::Row(cause)) => {
                    worked.problem = Some((step.column(), cause));
                    break;
                }
                Err(Fault::Job(error)) => return Err(error),
            }
        }
        Ok(worked)
    }

    pub(super) fn key_of(&self, row: &Row) -> String {
        key_of(self.job, row)
    }
}

fn key_of(job: &Job, row: &Row) -> String {
    job.key.write(row.key(job.key.len()))
}

/// A value under another number than the row's, or in a row without one.
fn of_another(step: &dyn Step, row: &Row) -> Option<(Column, CustomerId)> {
    let is_of =
        |number: CustomerId| matches!(row.cell(Column::CUSTOMER), Cell::Integer(own) if *own == number.to_stored());
    step.sealed_in(row).filter(|(_, number)| !is_of(*number))
}

const OUT_OF_STEP: KeyStoreError = KeyStoreError::Bug("a batch lost a row");
