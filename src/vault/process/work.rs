//! What the threads do for a process.

use std::sync::Arc;
use std::time::Duration;

use crate::error::KeyStoreError;
use crate::events;
use crate::vault::process::Process;
use crate::vault::process::shred::{ShredRequest, shred_together};
use crate::vault::state::READS_A_LEASE;
use crate::vault::workers::{Work, Workers};

impl Work for Process {
    type Shred = ShredRequest;

    fn workers(&self) -> &Workers<Process> {
        &self.workers
    }

    fn shred_together(self: &Arc<Process>, shreds: Vec<ShredRequest>, more: &mut dyn FnMut() -> Vec<ShredRequest>) {
        shred_together(self, shreds, more);
    }

    fn sweep(self: &Arc<Process>) {
        if let Err(error) = Process::sweep(self) {
            events::sweep_failed(&error);
        }
    }

    fn read(self: &Arc<Process>) {
        // An error is kept with the process, and shown to those whom it concerns.
        let _ = self.refresh();
        self.unload_pages_if_full();
    }

    fn read_told(self: &Arc<Process>) {
        let _ = self.refresh_told();
        self.unload_pages_if_full();
    }

    fn between_reads(&self) -> Option<Duration> {
        Some(self.known.snapshot()?.facts.lease / READS_A_LEASE)
    }

    fn wipe_if_lapsed(&self) -> Option<Duration> {
        self.known.wipe_if_lapsed()
    }

    fn after_work(self: &Arc<Process>) {
        self.tell_root_key();
    }

    /// No key remains, not even the root key.
    fn end(&self) {
        self.known.revoke(KeyStoreError::Closed);
        self.commits.keyring().forget();
    }
}

impl Process {
    /// Has the record read when its store tells that it changed.
    pub(super) fn watch(self: &Arc<Process>) {
        let told = Arc::downgrade(self);
        self.stores().roots.watch(Box::new(move || {
            let Some(process) = told.upgrade().filter(|process| !process.known.is_closed()) else { return false };
            // One read that has not begun yet is enough, however often it was told.
            if process.is_of_this_process() && process.workers.will_read.ask() {
                process.workers.reads.tell(&process);
            }
            true
        }));
    }
}
