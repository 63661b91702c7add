//! An answer to come: waited for by a thread, or awaited by a task of any runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex, lock, wait_until};

struct State<T> {
    answer: Option<T>,
    /// The one who should answer is gone without doing so.
    broken: bool,
    waker: Option<Waker>,
}

struct Cell<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

/// The side that waits. Dropping it cancels nothing.
#[must_use]
pub(crate) struct Promise<T>(Arc<Cell<T>>);

/// The side that answers. Dropping it without an answer breaks the promise.
pub(crate) struct Answer<T>(Arc<Cell<T>>);

pub(crate) fn promise<T>() -> (Answer<T>, Promise<T>) {
    let state = State { answer: None, broken: false, waker: None };
    let cell = Arc::new(Cell { state: Mutex::new(state), changed: Condvar::new() });
    (Answer(cell.clone()), Promise(cell))
}

impl<T> Answer<T> {
    pub(crate) fn give(self, answer: T) {
        lock(&self.0.state).answer = Some(answer);
        // Drop wakes.
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        let waker = {
            let mut state = lock(&self.0.state);
            state.broken = true;
            state.waker.take()
        };
        self.0.changed.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Promise<T> {
    /// Waits for the answer; `None` if none will come.
    pub(crate) fn wait(self) -> Option<T> {
        let mut state = lock(&self.0.state);
        while state.answer.is_none() && !state.broken {
            state = self.0.changed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        state.answer.take()
    }

    /// Waits for the answer, at most that long.
    pub(crate) fn wait_at_most(self, most: Duration) -> Option<T> {
        let deadline = Instant::now() + most;
        let mut state = lock(&self.0.state);
        while state.answer.is_none() && !state.broken {
            state = wait_until(&self.0.changed, state, deadline)?;
        }
        state.answer.take()
    }
}

impl<T> Future for Promise<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = lock(&self.0.state);
        if let Some(answer) = state.answer.take() {
            return Poll::Ready(Some(answer));
        }
        if state.broken {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}
