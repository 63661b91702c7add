//! The vault's own threads. On one, commits run, so that concurrent shreds share a commit and no caller's task is blocked
//! by them. On the other, the root record is read again several times a lease: it must not wait for a commit that waits
//! for another process, or copies pages. A third wipes when the lease runs out; it waits for nothing that a store does.
//! Beside them, each place is read on a thread of its own ([`PlaceReads`](crate::vault::commit::PlaceReads)).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::error::KeyStoreError;
use crate::store::{Problem, StoreError};
use crate::sync::{Mutex, lock};
use crate::vault::oneshot;
use crate::vault::process::Process;
use crate::vault::shred::{ShredRequest, shred_together};

/// Re-reads a lease: late ones must still find the lease running.
pub(crate) const READS_A_LEASE: u32 = 4;
/// Until the record was read once.
const FIRST_PERIOD: Duration = Duration::from_millis(250);
/// Superseded pages are looked for this often.
const SWEEP_PERIOD: Duration = Duration::from_secs(3600);

/// Where one kind of a process's work is done.
pub(crate) struct Worker {
    requests: Mutex<Option<Sender<Request>>>,
    closed: AtomicBool,
    /// Set when there is no thread: work is done where it is asked for.
    inline: AtomicBool,
    /// Since when the thread does what it does.
    busy_since: Mutex<Option<Instant>>,
}

type Job = Box<dyn FnOnce(&Arc<Process>) + Send>;

enum Request {
    Run(Job),
    Shred(ShredRequest),
    Stop(oneshot::Sender<()>),
}

impl Worker {
    pub(crate) fn new() -> Worker {
        Worker {
            requests: Mutex::new(None),
            closed: AtomicBool::new(false),
            inline: AtomicBool::new(true),
            busy_since: Mutex::new(None),
        }
    }

    /// Starts the threads. They keep the process alive until they are told to stop, and then do first what was asked
    /// for before.
    pub(crate) fn start_all(process: &Arc<Process>) -> Result<(), KeyStoreError> {
        process.worker.start(process, "oubliette-commits", serve_commits)?;
        process.reader.start(process, "oubliette-reads", serve_reads)?;
        process.watchdog.start(process)
    }

    /// How long the thread has been at what it does now.
    pub(crate) fn busy_for(&self) -> Duration {
        lock(&self.busy_since).map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// A store or a key wrapper of the application's may panic: that leaves this one job alone without an answer.
    fn guarded(&self, job: impl FnOnce()) {
        *lock(&self.busy_since) = Some(Instant::now());
        let _ = catch_unwind(AssertUnwindSafe(job));
        *lock(&self.busy_since) = None;
    }

    /// Has the record read when its store tells that it changed.
    pub(crate) fn watch(process: &Arc<Process>) {
        let told = Arc::downgrade(process);
        process.stores().roots.watch(Box::new(move || {
            let Some(process) = told.upgrade().filter(|process| !process.worker.is_closed()) else { return false };
            // One read that has not begun yet is enough, however often it was told.
            if process.is_of_this_process() && !process.will_read.swap(true, Ordering::AcqRel) {
                drop(process.reader.post(&process, |process| {
                    process.will_read.store(false, Ordering::Release);
                    // Its own failure is shown to whoever asks next.
                    let _ = process.refresh();
                }));
            }
            true
        }));
    }

    fn start(
        &self,
        process: &Arc<Process>,
        name: &str,
        serve: fn(&Arc<Process>, &Receiver<Request>),
    ) -> Result<(), KeyStoreError> {
        let (sender, receiver) = channel();
        let owned = process.clone();
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || serve(&owned, &receiver));
        spawned.map_err(|error| StoreError::new(Problem::Io, "starting a thread").caused_by(error))?;
        *lock(&self.requests) = Some(sender);
        self.inline.store(false, Ordering::Release);
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
        let receiver = self.post(process, job);
        match most {
            Some(most) => receiver.wait_at_most(most),
            None => receiver.wait(),
        }
    }

