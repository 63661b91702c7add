//! A thread of the vault's, and the work that waits for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::{commits, oneshot, reads};
use crate::error::KeyStoreError;
use crate::store::{Problem, StoreError};
use crate::sync::{Mutex, lock};
use crate::vault::operations::{ShredRequest, shred_together};
use crate::vault::process::Process;

/// Where one kind of a process's work is done.
pub(crate) struct Worker {
    requests: Mutex<Option<Sender<Request>>>,
    closed: AtomicBool,
    /// Set when there is no thread: work is done where it is asked for.
    inline: AtomicBool,
    /// Since when the thread does what it does.
    busy_since: Mutex<Option<Instant>>,
}

pub(super) type Job = Box<dyn FnOnce(&Arc<Process>) + Send>;

pub(super) enum Request {
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
        process.worker.start(process, "oubliette-commits", commits::serve)?;
        process.reader.start(process, "oubliette-reads", reads::serve)?;
        process.watchdog.start(process)
    }

    /// How long the thread has been at what it does now.
    pub(crate) fn busy_for(&self) -> Duration {
        lock(&self.busy_since).map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// A store or a key wrapper of the application's may panic: that leaves this one job alone without an answer.
    pub(super) fn guarded(&self, job: impl FnOnce()) {
        *lock(&self.busy_since) = Some(Instant::now());
        let _ = catch_unwind(AssertUnwindSafe(job));
        *lock(&self.busy_since) = None;
    }

    /// Has the record read when its store tells that it changed.
    pub(crate) fn watch(process: &Arc<Process>) {
        let told = Arc::downgrade(process);
        process.stores().roots.watch(Box::new(move || {
            let Some(process) = told.upgrade().filter(|process| !process.known.is_closed()) else { return false };
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
