//! A thread of the vault's, and the work that waits for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::{Work, oneshot};
use crate::error::KeyStoreError;
use crate::store::{Problem, StoreError};
use crate::sync::{Mutex, lock};

/// Where one kind of a process's work is done.
pub(crate) struct Worker<P: Work> {
    requests: Mutex<Requests<P>>,
    /// Since when the thread does what it does.
    busy_since: Mutex<Option<Instant>>,
}

/// Where they go.
enum Requests<P: Work> {
    /// There is no thread: work is done where it is asked for.
    Here,
    Thread(Sender<Request<P>>),
    Closed,
}

pub(super) type Job<P> = Box<dyn FnOnce(&Arc<P>) + Send>;

pub(super) enum Request<P: Work> {
    Run(Job<P>),
    Shred(P::Shred),
    /// To the thread that reads: the store told of a change.
    Told,
    Stop(oneshot::Sender<()>),
}

impl<P: Work> Worker<P> {
    pub(super) fn new() -> Worker<P> {
        Worker { requests: Mutex::new(Requests::Here), busy_since: Mutex::new(None) }
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

    pub(super) fn start(
        &self,
        process: &Arc<P>,
        name: &str,
        serve: fn(&Arc<P>, &Receiver<Request<P>>),
    ) -> Result<(), KeyStoreError> {
        let (sender, receiver) = channel();
        let owned = process.clone();
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || serve(&owned, &receiver));
        spawned.map_err(|error| StoreError::new(Problem::Io, "starting a thread").caused_by(error))?;
        *lock(&self.requests) = Requests::Thread(sender);
        Ok(())
    }

    /// Runs a job and waits for it, at most that long. `None`: it did not answer in time, or the vault was closed.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        process: &Arc<P>,
        most: Option<Duration>,
        job: impl FnOnce(&Arc<P>) -> T + Send + 'static,
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
        process: &Arc<P>,
        job: impl FnOnce(&Arc<P>) -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (answer, receiver) = oneshot::channel();
        self.ask(process, Request::Run(Box::new(move |process| answer.send(job(process)))));
        receiver
    }

    /// Has the thread that reads do so soon.
    pub(crate) fn tell(&self, process: &Arc<P>) {
        self.ask(process, Request::Told);
    }

    pub(crate) fn shred(&self, process: &Arc<P>, shred: P::Shred) {
        self.ask(process, Request::Shred(shred));
    }

    fn ask(&self, process: &Arc<P>, request: Request<P>) {
        match self.send(request) {
            Some(Request::Run(job)) => job(process),
            Some(Request::Shred(shred)) => process.shred_together(vec![shred], &mut Vec::new),
            Some(Request::Told) => {
                process.workers().will_read.answer();
                process.read();
            }
            Some(Request::Stop(_)) | None => return,
        }
        process.after_work();
    }

    /// Gives it back if it is to be done here. One that cannot be sent is dropped, and with it the sender of its answer: with no lock held, since
    /// that may wake a task of the application's.
    fn send(&self, request: Request<P>) -> Option<Request<P>> {
        let requests = lock(&self.requests);
        match &*requests {
            Requests::Here => return Some(request),
            Requests::Thread(thread) => {
                let unsent = thread.send(request);
                drop(requests);
                drop(unsent);
            }
            Requests::Closed => drop(requests),
        }
        None
    }

    /// No more work is taken. What was asked for before is still done, and then the receiver is told.
    pub(crate) fn close(&self, process: &P) -> oneshot::Receiver<()> {
        let (answer, receiver) = oneshot::channel();
        let before = std::mem::replace(&mut *lock(&self.requests), Requests::Closed);
        match before {
            Requests::Here => {
                process.end();
                answer.send(());
            }
            Requests::Thread(thread) => drop(thread.send(Request::Stop(answer))),
            Requests::Closed => {}
        }
        receiver
    }
}
