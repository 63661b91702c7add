//! One batch of rows: what of it is worked on, and when it is long enough.

use std::time::{Duration, Instant};

use super::cell::{Column, Row};
use super::error::RowProblem;
use super::key::RowKey;

/// What is worked on between two looks at the clock, and so, in an asynchronous job, between two awaits.
const SLICE: Duration = Duration::from_millis(10);
/// Rows of the first slice, whose pace is not known yet.
const FIRST_SLICE: usize = 4;
/// Rows that the vault derives keys for in one go.
const MOST_SLICE: usize = 256;
/// How long a job leaves SQLite's file to others: its writers ask at most this far apart whether it is free.
const SQLITE_PAUSE: Duration = Duration::from_millis(100);

/// Rows that are worked on a few at a time: as many as a short time is enough for, by what those before them took.
pub(super) struct Slices {
    rows: std::vec::IntoIter<Row>,
    done: usize,
    worked: Duration,
}

impl Slices {
    pub(super) fn of(rows: Vec<Row>) -> Slices {
        Slices { rows: rows.into_iter(), done: 0, worked: Duration::ZERO }
    }

    /// The next rows. None when all were given.
    pub(super) fn next(&mut self) -> Vec<Row> {
        self.next_within(SLICE)
    }

    fn next_within(&mut self, time: Duration) -> Vec<Row> {
        let rows = match u128::try_from(self.done) {
            Ok(done) if done > 0 => {
                let row = self.worked.as_nanos() / done;
                usize::try_from(time.min(SLICE).as_nanos() / row.max(1)).unwrap_or(MOST_SLICE).clamp(1, MOST_SLICE)
            }
            _ => FIRST_SLICE,
        };
        self.rows.by_ref().take(rows).collect()
    }

    /// These were worked on.
    pub(super) fn took(&mut self, rows: usize, time: Duration) {
        self.done = self.done.saturating_add(rows);
        self.worked = self.worked.saturating_add(time);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }
}

/// A batch under way. Its rows are locked from when it was begun.
pub(super) struct Batch {
    rows: Slices,
    done: Vec<Done>,
    is_last: bool,
    begun: Instant,
    time: Duration,
}

/// One row that was worked on.
pub(super) struct Done {
    pub(super) key: RowKey,
    pub(super) erased: bool,
    pub(super) outcome: Outcome,
}

/// What became of a row.
pub(super) enum Outcome {
    /// Nothing is to be written.
    Same,
    Problem(RowProblem),
    Change(Change),
}

/// A row with other content than before.
pub(super) struct Change {
    pub(super) after: Row,
    pub(super) written: Vec<Column>,
}

impl Batch {
    /// `begun`: when its locks were taken.
    pub(super) fn new((rows, is_last): (Vec<Row>, bool), begun: Instant, time: Duration) -> Batch {
        Batch { rows: Slices::of(rows), done: Vec::new(), is_last, begun, time }
    }

    /// The next rows to be worked on: as many as a short time is enough for. None when all are, or when what is worked on
    /// takes as long to write as the batch has left.
    pub(super) fn slice(&mut self) -> Vec<Row> {
        let left = (self.time.saturating_mul(2) / 5).saturating_sub(self.begun.elapsed());
        if left.is_zero() && !self.done.is_empty() {
            self.ends_here();
            return Vec::new();
        }
        self.rows.next_within(left)
    }

    pub(super) fn add(&mut self, done: impl IntoIterator<Item = Done>, took: Duration) {
        let before = self.done.len();
        self.done.extend(done);
        self.rows.took(self.done.len().saturating_sub(before), took);
    }

    /// What is not worked on is left to the next batch.
    fn ends_here(&mut self) {
        if !self.rows.is_empty() {
            self.rows = Slices::of(Vec::new());
            self.is_last = false;
        }
    }

    /// Whether no more is to be written.
    pub(super) fn is_late(&self) -> bool {
        self.begun.elapsed() > self.time.saturating_mul(4) / 5
    }

    /// The batch ends before this change, of which nothing is written. It must not be the first.
    pub(super) fn cut(&mut self, before: usize) {
        let places = self.done.iter().enumerate().filter(|(_, done)| matches!(done.outcome, Outcome::Change(_)));
        if let Some((place, _)) = { places }.nth(before) {
            self.done.truncate(place);
            self.is_last = false;
        }
    }

    /// In order of key.
    pub(super) fn changes(&self) -> impl DoubleEndedIterator<Item = &Change> {
        self.done.iter().filter_map(|done| match &done.outcome {
            Outcome::Change(change) => Some(change),
            Outcome::Same | Outcome::Problem(_) => None,
        })
    }

    pub(super) fn problems(&self) -> impl Iterator<Item = &RowProblem> {
        self.done.iter().filter_map(|done| match &done.outcome {
            Outcome::Problem(problem) => Some(problem),
            Outcome::Same | Outcome::Change(_) => None,
        })
    }

    /// Each change with its place among the changes: it may be made a problem.
    pub(super) fn changed(&mut self) -> impl Iterator<Item = (usize, &mut Outcome)> {
        let changed = self.done.iter_mut().map(|done| &mut done.outcome);
        changed.filter(|outcome| matches!(outcome, Outcome::Change(_))).enumerate()
    }

