//! Hears of writes as soon as they are committed: `LISTEN`, on a connection of its own.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use oubliette::store::Changed;
use tokio::time::{sleep, timeout};

use crate::driver::Driver;
use crate::failure::Failure;
use crate::pool::Pool;
use crate::session::Session;

/// Between two tries at a connection: doubled with each, up to the second.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];
/// A connection that says nothing may be dead.
const QUIET: Duration = Duration::from_secs(10);

/// Nobody wants to hear any more.
struct Ended;

/// Calls `changed` on a thread of its own, which ends when `changed` wants to hear no more, or the driver ends.
pub(crate) fn start(driver: &Driver, pool: &Arc<Pool>, channel: String, changed: Changed) -> Result<(), Failure> {
    // One that waits is enough, however many come.
    let (tell, told) = sync_channel(1);
    let thread = std::thread::Builder::new().name("oubliette-notices".to_owned());
    let call = move || {
        while told.recv() == Ok(()) {
            if !changed() {
                return;
            }
        }
    };
    thread.spawn(call).map_err(|_| Failure::DriverEnded)?;
    driver.spawn(listen(pool.clone(), channel, tell)).map(drop)
}

/// Listens for ever, on one connection after another.
async fn listen(pool: Arc<Pool>, channel: String, tell: SyncSender<()>) {
    let [first, most] = PAUSES;
    let mut pause = first;
    loop {
        let mut was_heard = false;
        match follow(&pool, &channel, &tell, &mut was_heard).await {
            Ok(Ended) => return,
            Err(_) if was_heard => pause = first,
            Err(_) => pause = (pause * 2).min(most),
        }
        sleep(pause).await;
    }
}

/// Listens on one connection until it is lost.
async fn follow(pool: &Pool, channel: &str, tell: &SyncSender<()>, was_heard: &mut bool) -> Result<Ended, Failure> {
    let session = Session::connect(pool.target()).await?;
    session.batch(&format!("LISTEN \"{channel}\"")).await?;
    *was_heard = true;
    let notified = session.notified();
    loop {
        // Before the first wait: something may have been written while nobody listened.
        if let Err(TrySendError::Disconnected(())) = tell.try_send(()) {
            return Ok(Ended);
        }
        while timeout(QUIET, notified.notified()).await.is_err() {
            session.batch("SELECT 1").await?;
        }
        if session.is_closed() {
            return Err(Failure::DriverEnded);
        }
    }
}
