//! What keeps a vault going: repairs, the sweep, and room for pages.

use std::sync::Arc;
use std::time::Duration;

use crate::error::KeyStoreError;
use crate::events;
use crate::store::Usage;
use crate::vault::commit::{CommitError, Draft, Step, live_pages};
use crate::vault::process::Process;
use crate::vault::state::page_mark;

impl Process {
    /// Finishes what a killed commit left: all copies are made the newest, which authenticated.
    pub(crate) fn repair(self: &Arc<Process>) -> Result<(), KeyStoreError> {
        let done = self.commit(&mut |_| Ok(Step::Rewrite(()))).map_err(CommitError::cause)?;
        done.old_copy.map_or(Ok(()), Err)
    }

    /// Forgets superseded pages that were kept long enough. Only after every reachable page was found.
    pub(crate) fn sweep(self: &Arc<Process>) -> Result<Usage, KeyStoreError> {
        let keep: Duration = self.settings.keep_superseded;
        let threaded = self.settings.threaded;
        let plan = &mut |draft: &mut Draft<'_>| {
            draft.refuse_if_gone_back()?;
            // Other processes read pages of the record that they hold. In tests, one lease is as good as another.
            let keep = if threaded { keep.max(draft.record.lease * 2) } else { keep };
            let value = (live_pages(draft)?, keep, Usage::default());
            // A vault in which nothing happens moves on all the same.
            let is_due = !self.settings.is_copy && self.commits.keyring().is_due(&draft.record.clear.recipe);
            Ok(if is_due { Step::Write(Vec::new(), value) } else { Step::Rewrite(value) })
        };
        // R10: the record is made whole first. One that is merely seen may vanish in a power cut, and the one before it needs its
        // pages.
        let done = self.commit_then(plan, &mut |(live, keep, swept), state, pages| {
            // What nothing here needs may be all that another vault has.
            page_mark::check(&state.facts, &pages.0.mark()?, self.settings.is_copy)?;
            *swept = pages.0.sweep(live, state.facts.clear.generation, *keep)?;
            Ok(())
        });
        let done = done.map_err(CommitError::cause)?;
        if let Some(cause) = done.old_copy {
            return Err(cause);
        }
        let (_, _, swept) = done.value;
        events::swept(swept.pages, swept.bytes);
        Ok(swept)
    }

    /// When reads have filled the room for pages, all of them are let go and loading begins again.
    pub(crate) fn unload_pages_if_full(self: &Arc<Process>) {
        if !self.commits.resident().is_full() {
            return;
        }
        let Some(before) = self.known.snapshot() else { return };
        if let Ok(bare) = before.without_loaded() {
            drop(before);
            self.known.replace_by_bare(bare);
        }
    }
}
