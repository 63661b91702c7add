//! The thread that wipes when the lease runs out. It waits for nothing that a store does, and takes short locks alone.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::Work;
use crate::error::KeyStoreError;
use crate::store::{Problem, StoreError};
use crate::sync::{Mutex, lock};

/// Wipes what the lease covers when it runs out, whatever the other threads wait for.
pub(super) struct Watchdog {
    stop: Mutex<Option<Sender<()>>>,
}

/// How often it looks while nothing is held: no lease is shorter.
const NOTHING_HELD: Duration = Duration::from_millis(100);

impl Watchdog {
    pub(super) fn new() -> Watchdog {
        Watchdog { stop: Mutex::new(None) }
    }

    pub(super) fn start<P: Work>(&self, process: &Arc<P>) -> Result<(), KeyStoreError> {
        let (stop, stopped) = channel::<()>();
        let owned = process.clone();
        let watch = move || loop {
            // It ends when the sender is gone.
            let pause = owned.wipe_if_lapsed().map_or(NOTHING_HELD, |left| left.max(Duration::from_millis(1)));
            if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        };
        let spawned = std::thread::Builder::new().name("oubliette-lease".to_owned()).spawn(watch);
        spawned.map_err(|error| StoreError::new(Problem::Io, "starting a thread").caused_by(error))?;
        *lock(&self.stop) = Some(stop);
        Ok(())
    }

    pub(super) fn stop(&self) {
        lock(&self.stop).take();
    }
}
