//! Finishing what was interrupted, in whatever program, before a command does its own.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use oubliette::register::{self, Reconciled};
use serde_json::{Value, json};

use super::{Open, Work, alone};
use crate::answer::count;
use crate::exit::{Exit, Failure};

/// What was finished.
#[derive(Debug, Default)]
pub struct Resumed {
    done: register::Resumed,
    reconciled: Option<Reconciled>,
    receipts: Vec<PathBuf>,
}

impl Open {
    /// Finishes what was interrupted, and tells of it on the standard error.
    pub fn resume(&mut self, work: Work) -> Result<Resumed, Failure> {
        let resumed = self.try_to_resume();
        match (resumed, work) {
            (Ok(resumed), _) => {
                let text = resumed.text();
                if !text.is_empty() {
                    let _ = write!(std::io::stderr(), "oubliette: {text}");
                }
                Ok(resumed)
            }
            (Err(failure), Work::Reads) => {
                let _ = writeln!(std::io::stderr(), "caution: what was interrupted is not finished: {failure}");
                Ok(Resumed::default())
            }
            (Err(failure), Work::Writes) => Err(failure),
        }
    }

    fn try_to_resume(&mut self) -> Result<Resumed, Failure> {
        // By other rules, what is finished would be finished otherwise.
        if let Some(disagreement) = self.disagreement()? {
            return Err(Failure::new(Exit::Config, disagreement));
        }
        alone!(self, flush())?;
        // What a flush finds to have gone back in time is told of in full by `reconcile` alone.
        const BEHIND: &str = "SELECT name FROM oubliette_meta WHERE name = 'behind'";
        let reconciled = match self.database.query(BEHIND, &[])?.is_empty() {
            true => None,
            false => Some(alone!(self, reconcile())?),
        };
        let done = alone!(self, resume())?;
        Ok(Resumed { done, reconciled, receipts: self.receipts.kept() })
    }
}

impl Resumed {
    /// True when there are numbers of which nobody knows any more whose they are.
    pub fn has_lost(&self) -> bool {
        self.reconciled.as_ref().is_some_and(|reconciled| !reconciled.lost.is_empty())
    }

    /// Nothing, if nothing was to be done.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        if let Some(reconciled) = &self.reconciled {
            let Reconciled { erased, shredded, changed, lost, .. } = reconciled;
            let _ = writeln!(
                out,
                "the database was older than the journal, and is brought up to date: {} again, {} recorded as shredded, {} repeated.",
                count(*erased, "customer erased", "customers erased"),
                count(*shredded, "number", "numbers"),
                count(*changed, "change", "changes"),
            );
            if !lost.is_empty() {
                let numbers: Vec<String> = lost.iter().map(ToString::to_string).collect();
                let _ = writeln!(
                    out,
                    "Nobody knows any more whose these numbers are: {}. Shred them, unless another database holds values of theirs.",
                    numbers.join(" ")
                );
            }
        }
        if self.done.erased > 0 || self.done.shredded > 0 {
            let _ = writeln!(
                out,
                "finished what was interrupted or had waited for a hold: {}, {} shredded.",
                count(self.done.erased, "erasure", "erasures"),
                count(self.done.shredded, "number", "numbers"),
            );
        }
        for receipt in &self.receipts {
            let _ = writeln!(out, "A receipt is in {}: hand it on.", receipt.display());
        }
        out
    }

    /// Null, if nothing was to be done.
    pub fn json(&self) -> Value {
        if self.text().is_empty() {
            return Value::Null;
        }
        let reconciled = self.reconciled.as_ref().map(|reconciled| {
            json!({
                "erased": reconciled.erased,
                "shredded": reconciled.shredded,
                "changed": reconciled.changed,
                "lost": reconciled.lost,
            })
        });
        json!({
            "erased": self.done.erased,
            "shredded": self.done.shredded,
            "reconciled": reconciled,
            "receipts": self.receipts,
        })
    }
}