    /// Starts a job.
    pub(crate) fn post<T: Send + 'static>(
        &self,
        process: &Arc<Process>,
        job: impl FnOnce(&Arc<Process>) -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (answer, receiver) = oneshot::channel();
        let run = move |process: &Arc<Process>| answer.send(job(process));
        if self.inline.load(Ordering::Acquire) {
            if !self.is_closed() {
                run(process);
            }
        } else {
            self.send(Request::Run(Box::new(run)));
        }
        receiver
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

    // A request that cannot be sent is dropped, and with it the sender of its answer.
    fn send(&self, request: Request) {
        if let Some(requests) = &*lock(&self.requests) {
            let _ = requests.send(request);
        }
    }

    /// No more work is taken. What was asked for before is still done; then all keys are wiped, and the receiver is told.
    pub(crate) fn close(&self, process: &Process) -> oneshot::Receiver<()> {
        self.closed.store(true, Ordering::Release);
        let (answer, receiver) = oneshot::channel();
        let requests = lock(&self.requests).take();
        if let Some(requests) = requests {
            let _ = requests.send(Request::Stop(answer));
        } else if self.inline.load(Ordering::Acquire) {
            process.end();
            answer.send(());
        }
        receiver
    }
}

/// Wipes what the lease covers when it runs out, whatever the other threads wait for.
pub(crate) struct Watchdog {
    stop: Mutex<Option<Sender<()>>>,
}

/// How often it looks while nothing is held: no lease is shorter.
const NOTHING_HELD: Duration = Duration::from_millis(100);

impl Watchdog {
    pub(crate) fn new() -> Watchdog {
        Watchdog { stop: Mutex::new(None) }
    }

    fn start(&self, process: &Arc<Process>) -> Result<(), KeyStoreError> {
        let (stop, stopped) = channel::<()>();
        let owned = process.clone();
        let watch = move || loop {
            let left = owned.lease.remaining();
            let is_held = owned.snapshot().is_some();
            if is_held && left.is_zero() {
                owned.wipe_if_lapsed();
            }
            // It ends when the sender is gone.
            let pause = if is_held { left.max(Duration::from_millis(1)) } else { NOTHING_HELD };
            if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        };
        let spawned = std::thread::Builder::new().name("oubliette-lease".to_owned()).spawn(watch);
        spawned.map_err(|error| StoreError::new(Problem::Io, "starting a thread").caused_by(error))?;
        *lock(&self.stop) = Some(stop);
        Ok(())
    }

    pub(crate) fn stop(&self) {
        lock(&self.stop).take();
    }
}

fn serve_commits(process: &Arc<Process>, requests: &Receiver<Request>) {
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
            Ok(Request::Run(job)) => process.worker.guarded(|| job(process)),
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
                process.worker.guarded(|| shred_together(process, together));
            }
            Err(RecvTimeoutError::Timeout) => {
                next_sweep = Instant::now() + SWEEP_PERIOD;
                process.worker.guarded(|| {
                    if let Err(error) = process.sweep() {
                        crate::events::sweep_failed(&error);
                    }
                });
            }
        }
    }
}

fn serve_reads(process: &Arc<Process>, requests: &Receiver<Request>) {
    let mut next_read = Instant::now() + FIRST_PERIOD;
    loop {
        match requests.recv_timeout(next_read.saturating_duration_since(Instant::now())) {
            Ok(Request::Stop(_)) | Err(RecvTimeoutError::Disconnected) => return,
            Ok(Request::Run(job)) => process.reader.guarded(|| job(process)),
            Ok(Request::Shred(request)) => process.worker.shred(process, request),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if Instant::now() >= next_read {
            process.reader.guarded(|| {
                // An error is kept with the process, and shown to those whom it concerns.
                let _ = process.refresh();
                process.unload_pages_if_full();
            });
            let lease = process.snapshot().map_or(FIRST_PERIOD, |state| state.facts.lease);
            next_read = Instant::now() + lease / READS_A_LEASE;
        }
    }
}
