//! The thread that reads the root record again, several times a lease. It is another one than that which commits: it must not wait for a
//! commit that waits for another process, or copies pages.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::worker::Request;
use crate::vault::process::Process;
use crate::vault::state::READS_A_LEASE;

/// Until the record was read once.
const FIRST_PERIOD: Duration = Duration::from_millis(250);

pub(super) fn serve(process: &Arc<Process>, requests: &Receiver<Request>) {
    let mut next_read = Instant::now() + FIRST_PERIOD;
    loop {
        match requests.recv_timeout(next_read.saturating_duration_since(Instant::now())) {
            Ok(Request::Stop(_)) | Err(RecvTimeoutError::Disconnected) => return,
            Ok(Request::Run(job)) => process.reader.guarded(|| job(process)),
            Ok(Request::Shred(request)) => process.worker.shred(process, request),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let begun = Instant::now();
        if begun >= next_read {
            process.reader.guarded(|| {
                // An error is kept with the process, and shown to those whom it concerns.
                let _ = process.refresh();
                process.unload_pages_if_full();
            });
            let lease = process.known.snapshot().map_or(FIRST_PERIOD, |state| state.facts.lease);
            // Counted from its start: one that took its time is followed by the next at once.
            next_read = begun + lease / READS_A_LEASE;
        }
    }
}
