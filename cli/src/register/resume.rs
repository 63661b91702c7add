//! Finishing what was interrupted, in whatever program, before a command does its own.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use oubliette_register::Reconciled;
use serde_json::{Value, json};

use super::{Open, Work, own_transaction};
use crate::answer::count;
use crate::exit::{Exit, Failure};

fn caution(failure: &Failure) {
    let _ = writeln!(std::io::stderr(), "caution: interrupted work is still unfinished: {failure}");
}

/// What was finished.
#[derive(Debug, Default)]
pub struct Resumed {
    done: oubliette_register::Resumed,
    reconciled: Option<Reconciled>,
    receipts: Vec<PathBuf>,
}

impl Open {
    /// Finishes what was interrupted, and tells of it on the standard error.
    pub fn resume(&mut self, work: Work) -> Result<Resumed, Failure> {
        let resumed = self.try_to_resume();
        match (resumed, work) {
            (Ok(mut resumed), work) => {
                let text = resumed.text();
                if !text.is_empty() {
                    let _ = write!(std::io::stderr(), "oubliette: {text}");
                }
                // What was done is told above, since nobody will tell it again.
                match (resumed.done.unfinished.take().map(Failure::from), work) {
                    (None, _) => {}
                    (Some(failure), Work::Writes) => return Err(failure),
                    (Some(failure), Work::Reads) => caution(&failure),
                }
                Ok(resumed)
            }
            (Err(failure), Work::Reads) => {
                caution(&failure);
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
        own_transaction!(self, flush())?;
        // What a flush finds to have gone back in time is told of in full by `reconcile` alone.
        const BEHIND: &str = "SELECT name FROM oubliette_meta WHERE name = 'behind'";
        let reconciled = match self.database.query(BEHIND, &[])?.is_empty() {
            true => None,
            false => Some(own_transaction!(self, reconcile())?),
        };
        let done = own_transaction!(self, resume())?;
        Ok(Resumed { done, reconciled, receipts: self.receipts.of_others() })
    }

    /// Whether a restore waits for an operator's word.
    pub fn awaits_confirmation(&self) -> Result<bool, Failure> {
        const AWAITS: &str = "SELECT name FROM oubliette_meta WHERE name = 'unconfirmed'";
        Ok(!self.database.query(AWAITS, &[])?.is_empty())
    }

    /// Asks the vault of every number, though nothing shows that the database was restored. False when that was done
    /// already, since something did.
    pub fn reconcile(&mut self, resumed: &mut Resumed) -> Result<bool, Failure> {
        if resumed.reconciled.is_some() {
            return Ok(false);
        }
        resumed.reconciled = Some(own_transaction!(self, reconcile())?);
        resumed.receipts = self.receipts.of_others();
        Ok(true)
    }
}

impl Resumed {
    /// True when there are numbers of which nobody knows any more whose they are.
    pub fn has_lost(&self) -> bool {
        self.reconciled.as_ref().is_some_and(|reconciled| !reconciled.ownerless.is_empty())
    }

    /// True when numbers were found about which nothing could be done.
    pub fn has_differences(&self) -> bool {
        let differs = |found: &Reconciled| !found.still_readable.is_empty() || !found.misassigned.is_empty();
        self.reconciled.as_ref().is_some_and(differs)
    }

    /// Sweeps do not wait any more.
    pub fn is_confirmed(&mut self) {
        if let Some(reconciled) = &mut self.reconciled {
            reconciled.awaits_confirmation = false;
        }
    }

    /// What a reconciliation came to; nothing without one.
    pub fn reconciled_text(&self) -> String {
        let mut out = String::new();
        let Some(found) = &self.reconciled else {
            return out;
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "{} compared, {} again, {} recorded as shredded again, {} made again.",
            count(found.compared, "number", "numbers"),
            count(found.erased_again, "customer erased", "customers erased"),
            count(found.shredded_again, "number", "numbers"),
            count(found.changed_again, "change", "changes"),
        );
        let findings = [
            (
                "No customer is known for these numbers: ",
                &found.ownerless,
                "Shred them, unless another database has values under them.",
            ),
            (
                "The register records these numbers as shredded, but the vault opens them: ",
                &found.still_readable,
                "If their customers were erased, shred the numbers. If not, correct the rows.",
            ),
            (
                "These numbers stand beside the wrong customer's id: ",
                &found.misassigned,
                "Until this is settled, these customers cannot be erased. If somebody changed the register's rows by hand, correct the rows. \
                 If the database is older than the last retirement of a key tree, use --confirm-restored.",
            ),
        ];
        for (what, numbers, advice) in findings {
            if !numbers.is_empty() {
                let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
                let _ = writeln!(out, "{what}{}. {advice}", numbers.join(" "));
            }
        }
        out
    }

    /// Nothing, if nothing was to be done.
    pub fn text(&self) -> String {
        let mut out = String::new();
        if self.reconciled.is_some() {
            out.push_str("the database was older than the journal and is up to date now: ");
            out.push_str(&self.reconciled_text());
        }
        // Writing to a string does not fail.
        if self.done.erased > 0 || self.done.shredded > 0 {
            let _ = writeln!(
                out,
                "finished interrupted work and what had waited for a hold: {}, {} shredded.",
                count(self.done.erased, "erasure", "erasures"),
                count(self.done.shredded, "number", "numbers"),
            );
        }
        out + &self.receipts_text()
    }

    /// Where receipts are.
    pub fn receipts_text(&self) -> String {
        let line = |receipt: &PathBuf| format!("A receipt is in {}: hand it over.\n", receipt.display());
        self.receipts.iter().map(line).collect()
    }

    /// Null, if nothing was to be done.
    pub fn json(&self) -> Value {
        if self.text().is_empty() {
            return Value::Null;
        }
        let reconciled = self.reconciled.as_ref().map(|reconciled| {
            json!({
                "erased_again": reconciled.erased_again,
                "shredded_again": reconciled.shredded_again,
                "changed_again": reconciled.changed_again,
                "ownerless": reconciled.ownerless,
                "compared": reconciled.compared,
                "still_readable": reconciled.still_readable,
                "misassigned": reconciled.misassigned,
                "awaits_confirmation": reconciled.awaits_confirmation,
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
