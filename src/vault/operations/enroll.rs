//! Numbers of customers: reserved by commits, handed out one by one.

use crate::customer::CustomerId;
use crate::error::KeyStoreError;
use crate::key_tree::{Found, Walker};
use crate::stack::with_clean_stack;
use crate::vault::commit::Step;
use crate::vault::operations::Operations;
use crate::vault::state::{Reserved, Taken, shredded_in, tree_error};

impl Operations<'_> {
    /// A number, from this process's block; a new block is reserved when half of it is gone.
    pub(crate) fn enroll(&self) -> Result<CustomerId, KeyStoreError> {
        self.confirm_lease()?;
        loop {
            // Also refuses a vault that was rolled back, before a number is issued twice.
            let state = self.state()?;
            // A machine resumed from a snapshot may be one of two, both with this block; the lease need not have run out.
            let now = self.known.now();
            let (taken, wanted) = {
                let mut numbers = self.known.numbers_at(now);
                (numbers.take(now), numbers.wants())
            };
            if let Some(size) = wanted {
                drop(self.workers.commits.post(self, move |process| Operations::on(process).refill(size)));
            }
            match taken {
                Some(taken) => {
                    drop(state);
                    if !self.is_shredded(&taken)? {
                        return Ok(taken.number);
                    }
                    continue;
                }
                // A refill waits until nobody reads what was before it.
                None => drop(state),
            }
            let size = self.known.numbers().size();
            let refilled =
                self.workers.commits.run(self, None, move |process| Operations::on(process).refill_if_drained(size));
            refilled.ok_or(KeyStoreError::Closed)??;
        }
    }

    /// The same on the thread that commits.
    pub(crate) fn enroll_on_worker(&self) -> Result<CustomerId, KeyStoreError> {
        loop {
            let state = self.state_now()?;
            let now = self.known.now();
            // Another thread may take all that a refill brought.
            let (taken, size) = {
                let mut numbers = self.known.numbers_at(now);
                (numbers.take(now), numbers.size())
            };
            drop(state);
            match taken {
                Some(taken) if self.is_shredded(&taken)? => {}
                Some(taken) => return Ok(taken.number),
                None => self.refill(size)?,
            }
        }
    }

    /// Whether a number was shredded, for any purpose, before anybody had it. It is wasted then: what its customer is given
    /// would say at once that they were shredded.
    fn is_shredded(&self, taken: &Taken) -> Result<bool, KeyStoreError> {
        self.with_pages(|pages| {
            let state = self.known.snapshot().ok_or_else(|| self.known.lapsed())?;
            // As a rule nobody was shredded since, and no tree is looked at.
            if shredded_in(&state.trees).eq(taken.shredded.iter().copied()) {
                return Ok(false);
            }
            for tree in state.trees.iter().filter(|tree| tree.active).filter_map(|tree| tree.tree.as_ref()) {
                let found = with_clean_stack(|| Walker::for_one().walk(tree, taken.number.to_path(), pages));
                if found.map_err(tree_error)? == Found::Shredded {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    fn refill_if_drained(&self, size: u64) -> Result<(), KeyStoreError> {
        // Others that waited with this caller may have been served by one refill.
        if self.known.numbers().is_drained() { self.refill(size) } else { Ok(()) }
    }

    fn refill(&self, size: u64) -> Result<(), KeyStoreError> {
        let (now, drops) = (self.known.now(), self.known.numbers().drops());
        let reserved = self.commit(&mut |draft| {
            draft.refuse_if_gone_back()?;
            let first = draft.record.next_number;
            let end = first.saturating_add(size).min(CustomerId::MAX.get() + 1);
            if first >= end {
                return Ok(Step::Keep(None));
            }
            draft.record.next_number = end;
            draft.record.newest_block = first;
            let shredded = shredded_in(&draft.trees).collect();
            Ok(Step::Write(Vec::new(), Some(Reserved { numbers: first..end, shredded })))
        });
        let block: Result<Option<Reserved>, KeyStoreError> = match reserved {
            // With an old copy left, a restored one could issue these numbers again: then the witness of their values
            // tells, as for every restore. R8: a block that is not durable in every place could be issued twice, and is wasted.
            Ok(done) => done.in_every_place().map(|done| done.value),
            // The block may be reserved or not: it is wasted.
            Err(error) => Err(error.cause()),
        };
        let mut numbers = self.known.numbers();
        match block {
            Ok(Some(block)) => {
                numbers.refill(block, now, drops);
                Ok(())
            }
            Ok(None) => {
                numbers.refill_failed();
                Err(KeyStoreError::Full { what: "2^40 - 1 customer numbers" })
            }
            Err(error) => {
                numbers.refill_failed();
                Err(error)
            }
        }
    }
}
