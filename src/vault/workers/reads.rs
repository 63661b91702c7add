//! The thread that reads the root record again, several times a lease.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::Work;
use super::worker::Request;

/// From one read that the store asked for to the next: where others commit all the while, each of their commits would cause one in every process.
const BETWEEN_TOLD: Duration = Duration::from_millis(25);
/// Until the record was read once.
const FIRST_PERIOD: Duration = Duration::from_millis(250);

pub(super) fn serve<P: Work>(process: &Arc<P>, requests: &Receiver<Request<P>>) {
    let worker = &process.workers().reads;
    let mut next_read = Instant::now() + FIRST_PERIOD;
    // When the store told of something that was not read since, and before which that is not read.
    let (mut told, mut quiet) = (false, Instant::now());
    loop {
        let next = if told { next_read.min(quiet) } else { next_read };
        match requests.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(Request::Stop(_)) | Err(RecvTimeoutError::Disconnected) => return,
            Ok(Request::Run(job)) => worker.guarded(|| job(process)),
            Ok(Request::Told) => told = true,
            Ok(Request::Shred(shred)) => process.workers().commits.shred(process, shred),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let begun = Instant::now();
        let is_due = begun >= next_read;
        if is_due || told && begun >= quiet {
            if told {
                // Before the read: what is told from now on is for the next one.
                process.workers().will_read.answer();
                (told, quiet) = (false, begun + BETWEEN_TOLD);
            }
            // What the lease needs, or what was told of alone.
            worker.guarded(|| if is_due { process.read() } else { process.read_told() });
            // Counted from its start: one that took its time is followed by the next at once.
            if is_due {
                next_read = begun + process.between_reads().unwrap_or(FIRST_PERIOD);
            }
        }
    }
}
