//! The thread that speaks to the server.
//!
//! The driver is asynchronous, and a store is called from wherever the application is: often from a thread of a runtime of
//! its own, on which no other runtime may be waited for. So all connections live on one thread of ours, and callers wait for
//! its answers as for any other blocking call. Each wait of that thread has an end (`session`), and so has theirs.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::mpsc;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::failure::Failure;

/// Ends its thread, and all connections with it, when it is dropped.
pub(crate) struct Driver {
    handle: Handle,
    /// A forked child has the memory of its parent, and not its threads: it would wait for ever.
    process: u32,
    _stop: oneshot::Sender<Infallible>,
}

impl Driver {
    pub(crate) fn start() -> io::Result<Driver> {
        let (stop, stopped) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let handle = runtime.handle().clone();
        std::thread::Builder::new().name("oubliette-postgres".to_owned()).spawn(move || {
            // The sender sends nothing; it is dropped.
            let _ = runtime.block_on(stopped);
            // A look-up of a host's name may hang, and is left to itself.
            runtime.shutdown_background();
        })?;
        Ok(Driver { handle, process: std::process::id(), _stop: stop })
    }

    /// Runs `work` there and waits for it. Never to be called on the driver's own thread.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.spawn(async move {
            let _ = answer.send(work.await);
        })?;
        answered.recv().unwrap_or(Err(Failure::DriverEnded))
    }

    /// Runs `work` there and does not wait.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Result<AbortHandle, Failure> {
        if std::process::id() != self.process {
            return Err(Failure::Forked);
        }
        Ok(self.handle.spawn(work).abort_handle())
    }
}
