//! Async twins without a runtime: dropped, awaited, polled by a second task.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use oubliette::personal::Text;
use oubliette::{Field, KeyStoreError, OpenError, Purpose, RootKey, ShredError, Vault};

const ORDERS: Purpose = Purpose::new("orders");
const NOTE: Field<Text> = ORDERS.field("note");

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest executor there is: a lost wake-up hangs it until its deadline.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        std::thread::park_timeout(deadline.saturating_duration_since(Instant::now()));
        assert!(Instant::now() < deadline, "nobody woke the task");
    }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn vault(dir: &tempfile::TempDir) -> Vault {
    Vault::at(dir.path().join("vault")).purposes([ORDERS]).create(RootKey::bytes([7; 32])).unwrap()
}

#[test]
fn dropping_a_future_cancels_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(&dir);
    let customers: Vec<_> = (0..10).map(|_| vault.enroll().unwrap()).collect();
    let sealed: Vec<_> = customers.iter().map(|id| vault.seal(*id, NOTE, &"a".parse().unwrap()).unwrap()).collect();
    drop(vault.shredding([customers[0]]).start());
    // Polled once, then dropped.
    let mut polled = vault.shredding([customers[1]]).purpose(ORDERS).start();
    let _ = polled.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    drop(polled);
    drop(vault.shredding([customers[2]]).start());
    // Closing waits for what was started.
    vault.close().unwrap();
    let again = Vault::at(dir.path().join("vault")).purposes([ORDERS]).unlock(RootKey::bytes([7; 32])).unwrap();
    for (index, (id, sealed)) in customers.iter().zip(&sealed).enumerate() {
        let is_shredded = matches!(again.open(*id, NOTE, sealed), Err(OpenError::Shredded { .. }));
        assert_eq!(is_shredded, index < 3, "customer {index}");
    }
}

#[test]
fn futures_are_awaited_without_a_runtime() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(&dir);
    block_on(async {
        for round in 0..20 {
            let id = vault.enroll_async().await.unwrap();
            let sealed = vault.seal(id, NOTE, &"a".parse().unwrap()).unwrap();
            let done = vault.shredding([id]).start().await.unwrap();
            assert!(done.commit().is_wiped_here(), "round {round}");
            assert!(matches!(vault.open(id, NOTE, &sealed), Err(OpenError::Shredded { .. })));
            assert_eq!(vault.shredding([id]).start().await.unwrap().already_shredded(), [id]);
        }
        vault.rotate_root_key(RootKey::bytes([8; 32])).unwrap();
        let id = vault.enroll().unwrap();
        vault.clone().close().unwrap();
        let refused = vault.shredding([id]).start().await;
        assert!(matches!(refused, Err(ShredError::NothingHappened(KeyStoreError::Closed))), "{refused:?}");
        assert!(vault.enroll_async().await.is_err());
    });
}

/// A future may move to another task between polls: the last waker counts.
#[test]
fn the_last_waker_is_woken() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(&dir);
    let mut seen = 0;
    for _ in 0..50 {
        let id = vault.enroll().unwrap();
        let (first, second) = (Arc::<Count>::default(), Arc::<Count>::default());
        let mut future = vault.shredding([id]).start();
        let mut poll = |count: &Arc<Count>| {
            future.as_mut().poll(&mut Context::from_waker(&Waker::from(count.clone()))).is_pending()
        };
        let both_waited = poll(&first) && poll(&second);
        if !both_waited {
            // The commit was faster.
            continue;
        }
        seen += 1;
        let deadline = Instant::now() + Duration::from_secs(20);
        while second.0.load(Ordering::SeqCst) == 0 {
            assert!(Instant::now() < deadline, "the last waker was never woken");
            std::thread::yield_now();
        }
        assert_eq!(second.0.load(Ordering::SeqCst), 1);
        assert_eq!(first.0.load(Ordering::SeqCst), 0, "a waker that was replaced was woken");
        let done = block_on(future).unwrap();
        assert!(done.commit().is_wiped_here());
    }
    assert!(seen > 0, "no commit was waited for");
}
