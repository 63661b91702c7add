//! A job that writes nothing, and tells what it would come to.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use oubliette::{CustomerId, Vault};

use super::cell::Column;
use super::error::{JobError, RowProblem};
use super::job::Job;
use super::pass::{Page, Pass};
use super::report::{DryRun, DuplicateToken};
use super::sql::Dialect;

/// A look at the whole table, in which each row is worked on and nothing is kept but its tokens.
pub(super) struct Rehearsal<'p> {
    pass: Pass<'p>,
    /// For rows without a number: what is sealed under it is dropped at once.
    stand_in: Option<CustomerId>,
    /// The first row of each token.
    tokens: HashMap<(Column, Box<[u8]>), String>,
    found: DryRun,
}

impl<'p> Rehearsal<'p> {
    pub(super) fn new(job: &'p Job, vault: &'p Vault, dialect: Dialect) -> Result<Rehearsal<'p>, JobError> {
        let stand_in = if job.enrolls { Some(vault.enroll()?) } else { None };
        let found =
            DryRun { looked_at: 0, would_change: 0, problems: Vec::new(), duplicates: Vec::new(), guesses: Vec::new() };
        Ok(Rehearsal { pass: Pass::over_all(job, vault, dialect)?, stand_in, tokens: HashMap::new(), found })
    }

    pub(super) fn pass(&mut self) -> &mut Pass<'p> {
        &mut self.pass
    }

    /// Works on the next few rows of a page; false when all were.
    pub(super) fn look_at(&mut self, page: &mut Page) -> Result<bool, JobError> {
        let job = self.pass.job();
        let (before, worked) = self.pass.rehearse(page, self.stand_in)?;
        for (before, (after, problem)) in before.iter().zip(worked) {
            self.found.looked_at = self.found.looked_at.saturating_add(1);
            let key = self.pass.key_of(before);
            if let Some((column, cause)) = problem {
                let column = job.name_of(column).to_owned();
                self.found.problems.push(RowProblem { key, column, cause });
                continue;
            }
            for (column, what) in job.steps.iter().filter_map(|step| step.guess(before)) {
                self.found.guess(what, job.name_of(column), &key);
            }
            let changes = u64::from(!after.changed_from(before).is_empty());
            self.found.would_change = self.found.would_change.saturating_add(changes);
            for column in job.steps.iter().flat_map(|step| step.tokens()) {
                let Some(token) = after.cell(*column).content() else { continue };
                match self.tokens.entry((*column, token.into())) {
                    Entry::Vacant(new) => drop(new.insert(key.clone())),
                    Entry::Occupied(first) => self.found.duplicates.push(DuplicateToken {
                        column: job.name_of(*column).to_owned(),
                        key: key.clone(),
                        same_as: first.get().clone(),
                    }),
                }
            }
        }
        Ok(!before.is_empty())
    }

    /// What was found until now.
    pub(super) fn found(self) -> DryRun {
        self.found
    }
}
