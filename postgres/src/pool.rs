//! Connections that are kept for the next use. Each call has one to itself, so that no read waits for a commit.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::failure::Failure;
use crate::session::{Session, Target};

/// A vault reads the record, looks whether it can be written, reads pages and commits, each on a thread of its own.
const MOST_IDLE: usize = 4;

pub(crate) struct Pool {
    target: Target,
    idle: Mutex<Vec<Arc<Session>>>,
}

impl Pool {
    pub(crate) fn new(target: Target) -> Arc<Pool> {
        Arc::new(Pool { target, idle: Mutex::default() })
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn answer_within(&self) -> Duration {
        self.target.answer_within
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Arc<Session>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> Option<Arc<Session>> {
        let mut idle = self.idle();
        idle.retain(|session| !session.is_closed());
        idle.pop()
    }

    /// Keeps a connection that is in no transaction.
    pub(crate) fn give(&self, session: Arc<Session>) {
        let mut idle = self.idle();
        if !session.is_closed() && idle.len() < MOST_IDLE {
            idle.push(session);
        }
    }

    /// Runs `work`, which may be done twice, on a connection: once more on a new one if one that was kept turns out to be
    /// gone, as after a restart of the server. The connection is returned as well.
    pub(crate) async fn on_one<T, W: Future<Output = Result<T, Failure>>>(
        &self,
        work: impl Fn(Arc<Session>) -> W,
    ) -> Result<(T, Arc<Session>), Failure> {
        if let Some(session) = self.kept() {
            match work(session.clone()).await {
                Err(failure) if failure.lost_connection() => self.idle().clear(),
                Err(failure) => {
                    self.give(session);
                    return Err(failure);
                }
                Ok(done) => return Ok((done, session)),
            }
        }
        let session = Arc::new(Session::connect(&self.target).await?);
        match work(session.clone()).await {
            Ok(done) => Ok((done, session)),
            Err(failure) => {
                self.give(session);
                Err(failure)
            }
        }
    }

    /// Runs `work` as [`on_one`](Pool::on_one) does, and keeps the connection.
    pub(crate) async fn with<T, W: Future<Output = Result<T, Failure>>>(
        &self,
        work: impl Fn(Arc<Session>) -> W,
    ) -> Result<T, Failure> {
        let (done, session) = self.on_one(work).await?;
        self.give(session);
        Ok(done)
    }
}

/// Runs `work` in a transaction. An error leaves nothing of it, but one that comes of the commit itself: then it is not known.
pub(crate) async fn transaction<T>(
    session: &Session,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let _turn = session.turn().await;
    let done = async {
        session.batch("BEGIN").await?;
        work.await
    };
    match done.await {
        Ok(done) => match session.batch("COMMIT").await {
            Ok(()) => Ok(done),
            Err(failure) => {
                session.spoil();
                Err(failure)
            }
        },
        Err(failure) => {
            if session.batch("ROLLBACK").await.is_err() {
                session.spoil();
            }
            Err(failure)
        }
    }
}
