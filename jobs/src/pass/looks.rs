//! Looks at a table that write nothing: what is left, and what would become of each row.

use std::ops::ControlFlow;

use oubliette::{CustomerId, CustomerKeys};

use super::super::cell::{Cell, Column, Row};
use super::super::error::{Cause, Fault, JobError};
use super::super::report::LeftBehind;
use super::{Pass, Prepared, key_of, of_another};

/// Rows as they are, what would become of each, and whether there are no more.
pub(crate) type Rehearsed = (Vec<Row>, Vec<(Row, Option<(Column, Cause)>)>, bool);

impl Pass<'_> {
    /// Looks at rows without changing them. Breaks after the last ones.
    pub(crate) fn look_at(&mut self, rows: Vec<Row>) -> Result<ControlFlow<LeftBehind>, JobError> {
        let (rows, is_last) = self.whole_batch(rows)?;
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
        Ok(if is_last { ControlFlow::Break(self.left.clone()) } else { ControlFlow::Continue(()) })
    }

    /// What would become of these rows, each with its problem if it has one. A row without a number is worked on under `stand_in`.
    pub(crate) fn rehearse(&self, rows: Vec<Row>, stand_in: Option<CustomerId>) -> Result<Rehearsed, JobError> {
        let (before, is_last) = self.whole_batch(rows)?;
        let mut start = before.clone();
        for row in start.iter_mut().filter(|row| row.cell(Column::CUSTOMER).is_null()) {
            if let Some(number) = stand_in {
                row.set(Column::CUSTOMER, Cell::Integer(number.to_stored()));
            }
        }
        let worked = self.each(&start, |row, keys, prepared| self.work_on(row, keys, prepared))?;
        Ok((before, worked.into_iter().map(|worked| (worked.after, worked.problem)).collect(), is_last))
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
