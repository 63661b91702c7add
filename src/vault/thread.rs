//! The vault's own thread: commits, refills and re-reads run on it, so that concurrent shreds share a commit and no
//! caller's task is blocked by them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::error::KeyStoreError;
use crate::sync::{Mutex, lock};
use crate::vault::process::Process;
use crate::vault::promise::{Promise, promise};
use crate::vault::shred::{ShredRequest, shred_together};

/// Re-reads a lease: late ones must still find the lease running.
pub(crate) const READS_A_LEASE: u32 = 4;
/// Until the record was read once.
const FIRST_PERIOD: Duration = Duration::from_millis(250);
/// Superseded pages are looked for this often.
const SWEEP_PERIOD: Duration = Duration::from_secs(3600);

/// Where the work of one process is done.
pub(crate) struct Worker {
    requests: Mutex<Option<Sender<Request>>>,
    closed: AtomicBool,
    /// Set when there is no thread: work is done where it is asked for.
    inline: AtomicBool,
}

type Job = Box<dyn FnOnce(&Arc<Process>) + Send>;

enum Request {
    Run(Job),
    Shred(ShredRequest),
    Stop,
}

impl Worker {
    pub(crate) fn new() -> Worker {
        Worker { requests: Mutex::new(None), closed: AtomicBool::new(false), inline: AtomicBool::new(true) }
    }

    /// Starts the thread. It keeps the process alive until it is told to stop.
    pub(crate) fn start(process: &Arc<Process>) -> Result<(), KeyStoreError> {
        let (sender, receiver) = channel();
        let weak = Arc::downgrade(process);
        let spawned = std::thread::Builder::new().name("oubliette".to_owned()).spawn(move || serve(&weak, &receiver));
        spawned
            .map_err(|error| crate::store::StoreError::new(crate::store::Problem::Io, "a thread").caused_by(error))?;
        *lock(&process.worker.requests) = Some(sender);
        process.worker.inline.store(false, Ordering::Release);
        Ok(())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Runs a job and waits for it, at most that long. `None`: it did not answer in time, or the vault was closed.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        process: &Arc<Process>,
        most: Option<Duration>,
        job: impl FnOnce(&Arc<Process>) -> T + Send + 'static,
    ) -> Option<T> {
        let promise = self.post(process, job);
        match most {
            Some(most) => promise.wait_at_most(most),
            None => promise.wait(),
        }
    }

    /// Starts a job.
    pub(crate) fn post<T: Send + 'static>(
        &self,
        process: &Arc<Process>,
        job: impl FnOnce(&Arc<Process>) -> T + Send + 'static,
    ) -> Promise<T> {
        let (answer, promise) = promise();
        let run = move |process: &Arc<Process>| answer.give(job(process));
        if self.inline.load(Ordering::Acquire) {
            if !self.is_closed() {
                run(process);
            }
        } else {
            self.send(Request::Run(Box::new(run)));
        }
        promise
    }

    pub(crate) fn shred(&self, process: &Arc<Process>, request: ShredRequest) {
        if self.inline.load(Ordering::Acquire) {
            if !self.is_closed() {
                shred_together(process, vec![request]);
            }
        } else {
            self.send(Request::Shred(request));
        }
    }

    // A request that cannot be sent is dropped, which breaks its promise.
    fn send(&self, request: Request) {
        if let Some(requests) = &*lock(&self.requests) {
            let _ = requests.send(request);
        }
    }

    /// No more work is taken. What was asked for before is still done.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        if let Some(requests) = lock(&self.requests).take() {
            let _ = requests.send(Request::Stop);
        }
    }
}

fn serve(process: &Weak<Process>, requests: &Receiver<Request>) {
    let mut next_read = Instant::now() + FIRST_PERIOD;
    let mut next_sweep = Instant::now() + SWEEP_PERIOD;
    let mut waiting = None;
    loop {
        let request = match waiting.take() {
            Some(request) => Ok(request),
            None => requests.recv_timeout(next_read.saturating_duration_since(Instant::now())),
        };
        let Some(process) = process.upgrade() else { return };
        match request {
            Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Ok(Request::Run(job)) => job(&process),
            Ok(Request::Shred(first)) => {
                let mut together = vec![first];
                // Whatever came while the last commit ran goes into one.
                while waiting.is_none() {
                    match requests.try_recv() {
                        Ok(Request::Shred(next)) => together.push(next),
                        Ok(other) => waiting = Some(other),
                        Err(_) => break,
                    }
                }
                shred_together(&process, together);
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = Instant::now();
        if now >= next_read {
            // An error is kept with the process, and shown to those whom it concerns.
            let _ = process.refresh();
            process.let_go_of_pages_if_full();
            let lease = process.snapshot().map_or(FIRST_PERIOD, |held| held.facts.lease);
            next_read = Instant::now() + lease / READS_A_LEASE;
        }
        if now >= next_sweep {
            next_sweep = now + SWEEP_PERIOD;
            if let Err(error) = process.sweep() {
                crate::events::sweep_failed(&error);
            }
        }
    }
}