    pub(super) fn done(&self) -> &[Done] {
        &self.done
    }

    pub(super) fn is_last(&self) -> bool {
        self.is_last
    }

    /// How long its rows have been locked.
    pub(super) fn held(&self) -> Duration {
        self.begun.elapsed()
    }
}

/// How many rows the next batch asks for, and when others are let in.
pub(super) struct Pace {
    most: usize,
    rows: usize,
    time: Duration,
    pause: Duration,
    /// How long locks were held since the last pause.
    held: Duration,
}

impl Pace {
    pub(super) fn new(most: usize, time: Duration, pause: Option<Duration>, is_sqlite: bool) -> Pace {
        let pause = pause.unwrap_or(if is_sqlite { SQLITE_PAUSE } else { Duration::ZERO });
        Pace { most, rows: most, time, pause, held: Duration::ZERO }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// After a batch: how long to wait before the next.
    pub(super) fn after(&mut self, batch: &Batch) -> Option<Duration> {
        // Not many more than the time was enough for are read, and elsewhere than in SQLite locked.
        self.rows = batch.done.len().saturating_mul(2).max(FIRST_SLICE).min(self.most);
        let held = batch.held();
        self.held = self.held.saturating_add(held);
        // The next one would be as long.
        if self.pause.is_zero() || self.held.saturating_add(held) <= self.time {
            return None;
        }
        self.held = Duration::ZERO;
        Some(self.pause)
    }
}

impl Row {
    pub(super) fn row_key(&self, columns: usize) -> RowKey {
        RowKey(self.key(columns).to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::super::cell::Cell;
    use super::*;

    fn batch(rows: usize, begun: Instant) -> Batch {
        let rows = (0..rows).map(|at| Row::new(vec![Cell::Null, Cell::Integer(i64::try_from(at).unwrap())]));
        Batch::new((rows.collect(), true), begun, Duration::from_secs(100))
    }

    fn done(rows: &[Row]) -> Vec<Done> {
        let done = |row: &Row| {
            let changes = matches!(row.key(1), [Cell::Integer(number)] if number % 2 == 0);
            let change = Change { after: row.clone(), written: vec![Column(0)] };
            let outcome = if changes { Outcome::Change(change) } else { Outcome::Same };
            Done { key: row.row_key(1), erased: false, outcome }
        };
        rows.iter().map(done).collect()
    }

    #[test]
    fn a_batch_ends_when_its_time_is_over_and_never_without_a_row() {
        let begun = Instant::now().checked_sub(Duration::from_secs(41)).unwrap();
        let mut late = batch(20, begun);
        let slice = late.slice();
        assert_eq!(slice.len(), FIRST_SLICE, "one slice is always done");
        late.add(done(&slice), Duration::from_secs(1));
        assert!(late.slice().is_empty() && !late.is_last && !late.is_late());
        let mut whole = batch(FIRST_SLICE, begun);
        let slice = whole.slice();
        whole.add(done(&slice), Duration::from_secs(1));
        assert!(whole.slice().is_empty() && whole.is_last, "nothing was left out");
        assert!(batch(1, Instant::now().checked_sub(Duration::from_secs(81)).unwrap()).is_late());
    }

    #[test]
    fn slices_are_short_and_a_cut_leaves_whole_rows() {
        let mut batch = batch(1000, Instant::now());
        let mut sizes = Vec::new();
        loop {
            let slice = batch.slice();
            if slice.is_empty() {
                break;
            }
            sizes.push(slice.len());
            // A tenth of a millisecond a row.
            batch.add(done(&slice), Duration::from_micros(100).saturating_mul(u32::try_from(slice.len()).unwrap()));
        }
        assert_eq!((sizes[0], sizes[1], sizes.iter().sum()), (FIRST_SLICE, 100, 1000));
        assert!(batch.is_last && batch.changes().count() == 500);
        batch.cut(3);
        // Rows 0, 2 and 4 are written, and 5 needs nothing.
        assert!(!batch.is_last && batch.changes().count() == 3);
        assert!(batch.done.last().unwrap().key.is(&[Cell::Integer(5)]));
    }

    #[test]
    fn pauses_come_before_locks_were_held_for_too_long() {
        let ago = |millis| Instant::now().checked_sub(Duration::from_millis(millis)).unwrap();
        let time = Duration::from_millis(250);
        let mut pace = Pace::new(500, time, None, true);
        let pauses: Vec<bool> = (0..4).map(|_| pace.after(&batch(1, ago(90))).is_some()).collect();
        assert_eq!(pauses, [false, true, false, true]);
        assert_eq!(pace.rows(), FIRST_SLICE);
        assert!(pace.after(&batch(1, ago(300))).is_some_and(|pause| pause == SQLITE_PAUSE));
        assert!(Pace::new(500, time, None, false).after(&batch(1, ago(300))).is_none());
        assert!(Pace::new(500, time, Some(time), false).after(&batch(1, ago(300))).is_some());
    }
}
