//! One answer from one thread to another: waited for by a thread, or awaited by a task of any runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex, lock, wait_until};

struct State<T> {
    answer: Option<T>,
    /// The sender was dropped: what is not there by now will not come.
    is_abandoned: bool,
    waker: Option<Waker>,
}

struct Cell<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

/// The side that waits. Dropping it cancels nothing.
#[must_use]
pub(crate) struct Receiver<T>(Arc<Cell<T>>);

/// The side that answers. Dropped without an answer, it wakes the receiver, who then gets `None`.
pub(crate) struct Sender<T>(Arc<Cell<T>>);

pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let state = State { answer: None, is_abandoned: false, waker: None };
    let cell = Arc::new(Cell { state: Mutex::new(state), changed: Condvar::new() });
    (Sender(cell.clone()), Receiver(cell))
}

impl<T> Sender<T> {
    pub(crate) fn send(self, answer: T) {
        lock(&self.0.state).answer = Some(answer);
        // Drop wakes.
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let waker = {
            let mut state = lock(&self.0.state);
            state.is_abandoned = true;
            state.waker.take()
        };
        self.0.changed.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Receiver<T> {
    /// Waits for the answer; `None` if none will come.
    pub(crate) fn wait(self) -> Option<T> {
        let mut state = lock(&self.0.state);
        while state.answer.is_none() && !state.is_abandoned {
            state = self.0.changed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        state.answer.take()
    }

    /// Waits for the answer, at most that long.
    pub(crate) fn wait_at_most(self, most: Duration) -> Option<T> {
        let deadline = Instant::now() + most;
        let mut state = lock(&self.0.state);
        while state.answer.is_none() && !state.is_abandoned {
            state = wait_until(&self.0.changed, state, deadline)?;
        }
        state.answer.take()
    }
}

impl<T> Future for Receiver<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = lock(&self.0.state);
        if let Some(answer) = state.answer.take() {
            return Poll::Ready(Some(answer));
        }
        if state.is_abandoned {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}
