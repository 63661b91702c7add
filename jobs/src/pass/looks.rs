//! Looks at a table that write nothing: what is left, and what would become of each row.

use std::time::Instant;

use oubliette::{CustomerId, CustomerKeys};

use super::super::batch::Slices;
use super::super::cell::{Cell, Column, Row};
use super::super::error::{Cause, Fault, JobError};
use super::super::report::LeftBehind;
use super::{Pass, Prepared, key_of, of_another};

/// Rows that are looked at, a few at a time.
pub(crate) struct Page {
    rows: Slices,
    is_last: bool,
}

/// Rows as they are, and what would become of each.
pub(crate) type Rehearsed = (Vec<Row>, Vec<(Row, Option<(Column, Cause)>)>);

impl Page {
    /// Whether no rows come after it.
    pub(crate) const fn is_last(&self) -> bool {
        self.is_last
    }
}

impl Pass<'_> {
    /// What was read to be looked at. Nothing is yet.
    pub(crate) fn page_of(&self, rows: Vec<Row>) -> Result<Page, JobError> {
        let (rows, is_last) = self.whole_batch(rows)?;
        Ok(Page { rows: Slices::of(rows), is_last })
    }

    /// Looks at the next few rows of a page without changing them; false when all were.
    pub(crate) fn look_at(&mut self, page: &mut Page) -> Result<bool, JobError> {
        let begun = Instant::now();
        let rows = page.rows.next();
        if rows.is_empty() {
            return Ok(false);
        }
        let found = self.each(&rows, |row, keys, prepared| self.left_of(row, keys, prepared))?;
        for (row, due) in rows.iter().zip(found) {
            self.left.looked_at = self.left.looked_at.saturating_add(1);
            if self.job.enrolls && row.cell(Column::CUSTOMER).is_null() {
                let column = self.job.name_of(Column::CUSTOMER);
                self.left.add("without a customer number", column, || key_of(self.job, row));
            }
            let mut others: Vec<Column> = Vec::new();
            for (column, _) in self.job.steps.iter().filter_map(|step| of_another(step.as_ref(), row)) {
                // Several steps look at one column.
                if !others.contains(&column) {
                    others.push(column);
                    self.left.add(OF_ANOTHER, self.job.name_of(column), || key_of(self.job, row));
                }
            }
            for step in self.job.steps.iter().zip(due).filter(|(_, due)| *due).map(|(step, _)| step) {
                let column = self.job.name_of(step.column());
                self.left.add(step.looks_for(), column, || key_of(self.job, row));
            }
        }
        self.goes_on_after(&rows);
        page.rows.took(rows.len(), begun.elapsed());
        Ok(true)
    }

    /// What was found until now.
    pub(crate) fn left(self) -> LeftBehind {
        self.left
    }

    /// What would become of the next few rows of a page, each with its problem if it has one; of none when all were worked on. A row
    /// without a number is worked on under `stand_in`.
    pub(crate) fn rehearse(&mut self, page: &mut Page, stand_in: Option<CustomerId>) -> Result<Rehearsed, JobError> {
        let begun = Instant::now();
        let before = page.rows.next();
        let mut start = before.clone();
        for row in start.iter_mut().filter(|row| row.cell(Column::CUSTOMER).is_null()) {
            if let Some(number) = stand_in {
                row.set(Column::CUSTOMER, Cell::Integer(number.to_stored()));
            }
        }
        if before.is_empty() {
            return Ok((before, Vec::new()));
        }
        let worked = self.each(&start, |row, keys, prepared| self.work_on(row, keys, prepared))?;
        self.goes_on_after(&before);
        page.rows.took(before.len(), begun.elapsed());
        Ok((before, worked.into_iter().map(|worked| (worked.after, worked.problem)).collect()))
    }

    /// For each step, whether the row still needs it.
    fn left_of(
        &self,
        row: &Row,
        keys: Result<Option<&CustomerKeys>, Cause>,
        prepared: &Prepared,
    ) -> Result<Vec<bool>, JobError> {
        let keys = keys.unwrap_or(None);
        self.with_each_step(keys, prepared)
            .map(|(step, hand)| match step.is_due(row, &hand) {
                _ if hand.shredded && !step.concerns_shredded() => Ok(false),
                Ok(due) => Ok(due),
                Err(Fault::Erased) => Ok(false),
                // What cannot be looked into is not known to be done.
                Err(Fault::Row(_)) => Ok(true),
                Err(Fault::Job(error)) => Err(error),
            })
            .collect()
    }
}

const OF_ANOTHER: &str = "sealed under another number than the row's";
