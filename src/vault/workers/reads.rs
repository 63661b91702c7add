//! The thread that reads the root record again, several times a lease.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::Work;
use super::worker::Request;

/// Until the record was read once.
const FIRST_PERIOD: Duration = Duration::from_millis(250);

pub(super) fn serve<P: Work>(process: &Arc<P>, requests: &Receiver<Request<P>>) {
    let worker = &process.workers().reads;
    let mut next_read = Instant::now() + FIRST_PERIOD;
    loop {
        match requests.recv_timeout(next_read.saturating_duration_since(Instant::now())) {
            Ok(Request::Stop(_)) | Err(RecvTimeoutError::Disconnected) => return,
            Ok(Request::Run(job)) => worker.guarded(|| job(process)),
            Ok(Request::Shred(shred)) => process.workers().commits.shred(process, shred),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let begun = Instant::now();
        if begun >= next_read {
            worker.guarded(|| process.read());
            // Counted from its start: one that took its time is followed by the next at once.
            next_read = begun + process.between_reads().unwrap_or(FIRST_PERIOD);
        }
    }
}
