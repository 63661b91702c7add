//! Waiting without a runtime: jobs run on whichever the application has chosen.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// Lets the runtime's other tasks go on.
pub(super) async fn others() {
    let mut is_first = true;
    poll_fn(|context| {
        if !std::mem::take(&mut is_first) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Waits, on a thread that lives as long as the wait.
pub(super) async fn pause(length: Duration) {
    let until = Instant::now().checked_add(length);
    let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
    let sleeper = {
        let waker = waker.clone();
        std::thread::Builder::new().name("oubliette job pause".into()).spawn(move || {
            std::thread::sleep(length);
            if let Some(waker) = waker.lock().unwrap_or_else(PoisonError::into_inner).take() {
                waker.wake();
            }
        })
    };
    // Without a thread to wake it there is no pause.
    if sleeper.is_err() {
        return others().await;
    }
    poll_fn(|context| {
        // The waker is in place before the clock is asked: the thread ends after that time, and then finds it.
        *waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        if until.is_some_and(|until| Instant::now() >= until) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_and_not_before_its_time() {
        struct Unpark(std::thread::Thread);
        impl std::task::Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = std::task::Context::from_waker(&waker);
        for length in [Duration::ZERO, Duration::from_millis(30)] {
            let began = Instant::now();
            let mut waiting = std::pin::pin!(async {
                others().await;
                pause(length).await;
            });
            while waiting.as_mut().poll(&mut context).is_pending() {
                std::thread::park_timeout(Duration::from_secs(20));
            }
            let took = began.elapsed();
            assert!(took >= length && took < Duration::from_secs(10), "{took:?}");
        }
    }
}
