//! The thread that commits, so that concurrent shreds share a commit and no caller's task is blocked by them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::Work;
use super::worker::Request;

/// Superseded pages are looked for this often.
const SWEEP_PERIOD: Duration = Duration::from_secs(3600);

/// The shreds that came up to something else, which is done after them.
fn came_since<P: Work>(requests: &Receiver<Request<P>>, waiting: &mut Option<Request<P>>) -> Vec<P::Shred> {
    let mut shreds = Vec::new();
    while waiting.is_none() {
        match requests.try_recv() {
            Ok(Request::Shred(next)) => shreds.push(next),
            Ok(other) => *waiting = Some(other),
            Err(_) => break,
        }
    }
    shreds
}

pub(super) fn serve<P: Work>(process: &Arc<P>, requests: &Receiver<Request<P>>) {
    let worker = &process.workers().commits;
    let mut next_sweep = Instant::now() + SWEEP_PERIOD;
    let mut waiting = None;
    loop {
        let request = match waiting.take() {
            Some(request) => Ok(request),
            None => requests.recv_timeout(next_sweep.saturating_duration_since(Instant::now())),
        };
        match request {
            Ok(Request::Stop(answer)) => {
                process.end();
                answer.send(());
                return;
            }
            Err(RecvTimeoutError::Disconnected) => return,
            Ok(Request::Run(job)) => worker.guarded(|| job(process)),
            Ok(Request::Told) => process.workers().reads.tell(process),
            Ok(Request::Shred(first)) => {
                // Whatever came while the last commit ran goes into one, and so does what comes while this one waits for other processes.
                let mut more = || came_since(requests, &mut waiting);
                let together = std::iter::once(first).chain(more()).collect();
                worker.guarded(|| process.shred_together(together, &mut more));
            }
            Err(RecvTimeoutError::Timeout) => {
                next_sweep = Instant::now() + SWEEP_PERIOD;
                worker.guarded(|| process.sweep());
            }
        }
        worker.guarded(|| process.after_work());
    }
}
